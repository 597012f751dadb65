"""Jira Cloud: platform API version 3, ADF, search with an index that lags, issues read in bulk past the index."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.core.ticket import TicketDraft
from sinks.jira.codec import PROPERTY, SEEN, proof
from sinks.jira.markup import ADF
from sinks.jira.platform import Edit, Issue, Platform, an_issue_list

__all__ = ["Cloud"]


class Cloud(Platform):
    """A project of Jira Cloud."""

    api = "/rest/api/3"
    markup = ADF
    person = "accountId"

    async def create(self, fields: Mapping[str, Any], draft: TicketDraft) -> Issue:
        """One call makes the issue with its label and property, so no crash leaves it nameless."""
        return await self.create_issue(fields, properties=[{"key": PROPERTY, "value": proof(draft)}])

    async def edit(self, issue_id: str, edit: Edit) -> None:
        """One call edits fields and property."""
        properties = {"properties": [{"key": PROPERTY, "value": dict(edit.facts)}]} if edit.facts else {}
        if body := {**edit.body(), **properties}:
            await self.edit_issue(issue_id, body)

    async def search(self, jql: str, *, limit: int) -> list[Issue]:
        """``POST search/jql``: gives ids only, unless told which fields."""
        body = {"jql": jql, "fields": list(SEEN), "properties": [PROPERTY], "maxResults": limit}
        answer = await self.caller.call("POST", f"{self.api}/search/jql", writes=False, json=body)
        return answer.read(an_issue_list)

    async def read(self, ids_or_keys: Sequence[str]) -> list[Issue]:
        """``POST issue/bulkfetch``, up to 100; reads issues, not the index."""
        body = {"issueIdsOrKeys": list(ids_or_keys), "fields": list(SEEN), "properties": [PROPERTY]}
        answer = await self.caller.call("POST", f"{self.api}/issue/bulkfetch", writes=False, json=body)
        return answer.read(an_issue_list)

    async def read_keys(self, keys: Sequence[str]) -> list[Issue]:
        """The same call: keys that don't exist are left out."""
        return await self.read(keys)
