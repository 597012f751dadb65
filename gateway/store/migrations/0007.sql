-- What caps on incidents held back, by source; '' stands for all sources beyond the first so many.
CREATE TABLE held (
    parent TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (parent, source)
) WITHOUT ROWID;
