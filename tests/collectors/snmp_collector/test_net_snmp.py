"""net-snmp's own tools send to the real collector."""

import asyncio

import pytest

from gateway.core.reason import Dropped
from gateway.testing.clock import turns
from gateway.testing.intake import RecordingIntake

pytestmark = pytest.mark.tools

LINK_DOWN = "1.3.6.1.6.3.1.1.5.3"
IF_INDEX = ("1.3.6.1.2.1.2.2.1.1.7", "i", "7")
PASSWORDS = ("-A", "authentic-password", "-X", "private-password")
FAST = ("-r", "0", "-t", "1")


@pytest.fixture
def users(secret):
    """One user for each pair of protocols under test."""
    auth, priv = secret("AUTH", "authentic-password"), secret("PRIV", "private-password")

    def user(name, **fields):
        chosen = {"name": name, **fields}
        if "auth" in fields:
            chosen["auth_password"] = auth
        if "priv" in fields:
            chosen["priv_password"] = priv
        return chosen

    return [
        user("nobody"),
        user("shonly", auth="sha1"),
        user("shaaes", auth="sha1", priv="aes128"),
        user("md5des", auth="md5", priv="des"),
        user("sha256aes256", auth="sha256", priv="aes256"),
        user("sha1aes256", auth="sha1", priv="aes256"),
        user("sha1aes192", auth="sha1", priv="aes192"),
        user("sha512aes256", auth="sha512", priv="aes256"),
        user("sha224aes128", auth="sha224", priv="aes128"),
        user("sha384des", auth="sha384", priv="des"),
    ]


LEVELS = {
    "nobody": ("-l", "noAuthNoPriv"),
    "shonly": ("-l", "authNoPriv", "-a", "SHA"),
    "shaaes": ("-l", "authPriv", "-a", "SHA", "-x", "AES"),
    "md5des": ("-l", "authPriv", "-a", "MD5", "-x", "DES"),
    "sha256aes256": ("-l", "authPriv", "-a", "SHA-256", "-x", "AES-256"),
    "sha1aes256": ("-l", "authPriv", "-a", "SHA", "-x", "AES-256"),
    "sha1aes192": ("-l", "authPriv", "-a", "SHA", "-x", "AES-192"),
    "sha512aes256": ("-l", "authPriv", "-a", "SHA-512", "-x", "AES-256"),
    "sha224aes128": ("-l", "authPriv", "-a", "SHA-224", "-x", "AES"),
    "sha384des": ("-l", "authPriv", "-a", "SHA-384", "-x", "DES"),
}


def v3(user):
    return ("-v", "3", "-u", user, *LEVELS[user], *PASSWORDS)


async def test_a_v1_trap_arrives(serve, tool):
    async with serve({"communities": ["public"]}) as running:
        to = f"127.0.0.1:{running.port}"
        await tool("snmptrap", "-v", "1", "-c", "public", to, "1.3.6.1.4.1.9", "10.9.9.9", "2", "0", "55", *IF_INDEX)
        await running.settled(inputs=1)

    (event,) = running.intake.events
    assert (event.condition, event.source) == ("linkDown", "127.0.0.1")  # the agent-addr of a stranger is not believed
    assert running.balance() == 0


async def test_a_relay_may_name_the_device_that_it_speaks_for(serve, tool):
    async with serve({"communities": ["public"], "relays": ["127.0.0.0/8"]}) as running:
        to = f"127.0.0.1:{running.port}"
        await tool("snmptrap", "-v", "1", "-c", "public", to, "1.3.6.1.4.1.9", "10.9.9.9", "2", "0", "55", *IF_INDEX)
        await running.settled(inputs=1)

    assert running.intake.events[0].source == "10.9.9.9"


async def test_a_v2c_trap_arrives_over_ipv6(serve, tool):
    async with serve({"listen": ["[::1]:0"], "communities": ["public"]}) as running:
        await tool("snmptrap", "-v", "2c", "-c", "public", f"udp6:[::1]:{running.port}", "55", LINK_DOWN, *IF_INDEX)
        await running.settled(inputs=1)

    (event,) = running.intake.events
    assert (event.condition, event.source, event.labels["ifIndex"]) == ("linkDown", "::1", "7")


async def test_an_unknown_trap_oid_is_kept(serve, tool):
    async with serve({"communities": ["public"]}) as running:
        to = f"127.0.0.1:{running.port}"
        await tool("snmptrap", "-v", "2c", "-c", "public", to, "55", "1.3.6.1.4.1.99999.7.0.1", *IF_INDEX)
        await running.settled(inputs=1)

    assert running.intake.events[0].condition == "1.3.6.1.4.1.99999.7.0.1"


