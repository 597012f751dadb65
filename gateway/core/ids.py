"""Public ids of incidents: 13 characters of Crockford's base 32, ascending, unique without asking anybody.

65 bits: 41 of milliseconds since 2020 (good until 2089) and 24 of chance, which count upwards within a millisecond.
"""

from collections.abc import Callable

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 13
_EPOCH_MS = 1_577_836_800_000
_CHANCE_BITS = 24
_PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)
"""Two characters by their ten bits."""


class IdMaker:
    """Makes ids that ascend even if the clock stands still or steps back."""

    def __init__(self, chance: Callable[[int], int]) -> None:
        """Use ``chance(bits)`` (`secrets.randbits`) for a random number of that many bits."""
        self._chance = chance
        self._last = 0

    def __call__(self, now_ms: int) -> str:
        """The next id, at ``now_ms``."""
        ms = max(0, now_ms - _EPOCH_MS)
        if ms > self._last >> _CHANCE_BITS:
            self._last = (ms << _CHANCE_BITS) | (self._chance(_CHANCE_BITS) >> 1)
        else:
            self._last += 1
        return encode(self._last)


def encode(number: int) -> str:
    """``number`` (65 bits at most) as 13 characters."""
    high = ALPHABET[number >> 60] + _PAIRS[number >> 50 & 1023] + _PAIRS[number >> 40 & 1023]
    low = _PAIRS[number >> 20 & 1023] + _PAIRS[number >> 10 & 1023] + _PAIRS[number & 1023]
    return high + _PAIRS[number >> 30 & 1023] + low


def is_id(text: str) -> bool:
    """Whether ``text`` has the shape of an incident's id."""
    return len(text) == LENGTH and all(letter in ALPHABET for letter in text)
