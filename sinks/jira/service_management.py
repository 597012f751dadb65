"""Jira Service Management on Cloud: requests made through the portal's API, comments that are internal or public.

Requests take no label and no property, so a ticket is made in two steps; between them the mark in its summary is all
that tells it is ours. Comments go through the portal's API alone, since the platform's would publish them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.core.ticket import Comment, TicketDraft, TicketState
from gateway.plugin import Reject, SinkError
from sinks._http import path
from sinks._text import plain
from sinks.jira.cloud import Cloud
from sinks.jira.codec import wanted
from sinks.jira.errors import FieldsRefused, Forbidden
from sinks.jira.markup import WIKI
from sinks.jira.platform import Issue
from sinks.jira.workflow import Step

__all__ = ["ServiceManagement"]

_DESK = "/rest/servicedeskapi"
_FORM_TAKES = ("summary", "description", "priority", "labels", "components")


class ServiceManagement(Cloud):
    """A service project of Jira Cloud."""

    unlabelled = True

    def step_body(self, step: Step, goal: TicketState) -> dict[str, Any]:
        """The platform would publish a comment given with a transition, so none is given."""
        demanded = (*step.missing, "a comment") if step.comment else step.missing
        return super().step_body(replace(step, comment=False, missing=demanded), goal)

    async def create(self, fields: Mapping[str, Any], draft: TicketDraft) -> Issue:
        """Make a request; what its form does not take is left to the edit that follows.

        Raises:
            FieldsRefused: it was refused; the fields are those without which it may pass.
        """
        values = {name: fields[name] for name in _FORM_TAKES if name in fields}
        if "description" in values:  # this API takes wiki markup, and would show ADF as JSON
            text = wanted(draft, self.config).description
            values["description"] = WIKI.write(text, limit=self.config.text_limit)
        body = {
            "serviceDeskId": self.config.service_desk_id,
            "requestTypeId": self.config.request_type_id,
            "requestFieldValues": {**self.config.fields, **values},
            "isAdfRequest": False,
        }
        try:
            answer = await self.caller.call("POST", f"{_DESK}/request", writes=True, json=body)
        except (Forbidden, FieldsRefused):
            raise
        except Reject as refusal:  # this API does not say which field it minds: perhaps one that can wait
            if spare := frozenset(values) - {"summary", "description"}:
                raise FieldsRefused(str(refusal), fields=spare) from refusal
            raise
        return answer.read(lambda said: {"id": str(said["issueId"]), "key": str(said["issueKey"])})

    async def settable(self) -> set[str]:
        """Fields that the request form takes; what nearly every form has, if we may not see it."""
        try:
            return {str(field["fieldId"]) for field in await self.form()}
        except Reject:
            return {"summary", "description"}

    async def form(self) -> list[Issue]:
        """Fields of the request form (``fieldId``, ``name``, ``required``, ``defaultValues``)."""
        where = path(
            _DESK + "/servicedesk/{}/requesttype/{}/field", self.config.service_desk_id, self.config.request_type_id
        )
        answer = await self.caller.call("GET", where, writes=False)
        return answer.read(lambda said: list(said["requestTypeFields"]))

    async def desk(self) -> Issue | None:
        """The service desk (``projectKey``); None if there is none."""
        where = path(_DESK + "/servicedesk/{}", self.config.service_desk_id)
        answer = await self.caller.call("GET", where, writes=False, missing_ok=True)
        return None if answer.missing else answer.read(dict)

    async def request_types(self) -> list[Issue]:
        """The desk's first hundred request types (``id``, ``name``)."""
        where = path(_DESK + "/servicedesk/{}/requesttype", self.config.service_desk_id)
        answer = await self.caller.call("GET", where, writes=False, params={"limit": 100})
        return answer.read(lambda said: list(said["values"]))

    async def comment(self, issue_id: str, comment: Comment) -> None:
        """Write a comment, and believe only the answer about who can read it.

        Raises:
            Reject: Jira published an internal comment (it is deleted again), or hid a public one.
        """
        where = path(_DESK + "/request/{}/comment", issue_id)
        body = {"body": self.comment_body(comment), "public": comment.public}
        answer = await self.caller.call("POST", where, writes=True, json=body)
        comment_id, public = answer.read(lambda said: (str(said["id"]), said.get("public") is not False))
        if public and not comment.public:
            raise Reject(await self._taken_back(issue_id, comment_id))
        if comment.public and not public:
            raise Reject(
                "Jira kept a public comment internal, so the requester cannot read it: let our account reply to customers."
            )

    async def _taken_back(self, issue_id: str, comment_id: str) -> str:
        """Delete a comment that must not be read; returns what to tell people."""
        said = "Jira published an internal comment to the requester"
        try:
            await self.delete_comment(issue_id, comment_id)
        except SinkError as error:
            return f"{said} and it could not be deleted ({error}): delete comment {comment_id} by hand at once."
        return (
            f"{said}; it was deleted again: make our account an agent of the service project (customers cannot hide)."
        )

    def comment_body(self, comment: Comment) -> Any:
        """This API takes wiki markup."""
        text = plain(comment.text).strip()
        return WIKI.write(text, limit=self.config.text_limit, tail=f"\n\n{comment.mark}")
