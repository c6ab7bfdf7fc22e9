-- What many rows share is said once: the folder of items, and when the bytes of a run came in. An
-- item without a folder has its whole path in its row, and an artifact may have a time of its own.
CREATE TABLE IF NOT EXISTS folder (
  id {id},
  path {text} NOT NULL
){table};

CREATE UNIQUE INDEX IF NOT EXISTS folder_path ON folder (path);

ALTER TABLE item_row ADD COLUMN folder_id BIGINT REFERENCES folder(id);

ALTER TABLE run ADD COLUMN created_at {key};

DROP INDEX IF EXISTS item_path;

DROP INDEX IF EXISTS item_path_start;

CREATE INDEX IF NOT EXISTS item_folder ON item_row (folder_id, path);

-- Most items were never restored, and most artifacts never purged.
DROP INDEX IF EXISTS item_restored;

CREATE INDEX IF NOT EXISTS item_restored ON item_row (restored_at) WHERE restored_at IS NOT NULL;

DROP INDEX IF EXISTS artifact_purged;

CREATE INDEX IF NOT EXISTS artifact_purged ON artifact_row (purged_at) WHERE purged_at IS NOT NULL;

-- Eight bytes tell contents apart; whoever asks compares the rest.
DROP INDEX IF EXISTS artifact_sha256;

CREATE INDEX IF NOT EXISTS artifact_sha256 ON artifact_row (substr(sha256, 1, 8));

DROP VIEW IF EXISTS artifact;

{view} artifact AS
SELECT a.id AS id,
  {hex:a.sha256} AS content_sha256,
  a.size_bytes AS size_bytes,
  a.run_length AS stored_bytes,
  'zstd' AS compression,
  r.bytes AS blob_bytes,
  a.purged_at AS purged_at,
  CASE a.created_at WHEN '' THEN r.created_at ELSE a.created_at END AS created_at
FROM artifact_row a LEFT JOIN run r ON r.id = a.run_id;

DROP VIEW IF EXISTS item;

{view} item AS
SELECT i.id AS id,
  b.repo AS repo,
  COALESCE(f.path, '') || i.path AS path,
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
  (SELECT p.at FROM item_purge p WHERE p.item_id = i.id AND p.at >= b.at) AS purged_at
FROM item_row i
JOIN batch b ON b.id = i.batch_id
JOIN artifact_row a ON a.id = i.artifact_id
LEFT JOIN folder f ON f.id = i.folder_id
WHERE i.hidden = 0;
