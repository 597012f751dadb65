"""What the engine takes at once, and how long it lets things wait."""

from dataclasses import dataclass

from gateway.pending import BYTES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """What the engine takes at once."""

    lazy_s: float = 0.1
    """How long events that nobody waits for are gathered before they are committed."""
    repeat_s: float = 1.0
    """How long those of them are gathered that merely repeat what is on disk."""
    batch_max: int = 2000
    """Runs per commit, so that an inform never waits long."""
    pending_max: int = 20_000
    """Runs and waiters that may wait; more are refused, and counted."""
    bytes_max: int = BYTES_MAX
    """Bytes of text and files that may wait."""
    overtake_ms: int = 10_000
    """By how much a clear may overtake its raise; 0: what comes behind it is always raised."""
    release_per_min: int = 60
    """Survivors whose tickets are opened in a minute when what muted them is over."""
