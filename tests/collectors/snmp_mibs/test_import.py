"""Definitions of SNMPTT and OpenNMS as rules: what is carried, changed and refused; and that the result loads and judges."""

import contextlib
import gzip
import json
import tomllib
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.snmp import ber
from collectors.snmp.codec import Pdu, PduType, VarBind
from collectors.snmp.import_command import opennms_events, snmptt
from collectors.snmp.imports import Carried, toml_of, words_of
from collectors.snmp.names import standard
from collectors.snmp.opennms import XmlError, convert_all
from collectors.snmp.opennms import parse as parse_xml
from collectors.snmp.snmptt import convert, parse
from collectors.snmp.translate import to_event
from gateway.compose import judge_of
from gateway.config import load
from gateway.config.rules import RuleConfig
from gateway.core.event import EventKind
from gateway.core.impact import Impact
from gateway.plugins import discover
from tests.collectors.snmp_codec.conftest import CORPUS

DEBIANS = Path("/etc/snmp/snmptt.conf")


def by_snmptt(text: str):
    """The rules as values, and the accounts."""
    names = standard()
    events, accounts = parse(text, file="snmptt.conf")
    drafts = []
    for event in events:
        made, account = convert(event, names, words_of(names), file="snmptt.conf")
        drafts += made
        accounts.append(account)
    return tomllib.loads(toml_of(drafts, origin="snmptt.conf")).get("rule", []), accounts


def trap(oid: str, *values: object, address: str = "192.0.2.1"):
    head = [VarBind("1.3.6.1.6.3.1.1.4.1.0", ber.OBJECT_IDENTIFIER, oid)]
    body = [
        VarBind(f"1.3.6.1.4.1.99999.{place}", ber.INTEGER if isinstance(value, int) else ber.OCTET_STRING, value)
        for place, value in enumerate(values, start=1)
    ]
    pdu = Pdu(type=PduType.TRAP_V2, request_id=1, varbinds=(*head, *body), varbinds_raw=b"")
    return to_event(pdu, address=address, names=standard(), at_ms=0, collector="snmp")


@pytest.fixture
def judge(tmp_path):
    """``judge(toml, event)``: the verdict under these rules and the shipped ones."""

    def verdict(text: str, event):
        path = tmp_path / "tocsin.toml"
        path.write_text(text)
        return judge_of(load(path, plugins=discover())).judge(event)[1]

    return verdict


# --- SNMPTT ----------------------------------------------------------------------------------------------------------

EVENT = 'EVENT fanFailed .1.3.6.1.4.1.99999.0.1 "Status Events" {severity}\nFORMAT Fan $1 of $aA: $+2 $v2 $N $$ $T\n{more}\n'


def test_an_event_is_carried() -> None:
    (rule,), (account,) = by_snmptt(EVENT.format(severity="Major", more="SDESC\nMATCH $1: no directive\nEDESC\n# end"))
    assert rule == {
        "name": "snmptt-fanFailed",
        "collector": "snmp",
        "condition": ["1.3.6.1.4.1.99999.0.1", "1.3.6.1.4.1.99999.1"],
        "set_condition": "fanFailed",
        "impact": "high",
        "summary": "Fan {varbind.1} of {source}: varbind.2:{varbind.2} varbind.2 fanFailed $ {uptime}",
    }
    assert str(account) == "snmptt.conf:1: fanFailed: carried"


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("MATCH $1: (up|down)", ['varbind.1 =~ "up|down"']),
        ("MATCH $1: !(up|down)i", ['varbind.1 !~ "(?i)up|down"']),
        ("MATCH $1: 5", ['varbind.1 = "5"']),
        ("MATCH $1: !5", ['varbind.1 != "5"']),
        ("MATCH $1: >5", ['varbind.1 > "5"']),
        ("MATCH $1: 5-7", ['varbind.1 >= "5"', 'varbind.1 <= "7"']),
        ("MATCH $2: 192.0.2.7", ['varbind.2 = "192.0.2.7"']),
        ("MATCH $aA: (^10\\.)", ['source =~ "^10\\."']),
        ("MATCH $1: 1\nMATCH $2: 2\nMATCH MODE=and", ['varbind.1 = "1"', 'varbind.2 = "2"']),
        ("NODES 192.0.2.1 2001:db8::1", ['source =~ "^(?:192\\.0\\.2\\.1|2001:db8::1)$"']),
        ("NODES 192.0.2.1\nNODES MODE=NEG", ['source !~ "^(?:192\\.0\\.2\\.1)$"']),
    ],
)
def test_what_must_hold_becomes_matchers(line: str, match: list[str]) -> None:
    (rule,), (account,) = by_snmptt(EVENT.format(severity="Normal", more=line))
    assert (rule["match"], account.how) == (match, Carried.CARRIED)


