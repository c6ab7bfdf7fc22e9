-- One deed may archive files for several reasons: what they share is then one row for each reason.
DROP INDEX IF EXISTS batch_deed{on:batch};

CREATE UNIQUE INDEX IF NOT EXISTS batch_deed_reason ON batch (deed, reason);

-- What lists are filtered by, so that a page costs the same in a large archive as in a small one.
CREATE INDEX IF NOT EXISTS tag_name ON tag (tag, item_id);

CREATE INDEX IF NOT EXISTS item_batch ON item_row (batch_id);

CREATE INDEX IF NOT EXISTS item_restored ON item_row (restored_at);

CREATE INDEX IF NOT EXISTS item_path_start ON item_row ({start:path});

CREATE INDEX IF NOT EXISTS artifact_purged ON artifact_row (purged_at);

CREATE INDEX IF NOT EXISTS batch_repo ON batch (repo);

CREATE INDEX IF NOT EXISTS batch_actor ON batch (actor);

CREATE INDEX IF NOT EXISTS batch_reason ON batch (reason);

CREATE INDEX IF NOT EXISTS batch_at ON batch (at);
