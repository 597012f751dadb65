"""Text from outside is never markup, whoever reads the Markdown."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sinks._text import plain
from sinks.clickup.markdown import escape

# Every construct of CommonMark, and the tables and strikethrough of GitHub's dialect.
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
PIECES = st.sampled_from(
    [
        *"\\`*_{}[]()#+-.!|~<>&=:\"'@$^%/ \t\n0123456789aZäß😀",
        *("\n\n", "    ", "\n    ", "```\n", "~~~", "---", "***", "===", "- [ ] ", "1. ", "12) ", "> ", "# ", "## "),
        *("| a | b |\n|---|---|\n", "![x](http://x)", "[x](javascript:alert(1))", "[x]: /url", "<b>", "</div>", "<!--"),
        *(
            "<http://x>",
            "&amp;",
            "&#35;",
            "&nbsp;",
            "\\\n",
            "  \n",
            "~~x~~",
            "==x==",
            "**x**",
            "__x__",
            "[^1]: x",
            "\u00a0",
        ),
    ]
)
TEXT = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200)


def read(markdown: str) -> tuple[set[str], str]:
    """The kinds of tokens that a reader sees, and the text that it shows."""
    kinds: set[str] = set()
    shown: list[str] = []
    for token in READER.parse(markdown):
        kinds.add(token.type)
        for child in token.children or ():
            kinds.add(child.type)
            shown.append(child.content if child.type in {"text", "text_special"} else "\n")
        shown.append("\n")
    return kinds, "".join(shown)


def words(text: str) -> list[str]:
    return re.split(r"\s+", text.strip())


@given(TEXT)
@example("a\n===")
@example("a\n---")
@example("1. x\n2) y\n+ z\n- z\n* z\n# z\n> z")
@example("    code\n\n\tcode")
@example("| a |\n| - |\n| b |")
@example("[a]: /b\n\n[a]")
@example("a  \nb\\\nc")
@example("\\")
@example("&copy; &#9731;")
def test_a_reader_sees_the_text_and_no_markup(raw):
    text = plain(raw)
    kinds, shown = read(escape(text))
    assert kinds <= {"paragraph_open", "inline", "paragraph_close", "text", "text_special", "hardbreak"}
    assert words(shown) == words(text)


@given(TEXT)
def test_each_line_stays_a_line(raw):
    text = plain(raw)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    _, shown = read(escape(text))
    assert [words(line) for line in shown.split("\n") if line.strip()] == [words(line) for line in lines]


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("", ""),
        ("plain words, 10.0.0.1 (up) - ok!", "plain words, 10.0.0.1 (up) - ok!"),
        ("*x* _y_ `z`", "\\*x\\* \\_y\\_ \\`z\\`"),
        ("one\ntwo\n\nthree", "one  \ntwo\n\nthree"),
        ("    indented", "\u00a0\u00a0\u00a0\u00a0indented"),
        ("1. one", "1\\. one"),
        ("- one", "\\- one"),
        ("- ", "\\-"),
        ("https://wiki.example/a_b", "https://wiki.example/a\\_b"),
    ],
)
def test_what_is_harmless_stays_readable(text, markdown):
    assert escape(text) == markdown
