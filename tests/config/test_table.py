"""A spreadsheet keeps the inventory: its rows are entries, and its mistakes have lines."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.compose import inventory_of, terms_of, watch_terms_of
from gateway.config.mistakes import Mistake
from gateway.config.table import parse_table
from gateway.core.inventory import Inventory

FLEET = """\
kind,name,site,region,importance,contract,owner,depends_on,interval,must_appear_within,labels.role
site,lyon,,rhone,high,gold,City of Lyon,uplink-lyon,,,
,s1,lyon,,,,,switch-3 switch-4,30,10m,pump

,s2,lyon,,critical,,us,,1m,,
source,10.2.0.0/16,lyon,,,,,,,,"core, edge"
"""


def test_a_table_is_read_as_the_same_entries_in_toml_would_be(loading):
    loading.write(FLEET, "fleet.csv")
    config = loading.load("include = ['fleet.csv']\n")
    first, second = config.station
    assert (first.name, first.depends_on, first.interval.seconds) == ("s1", ("switch-3", "switch-4"), 30)
    assert (first.must_appear_within.seconds, second.interval.seconds) == (600, 60)
    assert (config.site[0].owner, config.source[0].labels) == ("City of Lyon", {"role": "core, edge"})
    inventory = inventory_of(config)
    known = inventory.look_up("s1")
    assert (known.steps, known.labels["contract"], known.labels["role"]) == (1, "gold", "pump")
    assert inventory.look_up("s2").labels["owner"] == "us"
    assert inventory.look_up("10.2.3.4").labels["region"] == "rhone"
    assert inventory.upstream("s1") == ("switch-3", "switch-4", "lyon", "rhone", "uplink-lyon")
    assert terms_of(config)["s1"][1] == "lyon"


def test_a_site_that_only_stations_speak_of_lies_in_their_region(loading):
    loading.write("name;site;region\ns1;lyon;rhone\ns2;lyon;\n", "fleet.csv")
    inventory = inventory_of(loading.load("include = ['*.csv']\n"))
    assert inventory.region("lyon") == "rhone"
    assert inventory.look_up("s2").labels == {"site": "lyon", "region": "rhone"}


PROFILES = """
[stations]
profile = "usual"
grace = "20s"
[[profile]]
name = "usual"
interval = "2m"
[[profile]]
name = "meters"
interval = "learned"
learn_beats = 4
interval_most = "1h"
[[profile]]
name = "nightly"
schedule = "0 3 * * *"
zone = "Europe/Paris"
grace = "2h"
[[site]]
name = "lyon"
profile = "meters"
[[station]]
name = "of-its-site"
site = "lyon"
[[station]]
name = "backup"
site = "lyon"
profile = "nightly"
[[station]]
name = "own"
profile = "nightly"
interval = "5m"
grace = "1m"
"""


def test_a_station_is_held_to_its_own_entry_then_its_profile_then_its_sites_then_the_usual(loading):
    terms = watch_terms_of(loading.load(PROFILES), Inventory({}))
    usual, lyon = terms.policy, terms.by_site["lyon"]
    assert (usual.default_interval_s, usual.learns, usual.grace(120)) == (120, False, 20)
    assert (lyon.default_interval_s, lyon.learns, lyon.learn_gaps, lyon.most_interval_s) == (60, True, 4, 3600)
    found = {name: policy for name, (policy, _site) in terms.listed.items()}
    assert found["of-its-site"] == lyon
    assert (str(found["backup"].schedule), found["backup"].grace_s) == ("0 3 * * * Europe/Paris", 7200)
    assert (found["own"].schedule, found["own"].interval_s, found["own"].grace_s) == (None, 300, 60)


def test_a_station_and_a_source_of_one_name_add_up(loading):
    config = loading.load(
        "[[source]]\nname = 's1'\nteam = 'noc'\ndepends_on = 'r1'\n[[station]]\nname = 's1'\ncontract = 'gold'\n"
    )
    known = inventory_of(config).look_up("s1")
    assert (known.team, known.labels, known.depends_on) == ("noc", {"contract": "gold"}, ("r1",))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("", "fleet.csv:1: has no column name; the first row names the columns"),
        ("site\nlyon\n", "fleet.csv:1: has no column name"),
        ("name,site,site\n", 'fleet.csv:1: has the column "site" twice; keep one'),
        ("name,site\ns1,lyon\ns2,lyon,x\n", "fleet.csv:3: has 3 cells for 2 columns; quote cells"),
        ("kind,name\nstation,s1\nsiet,s2\n", 'fleet.csv:3: kind: there is no kind "siet"; did you mean "site"?'),
        ("kind,name\nrule,s1\n", 'fleet.csv:2: kind: there is no kind "rule"; known here: site, source, station'),
        ('name\n"s1\n', "fleet.csv:2: is not valid CSV: unexpected end of data; correct the quotes of the row"),
        ("name,intervall\ns1,\ns2,5m\n", 'fleet.csv:3: station "s2": intervall: unknown key; did you mean "interval"?'),
        ('name,interval\n"s1\n",5m\ns2,soon\n', 'fleet.csv:4: station "s2": interval: must be a duration such as'),
        ("name\ns1\n\ns1\n", 'fleet.csv:4: station "s1": name: the name is taken by fleet.csv:2; choose another'),
        ("name,site\n,lyon\n", "fleet.csv:2: station[1]: name: is required: add it"),
    ],
)
def test_each_mistake_of_a_table_names_its_line_and_cure(loading, table, sentence):
    loading.write(table, "fleet.csv")
    (said,) = loading.mistakes("include = ['fleet.csv']\n")
    assert said.startswith(sentence)


def test_a_table_in_another_encoding_or_absent_is_one_sentence(loading):
    (loading.folder / "fleet.csv").write_bytes("name,owner\ns1,Müller\n".encode("latin-1"))
    assert "fleet.csv:2: is not UTF-8" in loading.mistakes("include = ['fleet.csv']\n")[0]
    assert "other.csv: there is no such file; correct its path" in loading.mistakes("include = ['other.csv']\n")[0]


@given(st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=4), max_size=6))
def test_any_table_is_entries_or_one_sentence(rows):
    text = io.StringIO()
    csv.writer(text).writerows([["name", "labels.a", "owner", "interval"], *rows])
    found = parse_table(text.getvalue(), name="fleet.csv")
    if isinstance(found, Mistake):
        assert found.line > 0
    else:
        assert sum(map(len, found.data.values())) == len(found.source.lines)
