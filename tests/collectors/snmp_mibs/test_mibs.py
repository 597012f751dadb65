"""MIB files of vendors, as they are: what is read, what is told, what it costs, and what the daemon makes of it."""

import shutil
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.snmp import ber
from collectors.snmp.catalogue import Catalogue, encode
from collectors.snmp.codec import VarBind
from collectors.snmp.mib_files import FILE_NAME, names_in, read_folder
from collectors.snmp.mib_resolve import resolve
from collectors.snmp.mib_scan import scan
from collectors.snmp.mibs_command import mibs
from collectors.snmp.names import names_of, standard
from collectors.snmp.render import value_text

NET_SNMP = Path("/usr/share/snmp/mibs")

ACME = """
ACME-MIB DEFINITIONS ::= BEGIN
IMPORTS MODULE-IDENTITY, OBJECT-TYPE, NOTIFICATION-TYPE, enterprises FROM SNMPv2-SMI
        DisplayString, TEXTUAL-CONVENTION, DateAndTime FROM SNMPv2-TC AcmeState FROM ACME-TC;
-- a comment with "quotes" and ::= { enterprises 1 }
acme MODULE-IDENTITY LAST-UPDATED "202601010000Z"
    DESCRIPTION "fanSpeed OBJECT-TYPE ::= { enterprises 666 }"
    ::= { enterprises 9999 }
acmeObjects   OBJECT IDENTIFIER ::= { acme 1 }
acmeTraps     OBJECT IDENTIFIER ::= { acme 0 }
acmeAbsolute  OBJECT IDENTIFIER ::= { iso(1) org(3) dod(6) 1 4 1 9999 7 }
AcmeTenths ::= TEXTUAL-CONVENTION DISPLAY-HINT "d-1" STATUS current DESCRIPTION "x" SYNTAX Integer32
fanTable OBJECT-TYPE SYNTAX SEQUENCE OF FanEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION "" ::= { acmeObjects 1 }
fanEntry OBJECT-TYPE SYNTAX FanEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION "" INDEX { fanIndex } ::= { fanTable 1 }
FanEntry ::= SEQUENCE { fanIndex INTEGER, fanState AcmeState }
fanIndex OBJECT-TYPE SYNTAX INTEGER (1..9) MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { fanEntry 1 }
fanState OBJECT-TYPE SYNTAX AcmeState MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { fanEntry 2 }
fanSpeed OBJECT-TYPE SYNTAX AcmeTenths MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { fanEntry 3 }
fanSince OBJECT-TYPE SYNTAX DateAndTime MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { fanEntry 4 }
fanMode  OBJECT-TYPE SYNTAX INTEGER { auto(1), manual-2 (2) } ACCESS read-only STATUS mandatory ::= { fanEntry 5 }
fanFlags OBJECT-TYPE SYNTAX BITS { a(0), b(1) } MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { fanEntry 6 }
fanFailed NOTIFICATION-TYPE OBJECTS { fanIndex, fanState } STATUS current DESCRIPTION "" ::= { acmeTraps 1 }
fanOld TRAP-TYPE ENTERPRISE acme VARIABLES { fanIndex } DESCRIPTION "" ::= 7
acmeCold TRAP-TYPE ENTERPRISE snmp ::= 0
END
"""
TYPES = 'ACME-TC DEFINITIONS ::= BEGIN\nAcmeState ::= TEXTUAL-CONVENTION STATUS current DESCRIPTION "" SYNTAX INTEGER { ok(1), failed(2) }\nEND\n'


def resolved(*texts: str, before=None):
    modules, problems = [], []
    for number, text in enumerate(texts):
        found, wrong = scan(text, file=f"{number}.mib")
        modules += found
        problems += wrong
    made = resolve(modules, before=before or {}, known={"ifIndex": "1.3.6.1.2.1.2.2.1.1"})
    return made.records, [str(problem) for problem in (*problems, *made.problems)]


