"""What payloads say, in all the ways in which stations say it; and that no payload does harm."""

import datetime as dt
import json
import time

import cbor2
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.mqtt.codec import Limits, PayloadError, PayloadFormat, TopicKind, read
from collectors.mqtt.payload import parse
from gateway.core.event import BeatKind
from gateway.core.reason import Dropped

HEARTBEAT, STATUS = TopicKind.HEARTBEAT, TopicKind.STATUS


def said(payload, topic=HEARTBEAT, **more):
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read(data, topic=topic, **more)


@pytest.mark.parametrize(
    "word", [b"ok", b"OK\n", b" up ", b"online", b"1", b"alive", b"", b"running", b"\xef\xbb\xbfok"]
)
def test_words_of_the_well_are_beats(word: bytes) -> None:
    reading = said(word)
    assert (reading.kind, reading.fault) == (BeatKind.BEAT, "")


@pytest.mark.parametrize("text", [b"12345", b"0", b"v1.2.3", b"2026-11-22 00:00:00", b"21.5", "vu été".encode()])
def test_any_other_text_is_a_beat_as_well(text: bytes) -> None:
    reading = said(text)
    assert (reading.kind, reading.fault, reading.labels) == (BeatKind.BEAT, "", {"status": text.decode()})


@pytest.mark.parametrize(
    "text", ["fault", "FAIL", "ERROR: disk full", "fail_pump", "warning - hot", "low_battery", "Störung"]
)
@pytest.mark.parametrize("topic", TopicKind)
def test_words_of_faults_are_beats_with_a_fault(text: str, topic: TopicKind) -> None:
    reading = said(text.encode(), topic)
    assert (reading.kind, reading.fault, reading.description) == (BeatKind.BEAT, text, text)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"online", BeatKind.BIRTH),
        (b"1", BeatKind.BIRTH),
        (b"true", BeatKind.BIRTH),
        (b"offline", BeatKind.WILL),
        (b"Offline", BeatKind.WILL),
        (b"0", BeatKind.WILL),
        (b"down", BeatKind.WILL),
        (b"sleeping", BeatKind.LEAVE),
        (b"", BeatKind.LEAVE),
        (b'{"online": true}', BeatKind.BIRTH),
        (b'{"online": false, "timestamp": 1795305600000}', BeatKind.WILL),
        (b'{"status": "offline"}', BeatKind.WILL),
        (b'{"status": "ok"}', BeatKind.BIRTH),
        (b"{}", BeatKind.BEAT),
    ],
)
def test_a_status_topic_tells_of_births_wills_and_farewells(payload: bytes, kind: BeatKind) -> None:
    reading = said(payload, STATUS)
    assert (reading.kind, reading.fault) == (kind, "")


def test_an_object_is_read_whole() -> None:
    reading = said(
        {"status": "ok", "ts": 1795305600, "seq": 42, "interval": 60, "metrics": {"temp": 21.5, "fans": [1, 2]}}
    )
    assert reading.kind is BeatKind.BEAT
    assert (reading.fault, reading.sent_ms, reading.sequence, reading.interval_s) == ("", 1_795_305_600_000, 42, 60.0)
    assert reading.labels == {
        "status": "ok",
        "ts": "1795305600",
        "seq": "42",
        "interval": "60",
        "metrics.temp": "21.5",
        "metrics.fans.0": "1",
        "metrics.fans.1": "2",
    }


