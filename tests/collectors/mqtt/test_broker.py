"""The embedded broker serves our client and everybody's tools, and is gone when it should be."""

import asyncio
import socket
import subprocess
import sys

import pytest

from collectors.mqtt.broker import BrokerError, embedded_broker
from collectors.mqtt.send import SendError, send_beat
from gateway.testing.intake import RecordingIntake

pytest.importorskip("iotcore", reason="the extra tocsin[broker] is not installed")


async def test_the_collector_starts_it_and_hears_through_it(listening, eventually, port: int) -> None:
    url = f"mqtt://127.0.0.1:{port}"
    async with listening(url, embedded=True) as intake:
        topic = await send_beat(url=url, site="north", station="s1", payload=b'{"status": "fault"}')
        await eventually(lambda: intake.beats)
        assert topic == "fleet/north/s1/heartbeat"
        assert (intake.beats[0].station, intake.beats[0].fault) == ("s1", "fault")
        await send_beat(url=url, site="north", station="s1", payload=b"x" * 70_000)
        await eventually(lambda: intake.quarantined)
    with pytest.raises(SendError, match="not sent"):
        await send_beat(url=url, station="s1")


@pytest.mark.tools
async def test_mosquitto_pub_publishes_to_it(listening, eventually, port: int, make_mosquitto) -> None:
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", "fleet/north/s1/heartbeat"]
    async with listening(f"mqtt://127.0.0.1:{port}", embedded=True) as intake:
        await asyncio.to_thread(subprocess.run, [*command, "-m", "ok"], check=True, timeout=10)
        await eventually(lambda: intake.beats)


async def test_what_was_not_released_comes_again_from_it_too(listening, eventually, port: int) -> None:
    url = f"mqtt://127.0.0.1:{port}"
    async with embedded_broker("127.0.0.1", port):
        async with listening(url, protocol="3.1.1", intake=RecordingIntake(hold=True)) as intake:
            await send_beat(url=url, station="s1", payload="fault")
            await eventually(lambda: intake.beats)
        async with listening(url, protocol="3.1.1") as intake:
            await eventually(lambda: intake.beats)


async def test_a_port_in_use_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            BrokerError, match=f"cannot listen on 127.0.0.1:{port} .address already in use.: stop what uses the port"
        ):
            async with embedded_broker("127.0.0.1", port):
                pass


async def test_it_never_listens_beyond_loopback(port: int) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        async with embedded_broker("0.0.0.0", port):
            pass


async def test_an_error_in_the_block_stops_it_as_well(port: int) -> None:
    with pytest.raises(ZeroDivisionError):
        async with embedded_broker("localhost", port):
            raise ZeroDivisionError
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def test_without_the_extra_it_says_what_to_install() -> None:
    code = (
        "import sys, asyncio; sys.modules['iotcore'] = None\n"
        "from collectors.mqtt.broker import BrokerError, embedded_broker\n"
        "async def main():\n"
        "    async with embedded_broker('127.0.0.1', 1): pass\n"
        "try: asyncio.run(main())\n"
        "except BrokerError as error: print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60)
    assert "pip install 'tocsin[broker]'" in said.stdout


async def test_send_refuses_what_is_no_address_and_no_name(port: int) -> None:
    with pytest.raises(ValueError, match="mqtt://HOST:PORT"):
        await send_beat(url="broker:1883", station="s1")
    with pytest.raises(ValueError, match="no topic"):
        await send_beat(url="mqtt://127.0.0.1", station="a/b")
