"""The collector against a real Mosquitto: what is heard, when it is acknowledged, and what it does when things break."""

import asyncio
import contextlib
import functools
import socket
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import pytest
import trustme
from structlog.testing import capture_logs

from gateway.core.event import BeatKind
from gateway.core.reason import Dropped
from gateway.plugin import Overloaded, Secret
from gateway.testing.intake import RecordingIntake

pytestmark = pytest.mark.tools

BEAT = "fleet/north/s1/heartbeat"
STATUS = "fleet/north/s1/status"


def publish(broker, *args: str):
    return asyncio.to_thread(broker.publish, *args)


# --- what is heard -------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["auto", "5", "3.1.1"])
async def test_a_beat_is_heard(mosquitto, listening, eventually, protocol: str) -> None:
    async with listening(mosquitto.url, protocol=protocol) as intake:
        await publish(mosquitto, BEAT, '{"status": "ok", "interval": 30, "seq": 7, "temp": 21.5}')
        await eventually(lambda: intake.beats)
    (beat,) = intake.beats
    assert (beat.collector, beat.station, beat.site, beat.kind) == ("mqtt", "s1", "north", BeatKind.BEAT)
    assert (beat.retained, beat.fault, beat.interval_s, beat.sequence) == (False, "", 30, 7)
    assert beat.labels["temp"] == "21.5"
    assert intake.inputs == 1


async def test_a_content_type_tells_the_format(mosquitto, listening, eventually) -> None:
    async with listening(mosquitto.url) as intake:
        await asyncio.to_thread(
            mosquitto.publish, BEAT, "7", "-V", "5", "-D", "publish", "content-type", "application/json"
        )
        await publish(mosquitto, BEAT, b"\x81\xa6status\xa5fault")
        await eventually(lambda: len(intake.beats) == 2)
    assert intake.beats[1].fault == "fault"


def connect_with_will(port: int) -> socket.socket:
    """A station's connection, in MQTT 3.1.1, made by hand so that it can be torn."""

    def field(data: bytes) -> bytes:
        return len(data).to_bytes(2, "big") + data

    body = field(b"MQTT") + b"\x04\x2e\x00\x3c" + field(b"s1") + field(STATUS.encode()) + field(b"offline")
    station = socket.create_connection(("127.0.0.1", port), timeout=5)
    station.sendall(b"\x10" + bytes([len(body)]) + body)
    assert station.recv(4) == b"\x20\x02\x00\x00"
    return station


async def test_a_last_will_is_heard_when_the_station_is_cut_off(mosquitto, listening, eventually) -> None:
    async with listening(mosquitto.url) as intake:
        connect_with_will(mosquitto.port).close()
        await eventually(lambda: intake.beats)
    assert [(beat.kind, beat.retained) for beat in intake.beats] == [(BeatKind.WILL, False)]


async def test_what_the_broker_remembers_is_marked_as_such(mosquitto, listening, eventually) -> None:
    await publish(mosquitto, STATUS, "offline", "-r")
    await publish(mosquitto, BEAT, "ok", "-r")
    async with listening(mosquitto.url, protocol="3.1.1") as intake:
        await eventually(lambda: len(intake.beats) == 2)
    assert all(beat.retained for beat in intake.beats)


async def test_in_mqtt_5_retained_beats_are_not_even_asked_for(mosquitto, listening, eventually) -> None:
    await publish(mosquitto, BEAT, "ok", "-r")
    await publish(mosquitto, STATUS, "offline", "-r")
    async with listening(mosquitto.url) as intake:
        await publish(mosquitto, BEAT, "alive")
        await eventually(lambda: len(intake.beats) == 2)
    assert sorted((beat.kind, beat.retained) for beat in intake.beats) == [
        (BeatKind.BEAT, False),
        (BeatKind.WILL, True),
    ]


async def test_entries_of_the_inventory_are_asked_for_at_each_connection(mosquitto, listening, eventually) -> None:
    await publish(mosquitto, "inv/s1", '{"site": "lyon"}', "-r")
    for _ in range(2):  # the session is the same
        async with listening(mosquitto.url, inventory_topics=("inv/{station}",)) as intake:
            await eventually(
                lambda told=intake.told: [(one.name, one.said) for one in told] == [("s1", {"site": "lyon"})]
            )


