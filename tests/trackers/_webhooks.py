"""Webhooks as the trackers send them: payloads and signatures by the vendors' pages, and none of the product's code."""

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.plugin import Clock

SECRET = "It's a Secret to Everybody"
"""Of Jira's documentation; good enough for all three."""
_serial = itertools.count(4_100_000_001)


@dataclass(frozen=True)
class Delivery:
    """One POST on its way."""

    headers: dict[str, str]
    body: bytes


def hubspot(ticket: str, clock: Clock, *, url: str, secret: str = SECRET, **changes: Any) -> Delivery:
    """A batch of one event."""
    event = {
        "eventId": next(_serial),
        "subscriptionId": 5_100_001,
        "portalId": 12_345_678,
        "appId": 7_100_001,
        "occurredAt": clock.now_ms(),
        "subscriptionType": "ticket.propertyChange",
        "attemptNumber": 0,
        "objectId": int(ticket),
        "propertyName": "hs_pipeline_stage",
        "propertyValue": "4",
        "changeSource": "CRM_UI",
    }
    return hubspot_signed(json.dumps([event | changes]).encode(), clock.now_ms(), url=url, secret=secret)


def hubspot_signed(body: bytes, at_ms: int, *, url: str, secret: str = SECRET) -> Delivery:
    message = b"POST" + url.encode() + body + str(at_ms).encode()
    signed = base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()
    return Delivery({"X-HubSpot-Signature-v3": signed, "X-HubSpot-Request-Timestamp": str(at_ms)}, body)


def jira(
    ticket: str, clock: Clock, *, secret: str = SECRET, event: str = "jira:issue_updated", **more: Any
) -> Delivery:
    """An admin webhook about an issue."""
    said = {
        "timestamp": clock.now_ms(),
        "webhookEvent": event,
        "issue_event_type_name": "issue_generic",
        "user": {"accountId": "5b10"},
        "issue": {"id": ticket, "key": "OPS-1", "fields": {"summary": "as it is"}},
    }
    return jira_signed(json.dumps(said | more).encode(), secret=secret, delivery=str(next(_serial)))


def jira_signed(body: bytes, *, secret: str = SECRET, delivery: str = "d-1") -> Delivery:
    signed = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Delivery({"X-Hub-Signature": signed, "X-Atlassian-Webhook-Identifier": delivery}, body)


def clickup(
    ticket: str, clock: Clock, *, secret: str = SECRET, event: str = "taskStatusUpdated", **more: Any
) -> Delivery:
    """A webhook about a task."""
    item = {
        "id": str(next(_serial)),
        "type": 1,
        "date": str(clock.now_ms()),
        "field": "status",
        "parent_id": "901",
        "user": {"id": 183},
        "before": {"status": "to do", "type": "open"},
        "after": {"status": "complete", "type": "closed"},
    }
    said = {"event": event, "history_items": [item], "task_id": ticket, "webhook_id": "7fa3ec74"}
    return clickup_signed(json.dumps(said | more).encode(), secret=secret)


def clickup_signed(body: bytes, *, secret: str = SECRET) -> Delivery:
    return Delivery({"X-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}, body)


Send = Callable[..., Delivery]
