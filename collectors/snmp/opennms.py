"""OpenNMS event definitions (``eventconf`` XML) as rules.

Pure. An event with an alarm is a raise, one whose alarm is a resolution a clear, one without an alarm a note. The reduction
key names the object, the clear key the trouble that ends. XML is read with expat: a document type, and so any entity of its own,
is refused. Reference: OpenNMS eventconf.xsd.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from collectors.snmp.imports import Account, Carried, Draft, Fields, Words, both_forms, matcher, plain, summary
from collectors.snmp.names import Names

__all__ = ["Event", "XmlError", "convert_all", "parse"]

MOST_DEEP: Final = 64
_PROBLEM, _CLEAR, _LASTING = "1", "2", "3"
_GENERIC: Final = "1.3.6.1.6.3.1.1.5"
_IMPACTS: Final[Mapping[str, str]] = {
    "Critical": "critical", "Major": "high", "Minor": "medium", "Warning": "low", "Normal": "low",
}  # fmt: skip
_PARAMETER: Final = re.compile(r"%parm\[#(\d{1,4})\]%?")
_NAMED: Final = re.compile(r"%parm\[([A-Za-z][\w-]*)\]%")
_WHOLE: Final = frozenset({"all", "names-all", "values-all", "owner"})
"""What stands for more than one varbind."""
_VARIABLE: Final = re.compile(r"%[A-Za-z][^%\s]*%")
_TAG: Final = re.compile(r"<[^<>]*>")
_SOURCE: Final = frozenset(
    {"%nodelabel%", "%host%", "%interface%", "%snmphost%", "%source%", "%nodeid%", "%node%", "%dpname%"}
)
_WHO: Final = _SOURCE | {"%uei%"}


class XmlError(ValueError):
    """The file is no event configuration; one sentence with the line."""


@dataclass(slots=True)
class _Node:
    tag: str
    line: int
    attributes: Mapping[str, str]
    text: list[str] = field(default_factory=list)
    children: list["_Node"] = field(default_factory=list)

    def find(self, *path: str) -> Iterator["_Node"]:
        """Descendants along a path of tags."""
        for child in self.children:
            if child.tag == path[0]:
                yield from child.find(*path[1:]) if path[1:] else [child]

    def words(self, *path: str) -> str:
        """The text of the first descendant along a path, stripped."""
        found = next(self.find(*path), None)
        return "".join(found.text).strip() if found is not None else ""


@dataclass(slots=True, kw_only=True)
class Event:
    """One event as it is written."""

    file: str
    line: int
    uei: str
    severity: str
    message: str
    destination: str
    mask: Mapping[str, list[str]]
    varbinds: list[tuple[str, list[str]]]
    """Place and values."""
    alarm_type: str = ""
    reduction_key: str = ""
    clear_key: str = ""

    @property
    def oid(self) -> str:
        """The trap's; empty if it is about none, or about several."""
        oids = self.mask.get("trapoid", [])
        if oids:
            return oids[0].lstrip(".") if len(oids) == 1 else ""
        ids, generics, specifics = (self.mask.get(name, []) for name in ("id", "generic", "specific"))
        if len(generics) == 1 and re.fullmatch(r"[0-5]", generics[0]):
            standard = f"{_GENERIC}.{int(generics[0]) + 1}"
            return standard if {one.lstrip(".") for one in ids} <= {_GENERIC, standard} else ""
        if len(ids) == len(specifics) == 1 and specifics[0].isdecimal():
            return f"{ids[0].lstrip('.')}.0.{int(specifics[0])}"
        return ""


def parse(data: bytes, *, file: str) -> list[Event]:
    """The events in a file.

    Raises:
        XmlError: it is no XML, has a document type, or is nested beyond reason.
    """
    reader = _Reader(file)
    try:
        reader.read(data)
    except expat.ExpatError as error:
        raise XmlError(f"{file}:{error.lineno}: is no XML: {expat.errors.messages[error.code]}") from None
    return reader.events


class _Reader:
    def __init__(self, file: str) -> None:
        self.events: list[Event] = []
        self._file = file
        self._open: list[_Node] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")

    def read(self, data: bytes) -> None:
        parser = self._parser
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(data, True)

    def _refuse(self, *_: object) -> None:
        raise XmlError(
            f"{self._file}:{self._parser.CurrentLineNumber}: has a document type, which is not read; remove it"
        )

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if len(self._open) >= MOST_DEEP:
            raise XmlError(f"{self._file}:{self._parser.CurrentLineNumber}: is nested more than {MOST_DEEP} deep")
        self._open.append(_Node(tag.rpartition(" ")[2], self._parser.CurrentLineNumber, attributes))

    def _characters(self, text: str) -> None:
        if self._open:
            self._open[-1].text.append(text)

    def _end(self, _tag: str) -> None:
        node = self._open.pop()
        if node.tag == "event":
            self.events.append(_event(node, self._file))
        elif self._open and self._open[-1].tag != "events":
            self._open[-1].children.append(node)


