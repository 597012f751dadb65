"""``tocsin explain --hex`` and ``--pcap``: what datagrams mean to a collector, and what the rules make of them."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.cli.exits import Failure
from gateway.cli.judgement import judgement_text
from gateway.cli.options import say_json
from gateway.cli.pcap import CaptureError, Passed, packets
from gateway.cli.tables import table
from gateway.config import Config
from gateway.core.judge import Judge
from gateway.core.text import many
from gateway.plugin import Reader, Reading

MOST_OCTETS = 256 << 20
"""Of a capture."""


def reader_of(config: Config, collector: str, state_dir: Path) -> Reader:
    """How the collector instance ``collector`` reads datagrams; of the first that does if it is empty.

    Raises:
        Failure: there is none, or it reads none.
    """
    readers = {name: found for name, found in config.collectors.items() if found.plugin.reader is not None}
    name = collector or next(iter(readers), "")
    if name not in readers:
        choice = ", ".join(readers) or "none"
        raise Failure(f"collector {name!r} reads no datagrams in this configuration; those that do: {choice}")
    instance = readers[name]
    if instance.plugin.reader is None:  # for the type checker
        raise AssertionError
    return instance.plugin.reader(instance.config, name, state_dir)


def explain_hex(text: str, read: Reader, judge: Judge, *, address: str, as_json: bool) -> None:
    """Explain one datagram in hexadecimal; separators as dumps have them are taken."""
    digits = "".join(text.split()).replace(":", "").removeprefix("0x")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        raise Failure("--hex is not hexadecimal; write pairs of digits, such as 302602010104...") from None
    try:
        reading = read(data, address, 0)
    except ValueError:
        raise Failure(f"--from {address} is no address; write such as 192.0.2.1") from None
    if as_json:
        say_json(_document(reading, judge))
    else:
        click.echo(_text(reading, judge))


def explain_capture(path: Path, read: Reader, judge: Judge, *, ports: Sequence[int], limit: int, as_json: bool) -> None:
    """Explain the datagrams of a capture that went to one of ``ports``, at most ``limit`` of them."""
    if path.stat().st_size > MOST_OCTETS:
        raise Failure(f"{path} is larger than {MOST_OCTETS >> 20} MiB; cut it: tcpdump -r {path} -c 1000 -w less.pcap")
    passed = Passed()
    shown: list[dict[str, Any]] = []
    more = 0
    try:
        for packet in packets(path.read_bytes(), passed):
            if packet.port not in ports:
                passed.count += 1
            elif len(shown) == limit:
                more += 1
            else:
                reading = read(packet.payload, packet.source, int(packet.at_s * 1000))
                shown.append(_document(reading, judge) if as_json else {})
                if not as_json:
                    click.echo(f"--- datagram {len(shown)} ---\n{_text(reading, judge)}\n")
    except CaptureError as error:
        raise Failure(f"{path}: {error}") from None
    if as_json:
        say_json({"datagrams": shown, "more": more, "passed_over": passed.count})
        return
    others = many(passed.count, "other packet")
    told = f"{many(len(shown), 'datagram')} explained, {more} more not shown (--limit), {others} passed over (--port)"
    click.echo(told)


def _document(reading: Reading, judge: Judge) -> dict[str, Any]:
    """A reading for programs."""
    document: dict[str, Any] = {
        "facts": [{"name": name, "value": value} for name, value in reading.facts],
        "dropped": reading.dropped,
        "why": reading.why,
        "event": None,
        "verdict": None,
        "rules": [],
    }
    if reading.event is not None:
        event, verdict = judge.judge(reading.event)
        document["event"] = {
            "source": event.source,
            "condition": event.condition,
            "kind": event.kind,
            "summary": event.summary,
            "labels": dict(event.labels),
        }
        document["verdict"] = asdict(verdict)
        document["rules"] = [asdict(said) for said in judge.rulebook.explain(event)]
    return document


def _text(reading: Reading, judge: Judge) -> str:
    """A reading for people."""
    parts = [table(("DATAGRAM", ""), reading.facts)]
    if reading.dropped is not None:
        parts.append(f"would be dropped: {reading.dropped}, since {reading.why}")
    if reading.event is not None:
        event, verdict = judge.judge(reading.event)
        labels = [("source", event.source), ("condition", event.condition), *sorted(event.labels.items())]
        if reading.dropped is not None:
            parts.append("if it were taken:")
        parts += [table(("EVENT", ""), labels), judgement_text(verdict, judge.rulebook.explain(event))]
    return "\n\n".join(parts)
