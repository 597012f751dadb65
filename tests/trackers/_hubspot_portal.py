"""The part of a fake HubSpot portal that an administrator sets: properties, pipelines, owners, scopes."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.plugin import Clock
from tests.trackers._base import Fault, Say, Tracker

TOKEN = "pat-na1-fake"
_BUILT_IN: dict[str, dict[str, str]] = {
    "tickets": {
        "subject": "string",
        "content": "string",
        "hs_pipeline": "string",
        "hs_pipeline_stage": "string",
        "hs_ticket_priority": "enumeration",
        "hubspot_owner_id": "string",
        "hs_external_object_ids": "string",
    },
    "notes": {"hs_timestamp": "datetime", "hs_note_body": "string", "hs_attachment_ids": "string"},
}


class Portal(Tracker):
    """The portal without its records."""

    def __init__(self, clock: Clock, *, search_lag_s: float = 0.0) -> None:
        super().__init__(clock, search_lag_s=search_lag_s)
        self.scopes = frozenset({"*"})
        """What the token may do; ``*`` is everything."""
        self.groups = {"ticketinformation": "Ticket information"}
        self.defined = {
            kind: {name: _built_in(name, type_) for name, type_ in names.items()} for kind, names in _BUILT_IN.items()
        }
        stages = {"1": "New", "2": "Waiting on contact", "3": "Waiting on us", "4": "Closed"}
        self.pipelines = [_pipeline("0", "Support", stages, {"4"})]
        self.owners = [_owner("41629779", "noc@example.com"), _owner("41629780", "field@example.com")]

    def make_property(self, name: str, *, unique: bool = False, type_: str = "string") -> None:
        """What an administrator clicks together."""
        self.defined["tickets"][name] = _built_in(name, type_) | {"hasUniqueValue": unique, "hubspotDefined": False}

    def portal_routes(self) -> list[BaseRoute]:
        """Everything that is not about records."""
        found: list[BaseRoute] = [Route("/account-info/2026-09/details", self._account, methods=["GET"])]
        for crm in ("/crm/{area}/2026-09", "/crm/v3/{area}"):
            properties, owners = crm.format(area="properties"), crm.format(area="owners")
            found += [
                Route(properties + "/tickets/groups", self._make_group, methods=["POST"]),
                Route(properties + "/tickets/groups/{name}", self._group, methods=["GET"]),
                Route(properties + "/tickets", self._make_property, methods=["POST"]),
                Route(properties + "/tickets/{name}", self._property, methods=["GET"]),
                Route(crm.format(area="pipelines") + "/tickets", self._pipelines, methods=["GET"]),
                Route(owners, self._owners, methods=["GET"]),
                Route(owners + "/", self._owners, methods=["GET"]),
                Route(owners + "/{id}", self._owner, methods=["GET"]),
            ]
        return found

    def admits(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {TOKEN}"

    def error(self, status: int, message: str, *, category: str = "", **more: Any) -> Response:
        body = {
            "status": "error",
            "message": message,
            "correlationId": str(uuid.UUID(int=status)),
            "category": category or "VALIDATION_ERROR",
        }
        return JSONResponse(body | more, status_code=status)

    def rate_limited(self, fault: Fault) -> Response:
        response = self.error(
            429,
            "You have reached your ten_secondly_rolling limit.",
            errorType="RATE_LIMIT",
            policyName="TEN_SECONDLY_ROLLING",
        )
        response.headers["x-hubspot-ratelimit-interval-milliseconds"] = "10000"
        return response

    def allow(self, area: str, right: str) -> None:
        scope = f"crm.objects.{area}.{right}"
        if not self.scopes & {"*", scope}:
            detail = {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": [scope]},
            }
            text = "This app hasn't been granted all required scopes to make this call."
            raise Say(self.error(403, text, category="MISSING_SCOPES", errors=[detail]))

    def missing(self, what: str) -> Response:
        return self.error(404, f"No such {what}", category="OBJECT_NOT_FOUND")

    async def _property(self, request: Request) -> Response:
        self.allow("tickets", "read")
        found = self.defined["tickets"].get(request.path_params["name"])
        return JSONResponse(found) if found else self.missing("property")

    async def _make_property(self, request: Request) -> Response:
        self.allow("schemas", "write")
        body = json.loads(await request.body())
        if body["groupName"] not in self.groups:
            raise Say(self.error(400, f"Property group {body['groupName']} does not exist"))
        if body["name"] in self.defined["tickets"]:
            raise Say(self.error(409, f"Property {body['name']} already exists", category="OBJECT_ALREADY_EXISTS"))
        made = _built_in(body["name"], body["type"]) | body | {"options": [], "hubspotDefined": False}
        self.defined["tickets"][body["name"]] = made
        return JSONResponse(made, status_code=201)

    async def _group(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.groups:
            return self.missing("property group")
        return JSONResponse({"name": name, "label": self.groups[name], "archived": False, "displayOrder": 1})

    async def _make_group(self, request: Request) -> Response:
        self.allow("schemas", "write")
        body = json.loads(await request.body())
        self.groups[body["name"]] = body["label"]
        return JSONResponse({**body, "archived": False, "displayOrder": 1}, status_code=201)

    async def _pipelines(self, request: Request) -> Response:
        return JSONResponse({"results": self.pipelines})

    async def _owners(self, request: Request) -> Response:
        self.allow("owners", "read")
        email = request.query_params.get("email")
        return JSONResponse({"results": [each for each in self.owners if email in {None, each["email"]}]})

    async def _owner(self, request: Request) -> Response:
        self.allow("owners", "read")
        found = [each for each in self.owners if each["id"] == request.path_params["id"]]
        return JSONResponse(found[0]) if found else self.missing("owner")

    async def _account(self, request: Request) -> Response:
        return JSONResponse(
            {
                "portalId": 12345678,
                "accountType": "STANDARD",
                "timeZone": "Europe/Copenhagen",
                "companyCurrency": "DKK",
                "additionalCurrencies": [],
                "utcOffset": "+01:00",
                "utcOffsetMilliseconds": 3_600_000,
                "uiDomain": "app.hubspot.com",
                "dataHostingLocation": "na1",
            }
        )


def _built_in(name: str, type_: str) -> dict[str, Any]:
    values = ["LOW", "MEDIUM", "HIGH", "URGENT"] if type_ == "enumeration" else []
    options = [{"label": each.title(), "value": each, "hidden": False, "displayOrder": 1} for each in values]
    return {
        "name": name,
        "label": name,
        "description": "",
        "groupName": "ticketinformation",
        "type": type_,
        "fieldType": "text",
        "options": options,
        "hubspotDefined": True,
        "hasUniqueValue": name == "hs_external_object_ids",
    }


def _pipeline(id_: str, label: str, stages: dict[str, str], closed: set[str]) -> dict[str, Any]:
    made = {"archived": False, "displayOrder": 0, "createdAt": iso(0), "updatedAt": iso(0)}
    return made | {
        "id": id_,
        "label": label,
        "stages": [
            made
            | {
                "id": stage,
                "label": name,
                "metadata": {
                    "ticketState": "CLOSED" if stage in closed else "OPEN",
                    "isClosed": str(stage in closed).lower(),
                },
                "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
            }
            for stage, name in stages.items()
        ],
    }


def _owner(id_: str, email: str) -> dict[str, Any]:
    return {"id": id_, "email": email, "type": "PERSON", "archived": False, "createdAt": iso(0), "updatedAt": iso(0)}


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
