//! The server's store: schemas of one PostgreSQL database, `vitaledger` and `vitaledger_vault`
//! (and `vitaledger_views`, which is derived, and `vitaledger_access`, which is no part of the log).
//!
//! What comes in and goes out: see [`Store`](super::Store). What may fail: a server that is away,
//! full, or refuses; what passes is tried again with growing pauses, up to a patience. What must
//! stay true: an entry and its sealed part are one transaction; connections act as the role
//! `vitaledger_service`, which can change nothing in the ledger, whoever they log in as; no
//! message holds the password of an address.

use std::future::Future;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPool, PgPoolOptions};
use sqlx::{Connection, Executor};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::postgres_access::ACCESS_SQL;
use super::postgres_subscriptions::SUBSCRIPTIONS_SQL;
use super::views::POSTGRES_SQL as VIEWS_SQL;
use super::{Result, StoreError};

pub(super) const LEDGER_SQL: &str = include_str!("../../migrations/postgres/ledger.sql");
const VAULT_SQL: &str = include_str!("../../migrations/postgres/vault.sql");
const ROLES_SQL: &str = include_str!("../../migrations/postgres/roles.sql");
const GRANTS_SQL: &str = include_str!("../../migrations/postgres/grants.sql");
const SCHEMA: i64 = 1;

/// Connections of one node, beside the one that appends.
const CONNECTIONS: u32 = 12;
/// How long a server that is away is waited for, unless said otherwise.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How long a server is waited for when a store is opened: nothing is at stake yet, and somebody
/// may be waiting for the answer.
const OPENING: Duration = Duration::from_secs(5);
/// Longest wait for a connection of the pool.
const ACQUIRE: Duration = Duration::from_secs(10);
/// First pause before something is tried again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What every connection is set to. A node that vanishes in the middle of an append must not hold
/// the head for long; what was committed must be on disk.
pub(super) const SESSION: &str = "
    SET ROLE vitaledger_service;
    SET synchronous_commit = on;
    SET lock_timeout = '30s';
    SET idle_in_transaction_session_timeout = '15s';
    SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 3;
    SET client_min_messages = warning";

/// One database of a PostgreSQL server.
pub struct PostgresStore {
    pub(super) pool: PgPool,
    pub(super) patience: Duration,
    pub(super) grown: watch::Sender<u64>,
    /// Appends; none while an append is under way, and after one that failed.
    pub(super) appending: tokio::sync::Mutex<Option<PgConnection>>,
    listening: Mutex<Option<JoinHandle<()>>>,
    /// Set once the tables of the tokens are known to be there.
    pub(super) has_tokens: OnceCell<()>,
    pub(super) has_subscriptions: OnceCell<()>,
}

/// Names what was being done when the driver failed.
pub(super) fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| match source {
        // A column that does not decode was changed by somebody, in what it holds or is.
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Integrity {
            position: 0,
            what: format!("failed to {doing}: a column holds what it cannot ({source})"),
        },
        source => StoreError::Unavailable { doing, source },
    }
}

/// Whether the same may succeed in a moment: the connection was lost, the server stops or starts,
/// or it resolved a deadlock against us.
pub(super) fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Protocol(said) => said.contains("unexpected") || said.contains("closed"),
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08")
                || matches!(
                    code.as_ref(),
                    "57P01" | "57P02" | "57P03" | "53300" | "40001" | "40P01" | "25P03"
                )
        }),
        _ => false,
    }
}

/// Pauses between attempts, until a patience is at its end.
pub(super) struct Pauses {
    end: Instant,
    next: Duration,
}

impl Pauses {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            end: Instant::now() + patience,
            next: FIRST_PAUSE,
        }
    }

    /// Waits before the next attempt; `false` when there is none.
    pub(super) async fn pause(&mut self) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        // Nodes that lost the same server do not come back in step.
        let spread = rand::random_range(0.5..1.0);
        tokio::time::sleep(self.next.mul_f64(spread)).await;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        true
    }
}

