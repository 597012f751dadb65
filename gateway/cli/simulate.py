"""``tocsin simulate``: a day of a fleet, in seconds."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import click
from pydantic import ValidationError

from gateway.cli.length import Length
from gateway.cli.options import config_option, json_option, say_json
from gateway.cli.tables import table
from gateway.config import ConfigError, Mistake, load
from gateway.config.document import read
from gateway.config.mistakes import mistakes_of
from gateway.config.types import Duration
from gateway.core.text import many
from gateway.plugin import Secret
from gateway.plugins import discover
from gateway.rehearse.simulation import Day, Hour, ScenarioConfig, misplaced, simulated, with_chance

NOTHING = "-"


@click.command()
@config_option
@click.argument("scenario", type=click.Path(path_type=Path), required=False)
@click.option("--lasts", type=Length(), help="How long; 1d unless SCENARIO says otherwise.")
@click.option("--sites", type=click.IntRange(1, 10_000), help="How many sites.")
@click.option("--stations", type=click.IntRange(0, 10_000), help="How many stations each has.")
@click.option("--interval", type=Length(), help="How often a station beats.")
@click.option("--seed", type=int, help="The same number tells the same day.")
@click.option("--outages", type=click.IntRange(0, 10_000), default=0, help="So many single stations fall silent, too.")
@click.option("--dark-sites", type=click.IntRange(0, 1000), default=0, help="So many whole sites fall silent, too.")
@click.option("--flapping", type=click.IntRange(0, 1000), default=0, help="So many ports flap, too.")
@json_option
def simulate(
    path: Path | None,
    scenario: Path | None,
    outages: int,
    dark_sites: int,
    flapping: int,
    *,
    as_json: bool,
    **given: int | Duration | None,
) -> None:
    """Play a day of a fleet under the configuration, on virtual time; say which incidents and tickets it makes by the hour.

    SCENARIO is a TOML file with the fleet and what befalls it; options say the rest, or all.
    """
    with Secret.unread():
        config = load(path, plugins=discover())
    wanted = {name: value for name, value in given.items() if value is not None}
    told = _scenario(scenario, wanted) if scenario else ScenarioConfig().model_copy(update=wanted)
    day = simulated(config, with_chance(told, outages=outages, dark_sites=dark_sites, flapping=flapping))
    if as_json:
        say_json(_document(day))
        return
    click.echo(table(("HOUR", "INCIDENTS", "TICKETS", "CALLS", "WHAT"), [_row(hour) for hour in day.hours]))
    tickets = ", ".join(f"{count} in {sink}" for sink, count in _tickets(day).items()) or "none"
    click.echo(f"\n{many(day.heard, 'input')}, {many(len(day.incidents), 'incident')}, tickets: {tickets}")


def _scenario(path: Path, wanted: Mapping[str, int | Duration]) -> ScenarioConfig:
    """The scenario of a file, with what options say ``wanted``."""
    document = read(path)
    if isinstance(document, Mistake):
        raise ConfigError([document])
    try:
        told = ScenarioConfig.model_validate(document.data).model_copy(update=dict(wanted))
    except ValidationError as error:
        found = mistakes_of(error, source=document.source, prefix=(), data=document.data, model=ScenarioConfig)
        raise ConfigError(found) from None
    astray = [document.source.mistake(at, text) for at, text in misplaced(told)]
    if astray:
        raise ConfigError(astray)
    return told


def _row(hour: Hour) -> tuple[object, ...]:
    what = ", ".join(f"{count} {condition}" for condition, count in hour.began.items())
    return (f"{hour.number:02}", hour.began.total() or NOTHING, hour.tickets.total() or NOTHING, hour.calls, what)


def _tickets(day: Day) -> Counter[str]:
    return sum((hour.tickets for hour in day.hours), Counter())


def _document(day: Day) -> dict[str, object]:
    return {
        "inputs": day.heard,
        "incidents": len(day.incidents),
        "tickets": _tickets(day),
        "calls": len(day.calls),
        "hours": [
            {"hour": hour.number, "incidents": hour.began, "tickets": hour.tickets, "calls": hour.calls}
            for hour in day.hours
        ],
    }
