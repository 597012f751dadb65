r"""Plain text as Jira's wiki markup, so that nothing in it is markup.

Jira takes a backslash before one of eighteen characters as "show it as it is", unless another backslash stands before
it (``BackslashEscapeRendererComponent`` of atlassian-renderer: ``(^|(?<!\\))\\([-#*_+?^~|%{}\[\]()!@])``). What no
backslash can disarm (``h1.``, ``bq.``, ``\\``, ``:D``, ``&amp;``) is broken by a word joiner, which nobody sees.
Addresses of web pages stay as they are, since Jira links them before it looks for markup.
"""

import re

__all__ = ["escape"]

_JOINER = "\u2060"
_ADDRESS = r"(?<!\S)https?://[A-Za-z0-9./:_=&-]+(?:\?[A-Za-z0-9./:_=&-]+)?(?!\S)"
_SPECIAL = r"[-#*_+?^~|%{}\[\]()!@]"
_LINE_START = r"(?m:^)[ \t]*(?=h[1-6]\.|bq\.)"
_BACKSLASH = rf"\\(?={_SPECIAL}|\\|\Z)"
_EMOTICON = r"(?<![A-Za-z0-9])[:;](?=[DPp](?![A-Za-z0-9]))"
_ENTITY = r"&(?=#?[A-Za-z0-9]+;)"
_MARKUP = re.compile(
    f"(?P<address>{_ADDRESS})|(?P<special>{_SPECIAL})|(?P<broken>{_LINE_START}|{_BACKSLASH}|{_EMOTICON}|{_ENTITY})"
)


def escape(plain: str) -> str:
    r"""Wiki markup that shows ``plain`` (already cleaned, see `sinks._text.plain`).

    A mention cannot survive: ``[~name]`` becomes ``\[\~name\]``.
    """
    return _MARKUP.sub(_disarm, plain)


def _disarm(found: re.Match[str]) -> str:
    if found["address"] is not None:
        return found["address"]
    if found["special"] is not None:
        return "\\" + found["special"]
    return found["broken"] + _JOINER
