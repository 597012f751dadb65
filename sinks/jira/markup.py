"""The two forms in which Jira takes a text: ADF documents and wiki markup. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sinks._text import cut, size
from sinks.jira import adf, wiki

__all__ = ["ADF", "WIKI", "Markup"]

_CUT = "\n… (cut: too long for Jira)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Markup:
    """How plain text is sent, and read again."""

    render: Callable[[str], str]
    """Escapes what would be markup."""
    wrap: Callable[[str], Any]
    """The JSON value that carries a rendered text."""
    read: Callable[[Any], str]
    """The rendered text in such a value."""

    def rendered(self, text: str, *, limit: int, tail: str = "") -> str:
        """Cleaned ``text``, rendered, at most ``limit`` characters together with ``tail``, which is never cut.

        ``tail`` is ours and holds no markup. Where something is missing, the text says so.
        """
        return self.render(cut(text, limit - size(tail), _CUT, render=self.render)) + tail

    def write(self, text: str, *, limit: int, tail: str = "") -> Any:
        """The same as the JSON value that Jira takes."""
        return self.wrap(self.rendered(text, limit=limit, tail=tail))


def _as_it_is(text: str) -> str:
    return text


def _string(value: Any) -> str:
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


ADF = Markup(render=_as_it_is, wrap=adf.document, read=adf.text)
WIKI = Markup(render=wiki.escape, wrap=_as_it_is, read=_string)
