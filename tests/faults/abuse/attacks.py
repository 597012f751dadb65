"""What hostile or broken neighbours do, one function each; every one returns the numbers it can answer for."""

import asyncio
import contextlib
import json
import os
import random
import resource
import smtplib
import socket
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.abuse.house import House
from tests.sender import Sender, write_datagrams
from tests.traps import unknown

SHARED = Path(os.environ.get("TOCSIN_SHARED", Path(__file__).parents[4] / "shared"))
PEERS = [f"127.0.1.{number}" for number in range(1, 21)]
"""Attackers' addresses: twenty of them may hold 400 of the 500 seats."""
RECIPIENT = "support@example.com"
SAME = 65_536
"""Traps that say the same under other request ids and times, before they come again."""


def flood(sender: Sender, port: int, *, seconds: float, rate: int = 0, unique: bool = False, count: int = 0) -> dict:
    """Traps of one device as fast as they go, each of a kind of its own if they are to be unique; how many the kernel took."""
    with tempfile.TemporaryDirectory(prefix="tocsin-flood-") as folder:
        traps = unknown(count, conditions=count) if unique else unknown(SAME)
        sent = sender.send(port, write_datagrams(Path(folder, "traps"), traps), seconds=seconds, rate=rate, count=count)
    return {"sent": sent.count, "seconds": sent.seconds, "per_s": sent.per_s}


# --- clients that only sit there ------------------------------------------------------------------


