//! Master keys in the PostgreSQL vault: wrapping anew, and refusing what is wrapped under a key that
//! is gone. The first four bytes of wrapped keys are the number of the master key, big-endian, so
//! that they compare as bytes as the numbers do.

use std::collections::BTreeMap;

use sqlx::{Connection, Row};

use super::placing::{master_key_number, oldest_of, refuse_below};
use super::postgres::{PostgresStore, failed};
use super::postgres_append::{hold_head, number_of, position_of};
use super::postgres_log::each;
use super::{Result, Rewrapped};
use crate::model::id::Position;

const OLDEST: &str =
    "SELECT value FROM vitaledger_vault.vault_meta WHERE name = 'oldest_master_key'";

impl PostgresStore {
    pub(super) async fn oldest_key(&self) -> Result<u32> {
        let text: Option<String> = self
            .retrying("read the oldest master key", || {
                sqlx::query_scalar(OLDEST).fetch_optional(&self.pool)
            })
            .await?;
        oldest_of(text.as_deref())
    }

    /// See [`super::Vault::keep_year_key`]. What is there is never replaced, so that this can be
    /// tried again whatever became of it.
    pub(super) async fn keep_year(&self, year: i32, wrapped: &[u8]) -> Result<Vec<u8>> {
        let (oldest, kept): (Option<String>, Option<Vec<u8>>) = self
            .retrying("keep the key of a year", || async {
                let mut connection = self.pool.acquire().await?;
                let mut vault = connection.begin().await?;
                hold_head(&mut vault).await?;
                let oldest: Option<String> = sqlx::query_scalar(OLDEST)
                    .fetch_optional(&mut *vault)
                    .await?;
                let holds = oldest_of(oldest.as_deref())
                    .and_then(|oldest| refuse_below(oldest, std::iter::once(wrapped)))
                    .is_ok();
                if !holds {
                    return Ok((oldest, None));
                }
                sqlx::query(
                    "INSERT INTO vitaledger_vault.year_key (year, wrapped) VALUES ($1, $2)
                     ON CONFLICT DO NOTHING",
                )
                .bind(i64::from(year))
                .bind(wrapped)
                .execute(&mut *vault)
                .await?;
                let kept = sqlx::query_scalar(
                    "SELECT wrapped FROM vitaledger_vault.year_key WHERE year = $1",
                )
                .bind(i64::from(year))
                .fetch_one(&mut *vault)
                .await?;
                vault.commit().await?;
                Ok((oldest, Some(kept)))
            })
            .await?;
        if let Some(kept) = kept {
            return Ok(kept);
        }
        refuse_below(oldest_of(oldest.as_deref())?, std::iter::once(wrapped))?;
        Ok(Vec::new())
    }

    /// See [`super::Vault::rewrap_year`].
    pub(super) async fn replace_year(
        &self,
        year: i32,
        before: &[u8],
        wrapped: &[u8],
    ) -> Result<bool> {
        let doing = "wrap the key of a year anew";
        let done = sqlx::query(
            "UPDATE vitaledger_vault.year_key SET wrapped = $3 WHERE year = $1 AND wrapped = $2",
        )
        .bind(i64::from(year))
        .bind(before)
        .bind(wrapped)
        .execute(&self.pool)
        .await
        .map_err(failed(doing))?;
        Ok(done.rows_affected() == 1)
    }

    /// See [`super::Vault::rewrap`].
    pub(super) async fn replace_keys(&self, rows: &[Rewrapped]) -> Result<u64> {
        let positions: Vec<i64> = rows.iter().map(|row| number_of(row.position)).collect();
        let before: Vec<&[u8]> = rows.iter().map(|row| row.before.as_slice()).collect();
        let keys: Vec<&[u8]> = rows.iter().map(|row| row.keys.as_slice()).collect();
        let macs: Vec<&[u8]> = rows.iter().map(|row| row.mac.as_slice()).collect();
        let done = sqlx::query(
            "UPDATE vitaledger_vault.sealed s SET keys = n.keys, mac = n.mac
               FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[])
                    AS n (position, before, keys, mac)
              WHERE s.position = n.position AND s.mac = n.before",
        )
        .bind(positions)
        .bind(before)
        .bind(keys)
        .bind(macs)
        .execute(&self.pool)
        .await
        .map_err(failed("wrap keys anew"))?;
        Ok(done.rows_affected())
    }

    /// See [`super::Vault::wrapped_under`].
    pub(super) async fn count_wrapped(&self) -> Result<BTreeMap<u32, u64>> {
        let doing = "count what is wrapped";
        let rows = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT prefix, count(*) FROM (
                         SELECT substring(keys FROM 1 FOR 4) AS prefix
                           FROM vitaledger_vault.sealed WHERE length(keys) > 0
                         UNION ALL
                         SELECT substring(wrapped FROM 1 FOR 4) FROM vitaledger_vault.year_key) w
                      GROUP BY prefix",
                )
                .fetch_all(&self.pool)
            })
            .await?;
        let counts = each(doing, &rows, |row| {
            let prefix: Vec<u8> = row.try_get(0)?;
            let number = master_key_number(&prefix).unwrap_or(0);
            Ok((number, position_of(row.try_get(1)?)))
        })?;
        Ok(counts.into_iter().collect())
    }

    /// See [`super::Vault::retire_master_keys`].
    pub(super) async fn retire(&self, oldest: u32, from: Position) -> Result<u64> {
        let left: i64 = self
            .retrying("retire a master key", || async {
                let mut connection = self.pool.acquire().await?;
                let mut vault = connection.begin().await?;
                hold_head(&mut vault).await?;
                let left: i64 = sqlx::query_scalar(
                    "SELECT (SELECT count(*) FROM vitaledger_vault.sealed
                              WHERE position >= $1 AND length(keys) > 0 AND keys < $2)
                          + (SELECT count(*) FROM vitaledger_vault.year_key WHERE wrapped < $2)",
                )
                .bind(number_of(from))
                .bind(&oldest.to_be_bytes()[..])
                .fetch_one(&mut *vault)
                .await?;
                if left == 0 {
                    sqlx::query(
                        "INSERT INTO vitaledger_vault.vault_meta (name, value)
                         VALUES ('oldest_master_key', $1)
                         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    )
                    .bind(oldest.to_string())
                    .execute(&mut *vault)
                    .await?;
                }
                vault.commit().await?;
                Ok(left)
            })
            .await?;
        Ok(position_of(left))
    }
}
