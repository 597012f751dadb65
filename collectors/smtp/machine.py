"""Tell machines from people, so that nobody answers a machine: by RFC 3834, RFC 3464, and what mailers really send."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from collectors.smtp.mail import Mail


class Machine(StrEnum):
    """What kind of machine sent a mail; empty for a person."""

    NONE = ""
    BOUNCE = "bounce"
    """A delivery failed, or somebody complains: about a mail of ours."""
    AUTO_REPLY = "auto_reply"
    """Out of office, acknowledgements, calendar answers, our own mail coming back."""
    LIST = "list"
    MACHINE = "machine"
    """Anything else that nobody typed: monitoring, newsletters, trackers."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a mail was recognised as, and by which sign."""

    machine: Machine
    why: str = ""


_DAEMONS = re.compile(
    r"^(?:mailer[-_.]?daemon|postmaster|mail[-_]?delivery|mailer|mmdf|uucp|bounces?|mdaemon|mail-daemon|mailerdaemon"
    r"|delivery[-_]?(?:status|failure)|microsoftexchange[0-9a-f]{16,64})(?:[+\-._=][^@]{0,100})?@"
)
_DAEMON_NAMES = re.compile(
    r"mail delivery (?:sub)?system|mailer[- ]daemon|mail administrator|mail delivery service|delivery subsystem|postmaster"
    r"|\bmailer\b.{0,20}daemon"
)
# A person may write from these too: they count only beside another sign.
_SHARED = re.compile(
    r"^postmaster(?:[+\-._=][^@]{0,100})?@|^(?!.*(?:daemon|system|service|subsystem)).*(?:postmaster|mail administrator)"
)
_NO_REPLY = re.compile(r"^(?:no|do[-_.]?not|dont|ne)[-_.]?(?:reply|replay|respond|answer|repondre)|^noreply")
# Accounts by which programs sign; people are not called so.
_ROBOTS = re.compile(
    r"^(?:nagios|icinga2?|zabbix|alertmanager|grafana|prometheus|prtg|checkmk|check_mk|omd|monit|monitoring|uptimerobot|checks"
    r"|healthchecks|alerts?|alarms?|alerting|azure-noreply|root|cron|anacron|www-data|smartd|mdadm|apcupsd|nut|logwatch|backup)"
    r"(?:[+\-._][^@]{0,100})?@"
)
_BOUNCE_SUBJECT = re.compile(
    r"^(?:undeliver(?:able|ed)|delivery (?:status notification|failure|notification|delayed|report|has failed|error|problem)"
    r"|mail(?: message)? delivery (?:failed|failure|error|problem|system)|returned mail|failure notice|mail delivery|failed mail"
    r"|(?:message|mail|e-?mail)(?: you sent)? (?:could not be|was not|not|undeliverable|failed|has been rejected|rejected)"
    r"|non[- ]?(?:delivery|remis)|unzustellbar|unable to deliver|there was an error sending your mail|dsn[: ]|ndn[: ]"
    r"|rejected mail|warning: (?:could not send|message)|nicht zustellbar|échec|mensaje no entregado|user unknown"
    r"|abuse report|complaint|email feedback report|warning: returned)"
)
_AUTO_SUBJECT = re.compile(
    r"^(?:auto(?:matic|mated)?[- :]?(?:re(?:ply|sponse)|answer)|out of (?:the )?office|ooo\b|abwesen|automatische antwort"
    r"|réponse automatique|absence (?:du bureau|:)|respuesta automática|fuera de (?:la )?oficina|risposta automatica"
    r"|automatisch antwoord|afwezig|resposta automática|autosvar|automatické|odpowiedź automatyczna|poissa"
    r"|on vacation|vacation|away from|re(?:ply)?: auto)"
)
_REPORT_TYPES = {"delivery-status": "delivery report", "feedback-report": "feedback report"}
_OUR_LOOP = "tocsin"


def recognise(mail: Mail, *, null_sender: bool = False) -> Finding:
    """What kind of machine sent this, the first sign that tells.

    Args:
        mail: the mail.
        null_sender: whether the envelope's sender was ``<>`` (RFC 5321 section 4.5.5).
    """
    null = null_sender or (mail.has("return-path") and mail.header("return-path").strip() in ("<>", ""))
    signs = chain(
        _loop(mail), _auto_reply(mail, null=null), _bounce(mail, null=null), _list(mail), _automatic(mail, null=null)
    )
    return next(signs, Finding(Machine.NONE))


def _loop(mail: Mail) -> Iterator[Finding]:
    if _OUR_LOOP in mail.header("x-loop").lower():
        yield Finding(Machine.AUTO_REPLY, "our own mail")


