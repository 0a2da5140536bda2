-- Operational views: derived from the log, disposable, in a file of their own. The columns are those
-- of a stock sqlite-es view repository.
CREATE TABLE finding_case (
    view_id TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version > 0),
    payload TEXT    NOT NULL CHECK (json_valid(payload))
) STRICT;
CREATE TABLE period_case (
    view_id TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version > 0),
    payload TEXT    NOT NULL CHECK (json_valid(payload))
) STRICT;
CREATE TABLE sample_case (
    view_id TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version > 0),
    payload TEXT    NOT NULL CHECK (json_valid(payload))
) STRICT;
-- One row: how far the log was projected.
CREATE TABLE projector (
    view_id TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version > 0),
    payload TEXT    NOT NULL CHECK (json_valid(payload))
) STRICT;

PRAGMA user_version = 1;
