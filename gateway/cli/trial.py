"""``tocsin test``: do the rules do what their tests say?"""

from collections.abc import Sequence
from pathlib import Path

import click

from gateway.cli.exits import Failure
from gateway.cli.options import config_option, json_option, say_json
from gateway.config import Config, load, rule_packs
from gateway.core.text import many
from gateway.plugin import Secret
from gateway.plugins import discover
from gateway.rehearse import Result, try_out


@click.command("test")
@config_option
@click.option("--only", default="", help="Only the tests whose name contains this text.")
@click.option("--packs", is_flag=True, help="Count the rules of rule packs too.")
@click.option("--every-rule", is_flag=True, help="Fail if there is a rule that no test reaches.")
@json_option
def test(path: Path | None, only: str, *, packs: bool, every_rule: bool, as_json: bool) -> None:
    """Play every [[test]] of the configuration on virtual time; say what is not as expected, and which rules none reached.

    No secret is read, no tracker asked, no port opened. Fails if an expectation does not hold, or if there is no test.
    """
    with Secret.unread():
        config = load(path, plugins=discover())
    cases = [case for case in config.tests if only in case.config.name]
    if not cases:
        wanted = f'no test of {config.path} has "{only}" in its name' if only else f"{config.path} has no [[test]]"
        raise Failure(f"{wanted}; docs/testing-rules.md shows how to write one")
    results = [try_out(config, case) for case in cases]
    unreached = [] if only else _unreached(config, results, packs=packs)
    good = not any(result.failures for result in results) and not (every_rule and unreached)
    if as_json:
        say_json(_document(config, results, unreached, ok=good))
    else:
        _tell(config, results, unreached)
    if not good:
        raise click.exceptions.Exit(1)


def _unreached(config: Config, results: Sequence[Result], *, packs: bool) -> list[str]:
    """Rules that met no event of any test, in their order; those of rule packs have tests of their own."""
    shipped = set() if packs else {str(path) for path in rule_packs().values()}
    reached = frozenset[str]().union(*(result.reached for result in results))
    own = [rule.name for rule in config.rules if config.places[rule.name][0] not in shipped]
    return [name for name in own if name not in reached]


def _tell(config: Config, results: Sequence[Result], unreached: Sequence[str]) -> None:
    for result in results:
        click.echo(f"{'FAILED' if result.failures else 'ok    '}  {result.case.config.name}")
    for result in results:
        for failure in result.failures:
            click.echo(str(failure), err=True)
    for name in unreached:
        file, line = config.places[name]
        click.echo(f'{file}:{line}: rule "{name}" is reached by no test')
    failed = sum(bool(result.failures) for result in results)
    without = f"{many(len(unreached), 'rule')} without a test"
    click.echo(f"{config.path}: {many(len(results), 'test')}, {failed} failed, {without}")


def _document(config: Config, results: Sequence[Result], unreached: Sequence[str], *, ok: bool) -> dict[str, object]:
    return {
        "ok": ok,
        "tests": [
            {
                "name": result.case.config.name,
                "file": result.case.file,
                "line": result.case.lines[0],
                "ok": not result.failures,
                "failures": [{"line": one.line, "at": one.at, "text": one.text} for one in result.failures],
                "rules": sorted(result.reached),
            }
            for result in results
        ],
        "unreached": [
            {"rule": name, "file": config.places[name][0], "line": config.places[name][1]} for name in unreached
        ],
    }
