"""From drafts to ClickUp's bodies, and from its tasks (`sinks.clickup.task`) to observations. Pure.

Sources: ClickUp's OpenAPI document of API v2 and the guides at developer.clickup.com; where the live API is known to
differ, the rule says so.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.core.impact import Impact
from gateway.core.ticket import MARK_PREFIX, Comment, Observation, TicketDraft, TicketField, TicketRef, TicketState
from sinks._text import cut, one_line, plain, size, unmention
from sinks.clickup.config import Assignees, ClickupConfig
from sinks.clickup.markdown import escape
from sinks.clickup.task import Status, Task

USER, WORKSPACES, GROUPS = "/v2/user", "/v2/team", "/v2/group"
LIST, LIST_TASKS, LIST_FIELDS = "/v2/list/{}", "/v2/list/{}/task", "/v2/list/{}/field"
TASK, COMMENTS, LINK, ATTACHMENTS = (
    "/v2/task/{}",
    "/v2/task/{}/comment",
    "/v2/task/{}/link/{}",
    "/v2/task/{}/attachment",
)

SEARCH_SLACK_MS = 120_000
"""How much earlier than the create a search begins."""
NOT_NEEDED = frozenset({"custom_fields", "status"})
"""Members of the create body that a ticket can do without, if ClickUp refuses them."""
FIELD_LIMIT = 1000
"""Longest value that we write into a custom field."""
FILE_NAME_LIMIT = 120
_MARK = re.compile(r"\[(" + re.escape(MARK_PREFIX) + r"[^\[\]]+)\]")
_OUR_NAME = re.compile(r"\[P[1-4]\] .*\[" + re.escape(MARK_PREFIX) + r"[^\[\]]+\]")
_UNSAFE = re.compile(r'[\\/"<>%]')
_CUT = "\n… (cut: the whole text is in Tocsin)"


# --- out -----------------------------------------------------------------------------------------


def title(draft: TicketDraft, limit: int) -> str:
    """The task's name: one line that ends with our mark, whatever marks the text before it quotes."""
    suffix = f" [{draft.mark}]"
    return cut(one_line(draft.title).removesuffix(suffix.strip()).rstrip(), limit - size(suffix)) + suffix


def description(draft: TicketDraft, limit: int) -> str:
    """The task's Markdown: the draft's text with everything escaped. Never empty: the API keeps the old text then."""
    text = plain(draft.description)
    if draft.runbook and draft.runbook not in text:
        text = f"Runbook: {one_line(draft.runbook)}\n\n{text}"
    return escape(cut(text, limit, _CUT, render=escape)) or " "


def digest(text: str) -> bytes:
    """What we remember of a text that was sent."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def create_body(draft: TicketDraft, config: ClickupConfig, *, status: str = "") -> dict[str, Any]:
    """Body of the create call. An empty ``status`` takes the list's default, which no rename can break."""
    team = config.teams.get(draft.team, Assignees())
    body: dict[str, Any] = {
        "name": title(draft, config.title_limit),
        "markdown_content": description(draft, config.description_limit),
        "priority": config.priorities.of(draft.impact),
        "notify_all": False,
    }
    optional: dict[str, Any] = {
        "status": status,
        "tags": list(config.tags),
        "assignees": list(team.users),
        "group_assignees": list(team.groups),
        "custom_fields": _field_values(draft, config),
    }
    return body | {name: value for name, value in optional.items() if value}


def _field_values(draft: TicketDraft, config: ClickupConfig) -> list[dict[str, str]]:
    values = {
        "key": draft.key,
        "fingerprint": draft.fingerprint,
        "source": draft.source,
        "condition": draft.condition,
        "object": draft.object,
    }
    return [
        {"id": field, "value": cut(one_line(values[of]), FIELD_LIMIT)}
        for of, field in config.fields.items()
        if values[of]
    ]


def changes(draft: TicketDraft, seen: Task, config: ClickupConfig, *, described: bytes | None) -> dict[str, Any]:
    """What to PUT so that the task looks like the draft, but for its status; empty if it does already.

    Args:
        draft: what we want.
        seen: the task now.
        config: the sink's options.
        described: digest of the description that we know it has; None if we don't know.
    """
    body: dict[str, Any] = {}
    if (name := title(draft, config.title_limit)) != seen.name:
        body["name"] = name
    text = description(draft, config.description_limit)
    if digest(text) != described:
        body["markdown_content"] = text
    priority = config.priorities.of(draft.impact)
    if TicketField.PRIORITY not in draft.keep and priority != seen.priority:
        body["priority"] = priority
    if TicketField.OWNER not in draft.keep and draft.team in config.teams:
        body |= _reassigned(config.teams[draft.team], seen, config.teams.values())
    return body


