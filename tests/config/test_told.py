"""Entries that are told are examined like written ones, may say less, and never change what a file says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.compose import inventory_of, terms_of, watch_terms_of
from gateway.config.told import entry_of, joined
from gateway.core.told import EntryKind, Told
from gateway.plugin import EntryRefused

FILE = """
[daemon]
node = "gateway-1"

[[profile]]
name = "slow"
interval = "1h"

[[site]]
name = "lyon"
region = "rhone"
importance = "critical"

[[station]]
name = "s1"
site = "lyon"
interval = "30s"

[[source]]
name = "10.1.0.0/16"
site = "lyon"
"""


def told(kind: EntryKind, name: str, said: dict, **more: str) -> Told:
    return Told(kind=kind, name=name, said=said, place=f"inv/{name}", **more)


def station(name: str, /, **said) -> Told:
    return told(EntryKind.STATION, name, said)


def know(*entries: Told, config):
    return joined(config, [entry_of(one) for one in entries])


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (station("s2", intervall="30s"), 'inv/s2: intervall: unknown key; did you mean "interval"?'),
        (station("s2", interval=True, team=1), "inv/s2: "),
        (station("s2", importance="hgih"), "must be 'normal', 'high' or 'critical'"),
        (station("s2", interval="30s", schedule="0 3 * * *"), "remove interval, or schedule"),
        (station("s2", name="s3"), 'inv/s2: name: is "s2" by the topic; remove it, or publish to its own topic'),
        (told(EntryKind.STATION, "s2", {"site": "lyon"}, site="paris"), 'inv/s2: site: is "paris" by the topic'),
        (station("s2", profile="slwo"), 'inv/s2: profile: there is no profile "slwo"; did you mean "slow"?'),
        (station("s2", depends_on=["r1", "s2"]), "inv/s2: depends_on: names the entry itself; remove it"),
        (station("s2", ping_key="file:/etc/hostname"), "inv/s2: ping_key: is taken from a file only"),
        (station("s2", labels={"role": "a\nb"}), "inv/s2: labels.role: must be one line of printable text"),
        (station("s2", labels={"role": "\ud800"}), "inv/s2: labels.role: must be one line of printable text"),
        (station("s2", depends_on=["r\0"]), "inv/s2: depends_on: must be one line of printable text"),
        (station("s2", depends_on=[f"r{n}" for n in range(21)]), "must have at most 20 entries"),
        (told(EntryKind.SOURCE, "10.1.2.3", {"interval": "30s"}), "inv/10.1.2.3: interval: unknown key"),
        (told(EntryKind.SITE, "nice", {"site": "lyon"}), "inv/nice: site: unknown key"),
    ],
)
def test_a_bad_entry_is_one_sentence_with_topic_and_cure(entry, sentence):
    with pytest.raises(EntryRefused) as refused:
        entry_of(entry, profiles=["slow"])
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ["site", "region", "importance", "depends_on", "labels", "interval", "schedule", "zone", "grace"]
)


@given(st.dictionaries(MEMBERS | st.text(max_size=9), PLAIN, max_size=4), st.sampled_from(EntryKind))
def test_whatever_is_told_is_taken_or_refused_in_one_line(said, kind):
    outcome = _taken(told(kind, "x", said))
    assert outcome == "x" or (outcome.startswith("inv/x: ") and outcome.isprintable())


def _taken(entry: Told) -> str:
    """The entry's name, or why it was refused."""
    try:
        return entry_of(entry, profiles=[]).name
    except EntryRefused as error:
        return str(error)


def test_what_is_told_holds_for_names_that_no_file_has(loading):
    config = know(
        station("s2", site="lyon", interval="10s", depends_on=["r1"], labels={"role": "pump"}),
        told(EntryKind.SOURCE, "10.1.2.3", {"importance": "high", "owner": "ops"}),
        told(EntryKind.SITE, "nice", {"region": "riviera", "profile": "slow"}),
        config=loading.load(FILE),
    )
    inventory = inventory_of(config)
    assert inventory.look_up("s2").labels == {"site": "lyon", "region": "rhone", "role": "pump"}
    assert inventory.look_up("s2").steps == 2
    assert inventory.upstream("s2") == ("r1", "lyon", "rhone")
    assert inventory.look_up("10.1.2.3").labels == {"owner": "ops"}
    assert inventory.look_up("10.1.2.4").labels["site"] == "lyon"
    assert inventory.region("nice") == "riviera"
    assert terms_of(config)["s2"][0].interval_s == 10
    assert watch_terms_of(config, inventory).by_site["nice"].default_interval_s == 3600


@pytest.mark.parametrize("kind", EntryKind)
@pytest.mark.parametrize("name", ["s1", "lyon", "10.1.0.0/16", "gateway-1"])
def test_nothing_that_is_told_touches_a_name_of_the_files(loading, kind, name):
    config = loading.load(FILE)
    entry = told(kind, name, {"depends_on": ["elsewhere"], "importance": "normal", "region": "mars"})
    assert know(entry, config=config) == config


def test_a_site_lies_where_the_files_say_and_else_where_the_first_by_name_tells(loading):
    config = know(
        station("a", site="lyon", region="mars"),
        station("b", site="oslo", region="fjord"),
        station("c", site="oslo", region="mars"),
        config=loading.load(FILE),
    )
    inventory = inventory_of(config)
    assert inventory.region("lyon") == "rhone"
    assert [inventory.look_up(name).labels["region"] for name in "abc"] == ["rhone", "fjord", "fjord"]


def test_a_profile_that_a_reload_took_away_is_as_if_none_was_named(loading):
    entries = station("s2", profile="slow"), told(EntryKind.SITE, "nice", {"profile": "slow"})
    config = know(*entries, config=loading.load("[stations]\ninterval = '2m'\n"))
    assert terms_of(config)["s2"][0].default_interval_s == 120
    assert watch_terms_of(config, inventory_of(config)).by_site == {}
