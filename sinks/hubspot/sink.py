"""Tickets in HubSpot: which calls a wish takes, and how each ended."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import structlog

from gateway.core.event import Attachment
from gateway.core.reason import Failed
from gateway.core.ticket import Comment, Observation, TicketDraft, TicketRef, TicketState
from gateway.plugin import Finding, Hint, Host, Reject, Retry, SinkError, Unauthorized, WebhookRequest
from sinks._http import Caller, Limits, Refused, path
from sinks._text import media_type
from sinks.hubspot import codec, errors, webhook
from sinks.hubspot.config import HubspotConfig
from sinks.hubspot.setup import SetUp, find_owner

log = structlog.get_logger()
_LOCKED, _MIGRATING = 423, 477
_LAG_S = 5.0
"""How long a record that exists may stay invisible to a read by its unique value."""
_STAGES_FRESH_S = 600.0


class _Conflict(Reject):
    """HubSpot says that a record with this unique value exists."""


class HubspotSink:
    """Implements `gateway.plugin.Sink`, `FindsComments`, `Links`, `Attaches`, `ReceivesWebhooks` and `Checks`."""

    def __init__(self, config: HubspotConfig, host: Host, caller: Caller) -> None:
        self._config, self._host, self._caller = config, host, caller
        self._owners: dict[str, str] = {}  # by address; empty: not found, and not asked again until a reload
        self._stages: dict[str, TicketState] = {}
        self._stages_at_s: float | None = None

    # --- tickets ---

    async def find(self, key: str, *, since_ms: int) -> TicketRef | None:  # noqa: ARG002 -- the key needs no help
        """Read by the unique property: no search index is asked, so nothing lags but replication."""
        found = await self._read(key, by=self._config.key_property)
        return codec.ref(found, self._config) if found else None

    async def open(self, draft: TicketDraft) -> TicketRef:
        """Create; if HubSpot says that the key is taken, adopt the ticket that has it.

        A plain create, not an upsert: an upsert repeated late would throw a person's change of stage back.
        """
        body = codec.create_body(draft, self._config, owner=await self._owner(draft.team))
        try:
            answer = await self._caller.call("POST", codec.TICKETS, writes=True, json=body)
        except _Conflict as conflict:
            found = await self.find(draft.key, since_ms=0)
            if found is None:
                raise Retry(f"{conflict} It does not show that ticket yet.", after_s=_LAG_S) from conflict
            log.info("ticket.adopted", sink=self._host.name, key=draft.key, ticket=found.id)
            return found
        return codec.ref(answer.read(codec.record), self._config)

    async def update(self, ref: TicketRef, draft: TicketDraft) -> None:
        """Read the ticket, then write only what differs from the draft."""
        seen = await self._read(_id(ref))
        if seen is None:
            raise Reject(f"HubSpot has no ticket {ref.id} any more: somebody deleted it.")
        state = await self._state(seen)
        properties = codec.changes(draft, seen, state, self._config, owner=await self._owner(draft.team))
        if properties:
            where = path(codec.TICKETS + "/{}", seen.id)
            await self._caller.call("PATCH", where, writes=True, json={"properties": properties})

    async def observe(self, refs: Sequence[TicketRef]) -> list[Observation]:
        """Read by id in batches; what a batch leaves out is asked for one by one, to tell deleted from merged."""
        seen: list[Observation] = []
        for start in range(0, len(refs), codec.BATCH):
            batch = refs[start : start + codec.BATCH]
            found = await self._read_many([ref.id for ref in batch if codec.is_id(ref.id)])
            for ref in batch:
                there = found.get(ref.id)
                if there is None and codec.is_id(ref.id):
                    there = await self._read(ref.id)
                seen.append(await self._observed(ref, there))
        return seen

    async def _read_many(self, ids: list[str]) -> dict[str, codec.Record]:
        if not ids:
            return {}
        body = codec.batch_body(list(dict.fromkeys(ids)), codec.read_back(self._config))
        answer = await self._caller.call("POST", codec.TICKETS + "/batch/read", writes=False, json=body)
        return {each.id: each for each in answer.read(codec.records)}

    async def _observed(self, asked: TicketRef, found: codec.Record | None) -> Observation:
        if found is None:
            return Observation(ref=asked, exists=False)
        return codec.observation(found, await self._state(found), self._config, asked=asked.id)

    def hints(self, request: WebhookRequest) -> list[Hint]:
        """See `sinks.hubspot.webhook`."""
        return webhook.hints(request, self._config)

    async def link(self, ref: TicketRef, other: TicketRef) -> None:
        """Associate two tickets; HubSpot takes the same association twice."""
        where = path(codec.TICKETS + "/{}/associations/default/tickets/{}", _id(ref), _id(other))
        await self._caller.call("PUT", where, writes=True)

    # --- comments ---

    async def comment(self, ref: TicketRef, comment: Comment) -> None:
        """Add a note, which only the portal's users see."""
        await self._note(codec.note_body(comment, ticket=_id(ref), now_ms=self._host.clock.now_ms()))

    async def has_comment(self, ref: TicketRef, mark: str) -> bool:
        """Read the notes associated with the ticket; beyond the first page, the newest ones by search."""
        where = path(codec.TICKETS + "/{}", _id(ref))
        answer = await self._caller.call("GET", where, writes=False, params={"associations": "notes"}, missing_ok=True)
        if answer.missing:
            raise Reject(f"HubSpot has no ticket {ref.id} any more: somebody deleted it.")
        ids, more = answer.read(codec.associated_notes)
        for start in range(0, len(ids), codec.BATCH):
            body = codec.batch_body(ids[start : start + codec.BATCH], ["hs_note_body"])
            notes = await self._caller.call("POST", codec.NOTES + "/batch/read", writes=False, json=body)
            if _marked(notes.read(codec.records), mark):
                return True
        if not more:
            return False
        body = codec.marked_notes_query(_id(ref))
        newest = await self._caller.call("POST", codec.NOTES + "/search", writes=False, json=body)
        return _marked(newest.read(codec.records), mark)

    async def attach(self, ref: TicketRef, attachment: Attachment, *, mark: str) -> None:
        """Upload the file, then hang it on the ticket with a note; the note's mark tells that both are done."""
        if await self.has_comment(ref, mark):
            return
        file = ""
        if len(attachment.content) <= self._config.max_attachment_bytes:
            answer = await self._caller.call(
                "POST",
                codec.FILES,
                writes=True,
                files={"file": (attachment.name, attachment.content, media_type(attachment.media_type))},
                data={
                    "options": json.dumps({"access": "PRIVATE"}),
                    "folderPath": self._config.attachments_folder,
                },
            )
            file = answer.read(lambda body: str(body["id"]))
        now_ms = self._host.clock.now_ms()
        await self._note(
            codec.attachment_note_body(attachment.name, mark=mark, file=file, ticket=_id(ref), now_ms=now_ms)
        )

    async def _note(self, body: dict[str, object]) -> None:
        await self._caller.call("POST", codec.NOTES, writes=True, json=body)

    # --- set-up ---

    async def check(self, *, apply: bool) -> list[Finding]:
        """Verify the portal; see `sinks.hubspot.setup`."""
        return await SetUp(self._config, self._caller).run(apply=apply)

    # --- what we look up ---

    async def _read(self, value: str, *, by: str = "") -> codec.Record | None:
        """The ticket with this id, or this value of the unique property ``by``; None if HubSpot has none."""
        params = {"properties": ",".join(codec.read_back(self._config))} | ({"idProperty": by} if by else {})
        where = path(codec.TICKETS + "/{}", value)
        answer = await self._caller.call("GET", where, writes=False, params=params, missing_ok=True)
        if answer.missing:
            return None
        found = answer.read(codec.record)
        if by and value.lower() not in found.properties.get(by, value).lower():
            raise Reject(f"HubSpot answered with ticket {found.id}, whose {by} is another: is that property unique?")
        return found

    async def _state(self, seen: codec.Record) -> TicketState:
        """What the ticket's stage means; a stage that nobody knows means open."""
        stage = seen.properties.get(codec.STAGE, "")
        known = codec.known_state(stage, self._config)
        if known is not None:
            return known
        now_s = self._host.clock.monotonic_s()
        if stage not in self._stages and (self._stages_at_s is None or now_s - self._stages_at_s > _STAGES_FRESH_S):
            answer = await self._caller.call("GET", codec.PIPELINES, writes=False)
            self._stages = answer.read(codec.stage_states)
            self._stages_at_s = now_s
        return self._stages.get(stage, TicketState.OPEN)

    async def _owner(self, team: str) -> str:
        """Id of the owner for ``team``; empty if none is configured, or if HubSpot does not know the address."""
        configured = self._config.owners.get(team, "")
        if not configured or configured.isdecimal():
            return configured
        if configured not in self._owners:
            try:
                self._owners[configured] = await find_owner(self._caller, configured)
            except (Unauthorized, Reject) as error:
                log.warning("owner.not_readable", sink=self._host.name, team=team, why=str(error))
                self._owners[configured] = ""
            else:
                if not self._owners[configured]:
                    log.warning("owner.not_found", sink=self._host.name, team=team, owner=configured)
        return self._owners[configured]


