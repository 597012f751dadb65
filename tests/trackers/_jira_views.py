"""How the fake Jiras show what they remember: the JSON of Cloud (version 3) and of Data Center (version 2)."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

from tests.trackers._jira_state import CATEGORIES, PRIORITIES, RESOLUTIONS, Issue, Project, Status, Transition

_ESCAPED = re.compile(r"(^|(?<!\\))\\([-#*_+?^~|%{}\[\]()!@])")
"""atlassian-renderer's own pattern of what a backslash disarms."""


def _instant(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000+00:00")


class Views:
    """What both show alike."""

    base = "https://jira.example"
    api = "/rest/api/2"
    person = "name"
    made = 200
    """Status of the answer to a new remote link."""
    lists: tuple[str, str] = ("values", "values")
    """Names of the lists in createmeta's answers."""

    def is_body(self, body: Any) -> bool:
        return isinstance(body, str)

    def text(self, body: Any) -> str:
        return str(body or "")

    def shown(self, body: Any) -> str:
        """The text as people read it."""
        return _ESCAPED.sub(r"\2", self.text(body)).replace("\u2060", "")

    def user(self, name: str) -> dict[str, Any]:
        return {"name": name, "key": name, "displayName": name.title(), "active": True}

    def status(self, status: Status) -> dict[str, Any]:
        number, name = CATEGORIES[status.category]
        category = {"id": number, "key": status.category, "name": name, "colorName": "blue-gray"}
        return {"id": status.id, "name": status.name, "statusCategory": category}

    def issue(self, issue: Issue, project: Project, fields: Sequence[str], properties: Sequence[str]) -> dict[str, Any]:
        shown: dict[str, Any] = {"id": issue.id, "key": issue.key, "self": f"{self.base}{self.api}/issue/{issue.id}"}
        whole = self._fields(issue, project)
        everything = {"*all", "*navigable"} & set(fields)
        named = whole if everything else {name: whole[name] for name in fields if name in whole}
        if named:
            shown["fields"] = named
        found = {name: issue.properties[name] for name in properties if name in issue.properties}
        if properties:
            shown["properties"] = found
        return shown

    def _fields(self, issue: Issue, project: Project) -> dict[str, Any]:
        resolution = next((i for i, name in RESOLUTIONS.items() if name == issue.resolution), None)
        return {
            "summary": issue.summary,
            "description": issue.description,
            "status": self.status(project.workflow.status(issue.status)),
            "priority": {"id": issue.priority, "name": PRIORITIES[issue.priority]},
            "resolution": {"id": resolution, "name": issue.resolution} if resolution else None,
            "labels": list(issue.labels),
            "assignee": self.user(issue.assignee) if issue.assignee else None,
            "components": [{"id": "1", "name": name} for name in issue.components],
            "project": {"id": project.id, "key": issue.project},
            "attachment": [self.attachment(one) for one in issue.attachments],
            "created": _instant(issue.created_ms),
        }

    def comment(self, issue: Issue, comment: dict[str, Any]) -> dict[str, Any]:
        shown = {
            "id": comment["id"],
            "self": f"{self.base}{self.api}/issue/{issue.id}/comment/{comment['id']}",
            "author": self.user("noc"),
            "body": comment["body"],
            "created": _instant(comment["at_ms"]),
            "updated": _instant(comment["at_ms"]),
        }
        return shown | ({"visibility": comment["visibility"]} if "visibility" in comment else {})

    def attachment(self, one: dict[str, Any]) -> dict[str, Any]:
        return {"id": one["id"], "filename": one["filename"], "size": one["size"], "mimeType": "text/plain"}

    def transitions(self, here: list[Transition], project: Project, *, fields: bool) -> dict[str, Any]:
        return {"expand": "transitions", "transitions": [self._transition(one, project, fields=fields) for one in here]}

    def _transition(self, one: Transition, project: Project, *, fields: bool) -> dict[str, Any]:
        shown: dict[str, Any] = {"id": one.id, "name": one.name, "to": self.status(project.workflow.status(one.to))}
        if fields:
            names = sorted(({"resolution"} if one.resolution else set()) | one.required)
            shown["fields"] = {name: self._screen_field(name, required=name in one.required) for name in names}
        return shown

    def _screen_field(self, name: str, *, required: bool) -> dict[str, Any]:
        field: dict[str, Any] = {
            "key": name,
            "name": name.title(),
            "required": required,
            "hasDefaultValue": False,
            "operations": ["set"],
            "schema": {"type": name, "system": name},
        }
        if name == "resolution":
            field["allowedValues"] = [{"id": number, "name": value} for number, value in RESOLUTIONS.items()]
        if name == "priority":
            field["allowedValues"] = [{"id": number, "name": value} for number, value in PRIORITIES.items()]
        return field

    def types(self, project: Project) -> dict[str, Any]:
        kinds = [{"id": number, "name": name, "subtask": False} for number, name in project.issue_types.items()]
        return {self.lists[0]: kinds, "startAt": 0, "maxResults": 50, "total": len(kinds)}

    def screen(self, project: Project, start: int, size: int) -> dict[str, Any]:
        names = sorted(project.create_screen | project.required)
        fields = [
            self._screen_field(name, required=name in project.required) | {"fieldId": name}
            for name in names[start : start + size]
        ]
        return {self.lists[1]: fields, "startAt": start, "maxResults": size, "total": len(names)}

    def project(self, project: Project) -> dict[str, Any]:
        return {"id": project.id, "key": project.key, "name": "Operations", "projectTypeKey": project.kind}

    def statuses(self, project: Project) -> list[dict[str, Any]]:
        shown = [self.status(status) for status in project.workflow.statuses]
        link = f"{self.base}{self.api}/issuetype/"
        return [
            {"id": number, "name": name, "self": link + number, "subtask": False, "statuses": shown}
            for number, name in project.issue_types.items()
        ]


class DataCenterViews(Views):
    """Version 2: strings, user names."""


class CloudViews(Views):
    """Version 3: ADF, account ids."""

    base = "https://ops.atlassian.net"
    api = "/rest/api/3"
    person = "accountId"
    made = 201
    lists = ("issueTypes", "fields")

    def user(self, name: str) -> dict[str, Any]:
        return {"accountId": name, "displayName": name.title(), "active": True, "accountType": "atlassian"}

    def is_body(self, body: Any) -> bool:
        return isinstance(body, dict) and body.get("type") == "doc" and body.get("version") == 1 and _is_adf(body)

    def text(self, body: Any) -> str:
        if not isinstance(body, dict):
            return ""
        if body.get("type") == "hardBreak":
            return "\n"
        end = "\n\n" if body.get("type") == "doc" else ""
        return str(body.get("text", "")) + end.join(self.text(node) for node in body.get("content") or ())

    def shown(self, body: Any) -> str:
        return self.text(body)

    def comment(self, issue: Issue, comment: dict[str, Any]) -> dict[str, Any]:
        return super().comment(issue, comment) | {"jsdPublic": comment["public"]}

    @staticmethod
    def from_wiki(text: str) -> dict[str, Any]:
        """What Cloud makes of harmless wiki markup: paragraphs and breaks."""
        shown = _ESCAPED.sub(r"\2", text).replace("\u2060", "")
        paragraphs = [[part for line in block.split("\n") for part in _line(line)][1:] for block in shown.split("\n\n")]
        return {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": p} for p in paragraphs]}


def _line(line: str) -> list[dict[str, Any]]:
    return [{"type": "hardBreak"}, *([{"type": "text", "text": line}] if line else [])]


def _is_adf(node: dict[str, Any]) -> bool:
    """Whether the node is of a kind that exists, and no text is empty."""
    if node.get("type") == "text":
        return isinstance(node.get("text"), str) and bool(node["text"])
    known = {"doc", "paragraph", "hardBreak", "mention", "inlineCard", "heading", "bulletList", "listItem"}
    return node.get("type") in known and all(_is_adf(child) for child in node.get("content") or ())
