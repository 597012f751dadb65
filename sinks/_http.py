"""The manners that all trackers' HTTP sinks share: one call out, one truthful verdict back.

How a call ended decides whether a ticket may be made twice, so this module is strict about what it knows:

    ======================================  ==================  =======================
    what was seen                           a call that writes  a call that only reads
    ======================================  ==================  =======================
    no connection, no free connection       `Retry`             `Retry`
    429                                     `Retry` (after ..)  `Retry` (after ..)
    401, 403                                `Unauthorized`      `Unauthorized`
    other 4xx, a redirect                   `Reject`            `Reject`
    408, 5xx, reset, timeout after sending  `UnknownOutcome`    `Retry`
    2xx that cannot be read                 `UnknownOutcome`    `Retry`
    ======================================  ==================  =======================

httpx's own retries stay off (a retry here would hide attempts from the host), redirects are not followed (our
credentials would go with them), TLS is always verified, cookies are not kept, and neither a header nor a token ever
enters a text.
"""

import asyncio
import json as jsonlib
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from gateway.core.reason import Failed
from gateway.plugin import Clock, Reject, Retry, SinkError, Unauthorized, UnknownOutcome
from sinks._address import base_url
from sinks._text import cut, one_line

__all__ = ["Answer", "Caller", "Limits", "Refused", "base_url", "path", "retry_after_s"]

T = TypeVar("T")
_SENTENCE_LIMIT = 400
_RETRY_AFTER_LIMIT_S = 86_400.0
"""No tracker's budget renews later than tomorrow; a greater number is a mistake."""
_MIN_SECRET = 8
_PUBLIC_HEADERS = frozenset({"accept", "content-type", "user-agent", "x-atlassian-token"})
_UNAUTHORIZED = frozenset({401, 403})
_UNSURE = frozenset({408, 425})
"""Client errors that speak of the connection, not of the request (RFC 9110 section 15.5.9, RFC 8470)."""
_REFUSAL, _FAILURE = 400, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how large a call may be."""

    connect_s: float = 10.0
    pool_s: float = 10.0
    read_s: float = 60.0
    """Generous: an impatient client turns slow trackers into unknown outcomes."""
    total_s: float = 60.0
    """The whole call after which we stop listening, however the tracker trickles."""
    answer_bytes: int = 8 * 1024 * 1024
    connections: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the tracker said to a call that succeeded (or to one whose absence was expected)."""

    status: int
    json: Any
    """The decoded body; None if it was empty."""
    headers: httpx.Headers
    tracker: str
    writes: bool

    @property
    def missing(self) -> bool:
        """Whether the tracker says that there is no such thing (only with ``missing_ok``)."""
        return self.status == httpx.codes.NOT_FOUND

    def read(self, parse: Callable[[Any], T]) -> T:
        """What ``parse`` makes of the body.

        Raises:
            UnknownOutcome: the body is not of the shape expected, after a write.
            Retry: the same after a read.
        """
        try:
            return parse(self.json)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _unreadable(self.tracker, self.writes, f"lacks what we need ({type(error).__name__})") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An answer that is no success, as the ``judge`` hook sees it before the table of the module's head applies."""

    status: int
    json: Any
    """The decoded body; None if it is not JSON."""
    headers: httpx.Headers
    writes: bool
    sentence: str
    """``HubSpot answered 423: the record is locked.``"""
    after_s: float | None
    """What ``Retry-After`` said, in seconds."""


