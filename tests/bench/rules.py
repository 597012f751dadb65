"""What an event costs by the number of rules: in process, and through the daemon, which decodes and judges every trap."""

import time
from pathlib import Path

from gateway.compose import judge_of
from gateway.config import load
from gateway.core.event import Event, EventKind
from gateway.plugins import discover
from tests.bench.harness import OURS, Options, Report, account, cores, watch
from tests.bench.receivers import CONFIG, Ours
from tests.ports import free_port
from tests.sender import Sender, write_datagrams
from tests.traps import PASSWORD, stream, troubles

FEW, MANY = 10, 10_000
COUNTS = (FEW, 100, 1_000, MANY)
FINGERPRINTS = 100
"""Few, so that what is measured is decoding and judging, and not the store."""
PER_S = 5_000
"""Traps a second through the daemon: few enough that none waits long."""
WARM_S = 1.5
DAEMON, PROCESS = "CPU µs of a trap through the daemon, over rules", "CPU µs of a verdict in process, over rules"
_KINDS = (
    'condition = "1.3.6.1.4.1.50000.{n}.0.1"',
    'condition = ["1.3.6.1.4.1.50001.{n}.0.1", "1.3.6.1.4.1.50001.{n}.0.2"]',
    'condition = "1.3.6.1.4.1.50002.{n}.0.1"\nmatch = ["1.3.6.1.4.1.50002.1 > 5"]',
    'condition = "linkDown"\nmatch = [\'source =~ "^10[.]{n}[.]"\']',
    'condition = "linkDown"\nmatch = [\'ifAlias = "customer {n}"\']',
    "match = ['source = \"core-{n}.example.com\"']",
    "match = ['site = \"site-{n}\"', 'role =~ \"^(core|edge)$\"']",
    "match = ['subject =~ \"(?i)order {n} failed\"']",
    'condition = ["mail", "service_problem"]\nmatch = [\'from_domain = "customer{n}.example"\']',
    "match = ['ifDescr =~ \"^xe-{n}/[0-9]+/\"']",
)


def rules(count: int) -> str:
    """So many rules as people write them, in TOML, none of which the traps match."""
    return "\n".join(
        f'[[rule]]\nname = "rule-{n}"\n{_KINDS[n % len(_KINDS)].format(n=n)}\nimpact = "high"\n' for n in range(count)
    )


def run(options: Options) -> Report:
    """Measure all of it."""
    report = Report("rules", options, main="per_s")
    sender = Sender(options.folder, cores=cores()[0])
    count = 1_000 if options.small else 100_000
    traps = write_datagrams(options.folder / "traps", stream(troubles(FINGERPRINTS), count))
    counts = (FEW,) if options.small else COUNTS
    for _ in range(options.repeats):
        for number in counts:
            _through_the_daemon(report, number, sender, traps)
            _in_process(report, number)
    for curve in (DAEMON, PROCESS):
        costs = [cost for _, cost in report.lines()[curve]]
        report.add(
            f"{counts[-1]:,} rules to {FEW}: {curve.partition(',')[0]}",
            OURS,
            few=costs[0],
            many=costs[-1],
            times=costs[-1] / costs[0],
        )
    return report


def _config(number: int) -> str:
    """A configuration with so many more rules, in which no trap is known again without being judged."""
    return CONFIG.replace("[collectors.snmp]\n", "[collectors.snmp]\nlookaside_max = 0\n") + rules(number)


def _through_the_daemon(report: Report, number: int, sender: Sender, traps: Path) -> None:
    seconds = report.options.seconds / 2
    with Ours(report.options.fresh(OURS), _config(number)) as daemon:
        sender.send(daemon.port, traps, seconds=WARM_S, rate=PER_S)
        before = daemon.quiet(("snmp",))
        with watch(daemon.pid) as used:
            sent = sender.send(daemon.port, traps, seconds=seconds, rate=PER_S).count
            account(daemon, before, sent=sent)
        report.point(DAEMON, number, used.cpu_s / sent * 1e6)


def _in_process(report: Report, number: int) -> None:
    folder = report.options.fresh("config")
    (folder / "password").write_text(PASSWORD)
    path = folder / "tocsin.toml"
    words = _config(number).replace("{folder}", str(folder))
    for port in ("http", "trap"):
        words = words.replace(f"{{{port}}}", str(free_port()))
    path.write_text(words)
    judge = judge_of(load(path, plugins=discover()))
    events = [_link_down(n) for n in range(100 if report.options.small else 10_000)]
    for event in events:
        judge.judge(event)
    began_s = time.process_time()
    for event in events:
        judge.judge(event)
    report.point(PROCESS, number, (time.process_time() - began_s) / len(events) * 1e6)


def _link_down(number: int) -> Event:
    """What becomes of a trap of one of 100 ports on 10 devices."""
    device, port = divmod(number % FINGERPRINTS, 10)
    labels = {
        "trap_oid": "1.3.6.1.6.3.1.1.5.3", "trap_name": "linkDown", "trap_module": "IF-MIB", "uptime": str(number),
        "sender": f"127.1.0.{device}", "instance": str(port), "ifIndex": str(port), "ifDescr": f"ge-0/0/{port}",
        "ifAdminStatus": "up", "ifOperStatus": "down", "ifAlias": f"uplink to floor {port}",
    }  # fmt: skip
    return Event(
        collector="snmp",
        source=f"127.1.0.{device}",
        condition="linkDown",
        kind=EventKind.RAISE,
        at_ms=number,
        labels=labels,
    )
