-- Tokens of the network interface, in a schema of their own: they are no part of the log, which
-- says on its own what became of each, nor of a backup, which must not bring back what was revoked.
-- A secret is known by its SHA-256 only.
CREATE SCHEMA vitaledger_access;

CREATE TABLE vitaledger_access.api_token (
    id         uuid   PRIMARY KEY,
    hash       bytea  NOT NULL UNIQUE CHECK (length(hash) = 32),
    role       text   NOT NULL,
    office     text   NOT NULL,
    name       text,
    created_at bigint NOT NULL,             -- microseconds since 1970, as all times here
    expires_at bigint NOT NULL,
    revoked_at bigint,
    mac        bytea  NOT NULL              -- of all but name and revoked_at, by the ledger's key
);

-- What was handed out stays what it was: it can be revoked once, and nothing else.
CREATE FUNCTION vitaledger_access.keep_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL
       AND (NEW.id, NEW.hash, NEW.role, NEW.office, NEW.created_at, NEW.expires_at, NEW.mac)
         = (OLD.id, OLD.hash, OLD.role, OLD.office, OLD.created_at, OLD.expires_at, OLD.mac)
       AND NEW.name IS NOT DISTINCT FROM OLD.name THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'tokens are kept: % of api_token refused', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER api_token_is_kept BEFORE UPDATE OR DELETE ON vitaledger_access.api_token
    FOR EACH ROW EXECUTE FUNCTION vitaledger_access.keep_token();
CREATE TRIGGER api_token_is_not_emptied BEFORE TRUNCATE ON vitaledger_access.api_token
    FOR EACH STATEMENT EXECUTE FUNCTION vitaledger_access.keep_token();

REVOKE ALL ON SCHEMA vitaledger_access FROM PUBLIC;
REVOKE ALL ON FUNCTION vitaledger_access.keep_token() FROM PUBLIC;
GRANT USAGE ON SCHEMA vitaledger_access TO vitaledger_service;
GRANT SELECT, INSERT ON vitaledger_access.api_token TO vitaledger_service;
GRANT UPDATE (revoked_at) ON vitaledger_access.api_token TO vitaledger_service;