async def test_an_unknown_community_is_counted(serve, tool):
    async with serve({"communities": ["private"]}) as running:
        await tool("snmptrap", "-v", "2c", "-c", "public", f"127.0.0.1:{running.port}", "55", LINK_DOWN)
        await running.settled(inputs=1)

    assert running.intake.drops == {Dropped.UNKNOWN_COMMUNITY: 1}
    assert not running.intake.events


@pytest.mark.parametrize("user", LEVELS)
async def test_a_v3_trap_arrives(serve, tool, users, user):
    async with serve({"users": users}) as running:
        await tool("snmptrap", *v3(user), f"127.0.0.1:{running.port}", "55", LINK_DOWN, *IF_INDEX)
        await running.settled(inputs=1)

    assert running.intake.drops == {}
    (event,) = running.intake.events
    assert (event.condition, event.labels["ifIndex"]) == ("linkDown", "7")
    assert len(event.labels["engine_id"]) >= 10


@pytest.mark.parametrize("user", LEVELS)
async def test_a_v3_inform_is_answered(serve, tool, users, user):
    async with serve({"users": users}) as running:
        code, output = await tool(
            "snmpinform", *v3(user), *FAST, f"127.0.0.1:{running.port}", "55", LINK_DOWN, *IF_INDEX
        )

    assert (code, output) == (0, "")
    assert [event.condition for event in running.intake.events] == ["linkDown"]
    assert running.balance() == 0
    assert running.intake.drops == {}  # asking for our engine id is no loss


@pytest.mark.parametrize("user", ["", "shaaes"])
async def test_an_inform_is_answered_only_after_the_commit(serve, tool, users, user):
    intake = RecordingIntake(hold=True)
    credentials = v3(user) if user else ("-v", "2c", "-c", "public")
    async with (
        serve({"users": users, "communities": ["public"]}, intake=intake) as running,
        asyncio.TaskGroup() as tasks,
    ):
        sending = tasks.create_task(
            tool("snmpinform", *credentials, "-r", "0", "-t", "9", f"127.0.0.1:{running.port}", "55", LINK_DOWN)
        )
        await running.settled(inputs=1)
        await turns(50)
        assert not sending.done()
        intake.release()
        code, output = await sending

    assert (code, output) == (0, "")


@pytest.mark.parametrize("user", ["", "shaaes"])
async def test_an_inform_that_cannot_be_kept_is_not_answered(serve, tool, users, user):
    intake = RecordingIntake()
    intake.overloaded = True
    credentials = v3(user) if user else ("-v", "2c", "-c", "public")
    async with serve({"users": users, "communities": ["public"]}, intake=intake) as running:
        code, output = await tool("snmpinform", *credentials, *FAST, f"127.0.0.1:{running.port}", "55", LINK_DOWN)

    assert code != 0
    assert "Timeout" in output


@pytest.mark.parametrize("user", ["", "shaaes"])
async def test_repeats_of_an_inform_become_one_event(serve, tool, users, user):
    intake = RecordingIntake(hold=True)
    credentials = v3(user) if user else ("-v", "2c", "-c", "public")
    async with (
        serve({"users": users, "communities": ["public"]}, intake=intake) as running,
        asyncio.TaskGroup() as tasks,
    ):
        sending = tasks.create_task(
            tool("snmpinform", *credentials, "-r", "5", "-t", "1", f"127.0.0.1:{running.port}", "55", LINK_DOWN)
        )
        await running.settled(inputs=2)  # the second is a repeat, about a second later
        intake.release()
        code, _ = await sending

    assert code == 0
    assert len(intake.events) == 1
    assert intake.drops[Dropped.DUPLICATE] >= 1
    assert running.balance() == 0


async def test_after_a_restart_the_boots_have_grown_and_informs_pass(serve, tool, users):
    async with serve({"users": users}) as first:
        assert (await tool("snmpinform", *v3("shaaes"), *FAST, f"127.0.0.1:{first.port}", "55", LINK_DOWN))[0] == 0
    async with serve({"users": users}, keep=first.keep) as second:
        assert (await tool("snmpinform", *v3("shaaes"), *FAST, f"127.0.0.1:{second.port}", "55", LINK_DOWN))[0] == 0

    assert first.keep.kept["engine_boots"] == b"2"


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
async def test_the_answer_leaves_from_the_address_that_was_asked(serve, sender, listen):
    import socket

    from collectors.snmp import codec

    family, address = (socket.AF_INET6, ("::1", 0)) if listen.startswith("[") else (socket.AF_INET, ("127.0.0.9", 0))
    async with serve({"listen": [listen], "communities": ["public"]}) as running:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address[0], running.port))  # the kernel shows nothing from any other address
            varbinds = [codec.VarBind("1.3.6.1.2.1.1.3.0", 0x43, 1)]
            pdu = codec.encode_pdu(codec.PduType.INFORM, varbinds, request_id=7)
            sock.send(codec.encode_message(codec.V2C, b"public", pdu))
            await running.settled(inputs=1)
            sock.settimeout(1)
            answer = codec.decode_message(sock.recv(1000), accept=codec.ANY_PDU)
    assert (answer.pdu.type, answer.pdu.request_id) == (codec.PduType.RESPONSE, 7)


