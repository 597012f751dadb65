-- Instants are epoch milliseconds (UTC). The columns are what is searched or constrained; `body` is the rest, as JSON.

CREATE TABLE incident (
    id            TEXT PRIMARY KEY,
    fingerprint   TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('pending', 'open', 'recovering', 'resolved', 'closed')),
    impact        INTEGER NOT NULL CHECK (impact BETWEEN 1 AND 4),
    source        TEXT NOT NULL,
    condition     TEXT NOT NULL,
    object        TEXT NOT NULL,
    occurrences   INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL,
    due_ms        INTEGER,
    closed_ms     INTEGER,
    version       INTEGER NOT NULL,
    body          TEXT NOT NULL
) WITHOUT ROWID;
-- One trouble, one incident: guaranteed here, not by care.
CREATE UNIQUE INDEX incident_one_open ON incident (fingerprint) WHERE state <> 'closed';
CREATE INDEX incident_latest ON incident (fingerprint, id);
CREATE INDEX incident_due ON incident (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX incident_state ON incident (state, id);
-- Incidents that may have a long timeline: retention looks at these few.
CREATE INDEX incident_changeful ON incident (version) WHERE version > 10;
CREATE INDEX incident_closed ON incident (closed_ms) WHERE closed_ms IS NOT NULL;

CREATE TABLE timeline (
    id       INTEGER PRIMARY KEY,
    incident TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    at_ms    INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    text     TEXT NOT NULL
);
CREATE INDEX timeline_incident ON timeline (incident, id);

-- Under which keys an incident is known: its id, the Message-IDs of its mails, its participants, its subjects.
CREATE TABLE thread (
    key      TEXT NOT NULL,
    incident TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    PRIMARY KEY (key, incident)
) WITHOUT ROWID;
CREATE INDEX thread_incident ON thread (incident);

CREATE TABLE attachment (
    incident   TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    sha256     TEXT NOT NULL,
    name       TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content    BLOB NOT NULL,
    PRIMARY KEY (incident, sha256)
);

CREATE TABLE ticket (
    incident   TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    sink       TEXT NOT NULL,
    generation INTEGER NOT NULL,
    ref        TEXT,
    url        TEXT NOT NULL,
    name       TEXT NOT NULL,
    state      TEXT,
    impact     TEXT,
    owned      TEXT NOT NULL,
    written_ms INTEGER NOT NULL,
    PRIMARY KEY (incident, sink)
) WITHOUT ROWID;
CREATE UNIQUE INDEX ticket_ref ON ticket (sink, ref) WHERE ref IS NOT NULL;

CREATE TABLE operation (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    incident   TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    sink       TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('sync', 'comment', 'link', 'attach')),
    rank       INTEGER NOT NULL,
    impact     INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    body       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('pending', 'inflight', 'unknown', 'dead')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    crashes    INTEGER NOT NULL DEFAULT 0,
    looks      INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL,
    next_ms    INTEGER NOT NULL,
    sent_ms    INTEGER,
    unknown_ms INTEGER,
    error      TEXT NOT NULL DEFAULT ''
);
-- In the order in which they are claimed.
CREATE INDEX operation_claim ON operation (sink, rank, impact, id) WHERE state IN ('pending', 'unknown');
CREATE INDEX operation_due ON operation (sink, next_ms) WHERE state IN ('pending', 'unknown');
CREATE INDEX operation_order ON operation (incident, sink, id);

CREATE TABLE station (
    name    TEXT PRIMARY KEY,
    site    TEXT NOT NULL,
    state   TEXT NOT NULL,
    seen_ms INTEGER NOT NULL,
    body    TEXT NOT NULL
) WITHOUT ROWID;

-- Silences and maintenance windows: loaded before the first input.
CREATE TABLE mute (
    id       TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    from_ms  INTEGER NOT NULL,
    until_ms INTEGER,
    body     TEXT NOT NULL
) WITHOUT ROWID;

-- Identities of acknowledged inputs, to fold their retransmissions.
CREATE TABLE upstream (
    identity TEXT PRIMARY KEY,
    incident TEXT NOT NULL,
    at_ms    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX upstream_age ON upstream (at_ms);

-- Conditions that no rule knows.
CREATE TABLE unknown (
    condition     TEXT PRIMARY KEY,
    count         INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL,
    sample        TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE quarantine (
    id     INTEGER PRIMARY KEY,
    at_ms  INTEGER NOT NULL,
    reason TEXT NOT NULL,
    source TEXT NOT NULL,
    raw    BLOB NOT NULL
);

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
