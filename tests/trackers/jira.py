"""Stateful fakes of Jira: `JiraCloud`, `JiraServiceManagement`, `JiraDataCenter`.

They do what the vendor's documents say, and what the public reports say of the live systems: search lags behind, bulk
reads do not, fields that are not on the screen are refused, moved issues keep their id, too many writes to one issue
are held back. Tests reach into `issues` and `project` as people would through the web pages.

By hand: ``JiraCloud(ManualClock())`` is an ASGI application that any server serves.
"""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.plugin import Clock
from tests.trackers._base import Say
from tests.trackers._jira_api import Jira, names_asked
from tests.trackers._jira_core import GONE
from tests.trackers._jira_state import Project
from tests.trackers._jira_views import CloudViews, DataCenterViews

__all__ = ["Jira", "JiraCloud", "JiraDataCenter", "JiraServiceManagement"]


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
        fields, properties = names_asked(request)
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