def _auto_reply(mail: Mail, *, null: bool) -> Iterator[Finding]:
    """RFC 3834, vacation programs' own headers, and answers to invitations.

    A subject alone is no sign: "Out of office printer jams" and "Vacation planner is down" ask for help.
    """
    if _is_report(mail):
        return
    if mail.calendar_method == "REPLY":
        yield Finding(Machine.AUTO_REPLY, "answer to an invitation")
    # A mail system that returns a mail says so too: its sender tells the two apart.
    if mail.header("auto-submitted").lower().startswith("auto-replied") and not _from_daemon(mail):
        yield Finding(Machine.AUTO_REPLY, "Auto-Submitted")
    for name in ("x-autoreply", "x-autorespond", "x-autoreply-from", "x-auto-reply-from", "x-mail-autoreply"):
        if mail.has(name) and mail.header(name).lower() != "no":
            yield Finding(Machine.AUTO_REPLY, name)
    if mail.header("precedence").lower() in ("auto_reply", "auto-reply"):
        yield Finding(Machine.AUTO_REPLY, "Precedence")
    answers = null or _answers(mail) or mail.has("auto-submitted") or mail.has("x-auto-response-suppress")
    if answers and _AUTO_SUBJECT.search(mail.subject.lower()) and not _from_daemon(mail):
        yield Finding(Machine.AUTO_REPLY, "Subject")


def _bounce(mail: Mail, *, null: bool) -> Iterator[Finding]:
    if _is_report(mail):
        yield Finding(Machine.BOUNCE, _REPORT_TYPES[mail.media_parameters["report-type"].lower()])
    if mail.has("x-failed-recipients"):
        yield Finding(Machine.BOUNCE, "X-Failed-Recipients")
    automatic = null or mail.has("auto-submitted") or mail.media_type == "multipart/report" or mail.sender is None
    told = _BOUNCE_SUBJECT.search(mail.subject.lower()) is not None
    if _from_daemon(mail) and (automatic or told or _answers(mail) or not _may_be_a_person(mail)):
        yield Finding(Machine.BOUNCE, "From")
    if automatic and told:
        yield Finding(Machine.BOUNCE, "Subject")


def _list(mail: Mail) -> Iterator[Finding]:
    if mail.has("list-id") or mail.has("list-post") or mail.header("precedence").lower() == "list":
        yield Finding(Machine.LIST, "List-Id")


def _automatic(mail: Mail, *, null: bool) -> Iterator[Finding]:
    if null:  # no bounce: appliances that cry for help leave their sender empty too
        yield Finding(Machine.MACHINE, "null sender")
    submitted = mail.header("auto-submitted").lower()
    if submitted and not submitted.startswith("no"):
        yield Finding(Machine.MACHINE, "Auto-Submitted")
    if mail.header("precedence").lower() in ("bulk", "junk"):
        yield Finding(Machine.MACHINE, "Precedence")
    suppressed = {word.strip() for word in mail.header("x-auto-response-suppress").lower().split(",")}
    if suppressed & {"all", "oof", "autoreply", "dr", "rn"}:
        yield Finding(Machine.MACHINE, "X-Auto-Response-Suppress")
    for name in ("list-unsubscribe", "x-ms-exchange-inbox-rules-loop", "x-loop", "feedback-id"):
        if mail.has(name):
            yield Finding(Machine.MACHINE, name)
    if mail.media_type == "multipart/report":
        yield Finding(Machine.MACHINE, "report")
    if mail.sender is not None and (_NO_REPLY.search(mail.sender.address) or _ROBOTS.search(mail.sender.address)):
        yield Finding(Machine.MACHINE, "From")


def _is_report(mail: Mail) -> bool:
    return (
        mail.media_type == "multipart/report" and mail.media_parameters.get("report-type", "").lower() in _REPORT_TYPES
    )


def _answers(mail: Mail) -> bool:
    return bool(mail.in_reply_to or mail.references or mail.original_id)


def _may_be_a_person(mail: Mail) -> bool:
    if mail.sender is None:
        return False
    address, name = mail.sender.address, mail.sender.name.lower()
    by_address, by_name = _DAEMONS.search(address), _DAEMON_NAMES.search(name)
    return (not by_address or bool(_SHARED.search(address))) and (not by_name or bool(_SHARED.search(name)))


def _from_daemon(mail: Mail) -> bool:
    if mail.sender is None:
        return _DAEMON_NAMES.search(mail.header("from").lower()) is not None
    return (
        _DAEMONS.search(mail.sender.address) is not None or _DAEMON_NAMES.search(mail.sender.name.lower()) is not None
    )
