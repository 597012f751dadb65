"""Text from outside is never markup in Jira: not in ADF, not in wiki markup."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sinks._text import plain, size
from sinks.jira import adf, wiki
from sinks.jira.markup import ADF, WIKI

NASTY = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "[~admin]", "[~accountid:5b10]", "@all", "{code}", "{noformat}", "*bold*", "_em_", "-del-", "h1. ", "bq. ",
                "\\", "\\\\", "\\*", "|", "||", "!x.png!", "^file", "~sub~", "??cite??", "{{mono}}", "----", "# ", "* ",
                "- ", ":D", ";)", "(x)", "&lt;", "&#42;", "https://a.example/b_c-d?e=1", "http://a|b]", "[a|http://b]",
                "\n", "\n\n", "\n\n\n", " ", "\t", "\r\n", "\x00", "\u2060", "\u202e", "a", "gw-7", "🚨", "\ud800",
            ]
        ),
        st.text(max_size=5),
    ),
    max_size=12,
).map("".join)  # fmt: skip
ESCAPED = re.compile(r"(^|(?<!\\))\\([-#*_+?^~|%{}\[\]()!@])")
"""atlassian-renderer's own pattern (BackslashEscapeRendererComponent)."""
ADDRESS = re.compile(r"(?<!\S)https?://[A-Za-z0-9./:_=&-]+(\?[A-Za-z0-9./:_=&-]+)?(?!\S)")


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("content", ()):
        yield from nodes(child)


@given(NASTY)
@example("[~accountid:5b10] *x*\n\n\nh1. y")
def test_adf_holds_text_and_breaks_only_and_all_of_the_text(text) -> None:
    cleaned = plain(text)
    document = adf.document(cleaned)
    assert (document["type"], document["version"]) == ("doc", 1)
    for paragraph in document["content"]:
        assert paragraph.keys() == {"type", "content"}
        assert paragraph["type"] == "paragraph"
        for node in paragraph["content"]:
            assert node == {"type": "hardBreak"} or node.keys() == {"type", "text"}
            if "text" in node:
                assert node["type"] == "text"
                assert node["text"]
                assert "\n" not in node["text"]
    assert adf.text(document) == cleaned


def test_adf_that_people_wrote_is_read_whatever_it_holds() -> None:
    mention = {"type": "mention", "attrs": {"id": "5b10", "text": "@anna"}}
    row = {"type": "paragraph", "content": [{"type": "text", "text": "see ", "marks": [{"type": "strong"}]}, mention]}
    document = {"type": "doc", "version": 1, "content": [{"type": "panel", "content": [row]}, row]}
    assert adf.text(document) == "see \n\nsee "
    assert adf.text(None) == adf.text("x") == adf.text({"type": "doc", "content": "x"}) == ""


@given(NASTY)
@example("\\*not bold\\*")
@example("a\\\\b")
@example("h1. a\n  bq. b")
def test_wiki_markup_shows_the_text_and_nothing_else(text) -> None:
    cleaned = plain(text)
    sent = wiki.escape(cleaned)
    assert "\\\\" not in sent  # a line break
    assert "[~" not in sent  # a mention
    shown = ADDRESS.sub("", sent)
    left = ESCAPED.sub("", shown)
    assert not re.search(r"[-#*_+?^~|%{}\[\]()!@]", left), left
    for line in shown.split("\n"):
        assert not re.match(r"[ \t]*(h[1-6]|bq)\.", line)
    assert not re.search(r"&#?[A-Za-z0-9]+;", shown)
    assert ESCAPED.sub(r"\2", sent).replace("\u2060", "") == cleaned  # what a reader sees


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("link_down on gw-7", r"link\_down on gw\-7"),
        ("[~admin] call", r"\[\~admin\] call"),
        ("see https://noc.example/run_books/link-down?x=1", "see https://noc.example/run_books/link-down?x=1"),
        ("https://noc.example/*x*", r"https://noc.example/\*x\*"),
        ("C:\\temp\\x", "C:\\temp\\x"),
        ("C:\\_x", "C:\\\u2060\\_x"),
        ("h1. big", "\u2060h1. big"),
        ("up :D", "up :\u2060D"),
    ],
)
def test_wiki_markup_stays_readable(text, sent) -> None:
    assert wiki.escape(text) == sent


@given(NASTY, st.integers(min_value=60, max_value=200))
def test_a_long_text_is_cut_with_a_mark_and_keeps_its_tail(text, limit) -> None:
    long = plain(text * 30)
    for markup in (ADF, WIKI):
        sent = markup.rendered(long, limit=limit, tail="\n\nTOC-1")
        assert size(sent) <= limit
        assert sent.endswith("\n\nTOC-1")
        if size(markup.render(long)) > limit - 7:
            assert "cut: too long for Jira" in sent
        else:
            assert sent == markup.render(long) + "\n\nTOC-1"
