"""What others' devices publish, byte for byte: recorded from pysparkplug 0.6.1, and from the vendors' own pages."""

import asyncio
import contextlib
import json
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.mqtt.alerts import homie_alert
from collectors.mqtt.codec import Limits, PayloadError, TopicKind, read
from collectors.mqtt.dialects import Dialect, readers
from collectors.mqtt.sparkplug import MOST_METRICS, Metric, Sparkplug, decode
from collectors.mqtt.topics import Place
from gateway.core.event import BeatKind
from gateway.core.reason import Dropped

NBIRTH = bytes.fromhex(
    "08f499c396a23412140a0474656d7018e799c396a2342009650000ac4112110a04646f6f7218e799c396a234200b700112170a056c6162656c"
    "18e799c396a234200c7a056e6f72746812140a056c6576656c18e799c396a234200250f9ff0312120a05626453657118e899c396a234200458"
    "001800"
)
DBIRTH = bytes.fromhex(
    "08f499c396a23412140a0474656d7018e799c396a2342009650000ac4112110a04646f6f7218e799c396a234200b70011801"
)
NDATA = bytes.fromhex("08d9a1c396a23412140a0474656d7018d9a1c396a2342009650000b4411802")
NDEATH = bytes.fromhex("08e899c396a23412120a05626453657118e899c396a23420045800")
NODE, DEVICE = "spBv1.0/plant/{}/edge-1", "spBv1.0/plant/{}/edge-1/dev-1"


@pytest.fixture
def sparkplug() -> Sparkplug:
    return Sparkplug(Limits())


def test_a_birth_says_who_it_is_and_how_it_is(sparkplug) -> None:
    reading = sparkplug(NBIRTH, NODE.format("NBIRTH"))
    assert (reading.kind, reading.sequence, reading.session) == (BeatKind.BIRTH, 0, 0)
    assert reading.labels == {"temp": "21.5", "door": "true", "label": "north", "level": "-7"}
    assert reading.sent_ms == 1795880439028


def test_data_is_a_beat_and_a_death_a_will_of_the_birth_that_it_names(sparkplug) -> None:
    reading = sparkplug(NDATA, NODE.format("NDATA"))
    assert (reading.kind, reading.sequence, reading.labels) == (BeatKind.BEAT, 2, {"temp": "22.5"})
    reading = sparkplug(NDEATH, NODE.format("NDEATH"))
    assert (reading.kind, reading.session, reading.sent_ms, reading.labels) == (BeatKind.WILL, 0, None, {})
    assert sparkplug(DBIRTH, DEVICE.format("DBIRTH")).kind is BeatKind.BIRTH
    assert sparkplug(b"", DEVICE.format("DDEATH")).kind is BeatKind.WILL


def test_data_by_alias_is_named_by_the_birth(sparkplug) -> None:
    birth = field(2, field(1, b"temp") + field(2, 7) + field(4, 9) + field(12, 21.5))
    data = field(2, field(2, 7) + field(12, 22.0)) + field(2, field(2, 8) + field(10, 1))
    assert sparkplug(birth, NODE.format("NBIRTH")).labels == {"temp": "21.5"}
    assert sparkplug(data, NODE.format("NDATA")).labels == {"temp": "22"}
    assert sparkplug(data, NODE.replace("edge-1", "edge-2").format("NDATA")).labels == {}


def test_a_nodes_death_names_the_devices_that_were_born(sparkplug) -> None:
    sparkplug(DBIRTH, DEVICE.format("DBIRTH"))
    assert sparkplug.devices(NODE.format("NDEATH")) == ["spBv1.0/plant/DDEATH/edge-1/dev-1"]
    assert sparkplug.devices(NODE.format("NDATA")) == []
    assert sparkplug.devices("spBv1.0/plant/NDEATH/edge-2") == []


def test_commands_are_no_sign_of_life(sparkplug) -> None:
    for topic in (NODE.format("NCMD"), "spBv1.0/STATE/host", "spBv1.0"):
        with pytest.raises(PayloadError, match="no birth, data or death"):
            sparkplug(NDATA, topic)


def test_every_type_of_value_is_read() -> None:
    def value(datatype: int, number: int, what: object) -> object:
        return decode(field(2, field(1, b"m") + field(4, datatype) + field(number, what))).metrics[0].value

    assert value(1, 10, 0xFF) == -1  # int8, not sign extended
    assert value(3, 10, 0xFFFF_FFFE) == -2  # int32
    assert value(4, 11, 2**64 - 3) == -3  # int64
    assert value(7, 10, 0xFFFF_FFFF) == 0xFFFF_FFFF  # uint32
    assert value(10, 13, 2.5) == 2.5
    assert value(11, 14, 1) is True
    assert decode(field(2, field(1, b"m") + field(7, 1))).metrics == [Metric(name="m")]  # is_null


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"\x08", "a number that does not end"),
        (b"\x08" + b"\xff" * 10, "a number that does not end"),
        (b"\x12\x7f\x00", "a field that cannot be"),
        (b"\x0b", "a field that cannot be"),
        (b"\x12\x03\x62\x01\x00", "a number of another type"),
        (b"\x12\x00" * (MOST_METRICS + 1), "more than 2000 metrics"),
        (b"\x00" * 70_000, "70000 bytes, more than"),
    ],
)
def test_what_is_no_sparkplug_is_refused(sparkplug, payload, why) -> None:
    with pytest.raises(PayloadError, match=why):
        sparkplug(payload, NODE.format("NDATA"))


