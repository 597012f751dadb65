"""What holds for all tests."""

import os

import structlog
from hypothesis import settings

# On CI the same examples each time, so that a change is judged by what it changed; elsewhere chance goes on searching.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "search")

# A bug that raises in every batch is logged thousands of times before it is told: all locals of each frame took minutes.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback
