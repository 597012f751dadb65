"""Names: both forms of a notification's OID, the longest prefix of an object's, and what is shipped."""

import pytest

from collectors.snmp.ber import oid_content
from collectors.snmp.names import Hint, KnownObject, Names, Notification, standard

FAN = Notification(oid="1.3.6.1.4.1.9999.1", name="fanFailed", module="ACME-MIB")
DOOR = Notification(oid="1.3.6.1.4.1.9999.0.2", name="doorOpen", module="ACME-MIB")
VENDOR = Names(
    {FAN.oid: FAN, DOOR.oid: DOOR},
    {
        "1.3.6.1.4.1.9999.5": KnownObject(name="rack", hint=Hint.NONE, enum={}),
        "1.3.6.1.4.1.9999.5.1": KnownObject(name="slot", hint=Hint.NONE, enum={}),
    },
)


@pytest.mark.parametrize(
    ("oid", "name"),
    [
        ("1.3.6.1.4.1.9999.1", "fanFailed"),
        ("1.3.6.1.4.1.9999.0.1", "fanFailed"),
        ("1.3.6.1.4.1.9999.0.0.1", "fanFailed"),
        ("1.3.6.1.4.1.9999.0.2", "doorOpen"),
        ("1.3.6.1.4.1.9999.2", "doorOpen"),
        ("1.3.6.1.4.1.9999.0.0.2", "doorOpen"),
    ],
)
def test_a_notification_is_found_in_either_form(oid: str, name: str) -> None:
    assert VENDOR.notification(oid).name == name


@pytest.mark.parametrize("oid", ["", "1", "0", "1.3.6.1.4.1.9999.3", "1.3.6.1.4.1.9999.0.3", "1.3.6.1.4.1.9999.1.0"])
def test_an_unknown_notification_is_none(oid: str) -> None:
    assert VENDOR.notification(oid) is None


@pytest.mark.parametrize(
    ("oid", "name", "instance"),
    [
        ("1.3.6.1.4.1.9999.5.0", "rack", "0"),
        ("1.3.6.1.4.1.9999.5.1.4.2", "slot", "4.2"),
        ("1.3.6.1.4.1.9999.5.1", "slot", ""),
        ("1.3.6.1.4.1.9999.5.10", "rack", "10"),
    ],
)
def test_an_object_is_found_by_its_longest_prefix(oid: str, name: str, instance: str) -> None:
    found = VENDOR.object(oid)
    assert (found.name, found.instance) == (name, instance)


@pytest.mark.parametrize("oid", ["", "1.3.6.1.4.1.9999.50.1", "1.3.6.1.4.1.9999", "2"])
def test_an_unknown_object_is_none(oid: str) -> None:
    assert VENDOR.object(oid) is None
    assert VENDOR.object(oid) is None


def test_users_names_lie_over_the_standard_ones() -> None:
    both = VENDOR.over(standard())
    assert both.notification("1.3.6.1.4.1.9999.1").name == "fanFailed"
    assert both.notification("1.3.6.1.6.3.1.1.5.3").name == "linkDown"
    assert both.object("1.3.6.1.2.1.2.2.1.8.7").name == "ifOperStatus"


def test_the_memo_is_bounded() -> None:
    names = Names({}, {})
    for number in range(20_000):
        names.object(f"1.3.{number}")
    names.object("1." * 200 + "1")
    assert 0 < len(names._memo) <= 16_384
    assert max(map(len, names._memo)) < 200


@pytest.mark.parametrize(
    ("oid", "name", "module"),
    [
        ("1.3.6.1.6.3.1.1.5.1", "coldStart", "SNMPv2-MIB"),
        ("1.3.6.1.6.3.1.1.5.4", "linkUp", "IF-MIB"),
        ("1.3.6.1.2.1.17.0.1", "newRoot", "BRIDGE-MIB"),
        ("1.3.6.1.2.1.14.16.2.2", "ospfNbrStateChange", "OSPF-TRAP-MIB"),
        ("1.3.6.1.2.1.47.2.0.1", "entConfigChange", "ENTITY-MIB"),
        ("1.3.6.1.2.1.16.0.1", "risingAlarm", "RMON-MIB"),
        ("1.3.6.1.2.1.33.2.1", "upsTrapOnBattery", "UPS-MIB"),
        ("1.3.6.1.2.1.43.18.2.0.1", "printerV2Alert", "Printer-MIB"),
        ("1.3.6.1.2.1.68.0.1", "vrrpTrapNewMaster", "VRRP-MIB"),
        ("1.3.6.1.2.1.105.0.1", "pethPsePortOnOffNotification", "POWER-ETHERNET-MIB"),
        ("1.0.8802.1.1.2.0.0.1", "lldpRemTablesChange", "LLDP-MIB"),
    ],
)
def test_standard_notifications_are_named(oid: str, name: str, module: str) -> None:
    found = standard().notification(oid)
    assert (found.name, found.module) == (name, module)


@pytest.mark.parametrize(
    ("oid", "name", "hint", "enum"),
    [
        ("1.3.6.1.2.1.2.2.1.8.3", "ifOperStatus", Hint.NONE, {1: "up", 2: "down", 7: "lowerLayerDown"}),
        ("1.3.6.1.2.1.2.2.1.6.3", "ifPhysAddress", Hint.COLON, {}),
        ("1.3.6.1.2.1.131.1.1.1.1.3", "entStateLastChanged", Hint.DATE, {}),
        ("1.3.6.1.2.1.31.1.1.1.18.3", "ifAlias", Hint.NONE, {}),
        ("1.3.6.1.2.1.14.10.1.6.192.0.2.1.0", "ospfNbrState", Hint.NONE, {1: "down", 8: "full"}),
        ("1.3.6.1.2.1.33.1.2.1.0", "upsBatteryStatus", Hint.NONE, {1: "unknown", 3: "batteryLow"}),
    ],
)
def test_standard_objects_are_named(oid: str, name: str, hint: Hint, enum: dict[int, str]) -> None:
    found = standard().object(oid)
    assert (found.name, found.hint) == (name, hint)
    assert enum.items() <= dict(found.enum).items()


def test_what_is_shipped_is_sound() -> None:
    shipped = standard()
    objects = set(shipped.objects)
    assert len(shipped.notifications) > 42_000
    for oid, notification in shipped.notifications.items():
        assert notification.oid == oid
        assert oid_content(oid)
        assert notification.name.replace("-", "_").isidentifier()
        assert oid not in objects
    for oid, known in shipped.objects.items():
        assert oid.startswith(("1.3.6.1.2.1.", "1.3.6.1.6.3.", "1.0.8802.", "1.3.111."))
        assert oid_content(oid)
        assert known.name.isidentifier()
        assert all(word for word in known.enum.values())


def test_no_object_lies_within_another() -> None:
    """Else the longest prefix would take a table's instance for an object."""
    oids = set(standard().objects)
    for oid in oids:
        parts = oid.split(".")
        assert not oids & {".".join(parts[:length]) for length in range(1, len(parts))}
