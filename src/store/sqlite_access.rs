//! Tokens in SQLite: a file `access.db` beside the ledger's, made when it is first asked for.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection, Executor};
use uuid::Uuid;

use super::access::{Token, TokenRole, Tokens};
use super::sqlite::{SqliteStore, failed, restrict};
use super::sqlite_read::get;
use super::{Result, StoreError};
use crate::model::id::OfficeCode;
use crate::model::time::Timestamp;

const ACCESS_SQL: &str = include_str!("../../migrations/sqlite/access.sql");
const SCHEMA: i64 = 1;
/// The file in the ledger's folder.
const FILE: &str = "access.db";
const COLUMNS: &str =
    "SELECT id, hash, role, office, name, created_at, expires_at, revoked_at, mac FROM api_token";

/// Opens the file, and makes it when there is none.
pub(super) async fn open(folder: &Path) -> Result<SqlitePool> {
    open_beside(folder, FILE, ACCESS_SQL, "open the tokens").await
}

/// Opens a file beside the ledger's, and makes it when there is none.
///
/// Unlike views it is never given up: who may do what, and who was told what, cannot be derived from
/// anything else.
pub(super) async fn open_beside(
    folder: &Path,
    file: &str,
    tables: &'static str,
    doing: &'static str,
) -> Result<SqlitePool> {
    let path = folder.join(file);
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A token that was handed out or revoked must be so after a power cut; what was
        // acknowledged, too.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(30))
        .pragma("trusted_schema", "OFF");
    if !path.exists() {
        match restrict(&path) {
            // Another process was faster.
            Err(StoreError::File { source, .. })
                if source.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
    }
    let made = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let mut all = connection.begin_with("BEGIN IMMEDIATE").await?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut *all)
            .await?;
        if found == 0 {
            all.execute(tables).await?;
        }
        all.commit().await?;
        connection.close().await?;
        Ok(found)
    };
    let found = made.await.map_err(failed(doing))?;
    if found > SCHEMA {
        return Err(StoreError::Schema {
            found,
            expected: SCHEMA,
        });
    }
    let pool = SqlitePoolOptions::new().max_connections(4);
    // A file does not go away: asking first would be a second way to its thread and back.
    let pool = pool.test_before_acquire(false);
    Ok(pool.connect_lazy_with(options))
}

fn token(row: &SqliteRow) -> Result<Token> {
    let wrong = |column: &str| StoreError::Integrity {
        position: 0,
        what: format!("the column {column} of a token cannot be read"),
    };
    let time = |micros: i64| Timestamp::from_micros(micros).ok_or_else(|| wrong("of a time"));
    let id: String = get(row, 0)?;
    let hash: Vec<u8> = get(row, 1)?;
    let mac: Vec<u8> = get(row, 8)?;
    let role: String = get(row, 2)?;
    let office: String = get(row, 3)?;
    Ok(Token {
        id: Uuid::from_str(&id).map_err(|_| wrong("id"))?,
        hash: hash.try_into().map_err(|_| wrong("hash"))?,
        mac: mac.try_into().map_err(|_| wrong("mac"))?,
        role: TokenRole::parse(&role).ok_or_else(|| wrong("role"))?,
        office: OfficeCode::parse(&office).ok_or_else(|| wrong("office"))?,
        name: get(row, 4)?,
        created_at: time(get(row, 5)?)?,
        expires_at: time(get(row, 6)?)?,
        revoked_at: get::<Option<i64>>(row, 7)?.map(time).transpose()?,
    })
}

#[async_trait]
impl Tokens for SqliteStore {
    async fn keep_token(&self, token: &Token) -> Result<()> {
        sqlx::query(
            "INSERT INTO api_token
                    (id, hash, role, office, name, created_at, expires_at, revoked_at, mac)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(token.id.to_string())
        .bind(token.hash.as_slice())
        .bind(token.role.as_str())
        .bind(token.office.as_str())
        .bind(&token.name)
        .bind(token.created_at.micros())
        .bind(token.expires_at.micros())
        .bind(token.revoked_at.map(Timestamp::micros))
        .bind(token.mac.as_slice())
        .execute(self.access().await?)
        .await
        .map_err(failed("keep a token"))?;
        Ok(())
    }

    async fn tokens(&self) -> Result<Vec<Token>> {
        let query = format!("{COLUMNS} ORDER BY created_at, id");
        let rows = sqlx::query(&query)
            .fetch_all(self.access().await?)
            .await
            .map_err(failed("read tokens"))?;
        rows.iter().map(token).collect()
    }

    async fn token_of_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>> {
        let query = format!("{COLUMNS} WHERE hash = ?");
        let row = sqlx::query(&query)
            .bind(hash.as_slice())
            .fetch_optional(self.access().await?)
            .await
            .map_err(failed("look up a token"))?;
        row.as_ref().map(token).transpose()
    }

    async fn revoke_token(&self, id: Uuid, at: Timestamp) -> Result<bool> {
        let done =
            sqlx::query("UPDATE api_token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL")
                .bind(at.micros())
                .bind(id.to_string())
                .execute(self.access().await?)
                .await
                .map_err(failed("revoke a token"))?;
        Ok(done.rows_affected() == 1)
    }
}
