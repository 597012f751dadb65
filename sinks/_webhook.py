"""What the trackers' webhooks have in common: a secret, a signature over the raw body, and JSON in it. Pure."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from gateway.plugin import Secret, Webhook, WebhookRefused

__all__ = ["HOUR_MS", "digest", "fresh", "header", "is_long_enough", "object_of", "parsed", "proven", "signature"]

HOUR_MS = 3_600_000
_SHORTEST_SECRET = 16
"""A secret that a stranger cannot find by trying, offline, against one webhook that was overheard."""


def is_long_enough(secret: Secret | None) -> Secret | None:
    """The secret, for validators of configuration models.

    Raises:
        ValueError: it is too short to keep a stranger out.
    """
    if secret is not None and len(secret.reveal()) < _SHORTEST_SECRET:
        raise ValueError(
            f"the webhook secret has fewer than {_SHORTEST_SECRET} characters: whoever guesses it can pose as the "
            "tracker; choose a long random one"
        )
    return secret


def signature(secret: Secret | None, message: bytes) -> bytes:
    """HMAC-SHA256 of ``message``.

    Raises:
        WebhookRefused: there is no secret.
    """
    if secret is None:
        raise WebhookRefused(Webhook.NOT_CONFIGURED)
    return hmac.new(secret.reveal().encode(), message, hashlib.sha256).digest()


def header(headers: Mapping[str, str], name: str) -> str:
    """The header that carries (part of) the signature.

    Raises:
        WebhookRefused: it is missing.
    """
    value = headers.get(name, "")
    if not value:
        raise WebhookRefused(Webhook.UNSIGNED)
    return value


def proven(given: str, expected: str) -> None:
    """Compare signatures in constant time.

    Raises:
        WebhookRefused: they differ.
    """
    if not hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
        raise WebhookRefused(Webhook.BAD_SIGNATURE)


def fresh(sent_ms: int, *, now_ms: int, within_ms: int) -> None:
    """Check that it was sent at most ``within_ms`` ago, and at most as far ahead of our clock.

    Raises:
        WebhookRefused: it was not.
    """
    if abs(now_ms - sent_ms) > within_ms:
        raise WebhookRefused(Webhook.STALE)


def parsed(body: bytes) -> Any:
    """The JSON in a body whose signature was verified.

    Raises:
        WebhookRefused: it is none, or nested or long beyond reason.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise WebhookRefused(Webhook.MALFORMED) from None


def object_of(value: Any) -> Mapping[str, Any]:
    """``value`` if it is a JSON object.

    Raises:
        WebhookRefused: it is none.
    """
    if not isinstance(value, dict):
        raise WebhookRefused(Webhook.MALFORMED)
    return value


def digest(body: bytes) -> str:
    """What a repeated body is known by."""
    return hashlib.sha256(body).hexdigest()
