"""RFC 3584, sources and relays, and the event that a notification becomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp import ber
from collectors.snmp.codec import Pdu, PduType, VarBind, decode_message, encode_pdu
from collectors.snmp.names import Names, standard
from collectors.snmp.shape import shape_of
from collectors.snmp.translate import MAX_LABELS, UNIDENTIFIED, to_event, trap_oid, v1_as_v2
from gateway.core.event import EventKind

UPTIME = VarBind("1.3.6.1.2.1.1.3.0", ber.TIMETICKS, 4_299)
LINK_DOWN = VarBind("1.3.6.1.6.3.1.1.4.1.0", ber.OBJECT_IDENTIFIER, "1.3.6.1.6.3.1.1.5.3")
IF_INDEX = VarBind("1.3.6.1.2.1.2.2.1.1.7", ber.INTEGER, 7)
IF_DESCR = VarBind("1.3.6.1.2.1.2.2.1.2.7", ber.OCTET_STRING, b"ge-0/0/1")
IF_OPER = VarBind("1.3.6.1.2.1.2.2.1.8.7", ber.INTEGER, 2)
AGENT = VarBind("1.3.6.1.6.3.18.1.3.0", ber.IP_ADDRESS, "198.51.100.7")


def v1(
    *varbinds: VarBind, generic: int = 6, specific: int = 5, enterprise: str = "1.3.6.1.4.1.318", agent="10.1.2.3"
) -> Pdu:
    return Pdu(
        PduType.TRAP_V1,
        varbinds,
        b"",
        enterprise=enterprise,
        agent_addr=agent,
        generic=generic,
        specific=specific,
        timestamp=4_299,
    )


def v2(*varbinds: VarBind) -> Pdu:
    return Pdu(PduType.TRAP_V2, varbinds, b"")


def event(pdu: Pdu, **options):
    return to_event(pdu, address="192.0.2.1", names=standard(), at_ms=1_000, collector="snmp", **options)


# --- RFC 3584 section 3.1 ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("generic", "name"),
    list(enumerate(("coldStart", "warmStart", "linkDown", "linkUp", "authenticationFailure", "egpNeighborLoss"))),
)
def test_generic_traps_have_the_oids_of_snmp_traps(generic: int, name: str) -> None:
    pdu = v1(generic=generic, specific=9)
    assert trap_oid(pdu) == f"1.3.6.1.6.3.1.1.5.{generic + 1}"
    assert event(pdu).condition == name


@pytest.mark.parametrize(
    ("generic", "specific", "enterprise", "oid"),
    [
        (6, 5, "1.3.6.1.4.1.318", "1.3.6.1.4.1.318.0.5"),
        (6, 0, "1.3.6.1.4.1.318", "1.3.6.1.4.1.318.0.0"),
        (6, 2**31 - 1, "1.3.6.1.4.1.318", "1.3.6.1.4.1.318.0.2147483647"),
        (6, 5, "1.3.6.1.4.1.318.0", "1.3.6.1.4.1.318.0.0.5"),
        (7, 3, "1.3.6.1.4.1.318", "1.3.6.1.4.1.318.0.3"),
        (-1, 3, "1.3.6.1.4.1.318", "1.3.6.1.4.1.318.0.3"),
        (6, -1, "1.3.6.1.4.1.318", "1.3.6.1.4.1.318.0.4294967295"),
    ],
)
def test_other_traps_have_their_enterprises_oids(generic: int, specific: int, enterprise: str, oid: str) -> None:
    pdu = v1(generic=generic, specific=specific, enterprise=enterprise)
    assert trap_oid(pdu) == oid
    assert event(pdu).labels["trap_oid"] == oid


def test_a_trap_that_no_module_defines_has_its_oid_for_a_condition() -> None:
    assert event(v1(generic=6, specific=1, enterprise="1.3.6.1.4.1.99999")).condition == "1.3.6.1.4.1.99999.0.1"


BGP4_HUAWEI = "1.3.6.1.4.1.2011.5.25.177.1.3.1"


def test_a_vendors_objects_are_named_by_their_place() -> None:
    defined = standard().notification(BGP4_HUAWEI)
    told = [
        VarBind(f"1.3.6.1.4.1.2011.99.{place}.7", ber.INTEGER, place) for place in range(1, len(defined.objects) + 2)
    ]
    made = event(v2(UPTIME, VarBind("1.3.6.1.6.3.1.1.4.1.0", ber.OBJECT_IDENTIFIER, BGP4_HUAWEI), *told))
    for place, name in enumerate(defined.objects, start=1):
        assert made.labels[name] == str(place)
        assert f"1.3.6.1.4.1.2011.99.{place}.7 ({name}) = {place}" in made.description
    beyond = len(defined.objects) + 1
    assert made.labels[f"varbind.{beyond}"] == str(beyond)
    assert "varbind.1" not in made.labels


def test_who_left_an_object_out_gets_no_names_by_place() -> None:
    only = VarBind("1.3.6.1.4.1.2011.99.1.7", ber.INTEGER, 5)
    made = event(v2(UPTIME, VarBind("1.3.6.1.6.3.1.1.4.1.0", ber.OBJECT_IDENTIFIER, BGP4_HUAWEI), only))
    assert made.labels["1.3.6.1.4.1.2011.99.1.7"] == made.labels["varbind.1"] == "5"


def test_a_varbind_of_another_enterprise_is_not_named_by_its_place() -> None:
    other = VarBind("1.3.6.1.4.1.9.1.7", ber.INTEGER, 5)
    made = event(v2(UPTIME, VarBind("1.3.6.1.6.3.1.1.4.1.0", ber.OBJECT_IDENTIFIER, BGP4_HUAWEI), other, other))
    assert standard().notification(BGP4_HUAWEI).objects[0] not in made.labels
    assert made.labels["1.3.6.1.4.1.9.1.7"] == made.labels["varbind.1"] == "5"


def test_a_v1_trap_has_the_varbinds_of_a_v2_trap() -> None:
    assert v1_as_v2(v1(IF_INDEX, generic=2, specific=0), community=b"public") == (
        UPTIME,
        LINK_DOWN,
        IF_INDEX,
        VarBind("1.3.6.1.6.3.18.1.3.0", ber.IP_ADDRESS, "10.1.2.3"),
        VarBind("1.3.6.1.6.3.18.1.4.0", ber.OCTET_STRING, b"public"),
        VarBind("1.3.6.1.6.3.1.1.4.3.0", ber.OBJECT_IDENTIFIER, "1.3.6.1.4.1.318"),
    )


def test_what_a_v1_trap_carries_already_is_not_added_again() -> None:
    given = (AGENT, VarBind("1.3.6.1.6.3.1.1.4.3.0", ber.OBJECT_IDENTIFIER, "1.3.6.1.4.1.9"))
    assert v1_as_v2(v1(*given))[2:] == given


def test_the_community_is_not_among_them_unless_given() -> None:
    assert not [varbind for varbind in v1_as_v2(v1()) if varbind.oid.startswith("1.3.6.1.6.3.18.1.4")]


# --- snmpTrapOID where agents are wrong ----------------------------------------------------------


@pytest.mark.parametrize(
    "varbinds",
    [
        (UPTIME, LINK_DOWN),
        (LINK_DOWN, UPTIME),
        (LINK_DOWN,),
        (UPTIME, LINK_DOWN._replace(oid="1.3.6.1.6.3.1.1.4.1")),
        (UPTIME, IF_INDEX, LINK_DOWN),
        (UPTIME, LINK_DOWN, LINK_DOWN._replace(value="1.3.6.1.6.3.1.1.5.4")),
        (UPTIME, LINK_DOWN._replace(tag=ber.OCTET_STRING, value=b".1.3.6.1.6.3.1.1.5.3\0")),
    ],
    ids=["usual", "other order", "no uptime", "no instance", "late", "twice: the first", "as text"],
)
def test_the_trap_oid_is_found(varbinds) -> None:
    assert trap_oid(v2(*varbinds)) == "1.3.6.1.6.3.1.1.5.3"
    assert event(v2(*varbinds)).condition == "linkDown"


@pytest.mark.parametrize(
    "varbinds",
    [(), (UPTIME,), (LINK_DOWN._replace(tag=ber.NULL, value=None),), (LINK_DOWN._replace(tag=4, value=b"link\xff"),)],
)
def test_a_trap_without_an_oid_is_an_event_all_the_same(varbinds) -> None:
    made = event(v2(*varbinds))
    assert made.condition == made.summary == UNIDENTIFIED
    assert made.labels["trap_oid"] == ""


# --- the source ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pdu", "relayed"),
    [
        (v1(), "10.1.2.3"),
        (v1(agent="0.0.0.0"), "192.0.2.1"),
        (v2(LINK_DOWN, AGENT), "198.51.100.7"),
        (v2(LINK_DOWN, AGENT._replace(value="2001:db8::7")), "2001:db8::7"),
        (v2(LINK_DOWN, AGENT._replace(value="0.0.0.0")), "192.0.2.1"),
        (v2(LINK_DOWN, AGENT._replace(value=b"\1\2\3")), "192.0.2.1"),
        (v2(LINK_DOWN, AGENT._replace(tag=ber.OBJECT_IDENTIFIER, value="1.3.6.1")), "192.0.2.1"),
        (v2(LINK_DOWN), "192.0.2.1"),
        (v1(AGENT, agent="0.0.0.0"), "198.51.100.7"),
    ],
)
def test_only_a_relay_may_speak_for_another_source(pdu: Pdu, relayed: str) -> None:
    assert event(pdu).source == "192.0.2.1"
    made = event(pdu, relay=True)
    assert made.source == relayed
    assert made.labels["sender"] == "192.0.2.1"


# --- the event -----------------------------------------------------------------------------------


def test_an_event_tells_all_that_the_trap_told() -> None:
    made = event(v2(UPTIME, LINK_DOWN, IF_INDEX, IF_DESCR, IF_OPER), engine_id="80001f88", identity="id-1")
    assert (made.collector, made.kind, made.at_ms, made.object) == ("snmp", EventKind.RAISE, 1_000, "")
    assert made.identity == "id-1"
    assert made.summary == "linkDown ifIndex=7 ifDescr=ge-0/0/1 ifOperStatus=down"
    assert made.description.splitlines() == [
        "linkDown (IF-MIB, 1.3.6.1.6.3.1.1.5.3)",
        "ifIndex.7 = 7",
        "ifDescr.7 = ge-0/0/1",
        "ifOperStatus.7 = down",
    ]
    assert made.labels == {
        "trap_oid": "1.3.6.1.6.3.1.1.5.3",
        "trap_name": "linkDown",
        "trap_module": "IF-MIB",
        "sender": "192.0.2.1",
        "uptime": "42",
        "engine_id": "80001f88",
        "instance": "7",
        "ifIndex": "7",
        "ifDescr": "ge-0/0/1",
        "ifOperStatus": "down",
    }


def test_an_unknown_trap_stands_for_itself() -> None:
    made = event(
        v2(
            LINK_DOWN._replace(value="1.3.6.1.4.1.9999.0.1"),
            VarBind("1.3.6.1.4.1.9999.1.2.0", ber.OCTET_STRING, b"fan 3 failed"),
        )
    )
    assert made.condition == "1.3.6.1.4.1.9999.0.1"
    assert made.summary == "1.3.6.1.4.1.9999.0.1 fan 3 failed"
    assert made.labels["1.3.6.1.4.1.9999.1.2.0"] == "fan 3 failed"
    assert "trap_name" not in made.labels
    assert made.description.endswith("\n1.3.6.1.4.1.9999.1.2.0 = fan 3 failed")


def test_a_second_varbind_of_one_object_keeps_its_instance() -> None:
    other = IF_INDEX._replace(oid="1.3.6.1.2.1.2.2.1.1.8", value=8)
    labels = event(v2(LINK_DOWN, IF_INDEX, other)).labels
    assert (labels["ifIndex"], labels["ifIndex.8"]) == ("7", "8")
    assert "instance" not in labels


@pytest.mark.parametrize("oid", ["1.3.6.1.2.1.2.2.1.2.7", "1.3.6.1.4.1.9999.1"])
def test_of_two_equal_varbinds_the_first_is_the_label(oid: str) -> None:
    told = [VarBind(oid, ber.OCTET_STRING, text) for text in (b"first", b"second", b"third")]
    labels = event(v2(LINK_DOWN, *told)).labels
    assert "first" in (labels.get("ifDescr"), labels.get(oid))
    assert "third" not in labels.values()


def test_a_scalar_is_no_instance() -> None:
    name = VarBind("1.3.6.1.2.1.1.5.0", ber.OCTET_STRING, b"r1")
    labels = event(v2(LINK_DOWN, name, IF_INDEX)).labels
    assert (labels["sysName"], labels["instance"]) == ("r1", "7")


def test_an_instance_may_have_many_parts() -> None:
    peer = VarBind("1.3.6.1.2.1.15.3.1.2.192.0.2.9", ber.INTEGER, 1)
    made = event(v2(LINK_DOWN._replace(value="1.3.6.1.2.1.15.7.2"), peer))
    assert made.condition == "bgpBackwardTransition"
    assert (made.labels["instance"], made.labels["bgpPeerState"]) == ("192.0.2.9", "idle")


def test_a_v1_trap_of_a_standard_module_is_named_though_its_oid_has_another_form() -> None:
    assert event(v1(enterprise="1.3.6.1.2.1.15.7", specific=2)).condition == "bgpBackwardTransition"


def test_no_varbind_can_pose_as_what_we_say() -> None:
    fake = VarBind("1.3.6.1.4.1.1", ber.OCTET_STRING, b"x")
    made = to_event(v2(LINK_DOWN, fake), address="192.0.2.1", names=Renaming("sender"), at_ms=0, collector="snmp")
    assert made.labels["sender"] == "192.0.2.1"


class Renaming:
    """Names in which every object has one name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.shapes: dict = {}

    def notification(self, oid: str) -> None:
        return None

    def roles(self, oid: str) -> tuple:
        return ()

    def object(self, oid: str):
        found = standard().object("1.3.6.1.2.1.1.5.0")
        return type(found)(name=self._name, instance="0", hint=found.hint, enum=found.enum)