def _reassigned(wanted: Assignees, seen: Task, known: Iterable[Assignees]) -> dict[str, Any]:
    """Add the team's people; remove other teams' people, but nobody whom the configuration doesn't name."""
    known = tuple(known)
    users, groups = frozenset(map(str, wanted.users)), frozenset(wanted.groups)
    other_users = {str(user) for team in known for user in team.users} - users
    other_groups = {group for team in known for group in team.groups} - groups
    body: dict[str, Any] = {}
    if (users - seen.users) or (other_users & seen.users):
        added, removed = users - seen.users, other_users & seen.users
        body["assignees"] = {"add": sorted(map(int, added)), "rem": sorted(map(int, removed))}
    if (groups - seen.groups) or (other_groups & seen.groups):
        body["group_assignees"] = {"add": sorted(groups - seen.groups), "rem": sorted(other_groups & seen.groups)}
    return body


def settled(seen: TicketState, wanted: TicketState) -> bool:
    """Whether the status says what we want; a closed ticket need not become merely resolved."""
    return seen is wanted or (wanted is TicketState.RESOLVED and seen is TicketState.CLOSED)


_TYPES: Mapping[TicketState, tuple[str, ...]] = {
    TicketState.OPEN: ("open", "custom"),
    TicketState.RESOLVED: ("closed", "done"),  # a list may have several "done" ones, and some may mean "won't fix"
    TicketState.CLOSED: ("closed", "done"),
}


def status_for(state: TicketState, statuses: Sequence[Status], config: ClickupConfig) -> str | None:
    """Name of the status for ``state``: the configured one, else the list's first of the best type; None if none."""
    configured = config.statuses.of(state)
    if configured:
        return configured
    by_type = (status.name for wanted in _TYPES[state] for status in statuses if status.type == wanted)
    return next((name for name in by_type if name not in config.statuses.wont_fix), None)


def comment_body(comment: Comment, config: ClickupConfig) -> dict[str, Any]:
    """Body of a comment. ClickUp knows no internal comments: whoever sees the task reads it."""
    suffix = f"[{comment.mark}]"
    text = cut(unmention(plain(comment.text)).strip(), config.comment_limit - size(suffix) - 2, _CUT)
    return {"comment_text": f"{text}\n\n{suffix}" if text else suffix, "notify_all": False}


def file_name(name: str, mark: str) -> str:
    """Name of an attachment: it begins with ``mark``, and cannot leave the name part of a multipart header."""
    safe = cut(_UNSAFE.sub("_", one_line(name)), FILE_NAME_LIMIT, "_")
    return f"{mark}-{safe or 'file'}"


# --- in -----------------------------------------------------------------------------------------


def belongs(seen: Task, key: str, config: ClickupConfig) -> bool:
    """Whether the task is the ticket of ``key``.

    The last mark in the name counts: a mail's subject may quote another ticket's mark, ours always stands behind it.
    """
    field = config.fields.get("key", "")
    if field in seen.fields:
        return seen.fields[field] == key
    marks = _MARK.findall(seen.name)
    return bool(marks) and marks[-1] == one_line(MARK_PREFIX + key)


def made_by_us(seen: Task, key: str, config: ClickupConfig) -> bool:
    """Whether the task is surely one that we made for ``key``, and none that a person copied or named after ours.

    Its name is ours from the first character to the last: a mail's subject may quote a mark, a copy is called one.
    """
    return belongs(seen, key, config) and _OUR_NAME.fullmatch(seen.name) is not None


def carries(text: str, mark: str) -> bool:
    """Whether a comment is the one with ``mark``: ours ends with it, one that merely quotes it does not."""
    return text.rstrip().endswith(f"[{mark}]")


def ref(seen: Task) -> TicketRef:
    """Where the ticket is."""
    return TicketRef(id=seen.id, url=seen.url, name=seen.custom_id or seen.id)


def state(seen: Task, config: ClickupConfig) -> TicketState:
    """What the task's status means: configured names first, then the status's type; an archived task is put away."""
    if seen.archived:
        return TicketState.CLOSED
    names = dict.fromkeys(config.statuses.wont_fix, TicketState.CLOSED) | {
        config.statuses.resolved: TicketState.RESOLVED,
        config.statuses.closed: TicketState.CLOSED,
        config.statuses.open: TicketState.OPEN,
    }
    types = {"done": TicketState.RESOLVED, "closed": TicketState.CLOSED}
    return names.get(seen.status.name) or types.get(seen.status.type, TicketState.OPEN)


def observation(seen: Task, asked: TicketRef, config: ClickupConfig) -> Observation:
    """What was seen of the ticket that was asked for."""
    impacts = [impact for impact in Impact if config.priorities.of(impact) == seen.priority]
    return Observation(
        ref=ref(seen),
        asked=asked.id if asked.id != seen.id else "",
        state=state(seen, config),
        wont_fix=seen.status.name in config.statuses.wont_fix,
        impact=impacts[0] if len(impacts) == 1 else None,  # a priority that stands for two impacts says neither
        owner=",".join([*sorted(seen.users), *sorted(seen.groups)]),
        labels=seen.tags,
    )
