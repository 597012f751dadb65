"""What happens to single messages, without a broker."""

import asyncio

import pytest
from paho.mqtt.client import MQTTMessage

from collectors.mqtt.config import MqttConfig
from collectors.mqtt.inbox import Inbox, Refused
from gateway.core.reason import Dropped
from gateway.core.told import EntryKind, Told
from gateway.plugin import EntryRefused, Overloaded
from gateway.testing.clock import START_MS, ManualClock
from gateway.testing.intake import RecordingIntake


def message(payload: bytes = b"ok", *, mid: int = 1, qos: int = 1, topic: bytes = b"fleet/n/s1/heartbeat"):
    made = MQTTMessage(mid=mid, topic=topic)
    made.payload, made.qos = payload, qos
    return made


def inbox(intake: RecordingIntake, **settings) -> Inbox:
    return Inbox(MqttConfig(**settings), collector="mqtt", clock=ManualClock(), intake=intake)


async def test_a_beat_bears_the_time_at_which_it_was_heard() -> None:
    intake = RecordingIntake()
    inbox(intake).hear(message())
    assert intake.beats[0].at_ms == START_MS


async def test_acknowledgements_wait_for_the_disk_and_keep_their_order() -> None:
    intake, acknowledged = RecordingIntake(hold=True), []
    box = inbox(intake)
    for mid, payload in ((1, b"ok"), (2, b"fault"), (3, b"ok"), (4, b"\xff")):
        box.hear(message(payload, mid=mid))
    box.settle(acknowledged.extend)
    assert acknowledged == [1]
    box.changed.clear()
    intake.release()
    await asyncio.wait_for(box.changed.wait(), 1)
    box.settle(acknowledged.extend)
    assert acknowledged == [1, 2, 3, 4]


async def test_what_is_refused_is_never_acknowledged_nor_what_came_after_it() -> None:
    intake, acknowledged = RecordingIntake(hold=True), []
    box = inbox(intake)
    box.hear(message(b"fault", mid=1))
    box.hear(message(b"ok", mid=2))
    intake.release(Overloaded("too much waits"))
    with pytest.raises(Refused, match="too much waits"):
        box.settle(acknowledged.extend)
    assert acknowledged == []


class FullIntake(RecordingIntake):
    def beat(self, beat):
        raise Overloaded("full")


@pytest.mark.parametrize(("qos", "drops"), [(0, {Dropped.OVERLOAD: 1}), (1, {})])
async def test_an_intake_that_refuses_at_once_is_the_same(qos: int, drops: dict) -> None:
    intake = FullIntake()
    box = inbox(intake)
    box.hear(message(qos=qos))
    await asyncio.sleep(0)
    assert intake.drops == drops
    if qos:
        with pytest.raises(Refused):
            box.settle(lambda _: None)


@pytest.mark.parametrize(
    ("payload", "said", "reason"),
    [
        (b'{"importance": "high"}', {"importance": "high"}, None),
        (b"", None, None),
        (b"high", None, Dropped.MALFORMED),
        (b"[1]", None, Dropped.MALFORMED),
        (b'{"importance": "high"', None, Dropped.MALFORMED),
        (b'{"a": ' * 20_000, None, Dropped.OVERSIZED),
    ],
)
async def test_entries_of_the_inventory_are_taken_retained_or_not_and_others_set_aside(payload, said, reason) -> None:
    intake = RecordingIntake()
    inbox(intake, inventory_topics=["fleet/{site}/{station}/+"]).hear(message(payload, topic=b"fleet/n/s1/inventory"))
    assert intake.beats == []
    if reason is None:
        where = "fleet/n/s1/inventory"
        assert intake.told == [Told(kind=EntryKind.STATION, name="s1", said=said, site="n", place=where)]
    else:
        assert [why for _, why in intake.quarantined] == [reason]
        assert intake.told == []


class PickyIntake(RecordingIntake):
    def know(self, told):
        raise EntryRefused("no", reason=Dropped.OVERLOAD)


@pytest.mark.parametrize("qos", [0, 1])
async def test_an_entry_that_cannot_be_used_is_counted_and_kept_raw_if_it_would_come_again(qos: int) -> None:
    intake = PickyIntake()
    box = inbox(intake, inventory_topics=["inv/{station}"])
    box.hear(message(b"{}", topic=b"inv/s1", qos=qos))
    assert intake.drops == {Dropped.OVERLOAD: 1}
    assert intake.quarantined == [(b"{}", Dropped.OVERLOAD)] * qos
    box.settle(lambda _: None)


async def test_a_topic_that_is_no_text_is_unsupported() -> None:
    intake = RecordingIntake()
    inbox(intake).hear(message(topic=b"fleet/\xff/s1/heartbeat"))
    assert intake.quarantined == [(b"ok", Dropped.UNSUPPORTED)]


async def test_the_room_it_has_is_its_receive_maximum() -> None:
    intake = RecordingIntake(hold=True)
    box = inbox(intake, receive_maximum=4)
    assert box.roomy
    for mid in range(1, 5):
        assert not box.full
        box.hear(message(b"fault", mid=mid))
    assert box.full
    assert box.changed.is_set(), "somebody has to stop reading"
    assert not box.roomy
