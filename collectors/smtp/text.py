"""HTML to text, and flowed text to lines."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from collectors.smtp.reply import split_reply
from gateway.core.text import clean

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_UNSEEN = ("head", "script", "style", "template", "title", "noscript", "svg", "object", "iframe")
# What mail programs wrap around what is quoted.
_QUOTES = (
    "blockquote[type=cite]",
    ".gmail_quote",
    ".yahoo_quoted",
    ".protonmail_quote",
    ".moz-cite-prefix",
    "#divRplyFwdMsg",
    "#appendonsend",
    "#OLK_SRC_BODY_SECTION",
)
# After these everything that follows in the same parent is quoted too.
_QUOTE_STARTS = ("#divRplyFwdMsg", "#appendonsend")
_BLOCK_TAGS = (
    "address article aside blockquote center dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p"
    " pre section table tbody tfoot thead tr ul"
)
_AROUND = dict.fromkeys(_BLOCK_TAGS.split(), ("\x00", "\x00")) | {
    **dict.fromkeys(("p", "table", "h1", "h2", "h3", "ul", "ol"), ("\0", "\0\0")),
    **dict.fromkeys(("td", "th"), ("", " ")),
    "br": ("\0", ""),
    "li": ("\0- ", "\0"),
}
"""What stands before and after an element's text; line ends are NUL until blanks have been folded."""
_LONGEST_LINK = 500
_MOST_UNCLOSED = 20_000
"""Elements left open: a tree that deep costs the parser a time that grows with its square, so tags are just cut out."""
_TAG = re.compile(r"<[^<>]*>")


def html_to_text(html: str) -> tuple[str, str]:
    """The visible text of an HTML mail: what is new, and what is quoted.

    A forward quotes everything: if nothing is new, then all of it is.
    """
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415 - native code that only the worker loads

    if html.count("<") - 2 * html.count("</") > _MOST_UNCLOSED:
        return _tidy(_TAG.sub(" ", html)), ""
    tree = LexborHTMLParser(html)
    for node in tree.css(", ".join(_UNSEEN)):
        node.decompose()
    root = tree.body or tree.root
    if root is None:
        return "", ""
    quoted = {node.mem_id for node in tree.css(", ".join(_QUOTES))}
    starts = {node.mem_id for node in tree.css(", ".join(_QUOTE_STARTS))}
    new: list[str] = []
    old: list[str] = []
    for piece, is_quoted in _pieces(root, quoted, starts):
        (old if is_quoted else new).append(piece)
    fresh, rest = _tidy("".join(new)), _tidy("".join(old))
    if not fresh:
        return rest, ""
    fresh, below = split_reply(fresh)
    return fresh, "\n\n".join(part for part in (below, rest) if part)


def _pieces(root: "LexborNode", quoted: set[int], starts: set[int]) -> Iterator[tuple[str, bool]]:
    """Pieces of text in document order, each with whether it is quoted; without recursion, since depth is the sender's."""
    stack: list[tuple[LexborNode | None, bool, str]] = [(root.child, False, "")]
    while stack:
        node, is_quoted, closing = stack.pop()
        if node is None:
            if closing:
                yield closing, is_quoted
            continue
        inside = is_quoted or node.mem_id in quoted
        stack.append((node.next, is_quoted or node.mem_id in starts, closing))
        if node.tag == "-text":
            yield node.text_content or "", inside
            continue
        opening, ending = _around(node)
        if opening:
            yield opening, inside
        stack.append((node.child, inside, ending))


def _around(node: "LexborNode") -> tuple[str, str]:
    tag = node.tag or ""
    if tag == "a":
        return "", _link(node)
    if tag == "img":
        alternative = (node.attributes.get("alt") or "").strip()
        return (f"[{alternative}]" if alternative else ""), ""
    return _AROUND.get(tag, ("", ""))


def _link(node: "LexborNode") -> str:
    """Where a link leads, unless its text says so itself."""
    target = (node.attributes.get("href") or "").strip()
    first = node.child
    if first is None or not target.lower().startswith(("http://", "https://")) or len(target) > _LONGEST_LINK:
        return ""
    shown = (first.text_content or "") if first.tag == "-text" else ""
    return "" if target.rstrip("/") in shown else f" <{target}>"


def _tidy(text: str) -> str:
    """Blanks folded as a browser would, at most one empty line in a row."""
    lines: list[str] = []
    for line in clean(text.replace("\n", " ").replace("\r", " ").replace("\0", "\n")).split("\n"):
        folded = " ".join(line.replace("\xa0", " ").split())
        if folded or (lines and lines[-1]):
            lines.append(folded)
    return "\n".join(lines).strip("\n")


def unflow(text: str, *, delsp: bool) -> str:
    """Join the lines that ``format=flowed`` has broken (RFC 3676 section 4), quoted ones apart."""
    joined: list[str] = []
    flowing = False
    for line in text.split("\n"):
        unstuffed = line.removeprefix(" ")
        if flowing and not line.startswith(">") and unstuffed != "-- ":
            joined.append(unstuffed)
        else:
            joined.append(("\n" if joined else "") + unstuffed)
        flowing = line.endswith(" ") and not line.startswith(">") and unstuffed != "-- "
        if flowing and delsp:
            joined[-1] = joined[-1][:-1]
    return "".join(joined)
