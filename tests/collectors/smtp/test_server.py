"""Sessions: what the server answers, and when, to clients that behave and to those that don't."""

import asyncio
import base64
import gc
import smtplib
import socket
import struct

import pytest

from collectors.smtp.gate import Users
from collectors.smtp.server import SafeSMTP
from gateway.core.reason import Dropped
from gateway.plugin import Secret
from gateway.testing.intake import RecordingIntake
from tests.patience import until

MAIL = b"From: Alice <alice@example.org>\r\nTo: support@example.com\r\nSubject: No heartbeat\r\nMessage-ID: <1@example.org>\r\n\r\nStation 7 is silent."


async def test_a_mail_becomes_an_event(serve) -> None:
    async with serve() as station:
        client = await station.client()
        assert (await client.begin()).startswith("250")
        assert (await client.data(MAIL)).startswith("250 2.0.0")
    [event] = station.intake.events
    assert (event.collector, event.source, event.condition, event.kind) == (
        "smtp",
        "alice@example.org",
        "mail",
        "raise",
    )
    assert (event.summary, event.description) == ("No heartbeat", "Station 7 is silent.")
    assert event.requester == "alice@example.org"
    assert station.intake.inputs == 1
    assert not station.intake.drops


async def test_250_is_said_only_when_the_event_is_stored(serve) -> None:
    async with serve(RecordingIntake(hold=True)) as station:
        client = await station.client()
        await client.begin()
        await client.say("DATA")
        client.send(MAIL + b"\r\n.\r\n")
        while not station.intake.events:
            await station.intake.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.reader.read(1)
        station.intake.release()
        assert (await client.hear()).startswith("250 2.0.0 OK: kept T0000000000000")


async def test_a_client_that_hangs_up_cancels_no_commit_and_its_retry_has_the_same_identity(serve) -> None:
    async with serve(RecordingIntake(hold=True)) as station:
        client = await station.client()
        await client.begin()
        await client.say("DATA")
        client.send(MAIL + b"\r\n.\r\n")
        await client.writer.drain()
        while not station.intake.events:
            await station.intake.wait()
        raw = client.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.writer.transport.abort()
        [receipt] = station.intake._waiting
        await asyncio.sleep(0.05)
        assert not receipt.cancelled()
        station.intake.release()
        again = await station.client()
        await again.begin()
        again.send("DATA")
        await again.hear()
        again.send(MAIL + b"\r\n.\r\n")
        while len(station.intake.events) < 2:
            await station.intake.wait()
        station.intake.release()
        assert (await again.hear()).startswith("250")
    first, second = station.intake.events
    assert first.identity == second.identity != ""


async def test_a_slow_commit_is_answered_451_and_goes_on(serve) -> None:
    async with serve(RecordingIntake(hold=True), sessions={"commit_s": 0.1}) as station:
        client = await station.client()
        await client.begin()
        assert (await client.data(MAIL)).startswith("451 4.3.0")
        [receipt] = station.intake._waiting
        assert not receipt.cancelled()
        station.intake.release()
        assert (await client.say("NOOP")).startswith("250")


async def test_an_overloaded_gateway_is_452_and_a_broken_one_451_without_its_words(serve) -> None:
    async with serve() as station:
        client = await station.client()
        await client.begin()
        station.intake.overloaded = True
        assert (await client.data(MAIL)).startswith("452 4.3.1")
        station.intake.overloaded = False
    async with serve(RecordingIntake(hold=True)) as station:
        client = await station.client()
        await client.begin()
        await client.say("DATA")
        client.send(MAIL + b"\r\n.\r\n")
        while not station.intake.events:
            await station.intake.wait()
        station.intake.release(RuntimeError("password=hunter2"))
        reply = await client.hear()
        assert reply.startswith("451 4.3.0")
        assert "hunter2" not in reply


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        ("support@example.com", "250"),
        ("Support@EXAMPLE.com", "250"),
        ("support+TOC-01JD9F2C3KXYZ.ABCDEFGH@example.com", "250"),
        ("anybody@sites.example.com", "250"),
        ("other@example.com", "550 5.1.1"),
        ("support@example.net", "550 5.1.1"),
        ("support@example.com@example.net", "553"),
        ("@example.com", "553"),
        ("support", "550"),
        ('"sup port"@example.com', "553"),
    ],
)
async def test_recipients_are_judged_at_rcpt(serve, recipient: str, code: str) -> None:
    async with serve() as station:
        client = await station.client()
        assert (await client.begin(to=recipient)).startswith(code)
        assert station.intake.drops[Dropped.UNKNOWN_RECIPIENT] == (code == "550 5.1.1" or recipient == "support")
        assert station.intake.inputs == sum(station.intake.drops.values())


