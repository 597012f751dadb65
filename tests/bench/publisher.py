"""Publishes beats at QoS 1 faster than anybody hears them: ``python publisher.py PORT STATIONS COUNT RATE``.

Packets are encoded before the first is sent; then many go by one system call, and of the broker's acknowledgements only
the number is looked at. Each message says when it was encoded and has a number of its own, as a device's would.
"""

import json
import select
import socket
import sys
import time

CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench"
"""MQTT 3.1.1 section 3.1: a clean session without keepalive."""
MIDS = 60_000
"""Packet identifiers in use; they begin anew."""
CHUNK = 200
UNANSWERED = 20_000
"""Messages that the broker may leave unacknowledged: less than `MIDS`."""
SITES = 500
PUBACK_BYTES = 4


def station_of(number: int) -> tuple[str, str]:
    """Site and name of a station."""
    return f"site-{number % SITES:03}", f"st-{number:07}"


def packet(number: int, stations: int, sent_ms: int) -> bytes:
    """The beat ``number``: stations speak in turn."""
    site, station = station_of(number % stations)
    topic = f"fleet/{site}/{station}/heartbeat".encode()
    said = {"status": "ok", "ts": sent_ms, "seq": number // stations, "metrics": {"temp": 21.5, "uptime": number}}
    rest = len(topic).to_bytes(2, "big") + topic + (number % MIDS + 1).to_bytes(2, "big") + json.dumps(said).encode()
    return b"\x32" + bytes([len(rest) & 127 | 128, len(rest) >> 7]) + rest  # QoS 1; longer than 127 bytes


def chunks(stations: int, count: int) -> list[bytes]:
    """The first messages, as many as must differ, in pieces of `CHUNK`."""
    different = -(-max(2 * stations, MIDS) // MIDS) * MIDS
    sent_ms = time.time_ns() // 1_000_000
    beats = [packet(number, stations, sent_ms) for number in range(min(different, count))]
    return [b"".join(beats[at : at + CHUNK]) for at in range(0, len(beats), CHUNK)]


def publish(broker: socket.socket, pieces: list[bytes], count: int, rate: float) -> None:
    """Send ``count`` messages, ``rate`` a second (0: no pause), until the broker has acknowledged all."""
    began_s, sent, answered = time.monotonic(), 0, 0
    left = memoryview(b"")
    broker.setblocking(False)
    while answered < count * PUBACK_BYTES:
        due = count if not rate else min(count, int((time.monotonic() - began_s) * rate))
        if not left and sent < due and sent - answered // PUBACK_BYTES < UNANSWERED:
            left = memoryview(pieces[sent // CHUNK % len(pieces)])
            sent += CHUNK
        readable, writable, _ = select.select([broker], [broker] if left else [], [], 0.001)
        if writable:
            left = left[broker.send(left) :]
        if readable:
            answer = broker.recv(1 << 20)
            if not answer:
                raise ConnectionError("the broker hung up")
            answered += len(answer)


def main() -> int:
    port, stations, count, rate = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    count = -(-count // CHUNK) * CHUNK
    pieces = chunks(stations, count)
    with socket.create_connection(("127.0.0.1", port)) as broker:
        broker.sendall(CONNECT)
        if broker.recv(4) != b"\x20\x02\x00\x00":
            raise ConnectionError("the broker refuses us")
        print(count, flush=True)
        sys.stdin.readline()
        publish(broker, pieces, count, rate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
