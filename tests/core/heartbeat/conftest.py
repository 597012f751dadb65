"""One station and its clocks, to be told what happens to it."""

from gateway.core.event import Beat, BeatKind
from gateway.core.heartbeat import expired, heard, ordered
from gateway.core.station import Policy, Station, StationVerb

EPOCH_MS = 1_795_305_600_000
POLICY = Policy()


class Watch:
    """One station and its clocks: says what was said of it, as words."""

    def __init__(self, policy: Policy = POLICY, station: Station | None = None) -> None:
        self.policy, self.station, self.now_s = policy, station, 0.0

    @property
    def now_ms(self) -> int:
        return EPOCH_MS + round(self.now_s * 1000)

    def hear(self, kind: BeatKind = BeatKind.BEAT, **fields) -> list[str]:
        beat = Beat(collector="mqtt", station="s1", at_ms=self.now_ms, kind=kind, **fields)
        self.station, signals = heard(self.station, beat, self.policy, observed_s=self.now_s)
        return [f"{signal.kind} {signal.condition}" for signal in signals]

    def order(self, verb: StationVerb) -> list[str]:
        self.station, signals = ordered(self.station, verb, self.policy, observed_s=self.now_s, now_ms=self.now_ms)
        return [f"{signal.kind} {signal.condition}" for signal in signals]

    def beats(self, count: int, every_s: float = 60.0, **fields) -> list[str]:
        said = []
        for _ in range(count):
            said += self.hear(**fields)
            self.wait(every_s)
        return said

    def wait(self, seconds: float) -> list[str]:
        """Let time pass, waking the station at each of its deadlines; says at which second each signal came."""
        until, said = self.now_s + seconds, []
        while self.station is not None and self.station.deadline_s <= until:
            self.now_s = max(self.now_s, self.station.deadline_s)
            self.station, signals = expired(self.station, self.policy, observed_s=self.now_s, now_ms=self.now_ms)
            said += [f"{signal.kind} {signal.condition} at {self.now_s:g}" for signal in signals]
        self.now_s = until
        return said

    def fell(self) -> "Watch":
        """A known station that has gone down."""
        self.beats(3)
        assert self.wait(200)
        assert self.state == "down"
        return self

    @property
    def state(self) -> str:
        return self.station.state.value
