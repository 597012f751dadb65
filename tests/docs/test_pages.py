"""What pages tell people to write and type works: configurations, commands, options, targets, links, events."""

import asyncio
import json
import re
import shlex
import socket
import tomllib
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from gateway.cli import tocsin
from gateway.compose import judge_of
from gateway.config import load
from gateway.core.event import Event, EventKind
from gateway.plugin import Host
from gateway.plugins import discover
from gateway.testing.clock import ManualClock
from gateway.testing.intake import RecordingIntake
from gateway.testing.keep import MemoryKeep

ROOT = Path(__file__).parents[2]
PATH_OF_TESTS = re.compile(r"`(tests/[\w/.]+)`")
SECRET = re.compile(r"\b(env|credential):([A-Za-z0-9_-]+)")


@pytest.fixture(scope="module")
def installed():
    return discover()


def configurations(blocks):
    """Every TOML block that is a configuration; those of pyproject.toml are not."""
    return [(page, text) for page, text in blocks("toml") if "project" not in tomllib.loads(text)]


def test_every_configuration_loads_without_mistakes(blocks, installed, tmp_path, monkeypatch):
    found = configurations(blocks)
    assert len(found) > 15
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for number, (page, text) in enumerate(found):
        for scheme, name in SECRET.findall(text):
            if scheme == "env":
                monkeypatch.setenv(name, "long-enough-for-a-secret")
            else:
                (tmp_path / name).write_text("long-enough-for-a-secret")
        file = tmp_path / f"{number}.toml"
        file.write_text(f"# {page}\n{text}", encoding="utf-8")
        load(file, plugins=installed)


def test_every_tracker_has_a_configuration_in_the_readme(blocks, installed):
    shown = [tomllib.loads(text).get("sinks", {}) for page, text in blocks("toml") if page == "README.md"]
    sinks = [options | {"type": options.get("type", name)} for one in shown for name, options in one.items()]
    assert {sink["type"] for sink in sinks} == set(installed.sinks) - {"local"}
    deployments = {sink["deployment"] for sink in sinks if sink["type"] == "jira"}
    assert deployments == {"cloud", "service_management", "datacenter"}


def commands(blocks):
    """What people are told to type after a prompt."""
    for page, text in blocks("console"):
        for line in text.splitlines():
            if line.startswith(("$ ", "# ")):
                yield page, line[2:]


def test_every_command_of_ours_exists_with_its_options(blocks):
    checked = 0
    for page, line in commands(blocks):
        words = shlex.split(line.split("|")[0])
        if words and words[0].rpartition("/")[2] == "tocsin":
            problem = parse(words[1:])
            assert not problem, f"{page}: {line}: {problem}"
            checked += 1
    assert checked > 20


def parse(words: list[str]) -> str:
    """What click says against these words; empty if nothing. No command is run."""
    command: click.Command = tocsin
    context = click.Context(tocsin, info_name="tocsin")
    while isinstance(command, click.Group) and words and command.get_command(context, words[0]):
        command = command.get_command(context, words[0])
        context = click.Context(command, info_name=words[0], parent=context)
        words = words[1:]
    if isinstance(command, click.Group) and not command.invoke_without_command:
        return "no such command"
    parser = command.make_parser(context)
    try:
        _, rest, _ = parser.parse_args(list(words))
    except click.UsageError as error:
        return error.format_message()
    return f"what is {rest}?" if rest and not isinstance(command, click.Group) else ""


