"""``tocsin explain``: what a datagram means, which rule wins for an event, and why the others lose."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway import journal
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
@click.argument("event", nargs=-1)
@click.option(
    "--incident", metavar="ID", help="What began this incident, from the journal in --state-dir, in place of EVENT."
)
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
    event: tuple[str, ...],
    incident: str | None,
    hexadecimal: str | None,
    pcap: Path | None,
    collector: str,
    address: str,
    ports: tuple[int, ...],
    limit: int,
    *,
    as_json: bool,
) -> None:
    """Say what the rules make of EVENT, or of a datagram: which wins, and how near the others came.

    EVENT is words NAME=VALUE, a JSON object, or a file with one (- for standard input). Its members are those of an event:
    collector, source, condition, kind, object, severity, summary, description; any other NAME is a label.
    """
    if sum(map(bool, (event, incident, hexadecimal, pcap))) != 1:
        raise click.UsageError("give one of EVENT, --incident, --hex and --pcap")
    config = configuration(path)
    judge = judge_of(config)
    if hexadecimal or pcap:
        read = reader_of(config, collector, state_dir)
        if pcap is not None:
            explain_capture(pcap, read, judge, ports=ports, limit=limit, as_json=as_json)
        else:
            explain_hex(hexadecimal or "", read, judge, address=address, as_json=as_json)
        return
    said = _of_incident(incident, state_dir) if incident else _of_words(event)
    said, verdict = judge.judge(said)
    explanations = judge.rulebook.explain(said)
    if as_json:
        say_json({"verdict": asdict(verdict), "rules": [asdict(explanation) for explanation in explanations]})
        return
    click.echo(judgement_text(verdict, explanations))


def _of_words(words: tuple[str, ...]) -> Event:
    """The event that the command line tells of."""
    if all("=" in word and not word.startswith("{") for word in words):
        pairs = dict(word.split("=", 1) for word in words)
        facts: dict[str, object] = {name: text for name, text in pairs.items() if name in (*_TEXTS, "kind")}
        return read_event(json.dumps({**facts, "labels": {n: text for n, text in pairs.items() if n not in facts}}))
    if len(words) > 1:
        raise click.UsageError("EVENT is words NAME=VALUE, or one JSON object, or one file")
    if words[0].startswith("{"):
        return read_event(words[0])
    try:
        with click.open_file(words[0], encoding="utf-8") as file:
            return read_event(file.read())
    except UnicodeDecodeError:
        raise Failure("EVENT is not UTF-8; save it in that encoding") from None
    except OSError as error:
        raise Failure(
            f"EVENT {words[0]} cannot be read ({error.strerror}); give a file, a JSON object, or words such as source=r1"
        ) from None


def _of_incident(incident: str, state_dir: Path) -> Event:
    """The first input of an incident that the journal still has."""
    try:
        found = next((one for one in journal.read(state_dir, since_ms=0) if one.incident == incident), None)
    except OSError as error:
        raise Failure(f"the journal in {state_dir} cannot be read: {error}") from None
    if found is None:
        raise Failure(
            f"the journal in {state_dir / journal.FOLDER} knows no incident {incident}; give the daemon's --state-dir, "
            "or write EVENT as `tocsin incidents show` tells it"
        )
    return found.event


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
