"""The clock runs while we can believe what we hear, and nothing else moves it."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.feed import LONGEST_WARM_UP_S, Feed


class Bench:
    """A fleet of ``live`` stations that beat each minute, and somebody who looks each second."""

    def __init__(self, live: int = 100, *, proven: bool = True) -> None:
        self.now_s = 1000.0
        self.feed = Feed(now_s=self.now_s)
        self.live = live
        self.next = 0.0
        self.told = 0
        self.feed.live, self.feed.per_s = live, live / 60
        self.feed.feeds("mqtt")
        self.feed.connected("mqtt", up=True, proven=proven, now_s=self.now_s)

    def passes(self, seconds: int, *, share: float = 1.0) -> float:
        """How far the clock went while ``share`` of the stations beat in turn."""
        before_s = self.observed_s
        for _ in range(seconds):
            self.now_s += 1
            self.next += share * self.live / 60
            while self.next >= 1:
                self.next -= 1
                self.told += 1
                self.feed.heard(
                    f"s{self.told % max(1, int(share * self.live))}", "mqtt", was_live=True, now_s=self.now_s
                )
            self.feed.look(self.now_s)
        return self.observed_s - before_s

    def link(self, *, up: bool, proven: bool = True) -> None:
        self.feed.connected("mqtt", up=up, proven=proven, now_s=self.now_s)

    @property
    def observed_s(self) -> float:
        return self.feed.observed_s(self.now_s)


def test_the_clock_runs_while_the_fleet_is_heard() -> None:
    bench = Bench()
    assert bench.passes(600) == 600
    bench.now_s += 0.5
    assert bench.observed_s == 600.5  # between two looks, too


def test_it_stands_still_while_we_are_deaf_and_until_the_fleet_is_back() -> None:
    bench = Bench()
    bench.passes(100)
    bench.link(up=False)
    assert (bench.feed.deaf, bench.passes(500, share=0)) == ({"mqtt"}, 0)
    bench.link(up=True)
    assert bench.feed.warming_up
    assert bench.passes(58) == 0
    assert bench.passes(60) >= 58  # all but one or two were heard within their minute


def test_when_nobody_new_comes_for_an_interval_most_are_enough() -> None:
    bench = Bench()
    bench.link(up=False)
    bench.link(up=True)
    for number in range(60):
        bench.feed.heard(f"s{number}", "mqtt", was_live=True, now_s=bench.now_s)
    assert bench.passes(59, share=0) == 0
    assert not bench.feed.trusted
    bench.passes(2, share=0)
    assert bench.feed.trusted


def test_a_fleet_that_does_not_come_back_is_waited_for_no_longer_than_five_minutes() -> None:
    bench = Bench()
    bench.link(up=False)
    bench.link(up=True)
    assert bench.passes(int(LONGEST_WARM_UP_S), share=0.4) == 0
    assert bench.passes(5, share=0.4) == 5


def test_stations_that_are_new_do_not_count_as_back() -> None:
    bench = Bench()
    bench.link(up=False)
    bench.link(up=True)
    for number in range(200):
        bench.feed.heard(f"n{number}", "mqtt", was_live=False, now_s=bench.now_s)
    assert bench.passes(3, share=0) == 0


def test_a_collector_that_brings_no_beats_stops_the_clock_but_nobody_has_to_come_back_to_it() -> None:
    bench = Bench()
    bench.feed.connected("mail", up=False, proven=False, now_s=bench.now_s)
    assert bench.passes(10) == 0
    bench.feed.connected("mail", up=True, proven=False, now_s=bench.now_s)
    assert bench.passes(10) == 10


def test_a_short_stand_still_costs_its_own_time_a_long_one_a_warm_up() -> None:
    bench = Bench()
    bench.passes(10)
    bench.now_s += 20
    bench.feed.look(bench.now_s)
    assert bench.observed_s == 10
    assert bench.passes(10) == 10
    bench.now_s += 40
    assert bench.observed_s == 20  # even before anybody looked
    bench.feed.look(bench.now_s)
    assert bench.feed.warming_up


def test_a_silence_that_nothing_proves_is_doubted_until_beats_come_again() -> None:
    bench = Bench(proven=False)
    bench.passes(60)
    assert 10 < bench.passes(100, share=0) < 20
    assert (bench.feed.doubted, bench.feed.trusted) == (True, False)
    bench.passes(15)
    assert (bench.feed.doubted, bench.feed.warming_up) == (False, True)


def test_a_silence_with_a_canary_is_the_fleets() -> None:
    bench = Bench(proven=True)
    bench.passes(60)
    assert bench.passes(100, share=0) == 100
    assert (bench.feed.quiet, bench.feed.doubted) == (True, False)


def test_a_canary_that_is_lost_leaves_the_doubt() -> None:
    bench = Bench(proven=True)
    bench.passes(60)
    bench.link(up=True, proven=False)
    bench.passes(40, share=0)
    assert bench.feed.doubted


def test_one_collector_without_a_canary_leaves_the_doubt() -> None:
    bench = Bench(proven=True)
    bench.feed.heard("s1", "other", was_live=True, now_s=bench.now_s)
    bench.passes(100, share=0)
    assert bench.feed.doubted


def test_a_small_fleet_is_never_doubted() -> None:
    bench = Bench(live=3, proven=False)
    assert bench.passes(1000, share=0) == 1000


def test_a_fleet_that_owes_nothing_is_never_doubted() -> None:
    bench = Bench(live=0, proven=False)
    bench.feed.live, bench.feed.per_s = 0, 0.0
    bench.link(up=False)
    bench.link(up=True)
    assert bench.passes(500, share=0) == 500


@given(st.lists(st.tuples(st.sampled_from(["look", "down", "up", "beat"]), st.floats(0, 100)), max_size=60))
def test_the_clock_never_goes_back_and_never_faster_than_time(steps: list[tuple[str, float]]) -> None:
    bench = Bench()
    for what, seconds in steps:
        before_s = bench.observed_s
        bench.now_s += seconds
        match what:
            case "look":
                bench.feed.look(bench.now_s)
            case "beat":
                bench.feed.heard("s1", "mqtt", was_live=True, now_s=bench.now_s)
            case _:
                bench.link(up=what == "up")
        assert 0 <= bench.observed_s - before_s <= seconds + 1e-6
