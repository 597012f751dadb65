"""Three trackers on real sockets that fail four calls of ten, and remember everything through the daemon's deaths."""

import asyncio
import json
import random
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from gateway.clock import SystemClock
from gateway.core.ticket import MARK_PREFIX
from tests.trackers import clickup, hubspot, jira
from tests.trackers._base import Fault, Kind, Message, Receive, Send, Tracker

FAIL_SHARE = 0.4
KEY = r"[0-9A-Z]{13}"
FAULTS = (
    (4, Fault(kind=Kind.STATUS, status=500)),
    (4, Fault(kind=Kind.STATUS, status=503, after=True)),
    (2, Fault(kind=Kind.RESET)),
    (4, Fault(kind=Kind.RESET, after=True)),
    (2, Fault(kind=Kind.TIMEOUT, after=True)),
    (4, Fault(kind=Kind.RATE_LIMITED, retry_after="1")),
)
"""How calls go wrong, by weight; ``after``: the work was done and only the answer is lost."""
LATENCY_S = 0.15
"""Longest way to a tracker, and as much back: who dies meanwhile does not know what became of the call."""
SEARCH_LAG_S = {"hubspot": 0.5, "jira": 3.0, "clickup": 1.0}


@dataclass(frozen=True, slots=True)
class Made:
    """A ticket as the tracker has it."""

    id: str
    key: str
    """The incident's id, from our mark; empty if it has none."""
    open: bool
    comments: tuple[str, ...]
    """The marks of our comments."""


class Moody:
    """A tracker with moods; an ASGI application."""

    def __init__(self, name: str, tracker: Tracker, chance: random.Random) -> None:
        self.name, self.tracker = name, tracker
        self.fail_share = 0.0
        self.failed: Counter[str] = Counter()
        self._chance = chance

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._chance.random() < self.fail_share:
            (fault,) = self._chance.choices([fault for _, fault in FAULTS], [weight for weight, _ in FAULTS])
            self.failed[f"{fault.kind.value}{' after' if fault.after else ''}"] += 1
            self.tracker.break_next(fault)
        await asyncio.sleep(self._chance.uniform(0, LATENCY_S))
        await self.tracker(scope, receive, _Late(send, self._chance.uniform(0, LATENCY_S)))

    def heal(self) -> None:
        """Fail no more."""
        self.fail_share = 0.0
        self.tracker._faults.clear()

    @property
    def calls(self) -> int:
        return len(self.tracker.calls)

    def tickets(self) -> list[Made]:
        """Everything there is."""
        return _TICKETS[self.name](self.tracker)


class _Late:
    """A ``send`` that takes its time, and still shows the connection that the real one belongs to."""

    def __init__(self, send: Send, wait_s: float) -> None:
        self._send, self._wait_s = send, wait_s
        self.__self__ = getattr(send, "__self__", None)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(self._wait_s)
        await self._send(message)


def _in_hubspot(portal: hubspot.FakeHubspot) -> list[Made]:
    return [
        Made(
            id=thing.id,
            key=thing.properties.get("tocsin_incident_id", ""),
            open=thing.properties["hs_pipeline_stage"] != "4",
            comments=_marks(" ".join(portal.notes(thing.id))),
        )
        for thing in portal.tickets()
    ]


def _in_jira(site: jira.JiraCloud) -> list[Made]:
    return [
        Made(
            id=issue.key,
            key=_key(issue.summary),
            open=site.project.workflow.status(issue.status).category != "done",
            comments=_marks(json.dumps([comment["body"] for comment in issue.comments])),
        )
        for issue in site.issues.values()
    ]


def _in_clickup(space: clickup.FakeClickup) -> list[Made]:
    return [
        Made(
            id=task.id,
            key=_key(task.name),
            open=dict(space.statuses)[task.status] not in {"done", "closed"},
            comments=_marks(" ".join(comment["text"] for comment in task.comments)),
        )
        for task in space.tasks.values()
    ]


_TICKETS = {"hubspot": _in_hubspot, "jira": _in_jira, "clickup": _in_clickup}


def _key(title: str) -> str:
    found = re.search(rf"\[{MARK_PREFIX}({KEY})\]", title)
    return found[1] if found else ""


def _marks(text: str) -> tuple[str, ...]:
    return tuple(re.findall(rf"{MARK_PREFIX}{KEY}-\d+", text))


def made(chance: random.Random) -> dict[str, Moody]:
    """The three, by the names of their sinks."""
    clock = SystemClock()
    portal = hubspot.FakeHubspot(clock, search_lag_s=SEARCH_LAG_S["hubspot"])
    for name in (
        "incident_id",
        "source",
        "condition",
        "object",
        "fingerprint",
        "occurrences",
        "first_seen",
        "last_seen",
    ):
        portal.make_property(f"tocsin_{name}", unique=name == "incident_id")
    fakes: dict[str, Tracker] = {
        "hubspot": portal,
        "jira": jira.JiraCloud(clock, search_lag_s=SEARCH_LAG_S["jira"]),
        "clickup": clickup.FakeClickup(clock, search_lag_s=SEARCH_LAG_S["clickup"], per_minute=100_000),
    }
    return {name: Moody(name, fake, random.Random(chance.random())) for name, fake in fakes.items()}


@contextmanager
def served(trackers: dict[str, Moody]) -> Iterator[dict[str, str]]:
    """Serve each on a loopback socket, all from one thread; their addresses by name."""
    sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in trackers}
    servers = {
        name: uvicorn.Server(
            uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_config=None, log_level="critical")
        )
        for name, app in trackers.items()
    }

    async def serve() -> None:
        async with asyncio.TaskGroup() as tasks:
            for name, server in servers.items():
                tasks.create_task(server.serve(sockets=[sockets[name]]), name=f"tracker-{name}")

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="trackers")
    thread.start()
    try:
        yield {name: f"http://127.0.0.1:{sock.getsockname()[1]}" for name, sock in sockets.items()}
    finally:
        for server in servers.values():
            server.should_exit = server.force_exit = True
        thread.join(timeout=10)
        for sock in sockets.values():
            sock.close()
