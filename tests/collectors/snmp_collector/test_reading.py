"""What a datagram means, without a collector that runs: the same verdict as the collector's, and no secret."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp import ber, codec, plugin
from collectors.snmp.codec import VarBind
from gateway.core.reason import Dropped
from tests.collectors.snmp_codec.conftest import CORPUS
from tests.collectors.snmp_collector.test_usm import INFORM, OPEN, OPS, PINNED, message

LINK_DOWN = [
    VarBind("1.3.6.1.2.1.1.3.0", ber.TIMETICKS, 500),
    VarBind("1.3.6.1.6.3.1.1.4.1.0", ber.OBJECT_IDENTIFIER, "1.3.6.1.6.3.1.1.5.3"),
    VarBind("1.3.6.1.2.1.2.2.1.8.7", ber.INTEGER, 2),
    VarBind("1.3.6.1.6.3.18.1.4.0", ber.OCTET_STRING, b"hidden-community"),
]
TRAP = codec.encode_pdu(codec.PduType.TRAP_V2, LINK_DOWN, request_id=9)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    secrets = tmp_path_factory.mktemp("secrets")
    (secrets / "auth").write_text("authentic-password")
    (secrets / "priv").write_text("private-password")
    users = [
        {"name": "ops", "auth": "sha1", "auth_password": f"file:{secrets}/auth", "priv": "aes128", "priv_password": f"file:{secrets}/priv"},
        {"name": "open"},
        {"name": "pinned", "auth": "sha1", "auth_password": f"file:{secrets}/auth", "priv": "aes128", "priv_password": f"file:{secrets}/priv", "engine_id": "8000000005aabbccdd"},
    ]  # fmt: skip
    config = {"communities": ["letmein"], "allow": ["192.0.2.0/24"], "users": users, "relays": ["192.0.2.9"]}
    return plugin.reader(plugin.config.model_validate(config), "snmp", tmp_path_factory.mktemp("state"))


def v2c(community: bytes) -> bytes:
    return codec.encode_message(codec.V2C, community, TRAP)


def test_a_trap_is_told_with_names_and_without_its_community(read) -> None:
    told = read(v2c(b"letmein"), "192.0.2.1", 5)
    facts = dict(told.facts)
    assert (told.dropped, told.why) == (None, "")
    assert (told.event.condition, told.event.source, told.event.at_ms) == ("linkDown", "192.0.2.1", 5)
    assert facts["community"] == "one of ours"
    assert facts["trap"] == "1.3.6.1.6.3.1.1.5.3 (IF-MIB::linkDown)"
    assert ("varbind", "1.3.6.1.2.1.2.2.1.8.7 (ifOperStatus) = down") in told.facts
    assert "letmein" not in repr(told)
    assert "hidden" not in repr(told)


@pytest.mark.parametrize(
    ("data", "address", "dropped", "why"),
    [
        (v2c(b"other"), "192.0.2.1", Dropped.UNKNOWN_COMMUNITY, "its community is none of communities"),
        (v2c(b"letmein"), "198.51.100.1", Dropped.DENIED_SOURCE, "198.51.100.1 is in no network of allow"),
        (b"", "192.0.2.1", Dropped.MALFORMED, ""),
        (message(TRAP, user=OPS)[:-3] + b"xxx", "192.0.2.1", Dropped.AUTH_FAILED, "its digest is wrong"),
        (message(TRAP, user=OPS, flags=1), "192.0.2.1", Dropped.AUTH_FAILED, "its level is authNoPriv"),
        (
            message(TRAP, user=OPEN, flags=0).replace(b"\x04\x01\x00", b"\x04\x01\x01", 1),  # msgFlags
            "192.0.2.1",
            Dropped.AUTH_FAILED,
            "the user has noAuthNoPriv",
        ),
        (message(TRAP, user=PINNED), "192.0.2.1", Dropped.UNKNOWN_USER, "another engine_id"),
        (
            message(TRAP, user=OPEN, flags=0, engine_id=b""),
            "192.0.2.1",
            Dropped.UNKNOWN_ENGINE,
            "asks for our engine id",
        ),
    ],
)
def test_what_would_be_dropped_says_why(read, data, address, dropped, why) -> None:
    told = read(data, address, 0)
    assert told.dropped is dropped
    assert why in told.why


def test_a_message_of_v3_is_opened(read) -> None:
    told = read(message(TRAP, user=OPS), "192.0.2.1", 0)
    facts = dict(told.facts)
    assert (told.dropped, told.event.condition) == (None, "linkDown")
    assert (facts["user"], facts["level"], facts["digest"], facts["privacy"]) == (
        "ops",
        "authPriv",
        "right",
        "decrypted (aes128)",
    )
    assert "password" not in repr(told)
    inform = read(message(INFORM, user=OPEN, flags=4), "192.0.2.1", 0)
    assert dict(inform.facts)["PDU"].startswith("inform")


def test_a_relay_may_name_the_source(read) -> None:
    relayed = codec.encode_pdu(
        codec.PduType.TRAP_V2,
        [*LINK_DOWN[:3], VarBind("1.3.6.1.6.3.18.1.3.0", ber.IP_ADDRESS, "203.0.113.5")],
        request_id=1,
    )
    assert read(codec.encode_message(codec.V2C, b"letmein", relayed), "192.0.2.9", 0).event.source == "203.0.113.5"


@given(st.binary(max_size=200))
def test_no_datagram_breaks_the_reader(read, data: bytes) -> None:
    assert read(data, "192.0.2.1", 0).dropped is not None


@given(st.integers(0, 400), st.integers(0, 255))
def test_no_change_of_one_octet_breaks_the_reader(read, at: int, octet: int) -> None:
    for whole in (v2c(b"letmein"), message(TRAP, user=OPS), message(TRAP, user=OPEN, flags=0)):
        changed = bytearray(whole)
        changed[at % len(whole)] = octet
        read(bytes(changed), "192.0.2.1", 0)


@pytest.mark.shared
def test_the_hard_cases_are_read_as_they_should_be(read) -> None:
    path = CORPUS / "hard_cases.jsonl"
    if not path.exists():
        pytest.skip(f"no {path}")
    for line in path.read_text("utf-8").splitlines():
        told = read(bytes.fromhex(json.loads(line)["hex"]), "192.0.2.1", 0)
        assert (told.event is None) == (told.dropped not in (None, Dropped.UNKNOWN_COMMUNITY))