async def test_a_wrong_password_is_counted_and_the_sender_told(serve, tool, users):
    wrong = [part.replace("authentic", "forgotten") for part in v3("shaaes")]
    async with serve({"users": users}) as running:
        code, output = await tool("snmpinform", *wrong, *FAST, f"127.0.0.1:{running.port}", "55", LINK_DOWN)
        await tool("snmptrap", *wrong, f"127.0.0.1:{running.port}", "55", LINK_DOWN)
        await running.settled(inputs=2)

    assert code != 0
    assert "uthentication" in output
    assert running.intake.drops == {Dropped.AUTH_FAILED: 2}


async def test_an_unknown_user_is_counted_and_the_sender_told(serve, tool, users):
    stranger = ("-v", "3", "-u", "stranger", "-l", "noAuthNoPriv")
    async with serve({"users": users}) as running:
        code, output = await tool("snmpinform", *stranger, *FAST, f"127.0.0.1:{running.port}", "55", LINK_DOWN)
        await tool("snmptrap", *stranger, f"127.0.0.1:{running.port}", "55", LINK_DOWN)
        await running.settled(inputs=2)

    assert code != 0
    assert "user name" in output
    assert running.intake.drops == {Dropped.UNKNOWN_USER: 2}


async def test_knowing_only_the_name_of_a_user_is_not_enough(serve, tool, users):
    async with serve({"users": users}) as running:
        await tool(
            "snmptrap", "-v", "3", "-u", "shaaes", "-l", "noAuthNoPriv", f"127.0.0.1:{running.port}", "5", LINK_DOWN
        )
        await running.settled(inputs=1)

    assert running.intake.drops == {Dropped.AUTH_FAILED: 1}


async def test_a_denied_source_is_dropped_before_decoding(serve, tool):
    async with serve({"communities": ["public"], "allow": ["192.0.2.0/24", "::/0"]}) as running:
        await tool("snmptrap", "-v", "2c", "-c", "public", f"127.0.0.1:{running.port}", "55", LINK_DOWN)
        await running.settled(inputs=1)

    assert running.intake.drops == {Dropped.DENIED_SOURCE: 1}


@pytest.mark.parametrize(("user", "named"), [("shaaes", True), ("nobody", False)])
async def test_an_authenticated_engine_may_name_the_source(serve, tool, users, user, named):
    async with serve({"users": users, "source_from": "engine_id"}) as running:
        await tool("snmptrap", *v3(user), "-n", "vrf1", f"127.0.0.1:{running.port}", "55", LINK_DOWN)
        await running.settled(inputs=1)

    (event,) = running.intake.events
    assert event.labels["context"] == "vrf1"
    assert event.source == (f"engine:{event.labels['engine_id']}" if named else "127.0.0.1")


async def test_a_lenient_user_may_forget_its_boots_and_is_marked(serve, tool, users):
    lenient = [user | {"time_window": "lenient"} for user in users]
    engine = ("-e", "0x80001f8880aabbccdd")
    async with serve({"users": lenient}) as running:
        to = f"127.0.0.1:{running.port}"
        await tool("snmptrap", *v3("shaaes"), *engine, "-Z", "9,5000", to, "55", LINK_DOWN)
        await running.settled(inputs=1)
        await tool("snmptrap", *v3("shaaes"), *engine, "-Z", "1,10", to, "55", LINK_DOWN)
        await running.settled(inputs=2)

    assert [event.labels.get("time_window") for event in running.intake.events] == [None, "outside"]


async def test_older_boots_are_refused_by_default(serve, tool, users):
    engine = ("-e", "0x80001f8880aabbccdd")
    async with serve({"users": users}) as running:
        to = f"127.0.0.1:{running.port}"
        await tool("snmptrap", *v3("shaaes"), *engine, "-Z", "9,5000", to, "55", LINK_DOWN)
        await running.settled(inputs=1)
        await tool("snmptrap", *v3("shaaes"), *engine, "-Z", "1,10", to, "55", LINK_DOWN)
        await running.settled(inputs=2)

    assert len(running.intake.events) == 1
    assert running.intake.drops == {Dropped.REPLAYED: 1}
