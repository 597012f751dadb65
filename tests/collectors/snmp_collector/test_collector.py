"""What the collector counts, answers and survives; datagrams are made by hand and sent over loopback."""

import asyncio
import contextlib
import json
import os
import socket
import time
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from collectors.snmp import catalogue, codec, v3
from collectors.snmp.collector import SnmpCollector
from collectors.snmp.config import SnmpConfig, parse_listen
from collectors.snmp.keys import Auth, Priv, User, user_key
from collectors.snmp.mib_files import FILE_NAME
from collectors.snmp.names import NOTIFICATION, Names, notification_fields
from collectors.snmp.receiving import Way
from collectors.snmp.sockets import Listener, bind
from collectors.snmp.start import tell
from collectors.snmp.usm import Keys, Usm
from gateway.core.reason import Dropped
from gateway.plugin import Host, Overloaded
from gateway.testing.clock import ManualClock, turns
from gateway.testing.intake import RecordingIntake
from gateway.testing.keep import MemoryKeep

SHARED = Path(os.environ.get("TOCSIN_SHARED", Path(__file__).parents[4] / "shared"))
UPTIME, TRAP_OID = "1.3.6.1.2.1.1.3.0", "1.3.6.1.6.3.1.1.4.1.0"


def v2c(kind=codec.PduType.TRAP_V2, *, request_id=1, uptime=1, community=b"public"):
    varbinds = [codec.VarBind(UPTIME, 0x43, uptime), codec.VarBind(TRAP_OID, 6, "1.3.6.1.6.3.1.1.5.3")]
    return codec.encode_message(codec.V2C, community, codec.encode_pdu(kind, varbinds, request_id=request_id))


def inform(**more):
    return v2c(codec.PduType.INFORM, **more)


def answers(sock):
    """Request ids of the responses that came."""
    ids = []
    while True:
        try:
            data = sock.recv(2000)
        except BlockingIOError:
            return ids
        pdu = codec.decode_message(data, accept=codec.ANY_PDU).pdu
        assert pdu.type is codec.PduType.RESPONSE
        ids.append(pdu.request_id)


PUBLIC = {"communities": ["public"]}


async def test_everything_received_is_kept_or_counted(serve, sender):
    datagrams = [v2c(), v2c(community=b"guess"), b"", b"\x30", b"\xff" * 99, v2c(codec.PduType.GET_REQUEST), v2c()[:-1]]
    async with serve(PUBLIC) as running:
        for data in datagrams:
            sender.sendto(data, ("127.0.0.1", running.port))
        await running.settled(inputs=len(datagrams))

    assert running.intake.inputs == len(datagrams)
    assert running.balance() == 0
    assert running.intake.drops == {Dropped.UNKNOWN_COMMUNITY: 1, Dropped.MALFORMED: 4, Dropped.UNSUPPORTED: 1}


async def test_an_overload_of_traps_is_left_to_the_intake_to_count(serve, sender):
    intake = RecordingIntake()
    intake.overloaded = True
    async with serve(PUBLIC, intake=intake) as running:
        sender.sendto(v2c(), ("127.0.0.1", running.port))
        await running.settled(inputs=1)

    assert intake.drops == {Dropped.OVERLOAD: 1}
    assert running.balance() == 0


async def test_repeats_of_a_trap_are_events_with_their_own_time_and_uptime(serve, sender):
    async with serve(PUBLIC) as running:
        for uptime in (100, 200, 200, 300):
            sender.sendto(v2c(uptime=uptime), ("127.0.0.1", running.port))
        await running.settled(inputs=4)
        await running.clock.advance(1)
        sender.sendto(v2c(uptime=400), ("127.0.0.1", running.port))
        sender.sendto(v2c(uptime=400, community=b"guess"), ("127.0.0.1", running.port))
        await running.settled(inputs=6)

    events = running.intake.events
    assert [event.labels["uptime"] for event in events] == ["1", "2", "2", "3", "4"]
    assert events[4].at_ms - events[0].at_ms == 1000
    assert running.intake.drops == {Dropped.UNKNOWN_COMMUNITY: 1}


async def test_names_that_were_added_are_taken_at_a_reload_and_damage_changes_nothing(serve, sender, tmp_path):
    acme = catalogue.encode({NOTIFICATION + "1.3.6.1.6.3.1.1.5.3": notification_fields("ACME-MIB", "acmeLink", "")})
    async with serve(PUBLIC) as running:
        for number, content in enumerate((None, acme, b"damage"), start=1):
            if content is not None:
                (tmp_path / "new").write_bytes(content)
                (tmp_path / "new").replace(tmp_path / FILE_NAME)
                await running.collector.reread()
            sender.sendto(v2c(), ("127.0.0.1", running.port))
            await running.settled(inputs=number)
    assert [event.condition for event in running.intake.events] == ["linkDown", "acmeLink", "acmeLink"]


