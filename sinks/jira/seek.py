"""Find a ticket after an unknown outcome: by the index, then past it, since Jira Cloud's index may lag by hours.

The key walk reads the issues made after the last one known when the create began. Its lower bound is the greatest of
what is surely before our ticket: the last key that we knew when we began, and the newest key that the index holds from
before that time.
"""

import math

from gateway.core.ticket import MARK_PREFIX
from gateway.plugin import Clock, Keep, Retry
from sinks.jira.codec import belongs, finding_jql, key_number, made_by_us
from sinks.jira.config import JiraConfig
from sinks.jira.platform import Issue, Platform

__all__ = ["Seeker"]

_HITS = 5
_ALL_HITS = 50
_MARGIN_MIN = 2
"""Clocks of us and Jira may differ, and JQL counts in minutes."""
_LONG_AGO_MIN = 5_256_000
"""Ten years: no number that Jira would not take."""
_REMEMBERED_BEGINNINGS = 1_000


class Seeker:
    """Knows how far the project's keys had come when each create began."""

    def __init__(self, platform: Platform, config: JiraConfig, *, clock: Clock, keep: Keep) -> None:
        self._platform, self._config, self._clock, self._keep = platform, config, clock, keep
        self._slot = f"last_key:{config.project}"
        self._last: int | None = None
        self._began: dict[str, int] = {}

    async def begins(self, key: str) -> None:
        """A create for ``key`` is about to be sent."""
        self._began.setdefault(key, await self._last_known())
        while len(self._began) > _REMEMBERED_BEGINNINGS:
            self._began.pop(next(iter(self._began)))

    async def made(self, key: str, issue_key: str) -> None:
        """The create for ``key`` is known to have made ``issue_key``."""
        self._began.pop(key, None)
        number = key_number(issue_key, self._config.project)
        if number is not None and number > await self._last_known():
            self._last = number
            await self._keep.put(self._slot, str(number).encode())

    async def find(self, key: str, *, since_ms: int) -> Issue | None:
        """The issue made for ``key``; None if surely none is seen yet.

        Raises:
            SinkError: a search or read failed, which says nothing about the ticket.
        """
        mark = MARK_PREFIX + key
        hits = await self._platform.search(finding_jql(key, mark, self._config), limit=_HITS)
        found = self._own(hits, key)
        return found if found is not None else await self._walk(key, since_ms)

    async def find_all(self, key: str) -> list[Issue]:
        """Every issue that we made for ``key``, the oldest first; the index knows them by the time that this is asked.

        Raises:
            SinkError: the search failed, or found more than it could show.
        """
        mark = MARK_PREFIX + key
        hits = await self._platform.search(finding_jql(key, mark, self._config), limit=_ALL_HITS)
        if len(hits) == _ALL_HITS:
            raise Retry(f"Jira's search finds {_ALL_HITS} issues or more for {mark}: what we see is not all.")
        try:
            return sorted((one for one in hits if made_by_us(one, key, mark)), key=lambda issue: int(issue["id"]))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise Retry(
                f"Jira's search shows issues in a form that we cannot read ({type(error).__name__})."
            ) from error

    def _own(self, issues: list[Issue], key: str) -> Issue | None:
        """The oldest of our issues: a younger one is a duplicate.

        Raises:
            Retry: an issue without summary was shown, which every issue has: not seeing our mark means nothing then.
        """
        mark = MARK_PREFIX + key
        try:
            ours = [issue for issue in issues if belongs(issue, key, mark, self._config)]
            return min(ours, key=lambda issue: int(issue["id"]), default=None)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise Retry(
                f"Jira's search shows issues in a form that we cannot read ({type(error).__name__})."
            ) from error

    async def _walk(self, key: str, since_ms: int) -> Issue | None:
        """Read keys upwards until none of a whole step exists."""
        number = await self._lower_bound(key, since_ms)
        for _ in range(self._config.key_walk_steps):
            names = [f"{self._config.project}-{number + step}" for step in range(1, self._config.key_walk + 1)]
            issues = await self._platform.read_keys(names)
            found = self._own(issues, key)
            if found is not None or not issues:
                return found
            number += self._config.key_walk
        return None

    async def _lower_bound(self, key: str, since_ms: int) -> int:
        """The greatest number that is surely below our ticket's."""
        age = math.ceil((self._clock.now_ms() - since_ms) / 60_000)
        minutes = min(max(0, age) + _MARGIN_MIN, _LONG_AGO_MIN)
        jql = f'project = "{self._config.project}" AND created < "-{minutes}m" ORDER BY created DESC'
        older = await self._platform.search(jql, limit=1)
        numbers = [key_number(str(issue["key"]), self._config.project) or 0 for issue in older]
        if key in self._began:
            numbers.append(self._began[key])
        if not numbers:  # after a restart, and the index is empty: go back a step from where we were
            numbers.append(max(0, await self._last_known() - self._config.key_walk))
        return max(numbers)

    async def _last_known(self) -> int:
        if self._last is None:
            kept = await self._keep.get(self._slot) or b""
            self._last = int(kept) if kept.isdigit() else 0
        return self._last
