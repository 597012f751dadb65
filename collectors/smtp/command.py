"""``tocsin send mail``: play a person, or a monitoring system."""

import asyncio

import click

from collectors.smtp.send import Encryption, NotSentError, Outgoing, send
from gateway.plugin import Secret


@click.command("mail")
@click.argument("subject", default="The front door does not open")
@click.option("--text", default="It is stuck since this morning. Please help.", show_default=True, help="Body.")
@click.option("--to", default="support@example.com", show_default=True, help="Recipient.")
@click.option("--from", "sender", default="alice@example.com", show_default=True, help="Sender.")
@click.option("--server", default="127.0.0.1:2525", show_default=True, help="HOST:PORT of the SMTP server.")
@click.option(
    "--tls", type=click.Choice([one.value for one in Encryption]), default="none", help="How to protect the connection."
)
@click.option("--no-verify", is_flag=True, help="Take any certificate.")
@click.option("--user", default="", help="Log in as.")
@click.option("--password", default="", help="A reference: env:NAME or file:/path.")
@click.option("--in-reply-to", default="", help="Message-ID of the mail that this one answers.")
def command(
    subject: str,
    text: str,
    to: str,
    sender: str,
    server: str,
    tls: str,
    user: str,
    password: str,
    in_reply_to: str,
    *,
    no_verify: bool,
) -> None:
    """Send a mail with SUBJECT; prints its Message-ID."""
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal():
        raise click.BadParameter("write HOST:PORT, such as 127.0.0.1:2525", param_hint="--server")
    try:
        mail = Outgoing(
            to=to,
            sender=sender,
            subject=subject,
            text=text,
            host=host.strip("[]"),
            port=int(port),
            encryption=Encryption(tls),
            verify=not no_verify,
            user=user,
            password=Secret.from_reference(password) if password else None,
            in_reply_to=in_reply_to,
        )
        identity = asyncio.run(send(mail))
    except NotSentError as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:  # a secret that is not there, a line end in a header
        raise click.UsageError(" ".join(str(error).split())) from None
    click.echo(f"{server} took the mail {identity}")