@pytest.mark.shared
async def test_hostile_and_odd_datagrams_are_counted_and_stop_nothing(serve, sender):
    cases = SHARED / "corpora/snmp"
    if not cases.is_dir():
        pytest.skip(f"{cases} is absent: set TOCSIN_SHARED")
    lines = [
        line
        for name in ("hard_cases", "third_party_packets")
        for line in (cases / f"{name}.jsonl").read_text().splitlines()
    ]
    datagrams = [data for line in lines if len(data := bytes.fromhex(json.loads(line)["hex"])) < 60_000]
    async with serve(PUBLIC | {"users": [{"name": "authMD5OnlyUser"}], "receive_buffer": 8_388_608}) as running:
        for data in datagrams:
            sender.sendto(data, ("127.0.0.1", running.port))
        await running.settled(inputs=len(datagrams) - 10)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            other.connect(("127.0.0.1", running.port))
            other.send(inform(request_id=4711))
            async with asyncio.timeout(60):
                await asyncio.get_running_loop().sock_recv(other, 1000)

    assert running.balance() == 0
    assert len(running.intake.events) > 50


async def test_a_datagram_larger_than_allowed_is_counted(serve, sender):
    async with serve(PUBLIC | {"max_datagram": 484}) as running:
        sender.sendto(v2c() + bytes(500), ("127.0.0.1", running.port))
        await running.settled(inputs=1)

    assert running.intake.drops == {Dropped.OVERSIZED: 1}


async def test_a_budget_spent_leaves_the_rest_for_the_next_turn(serve, sender):
    async with serve(PUBLIC | {"read_budget": 2}) as running:
        for _ in range(7):
            sender.sendto(v2c(), ("127.0.0.1", running.port))
        await asyncio.sleep(0)
        assert running.intake.inputs <= 2
        await running.settled(inputs=7)


