//! What SQLite says of the consistency of its files, and whether their schema is the one that
//! this program creates.

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Executor};

use super::Result;
use super::sqlite::{LEDGER_SQL, VAULT_SQL, failed, position_of};

/// Complaints about both files; none when all is well.
pub(super) async fn complaints(ledger: &SqlitePool, vault: &SqlitePool) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for (pool, schema, name) in [
        (ledger, LEDGER_SQL, "ledger.db"),
        (vault, VAULT_SQL, "vault.db"),
    ] {
        let said: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_all(pool)
            .await
            .map_err(failed("check a database"))?;
        complaints.extend(
            said.into_iter()
                .filter(|line| line != "ok")
                .map(|line| format!("{name}: {line}")),
        );
        complaints.extend(schema_complaints(pool, schema, name).await?);
    }
    let query = "SELECT count(*) FROM entry WHERE position < 0";
    if count(ledger, query).await? > 0 {
        complaints.push("ledger.db: there are entries before position 0".to_owned());
    }
    Ok(complaints)
}

/// The one number that a query gives.
pub(super) async fn count(pool: &SqlitePool, query: &str) -> Result<u64> {
    let number: i64 = sqlx::query_scalar(query)
        .fetch_one(pool)
        .await
        .map_err(failed("count rows"))?;
    Ok(position_of(number))
}

/// Compares the schema in a file with the one that this program creates.
async fn schema_complaints(
    pool: &SqlitePool,
    schema: &str,
    name: &'static str,
) -> Result<Vec<String>> {
    // Nothing is left out by its name, which anyone can give; only ANALYZE may add its tables.
    const LIST: &str = "SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_master
                         WHERE type <> 'table' OR name NOT IN ('sqlite_stat1', 'sqlite_stat4')
                         ORDER BY type, name";
    let mut fresh = SqliteConnection::connect("sqlite::memory:")
        .await
        .map_err(failed("open a database in memory"))?;
    fresh
        .execute(schema)
        .await
        .map_err(failed("create the tables"))?;
    let expected: Vec<String> = sqlx::query_scalar(LIST)
        .fetch_all(&mut fresh)
        .await
        .map_err(failed("read a schema"))?;
    let found: Vec<String> = sqlx::query_scalar(LIST)
        .fetch_all(pool)
        .await
        .map_err(failed("read a schema"))?;
    let heading = |line: &String| line.split(':').next().unwrap_or_default().to_owned();
    let missing = expected.iter().filter(|line| !found.contains(line));
    let extra = found.iter().filter(|line| !expected.contains(line));
    Ok(missing
        .map(|line| format!("{name}: {} is not as it was created", heading(line)))
        .chain(extra.map(|line| format!("{name}: {} was added or changed", heading(line))))
        .collect())
}