pub(super) fn options(address: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(address).map_err(|_| StoreError::Address {
        what: "a PostgreSQL address is postgres://USER:PASSWORD@HOST:PORT/DATABASE".to_owned(),
    })?;
    Ok(options.application_name("vitaledger"))
}

/// Connects to a database in which there is no ledger.
pub(super) async fn connect_to_new(address: &str) -> Result<PgConnection> {
    let options = options(address)?;
    let mut connection = PgConnection::connect_with(&options)
        .await
        .map_err(failed("connect to the database"))?;
    let exists: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_namespace
          WHERE nspname IN ('vitaledger', 'vitaledger_vault', 'vitaledger_views',
                            'vitaledger_access'))",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(failed("look for a ledger"))?;
    if exists {
        let database = options.get_database().unwrap_or_default();
        return Err(StoreError::Exists {
            path: format!("the PostgreSQL database {database}"),
        });
    }
    Ok(connection)
}

/// Creates schemas, roles and tables, without a row of the ledger.
pub(super) async fn create_tables(all: &mut PgConnection) -> Result<()> {
    for (doing, sql) in [
        ("create the roles", ROLES_SQL),
        ("create the tables of the ledger", LEDGER_SQL),
        ("create the tables of the vault", VAULT_SQL),
        ("create the tables of the views", VIEWS_SQL),
        ("create the tables of the tokens", ACCESS_SQL),
        ("create the tables of the subscriptions", SUBSCRIPTIONS_SQL),
        ("give the roles their rights", GRANTS_SQL),
    ] {
        all.execute(sql).await.map_err(failed(doing))?;
    }
    Ok(())
}

/// The database is of this version of the program.
pub(super) const fn schema_must_be(found: i64) -> Result<()> {
    if found == SCHEMA {
        return Ok(());
    }
    Err(StoreError::Schema {
        found,
        expected: SCHEMA,
    })
}

/// Says that there is no ledger where a role, a schema or a table is missing.
pub(super) fn not_there(error: StoreError, database: &str) -> StoreError {
    let code = match &error {
        StoreError::Unavailable {
            source: sqlx::Error::Database(error),
            ..
        } => error.code(),
        _ => None,
    };
    match code.as_deref() {
        Some("22023" | "3F000" | "42P01") => StoreError::Missing {
            path: format!("the PostgreSQL database {database}"),
        },
        _ => error,
    }
}

/// Connects as the service does, and reads the schema's version.
async fn version_at(options: &PgConnectOptions) -> sqlx::Result<i64> {
    let read = async {
        let mut connection = PgConnection::connect_with(options).await?;
        connection.execute(SESSION).await?;
        let version = sqlx::query_scalar("SELECT version FROM vitaledger.schema_version");
        let version = version.fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(version)
    };
    let late = |_| {
        let what = "the server does not answer";
        sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, what))
    };
    tokio::time::timeout(OPENING, read).await.map_err(late)?
}

impl PostgresStore {
    /// Creates the schemas and roles in a database that has none. The login must be allowed to
    /// create schemas and roles; the tables will be its own.
    ///
    /// # Errors
    /// When there is a ledger already, or the login may not do this.
    pub async fn create(address: &str, ledger_id: Uuid) -> Result<()> {
        let mut connection = connect_to_new(address).await?;
        let mut all = connection
            .begin()
            .await
            .map_err(failed("begin a transaction"))?;
        create_tables(&mut all).await?;
        sqlx::query(
            "INSERT INTO vitaledger_vault.vault_meta (name, value) VALUES ('ledger_id', $1)",
        )
        .bind(ledger_id.to_string())
        .execute(&mut *all)
        .await
        .map_err(failed("name the vault"))?;
        all.commit().await.map_err(failed("commit the tables"))?;
        connection
            .close()
            .await
            .map_err(failed("close a connection"))
    }

