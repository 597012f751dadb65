"""What our scanner reads in MIB files is what pysmi's grammar reads: names, places, objects of notifications, imports."""

from pathlib import Path
from typing import Any

import pytest
from pysmi.parser.dialect import smi_v1_relaxed
from pysmi.parser.smi import parserFactory

from collectors.snmp.mib_scan import Module, scan

MIBS = Path("/usr/share/snmp/mibs")
"""Debian's package libsnmp-base."""
PLACED = {
    "objectTypeClause", "valueDeclaration", "moduleIdentityClause", "notificationTypeClause", "objectGroupClause",
    "notificationGroupClause", "objectIdentityClause", "moduleComplianceClause", "agentCapabilitiesClause",
}  # fmt: skip


@pytest.fixture(scope="module")
def pysmi() -> Any:
    return parserFactory(**smi_v1_relaxed)(startSym="mibFile")


def _names(module: Module) -> dict[str, str]:
    return {one.name: " ".join(one.value.split()) for one in module.definitions if one.macro != "TRAP-TYPE"}


def _enumerations(clause: Any) -> str:
    """``up=1 down=2``, wherever it stands in the clause's syntax; empty if it has none."""
    if isinstance(clause, tuple) and clause[:1] in (("enumSpec",), ("BITS",)):
        return " ".join(f"{name}={number}" for name, number in clause[1])
    if isinstance(clause, tuple | list):
        return next(filter(None, map(_enumerations, clause)), "")
    return ""


@pytest.mark.parametrize("path", sorted(MIBS.glob("*.txt")) or [None], ids=lambda path: path.stem if path else "none")
def test_it_reads_what_pysmi_reads(pysmi: Any, path: Path | None) -> None:
    if path is None:
        pytest.skip(f"there are no MIB files in {MIBS}: install libsnmp-base")
    text = path.read_text("latin-1")
    modules, problems = scan(text, file=path.name)
    assert problems == []
    theirs = pysmi.parse(text)
    assert [module.name for module in modules] == [module[0] for module in theirs]
    for ours, (_, _, imports, clauses) in zip(modules, theirs, strict=True):
        placed = {clause[1]: " ".join(map(str, clause[-1][1])) for clause in clauses if clause[0] in PLACED}
        assert _names(ours) == placed
        told = {
            clause[1]: tuple((clause[2] or ((), ()))[1]) for clause in clauses if clause[0] == "notificationTypeClause"
        }
        assert {one.name: one.objects for one in ours.definitions if one.macro == "NOTIFICATION-TYPE"} == told
        words = {clause[1]: _enumerations(clause[2]) for clause in clauses if clause[0] == "objectTypeClause"}
        assert {one.name: one.syntax.enum for one in ours.definitions if one.macro == "OBJECT-TYPE" and one.syntax} == {
            name: words[name] for name in words
        }
        macros = {"OBJECT-TYPE", "NOTIFICATION-TYPE", "MODULE-IDENTITY", "TEXTUAL-CONVENTION"}
        named = {symbol: module for module, symbols in imports.items() for symbol in symbols}
        assert {symbol: ours.imports.get(symbol) for symbol in named if symbol not in macros} == {
            symbol: module for symbol, module in named.items() if symbol not in macros
        }