def _event(node: _Node, file: str) -> Event:
    mask: dict[str, list[str]] = {}
    for element in node.find("mask", "maskelement"):
        mask.setdefault(element.words("mename"), []).extend(
            "".join(value.text).strip() for value in element.find("mevalue")
        )
    varbinds = [
        (element.words("vbnumber"), ["".join(value.text).strip() for value in element.find("vbvalue")])
        for element in node.find("mask", "varbind")
    ]
    alarm = next(node.find("alarm-data"), None)
    log = next(node.find("logmsg"), None)
    attributes = alarm.attributes if alarm is not None else {}
    return Event(
        file=file,
        line=node.line,
        uei=node.words("uei"),
        severity=node.words("severity"),
        message=node.words("logmsg"),
        destination=log.attributes.get("dest", "") if log is not None else "",
        mask=mask,
        varbinds=varbinds,
        alarm_type=attributes.get("alarm-type", ""),
        reduction_key=attributes.get("reduction-key", ""),
        clear_key=attributes.get("clear-key", ""),
    )


def convert_all(events: Iterable[Event], names: Names, words: Words) -> Iterator[tuple[Draft | None, Account]]:
    """The rule that each event becomes, if any, and the account of it; pairs are found among all of them."""
    listed = list(events)
    raises = {event.uei: event for event in reversed(listed) if event.alarm_type != _CLEAR}
    for event in listed:
        changes: list[str] = []
        draft: Draft | None = None
        try:
            draft = _draft(event, names, words, raises, changes.append)
            how = Carried.CHANGED if changes else Carried.CARRIED
        except ValueError as error:
            how, changes = Carried.REFUSED, [str(error)]
        why = plain("; ".join(dict.fromkeys(changes)))
        yield draft, Account(file=event.file, line=event.line, name=plain(event.uei) or "(no uei)", how=how, why=why)


def _draft(
    event: Event, names: Names, words: Words, raises: Mapping[str, Event], changed: Callable[[str], None]
) -> Draft:
    oid = event.oid
    if not event.uei or not event.mask:
        raise ValueError("it has no uei or no mask, so it is no trap")
    if not re.fullmatch(r"[012](?:\.\d+)+", oid):
        raise ValueError("its mask is not that of one SNMP trap (id and specific, generic, or trapoid)")
    forms = both_forms(oid)
    fields = Fields(names, forms, words)
    draft = Draft(name=f"opennms-{event.uei.removeprefix('uei.opennms.org/')}", conditions=forms)
    draft.match = [_varbind(place, values, fields) for place, values in event.varbinds]
    draft.set_condition = _condition(event.uei)
    draft.summary = summary(_summary(event.message, fields, changed))
    if event.destination in ("donotpersist", "discardtraps"):
        draft.drop = True
    elif event.alarm_type == _CLEAR and event.clear_key:
        _clear(event, draft, fields, raises, changed)
    elif event.alarm_type in (_PROBLEM, _CLEAR, _LASTING):
        draft.object = _object(event.reduction_key, fields, changed)
        draft.impact = _IMPACTS.get(event.severity, "")
        if event.alarm_type == _LASTING:
            changed("nothing ends it in OpenNMS; here it ends after a day without a repeat (clear_after)")
            draft.clear_after = "1d"
    else:
        draft.kind = "note"
        changed("it has no alarm: recorded as a note, without a ticket")
    return draft


def _clear(
    event: Event, draft: Draft, fields: Fields, raises: Mapping[str, Event], changed: Callable[[str], None]
) -> None:
    uei, _, rest = event.clear_key.partition(":")
    draft.kind = "clear"
    draft.set_condition = _condition(uei)
    draft.object = _object(rest, fields, changed)
    raised = raises.get(uei)
    if raised is None:
        changed(f"what it ends, {uei}, is not among these files")
    elif len(_PARAMETER.findall(raised.reduction_key)) != len(_PARAMETER.findall(rest)):
        changed(
            f"its key has not as many varbinds as that of {uei}, so that it will not end it: correct object in one of them"
        )


def _condition(uei: str) -> str:
    return re.sub(r"[^\w.-]+", "_", uei.rstrip("/").rpartition("/")[2]) or "event"


def _object(key: str, fields: Fields, changed: Callable[[str], None]) -> str:
    odd = {one for one in _VARIABLE.findall(_PARAMETER.sub("", key)) if one not in _WHO}
    for one in sorted(odd):
        changed(f"{one} of its key is left out")
    return "/".join(f"{{{fields.at(int(place))}}}" for place in _PARAMETER.findall(key))


def _summary(message: str, fields: Fields, changed: Callable[[str], None]) -> str:
    text = plain(_TAG.sub(" ", html.unescape(message)))
    text = _PARAMETER.sub(lambda found: f"{{{fields.at(int(found[1]))}}}", text)
    text = _NAMED.sub(lambda found: found[0] if found[1] in _WHOLE else f"{{{found[1]}}}", text)

    def other(found: re.Match[str]) -> str:
        if found[0] in _SOURCE:
            return "{source}"
        if "parm[" in found[0]:
            changed(f"{found[0]} of its message is left out")
        return ""

    return _VARIABLE.sub(other, text)


def _varbind(place: str, values: list[str], fields: Fields) -> str:
    """The matcher that one varbind's values are: any of them."""
    if not place.isdecimal() or not values:
        raise ValueError("it looks at a varbind by its OID, or for no value")
    name = fields.at(int(place))
    if len(values) == 1 and not values[0].startswith("~") and not values[0].endswith("%"):
        return matcher(name, "=", fields.word(int(place), values[0]))
    patterns = []
    for value in values:
        if value.startswith("~"):
            patterns.append(f"^(?:{value[1:]})$")
        elif value.endswith("%"):
            patterns.append(f"^{re.escape(value[:-1])}")
        else:
            patterns.append(f"^{re.escape(fields.word(int(place), value))}$")
    return matcher(name, "=~", "|".join(patterns))
