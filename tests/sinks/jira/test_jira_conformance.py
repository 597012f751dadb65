"""The Jira sink does what every sink must do, with a person working in the tracker behind its back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.core.ticket import TicketRef
from gateway.testing.sink_bench import Subject
from gateway.testing.sink_kit import REQUIREMENTS, examine
from sinks.jira import plugin
from tests.trackers._jira_rig import DEPLOYMENTS, config, fake
from tests.trackers.jira import Jira


class Agent:
    """Somebody with the web pages open."""

    def __init__(self, tracker: Jira) -> None:
        self._tracker = tracker

    async def close(self, ref: TicketRef) -> None:
        done = [status for status in self._tracker.project.workflow.statuses if status.category == "done"]
        self._tracker.person_sets(self._tracker.issues[ref.id], status=done[-1].name, resolution="Done")

    async def delete(self, ref: TicketRef) -> None:
        del self._tracker.issues[ref.id]

    async def comments(self, ref: TicketRef) -> list[str]:
        views = self._tracker.views
        return [views.shown(one["body"]) for one in self._tracker.issues[ref.id].comments]

    async def count(self, key: str) -> int:
        return sum(f"TOC-{key}]" in issue.summary for issue in self._tracker.issues.values())


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
@pytest.mark.parametrize("name", REQUIREMENTS)
async def test_every_requirement_is_met(deployment, name) -> None:
    @asynccontextmanager
    async def lend(state_dir: Path) -> AsyncIterator[Subject]:
        tracker = fake(deployment)
        yield Subject(
            plugin=plugin,
            config=config(deployment),
            state_dir=state_dir,
            transport=httpx.ASGITransport(app=tracker),
            person=Agent(tracker),
            clock=tracker.clock,
        )

    with capture_logs():
        assert await examine(lend, [name]) == {}
