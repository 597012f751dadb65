"""Jira's webhooks: the signature of admin webhooks, and the issue that one is about. Pure.

Source: developer.atlassian.com, "Webhooks" of the Jira Cloud platform (section on secure admin webhooks): the header
``X-Hub-Signature`` as WebSub has it. Its time is in the body, and signed with it.
"""

from gateway.plugin import Hint, Webhook, WebhookRefused, WebhookRequest
from sinks._webhook import HOUR_MS, digest, fresh, header, object_of, parsed, proven, signature
from sinks.jira.config import JiraConfig

WINDOW_MS = 24 * HOUR_MS
"""Jira sends a failed one again after minutes, up to five times, and may be behind by hours itself."""
_METHOD = "sha256"
_LONGEST_ID = 200


def hints(request: WebhookRequest, config: JiraConfig) -> list[Hint]:
    """The issue that a request is about, if it is about one.

    Raises:
        WebhookRefused: it is not Jira's, or not of the last day.
    """
    given = header(request.headers, "x-hub-signature")
    # Only this method: an attacker may not choose a weaker one.
    proven(given, f"{_METHOD}={signature(config.webhook_secret, request.body).hex()}")
    said = object_of(parsed(request.body))
    sent_ms = said.get("timestamp")
    if not isinstance(sent_ms, int) or isinstance(sent_ms, bool):
        raise WebhookRefused(Webhook.MALFORMED)
    fresh(sent_ms, now_ms=request.now_ms, within_ms=WINDOW_MS)
    issue = said.get("issue")
    if issue is None:  # about a link, a version, a user
        return []
    ticket = object_of(issue).get("id")
    if not isinstance(ticket, str | int):
        raise WebhookRefused(Webhook.MALFORMED)
    # The header is the same for each try but is not signed; the body is.
    delivery = request.headers.get("x-atlassian-webhook-identifier", "")[:_LONGEST_ID]
    return [Hint(ticket=str(ticket), identities=(digest(request.body), *([delivery] if delivery else [])))]
