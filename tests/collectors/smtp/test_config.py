"""The configuration says in one sentence what is wrong with it."""

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from collectors.smtp import plugin
from collectors.smtp.collector import SmtpCollector, build
from collectors.smtp.config import MailLimits, SmtpConfig, endpoint
from collectors.smtp.limits import Limits
from gateway.clock import SystemClock
from gateway.plugin import CollectorPlugin, Host, Secret
from gateway.testing.intake import RecordingIntake
from gateway.testing.keep import MemoryKeep


def test_the_plugin_is_one() -> None:
    assert isinstance(plugin, CollectorPlugin)
    assert (plugin.name, plugin.config) == ("smtp", SmtpConfig)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"listen": ["2525"]}, "write 127.0.0.1:2525"),
        ({"listen": ["127.0.0.1:99999"]}, "no address to listen on"),
        ({"recipients": ["support"]}, "no recipient"),
        ({"recipients": ["support+x@example.com"]}, "plus sign"),
        ({"allow": ["10.0.0.1/8"]}, "no network"),
        ({"header_labels": ["X-Priority:"]}, "no header's name"),
        ({"tls_certificate": "/x"}, "belong together"),
        ({"listen_tls": ["127.0.0.1:465"]}, "need tls_certificate"),
        ({"require_tls": True}, "need tls_certificate"),
        ({"require_auth": True}, "lets nobody in"),
        ({"users": {"a": Secret("b")}}, "cannot log in without TLS"),
        ({"authenticated_replies": True}, "nobody could be authenticated"),
        ({"mail": {"mail_bytes": 200 * 1024 * 1024}}, "data_budget_bytes"),
        ({"hostname": "my host"}, "hostname"),
        ({"recipient": ["a@b.c"]}, "recipient"),
    ],
)
def test_a_mistake_is_told(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        SmtpConfig(**settings)


def test_secrets_are_not_shown() -> None:
    config = SmtpConfig(users={"ups": Secret("hunter2")}, auth_without_tls=True)
    assert "hunter2" not in repr(config) + config.model_dump_json()


def test_limits_reach_the_codec() -> None:
    assert MailLimits().bounds() == Limits()
    assert MailLimits(parts=3, attachments=0).bounds() == Limits(parts=3, attachments=0)


def test_endpoints() -> None:
    assert endpoint("[::1]:25") == ("::1", 25)
    assert endpoint("mx.example.com:25") == ("mx.example.com", 25)


async def test_the_reply_key_is_made_once_and_older_ones_stay_valid() -> None:
    keep = MemoryKeep()
    host = Host(name="smtp", clock=SystemClock(), keep=keep, state_dir=Path("/nonexistent"))
    config = SmtpConfig(listen=["127.0.0.1:0"])
    async with build(config, host) as collector:
        assert isinstance(collector, SmtpCollector)
        [first] = await collector._reply_keys()
        assert await collector._reply_keys() == (first,)
        assert len(first) == 32
        keep.kept["reply_keys"] = b"2 " + b"ab" * 32 + b"\n" + keep.kept["reply_keys"]
        assert await collector._reply_keys() == (b"\xab" * 32, first)


async def test_a_restarted_collector_serves_the_same_sockets(serve) -> None:
    async with serve() as station:
        station.task.cancel()
        await asyncio.wait([station.task])
        waiting = await station.client()  # the socket stays open: clients wait instead of being refused
        again = RecordingIntake()
        async with asyncio.TaskGroup() as tasks:
            second = tasks.create_task(station.collector.run(again))
            assert (await waiting.begin()).startswith("250")
            second.cancel()
    assert again.link_up is False
