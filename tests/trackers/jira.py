"""Stateful fakes of Jira: `JiraCloud`, `JiraServiceManagement`, `JiraDataCenter`.

They do what the vendor's documents say, and what the public reports say of the live systems: search lags behind, bulk
reads do not, fields that are not on the screen are refused, moved issues keep their id, too many writes to one issue
are held back. Tests reach into `issues` and `project` as people would through the web pages.
"""

import base64
import json
import re
from email import message_from_bytes
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.plugin import Clock
from tests.trackers._base import Fault, Say, Tracker
from tests.trackers._jira_jql import JqlError, parse
from tests.trackers._jira_state import PRIORITIES, RESOLUTIONS, Issue, Project, Transition
from tests.trackers._jira_views import CloudViews, DataCenterViews, Views

__all__ = ["Jira", "JiraCloud", "JiraDataCenter", "JiraServiceManagement"]

GONE = "Issue does not exist or you do not have permission to see it."
OFF_SCREEN = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."
ADF_NODES = frozenset({"doc", "paragraph", "text", "hardBreak", "mention", "inlineCard"})
_WRITES = ((2_000, 20), (30_000, 100))
"""Writes that one issue takes, by milliseconds."""
_ALWAYS = frozenset({"project", "issuetype"})


class Jira(Tracker):
    """What the deployments share."""

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

    # --- routes ---

    def routes(self) -> list[BaseRoute]:
        def at(path: str, **methods: Any) -> list[BaseRoute]:
            return [Route(self.api + path, endpoint, methods=[method]) for method, endpoint in methods.items()]

        return [
            *at("/issue", POST=self.create),
            *at("/issue/createmeta/{project}/issuetypes", GET=self.types),
            *at("/issue/createmeta/{project}/issuetypes/{type}", GET=self.screen),
            *at("/issue/{issue}", GET=self.read, PUT=self.edit),
            *at("/issue/{issue}/assignee", PUT=self.assign),
            *at("/issue/{issue}/transitions", GET=self.transitions, POST=self.transition),
            *at("/issue/{issue}/comment", GET=self.comments, POST=self.comment),
            *at("/issue/{issue}/comment/{comment}", DELETE=self.uncomment),
            *at("/issue/{issue}/remotelink", POST=self.remote_link),
            *at("/issue/{issue}/attachments", POST=self.attach),
            *at("/issue/{issue}/properties/{property}", GET=self.get_property, PUT=self.put_property),
            *at("/issueLink", POST=self.link),
            *at("/project/{project}", GET=self.show_project),
            *at("/project/{project}/statuses", GET=self.statuses),
            *at("/mypermissions", GET=self.permissions),
            *at("/myself", GET=self.myself),
        ]

    # --- issues ---

    async def create(self, request: Request) -> Response:
        body = await self._json(request)
        fields = dict(body.get("fields") or {})
        if (fields.get("project") or {}).get("key") != self.project.key:
            raise self.field_error(project="valid project is required")
        kind = fields.get("issuetype") or {}
        types = self.project.issue_types
        if kind.get("id") not in types and kind.get("name") not in types.values():
            raise self.field_error(issuetype="Specify a valid issue type")
        self._check(fields, self.project.create_screen | _ALWAYS)
        lacking = [name for name in sorted(self.project.required) if not fields.get(name)]
        if lacking:
            raise self.field_error(**{name: f"{name} is required." for name in lacking})
        issue = self._new(fields)
        issue.properties = {one["key"]: one["value"] for one in body.get("properties") or ()}
        self_link = f"{self.views.base}{self.api}/issue/{issue.id}"
        return JSONResponse({"id": issue.id, "key": issue.key, "self": self_link}, status_code=201)

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

    async def read(self, request: Request) -> Response:
        issue = self._issue(request)
        return JSONResponse(self.views.issue(issue, self.project, *_asked(request)))

    async def edit(self, request: Request) -> Response:
        issue, body = self._issue(request), await self._json(request)
        self._written(issue)
        fields = dict(body.get("fields") or {})
        for name, operations in (body.get("update") or {}).items():
            if name in fields:
                raise self.field_error(**{name: f"Field '{name}' cannot appear in both 'fields' and 'update'"})
            fields[name] = self._after(issue, name, operations)
        self._check(fields, self.project.edit_screen)
        self._set(issue, fields)
        for one in body.get("properties") or ():
            issue.properties[one["key"]] = one["value"]
        if fields and request.query_params.get("notifyUsers", "true") == "true":
            issue.mails += 1
        issue.index(self.clock.now_ms())
        return Response(status_code=204)

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

    async def assign(self, request: Request) -> Response:
        issue, who = self._issue(request), (await self._json(request)).get(self.views.person)
        self._written(issue)
        if who and who not in self.project.users:
            raise Say(self.error(400, f"User '{who}' cannot be assigned issues."))
        issue.assignee = who or ""
        return Response(status_code=204)

    # --- workflow ---

    async def transitions(self, request: Request) -> Response:
        issue = self._issue(request)
        fields = "transitions.fields" in request.query_params.get("expand", "")
        here = self.project.workflow.from_here(issue.status)
        return JSONResponse(self.views.transitions(here, self.project, fields=fields))

    async def transition(self, request: Request) -> Response:
        issue, body = self._issue(request), await self._json(request)
        self._written(issue)
        here = {one.id: one for one in self.project.workflow.from_here(issue.status)}
        taken = here.get(str((body.get("transition") or {}).get("id")))
        if taken is None:
            raise Say(
                self.error(400, "It seems that you have tried to perform a workflow operation that is not valid.")
            )
        fields = dict(body.get("fields") or {})
        self._check_transition(taken, fields, body.get("update") or {})
        self._set(issue, fields)
        issue.status = taken.to
        issue.index(self.clock.now_ms())
        return Response(status_code=204)

    def _check_transition(self, taken: Transition, fields: dict[str, Any], update: dict[str, Any]) -> None:
        screen = ({"resolution"} if taken.resolution else set()) | taken.required
        off = {name: OFF_SCREEN.format(name) for name in fields if name not in screen}
        lacking = {name: f"{name} is required." for name in taken.required - fields.keys() - update.keys()}
        if off or lacking:
            raise self.field_error(**off, **lacking)
        resolution = fields.get("resolution")
        if resolution is not None and resolution.get("name") not in RESOLUTIONS.values():
            raise self.field_error(resolution="Resolution is not valid.")

    # --- comments, links, files, properties ---

    async def comments(self, request: Request) -> Response:
        issue, query = self._issue(request), request.query_params
        start, size = int(query.get("startAt", "0")), int(query.get("maxResults", "50"))
        found = issue.comments[::-1] if query.get("orderBy") == "-created" else list(issue.comments)
        shown = [self.views.comment(issue, comment) for comment in found[start : start + size]]
        return JSONResponse({"comments": shown, "startAt": start, "maxResults": size, "total": len(found)})

    async def comment(self, request: Request) -> Response:
        issue, body = self._issue(request), await self._json(request)
        self._written(issue)
        self._check_body(body.get("body"), "comment")
        made = self._commented(issue, body["body"], public=True, visibility=body.get("visibility"))
        return JSONResponse(self.views.comment(issue, made), status_code=201)

    def _commented(self, issue: Issue, body: Any, *, public: bool, visibility: Any = None) -> dict[str, Any]:
        self._ids += 1
        made = {"id": str(self._ids), "body": body, "public": public, "at_ms": self.clock.now_ms()}
        issue.comments.append(made | ({"visibility": visibility} if visibility else {}))
        return issue.comments[-1]

    async def uncomment(self, request: Request) -> Response:
        issue = self._issue(request)
        issue.comments = [one for one in issue.comments if one["id"] != request.path_params["comment"]]
        return Response(status_code=204)

    async def link(self, request: Request) -> Response:
        body = await self._json(request)
        ends = [self._find(str(end.get("id") or end.get("key"))) for end in (body["inwardIssue"], body["outwardIssue"])]
        if None in ends:
            raise Say(self.error(404, GONE))
        if body["type"].get("name") not in {"Relates", "Duplicate"}:
            raise Say(self.error(404, f"No issue link type with name '{body['type'].get('name')}' found."))
        one, other = ends
        assert one is not None
        assert other is not None
        one.links.add(other.id)
        other.links.add(one.id)
        return Response(status_code=201)

    async def remote_link(self, request: Request) -> Response:
        issue, body = self._issue(request), await self._json(request)
        known = body.get("globalId") in issue.pages
        issue.pages[body.get("globalId") or f"none-{len(issue.pages)}"] = body["object"]
        answer = {"id": len(issue.pages), "self": f"{self.views.base}{self.api}/issue/{issue.key}/remotelink/1"}
        return JSONResponse(answer, status_code=200 if known else self.views.made)

    async def attach(self, request: Request) -> Response:
        issue = self._issue(request)
        if request.headers.get("x-atlassian-token") != "no-check":
            raise Say(Response("XSRF check failed", status_code=403))
        kind = request.headers["content-type"].encode()
        parts = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + await request.body()).get_payload()
        for part in parts:
            assert part.get_param("name", header="content-disposition") == "file"
            self._ids += 1
            content = part.get_payload(decode=True)
            issue.attachments.append(
                {"id": str(self._ids), "filename": part.get_filename(), "size": len(content), "content": content}
            )
        return JSONResponse([self.views.attachment(one) for one in issue.attachments[-len(parts) :]])

    async def get_property(self, request: Request) -> Response:
        issue, key = self._issue(request), request.path_params["property"]
        if key not in issue.properties:
            raise Say(self.error(404, f"The property with key '{key}' does not exist."))
        return JSONResponse({"key": key, "value": issue.properties[key]})

    async def put_property(self, request: Request) -> Response:
        issue, key = self._issue(request), request.path_params["property"]
        known = key in issue.properties
        issue.properties[key] = await self._json(request)
        return Response(status_code=200 if known else 201)

    # --- place ---

    async def types(self, request: Request) -> Response:
        self._own_project(request)
        return JSONResponse(self.views.types(self.project))

    async def screen(self, request: Request) -> Response:
        self._own_project(request)
        if request.path_params["type"] not in self.project.issue_types:
            raise Say(self.error(400, "Issue type is not valid."))
        start, size = (
            int(request.query_params.get(name, "50" if name[0] == "m" else "0")) for name in ("startAt", "maxResults")
        )
        return JSONResponse(self.views.screen(self.project, start, size))

    async def show_project(self, request: Request) -> Response:
        self._own_project(request)
        return JSONResponse(self.views.project(self.project))

    async def statuses(self, request: Request) -> Response:
        self._own_project(request)
        return JSONResponse(self.views.statuses(self.project))

    async def permissions(self, request: Request) -> Response:
        asked = request.query_params.get("permissions", "BROWSE_PROJECTS").split(",")
        lacking = self.project.permissions_lacking
        return JSONResponse(
            {
                "permissions": {
                    name: {"key": name, "name": name, "havePermission": name not in lacking} for name in asked
                }
            }
        )

    async def myself(self, request: Request) -> Response:
        return JSONResponse(self.views.user("noc"))

    def _own_project(self, request: Request) -> None:
        if request.path_params["project"] != self.project.key:
            raise Say(self.error(404, f"No project could be found with key '{request.path_params['project']}'."))

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


