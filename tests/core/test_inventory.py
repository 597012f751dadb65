"""What an entry leaves open its site says; what rests on what is followed to its end, and no further."""

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.impact import Impact
from gateway.core.inventory import MOST_UPSTREAM, Inventory, Known
from gateway.core.judge import Judge
from gateway.core.rules import Rulebook, Setting

LYON = Known(
    steps=2,
    team="south",
    labels={"region": "rhone", "contract": "gold", "owner": "City of Lyon"},
    depends_on=("uplink-lyon",),
)


def known(**labels: str) -> Known:
    return Known(labels=labels)


def test_the_memories_are_bounded_and_what_is_forgotten_is_found_again() -> None:
    inventory = Inventory(
        {f"10.0.0.{n}": Known(depends_on=(f"router-{n}",)) for n in range(3)},
        [(ip_network("10.0.0.0/8"), Known(steps=1))],
        most_remembered=2,
    )
    for _ in range(2):
        for n in range(5):
            assert inventory.look_up(f"10.0.0.{n}") is not None
            assert inventory.upstream(f"10.0.0.{n}") == ((f"router-{n}",) if n < 3 else ())
            assert len(inventory._found) <= 2
            assert len(inventory._upstream) <= 2


def test_a_station_has_what_its_site_has_unless_it_says_otherwise() -> None:
    inventory = Inventory({"s1": Known(steps=0, labels={"site": "lyon", "owner": "us"})}, sites={"lyon": LYON})
    found = inventory.look_up("s1")
    assert found == Known(
        steps=0,
        team="south",
        labels={"site": "lyon", "owner": "us", "region": "rhone", "contract": "gold"},
    )


def test_a_station_that_is_not_listed_has_what_the_site_of_its_topic_has() -> None:
    inventory = Inventory({}, sites={"lyon": LYON})
    found = inventory.look_up("s9", "lyon")
    assert found is not None
    assert (found.steps, found.team, found.labels, found.depends_on) == (2, "south", LYON.labels, ())
    assert inventory.look_up("s9", "nowhere") is None
    assert inventory.look_up("lyon") == LYON  # a site is a source, too
    assert (inventory.region("lyon"), inventory.region("nowhere")) == ("rhone", "")


def test_the_entry_of_the_station_wins_over_the_site_that_the_topic_says() -> None:
    inventory = Inventory({"s1": known(site="paris")}, sites={"lyon": LYON, "paris": known(region="ile")})
    found = inventory.look_up("s1", "lyon")
    assert found is not None
    assert found.labels == {"site": "paris", "region": "ile"}


def test_a_networks_entry_has_a_site_too() -> None:
    inventory = Inventory({}, [(ip_network("10.0.0.0/8"), known(site="lyon"))], sites={"lyon": LYON})
    found = inventory.look_up("10.1.2.3")
    assert found is not None
    assert found.labels["contract"] == "gold"


def test_what_a_source_rests_on_is_followed_nearest_first() -> None:
    inventory = Inventory(
        {
            "s1": Known(labels={"site": "lyon"}, depends_on=("switch-3",)),
            "switch-3": Known(depends_on=("router-1",)),
            "uplink-lyon": Known(depends_on=("backbone",)),
        },
        sites={"lyon": LYON},
    )
    assert inventory.upstream("s1") == ("switch-3", "lyon", "rhone", "router-1", "uplink-lyon", "backbone")
    assert inventory.upstream("s9", "lyon") == ("lyon", "rhone", "uplink-lyon", "backbone")
    assert inventory.upstream("lyon") == ("uplink-lyon", "rhone", "backbone")
    assert inventory.upstream("stranger") == ()


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"), max_size=4).map(tuple)))
def test_cycles_end_and_nothing_rests_on_itself(depends_on: dict[str, tuple[str, ...]]) -> None:
    inventory = Inventory({name: Known(depends_on=names) for name, names in depends_on.items()})
    for name, names in depends_on.items():
        found = inventory.upstream(name)
        assert name not in found
        assert len(set(found)) == len(found)
        assert set(names) - {name} <= set(found)


def test_a_source_rests_on_a_bounded_number() -> None:
    inventory = Inventory({"s": Known(depends_on=tuple(f"r{n}" for n in range(MOST_UPSTREAM + 9)))})
    assert len(inventory.upstream("s")) == MOST_UPSTREAM


def test_a_sites_importance_makes_the_incidents_of_all_its_sources_graver(say) -> None:
    book = Rulebook([], defaults=Setting(impact=Impact.LOW))
    judge = Judge(book, Inventory({"s2": Known(steps=0)}, sites={"lyon": LYON}))
    event, verdict = judge.judge(say.event(source="s1", labels={"site": "lyon"}))
    assert (verdict.impact, verdict.team, event.labels["contract"]) == (Impact.HIGH, "south", "gold")
    assert judge.judge(say.event(source="s2", labels={"site": "lyon"}))[1].impact is Impact.LOW
