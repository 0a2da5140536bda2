//! One suite for every store and vault, run on each of them.
//!
//! What comes in: the adapters. What goes out: a test per case and adapter. What may fail: an
//! adapter that does not keep what the ports promise. What must stay true: the cases are in
//! `support/suite.rs` and know no database; a new adapter needs a [`Backend`] and one line here.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "support/postgres.rs"]
mod server;
#[path = "support/suite.rs"]
mod suite;
#[path = "support/suite_access.rs"]
mod suite_access;
#[path = "support/suite_keys.rs"]
mod suite_keys;
#[path = "support/suite_reading.rs"]
mod suite_reading;
#[path = "support/suite_subscriptions.rs"]
mod suite_subscriptions;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor, PgConnection};
use suite::Backend;
use suite_subscriptions::Subscribed;
use tempfile::TempDir;
use uuid::Uuid;
use vitaledger::store::access::Tokens;
use vitaledger::store::postgres::{PATIENCE, PostgresStore};
use vitaledger::store::sqlite::SqliteStore;
use vitaledger::store::subscriptions::Subscriptions;
use vitaledger::store::{Database, Store, Vault};

struct Sqlite {
    folder: TempDir,
    ledger_id: Uuid,
    store: Arc<SqliteStore>,
}

impl Sqlite {
    async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger_id = Uuid::new_v8([7; 16]);
        SqliteStore::create(folder.path(), ledger_id).await.unwrap();
        let store = Arc::new(SqliteStore::open(folder.path()).await.unwrap());
        Self {
            folder,
            ledger_id,
            store,
        }
    }

    /// A connection of somebody else to one of the files.
    async fn connect(&self, file: &str) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join(file));
        SqliteConnection::connect_with(&options).await.unwrap()
    }
}

#[async_trait]
impl Backend for Sqlite {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn vault(&self) -> Arc<dyn Vault> {
        self.store.clone()
    }

    fn tokens(&self) -> Arc<dyn Tokens> {
        self.store.clone()
    }

    fn ledger_id(&self) -> Uuid {
        self.ledger_id
    }

    async fn tamper(&self, statement: &str) -> Result<u64, String> {
        let mut connection = self.connect("ledger.db").await;
        let done = connection.execute(statement).await;
        done.map(|done| done.rows_affected())
            .map_err(|error| error.to_string())
    }

    async fn tamper_access(&self, statement: &str) -> Result<u64, String> {
        let mut connection = self.connect("access.db").await;
        let done = connection.execute(statement).await;
        done.map(|done| done.rows_affected())
            .map_err(|error| error.to_string())
    }

    async fn orphan(&self, position: u64) {
        let mut connection = self.connect("vault.db").await;
        let position = i64::try_from(position).unwrap();
        for statement in [
            "INSERT INTO sealed (position, key_id, keys, slots, content, flags, mac)
             VALUES (?, x'00', x'00', x'00', x'00', 0, x'00')",
            "INSERT INTO token (position, tokens) VALUES (?, x'00')",
            "INSERT INTO woman_token (position, year, token, mac) VALUES (?, 2014, x'00', x'00')",
        ] {
            sqlx::query(statement)
                .bind(position)
                .execute(&mut connection)
                .await
                .unwrap();
        }
    }
}

#[async_trait]
impl Subscribed for Sqlite {
    fn subscriptions(&self) -> Arc<dyn Subscriptions> {
        self.store.clone()
    }

    async fn tamper_subscriptions(&self, statement: &str) -> u64 {
        let mut connection = self.connect("subscriptions.db").await;
        connection.execute(statement).await.unwrap().rows_affected()
    }
}

struct Postgres {
    address: String,
    ledger_id: Uuid,
    store: Arc<PostgresStore>,
}

impl Postgres {
    async fn fresh() -> Self {
        let address = server::database().await;
        let ledger_id = Uuid::new_v8([7; 16]);
        PostgresStore::create(&address, ledger_id).await.unwrap();
        let store = Arc::new(PostgresStore::open(&address, PATIENCE).await.unwrap());
        Self {
            address,
            ledger_id,
            store,
        }
    }

    /// Runs a statement as the owner of the tables, who has every right.
    async fn run_as_owner(&self, schema: &str, statement: &str) -> Result<u64, String> {
        let mut connection = PgConnection::connect(&self.address).await.unwrap();
        let path = format!("SET search_path = {schema}");
        connection.execute(path.as_str()).await.unwrap();
        let done = connection.execute(statement).await;
        done.map(|done| done.rows_affected())
            .map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Backend for Postgres {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn vault(&self) -> Arc<dyn Vault> {
        self.store.clone()
    }

    fn tokens(&self) -> Arc<dyn Tokens> {
        self.store.clone()
    }

    fn ledger_id(&self) -> Uuid {
        self.ledger_id
    }

    async fn tamper(&self, statement: &str) -> Result<u64, String> {
        self.run_as_owner("vitaledger", statement).await
    }

    async fn tamper_access(&self, statement: &str) -> Result<u64, String> {
        self.run_as_owner("vitaledger_access", statement).await
    }

    async fn orphan(&self, position: u64) {
        let mut connection = PgConnection::connect(&self.address).await.unwrap();
        let position = i64::try_from(position).unwrap();
        for statement in [
            "INSERT INTO vitaledger_vault.sealed (position, key_id, keys, slots, content, flags, mac)
             VALUES ($1, '0', '0', '0', '0', 0, '0')",
            "INSERT INTO vitaledger_vault.token (position, tokens) VALUES ($1, '0')",
            "INSERT INTO vitaledger_vault.woman_token (position, year, token, mac)
             VALUES ($1, 2014, '0', '0')",
        ] {
            sqlx::query(statement)
                .bind(position)
                .execute(&mut connection)
                .await
                .unwrap();
        }
    }
}

#[async_trait]
impl Subscribed for Postgres {
    fn subscriptions(&self) -> Arc<dyn Subscriptions> {
        self.store.clone()
    }

    async fn tamper_subscriptions(&self, statement: &str) -> u64 {
        let schema = "vitaledger_subscription";
        self.run_as_owner(schema, statement).await.unwrap()
    }
}

mod cases {
    pub use super::suite::*;
    pub use super::suite_access::*;
    pub use super::suite_keys::*;
    pub use super::suite_reading::*;
    pub use super::suite_subscriptions::*;
}

/// A test per case and backend, each on a fresh one.
macro_rules! conform {
    ($($case:ident)+) => {
        mod sqlite {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() {
                    cases::$case(&Sqlite::fresh().await).await;
                }
            )+
        }
        mod postgres {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() {
                    cases::$case(&Postgres::fresh().await).await;
                }
            )+
        }
    };
}