@given(
    st.binary(max_size=200),
    st.sampled_from(list(Dialect)),
    st.sampled_from(["a/NBIRTH/x", "a/b/NDATA/c", "x/connected"]),
)
def test_no_bytes_make_a_reader_fail_otherwise_than_by_payload_error(payload, dialect, topic) -> None:
    reader = readers(Limits()).get(dialect)
    if reader is None:
        return
    with contextlib.suppress(PayloadError):
        reader(payload, topic)


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 2**64 - 1)), max_size=10), st.integers(0, 255))
def test_what_is_encoded_is_decoded(metrics, sequence) -> None:
    raw = b"".join(field(2, field(1, name.encode()) + field(4, 8) + field(11, value)) for name, value in metrics)
    found = decode(raw + field(3, sequence))
    assert [(metric.name, metric.value) for metric in found.metrics] == metrics
    assert found.sequence == sequence


# --- others ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "kind", "fault"),
    [
        ("init", "birth", ""),
        ("ready", "birth", ""),
        ("alert", "birth", "alert"),
        ("sleeping", "leave", ""),
        ("disconnected", "leave", ""),
        ("lost", "will", ""),
        ("", "leave", ""),
    ],
)
def test_homie(state, kind, fault) -> None:
    reading = readers(Limits())[Dialect.HOMIE](state.encode(), "homie/5/s1/$state")
    assert (reading.kind, reading.fault, reading.interval_s) == (kind, fault, math.inf)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"eventType": "connected", "versionNumber": 3}, "birth"),
        ({"eventType": "disconnected", "disconnectReason": "CONNECTION_LOST", "versionNumber": 3}, "will"),
        ({"eventType": "disconnected", "disconnectReason": "DUPLICATE_CLIENTID", "versionNumber": 3}, "birth"),
        ({"eventType": "disconnected", "clientInitiatedDisconnect": True, "versionNumber": 3}, "leave"),
    ],
)
def test_aws_iot(said, kind) -> None:
    said = {"clientId": "s1", "timestamp": 1573002230757, "sessionIdentifier": "0000", **said}
    reading = readers(Limits())[Dialect.AWS_IOT](json.dumps(said).encode(), "$aws/events/presence/x/s1")
    assert (reading.kind, reading.session, reading.labels["clientId"]) == (
        kind,
        3,
        "s1",
    )


@pytest.mark.parametrize(
    ("what", "reason", "kind"),
    [
        ("connected", None, "birth"),
        ("disconnected", "tcp_closed", "will"),
        ("disconnected", "keepalive_timeout", "will"),
        ("disconnected", "normal", "leave"),
        ("disconnected", "takenover", "birth"),
    ],
)
def test_emqx(what, reason, kind) -> None:
    said = {"username": "u", "ts": 1573002230757, "clientid": "s1", **({"reason": reason} if reason else {})}
    topic = f"$SYS/brokers/emqx@127.0.0.1/clients/s1/{what}"
    assert readers(Limits())[Dialect.EMQX](json.dumps(said).encode(), topic).kind == kind


@pytest.mark.parametrize("dialect", [Dialect.HOMIE, Dialect.AWS_IOT, Dialect.EMQX])
@pytest.mark.parametrize("payload", [b"[]", b"{}", b"hello", b"{" + b" " * 70_000])
def test_what_is_none_of_theirs_is_refused(dialect, payload) -> None:
    with pytest.raises(PayloadError):
        readers(Limits())[dialect](payload, "a/b")


def test_tasmota_and_home_assistant_need_no_reader_of_their_own() -> None:
    """tele/%topic%/LWT and tele/%topic%/STATE; availability_topic with its usual payloads."""
    for payload, kind in (
        (b"Online", "birth"),
        (b"Offline", "will"),
        (b'{"state":"online"}', "birth"),
        (b"offline", "will"),
    ):
        assert read(payload, topic=TopicKind.STATUS).kind == kind
    state = (
        b'{"Time":"2026-11-22T10:00:00","Uptime":"0T01:00:15","UptimeSec":3615,"Heap":25,"SleepMode":"Dynamic","Sleep":50,'
        b'"LoadAvg":19,"MqttCount":1,"POWER":"OFF","Wifi":{"AP":1,"SSId":"x","RSSI":74,"LinkCount":1}}'
    )
    reading = read(state, topic=TopicKind.HEARTBEAT)
    assert (reading.kind, reading.fault, reading.sent_ms) == (BeatKind.BEAT, "", None)
    assert reading.labels["wifi.RSSI"] == "74"


# --- through a broker --------------------------------------------------------------------------------

