"""v1 and v2c traps: at saturation beside the peers, and the highest rate at which nothing is dropped."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench.harness import OURS, Options, Report, account, cores, quantile, watch
from tests.bench.receivers import PEERS, Missing, Ours, Receiver, start
from tests.daemon import Books
from tests.sender import Sender, ended, write_datagrams
from tests.traps import once, stream, troubles

TRAPS = 200_000
"""Datagrams in the file; then it begins anew."""
STORM, MANY = 200, 5_000
QUEUED = 100_000
WARM_S = 1.5
"""Until buffers and look-ups are as full as they will be."""
OPENED_PER_S = 2_000
"""How fast every trouble is told once before."""
STEP = 0.07
"""Relative step of the ramp."""
LEAST = 10
"""No rate below so small a part of that at saturation is tried."""


class Opening(NamedTuple):
    """Each trouble of a case, told once."""

    traps: Path
    count: int


def run(options: Options) -> Report:
    """Measure all of it."""
    report = Report("traps", options, main="per_s")
    sender = Sender(options.folder, cores=cores()[0])
    count = 2_000 if options.small else TRAPS
    cases = {
        f"storm, {STORM} fingerprints": write_datagrams(options.folder / "storm", stream(troubles(STORM), count)),
        f"{MANY:,} fingerprints, skewed": write_datagrams(
            options.folder / "skewed", stream(troubles(MANY), count, skewed=True)
        ),
    }
    if options.small:
        cases.popitem()
    names = [OURS, *(PEERS if options.peers else ())]
    opening = {
        case: Opening(write_datagrams(options.folder / f"once-{count}", once(troubles(count))), count)
        for case, count in zip(cases, (STORM, MANY), strict=False)
    }
    for _ in range(options.repeats):
        for case, traps in cases.items():
            for name in names:
                saturate(report, case, name, sender, traps, opening=opening[case])
    for _ in range(options.repeats):
        _queued(report, sender, next(iter(cases.values())))
    for case, traps in cases.items():
        for name in [name for name in (OURS, "gosnmp") if name in names]:
            _ramp(report, case, name, sender, traps, opening[case])
    for _ in range(options.repeats):
        _new(report, sender)
    return report


def _receivers(report: Report, name: str, engines: Sequence[str] = ()) -> Iterator[Receiver]:
    """The program, once; nothing, said in the report, if it cannot be had."""
    try:
        with start(name, report.options, engines=engines) as receiver:
            yield receiver
    except Missing as why:
        report.skip(name, str(why))


def saturate(
    report: Report,
    case: str,
    name: str,
    sender: Sender,
    traps: Path,
    *,
    rate: float = 0,
    engines: Sequence[str] = (),
    opening: Opening | None = None,
) -> None:
    """Send without a pause, or at more than anybody takes; count what is taken meanwhile.

    With ``opening`` every trouble is told before, and its incident open.
    """
    seconds = report.options.seconds / 2
    for receiver in _receivers(report, name, engines):
        _open(receiver, sender, opening)
        before = receiver.books() if isinstance(receiver, Ours) else None
        began = receiver.taken()
        sending = sender.start(receiver.port, traps, seconds=WARM_S + seconds, rate=rate)
        time.sleep(WARM_S)
        with watch(receiver.pid) as used:
            at_s, first = time.monotonic(), receiver.taken()
            time.sleep(seconds - 0.2)
            last, took_s = receiver.taken(), time.monotonic() - at_s
        sent = ended(sending).count
        taken = last - first
        books = account(receiver, before, sent=sent) if before else {}
        report.add(
            case, name, per_s=taken / took_s, cpu_us=used.cpu_s / max(1, taken) * 1e6, rss_mib=used.rss_mib,
            dropped=sum(n for what, n in books.items() if what.startswith("dropped")) if books else sent - _settled(receiver) + began,
            sent_per_s=sent / (WARM_S + seconds), **_lateness(receiver, before),
        )  # fmt: skip


def _open(receiver: Receiver, sender: Sender, opening: Opening | None) -> None:
    """Tell every trouble once, and wait until ours has told it on."""
    if opening is None:
        return
    seconds = 2 * opening.count / OPENED_PER_S
    sender.send(receiver.port, opening.traps, seconds=seconds, rate=OPENED_PER_S, count=opening.count)
    if isinstance(receiver, Ours):
        receiver.quiet(("snmp",))


def _lateness(receiver: Receiver, before: Books | None) -> dict[str, float]:
    """How late the loop was, with all that came before and after; only ours tells."""
    if before is None or not isinstance(receiver, Ours):
        return {}
    return {"late_p99_s": quantile(before.text, receiver.books().text, "tocsin_loop_lateness_seconds", 0.99)}


def _settled(receiver: Receiver) -> int:
    """What it has taken when it takes no more."""
    last = -1
    while (now := receiver.taken()) != last:
        last = now
        time.sleep(0.3)
    return last


def _ramp(report: Report, case: str, name: str, sender: Sender, traps: Path, opening: Opening) -> None:
    """Search the highest rate at which nothing is dropped: by halves with short trials, then one as long as asked."""
    seconds = report.options.seconds
    most = report.medians()[case].get(name, {}).get("per_s")
    if not most:
        return  # it was skipped, or took nothing
    for receiver in _receivers(report, name):
        _open(receiver, sender, opening)
        low, high = most / 8, most * 1.3
        while high / low > 1 + STEP:
            middle = (low * high) ** 0.5
            if _holds(receiver, sender, traps, middle, min(2.0, seconds)):
                low = middle
            else:
                high = middle
        while not _holds(receiver, sender, traps, low, seconds):
            low /= 1 + STEP
            if low < most / LEAST:
                return  # it drops, or counts late, whatever the rate
        with watch(receiver.pid) as used:
            _holds(receiver, sender, traps, low, min(2.0, seconds))
        report.add(f"{case}: without a drop", name, per_s=low, load=used.cpu_s / used.seconds, rss_mib=used.rss_mib)


def _holds(receiver: Receiver, sender: Sender, traps: Path, rate: float, seconds: float) -> bool:
    """Whether all that is sent at this rate is taken."""
    before = _settled(receiver)
    sent = sender.send(receiver.port, traps, seconds=seconds, rate=rate).count
    return _settled(receiver) - before == sent


def _new(report: Report, sender: Sender) -> None:
    """Every trap a trouble of its own."""
    options = report.options
    count = 2_000 if options.small else int(12_000 * options.seconds)
    traps = write_datagrams(options.folder / "new", once(troubles(count)))
    with start(OURS, options) as receiver:
        assert isinstance(receiver, Ours)
        before = receiver.books()
        with watch(receiver.pid) as used:
            sending = sender.start(receiver.port, traps, seconds=options.seconds, count=count)
            sent = ended(sending)
            books = account(receiver, before, sent=sent.count)
        took_s = used.seconds
        report.add(
            "every trap a new fingerprint", OURS, per_s=books.get("kept", 0) / took_s, cpu_us=used.cpu_s / sent.count * 1e6,
            rss_mib=used.rss_mib, dropped=sent.count - books.get("kept", 0) - books.get("folded", 0), sent=sent.count,
        )  # fmt: skip


def _queued(report: Report, sender: Sender, traps: Path) -> None:
    """Traps that arrive while the daemon stands still for a second."""
    count = 1_000 if report.options.small else QUEUED
    with start(OURS, report.options) as receiver:
        assert isinstance(receiver, Ours)
        before = receiver.books()
        with receiver.held():
            at_s = time.monotonic()
            sent = sender.send(receiver.port, traps, seconds=10.0, count=count).count
            time.sleep(max(0.0, 1.0 - (time.monotonic() - at_s)))
        books = account(receiver, before, sent=sent)
        kept = books.get("kept", 0) + books.get("folded", 0)
        report.add("queued while the daemon is stopped for a second", OURS, sent=sent, kept=kept, dropped=sent - kept)
