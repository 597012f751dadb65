"""Plugins that need no network, and a configuration file on demand."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from gateway.config import Config, ConfigError, load
from gateway.plugin import CollectorPlugin, PluginConfig, Secret, SinkPlugin
from gateway.plugins import Plugins


class Limits(PluginConfig):
    """Limits."""

    rate: int = Field(default=10, ge=1, le=100)
    """Calls per second."""


class BellConfig(PluginConfig):
    """A collector's options."""

    listen: str = "127.0.0.1:4000"
    """Where to listen."""
    community: Secret | None = None
    """Who may ring."""
    more: tuple[dict[str, Secret], ...] = ()
    """Secrets within lists and tables."""
    password_rounds: int = 1
    """A number that a hasty person fills with a password."""
    limits: Limits = Limits()
    """Limits."""
    names: tuple[str, ...] = ()
    """Names."""


class PaperConfig(PluginConfig):
    """A sink's options."""

    url: str
    """Where the tracker is. It has no default."""
    token: Secret | None = None
    """How we sign."""


def never_built(config: Any, host: Any) -> AbstractAsyncContextManager[Any]:
    raise AssertionError("loading a configuration builds nothing")


@pytest.fixture
def plugins() -> Plugins:
    bell = CollectorPlugin(name="bell", config=BellConfig, build=never_built)
    horn = CollectorPlugin(name="horn", config=PluginConfig, build=never_built)
    return Plugins(
        collectors={"bell": bell, "horn": horn},
        sinks={"paper": SinkPlugin(name="paper", config=PaperConfig, build=never_built)},
    )


class Loading:
    """Writes configuration files and loads them."""

    def __init__(self, folder: Path, plugins: Plugins) -> None:
        self.folder, self.plugins = folder, plugins

    def write(self, text: str, name: str = "tocsin.toml") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, text: str, *, packs: str = "rule_packs = []\n") -> Config:
        """Without rule packs unless told otherwise; they take the first line."""
        return load(self.write(packs + text), plugins=self.plugins)

    def mistakes(self, text: str, *, packs: str = "rule_packs = []\n") -> list[str]:
        """The sentences, without the folder."""
        with pytest.raises(ConfigError) as caught:
            self.load(text, packs=packs)
        return [str(mistake).replace(f"{self.folder}/", "") for mistake in caught.value.mistakes]


@pytest.fixture
def loading(tmp_path: Path, plugins: Plugins) -> Loading:
    return Loading(tmp_path, plugins)
