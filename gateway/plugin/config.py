"""What a plugin's options are made of: strict, frozen models, and secrets that are never shown."""

import ast
import inspect
import os
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

_UNREAD: ContextVar[bool] = ContextVar("unread", default=False)
_SCHEMES = ("env", "file", "credential")
_PLACEHOLDER = "this-secret-was-not-read"
LONGEST_SECRET = 64 * 1024
"""Bytes of a file that holds a secret; a greater one was named by mistake."""


class PluginConfig(BaseModel):
    """Base of a plugin's configuration model: frozen, strict about unknown keys, each field with a text below it.

    See `descriptions` for that text. A model is built when it is first used: one that is only part of another never is.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, validate_default=True, hide_input_in_errors=True
    )


@cache
def descriptions(model: type[BaseModel]) -> Mapping[str, str]:
    """What each field of a model is for, by its name: its ``description``, else the text below it, else nothing.

    Pydantic could do so (``use_attribute_docstrings``), but at once for all models: a sixth of the time that a start takes,
    and only schema, reference and mistakes want to know.
    """
    below = {name: text for part in reversed(model.__mro__) for name, text in _texts_below(part)}
    return {name: field.description or below.get(name, "") for name, field in model.model_fields.items()}


def _texts_below(part: type) -> Iterator[tuple[str, str]]:
    if part is BaseModel or not issubclass(part, BaseModel):
        return
    with suppress(OSError, TypeError):  # no source is installed, or it was made by a program
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
        for statement, below in pairwise(getattr(tree, "body", ())):
            match statement, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    yield name, inspect.cleandoc(text)


class Secret:
    """A secret given by reference: ``env:NAME``, ``file:/path`` or ``credential:NAME`` (systemd).

    The value is read when the configuration is loaded and shown by nothing but `reveal`.
    """

    __slots__ = ("_value", "reference")

    def __init__(self, value: str, *, reference: str = "given in code") -> None:
        self._value = value
        self.reference = reference

    @classmethod
    def from_reference(cls, reference: str) -> Self:
        """Read the secret that ``reference`` names.

        Raises:
            ValueError: it is not a reference, or what it names is missing or empty; the text says the cure.
        """
        scheme, _, rest = reference.partition(":")
        if _UNREAD.get() and scheme in _SCHEMES and rest:
            return cls(_PLACEHOLDER, reference=reference)
        match scheme:
            case "env":
                value = os.environ.get(rest, "")
                missing = f"the environment variable {rest} is not set"
            case "file":
                value, missing = _read(Path(rest)), f"the file {rest} cannot be read, is empty, or is no secret"
            case "credential":
                folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
                value = _read(Path(folder) / rest) if folder else ""
                missing = f"systemd passed no credential named {rest} (LoadCredential={rest}:/path)"
            case _:
                raise ValueError(
                    "a secret is given by reference, never by value: write env:NAME, file:/path or credential:NAME"
                )
        if not value:
            raise ValueError(missing)
        return cls(value, reference=reference)

    @classmethod
    @contextmanager
    def unread(cls) -> Iterator[None]:
        """While this lasts, references are not followed: for who only rehearses, where the secrets need not be."""
        token = _UNREAD.set(True)
        try:
            yield
        finally:
            _UNREAD.reset(token)

    def reveal(self) -> str:
        """The secret itself: call it where it is used, and keep no copy."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.reference})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self.reference)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def load(given: object) -> Secret:
            if isinstance(given, Secret):
                return given
            try:
                return Secret.from_reference(str(given))
            except ValueError as error:
                raise PydanticCustomError("secret", "{why}", {"why": str(error)}) from None

        return core_schema.no_info_plain_validator_function(
            load, serialization=core_schema.plain_serializer_function_ser_schema(lambda secret: secret.reference)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": "^(env|file|credential):.+", "examples": ["env:TOKEN"]}


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:  # a device, or somebody's film, has no end or a far one
            content = file.read(LONGEST_SECRET + 1)
        return "" if len(content) > LONGEST_SECRET else content.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
