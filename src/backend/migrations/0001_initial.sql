-- What this archive is.
CREATE TABLE IF NOT EXISTS meta (
  k {key} NOT NULL PRIMARY KEY,
  v {text} NOT NULL
){clustered};

-- The next free row number of each table.
CREATE TABLE IF NOT EXISTS counter (
  name {key} NOT NULL PRIMARY KEY,
  next BIGINT NOT NULL
){clustered};

-- The only place of content: one zstd frame, whose first 4 MiB stand here.
CREATE TABLE IF NOT EXISTS run (
  id {id},
  members BIGINT NOT NULL,
  stored_sha256 {digest} NOT NULL,
  bytes {blob},
  pieces BIGINT NOT NULL
){table};

-- Stored bytes beyond the first 4 MiB, in pieces of 4 MiB.
CREATE TABLE IF NOT EXISTS run_piece (
  run_id BIGINT NOT NULL REFERENCES run(id),
  n BIGINT NOT NULL,
  bytes {blob} NOT NULL,
  PRIMARY KEY (run_id, n)
){table};

-- What all items of one deed share.
CREATE TABLE IF NOT EXISTS batch (
  id {id},
  deed {digest} NOT NULL,
  repo {key} NOT NULL,
  commit_sha {text} NOT NULL,
  actor {key} NOT NULL,
  reason {key} NOT NULL,
  at {key} NOT NULL
){table};

CREATE UNIQUE INDEX IF NOT EXISTS batch_deed ON batch (deed);

-- Deduplicated content: a piece of a run.
CREATE TABLE IF NOT EXISTS artifact_row (
  id {id},
  sha256 {digest} NOT NULL,
  size_bytes BIGINT NOT NULL,
  run_id BIGINT REFERENCES run(id),
  run_offset BIGINT NOT NULL,
  run_length BIGINT NOT NULL,
  created_at {key} NOT NULL,
  purged_at {key}
){table};

CREATE UNIQUE INDEX IF NOT EXISTS artifact_sha256 ON artifact_row (sha256);

-- One file of one repository that was archived. An item whose deed was aborted is hidden.
CREATE TABLE IF NOT EXISTS item_row (
  id {id},
  tombstone {digest} NOT NULL,
  batch_id BIGINT NOT NULL REFERENCES batch(id),
  artifact_id BIGINT NOT NULL REFERENCES artifact_row(id),
  path {text} NOT NULL,
  path_hash BIGINT NOT NULL,
  git_blob {digest} NOT NULL,
  mode BIGINT NOT NULL,
  kind {key} NOT NULL,
  language {key},
  restricted BIGINT NOT NULL,
  delete_after {key},
  restored_at {key},
  hidden BIGINT NOT NULL
){table};

CREATE UNIQUE INDEX IF NOT EXISTS item_tombstone ON item_row (tombstone);

CREATE INDEX IF NOT EXISTS item_path ON item_row (path_hash);

CREATE INDEX IF NOT EXISTS item_artifact ON item_row (artifact_id);

CREATE TABLE IF NOT EXISTS tag (
  item_id BIGINT NOT NULL REFERENCES item_row(id),
  tag {key} NOT NULL,
  PRIMARY KEY (item_id, tag)
){clustered};

CREATE TABLE IF NOT EXISTS metadata (
  item_id BIGINT NOT NULL REFERENCES item_row(id),
  k {key} NOT NULL,
  v {text} NOT NULL,
  PRIMARY KEY (item_id, k)
){clustered};

-- Evidence logs; only those with a home are written by this archive.
CREATE TABLE IF NOT EXISTS log (
  id {id},
  uuid {digest} NOT NULL,
  repo {key} NOT NULL,
  head_seq BIGINT NOT NULL,
  head_digest {digest} NOT NULL,
  home {text}
){table};

CREATE UNIQUE INDEX IF NOT EXISTS log_uuid ON log (uuid);

-- Bodies of consecutive records of one deed, as zstd of canonical lines.
CREATE TABLE IF NOT EXISTS evidence_block (
  id {id},
  log_id BIGINT NOT NULL REFERENCES log(id),
  deed {digest} NOT NULL,
  n BIGINT NOT NULL,
  first_seq BIGINT NOT NULL,
  records BIGINT NOT NULL,
  bytes {blob} NOT NULL
){table};

CREATE UNIQUE INDEX IF NOT EXISTS evidence_block_deed ON evidence_block (log_id, deed, n);

CREATE INDEX IF NOT EXISTS evidence_block_deed_only ON evidence_block (deed);

-- The record of every deed: the authority of evidence.
CREATE TABLE IF NOT EXISTS evidence (
  id {id},
  log_id BIGINT NOT NULL REFERENCES log(id),
  seq BIGINT NOT NULL,
  digest {digest} NOT NULL,
  block_id BIGINT NOT NULL REFERENCES evidence_block(id),
  item_id BIGINT REFERENCES item_row(id),
  action {key} NOT NULL
){table};

CREATE UNIQUE INDEX IF NOT EXISTS evidence_seq ON evidence (log_id, seq);

CREATE INDEX IF NOT EXISTS evidence_item ON evidence (item_id);

{view} artifact AS
SELECT a.id AS id,
  {hex:a.sha256} AS content_sha256,
  a.size_bytes AS size_bytes,
  a.run_length AS stored_bytes,
  'zstd' AS compression,
  r.bytes AS blob_bytes,
  a.purged_at AS purged_at,
  a.created_at AS created_at
FROM artifact_row a LEFT JOIN run r ON r.id = a.run_id;

{view} item AS
SELECT i.id AS id,
  b.repo AS repo,
  i.path AS path,
  CASE i.mode WHEN 33261 THEN '100755' ELSE '100644' END AS mode,
  {hex:i.git_blob} AS git_blob,
  b.commit_sha AS commit_sha,
  i.language AS language,
  i.kind AS kind,
  b.reason AS reason,
  i.artifact_id AS artifact_id,
  (SELECT {object:m.k, m.v} FROM metadata m WHERE m.item_id = i.id) AS metadata,
  b.actor AS archived_by,
  b.at AS archived_at,
  {uuid:i.tombstone} AS tombstone_id,
  i.restricted AS restricted,
  i.delete_after AS delete_after,
  i.restored_at AS restored_at,
  a.purged_at AS purged_at
FROM item_row i
JOIN batch b ON b.id = i.batch_id
JOIN artifact_row a ON a.id = i.artifact_id
WHERE i.hidden = 0;
