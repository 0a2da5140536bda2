-- Durable subscriptions, in a file of their own: they are no part of the log, nor of a backup, in
-- which a place of reading could be beyond the end. Of an entry there is only where it stands and of
-- which record it is.
CREATE TABLE durable_subscription (
    name            TEXT    PRIMARY KEY,
    office          TEXT,                   -- whose it is; none: the operator's
    token           TEXT,
    kinds           TEXT    NOT NULL,       -- with blanks between; none: all
    filter_office   TEXT,
    officeless      INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('active', 'paused', 'disabled')),
    scanned_to      INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,       -- microseconds since 1970, as all times here
    max_attempts    INTEGER NOT NULL,
    backoff_base_ms INTEGER NOT NULL,
    backoff_cap_ms  INTEGER NOT NULL,
    window_size     INTEGER NOT NULL,
    lease_ms        INTEGER NOT NULL,
    endpoint        TEXT
) STRICT, WITHOUT ROWID;

-- What was taken in and is not acknowledged.
CREATE TABLE delivery_window (
    name        TEXT    NOT NULL,
    position    INTEGER NOT NULL,
    record      TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('ready', 'leased', 'waiting', 'parked')),
    lease       TEXT,
    consumer    TEXT,
    lease_until INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER,                    -- of a waiting one
    last_error  TEXT,
    entered_at  INTEGER NOT NULL,
    PRIMARY KEY (name, position)
) STRICT, WITHOUT ROWID;

-- Whether an earlier one of the same record is there is asked for each that is handed out.
CREATE INDEX delivery_window_by_record ON delivery_window (name, record, position);

-- Who asked for work.
CREATE TABLE delivery_consumer (
    name     TEXT    NOT NULL,
    consumer TEXT    NOT NULL,
    seen_at  INTEGER NOT NULL,
    PRIMARY KEY (name, consumer)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1;