def _asked(request: Request) -> tuple[list[str], list[str]]:
    """Names of fields and properties that a request asks for."""
    fields = [name for value in request.query_params.getlist("fields") for name in value.split(",")]
    properties = [name for value in request.query_params.getlist("properties") for name in value.split(",")]
    return fields or ["*all"], properties


class JiraCloud(Jira):
    """Jira Cloud, platform API version 3."""

    views = CloudViews()

    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"{self.api}/issue/bulkfetch", self.bulkfetch, methods=["POST"]),
            Route(f"{self.api}/search/jql", self.search_post, methods=["POST"]),
            Route(f"{self.api}/search/jql", self.search_get, methods=["GET"]),
            Route("/rest/api/{version}/serverInfo", self.server_info, methods=["GET"]),
            *super().routes(),
        ]

    async def server_info(self, request: Request) -> Response:
        info = {"baseUrl": self.views.base, "deploymentType": "Cloud", "version": "1001.0.0-SNAPSHOT"}
        return JSONResponse({**info, "versionNumbers": [1001, 0, 0], "buildNumber": 100_300, "serverTitle": "Jira"})

    async def bulkfetch(self, request: Request) -> Response:
        body = await self._json(request)
        asked = body["issueIdsOrKeys"]
        if not 1 <= len(asked) <= 100:
            raise Say(self.error(400, "Between 1 and 100 issues may be requested."))
        found = {issue.id: issue for one in asked if (issue := self._find(str(one))) is not None}
        missing = [{"id": str(one), "errorMessage": GONE} for one in asked if self._find(str(one)) is None]
        fields, properties = body.get("fields") or ["*navigable"], body.get("properties") or []
        shown = [self.views.issue(found[number], self.project, fields, properties) for number in sorted(found)]
        return JSONResponse({"issues": shown, "issueErrors": missing})

    async def search_post(self, request: Request) -> Response:
        body = await self._json(request)
        return self._page(body["jql"], body.get("fields") or ["id"], body.get("properties") or [], body)

    async def search_get(self, request: Request) -> Response:
        query = request.query_params
        fields, properties = _asked(request)
        return self._page(
            query["jql"], ["id"] if fields == ["*all"] and "fields" not in query else fields, properties, query
        )

    def _page(self, jql: str, fields: list[str], properties: list[str], asked: Any) -> Response:
        found, start, size = (
            self._searched(jql),
            int(asked.get("nextPageToken") or 0),
            int(asked.get("maxResults") or 50),
        )
        page = found[start : start + size]
        shown = [self.views.issue(issue, self.project, fields, properties) for issue in page]
        more = {"nextPageToken": str(start + size)} if start + size < len(found) else {}
        return JSONResponse({"issues": shown, "isLast": not more, **more})


