"""The simulated fleet tells its story through real sockets, and the daemon hears it."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from collectors.snmp import codec
from collectors.snmp.names import standard
from collectors.snmp.translate import to_event
from gateway.app import App, running
from gateway.cli.fleet import LINK_DOWN, LINK_UP, SITES, STATIONS_PER_SITE, Fleet, Ports, trap_datagram
from gateway.config import load, quick_start_file
from gateway.plugins import discover
from tests.ports import free_port

HASTE = 60.0
"""A round of two minutes takes two seconds."""
WANTED = {
    ("link_down", "resolved"),
    ("service_problem", "resolved"),
    ("zabbix_problem", "resolved"),
    ("station_fault", "resolved"),
    ("mail", "open"),
}


def told_of_a_round(seed: int) -> list[tuple[float, list[object]]]:
    """When each act of the first round comes, and whom it concerns."""
    story = Fleet(seed=seed, ports=Ports(), say=lambda _: None)._story()
    return [
        (at_s, [cell.cell_contents for cell in act.__closure__ if not isinstance(cell.cell_contents, Fleet)])
        for at_s, act in story
    ]


@pytest.mark.parametrize(("trap", "name"), [(LINK_DOWN, "linkDown"), (LINK_UP, "linkUp")])
def test_the_trap_of_a_router_says_which_port(trap, name):
    message = codec.decode_message(trap_datagram(trap, 7), limits=codec.Limits())
    assert message.community == b"public"
    event = to_event(message.pdu, address="127.0.1.1", names=standard(), at_ms=0, collector="snmp")
    assert (event.condition, event.labels["ifIndex"], event.labels["ifDescr"]) == (name, "7", "ge-0/0/7")


def test_every_station_has_a_name_of_its_own_and_says_how_often_it_beats():
    stations = Fleet(seed=1, ports=Ports(), say=lambda _: None).stations
    assert len({station.name for station in stations}) == len(stations) == len(SITES) * STATIONS_PER_SITE
    assert stations[0].payload == '{"status":"ok","seq":0,"interval":5}'


async def seen(app: App, wanted: set[tuple[str, str]], *, repeats: int) -> list[dict[str, Any]]:
    """All incidents, once every condition is in the state wanted and one was raised ``repeats`` times."""
    while True:
        items = (await app.store.reader.incidents(limit=100)).items
        found = {(item["condition"], item["state"]) for item in items}
        if wanted <= found and any(item["occurrences"] >= repeats for item in items):
            return items
        await asyncio.sleep(0.05)


@pytest.fixture
def quick_start(tmp_path: Path) -> tuple[Path, Ports]:
    """The quick start's configuration on ports that are free."""
    pytest.importorskip("iotcore", reason="the extra 'broker' is not installed")
    http, snmp, mqtt, smtp = (free_port() for _ in range(4))
    text = quick_start_file().read_text("utf-8")
    for given, instead in (("9464", http), ("1162", snmp), ("1883", mqtt), ("2525", smtp)):
        text = re.sub(rf"127\.0\.0\.1:{given}", f"127.0.0.1:{instead}", text)
    file = tmp_path / "tocsin.toml"
    file.write_text(text, encoding="utf-8")
    return file, Ports(snmp=snmp, mqtt=mqtt, smtp=smtp)


async def test_the_daemon_hears_the_whole_story(quick_start, tmp_path):
    file, ports = quick_start
    said: list[str] = []
    config = load(file, plugins=discover())
    async with asyncio.timeout(60), running(config, state_dir=tmp_path / "state") as app, asyncio.TaskGroup() as tasks:
        fleet = tasks.create_task(Fleet(seed=1, ports=ports, say=said.append, haste=HASTE).run())
        items = await seen(app, WANTED, repeats=200)
        fleet.cancel()
    storm = next(item for item in items if item["occurrences"] >= 200)
    same = [item for item in items if item["fingerprint"] == storm["fingerprint"]]
    assert len(same) == 1, "two hundred repeats of one trap are one incident"
    assert said[0] == "40 stations of 5 sites beat every 5 s"
    assert any("fall silent" in line for line in said)


def test_the_same_seed_tells_the_same_story():
    assert told_of_a_round(1) == told_of_a_round(1)
    assert told_of_a_round(1) != told_of_a_round(2)
