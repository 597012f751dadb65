"""Datagrams are received alike by one system call for many, and by one for each; real sockets on loopback."""

import errno
import socket

import pytest

from collectors.snmp import receiving
from collectors.snmp.config import parse_listen
from collectors.snmp.sockets import Listener, adopt, bind

LARGEST = 1000
SO_TIMESTAMP = 29
"""asm-generic/socket.h"""


@pytest.fixture(params=["many", "each"])
def listening(request):
    """``listening(sock)``: a listener that receives in the one way or the other; closed at the end."""
    opened = []

    def listen(sock):
        opened.append(Listener(sock, buffer=1_000_000, largest=LARGEST))
        if request.param == "each":
            opened[-1].receive = receiving.OneByOne(sock, largest=LARGEST).receive
        elif not isinstance(opened[-1].receive.__self__, receiving.Batches):
            pytest.skip("no recvmmsg here")
        return opened[-1]

    yield listen
    for listener in opened:
        listener.close()


@pytest.fixture
def ours(listening):
    """A listener on 127.0.0.1."""
    return listening(bind(parse_listen("127.0.0.1:0")))


def test_nothing_there_is_nothing(ours):
    assert ours.receive(10) == []


def test_all_come_once_in_their_order_and_no_more_than_asked_for(ours, sender):
    sent = [bytes([number]) * (number * 7 % LARGEST) for number in range(150)]  # the first is empty
    for data in sent:
        sender.sendto(data, ("127.0.0.1", ours.port))
    batches = [ours.receive(most) for most in (1, 3, 64, 1000, 1000, 1000)]

    assert [len(batch) for batch in batches] == [1, 3, 64, receiving.MOST, 150 - 68 - receiving.MOST, 0]
    assert [data for batch in batches for data, _, _ in batch] == sent
    way = batches[0][0][2]
    assert {told for batch in batches for _, _, told in batch} == {way}
    assert way == receiving.Way("127.0.0.1", sender.getsockname()[1], sender.getsockname(), ())


def test_what_is_too_large_says_so_and_spoils_no_other(ours, sender):
    for size in (LARGEST, LARGEST + 1, 3):
        sender.sendto(b"x" * size, ("127.0.0.1", ours.port))
    taken = ours.receive(10)

    assert [(len(data), bool(flags & receiving.TRUNCATED)) for data, flags, _ in taken] == [
        (LARGEST, False),
        (LARGEST, True),
        (3, False),
    ]


def test_senders_are_told_apart(ours):
    _tell_apart(ours.port, ours.receive)


def test_senders_are_told_apart_even_if_more_than_are_remembered():
    with bind(parse_listen("127.0.0.1:0")) as sock:
        call = receiving.recvmmsg(sock.fileno())
        if call is None:
            pytest.skip("no recvmmsg here")
        batches = receiving.Batches(sock, call, largest=LARGEST, ancillary=False, ways=3)
        _tell_apart(sock.getsockname()[1], batches.receive)
        assert len(batches._ways) <= 3


def _tell_apart(port, receive):
    senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    for number, sock in enumerate(senders):
        sock.bind((f"127.0.0.{number + 2}", 0))
    for sock in senders * 2:
        sock.sendto(repr(sock.getsockname()).encode(), ("127.0.0.1", port))
    taken = receive(64)
    for sock in senders:
        sock.close()

    assert [data.decode() for data, _, _ in taken] == [repr(way.address) for _, _, way in taken]
    assert [way.host for _, _, way in taken] == [f"127.0.0.{number % 8 + 2}" for number in range(16)]


def _dual():
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", 0))
    return sock


@pytest.mark.parametrize(
    ("opened", "question_to", "host"),
    [
        (lambda: bind(parse_listen("0.0.0.0:0")), "127.0.0.9", "127.0.0.1"),
        (lambda: bind(parse_listen("[::]:0")), "::1", "::1"),
        (lambda: bind(parse_listen("[::1]:0")), "::1", "::1"),
        # never ::ffff:127.0.0.1: configured networks must match
        (_dual, "127.0.0.9", "127.0.0.1"),
        (_dual, "::1", "::1"),
    ],
    ids=["IPv4", "IPv6", "one IPv6 address", "IPv4 over a dual socket", "IPv6 over a dual socket"],
)
def test_an_answer_comes_from_where_the_question_was_sent_to(listening, opened, question_to, host):
    listener = listening(opened())
    with socket.socket(socket.AF_INET6 if ":" in question_to else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind((host, 0))
        asking.settimeout(2)
        asking.connect((question_to, listener.port))  # hears no other address
        for question in (b"question", b"another"):
            asking.send(question)
            [(data, flags, way)] = listener.receive(10)
            assert (data, flags, way.host, way.port) == (question, 0, host, asking.getsockname()[1])
            assert listener.answer(way, b"answer to " + data)
            assert asking.recv(100) == b"answer to " + data


def test_a_socket_that_systemd_opened_may_tell_more_or_less_than_we_ask_for(listening, sender):
    """With ``Timestamping=us``, what we ask for stands behind what it asked for."""
    with _dual() as handed_over:
        listener = listening(adopt(handed_over.fileno()))
        sender.connect(("127.0.0.9", listener.port))
        sender.setblocking(True)
        sender.settimeout(2)
        for timestamps, destination in ((True, True), (False, True), (True, True), (False, False)):
            handed_over.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, timestamps)
            handed_over.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, destination)
            sender.send(b"question")
            [(_, _, way)] = listener.receive(10)
            kinds = [(level, kind) for level, kind, _ in way.ancillary]
            assert kinds == [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)] * destination
            if destination:
                assert listener.answer(way, b"answer")
                assert sender.recv(100) == b"answer"


def test_a_broken_socket_is_an_error(ours):
    ours.close()

    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        ours.receive(10)
    assert caught.value.errno == errno.EBADF


def test_where_there_is_no_such_call_none_is_made():
    with bind(parse_listen("127.0.0.1:0")) as sock:
        assert receiving.recvmmsg(sock.fileno(), platform="freebsd14") is None
    assert receiving.recvmmsg(-1) is None  # the system refuses, as a sandbox does


def test_an_error_after_some_is_told_after_them():
    calls = [(b"kept", [], 0, ("127.0.0.1", 9)), OSError("gone"), OSError("gone")]

    class Breaking:
        def recvmsg(self, octets, ancillary):
            call = calls.pop(0)
            if isinstance(call, OSError):
                raise call
            return call

    receive = receiving.OneByOne(Breaking(), largest=LARGEST).receive

    assert [data for data, _, _ in receive(10)] == [b"kept"]
    with pytest.raises(OSError, match="gone"):
        receive(10)