class Caller:
    """Calls one tracker with one set of credentials; an async context manager.

    Args:
        base_url: address that paths are appended to; see `base_url` for what it may be.
        headers: sent with each call; they hold the credentials, and no text ever shows them.
        tracker: the tracker's name, for sentences.
        clock: to understand a ``Retry-After`` that is a date.
        explain: one sentence from the JSON body of an error (which may be None), or an empty text.
        judge: a tracker's own verdict on a refusal, or None for the usual one.
        on_response: sees status and headers of every answer (to learn the remaining budget).
        transport: in place of the network's (`gateway.plugin.Host.transport`).
        ca_file: a PEM file with further certificate authorities, for trackers inside a company.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        tracker: str,
        clock: Clock,
        explain: Callable[[Any], str] = lambda _: "",
        judge: Callable[[Refused], SinkError | None] = lambda _: None,
        on_response: Callable[[int, httpx.Headers], None] = lambda _status, _headers: None,
        transport: httpx.AsyncBaseTransport | None = None,
        ca_file: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.tracker = tracker
        self._limits = limits or Limits()
        self._host = urlsplit(base_url).hostname or base_url
        self._clock, self._explain, self._judge, self._on_response = clock, explain, judge, on_response
        self._secrets = _secrets(headers)
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "tocsin", **headers},
            transport=transport,
            verify=_trust(ca_file) if transport is None else True,
            follow_redirects=False,
            timeout=httpx.Timeout(self._limits.read_s, connect=self._limits.connect_s, pool=self._limits.pool_s),
            limits=httpx.Limits(max_connections=self._limits.connections),
        )
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        writes: bool,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
        missing_ok: bool = False,
    ) -> Answer:
        """Make one call.

        Args:
            method: ``GET`` ..
            path: below the base address, beginning with one slash; build it with `path`.
            writes: whether the tracker changes by it, so that a lost answer is an unknown outcome. A search by POST
                does not write.
            params: query parameters; a list repeats the name.
            json: body.
            data: form fields beside ``files``.
            files: multipart parts, as httpx takes them.
            headers: beside the usual ones.
            missing_ok: return a 404 that the API itself gave instead of raising. A web page that says 404 is no proof.

        Raises:
            Reject, Retry, Unauthorized, UnknownOutcome: see the table at the module's head.
        """
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError(f"a path begins with one slash: {path!r}")
        request = self._client.build_request(
            method, path, params=params, json=json, data=data, files=files, headers=headers
        )
        try:
            async with asyncio.timeout(self._limits.total_s):
                response = await self._client.send(request, stream=True)
                try:
                    self._on_response(response.status_code, response.headers)
                    body = await self._body(response)
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise Retry(self._unreached(error), reason=Failed.CONNECTION) from error
        except (httpx.TransportError, httpx.DecodingError, TimeoutError) as error:
            raise self._lost(error, writes=writes) from error
        return self._verdict(response, body, writes=writes, missing_ok=missing_ok)

    async def _body(self, response: httpx.Response) -> bytes | None:
        """The body; None if it is too large, or if it broke off after a status that says enough by itself."""
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._limits.answer_bytes:
                    return None
        except (httpx.TransportError, httpx.DecodingError):
            if response.is_success:
                raise
            return None
        return bytes(body)

    def _verdict(self, response: httpx.Response, body: bytes | None, *, writes: bool, missing_ok: bool) -> Answer:
        status = response.status_code
        decoded, readable = _decode(body)
        answer = Answer(status=status, json=decoded, headers=response.headers, tracker=self.tracker, writes=writes)
        if response.is_success:
            if body is None:
                raise _unreadable(self.tracker, writes, f"is larger than {self._limits.answer_bytes} bytes")
            if not readable:
                raise _unreadable(self.tracker, writes, "is not JSON")
            return answer
        refused = Refused(
            status=status,
            json=decoded,
            headers=response.headers,
            writes=writes,
            sentence=self._sentence(status, decoded),
            after_s=retry_after_s(response.headers, now_ms=self._clock.now_ms()),
        )
        judged = self._judge(refused)
        if judged is not None:
            raise judged
        if missing_ok and answer.missing and isinstance(decoded, dict):
            return answer
        raise self._usual(refused, response, missing_ok=missing_ok)

    def _usual(self, refused: Refused, response: httpx.Response, *, missing_ok: bool) -> SinkError:
        """The verdict that the module's head gives in its table."""
        status, sentence = refused.status, refused.sentence
        verdict: SinkError
        if status == httpx.codes.TOO_MANY_REQUESTS:
            verdict = Retry(sentence, after_s=refused.after_s, reason=Failed.RATE_LIMITED)
        elif status in _UNAUTHORIZED:
            verdict = Unauthorized(sentence, after_s=refused.after_s)
        elif status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
            verdict = Retry(f"The proxy before {self._host} wants credentials: set them in HTTPS_PROXY.")
        elif status == httpx.codes.NOT_FOUND and missing_ok and not refused.writes:
            verdict = Retry(f"{sentence} It is not the API's own answer, so it proves nothing: check base_url.")
        elif response.is_redirect or status < _REFUSAL:
            verdict = Reject(f"{self.tracker} sends us on to {_origin(response)}: correct base_url if that is right.")
        elif (status in _UNSURE or status >= _FAILURE) and refused.writes:
            verdict = UnknownOutcome(sentence)
        elif status in _UNSURE or status >= _FAILURE:
            verdict = Retry(sentence, after_s=refused.after_s, reason=Failed.SERVER_ERROR)
        else:
            verdict = Reject(sentence)
        return verdict

    def _sentence(self, status: int, decoded: Any) -> str:
        why = one_line(self._explain(decoded)) if decoded is not None else ""
        for secret in self._secrets:
            why = why.replace(secret, "***")
        return (
            f"{self.tracker} answered {status}: {cut(why, _SENTENCE_LIMIT)}"
            if why
            else (f"{self.tracker} answered {status} without a reason that we can read.")
        )

    def _unreached(self, error: Exception) -> str:
        seen: BaseException | None = error
        while seen is not None:
            if isinstance(seen, ssl.SSLError):
                why = getattr(seen, "verify_message", "") or seen.reason or "the handshake failed"
                return (
                    f"The certificate of {self._host} is not accepted ({why}): mend it there, or name the authority "
                    "that signed it in ca_file."
                )
            seen = seen.__cause__ or seen.__context__
        return f"No connection to {self._host} ({type(error).__name__}): check base_url, name service and firewall."

    def _lost(self, error: Exception, *, writes: bool) -> SinkError:
        timeout = isinstance(error, httpx.TimeoutException | TimeoutError)
        what = f"{self.tracker} gave no whole answer ({type(error).__name__})."
        if writes:
            return UnknownOutcome(what)
        return Retry(what, reason=Failed.TIMEOUT if timeout else Failed.CONNECTION)


