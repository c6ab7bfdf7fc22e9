-- In an archive that several clones share: which of them wrote a block of records.
CREATE TABLE IF NOT EXISTS evidence_writer (
  block_id BIGINT NOT NULL PRIMARY KEY REFERENCES evidence_block(id),
  writer {digest} NOT NULL
){table};
