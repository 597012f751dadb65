"""The memory and the rules of the fake Jiras: what an issue takes, how often, and what the index knows of it."""

import base64
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.plugin import Clock
from tests.trackers._base import Fault, Say, Tracker
from tests.trackers._jira_jql import JqlError, parse
from tests.trackers._jira_state import PRIORITIES, RESOLUTIONS, Issue, Project, Transition
from tests.trackers._jira_views import Views

GONE = "Issue does not exist or you do not have permission to see it."
OFF_SCREEN = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."
_WRITES = ((2_000, 20), (30_000, 100))
"""Writes that one issue takes, by milliseconds."""


class JiraCore(Tracker):
    """What a fake Jira knows, and what it refuses."""

    api = "/rest/api/3"
    authorization = "Basic " + base64.b64encode(b"noc@example.com:token-of-the-noc").decode()
    views: Views

    def __init__(self, clock: Clock, *, search_lag_s: float = 0.0, project: Project | None = None) -> None:
        self.project = project or Project()
        self.issues: dict[str, Issue] = {}
        self.moved: dict[str, str] = {}
        """Old keys, and the ids of the issues that had them."""
        self._ids = 10_000
        super().__init__(clock, search_lag_s=search_lag_s)

    # --- for tests: what people do ---

    def person_creates(self, summary: str) -> Issue:
        """Somebody makes an issue by hand."""
        return self._new({"summary": summary})

    def person_moves(self, issue: Issue, project: str) -> None:
        """Into another project: the id stays, the key changes."""
        self.moved[issue.key] = issue.id
        issue.project, issue.number = project, 7
        issue.index(self.clock.now_ms())

    def person_sets(self, issue: Issue, *, status: str, resolution: str = "") -> None:
        """Past screens and limits."""
        issue.status, issue.resolution = self.project.workflow.status(status).id, resolution

    def by_key(self, key: str) -> Issue:
        return next(issue for issue in self.issues.values() if issue.key == key)

    # --- the tracker's own words ---

    def error(self, status: int, message: str) -> Response:
        return JSONResponse({"errorMessages": [message], "errors": {}}, status_code=status)

    def field_error(self, **errors: str) -> Say:
        return Say(JSONResponse({"errorMessages": [], "errors": errors}, status_code=400))

    def rate_limited(self, fault: Fault) -> Response:
        response = self.error(429, "Rate limit exceeded.")
        response.headers["ratelimit-reason"] = "jira-burst-based"
        return response

    def admits(self, request: Request) -> bool:
        return request.headers.get("authorization") == self.authorization

    # --- issues ---

    def _new(self, fields: dict[str, Any]) -> Issue:
        self._ids += 1
        self.project.numbers += 1
        now_ms = self.clock.now_ms()
        issue = Issue(
            id=str(self._ids),
            project=self.project.key,
            number=self.project.numbers,
            created_ms=now_ms,
            summary="",
            status=self.project.workflow.statuses[0].id,
        )
        self._set(issue, fields)
        issue.index(now_ms)
        self.issues[issue.id] = issue
        return issue

    def _check(self, fields: dict[str, Any], screen: set[str] | frozenset[str]) -> None:
        """Refuse what the screen lacks and values that are wrong."""
        off = {name: OFF_SCREEN.format(name) for name in fields if name not in screen}
        if off:
            raise self.field_error(**off)
        summary = fields.get("summary")
        if summary is not None and (len(summary) > 255 or "\n" in summary or not summary.strip()):
            raise self.field_error(summary="The summary is invalid because it contains newline characters or is long.")
        if "description" in fields:
            self._check_body(fields["description"], "description")
        for label in fields.get("labels") or ():
            if " " in label or len(label) > 255:
                raise self.field_error(labels=f"The label '{label}' contains spaces which is invalid.")
        if "priority" in fields and self._priority(fields["priority"]) is None:
            raise self.field_error(priority="The priority selected is invalid.")
        who = (fields.get("assignee") or {}).get(self.views.person)
        if who and who not in self.project.users:
            raise self.field_error(assignee=f"User '{who}' cannot be assigned issues.")
        for part in fields.get("components") or ():
            if part["name"] not in self.project.components:
                raise self.field_error(components=f"Component name '{part['name']}' is not valid")

    def _check_body(self, body: Any, name: str) -> None:
        if not self.views.is_body(body):
            raise self.field_error(**{name: "Operation value must be an Atlassian Document (see ADF)"})
        if len(self.views.text(body)) > self.project.text_limit:
            limit = f"{self.project.text_limit:,}"
            raise self.field_error(
                **{name: f"The entered text is too long. It exceeds the allowed limit of {limit} characters."}
            )

    def _priority(self, given: dict[str, Any]) -> str | None:
        for number, name in PRIORITIES.items():
            if given.get("id") == number or str(given.get("name", "")).lower() == name.lower():
                return number
        return None

    def _set(self, issue: Issue, fields: dict[str, Any]) -> None:
        issue.summary = fields.get("summary", issue.summary)
        issue.description = fields.get("description", issue.description)
        issue.labels = list(fields.get("labels", issue.labels))
        if "priority" in fields:
            issue.priority = self._priority(fields["priority"]) or issue.priority
        if "assignee" in fields:
            issue.assignee = (fields["assignee"] or {}).get(self.views.person) or ""
        if "components" in fields:
            issue.components = [part["name"] for part in fields["components"]]
        if "resolution" in fields:
            issue.resolution = (fields["resolution"] or {}).get("name", "")

    def _after(self, issue: Issue, name: str, operations: list[dict[str, Any]]) -> list[Any]:
        have: list[Any] = {
            "labels": list(issue.labels),
            "components": [{"name": part} for part in issue.components],
        }.get(name, [])
        for operation in operations:
            if "add" in operation and operation["add"] not in have:
                have.append(operation["add"])
            if operation.get("remove") in have:
                have.remove(operation["remove"])
        return have

    def _check_transition(self, taken: Transition, fields: dict[str, Any], update: dict[str, Any]) -> None:
        screen = ({"resolution"} if taken.resolution else set()) | taken.required
        off = {name: OFF_SCREEN.format(name) for name in fields if name not in screen}
        lacking = {name: f"{name} is required." for name in taken.required - fields.keys() - update.keys()}
        if off or lacking:
            raise self.field_error(**off, **lacking)
        resolution = fields.get("resolution")
        if resolution is not None and resolution.get("name") not in RESOLUTIONS.values():
            raise self.field_error(resolution="Resolution is not valid.")

    def _commented(self, issue: Issue, body: Any, *, public: bool, visibility: Any = None) -> dict[str, Any]:
        self._ids += 1
        made = {"id": str(self._ids), "body": body, "public": public, "at_ms": self.clock.now_ms()}
        issue.comments.append(made | ({"visibility": visibility} if visibility else {}))
        return issue.comments[-1]

    # --- helpers ---

    async def _json(self, request: Request) -> Any:
        try:
            return json.loads(await request.body())
        except ValueError:
            raise Say(self.error(400, "There was an error parsing JSON.")) from None

    def _find(self, id_or_key: str) -> Issue | None:
        if id_or_key in self.issues:
            return self.issues[id_or_key]
        found = [issue for issue in self.issues.values() if issue.key == id_or_key.upper()]
        return found[0] if found else self.issues.get(self.moved.get(id_or_key.upper(), ""))

    def _issue(self, request: Request) -> Issue:
        issue = self._find(request.path_params["issue"])
        if issue is None:
            raise Say(self.error(404, GONE))
        return issue

    def _written(self, issue: Issue) -> None:
        """Count a write to the issue, and hold back the one too many."""
        now_ms = self.clock.now_ms()
        for span_ms, most in _WRITES:
            recent = [at for at in issue.writes_ms if now_ms - at < span_ms]
            if len(recent) >= most:
                response = self.error(429, "Too many writes to this issue.")
                response.headers["ratelimit-reason"] = "jira-per-issue-on-write"
                response.headers["retry-after"] = str(-(-(recent[0] + span_ms - now_ms) // 1000))
                raise Say(response)
        issue.writes_ms.append(now_ms)

    def _searched(self, jql: str) -> list[Issue]:
        """What the index finds: it knows each issue as it was its lag ago."""
        try:
            query = parse(jql, now_ms=self.clock.now_ms())
        except JqlError as error:
            raise Say(self.error(400, str(error))) from None
        found = []
        for issue in self.issues.values():
            known = [row for at_ms, row in issue.indexed if self.searchable(at_ms)]
            if known and query.matches(known[-1]):
                found.append(issue)
        return sorted(found, key=lambda issue: issue.created_ms * 10**9 + int(issue.id), reverse=query.newest_first)
