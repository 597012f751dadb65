"""Tests of a configuration: what holds, holds; what does not is one sentence with its place."""

import pytest

from gateway.config import load, rule_packs, shipped
from gateway.plugin import Secret
from gateway.rehearse import try_out

LINK = """
[[rule]]
name = "link"
condition = "linkDown"
set_condition = "link_down"
object = "{ifIndex}"
hold = "30s"
impact = "high"
"""


def story(*steps: str) -> str:
    return '[[test]]\nname = "t"\nstep = [\n' + ",\n".join(f"{{ {step} }}" for step in steps) + "\n]\n"


DOWN = 'trap = "linkDown", source = "r1", labels = { ifIndex = 7 }'
UP = 'trap = "linkUp", source = "r1", labels = { ifIndex = 7 }'


def texts(results):
    return [failure.text for result in results for failure in result.failures]


def test_a_hold_a_ticket_a_clear_and_the_end(played):
    results = played(
        LINK
        + story(
            f'{DOWN}, expect = {{ state = "pending", tickets = {{ local = "none" }} }}, calls = []',
            'at = "29s", expect = { state = "pending" }',
            'at = "30s", expect = { state = "open", rule = "link" }, calls = ["local open P2 open"]',
            f'at = "40s", {UP}, expect = {{ state = "resolved" }}',
            'at = "3h", expect = { state = "closed" }',
            'calls = ["local update resolved", "local comment: Cleared after 40 s", "local update closed"]',
        )
    )
    assert texts(results) == []
    assert results[0].reached == {"link", "ietf-link-up"}


def test_each_difference_is_a_sentence_with_file_line_and_time(played, tmp_path):
    (result,) = played(LINK + story(DOWN, 'at = "1m", expect = { state = "pending", impact = "low" }'))
    assert [str(failure).replace(f"{tmp_path}/", "") for failure in result.failures] == [
        'tocsin.toml:19: test "t" at 1m: incident link_down on r1 7 has state open, not pending',
        'tocsin.toml:19: test "t" at 1m: incident link_down on r1 7 has impact high, not low',
    ]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("expect = { incidents = 0 }", "1 incident has any facts, not 0; there are: link_down on r1 7 (open, P2)"),
        ('expect = { source = "r2" }', "there is no incident with source r2; there are: link_down on r1 7 (open, P2)"),
        ('expect = { tickets = { local = "none" } }', "incident link_down on r1 7 has its ticket open in local, not no ticket"),
        ('expect = { muted = ["wont_fix"] }', "incident link_down on r1 7 has muted by nothing, not wont_fix"),
        ('expect = { summary = "x" }', 'incident link_down on r1 7 has the summary "", without "x"'),
        ("expect = { occurrences = 2 }", "incident link_down on r1 7 has occurrences 1, not 2"),
    ],
)  # fmt: skip
def test_what_is_told_of_a_difference(played, step, said):
    assert texts(played(LINK + story(DOWN, f'at = "1m", {step}'))) == [said]


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ([], 'there was a call "local open P2 open: [P2] link_down on r1 7 '),
        (["local open P1"], 'call 1 to local was "local open P2 open: '),
        (["local open", "local comment"], 'there was no call "local comment"'),
    ],
)
def test_what_is_told_of_calls(played, calls, said):
    (told,) = texts(played(LINK + story(DOWN, f'at = "1m", calls = {calls}')))
    assert told.startswith(said)


def test_two_incidents_are_told_apart(played):
    other = DOWN.replace("7", "8")
    assert texts(played(LINK + story(DOWN, other, 'at = "1m", expect = { state = "open" }'))) == [
        (
            "2 incidents have any facts: say which by source or condition or object, or how many by incidents; "
            "there are: link_down on r1 7 (open, P2), link_down on r1 8 (open, P2)"
        )
    ]
    good = 'at = "1m", expect = [{ object = "8", state = "open" }, { incidents = 2, state = "open" }]'
    assert texts(played(LINK + story(DOWN, other, good))) == []


def test_a_storm_is_counted_and_spread_over_time(played):
    assert texts(played(LINK + story(f'{DOWN}, times = 100, every = "1s"', "expect = { occurrences = 100 }"))) == []


