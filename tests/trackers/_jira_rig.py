"""A Jira sink put together with its fake tracker, for the tests of both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from gateway.core.impact import Impact
from gateway.core.ticket import TicketDraft, TicketState
from gateway.plugin import Host, Secret
from gateway.testing.clock import ManualClock
from gateway.testing.keep import MemoryKeep
from sinks.jira import JiraConfig, JiraSink, build
from tests.trackers._jira_state import CLASSIC, Project
from tests.trackers.jira import Jira, JiraCloud, JiraDataCenter, JiraServiceManagement

KEY = "T0ABCDEFGHJK1"
MARK = f"TOC-{KEY}"
LABEL = f"tocsin-{KEY.lower()}"
DEPLOYMENTS = ("cloud", "service_management", "datacenter")
FAKES: dict[str, type[Jira]] = {
    "cloud": JiraCloud,
    "service_management": JiraServiceManagement,
    "datacenter": JiraDataCenter,
}


def fake(deployment: str, clock: ManualClock | None = None, **more: Any) -> Jira:
    """A fake with one project; Data Center has the classic workflow, where resolving demands a resolution."""
    if deployment == "datacenter":
        more.setdefault("project", Project(workflow=CLASSIC))
    return FAKES[deployment](clock or ManualClock(), **more)


def config(deployment: str, **more: Any) -> JiraConfig:
    """A configuration that fits the fake."""
    if deployment == "datacenter":
        given: dict[str, Any] = {"site": "https://jira.example"}
    else:
        given = {"site": "https://ops.atlassian.net", "email": "noc@example.com"}
    if deployment == "service_management":
        given |= {"service_desk_id": "10", "request_type_id": "25"}
    return JiraConfig(
        **{"deployment": deployment, "project": "OPS", "token": Secret("token-of-the-noc"), **given, **more}
    )


def draft(**more: Any) -> TicketDraft:
    """A link that is down, and whatever a test changes about it."""
    given: dict[str, Any] = {
        "key": KEY,
        "title": f"[P2] Link down r1 ge-0/0/1 [{MARK}]",
        "description": "What: link_down\nSource: r1\n\nifIndex = 7",
        "impact": Impact.HIGH,
        "state": TicketState.OPEN,
        "fingerprint": "1:9f2c",
        "source": "r1",
        "condition": "link_down",
        "object": "ge-0/0/1",
        "first_seen_ms": 1_795_305_600_000,
        "last_seen_ms": 1_795_305_600_000,
    }
    return TicketDraft(**(given | more))


@asynccontextmanager
async def sink_for(
    tracker: Jira,
    settings: JiraConfig,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    keep: MemoryKeep | None = None,
) -> AsyncIterator[JiraSink]:
    """The sink as the host builds it, onto the fake in process unless a transport is given."""
    host = Host(
        name="jira",
        clock=tracker.clock,
        keep=keep or MemoryKeep(),
        state_dir=Path(),
        transport=transport or httpx.ASGITransport(app=tracker),
    )
    async with build(settings, host) as sink:
        yield sink
