-- Entries of the inventory that were told, not written, as JSON.
CREATE TABLE told (
    kind  TEXT NOT NULL,
    name  TEXT NOT NULL,
    entry TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
