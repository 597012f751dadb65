"""How flapping is measured: a penalty that each transition doubles and that time decays (as Zino does it).

The numbers are those of Zino; six quick transitions are flapping. Pure: instants are arguments.
"""

from dataclasses import dataclass
from math import ceil, log, log2


@dataclass(frozen=True, slots=True, kw_only=True)
class FlapLimits:
    """When an incident flaps, and when it is calm again. A penalty decays towards 1, never below."""

    first: float = 2.0
    """The penalty of the first transition; more than 1."""
    most: float = 256.0
    half_life_ms: int = 300_000
    """After so long the penalty is its own square root."""
    above: float = 35.0
    """Flapping from a greater penalty."""
    below: float = 1.5
    """Calm at a smaller one; more than 1."""
    line_every: int = 100
    """Transitions from one line on the ticket to the next."""

    def aged(self, penalty: float, after_ms: int) -> float:
        """What is left of ``penalty`` after a time; never more than it was."""
        return float(penalty ** (0.5 ** (max(0, after_ms) / self.half_life_ms))) if penalty > 0 else 0.0

    def after_transition(self, penalty: float, after_ms: int) -> float:
        """The penalty with one more transition, so long after the one before."""
        return min(self.most, 2 * self.aged(penalty, after_ms)) if penalty > 0 else min(self.most, self.first)

    def calm_after_ms(self, penalty: float) -> int:
        """After how long without a transition ``penalty`` has fallen below the lower threshold."""
        if penalty < self.below:
            return 0
        return ceil(self.half_life_ms * log2(log(penalty) / log(self.below))) + 1
