"""`send_trap`, whose pysnmp is the oracle, against the real collector: every pair of protocols."""

import itertools

import pytest

from collectors.snmp.keys import Auth, Localisation, Priv
from collectors.snmp.send import Sender, SendError, send_trap
from gateway.core.reason import Dropped

PASSWORD = "a-long-password"
AUTHS = [auth for auth in Auth if auth is not Auth.NONE]
PAIRS = [
    (Auth.NONE, Priv.NONE, Localisation.REEDER),
    *itertools.product(AUTHS, Priv, [Localisation.REEDER]),
    *itertools.product(AUTHS, [Priv.AES192, Priv.AES256], [Localisation.BLUMENTHAL]),
]


@pytest.fixture
def known(secret):
    """The configuration of a sender."""

    def user(sender, **more):
        chosen = {"name": sender.name, "auth": sender.auth, "priv": sender.priv}
        if sender.auth is not Auth.NONE:
            chosen["auth_password"] = secret("AUTH", sender.auth_password)
        if sender.priv is not Priv.NONE:
            chosen["priv_password"] = secret("PRIV", sender.priv_password)
        return chosen | more

    return user


def person(auth=Auth.SHA256, priv=Priv.AES128, localisation=Localisation.REEDER):
    return Sender(
        name="ops",
        auth=auth,
        auth_password=PASSWORD,
        priv=priv,
        priv_password=PASSWORD[::-1],
        localisation=localisation,
    )


@pytest.mark.parametrize(("auth", "priv", "localisation"), PAIRS)
async def test_every_pair_of_protocols_is_understood_and_answered(serve, known, auth, priv, localisation):
    sender = person(auth, priv, localisation)
    to = {"host": "127.0.0.1", "version": "3", "user": sender, "trap": "linkDown"}
    async with serve({"users": [known(sender)]}) as running:
        await send_trap(**to, port=running.port, varbinds=[("ifIndex.7", "i", "7")])
        await running.settled(inputs=1)
        await send_trap(**to, port=running.port, inform=True, timeout_s=30, retries=0)

    assert [event.condition for event in running.intake.events] == ["linkDown", "linkDown"]
    assert running.intake.events[0].labels["ifIndex"] == "7"
    assert running.intake.drops == {}


async def test_a_localisation_that_is_not_the_devices_is_told(serve, known):
    sender = person(Auth.SHA1, Priv.AES256, Localisation.BLUMENTHAL)
    async with serve({"users": [known(sender, localisation="reeder")]}) as running:
        await send_trap(host="127.0.0.1", port=running.port, version="3", user=sender)
        await running.settled(inputs=1)

    assert running.intake.drops == {Dropped.AUTH_FAILED: 1}


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_communities(serve, version):
    async with serve({"communities": ["public"]}) as running:
        await send_trap(
            host="127.0.0.1",
            port=running.port,
            version=version,
            trap="1.3.6.1.4.1.99999.0.3",
            varbinds=[("1.3.6.1.4.1.99999.1", "x", "0x00ff"), ("1.3.6.1.4.1.99999.2", "a", "192.0.2.1")],
        )
        await running.settled(inputs=1)

    (event,) = running.intake.events
    assert event.condition == "1.3.6.1.4.1.99999.0.3"
    assert event.labels["1.3.6.1.4.1.99999.1"] == "0x00ff"


async def test_ipv6(serve):
    async with serve({"listen": ["[::1]:0"], "communities": ["public"]}) as running:
        await send_trap(host="::1", port=running.port, inform=True, timeout_s=30, retries=0)
    assert running.intake.events[0].source == "::1"


async def test_nobody_answers(sender):
    with pytest.raises(SendError, match="did not acknowledge"):
        await send_trap(host="127.0.0.1", port=sender.getsockname()[1], inform=True, timeout_s=0.05, retries=0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"version": "4"}, "choose 1, 2c or 3"),
        ({"version": "1", "inform": True}, "no informs"),
        ({"version": "3"}, "needs a user"),
        ({"trap": "linkDwon"}, "linkDwon"),
        ({"varbinds": [("1.3.6", "q", "1")]}, "is no type"),
        ({"varbinds": [("1.3.6.1", "i", "seven")]}, "seven"),
    ],
)
async def test_mistakes_are_told_in_a_sentence(arguments, sentence):
    with pytest.raises(SendError, match=sentence):
        await send_trap(host="127.0.0.1", port=9, **arguments)