SPARKPLUG_TOPICS = tuple(
    {"template": template, "dialect": "sparkplug"}
    for template in ("spBv1.0/{site}/+/{station}", "spBv1.0/{site}/+/+/{station}")
)


async def test_an_alert_of_homie_is_raised_with_its_text_and_cleared_by_nothing(
    mosquitto, listening, eventually
) -> None:
    topic = "homie/5/pump-1/$alert/filter"
    mosquitto.publish(topic, "The filter\nis clogged", "-r")  # before we listen: the broker remembers it
    async with listening(
        mosquitto.url, topics=({"template": "homie/5/{station}/$alert/+", "dialect": "homie_alert"},)
    ) as intake:
        await eventually(lambda: len(intake.events) == 1)
        mosquitto.publish(topic, b"", "-r")
        mosquitto.publish(topic.replace("filter", "level"), "low", "-q", "0")
        mosquitto.publish(topic, b"\xff\xfe")
        await eventually(lambda: len(intake.events) == 3 and intake.quarantined)
        assert [(event.source, event.condition, event.object, event.kind.value) for event in intake.events] == [
            ("pump-1", "station_alert", "filter", "raise"),
            ("pump-1", "station_alert", "filter", "clear"),
            ("pump-1", "station_alert", "level", "raise"),
        ]
        assert intake.events[0].summary == "Station pump-1, filter: The filter is clogged"
        assert intake.beats == []


@given(payload=st.binary(max_size=40), level=st.text(max_size=5).filter(lambda text: "/" not in text))
def test_no_bytes_make_an_alert_fail_otherwise_than_by_payload_error(payload, level) -> None:
    with contextlib.suppress(PayloadError):
        event = homie_alert(
            payload,
            topic=f"homie/5/s1/$alert/{level}",
            place=Place("s1", "lyon"),
            collector="mqtt",
            at_ms=0,
            limits=Limits(payload_bytes=30),
        )
        assert (event.kind.value, event.labels["site"]) == ("raise" if payload else "clear", "lyon")
        assert event.summary.isprintable()


async def test_a_nodes_death_takes_its_devices_along(mosquitto, listening, eventually) -> None:
    async with listening(mosquitto.url, topics=SPARKPLUG_TOPICS) as intake:
        for topic, payload in (
            (NODE.format("NBIRTH"), NBIRTH),
            (DEVICE.format("DBIRTH"), DBIRTH),
            (NODE.format("NDEATH"), NDEATH),
        ):
            mosquitto.publish(topic, payload)
        await eventually(lambda: len(intake.beats) == 4)
        assert [(beat.station, beat.kind.value, beat.site) for beat in intake.beats] == [
            ("edge-1", "birth", "plant"),
            ("dev-1", "birth", "plant"),
            ("dev-1", "will", "plant"),
            ("edge-1", "will", "plant"),
        ]
        assert intake.inputs == 4


async def test_a_real_edge_node_is_born_speaks_is_born_again_and_dies(mosquitto, listening, eventually) -> None:
    """Its library wants another paho than ours, so it lives in an environment of its own."""
    python = Path(sys.prefix, "sparkplug", "bin", "python")
    if not python.exists():
        pytest.skip("there is no pysparkplug: make .venv/sparkplug")
    async with listening(mosquitto.url, topics=SPARKPLUG_TOPICS) as intake:
        peer = Path(__file__).with_name("sparkplug_peer.py")
        process = await asyncio.create_subprocess_exec(python, peer, str(mosquitto.port))
        try:
            await eventually(lambda: len(intake.beats) == 4)
            rebirth = field(1, b"Node Control/Rebirth") + field(3, 1795880439028) + field(4, 11) + field(14, 1)
            mosquitto.publish(NODE.format("NCMD"), field(1, 1795880439028) + field(2, rebirth))
            await eventually(lambda: [beat.kind for beat in intake.beats][-1:] == [BeatKind.WILL])
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        told = [(beat.station, beat.kind.value, beat.labels.get("temp", "")) for beat in intake.beats]
        assert told == [
            ("edge-1", "birth", "21.5"),
            ("dev-1", "birth", "21.5"),
            ("edge-1", "beat", "22.5"),
            ("edge-1", "beat", "23.5"),
            ("edge-1", "birth", "23.5"),
            ("dev-1", "will", ""),
            ("edge-1", "will", ""),
        ]
        sessions = [beat.session for beat in intake.beats if beat.station == "edge-1" and beat.session is not None]
        assert len(set(sessions)) == 1, "the death names the birth that it ends, and a rebirth begins no session"
        assert len(sessions) == 3
        assert [reason for _, reason in intake.quarantined] == [Dropped.UNSUPPORTED], "the host's command is no beat"


def field(number: int, value: object) -> bytes:
    """A field of a protobuf message."""
    import struct

    match value:
        case float():
            form, wire = ("<f", 5) if number == 12 else ("<d", 1)
            return varint(number << 3 | wire) + struct.pack(form, value)
        case bytes():
            return varint(number << 3 | 2) + varint(len(value)) + value
        case _:
            return varint(number << 3) + varint(int(value))  # type: ignore[call-overload]


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
