"""``tocsin explain``: what a datagram means, which rule wins for an event, and why the others lose."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import click

from gateway.cli.datagrams import explain_capture, explain_hex, reader_of
from gateway.cli.exits import Failure
from gateway.cli.judgement import judgement_text
from gateway.cli.options import config_option, configuration, json_option, say_json, state_dir_option
from gateway.compose import judge_of
from gateway.config.mistakes import unknown_key
from gateway.core.event import Event, EventKind

_TEXTS = ("collector", "source", "condition", "object", "severity", "summary", "description", "requester")
_KNOWN = (*_TEXTS, "kind", "labels", "at_ms")


@click.command()
@config_option
@state_dir_option
@click.argument("event", type=click.File(encoding="utf-8"), required=False)
@click.option("--hex", "hexadecimal", metavar="HEX", help="A datagram in hexadecimal, in place of EVENT.")
@click.option(
    "--pcap",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A capture (pcap, pcapng) with datagrams, in place of EVENT.",
)
@click.option("--collector", default="", help="The collector that reads datagrams; without it, the first that can.")
@click.option("--from", "address", default="192.0.2.1", show_default=True, help="With --hex: the sender's address.")
@click.option(
    "--port",
    "ports",
    multiple=True,
    type=int,
    default=(162, 1162),
    show_default=True,
    help="With --pcap: to which ports.",
)
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1), help="With --pcap: most datagrams explained."
)
@json_option
def explain(
    path: Path | None,
    state_dir: Path,
    event: IO[str] | None,
    hexadecimal: str | None,
    pcap: Path | None,
    collector: str,
    address: str,
    ports: tuple[int, ...],
    limit: int,
    *,
    as_json: bool,
) -> None:
    """Say what the rules make of EVENT, a JSON file (- for standard input), or of a datagram.

    Its members are those of an event: collector, source, condition, kind, object, severity, summary, description, labels.
    """
    if sum(given is not None for given in (event, hexadecimal, pcap)) != 1:
        raise click.UsageError("give one of EVENT, --hex and --pcap")
    config = configuration(path)
    judge = judge_of(config)
    if event is None:
        read = reader_of(config, collector, state_dir)
        if pcap is not None:
            explain_capture(pcap, read, judge, ports=ports, limit=limit, as_json=as_json)
        else:
            explain_hex(hexadecimal or "", read, judge, address=address, as_json=as_json)
        return
    try:
        said = read_event(event.read())
    except UnicodeDecodeError:
        raise Failure("EVENT is not UTF-8; save it in that encoding") from None
    said, verdict = judge.judge(said)
    explanations = judge.rulebook.explain(said)
    if as_json:
        say_json({"verdict": asdict(verdict), "rules": [asdict(explanation) for explanation in explanations]})
        return
    click.echo(judgement_text(verdict, explanations))


def read_event(text: str) -> Event:
    """The event that a JSON document describes; values of labels may be numbers.

    Raises:
        Failure: it describes none; the sentence says why.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure(f"EVENT is not JSON ({error}); write an object with source, condition and labels") from None
    if not isinstance(given, dict) or not isinstance(given.get("labels", {}), dict):
        raise Failure('EVENT and its labels must be JSON objects, as in {"source": "r1", "condition": "link_down"}')
    for key in given:
        if key not in _KNOWN:
            raise Failure(f"EVENT has {key}: {unknown_key(key, _KNOWN)}")
    kind = given.get("kind", EventKind.RAISE.value)
    if kind not in list(EventKind):
        raise Failure(f"EVENT has kind {kind!r}; write raise, clear or note")
    texts: dict[str, Any] = {name: _text(given.get(name, "")) for name in _TEXTS}
    labels = {name: _text(value) for name, value in given.get("labels", {}).items()}
    return Event(kind=EventKind(kind), at_ms=0, labels=labels, **texts)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