@pytest.fixture
def narrow(serve):
    """Serve on a socket whose receive buffer holds a few datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind(("127.0.0.1", 0))
        yield serve(PUBLIC | {"receive_buffer": 4096}, sockets={"snmp": [sock.fileno()]})


async def test_what_the_kernel_drops_is_counted(narrow, sender):
    async with narrow as running:
        for number in range(100):  # nobody reads meanwhile: the loop doesn't turn
            sender.sendto(v2c(request_id=number), ("127.0.0.1", running.port))
        await running.clock.advance(1.0)
        await running.settled(inputs=100)

    drops = running.intake.drops[Dropped.KERNEL]
    assert drops > 50
    assert (running.intake.inputs, len(running.intake.events)) == (100, 100 - drops)


async def test_a_late_loss_is_counted_when_serving_ends(narrow, sender):
    async with narrow as running:
        for number in range(100):
            sender.sendto(v2c(request_id=number), ("127.0.0.1", running.port))

    assert running.intake.drops[Dropped.KERNEL] > 50
    assert running.intake.link_up is False


# --- informs -------------------------------------------------------------------------------------


async def test_a_repeat_waits_with_the_first_and_both_are_answered_once_it_is_kept(serve, sender):
    intake = RecordingIntake(hold=True)
    async with serve(PUBLIC, intake=intake) as running:
        for request_id in (1, 2, 3):  # net-snmp changes the request id
            sender.sendto(inform(request_id=request_id), ("127.0.0.1", running.port))
        await running.settled(inputs=3)
        assert answers(sender) == []
        intake.release()
        await turns(5)
        assert answers(sender) == [1, 3]  # the first, and what the sender waits for now

    assert len(intake.events) == 1
    assert intake.events[0].identity.startswith("snmp:")
    assert intake.drops == {Dropped.DUPLICATE: 2}


async def test_a_repeat_of_an_answered_inform_is_answered_at_once_for_a_minute(serve, sender):
    async with serve(PUBLIC) as running:
        to = ("127.0.0.1", running.port)
        sender.sendto(inform(request_id=1), to)
        await running.settled(inputs=1)
        await running.clock.advance(59)
        sender.sendto(inform(request_id=2), to)
        await running.settled(inputs=2)
        assert len(running.intake.events) == 1
        await running.clock.advance(60)
        sender.sendto(inform(request_id=3), to)
        await running.settled(inputs=3)
        await turns(5)
        assert answers(sender) == [1, 2, 3]

    first, second = running.intake.events
    assert first.identity == second.identity  # so the store folds what we have forgotten
    assert running.intake.drops == {Dropped.DUPLICATE: 1}


async def test_an_inform_that_was_not_kept_is_taken_again(serve, sender):
    intake = RecordingIntake(hold=True)
    async with serve(PUBLIC, intake=intake) as running:
        sender.sendto(inform(request_id=1), ("127.0.0.1", running.port))
        await running.settled(inputs=1)
        intake.release(Overloaded("the disk is full"))
        await turns(5)
        assert answers(sender) == []
        sender.sendto(inform(request_id=2), ("127.0.0.1", running.port))
        await running.settled(inputs=2)
        intake.release()
        await turns(5)
        assert answers(sender) == [2]

    assert len(intake.events) == 2


async def test_the_same_words_at_another_uptime_or_from_another_port_are_another_inform(serve, sender):
    async with serve(PUBLIC) as running:
        sender.sendto(inform(uptime=1), ("127.0.0.1", running.port))
        sender.sendto(inform(uptime=2), ("127.0.0.1", running.port))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(inform(uptime=2), ("127.0.0.1", running.port))
            await running.settled(inputs=3)

    assert len({event.identity for event in running.intake.events}) == 3


async def test_answers_after_the_end_are_lost_quietly(serve, sender):
    intake = RecordingIntake(hold=True)
    async with serve(PUBLIC, intake=intake) as running:
        sender.sendto(inform(), ("127.0.0.1", running.port))
        await running.settled(inputs=1)
    intake.release()
    await turns(5)
    assert answers(sender) == []


async def test_reports_are_rationed(serve, sender):
    probe = bytes.fromhex(
        "303a020103300f02020101020300ffe30401040201030410300e0400020100020100040004000400301204000400a00c020201010201000201003000"
    )
    async with serve({"users": [{"name": "ops"}], "reports_per_s": 2}) as running:
        sent = REGISTRY.get_sample_value("tocsin_snmp_reports_total")
        for _ in range(5):
            sender.sendto(probe, ("127.0.0.1", running.port))
        sender.sendto(b"", ("127.0.0.1", running.port))
        await running.settled(inputs=1)

    assert running.intake.inputs == 1  # to ask who we are is no input
    assert REGISTRY.get_sample_value("tocsin_snmp_reports_total") - sent == 2


def sealed(running, *, of_engine=b"", context=b""):
    """A v3 inform of the user ``ops`` that speaks for an engine, in a context."""
    ours = running.keep.kept["engine_id"]
    key = user_key(Auth.SHA256, b"authentic-password")
    keys = Keys(User(name=b"ops", auth=Auth.SHA256, priv=Priv.NONE, auth_key=key), ours)
    pdu = codec.encode_pdu(codec.PduType.INFORM, [], request_id=1)
    built = v3.encode_message(
        v3.encode_scoped(v3.Scoped(of_engine, context, pdu)),
        message_id=1, flags=v3.AUTHENTICATED, engine_id=ours, boots=1, time=0, user=b"ops", mac_octets=24,
    )  # fmt: skip
    return built.whole[: built.mac_at] + keys.mac(built) + built.whole[built.mac_at + 24 :]


async def test_a_captured_v3_inform_is_worth_nothing_elsewhere(serve, sender, secret):
    user = {"name": "ops", "auth": "sha256", "auth_password": secret("AUTH", "authentic-password")}
    async with serve({"users": [user]}) as running:
        inform = sealed(running)
        sender.sendto(inform, ("127.0.0.1", running.port))
        await running.settled(inputs=1)
        sender.sendto(inform, ("127.0.0.1", running.port))  # a sender that repeats the very octets is answered
        await running.settled(inputs=2)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
            thief.sendto(inform, ("127.0.0.1", running.port))
            await running.settled(inputs=3)

    assert len(running.intake.events) == 1
    assert running.intake.drops == {Dropped.DUPLICATE: 1, Dropped.REPLAYED: 1}
    assert all(v3.parse_message(sender.recv(1000)) for _ in range(2))


async def test_what_a_proxy_says_for_two_engines_or_contexts_is_no_repeat(serve, sender, secret):
    """RFC 3413 section 3.5: it forwards for many from one port, under one user; two that start anew say the same."""
    user = {"name": "ops", "auth": "sha256", "auth_password": secret("AUTH", "authentic-password")}
    async with serve({"users": [user]}) as running:
        for of in ({"of_engine": b"first"}, {"of_engine": b"other"}, {"of_engine": b"other", "context": b"vlan-7"}):
            sender.sendto(sealed(running, **of), ("127.0.0.1", running.port))
        await running.settled(inputs=3)

    assert len({event.identity for event in running.intake.events}) == 3
    assert not running.intake.drops


# --- start ---------------------------------------------------------------------------------------


async def test_a_port_in_use_is_told_in_a_sentence(serve, sender):
    port = sender.getsockname()[1]
    with pytest.raises(
        OSError, match=rf"cannot listen for traps on 127.0.0.1:{port}/udp: address already in use; stop"
    ):
        async with serve({"listen": [f"127.0.0.1:{port}"]}):
            pass


async def test_sockets_of_systemd_are_taken_and_left_open(serve, sender):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as given:
        given.bind(("127.0.0.1", 0))
        async with serve(PUBLIC | {"listen": ["192.0.2.1:162"]}, sockets={"snmp": [given.fileno()]}) as running:
            sender.sendto(inform(), given.getsockname())
            await running.settled(inputs=1)
        assert given.getsockname()[1] == running.port  # still open, for the next start


async def test_a_buffer_that_systemd_gave_is_never_made_smaller(serve):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as given:
        given.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
        given.bind(("127.0.0.1", 0))
        async with serve({"receive_buffer": 300_000}, sockets={"snmp": [given.fileno()]}) as running:
            assert running.collector.listeners[0].buffer == 1_000_000


async def test_too_many_informs_at_once_are_not_answered(serve, sender):
    intake = RecordingIntake(hold=True)
    async with serve(PUBLIC | {"informs_max": 2}, intake=intake) as running:
        for number in range(3):
            sender.sendto(inform(uptime=number, request_id=number), ("127.0.0.1", running.port))
        await running.settled(inputs=3)
        intake.release()
        await turns(5)
        assert answers(sender) == [0, 1]

    assert intake.drops == {Dropped.OVERLOAD: 1}


async def test_a_stream_socket_of_systemd_is_refused(serve):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as given, pytest.raises(OSError, match="ListenDatagram="):
        async with serve(sockets={"snmp": [given.fileno()]}):
            pass


async def test_the_engine_id_stays_and_the_boots_grow(serve):
    async with serve() as first:
        engine_id = first.keep.kept["engine_id"]
    async with serve(keep=first.keep) as second:
        assert second.keep.kept["engine_id"] == engine_id

    assert first.keep.kept["engine_boots"] == b"2"
    assert 5 <= len(engine_id) <= 32
    assert engine_id[0] & 0x80  # RFC 3411's format
    assert engine_id[4] == 5


async def test_the_start_tells_what_was_had_and_no_secret(serve, secret):
    user = {"name": "ops", "auth": "sha256", "auth_password": secret("AUTH", "authentic-password")}
    with capture_logs() as logs:
        async with serve({"communities": ["c0mmunity"], "users": [user], "receive_buffer": 1_073_741_824}) as running:
            buffer = REGISTRY.get_sample_value("tocsin_snmp_receive_buffer_bytes")
            assert buffer == running.collector.listeners[0].buffer
    assert (logs[0]["event"], logs[0]["receive_buffer"]) == ("listener.opened", buffer)
    assert "c0mmunity" not in str(logs)
    assert "authentic-password" not in str(logs)


def test_a_buffer_smaller_than_asked_for_is_told_with_its_cure():
    class Capped:
        name, buffer = "127.0.0.1:1162", 212_992

    with capture_logs() as logs:
        tell(SnmpConfig(), "snmp", [Capped()], b"")

    said = {entry["event"]: entry for entry in logs}
    assert said["receive_buffer.capped"]["cure"] == "sysctl -w net.core.rmem_max=67108864"
    assert "listener.deafened" in said  # neither communities nor users


@pytest.fixture
def made_with(tmp_path):
    """A collector of given parts, without the plugin's ``build``."""

    def make(*, listeners, clock, names=None, config=None):
        host = Host(name="snmp", clock=clock, keep=MemoryKeep(), state_dir=tmp_path)
        usm = Usm([], engine_id=b"\x80\0\0\0\5x", boots=1, now_s=0, salt=0)
        return SnmpCollector(config or SnmpConfig(), host, listeners=listeners, usm=usm, names=names or Names({}, {}))

    return make


