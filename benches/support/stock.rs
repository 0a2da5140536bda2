//! The stock path: `CqrsFramework` over the stock repositories, with their own schemas.
//!
//! What comes in: births that were sealed before, one command each. What goes out: how fast they
//! are executed. What must stay true: there is a connection for every client, opened before; the
//! aggregate is the ledger's own, and every command is durable when it is answered.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use cqrs_es::CqrsFramework;
use cqrs_es::persist::{PersistedEventRepository, PersistedEventStore};
use postgres_es::postgres_cqrs;
use sqlite_es::sqlite_cqrs;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Database, Executor, Pool};
use uuid::Uuid;
use vitaledger::ledger::aggregate::record::{Record, RecordCommand};
use vitaledger::ledger::commitment::Commitments;
use vitaledger::model::fields::BirthFields;

use super::load::{Load, Plan, run};

/// As `postgres-es` ships it.
const POSTGRES_SCHEMA: &str = "CREATE TABLE IF NOT EXISTS events (
    aggregate_type text                         NOT NULL,
    aggregate_id   text                         NOT NULL,
    sequence       bigint CHECK (sequence >= 0) NOT NULL,
    event_type     text                         NOT NULL,
    event_version  text                         NOT NULL,
    payload        json                         NOT NULL,
    metadata       json                         NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)
)";
/// As `sqlite-es` ships it.
const SQLITE_SCHEMA: &str = "CREATE TABLE IF NOT EXISTS events (
    aggregate_type text NOT NULL, aggregate_id text NOT NULL,
    sequence integer CHECK (sequence >= 0) NOT NULL,
    event_type text NOT NULL, event_version text NOT NULL,
    payload text NOT NULL, metadata text NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)
) STRICT";
/// Commands a second that the stock path does not reach.
const ENOUGH: u64 = 8_000;

type Births = Record<BirthFields>;
type Framework<Repository> = CqrsFramework<Births, PersistedEventStore<Repository, Births>>;

/// Births, sealed.
pub type Sealed = Vec<(Commitments, BirthFields)>;

/// Opens all connections of a pool.
async fn fill<DB: Database>(pool: &Pool<DB>, connections: usize) -> Result<()> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(pool.acquire().await?);
    }
    Ok(())
}

async fn clients<Repository>(
    plan: Plan,
    framework: Framework<Repository>,
    sealed: &Sealed,
) -> Result<Load>
where
    Repository: PersistedEventRepository + Send + Sync + 'static,
{
    let births = sealed.iter().cycle().take(plan.commands(ENOUGH));
    let commands = births.map(|(commitments, fields)| {
        let command = RecordCommand::Record {
            commitments: commitments.clone(),
            fields: fields.clone(),
        };
        (Uuid::new_v8(rand::random()).to_string(), command)
    });
    let framework = Arc::new(framework);
    run(plan, commands.collect(), move |(id, command)| {
        let framework = framework.clone();
        async move { Ok(framework.execute(&id, command).await?) }
    })
    .await
}

/// On PostgreSQL, in a database of its own.
pub async fn postgres(plan: Plan, address: &str, sealed: &Sealed) -> Result<Load> {
    let pool = PgPoolOptions::new()
        .max_connections(u32::try_from(plan.clients)?)
        .connect(address)
        .await?;
    pool.execute(POSTGRES_SCHEMA).await?;
    fill(&pool, plan.clients).await?;
    let load = clients(plan, postgres_cqrs(pool.clone(), Vec::new(), ()), sealed).await;
    pool.close().await;
    load
}

/// On SQLite, in a file of its own.
pub async fn sqlite(plan: Plan, path: &Path, sealed: &Sealed) -> Result<Load> {
    let pool = SqlitePoolOptions::new()
        .max_connections(u32::try_from(plan.clients)?)
        .connect_with(options(path))
        .await?;
    pool.execute(SQLITE_SCHEMA).await?;
    fill(&pool, plan.clients).await?;
    let load = clients(plan, sqlite_cqrs(pool.clone(), Vec::new(), ()), sealed).await;
    pool.close().await;
    load
}

/// As durable as the ledger's own files. The cache is SQLite's own: there may be one for each of
/// hundreds of clients.
pub fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(8192)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", "32768")
}
