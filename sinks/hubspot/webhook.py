"""HubSpot's webhooks: signature version 3, and the tickets that a batch of events is about. Pure.

Source: developers.hubspot.com, "Validating requests" (version 3) and "Webhooks" (payloads of subscriptions). The
signature covers the address that HubSpot was told to call, which no proxy between it and us can tell: it is configured.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any
from urllib.parse import unquote

from gateway.plugin import Hint, Webhook, WebhookRefused, WebhookRequest
from sinks._webhook import digest, fresh, header, object_of, parsed, proven, signature
from sinks.hubspot.config import HubspotConfig

WINDOW_MS = 300_000
"""Age beyond which HubSpot's guide wants a request refused."""
MOST_EVENTS = 1000
"""HubSpot sends a hundred at a time."""
_DECODED = re.compile(r"%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""The escapes that HubSpot decodes in the address before it signs; all others stay."""
_KINDS = ("ticket.", "object.")
_IDS = ("objectId", "primaryObjectId", "newObjectId")
MOST_MERGED = 100


def hints(request: WebhookRequest, config: HubspotConfig) -> list[Hint]:
    """The tickets that a request is about.

    Raises:
        WebhookRefused: it is not HubSpot's, or not of the last five minutes.
    """
    sent = header(request.headers, "x-hubspot-request-timestamp")
    given = header(request.headers, "x-hubspot-signature-v3")
    message = f"{request.method}{_signed_url(config.webhook_url)}".encode() + request.body + sent.encode()
    expected = base64.b64encode(signature(config.webhook_secret, message)).decode()
    proven(given, expected)
    if not (sent.isascii() and sent.isdecimal()):
        raise WebhookRefused(Webhook.STALE)
    fresh(int(sent[:20]), now_ms=request.now_ms, within_ms=WINDOW_MS)
    events = parsed(request.body)
    return [hint for event in _listed(events) for hint in _of_event(event)]


def _signed_url(url: str) -> str:
    return _DECODED.sub(lambda found: unquote(found[0]), url)


def _listed(events: Any) -> list[Mapping[str, Any]]:
    if not isinstance(events, list) or len(events) > MOST_EVENTS:
        raise WebhookRefused(Webhook.MALFORMED)
    return [object_of(event) for event in events]


def _of_event(event: Mapping[str, Any]) -> Iterator[Hint]:
    """One hint for each ticket that the event names; a merge names several.

    ``eventId`` alone is not unique, and ``attemptNumber`` differs between deliveries of one event.
    """
    if not str(event.get("subscriptionType", "")).startswith(_KINDS):
        return
    stable = [
        (name, value) for name, value in event.items() if name != "attemptNumber" and isinstance(value, int | str)
    ]
    identity = digest(repr(sorted(stable, key=itemgetter(0))).encode())
    merged = event.get("mergedObjectIds")
    named = [event.get(name) for name in _IDS] + (merged[:MOST_MERGED] if isinstance(merged, list) else [])
    for ticket in dict.fromkeys(str(one) for one in named if isinstance(one, int | str) and one != ""):
        yield Hint(ticket=ticket, identities=(f"{identity}/{ticket[:64]}",))
