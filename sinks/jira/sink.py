"""Keep tickets in Jira: says what a ticket should look like to the platform that knows how to say it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import structlog

from gateway.core.event import Attachment
from gateway.core.ticket import Comment, Observation, TicketDraft, TicketField, TicketRef, TicketState
from gateway.plugin import Finding, Hint, Host, Reject, Retry, SinkError, Unauthorized, UnknownOutcome, WebhookRequest
from sinks.jira.codec import OPTIONAL, PROPERTY, SEEN, changes, holds_mark, observation, proof, ref_of, wanted
from sinks.jira.config import JiraConfig
from sinks.jira.errors import FieldsRefused, Forbidden
from sinks.jira.platform import Edit, Issue, Platform
from sinks.jira.screens import Screens
from sinks.jira.seek import Seeker
from sinks.jira.setup import check
from sinks.jira.webhook import hints
from sinks.jira.workflow import Step, choose, settled

__all__ = ["JiraSink"]

log = structlog.get_logger()

_BULK = 100
"""Issues per call of bulkfetch."""
_LOOKED_AT = (*SEEN, "description", "components")
_NAME_LIMIT = 200
_LINKED = 10_000
"""How many tickets are remembered to have the link to our page."""


class JiraSink:
    """Implements `gateway.plugin.Sink` with comments and duplicates found, links, files, webhooks and a set-up check."""

    def __init__(self, platform: Platform, config: JiraConfig, host: Host) -> None:
        self._platform, self._config = platform, config
        self._screens = Screens(platform, host.clock, ttl_s=config.screen_ttl_s)
        self._seeker = Seeker(platform, config, clock=host.clock, keep=host.keep)
        self._linked: dict[str, None] = {}
        self._log = log.bind(sink=host.name)

    # --- find and open ---

    async def find(self, key: str, *, since_ms: int) -> TicketRef | None:
        """The ticket for ``key``, by label, by the mark in its summary, or past the search index."""
        with _essential():
            issue = await self._seeker.find(key, since_ms=since_ms)
        return None if issue is None else ref_of(issue, self._config)

    async def find_all(self, key: str, *, since_ms: int) -> list[TicketRef]:  # noqa: ARG002 - the label needs no help
        """Every ticket that we made for ``key``, by label or mark, the oldest first."""
        with _essential():
            return [ref_of(issue, self._config) for issue in await self._seeker.find_all(key)]

    async def open(self, draft: TicketDraft) -> TicketRef:
        """Create the ticket; Jira has no unique key, so the host must look after an unknown outcome."""
        fields = self._platform.encoded(wanted(draft, self._config))
        sendable = await self._screens.for_create(fields)
        await self._seeker.begins(draft.key)
        with _essential():
            created = await self._create(fields, sendable, draft)
        ref = ref_of(created, self._config)
        await self._finish(ref, draft, left_out=fields.keys() - sendable.keys())
        await self._seeker.made(draft.key, ref.name)
        return ref

    async def _create(self, fields: Mapping[str, Any], sendable: Mapping[str, Any], draft: TicketDraft) -> Issue:
        try:
            return await self._platform.create(sendable, draft)
        except FieldsRefused as refusal:
            optional = refusal.fields & OPTIONAL & sendable.keys()
            if not optional:
                raise
            await self._screens.refused_at_create(optional)
            self._log.warning("ticket.fields_refused", fields=sorted(optional), why=str(refusal))
            fewer = await self._screens.for_create(fields)
            return await self._platform.create({k: v for k, v in fewer.items() if k not in optional}, draft)

    async def _finish(self, ref: TicketRef, draft: TicketDraft, *, left_out: Iterable[str]) -> None:
        """Add what the create could not take. The ticket exists by now, so "not happened" may not be said any more.

        Raises:
            UnknownOutcome: it has not its label or its state yet: the host looks, adopts it and updates it.
        """
        try:
            if self._platform.unlabelled or self._screens.for_edit(frozenset(left_out)) or draft.state.done:
                await self.update(ref, draft)
            else:
                await self._link_page(ref, draft)
        except Reject as error:
            self._log.warning("ticket.left_unfinished", ticket=ref.name, why=str(error))
        except SinkError as error:
            raise UnknownOutcome(f"{ref.name} was made but is not complete yet: {error}") from error

    # --- update ---

    async def update(self, ref: TicketRef, draft: TicketDraft) -> None:
        """Set what differs, and move the ticket into the state wanted.

        A ticket is reopened before it is edited and edited before it is closed: many workflows freeze what is done.
        """
        issue = await self._platform.issue(ref.id, *_LOOKED_AT)
        if issue is None:
            raise Reject(f"{ref.name or ref.id} is not there any more: it was deleted, or hidden from our account.")
        now = self._seen(issue).state
        moves = TicketField.STATE not in draft.keep and not settled(now, draft.state)
        if moves and not draft.state.done:
            await self._move(ref, now, draft.state)
        refused = await self._edited(issue, draft)
        if moves and draft.state.done:
            await self._move(ref, now, draft.state)
        await self._link_page(ref, draft)
        if refused is not None:
            raise refused

    async def _edited(self, issue: Issue, draft: TicketDraft) -> Reject | None:
        """Edit; a refusal is returned, since it must not keep a ticket open whose trouble is over."""
        try:
            await self._edit(issue, draft)
        except Reject as refusal:
            return refusal
        return None

    async def _edit(self, issue: Issue, draft: TicketDraft) -> None:
        ours, fields = wanted(draft, self._config), issue["fields"]
        differs, add_labels = changes(
            fields,
            ours,
            keep=draft.keep,
            owner=str((fields.get("assignee") or {}).get(self._platform.person, "")),
            described=self._platform.described(fields.get("description"), ours),
        )
        facts = proof(draft)
        edit = Edit(
            differs=differs | ({"labels"} if add_labels else set()),
            add_labels=add_labels,
            encoded=self._platform.encoded(ours),
            facts=None if issue["properties"].get(PROPERTY) == facts else facts,
        )
        try:
            await self._platform.edit(issue["id"], edit.only(self._screens.for_edit(edit.differs)))
        except FieldsRefused as refusal:
            optional = refusal.fields & OPTIONAL & edit.differs
            if not optional:
                raise
            self._screens.refused_at_edit(optional)
            self._log.warning("ticket.fields_refused", ticket=issue["key"], fields=sorted(optional), why=str(refusal))
            await self._platform.edit(issue["id"], edit.only(self._screens.for_edit(edit.differs - optional)))
        if "assignee" in differs:
            await self._platform.assign(issue["id"], ours.assignee)

    async def _move(self, ref: TicketRef, now: TicketState, goal: TicketState) -> None:
        step = self._step(await self._platform.transitions(ref.id), now, goal)
        if step is None and now.done and goal.done:  # resolved is as closed as this workflow gets
            return
        if step is None:
            raise Reject(
                f"No transition leads {ref.name} from its status to one that means {goal}: "
                "give our account that transition, or name the status in states."
            )
        try:
            await self._platform.transition(ref.id, self._platform.step_body(step, goal))
        except Reject:
            issue = await self._platform.issue(ref.id)
            if issue is None or not settled(self._seen(issue).state, goal):  # else somebody was faster than we
                raise

    def _step(self, transitions: Sequence[Mapping[str, Any]], now: TicketState, goal: TicketState) -> Step | None:
        states, resolution = self._config.states, self._config.resolution
        try:
            return choose(transitions, now=now, wanted=goal, states=states, resolution=resolution)
        except (LookupError, TypeError, AttributeError) as error:
            raise Retry(f"Jira shows transitions in a form that we cannot read ({type(error).__name__}).") from error

    async def _link_page(self, ref: TicketRef, draft: TicketDraft) -> None:
        """Link to our page once; a ticket without that link is still a ticket."""
        if self._config.page and ref.id not in self._linked:
            try:
                await self._platform.link_page(ref.id, draft.key)
            except Reject as error:
                self._log.warning("ticket.link_refused", ticket=ref.name, why=str(error))
            self._linked = dict.fromkeys([ref.id, *islice(self._linked, _LINKED - 1)])

    # --- comments, links, files ---

    async def comment(self, ref: TicketRef, comment: Comment) -> None:
        """Add a comment with its mark; internal or public as far as this Jira knows the difference."""
        await self._platform.comment(ref.id, comment)

    async def has_comment(self, ref: TicketRef, mark: str) -> bool:
        """Whether one of the newest comments has the mark."""
        async for text in self._platform.comments(ref.id):
            if holds_mark(text, mark):
                return True
        return False

    async def link(self, ref: TicketRef, other: TicketRef) -> None:
        """Relate two tickets; Jira folds a link that exists."""
        await self._platform.link(ref.id, other.id, kind=self._config.link_type)

    async def mark_duplicate(self, ref: TicketRef, *, of: TicketRef) -> None:
        """Link as a duplicate; a Jira without that link type relates them."""
        try:
            await self._platform.link(ref.id, of.id, kind=self._config.duplicate_link_type)
        except Reject as error:
            self._log.warning("ticket.link_refused", ticket=ref.name, why=str(error))
            await self.link(ref, of)

    async def attach(self, ref: TicketRef, attachment: Attachment, *, mark: str) -> None:
        """Upload the file unless one whose name begins with the mark is there."""
        issue = await self._platform.issue(ref.id, "attachment")
        names = [str(file.get("filename", "")) for file in ((issue or {}).get("fields") or {}).get("attachment") or ()]
        if not any(name.startswith(f"{mark}-") for name in names):
            await self._platform.attach(ref.id, attachment, f"{mark}-{attachment.name}"[:_NAME_LIMIT])

    # --- observe ---

    def hints(self, request: WebhookRequest) -> list[Hint]:
        """See `sinks.jira.webhook`."""
        return hints(request, self._config)

    async def observe(self, refs: Sequence[TicketRef]) -> list[Observation]:
        """What the tickets look like; each that a bulk read leaves out is asked for by itself before it counts as gone."""
        seen: dict[str, Observation] = {}
        with _essential():
            for start in range(0, len(refs), _BULK):
                for issue in await self._platform.read([ref.id for ref in refs[start : start + _BULK]]):
                    seen[issue["id"]] = self._seen(issue)
            missing = [ref for ref in refs if ref.id not in seen]
            if missing and await self._platform.see_project() is None:
                project = self._config.project
                raise Unauthorized(f"Our account does not see the project {project} any more: give it back its rights.")
            for ref in missing:
                one = await self._platform.issue(ref.id)
                seen[ref.id] = Observation(ref=ref, exists=False) if one is None else self._seen(one)
        return [seen[ref.id] for ref in refs]

    def _seen(self, issue: Issue) -> Observation:
        try:
            return observation(issue, self._config)
        except (LookupError, TypeError, AttributeError) as error:
            raise Retry(f"Jira's answer about an issue lacks what every issue has ({type(error).__name__}).") from error

    # --- set-up ---

    async def check(self, *, apply: bool) -> list[Finding]:
        """Verify credentials, project, screens, statuses; nothing here can be created by an API that we may use."""
        return await check(self._platform, self._config, apply=apply)


@contextmanager
def _essential() -> Iterator[None]:
    """Without the permission for this, the whole sink is useless: it pauses and says so, instead of giving up tickets."""
    try:
        yield
    except Forbidden as error:
        raise Unauthorized(str(error)) from error