async def test_data_without_a_good_recipient_is_refused(serve) -> None:
    async with serve() as station:
        client = await station.client()
        await client.begin(to="other@example.com")
        assert (await client.say("DATA")).startswith("503")
        assert not station.intake.events


async def test_recipients_have_a_limit(serve) -> None:
    async with serve(sessions={"recipients": 2}) as station:
        client = await station.client()
        await client.begin()
        assert (await client.say("RCPT TO:<a@sites.example.com>")).startswith("250")
        assert (await client.say("RCPT TO:<b@sites.example.com>")).startswith("452 4.5.3")
        assert (await client.data(MAIL)).startswith("250")
    assert station.intake.events[0].labels["to"] == "support@example.com, a@sites.example.com"


async def test_long_lines_are_mail_too(serve) -> None:
    line = b"x" * 300_000
    async with serve() as station:
        client = await station.client()
        await client.begin()
        assert (await client.data(b"Subject: long\r\n\r\n" + line)).startswith("250")
    assert station.intake.events[0].description.startswith("x" * 60_000)


@pytest.mark.parametrize(
    ("sent", "description"),
    [
        (b".\r\n", ""),
        (b"\r\n.\r\n", ""),
        (b"Subject: x\r\n\r\n..\r\n...a\r\n.b\r\n.\r\n", ".\n..a\nb"),
        (b"Subject: x\r\n\r\na\r\n\r\n\r\n.\r\n", "a"),
        (b"Subject: x\n\na\n.\nb\r\n.\r\n", "a\n.\nb"),
    ],
)
async def test_where_a_mail_ends(serve, sent: bytes, description: str) -> None:
    async with serve() as station:
        client = await station.client()
        await client.begin()
        await client.say("DATA")
        assert (await client.say(sent)).startswith("250")
        assert (await client.say("NOOP")).startswith("250")
    [event] = station.intake.events
    assert event.description == description


async def test_a_bare_line_feed_ends_no_mail(serve) -> None:
    """CVE-2024-27305: what follows would be taken as commands of another mail."""
    smuggled = b"Subject: x\r\n\r\na\n.\nMAIL FROM:<evil@example.org>\r\nand\n.\r\nRCPT TO:<x@y>\r\n.\r\n"
    async with serve() as station:
        client = await station.client()
        await client.begin()
        await client.say("DATA")
        assert (await client.say(smuggled)).startswith("250")
        assert (await client.say("NOOP")).startswith("250")
    [event] = station.intake.events
    assert "evil@example.org" in event.description


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 1000])
async def test_the_end_is_found_however_it_is_cut(serve, size: int) -> None:
    mail = b"Subject: cut\r\n\r\n" + b"line\r\n..dot\r\n" * 20
    whole = mail + b".\r\nQUIT\r\n"
    async with serve() as station:
        client = await station.client()
        await client.begin()
        await client.say("DATA")
        for start in range(0, len(whole), size):
            client.send(whole[start : start + size])
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.hear()).startswith("250")
        assert (await client.hear()).startswith("221")
    assert station.intake.events[0].description == "line\n.dot\n" * 19 + "line\n.dot"


async def test_everything_at_once_is_understood(serve) -> None:
    """What ``printf ... | nc`` sends: no client should, many do."""
    everything = (
        b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<support@example.com>\r\nDATA\r\n"
        + MAIL
        + b"\r\n.\r\nQUIT\r\n"
    )
    async with serve() as station:
        client = await station.client()
        client.send(everything)
        said = await client.gone()
        assert b"\r\n250 2.0.0" in said
        assert said.endswith(b"221 Bye\r\n")
    assert len(station.intake.events) == 1


async def test_too_large_a_mail_is_552_by_its_word_and_by_its_bytes(serve) -> None:
    async with serve(mail={"mail_bytes": 10_000}) as station:
        client = await station.client()
        await client.hear()
        assert "SIZE 10000" in await client.say("EHLO x")
        assert (await client.say("MAIL FROM:<a@example.org> SIZE=10001")).startswith("552")
        await client.say("MAIL FROM:<a@example.org>")
        await client.say("RCPT TO:<support@example.com>")
        assert (await client.data(b"x" * 200_000)).startswith("552 5.3.4")
        assert station.intake.drops == {Dropped.OVERSIZED: 1}
        await client.say("MAIL FROM:<a@example.org>")
        await client.say("RCPT TO:<support@example.com>")
        assert (await client.data(b"Subject: ok\r\n\r\n" + b"x" * 9_000)).startswith("250")
    assert station.intake.inputs == 2


