-- What mutes an incident is searched for when it may be over.
ALTER TABLE incident ADD COLUMN muted TEXT NOT NULL DEFAULT '';
UPDATE incident SET
    muted = (SELECT coalesce(group_concat(value, ','), '') FROM json_each(incident.body, '$.muted')),
    body = json_remove(body, '$.muted');
CREATE INDEX incident_muted ON incident (impact, id) WHERE muted <> '' AND state = 'open';
