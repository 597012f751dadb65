"""One connection to the broker: all that knows the inside of aiomqtt and paho is in this file.

We use aiomqtt 2.5 for its event loop work, and go beneath it for six things that it does not offer: acknowledging by
hand (its issue 345), many at once; hearing messages without a task each; reading many packets by one system call; an
executor of our own for connecting; an error at once when the broker hangs up instead of answering; and surely closing
the socket of a connection that failed.

A link is used once. A client that is entered again after an unexpected disconnect reports success without having
spoken to the broker (its issue 369).
"""

import asyncio
import contextlib
import logging
import math
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import aiomqtt
from aiomqtt.exceptions import MqttCodeError, MqttConnectError
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, MQTT_ERR_SUCCESS, MQTTMessage, time_func
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from collectors.mqtt.codec import TopicKind
from collectors.mqtt.config import MqttConfig, Topic
from collectors.mqtt.dialects import Dialect
from collectors.mqtt.packets import Cutter, MalformedPacketError, Published, plain, pubacks
from collectors.mqtt.topics import Template

Message = MQTTMessage | Published
Hear = Callable[[Message], None]

FAREWELL_S = 2.0
"""How long a clean disconnect may take."""
READ_BYTES = 16_384
"""Bytes read before the event loop gets its turn: about a hundred beats, and as much as one record of TLS."""
_MOST_PACKET_FACTOR = 16
_PUBACK = 0x40
_QUIET = logging.getLogger("collectors.mqtt.paho")
_QUIET.setLevel(logging.CRITICAL)  # we tell what happens ourselves, once
_REFUSED = 0x80
"""SUBACK reason codes from here on are refusals (MQTT 5 section 3.9.3, MQTT 3.1.1 section 3.9.3)."""


__all__ = ["HungUp", "Link", "Message", "MqttConnectError", "client_id", "tls_context", "why"]


_REMEMBERED = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE)
"""What the broker remembers is asked for each time we connect: whatever became of the session, or of our store, it is whole."""


class HungUp(aiomqtt.MqttError):
    """The broker closed the connection, or said nothing, instead of answering our CONNECT."""


