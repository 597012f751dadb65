"""The public API for collectors and sinks: all that a plugin may use besides `gateway.core`.

A plugin is one frozen value (`CollectorPlugin` or `SinkPlugin`) at an entry point (``tocsin.collectors`` or
``tocsin.sinks``). Retry, rate, order, metrics of calls, and logs of attempts belong to the host; a plugin speaks its
protocol and says truthfully how each call ended.

Failure semantics:
    * A collector that raises is restarted with back-off. What it did not acknowledge comes again from upstream.
    * A sink method that returns has happened. `Reject` means it never will. `Retry` means it has not happened and may.
      `UnknownOutcome` means nobody knows: the host asks `Sink.find` before it tries again. Any other exception
      counts as `UnknownOutcome`, since nothing may happen twice.
"""

from gateway.core.impact import Impact
from gateway.core.reason import Webhook
from gateway.core.ticket import TicketState
from gateway.plugin.abilities import (
    Attaches,
    Checks,
    Finding,
    FindsComments,
    FindsDuplicates,
    Hint,
    Links,
    ReceivesWebhooks,
    Rereads,
    ShowsTickets,
    TicketRemark,
    TicketView,
    WebhookRefused,
    WebhookRequest,
)
from gateway.plugin.collector import (
    CannotDrill,
    Collector,
    CollectorPlugin,
    DrillCall,
    EntryRefused,
    Intake,
    Overloaded,
    Prepared,
    Reader,
    Reading,
    Receipt,
)
from gateway.plugin.config import PluginConfig, Secret, descriptions
from gateway.plugin.errors import Reject, Retry, SinkError, Unauthorized, UnknownOutcome
from gateway.plugin.host import Clock, Host, Keep
from gateway.plugin.sink import Sink, SinkPlugin

__all__ = [
    "Attaches",
    "CannotDrill",
    "Checks",
    "Clock",
    "Collector",
    "CollectorPlugin",
    "DrillCall",
    "EntryRefused",
    "Finding",
    "FindsComments",
    "FindsDuplicates",
    "Hint",
    "Host",
    "Impact",
    "Intake",
    "Keep",
    "Links",
    "Overloaded",
    "PluginConfig",
    "Prepared",
    "Reader",
    "Reading",
    "Receipt",
    "ReceivesWebhooks",
    "Reject",
    "Rereads",
    "Retry",
    "Secret",
    "ShowsTickets",
    "Sink",
    "SinkError",
    "SinkPlugin",
    "TicketRemark",
    "TicketState",
    "TicketView",
    "Unauthorized",
    "UnknownOutcome",
    "Webhook",
    "WebhookRefused",
    "WebhookRequest",
    "descriptions",
]
