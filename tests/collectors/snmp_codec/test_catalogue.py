"""The file of names: what is written is found, damage is told, and the shipped one is what its tool makes."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.snmp.catalogue import Catalogue, CatalogueError, encode
from collectors.snmp.making import SHIPPED, role_records, shipped_records
from collectors.snmp.names import names_of, notification_fields
from tests.collectors.snmp_codec.conftest import CORPUS

word = st.text(st.characters(codec="utf-8", exclude_characters="\t\n "), min_size=1, max_size=12)
records = st.dictionaries(
    word, st.lists(st.one_of(word, st.just(""), st.just("a b")), min_size=1, max_size=3).map(tuple)
)


@settings(max_examples=60)
@given(records, word)
def test_what_was_written_is_found_and_nothing_else(written: dict, other: str) -> None:
    catalogue = Catalogue(encode(written))
    assert {key: catalogue.get(key) for key in written} == written
    assert catalogue.get(other) == written.get(other)


def test_records_are_found_in_every_block_and_by_their_kind() -> None:
    many = {f"n1.3.{number}": ("MODULE", f"name{number}" * 20, "") for number in range(2_000)}
    catalogue = Catalogue(encode({**many, "o1.3.6": ("", "thing", "")}))
    assert all(catalogue.get(key) == fields for key, fields in many.items())
    assert dict(catalogue.kind("n")) == {key[1:]: fields for key, fields in many.items()}
    assert list(catalogue.kind("o")) == [("1.3.6", ("", "thing", ""))]
    assert list(catalogue.kind("a")) == list(catalogue.kind("z")) == []
    assert catalogue.get("m") is catalogue.get("z") is None
    assert len(catalogue._read) <= 32


def test_an_empty_catalogue_has_nothing() -> None:
    assert Catalogue().get("n1") is None
    assert list(Catalogue(encode({})).kind("n")) == []


@pytest.mark.parametrize("bad", [{"a b": ("x",)}, {"a": ("x\ty",)}, {"a\n": ("x",)}, {"a": ("x\n",)}])
def test_separators_cannot_be_written(bad: dict) -> None:
    with pytest.raises(ValueError, match="separator"):
        encode(bad)


@settings(max_examples=150)
@given(st.data())
def test_damage_is_told_or_harmless(data) -> None:
    whole = bytearray(encode({f"n1.{number}": ("M", f"name{number}", "") for number in range(50)}))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (bytes(whole), bytes(whole[:cut])):
        try:
            found = Catalogue(damaged).get("n1.7")
        except CatalogueError:
            continue
        assert found in (None, ("M", "name7", ""))


def test_damage_costs_a_name_and_no_trap() -> None:
    whole = bytearray(encode({f"n1.{number}": notification_fields("M", f"name{number}", "") for number in range(50)}))
    whole[-1] ^= 1
    assert names_of(Catalogue(bytes(whole))).notification("1.7") is None


@pytest.mark.shared
def test_the_shipped_catalogue_is_what_its_tool_makes() -> None:
    files = [CORPUS / f"{name}.jsonl.gz" for name in ("mib_trap_index", "opennms_alarm_pairs")]
    if not all(file.exists() for file in files):
        pytest.skip(f"no {files[0]} and {files[1]}")
    index, pairs = (gzip.decompress(file.read_bytes()).decode().splitlines() for file in files)
    names = shipped_records(index)
    shipped = Catalogue(SHIPPED.read_bytes())
    made = {kind + key: fields for kind in "nop" for key, fields in shipped.kind(kind)}
    assert made == names | role_records(pairs, names)
    assert SHIPPED.stat().st_size < 1_000_000
