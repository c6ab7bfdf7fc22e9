-- Large content on its way in, until its digest is known.
CREATE TABLE IF NOT EXISTS upload (
  run_id BIGINT NOT NULL PRIMARY KEY REFERENCES run(id),
  name {digest} NOT NULL,
  at {key} NOT NULL
){table};

CREATE UNIQUE INDEX IF NOT EXISTS upload_name ON upload (name);

-- What else is known of an entry of memory.
CREATE TABLE IF NOT EXISTS entry_metadata (
  entry_id BIGINT NOT NULL REFERENCES entry(id),
  k {key} NOT NULL,
  v {text} NOT NULL,
  PRIMARY KEY (entry_id, k)
){clustered};