def path(template: str, *segments: str) -> str:
    """``template`` with each ``{}`` filled by a segment, quoted so that it stays one segment.

    Raises:
        Reject: a segment is empty or a dot name: it comes from a ref or configuration that is wrong.
    """
    if any(segment in {"", ".", ".."} for segment in segments):
        raise Reject(f"An id in the path {template} is empty or a dot: the stored ticket reference is damaged.")
    return template.format(*(quote(segment, safe="") for segment in segments))


def retry_after_s(headers: Mapping[str, str], *, now_ms: int) -> float | None:
    """Seconds that ``Retry-After`` asks for (RFC 9110 section 10.2.3: seconds or a date), 0 .. 86 400.

    A date is measured from the answer's own ``Date`` where it has one: both come from one clock.
    """
    said = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", said):
        return min(float(said), _RETRY_AFTER_LIMIT_S)
    then = _date_ms(said)
    if then is None:
        return None
    now = _date_ms(headers.get("date", "")) or now_ms
    return min(max(0.0, (then - now) / 1000), _RETRY_AFTER_LIMIT_S)


def _date_ms(text: str) -> int | None:
    try:
        return round(parsedate_to_datetime(text).timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        return None


def _decode(body: bytes | None) -> tuple[Any, bool]:
    """The JSON value (None if empty) and whether the body could be read."""
    if body is None:
        return None, False
    if not body.strip():
        return None, True
    try:
        return jsonlib.loads(body), True
    except (ValueError, RecursionError):
        return None, False


def _unreadable(tracker: str, writes: bool, why: str) -> SinkError:
    sentence = f"{tracker} says that it worked, but its answer {why}."
    return UnknownOutcome(sentence) if writes else Retry(sentence, reason=Failed.SERVER_ERROR)


def _origin(response: httpx.Response) -> str:
    """Where a redirect leads, without the path and query, which may hold tokens."""
    parts = urlsplit(response.headers.get("location", ""))
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else "another place of its own"


def _secrets(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The words of the header values that no text may show, the longest first.

    Raises:
        ValueError: a value could not be sent; the text names the header only.
    """
    words: set[str] = set()
    for name, value in headers.items():
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"the {name} header holds a character that HTTP does not take: check the secret's file")
        if name.lower() not in _PUBLIC_HEADERS:
            words |= {value, *value.split()}
    return tuple(sorted((word for word in words if len(word) >= _MIN_SECRET), key=len, reverse=True))


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context