class Link(aiomqtt.Client):
    """A persistent session's connection; ``hear`` is called for each message as it is read, ``hear_own`` for our own."""

    def __init__(
        self,
        config: MqttConfig,
        *,
        identifier: str,
        hear: Hear,
        protocol: aiomqtt.ProtocolVersion,
        own_topic: str,
        hear_own: Hear,
        status_topic: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        five = protocol is aiomqtt.ProtocolVersion.V5
        super().__init__(
            config.host,
            config.port,
            username=config.username or None,
            password=config.password.reveal() if config.password else None,
            identifier=identifier,
            protocol=protocol,
            will=aiomqtt.Will(status_topic, b"offline", qos=1, retain=True) if status_topic else None,
            clean_session=None if five else False,
            clean_start=False if five else MQTT_CLEAN_START_FIRST_ONLY,
            properties=_connect_properties(config) if five else None,
            keepalive=config.keepalive_s,
            timeout=config.connect_timeout_s,
            tls_context=tls,
            logger=_QUIET,
        )
        self._hung_up_words = "it hung up on us"
        if config.tls and config.tls_cert is None:
            self._hung_up_words += " (it may ask for a certificate: set tls_cert)"
        self.five = five
        self._client.connect_timeout = config.connect_timeout_s
        # Before connecting: a resumed session replays right behind the CONNACK, before we subscribe.
        self._client.manual_ack_set(True)
        self._client.on_message = lambda _client, _userdata, message: hear(message)
        self._hear, self._hear_own, self._own_topic = hear, hear_own, own_topic
        self._cutter = Cutter()
        self._patience: asyncio.Timeout | None = None
        """How long we wait for an answer: anew whenever something comes, since an answer comes behind what waits."""
        self._paused_fd = -1
        self._connected.add_done_callback(_look_at)
        self._disconnected.add_done_callback(_look_at)

    @property
    def ended(self) -> asyncio.Future[None]:
        """Done when the connection is over; its exception says why."""
        return self._disconnected

    async def open(self, executor: Executor) -> None:
        """Connect.

        Raises:
            MqttConnectError: the broker refuses us.
            HungUp: it does not answer in MQTT.
            aiomqtt.MqttError: there is no connection.
        """
        connecting = self._loop.run_in_executor(executor, self._client_connect)
        try:
            try:
                await asyncio.shield(connecting)
            except (OSError, UnicodeError) as error:  # UnicodeError: no host name at all
                raise aiomqtt.MqttError(str(error)) from None
            try:
                async with asyncio.timeout(self.timeout):
                    await asyncio.shield(self._connected)
            except TimeoutError:
                raise HungUp("it does not answer") from None
        except BaseException:
            # A thread can't be cancelled: what it brings home later is let go then.
            connecting.add_done_callback(self._let_go)
            raise

    def send(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1, and wait for nothing."""
        self._client.publish(topic, payload, qos=1)

    async def listen_to(self, topic: str) -> None:
        """Subscribe to a topic of our own.

        Raises:
            aiomqtt.MqttError: not answered, or refused.
        """
        await self._subscribe([(topic, SubscribeOptions(qos=1))] if self.five else [(topic, 1)], [topic])

    async def listen(self, topics: tuple[Topic, ...], inventory: tuple[Template, ...] = ()) -> None:
        """Subscribe.

        Raises:
            aiomqtt.MqttError: not answered, or refused for one of the topics.
        """
        filters = [Template(topic.template).filter for topic in topics]
        if self.five:
            wanted: Any = [(name, _options(topic)) for name, topic in zip(filters, topics, strict=True)]
        else:
            wanted = [(name, topic.qos) for name, topic in zip(filters, topics, strict=True)]
        names = [template.filter for template in inventory]
        wanted += [(name, _REMEMBERED if self.five else 1) for name in names]
        await self._subscribe(wanted, [*filters, *names])

    async def _subscribe(self, wanted: Any, filters: list[str]) -> None:
        try:
            async with asyncio.timeout(self.timeout) as self._patience:
                codes: Any = await self.subscribe(wanted, timeout=math.inf)
        except TimeoutError:
            raise aiomqtt.MqttError("it does not answer") from None
        finally:
            self._patience = None
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # Python 3.11's wait_for, which aiomqtt uses, forgets a cancellation that comes together with the answer.
            raise asyncio.CancelledError
        for name, code in zip(filters, codes, strict=False):
            if getattr(code, "value", code) >= _REFUSED:
                raise aiomqtt.MqttError(f"it does not let us subscribe to {name} ({code})")

    def acknowledge(self, mids: list[int]) -> None:
        """Send the PUBACKs of QoS 1 messages; void if the connection is over, since then they come again."""
        if not self._disconnected.done():
            self._client._packet_queue(_PUBACK, pubacks(mids), mids[-1], 1)  # noqa: SLF001 - `ack` sends them singly

    def pause(self) -> None:
        """Stop reading: too many messages wait for their acknowledgement."""
        paho_socket = self._client.socket()
        if self._paused_fd < 0 and paho_socket is not None:
            self._paused_fd = paho_socket.fileno()
            self._loop.remove_reader(self._paused_fd)

    def resume(self) -> None:
        """Read again."""
        if self._paused_fd < 0:
            return
        paused, self._paused_fd = self._paused_fd, -1
        paho_socket = self._client.socket()
        if paho_socket is not None and paho_socket.fileno() == paused:
            self._loop.add_reader(paused, self._read)
            self._loop.call_soon(self._read)  # TLS may have decrypted more than was taken

    def _read(self) -> None:
        """Take what has come, up to `READ_BYTES`; called again while there is more."""
        paho_socket = self._client.socket()
        if paho_socket is None or self._paused_fd >= 0 or self._disconnected.done():
            return
        try:
            data = paho_socket.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            data = b""
        try:
            self._take(data)
        except Exception as error:  # noqa: BLE001 - as in aiomqtt: any failure to read is the end of the connection
            if not self._disconnected.done():
                self._disconnected.set_exception(error)
        if isinstance(paho_socket, ssl.SSLSocket) and paho_socket.fileno() >= 0 and paho_socket.pending():
            self._loop.call_soon(self._read)  # decrypted already: the system does not tell of it

    def _take(self, data: bytes) -> None:
        """Hear the messages in what was read; everything else, and the end, is the library's."""
        if data and self._patience is not None and not self._patience.expired():
            self._patience.reschedule(self._loop.time() + self.timeout)
        client = self._client
        client._last_bytes_received = time_func()  # noqa: SLF001 - by which it knows when to ping
        outcome = MQTT_ERR_SUCCESS if data else MQTTErrorCode.MQTT_ERR_CONN_LOST
        try:
            for first, body in self._cutter.cut(data):
                message = plain(first, body, five=self.five)
                if message is not None:
                    (self._hear_own if message.topic == self._own_topic else self._hear)(message)
                    continue
                client._in_packet.update(  # noqa: SLF001
                    {"command": first, "packet": bytearray(body), "remaining_length": len(body), "pos": 0}
                )
                outcome = client._packet_handle()  # noqa: SLF001
                if outcome != MQTT_ERR_SUCCESS:
                    break
        except (MalformedPacket, MalformedPacketError):
            outcome = MQTTErrorCode.MQTT_ERR_PROTOCOL
        if outcome != MQTT_ERR_SUCCESS:
            client._loop_rc_handle(outcome)  # noqa: SLF001

    async def close(self) -> None:
        """Say goodbye, so that the broker does not publish our will, and let go of the socket."""
        if not self._disconnected.done() and self._client.disconnect() == MQTT_ERR_SUCCESS:
            with contextlib.suppress(TimeoutError, aiomqtt.MqttError):
                async with asyncio.timeout(FAREWELL_S):
                    await asyncio.shield(self._disconnected)
        self.drop()

    def drop(self) -> None:
        """Close the socket at once; what was not acknowledged comes again."""
        self._client._sock_close()  # noqa: SLF001 - paho offers no other way to close without a DISCONNECT
        if not self._disconnected.done():
            self._disconnected.set_result(None)

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        """Like aiomqtt's, but read by us; called in the thread that connects."""
        super()._on_socket_open(client, userdata, sock)
        self._loop.call_soon_threadsafe(self._loop.add_reader, sock.fileno(), self._read)

    def _let_go(self, connecting: "asyncio.Future[None]") -> None:
        _look_at(connecting)
        self.drop()

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        """Like aiomqtt's, which waits for the whole timeout when the broker hangs up before its CONNACK."""
        if self._connected.done():
            super()._on_disconnect(client, userdata, flags, reason_code, properties)
        else:  # perhaps in the thread that connects
            self._loop.call_soon_threadsafe(self._hung_up)

    def _hung_up(self) -> None:
        if not self._connected.done():
            self._connected.set_exception(HungUp(self._hung_up_words))


def why(error: BaseException | None) -> str:
    """In words, how a link ended."""
    match error:
        case None:
            return "the connection was closed"
        case MqttCodeError() if error.rc is not None:
            return f"the connection was lost ({error.rc})"
        case _:
            return str(error) or type(error).__name__


def _look_at(future: "asyncio.Future[Any]") -> None:
    """Take note of an exception that perhaps nobody waits for any more."""
    if not future.cancelled():
        future.exception()


def _connect_properties(config: MqttConfig) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = config.session_expiry_s
    properties.ReceiveMaximum = config.receive_maximum
    # What is longer never leaves the broker; what is longer than `max_payload` but not than this we can still count.
    properties.MaximumPacketSize = config.max_payload * _MOST_PACKET_FACTOR + 65_536
    return properties


def _options(topic: Topic) -> SubscribeOptions:
    """Retained messages are asked for where they may tell of a last will or an alert, and only if the session is new."""
    if topic.kind is TopicKind.HEARTBEAT and topic.dialect is not Dialect.HOMIE_ALERT:
        retain = SubscribeOptions.RETAIN_DO_NOT_SEND
    else:
        retain = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
    return SubscribeOptions(qos=topic.qos, retainHandling=retain)


class _TidySocket(ssl.SSLSocket):
    """Closed at once when the handshake fails; paho forgets it until the garbage collector comes."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except Exception:
            self.close()
            raise


def tls_context(config: MqttConfig) -> ssl.SSLContext:
    """The TLS side of the configuration; reads files, so call it in a thread.

    Raises:
        OSError: a file cannot be read or is no certificate (`ssl.SSLError`).
    """
    context = ssl.create_default_context(cafile=config.tls_ca)
    context.sslsocket_class = _TidySocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.tls_cert is not None:
        context.load_cert_chain(config.tls_cert, config.tls_key)
    return context


def client_id(config: MqttConfig, *, instance: str) -> str:
    """The client id, which stays the same over restarts, since the session at the broker belongs to it."""
    if config.client_id:
        return config.client_id
    name = f"tocsin-{socket.gethostname()}"
    return name if instance == "mqtt" else f"{name}-{instance}"
