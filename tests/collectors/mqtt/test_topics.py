"""Templates become filters and matchers."""

import pytest
from pydantic import ValidationError

from collectors.mqtt.config import MqttConfig
from collectors.mqtt.topics import Place, Template, about
from gateway.core.told import EntryKind


@pytest.mark.parametrize(
    ("template", "subscribed", "topic", "place"),
    [
        ("fleet/{site}/{station}/heartbeat", "fleet/+/+/heartbeat", "fleet/north/s1/heartbeat", Place("s1", "north")),
        ("fleet/{site}/{station}/heartbeat", "fleet/+/+/heartbeat", "fleet/north/s1/status", None),
        ("fleet/{site}/{station}/heartbeat", "fleet/+/+/heartbeat", "fleet//s1/heartbeat", None),
        ("fleet/{site}/{station}/heartbeat", "fleet/+/+/heartbeat", "fleet/a/b/c/heartbeat", None),
        ("tele/{station}/LWT", "tele/+/LWT", "tele/kitchen 1/LWT", Place("kitchen 1")),
        ("a/+/{station}/#", "a/+/+/#", "a//s1/x/y", Place("s1")),
        ("a.c/{station}", "a.c/+", "abc/s1", None),
        ("{station}", "+", "x" * 201, None),
        ("{station}", "+", "a\nb", None),
    ],
)
def test_a_template_subscribes_and_matches(template: str, subscribed: str, topic: str, place: Place | None) -> None:
    compiled = Template(template)
    assert compiled.filter == subscribed
    assert compiled.match(topic) == place


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("fleet/heartbeat", "exactly one"),
        ("{station}/{station}", "exactly one"),
        ("{site}/{site}/{station}", "twice"),
        ("{region}/{station}", "neither"),
        ("x{station}", "neither"),
        ("a+/{station}", "neither"),
        ("#/{station}", "neither"),
        ("$share/g/{station}", r"\$share"),
    ],
)
def test_what_cannot_be_subscribed_to_says_why(template: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Template(template)


def test_a_template_says_where_a_station_publishes() -> None:
    template = Template("fleet/{site}/{station}/heartbeat")
    assert template.fill(site="north", station="s1") == "fleet/north/s1/heartbeat"
    assert Template("tele/{station}").fill(site="north", station="s1") == "tele/s1"
    for station, site in (("a/b", "x"), ("s1", ""), ("", "x"), ("s\0", "x")):
        with pytest.raises(ValueError, match="no topic"):
            template.fill(station=station, site=site)


@pytest.mark.parametrize(
    ("text", "kind", "topic", "place"),
    [
        ("inv/{station}", EntryKind.STATION, "inv/s1", Place("s1")),
        ("inv/{site}/{station}/+", EntryKind.STATION, "inv/lyon/s1/x", Place("s1", "lyon")),
        ("inv/sources/{source}", EntryKind.SOURCE, "inv/sources/10.0.0.1", Place("10.0.0.1")),
        ("inv/{site}/{source}", EntryKind.SOURCE, "inv/lyon/10.0.0.1", Place("10.0.0.1", "lyon")),
        ("inv/sites/{site}", EntryKind.SITE, "inv/sites/lyon", Place("lyon")),
    ],
)
def test_a_topic_of_the_inventory_is_about_the_narrowest_that_it_names(text, kind, topic, place) -> None:
    assert about(text) is kind
    assert Template(text, about(text)).match(topic) == place


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("inv/+", r"\{station\}, \{source\} or \{site\}"),
        ("{station}/{source}", "neither"),
        ("{site}/{site}", "exactly one"),
    ],
)
def test_a_topic_of_the_inventory_that_is_about_nothing_or_two_says_so(text, why) -> None:
    with pytest.raises(ValidationError, match=why):
        MqttConfig(inventory_topics=[text])
