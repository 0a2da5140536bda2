-- One row per event with sealed slots, at the event's position. Rows are changed by erasure only.
CREATE TABLE sealed (
    position INTEGER PRIMARY KEY,
    key_id   BLOB    NOT NULL,              -- random, one per record; erasure events name it
    keys     BLOB    NOT NULL,              -- wrapped role keys, on a record's first event
    slots    BLOB    NOT NULL,              -- packed ciphertexts
    content  BLOB    NOT NULL,              -- keyed digest of the whole content, for replays
    flags    INTEGER NOT NULL,              -- 1: a woman's token was made
    erased_by INTEGER,                      -- position of the erasure
    mac      BLOB    NOT NULL               -- authenticates the row and its equality tokens
) STRICT;
-- Erasures that were applied, so that opening a vault from a backup finds those that were not.
CREATE INDEX sealed_erased ON sealed (erased_by, key_id) WHERE erased_by IS NOT NULL;

-- Equality tokens, packed: slot number and 16 bytes, each.
CREATE TABLE token (
    position INTEGER PRIMARY KEY,
    tokens   BLOB    NOT NULL
) STRICT;

-- Tokens of pregnancy losses: comparable within one statistical year, destroyed with its key.
CREATE TABLE woman_token (
    position INTEGER PRIMARY KEY,
    year     INTEGER NOT NULL,
    token    BLOB    NOT NULL,
    mac      BLOB    NOT NULL
) STRICT;
CREATE TABLE year_key (
    year    INTEGER PRIMARY KEY,
    wrapped BLOB    NOT NULL
) STRICT;

CREATE TABLE vault_meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1;
