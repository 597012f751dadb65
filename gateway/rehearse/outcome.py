"""What came of a rehearsal against what should have: pure, each difference one clause of a sentence for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.config.cases import NO_TICKET, ExpectConfig, ExpectedCall
from gateway.core.incident import State
from gateway.dry import Call

SELECTORS = ("source", "condition", "object")
MOST_LISTED = 5

Item = Mapping[str, Any]
"""An incident as the API tells it."""


def differences(expected: ExpectConfig, incidents: Sequence[Item]) -> Iterator[str]:
    """Why ``incidents``, oldest first, are not as ``expected``; nothing if they are."""
    selectors = {name: value for name in SELECTORS if (value := getattr(expected, name)) is not None}
    found = [item for item in incidents if all(item[name] == value for name, value in selectors.items())]
    if expected.incidents is not None:
        alike = [item for item in found if not list(_unlike(expected, item))]
        if len(alike) != expected.incidents:
            yield f"{_count(len(alike))} {_facts(expected)}, not {expected.incidents}; {_there_are(incidents)}"
        return
    alive = [item for item in found if item["state"] != State.CLOSED]
    if not found:
        yield f"there is no incident with {_facts(expected, SELECTORS)}; {_there_are(incidents)}"
    elif len(alive) > 1 and len(selectors) < len(SELECTORS):
        yield (
            f"{len(alive)} incidents have {_facts(expected, SELECTORS)}: say which by {_words(SELECTORS, selectors)}, "
            f"or how many by incidents; {_there_are(alive)}"
        )
    else:
        one = (alive or found)[-1]
        yield from (f"incident {name_of(one)} has {difference}" for difference in _unlike(expected, one))


def wrong_calls(expected: Sequence[str], calls: Sequence[Call]) -> Iterator[str]:
    """Why the calls that were made are not those expected, sink by sink, each in its order."""
    wanted = [ExpectedCall.parse(text) for text in expected]
    for sink in sorted({one.sink for one in wanted} | {call.sink for call in calls}):
        made = [call for call in calls if call.sink == sink]
        due = [(one, text) for one, text in zip(wanted, expected, strict=True) if one.sink == sink]
        for number in range(max(len(made), len(due))):
            if number >= len(made):
                yield f'there was no call "{due[number][1]}"'
            elif number >= len(due):
                yield f'there was a call "{made[number]}" that is not expected'
            elif not _fits(due[number][0], made[number]):
                yield f'call {number + 1} to {sink} was "{made[number]}", not "{due[number][1]}"'


def name_of(item: Item) -> str:
    """``link_down on r1 7``."""
    return " ".join(filter(None, (item["condition"], "on", item["source"], item["object"])))


def _fits(expected: ExpectedCall, call: Call) -> bool:
    return (
        expected.kind is call.kind
        and (not expected.impact or (call.impact is not None and call.impact.short == expected.impact))
        and (not expected.state or call.state == expected.state)
        and expected.text in " ".join(call.text.split())
    )


def _unlike(expected: ExpectConfig, item: Item) -> Iterator[str]:
    """Each fact of ``item`` that is another one than expected."""
    for name in ("state", "impact", "rule", "severity", "team", "occurrences"):
        wanted = getattr(expected, name)
        if wanted is not None and item[name] != wanted:
            yield f"{name} {item[name] or 'none'}, not {wanted or 'none'}"
    if expected.summary is not None and expected.summary not in item["summary"]:
        yield f'the summary "{item["summary"]}", without "{expected.summary}"'
    if expected.muted is not None and sorted(item["muted"]) != sorted(expected.muted):
        yield f"muted {', '.join(sorted(item['muted'])) or 'by nothing'}, not {', '.join(expected.muted) or 'by nothing'}"
    states = {ticket["sink"]: ticket["state"] for ticket in item["tickets"] if ticket["ref"]}
    for sink, word in (expected.tickets or {}).items():
        have = states.get(sink) or NO_TICKET
        if have != word:
            yield f"{_ticket(have)} in {sink}, not {_ticket(word)}"


def _ticket(state: str) -> str:
    return "no ticket" if state == NO_TICKET else f"its ticket {state}"


def _count(number: int) -> str:
    return "no incident has" if number == 0 else f"{number} incident{'s have' if number > 1 else ' has'}"


def _facts(expected: ExpectConfig, names: Sequence[str] = ()) -> str:
    given = expected.model_dump(mode="json", exclude_none=True, exclude={"incidents"})
    told = [f"{name} {value}" for name, value in given.items() if not names or name in names]
    return ", ".join(told) or "any facts"


def _words(all_: Sequence[str], given: Mapping[str, str]) -> str:
    return " or ".join(name for name in all_ if name not in given)


def _there_are(incidents: Sequence[Item]) -> str:
    if not incidents:
        return "there are none"
    told = [f"{name_of(item)} ({item['state']}, {item['priority']})" for item in incidents[:MOST_LISTED]]
    more = len(incidents) - len(told)
    return f"there are: {', '.join(told)}{f' and {more} more' if more else ''}"