async def test_the_budget_of_all_mails_is_kept_and_given_back(serve) -> None:
    big = b"Subject: big\r\n\r\n" + b"x" * 700_000
    async with serve(
        RecordingIntake(hold=True), mail={"mail_bytes": 1024 * 1024}, sessions={"data_budget_bytes": 1536 * 1024}
    ) as station:
        first, second = await station.client(), await station.client()
        await first.begin()
        await first.say("DATA")
        first.send(big + b"\r\n.\r\n")
        while not station.intake.events:
            await station.intake.wait()
        await second.begin()
        assert (await second.data(big)).startswith("452 4.3.1")
        station.intake.release()
        assert (await first.hear()).startswith("250")
        assert station.collector._budget.used == 0
    assert station.intake.drops == {Dropped.OVERLOAD: 1}


async def test_connections_are_counted_by_peer(serve) -> None:
    async with serve(sessions={"connections_per_peer": 2}) as station:
        clients = [await station.client() for _ in range(3)]
        assert (await clients[0].hear()).startswith("220")
        assert (await clients[1].hear()).startswith("220")
        assert (await clients[2].gone()).startswith(b"421 4.7.0")
        await clients[0].say("QUIT")
        await clients[0].gone()
        later = await station.client()
        assert (await later.hear()).startswith("220")
    assert station.intake.drops == {Dropped.OVERLOAD: 1}


async def test_networks_that_may_not_connect_are_told_so(serve) -> None:
    async with serve(allow=["192.0.2.0/24"]) as station:
        client = await station.client()
        client.send("EHLO x")
        assert (await client.gone()).startswith(b"554 5.7.1")
    assert station.intake.drops == {Dropped.DENIED_SOURCE: 1}


async def test_a_silent_client_is_hung_up_on(serve) -> None:
    async with serve(sessions={"command_timeout_s": 0.1}) as station:
        client = await station.client()
        assert (await client.gone()).startswith(b"220")


async def test_a_mail_that_drips_is_hung_up_on(serve) -> None:
    async with serve(sessions={"data_timeout_s": 0.2}) as station:
        client = await station.client()
        await client.begin()
        await client.say("DATA")
        client.send(b"Subject: drip\r\n")
        assert await client.gone() == b""
        assert station.collector._budget.used == 0
    assert not station.intake.events


async def test_no_session_lasts_for_ever(serve) -> None:
    async with serve(sessions={"session_s": 0.2}) as station:
        client = await station.client()
        await client.hear()
        await client.say("NOOP")
        assert (await client.gone()).startswith(b"421 4.4.2")


async def test_noops_are_counted(serve) -> None:
    async with serve(sessions={"commands": 100}) as station:
        client = await station.client()
        await client.hear()
        replies = [await client.say("NOOP") for _ in range(11)]
        assert replies[9].startswith("250")
        assert replies[10].startswith("421 4.7.0")


async def test_http_is_hung_up_on(serve) -> None:
    async with serve() as station:
        client = await station.client()
        await client.hear()
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in await client.gone()
    assert station.intake.drops == {Dropped.MALFORMED: 1}


@pytest.mark.parametrize(
    "command",
    [
        'MAIL FROM:<"',
        "MAIL FROM:<a@[",
        "MAIL FROM:<<<<",
        "MAIL FROM:" + '"' * 400,
        "MAIL FROM:<a@b> SIZE=x",
        "MAIL",
        "RCPT TO:",
    ],
)
async def test_odd_commands_end_no_session(serve, command: str) -> None:
    async with serve() as station:
        client = await station.client()
        await client.hear()
        await client.say("EHLO x")
        assert (await client.say(command))[:1] == "5"
        assert (await client.say("NOOP")).startswith("250")


async def test_bytes_that_are_no_text_make_no_recipient(serve) -> None:
    async with serve() as station:
        client = await station.client()
        await client.begin()
        assert (await client.say(b"RCPT TO:<\xff\xfe@sites.example.com>\r\n")).startswith("553")


async def test_addresses_beyond_ascii_are_taken(serve) -> None:
    async with serve() as station:
        client = await station.client()
        await client.hear()
        assert "SMTPUTF8" in await client.say("EHLO x")
        assert (await client.say("MAIL FROM:<zoë@example.org> SMTPUTF8")).startswith("250")
        assert (await client.say("RCPT TO:<süd@sites.example.com>")).startswith("250")
        assert (await client.data("From: Zoë <zoë@example.org>\r\nSubject: défaut\r\n\r\nçà".encode())).startswith(
            "250"
        )
    [event] = station.intake.events
    assert (event.source, event.summary, event.description) == ("zoë@example.org", "défaut", "çà")


