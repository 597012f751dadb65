"""The calls of Jira's platform API that Cloud and Data Center share; what differs is an attribute or a method.

Each call is one HTTP request that ends as `sinks._http.Caller` says. Nothing here decides what a ticket should look like.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from gateway.core.event import Attachment
from gateway.core.ticket import Comment, TicketDraft, TicketState
from gateway.plugin import Reject
from sinks._http import Caller, path
from sinks._text import plain
from sinks.jira.codec import PROPERTY, SEEN, Wanted, named
from sinks.jira.config import JiraConfig
from sinks.jira.markup import Markup
from sinks.jira.workflow import Step

__all__ = ["Edit", "Issue", "Platform", "an_issue_list"]

Issue = Mapping[str, Any]
_PAGE = 100
_ADDED = frozenset({"labels", "components"})
_STEP_TEXT = "Tocsin moved this ticket, since the incident is {goal}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What to change about an issue."""

    differs: frozenset[str]
    """Names of fields."""
    add_labels: Sequence[str]
    encoded: Mapping[str, Any]
    """All fields as JSON."""
    facts: Mapping[str, Any] | None
    """The value of our property, if it is out of date."""

    def only(self, names: frozenset[str]) -> "Edit":
        """The same for fewer fields."""
        return replace(self, differs=self.differs & names)

    def body(self) -> dict[str, Any]:
        """The JSON of an edit; labels and components are added to what people put there."""
        fields = {name: self.encoded[name] for name in sorted(self.differs - _ADDED - {"assignee"})}
        added = {"labels": self.add_labels, "components": self.encoded.get("components", ())}
        update = {name: [{"add": one} for one in added[name]] for name in sorted(self.differs & _ADDED)}
        return {key: value for key, value in (("fields", fields), ("update", update)) if value}


