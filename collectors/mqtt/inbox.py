"""From messages to beats, and back to acknowledgements in the order of arrival."""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Mapping

import structlog

from collectors.mqtt.alerts import homie_alert
from collectors.mqtt.codec import PayloadError, Reading, read
from collectors.mqtt.config import MqttConfig, Topic
from collectors.mqtt.dialects import Dialect, Reader, readers
from collectors.mqtt.entries import read_entry
from collectors.mqtt.link import Message
from collectors.mqtt.sparkplug import Sparkplug
from collectors.mqtt.topics import Place, Template
from gateway.core.event import Beat, BeatKind
from gateway.core.reason import Dropped
from gateway.plugin import Clock, EntryRefused, Intake, Overloaded, Receipt

log = structlog.get_logger()

Waiting = asyncio.Future[Receipt]


class Refused(Exception):
    """A message could not be kept and must come again: the connection has to go, so that the broker repeats it."""


class Inbox:
    """What one connection heard and has not acknowledged yet.

    It does its work inside the callback that reads the socket: no task, queue or future per message, save the future
    that the intake gives for a beat whose effect must reach the disk.
    """

    def __init__(
        self,
        config: MqttConfig,
        *,
        collector: str,
        clock: Clock,
        intake: Intake,
        dialects: Mapping[Dialect, Reader] | None = None,
    ) -> None:
        """Read others' payloads by ``dialects``, which may remember what an earlier connection heard."""
        self._config, self._collector, self._clock, self._intake = config, collector, clock, intake
        self._limits = config.limits
        self._dialects = readers(config.limits) if dialects is None else dialects
        self._routes: list[tuple[Template, Topic | Template]] = [
            *((template, template) for template in config.inventory),
            *((Template(topic.template), topic) for topic in config.topics),
        ]
        """What reads a topic; a topic of the inventory reads itself."""
        self._unacknowledged: deque[tuple[int, Waiting | None]] = deque()
        self.heard = 0
        """Messages of others so far."""
        self._waiting_qos0 = 0
        self._failed = False
        self.changed = asyncio.Event()
        """Set when `settle` may have something to do."""

    def skip(self, message: Message) -> None:
        """Take a message that is no input, but has its place in the order of acknowledgements."""
        if message.qos:
            self._unacknowledged.append((message.mid, None))
            self.changed.set()

    def hear(self, message: Message) -> None:
        """Take a message; nothing is raised, since one bad message must not end the connection."""
        self._intake.received()
        self.heard += 1
        if message.qos == 0 and self._waiting_qos0 >= self._config.max_waiting_qos0:
            self._intake.dropped(Dropped.OVERLOAD)
            return
        try:
            waiting = self._keep(message)
        except Overloaded as error:
            waiting = _failed(error)
            if message.qos == 0:
                self._intake.dropped(Dropped.OVERLOAD)  # nobody will send it again
        except Exception:
            if not self._failed:
                log.exception("message.failed", collector=self._collector)
            self._failed = True  # the rest are counted
            waiting = self._unreadable(message, Dropped.MALFORMED, source="", detail="unexpected error")
        if message.qos == 0:
            self._watch_qos0(waiting)
            return
        self._unacknowledged.append((message.mid, waiting))
        if waiting is not None:
            waiting.add_done_callback(self._wake)
        if waiting is None or self.full:
            self.changed.set()

    @property
    def full(self) -> bool:
        """Whether so much waits for acknowledgement that no more should be read."""
        return len(self._unacknowledged) >= self._config.receive_maximum

    @property
    def roomy(self) -> bool:
        """Whether there is room for more again, with some distance from `full`."""
        return len(self._unacknowledged) <= self._config.receive_maximum // 2

    def settle(self, acknowledge: Callable[[list[int]], None]) -> None:
        """Acknowledge what is on disk, in order of arrival (MQTT 5 section 4.6), up to the first that is not.

        Raises:
            Refused: the intake did not keep a message.
        """
        settled: list[int] = []
        try:
            self._settle(settled)
        finally:
            if settled:
                acknowledge(settled)

    def _settle(self, settled: list[int]) -> None:
        line = self._unacknowledged
        while line:
            mid, waiting = line[0]
            if waiting is not None:
                if not waiting.done():
                    return
                error = None if waiting.cancelled() else waiting.exception()
                if waiting.cancelled() or error is not None:
                    raise Refused(str(error) if error else "it was given up")
            line.popleft()
            settled.append(mid)

    def _keep(self, message: Message) -> Waiting | None:
        found = self._find(message)
        if found is None:
            return self._unreadable(message, Dropped.UNSUPPORTED, source="", detail="no topic of ours")
        place, topic = found
        if isinstance(topic, Template):
            return self._know(message, place, topic)
        if topic.dialect is Dialect.HOMIE_ALERT:
            return self._alert(message, place)
        try:
            reading = self._read(message, topic)
        except PayloadError as error:
            return self._unreadable(message, error.reason, source=place.station, detail=str(error))
        if topic.dialect is Dialect.SPARKPLUG and reading.kind is BeatKind.WILL:
            self._bury_devices(message)
        return self._tell(message, place, reading)

    def _read(self, message: Message, topic: Topic) -> Reading:
        if topic.dialect is not Dialect.OWN:
            return self._dialects[topic.dialect](bytes(message.payload), message.topic)
        return read(
            bytes(message.payload),
            topic=topic.kind,
            form=topic.format,
            content_type=_content_type(message),
            limits=self._limits,
        )

    def _alert(self, message: Message, place: Place) -> Waiting | None:
        try:
            event = homie_alert(
                bytes(message.payload),
                topic=message.topic,
                place=place,
                collector=self._collector,
                at_ms=self._clock.now_ms(),
                limits=self._limits,
            )
        except PayloadError as error:
            return self._unreadable(message, error.reason, source=place.station, detail=str(error))
        if message.qos:
            return self._intake.emit(event)
        self._intake.offer(event)  # refused, it is counted
        return None

    def _bury_devices(self, message: Message) -> None:
        """A Sparkplug node's death is that of its devices (tck-id-operational-behavior-device-ddeath)."""
        sparkplug = self._dialects[Dialect.SPARKPLUG]
        for name in sparkplug.devices(message.topic) if isinstance(sparkplug, Sparkplug) else ():
            for template, topic in self._routes:
                sparks = isinstance(topic, Topic) and topic.dialect is Dialect.SPARKPLUG
                place = template.match(name) if sparks else None
                if place is not None:
                    self._intake.received()
                    self._tell(message, place, Reading(kind=BeatKind.WILL))
                    break

    def _tell(self, message: Message, place: Place, reading: Reading) -> Waiting | None:
        return self._intake.beat(
            Beat(
                collector=self._collector,
                station=place.station,
                site=sys.intern(place.site),
                at_ms=self._clock.now_ms(),
                kind=reading.kind,
                retained=message.retain,
                fault=reading.fault,
                interval_s=reading.interval_s,
                sent_ms=reading.sent_ms,
                sequence=reading.sequence,
                session=reading.session,
                labels=reading.labels,
                description=reading.description,
            )
        )

    def _know(self, message: Message, place: Place, template: Template) -> Waiting | None:
        """An entry of the inventory; what cannot be used changes nothing."""
        try:
            told = read_entry(
                bytes(message.payload),
                topic=message.topic,
                place=place,
                about=template.about,
                payload_bytes=self._limits.payload_bytes,
            )
            return self._intake.know(told)
        except (PayloadError, EntryRefused) as error:
            return self._unreadable(message, error.reason, source=place.station, detail=str(error))

    def _find(self, message: Message) -> tuple[Place, Topic | Template] | None:
        try:
            name = message.topic
        except UnicodeDecodeError:
            return None
        for template, topic in self._routes:
            place = template.match(name)
            if place is not None:
                return place, topic
        return None

    def _unreadable(self, message: Message, reason: Dropped, *, source: str, detail: str) -> Waiting | None:
        """Unreadable QoS 1 messages are kept raw and acknowledged; otherwise they would come again for ever."""
        if message.qos == 0:
            self._intake.dropped(reason, source=source, detail=detail)
            return None
        raw = bytes(message.payload[: self._config.max_payload])
        return self._intake.quarantine(raw, reason=reason, source=source, detail=detail)

    def _watch_qos0(self, waiting: Waiting | None) -> None:
        if waiting is not None:
            self._waiting_qos0 += 1
            waiting.add_done_callback(self._qos0_done)

    def _qos0_done(self, waiting: Waiting) -> None:
        self._waiting_qos0 -= 1
        if not waiting.cancelled():
            waiting.exception()  # the intake has counted it

    def _wake(self, waiting: Waiting) -> None:
        if not waiting.cancelled():
            waiting.exception()  # looked at here, for the connection may be gone before `settle` does
        self.changed.set()


def _failed(error: Exception) -> Waiting:
    waiting: Waiting = asyncio.get_running_loop().create_future()
    waiting.set_exception(error)
    return waiting


def _content_type(message: Message) -> str:
    return getattr(message.properties, "ContentType", "") if message.properties is not None else ""
