"""A stateful fake of ClickUp API v2: what the vendor's document says, with the quirks that the live API is known for.

Quirks kept (each met by a rule of the sink): closed tasks and subtasks are hidden unless asked for; ``limit`` and any
text search are ignored, a page is 100; ``tags`` in PUT changes nothing; ``markdown_description`` on create loses its
markup; an empty description keeps the old one and ``" "`` clears it; custom fields of other task types are ignored on
create; a wrong status is CRTSK_001; a task that is gone is 404, or 401 "Team not authorized" when nothing tells its
workspace any more.
"""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from email.utils import format_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.plugin import Clock
from tests.trackers._base import FAULT_HEADER, Fault, Message, Receive, Say, Send, Tracker

TOKEN = "pk_123_SECRETSECRET"
LIST, WORKSPACE = "901", "1234"
KEY_FIELD = "0a52c486-5f05-403b-b4fd-c512ff05131c"
GROUP = "dd01f92f-48ca-446d-88a1-0beb0e8f5f14"
URGENCY = {1: "urgent", 2: "high", 3: "normal", 4: "low"}
STATUSES = (
    ("to do", "open"),
    ("in progress", "custom"),
    ("won't fix", "done"),
    ("solved", "done"),
    ("complete", "closed"),
)


@dataclass(slots=True, kw_only=True)
class FakeTask:
    """One task."""

    id: str
    name: str
    markdown: str
    status: str
    priority: int | None
    created_ms: int
    updated_ms: int
    tags: list[str]
    users: list[int]
    groups: list[str]
    fields: dict[str, str]
    list_id: str = LIST
    parent: str | None = None
    archived: bool = False
    comments: list[dict[str, Any]] = field(default_factory=list)
    files: list[tuple[str, bytes]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    merged_into: str = ""


class FakeClickup(Tracker):
    """One workspace with one list.

    Args:
        clock: ClickUp's idea of the time, but for ``skew_ms``.
        spec_words: answer lists as the vendor's document describes them (people and tags as texts, custom fields
            without values), not as the live API does.
        skew_ms: how far ClickUp's clock is ahead.
        per_minute: calls that a token has.
        search_lag_s: how long the list's call doesn't show a new task.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        spec_words: bool = False,
        skew_ms: int = 0,
        per_minute: int = 100,
        search_lag_s: float = 0.0,
    ) -> None:
        self.tasks: dict[str, FakeTask] = {}
        self.deleted_says_401 = False
        self.reaches_list = True
        self.statuses = list(STATUSES)
        self.fields: list[dict[str, Any]] = [_field(KEY_FIELD, "Tocsin key", "short_text")]
        self.fields_refused = False
        self.list_archived = False
        self.users = (183, 184)
        self.per_minute = per_minute
        self.skew_ms, self._spec_words = skew_ms, spec_words
        self._serial = itertools.count(1)
        super().__init__(clock, search_lag_s=search_lag_s)

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/v2/user", self.get_user),
            Route("/api/v2/team", self.get_teams),
            Route("/api/v2/group", self.get_groups),
            Route("/api/v2/list/{list_id}", self.get_list),
            Route("/api/v2/list/{list_id}/field", self.get_fields),
            Route("/api/v2/list/{list_id}/task", self.create, methods=["POST"]),
            Route("/api/v2/list/{list_id}/task", self.get_tasks),
            Route("/api/v2/task/{task_id}", self.update, methods=["PUT"]),
            Route("/api/v2/task/{task_id}", self.get_task),
            Route("/api/v2/task/{task_id}/comment", self.add_comment, methods=["POST"]),
            Route("/api/v2/task/{task_id}/comment", self.get_comments),
            Route("/api/v2/task/{task_id}/link/{other}", self.link, methods=["POST"]),
            Route("/api/v2/task/{task_id}/attachment", self.attach, methods=["POST"]),
        ]

    # --- manners ---

    def admits(self, request: Request) -> bool:
        return request.headers.get("authorization") == TOKEN

    def error(self, status: int, message: str, code: str = "") -> Response:
        codes = {401: "OAUTH_025", 404: "ITEM_013", 429: "APP_002", 500: "ITEM_000"}
        words = {401: "Token invalid", 429: "Rate limit reached"}
        body = {"err": words.get(status, message), "ECODE": code or codes.get(status, "INPUT_003")}
        # The vendor's document declares no errors at all: the referee cannot judge them.
        return JSONResponse(body, status_code=status, headers={FAULT_HEADER: "undocumented"})

    def rate_limited(self, fault: Fault) -> Response:
        response = self.error(429, "")
        if not fault.retry_after:
            response.headers["x-ratelimit-reset"] = str((self.now_ms() + 17_000) // 1000)
        return response

    def now_ms(self) -> int:
        return self.clock.now_ms() + self.skew_ms

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(datetime.fromtimestamp(self.now_ms() / 1000, UTC), usegmt=True)
                extra = [(b"date", date.encode()), (b"x-ratelimit-limit", str(self.per_minute).encode())]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        # httpx's ASGI transport and uvicorn are told apart by what owns `send`: keep it visible to the base.
        await super().__call__(scope, receive, _Owned(dated, send) if hasattr(send, "__self__") else dated)

    # --- people ---

    def by_mark(self, key: str) -> list[FakeTask]:
        return [task for task in self.tasks.values() if task.name.endswith(f"[TOC-{key}]")]

    def delete(self, id_: str) -> None:
        del self.tasks[id_]

    def merge(self, younger: str, older: str) -> None:
        self.tasks[younger].merged_into = older

    # --- endpoints: workspace ---

    async def get_user(self, request: Request) -> Response:
        return JSONResponse({"user": {"id": 183, "username": "Tocsin", "email": "tocsin@example.com", "color": "#fff"}})

    async def get_teams(self, request: Request) -> Response:
        members = [{"user": {"id": user, "username": f"user {user}"}} for user in self.users]
        team = {
            "id": WORKSPACE,
            "name": "Operations",
            "color": "#000",
            "avatar": "https://a.example",
            "members": members,
        }
        return JSONResponse({"teams": [team]})

    async def get_groups(self, request: Request) -> Response:
        group = {
            "id": GROUP,
            "team_id": WORKSPACE,
            "userid": 183,
            "name": "noc",
            "handle": "noc",
            "date_created": "1640122639829",
            "initials": "N",
            "members": [],
            "avatar": {"attachment_id": None, "color": None, "source": None, "icon": None},
        }
        return JSONResponse({"groups": [group]})

    async def get_list(self, request: Request) -> Response:
        self._list(request)
        return JSONResponse(
            {
                "id": LIST,
                "name": "NOC",
                "archived": self.list_archived,
                "statuses": [self._status(n) for n, _ in self.statuses],
            }
        )

    async def get_fields(self, request: Request) -> Response:
        self._list(request)
        return JSONResponse({"fields": self.fields})

    def _list(self, request: Request) -> None:
        if not self.reaches_list:
            raise Say(self.error(401, "Team not authorized", "OAUTH_027"))
        if request.path_params["list_id"] != LIST:
            raise Say(self.error(404, "List not found", "SUBCAT_002"))

    # --- endpoints: tasks ---

    async def create(self, request: Request) -> Response:
        self._list(request)
        body = await request.json()
        if not body["name"].strip():
            raise Say(self.error(400, "Task name invalid", "INPUT_005"))
        if self.fields_refused and body.get("custom_fields"):
            raise Say(self.error(400, "Custom field usages exceeded for your plan", "FIELD_033"))
        now = self.now_ms()
        task = FakeTask(
            id=f"86c{next(self._serial):04x}",
            name=body["name"],
            markdown=body.get("markdown_content", body.get("description", "")),
            status=self._known_status(body["status"]) if "status" in body else self.statuses[0][0],
            priority=body.get("priority"),
            created_ms=now,
            updated_ms=now,
            tags=[tag.lower() for tag in body.get("tags", ())],
            users=list(body.get("assignees", ())),
            groups=list(body.get("group_assignees", ())),
            fields={each["id"]: each["value"] for each in body.get("custom_fields", ()) if self._applies(each["id"])},
        )
        self.tasks[task.id] = task
        return JSONResponse(self._shown(task, brief=True))

    async def get_tasks(self, request: Request) -> Response:
        self._list(request)
        query = request.query_params
        page, after = int(query.get("page", 0)), int(query.get("date_created_gt", -1))
        if query.get("order_by") == "closed":
            raise Say(self.error(500, "Internal server error"))
        closed = {name for name, kind in self.statuses if kind == "closed"}
        listed = [
            task
            for task in sorted(self.tasks.values(), key=lambda task: task.created_ms, reverse=True)
            if task.list_id == LIST
            and task.created_ms > after
            and self.searchable(task.created_ms - self.skew_ms)
            and not task.archived
            and not task.merged_into
            and (query.get("include_closed") == "true" or task.status not in closed)
            and (query.get("subtasks") == "true" or task.parent is None)
        ]
        shown = listed[page * 100 : page * 100 + 100]
        last = len(listed) <= page * 100 + 100
        return JSONResponse({"tasks": [self._shown(task, brief=True) for task in shown], "last_page": last})

    async def get_task(self, request: Request) -> Response:
        task = self._task(request)
        response = JSONResponse(self._shown(task, brief=False))
        if task.groups or task.links:
            response.headers[FAULT_HEADER] = "the document describes these as objects without members"
        return response

    async def update(self, request: Request) -> Response:
        task, body = self._task(request), await request.json()
        if "status" in body:
            body["status"] = self._known_status(body["status"])
        for name in ("name", "status", "priority", "archived"):
            if name in body:
                setattr(task, name, body[name])
        if body.get("markdown_content"):
            task.markdown = body["markdown_content"].strip(" ")
        for name, held in (("assignees", task.users), ("group_assignees", task.groups)):
            change = body.get(name, {})
            held[:] = [each for each in held if each not in change.get("rem", ())]
            held += [each for each in change.get("add", ()) if each not in held]
        task.updated_ms = self.now_ms()
        return JSONResponse(self._shown(task, brief=True))

    async def add_comment(self, request: Request) -> Response:
        task, body, number = self._task(request), await request.json(), next(self._serial)
        if not body["comment_text"]:
            raise Say(self.error(400, "Comment text invalid", "INPUT_003"))
        task.comments.append({"id": str(number), "date": str(self.now_ms()), "text": body["comment_text"]})
        return JSONResponse({"id": str(number), "hist_id": str(number), "date": self.now_ms()})

    async def get_comments(self, request: Request) -> Response:
        newest = self._task(request).comments[::-1]
        if start_id := request.query_params.get("start_id"):
            assert "start" in request.query_params, "start and start_id go together"
            newest = newest[[each["id"] for each in newest].index(start_id) + 1 :]
        user = {"id": 183, "username": "Tocsin", "initials": "T", "email": "t@example.com", "color": "#fff"}
        user["profilePicture"] = ""
        shown = [
            {
                "id": each["id"],
                "comment": [{"text": each["text"]}],
                "comment_text": each["text"] + "\n",
                "user": user,
                "resolved": False,
                "assignee": user,
                "assigned_by": user,
                "reactions": [],
                "date": each["date"],
            }
            for each in newest[:25]
        ]
        return JSONResponse({"comments": shown})

    async def link(self, request: Request) -> Response:
        task, other = self._task(request), self._by_id(request.path_params["other"])
        if other.id in task.links:
            raise Say(self.error(400, "Link already exists", "LINK_001"))
        task.links.append(other.id)
        other.links.append(task.id)
        shown = self._shown(task, brief=True)
        shown |= {"linked_tasks": [self._link(task, each) for each in task.links], "priority": None, "time_spent": None}
        for name in ("tags", "assignees", "checklists"):
            shown[name] = []
        for name in ("parent", "due_date", "start_date", "time_estimate", "date_closed"):
            shown[name] = None
        shown |= {"creator": {"id": 183, "username": "Tocsin", "color": "#fff", "profilePicture": ""}}
        names = (
            *(
                "id",
                "name",
                "status",
                "orderindex",
                "date_created",
                "date_updated",
                "date_closed",
                "creator",
                "assignees",
            ),
            *(
                "checklists",
                "tags",
                "parent",
                "priority",
                "due_date",
                "start_date",
                "time_estimate",
                "time_spent",
                "list",
            ),
            *("folder", "space", "linked_tasks", "url"),
        )
        return JSONResponse({"task": {name: shown[name] for name in names}})

    async def attach(self, request: Request) -> Response:
        task = self._task(request)
        assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
        name, content = _part(request.headers["content-type"], await request.body())
        task.files.append((name, content))
        url = "https://attachments.example/1"
        return JSONResponse(
            {
                "id": f"{next(self._serial)}.bin",
                "version": "0",
                "date": self.now_ms(),
                "title": name,
                "extension": "bin",
                "thumbnail_small": url,
                "thumbnail_large": url,
                "url": url,
            }
        )

    # --- inside ---

    def _task(self, request: Request) -> FakeTask:
        return self._by_id(request.path_params["task_id"])

    def _by_id(self, id_: str) -> FakeTask:
        task = self.tasks.get(id_)
        while task is not None and task.merged_into:
            task = self.tasks.get(task.merged_into)
        if task is None and self.deleted_says_401:
            raise Say(self._team_not_authorized())
        if task is None:
            raise Say(self.error(404, "Task not found, deleted"))
        return task

    def _team_not_authorized(self) -> Response:
        body = {"err": "Team not authorized", "ECODE": "OAUTH_027"}
        return JSONResponse(body, status_code=401, headers={FAULT_HEADER: "undocumented"})

    def _known_status(self, name: str) -> str:
        if name.lower() not in dict(self.statuses):
            raise Say(self.error(400, "Status not found", "CRTSK_001"))
        return name.lower()

    def _applies(self, field_id: str) -> bool:
        """A field that is not applicable to plain tasks is ignored."""
        found = next((each for each in self.fields if each["id"] == field_id), None)
        return found is not None and not found.get("applied_objects")

    def _status(self, name: str) -> dict[str, Any]:
        order = [each for each, _ in self.statuses].index(name) if name in dict(self.statuses) else 0
        return {
            "status": name,
            "color": "#d3d3d3",
            "orderindex": order,
            "type": dict(self.statuses).get(name, "custom"),
        }

    def _link(self, task: FakeTask, other: str) -> dict[str, str]:
        return {"task_id": task.id, "link_id": other, "date_created": str(task.updated_ms), "userid": "183"}

    def _shown(self, task: FakeTask, *, brief: bool) -> dict[str, Any]:
        """A task; ``brief``: as lists and answers to writes have it."""
        texts = brief and self._spec_words
        shown: dict[str, Any] = {
            "id": task.id,
            "custom_id": None,
            "name": task.name,
            "text_content": task.markdown,
            "status": self._status(task.status),
            "orderindex": "1.000",
            "date_created": str(task.created_ms),
            "date_updated": str(task.updated_ms),
            "date_closed": None,
            "archived": task.archived,
            "creator": {"id": 183, "username": "Tocsin", "color": "#fff", "email": "t@example.com"},
            "assignees": [str(u) if texts else {"id": u, "username": f"user {u}"} for u in task.users],
            "group_assignees": [group if texts else {"id": group, "name": "noc"} for group in task.groups],
            "checklists": [],
            "tags": [tag if texts else {"name": tag} for tag in task.tags],
            "parent": task.parent,
            "priority": {"id": str(task.priority), "priority": URGENCY[task.priority]} if task.priority else None,
            "custom_fields": [self._field_shown(each, task, texts=texts) for each in self.fields],
            "linked_tasks": [] if texts else [self._link(task, other) for other in task.links],
            "team_id": WORKSPACE,
            "url": f"https://app.clickup.com/t/{task.id}",
            "list": {"id": task.list_id, "name": "NOC", "access": True},
            "folder": {"id": "456", "name": "hidden", "hidden": True, "access": True},
            "space": {"id": "789"},
        }
        if not brief:
            shown["attachments"] = [{"id": f"{n}.bin", "title": name} for n, (name, _) in enumerate(task.files)]
        if shown["priority"] is None and self._spec_words:
            del shown["priority"]  # the document knows no null here
        return shown

    def _field_shown(self, field_: dict[str, Any], task: FakeTask, *, texts: bool) -> dict[str, Any]:
        shown = {name: field_[name] for name in ("id", "name", "type")}
        if field_["id"] in task.fields and not texts:
            shown["value"] = task.fields[field_["id"]]
        return shown


class _Owned:
    """A ``send`` that still shows the connection that the real one belongs to."""

    def __init__(self, send: Send, real: Send) -> None:
        self._send, self.__self__ = send, getattr(real, "__self__", None)

    async def __call__(self, message: Message) -> None:
        await self._send(message)


def _part(content_type: str, body: bytes) -> tuple[str, bytes]:
    """File name and content of the one part, which must be named ``attachment``."""
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    (part,) = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
    # httpx writes names in UTF-8 and escapes quotes as HTML forms do (%22).
    disposition = part.get("content-disposition", "").encode("utf-8", "surrogateescape").decode("utf-8")
    assert 'name="attachment"' in disposition
    name = disposition.partition('filename="')[2].removesuffix('"')
    return name, part.get_payload(decode=True)


def _field(id_: str, name: str, kind: str) -> dict[str, Any]:
    return {
        "id": id_,
        "name": name,
        "type": kind,
        "type_config": {},
        "date_created": "1566400407303",
        "hide_from_guests": False,
    }
