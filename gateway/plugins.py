"""Find collectors and sinks by entry point. One that does not load is a reason not to start: nothing is skipped."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from gateway.plugin import CollectorPlugin, SinkPlugin

COLLECTORS = "tocsin.collectors"
SINKS = "tocsin.sinks"

P = TypeVar("P", CollectorPlugin, SinkPlugin)
Finder = Callable[[str], Iterable[EntryPoint]]


class PluginError(Exception):
    """A plugin cannot be used; the text is one sentence with its entry point and the cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """All that is installed, by type name."""

    collectors: Mapping[str, CollectorPlugin]
    sinks: Mapping[str, SinkPlugin]


def discover(find: Finder = lambda group: entry_points(group=group)) -> Plugins:
    """Load every installed plugin.

    Args:
        find: gives the entry points of a group; the installed ones unless a test says otherwise.

    Raises:
        PluginError: one does not load, is no plugin, or two have the same name.
    """
    return Plugins(
        collectors=_load(find(COLLECTORS), COLLECTORS, CollectorPlugin), sinks=_load(find(SINKS), SINKS, SinkPlugin)
    )


def _load(found: Iterable[EntryPoint], group: str, kind: type[P]) -> dict[str, P]:
    plugins: dict[str, P] = {}
    for entry in sorted(found, key=lambda entry: entry.name):
        place = f"plugin {entry.name} ({entry.value}, entry point {group})"
        try:
            plugin = entry.load()
            if isinstance(plugin, kind):
                plugin.config.model_rebuild()
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            raise PluginError(f"{place} does not load: {why}; repair or uninstall its package") from error
        if not isinstance(plugin, kind):
            raise PluginError(f"{place} is not a {kind.__name__}; repair or uninstall its package")
        if plugin.name != entry.name:
            raise PluginError(f"{place} calls itself {plugin.name!r}; its entry point must have the same name")
        if entry.name in plugins:
            raise PluginError(f"{place} has the name of another installed plugin; uninstall one of them")
        plugins[entry.name] = plugin
    return plugins
