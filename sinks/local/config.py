"""Options of the local desk."""

from pydantic import Field, field_validator

from gateway.plugin import PluginConfig


class LocalConfig(PluginConfig):
    """A small ticket desk in its own SQLite file."""

    file: str = "tickets.db"
    """Name of the SQLite file inside the daemon's state directory."""
    page_url: str = ""
    """What stands before a ticket's number in its link; empty: the daemon's own page as people reach it."""
    attachment_limit_bytes: int = Field(default=10_000_000, ge=0, le=100_000_000)
    """Files larger than this are refused (the ticket says so); 0 refuses all."""
    keep_closed_days: int = Field(default=365, ge=0, le=36_500)
    """Closed tickets that nobody touched for this long are removed, in small bites; 0 keeps them for ever."""
    busy_timeout_s: float = Field(default=5.0, ge=0.0, le=60.0)
    """How long to wait while another process (the command line) writes to the file."""

    @field_validator("file")
    @classmethod
    def _is_a_plain_name(cls, file: str) -> str:
        if not file or file in {".", ".."} or "/" in file or "\0" in file:
            raise ValueError("give a plain file name such as tickets.db: the file lives in the state directory")
        return file

    @field_validator("page_url")
    @classmethod
    def _is_an_address(cls, page_url: str) -> str:
        if not page_url:
            return ""
        if not page_url.startswith(("http://", "https://")):
            raise ValueError("give an address that begins with http:// or https://, as people's browsers reach it")
        return page_url if page_url.endswith("/") else page_url + "/"
