"""Drafts to Jira's fields, issues to observations. Pure.

Bodies (description, comments) are given and taken as plain text here; a dialect turns them into ADF or wiki markup.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.core.impact import Impact
from gateway.core.ticket import MARK_PREFIX, Observation, TicketDraft, TicketField, TicketRef
from sinks._text import cut, one_line, plain, size
from sinks.jira.config import JiraConfig
from sinks.jira.workflow import state_of

__all__ = [
    "OPTIONAL",
    "PROPERTY",
    "SEEN",
    "Wanted",
    "belongs",
    "changes",
    "finding_jql",
    "holds_mark",
    "key_number",
    "label",
    "made_by_us",
    "observation",
    "proof",
    "ref_of",
    "summary",
    "wanted",
]

PROPERTY = "tocsin.incident"
"""Entity property with our facts: written without mail and history, read as proof that an issue is ours."""
SEEN = ("summary", "status", "resolution", "priority", "labels", "assignee")
"""The fields that an observation, or a search for a lost ticket, needs."""
OPTIONAL = frozenset({"description", "priority", "labels", "assignee", "components"})
"""Fields without which a ticket is still a ticket: left out where the screen refuses them."""
SUMMARY_LIMIT = 255
_OUR_SUMMARY = re.compile(rf"\[P[1-4]\] .*\[(?P<mark>{re.escape(MARK_PREFIX)}[^\[\]\s]+)\]\Z")
_PROPERTY_TEXT_LIMIT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The fields of a ticket as we want them, before a dialect encodes them."""

    summary: str
    description: str
    """Plain text, cleaned; not yet cut, since the encoding decides its size."""
    labels: tuple[str, ...]
    priority: Mapping[str, str] | None
    assignee: str
    component: str


def wanted(draft: TicketDraft, config: JiraConfig) -> Wanted:
    """How the draft's fields read in this Jira."""
    owner = config.teams.get(draft.team)
    priority = config.priorities.get(draft.impact, "")
    return Wanted(
        summary=summary(draft),
        description=plain(draft.description).strip(),
        labels=(label(draft.key, config), *config.labels),
        priority=named(priority) if priority else None,
        assignee=owner.assignee if owner else "",
        component=owner.component if owner else "",
    )


def named(name_or_id: str) -> dict[str, str]:
    """A reference to a priority or issue type: digits are an id, anything else is a name."""
    return {"id": name_or_id} if name_or_id.isdecimal() else {"name": name_or_id}


def summary(draft: TicketDraft) -> str:
    """One line of at most 255 characters that surely holds the mark."""
    title = one_line(draft.title)
    if draft.mark in title and size(title) <= SUMMARY_LIMIT:
        return title
    mark = f" [{draft.mark}]"
    return cut(title.replace(mark, ""), SUMMARY_LIMIT - size(mark)) + mark


def label(key: str, config: JiraConfig) -> str:
    """The label by which search finds the ticket made for ``key``."""
    return config.label_prefix + re.sub(r"\s", "-", key.lower())


def proof(draft: TicketDraft) -> dict[str, Any]:
    """The value of the entity property (at most 32 768 characters as JSON)."""
    return {
        "id": draft.key,
        "fingerprint": cut(draft.fingerprint, _PROPERTY_TEXT_LIMIT),
        "source": cut(plain(draft.source), _PROPERTY_TEXT_LIMIT),
        "condition": cut(plain(draft.condition), _PROPERTY_TEXT_LIMIT),
        "object": cut(plain(draft.object), _PROPERTY_TEXT_LIMIT),
        "occurrences": draft.occurrences,
        "first_seen_ms": draft.first_seen_ms,
        "last_seen_ms": draft.last_seen_ms,
    }


def holds_mark(text: str, mark: str) -> bool:
    """Whether ``mark`` stands in ``text`` as a word of its own (``TOC-A-1`` is not in ``TOC-A-17``)."""
    return re.search(rf"(?<![\w-]){re.escape(mark)}(?![\w-])", text) is not None


