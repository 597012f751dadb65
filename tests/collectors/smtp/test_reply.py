"""What is new in a reply."""

import pytest

from collectors.smtp.reply import MARKER, split_reply

NEW = "It is down again.\nPlease look."


@pytest.mark.parametrize(
    "quoted",
    [
        "On Mon, Nov 22, 2026 at 3:00 AM Support <support@example.com> wrote:\n> older",
        "On Mon, Nov 22, 2026 at 3:00 AM Support\n<support@example.com>\nwrote:\n\n> older",
        "Le lun. 22 nov. 2026 à 03:00, Support <support@example.com>\na écrit :\n> older",
        "Am 22.11.2026 um 03:00 schrieb Support <support@example.com>:\n> older",
        "El 22 nov 2026, a las 3:00, Support <s@example.com> escribió:\nolder",
        "Op 22 nov. 2026 om 03:00 schreef Support <s@example.com>:\n> older",
        "пн, 22 нояб. 2026 г. в 03:00, Support <s@example.com>:\n> older",  # noqa: RUF001 - Russian
        "-----Original Message-----\nFrom: Support\nolder",
        "-----Ursprüngliche Nachricht-----\nVon: Support\nolder",
        "---- On Sun, 22 Nov 2026 03:00:00 +0000 support@example.com wrote ----\nolder",
        "________________________________\nFrom: Support <s@example.com>\nSent: Monday\nTo: me\nSubject: x\n\nolder",
        "De : Support\nEnvoyé : lundi\nÀ : moi\nObjet : x\n\nolder",
        "*Von:* Support\n*Gesendet:* Montag\n*An:* mich\n\nolder",
        f"{MARKER}\nolder",
        f"> {MARKER}\n> older",
        "> older\n> and older",
        "-- \nAlice\n+33 1",
    ],
)
def test_what_is_quoted_below_is_not_new(quoted: str) -> None:
    new, old = split_reply(f"{NEW}\n\n{quoted}")
    assert new == NEW
    assert old == quoted


def test_answers_between_quoted_lines_are_new() -> None:
    text = "On 22 Nov 2026, s@example.com wrote:\n> Is it up?\n\nNo.\n\n> Since when?\n\nSince noon.\n"
    new, old = split_reply(text)
    assert new == "No.\n\nSince noon."
    assert "Is it up?" in old
    assert "Since when?" in old


def test_an_answer_below_the_quote_is_new() -> None:
    new, _ = split_reply("On 22 Nov 2026, s@example.com wrote:\n> Is it up?\n> Please say.\n\nNo.")
    assert new == "No."


@pytest.mark.parametrize(
    "text",
    [
        "---------- Forwarded message ---------\nFrom: a\nDate: b\nSubject: c\n\nPlease handle.",
        "> all of it\n> is quoted",
        "From: the pump we hear a noise.",
        "On the other hand he wrote:\nnothing",
        "See -- this is not a signature",
        "",
    ],
)
def test_where_nothing_else_would_be_new_all_is(text: str) -> None:
    assert split_reply(text) == (text, "")
