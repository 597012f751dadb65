"""Drills: a mail to ourselves."""

import os
import socket

from collectors.smtp.config import SmtpConfig
from collectors.smtp.send import NotSentError, Outgoing, send
from gateway.plugin import CannotDrill, DrillCall, Host

NAME = "tocsin-drill"
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared with, not bound


async def drill(config: SmtpConfig, host: Host, call: DrillCall) -> None:
    """Send a mail with the mark to the first recipient.

    Raises:
        CannotDrill: we take mail only from those who log in or encrypt, or the mail was not taken.
    """
    if config.require_auth or config.require_tls or not config.recipients:
        raise CannotDrill("mail is only taken from those who log in or encrypt: drills do neither")
    to = config.recipients[0]
    to = f"{NAME}{to}" if to.startswith("@") else to
    address, port = _where(config, host)
    mail = Outgoing(
        to=to,
        sender=f"{NAME}@{to.rpartition('@')[2]}",
        subject=f"DRILL: nothing to repair ({'well' if call.well else 'down'})",
        text=f"This is a drill. {call.mark}",
        host=_LOOPBACK.get(address, address),
        port=port,
    )
    try:
        await send(mail)
    except NotSentError as error:
        raise CannotDrill(str(error)) from None


def _where(config: SmtpConfig, host: Host) -> tuple[str, int]:
    """Where we listen: on a socket of systemd's, if it passed one."""
    for descriptor in host.sockets.get("smtp", ()):
        with socket.socket(fileno=os.dup(descriptor)) as ours:
            address, port = ours.getsockname()[:2]
            return address, port
    if not config.listen:
        raise CannotDrill("no unencrypted address is listened on")
    address, _, port_text = config.listen[0].rpartition(":")
    return address.strip("[]"), int(port_text)
