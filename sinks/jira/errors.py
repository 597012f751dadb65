"""What Jira's refusals mean: whether the trouble is a field, a permission, a limit or our credentials.

Jira answers 403 for a single forbidden act (no permission to link), so only a few of them say that the credentials are
bad; and it may serve a request as anonymous (200, 404) when the credentials were refused, which a header tells.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from gateway.core.reason import Failed
from gateway.plugin import Clock, Reject, Retry, SinkError, Unauthorized
from sinks._http import Refused

__all__ = ["FieldsRefused", "Forbidden", "Judge", "explain"]

log = structlog.get_logger()

_BAD_REQUEST = 400
_LOGIN = "x-seraph-loginreason"
_LOGIN_REFUSED = ("AUTHENTICATED_FAILED", "AUTHENTICATION_DENIED")
_CHALLENGE = "x-authentication-denied-reason"
"""Data Center demands a CAPTCHA after too many bad logins."""
_NEAR_LIMIT = "x-ratelimit-nearlimit"
_CONFLICT_PAUSE_S = 2.0
_CURE_LOGIN = (
    "check the token and its account (tokens of Cloud live a year at most; scoped ones work only with "
    "site = https://api.atlassian.com/ex/jira/<cloud id>)"
)


class FieldsRefused(Reject):
    """Jira names fields that it does not take: not on the screen, unknown, wrong or missing."""

    def __init__(self, message: str, *, fields: frozenset[str]) -> None:
        super().__init__(message)
        self.fields = fields


class Forbidden(Reject):
    """Our account may not do this one thing."""


def explain(body: Any) -> str:
    """One sentence from an error body of the platform (``errorMessages``, ``errors``) or of Service Management."""
    if not isinstance(body, Mapping):
        return ""
    said = [str(message) for message in _list(body.get("errorMessages"))]
    errors = body.get("errors")
    if isinstance(errors, Mapping):
        said += [f"{field}: {message}" for field, message in errors.items()]
    if body.get("errorMessage"):
        said.append(str(body["errorMessage"]))
    said += [str(error["detail"]) for error in _list(errors) if isinstance(error, Mapping) and error.get("detail")]
    return " ".join(said) or str(body.get("message") or "")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


class Judge:
    """Jira's own reading of refusals and headers, for `sinks._http.Caller`."""

    def __init__(self, clock: Clock, *, sink: str) -> None:
        self._clock, self._log = clock, log.bind(sink=sink)
        self._near_limit = False

    def refusal(self, refused: Refused) -> SinkError | None:
        """The verdict on a refusal, or None for the usual one."""
        sentence = refused.sentence
        verdict: SinkError | None = None
        login = refused.headers.get(_LOGIN, "")
        challenged = any(word in login for word in _LOGIN_REFUSED) or _CHALLENGE in refused.headers
        match 401 if challenged else refused.status:
            case 401:
                verdict = Unauthorized(f"{sentence} Jira refuses our login: {_CURE_LOGIN}.", after_s=refused.after_s)
            case 403:
                verdict = Forbidden(f"{sentence} Our account lacks a permission here, or the feature is switched off.")
            case 409:  # somebody else wrote at the same moment: ours did not happen
                verdict = Retry(sentence, after_s=_CONFLICT_PAUSE_S)
            case 410:
                verdict = Reject(f"{sentence} Jira has removed this call: Tocsin is too old for it.")
            case 429:
                verdict = self._too_many(refused)
            case 400 if fields := _fields(refused.json):
                verdict = FieldsRefused(sentence, fields=fields)
        return verdict

    def seen(self, status: int, headers: Mapping[str, str]) -> None:
        """Look at every answer's headers.

        Raises:
            Unauthorized: Jira served a successful answer to nobody, since it did not accept our login.
        """
        login = headers.get(_LOGIN, "")
        if status < _BAD_REQUEST and any(word in login for word in _LOGIN_REFUSED):
            raise Unauthorized(f"Jira answers us as if we were nobody: {_CURE_LOGIN}.")
        near = headers.get(_NEAR_LIMIT, "").lower() == "true"
        if near != self._near_limit:
            self._near_limit = near
            (self._log.warning if near else self._log.info)("budget.changed", near_limit=near)

    def _too_many(self, refused: Refused) -> Retry:
        """How long to wait: ``Retry-After``, else until ``X-RateLimit-Reset`` (an ISO instant)."""
        why = refused.headers.get("ratelimit-reason", "")
        after_s = refused.after_s
        if after_s is None:
            after_s = self._until(refused.headers.get("x-ratelimit-reset", ""))
        what = "this ticket was written to too often" if "per-issue" in why else "too many calls"
        return Retry(
            f"Jira answered 429: {what} ({why or 'no reason given'}).", after_s=after_s, reason=Failed.RATE_LIMITED
        )

    def _until(self, reset: str) -> float | None:
        try:
            at = datetime.fromisoformat(reset)
        except ValueError:
            return None
        return max(0.0, at.timestamp() - self._clock.now_ms() / 1000) if at.tzinfo else None


def _fields(body: Any) -> frozenset[str]:
    errors = body.get("errors") if isinstance(body, Mapping) else None
    return frozenset(map(str, errors)) if isinstance(errors, Mapping) else frozenset()