conform! {
    positions_are_gapless
    a_loser_fails_alone_and_as_a_whole
    versions_conflict_within_and_across_batches
    a_key_is_used_once
    recorded_at_is_the_clock_and_monotone
    simulated_times_are_taken_and_bounded
    streams_are_in_order
    entries_are_found_by_type
    who_waits_is_told
    checkpoints_and_tiles_stay
    nothing_is_updated_or_deleted
    sealed_parts_lie_at_their_entries
    orphans_are_swept
    erasure_empties_rows
    years_have_one_key_each
    concurrent_appends_are_one_order
    a_key_has_one_winner
    master_keys_are_replaced_and_retired
    a_change_of_what_was_erased_conflicts
    tokens_are_kept_and_revoked_once
    tokens_are_not_changed_or_deleted
    subscriptions_are_kept_and_changed
    a_part_of_the_log_is_taken_in_once
    consumers_share_the_work_record_by_record
    refused_too_often_is_parked
    leases_end
    the_order_of_each_record_holds
}

/// Two processes on one ledger: each has its own connections, the file's lock is their only tie.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_openings_of_one_ledger_write_one_log() {
    let first = Sqlite::fresh().await;
    let second = Arc::new(SqliteStore::open(first.folder.path()).await.unwrap());
    let mut tasks = Vec::new();
    for number in 0..8 {
        let store: Arc<dyn Store> = if number % 2 == 0 {
            first.store()
        } else {
            second.clone()
        };
        tasks.push(tokio::spawn(async move {
            for _ in 0..5 {
                let entry = suite::office(Uuid::now_v7(), 1, None);
                store.append(vec![suite::group([entry])]).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let entries = second.entries(0, 100).await.unwrap();
    let positions: Vec<u64> = entries.iter().map(|entry| entry.position).collect();
    assert_eq!(positions, (0..40).collect::<Vec<u64>>());
    assert_eq!(first.store().entries(0, 100).await.unwrap(), entries);
}

/// The connection that appends is kept; when the server ends it in between, another takes its
/// place, and nothing is appended twice or lost.
#[tokio::test]
async fn an_append_survives_the_loss_of_its_connection() {
    let backend = Postgres::fresh().await;
    let store = backend.store();
    for size in 1..=3 {
        let entry = suite::office(Uuid::now_v7(), 1, None);
        store.append(vec![suite::group([entry])]).await.unwrap();
        assert_eq!(store.head().await.unwrap().size, size);
        let ended = backend
            .tamper(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await
            .unwrap();
        assert!(ended > 0, "there was no connection to end");
    }
}

/// What an append costs does not grow with the ledger: the vault is never read whole for it, by
/// the server's own count, also where the plans were made while the tables were empty.
#[tokio::test]
async fn appends_do_not_read_the_vault_whole() {
    const APPENDS: i64 = 20;
    let backend = Postgres::fresh().await;
    let mut connection = PgConnection::connect(&backend.address).await.unwrap();
    let scans = "SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables
                  WHERE schemaname = 'vitaledger_vault' AND relname <> 'vault_meta'";
    let before: i64 = sqlx::query_scalar(scans)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    for _ in 0..APPENDS {
        let entry = suite::office(Uuid::now_v7(), 1, None);
        let group = suite::group([entry]);
        backend.store.append(vec![group]).await.unwrap();
    }
    // A session reports what it did when it ends, all at once.
    backend.store.clone().close().await;
    let inserted = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'entry'";
    for _ in 0..100 {
        let reported: i64 = sqlx::query_scalar(inserted)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        if reported == APPENDS {
            let after: i64 = sqlx::query_scalar(scans)
                .fetch_one(&mut connection)
                .await
                .unwrap();
            assert_eq!(after - before, 0, "scans of whole tables");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the server did not report {APPENDS} inserts");
}

/// A ledger that was created before there were tokens and subscriptions gets their tables when they
/// are first asked for, by several nodes at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tokens_and_subscriptions_come_to_a_ledger_that_had_none() {
    let backend = Postgres::fresh().await;
    let gone = "DROP SCHEMA vitaledger_access, vitaledger_subscription CASCADE";
    backend.run_as_owner("vitaledger", gone).await.unwrap();
    let mut nodes = Vec::new();
    for _ in 0..4 {
        let node = PostgresStore::open(&backend.address, PATIENCE).await;
        nodes.push(node.unwrap());
    }
    let asked = nodes.iter().map(Tokens::tokens);
    for tokens in futures_util::future::join_all(asked).await {
        assert!(tokens.unwrap().is_empty());
    }
    let asked = nodes.iter().map(Subscriptions::subscriptions);
    for subscriptions in futures_util::future::join_all(asked).await {
        assert!(subscriptions.unwrap().is_empty());
    }
    assert!(backend.store().complaints().await.unwrap().is_empty());
}
