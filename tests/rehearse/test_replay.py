"""What was heard is played again, and only what another configuration changes is told."""

from gateway.core.event import Event, EventKind
from gateway.core.record import Recorded
from gateway.rehearse.replay import differences, replayed
from gateway.rehearse.stage import START_MS

LINK = """
[[rule]]
name = "link"
condition = "linkDown"
set_condition = "link_down"
object = "{ifIndex}"
"""


def heard(at_s: float, condition: str, port: int, count: int = 1, **more) -> Recorded:
    at_ms = START_MS + round(at_s * 1000)
    event = Event(
        collector="snmp", source="r1", condition=condition, kind=EventKind.RAISE, at_ms=at_ms,
        labels={"ifIndex": str(port)}, **more,
    )  # fmt: skip
    return Recorded(event=event, first_ms=at_ms, last_ms=at_ms, count=count)


WEEK = [
    heard(0, "linkDown", 1),
    heard(20, "linkUp", 1),
    heard(100, "linkDown", 2, count=50),
    heard(86_400, "linkDown", 3),
    heard(86_500, "warmed", 4),
    heard(90_000, "linkUp", 3),
]


def test_the_same_configuration_differs_in_nothing(configured):
    config = configured(LINK)
    now, again = replayed(config, WEEK), replayed(config, WEEK)
    assert differences(now, again) == []
    assert now.calls == again.calls
    assert now.calls["local open"] == 4


def test_a_hold_a_drop_and_another_impact_are_told_with_the_tickets(configured):
    now = replayed(configured(LINK), WEEK)
    dropping = '[[rule]]\nname = "calm"\ncondition = "warmed"\ndrop = true\n'
    new = replayed(configured(LINK + 'hold = "30s"\nimpact = "high"\n' + dropping), WEEK)
    found = {(one.incident, one.what): dict(one.changes) for one in differences(now, new)}
    assert found[("warmed on r1", "gone")] == {}
    assert found["link_down on r1 1", "changed"]["ticket in local"] == ("closed", "none")
    assert found["link_down on r1 2", "changed"] == {"impact": ("medium", "high")}
    assert new.calls["local open"] == 2


def test_another_identity_is_one_incident_less_and_one_more(configured):
    now = replayed(configured(LINK), WEEK)
    new = replayed(configured(LINK.replace("{ifIndex}", "any")), WEEK)
    told = [(one.incident, one.what) for one in differences(now, new)]
    assert ("link_down on r1 2", "gone") in told
    assert ("link_down on r1 any", "new") in told


def test_nothing_heard_is_nothing_different(configured):
    config = configured(LINK)
    assert differences(replayed(config, []), replayed(config, [])) == []


def test_listed_stations_are_not_missed_in_a_replay(configured):
    station = '[[station]]\nname = "s1"\nmust_appear_within = "1m"\n'
    assert differences(replayed(configured(LINK), WEEK), replayed(configured(LINK + station), WEEK)) == []
