"""Plain text as Markdown that shows exactly that text: nothing that comes from outside becomes markup. Pure.

Escapes are those of CommonMark 0.31 (section 2.4: a backslash before ASCII punctuation is that punctuation), with the
strikethrough, tables and highlights that ClickUp adds.
"""

import re

_ANYWHERE = re.compile(r"[\\`*_\[\]<>&|~=]")
_LINE_START = re.compile(r"^([#+-])|^(\d{1,9})([.)])")
_INDENT = re.compile(r"^[ \t]+")
_HARD_BREAK = "  \n"
_NBSP = "\u00a0"


def escape(text: str) -> str:
    """``text`` (lines ended by line feeds) as Markdown; line breaks and indentation are kept."""
    paragraphs = re.split(r"\n(?:[ \t]*\n)+", text.strip("\n"))
    return "\n\n".join(
        _HARD_BREAK.join(_line(line) for line in paragraph.split("\n")) for paragraph in paragraphs if paragraph.strip()
    )


def _line(line: str) -> str:
    indent = _INDENT.match(line)
    # Spaces at the start would make a code block, or vanish: no-break spaces do neither.
    margin = _NBSP * len(indent.group().expandtabs(4)) if indent else ""
    body = _ANYWHERE.sub(r"\\\g<0>", line.strip(" \t"))
    if not margin:
        body = _LINE_START.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}", body)
    return margin + body