async def test_we_tell_that_we_are_online_and_offline(mosquitto, listening, eventually) -> None:
    async with listening(mosquitto.url):
        assert await asyncio.to_thread(mosquitto.retained, "gateway/tocsin-test/status") == b"online"
    assert await asyncio.to_thread(mosquitto.retained, "gateway/tocsin-test/status") == b"offline"


# --- acknowledgement -----------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_what_was_not_released_comes_again(mosquitto, listening, eventually, protocol: str) -> None:
    held = RecordingIntake(hold=True)
    async with listening(mosquitto.url, intake=held, protocol=protocol) as intake:
        await publish(mosquitto, BEAT, "fault")
        await eventually(lambda: intake.beats)
    async with listening(mosquitto.url, protocol=protocol) as intake:
        await eventually(lambda: intake.beats)
        assert intake.beats[0].fault == "fault"
    async with listening(mosquitto.url, protocol=protocol) as intake:
        await publish(mosquitto, BEAT, "error")
        await eventually(lambda: intake.beats)
    assert [beat.fault for beat in intake.beats] == ["error"], "the first was released, so it must not come again"


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_what_is_on_disk_when_we_leave_does_not_come_again(
    mosquitto, listening, eventually, protocol: str
) -> None:
    held = RecordingIntake(hold=True)
    async with listening(mosquitto.url, intake=held, protocol=protocol) as intake:
        await publish(mosquitto, BEAT, "fault")
        await eventually(lambda: intake.beats)
        intake.release()  # and we are told to stop before the next turn of the loop
    async with listening(mosquitto.url, protocol=protocol) as intake:
        await publish(mosquitto, BEAT, "error")
        await eventually(lambda: intake.beats)
    assert [beat.fault for beat in intake.beats] == ["error"]


async def test_acknowledgements_keep_the_order_of_arrival(mosquitto, listening, eventually) -> None:
    """A beat behind one that still waits is not acknowledged before it."""
    held = RecordingIntake(hold=True)
    async with listening(mosquitto.url, intake=held) as intake:
        await publish(mosquitto, BEAT, "fault")
        await publish(mosquitto, BEAT, "ok")
        await eventually(lambda: len(intake.beats) == 2)
    async with listening(mosquitto.url) as intake:
        await eventually(lambda: len(intake.beats) == 2)
    assert [beat.fault for beat in intake.beats] == ["fault", ""]


async def test_what_is_refused_comes_again_by_itself(mosquitto, listening, eventually) -> None:
    held = RecordingIntake(hold=True)
    async with listening(mosquitto.url, intake=held) as intake:
        await publish(mosquitto, BEAT, "fault")
        await eventually(lambda: intake.beats)
        with capture_logs() as logs:
            intake.release(Overloaded("too much waits"))
            await eventually(lambda: len(intake.beats) == 2)
        intake.release()
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["broker.lost"]
    assert intake.drops == {}


async def test_messages_sent_while_we_are_away_wait_for_us(mosquitto, listening, eventually) -> None:
    async with listening(mosquitto.url):
        pass
    for _ in range(3):
        await publish(mosquitto, BEAT, "ok")
    async with listening(mosquitto.url) as intake:
        await eventually(lambda: len(intake.beats) == 3)


async def test_reading_pauses_while_too_much_waits_and_goes_on_after(mosquitto, listening, eventually) -> None:
    held = RecordingIntake(hold=True)
    async with listening(mosquitto.url, intake=held, receive_maximum=4) as intake:
        lines = "fault\n" * 40
        await asyncio.to_thread(
            subprocess.run,
            ["mosquitto_pub", "-p", str(mosquitto.port), "-h", "127.0.0.1", "-q", "1", "-t", BEAT, "-l"],
            input=lines.encode(),
            check=True,
        )
        await eventually(lambda: len(intake.beats) >= 4)
        await asyncio.sleep(0.1)
        assert len(intake.beats) < 10
        while len(intake.beats) < 40:
            intake.release()
            await asyncio.sleep(0.01)
        intake.release()


