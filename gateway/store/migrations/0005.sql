-- Under which names and keys an incident that is not over is found by those that it concerns (gateway.core.inhibit).
CREATE TABLE facet (
    name     TEXT NOT NULL,
    key      TEXT NOT NULL,
    incident TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    both     INTEGER NOT NULL,
    PRIMARY KEY (name, key, incident)
) WITHOUT ROWID;
CREATE INDEX facet_incident ON facet (incident);
