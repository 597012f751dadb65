"""Commands run in this process, against a fake daemon on a real socket."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner, Result

from gateway.cli import tocsin


class FakeDaemon:
    """Answers as it was told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str, dict[str, list[str]]]] = []
        self.answers: dict[str, list[tuple[int, Any]]] = {}

    def will_answer(self, path: str, *documents: Any, status: int = 200) -> None:
        """Answer ``path`` with ``documents``, one for each request, the last one again and again."""
        self.answers[path] = [(status, document) for document in documents]

    def answer(self, method: str, target: str) -> tuple[int, Any]:
        url = urlsplit(target)
        self.asked.append((method, url.path, parse_qs(url.query)))
        waiting = self.answers.get(url.path, [(404, {"error": f"nothing at {url.path}"})])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


def handler_for(daemon: FakeDaemon) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = daemon.answer(self.command, self.path)
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def address_string(self) -> str:
            return "test"

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


class TcpServer(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for every answer


class UnixServer(ThreadingMixIn, UnixStreamServer):
    pass


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    """A daemon on TCP."""
    fake = FakeDaemon()
    with TcpServer(("127.0.0.1", 0), handler_for(fake)) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[FakeDaemon]:
    """A daemon on the admin socket of ``tmp_path``."""
    fake = FakeDaemon()
    with UnixServer(str(tmp_path / "admin.sock"), handler_for(fake)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


class Command:
    """Runs ``tocsin`` with the arguments given."""

    def __call__(self, *arguments: str, stdin: str | None = None, **environ: str) -> Result:
        result = CliRunner().invoke(tocsin, list(arguments), input=stdin, env={"COLUMNS": "200", **environ})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result


@pytest.fixture
def command() -> Command:
    return Command()