def finding_jql(key: str, mark: str, config: JiraConfig) -> str:
    """A query that finds the ticket by label, or by the mark in its summary where the label was not set yet."""
    own, phrase = _quoted(label(key, config)), _quoted(f'"{mark}"')
    return f"project = {_quoted(config.project)} AND (labels = {own} OR summary ~ {phrase}) ORDER BY created ASC"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def belongs(issue: Mapping[str, Any], key: str, mark: str, config: JiraConfig) -> bool:
    """Whether an issue is the ticket made for ``key``: search matches words, so each hit is looked at.

    Raises:
        KeyError: it has no summary, so it was not shown as asked.
    """
    fields, properties = issue["fields"], issue.get("properties") or {}
    return (
        holds_mark(str(fields["summary"]), mark)
        or label(key, config) in (fields.get("labels") or ())
        or (properties.get(PROPERTY) or {}).get("id") == key
    )


def made_by_us(issue: Mapping[str, Any], key: str, mark: str) -> bool:
    """Whether an issue is surely one that we made for ``key``, and none that a person copied or named after ours.

    Its summary is ours from the first character to the last: a mail's subject may quote a mark, a copy is called one.
    """
    proven = (issue.get("properties") or {}).get(PROPERTY)
    written = _OUR_SUMMARY.match(str(issue["fields"]["summary"]))
    return (
        written is not None
        and written["mark"] == one_line(mark)
        and (not isinstance(proven, Mapping) or proven.get("id") == key)
    )


def key_number(issue_key: str, project: str) -> int | None:
    """24 for ``OPS-24``; None for another project's key."""
    found = re.fullmatch(rf"{re.escape(project)}-(\d{{1,15}})", issue_key)
    return int(found[1]) if found else None


def ref_of(issue: Mapping[str, Any], config: JiraConfig) -> TicketRef:
    """Where an issue is: its id survives a move, its key is what people read."""
    name = str(issue["key"])
    return TicketRef(id=str(issue["id"]), url=f"{config.browse_url}/browse/{name}", name=name)


def observation(issue: Mapping[str, Any], config: JiraConfig) -> Observation:
    """What an issue (with the fields of `SEEN`) says.

    Raises:
        KeyError, TypeError: the answer lacks what every issue has.
    """
    fields = issue["fields"]
    resolution = str((fields.get("resolution") or {}).get("name", "")).casefold()
    owner = fields.get("assignee") or {}
    state = state_of(fields["status"], config.states)
    return Observation(
        ref=ref_of(issue, config),
        state=state,
        wont_fix=state.done and resolution in map(str.casefold, config.wont_fix_resolutions),
        impact=_impact(fields.get("priority"), config.priorities),
        owner=str(owner.get("displayName") or owner.get("accountId") or owner.get("name") or ""),
        labels=frozenset(map(str, fields.get("labels") or ())),
    )


def _impact(priority: Mapping[str, Any] | None, priorities: Mapping[Impact, str]) -> Impact | None:
    """The impact that a priority stands for; None where two impacts share it, since neither was said."""
    if not priority:
        return None
    meant = [impact for impact, name in priorities.items() if _same(priority, named(name))]
    return meant[0] if len(meant) == 1 else None


def _same(seen: Mapping[str, Any] | None, asked: Mapping[str, str]) -> bool:
    return bool(seen) and all(str((seen or {}).get(key, "")).casefold() == asked[key].casefold() for key in asked)


def changes(
    now: Mapping[str, Any], ours: Wanted, *, keep: Iterable[TicketField], owner: str, described: bool
) -> tuple[frozenset[str], tuple[str, ...]]:
    """What of a ticket differs from the draft.

    Args:
        now: the issue's fields.
        ours: the draft's.
        keep: what a person owns by now.
        owner: who has it now, as the configuration would name them.
        described: whether its description is ours already.

    Returns:
        Names of the fields that differ (of components: ours is missing), and the labels to add.
    """
    kept = frozenset(keep)
    differs = set() if now.get("summary") == ours.summary else {"summary"}
    if not described:
        differs.add("description")
    if TicketField.PRIORITY not in kept and ours.priority and not _same(now.get("priority"), ours.priority):
        differs.add("priority")
    if TicketField.OWNER not in kept:
        if ours.assignee and owner != ours.assignee:
            differs.add("assignee")
        if ours.component and ours.component not in {str(part.get("name")) for part in now.get("components") or ()}:
            differs.add("components")
    return frozenset(differs), tuple(one for one in ours.labels if one not in (now.get("labels") or ()))
