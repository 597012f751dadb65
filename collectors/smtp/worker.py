"""Read mails in a process of their own, which can be ended when it takes too long or too much.

The child (``python -m collectors.smtp.worker``) gets an empty environment, so no secret, and tight resource limits.
Requests and answers are MessagePack after a length of four bytes: unlike pickle it cannot make the daemon run anything,
should a mail ever take over the child through its HTML parser. A child starts when there is work, and ends when idle.

On failure: a mail that takes too long, or kills its worker, raises `MailError`; the next mail gets a new worker.
By hand: there is nothing to type; ``collectors.smtp.mail.parse`` is the same without the process.
"""

import asyncio
import contextlib
import dataclasses
import resource
import struct
import sys
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgpack  # type: ignore[import-untyped, unused-ignore]

from collectors.smtp.headers import Address
from collectors.smtp.limits import Limits, MailError, Unreadable
from collectors.smtp.mail import File, Mail, parse

_LENGTH = struct.Struct(">I")
_ANSWER_FACTOR = 4
"""How many times larger than its mail an answer may be: text may grow in UTF-8, and be said twice."""
_ANSWER_SLACK = 4 * 1024 * 1024
_OPEN_FILES = 64
COMMAND = (sys.executable, "-IB", "-m", "collectors.smtp.worker")


# --- the wire ------------------------------------------------------------------------------------


def packed(value: Any) -> bytes:
    """``value`` with its length before it."""
    body: bytes = msgpack.packb(value, unicode_errors="replace")
    return _LENGTH.pack(len(body)) + body


def mail_to_wire(mail: Mail) -> dict[str, Any]:
    """A mail as plain containers."""
    return dataclasses.asdict(mail)


def mail_of_wire(wire: dict[str, Any]) -> Mail:
    """A mail from what a worker sent; it is checked no further than types need, since all of a mail is untrusted."""
    sender = wire["sender"]
    return Mail(
        **{
            **wire,
            "sender": Address(**sender) if sender else None,
            "to": tuple(Address(**each) for each in wire["to"]),
            "cc": tuple(Address(**each) for each in wire["cc"]),
            "in_reply_to": tuple(wire["in_reply_to"]),
            "references": tuple(wire["references"]),
            "files": tuple(File(**each) for each in wire["files"]),
            "notes": tuple(wire["notes"]),
        }
    )


# --- the parent ----------------------------------------------------------------------------------


class Workers:
    """A pool of at most ``most`` workers; enter it, and leave it to end them all."""

    def __init__(
        self, limits: Limits, *, most: int, read_s: float, idle_s: float, memory: int, command: Sequence[str] = COMMAND
    ) -> None:
        self._limits, self._read_s, self._idle_s, self._memory = limits, read_s, idle_s, memory
        self._command = tuple(command)
        self._places = asyncio.Semaphore(most)
        self._idle: list[_Child] = []
        self._leaving: list[_Child] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        children, self._idle, self._leaving = [*self._idle, *self._leaving], [], []
        for child in children:
            await child.end()

    @property
    def alive(self) -> int:
        """Workers that wait for work."""
        return len(self._idle)

    async def parse(self, raw: bytes) -> Mail:
        """Read a mail in a worker.

        Raises:
            MailError: it is beyond the limits, took too long, or ended its worker.
        """
        async with self._places, self._child() as child:
            try:
                async with asyncio.timeout(self._read_s):
                    answer = await child.ask(packed(raw), most=len(raw) * _ANSWER_FACTOR + _ANSWER_SLACK)
                if "error" not in answer:
                    return mail_of_wire(answer["mail"])
                error = MailError(Unreadable(answer["error"]), str(answer["detail"]))
            except TimeoutError:
                await child.end()
                raise MailError(Unreadable.DEADLINE, f"more than {self._read_s} s") from None
            except Exception as broken:
                await child.end()
                raise MailError(Unreadable.WORKER, "the worker ended") from broken
        raise error

    @contextlib.asynccontextmanager
    async def _child(self) -> "AsyncIterator[_Child]":
        child = self._idle.pop() if self._idle else await self._start()
        child.keep_alive()
        try:
            yield child
        except asyncio.CancelledError:
            await child.end()
            raise
        finally:
            if child.usable:
                self._idle.append(child)
                child.end_after(self._idle_s, self._forget)

    async def _start(self) -> "_Child":
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,  # signals to the daemon's group are the daemon's to handle
            )
        except OSError as error:
            raise MailError(Unreadable.WORKER, "cannot start a worker") from error
        child = _Child(process)
        child.tell(packed({"limits": dataclasses.asdict(self._limits), "memory": self._memory, "cpu": self._read_s}))
        return child

    def _forget(self, child: "_Child") -> None:
        self._idle.remove(child)
        self._leaving = [*(each for each in self._leaving if not each.gone), child]


