"""A configuration on demand, and its tests played."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config import Config, load
from gateway.plugins import discover
from gateway.rehearse import Result, try_out
from tests.cli.conftest import Command

BASE = """
[collectors.snmp]
[collectors.smtp]
[collectors.mqtt]
broker = "mqtt://127.0.0.1:1883"
[sinks.local]
"""


@pytest.fixture(scope="session")
def installed():
    return discover()


@pytest.fixture
def command() -> Command:
    return Command()


@pytest.fixture
def configured(tmp_path: Path, installed) -> Callable[[str], Config]:
    def make(text: str, base: str = BASE) -> Config:
        path = tmp_path / "tocsin.toml"
        path.write_text(base + text)
        return load(path, plugins=installed)

    return make


@pytest.fixture
def played(configured) -> Callable[[str], list[Result]]:
    def play(text: str, base: str = BASE) -> list[Result]:
        config = configured(text, base)
        return [try_out(config, case) for case in config.tests]

    return play
