//! Tokens in PostgreSQL: the schema `vitaledger_access`.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Executor, Row};
use uuid::Uuid;

use super::access::{Token, TokenRole, Tokens};
use super::postgres::{PostgresStore, failed};
use super::{Result, StoreError};
use crate::model::id::OfficeCode;
use crate::model::time::Timestamp;

pub(super) const ACCESS_SQL: &str = include_str!("../../migrations/postgres/access.sql");
const COLUMNS: &str = "SELECT id, hash, role, office, name, created_at, expires_at, revoked_at, mac
       FROM vitaledger_access.api_token";

fn token(row: &PgRow) -> Result<Token> {
    let wrong = |column: &str| StoreError::Integrity {
        position: 0,
        what: format!("the column {column} of a token cannot be read"),
    };
    let time = |micros: i64| Timestamp::from_micros(micros).ok_or_else(|| wrong("of a time"));
    let read = failed("read a token");
    let hash: Vec<u8> = row.try_get(1).map_err(&read)?;
    let mac: Vec<u8> = row.try_get(8).map_err(&read)?;
    let role: String = row.try_get(2).map_err(&read)?;
    let office: String = row.try_get(3).map_err(&read)?;
    let revoked_at: Option<i64> = row.try_get(7).map_err(&read)?;
    Ok(Token {
        id: row.try_get(0).map_err(&read)?,
        hash: hash.try_into().map_err(|_| wrong("hash"))?,
        mac: mac.try_into().map_err(|_| wrong("mac"))?,
        role: TokenRole::parse(&role).ok_or_else(|| wrong("role"))?,
        office: OfficeCode::parse(&office).ok_or_else(|| wrong("office"))?,
        name: row.try_get(4).map_err(&read)?,
        created_at: time(row.try_get(5).map_err(&read)?)?,
        expires_at: time(row.try_get(6).map_err(&read)?)?,
        revoked_at: revoked_at.map(time).transpose()?,
    })
}

impl PostgresStore {
    async fn with_tokens(&self) -> Result<()> {
        let made = self
            .has_tokens
            .get_or_try_init(|| self.with_schema("vitaledger_access", ACCESS_SQL));
        made.await.copied()
    }

    /// Makes a schema in a ledger that was created before there was one of its kind. The login must
    /// be allowed to, as whoever created the ledger is; the service is not.
    pub(super) async fn with_schema(&self, schema: &str, tables: &str) -> Result<()> {
        let there = || {
            let query = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
            sqlx::query_scalar::<_, bool>(query)
                .bind(schema)
                .fetch_one(&self.pool)
        };
        if self.retrying("look for a schema", there).await? {
            return Ok(());
        }
        let made = async {
            let options = self.pool.connect_options();
            let mut connection = PgConnection::connect_with(&options).await?;
            let mut all = connection.begin().await?;
            all.execute(tables).await?;
            all.commit().await?;
            connection.close().await
        };
        match made.await {
            // Another node was faster (SQLSTATE: the schema exists, or is being made).
            Err(sqlx::Error::Database(error))
                if matches!(error.code().as_deref(), Some("42P06" | "23505")) =>
            {
                Ok(())
            }
            made => made.map_err(failed("create a schema")),
        }
    }
}

#[async_trait]
impl Tokens for PostgresStore {
    async fn keep_token(&self, token: &Token) -> Result<()> {
        self.with_tokens().await?;
        // Not tried again: whether it was kept would not be known.
        sqlx::query(
            "INSERT INTO vitaledger_access.api_token
                    (id, hash, role, office, name, created_at, expires_at, revoked_at, mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(token.id)
        .bind(token.hash.as_slice())
        .bind(token.role.as_str())
        .bind(token.office.as_str())
        .bind(&token.name)
        .bind(token.created_at.micros())
        .bind(token.expires_at.micros())
        .bind(token.revoked_at.map(Timestamp::micros))
        .bind(token.mac.as_slice())
        .execute(&self.pool)
        .await
        .map_err(failed("keep a token"))?;
        Ok(())
    }

    async fn tokens(&self) -> Result<Vec<Token>> {
        self.with_tokens().await?;
        let query = format!("{COLUMNS} ORDER BY created_at, id");
        let rows = self
            .retrying("read tokens", || sqlx::query(&query).fetch_all(&self.pool))
            .await?;
        rows.iter().map(token).collect()
    }

    async fn token_of_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>> {
        self.with_tokens().await?;
        let query = format!("{COLUMNS} WHERE hash = $1");
        let row = self
            .retrying("look up a token", || {
                let found = sqlx::query(&query).bind(hash.as_slice());
                found.fetch_optional(&self.pool)
            })
            .await?;
        row.as_ref().map(token).transpose()
    }

    async fn revoke_token(&self, id: Uuid, at: Timestamp) -> Result<bool> {
        self.with_tokens().await?;
        let done = sqlx::query(
            "UPDATE vitaledger_access.api_token SET revoked_at = $1
              WHERE id = $2 AND revoked_at IS NULL",
        )
        .bind(at.micros())
        .bind(id)
        .execute(&self.pool)
        .await
        .map_err(failed("revoke a token"))?;
        Ok(done.rows_affected() == 1)
    }
}
