"""What ClickUp's answers say: tasks, statuses, comments and errors as values. Pure.

People and tags are objects in live answers and texts in the vendor's OpenAPI document; both are read. A task that is not
ours may look strange and must not spoil the page it stands on: only its id is insisted on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PAGE = 100
"""Tasks on a page; the API ignores any other wish."""
COMMENT_PAGE = 25
"""Comments on a page."""
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A status of a list."""

    name: str
    """In lower case."""
    type: str
    """``open``, ``custom``, ``done`` or ``closed``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as we need it."""

    id: str
    name: str
    url: str
    custom_id: str
    status: Status
    priority: int | None
    created_ms: int
    archived: bool
    users: frozenset[str]
    groups: frozenset[str]
    tags: frozenset[str]
    fields: Mapping[str, str]
    """Text values of custom fields by the field's id."""
    files: tuple[str, ...]
    """Titles of the attachments; only the call for one task tells them."""
    linked: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A comment as we need it."""

    id: str
    date: str
    text: str


def is_id(text: str) -> bool:
    """Whether a task could have this id at all."""
    return _ID.fullmatch(text) is not None


def task(body: Any) -> Task:
    """One task, as any call shows it: people and tags are objects in live answers, texts in the document.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is none.
    """
    priority = body.get("priority") or {}
    return Task(
        id=_id(body["id"]),
        name=str(body.get("name") or ""),
        url=_https(body.get("url")),
        custom_id=str(body.get("custom_id") or ""),
        status=status(body["status"]),
        priority=int(priority["id"]) if priority.get("id") else None,
        created_ms=int(body.get("date_created") or 0),
        archived=body.get("archived") is True,
        users=frozenset(_each(body, "assignees", "id")),
        groups=frozenset(_each(body, "group_assignees", "id")),
        tags=frozenset(_each(body, "tags", "name")),
        fields={
            str(field["id"]): field["value"]
            for field in body.get("custom_fields") or ()
            if isinstance(field.get("value"), str)
        },
        files=tuple(_each(body, "attachments", "title")),
        linked=frozenset(
            str(link[end])
            for link in body.get("linked_tasks") or ()
            if isinstance(link, dict)
            for end in ("task_id", "link_id")
            if end in link
        ),
    )


def _id(value: Any) -> str:
    if not isinstance(value, str) or not is_id(value):
        raise ValueError("no id of a task")
    return value


def _https(value: Any) -> str:
    return value if isinstance(value, str) and value.startswith("https://") else ""


def _each(body: Any, name: str, member: str) -> list[str]:
    return [str(each[member] if isinstance(each, dict) else each) for each in body.get(name) or ()]


def status(body: Any) -> Status:
    """One status.

    Raises:
        KeyError, TypeError, AttributeError: it is none.
    """
    return Status(name=body["status"].lower(), type=str(body.get("type") or "custom"))


def statuses(body: Any) -> tuple[Status, ...]:
    """The statuses of a list.

    Raises:
        KeyError, TypeError, AttributeError: it has none.
    """
    return tuple(status(each) for each in body["statuses"])


def tasks(body: Any) -> tuple[list[Task], bool]:
    """The tasks of one page, and whether it is the last.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is no page.
    """
    found = [task(each) for each in body["tasks"]]
    return found, body.get("last_page") is True or len(found) < PAGE


def remarks(body: Any) -> list[Remark]:
    """The comments of one page, newest first.

    Raises:
        KeyError, TypeError, AttributeError: it is no page.
    """
    return [
        Remark(id=str(each["id"]), date=str(each["date"]), text=each["comment_text"] or "") for each in body["comments"]
    ]


def explain(body: Any) -> str:
    """One sentence from an error: ``{"err":"Status not found","ECODE":"CRTSK_001"}``."""
    said = [str(body[name]) for name in ("err", "message") if body.get(name)] if isinstance(body, dict) else []
    code = error_code(body)
    return " ".join([*said[:1], *([f"({code})"] if code else [])])


def error_code(body: Any) -> str:
    """The ``ECODE`` of an error, or empty."""
    code = body.get("ECODE") if isinstance(body, dict) else None
    return code if isinstance(code, str) else ""
