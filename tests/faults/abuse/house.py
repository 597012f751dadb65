"""The daemon under attack, and a Mosquitto beside it."""

from pathlib import Path
from typing import Self

from tests.broker import Mosquitto
from tests.daemon import Daemon

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
        self._stack.enter_context(Mosquitto(self.folder, port=self.ports["beat"]))
        return super().__enter__()
