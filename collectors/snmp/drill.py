"""Drills: a trap that says what it is, sent to our own socket."""

import os
import socket

from collectors.snmp.config import SnmpConfig, parse_listen
from collectors.snmp.send import SendError, send_trap
from collectors.snmp.start import SOCKET_NAME
from gateway.plugin import CannotDrill, DrillCall, Host

DRILL_TRAP = "1.3.6.1.4.1.8072.9999.9999.1"
"""Below net-snmp's playpen (netSnmpPlaypen of NET-SNMP-MIB), where everybody may try things out."""
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared with, not bound


async def drill(config: SnmpConfig, host: Host, call: DrillCall) -> None:
    """Send a v2c trap with the mark.

    Raises:
        CannotDrill: no community is configured, or it cannot be sent.
    """
    if not config.communities:
        raise CannotDrill("no community is configured: drills send traps of version 2c")
    address, port = _where(config, host)
    words = f"{call.mark} {'well' if call.well else 'down'}"
    try:
        await send_trap(
            host=_LOOPBACK.get(address, address),
            port=port,
            community=config.communities[0].reveal(),
            trap=DRILL_TRAP,
            varbinds=((f"{DRILL_TRAP}.1.0", "s", words),),
        )
    except SendError as error:
        raise CannotDrill(str(error)) from None


def _where(config: SnmpConfig, host: Host) -> tuple[str, int]:
    """Where we listen: on a socket of systemd's, if it passed one."""
    for descriptor in host.sockets.get(SOCKET_NAME, ()):
        with socket.socket(fileno=os.dup(descriptor)) as ours:
            address, port = ours.getsockname()[:2]
            return address, port
    _, address, port = parse_listen(config.listen[0])
    return address, port
