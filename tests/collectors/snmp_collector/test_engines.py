"""Engines of a fleet: bounded for each source, known again after a restart, and replays refused then, too."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from collectors.snmp.engines import Engines, Seen, pack, unpack
from collectors.snmp.keeper import KEEP_EVERY_S, Keeper
from collectors.snmp.timeliness import RemoteClock
from collectors.snmp.usm import UsmError
from gateway.core.reason import Dropped
from gateway.testing.keep import MemoryKeep
from tests.collectors.snmp_collector.test_usm import OPS, THEIRS, message, usm

FLEET = 2_000


def engine(number: int) -> bytes:
    return b"\x80\x00\x1f\x88\x05" + number.to_bytes(4, "big")


def table(*, most: int, most_of_source: int) -> Engines[str]:
    return Engines(most=most, most_of_source=most_of_source)


def learn(engines: Engines[str], number: int, source: str) -> None:
    engines.learn((engine(number), b"ops"), "keys", RemoteClock(1, number, 0.0), source=source)


def known(engines: Engines[str]) -> list[int]:
    return [int.from_bytes(one.engine_id[-4:], "big") for one in engines.seen()]


def test_a_source_with_too_many_engines_forgets_its_own_only() -> None:
    engines = table(most=10, most_of_source=2)
    learn(engines, 0, "other")
    for number in (1, 2, 3):
        learn(engines, number, "proxy")
    assert known(engines) == [0, 2, 3]
    engines.heard((engine(2), b"ops"))
    learn(engines, 4, "proxy")
    assert known(engines) == [0, 2, 4]


def test_a_full_table_forgets_the_one_unheard_for_longest() -> None:
    engines = table(most=2, most_of_source=2)
    for number, source in enumerate(["a", "b", "c"]):
        learn(engines, number, source)
    assert known(engines) == [1, 2]
    assert engines.get((engine(0), b"ops")) is None
    assert set(engines._of_source) == {"b", "c"}


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ab")), max_size=60))
def test_the_bounds_always_hold(told: list[tuple[int, str]]) -> None:
    engines = table(most=5, most_of_source=3)
    for number, source in told:
        key = (engine(number), b"ops")
        if engines.get(key) is None:
            learn(engines, number, source)
        else:
            engines.heard(key)
        assert len(engines) <= 5
        assert all(0 < len(own) <= 3 for own in engines._of_source.values())
        assert {key for own in engines._of_source.values() for key in own} == set(engines._known)


seen = st.builds(
    Seen,
    engine_id=st.binary(min_size=5, max_size=32),
    user=st.binary(min_size=1, max_size=32),
    boots=st.integers(0, 2**31 - 1),
    time=st.integers(0, 2**31 - 1),
    source=st.sampled_from(["192.0.2.1", "2001:db8::1"]),
)


@given(st.lists(seen, max_size=20))
def test_what_is_kept_reads_back(kept: list[Seen]) -> None:
    assert unpack(pack(kept)) == kept


@given(st.binary(max_size=100))
def test_whatever_was_kept_stops_no_start(data: bytes) -> None:
    assert unpack(data) == []
    assert unpack(pack([])[:-1] + data) == []


# --- across a restart ------------------------------------------------------------------------------------------------


def restarted(before, **more):
    after = usm(**more)
    after.recall(unpack(pack(before.seen())), 5.0)
    return after


def refusal(receiver, data: bytes, now_s: float) -> UsmError:
    with pytest.raises(UsmError) as caught:
        receiver.receive(data, now_s)
    return caught.value


def test_a_replay_is_refused_after_a_restart_too() -> None:
    before = usm()
    before.receive(message(boots=5, time=100_000), 1000.0, "192.0.2.1")
    after = restarted(before)
    for boots, at in ((5, 100_000 - 151), (4, 200_000)):
        error = refusal(after, message(boots=boots, time=at), 5.0)
        assert error.reason is Dropped.REPLAYED
        assert THEIRS.hex() in str(error)
    assert refusal(usm(), message(boots=4, time=1)[:-1] + b"x", 5.0).reason is Dropped.AUTH_FAILED
    assert after.receive(message(boots=5, time=100_001), 5.0).user == b"ops"
    assert after.receive(message(boots=6, time=1), 5.0).user == b"ops"


def test_engines_of_users_that_are_gone_are_forgotten() -> None:
    after = usm()
    after.recall([Seen(THEIRS, b"gone", 5, 100, "192.0.2.1"), Seen(THEIRS, b"ops", 5, 100, "192.0.2.1")], 0.0)
    assert after.engines == 1


def test_thousands_of_engines_are_known_and_known_again() -> None:
    before = usm(engines_per_source=FLEET // 2)
    began = time.process_time()
    for number in range(FLEET):
        data = message(engine_id=engine(number), message_id=number, salt=number)
        before.receive(data, 1000.0, f"192.0.2.{number % 4}")
    assert before.engines == FLEET
    kept = pack(before.seen())
    after = usm()
    after.recall(unpack(kept), 0.0)
    assert (after.engines, after.seen()) == (FLEET, before.seen())
    assert len(kept) < 40 * FLEET
    assert time.process_time() - began < 10


async def test_engines_are_kept_in_turn_and_only_when_something_is_new() -> None:
    receiver, keep = usm(), MemoryKeep()
    keeper = Keeper(keep, receiver, name="snmp", now_s=0.0)
    await keeper.recall(0.0)
    receiver.receive(message(), 1000.0)
    await keeper.turn(KEEP_EVERY_S - 1)
    assert keep.kept == {}
    await keeper.turn(KEEP_EVERY_S)
    first = keep.kept.pop("engines")
    await keeper.save()
    assert keep.kept == {}
    again = usm()
    keep.kept["engines"] = first
    await Keeper(keep, again, name="snmp", now_s=0.0).recall(0.0)
    assert [one.user for one in again.seen()] == [OPS.name]


class FullKeep(MemoryKeep):
    """A memory on a full disk."""

    full = True

    async def put(self, key: str, value: bytes) -> None:
        if self.full:
            raise OSError("no space left")
        await super().put(key, value)


async def test_a_store_that_cannot_keep_them_is_told_once() -> None:
    receiver, keep = usm(), FullKeep()
    keeper = Keeper(keep, receiver, name="snmp", now_s=0.0)
    receiver.receive(message(), 1000.0)
    with capture_logs() as logs:
        await keeper.save()
        await keeper.save()
    assert [line["event"] for line in logs] == ["engines.unkept"]
    keep.full = False
    await keeper.save()
    assert "engines" in keep.kept


async def test_the_collector_knows_its_engines_after_a_restart(serve, sender) -> None:
    config = {"users": [{"name": "open"}]}
    async with serve(config) as first:
        first.collector._usm.recall([Seen(THEIRS, b"open", 5, 100, "127.0.0.1")], 0.0)
    assert unpack(first.keep.kept["engines"])
    async with serve(config, keep=first.keep) as second:
        assert second.collector._usm.engines == 1
