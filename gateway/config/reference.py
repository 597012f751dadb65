"""The configuration reference, as Markdown, from the models: what the documentation says is what the loader does.

By hand: ``python -m gateway.config.reference`` writes the page and the JSON Schema (``make docs`` does it).
"""

import sys
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from gateway.config import schema
from gateway.config.load import DEFAULT_PACKS, ENTRIES, LISTS, SECTIONS
from gateway.config.shipped import shipped
from gateway.config.types import Between, Duration, Endpoint
from gateway.plugin import CollectorPlugin, Secret, SinkPlugin, descriptions
from gateway.plugins import Plugins, discover

HEAD = """# Configuration

<!-- Made by `make docs` from the configuration models: do not edit. -->

A configuration is one TOML file, given by `--config FILE` or `TOCSIN_CONFIG`. An unknown key is a mistake, and all mistakes
are told at once (`tocsin check`). A duration is a text such as `"90s"`, `"5m"`, `"2h"` or `"1d"`, or a number of seconds. A
secret is never written into the file: it is a reference, `"env:NAME"`, `"file:/path"` or `"credential:NAME"` (systemd).
"""
_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Any: "any value",
    Duration: "duration",
    Endpoint: "address and port",
    Path: "path",
    AwareDatetime: "date and time",
}
_BOUNDS = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}


def markdown(plugins: Plugins) -> str:
    """The whole page."""
    parts = [HEAD, *_top()]
    for name, model in SECTIONS.items():
        parts += _section(f"[{name}]", model)
    for name, model in ENTRIES.items():
        parts += _section(f"[[{name}]]", model)
    parts += _instances("Collectors", "collectors", plugins.collectors.values())
    parts += _instances("Sinks", "sinks", plugins.sinks.values())
    return "\n".join(parts).rstrip() + "\n"


def _top() -> list[str]:
    rows = [("rule_packs", "list of text", _toml(DEFAULT_PACKS), LISTS["rule_packs"])]
    rows.append(("include", "list of text", "`[]`", LISTS["include"]))
    return ["## Top of the file", "", *_table(rows), ""]


def _instances(title: str, group: str, plugins: Iterable[CollectorPlugin | SinkPlugin]) -> list[str]:
    about = (
        f"Each `[{group}.NAME]` is one instance. `type` names the plugin and may be left out where NAME is the plugin's; "
        "`enabled = false` leaves the instance out."
    )
    if group == "sinks":
        about += " With `shadow = true` a sink records the calls that it would make, and makes none."
    parts = [f"## {title}", "", about, ""]
    for plugin in plugins:
        parts += _section(f"[{group}.{plugin.name}]", plugin.config, depth=3)
    return parts


def _section(title: str, model: type[BaseModel], *, depth: int = 2) -> list[str]:
    """A heading, what the model says of itself, its options, and the tables inside it."""
    parts = [f"{'#' * depth} `{title}`", "", _flowed(model.__doc__ or ""), ""]
    rows, inner, about = [], [], descriptions(model)
    for name, field in model.model_fields.items():
        key = field.alias or name
        rows.append((key, _kind(field), _default(field), _flowed(about[name])))
        inner += [(key, found) for found in _models_in(field.annotation)]
    parts += [*_table(rows), ""] if rows else []
    for key, found in inner:
        parts += _section(f"{title.strip('[]')}.{key}", found, depth=depth + 1)
    return parts


def _table(rows: Iterable[tuple[str, str, str, str]]) -> Iterator[str]:
    yield "| option | value | default | meaning |"
    yield "|---|---|---|---|"
    for key, kind, default, about in rows:
        yield f"| `{key}` | {_cell(kind)} | {_cell(default)} | {_cell(about)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _flowed(text: str) -> str:
    """A docstring as one paragraph of Markdown."""
    return " ".join(text.split()).replace("``", "`")


def _kind(field: FieldInfo) -> str:
    bounds = [text for item in field.metadata for text in _bounds(item)]
    return ", ".join([_word(field.annotation), *bounds])


def _bounds(item: Any) -> Iterator[str]:
    if isinstance(item, Between):
        yield str(item)
    for name, text in _BOUNDS.items():
        if getattr(item, name, None) is not None:
            bound = getattr(item, name)
            yield text.format(int(bound) if bound == int(bound) else bound)
    if getattr(item, "max_length", None) is not None:
        yield f"at most {item.max_length} long"
    if getattr(item, "pattern", None) is not None:
        yield f"matches `{item.pattern}`"


def _word(annotation: Any) -> str:
    """The type in words."""
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and origin is None:
        return _class_word(annotation)
    word = "any value"  # an alias that pydantic defines, such as JsonValue
    if origin is typing.Annotated:
        word = ", ".join([_word(arguments[0]), *(text for item in arguments[1:] for text in _bounds(item))])
    elif origin in (typing.Union, types.UnionType):
        word = " or ".join(_word(member) for member in arguments if member is not type(None))
    elif origin is typing.Literal:
        word = ", ".join(map(_toml, arguments))
    elif origin is dict:
        word = f"table of {_word(arguments[1])}"
    elif origin in (tuple, list, frozenset, set):
        word = f"list of {_word(arguments[0])}"
    return word


def _class_word(given: type) -> str:
    if issubclass(given, Enum):
        return ", ".join(_toml(member.value) for member in given)
    if given is Secret:
        return "secret"
    if issubclass(given, Secret):
        return "text or secret"
    if issubclass(given, BaseModel):
        return "table (below)"
    return given.__name__.lower()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None:
        return ""
    return "" if isinstance(default, BaseModel) else _toml(default)


def _toml(value: Any) -> str:
    return f"`{_written(value)}`"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum | BaseModel):
        return _written(value.value if isinstance(value, Enum) else value.model_dump(exclude_defaults=True))
    if isinstance(value, Mapping):
        pairs = ", ".join(
            f"{key.value if isinstance(key, Enum) else key} = {_written(item)}" for key, item in value.items()
        )
        return f"{{{pairs}}}"
    if isinstance(value, tuple | list | set | frozenset):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, int | float) and not isinstance(value, Duration):
        return str(value)
    return f'"{value}"'


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Models inside an annotation: each gets a section of its own."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)


def main() -> None:
    """Write the generated files of the checkout: the reference page, and the JSON Schema."""
    plugins = discover()
    (shipped("docs", "reference") / "configuration.md").write_text(markdown(plugins), encoding="utf-8")
    (shipped("config") / "tocsin.schema.json").write_text(schema.text(plugins), encoding="utf-8")
    sys.stdout.write("docs/reference/configuration.md and config/tocsin.schema.json are written\n")


if __name__ == "__main__":
    main()
