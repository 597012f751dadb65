"""``tocsin explain --hex`` and ``--pcap``: captures of every kind, damaged ones, and what a person is shown."""

import contextlib
import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli.exits import Exit
from gateway.cli.pcap import CaptureError, Passed, packets


def tlv(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content


def trap(community: bytes = b"public") -> bytes:
    """A linkDown that says nothing else."""
    trap_oid, link_down = bytes.fromhex("2b060106030101040100"), bytes.fromhex("2b0601060301010503")
    varbind = tlv(0x30, tlv(6, trap_oid) + tlv(6, link_down))
    pdu = tlv(0xA7, tlv(2, b"\1") + tlv(2, b"\0") + tlv(2, b"\0") + tlv(0x30, varbind))
    return tlv(0x30, tlv(2, b"\1") + tlv(4, community) + pdu)


def udp(payload: bytes, port: int = 162) -> bytes:
    return struct.pack(">4H", 40000, port, 8 + len(payload), 0) + payload


def ipv4(payload: bytes, *, protocol: int = 17, fragment: int = 0, source: bytes = bytes([192, 0, 2, 7])) -> bytes:
    return (
        struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, fragment, 64, protocol, 0, source, bytes(4))
        + payload
    )


def ipv6(payload: bytes, *, following: int = 17, extension: bytes = b"") -> bytes:
    source = bytes.fromhex("20010db8000000000000000000000007")
    return (
        struct.pack(">IHBB16s16s", 0x60000000, len(extension + payload), following, 64, source, bytes(16))
        + extension
        + payload
    )


def pcap(*frames: bytes, link: int = 1, order: str = "<", nano: bool = False) -> bytes:
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    records = b"".join(struct.pack(order + "4I", 100, 5, len(frame), len(frame)) + frame for frame in frames)
    return struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 65535, link) + records


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "2I", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def pcapng(*frames: bytes, link: int = 1, order: str = "<", options: bytes = b"") -> bytes:
    section = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    interface = block(order, 1, struct.pack(order + "HHI", link, 0, 65535) + options)
    told = [
        block(order, 6, struct.pack(order + "5I", 0, 0, 7_000_000, len(frame), len(frame)) + frame) for frame in frames
    ]
    return section + interface + b"".join(told) + block(order, 3, struct.pack(order + "I", len(frames[0])) + frames[0])


ETHERNET = bytes(12) + b"\x08\x00" + ipv4(udp(b"hello"))
FOUND = ("192.0.2.7", 162, b"hello")


def found(data: bytes):
    passed = Passed()
    return [packet[:3] for packet in packets(data, passed)], passed.count


@pytest.mark.parametrize(
    "data",
    [
        pcap(ETHERNET),
        pcap(ETHERNET, order=">"),
        pcap(ETHERNET, nano=True),
        pcap(bytes(12) + b"\x81\x00\x00\x05\x88\xa8\x00\x06\x08\x00" + ipv4(udp(b"hello"))),
        pcap(bytes(14) + b"\x08\x00" + ipv4(udp(b"hello")), link=113),
        pcap(b"\x08\x00" + bytes(18) + ipv4(udp(b"hello")), link=276),
        pcap(ipv4(udp(b"hello")), link=101),
        pcap(ipv4(udp(b"hello")) + b"padding", link=12),
        pcap(b"\2\0\0\0" + ipv4(udp(b"hello")), link=0),
    ],
)
def test_datagrams_are_found_whatever_the_capture(data: bytes) -> None:
    assert found(data) == ([FOUND], 0)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_has_its_packets_in_blocks(order: str) -> None:
    assert found(pcapng(ETHERNET, ETHERNET, order=order)) == ([FOUND] * 3, 0)


def test_times_are_told() -> None:
    assert [packet.at_s for packet in packets(pcap(ETHERNET), Passed())] == [pytest.approx(100.000005)]
    assert [packet.at_s for packet in packets(pcap(ETHERNET, nano=True), Passed())] == [pytest.approx(100.000000005)]
    assert [packet.at_s for packet in packets(pcapng(ETHERNET), Passed())] == [7.0, 0.0]
    nanoseconds = struct.pack("<HHB3x", 9, 1, 9)
    assert next(packets(pcapng(ETHERNET, options=nanoseconds), Passed())).at_s == pytest.approx(0.007)


