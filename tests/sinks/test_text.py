"""Foreign text reaches a tracker visible, whole in its characters, and short enough."""

import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks._text import cut, disarm, media_type, one_line, plain, size, unmention

anything = st.text(alphabet=st.characters(), max_size=80)


@given(anything)
def test_plain_text_can_be_encoded_shows_its_order_and_stays_so(text) -> None:
    once = plain(text)
    once.encode("utf-8")
    assert not [c for c in once if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert not [
        c
        for c in once
        if unicodedata.bidirectional(c) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    ]
    assert plain(once) == once


def test_plain_keeps_what_people_write() -> None:
    said = "Ærø \t 変電所 👩‍🔧 می‌خواهم\nline two"
    assert plain(said) == said
    assert plain("a\r\nb\rc\u2028d\x00\x1b[31m\u202ee\ud800") == "a\nb\nc\nd[31me\ufffd"
    assert one_line(" a\r\n\tb \u2029 c ") == "a b c"


@given(anything, st.integers(0, 60), st.sampled_from(["", "…", " [cut]"]))
def test_a_cut_text_fits_and_is_the_start_of_what_it_was(text, limit, mark) -> None:
    short = cut(text, limit, mark)
    assert size(short) <= limit
    assert short == text or (short == "" or (short.endswith(mark) and text.startswith(short[: len(short) - len(mark)])))
    assert (short == text) == (size(text) <= limit)


@given(st.text(alphabet="<>&\"'ab\n", max_size=80), st.integers(0, 120))
def test_a_cut_text_fits_when_escaped_and_loses_no_more_than_needed(text, limit) -> None:
    short = cut(text, limit, "…", render=html.escape)
    assert size(html.escape(short)) <= limit
    if short != text and short:
        longer = text[: len(short)] + "…"
        assert size(html.escape(longer)) > limit


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 4, "abc…"),
        ("ab😀cd", 4, "ab…"),  # a character beyond the BMP counts two
        ("abe\u0301d", 4, "ab…"),  # e with acute, in two characters
        ("👩‍🔧👩‍🔧", 7, "👩‍🔧…"),
        ("👍🏽👍🏽", 7, "👍🏽…"),
        ("🇩🇰🇸🇪🇳🇴", 11, "🇩🇰🇸🇪…"),
        ("🇩🇰🇸🇪🇳🇴", 10, "🇩🇰🇸🇪…"),
        ("🇩🇰🇸🇪🇳🇴", 8, "🇩🇰…"),
        ("abc", 0, ""),
    ],
)
def test_no_character_is_split(text, limit, short) -> None:
    assert cut(text, limit) == short


def test_a_heap_of_combining_marks_does_not_eat_the_text() -> None:
    assert len(cut("a" * 100 + "\u0301" * 1000, 500)) == 500


def test_nobody_is_called_by_a_mention() -> None:
    assert unmention("@all ask @bob, or noc@example.com") == "@\u2060all ask @\u2060bob, or noc@example.com"
    assert disarm("see [~bob] and {panel}", "[~", "{") == "see [\u2060~bob] and {\u2060panel}"
    assert "@bob" not in unmention(plain("@\u2060bob"))


@pytest.mark.parametrize(
    ("claimed", "sent"),
    [
        ("image/jpeg", "image/jpeg"),
        ("application/vnd.ms-excel", "application/vnd.ms-excel"),
        ("image/jpeg\r\nX-Evil: 1", "application/octet-stream"),
        ("image/jpeg\n", "application/octet-stream"),
        ("text", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_a_media_type_cannot_smuggle_a_header(claimed, sent) -> None:
    assert media_type(claimed) == sent
