//! Master keys in the SQLite vault: wrapping anew, and refusing what is wrapped under a key that
//! is gone. The first four bytes of wrapped keys are the number of the master key, big-endian, so
//! that they compare as blobs as the numbers do.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::placing::{master_key_number, oldest_of, refuse_below};
use super::sqlite::{failed, number_of, position_of};
use super::{Result, Rewrapped};
use crate::model::id::Position;

/// The name in `vault_meta` of the number below which master keys are refused.
const OLDEST: &str = "oldest_master_key";

/// The number below which master keys are refused; 0 before the first was retired.
pub(super) async fn oldest(vault: &mut SqliteConnection) -> Result<u32> {
    let text: Option<String> = sqlx::query_scalar("SELECT value FROM vault_meta WHERE name = ?")
        .bind(OLDEST)
        .fetch_optional(vault)
        .await
        .map_err(failed("read the oldest master key"))?;
    oldest_of(text.as_deref())
}

/// Refuses keys that are wrapped under a retired master key; under the vault's write lock.
pub(super) async fn refuse_retired(
    vault: &mut SqliteConnection,
    wrapped: impl Iterator<Item = &[u8]>,
) -> Result<()> {
    refuse_below(oldest(vault).await?, wrapped)
}

/// See [`super::Vault::rewrap`].
pub(super) async fn rewrap(vault: &mut SqliteConnection, rows: Vec<Rewrapped>) -> Result<u64> {
    let mut replaced = 0;
    for row in rows {
        let done =
            sqlx::query("UPDATE sealed SET keys = ?, mac = ? WHERE position = ? AND mac = ?")
                .bind(row.keys)
                .bind(row.mac)
                .bind(number_of(row.position))
                .bind(row.before)
                .execute(&mut *vault)
                .await
                .map_err(failed("wrap keys anew"))?;
        replaced += done.rows_affected();
    }
    Ok(replaced)
}

/// See [`super::Vault::rewrap_year`].
pub(super) async fn rewrap_year(
    vault: &mut SqliteConnection,
    year: i32,
    before: &[u8],
    wrapped: &[u8],
) -> Result<bool> {
    let done = sqlx::query("UPDATE year_key SET wrapped = ? WHERE year = ? AND wrapped = ?")
        .bind(wrapped)
        .bind(i64::from(year))
        .bind(before)
        .execute(vault)
        .await
        .map_err(failed("wrap the key of a year anew"))?;
    Ok(done.rows_affected() == 1)
}

/// See [`super::Vault::wrapped_under`].
pub(super) async fn wrapped_under(vault: &SqlitePool) -> Result<BTreeMap<u32, u64>> {
    let rows = sqlx::query(
        "SELECT prefix, count(*) FROM (
             SELECT substr(keys, 1, 4) AS prefix FROM sealed WHERE length(keys) > 0
             UNION ALL SELECT substr(wrapped, 1, 4) FROM year_key)
          GROUP BY prefix",
    )
    .fetch_all(vault)
    .await
    .map_err(failed("count what is wrapped"))?;
    let mut counts = BTreeMap::new();
    for row in &rows {
        let failed = failed("count what is wrapped");
        let prefix: Vec<u8> = row.try_get(0).map_err(&failed)?;
        let count: i64 = row.try_get(1).map_err(&failed)?;
        *counts
            .entry(master_key_number(&prefix).unwrap_or(0))
            .or_default() += position_of(count);
    }
    Ok(counts)
}

/// See [`super::Vault::retire_master_keys`].
pub(super) async fn retire(
    vault: &mut SqliteConnection,
    oldest: u32,
    from: Position,
) -> Result<u64> {
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM sealed
                  WHERE position >= ?1 AND length(keys) > 0 AND keys < ?2)
              + (SELECT count(*) FROM year_key WHERE wrapped < ?2)",
    )
    .bind(number_of(from))
    .bind(&oldest.to_be_bytes()[..])
    .fetch_one(&mut *vault)
    .await
    .map_err(failed("count what is wrapped"))?;
    if left == 0 {
        sqlx::query(
            "INSERT INTO vault_meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        )
        .bind(OLDEST)
        .bind(oldest.to_string())
        .execute(vault)
        .await
        .map_err(failed("retire a master key"))?;
    }
    Ok(position_of(left))
}
