"""One disk for all schedules of a run, and no logs."""

import pytest
import structlog

from tests.faults.simulate import campaign
from tests.faults.simulate.disk import Disk


@pytest.fixture(scope="session")
def disk() -> Disk:
    return Disk()


@pytest.fixture(autouse=True)
def quiet():
    """No logs, since thousands of schedules a second leave no time for them."""
    campaign.quiet()
    yield
    structlog.reset_defaults()
