-- Operational views: derived from the log, disposable, in a schema of their own, where the service
-- may change and delete. The columns are those of a stock postgres-es view repository.
CREATE SCHEMA vitaledger_views;
SET LOCAL search_path = vitaledger_views, pg_catalog;

CREATE TABLE finding_case (
    view_id text   PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    payload json   NOT NULL
);
CREATE TABLE period_case (
    view_id text   PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    payload json   NOT NULL
);
CREATE TABLE sample_case (
    view_id text   PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    payload json   NOT NULL
);
-- One row: how far the log was projected.
CREATE TABLE projector (
    view_id text   PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    payload json   NOT NULL
);

REVOKE ALL ON SCHEMA vitaledger_views FROM PUBLIC;
GRANT USAGE ON SCHEMA vitaledger_views TO vitaledger_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vitaledger_views TO vitaledger_service;
