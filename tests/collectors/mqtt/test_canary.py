"""While our own message comes back we can hear; when it stays away we are deaf, whatever the connection says."""

import asyncio
import contextlib
from typing import Self

from hypothesis import given
from hypothesis import strategies as st

from collectors.mqtt.canary import Canary


def test_before_one_has_come_back_its_absence_means_nothing() -> None:
    canary = Canary(every_s=10, mark="m")
    canary.next(0)
    assert (canary.deaf(1000), canary.lost(1000)) == (False, False)


def test_two_that_are_missing_make_us_deaf_and_six_the_connection_useless() -> None:
    canary = Canary(every_s=10, mark="m")
    assert canary.heard(canary.next(0))
    for now_s in range(10, 80, 10):
        canary.next(now_s)
    assert next(now_s for now_s in range(10, 80, 10) if canary.deaf(now_s)) == 40
    assert not canary.lost(70)
    assert canary.lost(71)
    assert canary.heard(b"m-8")
    assert (canary.deaf(1000), canary.missing_s(1000)) == (False, 0)


def test_a_connection_that_brings_others_is_slow_and_not_useless() -> None:
    canary = Canary(every_s=10, mark="m")
    assert canary.heard(canary.next(0))
    for now_s in range(10, 710, 10):
        canary.next(now_s)
        canary.brought(now_s)
        assert canary.deaf(now_s) is (now_s > 30)  # it stays away, however much else comes
        assert canary.lost(now_s) is (now_s > 610)
    canary = Canary(every_s=10, mark="m", proven=True)
    canary.next(0)
    canary.brought(50)
    assert (canary.lost(110), canary.lost(111)) == (False, True)  # since then nothing has come


def test_those_of_another_connection_and_repeats_prove_nothing() -> None:
    canary = Canary(every_s=10, mark="m")
    payload = canary.next(0)
    assert not canary.heard(b"n-1")
    assert canary.heard(payload)
    assert not canary.heard(payload)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 30)), max_size=60))
def test_what_is_remembered_is_bounded_and_who_is_heard_is_not_deaf(steps) -> None:
    canary, now_s, last = Canary(every_s=10, mark="m"), 0.0, b""
    for comes, passed_s in steps:
        now_s += passed_s
        last = canary.next(now_s)
        if comes and canary.heard(last):
            assert not canary.deaf(now_s)
        assert len(canary._away) <= 16


async def test_our_own_message_comes_back_and_is_no_input(mosquitto, listening, eventually) -> None:
    async with listening(mosquitto.url, canary_s=0.05) as intake:
        await eventually(lambda: intake.proven)
        mosquitto.publish("fleet/north/s1/heartbeat", "ok")
        await eventually(lambda: intake.beats)
        assert (intake.inputs, intake.quarantined) == (1, [])
    async with listening(mosquitto.url, canary_s=0) as intake:  # what the session kept of them is no input either
        mosquitto.publish("fleet/north/s1/heartbeat", "ok")
        await eventually(lambda: intake.beats)
        assert (intake.inputs, intake.proven) == (1, False)


async def test_a_broker_that_keeps_it_from_us_is_none_the_worse(
    make_mosquitto, tmp_path, listening, eventually
) -> None:
    (tmp_path / "acl").write_text("topic readwrite fleet/#\ntopic readwrite gateway/tocsin-test/status\n")
    broker = make_mosquitto("allow_anonymous true", f"acl_file {tmp_path}/acl").start()
    async with listening(broker.url, canary_s=0.02) as intake:
        broker.publish("fleet/north/s1/heartbeat", "ok")
        await eventually(lambda: intake.beats)
        assert (intake.link_up, intake.proven) == (True, False)


class Between:
    """A wire to the broker which somebody may cut without either end noticing."""

    def __init__(self, port: int) -> None:
        self._port, self._tasks = port, asyncio.TaskGroup()
        self.cut, self.connections = False, 0

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        await self._tasks.__aexit__(None, None, None)

    async def _serve(self, reader, writer) -> None:
        self.connections += 1
        back, to = await asyncio.open_connection("127.0.0.1", self._port)
        ours = self._tasks.create_task(self._pass(reader, to))
        theirs = self._tasks.create_task(self._pass(back, writer, may_cut=True))
        await asyncio.wait([ours, theirs])

    async def _pass(self, reader, writer, *, may_cut: bool = False) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not (may_cut and self.cut):
                    writer.write(data)
        writer.close()


async def test_a_connection_that_brings_nothing_is_told_as_deafness_and_given_up(
    mosquitto, listening, eventually
) -> None:
    async with Between(mosquitto.port) as wire, listening(wire.url, canary_s=0.1, connect_timeout_s=0.5) as intake:
        await eventually(lambda: intake.proven)
        wire.cut = True
        await eventually(lambda: intake.link_up is False)
        assert wire.connections == 1
        await eventually(lambda: wire.connections > 1)
        wire.cut = False
        await eventually(lambda: intake.link_up and intake.proven)
