"""The daemon under attack, and a Mosquitto beside it."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.daemon import Daemon, tool

TOOLS = ("gcc", "mosquitto")
CONFIG = """
rule_packs = ["ietf", "mail-monitoring"]
[daemon]
log_format = "json"
[http]
listen = "127.0.0.1:{http}"
[engine]
lazy_ms = 20
[collectors.snmp]
listen = ["127.0.0.1:{trap}", "127.0.0.1:{calm}"]
communities = {communities}
[collectors.smtp]
listen = ["127.0.0.1:{mail}"]
recipients = ["support@example.com"]
[collectors.mqtt]
broker = "mqtt://127.0.0.1:{beat}"
client_id = "tocsin-abuse"
[sinks.local]
"""


class House(Daemon):
    """``tocsin run`` and a Mosquitto beside it; a context manager."""

    def __init__(self, folder: Path, *, communities: tuple[str, ...] = ("public",)) -> None:
        config = CONFIG.replace("{communities}", str(list(communities)))
        super().__init__(folder, config, ports=("mail", "beat", "trap", "calm"))

    def __enter__(self) -> Self:
        self._stack.enter_context(_mosquitto(self.folder, self.ports["beat"]))
        return super().__enter__()


@contextlib.contextmanager
def _mosquitto(folder: Path, port: int) -> Iterator[None]:
    conf = folder / "mosquitto.conf"
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([tool("mosquitto") or "mosquitto", "-c", str(conf)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(250):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()