async def test_qos_0_is_dropped_and_counted_when_too_much_waits(mosquitto, listening, eventually) -> None:
    held = RecordingIntake(hold=True)
    async with listening(mosquitto.url, intake=held, max_waiting_qos0=1) as intake:
        for _ in range(3):
            await asyncio.to_thread(mosquitto.publish, BEAT, "fault", "-q", "0")
        await eventually(lambda: intake.inputs == 3)
        assert intake.drops[Dropped.OVERLOAD] == 2
        assert len(intake.beats) == 1
        intake.release(Overloaded("too much waits"))  # the intake itself counts whom it lets down
        await asyncio.to_thread(mosquitto.publish, BEAT, "ok", "-q", "0")
        await eventually(lambda: len(intake.beats) == 2)
        assert intake.drops[Dropped.OVERLOAD] == 2


# --- what cannot be read -------------------------------------------------------------------------


async def test_unreadable_messages_are_kept_raw_counted_and_acknowledged(mosquitto, listening, eventually) -> None:
    async with listening(mosquitto.url, max_payload=1000) as intake:
        await publish(mosquitto, BEAT, b"\xff\xfe")
        await publish(mosquitto, BEAT, "x" * 1001)
        await publish(mosquitto, "fleet/" + "n" * 201 + "/s1/heartbeat", "ok")
        await asyncio.to_thread(mosquitto.publish, BEAT, "{", "-q", "0")
        await eventually(lambda: intake.inputs == 4)
        assert intake.quarantined == [
            (b"\xff\xfe", Dropped.MALFORMED),
            (b"x" * 1000, Dropped.OVERSIZED),
            (b"ok", Dropped.UNSUPPORTED),
        ]
        assert intake.drops == {Dropped.MALFORMED: 2, Dropped.OVERSIZED: 1, Dropped.UNSUPPORTED: 1}
    async with listening(mosquitto.url) as intake:
        await publish(mosquitto, BEAT, "ok")
        await eventually(lambda: intake.inputs)
    assert not intake.quarantined


class BrokenIntake(RecordingIntake):
    def beat(self, beat):
        if beat.labels.get("status") == "bomb":
            raise ZeroDivisionError
        return super().beat(beat)


async def test_a_message_that_trips_a_bug_is_quarantined_and_the_rest_is_heard(
    mosquitto, listening, eventually
) -> None:
    with capture_logs() as logs:
        async with listening(mosquitto.url, intake=BrokenIntake()) as intake:
            await publish(mosquitto, BEAT, "bomb")
            await publish(mosquitto, BEAT, "bomb")
            await publish(mosquitto, BEAT, "ok")
            await eventually(lambda: intake.beats)
    assert intake.quarantined == [(b"bomb", Dropped.MALFORMED)] * 2
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["message.failed"]


# --- connections ---------------------------------------------------------------------------------


async def test_a_broker_that_is_away_is_told_once_and_found_when_it_comes(
    make_mosquitto, listening, eventually
) -> None:
    broker = make_mosquitto()
    with capture_logs() as logs:
        async with listening(broker.url, connected=False) as intake:
            await eventually(lambda: intake.link_up is False)
            await asyncio.sleep(0.3)  # several attempts
            broker.start()
            await eventually(lambda: intake.link_up)
            await publish(broker, BEAT, "ok")
            await eventually(lambda: intake.beats)
    lost = [entry["why"] for entry in logs if entry["event"] == "broker.lost"]
    assert len(lost) == 1
    assert f"not connected to the broker at {broker.url}: " in lost[0]


async def test_a_broker_that_restarts_is_found_again_with_our_session(mosquitto, listening, eventually) -> None:
    async with listening(mosquitto.url) as intake:
        mosquitto.stop()
        await eventually(lambda: intake.link_up is False)
        mosquitto.start()
        await publish(mosquitto, BEAT, "ok")
        await eventually(lambda: intake.beats and intake.link_up)