def test_a_module_gives_its_names_numbers_enumerations_and_hints() -> None:
    records, problems = resolved(ACME, TYPES)
    assert problems == []
    names = names_of(Catalogue(encode(records)))
    failed = names.notification("1.3.6.1.4.1.9999.0.1")
    assert (failed.module, failed.name, failed.objects) == ("ACME-MIB", "fanFailed", ("fanIndex", "fanState"))
    assert names.notification("1.3.6.1.4.1.9999.0.7").name == "fanOld"
    assert names.notification("1.3.6.1.6.3.1.1.5.1").name == "acmeCold"
    assert {known.name for known in names.objects.values()} == {
        "fanIndex", "fanState", "fanSpeed", "fanSince", "fanMode", "fanFlags",
    }  # fmt: skip
    assert records["iACME-MIB.acmeAbsolute"] == ("1.3.6.1.4.1.9999.7",)
    assert records["mACME-MIB"] == ("0.mib", "3", "6")


@pytest.mark.parametrize(
    ("column", "tag", "value", "text"),
    [
        (2, ber.INTEGER, 2, "failed"),
        (2, ber.INTEGER, 9, "9"),
        (3, ber.INTEGER, 715, "71.5"),
        (4, ber.OCTET_STRING, bytes.fromhex("07ea0b1c0e2d0d05"), "2026-11-28T14:45:13.5"),
        (5, ber.INTEGER, 2, "manual-2"),
        (6, ber.OCTET_STRING, b"AB", "0x4142"),
    ],
)
def test_values_are_shown_as_the_module_says(column: int, tag: int, value, text: str) -> None:
    names = names_of(Catalogue(encode(resolved(ACME, TYPES)[0])))
    varbind = VarBind(f"1.3.6.1.4.1.9999.1.1.1.{column}.3", tag, value)
    known = names.object(varbind.oid)
    assert known.instance == "3"
    assert value_text(varbind, known) == text


def test_what_was_added_before_is_there_for_the_imports_of_what_follows() -> None:
    first, _ = resolved(TYPES)
    both, problems = resolved(ACME, before=first)
    assert problems == []
    assert both["o1.3.6.1.4.1.9999.1.1.1.2"] == ("ACME-MIB", "fanState", "ok=1 failed=2")
    below = (
        "B-MIB DEFINITIONS ::= BEGIN IMPORTS acmeObjects FROM ACME-MIB; x OBJECT IDENTIFIER ::= { acmeObjects 77 } END"
    )
    third, problems = resolved(below, before=both)
    assert (problems, third["iB-MIB.x"]) == ([], ("1.3.6.1.4.1.9999.1.77",))
    assert both.items() <= third.items()


def test_a_module_that_comes_again_replaces_all_that_it_gave() -> None:
    first, _ = resolved(ACME, TYPES)
    again, _ = resolved(
        "ACME-MIB DEFINITIONS ::= BEGIN acme OBJECT IDENTIFIER ::= { enterprises 9999 } "
        "fanFailed NOTIFICATION-TYPE ::= { acme 0 5 } END",
        before=first,
    )
    assert [key for key, fields in again.items() if key[0] in "no" and fields[0] == "ACME-MIB"] == [
        "n1.3.6.1.4.1.9999.0.5"
    ]


