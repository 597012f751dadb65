"""Whose policy a station is held to."""

from gateway.core.station import Policy, Station
from gateway.core.terms import Terms


def test_a_station_is_held_to_its_own_policy_then_its_sites_then_that_of_all() -> None:
    own, of_site, usual = (Policy(interval_s=seconds) for seconds in (10, 20, 30))
    terms = Terms(policy=usual, listed={"s1": (own, "lyon")}, by_site={"lyon": of_site})
    assert terms.policy_for("s1", "lyon") is own
    assert terms.policy_for("s2", "lyon") is of_site
    assert terms.policy_of(Station(station="s2", site="nice")) is usual
