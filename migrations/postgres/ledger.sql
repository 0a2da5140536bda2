-- The log. The leaf is the record; the other columns repeat parts of it for the planner, and
-- `verify` compares them. `aggregate_id` is read out of the leaf: canonical entries begin with it.
CREATE SCHEMA vitaledger;
SET LOCAL search_path = vitaledger, pg_catalog;

CREATE TABLE entry (
    position       bigint PRIMARY KEY,
    aggregate_type text   NOT NULL,
    aggregate_id   uuid   NOT NULL
        GENERATED ALWAYS AS (encode(substring(leaf FROM 18 FOR 36), 'escape')::uuid) STORED,
    sequence       bigint NOT NULL,
    leaf           bytea  NOT NULL
);
-- Leaves are dense JSON of a kilobyte: compressing them costs more than it saves, and they are
-- read whole.
ALTER TABLE entry ALTER COLUMN leaf SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX entry_stream ON entry (aggregate_id, sequence);
-- Streams that are no records are few; the log of records is read by position.
CREATE INDEX entry_rare ON entry (aggregate_type, position)
    WHERE aggregate_type NOT IN ('registration', 'birth', 'pregnancy_loss', 'disbursement', 'activity', 'return');

-- First receipt of a caller's idempotency key. Both are keyed hashes.
CREATE TABLE idempotency (
    key      bytea  PRIMARY KEY,
    request  bytea  NOT NULL,
    position bigint NOT NULL
);

-- Signed notes, one per size that was signed.
CREATE TABLE checkpoint (
    size bigint PRIMARY KEY,
    note bytea  NOT NULL
);

-- Full hash tiles of 256 nodes (C2SP tlog-tiles).
CREATE TABLE tile (
    level  smallint NOT NULL,
    number bigint   NOT NULL,
    hashes bytea    NOT NULL,
    PRIMARY KEY (level, number)
);

-- The end of the log: whoever appends holds this row. Kept by a trigger, so that no one can
-- append beyond or before it.
CREATE TABLE head (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint  NOT NULL
) WITH (fillfactor = 10);
INSERT INTO head (size) VALUES (0);

-- Who may sign now, and what was signed last: two nodes never sign the same size twice. What
-- binds the signing key is the file beside it; this row binds the nodes to each other.
CREATE TABLE signing (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    size     bigint  NOT NULL,
    root     bytea   NOT NULL,
    holder   uuid,
    held_until timestamptz
) WITH (fillfactor = 10);

CREATE TABLE schema_version (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL
);
INSERT INTO schema_version (version) VALUES (1);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER entry_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER idempotency_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON idempotency
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER checkpoint_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER tile_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tile
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER head_is_kept BEFORE DELETE OR TRUNCATE ON head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
INSERT INTO signing (size, root) VALUES (0, sha256(''));
CREATE TRIGGER signing_is_kept BEFORE DELETE OR TRUNCATE ON signing
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was inserted begins at the head, has no gap, and becomes the head.
CREATE FUNCTION advance_head() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first bigint;
    last  bigint;
    rows  bigint;
BEGIN
    SELECT min(position), max(position), count(*) INTO first, last, rows FROM placed;
    IF rows = 0 THEN
        RETURN NULL;
    END IF;
    UPDATE vitaledger.head SET size = last + 1 WHERE size = first AND last - first + 1 = rows;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the ledger is gapless: % is not the next position', first
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entry_is_gapless AFTER INSERT ON entry REFERENCING NEW TABLE AS placed
    FOR EACH STATEMENT EXECUTE FUNCTION advance_head();

-- Takes the head, and tells what the placing of a batch needs to know. In READ COMMITTED every
-- statement of the function sees what was committed before it began, so what follows the lock
-- sees everything that was appended before.
CREATE FUNCTION lock_head(
    IN streams uuid[], IN keys bytea[], IN record_keys bytea[],
    OUT size bigint, OUT last bytea, OUT clock bigint,
    OUT known uuid[], OUT versions bigint[],
    OUT used bytea[], OUT requests bytea[], OUT positions bigint[],
    OUT erased bytea[], OUT oldest_master_key text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    -- A session keeps the plans that it made while the tables were small, when reading them
    -- whole was cheapest. Without that, the one row of the head seems dear enough to compile for.
    SET enable_seqscan = off SET jit = off AS $$
BEGIN
    SELECT h.size INTO STRICT size FROM vitaledger.head h FOR UPDATE;
    clock := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    SELECT e.leaf INTO last FROM vitaledger.entry e WHERE e.position = lock_head.size - 1;
    SELECT array_agg(s.aggregate_id), array_agg(s.version) INTO known, versions
      FROM (SELECT i.id AS aggregate_id,
                   (SELECT e.sequence FROM vitaledger.entry e WHERE e.aggregate_id = i.id
                     ORDER BY e.sequence DESC LIMIT 1) AS version
              FROM unnest(streams) AS i (id)) s
     WHERE s.version IS NOT NULL;
    IF cardinality(keys) > 0 THEN
        SELECT array_agg(u.key), array_agg(u.request), array_agg(u.position)
          INTO used, requests, positions
          FROM vitaledger.idempotency u WHERE u.key = ANY (keys);
    END IF;
    IF cardinality(record_keys) > 0 THEN
        SELECT array_agg(DISTINCT v.key_id) INTO erased
          FROM vitaledger_vault.sealed v
         WHERE v.erased_by IS NOT NULL AND v.key_id = ANY (record_keys);
    END IF;
    SELECT m.value INTO oldest_master_key
      FROM vitaledger_vault.vault_meta m WHERE m.name = 'oldest_master_key';
    -- Rows of the vault without an entry: not from a crash, both are one transaction; but a vault
    -- may have been restored alone.
    DELETE FROM vitaledger_vault.sealed v WHERE v.position >= lock_head.size;
    DELETE FROM vitaledger_vault.token v WHERE v.position >= lock_head.size;
    DELETE FROM vitaledger_vault.woman_token v WHERE v.position >= lock_head.size;
END $$;

-- The seven columns of a stock cqrs-es repository, as a view over the leaves.
CREATE VIEW events AS
    SELECT aggregate_type,
           aggregate_id::text                                                AS aggregate_id,
           sequence,
           convert_from(leaf, 'UTF8')::json ->> 'event_type'                 AS event_type,
           convert_from(leaf, 'UTF8')::json ->> 'event_version'              AS event_version,
           convert_from(leaf, 'UTF8')::json -> 'payload'                     AS payload,
           convert_from(leaf, 'UTF8')::json -> 'metadata'                    AS metadata
      FROM entry;
