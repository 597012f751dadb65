"""Sockets: IPv4 through an IPv6 socket, drops where the kernel tells them only in /proc, sentences for what fails."""

import os
import socket
import time
from pathlib import Path

import pytest

from collectors.snmp.config import parse_listen
from collectors.snmp.sockets import Listener, bind, drops_in_proc

HEAD = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops"
LINE = " 3344: 0100007F:AB77 00000000:0000 07 00000000:00000F00 00:00000000 00000000     0        0 28725 2 000000006bf96b72 97"


def test_drops_are_found_in_proc_by_inode():
    assert drops_in_proc(28725, [HEAD, LINE]) == 97
    assert drops_in_proc(1, [HEAD, LINE, ""]) == 0


@pytest.mark.skipif(not Path("/proc/self/net/udp").exists(), reason="no /proc/net/udp here")
def test_both_counts_of_the_kernel_agree(sender):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as narrow:
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.bind(("127.0.0.1", 0))
        listener = Listener(narrow, buffer=4096, largest=1000)
        for _ in range(100):
            sender.sendto(bytes(100), narrow.getsockname())
        inode = os.fstat(narrow.fileno()).st_ino
        told = drops_in_proc(inode, Path("/proc/self/net/udp").read_text().splitlines())
        counted = [listener.dropped(), listener.dropped()]

    assert told > 50
    assert counted == [told, 0]


@pytest.mark.parametrize(
    ("seconds", "told_s"), [(0, 0), (1, 0), (3, 3), (599, 599), (601, 0), (-3600, 0)], ids=lambda value: f"{value}s"
)
def test_what_waited_long_tells_how_long_unless_somebody_set_the_clock(sender, seconds, told_s):
    def later():
        return time.time_ns() + seconds * 10**9

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        listener = Listener(sock, buffer=4096, largest=1000, wall_ns=later)
        before = listener.waited_ms()
        sender.sendto(b"x", sock.getsockname())
        received = listener.receive(1)
        told_ms, longest_ms = listener.waited_ms(), [listener.longest_wait_ms(), listener.longest_wait_ms()]

    assert (before, len(received)) == (0, 1)
    assert told_s * 1000 <= told_ms <= told_s * 1000 + (900 if told_s else 0)
    assert longest_ms == [told_ms, 0]


@pytest.mark.parametrize(
    ("where", "sentence"),
    [("192.0.2.1:1162", "this machine has no such address"), ("[2001:db8::1]:1162", r"\[2001:db8::1\]:1162/udp: this")],
)
def test_an_address_that_is_not_ours_is_told_in_a_sentence(where, sentence):
    with pytest.raises(OSError, match=sentence):
        bind(parse_listen(where))
