-- What a plain client of SQLite is refused: to take away what a hold holds. A server has roles for
-- that; here it keeps a careless hand off, and nobody who owns the file.
CREATE TRIGGER IF NOT EXISTS held_artifact_row BEFORE UPDATE ON artifact_row
WHEN (NEW.run_id IS NULL OR NEW.purged_at IS NOT NULL) AND EXISTS (
  SELECT 1 FROM item_row i JOIN hold_item m ON m.item_id = i.id JOIN hold h ON h.id = m.hold_id
  WHERE i.artifact_id = OLD.id AND h.released_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a hold forbids it'){then} END;

CREATE TRIGGER IF NOT EXISTS held_artifact_row_kept BEFORE DELETE ON artifact_row
WHEN EXISTS (
  SELECT 1 FROM item_row i JOIN hold_item m ON m.item_id = i.id JOIN hold h ON h.id = m.hold_id
  WHERE i.artifact_id = OLD.id AND h.released_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a hold forbids it'){then} END;

CREATE TRIGGER IF NOT EXISTS held_item_row BEFORE DELETE ON item_row
WHEN EXISTS (
  SELECT 1 FROM hold_item m JOIN hold h ON h.id = m.hold_id
  WHERE m.item_id = OLD.id AND h.released_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a hold forbids it'){then} END;

CREATE TRIGGER IF NOT EXISTS held_run BEFORE UPDATE ON run
WHEN EXISTS (
  SELECT 1 FROM artifact_row a JOIN item_row i ON i.artifact_id = a.id
  JOIN hold_item m ON m.item_id = i.id JOIN hold h ON h.id = m.hold_id
  WHERE a.run_id = OLD.id AND h.released_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a hold forbids it'){then} END;

CREATE TRIGGER IF NOT EXISTS held_run_kept BEFORE DELETE ON run
WHEN EXISTS (
  SELECT 1 FROM artifact_row a JOIN item_row i ON i.artifact_id = a.id
  JOIN hold_item m ON m.item_id = i.id JOIN hold h ON h.id = m.hold_id
  WHERE a.run_id = OLD.id AND h.released_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a hold forbids it'){then} END;

CREATE TRIGGER IF NOT EXISTS held_run_piece BEFORE UPDATE ON run_piece
WHEN EXISTS (
  SELECT 1 FROM artifact_row a JOIN item_row i ON i.artifact_id = a.id
  JOIN hold_item m ON m.item_id = i.id JOIN hold h ON h.id = m.hold_id
  WHERE a.run_id = OLD.run_id AND h.released_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a hold forbids it'){then} END;

CREATE TRIGGER IF NOT EXISTS held_run_piece_kept BEFORE DELETE ON run_piece
WHEN EXISTS (
  SELECT 1 FROM artifact_row a JOIN item_row i ON i.artifact_id = a.id
  JOIN hold_item m ON m.item_id = i.id JOIN hold h ON h.id = m.hold_id
  WHERE a.run_id = OLD.run_id AND h.released_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a hold forbids it'){then} END;
