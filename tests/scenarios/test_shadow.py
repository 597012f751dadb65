"""A sink in shadow: everything is decided, recorded and shown, and no tracker is asked."""

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.app import ReloadError, running
from gateway.config import load
from gateway.core.event import Event, EventKind
from gateway.plugins import discover
from gateway.store.api import StoreError
from gateway.testing.clock import ManualClock
from tests.ports import free_port

CONFIG = '[http]\nlisten = "127.0.0.1:{port}"\n[sinks.local]\n{shadow}'


class Site:
    """A daemon whose configuration is reloaded; what is heard is told to it."""

    def __init__(self, app, clock, tmp_path, port):
        self.app, self.clock, self.path, self.port = app, clock, tmp_path / "tocsin.toml", port

    async def hear(self, source: str, kind: EventKind = EventKind.RAISE) -> str:
        """Hear one event, deliver what it means; the incident's id."""
        event = Event(collector="snmp", source=source, condition="link_down", kind=kind, at_ms=self.clock.now_ms())
        receipt = await self.app.engine.emit(event)
        await self.delivered()
        return receipt.incident

    async def delivered(self) -> None:
        """Wait until the outbox is empty."""
        for _ in range(500):
            await self.clock.advance(0.1)
            await asyncio.sleep(0.01)  # the store writes on a thread of its own
            if not (await self.app.store.reader.operations()).items:
                return
        raise AssertionError("the outbox does not empty")

    async def reload(self, *, shadow: bool) -> None:
        await self.app.reload(configuration(self.path, self.port, shadow=shadow))

    async def ticket(self, incident: str) -> str:
        """The name of its ticket, empty if there is none."""
        return next((one["ref"] or "" for one in (await self.seen(incident))["tickets"]), "")

    async def seen(self, incident: str):
        return await self.app.store.reader.incident(incident)

    async def desk(self) -> list[str]:
        """Titles and states of the tickets that are really there."""
        found = await self.app.store.reader.tickets()
        views = [await self.app.deliveries["local"].sink.show(ticket["id"]) for ticket in found.items if ticket["id"]]
        return [f"{view.state} {view.title.partition(' [TOC')[0]}" for view in views if view]


def configuration(path, port, *, shadow):
    path.write_text(CONFIG.format(port=port, shadow="shadow = true\n" if shadow else ""))
    return load(path, plugins=discover())


async def test_in_shadow_calls_are_recorded_and_later_only_what_is_still_wrong_gets_a_ticket(tmp_path):
    clock, port = ManualClock(), free_port()
    config = configuration(tmp_path / "tocsin.toml", port, shadow=True)
    with capture_logs() as logs:
        async with running(config, state_dir=tmp_path / "state", clock=clock) as app:
            site = Site(app, clock, tmp_path, port)
            lasting = await site.hear("r1")
            passing = await site.hear("r2")
            await site.hear("r2", EventKind.CLEAR)

            assert (await site.ticket(lasting)).startswith("shadow-TOC-")
            timeline = [entry["text"] for entry in (await site.seen(passing))["timeline"]]
            recorded = [text for text in timeline if text.startswith("in shadow, only recorded: local ")]
            assert [text.split()[5] for text in recorded] == ["open", "update", "comment:"]

            await site.reload(shadow=False)
            await site.delivered()
            assert await site.desk() == ["open [P3] link_down on r1"]
            assert not (await site.ticket(lasting)).startswith("shadow")
    calls = [entry["call"] for entry in logs if entry["event"] == "call.recorded"]
    assert len(calls) == 4
    assert [entry["tickets"] for entry in logs if entry["event"] == "sink.unshadowed"] == [2]


async def test_a_real_ticket_keeps_still_in_the_shadow_and_is_brought_up_to_date_afterwards(tmp_path):
    clock, port = ManualClock(), free_port()
    config = configuration(tmp_path / "tocsin.toml", port, shadow=False)
    async with running(config, state_dir=tmp_path / "state", clock=clock) as app:
        site = Site(app, clock, tmp_path, port)
        await site.hear("r1")
        assert await site.desk() == ["open [P3] link_down on r1"]
        await site.reload(shadow=True)
        await site.hear("r1", EventKind.CLEAR)
        await site.reload(shadow=False)
        await site.delivered()
        assert await site.desk() == ["resolved [P3] link_down on r1"]


async def test_a_reload_that_the_disk_refuses_changes_neither_sinks_nor_rules(tmp_path):
    clock, port = ManualClock(), free_port()
    config = configuration(tmp_path / "tocsin.toml", port, shadow=False)
    async with running(config, state_dir=tmp_path / "state", clock=clock) as app:
        site = Site(app, clock, tmp_path, port)
        before = app.deliveries["local"], app.engine.judge, app.engine.plan, app.config
        real, app.engine._store = app.engine._store, Full()
        with pytest.raises(ReloadError, match="nothing has changed: the disk is full; make room, and reload again"):
            await site.reload(shadow=True)
        app.engine._store = real
        assert (app.deliveries["local"], app.engine.judge, app.engine.plan, app.config) == before
        await site.hear("r1")
        assert await site.desk() == ["open [P3] link_down on r1"]


class Full:
    async def run(self, _work):
        raise StoreError("the disk is full")