class JiraServiceManagement(JiraCloud):
    """Jira Service Management on Cloud: the same platform, and the portal's API."""

    desk = "/rest/servicedeskapi"

    def __init__(self, clock: Clock, *, search_lag_s: float = 0.0, project: Project | None = None) -> None:
        super().__init__(clock, search_lag_s=search_lag_s, project=project or Project(kind="service_desk"))

    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"{self.desk}/request", self.request, methods=["POST"]),
            Route(f"{self.desk}/request/{{issue}}/comment", self.reply, methods=["POST"]),
            Route(f"{self.desk}/servicedesk/{{desk}}", self.show_desk, methods=["GET"]),
            Route(f"{self.desk}/servicedesk/{{desk}}/requesttype", self.request_types, methods=["GET"]),
            Route(f"{self.desk}/servicedesk/{{desk}}/requesttype/{{type}}/field", self.form, methods=["GET"]),
            *super().routes(),
        ]

    def _refuse(self, status: int, message: str) -> Say:
        return Say(
            JSONResponse(
                {"errorMessage": message, "i18nErrorMessage": {"i18nKey": "sd.error", "parameters": []}},
                status_code=status,
            )
        )

    async def request(self, request: Request) -> Response:
        body = await self._json(request)
        values = body["requestFieldValues"]
        off = [name for name in values if name not in self.project.form]
        lacking = [name for name, required in self.project.form.items() if required and not values.get(name)]
        if (body["serviceDeskId"], body["requestTypeId"]) != ("10", "25"):
            raise self._refuse(404, "The service desk or request type could not be found.")
        if off or lacking:
            raise self._refuse(400, f"Your request could not be created. Please check the fields {off + lacking}.")
        if "description" in values:
            assert isinstance(values["description"], str), "isAdfRequest is false"
            values = values | {"description": self.views.from_wiki(values["description"])}
        self._check(values, set(self.project.form))
        issue = self._new(values)
        links = {"self": f"{self.views.base}{self.desk}/request/{issue.id}"}
        answer = {"issueId": issue.id, "issueKey": issue.key, "requestTypeId": "25", "serviceDeskId": "10"}
        return JSONResponse({**answer, "_links": links}, status_code=201)

    async def reply(self, request: Request) -> Response:
        issue = self._find(request.path_params["issue"])
        if issue is None:
            raise self._refuse(404, GONE)
        body = await self._json(request)
        self._written(issue)
        made = self._commented(
            issue, self.views.from_wiki(body["body"]), public=body.get("public", True) or self.project.publishes
        )
        return JSONResponse({"id": made["id"], "body": body["body"], "public": made["public"]}, status_code=201)

    async def show_desk(self, request: Request) -> Response:
        if request.path_params["desk"] != "10":
            raise self._refuse(404, "The service desk could not be found.")
        about = {"projectId": self.project.id, "projectKey": self.project.key, "projectName": "Operations"}
        return JSONResponse({"id": "10", **about, "projectTypeKey": "service_desk"})

    async def request_types(self, request: Request) -> Response:
        kind = {"id": "25", "name": "Report an outage", "serviceDeskId": "10", "issueTypeId": "10001"}
        return JSONResponse({"values": [kind], "size": 1, "start": 0, "limit": 100, "isLastPage": True})

    async def form(self, request: Request) -> Response:
        fields = [
            {
                "fieldId": name,
                "name": name.title(),
                "required": required,
                "visible": True,
                "jiraSchema": {"type": "string"},
            }
            for name, required in self.project.form.items()
        ]
        return JSONResponse(
            {"requestTypeFields": fields, "canRaiseOnBehalfOf": True, "canAddRequestParticipants": True}
        )


