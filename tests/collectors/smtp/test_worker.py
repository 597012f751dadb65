"""The process that reads what is risky: it is small, knows no secret, and can be ended."""

import asyncio
import sys
import time
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from collectors.smtp.limits import Limits, MailError, Unreadable
from collectors.smtp.mail import parse
from collectors.smtp.worker import COMMAND, Workers, mail_of_wire, mail_to_wire

HTML = b"From: a@example.org\r\nSubject: x\r\nContent-Type: text/html\r\n\r\n<p>Hello <b>world</b></p>"
HOPELESS = "import sys, time; time.sleep(3600)"
LIAR = 'import sys; sys.stdin.buffer.read(4); sys.stdout.buffer.write(b"\\xff\\xff\\xff\\xff"); sys.stdout.buffer.flush(); import time; time.sleep(3600)'
POISON = (
    "import sys, msgpack, struct\n"
    "body = msgpack.packb({'mail': {'sender': 7}})\n"
    "sys.stdout.buffer.write(struct.pack('>I', len(body)) + body); sys.stdout.buffer.flush(); sys.stdin.buffer.read()"
)


def workers(**changes) -> Workers:
    settings = {"most": 2, "read_s": 10.0, "idle_s": 60.0, "memory": 1024 * 1024 * 1024} | changes
    return Workers(Limits(), **settings)


async def test_a_worker_reads_as_we_would() -> None:
    async with workers() as pool:
        assert await pool.parse(HTML) == parse(HTML, Limits())
        assert pool.alive == 1
        assert await pool.parse(HTML) == parse(HTML, Limits())
        assert pool.alive == 1


async def test_a_refusal_comes_through_and_the_worker_lives() -> None:
    async with workers() as pool:
        with pytest.raises(MailError) as refusal:
            await pool.parse(b"X: y\r\n" * 2000)
        assert refusal.value.reason is Unreadable.HEADER_COUNT
        assert pool.alive == 1


@pytest.mark.parametrize(
    ("script", "read_s", "reason"),
    [
        (HOPELESS, 0.3, Unreadable.DEADLINE),
        (LIAR, 10.0, Unreadable.WORKER),
        (POISON, 10.0, Unreadable.WORKER),
        ("", 10.0, Unreadable.WORKER),
    ],
)
async def test_a_worker_that_fails_is_ended_and_its_mail_is_named_unreadable(
    script: str, read_s: float, reason: Unreadable
) -> None:
    async with workers(command=(sys.executable, "-c", script), read_s=read_s) as pool:
        with pytest.raises(MailError) as failure:
            await pool.parse(HTML)
        assert failure.value.reason is reason
        assert pool.alive == 0


async def test_no_worker_at_all_is_an_error_of_the_mail() -> None:
    async with workers(command=("/nonexistent/python",)) as pool:
        with pytest.raises(MailError) as failure:
            await pool.parse(HTML)
        assert failure.value.reason is Unreadable.WORKER


async def test_an_idle_worker_ends() -> None:
    async with workers(idle_s=0.05) as pool:
        await pool.parse(HTML)
        [child] = pool._idle
        async with asyncio.timeout(60):
            await child._process.wait()
        assert pool.alive == 0
        assert (await pool.parse(HTML)).new_text == "Hello world"


async def test_a_caller_that_is_cancelled_leaves_no_worker_behind() -> None:
    async with workers(command=(sys.executable, "-c", HOPELESS)) as pool:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await pool.parse(HTML)
        assert pool.alive == 0


async def test_no_more_workers_than_allowed() -> None:
    async with workers(most=1) as pool:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(5):
                tasks.create_task(pool.parse(HTML))
        assert pool.alive == 1


async def test_a_worker_sees_no_secret_and_stays_small(monkeypatch) -> None:
    monkeypatch.setenv("TRACKER_TOKEN", "hunter2")
    async with workers() as pool:
        await pool.parse(HTML)
        [child] = pool._idle
        process = Path(f"/proc/{child._process.pid}")
        assert process.joinpath("environ").read_bytes() == b""
        status = process.joinpath("status").read_text()
        resident = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
        print(f"a worker takes {resident // 1024} MiB")
        assert resident < 50 * 1024


async def test_what_would_take_for_ever_is_ended_by_the_deadline(serve) -> None:
    """The whole way: the mail is answered 250, and kept as it came."""
    hostile = b"From: a@example.org\r\nSubject: deep\r\nContent-Type: text/html\r\n\r\n" + b"<div>" * 19_999
    counted = REGISTRY.get_sample_value("tocsin_mails_unreadable_total", {"reason": "deadline"})
    async with serve(mail={"read_s": 0.05}) as station:
        client = await station.client()
        await client.begin()
        begun = time.monotonic()
        assert (await client.data(hostile)).startswith("250")
        assert time.monotonic() - begun < 5
    assert REGISTRY.get_sample_value("tocsin_mails_unreadable_total", {"reason": "deadline"}) == counted + 1
    [event] = station.intake.events
    assert (event.condition, event.labels["unreadable"]) == ("mail_unreadable", "deadline")
    assert event.attachments[0].content == hostile + b"\r\n"
    assert event.summary == "Oversized or unreadable mail: deep"


def test_the_wire_keeps_everything() -> None:
    raw = (
        b"From: =?utf-8?q?Zo=C3=AB?= <zoe@example.org>\r\nTo: a@b.c, d@e.f\r\nCc: g@h.i\r\nReferences: <1@x> <2@x>\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: application/pdf; name=x.pdf\r\n\r\n%PDF\r\n--b--\r\n"
    )
    mail = parse(raw, Limits())
    assert len(mail.files) == 1
    assert mail_of_wire(mail_to_wire(mail)) == mail


def test_the_command_is_isolated() -> None:
    assert COMMAND[:2] == (sys.executable, "-IB")
    assert Path(COMMAND[0]).is_absolute()
