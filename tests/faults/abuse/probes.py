"""Honest visitors who come while others misbehave: an inform, a mail, a beat and a look at the health, again and again."""

import itertools
import json
import smtplib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from types import TracebackType
from typing import Self

import httpx
import paho.mqtt.client as paho

from collectors.snmp import codec
from tests.faults.abuse.house import House

EVERY_S = 0.25
INFORM_TRIES, INFORM_WAIT_S = 6, 1.0
"""As net-snmp does: one second, five retries."""
PEER = "127.0.0.99"
"""Where honest mails come from: the flood's seats are others'."""


@dataclass
class Tally:
    """How one kind of visitor fared."""

    asked: int = 0
    failed: int = 0
    worst_s: float = 0.0
    why: set[str] = field(default_factory=set)

    def as_dict(self) -> dict:
        return {"asked": self.asked, "failed": self.failed, "worst_s": round(self.worst_s, 2)} | (
            {"why": sorted(self.why)[:3]} if self.why else {}
        )


class Probes:
    """All of them at once, each in its own thread, while the block lasts."""

    def __init__(self, house: House, *, informs_to: str = "calm") -> None:
        self._house = house
        self._informs_to = informs_to
        self._done = threading.Event()
        self._numbers = itertools.count(1)
        self.tallies = {name: Tally() for name in ("inform", "mail", "beat", "health")}
        self.datagrams = 0
        """Informs sent, repeats included."""

    def __enter__(self) -> Self:
        self._mqtt = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=f"probe-{id(self)}", protocol=paho.MQTTv311
        )
        self._mqtt.connect("127.0.0.1", self._house.ports["beat"])
        self._mqtt.loop_start()
        visits = {"inform": self._inform, "mail": self._mail, "beat": self._beat, "health": self._health}
        self._threads = [threading.Thread(target=self._again, args=(name, visit)) for name, visit in visits.items()]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()
        self._mqtt.disconnect()
        self._mqtt.loop_stop()

    def report(self) -> dict:
        return {name: tally.as_dict() for name, tally in self.tallies.items()}

    @property
    def failed(self) -> int:
        return sum(tally.failed for tally in self.tallies.values())

    def _again(self, name: str, visit: Callable[[int], None]) -> None:
        tally = self.tallies[name]
        while not self._done.wait(EVERY_S):
            began_s = time.monotonic()
            try:
                visit(next(self._numbers))
            except Exception as error:  # noqa: BLE001 - whatever it was, the visitor was not served
                tally.failed += 1
                tally.why.add(f"{type(error).__name__}: {error}"[:200])
            tally.asked += 1
            tally.worst_s = max(tally.worst_s, time.monotonic() - began_s)

    def _inform(self, number: int) -> None:
        varbinds = [
            codec.VarBind("1.3.6.1.2.1.1.3.0", 0x43, number),
            codec.VarBind("1.3.6.1.6.3.1.1.4.1.0", 6, "1.3.6.1.6.3.1.1.5.3"),
            codec.VarBind("1.3.6.1.2.1.2.2.1.1.7", 2, 7),
        ]
        pdu = codec.encode_pdu(codec.PduType.INFORM, varbinds, request_id=number)
        data = codec.encode_message(codec.V2C, b"public", pdu)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(INFORM_WAIT_S)
            for _ in range(INFORM_TRIES):
                sock.sendto(data, ("127.0.0.1", self._house.ports[self._informs_to]))
                self.datagrams += 1
                try:
                    answer = sock.recv(65_535)
                except TimeoutError:
                    continue
                assert codec.decode_message(answer, accept=codec.ANY_PDU).pdu.request_id == number
                return
        raise TimeoutError("no response to an inform")

    def _mail(self, number: int) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "alice@customer.example", "support@example.com", "Help"
        message["Message-ID"] = f"<{number}.{id(self)}@customer.example>"
        message.set_content(f"It does not work: {number}.")
        with smtplib.SMTP(timeout=15, source_address=(PEER, 0)) as server:
            server.connect("127.0.0.1", self._house.ports["mail"])
            server.send_message(message)

    def _beat(self, number: int) -> None:
        sent = self._mqtt.publish(f"fleet/lyon/probe-{number % 10}/heartbeat", json.dumps({"status": "ok"}), qos=1)
        sent.wait_for_publish(timeout=10)
        assert sent.is_published()

    def _health(self, _number: int) -> None:
        answer = httpx.get(f"http://127.0.0.1:{self._house.ports['http']}/healthz", timeout=10, trust_env=False)
        answer.raise_for_status()
