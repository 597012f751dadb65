-- With a rowid: of a table without, each row of more than 1,002 bytes takes a page of its own, which is written anew at each
-- change (https://www.sqlite.org/fileformat2.html, 1.6); a rowid's leaf holds rows of 4,061 bytes.
CREATE TABLE incident_made_anew (
    id            TEXT PRIMARY KEY NOT NULL,
    fingerprint   TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('pending', 'open', 'recovering', 'resolved', 'closed')),
    impact        INTEGER NOT NULL CHECK (impact BETWEEN 1 AND 4),
    source        TEXT NOT NULL,
    condition     TEXT NOT NULL,
    object        TEXT NOT NULL,
    occurrences   INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL,
    raised_ms     INTEGER NOT NULL,
    due_ms        INTEGER,
    closed_ms     INTEGER,
    version       INTEGER NOT NULL,
    muted         TEXT NOT NULL,
    parent        TEXT NOT NULL,
    body          TEXT NOT NULL
);
INSERT INTO incident_made_anew (
    id, fingerprint, state, impact, source, condition, object, occurrences, first_seen_ms, last_seen_ms, raised_ms, due_ms,
    closed_ms, version, muted, parent, body
) SELECT
    id, fingerprint, state, impact, source, condition, object, occurrences, first_seen_ms, last_seen_ms, raised_ms, due_ms,
    closed_ms, version, muted, parent, body
FROM incident ORDER BY id;
DROP TABLE incident;
ALTER TABLE incident_made_anew RENAME TO incident;
-- One trouble, one incident: guaranteed here, not by care.
CREATE UNIQUE INDEX incident_one_open ON incident (fingerprint) WHERE state <> 'closed';
CREATE INDEX incident_latest ON incident (fingerprint, id);
CREATE INDEX incident_due ON incident (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX incident_state ON incident (state, id);
-- Incidents that may have a long timeline: retention looks at these few.
CREATE INDEX incident_changeful ON incident (version) WHERE version > 10;
CREATE INDEX incident_closed ON incident (closed_ms) WHERE closed_ms IS NOT NULL;
CREATE INDEX incident_muted ON incident (impact, id) WHERE muted <> '' AND state = 'open';
CREATE INDEX incident_parent ON incident (parent, state, muted) WHERE parent <> '';
CREATE INDEX incident_counts ON incident (state, impact, muted) WHERE state <> 'closed';
