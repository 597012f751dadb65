"""When we were blind, and how it is told: once, with the span, and cleared when we have heard for a while."""

from gateway.core.blind import Sight, look
from gateway.core.event import EventKind

MINUTE_MS = 60_000
START_MS = 1_795_305_600_000


class Eyes:
    """Looks, and remembers what was said."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.sight = Sight(looked_ms=START_MS)
        self.said: list[tuple[EventKind, str]] = []

    def look(self, seconds: float, *deaf: str, stepped_ms: int = 0) -> None:
        self.now_ms += round(seconds * 1000) + stepped_ms
        self.sight, said = look(
            self.sight,
            now_ms=self.now_ms,
            passed_ms=round(seconds * 1000),
            deaf=deaf,
            after_ms=MINUTE_MS,
            idle="asleep",
        )
        assert Sight.from_dict(self.sight.as_dict()) == self.sight
        self.said += [(one.kind, one.summary) for one in said]

    def seconds(self, count: int, *deaf: str) -> None:
        for _ in range(count):
            self.look(1, *deaf)


def test_a_short_blindness_is_nobodys_business():
    eyes = Eyes()
    for _ in range(10):
        eyes.seconds(59, "mqtt")
        eyes.seconds(1)
    eyes.look(59)
    assert eyes.said == []
    assert eyes.sight == Sight(looked_ms=eyes.now_ms)


def test_a_deaf_collector_is_told_after_a_minute_again_when_it_hears_and_cleared_a_minute_later():
    eyes = Eyes()
    eyes.seconds(59, "mqtt")
    assert eyes.said == []
    eyes.seconds(541, "mqtt")
    assert eyes.said == [
        (EventKind.RAISE, "we have been blind since 2026-11-22 00:00:00 UTC: mqtt could not hear"),
    ]
    eyes.seconds(59)
    whole = "we were blind from 2026-11-22 00:00:00 UTC to 2026-11-22 00:10:00 UTC (10 min): mqtt could not hear"
    assert eyes.said[1:] == [(EventKind.NOTE, whole)]
    eyes.seconds(600)
    assert eyes.said[2:] == [(EventKind.CLEAR, whole)]
    assert eyes.sight == Sight(looked_ms=eyes.now_ms)


def test_a_process_that_stood_still_says_from_when_to_when_at_once():
    eyes = Eyes()
    eyes.seconds(5)
    eyes.look(3600)
    whole = "we were blind from 2026-11-22 00:00:05 UTC to 2026-11-22 01:00:05 UTC (1 h): asleep"
    assert eyes.said == [(EventKind.RAISE, whole)]
    eyes.seconds(60)
    assert eyes.said[1:] == [(EventKind.CLEAR, whole)]


def test_a_link_that_comes_and_goes_is_one_blindness():
    eyes = Eyes()
    eyes.seconds(61, "mqtt")
    for _ in range(5):
        eyes.seconds(30)
        eyes.seconds(30, "smtp")
    eyes.seconds(61)
    assert [kind for kind, _ in eyes.said].count(EventKind.RAISE) == 1
    assert eyes.said[-1][0] is EventKind.CLEAR
    assert eyes.said[-1][1].endswith("mqtt could not hear, smtp could not hear")


def test_a_step_of_the_wall_clock_is_no_blindness():
    eyes = Eyes()
    for day_ms in (86_400_000, -86_400_000):
        eyes.look(1, stepped_ms=day_ms)
        eyes.seconds(100)
    assert eyes.said == []
