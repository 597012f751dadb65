"""Jira Data Center: platform API version 2, wiki markup, users by name, no bulk reads."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.core.ticket import TicketDraft
from sinks._http import path
from sinks.jira.codec import PROPERTY, SEEN
from sinks.jira.markup import WIKI
from sinks.jira.platform import Edit, Issue, Platform, an_issue_list

__all__ = ["DataCenter"]

_GIVE_UP_AFTER = 5
"""Keys missing in a row after which the end of the project is reached (a deleted issue leaves one gap)."""


class DataCenter(Platform):
    """A project of Jira Data Center 10 or later."""

    api = "/rest/api/2"
    markup = WIKI
    person = "name"

    async def create(self, fields: Mapping[str, Any], draft: TicketDraft) -> Issue:  # noqa: ARG002 - Cloud needs it
        """The label is set at once; the property follows with the first edit, since its form at creation is unclear.

        (The vendor's document says that a property's value is a string there, and any JSON in a call of its own.)
        """
        return await self.create_issue(fields)

    async def edit(self, issue_id: str, edit: Edit) -> None:
        """One call for the fields, one for the property."""
        if body := edit.body():
            await self.edit_issue(issue_id, body)
        if edit.facts:
            where = path(self.api + "/issue/{}/properties/{}", issue_id, PROPERTY)
            await self.caller.call("PUT", where, writes=True, json=dict(edit.facts))

    async def search(self, jql: str, *, limit: int) -> list[Issue]:
        """``POST search``; unknown ids in a query are a warning, not an error."""
        body = {"jql": jql, "fields": list(SEEN), "startAt": 0, "maxResults": limit, "validateQuery": False}
        answer = await self.caller.call("POST", f"{self.api}/search", writes=False, json=body)
        return answer.read(an_issue_list)

    async def read(self, ids_or_keys: Sequence[str]) -> list[Issue]:
        """A search by ids; anything else is left out, since it would be part of the query."""
        ids = [one for one in ids_or_keys if one.isascii() and one.isdecimal()]
        return await self.search(f"id in ({', '.join(ids)})", limit=len(ids)) if ids else []

    async def read_keys(self, keys: Sequence[str]) -> list[Issue]:
        """One by one, up to where the project ends."""
        found: list[Issue] = []
        missing = 0
        for key in keys:
            issue = await self.issue(key)
            if issue is not None:
                found.append(issue)
            missing = 0 if issue is not None else missing + 1
            if missing == _GIVE_UP_AFTER:
                break
        return found
