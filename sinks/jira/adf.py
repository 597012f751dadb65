"""Plain text to and from the Atlassian Document Format (ADF), version 1.

Text from outside becomes text nodes and nothing else: no marks, no links, no mention nodes, so it can neither pose as
markup nor call a person. Source: developer.atlassian.com, "Atlassian Document Format: structure".
"""

from typing import Any

__all__ = ["document", "text"]

_PARAGRAPH_END = "\n\n"


def document(plain: str) -> dict[str, Any]:
    """An ADF document that shows ``plain`` (already cleaned, see `sinks._text.plain`).

    Empty lines separate paragraphs, single line feeds become hard breaks; `text` of the result is ``plain`` again.
    """
    paragraphs = plain.split(_PARAGRAPH_END) if plain else []
    return {"type": "doc", "version": 1, "content": [_paragraph(paragraph) for paragraph in paragraphs]}


def _paragraph(plain: str) -> dict[str, Any]:
    nodes: list[dict[str, Any]] = []
    for number, line in enumerate(plain.split("\n")):
        if number:
            nodes.append({"type": "hardBreak"})
        if line:  # an empty text node is no valid ADF
            nodes.append({"type": "text", "text": line})
    return {"type": "paragraph", "content": nodes}


def text(node: Any) -> str:
    """All text of an ADF node, which people may have written with any markup; empty if it is none.

    Blocks on the top level are separated as `document` does it.
    """
    if not isinstance(node, dict):
        return ""
    if node.get("type") == "doc":
        return _PARAGRAPH_END.join(map(text, _content(node)))
    if node.get("type") == "hardBreak":
        return "\n"
    if isinstance(node.get("text"), str):
        return str(node["text"])
    return "".join(map(text, _content(node)))


def _content(node: dict[str, Any]) -> list[Any]:
    content = node.get("content")
    return content if isinstance(content, list) else []
