"""ClickUp's own manners on top of the usual ones: its clock, its rate limit, and what its refusals really mean."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx

from gateway.core.reason import Failed
from gateway.plugin import Clock, Reject, Retry, SinkError, Unauthorized
from sinks._http import Refused
from sinks.clickup.task import error_code

MINUTE_S = 60.0
"""The window of the rate limit: no wait is longer."""
STATUS_UNKNOWN = "CRTSK_001"
_TEAM_NOT_AUTHORIZED = frozenset({"OAUTH_023", "OAUTH_026", "OAUTH_027", *(f"OAUTH_0{n}" for n in range(29, 46))})
"""Guide "Common errors": the token does not reach the workspace of what was asked for."""
_BAD_REQUEST = 400


class OutOfReach(Unauthorized):
    """The token does not reach *this* thing. For a task it often means deleted: its workspace cannot be told any more."""


class FieldRefused(Reject):
    """A custom field was refused (gone, of another type, or the plan's uses are spent), and with it the whole call."""


class StatusRefused(Reject):
    """The list has no status of this name (any more)."""


class Manners:
    """Listens to every answer; gives ClickUp's verdict on refusals."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.skew_ms = 0
        """ClickUp's clock minus ours, as its last answer told."""
        self.heard = False
        """Whether any answer told the time yet."""
        self.calls_per_minute: int | None = None
        """The token's budget, as the last answer told."""

    def listen(self, _status: int, headers: Mapping[str, str]) -> None:
        """Remember what the headers say."""
        try:
            theirs = parsedate_to_datetime(headers.get("date", ""))
        except ValueError:
            pass
        else:
            self.skew_ms = round(theirs.timestamp() * 1000) - self._clock.now_ms()
            self.heard = True
        limit = headers.get("x-ratelimit-limit", "")
        if limit.isdecimal():
            self.calls_per_minute = int(limit)

    def theirs_ms(self, ours_ms: int) -> int:
        """An instant of our clock by ClickUp's."""
        return ours_ms + self.skew_ms

    def judge(self, refused: Refused) -> SinkError | None:
        """The verdict on an answer that is no success; None: the usual one."""
        code = error_code(refused.json)
        if refused.status == httpx.codes.TOO_MANY_REQUESTS:
            return Retry(refused.sentence, after_s=self._wait_s(refused), reason=Failed.RATE_LIMITED)
        if refused.status == httpx.codes.UNAUTHORIZED and code in _TEAM_NOT_AUTHORIZED:
            return OutOfReach(refused.sentence)
        if _BAD_REQUEST <= refused.status < httpx.codes.INTERNAL_SERVER_ERROR and code.startswith("FIELD_"):
            return FieldRefused(refused.sentence)
        if refused.status == httpx.codes.BAD_REQUEST and code == STATUS_UNKNOWN:
            return StatusRefused(refused.sentence)
        return None

    def _wait_s(self, refused: Refused) -> float:
        """Until ``X-RateLimit-Reset`` (Unix seconds of their clock); the whole window if that says nothing."""
        reset = refused.headers.get("x-ratelimit-reset", "")
        if refused.after_s is not None:
            return refused.after_s
        if not reset.isdecimal():
            return MINUTE_S
        return min(max(1.0, (int(reset) * 1000 - self.theirs_ms(self._clock.now_ms())) / 1000), MINUTE_S)