HEAD = "X-MIB DEFINITIONS ::= BEGIN\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("just text", "0.mib:1: there is no MIB module in this file (NAME DEFINITIONS ::= BEGIN)"),
        (HEAD + 'a OBJECT IDENTIFIER ::= { enterprises 1 }\n\nb OBJECT-TYPE DESCRIPTION "never\nends', '0.mib:4: a text that begins here with " never ends'),
        (HEAD + "\na OBJECT IDENTIFIER ::= { nowhere 1 }", "0.mib:3: a lies below nowhere, which is not defined: add the file that defines it"),
        (HEAD + "IMPORTS there FROM T-MIB;\na OBJECT IDENTIFIER ::= { there 1 }", "0.mib:3: a lies below there, which is not defined: add the file of T-MIB"),
        (HEAD + "a OBJECT IDENTIFIER ::= { enterprises what }", "0.mib:2: a has no sound number: {enterprises what}"),
        (HEAD + "a OBJECT IDENTIFIER ::= { enterprises 4294967296 }", "0.mib:2: a has no sound number: {enterprises 4294967296}"),
        (HEAD + "a OBJECT IDENTIFIER ::= { }", "0.mib:2: a has no sound number: {}"),
        (HEAD + "a OBJECT-TYPE SYNTAX INTEGER ::= 5", "0.mib:2: a has a bare number, where its parent should be named, too"),
        (HEAD + "a OBJECT-TYPE SYNTAX INTEGER ::= what", "0.mib:2: a has no number after ::="),
        (HEAD + "a TRAP-TYPE ENTERPRISE gone ::= 5", "0.mib:2: a lies below gone, which is not defined: add the file that defines it"),
        (HEAD + "a OBJECT IDENTIFIER ::= { enterprises" + " 1" * 130 + " }", "0.mib:2: a has more than 128 arcs"),
        (HEAD + "END " + HEAD + "END", "0.mib:1: X-MIB is also in 0.mib, which counts"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_line(text: str, told: str) -> None:
    assert told in resolved(text)[1]


def test_one_broken_definition_costs_only_what_depends_on_it() -> None:
    records, problems = resolved(
        HEAD + "a OBJECT-TYPE SYNTAX {{{ broken\n b OBJECT IDENTIFIER ::= { enterprises 5 }\n"
        "c OBJECT IDENTIFIER ::= { gone 1 } d OBJECT IDENTIFIER ::= { gone 2 } e OBJECT IDENTIFIER ::= { c 1 }\n"
        "f NOTIFICATION-TYPE ::= { b 1 } END"
    )
    assert len(problems) == 1
    assert records["iX-MIB.b"] == ("1.3.6.1.4.1.5",)
    assert records["n1.3.6.1.4.1.5.1"] == ("X-MIB", "f", "")
    assert not any(key.endswith((".c", ".d", ".e")) for key in records)


def test_who_is_its_own_parent_has_no_number() -> None:
    records, _ = resolved(
        HEAD + "a OBJECT IDENTIFIER ::= { b 1 } b OBJECT IDENTIFIER ::= { a 1 } c OBJECT IDENTIFIER ::= { c 1 } END"
    )
    assert set(records) == {"mX-MIB"}


PIECES = st.sampled_from(
    ["A-MIB ", "DEFINITIONS ", "::= ", "BEGIN ", "END ", "IMPORTS ", "FROM ", "; ", "{ ", "} ", "( ", ") ", "a ", "b ", "c ", "1 ", "4294967296 ",
     "OBJECT-TYPE ", "OBJECT IDENTIFIER ", "NOTIFICATION-TYPE ", "TRAP-TYPE ", "ENTERPRISE ", "SYNTAX ", "INTEGER ", "TEXTUAL-CONVENTION ",
     "DISPLAY-HINT ", '"', '"1x:" ', "-- ", "\n", "enterprises ", "OBJECTS ", "SEQUENCE OF ", "T ", "\u00e9", "\t", ".", "::", "="]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=60).map("".join))
def test_no_text_breaks_the_scanner(text: str) -> None:
    for whole in (text, HEAD + text):
        records, problems = resolved(whole)
        Catalogue(encode(records))
        assert all("\n" not in problem for problem in problems)