def test_a_flood_of_varbinds_makes_bounded_labels_and_text() -> None:
    many = [VarBind(f"1.3.6.1.4.1.9.{number}", ber.OCTET_STRING, b"x" * 900) for number in range(500)]
    made = event(v2(LINK_DOWN, *many))
    assert len(made.labels) <= MAX_LABELS + 10
    assert len(made.summary) <= 250
    assert len(made.description) < 33_000
    assert made.description.endswith("more varbinds")


def test_injected_lines_and_directions_stay_visible_text() -> None:
    evil = IF_DESCR._replace(value="ge\n[P1] all well\x1b[2J \u202etxt.exe".encode())
    made = event(v2(LINK_DOWN, evil))
    assert made.labels["ifDescr"] == r"ge\n[P1] all well\x1b[2J \u202etxt.exe"
    assert len(made.description.splitlines()) == 2


def test_a_trap_from_the_wire_becomes_its_event() -> None:
    pdu = encode_pdu(PduType.INFORM, [UPTIME, LINK_DOWN, IF_OPER], request_id=5)
    message = decode_message(ber.encode_sequence(ber.encode_integer(1), ber.encode_octets(b"public"), pdu))
    made = event(message.pdu)
    assert made.summary == "linkDown ifOperStatus=down"
    assert "public" not in repr(made)


