"""``tocsin import snmptt`` and ``tocsin import opennms``: rules on standard output, the account on standard error."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from collectors.snmp import opennms
from collectors.snmp.imports import Account, Carried, Draft, toml_of, words_of
from collectors.snmp.mib_files import names_in
from collectors.snmp.mibs_command import STATE_DIR
from collectors.snmp.names import standard
from collectors.snmp.render import escape
from collectors.snmp.snmptt import convert, parse
from gateway.core.text import many

MOST_OCTETS = 64 << 20
"""Of one file."""
_FILES = click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)


@click.command("snmptt")
@_FILES
@STATE_DIR
def snmptt(files: tuple[Path, ...], state_dir: Path) -> None:
    """Turn SNMPTT's trap definitions (snmptt.conf) into rules on standard output.

    What became of each definition is told on standard error: carried, changed or refused, and why.
    """
    names = names_in(state_dir, standard())
    words = words_of(names)
    drafts: list[Draft] = []
    accounts: list[Account] = []
    for path in files:
        events, wrong = parse(_read(path).decode("utf-8", "replace"), file=str(path))
        accounts += wrong
        for event in events:
            made, account = convert(event, names, words, file=str(path))
            drafts += made
            accounts.append(account)
    _say(drafts, accounts, files, "SNMPTT")


@click.command("opennms")
@_FILES
@STATE_DIR
def opennms_events(files: tuple[Path, ...], state_dir: Path) -> None:
    """Turn OpenNMS event definitions (XML) into rules on standard output; give files that refer to each other together.

    What became of each definition is told on standard error: carried, changed or refused, and why.
    """
    names = names_in(state_dir, standard())
    events: list[opennms.Event] = []
    for path in files:
        try:
            events += opennms.parse(_read(path), file=str(path))
        except opennms.XmlError as error:
            raise click.ClickException(escape(str(error))) from None
    pairs = list(opennms.convert_all(events, names, words_of(names)))
    _say([draft for draft, _ in pairs if draft is not None], [account for _, account in pairs], files, "OpenNMS")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_OCTETS + 1)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MOST_OCTETS:
        raise click.ClickException(f"{path} is larger than {MOST_OCTETS >> 20} MiB; split it")
    return data


def _say(drafts: Sequence[Draft], accounts: Sequence[Account], files: Sequence[Path], system: str) -> None:
    for account in accounts:
        click.echo(escape(str(account)), err=True)
    counts = Counter(account.how for account in accounts)
    told = ", ".join(f"{counts[how]} {how}" for how in Carried)
    click.echo(f"{many(len(accounts), 'definition')}: {told}; {many(len(drafts), 'rule')}", err=True)
    if not accounts:
        raise click.ClickException(f"no definition of {system} was found in {', '.join(map(str, files))}")
    click.echo(toml_of(drafts, origin=f"{system} ({', '.join(path.name for path in files)})"), nl=False)