def judge(refused: Refused) -> SinkError | None:
    """HubSpot's own statuses (guide for error handling); None: the usual verdict."""
    if refused.status == httpx.codes.TOO_MANY_REQUESTS:
        after_s = refused.after_s if refused.after_s is not None else errors.wait_s(refused.json, refused.headers)
        return Retry(refused.sentence, after_s=after_s, reason=Failed.RATE_LIMITED)
    if refused.status == _LOCKED:
        return Retry(refused.sentence, after_s=max(2.0, refused.after_s or 0))
    if refused.status == _MIGRATING:
        return Retry(refused.sentence, after_s=refused.after_s or 60.0)
    if refused.writes and errors.conflicts(refused.status, refused.json):
        return _Conflict(refused.sentence)
    return None


def _id(ref: TicketRef) -> str:
    """The id in a ref.

    Raises:
        Reject: it cannot be one of HubSpot's.
    """
    if not codec.is_id(ref.id):
        raise Reject(f"{ref.id!r} is no id of HubSpot's: the stored reference is damaged.")
    return ref.id


def _marked(notes: list[codec.Record], mark: str) -> bool:
    return any(codec.holds_mark(note.properties.get("hs_note_body", ""), mark) for note in notes)


@asynccontextmanager
async def build(config: HubspotConfig, host: Host) -> AsyncIterator[HubspotSink]:
    """The sink of this configuration; calls nobody yet."""
    caller = Caller(
        config.base_url,
        headers={"Authorization": f"Bearer {config.token.reveal()}"},
        tracker="HubSpot",
        clock=host.clock,
        explain=errors.explain,
        judge=judge,
        transport=host.transport,
        ca_file=config.ca_file,
        limits=Limits(read_s=config.read_timeout_s, total_s=max(60.0, config.read_timeout_s)),
    )
    async with caller:
        yield HubspotSink(config, host, caller)
