REVOKE ALL ON SCHEMA vitaledger, vitaledger_vault FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA vitaledger FROM PUBLIC;

GRANT USAGE ON SCHEMA vitaledger TO vitaledger_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA vitaledger TO vitaledger_reader;

GRANT USAGE ON SCHEMA vitaledger TO vitaledger_service;
GRANT SELECT ON ALL TABLES IN SCHEMA vitaledger TO vitaledger_service;
GRANT INSERT ON vitaledger.entry, vitaledger.idempotency, vitaledger.checkpoint, vitaledger.tile
    TO vitaledger_service;
GRANT INSERT, UPDATE ON vitaledger.signing TO vitaledger_service;
GRANT EXECUTE ON FUNCTION vitaledger.lock_head(uuid[], bytea[]) TO vitaledger_service;

GRANT USAGE ON SCHEMA vitaledger_vault TO vitaledger_vault;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vitaledger_vault TO vitaledger_vault;
