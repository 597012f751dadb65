"""What the daemon hears is in its journal, and `tocsin replay` tells what other rules would have made of it."""

import asyncio
import json

from click.testing import CliRunner

from gateway.cli import tocsin

HELD = (
    '[[rule]]\nname = "held"\ncondition = "linkDown"\nset_condition = "link_down"\nobject = "{ifIndex}"\nhold = "1h"\n'
)


async def test_a_week_later_other_rules_are_tried_on_what_was_heard(build, tmp_path):
    async with build() as house:
        await house.link("down", 3)
        down = await house.sees(condition="link_down", state="open")
        await house.mail("Please help")
        await house.sees(condition="mail")
        await house.passes(seconds=2)
    config = (tmp_path / "tocsin.toml").read_text()
    (tmp_path / "new.toml").write_text(config + HELD)
    words = [
        "replay",
        "--now",
        str(tmp_path / "tocsin.toml"),
        "--state-dir",
        str(tmp_path / "state"),
        "--since",
        "1000d",
    ]
    shown = await asyncio.to_thread(
        CliRunner().invoke, tocsin, [*words, "--config", str(tmp_path / "new.toml"), "--json"]
    )
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout[shown.stdout.index("{\n") :])
    assert told["inputs"] == 2
    assert told["now"]["calls"]["local open"] == 2
    assert told["new"]["calls"]["local open"] == 1
    (one,) = told["differences"]
    assert one["changes"]["state"] == {"now": "open", "new": "pending"}

    wide = CliRunner(env={"COLUMNS": "400"})
    people = await asyncio.to_thread(wide.invoke, tocsin, [*words, "--config", str(tmp_path / "new.toml")])
    *_, row, empty = people.output.splitlines()
    assert row.endswith(
        "changed  link_down on 127.0.0.1 3  "
        + ", ".join(f"{n} {c['now']} -> {c['new']}" for n, c in one["changes"].items())
    )
    assert empty == ""

    same = await asyncio.to_thread(CliRunner().invoke, tocsin, [*words, "--config", str(tmp_path / "tocsin.toml")])
    assert "nothing would differ" in same.output
    none = await asyncio.to_thread(
        CliRunner().invoke, tocsin, [*words[:-1], "1s", "--config", str(tmp_path / "new.toml")]
    )
    assert none.exit_code == 1

    of_incident = ["explain", "--state-dir", str(tmp_path / "state"), "--incident", down["id"], "--json"]
    why = await asyncio.to_thread(CliRunner().invoke, tocsin, [*of_incident, "--config", str(tmp_path / "new.toml")])
    assert json.loads(why.stdout)["verdict"]["rule"] == "held"
