"""Find the sink that ``--sink`` names, and what to examine it against."""

import difflib
import importlib
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from gateway.plugin import PluginConfig, SinkPlugin
from gateway.testing.sink_bench import Lend, lender

GROUP = "tocsin.sinks"


def lend_of(named: str, file: str | None) -> Lend:
    """How to lend the sink ``named``, with the options of the TOML ``file`` if given.

    Raises:
        ValueError: there is no such sink, or its options are wrong; the text says the cure.
    """
    plugin, module = _load(named)
    hook = getattr(module, "conformance", None)
    if file is None and callable(hook):
        return lender(plugin, hook)
    return lender(plugin, config=_options(plugin, file))


def _load(named: str) -> tuple[SinkPlugin, ModuleType]:
    known = {point.name: point for point in entry_points(group=GROUP)}
    point = known.get(named)
    try:
        module = importlib.import_module(point.module if point else named)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == named
        close = difflib.get_close_matches(named, known)
        hint = (
            f": did you mean {close[0]}?" if close else f" (known entry points: {', '.join(sorted(known)) or 'none'})"
        )
        why = (
            f"there is no module and no sink named {named}{hint}" if missing else f"{named} cannot be imported: {error}"
        )
        raise ValueError(why) from error
    plugin = point.load() if point else getattr(module, "plugin", None)
    if not isinstance(plugin, SinkPlugin):
        raise ValueError(f"{module.__name__} has no attribute named plugin that is a gateway.plugin.SinkPlugin")  # noqa: TRY004 -- it is the option's value that is wrong
    return plugin, sys.modules[module.__name__]


def _options(plugin: SinkPlugin, file: str | None) -> PluginConfig:
    try:
        given = tomllib.loads(Path(file).read_text(encoding="utf-8")) if file else {}
        return plugin.config(**given)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{file} cannot be read as TOML: {error}") from error
    except ValidationError as error:
        cure = "correct it" if file else "give --sink-config FILE, or a conformance() hook in the sink's module"
        raise ValueError(f"the options of {plugin.name} are wrong, {cure}:\n{error}") from error
