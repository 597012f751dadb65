"""``tocsin setup jira --check|--apply``: say in one sentence each what is wrong with the place where tickets shall live.

Only reads. Nothing that a ticket needs (projects, screens, statuses, permissions) may be created with the rights that
a daemon's account should have, so ``--apply`` tells people what to click.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from gateway.core.impact import Impact
from gateway.core.ticket import TicketState
from gateway.plugin import Finding, SinkError, Unauthorized
from sinks.jira.codec import OPTIONAL
from sinks.jira.config import Deployment, JiraConfig
from sinks.jira.platform import Issue, Platform
from sinks.jira.service_management import ServiceManagement
from sinks.jira.workflow import state_of

__all__ = ["check"]

_GIVEN = frozenset({"summary", "description", "project", "issuetype", "reporter"})
"""Required fields that we send, or that Jira fills from our account."""
_NEEDED = (
    "BROWSE_PROJECTS",
    "CREATE_ISSUES",
    "EDIT_ISSUES",
    "TRANSITION_ISSUES",
    "ADD_COMMENTS",
    "LINK_ISSUES",
    "CREATE_ATTACHMENTS",
)
_LOSS = {
    "labels": "a lost ticket is found only by the mark in its summary",
    "priority": "the impact shows only in the summary",
    "assignee": "tickets are assigned by a second call",
    "components": "teams show only by their assignee",
    "description": "tickets have a summary only",
}
_SAYS_CLOUD = "cloud"

Check = Callable[[Platform, JiraConfig], AsyncIterator[Finding]]


async def check(platform: Platform, config: JiraConfig, *, apply: bool) -> list[Finding]:
    """All findings, in the order in which people mend them; the first that makes the rest pointless ends the list."""
    findings: list[Finding] = []
    for look in _CHECKS:
        try:
            findings += [finding async for finding in look(platform, config)]
        except Unauthorized as error:
            return [*findings, _wrong(str(error))]
        except SinkError as error:
            findings.append(_wrong(f"{look.__name__.strip('_')} could not be verified: {error}"))
        except (LookupError, TypeError, AttributeError):
            findings.append(_wrong(f"{look.__name__.strip('_')} could not be verified: Jira's answer is no Jira's."))
    if apply:
        findings.append(_right("Nothing was applied: what Jira lacks must be clicked together by its administrator."))
    return findings


def _right(what: str) -> Finding:
    return Finding(ok=True, what=what)


def _wrong(what: str) -> Finding:
    return Finding(ok=False, what=what)


def _whether(ok: bool, right: str, wrong: str) -> Finding:
    return _right(right) if ok else _wrong(wrong)


async def _read(platform: Platform, tail: str, **params: str) -> Any:
    answer = await platform.caller.call("GET", platform.api + tail, writes=False, params=params or None)
    return answer.json


async def _login(platform: Platform, _config: JiraConfig) -> AsyncIterator[Finding]:
    me = await _read(platform, "/myself")
    yield _right(f"Jira knows us as {me.get('displayName') or me.get(platform.person)}.")


async def _deployment(platform: Platform, config: JiraConfig) -> AsyncIterator[Finding]:
    said = str((await _read(platform, "/serverInfo")).get("deploymentType", ""))
    cloud = said.casefold() == _SAYS_CLOUD
    yield _whether(
        cloud is (config.deployment is not Deployment.DATACENTER),
        f"The deployment is {said}, as configured.",
        f"deployment is {config.deployment}, but {config.site} says that it is {said or 'something else'}: correct it.",
    )


async def _project(platform: Platform, config: JiraConfig) -> AsyncIterator[Finding]:
    project = await platform.see_project()
    if project is None:
        yield _wrong(f"There is no project {config.project} that our account may see: correct project, or invite it.")
        return
    service = project.get("projectTypeKey") == "service_desk"
    if service and config.deployment is Deployment.CLOUD:
        yield _wrong(
            f"{config.project} is a service project, whose customers would read internal comments: "
            "set deployment to service_management."
        )
    elif service and config.deployment is Deployment.DATACENTER and not config.internal_role:
        yield _wrong(
            f"{config.project} is a service project, whose customers would read internal comments: set internal_role."
        )
    else:
        yield _right(f"The project {config.project} is there.")


async def _permissions(platform: Platform, config: JiraConfig) -> AsyncIterator[Finding]:
    said = await _read(platform, "/mypermissions", permissions=",".join(_NEEDED), projectKey=config.project)
    granted = said["permissions"]
    lacking = [name for name in _NEEDED if not (granted.get(name) or {}).get("havePermission")]
    yield _whether(
        not lacking,
        f"Our account has the {len(_NEEDED)} permissions that it needs.",
        f"Our account lacks {', '.join(lacking)} in {config.project}: grant them in the project's permission scheme.",
    )


async def _screen(platform: Platform, config: JiraConfig) -> AsyncIterator[Finding]:
    if isinstance(platform, ServiceManagement):
        return
    kind = await platform.issue_type()
    if kind is None:
        names = ", ".join(str(kind["name"]) for kind in await platform.issue_types())
        yield _wrong(f"{config.project} has no issue type {config.issue_type}: set issue_type to one of {names}.")
        return
    fields = {str(field["fieldId"]): field for field in await platform.screen(str(kind["id"]))}
    yield _right(f"The issue type {kind['name']} (id {kind['id']}) is there.")
    for finding in _fields(fields, config):
        yield finding
    for finding in _values(fields.get("priority"), config):
        yield finding


def _fields(fields: Mapping[str, Issue], config: JiraConfig) -> Iterable[Finding]:
    for name in sorted(OPTIONAL - fields.keys()):
        yield _right(f"The create screen does not take {name}: {_LOSS[name]}.")
    for name, field in fields.items():
        demanded = field.get("required") and not field.get("hasDefaultValue")
        if demanded and name not in _GIVEN | config.fields.keys() | _always_sent(config):
            yield _wrong(
                f"The project demands {field.get('name', name)} at creation: give it a default value in Jira, "
                f'or a value in fields ("{name}" = ...).'
            )


def _always_sent(config: JiraConfig) -> set[str]:
    return {"labels", "priority"} if config.priorities.keys() >= set(Impact) else {"labels"}


def _values(priority: Issue | None, config: JiraConfig) -> Iterable[Finding]:
    """Whether the configured priorities are among those that the screen offers."""
    offered = (priority or {}).get("allowedValues") or ()
    known = {str(value.get(part, "")).casefold() for value in offered for part in ("id", "name")}
    wrong = [name for name in config.priorities.values() if name.casefold() not in known] if offered else []
    if wrong:
        names = ", ".join(str(value.get("name")) for value in offered)
        yield _wrong(f"There is no priority {', '.join(wrong)} in {config.project}: set priorities to some of {names}.")


async def _statuses(platform: Platform, config: JiraConfig) -> AsyncIterator[Finding]:
    kinds = await _read(platform, f"/project/{config.project}/statuses")
    statuses = {str(status["name"]): status for kind in kinds for status in kind["statuses"]}
    reached = {state_of(status, config.states) for status in statuses.values()}
    for state in TicketState:
        names = [name for name in getattr(config.states, state) if name.casefold() not in map(str.casefold, statuses)]
        if names:
            yield _wrong(f"There is no status {', '.join(names)} in {config.project}: correct states.{state}.")
    has_done = any(state.done for state in reached)
    yield _whether(
        TicketState.OPEN in reached and has_done,
        f"The workflow has statuses for open and done ({', '.join(sorted(statuses))}).",
        f"No status of {config.project} means {'open' if has_done else 'done'}: correct states, or the workflow.",
    )


async def _desk(platform: Platform, config: JiraConfig) -> AsyncIterator[Finding]:
    if not isinstance(platform, ServiceManagement):
        return
    desk = await platform.desk()
    if desk is None:
        yield _wrong(f"There is no service desk {config.service_desk_id} that our account may see: correct it.")
        return
    yield _whether(
        desk.get("projectKey") == config.project,
        f"The service desk {config.service_desk_id} belongs to {config.project}.",
        f"Service desk {config.service_desk_id} belongs to {desk.get('projectKey')}, not to {config.project}: correct one.",
    )
    types = {str(kind["id"]): str(kind["name"]) for kind in await platform.request_types()}
    if config.request_type_id not in types:
        names = ", ".join(f"{number} ({name})" for number, name in types.items())
        yield _wrong(f"The desk has no request type {config.request_type_id}: set request_type_id to one of {names}.")
        return
    yield _right(f"The request type {types[config.request_type_id]} is there.")
    for field in await platform.form():
        if field.get("required") and str(field["fieldId"]) not in {"summary", "description", *config.fields}:
            yield _wrong(f"The request form demands {field.get('name')}: make it optional, or give it in fields.")


_CHECKS: tuple[Check, ...] = (_login, _deployment, _project, _permissions, _desk, _screen, _statuses)
