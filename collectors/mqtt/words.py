"""Words that stations publish about themselves, compared casefolded."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WELL = _words("""
    ok okay up online 1 alive true on good normal fine healthy well running ready active connected present pass passed
    ping beat heartbeat yes none no_fault
""")
BORN = _words("birth born init starting started boot booted")
"""It has just come online."""
GONE = _words("offline down lost dead disconnected unavailable 0 false off gone")
"""Its last will, or the same said by itself.

``disconnected`` is ambiguous: Homie means a farewell by it, most others a last will. An outage that nobody hears of is
worse than one told too much.
"""
LEFT = _words("sleeping sleep asleep bye leaving left shutdown stopped retired removed")
"""It went on purpose."""
FAULTY = _words("""
    fault faulty fail failed failing failure error err alarm alert critical crit emergency fatal panic degraded warning
    warn bad unhealthy nok ko
""")
"""It lives, and something is wrong."""
NO_FAULT = WELL | _words("0 false off no null normal cleared") | {""}
"""What a member named ``fault`` says while there is none."""
FINE = _words("ok okay")
"""Words that make a whole sentence harmless: ``OK (3 sensors)``."""
KNOWN = WELL | BORN | GONE | LEFT
