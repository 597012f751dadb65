"""The closed list of reasons: one word each, shared by decisions, logs, metrics, `explain` and tests."""

from enum import StrEnum


class Dropped(StrEnum):
    """Why an input was not kept: the label of ``tocsin_inputs_dropped_total``."""

    KERNEL = "kernel"
    OVERLOAD = "overload"
    MALFORMED = "malformed"
    OVERSIZED = "oversized"
    UNSUPPORTED = "unsupported"
    UNKNOWN_COMMUNITY = "unknown_community"
    UNKNOWN_USER = "unknown_user"
    UNKNOWN_ENGINE = "unknown_engine"
    """An SNMPv3 inform meant for another engine: its sender was told ours, and repeats."""
    AUTH_FAILED = "auth_failed"
    REPLAYED = "replayed"
    """An SNMPv3 message outside its time window, or seen before."""
    DENIED_SOURCE = "denied_source"
    DUPLICATE = "duplicate"
    """A retransmission of something already acknowledged."""
    RETAINED = "retained"
    """An MQTT message from the broker's memory."""
    RULE = "rule"
    """A rule said ``drop``."""


class Failed(StrEnum):
    """Why an attempt failed: the label of ``tocsin_attempts_failed_total``."""

    CLIENT_ERROR = "client_error"
    AUTH_ERROR = "auth_error"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    UNKNOWN_OUTCOME = "unknown_outcome"
    BREAKER_OPEN = "breaker_open"


class Muted(StrEnum):
    """Why an incident's ticket waits."""

    SILENCE = "silence"
    MAINTENANCE = "maintenance"
    INHIBITED = "inhibited"
    STORM = "storm"
    FLAPPING = "flapping"
    HOLD = "hold"
    HUMAN_CLOSED = "human_closed"
    WONT_FIX = "wont_fix"


class Reason(StrEnum):
    """Why a decision was taken; also the kind of the timeline entry that it leaves."""

    FIRST_RAISED = "first_raised"
    """A new incident."""
    HELD = "held"
    """A new incident waits for its hold to pass."""
    HOLD_ENDED = "hold_ended"
    CLEARED_IN_HOLD = "cleared_in_hold"
    REPEATED = "repeated"
    """One more occurrence."""
    RECURRED = "recurred"
    """Occurrence number 10, 100, 1000."""
    RAISED_AGAIN = "raised_again"
    """A new incident after a closed one with the same fingerprint."""
    REOPENED = "reopened"
    CLEARING = "clearing"
    """Cleared; waits for the clear hold."""
    CLEARED = "cleared"
    UNMATCHED_CLEAR = "unmatched_clear"
    STALE_CLEAR = "stale_clear"
    """A clear older than the last raise."""
    IMPACT_CHANGED = "impact_changed"
    IMPACT_AGED = "impact_aged"
    CLOSED = "closed"
    NOTED = "noted"
    PERSON_CLOSED = "person_closed"
    PERSON_REOPENED = "person_reopened"
    PERSON_WONT_FIX = "person_wont_fix"
    PERSON_CHANGED_PRIORITY = "person_changed_priority"
    PERSON_DELETED = "person_deleted"
    PERSON_MOVED = "person_moved"
    PERSON = "person"
    """An operator's command."""
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicate"
    """A retransmission: folded by its upstream identity."""
    DROPPED = "dropped"
    """A rule said ``drop``."""
