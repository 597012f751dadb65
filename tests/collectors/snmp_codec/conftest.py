"""Real datagrams from the shared corpora, and a count of what became of them in the terminal's summary."""

import json
import os
import struct
from collections import Counter
from pathlib import Path

import pytest

from collectors.snmp.codec import DecodeError, decode_message

SHARED = Path(os.environ.get("TOCSIN_SHARED", Path(__file__).parents[4] / "shared"))
CORPUS = SHARED / "corpora" / "snmp"
COUNTED = "snmp datagrams"


def pytest_terminal_summary(terminalreporter) -> None:
    reports = (report for kind in terminalreporter.stats.values() for report in kind)
    counts = [text for report in reports for key, text in getattr(report, "user_properties", ()) if key == COUNTED]
    for text in dict.fromkeys(counts):
        terminalreporter.write_line(text)


@pytest.fixture
def corpus():
    """``corpus("vendor_traps")`` reads that file, or skips the test where it isn't."""

    def read(name: str) -> list[dict]:
        path = CORPUS / f"{name}.jsonl"
        if not path.exists():
            pytest.skip(f"no corpora/snmp/{name}.jsonl in TOCSIN_SHARED ({SHARED})")
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    return read


@pytest.fixture
def frames():
    """Every link-layer frame of every capture, with the capture's name."""
    paths = sorted(CORPUS.glob("pcap/*.pcap"))
    if not paths:
        pytest.skip(f"no corpora/snmp/pcap in TOCSIN_SHARED ({SHARED})")
    return [(path.name, frame) for path in paths for frame in frames_of(path.read_bytes())]


def frames_of(capture: bytes):
    """The frames of a little-endian pcap file: a header of 24 octets, then records with one of 16."""
    offset = 24
    while offset < len(capture):
        length = struct.unpack_from("<I", capture, offset + 8)[0]
        yield capture[offset + 16 : offset + 16 + length]
        offset += 16 + length


@pytest.fixture
def count(record_property):
    """``count("what", datagrams, **decode_options)`` decodes each, and tells how many were taken or why not."""

    def decode_all(what: str, datagrams, **options) -> Counter:
        counter: Counter = Counter()
        for datagram in datagrams:
            try:
                decode_message(datagram, **options)
            except DecodeError as error:
                counter[error.reason.value] += 1
            else:
                counter["accepted"] += 1
        rejected = counter.total() - counter["accepted"]
        reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(counter.items()) if reason != "accepted")
        text = f"{what}: {counter['accepted']} accepted, {rejected} rejected" + (f" ({reasons})" if reasons else "")
        record_property(COUNTED, text)
        print(text)
        return counter

    return decode_all
