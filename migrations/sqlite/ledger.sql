-- The log. The leaf is the record; the other columns repeat parts of it for the planner, and
-- `verify` compares them. `aggregate_id` is read out of the leaf: canonical entries begin with it.
CREATE TABLE entry (
    position       INTEGER PRIMARY KEY,
    aggregate_type TEXT    NOT NULL,
    aggregate_id   TEXT    GENERATED ALWAYS AS (CAST(substr(leaf, 18, 36) AS TEXT)) VIRTUAL,
    sequence       INTEGER NOT NULL,
    leaf           BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX entry_stream ON entry (aggregate_id, sequence);
-- Streams that are no records are few; the log of records is read by position.
CREATE INDEX entry_rare ON entry (aggregate_type, position)
    WHERE aggregate_type NOT IN ('registration', 'birth', 'pregnancy_loss', 'disbursement', 'activity', 'return');

-- First receipt of a caller's idempotency key. Both are keyed hashes.
CREATE TABLE idempotency (
    key      BLOB    PRIMARY KEY,
    request  BLOB    NOT NULL,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Signed notes, one per size that was signed.
CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY,
    note BLOB    NOT NULL
) STRICT;

-- Full hash tiles of 256 nodes (C2SP tlog-tiles).
CREATE TABLE tile (
    level  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB    NOT NULL,
    PRIMARY KEY (level, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER entry_is_append_only_update BEFORE UPDATE ON entry
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE of entry refused'); END;
CREATE TRIGGER entry_is_append_only_delete BEFORE DELETE ON entry
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE from entry refused'); END;
CREATE TRIGGER entry_is_gapless BEFORE INSERT ON entry
    WHEN NEW.position <> (SELECT coalesce(max(position) + 1, 0) FROM entry)
    BEGIN SELECT RAISE(ROLLBACK, 'the ledger is gapless: this is not the next position'); END;
CREATE TRIGGER idempotency_is_append_only_update BEFORE UPDATE ON idempotency
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE of idempotency refused'); END;
CREATE TRIGGER idempotency_is_append_only_delete BEFORE DELETE ON idempotency
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE from idempotency refused'); END;
CREATE TRIGGER checkpoint_is_append_only_update BEFORE UPDATE ON checkpoint
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE of checkpoint refused'); END;
CREATE TRIGGER checkpoint_is_append_only_delete BEFORE DELETE ON checkpoint
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE from checkpoint refused'); END;
CREATE TRIGGER tile_is_append_only_update BEFORE UPDATE ON tile
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: UPDATE of tile refused'); END;
CREATE TRIGGER tile_is_append_only_delete BEFORE DELETE ON tile
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: DELETE from tile refused'); END;

-- The seven columns of a stock cqrs-es repository, as a view over the leaves.
CREATE VIEW events AS
    SELECT aggregate_type,
           aggregate_id,
           sequence,
           json_extract(CAST(leaf AS TEXT), '$.event_type')    AS event_type,
           json_extract(CAST(leaf AS TEXT), '$.event_version') AS event_version,
           json_extract(CAST(leaf AS TEXT), '$.payload')       AS payload,
           json_extract(CAST(leaf AS TEXT), '$.metadata')      AS metadata
      FROM entry;

PRAGMA user_version = 1;
