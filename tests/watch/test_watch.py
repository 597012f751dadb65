"""A beat that changes something for people waits for the disk; what is expected is no station of the fleet."""

from gateway.core.event import Beat
from tests.watch.conftest import AWAITED, BACKUP, to_the_hour

FAULT = "s1 station_fault raise"
WELL = "s1 station_fault clear"


async def test_a_fault_is_told_at_once_and_its_receipt_waits_for_the_disk(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.engine.holds = True
        receipt = bench.beat(fault="door open")
        await bench.passes(1)
        assert not receipt.done()
        bench.engine.holds = False
        bench.engine.settle()
        await receipt
        (stored,) = await bench.store.run(lambda tx: tx.stations())
        assert (stored.fault, bench.engine.said) == ("door open", [FAULT])
        await bench.beat()
        assert bench.engine.said == [FAULT, WELL]


async def test_an_expected_event_is_no_station_of_the_fleet(build) -> None:
    async with build(listed=AWAITED) as bench:
        assert bench.watch.heard(Beat(collector="mqtt", station=BACKUP, at_ms=bench.clock.now_ms())) is None
        await bench.passes(to_the_hour(bench.clock) + 60)
        bench.watch.met("backup", collector="snmp", at_ms=bench.clock.now_ms())
        bench.watch.met("nobody", collector="snmp", at_ms=bench.clock.now_ms())
        (kept,) = await bench.store.run(lambda tx: tx.stations(after="", most=10))
        assert kept.beats == 1  # at once: no crash forgets that it came
        assert bench.watch.unknown == 0
        await bench.passes(3600)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == ["backup event_missing raise"], turning=60)
        bench.watch.met("backup", collector="snmp", at_ms=bench.clock.now_ms())
        assert bench.engine.said == ["backup event_missing raise", "backup event_missing clear"]