def raise_file_limit(wanted: int) -> int:
    """Ask for descriptors; how many there are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


async def idle_sessions(house: House, *, smtp: int, http: int, hold_s: float) -> dict:
    """Open connections and say nothing; how many were let in, told 421 or closed, and what the daemon held at most."""
    seen: Counter[str] = Counter()
    files = [0]
    opened: list[asyncio.StreamWriter] = []

    async def sit(name: str, peer: str) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", house.ports[name], local_addr=(peer, 0))
        except OSError as error:
            seen[f"{name}_{type(error).__name__}"] += 1
            return
        opened.append(writer)
        first = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(hold_s):
                first = await reader.read(200)
                seen[f"{name}_{first[:3].decode('ascii', 'replace') or 'closed'}"] += 1
                return
        seen[f"{name}_reset" if reader.at_eof() else f"{name}_waits"] += 1

    async def count_files() -> None:
        while True:
            files[0] = max(files[0], house.files)
            await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(count_files())
        async with asyncio.TaskGroup() as sitting:
            for number in range(max(smtp, http)):
                if number < smtp:
                    sitting.create_task(sit("mail", PEERS[number % len(PEERS)]))
                if number < http:
                    sitting.create_task(sit("http", PEERS[number % len(PEERS)]))
                if number % 100 == 99:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(hold_s)
        counting.cancel()
    for writer in opened:
        writer.close()
    for writer in opened:
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return {**seen, "most_descriptors": files[0]}


async def slow_loris(house: House, *, clients: int, seconds: float) -> dict:
    """Begin mails and requests, and go on a byte at a time."""
    seen: Counter[str] = Counter()
    until_s = time.monotonic() + seconds
    begin = f"EHLO loris\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\nSubject: slow\r\n\r\n".encode()

    async def drip(name: str, peer: str, first: bytes) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", house.ports[name], local_addr=(peer, 0))
        except OSError:
            seen[f"{name}_refused"] += 1
            return
        try:
            writer.write(first)
            while time.monotonic() < until_s and not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await reader.read(4096)
            seen[f"{name}_hung_up_on" if reader.at_eof() else f"{name}_still_dripping"] += 1
        except ConnectionError:
            seen[f"{name}_hung_up_on"] += 1
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async with asyncio.TaskGroup() as tasks:
        for number in range(clients):
            peer = PEERS[number % len(PEERS)]
            if number % 4:
                tasks.create_task(drip("mail", peer, begin))
            else:
                tasks.create_task(drip("http", peer, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "))
    return dict(seen)


# --- what is said ----------------------------------------------------------------------------------

CHOSEN = {
    "v1 specific negative": "accept",
    "v1 generic 7 (undefined)": "accept",
    "v1 zero-length enterprise OID": "accept",
    "v1 agent-addr as OCTET STRING": "accept",
    "v2c no varbinds": "accept",
    "v2c snmpTrapOID value is OCTET STRING": "accept",
    "Gauge32 zero-length": "reject",
    "IpAddress 16 octets (v6 in IpAddress)": "accept",
    "unknown app tag 0x5f": "accept",
    "OID sub-id 2^32": "reject",
    "OID non-minimal sub-id (0x80 pad)": "accept",
    "OID with 200 sub-ids": "reject",
    "length 0x85": "reject",
    "outer length too short, trailing garbage": "accept",
    "version as 2 octets": "accept",
    "varbind length lies (+1)": "accept",  # its changed octet is an OID's arc: well-formed
}
"""Our verdict where the corpus leaves it open, or is mistaken."""
STRANGERS = frozenset({"community empty", "community 255 octets binary", "community 128 octets (2-octet length)"})
"""Well-formed, and of a community that nobody configured."""


def hard_cases() -> list[dict]:
    """The corpus; empty if it is not there."""
    path = SHARED / "corpora" / "snmp" / "hard_cases.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def send_hard_cases(house: House) -> dict:
    """Each alone, so that the counters say what became of it."""
    wrong = {}
    verdicts: Counter[str] = Counter()
    books = house.books()
    for number, case in enumerate(hard_cases()):
        before = books
        peer = f"127.0.2.{number + 1}"  # so that no case is another's repeat
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((peer, 0))
            sock.sendto(bytes.fromhex(case["hex"]), ("127.0.0.1", house.ports["trap"]))
            changed: dict[str, int] = {}

            def settled(before=before) -> bool:
                nonlocal changed, books
                books = house.books()
                changed = books.since(before, "snmp")
                return bool(changed) and books.open("snmp") == 0

            house.eventually(settled, 10, case["name"])
            sock.settimeout(2)
            answered = False
            if case["expect"] == "accept+ack":
                with contextlib.suppress(TimeoutError):
                    answered = bool(sock.recv(65_535))
        expected = CHOSEN.get(case["name"], case["expect"])
        if case["name"] in STRANGERS:
            right = changed == {"received": 1, "dropped.unknown_community": 1}
        elif expected.startswith("accept"):
            right = changed == {"received": 1, "kept": 1} and answered == (expected == "accept+ack")
        else:
            right = changed.pop("received") == 1 and len(changed) == 1 and next(iter(changed)).startswith("dropped.")
        verdicts[next((what for what in changed if what != "received"), "nothing")] += 1
        if not right:
            wrong[case["name"]] = {**changed, "answered": answered, "expected": expected}
    return {"cases": sum(verdicts.values()), "wrong": wrong, "verdicts": dict(verdicts)}


def mutants(house: House, *, count: int, seed: int = 7) -> dict:
    """Good and bad datagrams with a few octets changed, cut or doubled."""
    chance = random.Random(seed)
    seeds = [bytes.fromhex(case["hex"]) for case in hard_cases()] or [b"\x30\x05\x02\x01\x01\x04\x00"]
    seeds = [data for data in seeds if len(data) < 2000]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number in range(count):
            data = bytearray(chance.choice(seeds))
            for _ in range(chance.randrange(1, 5)):
                if data:
                    data[chance.randrange(len(data))] = chance.randrange(256)
            if chance.random() < 0.2:
                data = data[: chance.randrange(len(data) + 1)]
            sock.sendto(bytes(data), ("127.0.0.1", house.ports["trap"]))
            if number % 200 == 199:
                time.sleep(0.01)
    return {"sent": count}


def hostile_mails(*, corpus: int) -> list[bytes]:
    """Bombs, and every n-th real mail of the corpus, about ``corpus`` of them."""
    head = b"From: a@b.example\r\nTo: support@example.com\r\n"
    bombs = [
        b"From: " + b'"' * 65_536 + b"\r\n\r\nx",
        b"From: " + b"(" * 65_536 + b"\r\n\r\nx",
        b"From: " + b"<" * 30_000 + b"\r\n\r\nx",
        b"To: " + b"a@b.example, " * 5_000 + b"\r\n\r\nx",
        head + b"Subject: " + b"=?utf-8?q?x?= " * 5_000 + b"\r\n\r\nx",
        head + b"Message-ID: <" + b"[" * 20_000 + b"\r\n\r\nx",
        head + b"X-A: 1\r\n" * 20_000 + b"\r\nx",
        head + b"Content-Type: text/html; " + b"a*0*=b;" * 4_000 + b"\r\n\r\n<p>x",
        head + b"Content-Type: text/html\r\n\r\n" + b"<!--" * 60_000,
        head + b"Content-Type: text/html\r\n\r\n" + b"<a" * 100_000,
        head + b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(3000)),
        head + b"Content-Type: message/rfc822\r\n\r\n" * 5_000,
        head + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\n\r\n" * 20_000,
        head + b"\r\n" + b"x" * 300_000,
        b"\x00" * 1_000,
        b"",
    ]
    real = sorted(
        path for path in (SHARED / "corpora" / "mail").rglob("*") if path.is_file() and path.stat().st_size < 10**6
    )
    step = max(1, len(real) // corpus) if corpus else 1
    return [*bombs, *(path.read_bytes() for path in (real[::step] if corpus else []))]


def send_mails(house: House, mails: list[bytes]) -> dict:
    """One after the other; how they were answered."""
    answers: Counter[str] = Counter()
    worst_s = 0.0
    for raw in mails:
        began_s = time.monotonic()
        try:
            with smtplib.SMTP("127.0.0.1", house.ports["mail"], timeout=60) as server:
                server.ehlo()
                server.mail("a@b.example")
                server.rcpt(RECIPIENT)
                code, _ = server.data(raw)
                answers[str(code)] += 1
        except smtplib.SMTPException as error:
            answers[type(error).__name__] += 1
        worst_s = max(worst_s, time.monotonic() - began_s)
    return {"sent": len(mails), "answers": dict(answers), "worst_s": round(worst_s, 2)}
