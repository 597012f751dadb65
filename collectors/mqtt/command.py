"""``tocsin send beat``: play a station."""

import asyncio
import ssl
from pathlib import Path

import click

from collectors.mqtt.send import DEFAULT_TOPIC, SendError, send_beat
from gateway.plugin import Secret


@click.command("beat")
@click.argument("payload", default='{"status":"ok"}')
@click.option("--station", default="s-1", show_default=True, help="The station's name.")
@click.option("--site", default="demo", show_default=True, help="Where it stands.")
@click.option(
    "--broker", default="mqtt://127.0.0.1:1883", show_default=True, help="mqtt://HOST:PORT or mqtts://HOST:PORT."
)
@click.option("--topic", default=DEFAULT_TOPIC, show_default=True, help="Topic, {site} and {station} replaced.")
@click.option("--qos", type=click.IntRange(0, 1), default=1, show_default=True, help="Quality of service.")
@click.option("--retain", is_flag=True, help="Leave it in the broker's memory.")
@click.option(
    "--ca", type=click.Path(exists=True, path_type=Path), help="Certificates of the authorities to trust (PEM)."
)
@click.option("--user", default=None, help="User name at the broker.")
@click.option("--password", default="", help="A reference: env:NAME or file:/path.")
def command(
    payload: str,
    station: str,
    site: str,
    broker: str,
    topic: str,
    qos: int,
    ca: Path | None,
    user: str | None,
    password: str,
    *,
    retain: bool,
) -> None:
    """Publish PAYLOAD as a station's heartbeat: text, or JSON such as {"status":"fault"}."""
    try:
        sent = asyncio.run(
            send_beat(
                url=broker,
                station=station,
                site=site,
                topic=topic,
                payload=payload,
                qos=qos,
                retain=retain,
                username=user,
                password=Secret.from_reference(password).reveal() if password else None,
                tls=ssl.create_default_context(cafile=ca) if ca else None,
            )
        )
    except SendError as error:
        raise click.ClickException(str(error)) from None
    except (ValueError, ssl.SSLError) as error:
        raise click.UsageError(" ".join(str(error).split())) from None
    click.echo(f"{broker} took the beat on {sent}")
