"""What was said to the daemon, and what it acknowledged: the ledger that its store is held against in the end."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

TICKET = "t"
"""Names that begin so want tickets in every tracker; the others are incidents without one."""
QUIET = "q"


@dataclass(slots=True)
class Trouble:
    """A trouble of a name of its own: how often it was raised, and whether it was told to be over."""

    name: str
    raised: int = 0
    """Different raises that were sent."""
    acknowledged: int = 0
    """Raises that were acknowledged."""
    clear_sent: bool = False
    clear_acknowledged: bool = False

    @property
    def wants_ticket(self) -> bool:
        return self.name.startswith(TICKET)


@dataclass(slots=True)
class Letter:
    """A mail, by its Message-ID."""

    message_id: str
    subject: str
    answers: str = ""
    """The Message-ID of the mail that it answers, if it does."""
    acknowledged: bool = False

    @property
    def wants_ticket(self) -> bool:
        return self.subject.startswith(TICKET)


@dataclass(slots=True)
class Ledger:
    """Everything that was sent. Each sender writes its own part; nobody reads before they have ended."""

    informs: dict[str, Trouble] = field(default_factory=dict)
    beats: dict[str, Trouble] = field(default_factory=dict)
    mails: dict[str, Letter] = field(default_factory=dict)

    def acknowledged(self) -> dict[str, int]:
        """How many inputs of each kind were acknowledged so far."""
        return {
            "informs": _sum(self.informs),
            "beats": _sum(self.beats),
            "mails": sum(letter.acknowledged for letter in list(self.mails.values())),
        }


def _sum(troubles: dict[str, Trouble]) -> int:
    return sum(one.acknowledged + one.clear_acknowledged for one in list(troubles.values()))


class Names:
    """Names for troubles, so that a given number a second want tickets, however many others there are."""

    def __init__(self, word: str, chance: random.Random, *, ticket_share: float) -> None:
        self._word, self._chance, self._share = word, chance, ticket_share
        self._number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self._number += 1
        kind = TICKET if self._chance.random() < self._share else QUIET
        return f"{kind}-{self._word}-{self._number}"


class Sender:
    """A thread that sends; `close` lets it finish what it began, and wait until all of that is acknowledged."""

    def __init__(self, run: Callable[["Sender"], None], name: str) -> None:
        self.closing = threading.Event()
        """No new troubles."""
        self.aborted = threading.Event()
        """Whatever is not acknowledged by now will not be."""
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, args=(run,), name=name, daemon=True)
        self.name = name
        self._thread.start()

    def _guarded(self, run: Callable[["Sender"], None]) -> None:
        try:
            run(self)
        except BaseException as error:  # noqa: BLE001 - told by `done`, in the campaign's own thread
            self.error = error

    def done(self) -> bool:
        """Whether it has ended; raises what it ended with."""
        if self.error is not None:
            raise RuntimeError(f"the sender {self.name} failed") from self.error
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End now."""
        self.closing.set()
        self.aborted.set()
        self._thread.join(timeout=30)
