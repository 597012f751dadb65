-- Counts know when their period ends, since periods differ in length.
DELETE FROM tally;
ALTER TABLE tally RENAME COLUMN period TO until_ms;
