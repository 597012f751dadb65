"""Verify a portal before the first ticket: each thing that is wrong is one sentence with its cure.

``--apply`` makes only what belongs to us: the property group and our properties. Pipelines, stages and owners are the
portal's, so what is wrong there is told, never changed.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from gateway.plugin import Finding, Reject, SinkError, Unauthorized
from sinks._http import Caller, path
from sinks.hubspot import codec
from sinks.hubspot.config import HubspotConfig

GROUP = "tocsin"
_NOWHERE = "0"
"""An id that no record has: a write to it is refused for its absence, or before that for lack of a scope."""


class SetUp:
    """One verification of one portal."""

    def __init__(self, config: HubspotConfig, caller: Caller) -> None:
        self._config, self._caller = config, caller

    async def run(self, *, apply: bool) -> list[Finding]:
        """All findings; if HubSpot cannot be reached or refuses the token, that one alone."""
        try:
            findings = [await self._account()]
        except Unauthorized as error:
            where = self._config.token.reference
            cure = f"Make a service key or private app token in HubSpot and store it under {where}."
            return [Finding(ok=False, what=f"{error} {cure}")]
        except SinkError as error:
            return [Finding(ok=False, what=str(error))]
        steps: Mapping[str, Callable[[], AsyncIterator[Finding]]] = {
            "pipelines": self._pipeline,
            "priorities": self._priorities,
            "properties": lambda: self._properties(apply=apply),
            "owners": self._owners,
            "writing": self._may_write,
        }
        for name, step in steps.items():
            try:
                async for finding in step():
                    findings.append(finding)  # noqa: PERF401 -- what was found before an error stays
            except SinkError as error:
                findings.append(Finding(ok=False, what=f"The {name} could not be verified: {error}"))
        return findings

    async def _account(self) -> Finding:
        answer = await self._caller.call("GET", codec.ACCOUNT, writes=False)
        portal, kind = answer.read(lambda body: (str(body["portalId"]), str(body["accountType"])))
        if self._config.portal_id not in {"", portal}:
            return Finding(
                ok=False,
                what=f'The token belongs to account {portal}: set portal_id = "{portal}", or change the token.',
            )
        return Finding(ok=True, what=f"The token opens account {portal} ({kind}).")

    # --- pipeline ---

    async def _pipeline(self) -> AsyncIterator[Finding]:
        answer = await self._caller.call("GET", codec.PIPELINES, writes=False)
        pipelines = answer.read(lambda body: {each["id"]: _stages(each) for each in body["results"]})
        names = answer.read(lambda body: [f"{each['id']} ({each['label']})" for each in body["results"]])
        stages = pipelines.get(self._config.pipeline)
        if stages is None:
            cure = f"set pipeline to one of: {', '.join(names)}."
            yield Finding(ok=False, what=f"There is no ticket pipeline with the id {self._config.pipeline}: {cure}")
            return
        chosen = self._config.stages
        yield _stage_finding("stages.open", chosen.open, "OPEN", stages)
        yield _stage_finding("stages.resolved", chosen.resolved, "", stages)
        yield _stage_finding("stages.closed", chosen.closed, "CLOSED", stages)
        for stage in self._config.wont_fix_stages:
            yield _stage_finding("wont_fix_stages", stage, "CLOSED", stages)

    # --- properties ---

    async def _priorities(self) -> AsyncIterator[Finding]:
        found = await self._property(codec.PRIORITY)
        options = [str(each.get("value", "")) for each in (found or {}).get("options", [])]
        wrong = [(impact, option) for impact, option in self._config.priorities if option and option not in options]
        for impact, option in wrong:
            cure = f"set priorities.{impact} to one of: {', '.join(options)}, or to an empty text."
            yield Finding(ok=False, what=f"{codec.PRIORITY} has no option {option}: {cure}")
        if not wrong:
            yield Finding(ok=True, what=f"{codec.PRIORITY} has every option that the impacts need.")

    async def _properties(self, *, apply: bool) -> AsyncIterator[Finding]:
        yield await self._key_property(apply=apply)
        for name, (kind, field, description) in codec.EXTRA.items() if self._config.extra_properties else ():
            full = self._config.property_prefix + name
            yield await self._own_property(full, kind, field, description, apply=apply)

    async def _key_property(self, *, apply: bool) -> Finding:
        """Uniqueness cannot be given to a property that exists (guide for properties), so a plain one is refused."""
        name = self._config.key_property
        found = await self._property(name)
        if found is not None and found.get("hasUniqueValue") is not True:
            cure = "that cannot be changed: delete it in HubSpot, or name another one with id_property."
            return Finding(ok=False, what=f"The property {name} exists but does not demand unique values; {cure}")
        if found is not None:
            return Finding(ok=True, what=f"The property {name} is there and unique.")
        if not apply:
            return _missing(name)
        return await self._make(name, "string", "text", "Tocsin's key: one ticket for each.", unique=True)

    async def _own_property(self, name: str, kind: str, field: str, description: str, *, apply: bool) -> Finding:
        found = await self._property(name)
        if found is None:
            return await self._make(name, kind, field, description) if apply else _missing(name)
        if found.get("type") != kind:
            cure = (
                f"delete it in HubSpot, or set property_prefix to something else than {self._config.property_prefix}."
            )
            return Finding(ok=False, what=f"The property {name} is of type {found.get('type')}, not {kind}: {cure}")
        return Finding(ok=True, what=f"The property {name} is there.")

    async def _make(self, name: str, kind: str, field: str, description: str, *, unique: bool = False) -> Finding:
        await self._group()
        label = "Tocsin " + name.removeprefix(self._config.property_prefix).replace("_", " ")
        body: dict[str, Any] = {
            "name": name,
            "label": label,
            "groupName": GROUP,
            "type": kind,
            "fieldType": field,
            "description": description,
        }
        if unique:
            body["hasUniqueValue"] = True
        try:
            await self._caller.call("POST", codec.PROPERTIES, writes=True, json=body)
        except Reject as error:
            return Finding(ok=False, what=f"The property {name} could not be made: {error}")
        return Finding(ok=True, what=f"The property {name} was made.", applied=True)

    async def _group(self) -> None:
        where = path(codec.PROPERTIES + "/groups/{}", GROUP)
        if (await self._caller.call("GET", where, writes=False, missing_ok=True)).missing:
            body = {"name": GROUP, "label": "Tocsin"}
            await self._caller.call("POST", codec.PROPERTIES + "/groups", writes=True, json=body)

    async def _property(self, name: str) -> dict[str, Any] | None:
        answer = await self._caller.call("GET", path(codec.PROPERTIES + "/{}", name), writes=False, missing_ok=True)
        return None if answer.missing else answer.read(lambda body: {**body})

    # --- people and rights ---

    async def _owners(self) -> AsyncIterator[Finding]:
        for team, owner in self._config.owners.items():
            yield await self._owner(team, owner)

    async def _owner(self, team: str, owner: str) -> Finding:
        if owner.isdecimal():
            where = path(codec.OWNERS + "/{}", owner)
            known = not (await self._caller.call("GET", where, writes=False, missing_ok=True)).missing
        else:
            known = bool(await find_owner(self._caller, owner))
        if known:
            return Finding(ok=True, what=f"The owner of team {team} is there ({owner}).")
        return Finding(
            ok=False, what=f"HubSpot has no owner {owner} for team {team}: correct owners.{team}, or invite that user."
        )

    async def _may_write(self) -> AsyncIterator[Finding]:
        """Write to records that are not there: only a lack of scopes is told by it, and nothing can change."""
        for what, place in (("tickets", codec.TICKETS), ("notes", codec.NOTES)):
            where = path(place + "/{}", _NOWHERE)
            try:
                await self._caller.call("PATCH", where, writes=True, json={"properties": {}})
            except Unauthorized as error:
                yield Finding(ok=False, what=f"The token may not write {what}: {error}")
            except Reject:  # it looked at the request, so the right to write is there
                yield Finding(ok=True, what=f"The token may write {what}.")


async def find_owner(caller: Caller, email: str) -> str:
    """Id of the owner with this address; empty if HubSpot has none."""
    answer = await caller.call("GET", codec.OWNERS, writes=False, params={"email": email, "limit": 100})
    return answer.read(lambda body: codec.owner_id(body, email))


def _stages(pipeline: Any) -> dict[str, tuple[str, str]]:
    """Label and ``ticketState`` of each stage, by id."""
    return {
        each["id"]: (str(each["label"]), str(each["metadata"].get("ticketState", ""))) for each in pipeline["stages"]
    }


def _stage_finding(option: str, stage: str, state: str, stages: Mapping[str, tuple[str, str]]) -> Finding:
    if stage not in stages:
        there = ", ".join(f"{id_} ({label})" for id_, (label, _) in stages.items())
        return Finding(
            ok=False, what=f"The pipeline has no stage with the id {stage}: set {option} to one of: {there}."
        )
    label, is_ = stages[stage]
    if state and is_ != state:
        cure = f"choose another stage for {option}, or change its status in HubSpot."
        return Finding(ok=False, what=f"The stage {stage} ({label}) counts as {is_ or 'unknown'}, not {state}: {cure}")
    return Finding(ok=True, what=f"{option} is the stage {stage} ({label}).")


def _missing(name: str) -> Finding:
    return Finding(ok=False, what=f"The property {name} is missing: make it with tocsin setup hubspot --apply.")
