"""Pytest plugin: ``pytest --sink MODULE`` runs the conformance kit (`gateway.testing.sink_kit`) on a sink.

``MODULE`` is a module whose attribute ``plugin`` is a `gateway.plugin.SinkPlugin`, or the name of an entry point in the
group ``tocsin.sinks``. What it is run against comes from the first of:

* ``--sink-config FILE``: a TOML file with the sink's options, and the network: a test account in a real tracker;
* the module's hook ``conformance`` (see `gateway.testing.sink_bench`), which lends a fake tracker;
* the sink's defaults.

Without the option the plugin imports nothing and collects nothing.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gateway.testing.sink_bench import Lend

SUITE = Path(__file__).with_name("sink_suite.py")
LEND: pytest.StashKey["Lend"] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our two options."""
    group = parser.getgroup("tocsin", "conformance of Tocsin sinks")
    group.addoption(
        "--sink", metavar="MODULE", help="run Tocsin's conformance kit on this sink: a module or an entry point"
    )
    group.addoption(
        "--sink-config", metavar="FILE", help="TOML file with the sink's options, to examine it on a real tracker"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load the sink, and put the suite in the place of the project's own tests (or beside those named)."""
    named, file = config.getoption("--sink"), config.getoption("--sink-config")
    if named is None:
        if file is not None:
            raise pytest.UsageError("--sink-config says how, --sink says which: give both")
        return
    from gateway.testing.sink_load import lend_of  # noqa: PLC0415 -- costs nothing to those who do not ask

    try:
        config.stash[LEND] = lend_of(named, file)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    if config.args_source is not config.ArgsSource.ARGS:
        config.args = [str(SUITE)]
    elif str(SUITE) not in config.args:
        config.args.append(str(SUITE))


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which sink is examined."""
    return f"tocsin: conformance of {config.getoption('--sink')}" if LEND in config.stash else None


@pytest.fixture
def tocsin_lend(pytestconfig: pytest.Config) -> "Lend":
    """Lends the sink under examination."""
    return pytestconfig.stash[LEND]
