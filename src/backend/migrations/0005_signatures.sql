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
