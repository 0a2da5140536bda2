//! The vault in PostgreSQL: what is sealed, and what erasure leaves of it.
//!
//! PostgreSQL keeps what a statement replaced until the table is vacuumed, and its write-ahead
//! log longer: after an erasure this vacuums at once where the login may, and what remains in logs
//! and backups is closed for good when the master key that wraps it is destroyed.

use std::collections::HashMap;
use std::str::FromStr;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{Connection, Executor, PgConnection, Row};
use uuid::Uuid;

use super::postgres::PostgresStore;
use super::postgres_append::{number_of, position_of};
use super::postgres_log::each;
use super::{Result, Vault, VaultRow, WomanToken};
use crate::model::id::Position;

const COLUMNS: &str =
    "SELECT s.position, s.key_id, s.keys, s.slots, s.content, s.flags, s.erased_by, s.mac, t.tokens
       FROM vitaledger_vault.sealed s LEFT JOIN vitaledger_vault.token t ON t.position = s.position";

/// Rows that no reader by position or name meets.
const SURPLUS: &str = "SELECT
    (SELECT count(*) FROM vitaledger_vault.sealed WHERE position < 0)
  + (SELECT count(*) FROM vitaledger_vault.woman_token WHERE position < 0)
  + (SELECT count(*) FROM vitaledger_vault.token t
      WHERE length(t.tokens) = 0
         OR NOT EXISTS (SELECT FROM vitaledger_vault.sealed s WHERE s.position = t.position))
  + (SELECT count(*) FROM vitaledger_vault.year_key WHERE year NOT BETWEEN 1 AND 9999)
  + (SELECT count(*) FROM vitaledger_vault.vault_meta WHERE name <> 'ledger_id')";

fn vault_row(row: &PgRow) -> sqlx::Result<(Position, VaultRow)> {
    let key_id: Vec<u8> = row.try_get(1)?;
    let erased_by: Option<i64> = row.try_get(6)?;
    let tokens: Option<Vec<u8>> = row.try_get(8)?;
    let sealed = VaultRow {
        key_id: key_id.as_slice().try_into().unwrap_or_default(),
        keys: row.try_get(2)?,
        slots: row.try_get(3)?,
        content: row.try_get(4)?,
        flags: row.try_get(5)?,
        erased_by: erased_by.map(position_of),
        mac: row.try_get(7)?,
        tokens: tokens.unwrap_or_default(),
    };
    Ok((position_of(row.try_get(0)?), sealed))
}

async fn erase_rows(
    connection: &mut PgConnection,
    rows: &[(Position, VaultRow)],
) -> sqlx::Result<()> {
    let positions: Vec<i64> = rows.iter().map(|(at, _)| number_of(*at)).collect();
    let bytes = |of: fn(&VaultRow) -> &[u8]| -> Vec<&[u8]> {
        rows.iter().map(|(_, row)| of(row)).collect()
    };
    let erased_by = |row: &VaultRow| row.erased_by.map(number_of);
    let mut all = connection.begin().await?;
    sqlx::query(
        "UPDATE vitaledger_vault.sealed s
            SET keys = n.keys, slots = n.slots, content = n.content, flags = n.flags,
                erased_by = n.erased_by, mac = n.mac
           FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[],
                       $6::bigint[], $7::bytea[])
                AS n (position, keys, slots, content, flags, erased_by, mac)
          WHERE s.position = n.position",
    )
    .bind(&positions)
    .bind(bytes(|row| &row.keys))
    .bind(bytes(|row| &row.slots))
    .bind(bytes(|row| &row.content))
    .bind(rows.iter().map(|(_, row)| row.flags).collect::<Vec<_>>())
    .bind(
        rows.iter()
            .map(|(_, row)| erased_by(row))
            .collect::<Vec<_>>(),
    )
    .bind(bytes(|row| &row.mac))
    .execute(&mut *all)
    .await?;
    for tokens in [
        "DELETE FROM vitaledger_vault.token WHERE position = ANY ($1)",
        "DELETE FROM vitaledger_vault.woman_token WHERE position = ANY ($1)",
    ] {
        sqlx::query(tokens)
            .bind(&positions)
            .execute(&mut *all)
            .await?;
    }
    all.commit().await
}

impl PostgresStore {
    /// Vacuums the vault, if the login owns it. The service's role may not; then the server's own
    /// vacuum does it later.
    async fn sweep_pages(&self) {
        let Ok(mut connection) = self.pool.acquire().await else {
            return;
        };
        let vacuum = "VACUUM vitaledger_vault.sealed, vitaledger_vault.token, \
                      vitaledger_vault.woman_token, vitaledger_vault.year_key";
        let _ = connection.execute("RESET ROLE").await;
        if let Err(error) = connection.execute(vacuum).await {
            tracing::warn!(%error, "the vault was not vacuumed after an erasure");
        }
        // Not back to the pool as anyone but the service.
        let _ = connection.close().await;
    }
}

#[async_trait]
impl Vault for PostgresStore {
    async fn vault_of(&self) -> Result<Option<Uuid>> {
        let text: Option<String> = self
            .retrying("read the vault's name", || {
                sqlx::query_scalar(
                    "SELECT value FROM vitaledger_vault.vault_meta WHERE name = 'ledger_id'",
                )
                .fetch_optional(&self.pool)
            })
            .await?;
        // Only as it was written: no other spelling of the same id.
        Ok(text.and_then(|text| {
            let id = Uuid::from_str(&text).ok()?;
            (id.to_string() == text).then_some(id)
        }))
    }

