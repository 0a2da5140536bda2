CREATE SCHEMA vitaledger_vault;
SET LOCAL search_path = vitaledger_vault, pg_catalog;

-- One row per event with sealed slots, at the event's position. Rows are changed by erasure and
-- by the rotation of the master key only.
CREATE TABLE sealed (
    position  bigint PRIMARY KEY,
    key_id    bytea  NOT NULL,              -- random, one per record; erasure events name it
    keys      bytea  NOT NULL,              -- wrapped role keys, on a record's first event
    slots     bytea  NOT NULL,              -- packed ciphertexts
    content   bytea  NOT NULL,              -- keyed digest of the whole content, for replays
    flags     bigint NOT NULL,              -- 1: a woman's token was made
    erased_by bigint,                       -- position of the erasure
    mac       bytea  NOT NULL               -- authenticates the row and its equality tokens
);
ALTER TABLE sealed ALTER COLUMN keys SET STORAGE EXTERNAL;
ALTER TABLE sealed ALTER COLUMN slots SET STORAGE EXTERNAL;
-- Erasures that were applied, so that opening a vault from a backup finds those that were not.
CREATE INDEX sealed_erased ON sealed (erased_by, key_id) WHERE erased_by IS NOT NULL;

-- Equality tokens, packed: slot number and 16 bytes, each.
CREATE TABLE token (
    position bigint PRIMARY KEY,
    tokens   bytea  NOT NULL
);

-- Tokens of pregnancy losses: comparable within one statistical year, destroyed with its key.
CREATE TABLE woman_token (
    position bigint PRIMARY KEY,
    year     bigint NOT NULL,
    token    bytea  NOT NULL,
    mac      bytea  NOT NULL
);
CREATE TABLE year_key (
    year    bigint PRIMARY KEY,
    wrapped bytea  NOT NULL
);

CREATE TABLE vault_meta (
    name  text PRIMARY KEY,
    value text NOT NULL
);
