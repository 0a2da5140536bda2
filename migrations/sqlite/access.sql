-- Tokens of the network interface, in a file of their own: they are no part of the log, which says
-- on its own what became of each, nor of a backup, which must not bring back what was revoked.
-- A secret is known by its SHA-256 only.
CREATE TABLE api_token (
    id         TEXT    PRIMARY KEY,
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    role       TEXT    NOT NULL,
    office     TEXT    NOT NULL,
    name       TEXT,
    created_at INTEGER NOT NULL,            -- microseconds since 1970, as all times here
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    mac        BLOB    NOT NULL             -- of all but name and revoked_at, by the ledger's key
) STRICT, WITHOUT ROWID;

-- What was handed out stays what it was: it can be revoked once, and nothing else.
CREATE TRIGGER api_token_is_kept_delete BEFORE DELETE ON api_token
    BEGIN SELECT RAISE(ABORT, 'tokens are kept: DELETE from api_token refused'); END;
CREATE TRIGGER api_token_is_kept_update BEFORE UPDATE ON api_token
    WHEN OLD.revoked_at IS NOT NULL OR NEW.revoked_at IS NULL OR NEW.id <> OLD.id
      OR NEW.hash <> OLD.hash OR NEW.role <> OLD.role OR NEW.office <> OLD.office
      OR NEW.name IS NOT OLD.name OR NEW.created_at <> OLD.created_at
      OR NEW.expires_at <> OLD.expires_at OR NEW.mac <> OLD.mac
    BEGIN SELECT RAISE(ABORT, 'tokens are kept: UPDATE of api_token refused'); END;

PRAGMA user_version = 1;
