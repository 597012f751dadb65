"""Every mistake is one sentence with file, line, key and cure, and all are told at once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.document import parse
from gateway.config.mistakes import Mistake


def test_ten_mistakes_are_ten_sentences_in_the_order_of_the_file(loading):
    loading.write("[[rule]]\nname = 'far'\nimpact = 'hgih'\n", "more.toml")
    said = loading.mistakes(
        """include = ["more.toml"]
rule_packs = []
colour = 1
[daemon]
drain_s = 1000
log_format = "jsn"
[http]
lisen = "127.0.0.1:1"
listen = "localhost"
[tickets]
default_sinks = ["papper"]
[collectors.bell]
limits.rate = "fast"
[sinks.paper]
[[rule]]
name = "one"
match = ["subject =~ \\"(\\""]
hold = "5 minutes"
[[rule]]
name = "one"
sinks = ["papyrus"]
""",
        packs="",
    )
    assert said == [
        'tocsin.toml:3: colour: unknown key; did you mean "collectors"?',
        "tocsin.toml:5: daemon.drain_s: must be at most 300, not 1000",
        "tocsin.toml:6: daemon.log_format: must be 'auto', 'console' or 'json', not \"jsn\"; did you mean \"json\"?",
        'tocsin.toml:8: http.lisen: unknown key; did you mean "listen"?',
        'tocsin.toml:9: http.listen: must be an IP address and a port such as "127.0.0.1:9464", "0.0.0.0:9464" or "[::1]:9464"',
        'tocsin.toml:11: tickets.default_sinks[1]: there is no sink "papper"; did you mean "paper"?',
        'tocsin.toml:13: collectors.bell.limits.rate: must be a whole number, not "fast"',
        "tocsin.toml:14: sinks.paper.url: is required: add it (Where the tracker is)",
        "tocsin.toml:17: rule \"one\": match[1]: the regular expression '(' is not RE2: missing ): (",
        'tocsin.toml:18: rule "one": hold: must be a duration such as "90s", "5m", "2h", "1d", or a number of seconds',
        'tocsin.toml:20: rule "one": name: the name is taken by tocsin.toml:15; choose another',
        'tocsin.toml:21: rule "one": sinks: there is no sink "papyrus"; did you mean "paper"?',
        "more.toml:3: rule \"far\": impact: must be 'critical', 'high', 'medium' or 'low', not \"hgih\"; did you mean \"high\"?",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[flapping]\nbelow=40", "flapping: below must be less than above"),
        ("[storm]\nsource_low=300", "storm: source_low must not be more than source_high; lower it"),
        ("[[group]]\nname='g'\nby=[]", 'group "g": by: '),
        ("[[rule]]\nname='r'\nsummary='{nope'", '"{nope" has no end: write {field}, as in "{source} is down"'),
        ("[[rule]]\nname='r'\nobject='{a} {b {c}'", '"{b " has no end'),
        ("[[inhibit]]\nname='i'\nsource='x'\ntarget='a = b'", "'x' is no matcher"),
        ("[[maintenance]]\nname='w'\nduration='1h'", 'maintenance "w": start is missing: say when it begins, or name a calendar'),
        ("[[maintenance]]\nname='w'\nstart='2026-12-01T22:00'", 'maintenance "w": duration is missing: say how long it lasts'),
        (
            "[[maintenance]]\nname='w'\nstart='2026-12-01T22:00'\nical='a.ics'",
            'maintenance "w": the calendar says when: remove start',
        ),
        ("[[maintenance]]\nname='w'\nstart='soon'", 'maintenance "w": start: must be a local date and time'),
        ("[[maintenance]]\nname='w'\nzone='Lyon'", 'maintenance "w": zone: "Lyon" is no time zone; write one'),
        ("[[maintenance]]\nname='w'\nrrule='FREQ=MINUTELY'", "is no recurrence rule of RFC 5545 (it recurs more often"),
        ("[[maintenance]]\nname='w'\nrrule='DAILY'", "is no recurrence rule of RFC 5545"),
        ("rule_packs = ['no']", 'rule_packs[1]: there is no shipped rule pack "no"'),
        ("rule_packs = 'ietf'", 'rule_packs: must be a list of texts: rule_packs = ["..."]'),
        ("include = ['x/*.toml']", 'include[1]: "x/*.toml" names no file under'),
        ("include = ['none.toml']", "none.toml: there is no such file"),
        ("daemon = 3", "daemon: must be a table, not 3"),
        ("collectors = 3", "collectors: must be tables: [collectors.NAME]"),
        ("[collectors]\nbell = 3", "collectors.bell: must be a table: [collectors.bell]"),
        ('[collectors."a b"]\ntype = "bell"', 'collectors."a b": is no name; use up to 64 letters, digits, - and _'),
        ("[collectors.bel]", 'there is no plugin "bel" (name one with type = "..."); did you mean "bell"?'),
        ("[collectors.x]\ntype = 7", 'collectors.x.type: there is no plugin "7"'),
        ("[collectors.bell]\nenabled = 1", "collectors.bell.enabled: must be true or false"),
        ("[rule]\nname = 'x'", "rule: must be an array of tables: [[rule]]"),
        ("[[rule]]\nmatch = 'a = b'", "rule[1]: name: is required: add it (Its name, unique among all rules"),
        ("[[rule]]\nname = 'group'", '"group" is a rule of our own; name it otherwise'),
        ("[[rule]]\nname = 'default'", '"default" is what no rule matches; name it otherwise'),
        ("[[rule]]\nname = ' '", "must not be empty; give it a name"),
        ("[[rule]]\nname = 'x'\nproceed = true", "unknown key"),
        ("[[rule]]\nname = 'x'\ndrop = true\ncontinue = true", "a rule that drops ends the search; remove continue or drop"),
        ("[[rule]]\nname = 'x'\ncollector = 'bel'", 'there is no collector "bel"; did you mean "bell"?'),
        ("[[rule]]\nname = 'x'\nsinks = ['x']", 'there is no sink "x"; add [sinks.x]'),
        ("[[rule]]\nname = 'x'\nimpact_after = {'2 h' = 'high'}", "impact_after: 2 h: must be a duration"),
        ("[[rule]]\nname = 'x'\nimpact_by = {s = {A = 'big'}}", "impact_by.s.A: must be 'critical'"),
        ("[[rule]]\nname = 'x'\nhold = '31d'", "hold: must be between 0s and 30d, not 4w3d"),
        ("[[rule]]\nname = 'x'\ncount = 3", 'rule "x": count and within go together: add within'),
        ("[[rule]]\nname = 'x'\ncounting = 'interval'", "counting says how count is meant: add count and within"),
        ("[[rule]]\nname = 'x'\ncount = 1\nwithin = '1m'", "count: must be at least 2, not 1"),
        ("[[source]]\nname = '10.0.0.1/8'", 'source "10.0.0.1/8": name: "10.0.0.1/8" is not a network; did you mean "10.0.0.0/8"?'),
        ("[[source]]\nname = 'a'\n[[source]]\nname = 'a'", "the name is taken by tocsin.toml:2; choose another"),
        ("[[site]]\nname = 'lyon'\ndepends_on = 'core lyon'", 'site "lyon": depends_on: names the entry itself; remove it'),
        ("[[station]]\nname = 's'\ndepends_on = 3", 'station "s": depends_on: must be a list ([...])'),
        (
            "[[site]]\nname = 'lyon'\nregion = 'east'\n[[station]]\nname = 's'\nsite = 'lyon'\nregion = 'west'",
            'station "s": region: the site "lyon" lies in "east" by tocsin.toml:2; correct one of the two',
        ),
        ("[stations]\nprofile = 'x'", 'stations.profile: there is no profile "x"; add [[profile]] with that name'),
        (
            "[[profile]]\nname = 'nightly'\n[[station]]\nname = 's'\nprofile = 'nightli'",
            'station "s": profile: there is no profile "nightli"; did you mean "nightly"?',
        ),
        ("[[profile]]\nname = 'p'\nschedule = '0 25 * * *'", 'schedule: "0 25 * * *" is no cron expression: Bad hour'),
        ("[[profile]]\nname = 'p'\nschedule = '2001-01-01'", 'schedule: "2001-01-01" never comes; correct the date'),
        ("[[station]]\nname = 's'\nzone = 'Mars/Base'", '"Mars/Base" is no time zone; write one such as'),
        ("[[station]]\nname = 's'\nzone = 'Asia/Tokyo'", "zone is that of a schedule, and there is none: add schedule"),
        (
            "[[station]]\nname = 's'\ninterval = '1h'\nschedule = 'daily'",
            'station "s": schedule says when beats are due: remove interval, or schedule',
        ),
        ("[[threshold]]\nname = 't'\nraise = 'battery = low'", "raise: must compare with a number (< <= > >=), such as"),
        ("[[threshold]]\nname = 'station_down'\nraise = 'a < 1'", "name: is the condition of something else; choose"),
        ("[[threshold]]\nname = 't'\nraise = 'a < 1'\nclear = 'b > 2'", "clear must be about a, as raise is"),
        ("[[threshold]]\nname = 't'\nraise = 'a < 5'\nclear = 'a < 2'", "clear must not hold where raise holds"),
        ("[[threshold]]\nname = 't'\nraise = 'a < 5'\nclear = 'a > 2'", "clear must not hold where raise holds"),
        ("[[expect]]\nname = 'e'\nschedule = 'daily'", 'expect "e": says of no event that it is expected: add condition'),
        ("[[expect]]\nname = 'e'\ncondition = 'a'", 'expect "e": schedule: is required: add it'),
        (
            "[[expect]]\nname = 'e'\nschedule = 'daily'\ncollector = 'bel'",
            'expect "e": collector: there is no collector "bel"; did you mean "bell"?',
        ),
        ("[[profile]]\nname = 'p'\ninterval_least = '2d'", "interval_least must not be more than interval_most"),
        ("[collectors.bell]\n[sinks.bell]\ntype = 'paper'\nurl = 'x'", "sinks.bell: the name is taken by collectors.bell"),
        ("[http]\npublic_url = 'tocsin.example'", 'must be a web address that begins with "https://"'),
        ("[http]\ntoken = 'env:TOCSIN_TEST_UNSET'", "http.token: the environment variable TOCSIN_TEST_UNSET is not set"),
        (
            "[collectors.bell]\n[collectors.door]\ntype = 'bell'\nlisten = '0.0.0.0:4000'",
            "collectors.door.listen: 0.0.0.0:4000 is taken by collectors.bell; choose another port",
        ),
    ],
)  # fmt: skip
def test_each_mistake_names_its_cure(loading, text, sentence):
    said = loading.mistakes(text + "\n", packs="" if "rule_packs" in text else "rule_packs = []\n")
    assert len(said) == 1
    assert sentence in said[0]
    assert "\n" not in said[0]


def test_a_secret_written_as_a_value_is_not_repeated(loading):
    said = loading.mistakes(
        "[collectors.bell]\ncommunity = 'hunter2'\nnames = 'hunter2'\ntoken_of_mine = 'hunter2'\npassword_rounds = 'hunter2'\n"
    )
    assert len(said) == 4
    assert "hunter2" not in said[0] + said[2] + said[3]
    assert said[3].endswith("password_rounds: must be a whole number")
    assert "a secret is given by reference, never by value: write env:NAME" in said[0]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x" * 100_000])
def test_a_file_that_holds_no_secret_is_told_by_its_name(loading, tmp_path, content):
    path = Path("/dev/zero")  # which has no end
    if content is not None:
        path = tmp_path / "secret"
        path.write_bytes(content)
    (said,) = loading.mistakes(f"[collectors.bell]\ncommunity = 'file:{path}'\n")
    assert (
        f"the file {path.relative_to(tmp_path) if content else path} cannot be read, is empty, or is no secret" in said
    )


def test_a_plugin_of_unknown_type_is_told_once(loading):
    said = loading.mistakes("[sinks.desk]\ntype = 'papr'\n[tickets]\ndefault_sinks = ['desk']\n")
    assert said == [
        'tocsin.toml:3: sinks.desk.type: there is no plugin "papr" (name one with type = "..."); did you mean "paper"?'
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = 1\nb = \n", "t.toml:2: is not valid TOML: invalid value at column 5; write text in quotes"),
        ("a = 1\na = 2\n", "t.toml:2: is not valid TOML: cannot overwrite a value"),
        ("a 1\n", "t.toml:1: is not valid TOML: expected '=' after a key"),
        ("a = [1,\n", "t.toml:1: is not valid TOML: "),
        ("a = " + "[" * 5000, "t.toml: is nested too deeply"),
        ("a = 2026-99-99\n", "t.toml"),
    ],
)
def test_a_syntax_error_is_one_sentence(text, sentence):
    said = parse(text, name="t.toml")
    assert isinstance(said, Mistake)
    assert str(said).startswith(sentence)


def test_a_file_that_is_not_utf8_names_the_line(loading):
    path = loading.write("")
    path.write_bytes(b"a = 1\n# \xe9\n")
    from gateway.config.document import read

    assert str(read(path)).endswith("tocsin.toml:2: is not UTF-8; save the file in that encoding")


def test_control_characters_do_not_reach_the_terminal():
    assert "\x1b" not in str(Mistake("f\x1b[31m", 1, "k", "t\n\u202e"))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
)
SECTIONS = [
    "daemon",
    "http",
    "tickets",
    "stations",
    "station",
    "source",
    "rule",
    "collectors",
    "sinks",
    "include",
    "rule_packs",
]


@given(
    st.sampled_from(SECTIONS),
    st.sampled_from(["name", "listen", "match", "impact_by", "sinks", "bell", "hold", "condition"]),
    trees,
)
def test_no_tree_of_values_gets_past_as_anything_but_mistakes(section, key, tree):
    """The loader itself never fails, whatever stands in the file."""
    from gateway.config.document import Document
    from gateway.config.load import ENTRIES, SECTIONS, _Loader
    from gateway.config.mistakes import Source
    from gateway.plugins import Plugins

    loader = _Loader(Plugins(collectors={}, sinks={}))
    for data in ({section: tree}, {section: {key: tree}}, {section: [{key: tree}]}):
        document = Document(data, Source("t.toml", {}))
        loader._refuse_unknown(document, [*SECTIONS, *ENTRIES])
        for name, model in SECTIONS.items():
            loader._section(document, name, model)
        loader._take_entries(document)
        loader._instances(document, "collectors", {})
        loader._texts(document, "rule_packs", ())
    assert all("\n" not in str(mistake) for mistake in loader._mistakes)
