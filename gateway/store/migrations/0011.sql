-- Counting for metrics and for storms reads no incident.
DROP INDEX incident_parent;
CREATE INDEX incident_parent ON incident (parent, state, muted) WHERE parent <> '';
CREATE INDEX incident_counts ON incident (state, impact, muted) WHERE state <> 'closed';
