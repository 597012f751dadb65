"""A broker of our own (rumqttd, by way of `iotcore`) for trying out and demonstrations: loopback only, nothing on disk.

Its port speaks MQTT 3.1.1, the version that every client's tools use unless told otherwise.
"""

import asyncio
import contextlib
import importlib
import ipaddress
import re
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

STARTS_WITHIN_S = 10.0

_TOML = """\
id = 0
[router]
id = 0
max_connections = 10000
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 10
[v4.1]
name = "v4-1"
listen = "{listen}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = {max_payload}
max_inflight_count = 100
dynamic_filters = true
"""


class BrokerError(OSError):
    """The embedded broker cannot be had; the text is one sentence with the cure."""


@contextlib.asynccontextmanager
async def embedded_broker(host: str, port: int, *, max_payload: int = 65_536) -> AsyncIterator[None]:
    """Run the broker on a loopback address while the block lasts; its process ends with ours, whatever happens.

    Raises:
        BrokerError: not installed, the port is taken, or the broker does not start.
        ValueError: the address isn't a loopback one.
    """
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError(f"the embedded broker has no passwords: it listens on loopback only, not on {host}")
    listen = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"  # noqa: PLR2004
    iotcore = _iotcore()
    with tempfile.TemporaryDirectory(prefix="tocsin-broker-") as folder:
        toml = Path(folder) / "broker.toml"
        # Beyond the collector's own limit, so that what is too long is counted by it and not lost in the broker.
        await _in_thread(toml.write_text, _TOML.format(listen=listen, max_payload=4 * max_payload + 65_536))
        broker = iotcore.Broker(config_path=str(toml))
        try:
            await _in_thread(_start, broker, listen)
            yield
        finally:
            await _in_thread(broker.stop)


def _iotcore() -> Any:
    try:
        return importlib.import_module("iotcore")
    except ImportError:
        raise BrokerError(
            "the embedded broker is not installed: pip install 'tocsin[broker]', or use a broker such as Mosquitto"
        ) from None


_OS_ERROR = re.compile(r" \(os error \d+\)\Z")
"""What Rust adds to an error of the system."""


def _start(broker: Any, listen: str) -> None:
    try:
        broker.start(timeout=STARTS_WITHIN_S)
    except OSError as error:
        why = _OS_ERROR.sub("", str(error.strerror or error).removeprefix(f"cannot listen on {listen}: ")).lower()
        raise BrokerError(
            f"the embedded broker cannot listen on {listen} ({why}): stop what uses the port, "
            "or set embedded = false to use the broker that is there"
        ) from None
    except RuntimeError as error:
        raise BrokerError(f"the embedded broker does not start on {listen}: {error}") from None


async def _in_thread(function: Any, *args: Any) -> None:
    """Run what blocks in a thread of its own; cancelling waits for it, so that no process is left behind."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded-broker") as executor:
        await asyncio.get_running_loop().run_in_executor(executor, function, *args)
