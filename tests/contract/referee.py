"""A referee between a sink and a fake tracker: the vendor's OpenAPI document is the rule book.

Every request is held against the document before it reaches the tracker, every answer before it reaches the sink, so
that neither can speak a dialect that the real tracker does not know. A foul is an `AssertionError` at once, and is
remembered in `Referee.fouls` for the case that something swallowed it.
"""

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.responses.exceptions import ResponseNotFound
from werkzeug.datastructures import Headers, ImmutableMultiDict

FAULT_HEADER = "x-fake-fault"
"""Set by a fake tracker on an answer that is wrong on purpose: it is no foul."""
_GATEWAY = frozenset({401, 403, 429, 500, 502, 503, 504})
"""Answers that every vendor gives and hardly any documents."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A vendor's OpenAPI document, parsed once per test session."""

    name: str
    document: dict[str, Any]

    @classmethod
    def load(cls, file: Path) -> "Spec":
        return _load(file)

    def openapi(self, base_url: str, *, strict: bool) -> OpenAPI:
        """The document as served at ``base_url``, with its validators' caches."""
        return _openapi(self.name, base_url, strict)


_DOCUMENTS: dict[str, dict[str, Any]] = {}


@functools.cache
def _load(file: Path) -> Spec:
    _DOCUMENTS[file.name] = json.loads(file.read_text(encoding="utf-8"))
    return Spec(file.name, _DOCUMENTS[file.name])


@functools.cache
def _openapi(name: str, base_url: str, strict: bool) -> OpenAPI:
    # The documents were checked when they were mended, and one has a harmless flaw: no validation of the document.
    config = Config(spec_validator_cls=None, additional_properties_default_policy="forbid" if strict else "allow")
    document = _DOCUMENTS[name]
    schemes = document["components"].get("securitySchemes", {})
    components = document["components"] | {"securitySchemes": {key: _readable(value) for key, value in schemes.items()}}
    return OpenAPI.from_dict(document | {"servers": [{"url": base_url}], "components": components}, config=config)


def _readable(scheme: dict[str, Any]) -> dict[str, Any]:
    """OAuth 2 as what it is on the wire (RFC 6750 section 2.1), since openapi-core cannot judge it by its own name."""
    return {"type": "http", "scheme": "bearer"} if scheme["type"] == "oauth2" else scheme


class _Asked:
    """An httpx request in the form that openapi-core reads."""

    def __init__(self, request: httpx.Request, base: str) -> None:
        url = urlsplit(str(request.url))
        self.host_url = f"{url.scheme}://{url.netloc}"
        self.path = request.url.path
        self.method = request.method.lower()
        self.body = request.content or None
        self.content_type = request.headers.get("content-type", "application/json")
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(request.url.params.multi_items()), header=Headers(request.headers.items())
        )


class _Answered:
    """An httpx response in the form that openapi-core reads."""

    def __init__(self, response: httpx.Response) -> None:
        self.status_code = response.status_code
        self.data = response.content
        self.content_type = response.headers.get("content-type", "")
        self.headers = Headers(response.headers.items())


class Referee(httpx.AsyncBaseTransport):
    """Passes calls on to ``inner`` and blows the whistle.

    Args:
        inner: where the tracker is (`httpx.ASGITransport` onto a fake, or the network).
        spec: the rule book.
        base_url: address that the document's paths are appended to.
        unlisted: beginnings of paths (below ``base_url``) that the vendor has but this copy of the document lacks.
        strict: whether members that a schema does not name are fouls; documents built with ``allOf`` cannot say.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        spec: Spec,
        *,
        base_url: str,
        unlisted: Iterable[str] = (),
        strict: bool = True,
    ) -> None:
        self._inner, self._spec, self._base = inner, spec, base_url.rstrip("/")
        self._openapi = spec.openapi(self._base, strict=strict)
        self._lax = spec.openapi(self._base, strict=False)
        self._unlisted = tuple(unlisted)
        self.fouls: list[str] = []
        self.judged = 0
        """Calls that were held against the document, both ways."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        asked = _Asked(request, self._base)
        listed = not self._is_unlisted(request)
        if listed:
            self._check_request(request, asked)
        response = await self._inner.handle_async_request(request)
        await response.aread()
        if listed and FAULT_HEADER not in response.headers:
            self._check_response(request, asked, response)
            self.judged += 1
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _is_unlisted(self, request: httpx.Request) -> bool:
        below = str(request.url).removeprefix(self._base)
        return below.startswith(self._unlisted) if self._unlisted else False

    def _check_request(self, request: httpx.Request, asked: _Asked) -> None:
        parts = self._openapi.unmarshal_request(asked)
        if parts.errors:
            self._foul(f"{request.method} {request.url} breaks {self._spec.name}: {_why(parts.errors[0])}", request)
        given = {name.removesuffix("[]") for name in request.url.params}
        known = {name.removesuffix("[]") for name in parts.parameters.query}
        if given - known:
            self._foul(f"{request.method} {request.url}: {self._spec.name} knows no parameter {given - known}", request)

    def _check_response(self, request: httpx.Request, asked: _Asked, response: httpx.Response) -> None:
        openapi = self._openapi if response.is_success else self._lax  # vendors add members to their errors
        try:
            openapi.validate_response(asked, _Answered(response))
        except ResponseNotFound:
            if response.status_code not in _GATEWAY:
                self._foul(f"{request.method} {request.url}: status {response.status_code} is not documented", request)
        except OpenAPIError as error:
            whole = f"The tracker's answer {response.status_code} to {request.method} {request.url} breaks"
            self._foul(f"{whole} {self._spec.name}: {_why(error)}\n{response.text[:500]}", request)

    def _foul(self, text: str, request: httpx.Request) -> None:
        body = request.content[:500].decode(errors="replace")
        self.fouls.append(text)
        raise AssertionError(f"{text}\nsent: {body}" if body else text)


def _why(error: BaseException) -> str:
    """The error with its causes, each in a line, and each schema error with its place."""
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        lines.append(f"{type(seen).__name__}: {str(seen).splitlines()[0] if str(seen) else ''}")
        lines += [
            f"at /{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in getattr(seen, "schema_errors", ())
        ]
        seen = seen.__cause__
    return "\n  ".join(lines)
