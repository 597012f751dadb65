-- Incidents that belong to a greater one, which has the ticket; how many began lately, for telling a storm.
ALTER TABLE incident ADD COLUMN parent TEXT NOT NULL DEFAULT '';
CREATE INDEX incident_parent ON incident (parent, state) WHERE parent <> '';
CREATE TABLE tally (
    scope  TEXT NOT NULL,
    key    TEXT NOT NULL,
    period INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