async def test_one_client_changes_no_other_clients_limits(serve) -> None:
    """The library keeps them in one mapping for all sessions."""
    long = "MAIL FROM:<" + "a" * 200 + "@" + "b" * 250 + "> BODY=8BITMIME SIZE=1000 SMTPUTF8"
    async with serve() as station:
        first = await station.client()
        await first.hear()
        await first.say("EHLO x")
        await (await station.client()).hear()
        assert (await first.say(long.ljust(530))).startswith("250")


async def test_starttls_and_login(serve, tls) -> None:
    users = {"ups": Secret("correct horse")}
    async with serve(users=users, require_auth=True, require_tls=True, **tls.settings) as station:

        def talk() -> list[int]:
            with smtplib.SMTP("localhost", station.port, timeout=10) as server:
                codes = [server.ehlo()[0], server.docmd("MAIL", "FROM:<a@example.org>")[0]]
                assert not server.has_extn("auth")
                server.starttls(context=tls.context)
                server.ehlo()
                codes.append(server.docmd("MAIL", "FROM:<a@example.org>")[0])
                server.login("ups", "correct horse")
                server.sendmail("ups@example.org", ["support@example.com"], MAIL)
                return codes

        assert await asyncio.to_thread(talk) == [250, 530, 530]
    assert station.intake.events[0].labels["user"] == "ups"


async def test_tls_is_required_of_everybody_where_it_is_required(serve, tls) -> None:
    async with serve(require_tls=True, **tls.settings) as station:
        client = await station.client()
        assert (await client.begin()).startswith("503")
        assert (await client.say("MAIL FROM:<a@example.org>")).startswith("530 5.7.0 Must issue a STARTTLS")


@pytest.mark.parametrize(
    ("name", "password", "right"),
    [
        (b"ups", b"right", True),
        (b"ups", b"wrong", False),
        (b"ups", b"", False),
        (b"nobody", b"", False),
        (b"\xff", b"", False),
    ],
)
def test_passwords(name: bytes, password: bytes, right: bool) -> None:
    assert Users({"ups": Secret("right")}).verify(name, password) is right


async def test_wrong_passwords_are_counted_and_bounded(serve) -> None:
    async with serve(users={"ups": Secret("right")}, auth_without_tls=True) as station:
        client = await station.client()
        await client.hear()
        assert "AUTH LOGIN PLAIN" in await client.say("EHLO x")
        guess = "AUTH PLAIN " + base64.b64encode(b"\0ups\0wrong").decode()
        replies = [await client.say(guess) for _ in range(5)]
        assert {reply[:9] for reply in replies} == {"535 5.7.8"}
        assert (await client.say("AUTH PLAIN " + base64.b64encode(b"\0nobody\0").decode())).startswith("421")
    assert station.intake.drops == {Dropped.AUTH_FAILED: 5}


async def test_nobody_is_asked_to_log_in_without_users(serve) -> None:
    async with serve() as station:
        client = await station.client()
        await client.hear()
        greeting = await client.say("EHLO x")
        assert "AUTH" not in greeting
        assert "STARTTLS" not in greeting
        assert "PIPELINING" in greeting


async def test_commands_that_come_together_are_answered_in_their_order(serve) -> None:
    async with serve() as station:
        client = await station.client()
        await client.hear()
        await client.say("EHLO x")
        assert (await client.say("MAIL FROM:<a@example.org>")).startswith("250 2.1.0")
        client.send(b"RCPT TO:<support@example.com>\r\nRCPT TO:<x@y>\r\nRCPT TO:<a@sites.example.com>\r\n")
        client.send(b"RCPT TO:<b@sites.example.com>\r\nDATA\r\n")
        assert [(await client.hear())[:9] for _ in range(5)] == [
            *("250 2.1.5", "550 5.1.1", "250 2.1.5", "250 2.1.5", "354 End d")
        ]
        client.send(MAIL + b"\r\n.\r\nMAIL FROM:<b@example.org>\r\nRSET\r\n")
        assert [(await client.hear())[:9] for _ in range(3)] == ["250 2.0.0", "250 2.1.0", "250 OK\r\n"]
    assert len(station.intake.events) == 1