async def test_what_waited_to_be_read_is_dated_when_it_came(made_with, sender):
    clock, intake = ManualClock(), RecordingIntake()
    listener = Listener(
        bind(parse_listen("127.0.0.1:0")), buffer=4096, largest=65_535, wall_ns=lambda: time.time_ns() + 90 * 10**9
    )
    collector = made_with(listeners=[listener], clock=clock, config=SnmpConfig.model_validate(PUBLIC))
    with contextlib.closing(listener):
        for request_id in (1, 2):  # the second is known by its octets
            sender.sendto(v2c(request_id=request_id), ("127.0.0.1", listener.port))
        sender.sendto(inform(), ("127.0.0.1", listener.port))
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(collector.run(intake))
            async with asyncio.timeout(60):
                while intake.inputs < 3:
                    await intake.wait()
            serving.cancel()

    assert [(clock.now_ms() - event.at_ms) // 1000 for event in intake.events] == [90, 90, 90]
    assert REGISTRY.get_sample_value("tocsin_snmp_receive_wait_seconds") == pytest.approx(90, abs=0.9)


async def test_a_bug_met_once_costs_neither_the_others_nor_the_repeat(made_with, sender):
    class Buggy(Names):
        def notification(self, oid):
            if not told:
                told.append(oid)
                raise ZeroDivisionError
            return super().notification(oid)

    told, clock, intake = [], ManualClock(), RecordingIntake()
    config = SnmpConfig.model_validate(PUBLIC)
    listener = Listener(bind(parse_listen("127.0.0.1:0")), buffer=4096, largest=65_535)
    collector = made_with(listeners=[listener], clock=clock, names=Buggy({}, {}), config=config)
    with contextlib.closing(listener), capture_logs() as logs:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(collector.run(intake))
            for request_id in (1, 2):
                sender.sendto(inform(request_id=request_id), ("127.0.0.1", listener.port))
            async with asyncio.timeout(60):
                while not intake.events:
                    await intake.wait()
            await turns(5)
            serving.cancel()

    assert answers(sender) == [2]
    assert intake.drops == {Dropped.MALFORMED: 1}
    assert [entry["event"] for entry in logs] == ["datagram.failed"]


@pytest.mark.parametrize(
    ("settings", "batches"), [({}, [4, 8, 16, 32, 64, 64, 64, 4]), ({"read_budget_ms": 1}, [4, 8])]
)
async def test_batches_grow_until_a_budget_is_spent(made_with, settings, batches):
    ours, theirs = os.pipe()
    os.write(theirs, b"!")  # always readable
    asked = []

    class Endless:
        name, port, buffer = "endless", 0, 0

        def fileno(self):
            return ours

        def receive(self, most):
            asked.append(most)
            clock.passed_s += most / 10_000  # each takes a tenth of a millisecond
            return [(b"", 0, Way("192.0.2.1", 9, ("192.0.2.1", 9), ()))] * most

        def waited_ms(self):
            return 0

        dropped = longest_wait_ms = waited_ms

    class Passing(ManualClock):
        passed_s = 0.0

        def monotonic_s(self):
            return super().monotonic_s() + self.passed_s

    clock, intake = Passing(), RecordingIntake()
    config = SnmpConfig.model_validate({"read_budget_ms": 100} | settings)
    collector = made_with(listeners=[Endless()], clock=clock, config=config)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(collector.run(intake))
        while len(asked) < len(batches):
            await asyncio.sleep(0)
        serving.cancel()
    os.close(ours)
    os.close(theirs)

    assert asked[: len(batches)] == batches
    assert intake.inputs == sum(asked)
    assert intake.drops == {Dropped.MALFORMED: sum(asked)}


async def test_a_broken_socket_ends_the_collector(made_with):
    ours, theirs = os.pipe()
    os.write(theirs, b"!")  # always readable

    class Broken:
        name, port, buffer = "broken", 0, 0

        def fileno(self):
            return ours

        def receive(self, most):
            raise OSError("the interface is gone")

        def dropped(self):
            return 0

        longest_wait_ms = dropped

    clock, intake = ManualClock(), RecordingIntake()
    collector = made_with(listeners=[Broken()], clock=clock)

    async def serve_until_it_breaks():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(collector.run(intake))
            await clock.advance(2)

    with pytest.raises(ExceptionGroup) as caught:
        await serve_until_it_breaks()
    os.close(ours)
    os.close(theirs)

    assert "the interface is gone" in str(caught.value.exceptions[0])
    assert intake.link_up is False