async def test_refused_credentials_are_one_sentence_and_no_secret(make_mosquitto, listening, eventually) -> None:
    broker = make_mosquitto("allow_anonymous false").start()
    with capture_logs() as logs:
        async with listening(broker.url, connected=False, username="tocsin", password=Secret("hunter2")) as intake:
            await eventually(lambda: intake.link_up is False)
            await asyncio.sleep(0.3)
    (told,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert "refuses us" in told["why"]
    assert "password" in told["why"]
    assert "hunter2" not in str(logs)


class Peer:
    """A server on loopback; leaving it waits until its last conversation is over."""

    def __init__(self, talk) -> None:
        self._talk, self._busy = talk, 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        async with asyncio.timeout(10):
            while self._busy:
                await asyncio.sleep(0.01)

    async def _serve(self, reader, writer) -> None:
        self._busy += 1
        try:
            with contextlib.suppress(ConnectionError):
                await self._talk(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._busy -= 1


async def test_a_subscription_that_is_refused_is_told(listening, eventually) -> None:
    async def broker(reader, writer) -> None:
        await reader.read(1024)
        writer.write(b"\x20\x02\x00\x00")
        subscribe = await reader.read(1024)
        writer.write(b"\x90\x04" + subscribe[2:4] + b"\x01\x80")
        await reader.read()

    with capture_logs() as logs:
        async with Peer(broker) as peer, listening(peer.url, connected=False, protocol="3.1.1") as intake:
            await eventually(lambda: intake.link_up is False)
    assert "does not let us subscribe to fleet/+/+/status" in logs[0]["why"]


async def test_an_answer_that_comes_behind_a_backlog_is_waited_for(listening, eventually) -> None:
    beat = b"\x30\x11\x00\x0dfleet/n/s/sta" + b"ok"

    async def broker(reader, writer) -> None:
        await reader.read(1024)
        writer.write(b"\x20\x02\x00\x00")
        subscribe = await reader.read(1024)
        for _ in range(30):
            writer.write(beat)
            await asyncio.sleep(0.01)
        writer.write(b"\x90\x04" + subscribe[2:4] + b"\x01\x01")
        await reader.read()

    async with (
        Peer(broker) as peer,
        listening(
            peer.url,
            connected=False,
            protocol="3.1.1",
            connect_timeout_s=0.15,
            canary_s=0,
            status_topic="",
            topics=({"template": "fleet/{site}/{station}/sta"},),
        ) as intake,
    ):
        await eventually(lambda: intake.link_up is not None)
        assert intake.link_up
        assert len(intake.beats) == 30


class ImpatientIntake(RecordingIntake):
    """Has the collector cancelled so many turns of the loop after a beat."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self._turns = turns

    def beat(self, beat):
        loop = asyncio.get_running_loop()
        (self.running,) = (task for task in asyncio.all_tasks() if task.get_name() == "collector")
        later = self.running.cancel
        for _ in range(self._turns):
            later = functools.partial(loop.call_soon, later)
        later()
        return super().beat(beat)


@pytest.mark.parametrize("turns", range(5))  # one of them is the turn in which the answer to our SUBSCRIBE is read
async def test_being_cancelled_together_with_an_answer_is_not_forgotten(listening, eventually, turns: int) -> None:
    async def broker(reader, writer) -> None:
        await reader.read(1024)
        writer.write(b"\x20\x02\x00\x00")
        subscribe = await reader.read(1024)
        publish = BEAT.encode() + b"ok"
        answer = b"\x90\x04" + subscribe[2:4] + b"\x01\x01"
        writer.write(b"\x30" + bytes([len(publish) + 2, 0, len(BEAT)]) + publish + answer)
        await reader.read()

    async with asyncio.timeout(60), Peer(broker) as peer:
        settings = {"connected": False, "protocol": "3.1.1", "intake": ImpatientIntake(turns), "status_topic": ""}
        async with listening(peer.url, **settings) as intake:
            await eventually(lambda: intake.beats)
            await asyncio.wait([intake.running], timeout=3)
            assert intake.running.cancelled()


async def test_a_full_default_thread_pool_does_not_keep_us_from_connecting(mosquitto, listening) -> None:
    released = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(max_workers=1))
    blocked = loop.run_in_executor(None, released.wait)
    try:
        async with listening(mosquitto.url) as intake:
            assert intake.link_up
    finally:
        released.set()
        await blocked


async def test_cancelling_while_connecting_leaves_nothing_behind(listening) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"mqtt://127.0.0.1:{silent.getsockname()[1]}"
        async with listening(url, connected=False):
            station, _ = await asyncio.to_thread(silent.accept)
        with station:
            station.settimeout(5)
            while await asyncio.to_thread(station.recv, 1024):
                pass  # our CONNECT; then nothing, for the collector has closed its side


class OldBroker:
    """Stands before a Mosquitto and answers MQTT 5 as a broker of 2014 does."""

    def __init__(self, upstream: int, answer: bytes) -> None:
        self._upstream, self._answer = upstream, answer
        self.levels: list[int] = []

    async def __call__(self, reader, writer) -> None:
        head = await reader.read(1024)
        self.levels.append(head[head.index(b"MQTT") + 4])
        if self.levels[-1] == 5:
            writer.write(self._answer)
            await writer.drain()
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        up_writer.write(head)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pipe(reader, up_writer))
            tasks.create_task(pipe(up_reader, writer))


async def pipe(reader, writer) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00", b""], ids=["3.1.1", "5", "hangs-up"])
async def test_where_mqtt_5_is_refused_3_1_1_is_spoken(mosquitto, listening, eventually, answer: bytes) -> None:
    old = OldBroker(mosquitto.port, answer)
    async with Peer(old) as peer, listening(peer.url) as intake:
        await publish(mosquitto, BEAT, "ok")
        await eventually(lambda: intake.beats)
    assert old.levels == [5, 4]


async def test_something_else_on_the_port_is_no_broker(listening, eventually) -> None:
    async def web(reader, writer) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with Peer(web) as peer, listening(peer.url, connected=False) as intake:
        await eventually(lambda: intake.link_up is False)


async def test_a_broker_that_says_nothing_is_given_up(listening, eventually) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with capture_logs() as logs:
            async with listening(
                f"mqtt://127.0.0.1:{silent.getsockname()[1]}", connected=False, connect_timeout_s=0.2
            ) as intake:
                await eventually(lambda: intake.link_up is False)
    assert "does not answer" in logs[0]["why"]


# --- TLS -----------------------------------------------------------------------------------------


@pytest.fixture
def certificates(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("127.0.0.1", "gateway.example"):
        issued = authority.issue_cert(name)
        issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / f"{name}.pem")
    return tmp_path


def with_tls(folder, *more: str) -> tuple[str, ...]:
    pem = folder / "127.0.0.1.pem"
    return ("allow_anonymous true", f"certfile {pem}", f"keyfile {pem}", f"cafile {folder / 'ca.pem'}", *more)


async def test_tls_with_an_authority_of_ones_own(make_mosquitto, listening, eventually, certificates) -> None:
    broker = make_mosquitto(*with_tls(certificates)).start()
    url = broker.url.replace("mqtt:", "mqtts:")
    async with listening(url, tls_ca=certificates / "ca.pem") as intake:
        command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "--cafile", certificates / "ca.pem"]
        await asyncio.to_thread(subprocess.run, [*command, "-q", "1", "-t", BEAT, "-m", "ok"], check=True)
        await eventually(lambda: intake.beats)


async def test_tls_with_a_stranger_is_refused(make_mosquitto, listening, eventually, certificates) -> None:
    broker = make_mosquitto(*with_tls(certificates)).start()
    with capture_logs() as logs:
        async with listening(broker.url.replace("mqtt:", "mqtts:"), connected=False) as intake:
            await eventually(lambda: intake.link_up is False)
    assert "certificate" in logs[0]["why"]


async def test_mutual_tls(make_mosquitto, listening, eventually, certificates) -> None:
    broker = make_mosquitto(*with_tls(certificates, "require_certificate true")).start()
    url, ca = broker.url.replace("mqtt:", "mqtts:"), certificates / "ca.pem"
    async with listening(url, tls_ca=ca, tls_cert=certificates / "gateway.example.pem") as intake:
        assert intake.link_up
    async with listening(url, connected=False, tls_ca=ca) as intake:
        await eventually(lambda: intake.link_up is False)


async def test_a_certificate_that_cannot_be_read_is_told_at_the_start(listening, tmp_path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        async with listening("mqtts://127.0.0.1:1", tls_ca=tmp_path / "bad.pem"):
            pass
