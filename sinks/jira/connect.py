"""From configuration and host to a platform that speaks: one table for the deployments, one for the credentials."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.plugin import Host
from sinks._http import Caller, Limits
from sinks.jira.cloud import Cloud
from sinks.jira.config import Deployment, JiraConfig
from sinks.jira.datacenter import DataCenter
from sinks.jira.errors import Judge, explain
from sinks.jira.platform import Platform
from sinks.jira.service_management import ServiceManagement

__all__ = ["connect"]

_PLATFORMS: dict[Deployment, type[Platform]] = {
    Deployment.CLOUD: Cloud,
    Deployment.SERVICE_MANAGEMENT: ServiceManagement,
    Deployment.DATACENTER: DataCenter,
}


@asynccontextmanager
async def connect(config: JiraConfig, host: Host) -> AsyncIterator[Platform]:
    """The platform, until its connections are closed."""
    judge = Judge(host.clock, sink=host.name)
    async with Caller(
        config.site,
        headers={"Authorization": _authorization(config)},
        tracker="Jira",
        clock=host.clock,
        explain=explain,
        judge=judge.refusal,
        on_response=judge.seen,
        transport=host.transport,
        ca_file=config.ca_file,
        limits=Limits(read_s=config.timeout_s, total_s=config.timeout_s),
    ) as caller:
        yield _PLATFORMS[config.deployment](caller, config)


def _authorization(config: JiraConfig) -> str:
    """Basic with an account (API tokens of Cloud), Bearer without (personal access tokens of Data Center)."""
    if not config.email:
        return f"Bearer {config.token.reveal()}"
    pair = f"{config.email}:{config.token.reveal()}".encode()
    return f"Basic {base64.b64encode(pair).decode('ascii')}"
