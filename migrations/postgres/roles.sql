-- The service appends and reads; it can change nothing in the ledger. The vault has a role of its
-- own, which the service is a member of and a reader of the log is not.
DO $$
BEGIN
    BEGIN
        CREATE ROLE vitaledger_vault NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    BEGIN
        CREATE ROLE vitaledger_reader NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    BEGIN
        CREATE ROLE vitaledger_service NOLOGIN IN ROLE vitaledger_vault, vitaledger_reader;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    -- So that whoever created the ledger can act as the service.
    IF NOT pg_has_role(current_user, 'vitaledger_service', 'MEMBER') THEN
        EXECUTE format('GRANT vitaledger_service TO %I', current_user);
    END IF;
END $$;
