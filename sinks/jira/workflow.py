"""Choose the transition that brings a ticket into the state that we want, whatever the workflow looks like. Pure.

Transitions are picked by where they lead (configured status names, then the status category), never by an id that a
changed workflow would give another meaning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.core.ticket import TicketState
from sinks.jira.config import States

__all__ = ["Step", "choose", "settled", "state_of"]

_DONE = "done"
_CATEGORIES = ("new", "indeterminate")
_FILLED = frozenset({"resolution", "comment"})
"""Required fields of a transition that we know how to fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A transition to take."""

    id: str
    fields: Mapping[str, Any]
    """What its screen wants set."""
    comment: bool
    """Whether its screen demands a comment."""
    missing: tuple[str, ...]
    """Names of required fields that nobody told us how to fill."""


def state_of(status: Mapping[str, Any], states: States) -> TicketState:
    """What a status means: by its configured name, else by its category.

    Raises:
        KeyError: the status has no category.
    """
    name = str(status.get("name", "")).casefold()
    for state in TicketState:
        if name in map(str.casefold, getattr(states, state)):
            return state
    if status["statusCategory"]["key"] != _DONE:
        return TicketState.OPEN
    return TicketState.CLOSED if name == "closed" else TicketState.RESOLVED


def settled(now: TicketState, wanted: TicketState) -> bool:
    """Whether nothing needs to happen: people's progress within open, and their closing, are left alone."""
    return now is wanted or (now is TicketState.CLOSED and wanted.done)


def choose(
    transitions: Sequence[Mapping[str, Any]],
    *,
    now: TicketState,
    wanted: TicketState,
    states: States,
    resolution: str,
) -> Step | None:
    """The best transition towards ``wanted`` (``GET issue/{id}/transitions?expand=transitions.fields``).

    Returns:
        None if no transition leads there from here.
    """
    targets = [wanted]
    if wanted.done and not now.done:  # a workflow with a single done status serves for both
        targets.append(TicketState.RESOLVED if wanted is TicketState.CLOSED else TicketState.CLOSED)
    ranked = sorted(
        (
            (targets.index(state), _nearness(transition["to"], wanted, states), bool(_missing(transition)), order)
            for order, transition in enumerate(transitions)
            if (state := state_of(transition["to"], states)) in targets
        ),
    )
    if not ranked:
        return None
    chosen = transitions[ranked[0][-1]]
    return Step(
        id=str(chosen["id"]),
        fields=_resolution(_screen(chosen), wanted, resolution),
        comment=bool(_screen(chosen).get("comment", {}).get("required")),
        missing=_missing(chosen),
    )


def _nearness(status: Mapping[str, Any], wanted: TicketState, states: States) -> int:
    """0 for the first configured name, and so on; then new before in progress."""
    names = [name.casefold() for name in getattr(states, wanted)]
    name, category = str(status.get("name", "")).casefold(), status["statusCategory"]["key"]
    if name in names:
        return names.index(name)
    return len(names) + (_CATEGORIES.index(category) if category in _CATEGORIES else 0)


def _screen(transition: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = transition.get("fields")
    return fields if isinstance(fields, Mapping) else {}


def _missing(transition: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        str(field.get("name", key))
        for key, field in _screen(transition).items()
        if field.get("required") and not field.get("hasDefaultValue") and key not in _FILLED
    )


def _resolution(screen: Mapping[str, Any], wanted: TicketState, resolution: str) -> dict[str, Any]:
    field = screen.get("resolution")
    if field is None:
        return {}
    if not wanted.done:  # a reopened ticket that keeps its resolution counts as done in every report
        return {} if field.get("required") else {"resolution": None}
    allowed = [str(value["name"]) for value in field.get("allowedValues") or () if "name" in value]
    fitting = [name for name in allowed if name.casefold() == resolution.casefold()]
    if fitting or not allowed:
        return {"resolution": {"name": fitting[0] if fitting else resolution}}
    return {"resolution": {"name": allowed[0]}} if field.get("required") else {}
