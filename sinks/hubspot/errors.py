"""What HubSpot's refusals say, and how long they ask to wait. Pure."""

from collections.abc import Mapping
from typing import Any


def explain(body: Any) -> str:
    """What an error body says; each member is optional (guide for error handling)."""
    if not isinstance(body, dict):
        return ""
    details = [each for each in _list(body.get("errors")) if isinstance(each, dict)]
    said = [str(body.get("message", "")), *(str(each.get("message", "")) for each in details)]
    sentence = " ".join(dict.fromkeys(text for text in said if text))
    scopes = _scopes(details)
    if scopes:
        sentence = f"Give the token these scopes: {', '.join(scopes)}. {sentence}"
    if "PROPERTY_DOESNT_EXIST" in str(body):
        sentence = f"Our properties are missing: make them with tocsin setup hubspot --apply. {sentence}"
    return sentence


def _scopes(details: list[dict[str, Any]]) -> list[str]:
    contexts = [each["context"] for each in details if isinstance(each.get("context"), dict)]
    named = [
        str(scope)
        for each in contexts
        for name, scopes in each.items()
        if "scope" in name.lower()
        for scope in _list(scopes)
    ]
    return list(dict.fromkeys(named))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def conflicts(status: int, body: Any) -> bool:
    """Whether an answer to a create says that a record with this unique value exists.

    The wording of the 400 is known from other clients only, so more than one is taken.
    """
    said = str(body)
    return status == 409 or (status == 400 and ("CONFLICTING_UNIQUE_VALUE" in said or "already has that value" in said))  # noqa: PLR2004


def wait_s(body: Any, headers: Mapping[str, str]) -> float:
    """How long to wait after a 429 without ``Retry-After``, by the policy that it names."""
    policy = str(body.get("policyName", "")).upper() if isinstance(body, dict) else ""
    if "DAILY" in policy:
        return 3600.0  # it ends at midnight in the account's time zone: look again each hour
    if policy == "SECONDLY":
        return 1.0
    interval = headers.get("x-hubspot-ratelimit-interval-milliseconds", "")
    return int(interval) / 1000 if interval.isdecimal() and len(interval) < 8 else 10.0  # noqa: PLR2004
