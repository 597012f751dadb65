"""An asset system tells over MQTT what it knows: it holds at once, over reloads and restarts, and never against a file."""

import json
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.config import load
from gateway.config.inventory import InventoryConfig
from gateway.plugins import discover
from tests.scenarios.conftest import House, needs

pytestmark = pytest.mark.tools

TOPICS = 'inventory_topics = ["inv/{site}/stations/{station}", "inv/sources/{source}"]'
MORE = """
[[site]]
name = "lyon"
region = "rhone"

[[station]]
name = "listed"
site = "lyon"

[[rule]]
name = "gold"
match = "contract = gold"
summary = "{source} of {owner}"
impact = "low"
"""
PUMP = {"contract": "gold", "owner": "Lyon", "importance": "high", "depends_on": ["uplink"], "interval": "20s"}


async def tells(house: House, topic: str, said: object, *, entries: int) -> None:
    """The asset system publishes, retained; wait until so many entries are stored, and let them be taken up."""
    words = ["-p", str(house.ports["beat"]), "-q", "1", "-r", "-t", f"inv/{topic}"]
    payload = ["-n"] if said is None else ["-m", json.dumps(said)]
    await house.run(needs("mosquitto_pub"), *words, *payload)

    async def stored() -> bool:
        return len(house.app.told) == entries

    await house.eventually(stored, what=f"{entries} entries")
    await house.passes(seconds=1)

    async def taken_up() -> bool:
        return not house.app.told._changed.is_set() and not house.app._changing.locked()

    await house.eventually(taken_up, what="taken up")


async def test_an_asset_system_tells_what_it_knows(build, tmp_path) -> None:
    def known(house: House, name: str, site: str = ""):
        return house.app.engine.judge.inventory.look_up(name, site)

    async with build(more=MORE, mqtt=TOPICS) as house:
        await tells(house, "lyon/stations/s1", PUMP, entries=1)
        await house.beat('{"status": "fault"}')
        seen = await house.sees(condition="station_fault", summary="s1 of Lyon", impact="medium", state="open")
        assert seen["labels"] | {"region": "rhone", "contract": "gold"} == seen["labels"]
        assert (seen["labels"]["interval_s"], seen["labels"]["interval_from"]) == ("20", "configured")
        assert house.app.engine.inhibitions.inventory.upstream("s1") == ("uplink", "lyon", "rhone")

        with capture_logs() as logs:  # a mistake changes nothing
            await tells(house, "lyon/stations/s1", {"intervall": "1s"}, entries=1)

            async def refused() -> list:
                return [line for line in logs if line["event"] == "input.dropped"]

            (line,) = await house.eventually(refused, what="refused")
        wrong = 'inv/lyon/stations/s1: intervall: unknown key; did you mean "interval"?; kept in quarantine'
        assert (line["reason"], line["source"], line["detail"]) == ("malformed", "s1", wrong)
        assert known(house, "s1").labels["contract"] == "gold"

        await tells(house, "lyon/stations/listed", {"importance": "critical"}, entries=2)
        assert known(house, "listed").steps is None  # a person wrote what there is to say
        await tells(house, "sources/127.0.0.1", {"site": "lyon", "team": "net"}, entries=3)
        await house.app.reload(load(tmp_path / "tocsin.toml", plugins=discover()))
        await house.link("down")
        seen = await house.sees(condition="link_down", team="net")
        assert seen["labels"]["region"] == "rhone"
        clock = house.clock

    async with build(more=MORE, mqtt=TOPICS, clock=clock) as house:  # the broker has forgotten all
        assert known(house, "s1").labels["contract"] == "gold"
        config = house.app.config
        await house.app.reload(replace(config, inventory=InventoryConfig(told_max=0)))
        assert known(house, "s1") is None
        await house.app.reload(config)
        assert known(house, "s1").labels["contract"] == "gold"
        await tells(house, "lyon/stations/s1", None, entries=2)
        assert known(house, "s1") is None
        assert known(house, "s1", "lyon").labels == {"region": "rhone"}
