-- Signatures of SSH. Each is over one record, and covers by the chain all before it in its log.
CREATE TABLE IF NOT EXISTS evidence_signature (
  log_id BIGINT NOT NULL REFERENCES log(id),
  seq BIGINT NOT NULL,
  armored {text} NOT NULL,
  PRIMARY KEY (log_id, seq)
){table};
