-- The rules in force, version by version; none before the first is adopted.
CREATE TABLE IF NOT EXISTS policy (
  version BIGINT NOT NULL PRIMARY KEY,
  toml {text} NOT NULL,
  signers {text} NOT NULL,
  approved_by {text} NOT NULL,
  at {key} NOT NULL
){table};

-- Who asked that something governed be done; its deed is its id.
CREATE TABLE IF NOT EXISTS request (
  id {id},
  deed {digest} NOT NULL,
  action {key} NOT NULL,
  subject {key} NOT NULL,
  repo {key} NOT NULL,
  item_id BIGINT REFERENCES item_row(id),
  requested_by {key} NOT NULL,
  reason {text} NOT NULL,
  policy_version BIGINT NOT NULL,
  at {key} NOT NULL,
  expires_at {key} NOT NULL,
  state {key} NOT NULL
){table};

CREATE UNIQUE INDEX IF NOT EXISTS request_deed ON request (deed);

CREATE INDEX IF NOT EXISTS request_subject ON request (subject);

CREATE INDEX IF NOT EXISTS request_item ON request (item_id);

CREATE INDEX IF NOT EXISTS request_state ON request (state);

-- Who approved a request, until when, and how sure that is; used once.
CREATE TABLE IF NOT EXISTS approval (
  id {id},
  request_id BIGINT NOT NULL REFERENCES request(id),
  actor {key} NOT NULL,
  observed {text} NOT NULL,
  assurance {key} NOT NULL,
  fingerprint {key},
  signature {text},
  at {key} NOT NULL,
  expires_at {key} NOT NULL,
  used_at {key}
){table};

CREATE INDEX IF NOT EXISTS approval_request ON approval (request_id);

-- What must not be destroyed, and for which case.
CREATE TABLE IF NOT EXISTS hold (
  id {id},
  deed {digest} NOT NULL,
  repo {key} NOT NULL,
  scope {key} NOT NULL,
  pattern {text} NOT NULL,
  case_id {key} NOT NULL,
  reason {text} NOT NULL,
  set_by {key} NOT NULL,
  set_at {key} NOT NULL,
  released_at {key}
){table};

CREATE UNIQUE INDEX IF NOT EXISTS hold_deed ON hold (deed);

CREATE INDEX IF NOT EXISTS hold_case ON hold (case_id);

-- The items that a hold holds, while it does.
CREATE TABLE IF NOT EXISTS hold_item (
  hold_id BIGINT NOT NULL REFERENCES hold(id),
  item_id BIGINT NOT NULL REFERENCES item_row(id),
  PRIMARY KEY (hold_id, item_id)
){clustered};

CREATE INDEX IF NOT EXISTS hold_item_item ON hold_item (item_id);

-- Items whose content was destroyed, and when last: who archives one again later has it again.
-- Another item may bring the same content in again.
CREATE TABLE IF NOT EXISTS item_purge (
  item_id BIGINT NOT NULL PRIMARY KEY REFERENCES item_row(id),
  at {key} NOT NULL
){table};

-- Content that was destroyed, and does not come in again until it is readmitted.
CREATE TABLE IF NOT EXISTS purge_ledger (
  id {id},
  sha256 {digest} NOT NULL,
  size_bytes BIGINT NOT NULL,
  tombstone {digest} NOT NULL,
  reason {text} NOT NULL,
  at {key} NOT NULL,
  readmitted_at {key}
){table};

CREATE INDEX IF NOT EXISTS purge_ledger_sha256 ON purge_ledger (sha256);

-- What retention would have taken, run by run.
CREATE TABLE IF NOT EXISTS retention_audit_events (
  id {id},
  mode {key} NOT NULL,
  executed_at {key} NOT NULL,
  scope {key} NOT NULL,
  project {key},
  total_candidates BIGINT NOT NULL,
  by_reason_json {text} NOT NULL,
  input_json {text} NOT NULL,
  candidate_ids_json {text} NOT NULL
){table};

CREATE INDEX IF NOT EXISTS retention_audit_events_executed_at ON retention_audit_events (executed_at);

-- Signatures of SSH. Each is over one record, and covers by the chain all before it in its log.
CREATE TABLE IF NOT EXISTS evidence_signature (
  log_id BIGINT NOT NULL REFERENCES log(id),
  seq BIGINT NOT NULL,
  armored {text} NOT NULL,
  PRIMARY KEY (log_id, seq)
){table};

-- Checkpoints as they were given out: notes over the first records in the order of their rows.
CREATE TABLE IF NOT EXISTS evidence_checkpoint (
  tree_size BIGINT NOT NULL PRIMARY KEY,
  note {text} NOT NULL
){table};

-- What entries of memory belong to.
CREATE TABLE IF NOT EXISTS project (
  id {id},
  name {key} NOT NULL,
  created_at {key} NOT NULL
){table};

CREATE UNIQUE INDEX IF NOT EXISTS project_name ON project (name);

-- What is remembered: one text with what it is about and where it comes from.
CREATE TABLE IF NOT EXISTS entry (
  id {id},
  uuid {digest} NOT NULL,
  project_id BIGINT NOT NULL REFERENCES project(id),
  type {key} NOT NULL,
  title {text} NOT NULL,
  body {text} NOT NULL,
  source {text},
  session {key},
  content_sha256 {digest} NOT NULL,
  created_at {key} NOT NULL,
  updated_at {key} NOT NULL
){table};

CREATE UNIQUE INDEX IF NOT EXISTS entry_uuid ON entry (uuid);

CREATE INDEX IF NOT EXISTS entry_content ON entry (content_sha256);

-- Entries of a project by age, newest or oldest first.
CREATE INDEX IF NOT EXISTS entry_project_created ON entry (project_id, created_at, id);

CREATE TABLE IF NOT EXISTS entry_tag (
  entry_id BIGINT NOT NULL REFERENCES entry(id),
  tag {key} NOT NULL,
  PRIMARY KEY (entry_id, tag)
){clustered};

CREATE INDEX IF NOT EXISTS entry_tag_tag ON entry_tag (tag, entry_id);

-- Whose bytes a run has.
CREATE INDEX IF NOT EXISTS artifact_run ON artifact_row (run_id);

{drop_view:item};

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
  (SELECT p.at FROM item_purge p WHERE p.item_id = i.id AND p.at >= b.at) AS purged_at
FROM item_row i
JOIN batch b ON b.id = i.batch_id
JOIN artifact_row a ON a.id = i.artifact_id
WHERE i.hidden = 0;