async def test_tls_from_the_first_byte(serve, tls) -> None:
    users = {"ups": Secret("correct horse")}
    async with serve(
        listen_tls=["127.0.0.1:0"], users=users, require_auth=True, require_tls=True, **tls.settings
    ) as station:

        def talk() -> None:
            with smtplib.SMTP_SSL("localhost", station.tls_port, timeout=10, context=tls.context) as server:
                server.ehlo()
                assert not server.has_extn("starttls")
                server.login("ups", "correct horse")
                server.sendmail("ups@example.org", ["support@example.com"], MAIL)

        await asyncio.to_thread(talk)
    assert len(station.intake.events) == 1


async def test_plain_text_injected_before_starttls_is_forgotten(serve, tls) -> None:
    """CVE-2024-34083."""
    async with serve(**tls.settings) as station:
        client = await station.client()
        await client.hear()
        await client.say("EHLO x")
        client.send(b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
        assert (await client.hear()).startswith("220")
        await client.writer.start_tls(tls.context, server_hostname="localhost")
        assert (await client.say("EHLO x")).startswith("250")
        assert (await client.say("RCPT TO:<support@example.com>")).startswith("503")


async def test_a_failed_handshake_ends_only_its_session(serve, tls) -> None:
    async with serve(**tls.settings) as station:
        client = await station.client()
        await client.hear()
        await client.say("EHLO x")
        await client.say("STARTTLS")
        client.send(b"this is no handshake\r\n")
        await client.gone()
        again = await station.client()
        assert (await again.begin()).startswith("250")
        assert (await again.data(MAIL)).startswith("250")


async def test_stopping_lets_a_mail_under_way_be_stored(serve) -> None:
    async with serve(RecordingIntake(hold=True)) as station:
        busy, idle = await station.client(), await station.client()
        await idle.hear()
        await busy.begin()
        await busy.say("DATA")
        busy.send(MAIL + b"\r\n.\r\n")
        while not station.intake.events:
            await station.intake.wait()
        station.task.cancel()
        assert (await idle.gone()).startswith(b"421 4.3.2")
        assert not station.task.done()
        station.intake.release()
        assert (await busy.hear()).startswith("250")
    assert station.intake.link_up is False


async def test_sockets_of_systemd_are_served_and_stay_open(serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        async with serve(sockets={"smtp": [passed.fileno()]}, listen=["127.0.0.1:1"]) as station:
            assert station.collector.addresses == [passed.getsockname()[:2]]
            client = await station.client()
            assert (await client.begin()).startswith("250")
            assert (await client.data(MAIL)).startswith("250")
        assert passed.fileno() > 0


async def quits(client, _tls) -> None:
    await client.begin()
    assert (await client.data(MAIL)).startswith("250")
    await client.say("QUIT")


async def vanishes(client, _tls) -> None:
    await client.begin()
    await client.say("DATA")
    client.send(b"x" * 1000)
    await client.writer.drain()
    client.writer.transport.abort()


async def is_silent(client, _tls) -> None:
    assert (await client.gone()).startswith(b"220")


async def encrypts(client, tls) -> None:
    await client.hear()
    await client.say("EHLO client.example.org")
    await client.say("STARTTLS")
    await client.writer.start_tls(tls.context, server_hostname="localhost")
    await client.say("NOOP")


async def is_one_too_many(client, _tls) -> None:
    assert (await client.gone()).startswith(b"421")


@pytest.mark.parametrize("ends", [quits, vanishes, is_silent, encrypts, is_one_too_many])
async def test_of_a_session_that_is_over_nothing_is_left(serve, tls, ends) -> None:
    """The daemon searches for garbage seldom, so that sessions which hold themselves would be there by the ten thousand."""

    def left() -> int:
        return sum(isinstance(one, SafeSMTP) for one in gc.get_objects())

    sessions = {"command_timeout_s": 0.3 if ends is is_silent else 60, "connections_per_peer": 1}
    async with serve(sessions=sessions, **tls.settings) as station:
        first = [await station.client()] if ends is is_one_too_many else []
        gc.collect()
        gc.disable()
        try:
            client = await station.client()
            await ends(client, tls)
            await client.close()
            assert await until(lambda: left() == len(first), pause=lambda: asyncio.sleep(0.01))
        finally:
            gc.enable()


async def test_replies_are_sent_without_delay(serve) -> None:
    async with serve() as station:
        await (await station.client()).hear()
        [session] = station.collector._sessions._all
        accepted = session.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_an_address_in_use_is_told_in_one_sentence(serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"^cannot listen for mail on 127.0.0.1:{port}: address already in use; stop"):
            async with serve(listen=[f"127.0.0.1:{port}"]):
                pass
