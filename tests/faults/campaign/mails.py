"""People who write mails, and answer them: each mail is sent until a 250 came."""

import contextlib
import random
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

from tests.faults.campaign.ledger import Letter, Sender

TO = "support@example.com"
ANSWERS = 0.3
"""Share of mails that answer an earlier one."""


def writer(
    letters: dict[str, Letter], port: int, chance: random.Random, *, per_s: float, names: Iterator[str]
) -> Sender:
    """``per_s`` mails a second, one after the other."""

    def run(sender: Sender) -> None:
        written: list[Letter] = []
        while not sender.closing.wait(1 / per_s):
            letter = _written(next(names), written, chance)
            letters[letter.message_id] = letter
            while not letter.acknowledged and not sender.aborted.is_set():
                letter.acknowledged = _sent(letter, port)
                if not letter.acknowledged:
                    sender.aborted.wait(0.1)
            if not letter.answers:
                written.append(letter)

    return Sender(run, "mails")


def _written(name: str, before: list[Letter], chance: random.Random) -> Letter:
    message_id = f"<{name}@customer.example>"
    if before and chance.random() < ANSWERS:
        first = chance.choice(before[-20:])
        return Letter(message_id, f"Re: {first.subject}", answers=first.message_id)
    return Letter(message_id, f"{name} does not work")


def _sent(letter: Letter, port: int) -> bool:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "alice@customer.example", TO, letter.subject
    message["Message-ID"] = letter.message_id
    if letter.answers:
        message["In-Reply-To"] = letter.answers
    message.set_content(f"This is what I have to say in {letter.message_id}")
    taken = False
    with contextlib.suppress(OSError, smtplib.SMTPException), smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
        server.send_message(message)
        taken = True  # by its 250, whatever becomes of our QUIT
    return taken
