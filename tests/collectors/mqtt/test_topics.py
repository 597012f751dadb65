"""Templates become filters and matchers."""

import pytest

from collectors.mqtt.topics import Place, Template


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
