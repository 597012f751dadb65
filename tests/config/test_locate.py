"""The locator names a line for every key that tomllib finds, and the right one."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.locate import locate


def paths(value, path=()):
    """Every path in a parsed document."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*path, index))


TRICKY = '''# [not.a.table]
top = "a # no comment"   # a comment
quoted."key.with dots"."és" = 'C:\\path'
text = """
not = "a key"
[[nor.this]] \\""" still inside
"""""
literal = \'\'\'
x = 1
\'\'\'
when = 1979-05-27 07:32:00
numbers = [
  1, 2, # three
  [ 3, [ "]", 4 ] ],
  { x = 1, y.z = [ { w = 2 } ] },
]
empty = {}
nothing = []

[rule.deep]
a = 1
[[entry]]
name = "first"
[[entry.part]]
n = 1
[[entry.part]]
n = 2
[[entry]]
name = "second"
[entry.sub.sub]
k = true
[[entry.part]]
n = 3
'''


def test_every_key_of_a_tricky_document_has_its_line():
    lines = locate(TRICKY)
    assert set(lines) == set(paths(tomllib.loads(TRICKY)))
    text = TRICKY.split("\n")

    def line(*path):
        return text[lines[path] - 1]

    assert line("quoted", "key.with dots", "és").startswith("quoted")
    assert line("literal").startswith("literal")
    assert line("numbers", 0).strip().startswith("1, 2")
    assert line("numbers", 2, 1, 0).strip().startswith("[ 3")
    assert line("numbers", 3, "y", "z", 0, "w").strip().startswith("{ x")
    assert line("entry", 0, "part", 1, "n") == "n = 2"
    assert line("entry", 1, "part", 0, "n") == "n = 3"
    assert line("entry", 1, "sub", "sub", "k") == "k = true"


def test_windows_line_ends_count_once():
    assert locate("a = 1\r\nb = 2\r\n")[("b",)] == 2


keys = st.text(alphabet="ab-_ .\"'\\é\t", min_size=1, max_size=4)
scalars = st.one_of(
    st.integers(-5, 5),
    st.booleans(),
    st.text(alphabet="ab\"'\\ #[]{}=,\n", max_size=8),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


def written_text(text):
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(sign, sign) for sign in text) + '"'


@st.composite
def documents(draw):
    """A document as text, with the line on which each top-level key was put."""
    out, expected = [], {}

    def put(line):
        out.extend(line.split("\n"))

    def write(value):
        if isinstance(value, str):
            return write_text(value)
        if isinstance(value, list):
            gap = draw(st.sampled_from([" ", "\n", "\n# ] comment\n"]))
            return "[" + ",".join(gap + write(item) for item in value) + gap + "]"
        return write_flat(value)

    def write_text(value):
        if draw(st.booleans()) and "'" not in value:
            return f"'''{value}'''"
        if draw(st.booleans()):
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"""{escaped}"""'
        return written_text(value)

    def write_flat(value):
        if isinstance(value, dict):
            return "{" + ", ".join(f"{written_text(key)} = {write_flat(item)}" for key, item in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(write_flat(item) for item in value) + "]"
        return written_text(value) if isinstance(value, str) else str(value).lower()

    def body(prefix):
        for key, value in draw(st.dictionaries(keys, values, max_size=3)).items():
            if draw(st.booleans()):
                put('# key = [ "')
            expected[(*prefix, key)] = len(out) + 1
            put(f"{written_text(key)} = {write(value)}")

    body(())
    names = draw(st.lists(st.sampled_from(["Table", "Many", "Other"]), max_size=3, unique=True))
    for name in names:
        if name == "Many":
            for index in range(draw(st.integers(1, 3))):
                put("[[Many]]  # [x]")
                body(("Many", index))
        else:
            put(f"[ {name} . sub ]")
            body((name, "sub"))
    return "\n".join(out), expected


@given(documents())
def test_the_locator_agrees_with_tomllib_on_generated_documents(document):
    text, expected = document
    lines = locate(text)
    assert set(lines) == set(paths(tomllib.loads(text)))
    assert {path: lines[path] for path in expected} == expected


@given(st.text(alphabet="ab[]{}=\"'#.,\n\\ ", max_size=40))
def test_text_that_is_no_toml_ends_without_an_error(text):
    locate(text)


@pytest.mark.parametrize("opening", ["[", "{a=", '"', "'''", "[["])
def test_what_is_never_closed_ends(opening):
    locate(opening * 50)
