"""Mail: an SMTP server that hears people and machines, and answers 250 only for what is on disk.

What belongs here: the session (`server`, `gate`, `tls`), bytes to a `Mail` (`scan`, `headers`, `charset`, `body`,
`text`, `reply`, `mail`), what a mail means (`machine`, `thread`, `trust`, `event`), and the process that reads what is
risky (`worker`). All but `server`, `tls`, `worker`, `collector` and `send` are pure.

On failure:
    * A mail for somebody else is refused at RCPT with 550; one that is too large with 552.
    * A mail that cannot be stored (disk, overload, shutting down) is answered 451 or 452: the sender's server keeps it.
    * A mail that cannot be read (hostile, or beyond a limit) is stored whole as an attachment of its incident.
    * Nothing that a client sends ends the daemon, and nothing that it does undoes a commit.

By hand, with the collector on its default address and ``recipients = ["support@example.com"]``::

    swaks --server 127.0.0.1:2525 --from you@example.com --to support@example.com --header "Subject: it is broken"
    tocsin send mail --to support@example.com --subject "it is broken"
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collectors.smtp.collector import plugin

__all__ = ["plugin"]


def __getattr__(name: str) -> Any:
    """Load the plugin when it is asked for: a worker process imports this package too, and must stay small."""
    if name == "plugin":
        from collectors.smtp.collector import plugin as loaded  # noqa: PLC0415 - see above

        return loaded
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
