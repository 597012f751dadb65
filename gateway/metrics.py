"""Every metric of the host, with closed label sets. Plugins have a few of their own, beside their code."""

from prometheus_client import Counter, Gauge, Histogram

INPUTS_RECEIVED = Counter("tocsin_inputs_received", "Inputs that arrived, before decoding.", ["collector"])
INPUTS_KEPT = Counter("tocsin_inputs_kept", "Inputs whose effect is on disk.", ["collector"])
INPUTS_FOLDED = Counter(
    "tocsin_inputs_folded", "Inputs counted as one more occurrence of a waiting one.", ["collector"]
)
INPUTS_DROPPED = Counter("tocsin_inputs_dropped", "Inputs that were not kept, by reason.", ["collector", "reason"])
COLLECTOR_CONNECTED = Gauge("tocsin_collector_connected", "1 while the collector can hear.", ["collector"])
COLLECTOR_RESTARTS = Counter("tocsin_collector_restarts", "Times a collector failed and was restarted.", ["collector"])

DECISIONS = Counter("tocsin_decisions", "Decisions taken, by reason.", ["reason"])
PENDING = Gauge("tocsin_pending_fingerprints", "Fingerprints that wait for the next commit.")
COMMIT_SECONDS = Histogram(
    "tocsin_commit_seconds",
    "Time from taking a batch to its effect being on disk.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
BATCH_INPUTS = Histogram("tocsin_batch_inputs", "Inputs per commit.", buckets=(1, 2, 5, 10, 50, 100, 500, 1000, 5000))
STORE_OK = Gauge("tocsin_store_ok", "1 while the last commit succeeded and the file is not known to be damaged.")

ATTEMPTS = Counter("tocsin_attempts", "Attempts of operations at trackers.", ["sink", "kind"])
ATTEMPTS_FAILED = Counter("tocsin_attempts_failed", "Attempts that failed, by reason.", ["sink", "reason"])
CALL_SECONDS = Histogram(
    "tocsin_call_seconds",
    "Duration of calls to a sink.",
    ["sink"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
SINK_UP = Gauge("tocsin_sink_up", "1 while the sink accepts calls: breaker closed, credentials accepted.", ["sink"])
SINK_SHADOW = Gauge("tocsin_sink_shadow", "1 while the sink only records what it would do.", ["sink"])
CALLS_RECORDED = Counter("tocsin_calls_recorded", "Calls that a sink in shadow would have made.", ["sink"])
TICKETS_OPENED = Counter("tocsin_tickets_opened", "Tickets made, or found to be made, in a tracker.", ["sink"])
TICKET_SECONDS = Histogram(
    "tocsin_ticket_seconds",
    "Time from an incident's first event to its ticket.",
    ["sink"],
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
)
OBSERVATIONS = Counter("tocsin_observations", "Tickets looked at in a tracker.", ["sink"])
WEBHOOKS = Counter("tocsin_webhooks", "Webhooks that came in, by what became of them.", ["sink", "outcome"])
TICKET_DUPLICATES = Counter("tocsin_ticket_duplicates", "Second tickets of an incident, found and closed.", ["sink"])

DRILLS = Counter("tocsin_drills", "Drills of a collector, by how they ended.", ["collector", "outcome"])
DRILL_SECONDS = Gauge(
    "tocsin_drill_seconds", "How long the last good drill took from crying out to each stage.", ["collector", "stage"]
)
JOURNAL_KEPT = Counter("tocsin_journal_kept", "Runs of equal inputs written into the journal.")
JOURNAL_LOST = Counter("tocsin_journal_lost", "Runs of equal inputs that the journal could not keep.")

INCIDENTS = Gauge("tocsin_incidents", "Incidents that are not closed, by state.", ["state"])
INCIDENTS_OPEN = Gauge("tocsin_incidents_open", "Open incidents, by impact.", ["impact"])
INCIDENTS_MUTED = Gauge("tocsin_incidents_muted", "Open incidents whose tickets wait, by what mutes them.", ["mark"])
OUTBOX_OPERATIONS = Gauge("tocsin_outbox_operations", "Operations in the outbox.", ["sink", "state"])
STATIONS = Gauge("tocsin_stations", "Stations under watch, by state.", ["state"])
INVENTORY_TOLD = Gauge("tocsin_inventory_told_entries", "Entries of the inventory that were told, not written.")

LOOP_LATENESS = Histogram(
    "tocsin_loop_lateness_seconds",
    "How late the event loop woke a timer.",
    buckets=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
BUILD = Gauge("tocsin_build_info", "Always 1; the version is a label.", ["version"])
