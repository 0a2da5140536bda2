-- Durable subscriptions, in a schema of their own: they are no part of the log, nor of a backup, in
-- which a place of reading could be beyond the end. Of an entry there is only where it stands and of
-- which record it is.
CREATE SCHEMA vitaledger_subscription;

CREATE TABLE vitaledger_subscription.durable_subscription (
    name            text    PRIMARY KEY,
    office          text,                   -- whose it is; none: the operator's
    token           uuid,
    kinds           text    NOT NULL,       -- with blanks between; none: all
    filter_office   text,
    officeless      boolean NOT NULL,
    state           text    NOT NULL CHECK (state IN ('active', 'paused', 'disabled')),
    scanned_to      bigint  NOT NULL,
    created_at      bigint  NOT NULL,       -- microseconds since 1970, as all times here
    max_attempts    bigint  NOT NULL,
    backoff_base_ms bigint  NOT NULL,
    backoff_cap_ms  bigint  NOT NULL,
    window_size     bigint  NOT NULL,
    lease_ms        bigint  NOT NULL,
    endpoint        text
);

-- What was taken in and is not acknowledged.
CREATE TABLE vitaledger_subscription.delivery_window (
    name        text   NOT NULL,
    position    bigint NOT NULL,
    record      uuid   NOT NULL,
    state       text   NOT NULL CHECK (state IN ('ready', 'leased', 'waiting', 'parked')),
    lease       uuid,
    consumer    text,
    lease_until bigint,
    attempts    bigint NOT NULL DEFAULT 0,
    next_at     bigint,                     -- of a waiting one
    last_error  text,
    entered_at  bigint NOT NULL,
    PRIMARY KEY (name, position)
);

-- Whether an earlier one of the same record is there is asked for each that is handed out.
CREATE INDEX delivery_window_by_record
    ON vitaledger_subscription.delivery_window (name, record, position);

-- Who asked for work.
CREATE TABLE vitaledger_subscription.delivery_consumer (
    name     text   NOT NULL,
    consumer text   NOT NULL,
    seen_at  bigint NOT NULL,
    PRIMARY KEY (name, consumer)
);

-- The clock that leases and pauses are measured by.
CREATE FUNCTION vitaledger_subscription.micros() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

REVOKE ALL ON SCHEMA vitaledger_subscription FROM PUBLIC;
REVOKE ALL ON FUNCTION vitaledger_subscription.micros() FROM PUBLIC;
GRANT USAGE ON SCHEMA vitaledger_subscription TO vitaledger_service;
GRANT EXECUTE ON FUNCTION vitaledger_subscription.micros() TO vitaledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vitaledger_subscription
    TO vitaledger_service;