# --- shapes ----------------------------------------------------------------------------------------

_OIDS = [IF_INDEX.oid, IF_DESCR.oid, "1.3.6.1.2.1.2.2.1.1.8", AGENT.oid, "1.3.6.1.4.1.318.2.3.3.0", UPTIME.oid]
_varbinds = st.builds(VarBind, st.sampled_from(_OIDS), st.just(ber.INTEGER), st.integers(0, 3))
_traps = st.sampled_from(["1.3.6.1.6.3.1.1.5.3", "1.3.6.1.4.1.318.0.5", "1.3.6.1.4.1.99999.0.1"])
_notifications = st.builds(
    lambda oid, varbinds: v2(LINK_DOWN._replace(value=oid), *varbinds), _traps, st.lists(_varbinds, max_size=3)
)


@given(st.lists(_notifications, max_size=6))
def test_what_is_remembered_of_one_notification_changes_no_other(pdus: list[Pdu]) -> None:
    remembering = unremembering()
    for pdu in [*pdus, *pdus]:
        first, again = (
            to_event(pdu, address="192.0.2.1", names=names, at_ms=0, collector="snmp")
            for names in (unremembering(), remembering)
        )
        assert (again, list(again.labels)) == (first, list(first.labels))


def test_the_memory_of_shapes_is_bounded() -> None:
    names = unremembering()
    for index in range(5_000):
        shape_of("", (f"1.3.6.1.2.1.2.2.1.1.{index}",), names)
    assert 0 < len(names.shapes) <= 4_096
    long = (".".join(["4294967295"] * 100),)
    shape_of("", long, names)
    assert ("", long) not in names.shapes


def unremembering() -> Names:
    """The shipped names, that nobody has asked yet."""
    return Names(standard().notifications, standard().objects, standard().roles_by_key)
