"""What one mail may cost us: the bounds of the codec, as plain numbers, and how a mail beyond them is named."""

from dataclasses import dataclass
from enum import StrEnum


class Unreadable(StrEnum):
    """Why a mail was kept whole instead of being read; the label of ``tocsin_mails_unreadable_total``."""

    SIZE = "size"
    HEADER_BLOCK = "header_block"
    HEADER_SIZE = "header_size"
    HEADER_COUNT = "header_count"
    CONTAINERS = "containers"
    PARTS = "parts"
    PARSER = "parser"
    """The parser gave up (its own bug, or nesting beyond Python's stack)."""
    DEADLINE = "deadline"
    """The worker did not finish in time, and was ended."""
    WORKER = "worker"
    """The worker died, or could not be started."""


class MailError(Exception):
    """A mail that this codec will not read: the only error that it raises."""

    def __init__(self, reason: Unreadable, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class HeavyError(MailError):
    """Raised by a light reading only: this mail needs HTML or a guess of its charset, so read it in the worker."""

    def __init__(self) -> None:
        super().__init__(Unreadable.WORKER, "needs the worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one mail; each is refused or cut, never exceeded."""

    mail_bytes: int = 25 * 1024 * 1024
    header_block_bytes: int = 128 * 1024
    header_bytes: int = 32 * 1024
    """One header with its folded lines."""
    headers: int = 1_000
    containers: int = 100
    """Multiparts and enclosed mails; bounds nesting too, since each level needs one."""
    parts: int = 200
    html_bytes: int = 512 * 1024
    text_chars: int = 1024 * 1024
    attachments: int = 20
    attachment_bytes: int = 10 * 1024 * 1024
    inline_image_bytes: int = 10 * 1024
    """Images below this that the HTML shows (logos, tracking pixels) are not kept."""
    addresses: int = 100
