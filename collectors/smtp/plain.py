"""Text without what only machines should see: `gateway.core.text.clean`, fast enough for a whole mail's body."""

import re

# Categories Cc, Cf, Cs and Co of Unicode 14 but for line feed, tab and the joiner of emoji; a test compares them all.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2060-\u2064\u2066-\u206f\ud800-\uf8ff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U00013438"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f\U000f0000-\U000ffffd\U00100000-\U0010fffd]"
)


def clean(text: str) -> str:
    r"""``text`` with line ends as ``\n`` and without control, format (bidirectional), private and surrogate characters."""
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
