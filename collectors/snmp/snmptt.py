"""SNMPTT's trap definitions (``snmptt.conf``) as rules.

Pure. What SNMPTT does with a trap is a line of log and a command; here an incident is opened, so EXEC and PREEXEC have no place.
SNMPTT knows no pairs: where it is known what the vendor pairs, the rule says ``continue``, so that the shipped rules still
pair. Reference: snmptt.conf format, https://snmptt.sourceforge.net/docs/snmptt.shtml
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final

from collectors.snmp.imports import Account, Carried, Draft, Fields, Words, both_forms, matcher, plain, summary
from collectors.snmp.names import Names

__all__ = ["Event", "convert", "parse"]

_EVENT: Final = re.compile(r'EVENT\s+(?P<name>\S+)\s+(?P<oid>\S+)\s+"(?P<category>[^"]*)"\s*(?P<severity>.*)')
_OID: Final = re.compile(r"\.?(\d+(?:\.\d+)+)")
_WILD: Final = re.compile(r"\.?((?:\d+\.)*)\*")
_MATCH: Final = re.compile(r"\$(?P<what>[A-Za-z]+|\d+)\s*:\s*(?P<not>!?)\s*(?P<test>.+)")
_REGEX: Final = re.compile(r"\((?P<pattern>.*)\)(?P<flags>[a-z]*)")
_NUMBER: Final = re.compile(r"(?P<sign>[<>]?)\s*(?P<number>-?\d+)")
_RANGE: Final = re.compile(r"(?P<from>\d+)\s*-\s*(?P<to>\d+)")
_VARIABLE: Final = re.compile(r"\$(\$|[+v-]?\*|[+v-]?\d+|a[AR]|ar|F[azr]|p\d+|.)")

_IMPACTS: Final[Mapping[str, str]] = {
    "critical": "critical", "fatal": "critical", "severe": "critical", "emergency": "critical",
    "major": "high", "error": "high", "alert": "high",
    "minor": "medium",
    "warning": "low",
}  # fmt: skip
"""Of SNMPTT's free words; Normal is what its converter writes on everything, and says nothing."""
_ENDS: Final = frozenset({"ok", "clear", "cleared"})
_SIMPLE: Final[Mapping[str, str]] = {
    "aA": "{source}", "A": "{source}", "aR": "{sender}", "R": "{sender}", "ar": "{sender}", "r": "{sender}", "H": "", "O": "{trap_oid}", "o": "{trap_oid}", "i": "{trap_oid}",
    "T": "{uptime}", "*": "{description}", "+*": "{description}", "-*": "{description}", "$": "$",
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Event:
    """One EVENT as it is written."""

    line: int
    name: str
    oid: str
    category: str
    severity: str
    format: str | None = None
    matches: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    every: bool = False
    """MATCH MODE=and."""
    others: bool = False
    """NODES MODE=NEG."""
    unused: list[str] = field(default_factory=list)
    """Keywords that have no place here."""


def parse(text: str, *, file: str) -> tuple[list[Event], list[Account]]:
    """The events in a file, and what of it is none."""
    events: list[Event] = []
    wrong: list[Account] = []
    described = False
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()  # noqa: PLW2901 - the line without its margins is the line
        word, _, rest = line.partition(" ")
        if described or word in ("SDESC", "EDESC"):
            described = word == "SDESC" or (described and word != "EDESC")
        elif word == "EVENT":
            found = _EVENT.fullmatch(line)
            if found is None:
                wrong.append(
                    Account(
                        file=file, line=number, name=plain(rest)[:80], how=Carried.REFUSED,
                        why='it is not written EVENT NAME OID "CATEGORY" SEVERITY',
                    )
                )  # fmt: skip
                events.append(Event(line=number, name="", oid="", category="", severity=""))  # takes what follows
            else:
                name, oid, category, severity = found.groups()
                events.append(Event(line=number, name=name, oid=oid, category=category, severity=severity))
        elif events and line and not line.startswith("#"):
            _take(events[-1], word.upper(), rest.strip())
    return [event for event in events if event.oid], wrong


def _take(event: Event, word: str, rest: str) -> None:
    match word:
        case "FORMAT":
            event.format = rest if event.format is None else event.format
        case "MATCH" if rest.upper().startswith("MODE="):
            event.every = rest[5:].strip().lower() == "and"
        case "MATCH":
            event.matches.append(rest)
        case "NODES" if rest.upper().startswith("MODE="):
            event.others = rest[5:].strip().upper() == "NEG"
        case "NODES":
            event.nodes += rest.split()
        case "EXEC" | "PREEXEC" | "REGEX":
            event.unused.append(word)
        case _:
            pass  # SNMPTT passes over what it does not know, such as MIB: lines of its converter


def convert(event: Event, names: Names, words: Words, *, file: str) -> tuple[list[Draft], Account]:
    """The rules that an event becomes, and the account of it."""
    changes: list[str] = []
    try:
        drafts = list(_drafts(event, names, words, changes.append))
    except ValueError as error:
        return [], Account(
            file=file, line=event.line, name=plain(event.name), how=Carried.REFUSED, why=plain(str(error))
        )
    how = Carried.CHANGED if changes else Carried.CARRIED
    why = "; ".join(dict.fromkeys(changes))
    return drafts, Account(file=file, line=event.line, name=plain(event.name), how=how, why=plain(why))


def _drafts(event: Event, names: Names, words: Words, changed: Callable[[str], None]) -> Iterator[Draft]:
    if event.format is None:
        raise ValueError("it has no FORMAT, so that SNMPTT does not use it")
    wild, oid = _WILD.fullmatch(event.oid), _OID.fullmatch(event.oid)
    oids = both_forms(oid[1]) if oid else []
    draft = Draft(name=f"snmptt-{event.name}")
    fields = Fields(names, oids, words)
    if wild is not None:
        begin = wild[1].replace(".", "\\.")
        draft.match.append(matcher("trap_oid", "=~", f"^{begin}" if begin else "."))
    elif oid is not None:
        draft.conditions = oids
        if fields.known is None:
            draft.set_condition = plain(event.name)
        draft.proceed = not oid[1].startswith("1.3.6.1.4.1.") or any(names.roles(form) for form in oids)
    else:
        name = event.oid.rpartition("::")[2]
        if not re.fullmatch(r"[A-Za-z][\w-]*", name, re.ASCII):
            raise ValueError(f"{event.oid!r} is no OID and no name")
        draft.conditions = [name]
    _judge(event, draft, changed)
    draft.summary = summary(_summary(event, fields, changed))
    for word in dict.fromkeys(event.unused):
        changed(f"{word} is not carried" + (": an incident opens tickets instead" if word == "EXEC" else ""))
    if event.nodes:
        draft.match.append(_nodes(event))
    tests = [_test(text, fields) for text in event.matches]
    if event.every or len(tests) < 2:  # noqa: PLR2004 - one has no mode
        yield replace(draft, match=[*draft.match, *(one for test in tests for one in test)])
        return
    for test in tests:  # any of them: a rule each, since all of a rule's matchers must hold
        yield replace(draft, match=[*draft.match, *test])


def _judge(event: Event, draft: Draft, changed: Callable[[str], None]) -> None:
    category, severity = event.category.upper(), event.severity.strip().lower()
    if category == "IGNORE":
        draft.drop, draft.proceed = True, False
    elif category == "LOGONLY":
        draft.no_ticket = True
    if severity in _ENDS and not draft.proceed:
        draft.kind = "clear"
        changed("SNMPTT does not say which trouble it ends: give set_condition the condition of that trouble")
    elif severity in _IMPACTS:
        draft.impact = _IMPACTS[severity]
    elif severity and severity not in {"normal", "informational", "info", "unknown", *_ENDS}:
        changed(f"severity {plain(event.severity)!r} has no impact that corresponds")


def _summary(event: Event, fields: Fields, changed: Callable[[str], None]) -> str:
    def value(found: re.Match[str]) -> str:
        what = found[1]
        if what in _SIMPLE:
            return _SIMPLE[what]
        if what.isdecimal():
            return f"{{{fields.at(int(what))}}}"
        if what[0] in "+v-" and what[1:].isdecimal():
            name = fields.at(int(what[1:]))
            return name if what[0] == "v" else f"{name}:{{{name}}}"
        if what in ("N", "s", "c"):
            return plain({"N": event.name, "s": event.severity, "c": event.category}[what])
        changed(f"${what} of FORMAT is left out")
        return ""

    return _VARIABLE.sub(value, plain(event.format or ""))


def _nodes(event: Event) -> str:
    try:
        addresses = [str(ip_address(node)) for node in event.nodes]
    except ValueError:
        raise ValueError("its NODES are not all addresses; name networks or hosts in a rule of your own") from None
    pattern = "|".join(address.replace(".", "\\.") for address in addresses)
    return matcher("source", "!~" if event.others else "=~", f"^(?:{pattern})$")


def _test(text: str, fields: Fields) -> list[str]:
    """The matchers that one MATCH line is."""
    found = _MATCH.fullmatch(text)
    if found is None:
        raise ValueError(f"MATCH {text} cannot be read")
    what, inverted, test = found["what"], bool(found["not"]), found["test"].strip()
    simple = {"aA": "source", "A": "source", "aR": "sender", "R": "sender", "ar": "sender", "r": "sender", "O": "trap_oid", "o": "trap_oid"}  # fmt: skip
    if not what.isdecimal() and what not in simple:
        raise ValueError(f"MATCH on ${what} has no field here")
    name = fields.at(int(what)) if what.isdecimal() else simple[what]
    pattern = _REGEX.fullmatch(test)
    if pattern is not None:
        flags = "(?i)" if "i" in pattern["flags"] else ""
        return [matcher(name, "!~" if inverted else "=~", f"{flags}{pattern['pattern']}")]
    number = _NUMBER.fullmatch(test)
    if number is not None and not (inverted and number["sign"]):
        word = fields.word(int(what), number["number"]) if what.isdecimal() and not number["sign"] else number["number"]
        return [matcher(name, number["sign"] or ("!=" if inverted else "="), word)]
    span = _RANGE.fullmatch(test)
    if span is not None and not inverted:
        return [matcher(name, ">=", span["from"]), matcher(name, "<=", span["to"])]
    try:
        return [matcher(name, "!=" if inverted else "=", str(ip_address(test)))]
    except ValueError:
        raise ValueError(f"MATCH {text} has a test that rules cannot say") from None
