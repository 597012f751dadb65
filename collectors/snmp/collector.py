"""Hear traps and informs: sockets, the event loop and the intake around the pure parts.

No task and no future per trap: a readable socket is read until it is empty, within a budget, then others have their
turn. An inform is answered by the callback of its receipt, so after the commit and never before.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

import structlog
from prometheus_client import Counter, Gauge

from collectors.snmp import again, codec, informs, translate
from collectors.snmp.ber import DecodeError
from collectors.snmp.config import SnmpConfig, SourceFrom
from collectors.snmp.keeper import Keeper
from collectors.snmp.mib_files import names_in
from collectors.snmp.names import Names
from collectors.snmp.peers import Peers
from collectors.snmp.receiving import MOST, TRUNCATED, Received, Way
from collectors.snmp.render import escape
from collectors.snmp.sockets import Listener
from collectors.snmp.usm import Trusted, Usm, UsmError
from collectors.snmp.v3 import AUTHENTICATED
from gateway.core.event import Event
from gateway.core.reason import Dropped
from gateway.plugin import Host, Intake, Prepared, Receipt

log = structlog.get_logger()

ENGINES = Gauge("tocsin_snmp_engines", "SNMPv3 engines remembered.")
REPORTS = Counter("tocsin_snmp_reports", "SNMPv3 Reports sent, discovery included.")
WAIT = Gauge(
    "tocsin_snmp_receive_wait_seconds", "Longest that a datagram of the last second waited to be read; 0 below 2 s."
)
ANSWERS = Counter("tocsin_snmp_responses", "Responses sent to informs.")

LOOK_EVERY_S: Final = 1.0
"""How often kernel drops are counted."""
_FIRST: Final = 4
"""Datagrams of the first batch; each is twice as large as the one before, so that the time spent tells what the next takes."""

Answer = Callable[[], None]


class SnmpCollector:
    """Implements `gateway.plugin.Collector` for SNMP."""

    def __init__(
        self, config: SnmpConfig, host: Host, *, listeners: Sequence[Listener], usm: Usm, names: Names
    ) -> None:
        self.listeners = tuple(listeners)
        self._config, self._name, self._clock = config, host.name, host.clock
        self._usm, self._names, self._state_dir = usm, names, host.state_dir
        self._keeper = Keeper(host.keep, usm, name=host.name, now_s=host.clock.monotonic_s())
        self._peers = Peers(allow=config.allow, relays=config.relays)
        self._communities = frozenset(community.reveal().encode() for community in config.communities)
        self._limits = codec.Limits(max_varbinds=config.max_varbinds)
        self._informs: informs.Informs[Answer] = informs.Informs(
            most=config.informs_max, memory_s=config.inform_memory_s
        )
        self._again = again.Again(config.lookaside_max)
        self._again_informs = again.AgainInforms(config.lookaside_max)
        self._reports = Budget(config.reports_per_s)
        self._broken: OSError | None = None
        self._bugs: set[str] = set()

    async def run(self, intake: Intake) -> None:
        """Serve until cancelled.

        Raises:
            OSError: a socket broke.
        """
        loop = asyncio.get_running_loop()
        self._broken = None
        for listener in self.listeners:
            loop.add_reader(listener.fileno(), self._read, listener, intake)
        intake.connected(True)
        try:
            while self._broken is None:
                await self._clock.sleep(LOOK_EVERY_S)
                self._look(intake)
                await self._keeper.turn(self._clock.monotonic_s())
            raise self._broken
        finally:
            for listener in self.listeners:
                loop.remove_reader(listener.fileno())
            self._look(intake)
            intake.connected(False)

    async def recall(self) -> None:
        """Know the engines again that were known before the restart."""
        await self._keeper.recall(self._clock.monotonic_s())

    async def remember(self) -> None:
        """Keep what is known of engines, at the end."""
        await self._keeper.save()

    async def reread(self) -> None:
        """Take the names that ``tocsin mibs add`` has written since; nothing that was heard by others is used again."""
        self._names = await asyncio.to_thread(names_in, self._state_dir, self._names)
        self._again = again.Again(self._config.lookaside_max)
        self._again_informs = again.AgainInforms(self._config.lookaside_max)

    def _look(self, intake: Intake) -> None:
        """Count what the kernel dropped: it was received, by the machine, and not kept."""
        ENGINES.set(self._usm.engines)
        WAIT.set(max(listener.longest_wait_ms() for listener in self.listeners) / 1000)
        for listener in self.listeners:
            lost = listener.dropped()
            if lost:
                intake.received(lost)
                detail = "the receive buffer overflowed: raise receive_buffer and net.core.rmem_max"
                intake.dropped(Dropped.KERNEL, lost, source=listener.name, detail=detail)

    # --- reading ---------------------------------------------------------------------------------

    def _read(self, listener: Listener, intake: Intake) -> None:
        """Read until the socket is empty or the budget is spent; the selector calls again if more is there."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        until_s = now_s + self._config.read_budget_ms / 1000
        count = questions = 0
        asked = _FIRST
        try:
            while (left := self._config.read_budget - count) > 0:
                batch = listener.receive(asked := min(asked, left, MOST))
                count += len(batch)
                at_ms = now_ms - listener.waited_ms()  # of all: what waited came together, else it is read as it comes
                for received in batch:  # to its end, whatever time it takes: nobody else has it any more
                    questions += self._take(listener, received, intake, at_ms, now_s)
                if len(batch) < asked or self._clock.monotonic_s() >= until_s:
                    break
                asked *= 2
        except OSError as error:
            asyncio.get_running_loop().remove_reader(listener.fileno())
            self._broken = error
        finally:
            intake.received(count - questions)

    def _take(self, listener: Listener, received: Received, intake: Intake, at_ms: int, now_s: float) -> bool:
        """Take one datagram as far as it goes; True if it was only an SNMPv3 sender asking who we are."""
        data, flags, way = received
        try:
            if flags & TRUNCATED or not self._again.offer(way.host, data, at_ms):
                return self._take_new(listener, received, intake, at_ms, now_s)
        except DecodeError as error:
            intake.dropped(error.reason, source=way.host, detail=str(error))
        except Exception as error:  # a bug of ours must not let one sender silence all others
            if type(error).__name__ not in self._bugs:
                self._bugs.add(type(error).__name__)
                log.exception("datagram.failed", collector=self._name, source=way.host)
            intake.dropped(Dropped.MALFORMED, source=way.host, detail="it met a bug, see datagram.failed")
        return False

    def _take_new(self, listener: Listener, received: Received, intake: Intake, at_ms: int, now_s: float) -> bool:
        """Take one that says what was not said before, or may not be remembered."""
        data, flags, way = received
        source = way.host
        peer = self._peers[source]
        if not peer.allowed:
            intake.dropped(Dropped.DENIED_SOURCE, source=source)
            return False
        if flags & TRUNCATED:
            intake.dropped(Dropped.OVERSIZED, source=source, detail="larger than max_datagram")
            return False
        arrival = Arrival(listener, data, way, peer.relay, at_ms, now_s)
        if codec.message_version(data) == codec.V3:
            return self._take_v3(arrival, intake)
        self._take_community(arrival, intake)
        return False

    def _take_community(self, arrival: "Arrival", intake: Intake) -> None:
        sender = arrival.way.host
        inform = self._again_informs.find(sender, arrival.data)
        if inform is None:
            message = self._message(arrival, intake)
            if message is None:
                return
            event = self._event(arrival, message.pdu)
            if message.pdu.type is not codec.PduType.INFORM:
                self._offer(sender, arrival.data, event, intake)
                return
            who = (message.community,)
            known = self._again_informs.keep(sender, arrival.data, event, who, intake)
            inform = _asked(known, event, who, message.pdu, codec.encode_response(message))
        self._inform(arrival, inform, partial(_respond, arrival, inform.response), intake)

    def _offer(self, sender: again.Sender, data: bytes, event: Event, intake: Intake) -> None:
        """Hand over what was decoded, and know it again."""
        if not self._again.offer_new(sender, data, event, intake):
            intake.offer(event)

    def _message(self, arrival: "Arrival", intake: Intake) -> codec.Message | None:
        """Decode a message of v1 or v2c; None if its community is not ours, which is counted."""
        message = codec.decode_message(arrival.data, limits=self._limits)
        if message.community in self._communities:
            return message
        intake.dropped(Dropped.UNKNOWN_COMMUNITY, source=arrival.way.host)
        return None

    def _take_v3(self, arrival: "Arrival", intake: Intake) -> bool:
        try:
            trusted = self._usm.receive(arrival.data, arrival.now_s, arrival.way.host)
        except UsmError as error:
            if error.report and self._reports.spend(arrival.now_s) and arrival.answer(error.report):
                REPORTS.inc()
            if error.reason is None:
                return True
            intake.dropped(error.reason, source=arrival.way.host, detail=str(error))
            return False
        raw, scoped = trusted.scoped.pdu, trusted.scoped
        who = (trusted.user, scoped.engine_id, scoped.context)
        sender = (arrival.way.host, who, trusted.flags, trusted.late != "")
        if self._again.offer(sender, raw, arrival.at_ms):
            return False
        inform = self._again_informs.find(sender, raw)
        if inform is None:
            pdu = codec.decode_pdu(raw, 0, len(raw), version=codec.V3, limits=self._limits)
            event = self._event(arrival, pdu, trusted)
            if pdu.type is not codec.PduType.INFORM:
                self._offer(sender, raw, event, intake)
                return False
            known = self._again_informs.keep(sender, raw, event, who, intake)
            inform = _asked(known, event, who, pdu, codec.response_pdu(pdu))
        self._inform(arrival, inform, partial(self._respond_v3, arrival, trusted, inform.response), intake, trusted)
        return False

    def _respond_v3(self, arrival: "Arrival", trusted: Trusted, response: bytes) -> None:
        _respond(arrival, self._usm.respond(trusted, response, self._clock.monotonic_s()))

    def _event(self, arrival: "Arrival", pdu: codec.Pdu, trusted: Trusted | None = None) -> Event:
        event = translate.to_event(
            pdu,
            address=arrival.way.host,
            names=self._names,
            at_ms=arrival.at_ms,
            collector=self._name,
            relay=arrival.relay,
            engine_id=trusted.scoped.engine_id.hex() if trusted else "",
        )
        return self._qualified(event, trusted) if trusted else event

    def _qualified(self, event: Event, trusted: Trusted) -> Event:
        """Add what only SNMPv3 tells."""
        told = {}
        if trusted.late:
            told["time_window"] = "outside"
        if trusted.scoped.context:
            told["context"] = escape(trusted.scoped.context.decode("utf-8", "replace"))
        source = event.source
        if self._config.source_from is SourceFrom.ENGINE_ID and trusted.flags & AUTHENTICATED:
            source = f"engine:{trusted.scoped.engine_id.hex()}"
        if not told and source == event.source:
            return event
        return replace(event, source=source, labels={**event.labels, **told})

    # --- informs ---------------------------------------------------------------------------------

    def _inform(
        self,
        arrival: "Arrival",
        inform: again.Inform,
        answer: Answer,
        intake: Intake,
        trusted: Trusted | None = None,
    ) -> None:
        """Answer after the commit; a repeat joins the first, or is answered at once if that was."""
        source = arrival.way.host
        key = informs.identity(source, arrival.way.port, inform.who, inform.varbinds)
        answered = self._informs.answered(key, arrival.now_s)
        if answered or self._informs.waits(key, answer):
            intake.dropped(Dropped.DUPLICATE, source=source)
            if answered:
                answer()
            return
        if trusted and trusted.repeated:
            intake.dropped(Dropped.REPLAYED, source=source, detail="an exact repeat of an earlier message")
            return
        if not self._informs.begin(key, answer):
            intake.dropped(Dropped.OVERLOAD, source=source)
            return
        receipt = inform.event.emit(arrival.at_ms, inform.uptime, identity=key)
        receipt.add_done_callback(partial(self._settled, key))

    def _settled(self, key: str, receipt: asyncio.Future[Receipt]) -> None:
        """Answer if it is on disk; if it is not, say nothing: there is no negative answer, and the sender repeats."""
        kept = not receipt.cancelled() and receipt.exception() is None
        for answer in self._informs.end(key, self._clock.monotonic_s(), kept=kept):
            answer()


class Arrival(NamedTuple):
    """A datagram with what is known about its arrival."""

    listener: Listener
    data: bytes
    way: Way
    relay: bool
    at_ms: int
    """When it came, epoch milliseconds."""
    now_s: float

    def answer(self, data: bytes) -> bool:
        """Send ``data`` back."""
        return self.listener.answer(self.way, data)


class Budget:
    """So many in each second."""

    def __init__(self, per_s: int) -> None:
        self._per_s, self._second, self._left = per_s, 0, per_s

    def spend(self, now_s: float) -> bool:
        """Whether one more may go; counts it."""
        if int(now_s) != self._second:
            self._second, self._left = int(now_s), self._per_s
        self._left -= 1
        return self._left >= 0


def _asked(known: Prepared, event: Event, who: informs.Who, pdu: codec.Pdu, response: bytes) -> again.Inform:
    return again.Inform(known, event.labels.get(again.UPTIME_LABEL, ""), who, pdu.varbinds_raw, response)


def _respond(arrival: Arrival, response: bytes) -> None:
    if arrival.answer(response):
        ANSWERS.inc()
