"""The four ways in which a call to a tracker may fail: the host decides by them what happens next."""

from gateway.core.reason import Failed


class SinkError(Exception):
    """Base of what a sink may raise; ``reason`` is a word of the closed list."""

    reason: Failed = Failed.CLIENT_ERROR

    def __init__(self, message: str, *, reason: Failed | None = None) -> None:
        super().__init__(message)
        if reason is not None:
            self.reason = reason


class Reject(SinkError):
    """The tracker says it never can: the operation is dead at once, visible, and repeatable by a person."""


class Retry(SinkError):
    """It has *not* happened (refused, not connected, rate limited) and may be tried again, ``after_s`` if given."""

    reason = Failed.SERVER_ERROR

    def __init__(self, message: str, *, after_s: float | None = None, reason: Failed | None = None) -> None:
        super().__init__(message, reason=reason)
        self.after_s = after_s


class Unauthorized(Retry):
    """The tracker refuses our credentials: the whole sink pauses and says so; operations wait."""

    reason = Failed.AUTH_ERROR


class UnknownOutcome(SinkError):
    """It may or may not have happened (timeout, reset, 5xx): the host looks before it tries again."""

    reason = Failed.UNKNOWN_OUTCOME
