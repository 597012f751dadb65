"""Short ways to say events, verdicts and incidents."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.core.decide import decide
from gateway.core.decision import Due, Heard, Seen
from gateway.core.event import Event, EventKind
from gateway.core.impact import Impact
from gateway.core.incident import Incident
from gateway.core.reason import Reason
from gateway.core.rules import Verdict
from gateway.core.ticket import Observation, Ticket, TicketRef, TicketState

NOW = 1_795_305_600_000
MINUTE = 60_000


def verdict(kind: EventKind = EventKind.RAISE, **more: Any) -> Verdict:
    given = {
        "rule": "link", "fingerprint": "1:link_down|r1|3", "condition": "link_down", "kind": kind, "source": "r1",
        "object": "3", "impact": Impact.MEDIUM, "sinks": ("desk",), **more,
    }  # fmt: skip
    return Verdict(**given)


def event(kind: EventKind = EventKind.RAISE, *, at_ms: int = NOW, **more: Any) -> Event:
    return Event(**{"collector": "snmp", "source": "r1", "condition": "linkDown", "kind": kind, "at_ms": at_ms, **more})


def heard(
    kind: EventKind = EventKind.RAISE,
    *,
    at_ms: int = NOW,
    count: int = 1,
    follow_up: bool = False,
    said: dict[str, Any] | None = None,
    **more: Any,
) -> Heard:
    return Heard(
        event=event(kind, at_ms=at_ms, **(said or {})), verdict=verdict(kind, **more),
        count=count, first_ms=at_ms, last_ms=at_ms, follow_up=follow_up,
    )  # fmt: skip


class Life:
    """An incident that things happen to, one after the other."""

    def __init__(self) -> None:
        self.incident: Incident | None = None
        self.now = NOW
        self.decisions: list[Any] = []
        self.ids = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.incident, name)

    @property
    def last(self) -> Any:
        return self.decisions[-1]

    @property
    def comments(self) -> list[str]:
        return [w.body["text"] for d in self.decisions for w in d.wishes if w.kind == "comment"]

    @property
    def syncs(self) -> list[str]:
        return [w.rank.name for d in self.decisions for w in d.wishes if w.kind == "sync"]

    def take(self, what: Any) -> Reason:
        self.ids += 1
        decision = decide(self.incident, what, now_ms=self.now, new_id=f"{self.ids:013d}")
        self.decisions.append(decision)
        self.incident = decision.incident
        return decision.reason

    def raised(self, **more: Any) -> Reason:
        return self.take(heard(EventKind.RAISE, at_ms=self.now, **more))

    def cleared(self, **more: Any) -> Reason:
        return self.take(heard(EventKind.CLEAR, at_ms=self.now, **more))

    def noted(self, **more: Any) -> Reason:
        return self.take(heard(EventKind.NOTE, at_ms=self.now, **more))

    def after(self, minutes: float) -> Reason:
        self.now += round(minutes * MINUTE)
        return self.take(Due())

    def wait(self, minutes: float) -> None:
        self.now += round(minutes * MINUTE)

    def ticket(self, **more: Any) -> Ticket:
        given = {
            "incident": self.incident.id, "sink": "desk", "ref": TicketRef(id="7", url="http://x/7", name="T-7"),
            "state": TicketState.OPEN, "impact": self.incident.impact, **more,
        }  # fmt: skip
        return Ticket(**{**given, "state": TicketState(given["state"])})

    def seen(self, ticket: Ticket | None = None, **more: Any) -> Reason:
        ticket = ticket or self.ticket()
        if "state" in more:
            more["state"] = TicketState(more["state"])
        observed = Observation(**{"ref": ticket.ref, "state": ticket.state, **more})
        return self.take(Seen(ticket=ticket, observation=observed))


@pytest.fixture
def life() -> Life:
    return Life()


@pytest.fixture(scope="session")
def life_class() -> type[Life]:
    return Life


@pytest.fixture
def say() -> SimpleNamespace:
    return SimpleNamespace(
        kind=EventKind, verdict=verdict, event=event, heard=heard, now=NOW, minute=MINUTE, replace=replace
    )
