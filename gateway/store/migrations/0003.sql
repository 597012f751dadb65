-- Operations of unknown outcome that are being looked for: nobody else takes one, and a process that dies over it is counted.
ALTER TABLE operation ADD COLUMN looking INTEGER NOT NULL DEFAULT 0;
