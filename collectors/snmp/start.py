"""Start the SNMP collector: open its sockets, begin our engine's boots, and tell what was had."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from typing import Final

import structlog
from prometheus_client import Gauge

from collectors.snmp import sockets
from collectors.snmp.collector import SnmpCollector
from collectors.snmp.config import SnmpConfig, parse_listen
from collectors.snmp.mib_files import names_in
from collectors.snmp.names import standard
from collectors.snmp.sockets import Listener
from collectors.snmp.timeliness import LAST_BOOTS
from collectors.snmp.usm import Usm
from gateway.plugin import Host, Keep

log = structlog.get_logger()

RECEIVE_BUFFER = Gauge("tocsin_snmp_receive_buffer_bytes", "Receive buffer of all trap sockets together.")

SOCKET_NAME: Final = "snmp"
"""FileDescriptorName= of the sockets that systemd hands over."""


async def begin(config: SnmpConfig, keep: Keep) -> tuple[bytes, int]:
    """Our engine id, the same for ever, and how often it has started, this time included (RFC 3414 section 2.2)."""
    engine_id = bytes.fromhex(config.engine_id) or await keep.get("engine_id")
    if engine_id is None:
        # RFC 3411 section 5, SnmpEngineID: enterprise 0 (none), format 5 (octets of our own), random.
        engine_id = b"\x80\x00\x00\x00\x05" + secrets.token_bytes(12)
        await keep.put("engine_id", engine_id)
    boots = min(int(await keep.get("engine_boots") or b"0") + 1, LAST_BOOTS)
    await keep.put("engine_boots", str(boots).encode())
    return engine_id, boots


@asynccontextmanager
async def build(config: SnmpConfig, host: Host) -> AsyncIterator[SnmpCollector]:
    """Open the sockets, or take those that systemd opened, and begin our engine's boots.

    Raises:
        OSError: a socket cannot be had; the text is one sentence with the cure.
    """
    with ExitStack() as opened:
        handed_over = host.sockets.get(SOCKET_NAME, ())
        made = map(sockets.adopt, handed_over) if handed_over else map(sockets.bind, map(parse_listen, config.listen))
        listeners = [
            opened.enter_context(closing(Listener(sock, buffer=config.receive_buffer, largest=config.max_datagram)))
            for sock in made
        ]
        engine_id, boots = await begin(config, host.keep)
        # In a thread: a password's hash takes milliseconds, and there may be a thousand users.
        users = await asyncio.to_thread(lambda: [user.user() for user in config.users])
        usm = Usm(
            users,
            engine_id=engine_id,
            boots=boots,
            now_s=host.clock.monotonic_s(),
            salt=secrets.randbits(64),
            engines_max=config.engines_max,
            engines_per_source=config.engines_per_source,
            repeats_max=config.repeats_max,
        )
        tell(config, host.name, listeners, engine_id)
        names = await asyncio.to_thread(names_in, host.state_dir, standard())
        collector = SnmpCollector(config, host, listeners=listeners, usm=usm, names=names)
        await collector.recall()
        try:
            yield collector
        finally:
            await collector.remember()


def tell(config: SnmpConfig, name: str, listeners: Sequence[Listener], engine_id: bytes) -> None:
    """Log what was had, and the cure where it is less than was asked for."""
    RECEIVE_BUFFER.set(sum(listener.buffer for listener in listeners))
    where = [listener.name for listener in listeners]
    least = min(listener.buffer for listener in listeners)
    log.info("listener.opened", collector=name, listen=where, engine_id=engine_id.hex(), receive_buffer=least)
    if least < config.receive_buffer:
        cure = f"sysctl -w net.core.rmem_max={config.receive_buffer}"
        log.warning("receive_buffer.capped", collector=name, asked=config.receive_buffer, got=least, cure=cure)
    if not config.communities and not config.users:
        log.warning("listener.deafened", collector=name, cure="configure communities or users: nothing is accepted")
