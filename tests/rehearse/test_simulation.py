"""A simulated hour has the troubles of its scenario, and no other."""

from collections import Counter

import pytest

from gateway.rehearse.simulation import FlappingConfig, OutageConfig, ScenarioConfig, simulated, with_chance

SMALL = ScenarioConfig(lasts="1h", sites=2, stations=5, interval="1m")


def of(**more):
    return ScenarioConfig.model_validate({**SMALL.model_dump(), **more})


def conditions(day):
    return Counter(one["condition"] for one in day.incidents)


def test_a_calm_hour_has_no_incident(configured):
    day = simulated(configured(""), SMALL)
    assert (day.heard, day.incidents, day.calls) == (10 * 60, [], [])


def test_what_falls_silent_is_down_and_comes_back(configured):
    outage = OutageConfig(at="10m", lasts="10m", station="site-1-003")
    day = simulated(configured(""), of(outage=[outage]))
    (one,) = day.incidents
    assert (one["source"], one["state"]) == ("site-1-003", "resolved")
    assert day.hours[0].began == {"station_down": 1}
    assert day.hours[0].tickets == {"local": 1}


def test_a_dark_site_and_a_flapping_port(configured):
    flapping = FlappingConfig(at="5m", lasts="10m", every="1m")
    day = simulated(configured(""), of(outage=[OutageConfig(at="10m", site="site-2")], flapping=[flapping]))
    assert conditions(day) == {"site_down": 1, "link_down": 1}
    assert day.heard == 10 * 60 - 5 * 30 + 20


def test_the_same_seed_tells_the_same_day_and_another_another(configured):
    config = configured("")
    days = [simulated(config, with_chance(of(seed=seed), outages=2, dark_sites=0, flapping=1)) for seed in (1, 1, 2)]
    told = [[(call.at_ms, call.kind) for call in day.calls] for day in days]
    assert told[0] == told[1] != told[2]


def test_the_command_tells_hours_and_takes_a_scenario(command, tmp_path):
    scenario = tmp_path / "hour.toml"
    scenario.write_text('lasts = "30m"\nsites = 1\nstations = 2\n[[outage]]\nat = "5m"\nsite = "site-1"\n')
    shown = command("simulate", str(scenario))
    assert shown.exit_code == 0
    assert "2 incidents, tickets: 2 in local" in shown.stdout
    assert [line.split()[:2] for line in shown.stdout.splitlines() if line.startswith("00")] == [["00", "2"]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("site = 1\n", 'h.toml:1: site: unknown key; did you mean "sites"?'),
        ('[[outage]]\nat = "1m"\nlast = "1m"\n', 'h.toml:3: outage[1].last: unknown key; did you mean "lasts"?'),
        (
            'sites = 3\n[[outage]]\nat = "1m"\nsite = "lyon"\n',
            'h.toml:4: outage[1].site: there is no site "lyon"; they are site-1 to site-3',
        ),
        (
            'stations = 4\n[[outage]]\nat = "1m"\nstation = "site-1-005"\n',
            'h.toml:4: outage[1].station: there is no station "site-1-005"; each site has 4, named as in site-1-001',
        ),
        (
            '[[outage]]\nat = "1m"\n',
            'h.toml:1: outage[1]: falls silent nowhere: add site = "site-1", station = "site-1-001" or stations = 3',
        ),
        (
            'lasts = "1h"\n[[outage]]\nat = "61m"\nstations = 1\n',
            "h.toml:3: outage[1].at: 1h1m is after the end; let it be earlier, or the scenario last longer than 1h",
        ),
        (
            'lasts = "1h"\n[[flapping]]\nat = "1h"\n',
            "h.toml:3: flapping[1].at: 1h is after the end; let it be earlier, or the scenario last longer than 1h",
        ),
    ],
)
def test_a_mistake_in_a_scenario_is_told_as_everywhere(command, tmp_path, text, said):
    (tmp_path / "h.toml").write_text(text)
    shown = command("simulate", str(tmp_path / "h.toml"))
    assert shown.exit_code == 78
    assert shown.stderr.replace(f"{tmp_path}/", "").strip() == said
