"""The calls of the platform API that the fake Jiras have in common."""

from email import message_from_bytes
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.trackers._base import Say
from tests.trackers._jira_core import GONE, JiraCore

LINK_TYPES = ("Relates", "Duplicate")
_ALWAYS = frozenset({"project", "issuetype"})


class Jira(JiraCore):
    """The platform, under `api`."""

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
            *at("/field", GET=self.fields),
            *at("/issueLinkType", GET=self.link_types),
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

    async def read(self, request: Request) -> Response:
        issue = self._issue(request)
        return JSONResponse(self.views.issue(issue, self.project, *names_asked(request)))

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

    async def uncomment(self, request: Request) -> Response:
        issue = self._issue(request)
        issue.comments = [one for one in issue.comments if one["id"] != request.path_params["comment"]]
        return Response(status_code=204)

    async def link(self, request: Request) -> Response:
        body = await self._json(request)
        ends = [self._find(str(end.get("id") or end.get("key"))) for end in (body["inwardIssue"], body["outwardIssue"])]
        if None in ends:
            raise Say(self.error(404, GONE))
        if body["type"].get("name") not in LINK_TYPES:
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

    async def fields(self, request: Request) -> Response:
        return JSONResponse(
            [{"id": name, "name": name.title(), "custom": False} for name in sorted(self.project.create_screen)]
        )

    async def link_types(self, request: Request) -> Response:
        kinds = [{"id": str(i), "name": name, "inward": name, "outward": name} for i, name in enumerate(LINK_TYPES)]
        return JSONResponse({"issueLinkTypes": kinds})

    def _own_project(self, request: Request) -> None:
        if request.path_params["project"] != self.project.key:
            raise Say(self.error(404, f"No project could be found with key '{request.path_params['project']}'."))


def names_asked(request: Request) -> tuple[list[str], list[str]]:
    """Names of fields and properties that a request asks for."""
    fields = [name for value in request.query_params.getlist("fields") for name in value.split(",")]
    properties = [name for value in request.query_params.getlist("properties") for name in value.split(",")]
    return fields or ["*all"], properties