@pytest.mark.parametrize(
    ("member", "fault"),
    [
        ({"status": "fault"}, "fault"),
        ({"status": "low_battery"}, "low_battery"),
        ({"state": "charging badly"}, "charging badly"),
        ({"status": "ok"}, ""),
        ({"status": "OK (3 sensors)"}, ""),
        ({"status": "17"}, ""),
        ({"status": 3}, ""),
        ({"status": ""}, ""),
        ({"status": {"battery": "low"}}, ""),
        ({"fault": "low_battery"}, "low_battery"),
        ({"status": "ok", "fault": "door"}, "door"),
        ({"fault": True}, "fault"),
        ({"fault": False}, ""),
        ({"fault": None}, ""),
        ({"fault": "none"}, ""),
        ({"fault": 0}, ""),
        ({"error": 5}, "error 5"),
        ({"errors": 17}, ""),
        ({"alarms": []}, ""),
        ({"alarms": ["door", "smoke", 7]}, "door, smoke, 7"),
        ({"alarms": [{"x": 1}]}, "alarms"),
        ({"alarm": {"x": 1}}, "alarm"),
    ],
)
def test_what_an_object_calls_a_fault(member: dict, fault: str) -> None:
    reading = said(member)
    assert (reading.kind, reading.fault, bool(reading.description)) == (BeatKind.BEAT, fault, bool(fault))


@pytest.mark.parametrize(
    ("sent", "sent_ms"),
    [
        (1795305600, 1_795_305_600_000),
        (1795305600.25, 1_795_305_600_250),
        (1795305600123, 1_795_305_600_123),
        (1795305600123456, 1_795_305_600_123),
        (1795305600123456789, 1_795_305_600_123),
        ("1795305600", 1_795_305_600_000),
        ("1712011212345", 1_712_011_212_345),
        ("2026-11-22T00:00:00Z", 1_795_305_600_000),
        ("2026-11-22T01:00:00+01:00", 1_795_305_600_000),
        ("2026-11-22T00:00:00", None),
        (12345, None),
        (0, None),
        (-5, None),
        (True, None),
        (1e300, None),
        ("yesterday", None),
        ([1], None),
        (10**400, None),
    ],
)
def test_timestamps_in_all_units_and_none_without_a_zone(sent: object, sent_ms: int | None) -> None:
    assert said({"ts": sent}).sent_ms == sent_ms


@pytest.mark.parametrize(
    ("value", "interval_s"), [(60, 60), ("30", 30), (0.5, 0.5), (0, None), (-1, None), (True, None)]
)
def test_intervals_are_positive_numbers(value: object, interval_s: float | None) -> None:
    assert said({"interval": value}).interval_s == interval_s


@pytest.mark.parametrize(
    ("value", "sequence"), [(0, 0), (7.0, 7), (-1, None), (True, None), ("7", None), (2**63, None)]
)
def test_sequences_are_small_whole_numbers(value: object, sequence: int | None) -> None:
    assert said({"seq": value}).sequence == sequence


def test_numbers_that_json_does_not_know_do_not_cost_a_beat() -> None:
    reading = said(b'{"status": "ok", "interval": NaN, "seq": Infinity, "temp": NaN}')
    assert (reading.interval_s, reading.sequence, reading.labels["temp"]) == (None, None, "nan")


def test_identity_in_the_payload_is_ignored() -> None:
    assert said({"site": "elsewhere", "Station": "other", "source": "x", "a": 1}).labels == {"a": "1"}


MEMBERS = {"status": "ok", "ts": 1795305600, "seq": 42, "metrics": {"temp": 21.5}}


@pytest.mark.parametrize(
    ("payload", "form", "content_type"),
    [
        (json.dumps(MEMBERS).encode(), PayloadFormat.AUTO, ""),
        (b"\xef\xbb\xbf " + json.dumps(MEMBERS).encode(), PayloadFormat.AUTO, ""),
        (json.dumps(MEMBERS).encode(), PayloadFormat.JSON, ""),
        (json.dumps(MEMBERS).encode(), PayloadFormat.AUTO, "application/json; charset=utf-8"),
        (cbor2.dumps(MEMBERS), PayloadFormat.AUTO, ""),
        (cbor2.dumps(cbor2.CBORTag(55799, MEMBERS)), PayloadFormat.AUTO, ""),
        (cbor2.dumps(MEMBERS), PayloadFormat.CBOR, ""),
        (cbor2.dumps(MEMBERS), PayloadFormat.AUTO, "application/cbor"),
        (msgpack.packb(MEMBERS), PayloadFormat.AUTO, ""),
        (msgpack.packb(MEMBERS), PayloadFormat.MSGPACK, ""),
        (msgpack.packb(MEMBERS), PayloadFormat.AUTO, "application/x-msgpack"),
    ],
)
def test_all_formats_say_the_same(payload: bytes, form: PayloadFormat, content_type: str) -> None:
    assert said(payload, form=form, content_type=content_type) == said(MEMBERS)


