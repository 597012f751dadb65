"""Mistakes in a configuration, in human words: file, line, key, what is wrong, and the cure, in one sentence."""

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.config.locate import Path
from gateway.plugin import descriptions

LONGEST_SHOWN = 60
"""Characters of a wrong value that a sentence repeats."""

_SECRET = re.compile(r"pass|token|secret|communit|key|credential|auth", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong; `str` makes it the sentence a person reads."""

    file: str
    line: int
    """Counted from 1; 0 if it is about the file as a whole."""
    key: str
    """``collectors.snmp.listen``, or ``rule link_down: match``; empty if it is about no key."""
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        sentence = ": ".join(part for part in (place, self.key, self.text) if part)
        return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in sentence)


class ConfigError(Exception):
    """The configuration cannot be used; ``mistakes`` are all that is wrong with it, in the order of the file."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = list(dict.fromkeys(mistakes))
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read, and where its keys stand."""

    name: str
    """The file as a person would name it."""
    lines: Mapping[Path, int]

    def mistake(self, path: Path, text: str, *, key: str | None = None) -> Mistake:
        """A mistake at ``path``; a path that the file does not have is told at the nearest table that it has."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        return Mistake(self.name, self.lines.get(known, 0), key_text(path) if key is None else key, text)


def key_text(path: Path) -> str:
    """``("station", 0, "site")`` as ``station[1].site``: people count from one."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += ("." if text else "") + (part if re.fullmatch(r"[\w-]+", part) else json.dumps(part))
    return text


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """``did you mean "listen"?``, or the known words if none is near, or nothing if there are none."""
    known = sorted(known)
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known here: {', '.join(known)}" if known else "remove it"


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The sentence about a key that means nothing here."""
    return f"unknown key; {did_you_mean(key, known)}"


def mistakes_of(
    error: ValidationError, *, source: Source, prefix: Path, data: object, model: type[BaseModel]
) -> list[Mistake]:
    """One mistake for each key that ``error`` complains of.

    Args:
        error: what validating ``data`` with ``model`` raised.
        source: the file that ``data`` came from.
        prefix: where in the file ``data`` stands.
        data: what the file says there.
        model: whose fields are known there.
    """
    texts: dict[Path, list[str]] = {}
    for detail in error.errors(include_url=False):
        path = _path_in(data, detail["loc"])
        text = _sentence(detail, path, _fields_at(model, path[:-1]))
        if text not in texts.setdefault(path, []):
            texts[path].append(text)
    return [source.mistake((*prefix, *path), _one_of(said)) for path, said in texts.items()]


def _one_of(said: Sequence[str]) -> str:
    """A value that fits no member of a union gets one sentence, not one for each."""
    first, *others = said
    return "; or ".join([first, *(text for text in others if text.startswith("must "))])


def _path_in(data: Any, loc: Sequence[str | int]) -> Path:
    """The part of pydantic's location that is in the data: without the names of union members and validators."""
    path: Path = ()
    for index, part in enumerate(loc):
        inside = part in data if isinstance(data, dict) else isinstance(data, list) and part in range(len(data))
        if inside:
            data, path = data[part], (*path, part)
        elif isinstance(data, dict) and index == len(loc) - 1 and isinstance(part, str) and not part.startswith("["):
            path = (*path, part)  # a key that is missing
    return path


def _fields_at(model: type[BaseModel] | None, path: Path) -> dict[str, str]:
    """Names, with descriptions, of the fields that may stand in the table at ``path``."""
    for part in path:
        if isinstance(part, str) and model is not None:
            field = next((f for name, f in model.model_fields.items() if part in (name, f.alias)), None)
            model = _model_in(field.annotation) if field else None
    if model is None:
        return {}
    about = descriptions(model)
    return {field.alias or name: about[name] for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found:
            return found
    return None


def _sentence(detail: ErrorDetails, path: Path, fields: Mapping[str, str]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    key = path[-1] if path and isinstance(path[-1], str) else ""
    if kind == "extra_forbidden":
        return unknown_key(key, fields)
    if kind == "missing":
        about = re.split(r"(?<=[.;])\s", fields.get(key, "").strip() + " ", maxsplit=1)[0].strip().rstrip(".;")
        about = about.replace("``", "")
        return f"is required: add it{f' ({about})' if about else ''}"
    if kind in _MUST:
        context = {
            name: int(bound) if isinstance(bound, float) and bound.is_integer() else bound
            for name, bound in context.items()
        }
        given = "" if _SECRET.search(key_text(path)) else _shown(detail["input"])
        return _MUST[kind].format(**context) + (f", not {given}" if given else "")
    if kind in ("enum", "literal_error"):
        given = str(detail["input"])
        words = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return f"must be {context.get('expected', '')}, not {_shown(detail['input'])}" + (
            f"; {did_you_mean(given, words)}" if difflib.get_close_matches(given, words, n=1) else ""
        )
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return re.sub(r"^Input should (?:be )?", "must be ", message)


def _shown(value: object) -> str:
    """A wrong value as it stands in TOML, cut; empty for what is too big to show."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= LONGEST_SHOWN else ""
    if isinstance(value, int | float):
        return str(value)
    return "a list" if isinstance(value, list) else "a table" if isinstance(value, dict) else ""


_MUST = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": 'must be a text in quotes (key = "...")',
    "list_type": "must be a list ([...])",
    "tuple_type": "must be a list ([...])",
    "set_type": "must be a list ([...])",
    "frozen_set_type": "must be a list ([...])",
    "dict_type": "must be a table",
    "mapping_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "path_type": "must be a path in quotes",
}
