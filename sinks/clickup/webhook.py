"""ClickUp's webhooks: the signature, and the task that one is about. Pure.

Source: developer.clickup.com, "Webhook signature" and "Task webhook payloads". Nothing in them tells when they were
sent, so a replay is known by the ids of its history items alone.
"""

from typing import Any

from gateway.plugin import Hint, Webhook, WebhookRefused, WebhookRequest
from sinks._webhook import digest, header, object_of, parsed, proven, signature
from sinks.clickup.config import ClickupConfig
from sinks.clickup.task import is_id

MOST_ITEMS = 100
"""History items by which one delivery is known."""


def hints(request: WebhookRequest, config: ClickupConfig) -> list[Hint]:
    """The task that a request is about, if it is about one.

    Raises:
        WebhookRefused: it is not ClickUp's.
    """
    given = header(request.headers, "x-signature")
    proven(given, signature(config.webhook_secret, request.body).hex())
    said = object_of(parsed(request.body))
    ticket = said.get("task_id")
    if ticket is None:  # about a list, a folder, a goal
        return []
    if not isinstance(ticket, str) or not is_id(ticket):
        raise WebhookRefused(Webhook.MALFORMED)
    return [Hint(ticket=ticket, identities=_identities(said.get("history_items"), request.body))]


def _identities(items: Any, body: bytes) -> tuple[str, ...]:
    """Its history items, of which no two deliveries share one unless they are the same; a deletion may have none."""
    if not isinstance(items, list):
        items = []
    named = [item.get("id") for item in items[:MOST_ITEMS] if isinstance(item, dict)]
    ids = [str(one) for one in named if isinstance(one, str | int)]
    return (f"item/{digest('/'.join(ids).encode())}",) if ids else (digest(body),)
