"""Hears stations through a broker, for as long as it takes: connect, subscribe, serve, and again."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor

import aiomqtt
import structlog

from collectors.mqtt.broker import embedded_broker
from collectors.mqtt.canary import Canary
from collectors.mqtt.config import MqttConfig
from collectors.mqtt.dialects import readers
from collectors.mqtt.inbox import Inbox, Refused
from collectors.mqtt.link import Hear, HungUp, Link, Message, MqttConnectError, client_id, tls_context, why
from gateway.plugin import Host, Intake

log = structlog.get_logger()

V5, V311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311
_UNSUPPORTED_VERSION = (0x84, 0x01)
"""CONNACK codes that mean so, in MQTT 5 (section 3.2.2.2) and as an MQTT 3.1.1 broker says it."""


_FAREWELL_S = 1.0
_NO_CANARY = "the messages that we send to ourselves do not come back"


class MqttCollector:
    """Keeps one persistent session at a broker."""

    def __init__(self, config: MqttConfig, host: Host, *, executor: Executor) -> None:
        self._config, self._host, self._executor = config, host, executor
        self._identifier = client_id(config, instance=host.name)
        self._canary_topic = config.canary_topic.replace("{client_id}", self._identifier)
        self._status_topic = config.status_topic.replace("{client_id}", self._identifier)
        # The embedded broker's port speaks 3.1.1, so that everybody's tools can talk to it.
        self._protocol = V311 if config.protocol == "3.1.1" or config.embedded else V5
        self._guessed = False
        self._dialects = readers(config.limits)
        self._random = random.Random()  # noqa: S311 - spreads reconnects, keeps no secret
        self._told = ""
        self._attempts = 0

    async def run(self, intake: Intake) -> None:
        """Serve until cancelled; a broker that is away or refuses us is tried again, with growing random waits."""
        while True:
            began_s = self._host.clock.monotonic_s()
            reason = await self._session(intake)
            self._tell_lost(intake, reason)
            if self._host.clock.monotonic_s() - began_s > self._config.reconnect_most_s:
                self._attempts = 0
            bound_s = min(self._config.reconnect_most_s, self._config.reconnect_least_s * 2 ** min(self._attempts, 16))
            self._attempts += 1
            await self._host.clock.sleep(self._random.uniform(0, bound_s))

    async def _session(self, intake: Intake) -> str:
        """Serve one connection; returns why it ended."""
        inbox = Inbox(
            self._config,
            collector=self._host.name,
            clock=self._host.clock,
            intake=intake,
            dialects=self._dialects,
        )
        canary = Canary(every_s=self._config.canary_s, mark=f"{self._random.getrandbits(64):016x}")

        def hear_own(message: Message) -> None:
            inbox.skip(message)
            if canary.heard(bytes(message.payload)):
                intake.connected(True, proven=True)

        try:
            link = await self._connect(inbox.hear, hear_own)
        except HungUp as error:
            self._guess()
            return str(error)
        except MqttConnectError as error:
            return f"it refuses us: {error} (see username, password and the broker's access list)"
        except (aiomqtt.MqttError, OSError) as error:
            return str(error)
        if self._guessed:
            self._guess()  # a broker that was only restarting gets MQTT 5 again next time
        try:
            await link.listen(self._config.topics, self._config.inventory)
            self._tell_connected(intake, link)
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(self._say(link, b"online"), name="mqtt-say-online"),
                    tasks.create_task(self._prove(link, canary, inbox, intake), name="mqtt-canary"),
                ]
                reason = await self._serve(link, inbox)
                for task in beside:
                    task.cancel()
                return _NO_CANARY if canary.lost(self._host.clock.monotonic_s()) else reason
        except aiomqtt.MqttError as error:
            return why(error)
        finally:
            await self._leave(link, inbox)

    def _guess(self) -> None:
        """Speak the other version next time: a broker may hang up on what it does not speak."""
        if self._config.protocol == "auto" and not self._config.embedded:
            self._protocol = V311 if self._protocol is V5 else V5
            self._guessed = self._protocol is V311

    async def _connect(self, hear: Hear, hear_own: Hear) -> Link:
        loop = asyncio.get_running_loop()
        while True:
            tls = await loop.run_in_executor(self._executor, tls_context, self._config) if self._config.tls else None
            link = Link(
                self._config,
                identifier=self._identifier,
                hear=hear,
                own_topic=self._canary_topic,
                hear_own=hear_own,
                protocol=self._protocol,
                status_topic=self._status_topic,
                tls=tls,
            )
            try:
                await link.open(self._executor)
            except MqttConnectError as error:
                if self._config.protocol != "auto" or self._protocol is V311 or not _unsupported(error):
                    raise
                self._protocol = V311
            else:
                return link

    async def _serve(self, link: Link, inbox: Inbox) -> str:
        """Acknowledge what reaches the disk, until the connection ends; returns why it did."""
        link.ended.add_done_callback(lambda _: inbox.changed.set())
        while not link.ended.done():
            try:
                inbox.settle(link.acknowledge)
            except Refused as error:
                return f"what it sends cannot be kept now: {error}"
            if inbox.full:
                link.pause()
            elif inbox.roomy:
                link.resume()
            await inbox.changed.wait()
            inbox.changed.clear()
        return why(link.ended.exception())

    async def _prove(self, link: Link, canary: Canary, inbox: Inbox, intake: Intake) -> None:
        """Send canaries, and tell when they don't come back; a broker that does not let us is none the worse."""
        clock = self._host.clock
        if not self._config.canary_s:
            return
        try:
            await link.listen_to(self._canary_topic)
        except aiomqtt.MqttError as error:
            if not link.ended.done():
                log.warning("canary.refused", collector=self._host.name, why=why(error))
            return
        while True:
            link.send(self._canary_topic, canary.next(clock.monotonic_s()))
            heard = inbox.heard
            await clock.sleep(self._config.canary_s)
            if inbox.heard != heard:
                canary.brought(clock.monotonic_s())
            if canary.lost(clock.monotonic_s()):
                link.drop()  # it is connected to nobody: a new connection may be better
            elif canary.deaf(clock.monotonic_s()):
                intake.connected(False, detail=_NO_CANARY)

    async def _say(self, link: Link, status: bytes) -> None:
        """Tell the world how we are, retained; a broker that does not let us is none the worse."""
        if not self._status_topic:
            return
        try:
            await link.publish(self._status_topic, status, qos=1, retain=True)
        except aiomqtt.MqttError as error:
            if not link.ended.done():
                log.warning("status.unpublished", collector=self._host.name, why=why(error))

    async def _leave(self, link: Link, inbox: Inbox) -> None:
        """Say goodbye if there is still somebody to hear it; the socket is closed even if we are cancelled meanwhile.

        What has reached the disk by then is acknowledged, lest the broker send it again to whoever comes next.
        """
        try:
            if not link.ended.done():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_FAREWELL_S):
                        await self._say(link, b"offline")
                with contextlib.suppress(Refused):
                    inbox.settle(link.acknowledge)
            await link.close()
        finally:
            link.drop()

    def _tell_connected(self, intake: Intake, link: Link) -> None:
        version = "5" if link.five else "3.1.1"
        log.info("broker.connected", collector=self._host.name, broker=self._config.broker, version=version)
        self._told = ""
        intake.connected(True)

    def _tell_lost(self, intake: Intake, reason: str) -> None:
        sentence = f"not connected to the broker at {self._config.broker}: {reason}"
        if sentence != self._told:
            log.warning("broker.lost", collector=self._host.name, why=sentence)
        self._told = sentence
        intake.connected(False, detail=sentence)


def _unsupported(error: MqttConnectError) -> bool:
    code = error.rc
    return getattr(code, "value", code) in _UNSUPPORTED_VERSION


@contextlib.asynccontextmanager
async def build(config: MqttConfig, host: Host) -> AsyncIterator[MqttCollector]:
    """Make the collector; starts the embedded broker first, if there is to be one.

    Raises:
        OSError: a certificate cannot be read.
        BrokerError: the embedded broker cannot be started.
    """
    # Our own thread: when the default pool is full of others' work, we still connect.
    executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix=f"{host.name}-connect")
    try:
        if config.tls:
            await asyncio.get_running_loop().run_in_executor(executor, tls_context, config)
        async with contextlib.AsyncExitStack() as stack:
            if config.embedded:
                await stack.enter_async_context(
                    embedded_broker(config.host, config.port, max_payload=config.max_payload)
                )
            yield MqttCollector(config, host, executor=executor)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