class JiraDataCenter(Jira):
    """Jira Data Center 10, platform API version 2."""

    api = "/rest/api/2"
    authorization = "Bearer token-of-the-noc"
    views = DataCenterViews()

    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"{self.api}/search", self.search, methods=["GET", "POST"]),
            Route(f"{self.api}/serverInfo", self.server_info, methods=["GET"]),
            *super().routes(),
        ]

    async def server_info(self, request: Request) -> Response:
        info = {"baseUrl": self.views.base, "deploymentType": "Server", "version": "10.3.4", "serverTitle": "Jira"}
        return JSONResponse({**info, "versionNumbers": [10, 3, 4], "buildNumber": 10_030_004})

    async def search(self, request: Request) -> Response:
        asked = await self._json(request) if request.method == "POST" else dict(request.query_params)
        fields = asked.get("fields") or ["*navigable"]
        fields = fields.split(",") if isinstance(fields, str) else fields
        start, size = int(asked.get("startAt") or 0), int(asked.get("maxResults") or 50)
        self._refuse_unknown_ids(asked["jql"], str(asked.get("validateQuery", True)).lower() == "true")
        found = self._searched(asked["jql"])
        shown = [self.views.issue(issue, self.project, fields, []) for issue in found[start : start + size]]
        return JSONResponse({"issues": shown, "startAt": start, "maxResults": size, "total": len(found)})

    def _refuse_unknown_ids(self, jql: str, validate: bool) -> None:
        asked = re.search(r"id in \(([\d, ]+)\)", jql)
        unknown = [number for number in re.findall(r"\d+", asked[1]) if number not in self.issues] if asked else []
        if unknown and validate:
            raise Say(self.error(400, f"A value with ID '{unknown[0]}' does not exist for the field 'id'."))
