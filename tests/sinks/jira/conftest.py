"""Fakes of the three deployments, and the sink on each."""

from collections.abc import AsyncIterator

import pytest

from sinks.jira import JiraSink
from tests.trackers._jira_rig import DEPLOYMENTS, config, fake, sink_for
from tests.trackers.jira import Jira


@pytest.fixture(params=DEPLOYMENTS)
def deployment(request) -> str:
    return request.param


@pytest.fixture
def tracker(deployment) -> Jira:
    return fake(deployment)


@pytest.fixture
async def sink(tracker, deployment) -> AsyncIterator[JiraSink]:
    async with sink_for(tracker, config(deployment)) as made:
        yield made


@pytest.fixture
def desk() -> Jira:
    return fake("service_management")