def test_a_configured_format_is_not_second_guessed() -> None:
    with pytest.raises(PayloadError, match="not cbor"):
        said(b'{"status": "ok"}', form=PayloadFormat.CBOR)
    assert said(b'{"status": "ok"}', form=PayloadFormat.TEXT).labels == {"status": '{"status": "ok"}'}


def test_maps_of_every_size_are_told_apart() -> None:
    for size in (0, 1, 15, 16, 23, 24, 300):
        members = {f"k{n}": n for n in range(size)}
        expected = said(members, limits=Limits(labels=1000)).labels
        assert said(cbor2.dumps(members), limits=Limits(labels=1000)).labels == expected
        assert said(msgpack.packb(members), limits=Limits(labels=1000)).labels == expected


def test_dates_of_binary_formats_are_instants() -> None:
    instant = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    assert said(cbor2.dumps({"ts": instant})).sent_ms == 1_795_305_600_000
    assert said(msgpack.packb({"ts": instant}, datetime=True)).sent_ms == 1_795_305_600_000


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"x" * 65_537, Dropped.OVERSIZED),
        (b"\xff\xfe\x00", Dropped.MALFORMED),
        (b"\x00\x01\x02", Dropped.UNSUPPORTED),
        (b'{"status": ', Dropped.MALFORMED),
        (b"[1, 2]", Dropped.MALFORMED),
        (b"[" * 60_000, Dropped.MALFORMED),
        (b'{"a":' * 10_000, Dropped.MALFORMED),
        (b'{"a": ' + b"9" * 5000 + b"}", Dropped.MALFORMED),
        (b"\xa1\x61a" * 5000, Dropped.MALFORMED),
        (b"\xbf", Dropped.MALFORMED),
        (b"\xb9\xff\xff", Dropped.MALFORMED),
        (b"\xa1\x61a\x9b\xff\xff\xff\xff\xff\xff\xff\xff", Dropped.MALFORMED),
        (b"\x81\xa1a" + b"\x91" * 5000, Dropped.MALFORMED),
        (b"\xdf\xff\xff\xff\xff", Dropped.MALFORMED),
        (b"\xd9\xd9\xf7\x80", Dropped.MALFORMED),
    ],
)
def test_what_says_nothing_is_refused_with_a_reason(payload: bytes, reason: Dropped) -> None:
    with pytest.raises(PayloadError) as refused:
        said(payload)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    "hostile",
    [
        cbor2.dumps({"a": cbor2.CBORTag(4, [999_999_999, 1]), "interval": cbor2.CBORTag(4, [999_999_999, 1])}),
        cbor2.dumps({"a": cbor2.CBORTag(35, "(a+)+$")}),
        b"\xa1\x61a\xc2\x59\xea\x60" + b"\xff" * 60_000,  # an integer of 480,000 bits
        b"\xd8\x1c\xa1\x61a\xd8\x1d\x00",  # a map that contains itself
        json.dumps({"a": [[[[[[[[[["deep"]]]]]]]]]], "b": "\ud800\u202e\u0000x"}).encode(),
    ],
)
def test_hostile_values_become_harmless_labels_quickly(hostile: bytes) -> None:
    began = time.process_time()
    try:
        labels = said(hostile).labels
    except PayloadError:
        labels = {}
    assert time.process_time() - began < 0.5
    for key, value in labels.items():
        assert (key + value).isprintable()
        (key + value).encode()
        assert len(value) <= Limits().value_chars


def test_labels_are_bounded_in_number_depth_and_length() -> None:
    limits = Limits(labels=3, depth=2, key_chars=5, value_chars=4)
    assert said({"a": {"b": {"c": 1}}, "longname": "longvalue"}, limits=limits).labels == {"longn": "long"}
    assert len(said({str(n): n for n in range(100)}, limits=limits).labels) == 3
    assert said({"a": list(range(100))}, limits=limits).labels == {"a.0": "0", "a.1": "1", "a.2": "2"}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)
