-- Tickets whose creation was in doubt: when to look for a second one (gateway.core.sweep).
CREATE TABLE sweep (
    sink     TEXT NOT NULL,
    key      TEXT NOT NULL,
    incident TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    since_ms INTEGER NOT NULL,
    doubt_ms INTEGER NOT NULL,
    next_ms  INTEGER NOT NULL,
    looks    INTEGER NOT NULL,
    PRIMARY KEY (sink, key)
) WITHOUT ROWID;
CREATE INDEX sweep_due ON sweep (sink, next_ms);
CREATE INDEX sweep_incident ON sweep (incident);
