"""Reads the entries of a ledger, as JSON Lines, into typed columns with DuckDB, and writes one
Parquet file for each kind of record, compressed with Snappy.

Arguments: the file, the folder of the Parquet files, and the columns of the kinds as JSON:
{"birth": [["facility", "VARCHAR"], ...], ...}. Prints figures, a name and a number a line.
"""

import json
import os
import resource
import sys
import time

import duckdb

file, folder, kinds = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
os.makedirs(folder, exist_ok=True)
fields = {name: kind for columns in kinds.values() for name, kind in columns}
struct = "STRUCT(%s)" % ", ".join(f'"{name}" {kind}' for name, kind in fields.items())
event = f"STRUCT(fields {struct})"
payload = f'STRUCT("Recorded" {event}, "Corrected" {event}, "Voided" STRUCT(fields JSON))'

connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
started = time.monotonic()
connection.execute(
    f"""
    CREATE TABLE entry AS
    SELECT aggregate_id AS record_id, aggregate_type, event_id, sequence AS version, position,
           recorded_at, payload."Recorded".fields AS recorded, payload."Corrected".fields AS corrected
      FROM read_json(?, format = 'newline_delimited', columns = {{
             aggregate_id: 'UUID', aggregate_type: 'VARCHAR', event_id: 'UUID',
             sequence: 'UBIGINT', position: 'UBIGINT', recorded_at: 'TIMESTAMPTZ',
             payload: '{payload}'}})
    """,
    [file],
)
loaded = time.monotonic()
for kind, columns in kinds.items():
    values = ", ".join(f'coalesce(recorded."{n}", corrected."{n}") AS "{n}"' for n, _ in columns)
    connection.execute(
        f"""
        COPY (SELECT record_id, version, position, recorded_at,
                     CASE WHEN recorded IS NOT NULL THEN 'recorded'
                          WHEN corrected IS NOT NULL THEN 'corrected' ELSE 'voided' END AS change,
                     event_id, {values}
                FROM entry WHERE aggregate_type = '{kind}' ORDER BY position)
          TO '{folder}/{kind}.parquet' (FORMAT parquet, COMPRESSION snappy)
        """
    )
written = time.monotonic()
rows = connection.execute("SELECT count(*), count(recorded) FROM entry").fetchone()
print("entries", rows[0])
print("recorded", rows[1])
print("load", loaded - started)
print("seconds", written - started)
print("peak_mib", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