names = st.sampled_from(["status", "online", "ts", "seq", "interval", "fault", "alarms", "errors", "metrics"])


@given(st.dictionaries(names, values), st.sampled_from(["json", "cbor", "msgpack"]), st.sampled_from(TopicKind))
def test_any_members_of_any_type_are_read_or_refused(members: dict, form: str, topic: TopicKind) -> None:
    try:
        match form:
            case "json":
                payload = json.dumps(members, default=lambda value: value.hex()).encode()
            case "cbor":
                payload = cbor2.dumps(members)
            case _:
                payload = msgpack.packb(members)
    except (OverflowError, ValueError):
        return  # the encoder refuses what the format can't say
    sound(payload, topic)


told = st.sampled_from(
    ["status", "Status", "STATE", "online", "ts", "time", "seq", "interval", "fault", "alarms", "temp"]
)
values_told = st.sampled_from([None, True, "ok", "low", 0, 17, 1_795_305_600, "", ["a"]])


@given(st.dictionaries(told, values_told), st.sampled_from(TopicKind))
def test_names_of_members_that_are_remembered_say_what_they_said_at_first(members: dict, topic: TopicKind) -> None:
    new = read(msgpack.packb(members), topic=topic)  # of these nothing is remembered
    for _ in range(2):
        again = read(json.dumps(members).encode(), topic=topic)
        assert again == new
        assert list(again.labels.items()) == list(new.labels.items())


def test_what_only_the_patient_reader_takes_is_read_too() -> None:
    odd = [
        b'\xef\xbb\xbf{"status": "low"}',
        b'{"status": "low", "name": "\\ud800"}',
        b'{"status": "low", "x": %s}' % (b"[" * 300 + b"]" * 300),
    ]
    assert [said(payload).fault for payload in odd] == ["low"] * len(odd)


edits = st.lists(
    st.tuples(
        st.integers(0, 80), st.booleans(), st.sampled_from(list(b'{}[]",:0123456789.eE+-\\u tnfNI\x00\x1f\xc3\xa9'))
    )
)
SEEDS = [
    b'{"ts": 1795305600123, "metrics": {"temp": 21.5, "up": -0.0, "x": 1e-7}}',
    b'["\\u00e9\\n", null, true, NaN, -Infinity, 1.5e10]',
]


@given(st.sampled_from(SEEDS), edits)
def test_the_fast_reader_of_json_takes_nothing_that_the_patient_one_reads_otherwise(seed: bytes, changes: list) -> None:
    payload = bytearray(seed)
    for at, insert, byte in changes:
        payload[at : at if insert else at + 1] = bytes([byte])
    try:
        fast = repr(parse(bytes(payload), form=PayloadFormat.JSON))
    except PayloadError:
        return
    assert fast == repr(json.loads(payload.decode().removeprefix("\ufeff")))


@given(st.binary(max_size=200), st.sampled_from(PayloadFormat), st.sampled_from(TopicKind))
def test_any_bytes_are_read_or_refused(payload: bytes, form: PayloadFormat, topic: TopicKind) -> None:
    sound(payload, topic, form=form)


@given(st.sampled_from([b"\xa1", b"\xbf", b"\x81", b"\xde", b"\xd8\x1c\xa1", b"{"]), st.binary(max_size=60))
def test_any_bytes_behind_a_plausible_head_are_read_or_refused(head: bytes, rest: bytes) -> None:
    sound(head + rest, HEARTBEAT)


def sound(payload: bytes, topic: TopicKind, **more) -> None:
    try:
        reading = read(payload, topic=topic, **more)
    except PayloadError:
        return
    assert reading.sent_ms is None or 10**12 <= reading.sent_ms < 10**14
    assert reading.interval_s is None or 0 < reading.interval_s < float("inf")
    assert len(reading.labels) <= Limits().labels
    for text in (reading.fault, *reading.labels, *reading.labels.values()):
        assert text.isprintable()
