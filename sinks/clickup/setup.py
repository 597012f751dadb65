"""Set-up check of a ClickUp sink: all that can be known by reading. The API creates neither statuses nor fields."""

from typing import Any

from gateway.core.ticket import TicketState
from gateway.plugin import Finding, Reject, SinkError, Unauthorized
from sinks._http import Answer, Caller, path
from sinks.clickup import codec
from sinks.clickup.config import ClickupConfig
from sinks.clickup.manners import Manners
from sinks.clickup.task import statuses as statuses_of

_TEXT_TYPES = frozenset({"short_text", "text"})
_CUSTOM_TYPE = 19
"""``object_type`` of a custom task type in ``applied_objects``; our tickets are plain tasks, of type 0."""
_CLICKS = "in ClickUp open the list, press + at the right end of the columns, Create new, Text"
_PLANS = {100: "Free, Unlimited or Business", 1000: "Business Plus", 10_000: "Enterprise"}


async def check_set_up(config: ClickupConfig, caller: Caller, manners: Manners) -> list[Finding]:
    """Look at token, workspace, list, statuses, fields and assignees; only a failure of the first ends the check."""
    return await _SetUp(config, caller, manners).run()


class _SetUp:
    def __init__(self, config: ClickupConfig, caller: Caller, manners: Manners) -> None:
        self._config, self._caller, self._manners = config, caller, manners
        self._findings: list[Finding] = []

    async def run(self) -> list[Finding]:
        try:
            user = (await self._get(codec.USER)).read(lambda body: dict(body["user"]))
        except (Unauthorized, Reject) as error:
            cure = "make a new token in ClickUp (avatar, Settings, Apps) and put it where the token option points"
            return [Finding(ok=False, what=f"The token is not accepted ({error}): {cure}.")]
        except SinkError as error:
            return [Finding(ok=False, what=f"ClickUp cannot be asked now: {error}")]
        self._say(True, f"The token is that of {user.get('username') or user.get('id')}; tickets are created by them.")
        self._rate()
        steps = {"workspace": self._workspace, "list": self._list, "custom fields": self._fields}
        for what, step in steps.items():
            try:
                await step()
            except SinkError as error:
                self._say(False, f"The {what} cannot be read: {error}")
        return self._findings

    async def _workspace(self) -> None:
        teams = (await self._get(codec.WORKSPACES)).read(
            lambda body: {str(each["id"]): dict(each) for each in body["teams"]}
        )
        wanted = self._config.workspace_id or (next(iter(teams)) if len(teams) == 1 else None)
        if wanted not in teams:
            known = ", ".join(f"{id_} ({team.get('name')})" for id_, team in teams.items()) or "none"
            self._say(False, f"The token sees these workspaces: {known}; set workspace_id to the right one.")
            return
        team = teams[wanted]
        self._say(True, f"Workspace {team.get('name')} ({wanted}) is visible.")
        await self._assignees(wanted, {int(member["user"]["id"]) for member in team.get("members") or ()})

    async def _assignees(self, workspace: str, users: set[int]) -> None:
        groups: set[str] = set()
        if any(team.groups for team in self._config.teams.values()):
            answer = await self._get(codec.GROUPS, team_id=workspace)
            groups = answer.read(lambda body: {str(each["id"]) for each in body["groups"]})
        for name, team in self._config.teams.items():
            missing = [*map(str, set(team.users) - users), *(set(team.groups) - groups)]
            if missing:
                self._say(False, f"Team {name}: the workspace has no user or group {', '.join(sorted(missing))}.")
            else:
                self._say(True, f"Team {name}: its assignees are in the workspace.")

    async def _list(self) -> None:
        answer = await self._get(path(codec.LIST, self._config.list_id))
        body, statuses = answer.read(dict), answer.read(statuses_of)
        name = body.get("name") or self._config.list_id
        if body.get("archived") is True:
            self._say(False, f"List {name} is archived: restore it, or set list_id to another one.")
            return
        self._say(True, f"List {name} ({self._config.list_id}) is there.")
        known = {status.name for status in statuses}
        for state in TicketState:
            chosen = codec.status_for(state, statuses, self._config)
            if chosen in known:
                self._say(True, f"A ticket that is {state.value} has the status {chosen}.")
            else:
                names = ", ".join(sorted(known)) or "none"
                self._say(
                    False, f"statuses.{state.value}: the list has no status {chosen or 'for it'}; it has {names}."
                )
        for lost in sorted(set(self._config.statuses.wont_fix) - known):
            self._say(False, f"statuses.wont_fix: the list has no status {lost}.")

    async def _fields(self) -> None:
        if not self._config.fields:
            self._say(
                True,
                "No custom fields are configured: tickets are found by the mark in their name. To find them even "
                f"after somebody changed the name, {_CLICKS}, name it Tocsin key, and set fields.key to its id.",
            )
            return
        where = path(codec.LIST_FIELDS, self._config.list_id)
        answer = await self._get(where, include_applied_objects="true")
        known = answer.read(lambda body: {str(each["id"]): dict(each) for each in body["fields"]})
        texts = ", ".join(f"{each['name']}: {id_}" for id_, each in known.items() if each.get("type") in _TEXT_TYPES)
        for of, id_ in self._config.fields.items():
            self._say(*_field_finding(of, known.get(id_), texts or "none"))

    def _rate(self) -> None:
        rate = self._manners.calls_per_minute
        if rate is None:
            self._say(True, "ClickUp did not tell its rate limit; we keep to 90 calls a minute.")
            return
        plan = _PLANS.get(rate, "unknown")
        self._say(True, f"The token may make {rate} calls a minute (plan: {plan}), shared with all who use it.")

    def _say(self, ok: bool, what: str) -> None:
        self._findings.append(Finding(ok=ok, what=what))

    async def _get(self, where: str, **params: str) -> Answer:
        headers = {"Content-Type": "application/json"}
        return await self._caller.call("GET", where, writes=False, params=params, headers=headers)


def _field_finding(of: str, field: dict[str, Any] | None, texts: str) -> tuple[bool, str]:
    """Whether a configured custom field can hold what it is for, and a sentence."""
    if field is None:
        return False, (
            f"fields.{of}: the list has no such custom field. The API cannot create one: {_CLICKS}, name it "
            f"Tocsin {of}, and set fields.{of} to its id. Text fields of the list now: {texts}."
        )
    name, kind = field.get("name"), field.get("type")
    if kind not in _TEXT_TYPES:
        return False, f"fields.{of}: the custom field {name} is of type {kind}; make one of type Text ({_CLICKS})."
    types = [each for each in field.get("applied_objects") or () if each.get("object_type") == _CUSTOM_TYPE]
    if types and all(each.get("object_id") != 0 for each in types):
        return (
            False,
            f"fields.{of}: the custom field {name} applies to other task types only; let it apply to Task too.",
        )
    return True, f"fields.{of}: the custom field {name} is a text field of the list."
