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