    /// Opens the ledger in a database.
    ///
    /// # Errors
    /// When there is none, it is of another version, or the server stays away longer than the
    /// patience, or longer than [`OPENING`].
    pub async fn open(address: &str, patience: Duration) -> Result<Self> {
        let options = options(address)?;
        let database = options.get_database().unwrap_or_default();
        // Not by the pool, which keeps to itself why it cannot connect.
        let mut pauses = Pauses::new(patience.min(OPENING));
        let version = loop {
            match version_at(&options).await {
                Err(error) if passes(&error) && pauses.pause().await => {
                    tracing::warn!(%error, "the database is away; trying again");
                }
                done => break done.map_err(failed("connect to the database")),
            }
        };
        schema_must_be(version.map_err(|error| not_there(error, database))?)?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(patience.clamp(FIRST_PAUSE, ACQUIRE))
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(SESSION).await.map(|_| ()) })
            })
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            patience,
            grown: watch::Sender::new(0),
            appending: tokio::sync::Mutex::default(),
            listening: Mutex::default(),
            has_tokens: OnceCell::new(),
            has_subscriptions: OnceCell::new(),
        })
    }

    /// Says why there was no connection, where the pool only says that there was none.
    pub(super) async fn explained(&self, error: sqlx::Error) -> sqlx::Error {
        if !matches!(error, sqlx::Error::PoolTimedOut) {
            return error;
        }
        version_at(&self.pool.connect_options())
            .await
            .err()
            .unwrap_or(error)
    }

    /// The pool, for stock repositories that read the view `vitaledger.events`.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Runs a query that changes nothing, again as long as what fails may pass.
    pub(super) async fn retrying<T, Query>(
        &self,
        doing: &'static str,
        query: impl Fn() -> Query,
    ) -> Result<T>
    where
        Query: Future<Output = sqlx::Result<T>>,
    {
        let mut pauses = Pauses::new(self.patience);
        loop {
            match query().await {
                Err(error) if passes(&error) && pauses.pause().await => {
                    tracing::warn!(%error, doing, "storage is away; trying again");
                }
                Ok(done) => return Ok(done),
                Err(error) => return Err(failed(doing)(self.explained(error).await)),
            }
        }
    }

    /// Tells whoever waits here that the log has at least so many entries.
    pub(super) fn tell_grown(&self, size: u64) {
        tell_grown(&self.grown, size);
    }

    /// Begins to listen to what other nodes append, once.
    pub(super) fn listen(&self) {
        let Ok(mut listening) = self.listening.lock() else {
            return;
        };
        if listening.is_none() {
            *listening = Some(tokio::spawn(listen(self.pool.clone(), self.grown.clone())));
        }
    }

    pub(super) async fn stop(&self) {
        let listening = self.listening.lock().ok().and_then(|mut task| task.take());
        if let Some(task) = listening {
            task.abort();
            // It was cut off, as it should be.
            let _ = task.await;
        }
        if let Some(appending) = self.appending.lock().await.take() {
            // The server notices in any case.
            let _ = appending.close().await;
        }
        self.pool.close().await;
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        if let Ok(mut task) = self.listening.lock()
            && let Some(task) = task.take()
        {
            task.abort();
        }
    }
}

/// Tells whoever waits that the log has at least so many entries.
fn tell_grown(grown: &watch::Sender<u64>, size: u64) {
    grown.send_if_modified(|known| {
        let more = size > *known;
        *known = size.max(*known);
        more
    });
}

/// Passes on what the notifications say. A lost connection loses notifications; whoever waits
/// also looks for itself now and then.
async fn listen(pool: PgPool, grown: watch::Sender<u64>) {
    loop {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen("vitaledger").await.is_ok()
        {
            while let Ok(said) = listener.recv().await {
                if let Ok(size) = said.payload().parse::<u64>() {
                    tell_grown(&grown, size);
                }
            }
        }
        tokio::time::sleep(LONGEST_PAUSE).await;
    }
}
