"""``[[test]]`` as it is written: what happens when, and what should have come of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.mistakes import did_you_mean
from gateway.config.types import Between, Duration, Name, duration
from gateway.core.event import EventKind
from gateway.core.impact import Impact
from gateway.core.incident import State
from gateway.core.reason import Muted
from gateway.core.ticket import TicketState
from gateway.dry import CallKind
from gateway.plugin import PluginConfig

NO_TICKET = "none"
MOST_STEPS = 1000
_CALL = re.compile(
    r"(?P<sink>[A-Za-z0-9][\w-]*) (?P<kind>\S+)(?: (?P<impact>P[1-4]))?(?: (?P<state>open|resolved|closed))?"
    r"(?:: ?(?P<text>.+))?\Z",
    re.DOTALL,
)


class Deed(StrEnum):
    """What a person does to a ticket."""

    CLOSES = "closes"
    REOPENS = "reopens"
    WONT_FIX = "wont_fix"
    DELETES = "deletes"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedCall:
    """A call to a tracker as a test writes it; what it leaves out may be anything."""

    sink: str
    kind: CallKind
    impact: str = ""
    """``P1`` to ``P4``."""
    state: str = ""
    text: str = ""
    """Stands somewhere in the title, the comment or the file's name."""

    @classmethod
    def parse(cls, written: str) -> "ExpectedCall":
        """Read ``SINK CALL [P1..P4] [open|resolved|closed][: TEXT]``.

        Raises:
            ValueError: one sentence about what is wrong.
        """
        found = _CALL.match(written)
        if found is None:
            raise ValueError(
                f'"{written}" is no call: write SINK CALL [P1..P4] [open|resolved|closed][: TEXT], '
                'as in "jira open P2" or "jira comment: Cleared"'
            )
        kind = found["kind"].rstrip(":")
        if kind not in list(CallKind):
            raise ValueError(f'"{written}": there is no call "{kind}"; {did_you_mean(kind, list(CallKind))}')
        impact, state, text = (found[name] or "" for name in ("impact", "state", "text"))
        return cls(sink=found["sink"], kind=CallKind(kind), impact=impact, state=state, text=text)


def _call(text: str) -> str:
    # "jira open:" and "jira open: text" are the same call with and without a text.
    try:
        ExpectedCall.parse(_spaced(text))
    except ValueError as error:
        raise PydanticCustomError("call", "{why}", {"why": str(error)}) from None
    return _spaced(text)


def _spaced(text: str) -> str:
    head, colon, rest = text.partition(":")
    return " ".join(head.split()) + (f": {rest.strip()}" if colon and rest.strip() else "")


def _one_or_many(given: object) -> object:
    return [given] if isinstance(given, dict) else given


def _label(given: object) -> object:
    return str(given) if isinstance(given, int | float) and not isinstance(given, bool) else given


LabelText = Annotated[str, BeforeValidator(_label, json_schema_input_type=str | float)]
Instant = Annotated[Duration, Between("0s", "366d")]


class ExpectConfig(PluginConfig):
    """Incidents that should be there: ``source``, ``condition`` and ``object`` say which, the rest what they are like."""

    source: str | None = None
    """The incident's source; left out: any."""
    condition: str | None = None
    """Its condition; left out: any."""
    object: str | None = None
    """Its object; left out: any."""
    incidents: int | None = Field(default=None, ge=0, le=100_000)
    """How many incidents are like this (0: none is); left out: the one that ``source``, ``condition`` and ``object`` say."""
    state: State | None = None
    """Its state."""
    impact: Impact | None = None
    """Its impact."""
    rule: str | None = None
    """The rule that won when it began."""
    severity: str | None = None
    """What the device claimed."""
    summary: str | None = None
    """A text that stands somewhere in its summary."""
    team: str | None = None
    """The team that its tickets go to."""
    occurrences: int | None = Field(default=None, ge=1)
    """How often it was raised."""
    muted: tuple[Muted, ...] | None = None
    """Why its tickets wait, all reasons; ``[]``: they don't."""
    tickets: dict[Name, Annotated[str, Field(pattern="^(none|open|resolved|closed)$")]] | None = None
    """State of its ticket by sink (``{ jira = "open" }``); ``none``: there is no ticket."""


