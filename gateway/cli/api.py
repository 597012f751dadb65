"""Talk to the running daemon: reading over HTTP, commands over its admin socket; never to its database."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx

from gateway.cli.exits import Exit, Failure

TIMEOUT_S = 15.0
LONG_S = 3600.0
"""For a copy of a great database on a slow disk."""
PAGE = 200
"""Items asked for at a time."""


class Daemon:
    """A daemon that should be running."""

    def __init__(self, url: str, *, socket: Path | None = None) -> None:
        """Take the daemon at ``url``, or the one whose admin socket is given."""
        self._where = url if socket is None else str(socket)
        self._socket = socket
        self._url = url.rstrip("/")

    @classmethod
    def by_socket(cls, path: Path) -> "Daemon":
        """The daemon whose admin socket is at ``path``."""
        return cls("http://localhost", socket=path)

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON document at ``path``."""
        return self._call("GET", path, query)

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        **query: str | int,
    ) -> Any:
        """Ask for a change; the answer's JSON document."""
        return self._call("POST", path, query, body, timeout_s=timeout_s)

    def items(self, path: str, *, limit: int, **query: str | int) -> Iterator[dict[str, Any]]:
        """The items of a list, page after page, at most ``limit``."""
        cursor: dict[str, str | int] = {}
        while limit > 0:
            answer = self.get(path, limit=min(limit, PAGE), **query, **cursor)
            yield from answer["items"][:limit]
            limit -= len(answer["items"])
            if not answer.get("next"):
                return
            cursor = {"cursor": answer["next"]}

    def download(self, path: str, target: BinaryIO) -> int:
        """Ask for a file that may take long to make, and write it to ``target``; its size in bytes."""
        with self._told(), self._client(timeout_s=LONG_S) as client, client.stream("POST", self._at(path)) as answer:
            if not answer.is_success:
                answer.read()
                raise _refusal(answer, _json(answer))
            return sum(target.write(chunk) for chunk in answer.iter_bytes())

    def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str | int],
        body: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> Any:
        with self._told(), self._client(timeout_s=timeout_s) as client:
            answer = client.request(method, self._at(path), params=query, json=body)
            document = _json(answer)
        if answer.is_success:
            return document
        raise _refusal(answer, document)

    def _client(self, *, timeout_s: float) -> httpx.Client:
        if self._socket is not None and not self._socket.exists():
            raise self._absent()
        transport = None if self._socket is None else httpx.HTTPTransport(uds=str(self._socket))
        return httpx.Client(transport=transport, timeout=timeout_s, trust_env=False)

    def _at(self, path: str) -> str:
        return f"{self._url}/api/v1/{path}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what goes wrong between us and the daemon into sentences."""
        try:
            yield
        except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise self._absent() from None
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise Failure(
                f"the daemon at {self._where} did not answer ({why}); try again", code=Exit.TEMPORARY
            ) from None
        except ValueError:
            raise Failure(
                f"what answers at {self._where} is not tocsin; correct --url", code=Exit.UNREACHABLE
            ) from None

    def _absent(self) -> Failure:
        return Failure(
            f"no daemon answers at {self._where}; start it (tocsin run), or say where it is (--url, --state-dir)",
            code=Exit.UNREACHABLE,
        )


def segment(text: str) -> str:
    """``text`` as one segment of a path, whatever is in it."""
    return quote(text, safe="", errors="surrogateescape")  # an argument may be no UTF-8


def _json(answer: httpx.Response) -> Any:
    """The answer's document; a server that fails may have none."""
    try:
        return answer.json() if answer.content else {}
    except ValueError:
        if answer.is_server_error:
            return {}
        raise


def _refusal(answer: httpx.Response, document: Any) -> Failure:
    said = document.get("error") or document.get("detail") if isinstance(document, dict) else None
    why = said if isinstance(said, str) else answer.reason_phrase
    later = answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS
    return Failure(f"the daemon says: {why} ({answer.status_code})", code=Exit.TEMPORARY if later else Exit.FAILED)
