"""One mail as it comes in: block by block, counted against the bytes of all sessions."""

import asyncio

from collectors.smtp.gate import Budget
from gateway.core.reason import Dropped

_END = b"\r\n.\r\n"


class Incoming:
    """A mail while it comes in: its bytes, counted against the budget of all."""

    def __init__(self, most: int, budget: Budget) -> None:
        self._most, self._budget = most, budget
        self._blocks: list[bytes] = []
        self._size = self._reserved = 0
        self.refused: tuple[Dropped, str] | None = None

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Read to the end of the mail, which the client must be let say before it hears an answer."""
        # The CRLF of the DATA command may begin the mark of the end (RFC 5321 section 4.1.1.4): put it back.
        reader._buffer[:0] = b"\r\n"  # type: ignore[attr-defined] # noqa: SLF001 - no public way, see the tests
        while True:
            try:
                self._keep(await reader.readuntil(_END))
            except asyncio.LimitOverrunError as overrun:
                self._keep(await reader.readexactly(overrun.consumed))
            else:
                return

    def _keep(self, block: bytes) -> None:
        if self.refused is not None:
            return
        self._size += len(block)
        if self._size > self._most + len(_END):
            self.refused = (Dropped.OVERSIZED, "552 5.3.4 Error: Too much mail data")
        elif not self._budget.take(len(block)):
            self.refused = (Dropped.OVERLOAD, "452 4.3.1 Too much mail at once, try again later")
        else:
            self._reserved += len(block)
            self._blocks.append(block)
            return
        self.release()

    def content(self) -> bytes:
        """The mail, without the doubled dots (RFC 5321 section 4.5.2)."""
        whole = b"".join(self._blocks)
        self._blocks.clear()
        return whole[: -len(b".\r\n")].replace(b"\r\n.", b"\r\n")[len(b"\r\n") :]

    def release(self) -> None:
        """Forget the bytes, and give their place back; may be called twice."""
        self._blocks.clear()
        self._budget.give(self._reserved)
        self._reserved = 0