def test_any_of_several_matches_is_a_rule_each() -> None:
    rules, _ = by_snmptt(EVENT.format(severity="Normal", more="MATCH $1: 1\nMATCH $2: 2"))
    assert [(rule["name"], rule["match"]) for rule in rules] == [
        ("snmptt-fanFailed", ['varbind.1 = "1"']),
        ("snmptt-fanFailed-2", ['varbind.2 = "2"']),
    ]


def test_numbers_of_enumerations_become_their_words() -> None:
    (rule,), _ = by_snmptt('EVENT linkDown .1.3.6.1.6.3.1.1.5.3 "S" Normal\nFORMAT $1\nMATCH $3: 2')
    assert rule["match"] == ['ifOperStatus = "down"']
    assert (rule["summary"], rule["continue"]) == ("{ifIndex}", True)


@pytest.mark.parametrize(
    ("text", "how", "why"),
    [
        (EVENT.format(severity="Normal", more="EXEC qpage x"), Carried.CHANGED, "EXEC is not carried"),
        (EVENT.format(severity="Normal", more="REGEX (a)(b)"), Carried.CHANGED, "REGEX is not carried"),
        (EVENT.format(severity="Strange", more=""), Carried.CHANGED, "severity 'Strange'"),
        (EVENT.format(severity="OK", more=""), Carried.CHANGED, "which trouble it ends"),
        (EVENT.format(severity="", more="").replace("$T", "$x $C"), Carried.CHANGED, "$x of FORMAT is left out; $C of FORMAT"),
        (EVENT.format(severity="Normal", more="NODES /etc/snmptt-nodes"), Carried.REFUSED, "NODES are not all addresses"),
        (EVENT.format(severity="Normal", more="MATCH $1: (a(?!b))"), Carried.REFUSED, "is not RE2"),
        (EVENT.format(severity="Normal", more="MATCH $1: &8"), Carried.REFUSED, "a test that rules cannot say"),
        (EVENT.format(severity="Normal", more="MATCH $1: !5-7"), Carried.REFUSED, "a test that rules cannot say"),
        (EVENT.format(severity="Normal", more="MATCH $s: (x)"), Carried.REFUSED, "MATCH on $s has no field here"),
        (EVENT.format(severity="Normal", more="MATCH nonsense"), Carried.REFUSED, "cannot be read"),
        ('EVENT x .1.3.6.1.4.1.9.0.1 "S" Normal\n', Carried.REFUSED, "it has no FORMAT"),
        ('EVENT x 1.a "S" Normal\nFORMAT x', Carried.REFUSED, "is no OID and no name"),
        ("EVENT broken\nFORMAT x", Carried.REFUSED, "not written EVENT NAME OID"),
    ],
)  # fmt: skip
def test_what_is_changed_or_refused_says_why(text: str, how: Carried, why: str) -> None:
    rules, (account,) = by_snmptt(text)
    assert account.how is how
    assert why in account.why
    assert bool(rules) == (how is Carried.CHANGED)


def test_wildcards_categories_and_names_are_carried(judge) -> None:
    rules, _ = by_snmptt(
        'EVENT a .1.3.6.1.4.1.99999.* "LOGONLY" Normal\nFORMAT x\nEVENT b IF-MIB::linkUp "IGNORE" Normal\nFORMAT x'
    )
    assert rules[0]["match"] == ['trap_oid =~ "^1\\.3\\.6\\.1\\.4\\.1\\.99999\\."']
    assert rules[0]["sinks"] == []
    assert (rules[1]["condition"], rules[1]["drop"]) == (["linkUp"], True)