def test_version_6_is_read_beyond_its_extensions() -> None:
    plain = bytes(12) + b"\x86\xdd" + ipv6(udp(b"hello"))
    extended = bytes(12) + b"\x86\xdd" + ipv6(udp(b"hello"), following=0, extension=bytes([17, 0]) + bytes(6))
    assert found(pcap(plain, extended)) == ([("2001:db8::7", 162, b"hello")] * 2, 0)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        bytes(12) + b"\x08\x06" + bytes(28),
        bytes(12) + b"\x08\x00" + ipv4(udp(b"x"), protocol=6),
        bytes(12) + b"\x08\x00" + ipv4(udp(b"x"), fragment=0x2000),
        bytes(12) + b"\x08\x00" + ipv4(udp(b"x"), fragment=5),
        bytes(12) + b"\x08\x00" + ipv4(udp(b"hello")[:-2]),
        bytes(12) + b"\x86\xdd" + ipv6(udp(b"x"), following=44, extension=bytes(8)),
        bytes(12) + b"\x86\xdd" + b"\x60",
    ],
)
def test_what_is_no_whole_datagram_is_passed_over(frame: bytes) -> None:
    assert found(pcap(frame, ETHERNET)) == ([FOUND], 1)


@settings(max_examples=150)
@given(st.data())
def test_no_capture_breaks_the_reader(data) -> None:
    whole = bytearray(
        data.draw(st.sampled_from([pcap(ETHERNET, ETHERNET), pcapng(ETHERNET), pcap(ipv6(udp(b"x")), link=229)]))
    )
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(CaptureError):
        assert sum(len(packet.payload) for packet in packets(cut, Passed())) <= len(cut)


def test_a_datagram_in_hexadecimal_is_explained(command) -> None:
    shown = command("explain", "--hex", trap().hex(":"), "--from", "198.51.100.4")
    assert shown.exit_code == 0, shown.output
    for line in ("one of ours", "IF-MIB::linkDown", "ietf-link-down", "198.51.100.4"):
        assert line in shown.stdout
    told = json.loads(command("explain", "--json", "--hex", "0x" + trap(b"wrong").hex()).stdout)
    assert (told["dropped"], told["verdict"]["rule"]) == ("unknown_community", "ietf-link-down")
    assert "wrong" not in json.dumps(told)


def test_a_capture_is_explained(command, tmp_path) -> None:
    frames = [bytes(12) + b"\x08\x00" + ipv4(udp(trap(), port)) for port in (162, 1162, 99, 162)]
    (tmp_path / "x.pcap").write_bytes(pcap(*frames))
    shown = command("explain", "--pcap", str(tmp_path / "x.pcap"), "--limit", "2")
    assert shown.stdout.count("ietf-link-down") >= 2
    assert shown.stdout.endswith(
        "2 datagrams explained, 1 more not shown (--limit), 1 other packet passed over (--port)\n"
    )
    told = json.loads(command("explain", "--pcap", str(tmp_path / "x.pcap"), "--json").stdout)
    assert [one["event"]["source"] for one in told["datagrams"]] == ["192.0.2.7"] * 3
    assert (told["more"], told["passed_over"]) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--hex", "zz"], Exit.FAILED, "--hex is not hexadecimal"),
        (["--hex", "30", "--from", "nowhere"], Exit.FAILED, "--from nowhere is no address"),
        (["--hex", "30", "--collector", "mqtt"], Exit.FAILED, "collector 'mqtt' reads no datagrams"),
        (["--pcap", "CAPTURE"], Exit.FAILED, "it is no pcap or pcapng file"),
        ([], Exit.USAGE, "give one of EVENT, --incident, --hex and --pcap"),
        (["--hex", "30", "--pcap", "CAPTURE"], Exit.USAGE, "give one of"),
    ],
)
def test_what_is_wrong_is_one_sentence(command, tmp_path, arguments, code, said) -> None:
    (tmp_path / "bad").write_bytes(b"bad")
    shown = command("explain", *[str(tmp_path / "bad") if word == "CAPTURE" else word for word in arguments])
    assert shown.exit_code == code
    assert said in shown.stderr