class Platform(ABC):
    """One Jira, as its deployment speaks. Subclasses: `Cloud`, `ServiceManagement`, `DataCenter`."""

    api: ClassVar[str]
    """Path of the platform API, with its version."""
    markup: ClassVar[Markup]
    """How descriptions and comments are written."""
    person: ClassVar[str]
    """The member of a user that names them for good: ``accountId`` or ``name``."""
    unlabelled: ClassVar[bool] = False
    """Whether a ticket is made without its label, so that an edit must follow."""

    def __init__(self, caller: Caller, config: JiraConfig) -> None:
        self.caller, self.config = caller, config

    # --- what differs ---

    @abstractmethod
    async def create(self, fields: Mapping[str, Any], draft: TicketDraft) -> Issue:
        """Make the ticket; returns at least its ``id`` and ``key``."""

    @abstractmethod
    async def edit(self, issue_id: str, edit: Edit) -> None:
        """Set what differs, and our property; no call if nothing does."""

    @abstractmethod
    async def search(self, jql: str, *, limit: int) -> list[Issue]:
        """Issues that the index knows, with the fields of `SEEN` and our property. It may lag behind."""

    @abstractmethod
    async def read(self, ids_or_keys: Sequence[str]) -> list[Issue]:
        """Those of the issues that exist, with the fields of `SEEN` and our property; the rest is left out."""

    @abstractmethod
    async def read_keys(self, keys: Sequence[str]) -> list[Issue]:
        """The same, past the index, for keys that may not exist yet."""

    async def settable(self) -> set[str]:
        """Fields that the create screen of our issue type takes.

        Raises:
            Reject: the issue type is not among those that our account may create.
        """
        kind = await self.issue_type()
        if kind is None:
            raise Reject(f"The project {self.config.project} has no issue type {self.config.issue_type}.")
        return {str(field["fieldId"]) for field in await self.screen(str(kind["id"]))}

    # --- encoding ---

    def encoded(self, ours: Wanted) -> dict[str, Any]:
        """The fields as JSON, as create and edit take them."""
        fields: dict[str, Any] = {
            "summary": ours.summary,
            "description": self.markup.write(ours.description, limit=self.config.text_limit),
            "labels": list(ours.labels),
        }
        if ours.priority:
            fields["priority"] = dict(ours.priority)
        if ours.assignee:
            fields["assignee"] = {self.person: ours.assignee}
        if ours.component:
            fields["components"] = [{"name": ours.component}]
        return fields

    def described(self, now: Any, ours: Wanted) -> bool:
        """Whether a description (as JSON) says already what we would write."""
        rendered = self.markup.rendered(ours.description, limit=self.config.text_limit)
        return self.markup.read(now).split() == rendered.split()  # Jira may lay out white space anew

    # --- issues ---

    async def create_issue(self, fields: Mapping[str, Any], **more: Any) -> Issue:
        """``POST issue`` in our project."""
        place = {"project": {"key": self.config.project}, "issuetype": named(self.config.issue_type)}
        body = {"fields": {**self.config.fields, **place, **fields}, **more}
        answer = await self.caller.call("POST", f"{self.api}/issue", writes=True, json=body)
        return answer.read(lambda said: {"id": str(said["id"]), "key": str(said["key"])})

    async def issue(self, issue_id: str, *fields: str) -> Issue | None:
        """One issue with some fields and our property; None if it is deleted, or hidden from us."""
        answer = await self.caller.call(
            "GET",
            path(self.api + "/issue/{}", issue_id),
            writes=False,
            params={"fields": ",".join(fields or SEEN), "properties": PROPERTY},
            missing_ok=True,
        )
        return None if answer.missing else answer.read(an_issue)

    async def edit_issue(self, issue_id: str, body: Mapping[str, Any]) -> None:
        """``PUT issue``, without mail to the watchers (where our account may choose that)."""
        where = path(self.api + "/issue/{}", issue_id)
        await self.caller.call("PUT", where, writes=True, params={"notifyUsers": "false"}, json=body)

    async def assign(self, issue_id: str, who: str) -> None:
        """Give the ticket to somebody, whatever the screens show."""
        where = path(self.api + "/issue/{}/assignee", issue_id)
        await self.caller.call("PUT", where, writes=True, json={self.person: who})

    async def transitions(self, issue_id: str) -> list[Issue]:
        """The transitions that our account may take now, with the fields of their screens."""
        where, params = path(self.api + "/issue/{}/transitions", issue_id), {"expand": "transitions.fields"}
        answer = await self.caller.call("GET", where, writes=False, params=params)
        return answer.read(lambda said: list(said["transitions"]))

    async def transition(self, issue_id: str, body: Mapping[str, Any]) -> None:
        """Take a transition."""
        await self.caller.call("POST", path(self.api + "/issue/{}/transitions", issue_id), writes=True, json=body)

    def step_body(self, step: Step, goal: TicketState) -> dict[str, Any]:
        """The JSON that takes a step.

        Raises:
            Reject: its screen demands fields that we don't know how to fill.
        """
        if step.missing:
            raise Reject(
                f"The transition to {goal} demands {', '.join(step.missing)}: give these fields a default value, "
                "or take them from the transition's screen."
            )
        body: dict[str, Any] = {"transition": {"id": step.id}}
        if step.fields:
            body["fields"] = dict(step.fields)
        if step.comment:
            text = self.markup.write(_STEP_TEXT.format(goal=goal), limit=self.config.text_limit)
            body["update"] = {"comment": [{"add": {"body": text}}]}
        return body

    async def see_project(self) -> Issue | None:
        """The project; None if there is none that we may see."""
        where = path(self.api + "/project/{}", self.config.project)
        answer = await self.caller.call("GET", where, writes=False, missing_ok=True)
        return None if answer.missing else answer.read(dict)

    # --- comments ---

    async def comment(self, issue_id: str, comment: Comment) -> None:
        """Write a comment; outside Service Management "internal" is at most a role that may read it."""
        body: dict[str, Any] = {"body": self.comment_body(comment)}
        if self.config.internal_role and not comment.public:
            body["visibility"] = {"type": "role", "value": self.config.internal_role}
        await self.caller.call("POST", path(self.api + "/issue/{}/comment", issue_id), writes=True, json=body)

    def comment_body(self, comment: Comment) -> Any:
        """The text with its mark, encoded; the mark survives however much is cut."""
        text = plain(comment.text).strip()
        return self.markup.write(text, limit=self.config.text_limit, tail=f"\n\n{comment.mark}")

    async def comments(self, issue_id: str) -> AsyncIterator[str]:
        """Texts of the ticket's comments, newest first."""
        where = path(self.api + "/issue/{}/comment", issue_id)
        for page in range(self.config.comment_pages):
            params = {"startAt": page * _PAGE, "maxResults": _PAGE, "orderBy": "-created"}
            answer = await self.caller.call("GET", where, writes=False, params=params)
            found = answer.read(lambda said: [self.markup.read(comment["body"]) for comment in said["comments"]])
            for text in found:
                yield text
            if len(found) < _PAGE:
                return

    async def delete_comment(self, issue_id: str, comment_id: str) -> None:
        """Take a comment back."""
        await self.caller.call(
            "DELETE", path(self.api + "/issue/{}/comment/{}", issue_id, comment_id), writes=True, missing_ok=True
        )

    # --- links and files ---

    async def link(self, issue_id: str, other_id: str, *, kind: str) -> None:
        """Link two issues ("the first duplicates the second"); Jira takes a link that exists for made."""
        body = {
            "type": {"name": kind},
            "inwardIssue": {"id": issue_id},
            "outwardIssue": {"id": other_id},
        }
        await self.caller.call("POST", f"{self.api}/issueLink", writes=True, json=body)

    async def link_page(self, issue_id: str, key: str) -> None:
        """Link the ticket to our page; the global id makes it one link however often it is sent."""
        url = self.config.page.replace("{key}", key)
        body = {"globalId": f"tocsin={key}"[:255], "object": {"url": url, "title": f"Incident {key}"[:255]}}
        await self.caller.call("POST", path(self.api + "/issue/{}/remotelink", issue_id), writes=True, json=body)

    async def attach(self, issue_id: str, attachment: Attachment, name: str) -> None:
        """Upload a file; Jira wants to be told that this is no forged browser request."""
        await self.caller.call(
            "POST",
            path(self.api + "/issue/{}/attachments", issue_id),
            writes=True,
            files={"file": (name, attachment.content, attachment.media_type)},
            headers={"X-Atlassian-Token": "no-check"},
        )

    # --- what the create screen takes ---

    async def issue_types(self) -> list[Issue]:
        """Issue types that our account may create in the project."""
        return await self._createmeta("")

    async def issue_type(self) -> Issue | None:
        """The configured one."""
        chosen = self.config.issue_type.casefold()
        kinds = await self.issue_types()
        return next((kind for kind in kinds if chosen in {str(kind["id"]), str(kind["name"]).casefold()}), None)

    async def screen(self, type_id: str) -> list[Issue]:
        """Fields of a create screen (``fieldId``, ``name``, ``required``, ``hasDefaultValue``, ``allowedValues``)."""
        return await self._createmeta(path("/{}", type_id))

    async def _createmeta(self, tail: str) -> list[Issue]:
        where = path(self.api + "/issue/createmeta/{}/issuetypes", self.config.project) + tail
        found: list[Issue] = []
        while True:
            params = {"startAt": len(found), "maxResults": _PAGE}
            answer = await self.caller.call("GET", where, writes=False, params=params)
            page, total = answer.read(_page)
            found += page
            if not page or len(found) >= total:
                return found


def an_issue(said: Any) -> Issue:
    return {"id": str(said["id"]), "key": str(said["key"]), **{k: said.get(k) or {} for k in ("fields", "properties")}}


def an_issue_list(said: Any) -> list[Issue]:
    """The ``issues`` of an answer."""
    return [an_issue(issue) for issue in said["issues"]]


def _page(said: Any) -> tuple[list[Issue], int]:
    """One page of createmeta, whose list has another name in each version of Jira."""
    names = ("issueTypes", "fields", "values", "results", "createMetaIssueType")
    name = next((name for name in names if name in said), names[0])
    return list(said[name]), int(said.get("total") or 0)