def test_what_is_imported_judges_and_leaves_pairing_to_the_shipped_rules(judge, tmp_path) -> None:
    (tmp_path / "snmptt.conf").write_text(
        EVENT.format(severity="Critical", more="MATCH $2: >5")
        + 'EVENT linkDown .1.3.6.1.6.3.1.1.5.3 "S" Minor\nFORMAT Link $1 is down'
    )
    shown = CliRunner().invoke(snmptt, [str(tmp_path / "snmptt.conf"), "--state-dir", str(tmp_path / "state")])
    assert shown.exit_code == 0
    assert shown.stderr.splitlines()[-1] == "2 definitions: 2 carried, 0 changed, 0 refused; 2 rules"
    verdict = judge(shown.stdout, trap("1.3.6.1.4.1.99999.0.1", b"left", 7))
    assert (verdict.rule, verdict.impact, verdict.condition) == ("snmptt-fanFailed", Impact.CRITICAL, "fanFailed")
    assert verdict.summary.startswith("Fan left of 192.0.2.1: varbind.2:7")
    assert judge(shown.stdout, trap("1.3.6.1.4.1.99999.0.1", b"left", 3)).rule == "default"
    link = judge(shown.stdout, trap("1.3.6.1.6.3.1.1.5.3"))
    assert (link.rule, link.condition, link.impact) == ("ietf-link-down", "link_down", Impact.MEDIUM)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.sampled_from(
    ["EVENT ", "x ", ".1.3.6.1.4.1.9.0.1 ", '"S" ', "Major", "\n", "FORMAT ", "MATCH ", "$1: ", "(", ")", "MODE=and", "NODES ", "SDESC", "EDESC", "$", "{", "}", '"', "\\", "*", "\x00", "\u2028"]
), max_size=50).map("".join))  # fmt: skip
def test_no_text_breaks_the_import(text: str) -> None:
    by_snmptt(text)
    by_snmptt(f'EVENT x .1.3.6.1.4.1.9.0.1 "S" Major\nFORMAT y\n{text}')


@pytest.mark.tools
def test_debians_own_configuration_is_carried_whole(tmp_path) -> None:
    if not DEBIANS.exists():
        pytest.skip(f"no {DEBIANS}")
    shown = CliRunner().invoke(snmptt, [str(DEBIANS), "--state-dir", str(tmp_path)])
    assert shown.stderr.splitlines()[-1].startswith("5 definitions: 5 carried")


# --- OpenNMS ---------------------------------------------------------------------------------------------------------


def xml(*events: str, head: str = '<?xml version="1.0"?>') -> bytes:
    return f'{head}<events xmlns="http://xmlns.opennms.org/xsd/eventconf">{"".join(events)}</events>'.encode()


def event(
    name: str,
    specific: str = "1",
    *,
    alarm: str = "",
    severity: str = "Major",
    mask: str = "",
    message: str = "",
    dest: str = "",
) -> str:
    elements = {"id": ".1.3.6.1.4.1.99999", "generic": "6", "specific": specific}
    told = "".join(
        f"<maskelement><mename>{key}</mename><mevalue>{value}</mevalue></maskelement>"
        for key, value in elements.items()
    )
    return (
        f"<event><mask>{told}{mask}</mask><uei>uei.opennms.org/vendor/ACME/traps/{name}</uei><event-label>x</event-label>"
        f"<descr>&lt;p&gt;x&lt;/p&gt;</descr><logmsg dest='{dest}'>&lt;p&gt; {message} &lt;/p&gt;</logmsg><severity>{severity}</severity>{alarm}</event>"
    )


def problem(key: str = "%uei%:%dpname%:%nodeid%:%parm[#2]%", kind: int = 1) -> str:
    return f'<alarm-data reduction-key="{key}" alarm-type="{kind}"/>'


def clear(key: str = "uei.opennms.org/vendor/ACME/traps/fanFailed:%dpname%:%nodeid%:%parm[#1]%") -> str:
    return f'<alarm-data reduction-key="%uei%" alarm-type="2" clear-key="{key}"/>'


def by_opennms(*events: str):
    names = standard()
    pairs = list(convert_all(parse_xml(xml(*events), file="x.xml"), names, words_of(names)))
    drafts = [draft for draft, _ in pairs if draft is not None]
    return tomllib.loads(toml_of(drafts, origin="x.xml")).get("rule", []), [account for _, account in pairs]


