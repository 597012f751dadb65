"""The reckoning: the ledger and the trackers' memories against the store, after a clean stop."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.campaign.ledger import Ledger, Letter, Trouble
from tests.faults.campaign.trackers import Made, Moody

ENDED = frozenset({"resolved", "closed"})
MOST_NAMED = 10
"""Examples of each finding that are told."""


@dataclass(slots=True)
class Findings:
    """What was found to be wrong, by word; each finding is a sentence's worth of text."""

    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, word: str, what: str, *, times: int = 1) -> None:
        self.found[word] += [what] * times

    def count(self, word: str) -> int:
        return len(self.found.get(word, ()))

    def told(self) -> dict[str, list[str]]:
        """Some examples of each."""
        return {word: sorted(set(what))[:MOST_NAMED] for word, what in sorted(self.found.items())}


WORDS = (
    "lost",
    "duplicates",
    "ghosts",
    "ticketless",
    "diverged",
    "comments_twice",
    "counted_twice",
    "not_cleared",
    "split_mails",
    "damaged",
)
"""All kinds of findings:

``lost``            acknowledged, and not in the store (I1, I8)
``duplicates``      a second ticket for an incident in one tracker (I2)
``ghosts``          a ticket without an incident (I4)
``ticketless``      an open incident that wants a ticket and has none after the drain (I3, I7)
``diverged``        a ticket that is open while its incident is over, or the other way round (I5)
``comments_twice``  a comment that was written twice
``counted_twice``   a repeat of an inform that was counted as another occurrence
``not_cleared``     the clear was acknowledged and the incident is still open
``split_mails``     a mail that is in two incidents, or an answer that is not in the incident of what it answers
``damaged``         SQLite's integrity_check, foreign keys, or two open incidents for one fingerprint (I6)
"""


def reckon(database: Path, ledger: Ledger, trackers: Mapping[str, Moody]) -> Findings:
    """Hold everything against the store; ``database`` belongs to nobody any more."""
    findings = Findings()
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as store:
        store.row_factory = sqlite3.Row
        _whole(store, findings)
        _troubles(store, ledger.informs.values(), "link_down", "object", findings, exact=True)
        _troubles(store, ledger.beats.values(), "station_fault", "source", findings, exact=False)
        _mails(store, ledger.mails, findings)
        for name, tracker in trackers.items():
            _tickets(store, name, tracker.tickets(), findings)
    store.close()
    return findings


def _whole(store: sqlite3.Connection, findings: Findings) -> None:
    for (said,) in store.execute("PRAGMA integrity_check"):
        if said != "ok":
            findings.add("damaged", said)
    for row in store.execute("PRAGMA foreign_key_check"):
        findings.add("damaged", f"a row of {row[0]} points nowhere")
    open_ones = "SELECT fingerprint FROM incident WHERE state <> 'closed' GROUP BY fingerprint HAVING count(*) > 1"
    for (mark,) in store.execute(open_ones):
        findings.add("damaged", f"two open incidents for {mark}")


def _troubles(
    store: sqlite3.Connection,
    troubles: Iterable[Trouble],
    condition: str,
    column: str,
    findings: Findings,
    *,
    exact: bool,
) -> None:
    """``exact``: each repeat has an identity and must not count again."""
    kept: Counter[str] = Counter()
    states: dict[str, str] = {}
    # The column is one of two words of ours.
    query = f"SELECT {column} AS name, occurrences, state FROM incident WHERE condition = ? ORDER BY id"  # noqa: S608
    for row in store.execute(query, (condition,)):
        kept[row["name"]] += row["occurrences"]
        states[row["name"]] = row["state"]
    for one in troubles:
        findings.add("lost", one.name, times=max(0, one.acknowledged - kept[one.name]))
        if exact:
            findings.add("counted_twice", one.name, times=max(0, kept[one.name] - one.raised))
        if one.clear_acknowledged and states.get(one.name) not in ENDED:
            findings.add("not_cleared", f"{one.name} is {states.get(one.name)}")
        if not one.clear_sent and states.get(one.name) in ENDED:
            findings.add("lost", f"{one.name} is over, and nobody said so")


def _mails(store: sqlite3.Connection, mails: Mapping[str, Letter], findings: Findings) -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for key, incident in store.execute("SELECT key, incident FROM thread WHERE key LIKE 'mid:%'"):
        where[key.removeprefix("mid:").strip("<>")].append(incident)
    for letter in mails.values():
        homes = where[letter.message_id.strip("<>")]
        if letter.acknowledged and not homes:
            findings.add("lost", letter.message_id)
        if len(homes) > 1 or (homes and letter.answers and homes != where[letter.answers.strip("<>")]):
            findings.add("split_mails", letter.message_id)


def _tickets(store: sqlite3.Connection, sink: str, made: list[Made], findings: Findings) -> None:
    incidents = {row["id"]: row for row in store.execute("SELECT id, source, object, state, body FROM incident")}
    refs = dict(
        store.execute("SELECT incident, ref FROM ticket WHERE sink = ? AND ref IS NOT NULL", (sink,)).fetchall()
    )
    # What ended by itself between the last look at the outbox and the stop is told at the next start.
    under_way = {key for (key,) in store.execute("SELECT incident FROM operation WHERE sink = ?", (sink,))}
    by_key: dict[str, list[Made]] = defaultdict(list)
    for ticket in made:
        by_key[ticket.key].append(ticket)
        for mark, times in Counter(ticket.comments).items():
            findings.add("comments_twice", f"{sink} {ticket.id} {mark}", times=times - 1)
    for key, tickets in by_key.items():
        names = f"{sink} {[ticket.id for ticket in tickets]} of {key or 'no incident'}"
        if key not in incidents:
            findings.add("ghosts", names, times=len(tickets))
            continue
        findings.add("duplicates", names, times=len(tickets) - 1)
        over = incidents[key]["state"] in ENDED
        if any(ticket.open is over for ticket in tickets) and key not in under_way:
            findings.add("diverged", f"{names}: the incident is {incidents[key]['state']}")
    for key, row in incidents.items():
        wants = sink in json.loads(row["body"]).get("sinks", ()) and row["state"] not in ENDED
        if wants and (key not in by_key or key not in refs):
            findings.add("ticketless", f"{sink} {row['source']} {row['object']} {key}")


def tickets_made(trackers: Mapping[str, Moody]) -> int:
    """How many tickets there are in all."""
    return sum(len(tracker.tickets()) for tracker in trackers.values())
