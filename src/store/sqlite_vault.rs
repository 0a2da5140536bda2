//! The vault in SQLite: what is sealed, and what erasure leaves of it.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow};
use sqlx::{Connection, Transaction};
use uuid::Uuid;

use super::sqlite::{SqliteStore, failed, number_of, position_of};
use super::sqlite_bundles::{self, bundle};
use super::sqlite_check::count;
use super::sqlite_read::get;
use super::{Result, Rewrapped, Vault, VaultRow, WomanToken, sqlite_master};
use crate::model::id::Position;

/// Rows that no reader by position or name meets. Rows beyond the log are not among them: a crash
/// leaves such, and the next append sweeps them.
const SURPLUS: &str = "SELECT
    (SELECT count(*) FROM sealed WHERE position < 0)
  + (SELECT count(*) FROM woman_token WHERE position < 0)
  + (SELECT count(*) FROM token
      WHERE length(tokens) = 0 OR position NOT IN (SELECT position FROM sealed))
  + (SELECT count(*) FROM year_key WHERE year NOT BETWEEN 1 AND 9999)
  + (SELECT count(*) FROM vault_meta WHERE name NOT IN ('ledger_id', 'oldest_master_key'))";

const COLUMNS: &str =
    "SELECT s.position, s.key_id, s.keys, s.slots, s.content, s.flags, s.erased_by, s.mac, t.tokens
       FROM sealed s LEFT JOIN token t ON t.position = s.position";

fn vault_row(row: &SqliteRow) -> Result<(Position, VaultRow)> {
    let key_id: Vec<u8> = get(row, 1)?;
    let sealed = VaultRow {
        key_id: key_id.as_slice().try_into().unwrap_or_default(),
        keys: get(row, 2)?,
        slots: get(row, 3)?,
        content: get(row, 4)?,
        flags: get(row, 5)?,
        erased_by: get::<Option<i64>>(row, 6)?.map(position_of),
        mac: get(row, 7)?,
        tokens: get::<Option<Vec<u8>>>(row, 8)?.unwrap_or_default(),
    };
    Ok((position_of(get(row, 0)?), sealed))
}

/// For how long a write-ahead log that another process folds is tried again.
const FOLD_PATIENCE: Duration = Duration::from_secs(5);
const FOLD_PAUSE: Duration = Duration::from_millis(50);

async fn begin(vault: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>> {
    let begun = vault.begin_with("BEGIN IMMEDIATE").await;
    begun.map_err(failed("lock the vault"))
}

/// Folds the write-ahead log into the file: what was overwritten must not survive in either.
async fn fold(vault: &mut SqliteConnection) -> Result<()> {
    let doing = "overwrite what was erased";
    let begun = Instant::now();
    while begun.elapsed() < FOLD_PATIENCE {
        let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut *vault)
            .await
            .map_err(failed(doing))?;
        if busy == 0 {
            return Ok(());
        }
        // SQLite waits for readers by itself, but not for another process that folds, too.
        tokio::time::sleep(FOLD_PAUSE).await;
    }
    // SQLite says so in a row and not as an error: another process reads an older state.
    let what = "another process reads the vault; what is erased already stays in its write-ahead \
                log until the last process closes it";
    Err(failed(doing)(sqlx::Error::Protocol(what.to_owned())))
}

#[async_trait]
impl Vault for SqliteStore {
    async fn vault_of(&self) -> Result<Option<Uuid>> {
        let text: Option<String> =
            sqlx::query_scalar("SELECT value FROM vault_meta WHERE name = 'ledger_id'")
                .fetch_optional(&self.vault)
                .await
                .map_err(failed("read the vault's name"))?;
        // Only as it was written: no other spelling of the same id.
        Ok(text.and_then(|text| {
            let id = Uuid::from_str(&text).ok()?;
            (id.to_string() == text).then_some(id)
        }))
    }

    async fn sealed(&self, from: Position, limit: u64) -> Result<Vec<(Position, VaultRow)>> {
        let bundle = bundle(&self.vault, sqlite_bundles::SEALED, from, limit).await?;
        if let Some(rows) = sqlite_bundles::sealed(&bundle) {
            return Ok(rows);
        }
        let rows = sqlx::query(&format!(
            "{COLUMNS} WHERE s.position >= ? ORDER BY s.position LIMIT ?"
        ))
        .bind(number_of(from))
        .bind(number_of(limit))
        .fetch_all(&self.vault)
        .await
        .map_err(failed("read sealed fields"))?;
        rows.iter().map(vault_row).collect()
    }