def test_a_pair_is_the_raise_and_the_clear_of_one_trouble(judge) -> None:
    names = standard()
    data = xml(
        event("fanFailed", "1", alarm=problem(), message="fan %parm[#2]% of %nodelabel% failed (%parm[fanName]%)"),
        event("fanWell", "2", alarm=clear()),
    )
    pairs = list(convert_all(parse_xml(data, file="x.xml"), names, words_of(names)))
    assert [account.how for _, account in pairs] == [Carried.CARRIED, Carried.CARRIED]
    text = toml_of([draft for draft, _ in pairs if draft is not None], origin="x.xml")
    failed = judge(text, trap("1.3.6.1.4.1.99999.0.1", 0, b"left"))
    well = judge(text, trap("1.3.6.1.4.1.99999.2", b"left"))
    assert (failed.rule, failed.impact, failed.object) == ("opennms-vendor-ACME-traps-fanFailed", Impact.HIGH, "left")
    assert failed.summary == "fan left of 192.0.2.1 failed ()"
    assert (failed.kind, well.kind) == (EventKind.RAISE, EventKind.CLEAR)
    assert failed.fingerprint == well.fingerprint


def varbind(place: str, *values: str) -> str:
    told = "".join(f"<vbvalue>{value}</vbvalue>" for value in values)
    return f"<varbind><vbnumber>{place}</vbnumber>{told}</varbind>"


@pytest.mark.parametrize(
    ("mask", "match"),
    [
        (varbind("1", "5"), ['varbind.1 = "5"']),
        (varbind("1", "5", "a.b"), ['varbind.1 =~ "^5$|^a\\.b$"']),
        (varbind("2", "lost%"), ['varbind.2 =~ "^lost"']),
        (varbind("2", "~.*(lost|gone).*"), ['varbind.2 =~ "^(?:.*(lost|gone).*)$"']),
        (varbind("1", "5") + varbind("2", "6"), ['varbind.1 = "5"', 'varbind.2 = "6"']),
    ],
)
def test_values_become_matchers(mask: str, match: list[str]) -> None:
    (rule,), (account,) = by_opennms(event("x", mask=mask, alarm=problem()))
    assert (rule["match"], account.how) == (match, Carried.CARRIED)


GENERIC = (
    "<event><mask><maskelement><mename>id</mename><mevalue>{id}</mevalue></maskelement>"
    "<maskelement><mename>generic</mename><mevalue>2</mevalue></maskelement></mask><uei>uei.opennms.org/x/y</uei>"
    "<severity>Minor</severity><alarm-data reduction-key='%uei%' alarm-type='1'/></event>"
)


@pytest.mark.parametrize(
    ("text", "how", "why"),
    [
        (event("x"), Carried.CHANGED, "it has no alarm"),
        (event("x", alarm=problem(kind=3)), Carried.CHANGED, "nothing ends it"),
        (
            event("x", alarm=problem("%uei%:%parm[names-all]%")),
            Carried.CHANGED,
            "%parm[names-all]% of its key is left out",
        ),
        (event("x", alarm=problem(), message="%parm[all]%"), Carried.CHANGED, "%parm[all]% of its message is left out"),
        (event("x", alarm=clear()), Carried.CHANGED, "is not among these files"),
        (event("x", alarm=problem(), mask=varbind("1", "~(?!a)b")), Carried.REFUSED, "is not RE2"),
        (event("x", alarm=problem(), mask=varbind("", "5")), Carried.REFUSED, "by its OID"),
        (event("x", "1%", alarm=problem()), Carried.REFUSED, "not that of one SNMP trap"),
        ("<event><uei>uei.opennms.org/internal/x</uei></event>", Carried.REFUSED, "so it is no trap"),
        (GENERIC.format(id=".1.3.6.1.6.3.1.1.5.3"), Carried.CARRIED, ""),
        (GENERIC.format(id=".1.3.6.1.4.1.9"), Carried.REFUSED, "not that of one SNMP trap"),
    ],
)
def test_what_an_event_becomes_is_told(text: str, how: Carried, why: str) -> None:
    rules, (account,) = by_opennms(text)
    assert account.how is how
    assert why in account.why
    assert bool(rules) == (how is not Carried.REFUSED)


