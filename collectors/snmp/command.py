"""``tocsin send trap``: play a device."""

import asyncio

import click

from collectors.snmp.keys import Auth, Priv
from collectors.snmp.send import Sender, SendError, send_trap
from gateway.plugin import Secret

INTERFACE = 7
LINK_VARBINDS = (
    (f"ifIndex.{INTERFACE}", "i", str(INTERFACE)),
    (f"ifAdminStatus.{INTERFACE}", "i", "1"),
)


@click.command("trap")
@click.argument("trap", default="linkDown")
@click.option("--to", "target", default="127.0.0.1:1162", show_default=True, help="HOST:PORT of the receiver.")
@click.option("--version", type=click.Choice(["1", "2c", "3"]), default="2c", show_default=True, help="SNMP version.")
@click.option("--community", default="public", show_default=True, help="For versions 1 and 2c.")
@click.option("--inform", is_flag=True, help="Send an inform, and wait for its acknowledgement.")
@click.option(
    "--varbind",
    "-o",
    "varbinds",
    nargs=3,
    multiple=True,
    metavar="OID TYPE VALUE",
    help="As net-snmp's snmptrap takes them (ifIndex.7 i 7); may be repeated.",
)
@click.option("--user", default="", help="Version 3: security name.")
@click.option(
    "--auth", type=click.Choice([one.value for one in Auth]), default="none", help="Version 3: authentication."
)
@click.option("--auth-password", default="", help="A reference: env:NAME or file:/path.")
@click.option("--priv", type=click.Choice([one.value for one in Priv]), default="none", help="Version 3: privacy.")
@click.option("--priv-password", default="", help="A reference: env:NAME or file:/path.")
def command(
    trap: str,
    target: str,
    version: str,
    community: str,
    varbinds: tuple[tuple[str, str, str], ...],
    user: str,
    auth: str,
    auth_password: str,
    priv: str,
    priv_password: str,
    *,
    inform: bool,
) -> None:
    """Send TRAP, a known notification (linkDown, coldStart, upsOnBattery) or an OID."""
    host, _, port = target.rpartition(":")
    if not host or not port.isdecimal():
        raise click.BadParameter("write HOST:PORT, such as 127.0.0.1:1162", param_hint="--to")
    sender = Sender(
        name=user,
        auth=Auth(auth),
        auth_password=_secret(auth_password, "--auth-password"),
        priv=Priv(priv),
        priv_password=_secret(priv_password, "--priv-password"),
    )
    try:
        asyncio.run(
            send_trap(
                host=host.strip("[]"),
                port=int(port),
                version=version,
                community=community,
                user=sender if version == "3" else None,
                trap=trap,
                varbinds=varbinds or _usual(trap),
                inform=inform,
            )
        )
    except SendError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{trap} was {'acknowledged by' if inform else 'sent to'} {target}")


def _secret(reference: str, option: str) -> str:
    try:
        return Secret.from_reference(reference).reveal() if reference else ""
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _usual(trap: str) -> tuple[tuple[str, str, str], ...]:
    """What a device says of an interface; nothing for other notifications."""
    operational = {"linkDown": "2", "linkUp": "1"}.get(trap)
    return (*LINK_VARBINDS, (f"ifOperStatus.{INTERFACE}", "i", operational)) if operational else ()