    async fn sealed(&self, from: Position, limit: u64) -> Result<Vec<(Position, VaultRow)>> {
        let doing = "read sealed fields";
        let query = format!("{COLUMNS} WHERE s.position >= $1 ORDER BY s.position LIMIT $2");
        let rows = self
            .retrying(doing, || {
                sqlx::query(&query)
                    .bind(number_of(from))
                    .bind(number_of(limit))
                    .fetch_all(&self.pool)
            })
            .await?;
        each(doing, &rows, vault_row)
    }

    async fn sealed_at(&self, positions: &[Position]) -> Result<HashMap<Position, VaultRow>> {
        let doing = "read sealed fields";
        let query = format!("{COLUMNS} WHERE s.position = ANY ($1)");
        let positions: Vec<i64> = positions.iter().map(|at| number_of(*at)).collect();
        let rows = self
            .retrying(doing, || {
                sqlx::query(&query).bind(&positions).fetch_all(&self.pool)
            })
            .await?;
        Ok(each(doing, &rows, vault_row)?.into_iter().collect())
    }

    async fn erased_keys(&self) -> Result<Vec<(Position, [u8; 16])>> {
        let doing = "read which keys were erased";
        let rows = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT DISTINCT erased_by, key_id FROM vitaledger_vault.sealed
                      WHERE erased_by IS NOT NULL",
                )
                .fetch_all(&self.pool)
            })
            .await?;
        each(doing, &rows, |row| {
            let key_id: Vec<u8> = row.try_get(1)?;
            let key_id = key_id.as_slice().try_into().unwrap_or_default();
            Ok((position_of(row.try_get(0)?), key_id))
        })
    }

    async fn erase(&self, rows: Vec<(Position, VaultRow)>) -> Result<()> {
        self.retrying("erase sealed fields", || async {
            let mut connection = self.pool.acquire().await?;
            erase_rows(&mut connection, &rows).await
        })
        .await?;
        self.sweep_pages().await;
        Ok(())
    }

    async fn year_key(&self, year: i32) -> Result<Option<Vec<u8>>> {
        self.retrying("read the key of a year", || {
            sqlx::query_scalar("SELECT wrapped FROM vitaledger_vault.year_key WHERE year = $1")
                .bind(i64::from(year))
                .fetch_optional(&self.pool)
        })
        .await
    }

    async fn keep_year_key(&self, year: i32, wrapped: &[u8]) -> Result<Vec<u8>> {
        self.retrying("keep the key of a year", || {
            sqlx::query(
                "INSERT INTO vitaledger_vault.year_key (year, wrapped) VALUES ($1, $2)
                 ON CONFLICT DO NOTHING",
            )
            .bind(i64::from(year))
            .bind(wrapped)
            .execute(&self.pool)
        })
        .await?;
        self.retrying("read the key of a year", || {
            sqlx::query_scalar("SELECT wrapped FROM vitaledger_vault.year_key WHERE year = $1")
                .bind(i64::from(year))
                .fetch_one(&self.pool)
        })
        .await
    }

    async fn years(&self) -> Result<Vec<i32>> {
        let years: Vec<i64> = self
            .retrying("read the years", || {
                sqlx::query_scalar("SELECT year FROM vitaledger_vault.year_key ORDER BY year")
                    .fetch_all(&self.pool)
            })
            .await?;
        let year = |year: i64| i32::try_from(year).ok();
        Ok(years.into_iter().filter_map(year).collect())
    }

    async fn destroy_year(&self, year: i32) -> Result<()> {
        for destroy in [
            "DELETE FROM vitaledger_vault.woman_token WHERE year = $1",
            "DELETE FROM vitaledger_vault.year_key WHERE year = $1",
        ] {
            self.retrying("destroy the tokens of a year", || {
                sqlx::query(destroy)
                    .bind(i64::from(year))
                    .execute(&self.pool)
            })
            .await?;
        }
        self.sweep_pages().await;
        Ok(())
    }

    async fn surplus(&self) -> Result<u64> {
        let number: i64 = self
            .retrying("count rows", || {
                sqlx::query_scalar(SURPLUS).fetch_one(&self.pool)
            })
            .await?;
        Ok(position_of(number))
    }

    async fn woman_tokens(&self) -> Result<Vec<(Position, WomanToken)>> {
        let doing = "read tokens of a year";
        let rows = self
            .retrying(doing, || {
                sqlx::query(
                    "SELECT position, year, token, mac FROM vitaledger_vault.woman_token
                      ORDER BY position",
                )
                .fetch_all(&self.pool)
            })
            .await?;
        let short = |bytes: Vec<u8>| <[u8; 16]>::try_from(bytes.as_slice()).unwrap_or_default();
        each(doing, &rows, |row| {
            let token = WomanToken {
                year: i32::try_from(row.try_get::<i64, _>(1)?).unwrap_or_default(),
                token: short(row.try_get(2)?),
                mac: short(row.try_get(3)?),
            };
            Ok((position_of(row.try_get(0)?), token))
        })
    }
}