def written(facts: dict) -> str:
    """Facts about a definition as the XML that they were taken from."""
    mask = ""
    for key, name in (("enterprise", "id"), ("generic", "generic"), ("specific", "specific")):
        values = "".join(f"<mevalue>{escape(value)}</mevalue>" for value in facts.get(key, ()))
        mask += f"<maskelement><mename>{name}</mename>{values}</maskelement>" if values else ""
    for one in facts.get("mask_varbinds") or ():
        mask += varbind(one["n"] or "", *(escape(value or "") for value in one["values"] or ()))
    keys = {"reduction-key": facts["reduction_key"], "clear-key": facts.get("clear_key", "")}
    alarm = "".join(f" {name}={quoteattr(value)}" for name, value in keys.items() if value)
    return (
        f"<event><mask>{mask}</mask><uei>{escape(facts['uei'])}</uei><logmsg dest='logndisplay'>x</logmsg>"
        f"<severity>{facts['severity']}</severity><alarm-data alarm-type='{facts['alarm_type']}'{alarm}/></event>"
    )


@pytest.mark.shared
def test_what_opennms_ships_is_carried_and_loads(tmp_path) -> None:
    path = CORPUS / "opennms_alarm_pairs.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no {path}")
    facts = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    rules, accounts = by_opennms(*map(written, facts))
    counts = Counter(account.how for account in accounts)
    assert (len(accounts), len(rules)) == (len(facts), len(facts) - counts[Carried.REFUSED])
    assert counts[Carried.CARRIED] > 2_600
    assert counts[Carried.REFUSED] < 20
    for rule in rules:
        RuleConfig.model_validate(rule)


def test_keys_that_do_not_fit_are_told() -> None:
    _, accounts = by_opennms(event("fanFailed", alarm=problem("%uei%:%nodeid%")), event("fanWell", "2", alarm=clear()))
    assert "has not as many varbinds" in accounts[1].why


def test_what_is_discarded_is_dropped() -> None:
    (rule,), _ = by_opennms(event("x", dest="discardtraps"))
    assert rule["drop"] is True


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"no xml", "x.xml:1: is no XML"),
        (xml(head='<!DOCTYPE x [<!ENTITY a "b">]>'), "has a document type"),
        (xml(head='<!DOCTYPE x SYSTEM "file:///etc/passwd">'), "has a document type"),
        (b"<a>" * 70, "is nested more than 64 deep"),
        (xml("<event>"), "is no XML"),
    ],
)
def test_hostile_xml_is_refused_in_one_sentence(data: bytes, why: str) -> None:
    with pytest.raises(XmlError, match=why):
        parse_xml(data, file="x.xml")


@given(st.binary(max_size=300))
def test_no_octets_break_the_xml_reader(data: bytes) -> None:
    for whole in (data, xml(event("x"))[: len(data)] + data):
        with contextlib.suppress(XmlError):
            assert isinstance(parse_xml(whole, file="x.xml"), list)


def test_the_command_tells_all_and_fails_without_definitions(tmp_path) -> None:
    (tmp_path / "x.xml").write_bytes(xml(event("x", alarm=problem()), event("x", "2")))
    shown = CliRunner().invoke(opennms_events, [str(tmp_path / "x.xml"), "--state-dir", str(tmp_path)])
    assert shown.stderr.splitlines()[-1] == "2 definitions: 1 carried, 1 changed, 0 refused; 2 rules"
    names = [rule["name"] for rule in tomllib.loads(shown.stdout)["rule"]]
    assert names == ["opennms-vendor-ACME-traps-x", "opennms-vendor-ACME-traps-x-2"]
    (tmp_path / "empty.xml").write_bytes(xml())
    assert (
        CliRunner().invoke(opennms_events, [str(tmp_path / "empty.xml"), "--state-dir", str(tmp_path)]).exit_code == 1
    )
    (tmp_path / "bad.xml").write_bytes(b"bad")
    assert CliRunner().invoke(opennms_events, [str(tmp_path / "bad.xml"), "--state-dir", str(tmp_path)]).exit_code == 1
