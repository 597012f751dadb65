-- What one more occurrence changes is in columns, so that a storm's repeats rewrite no body.
ALTER TABLE incident ADD COLUMN raised_ms INTEGER NOT NULL DEFAULT 0;
UPDATE incident SET raised_ms = json_extract(body, '$.raised_ms'), body = json_remove(body, '$.raised_ms');