class _Child:
    """One worker process, seen from the daemon."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._timer: asyncio.TimerHandle | None = None
        self.usable = True

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        return self._process.returncode is not None

    def tell(self, message: bytes) -> None:
        """Send something that wants no answer."""
        _pipe(self._process.stdin).write(message)

    async def ask(self, message: bytes, *, most: int) -> dict[str, Any]:
        """Send a request and wait for its answer, of ``most`` bytes at most."""
        stdin, stdout = _pipe(self._process.stdin), _pipe(self._process.stdout)
        stdin.write(message)
        await stdin.drain()
        (length,) = _LENGTH.unpack(await stdout.readexactly(_LENGTH.size))
        if length > most:
            raise ValueError(f"an answer of {length} bytes")
        answer = msgpack.unpackb(await stdout.readexactly(length), strict_map_key=False)
        if not isinstance(answer, dict):
            raise TypeError("an answer that is none")
        return answer

    def keep_alive(self) -> None:
        """There is work: stop the idle timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end_after(self, seconds: float, forget: Any) -> None:
        """Without work for that long, let it end: closing its input is the sign."""

        def close() -> None:
            self.usable = False
            forget(self)
            _pipe(self._process.stdin).close()

        self._timer = asyncio.get_running_loop().call_later(seconds, close)

    async def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self.usable = False
        self.keep_alive()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        _pipe(self._process.stdin).close()
        await self._process.wait()


def _pipe(pipe: Any) -> Any:
    if pipe is None:
        raise ValueError("a worker is started with pipes")
    return pipe


# --- the child -----------------------------------------------------------------------------------


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer mail by mail until the daemon closes the pipe."""
    settings = _read(requests)
    if settings is None:
        return
    limits = Limits(**settings["limits"])
    _confine(settings["memory"], settings["cpu"])
    while (raw := _read(requests)) is not None:
        answers.write(packed(_answer(raw, limits)))
        answers.flush()
        _allow_cpu(settings["cpu"])


def _answer(raw: bytes, limits: Limits) -> dict[str, Any]:
    try:
        return {"mail": mail_to_wire(parse(raw, limits))}
    except MailError as error:
        return {"error": error.reason.value, "detail": error.detail}
    except MemoryError:
        return {"error": Unreadable.PARSER.value, "detail": "out of memory"}


def _read(requests: BinaryIO) -> Any:
    head = requests.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    return msgpack.unpackb(requests.read(_LENGTH.unpack(head)[0]), max_bin_len=2**31 - 1)


def _confine(memory: int, cpu: float) -> None:
    """Leave the child little to do harm with: memory, processor time, files, and no core."""
    for limit, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(
            OSError, ValueError
        ):  # a stricter limit, or a filter of system calls, is there already
            resource.setrlimit(limit, (most, most))
    _allow_cpu(cpu)


def _allow_cpu(seconds: float) -> None:
    """A bound in case the daemon dies while a mail is being read; the daemon's deadline is the usual one."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    with contextlib.suppress(OSError, ValueError):
        most = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 5, most))


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
