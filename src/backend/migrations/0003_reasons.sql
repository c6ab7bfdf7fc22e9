-- One deed may archive files for several reasons: what they share is then one row for each reason.
DROP INDEX batch_deed{on:batch};

CREATE UNIQUE INDEX IF NOT EXISTS batch_deed_reason ON batch (deed, reason);
