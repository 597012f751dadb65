"""Configuration: strict TOML to frozen models, and every mistake told in one sentence, all at once.

What belongs here: the host's sections (`models`), rules as they are written (`rules`), the types of values (`types`),
and how a file becomes a `Config` (`load`). Plugins bring their own models.

What happens on failure: `load` raises `ConfigError` with all mistakes; nothing is half-applied. Each mistake names file,
line, key and cure. A secret's value is never part of a sentence.

By hand: ``tocsin check --config tocsin.toml``; ``tocsin schema`` prints the JSON Schema of the whole file.
"""

from gateway.config.config import CollectorInstance, Config, SinkInstance
from gateway.config.load import load, quick_start
from gateway.config.mistakes import ConfigError, Mistake
from gateway.config.shipped import quick_start_file, rule_packs, shipped

__all__ = [
    "CollectorInstance",
    "Config",
    "ConfigError",
    "Mistake",
    "SinkInstance",
    "load",
    "quick_start",
    "quick_start_file",
    "rule_packs",
    "shipped",
]
