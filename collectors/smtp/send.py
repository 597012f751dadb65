"""Send one mail, as ``tocsin send mail`` does: to try the collector out, through the same door as everybody."""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from enum import StrEnum

from gateway.plugin import Secret


class Encryption(StrEnum):
    """How the connection is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"
    """From the first byte (port 465)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A mail to be sent, and where to."""

    to: str
    sender: str
    subject: str
    text: str
    host: str = "127.0.0.1"
    port: int = 2525
    encryption: Encryption = Encryption.NONE
    verify: bool = True
    """Check the server's certificate; off for one that signed itself."""
    user: str = ""
    password: Secret | None = None
    in_reply_to: str = ""
    """Message-ID of the mail that this one answers."""
    timeout_s: float = 30.0


class NotSentError(Exception):
    """The mail was not taken; the text has the server's own words."""


async def send(mail: Outgoing) -> str:
    """Send ``mail``; its Message-ID.

    Raises:
        NotSentError: nobody listens there, or the server refused.
    """
    return await asyncio.to_thread(send_now, mail)


def send_now(mail: Outgoing) -> str:
    """As `send`, in this thread."""
    message = _message(mail)
    context = ssl.create_default_context()
    if not mail.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        with _connected(mail, context) as server:
            if mail.encryption is Encryption.STARTTLS:
                server.starttls(context=context)
            if mail.user and mail.password is not None:
                server.login(mail.user, mail.password.reveal())
            server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise NotSentError(f"{mail.host}:{mail.port} answered {error.smtp_code} {_words(error.smtp_error)}") from error
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        raise NotSentError(f"{mail.host}:{mail.port} answered {code} {_words(said)}") from error
    except (OSError, smtplib.SMTPException, ssl.SSLError) as error:
        raise NotSentError(f"cannot send to {mail.host}:{mail.port}: {error}") from error
    return str(message["Message-ID"])


def _words(said: str | bytes) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said


def _connected(mail: Outgoing, context: ssl.SSLContext) -> smtplib.SMTP:
    if mail.encryption is Encryption.TLS:
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=mail.timeout_s, context=context)
    return smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_s)


def _message(mail: Outgoing) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = mail.sender, mail.to, mail.subject
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = make_msgid(domain="tocsin.invalid")
    if mail.in_reply_to:
        message["In-Reply-To"] = message["References"] = mail.in_reply_to
    message.set_content(mail.text)
    return message
