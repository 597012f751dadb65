-- The newest clear of each fingerprint, kept so long as its raise may still come behind it.
CREATE TABLE cleared (
    fingerprint TEXT PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    heard_ms    INTEGER NOT NULL,
    collector   TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX cleared_heard ON cleared (heard_ms);
