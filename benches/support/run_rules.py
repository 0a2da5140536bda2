"""Runs the SQL of audit rules with DuckDB over tables that are Parquet files.

Arguments: the folder of the files, and a file of JSON: {"tables": [name, ...], "views": [[name,
sql], ...], "rules": [[name, sql], ...]}. Prints figures, a name and a number a line. What DuckDB
does not take is said on standard error and has no figures.
"""

import json
import sys
import time

import duckdb

folder, asked = sys.argv[1], json.load(open(sys.argv[2]))


def peak():
    """The largest memory since it was last asked for, in MiB."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    return int(line.split()[1]) / 1024


connection = duckdb.connect()
# As in the program's engine, whole numbers divide to whole numbers.
connection.execute("SET integer_division = true; SET enable_progress_bar = false")
connection.execute(
    "CREATE MACRO make_array(a) AS [a], (a, b) AS [a, b], (a, b, c) AS [a, b, c], (a, b, c, d) AS [a, b, c, d]"
)
started = time.monotonic()
for name in asked["tables"]:
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_parquet('{folder}/{name}.parquet')")
print("load", time.monotonic() - started)
started = time.monotonic()
for name, sql in asked["views"]:
    connection.execute(f"CREATE TABLE {name} AS {sql}")
print("views", time.monotonic() - started)
most = peak()
for name, sql in asked["rules"]:
    started = time.monotonic()
    try:
        rows = len(connection.execute(sql).fetchall())
    except duckdb.Error as error:
        print(f"{name}: {error}", file=sys.stderr)
        continue
    print(f"time/{name}", time.monotonic() - started)
    print(f"rows/{name}", rows)
    own = peak()
    most = max(most, own)
    print(f"peak/{name}", own)
print("peak_mib", most)
