"""Tickets in ClickUp: which calls a wish takes, and how each ended. A hundred calls a minute must do for everything."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog

from gateway.core.event import Attachment
from gateway.core.ticket import Comment, Observation, TicketDraft, TicketField, TicketRef, TicketState
from gateway.plugin import Finding, Hint, Host, Reject, Retry, WebhookRequest
from sinks._http import Answer, Caller, Limits, path
from sinks.clickup import codec, webhook
from sinks.clickup import task as answers
from sinks.clickup.config import ClickupConfig
from sinks.clickup.manners import FieldRefused, Manners, OutOfReach, StatusRefused
from sinks.clickup.setup import check_set_up

log = structlog.get_logger()
_JSON = {"Content-Type": "application/json"}
"""On every call but uploads: ClickUp asks for it even where there is no body."""
_REMEMBERED = 4096
"""Descriptions whose digest we keep, so that an update that changes nothing sends nothing."""
_STATUSES_FRESH_S = 600.0


class ClickupSink:
    """Implements `gateway.plugin.Sink` with comments and duplicates found, links, files, webhooks and a set-up check."""

    def __init__(self, config: ClickupConfig, host: Host, caller: Caller, manners: Manners) -> None:
        self._config, self._host, self._caller, self._manners = config, host, caller, manners
        self._described: OrderedDict[str, bytes] = OrderedDict()
        self._refused = False
        """Whether ClickUp refused what `codec.NOT_NEEDED` names."""
        self._statuses: tuple[answers.Status, ...] = ()
        self._statuses_at_s: float | None = None

    # --- tickets ---

    async def find(self, key: str, *, since_ms: int) -> TicketRef | None:
        """Read all tasks that the list got since then, closed ones too, and match on our side: there is no search."""
        found, whole = await self._made_since(since_ms, lambda task: codec.belongs(task, key, self._config))
        if not found and not whole:
            raise self._cut_short()
        return codec.ref(found[0]) if found else None

    async def find_all(self, key: str, *, since_ms: int) -> list[TicketRef]:
        """Every task that we made for ``key`` since then, the oldest first."""
        found, whole = await self._made_since(since_ms, lambda task: codec.made_by_us(task, key, self._config))
        if not whole:
            raise self._cut_short()
        return [codec.ref(task) for task in found]

    async def _made_since(self, since_ms: int, ours: Callable[[answers.Task], bool]) -> tuple[list[answers.Task], bool]:
        """Our tasks among those made since then, the oldest first, and whether all were looked at."""
        if not self._manners.heard:  # just started: learn their clock before a search is bounded by ours
            await self._prove_token()
        after_ms = max(0, self._manners.theirs_ms(since_ms) - codec.SEARCH_SLACK_MS)
        found: list[answers.Task] = []
        last = False
        for page in range(self._config.find_pages):
            tasks, last = await self._page(page, date_created_gt=after_ms)
            found += filter(ours, tasks)
            if last:
                break
        return sorted(found, key=lambda task: (task.created_ms, task.id)), last

    def _cut_short(self) -> Retry:
        return Retry(
            f"The list got more than {self._config.find_pages * answers.PAGE} tasks since then: raise find_pages "
            "to search them all."
        )

    async def open(self, draft: TicketDraft) -> TicketRef:
        """Create; if a custom field or the status is refused, create without: the mark in the name is enough."""
        status = await self._status_for(draft.state) if draft.state.done else ""
        where = path(codec.LIST_TASKS, self._config.list_id)
        body = codec.create_body(draft, self._config, status=status)
        bare = {name: value for name, value in body.items() if name not in codec.NOT_NEEDED}
        try:
            answer = await self._send("POST", where, json=bare if self._refused else body)
        except (FieldRefused, StatusRefused) as error:
            self._refused = True  # until the next start: a second call for each ticket would be dear
            log.warning("fields.refused", sink=self._host.name, why=str(error))
            answer = await self._send("POST", where, json=bare)
        task = answer.read(answers.task)
        self._remember(task.id, body["markdown_content"])
        return codec.ref(task)

    async def update(self, ref: TicketRef, draft: TicketDraft) -> None:
        """Read the task, then write only what differs from the draft."""
        seen = await self._there(ref)
        body = codec.changes(draft, seen, self._config, described=self._described.get(seen.id))
        restate = TicketField.STATE not in draft.keep and not codec.settled(
            codec.state(seen, self._config), draft.state
        )
        if restate:
            status = await self._status_for(draft.state)
            if status != seen.status.name:
                body["status"] = status
            if seen.archived and draft.state is TicketState.OPEN:
                body["archived"] = False
        if not body:
            return
        where = path(codec.TASK, seen.id)
        try:
            await self._write("PUT", where, json=body)
        except StatusRefused as error:
            if self._config.statuses.of(draft.state):
                raise Reject(f"{error} Set statuses.{draft.state.value} to one that the list has.") from error
            self._statuses_at_s = None  # somebody renamed it
            body["status"] = await self._status_for(draft.state)
            await self._write("PUT", where, json=body)
        if "markdown_content" in body:
            self._remember(seen.id, body["markdown_content"])

    async def observe(self, refs: Sequence[TicketRef]) -> list[Observation]:
        """Read pages of the list, at most half as many as tickets, then ask for the rest one by one.

        The API filters by no set of ids, and a list never shows what was deleted, archived or moved away: only the
        call for one task tells that. A page tells of a hundred tasks, but in a busy list perhaps of none of ours.
        """
        seen: dict[str, answers.Task | None] = {ref.id: None for ref in refs if not answers.is_id(ref.id)}
        waiting = {ref.id for ref in refs} - seen.keys()
        for page in range(min(len(waiting) // 2, self._config.observe_pages)):
            tasks, last = await self._page(page)
            seen |= {task.id: task for task in tasks if task.id in waiting}
            waiting -= seen.keys()
            if last or not waiting:
                break
        for id_ in waiting:
            seen[id_] = await self._task(id_)
        return [self._observed(ref, seen[ref.id]) for ref in refs]

    def _observed(self, asked: TicketRef, seen: answers.Task | None) -> Observation:
        return codec.observation(seen, asked, self._config) if seen else Observation(ref=asked, exists=False)

    def hints(self, request: WebhookRequest) -> list[Hint]:
        """See `sinks.clickup.webhook`."""
        return webhook.hints(request, self._config)

    async def link(self, ref: TicketRef, other: TicketRef) -> None:
        """Link two tasks; if that is refused, look whether they are linked already."""
        if ref.id == other.id:
            return
        where = path(codec.LINK, self._id(ref), self._id(other))
        try:
            await self._write("POST", where)
        except Reject:
            if other.id not in (await self._there(ref)).linked:
                raise

    async def mark_duplicate(self, ref: TicketRef, *, of: TicketRef) -> None:
        """Link the two: ClickUp's links have no types, and a merge would take the younger one out of people's hands."""
        await self.link(ref, of)

    # --- comments and files ---

    async def comment(self, ref: TicketRef, comment: Comment) -> None:
        """Add a comment that ends with its mark."""
        await self._write("POST", path(codec.COMMENTS, self._id(ref)), json=codec.comment_body(comment, self._config))

    async def has_comment(self, ref: TicketRef, mark: str) -> bool:
        """Read the comments, newest first; one that is older than ``comment_pages`` pages counts as never written."""
        params: dict[str, str] = {}
        for _ in range(self._config.comment_pages):
            answer = await self._read(path(codec.COMMENTS, self._id(ref)), params=params)
            if answer is None:
                raise self._gone(ref)
            page = answer.read(answers.remarks)
            if any(codec.carries(remark.text, mark) for remark in page):
                return True
            if len(page) < answers.COMMENT_PAGE:
                return False
            params = {"start": page[-1].date, "start_id": page[-1].id}
        return False

    async def attach(self, ref: TicketRef, attachment: Attachment, *, mark: str) -> None:
        """Upload the file, unless one whose name begins with ``mark`` is there."""
        if len(attachment.content) > self._config.max_attachment_bytes:
            raise Reject(
                f"An attachment has {len(attachment.content)} bytes, more than max_attachment_bytes "
                f"({self._config.max_attachment_bytes})."
            )
        seen = await self._there(ref)
        if any(name.startswith(f"{mark}-") for name in seen.files):
            return
        file = (codec.file_name(attachment.name, mark), attachment.content, attachment.media_type)
        await self._write("POST", path(codec.ATTACHMENTS, seen.id), files={"attachment": file})

    # --- set-up ---

    async def check(self, *, apply: bool) -> list[Finding]:  # noqa: ARG002 -- the API creates neither lists nor fields
        """Verify the workspace; see `sinks.clickup.setup`."""
        return await check_set_up(self._config, self._caller, self._manners)

    # --- calls ---

    async def _send(self, method: str, where: str, **call: Any) -> Answer:
        headers = None if "files" in call else _JSON
        return await self._caller.call(method, where, writes=True, headers=headers, **call)

    async def _write(self, method: str, where: str, **call: Any) -> Answer:
        """A call that changes a task; one that the token cannot reach is rejected, so that the sink doesn't pause."""
        try:
            return await self._send(method, where, **call)
        except OutOfReach as error:
            await self._prove_token()
            raise Reject(f"{error} The token is good, so the task was deleted or moved out of its reach.") from error

    async def _read(self, where: str, *, params: dict[str, str] | None = None) -> Answer | None:
        """What stands below a task; None if the task is not there."""
        try:
            answer = await self._caller.call("GET", where, writes=False, params=params, headers=_JSON, missing_ok=True)
        except OutOfReach:
            await self._prove_token()
            return None
        return None if answer.missing else answer

    async def _prove_token(self) -> None:
        """Raise unless the token still reaches our list: then it is the credentials that are wrong."""
        await self._caller.call("GET", path(codec.LIST, self._config.list_id), writes=False, headers=_JSON)

    async def _page(self, page: int, **params: int) -> tuple[list[answers.Task], bool]:
        """One page of the list's tasks, newest first, and whether it is the last."""
        query = {"include_closed": "true", "subtasks": "true", "order_by": "created", "page": page, **params}
        where = path(codec.LIST_TASKS, self._config.list_id)
        answer = await self._caller.call("GET", where, writes=False, params=query, headers=_JSON)
        return answer.read(answers.tasks)

    async def _task(self, id_: str) -> answers.Task | None:
        answer = await self._read(path(codec.TASK, id_))
        return answer.read(answers.task) if answer else None

    async def _there(self, ref: TicketRef) -> answers.Task:
        seen = await self._task(self._id(ref))
        if seen is None:
            raise self._gone(ref)
        return seen

    def _id(self, ref: TicketRef) -> str:
        if not answers.is_id(ref.id):
            raise Reject(f"{ref.id!r} is no ClickUp task id: the stored ticket reference is damaged.")
        return ref.id

    def _gone(self, ref: TicketRef) -> Reject:
        return Reject(f"ClickUp has no task {ref.id} any more, or our token does not reach it.")

    # --- what we remember ---

    async def _status_for(self, state: TicketState) -> str:
        """Name of the status for ``state``; the list is asked only if no name is configured."""
        if not self._config.statuses.of(state):
            await self._refresh_statuses()
        name = codec.status_for(state, self._statuses, self._config)
        if name is None:
            raise Reject(f"The list has no status that means {state.value}: name one as statuses.{state.value}.")
        return name

    async def _refresh_statuses(self) -> None:
        now_s = self._host.clock.monotonic_s()
        if self._statuses_at_s is not None and now_s - self._statuses_at_s < _STATUSES_FRESH_S:
            return
        where = path(codec.LIST, self._config.list_id)
        answer = await self._caller.call("GET", where, writes=False, headers=_JSON)
        self._statuses, self._statuses_at_s = answer.read(answers.statuses), now_s

    def _remember(self, id_: str, description: str) -> None:
        self._described[id_] = codec.digest(description)
        self._described.move_to_end(id_)
        if len(self._described) > _REMEMBERED:
            self._described.popitem(last=False)


@asynccontextmanager
async def build(config: ClickupConfig, host: Host) -> AsyncIterator[ClickupSink]:
    """The sink of this configuration; calls nobody yet."""
    token = config.token.reveal()
    manners = Manners(host.clock)
    caller = Caller(
        config.base_url,
        # Personal tokens begin with pk_ and stand alone; others are OAuth access tokens.
        headers={"Authorization": token if token.startswith("pk_") else f"Bearer {token}"},
        tracker="ClickUp",
        clock=host.clock,
        explain=answers.explain,
        judge=manners.judge,
        on_response=manners.listen,
        transport=host.transport,
        ca_file=config.ca_file,
        limits=Limits(read_s=config.read_timeout_s, total_s=max(60.0, config.read_timeout_s)),
    )
    async with caller:
        yield ClickupSink(config, host, caller, manners)