@pytest.mark.parametrize(
    "piece",
    ["a OBJECT-TYPE ", "IMPORTS ", "a" * 9, "DISPLAY-HINT ", "a ::= ", "::= { ", '" ', "OBJECTS { ", "a(1 ", "FROM ", "x DEFINITIONS ", "SYNTAX [ ", "-", " "],
)  # fmt: skip
def test_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    text = HEAD + piece * (400_000 // len(piece)) + " x OBJECT IDENTIFIER ::= { enterprises 1 } END"
    began = time.process_time()
    resolved(text)
    assert time.process_time() - began < 4.0  # a quadratic scan takes minutes


def test_a_long_chain_of_parents_needs_no_recursion() -> None:
    chain = "\n".join(f"a{number} OBJECT IDENTIFIER ::= {{ a{number + 1} }}" for number in range(5_000))
    records, _ = resolved(HEAD + chain + "\na5000 OBJECT IDENTIFIER ::= { enterprises 3 } END")
    assert records["iX-MIB.a0"] == ("1.3.6.1.4.1.3",)


# --- files, the command and the daemon -------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """``run("add", folder)``: the command, with a state directory of its own."""

    def run(*arguments):
        return CliRunner().invoke(mibs, [*map(str, arguments), "--state-dir", str(tmp_path / "state")])

    return run


def test_files_are_added_listed_and_used(run, tmp_path) -> None:
    folder = tmp_path / "mibs"
    (folder / "deep").mkdir(parents=True)
    (folder / "ACME-MIB.txt").write_text(ACME)
    (folder / "deep" / "tc.my").write_bytes(b"\xef\xbb\xbf" + TYPES.replace("\n", "\r\n").encode())
    (folder / "latin.mib").write_bytes(b"L-MIB DEFINITIONS ::= BEGIN -- caf\xe9\nEND")
    (folder / "binary").write_bytes(b"\0\1")
    (folder / ".hidden").write_text("nothing")
    shown = run("add", folder)
    assert shown.exit_code == 0, shown.output
    assert "3 modules, 3 notifications, 6 objects; problems: 1" in shown.stdout
    assert shown.stderr == f"{folder}/binary:1: is no text (it has a NUL), and was not read\n"
    assert "ACME-MIB  3 notifications, 6 objects" in run("list").stdout
    names = names_in(tmp_path / "state", standard())
    assert names.object("1.3.6.1.4.1.9999.1.1.1.2.3").enum == {1: "ok", 2: "failed"}
    assert names.notification("1.3.6.1.6.3.1.1.5.3").name == "linkDown"


def test_lint_tells_all_and_stores_nothing(run, tmp_path) -> None:
    (tmp_path / "x.mib").write_text(HEAD + "a OBJECT IDENTIFIER ::= { nowhere 1 }\nEND")
    shown = run("lint", tmp_path / "x.mib")
    assert shown.exit_code == 1
    assert shown.stderr.startswith(f"{tmp_path}/x.mib:2: a lies below nowhere")
    assert not (tmp_path / "state").exists()


def test_a_folder_without_modules_is_told_in_one_sentence(run, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    shown = run("add", tmp_path / "empty")
    assert (shown.exit_code, len(shown.stderr.splitlines())) == (1, 1)


def test_a_damaged_file_of_names_stops_no_start_and_is_told(run, tmp_path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE_NAME).write_bytes(b"damage")
    assert names_in(tmp_path / "state", standard()) is standard()
    shown = run("list")
    assert shown.exit_code == 1
    assert "add your MIB files again" in shown.stderr


@pytest.mark.tools
def test_net_snmps_own_modules_agree_with_the_shipped_names(tmp_path) -> None:
    if not NET_SNMP.is_dir():
        pytest.skip(f"no MIB files in {NET_SNMP}")
    copied = shutil.copytree(NET_SNMP, tmp_path / "mibs")
    found = read_folder(Path(copied), {})
    assert found.problems == []
    ours = {key: fields for key, fields in found.records.items() if key[0] == "n"}
    assert len(ours) >= 6
    for key, (_, name, objects) in ours.items():
        known = standard().notification(key[1:])
        assert (known.name, " ".join(known.objects)) == (name, objects)