class StepConfig(PluginConfig):
    """One instant of a test: what happens (at most one thing), then what should have come of everything so far."""

    at: Instant | None = None
    """When, counted from the beginning (``"1m30s"``); left out: at once after the step before."""
    trap: Name | None = None
    """A trap comes: its notification's name or OID. Varbinds are ``labels``."""
    mail: Name | None = None
    """A mail comes: its subject. ``source`` is its sender, ``description`` its text."""
    beat: Name | None = None
    """A station (``source``) speaks: ``ok``, what is wrong with it, or ``birth``, ``will``, ``leave``."""
    condition: Name | None = None
    """Any other event comes: its condition."""
    person: Deed | None = None
    """A person does this to every open ticket of ``source`` and ``object`` (of ``sink`` only, if given), and we see it."""
    sink: str = ""
    """Whose tickets the person touches."""
    source: str = ""
    """The source: an address, a station, a sender."""
    collector: str = ""
    """The collector's instance name; left out: the one of the plugin that hears traps, mails or beats."""
    kind: EventKind = EventKind.RAISE
    """Whether the event raises, clears or is a note, before the rules look at it."""
    object: str = ""
    """The part of the source concerned."""
    severity: str = ""
    """What the device claims."""
    summary: str = ""
    """One line."""
    description: str = ""
    """The whole text."""
    site: str = ""
    """Where a station stands, as its topic says."""
    interval: Duration | None = None
    """How often a station says that it will beat."""
    labels: dict[Name, LabelText] = Field(default={}, max_length=200)
    """What rules match: varbinds by name, members of a payload, a mail's headers. As an incident shows them."""
    times: int = Field(default=1, ge=1, le=10_000)
    """How often it happens."""
    every: Annotated[Duration, Between("1ms", "7d")] = duration("1s")
    """How long after each other, if more than once; what the step expects is looked at after the last one."""
    expect: Annotated[
        tuple[ExpectConfig, ...],
        BeforeValidator(_one_or_many, json_schema_input_type=ExpectConfig | list[ExpectConfig]),
    ] = ()
    """Incidents that should be there now: one table, or a list of them."""
    calls: tuple[Annotated[str, AfterValidator(_call)], ...] | None = None
    """Calls to trackers since the last step that has ``calls``, in order: ``"SINK CALL [P1..P4] [STATE][: TEXT]"``, CALL
    being open, update, comment, attach or link; ``[]``: none."""

    @model_validator(mode="after")
    def _one_thing(self) -> "StepConfig":
        given = [name for name in ("trap", "mail", "beat", "condition", "person") if getattr(self, name) is not None]
        if len(given) > 1:
            raise PydanticCustomError(
                "things", "has {both}: one thing happens in a step, make it two", {"both": " and ".join(given)}
            )
        if given and given[0] in ("trap", "beat", "condition") and not self.source:
            raise PydanticCustomError("source", 'says not whose {what} it is; add source = "..."', {"what": given[0]})
        if not given and not self.expect and self.calls is None:
            raise PydanticCustomError(
                "nothing", "says nothing; give it trap, mail, beat, condition, person, expect or calls"
            )
        return self


class CaseConfig(PluginConfig):
    """A test of this configuration, run by ``tocsin test``: the daemon ignores it."""

    name: Name = Field(max_length=200)
    """What should hold, in a few words."""
    begins: AwareDatetime | None = None
    """The date and time at the beginning, with its zone (``2026-11-22T08:00:00Z``); left out: a Monday, 09:00 UTC."""
    step: tuple[StepConfig, ...] = Field(max_length=MOST_STEPS)
    """What happens, in the order of time."""

    @model_validator(mode="after")
    def _in_order(self) -> "CaseConfig":
        if not self.step:  # told here: pydantic would also say it of steps that are wrong
            raise PydanticCustomError("steps", "has no step; say what happens and what should come of it")
        latest = 0
        for number, step in enumerate(self.step, 1):
            if step.at is not None and step.at < latest:
                raise PydanticCustomError(
                    "order",
                    "step {number} is at {at}, before the end of the one above it, {latest}; put the steps in order of time",
                    {"number": number, "at": str(step.at), "latest": str(Duration(latest))},
                )
            latest = (latest if step.at is None else step.at) + (step.times - 1) * step.every
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A test with its place."""

    config: CaseConfig
    file: str
    lines: Sequence[int]
    """Of the test, then of each step."""


def ticket_word(state: TicketState | None) -> str:
    """A ticket's state as tests write it."""
    return state.value if state else NO_TICKET
