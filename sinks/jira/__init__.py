"""Tickets in Jira: Cloud, Service Management and Data Center, chosen by the setting ``deployment``, never guessed.

What belongs here: `codec`, `adf`, `wiki`, `markup`, `workflow` (pure: drafts to JSON and back), `config`, the calls
(`platform`, and what differs in `cloud`, `service_management`, `datacenter`), `screens` (which fields may be set),
`seek` (finding a lost ticket), `errors` (what refusals mean), `setup` (the check) and `sink`.

On failure: Jira has no unique key, so after an unknown outcome `JiraSink.find` looks by label, by the mark in the
summary, and past the search index by reading the keys above the last one known. A failed search raises. Fields that a
screen refuses are left out rather than losing the ticket. A comment that Service Management published by mistake is
deleted and told. Jira's 401 pauses the sink; a 403 concerns one act only, except for creating.

By hand: ``tocsin setup jira --check`` with a site of your own; without one the fake in ``tests/trackers/jira.py``
is an ASGI application that any server can serve.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.plugin import Host, SinkPlugin
from sinks.jira.config import JiraConfig
from sinks.jira.connect import connect
from sinks.jira.sink import JiraSink

__all__ = ["JiraConfig", "JiraSink", "build", "plugin"]


@asynccontextmanager
async def build(config: JiraConfig, host: Host) -> AsyncIterator[JiraSink]:
    """A sink with its own connections; touches no network before the first call."""
    async with connect(config, host) as platform:
        yield JiraSink(platform, config, host)


plugin = SinkPlugin(name="jira", config=JiraConfig, build=build, calls_per_s=10.0)
