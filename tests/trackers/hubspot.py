"""A HubSpot portal with a memory: tickets, notes, properties, pipelines, owners and files.

It speaks the dated API that our sink uses, and the v3 paths that the vendor's own SDK uses, and refuses what HubSpot
refuses: unknown properties, stages of other pipelines, options that are not there, second holders of a unique value.
"""

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.plugin import Clock
from tests.trackers._base import Say, parts_of
from tests.trackers._hubspot_portal import TOKEN, Portal, iso

__all__ = ["TOKEN", "FakeHubspot"]


@dataclass(slots=True, kw_only=True)
class Thing:
    """One CRM record."""

    kind: str
    id: str
    properties: dict[str, str]
    created_ms: int
    updated_ms: int
    archived: bool = False
    merged_into: str = ""
    linked: set[tuple[str, str]] = field(default_factory=set)
    """(kind, id) of the records associated with it."""


class FakeHubspot(Portal):
    """The records of a portal, and the rules that they obey."""

    def __init__(self, clock: Clock, *, search_lag_s: float = 0.0) -> None:
        super().__init__(clock, search_lag_s=search_lag_s)
        self.things: dict[tuple[str, str], Thing] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.page = 500
        """How many associated notes one answer lists."""
        self.conflict_status = 409
        self.hidden_keys: set[str] = set()
        """Unique values that a read does not show yet."""
        self._serial = itertools.count(35512339183)

    # --- for tests ---

    def tickets(self) -> list[Thing]:
        """The tickets that are there, in the order made."""
        return [thing for (kind, _), thing in self.things.items() if kind == "tickets" and not thing.archived]

    def notes(self, ticket: str) -> list[str]:
        """The bodies of a ticket's notes, in the order made."""
        linked = self.things["tickets", ticket].linked
        return [self.things[key].properties["hs_note_body"] for key in sorted(linked) if key[0] == "notes"]

    def merge(self, primary: str, gone: str) -> str:
        """Merge as HubSpot does outside its beta: both become a new record; returns its id."""
        old, other = self.things["tickets", primary], self.things["tickets", gone]
        new = self._new("tickets", dict(old.properties), set(old.linked | other.linked))
        old.merged_into = other.merged_into = new.id
        return new.id

    def routes(self) -> list[BaseRoute]:
        found: list[BaseRoute] = self.portal_routes()
        for objects in ("/crm/objects/2026-09", "/crm/v3/objects"):
            found += [
                Route(objects + "/{kind}/search", self._search, methods=["POST"]),
                Route(objects + "/{kind}/merge", self._merge, methods=["POST"]),
                Route(objects + "/{kind}/batch/read", self._batch_read, methods=["POST"]),
                Route(objects + "/{kind}", self._create, methods=["POST"]),
                Route(objects + "/{kind}/{id}", self._get, methods=["GET"]),
                Route(objects + "/{kind}/{id}", self._patch, methods=["PATCH"]),
                Route(objects + "/{kind}/{id}", self._archive, methods=["DELETE"]),
                Route(objects + "/{kind}/{id}/associations/default/{other}/{to}", self._associate, methods=["PUT"]),
            ]
        found.append(Route("/files/2026-03/files", self._upload, methods=["POST"]))
        found.append(Route("/{rest:path}", self._nowhere, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]))
        return found

    # --- records ---

    async def _create(self, request: Request) -> Response:
        kind, body = request.path_params["kind"], json.loads(await request.body())
        self.allow(kind, "write")
        properties = self._checked(kind, body["properties"])
        if kind == "notes" and not properties.get("hs_timestamp"):
            raise Say(self.error(400, "Some required properties were not set.", errors=[{"message": "hs_timestamp"}]))
        for name, value in properties.items():
            holder = self._holder(kind, name, value)
            if holder is not None:
                raise Say(self._conflict(name, value, holder))
        linked = {self._association(kind, each) for each in body.get("associations", [])}
        thing = self._new(kind, properties, linked)
        for key in linked:
            self.things[key].linked.add((kind, thing.id))
        return JSONResponse(self._shown(thing), status_code=201)

    def _conflict(self, name: str, value: str, holder: Thing) -> Response:
        if self.conflict_status == 409:
            return self.error(409, f"Ticket already exists. Existing ID: {holder.id}", category="CONFLICT")
        detail = {"message": f"propertyName {name} already has that value {value}", "code": "CONFLICTING_UNIQUE_VALUE"}
        return self.error(400, "Property values were not valid", errors=[detail])

    def _association(self, kind: str, given: dict[str, Any]) -> tuple[str, str]:
        types = [each["associationTypeId"] for each in given["types"]]
        key = ("tickets", given["to"]["id"])
        if kind != "notes" or types != [228]:
            raise Say(self.error(400, f"One or more associations are not valid: {types} from {kind}"))
        if key not in self.things or self.things[key].archived:
            raise Say(self.error(404, f"No ticket with ID {given['to']['id']} exists", category="OBJECT_NOT_FOUND"))
        return key

    async def _get(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        self.allow(kind, "read")
        thing = self._one(request, kind)
        shown = self._shown(thing, _names(request.query_params.getlist("properties")))
        if request.query_params.get("associations") == "notes":
            ids = sorted(id_ for other, id_ in thing.linked if other == "notes")
            notes: dict[str, Any] = {"results": [{"id": id_, "type": "ticket_to_note"} for id_ in ids[: self.page]]}
            if len(ids) > self.page:
                notes["paging"] = {"next": {"after": ids[self.page], "link": "https://api.hubapi.com/next"}}
            shown["associations"] = {"notes": notes} if ids else {}
        return JSONResponse(shown)

    async def _patch(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        self.allow(kind, "write")
        thing = self._one(request, kind)
        body = json.loads(await request.body())
        thing.properties |= self._checked(kind, body["properties"], pipeline=thing.properties.get("hs_pipeline", "0"))
        thing.updated_ms = self.clock.now_ms()
        return JSONResponse(self._shown(thing))

    async def _archive(self, request: Request) -> Response:
        self.things[request.path_params["kind"], request.path_params["id"]].archived = True
        return Response(status_code=204)

    async def _batch_read(self, request: Request) -> Response:
        kind, body = request.path_params["kind"], json.loads(await request.body())
        self.allow(kind, "read")
        if len(body["inputs"]) > 100:
            raise Say(self.error(400, "The batch has more than 100 inputs"))
        found = [self.things.get((kind, each["id"])) for each in body["inputs"]]
        live = [each for each in found if each is not None and not each.archived and not each.merged_into]
        now = iso(self.clock.now_ms())
        return JSONResponse(
            {
                "status": "COMPLETE",
                "results": [self._shown(each, body["properties"]) for each in live],
                "startedAt": now,
                "completedAt": now,
            }
        )

    async def _search(self, request: Request) -> Response:
        kind, body = request.path_params["kind"], json.loads(await request.body())
        filters = [each for group in body["filterGroups"] for each in group["filters"]]
        hits = [
            thing
            for (of, _), thing in self.things.items()
            if of == kind
            and not thing.archived
            and self.searchable(thing.updated_ms)
            and all(map(_matcher(thing), filters))
        ]
        hits.sort(key=lambda thing: thing.id, reverse=(body.get("sorts") or [""])[0].startswith("-"))
        results = [self._shown(each, body.get("properties", [])) for each in hits[: body.get("limit", 10)]]
        return JSONResponse({"total": len(hits), "results": results})

    async def _merge(self, request: Request) -> Response:
        body = json.loads(await request.body())
        new = self.merge(body["primaryObjectId"], body["objectIdToMerge"])
        return JSONResponse(self._shown(self.things["tickets", new]))

    async def _associate(self, request: Request) -> Response:
        params = request.path_params
        ends = (params["kind"], params["id"]), (params["other"], params["to"])
        if any(end not in self.things for end in ends):
            raise Say(self.error(404, "One or more records do not exist", category="OBJECT_NOT_FOUND"))
        self.things[ends[0]].linked.add(ends[1])
        self.things[ends[1]].linked.add(ends[0])
        now = iso(self.clock.now_ms())
        spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 452}
        result = {"from": {"id": params["id"]}, "to": {"id": params["to"]}, "associationSpec": spec}
        return JSONResponse({"status": "COMPLETE", "results": [result], "startedAt": now, "completedAt": now})

    # --- files ---

    async def _upload(self, request: Request) -> Response:
        self.allow("files", "write")
        form = await parts_of(request)
        upload, access = form["file"], json.loads(form["options"].content).get("access")
        if access not in {"PRIVATE", "PUBLIC_INDEXABLE", "PUBLIC_NOT_INDEXABLE"} or not form["folderPath"].content:
            raise Say(self.error(400, "access and folder are required"))
        id_ = str(next(self._serial))
        self.files[id_] = {
            "name": upload.filename,
            "content": upload.content,
            "type": upload.media_type,
            "access": access,
            "folder": form["folderPath"].content.decode(),
        }
        shown = {"id": id_, "name": upload.filename, "access": access, "archived": False}
        return JSONResponse(shown, status_code=201)

    async def _nowhere(self, request: Request) -> Response:
        return Response("<html>Not Found</html>", status_code=404, media_type="text/html")

    # --- rules ---

    def _new(self, kind: str, properties: dict[str, str], linked: set[tuple[str, str]]) -> Thing:
        now = self.clock.now_ms()
        id_ = str(next(self._serial))
        self.things[kind, id_] = Thing(
            kind=kind, id=id_, properties=properties, created_ms=now, updated_ms=now, linked=linked
        )
        return self.things[kind, id_]

    def _one(self, request: Request, kind: str) -> Thing:
        value, by = request.path_params["id"], request.query_params.get("idProperty")
        thing = self.things.get((kind, value)) if by is None else self._holder(kind, by, value)
        if thing is not None and thing.merged_into:
            thing = self.things[kind, thing.merged_into]
        if thing is None or thing.archived or (by and value in self.hidden_keys):
            raise Say(self.missing(kind))
        return thing

    def _holder(self, kind: str, name: str, value: str) -> Thing | None:
        if not self.defined[kind][name].get("hasUniqueValue"):
            return None
        held = [
            thing
            for (of, _), thing in self.things.items()
            if of == kind and not thing.archived and not thing.merged_into and thing.properties.get(name) == value
        ]
        return held[0] if held else None

    def _checked(self, kind: str, given: dict[str, str], *, pipeline: str = "0") -> dict[str, str]:
        """The values as HubSpot stores them."""
        unknown = [name for name in given if name not in self.defined[kind]]
        if unknown:
            detail = [{"isValid": False, "error": "PROPERTY_DOESNT_EXIST", "name": name} for name in unknown]
            raise Say(self.error(400, f"Property values were not valid: {json.dumps(detail)}"))
        stages = {
            stage["id"]
            for each in self.pipelines
            if each["id"] == given.get("hs_pipeline", pipeline)
            for stage in each["stages"]
        }
        if "hs_pipeline_stage" in given and given["hs_pipeline_stage"] not in stages:
            raise Say(
                self.error(
                    400, f"{given['hs_pipeline_stage']} was not one of the allowed stages", category="INVALID_OPTION"
                )
            )
        if given.get("hs_ticket_priority", "LOW") not in {"LOW", "MEDIUM", "HIGH", "URGENT"}:
            raise Say(self.error(400, f"{given['hs_ticket_priority']} was not one of the allowed options"))
        if given.get("hubspot_owner_id") and given["hubspot_owner_id"] not in {each["id"] for each in self.owners}:
            raise Say(self.error(400, f"Owner {given['hubspot_owner_id']} does not exist", category="INVALID_OWNER_ID"))
        if len(given.get("hs_note_body", "")) > 65_536:
            raise Say(self.error(400, "hs_note_body is longer than 65536 characters"))
        return dict(given)

    def _shown(self, thing: Thing, names: list[str] | None = None) -> dict[str, Any]:
        properties: dict[str, str | None] = {"hs_object_id": thing.id, **thing.properties}
        if names is not None:
            properties = {"hs_object_id": thing.id} | {name: thing.properties.get(name) for name in names}
        return {
            "id": thing.id,
            "properties": properties,
            "createdAt": iso(thing.created_ms),
            "updatedAt": iso(thing.updated_ms),
            "archived": thing.archived,
            "url": f"https://app.hubspot.com/contacts/12345678/record/0-5/{thing.id}",
        }


def _names(given: list[str]) -> list[str] | None:
    names = [name for each in given for name in each.split(",")]
    return names or None


def _matcher(thing: Thing) -> Any:
    def matches(wanted: dict[str, Any]) -> bool:
        name, operator, value = wanted["propertyName"], wanted["operator"], wanted.get("value", "")
        if name == "associations.ticket":
            return ("tickets", value) in thing.linked
        if operator == "CONTAINS_TOKEN":
            return re.search(re.escape(value), thing.properties.get(name, "")) is not None
        return operator == "EQ" and thing.properties.get(name) == value

    return matches