    async fn sealed_at(&self, positions: &[Position]) -> Result<HashMap<Position, VaultRow>> {
        let list = positions
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",");
        let rows = sqlx::query(&format!(
            "{COLUMNS} WHERE s.position IN (SELECT value FROM json_each(?))"
        ))
        .bind(format!("[{list}]"))
        .fetch_all(&self.vault)
        .await
        .map_err(failed("read sealed fields"))?;
        rows.iter().map(vault_row).collect()
    }

    async fn erased_keys(&self) -> Result<Vec<(Position, [u8; 16])>> {
        let rows = sqlx::query(
            "SELECT DISTINCT erased_by, key_id FROM sealed WHERE erased_by IS NOT NULL",
        )
        .fetch_all(&self.vault)
        .await
        .map_err(failed("read which keys were erased"))?;
        let key = |row: &SqliteRow| {
            let key_id: Vec<u8> = get(row, 1)?;
            let key_id = key_id.as_slice().try_into().unwrap_or_default();
            Ok((position_of(get(row, 0)?), key_id))
        };
        rows.iter().map(key).collect()
    }

    async fn erase(&self, rows: Vec<(Position, VaultRow)>) -> Result<()> {
        let mut writer = self.writer.lock().await;
        let mut vault = begin(&mut writer.vault).await?;
        for (position, left) in rows {
            let position = number_of(position);
            sqlx::query(
                "UPDATE sealed SET keys = ?, slots = ?, content = ?, flags = ?, erased_by = ?,
                        mac = ? WHERE position = ?",
            )
            .bind(left.keys)
            .bind(left.slots)
            .bind(left.content)
            .bind(left.flags)
            .bind(left.erased_by.map(number_of))
            .bind(left.mac)
            .bind(position)
            .execute(&mut *vault)
            .await
            .map_err(failed("erase sealed fields"))?;
            for tokens in [
                "DELETE FROM token WHERE position = ?",
                "DELETE FROM woman_token WHERE position = ?",
            ] {
                sqlx::query(tokens)
                    .bind(position)
                    .execute(&mut *vault)
                    .await
                    .map_err(failed("erase tokens"))?;
            }
        }
        vault.commit().await.map_err(failed("commit an erasure"))?;
        fold(&mut writer.vault).await
    }

    async fn year_key(&self, year: i32) -> Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT wrapped FROM year_key WHERE year = ?")
            .bind(i64::from(year))
            .fetch_optional(&self.vault)
            .await
            .map_err(failed("read the key of a year"))
    }

    async fn keep_year_key(&self, year: i32, wrapped: &[u8]) -> Result<Vec<u8>> {
        let mut writer = self.writer.lock().await;
        let mut vault = begin(&mut writer.vault).await?;
        sqlite_master::refuse_retired(&mut vault, std::iter::once(wrapped)).await?;
        sqlx::query("INSERT INTO year_key (year, wrapped) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(i64::from(year))
            .bind(wrapped)
            .execute(&mut *vault)
            .await
            .map_err(failed("keep the key of a year"))?;
        let kept = sqlx::query_scalar("SELECT wrapped FROM year_key WHERE year = ?")
            .bind(i64::from(year))
            .fetch_one(&mut *vault)
            .await
            .map_err(failed("read the key of a year"))?;
        let committed = vault.commit().await;
        committed.map_err(failed("keep the key of a year"))?;
        Ok(kept)
    }

    async fn rewrap_year(&self, year: i32, before: &[u8], wrapped: &[u8]) -> Result<bool> {
        let mut writer = self.writer.lock().await;
        sqlite_master::rewrap_year(&mut writer.vault, year, before, wrapped).await
    }

    async fn rewrap(&self, rows: Vec<Rewrapped>) -> Result<u64> {
        let mut writer = self.writer.lock().await;
        let mut vault = begin(&mut writer.vault).await?;
        let replaced = sqlite_master::rewrap(&mut vault, rows).await?;
        let committed = vault.commit().await;
        committed.map_err(failed("wrap keys anew"))?;
        Ok(replaced)
    }

    async fn wrapped_under(&self) -> Result<BTreeMap<u32, u64>> {
        sqlite_master::wrapped_under(&self.vault).await
    }

    async fn retire_master_keys(&self, oldest: u32, from: Position) -> Result<u64> {
        let mut writer = self.writer.lock().await;
        let mut vault = begin(&mut writer.vault).await?;
        let left = sqlite_master::retire(&mut vault, oldest, from).await?;
        let committed = vault.commit().await;
        committed.map_err(failed("retire a master key"))?;
        fold(&mut writer.vault).await?;
        Ok(left)
    }

    async fn oldest_master_key(&self) -> Result<u32> {
        let mut vault = self.vault.acquire().await;
        let vault = vault.as_mut().map_err(|_| sqlx::Error::PoolClosed);
        sqlite_master::oldest(vault.map_err(failed("open the vault"))?).await
    }

    async fn years(&self) -> Result<Vec<i32>> {
        let years: Vec<i64> = sqlx::query_scalar("SELECT year FROM year_key ORDER BY year")
            .fetch_all(&self.vault)
            .await
            .map_err(failed("read the years"))?;
        Ok(years
            .into_iter()
            .filter_map(|year| i32::try_from(year).ok())
            .collect())
    }

    async fn destroy_year(&self, year: i32) -> Result<()> {
        let mut writer = self.writer.lock().await;
        for destroy in [
            "DELETE FROM woman_token WHERE year = ?",
            "DELETE FROM year_key WHERE year = ?",
        ] {
            sqlx::query(destroy)
                .bind(i64::from(year))
                .execute(&mut writer.vault)
                .await
                .map_err(failed("destroy the tokens of a year"))?;
        }
        fold(&mut writer.vault).await
    }

    async fn surplus(&self) -> Result<u64> {
        count(&self.vault, SURPLUS).await
    }

    async fn woman_tokens(&self) -> Result<Vec<(Position, WomanToken)>> {
        let rows =
            sqlx::query("SELECT position, year, token, mac FROM woman_token ORDER BY position")
                .fetch_all(&self.vault)
                .await
                .map_err(failed("read tokens of a year"))?;
        let short = |bytes: Vec<u8>| <[u8; 16]>::try_from(bytes.as_slice()).unwrap_or_default();
        let token = |row: &SqliteRow| {
            let year = i32::try_from(get::<i64>(row, 1)?).unwrap_or_default();
            let token = WomanToken {
                year,
                token: short(get(row, 2)?),
                mac: short(get(row, 3)?),
            };
            Ok((position_of(get(row, 0)?), token))
        };
        rows.iter().map(token).collect()
    }
}
