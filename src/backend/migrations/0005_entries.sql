-- What else is known of an entry of memory.
CREATE TABLE IF NOT EXISTS entry_metadata (
  entry_id BIGINT NOT NULL REFERENCES entry(id),
  k {key} NOT NULL,
  v {text} NOT NULL,
  PRIMARY KEY (entry_id, k)
){clustered};