def test_every_make_target_exists(pages, root):
    makefile = (root / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    told = {(page, target) for page, text in pages.items() for target in re.findall(r"(?:`|[$#] )make ([a-z]+)", text)}
    assert {("README.md", "run"), ("README.md", "test"), ("README.md", "demo")} <= told
    assert {pair for pair in told if pair[1] not in targets} == set()


def test_every_command_of_the_reference_is_mentioned_where_changes_are_told(pages):
    assert [name for name in tocsin.commands if f"`{name}" not in pages["CHANGELOG.md"]] == []


def test_every_link_to_a_file_leads_somewhere(pages, root):
    links = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
    lost = [
        (page, target)
        for page, text in pages.items()
        for target in links.findall(text)
        if not (root / page).parent.joinpath(target).exists()
    ]
    assert lost == []


def test_every_path_named_in_the_text_exists(pages, root):
    named = re.compile(r"`((?:gateway|collectors|sinks|config|systemd|tests|docs)/[\w./-]+)`")
    lost = [(page, path) for page, text in pages.items() for path in named.findall(text) if not (root / path).exists()]
    assert lost == []


def test_the_explained_event_is_explained_as_told(blocks, root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    (shown,) = [text for page, text in blocks("console") if page == "docs/rules.md" and "tocsin explain" in text]
    event, winner = json.loads(shown.splitlines()[1]), re.search(r"^rule +(\S+)$", shown, re.MULTILINE)
    assert winner is not None
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event))
    arguments = shlex.split(shown.splitlines()[2][2:])[1:]
    arguments[-1] = str(file)
    for _, name in SECRET.findall(Path(arguments[2]).read_text("utf-8")):
        monkeypatch.setenv(name, "long-enough-for-a-secret")
    said = CliRunner().invoke(tocsin, arguments, env={"COLUMNS": "200"}).output
    assert winner[0] in said
    for line in shown.splitlines():
        if line.startswith(("lost", "won")):
            assert line in said


def test_the_pairs_of_mails_that_are_shown_meet(blocks, installed, tmp_path):
    (shown,) = [text for page, text in blocks("toml") if page == "docs/rules.md" and "backup-worked" in text]
    file = tmp_path / "t.toml"
    file.write_text(shown)
    judge = judge_of(load(file, plugins=installed))
    verdicts = []
    for number, said in enumerate(("failed", "succeeded")):
        labels = {"subject": f"Backup of db1 {said}"}
        event = Event(
            collector="smtp",
            source="a@b",
            condition="mail",
            kind=EventKind.RAISE,
            at_ms=0,
            object=f"mail-{number}",
            labels=labels,
        )
        verdicts.append(judge.judge(event)[1])
    assert [verdict.kind for verdict in verdicts] == [EventKind.RAISE, EventKind.CLEAR]
    assert verdicts[0].fingerprint == verdicts[1].fingerprint


async def test_the_collector_of_the_guide_hears(blocks, tmp_path):
    (source,) = [text for page, text in blocks("python") if page == "docs/extending/collector.md"]
    module = ModuleType("doorbell")
    exec(compile(source, "doorbell", "exec"), module.__dict__)  # noqa: S102 - our own page
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    host = Host(name="bell", clock=ManualClock(), keep=MemoryKeep(), state_dir=tmp_path)
    intake = RecordingIntake()
    async with module.plugin.build(module.DoorbellConfig(port=port), host) as collector, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(collector.run(intake))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as visitor:
            for datagram in (b"front ringing", b"\xff", b"front quiet"):
                visitor.sendto(datagram, ("127.0.0.1", port))
        async with asyncio.timeout(5):
            while intake.inputs < 3:
                await intake.wait()
        running.cancel()
    assert [(event.source, event.kind) for event in intake.events] == [
        ("front", EventKind.RAISE),
        ("front", EventKind.CLEAR),
    ]
    assert sum(intake.drops.values()) == 1


def test_each_page_of_a_decision_has_its_four_parts(pages):
    decisions = {page: text for page, text in pages.items() if page.startswith("docs/decisions/")}
    assert len(decisions) >= 15
    parts = ["Context", "Decision", "What it rules out", "What would change our mind"]
    wrong = [page for page, text in decisions.items() if re.findall(r"^## (.*)$", text, re.MULTILINE) != parts]
    assert wrong == []
    numbers = [int(page.rpartition("/")[2][:4]) for page in decisions]
    assert len(set(numbers)) == len(numbers)


def test_the_tests_that_pages_point_to_exist():
    named = {(page.name, path) for page in ROOT.glob("docs/*.md") for path in PATH_OF_TESTS.findall(page.read_text())}
    assert len(named) > 15
    assert not [where for where in sorted(named) if not (ROOT / where[1]).exists()]


def test_the_index_of_stories_names_tests_that_there_are() -> None:
    tests = Path(__file__).parents[1]
    named = re.findall(r"`(?:tests/)?([^`]+)`", (tests / "scenarios" / "README.md").read_text())
    source = "".join(path.read_text() for path in tests.rglob("test_*.py"))
    assert len(named) > 20
    assert [name for name in named if f"def {name}(" not in source and not (tests / name).exists()] == []
