"""What our own mail server found out about a mail's sender: Authentication-Results (RFC 8601), and whom we believe."""

import re

from collectors.smtp.mail import Mail

_RESULT = re.compile(r"\b(dmarc|dkim|spf)\s?=\s?([a-z]{1,20})", re.IGNORECASE)
_LONGEST = 4_000


def authentication(mail: Mail, authserv_id: str) -> str:
    """``pass``, ``fail`` or ``none`` by the topmost header of our own server; empty if that is not its first word.

    Anybody can write such a header: only the topmost counts, and only from the server that is configured.
    DMARC decides if it was evaluated; else DKIM or SPF must pass.
    """
    if not authserv_id:
        return ""
    value = mail.header("authentication-results")[:_LONGEST]
    server, _, results = value.partition(";")
    if server.strip().split(" ")[0].lower() != authserv_id.lower():
        return ""
    found: dict[str, str] = {}
    for method, result in _RESULT.findall(re.sub(r"\([^()]*\)", "", results)):
        # Several DKIM signatures: one that passes is enough.
        if found.get(method.lower()) != "pass":
            found[method.lower()] = result.lower()
    if found.get("dmarc", "none") != "none":
        return "pass" if found["dmarc"] in ("pass", "bestguesspass") else "fail"
    if "pass" in (found.get("dkim"), found.get("spf")):
        return "pass"
    return "fail" if "fail" in found.values() else "none"