def test_what_must_be_raised_often_waits_until_it_is(played):
    often = LINK.replace('hold = "30s"', 'count = 3\nwithin = "10m"')
    results = played(
        often
        + story(
            f'{DOWN}, times = 2, every = "1m", expect = {{ state = "pending", occurrences = 2 }}, calls = []',
            f'at = "9m", {DOWN}, expect = {{ state = "open" }}, calls = ["local open P2 open"]',
        )
        + story(f'{DOWN}, times = 2, every = "6m"', 'at = "17m", expect = { state = "closed" }, calls = []').replace(
            '"t"', '"seldom"'
        )
    )
    assert texts(results) == []


def test_an_event_that_must_come_each_hour(played):
    expected = """
[[expect]]
name = "backup"
condition = "backupDone"
match = "source = nas"
schedule = "hourly"
[[rule]]
name = "backups"
condition = "backupDone"
drop = true
"""
    done = 'condition = "backupDone", source = "nas"'
    results = played(
        expected
        + story(
            f'{done}, at = "10m", times = 3, every = "1h", expect = {{ incidents = 0 }}',
            'at = "239m", expect = { incidents = 0 }',
            'at = "242m", expect = { source = "backup", condition = "event_missing", state = "open" }',
            f'{done}, at = "250m", expect = {{ source = "backup", state = "resolved" }}',
        )
    )
    assert texts(results) == []


def test_a_station_falls_silent_and_comes_back(played):
    results = played(
        story(
            'beat = "ok", source = "s1", times = 5, every = "1m"',
            'at = "5m30s", expect = { incidents = 0 }',
            'at = "6m", expect = { condition = "station_down", source = "s1", state = "open" }',
            'at = "8m", beat = "ok", source = "s1", times = 2, every = "1m", expect = { state = "resolved" }',
        )
    )
    assert texts(results) == []


def test_what_a_person_does_to_a_ticket_counts(played):
    results = played(
        LINK
        + story(
            DOWN,
            'at = "1m", person = "closes", source = "r1", expect = { muted = ["human_closed"], tickets = { local = "closed" } }',
            f'at = "2m", {DOWN}, calls = ["local open"]',
            f'at = "3m", {UP}, expect = {{ state = "resolved", muted = [] }}',
        )
    )
    assert texts(results) == []


def test_mails_of_people_and_of_machines(played):
    results = played(
        story(
            'mail = "Help", source = "carla@customer.example", expect = { condition = "mail", state = "open" }',
            'mail = "[PROBLEM] HTTP on web1 is CRITICAL!", labels = { machine = "monitoring" }, '
            'expect = { source = "web1", rule = "icinga-service-problem" }',
        )
    )
    assert texts(results) == []


def test_a_day_of_another_date_passes(played):
    results = played(
        LINK
        + '[[test]]\nname = "t"\nbegins = 2026-12-24T18:00:00+01:00\n[[test.step]]\n'
        + 'trap = "linkDown"\nsource = "r1"\n[[test.step]]\nat = "1d"\nexpect = { state = "open" }\n'
    )
    assert texts(results) == []


def test_the_same_test_ends_the_same_however_often_it_is_played(configured):
    config = configured(LINK + story(f'{DOWN}, times = 20, every = "7s"', 'at = "1h", calls = ["local open P2"]'))
    first = try_out(config, config.tests[0])
    assert [try_out(config, config.tests[0]) for _ in range(3)] == [first] * 3


CONFIGURATIONS = ["quickstart.toml", "tocsin.example.toml", *(f"tests/{pack}.toml" for pack in rule_packs())]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_what_is_shipped_passes_its_own_tests_and_they_reach_every_rule(name, installed):
    with Secret.unread():
        config = load(shipped("config", *name.split("/")), plugins=installed)
    results = [try_out(config, case) for case in config.tests]
    assert [str(failure) for result in results for failure in result.failures] == []
    packs = {str(path) for path in rule_packs().values()}
    own = [rule.name for rule in config.rules if name.startswith("tests/") or config.places[rule.name][0] not in packs]
    assert own
    assert set(own) - set().union(*(result.reached for result in results)) == set()


def test_a_rule_that_only_adds_and_one_that_drops_are_reached_too(played):
    more = '[[rule]]\nname = "adds"\ncontinue = true\nteam = "noc"\n[[rule]]\nname = "drops"\ncondition = "x"\ndrop = true\n'
    steps = (f'{DOWN}, expect = {{ team = "noc" }}', 'condition = "x", source = "r1", expect = { incidents = 1 }')
    (result,) = played(more + LINK + story(*steps))
    assert result.failures == ()
    assert result.reached == {"adds", "drops", "link"}
