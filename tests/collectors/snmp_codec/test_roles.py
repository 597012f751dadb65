"""What vendors pair: every shipped pair, through the real rules, is the raise and the clear of one trouble."""

from collections import Counter

import pytest

from collectors.snmp import ber
from collectors.snmp.codec import Pdu, PduType, VarBind
from collectors.snmp.names import Names, standard
from collectors.snmp.roles import Role, key_of, labels_of, roles_of
from collectors.snmp.shape import SNMP_TRAP_OID, SYS_UPTIME
from collectors.snmp.translate import to_event
from gateway.compose import judge_of
from gateway.config import load
from gateway.core.event import EventKind
from gateway.core.impact import Impact
from gateway.plugins import discover


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """The judge of a configuration that says nothing of rules."""
    path = tmp_path_factory.mktemp("roles") / "tocsin.toml"
    path.write_text('[collectors.snmp]\ncommunities = ["public"]\n[sinks.local]\n')
    return judge_of(load(path, plugins=discover()))


def event(oid: str, role: Role, names: Names, *, told: str = "7"):
    """A trap with this OID whose varbinds are as the role wants them, and say ``told`` where it looks for the object."""
    only = dict(role.only)
    places = range(1, max([*role.places, *only, 0]) + 1)
    rank = {place: number for number, place in enumerate(role.places, start=1)}
    texts = [only[place][0] if place in only else f"{told}{rank.get(place, 0)}" for place in places]
    body = [
        VarBind(f"1.3.6.1.4.1.99999.{place}", ber.OCTET_STRING, text.encode())
        for place, text in enumerate(texts, start=1)
    ]
    head = [
        VarBind(SYS_UPTIME + ".0", ber.TIMETICKS, 1),
        VarBind(SNMP_TRAP_OID + ".0", ber.OBJECT_IDENTIFIER, oid),
    ]
    pdu = Pdu(type=PduType.TRAP_V2, request_id=1, varbinds=(*head, *body), varbinds_raw=b"")
    return to_event(pdu, address="192.0.2.1", names=names, at_ms=0, collector="snmp")


def full(key: str) -> str:
    prefix, _, last = key.rpartition(".")
    return f"{prefix}.0.{last}"


def test_every_shipped_pair_is_one_trouble(judge) -> None:
    names = standard()
    problems: dict[str, tuple[str, Role]] = {}
    clears: list[tuple[str, Role]] = []
    for key, roles in names.roles_by_key.items():
        for role in roles:
            if role.role == "problem":
                problems.setdefault(role.condition, (key, role))
            elif role.role == "clear":
                clears.append((key, role))
    counts: Counter = Counter()
    for key, role in clears:
        other, problem = problems[role.condition]
        raised = judge.judge(event(full(other), problem, names))[1]
        cleared = judge.judge(event(full(key), role, names))[1]
        if not raised.rule.startswith("vendor-trap") or not cleared.rule.startswith("vendor-trap"):
            counts["by a rule of the standards"] += 1
        elif (raised.kind, cleared.kind) != (EventKind.RAISE, EventKind.CLEAR):
            counts["hidden by a role of the same trap"] += 1
        elif raised.fingerprint != cleared.fingerprint:
            counts["told apart"] += 1
        else:
            counts["paired"] += 1
    assert counts["paired"] >= 857, counts
    assert counts.total() - counts["paired"] <= 6, counts


def test_a_problem_has_its_impact_and_its_object(judge) -> None:
    names = standard()
    key, role = next(
        (key, roles[0])
        for key, roles in names.roles_by_key.items()
        if roles[0].impact == "high" and roles[0].places == (1, 2)
    )
    _, verdict = judge.judge(event(full(key), role, names, told="port "))
    assert (verdict.rule, verdict.impact, verdict.object) == ("vendor-trap-problem", Impact.HIGH, "port 1/port 2")
    assert verdict.condition == role.condition


def test_who_owns_a_rule_of_the_trap_wins(tmp_path) -> None:
    key, role = next((key, roles[0]) for key, roles in standard().roles_by_key.items() if roles[0].role == "problem")
    path = tmp_path / "tocsin.toml"
    path.write_text(f'[[rule]]\nname = "mine"\ncondition = "{full(key)}"\nimpact = "critical"\n')
    assert judge_of(load(path, plugins=discover())).judge(event(full(key), role, standard()))[1].rule == "mine"


ROLES = (
    Role("clear", "", "fan_failed", (2,), ((1, ("0", "ok")),)),
    Role("problem", "high", "fan_failed", (2, 3), ((1, ("1",)),)),
)


@pytest.mark.parametrize(
    ("first", "labels"),
    [
        (0, {"trap_role": "clear", "trap_condition": "fan_failed", "trap_object": "two"}),
        (b"ok\0", {"trap_role": "clear", "trap_condition": "fan_failed", "trap_object": "two"}),
        (
            1,
            {"trap_role": "problem", "trap_condition": "fan_failed", "trap_object": "two/three", "trap_impact": "high"},
        ),
        (2, {}),
    ],
)
def test_a_role_holds_for_certain_values(first, labels) -> None:
    varbinds = [VarBind("1.3", ber.INTEGER, first)]
    assert labels_of(ROLES, varbinds, {1: "word", 2: "two", 3: "three"}) == labels


def test_a_trap_that_leaves_its_varbinds_out_has_no_object() -> None:
    assert labels_of((Role("problem", "", "x", (4, 5)),), [], {}) == {"trap_role": "problem", "trap_condition": "x"}
    assert labels_of(ROLES, [], {}) == {}
    long = labels_of((Role("problem", "", "x", (1,)),), [], {1: "a" * 1000})["trap_object"]
    assert len(long) == 200


def test_roles_are_written_and_read() -> None:
    assert roles_of("1.3", [role.field() for role in ROLES]) == ROLES


def test_both_forms_of_an_oid_are_one_key() -> None:
    assert key_of("1.3.6.1.4.1.9.0.5") == key_of("1.3.6.1.4.1.9.5") == "1.3.6.1.4.1.9.5"
