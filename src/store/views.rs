//! Where the operational views are kept: a file `views.db` beside the ledger's, or the schema
//! `vitaledger_views` of the ledger's PostgreSQL database.
//!
//! What comes in: views and the version that they were read at. What goes out: stock view
//! repositories of `sqlite-es` and `postgres-es`, the place of the projector, lists. What may
//! fail: the database; a version that somebody else has moved on from is no failure
//! (`OptimisticLockError`, `false`). What must stay true: everything here is derived from the log
//! and may be deleted, so none of it is part of the ledger's schema, nor checked by `verify`.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use cqrs_es::persist::{PersistenceError, ViewContext, ViewRepository};
use cqrs_es::{Aggregate, View};
use postgres_es::PostgresViewRepository;
use serde_json::Value;
use sqlite_es::SqliteViewRepository;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection, Executor, PgPool};

use super::postgres::{Pauses, PostgresStore, failed, passes};
use super::{Result, StoreError};

const SQLITE_SQL: &str = include_str!("../../migrations/sqlite/views.sql");
pub(super) const POSTGRES_SQL: &str = include_str!("../../migrations/postgres/views.sql");
const SCHEMA: i64 = 1;
/// The file in the ledger's folder.
const FILE: &str = "views.db";
/// The only row of the projector's table.
const PROJECTOR: &str = "projector";

/// Which view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewTable {
    /// Of findings.
    Findings,
    /// Of periods.
    Periods,
    /// Of samples.
    Samples,
}

impl ViewTable {
    const ALL: [Self; 3] = [Self::Findings, Self::Periods, Self::Samples];

    const fn name(self) -> &'static str {
        match self {
            Self::Findings => "finding_case",
            Self::Periods => "period_case",
            Self::Samples => "sample_case",
        }
    }
}

/// The views of one ledger.
#[derive(Clone)]
pub struct ViewStore(Kept);

#[derive(Clone)]
enum Kept {
    Sqlite(SqlitePool),
    Postgres(PgPool, Duration),
}

/// A stock repository of one view.
pub enum Repository<V, A> {
    /// In a file.
    Sqlite(SqliteViewRepository<V, A>),
    /// On a server, which is waited for so long when it is away.
    Postgres(PostgresViewRepository<V, A>, Duration),
}

/// What the driver said, out of what a stock repository says.
///
/// # Errors
/// The same, when it was not the driver: what is kept is no such view, or the version has moved on.
pub fn driver_fault(
    doing: &'static str,
    error: PersistenceError,
) -> std::result::Result<StoreError, PersistenceError> {
    match error {
        PersistenceError::ConnectionError(source) => match source.downcast() {
            Ok(source) => Ok(failed(doing)(*source)),
            Err(source) => Err(PersistenceError::ConnectionError(source)),
        },
        PersistenceError::UnknownError(source) => match source.downcast() {
            Ok(source) => Ok(failed(doing)(*source)),
            Err(source) => Err(PersistenceError::UnknownError(source)),
        },
        error => Err(error),
    }
}

/// Whether the same may succeed in a moment.
fn may_pass(error: &PersistenceError) -> bool {
    match error {
        PersistenceError::ConnectionError(source) | PersistenceError::UnknownError(source) => {
            source.downcast_ref::<sqlx::Error>().is_some_and(passes)
        }
        _ => false,
    }
}

/// Does it again as long as what fails may pass.
async fn patiently<T, E, Doing>(
    patience: Duration,
    again: impl Fn(&E) -> bool,
    doing: impl Fn() -> Doing,
) -> std::result::Result<T, E>
where
    Doing: Future<Output = std::result::Result<T, E>>,
{
    let mut pauses = Pauses::new(patience);
    loop {
        match doing().await {
            Err(error) if again(&error) && pauses.pause().await => {}
            done => return done,
        }
    }
}

impl<V, A> ViewRepository<V, A> for Repository<V, A>
where
    V: View<A>,
    A: Aggregate,
{
    async fn load(&self, view_id: &str) -> std::result::Result<Option<V>, PersistenceError> {
        match self {
            Self::Sqlite(stock) => stock.load(view_id).await,
            Self::Postgres(stock, patience) => {
                patiently(*patience, may_pass, || stock.load(view_id)).await
            }
        }
    }

    async fn load_with_context(
        &self,
        view_id: &str,
    ) -> std::result::Result<Option<(V, ViewContext)>, PersistenceError> {
        match self {
            Self::Sqlite(stock) => stock.load_with_context(view_id).await,
            Self::Postgres(stock, patience) => {
                patiently(*patience, may_pass, || stock.load_with_context(view_id)).await
            }
        }
    }

    /// Not tried again here: it is not known whether it was done. Whoever asked reads it again.
    async fn update_view(
        &self,
        view: V,
        context: ViewContext,
    ) -> std::result::Result<(), PersistenceError> {
        let done = match self {
            Self::Sqlite(stock) => stock.update_view(view, context).await,
            Self::Postgres(stock, _) => stock.update_view(view, context).await,
        };
        done.map_err(|error| {
            if may_pass(&error) {
                PersistenceError::OptimisticLockError
            } else {
                error
            }
        })
    }
}

impl ViewStore {
    /// In a file of the ledger's folder, which is made if there is none. One that is damaged or of
    /// another version of this program is given up.
    pub(super) async fn in_folder(folder: &Path) -> Result<SqlitePool> {
        let path = folder.join(FILE);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(30))
            .pragma("trusted_schema", "OFF");
        if !prepare(&path, &options).await? {
            tracing::warn!(path = %path.display(), "the views cannot be used; they are made anew");
            for end in ["", "-wal", "-shm"] {
                remove(&folder.join(format!("{FILE}{end}")))?;
            }
            if !prepare(&path, &options).await? {
                let source = sqlx::Error::WorkerCrashed;
                return Err(failed("create the views")(source));
            }
        }
        let pool = SqlitePoolOptions::new().max_connections(4);
        Ok(pool.connect_lazy_with(options))
    }

    pub(super) const fn of_folder(pool: SqlitePool) -> Self {
        Self(Kept::Sqlite(pool))
    }

    pub(super) fn on_server(store: &PostgresStore) -> Self {
        Self(Kept::Postgres(store.pool.clone(), store.patience))
    }

    /// Where a table is, as statements name it.
    fn place(&self, table: &str) -> String {
        match self.0 {
            Kept::Sqlite(_) => table.to_owned(),
            Kept::Postgres(..) => format!("vitaledger_views.{table}"),
        }
    }

    /// The stock repository of a view.
    #[must_use]
    pub fn repository<V: View<A>, A: Aggregate>(&self, table: ViewTable) -> Repository<V, A> {
        let name = self.place(table.name());
        match &self.0 {
            Kept::Sqlite(pool) => {
                Repository::Sqlite(SqliteViewRepository::new(&name, pool.clone()))
            }
            Kept::Postgres(pool, patience) => {
                Repository::Postgres(PostgresViewRepository::new(&name, pool.clone()), *patience)
            }
        }
    }

    /// Every view of a kind, as it is kept, by its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, table: ViewTable) -> Result<Vec<Value>> {
        let query = format!(
            "SELECT payload FROM {} ORDER BY view_id",
            self.place(table.name())
        );
        let doing = "list views";
        match &self.0 {
            Kept::Sqlite(pool) => sqlx::query_scalar(&query).fetch_all(pool).await,
            Kept::Postgres(pool, patience) => {
                patiently(*patience, passes, || {
                    sqlx::query_scalar(&query).fetch_all(pool)
                })
                .await
            }
        }
        .map_err(failed(doing))
    }

    /// How far the log was projected, as the projector put it, and the version of that row.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn progress(&self) -> Result<Option<(Value, i64)>> {
        let table = self.place("projector");
        let query = format!("SELECT payload, version FROM {table} WHERE view_id = $1");
        match &self.0 {
            Kept::Sqlite(pool) => {
                let row = sqlx::query_as(&query).bind(PROJECTOR);
                row.fetch_optional(pool).await
            }
            Kept::Postgres(pool, patience) => {
                let row = || sqlx::query_as(&query).bind(PROJECTOR).fetch_optional(pool);
                patiently(*patience, passes, row).await
            }
        }
        .map_err(failed("read how far the views are"))
    }

    /// Puts down how far the log is projected now, unless the row has moved on from `version`;
    /// says whether. When it is not known whether it was put down, this says no.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn advance(&self, version: i64, progress: &Value) -> Result<bool> {
        let table = self.place("projector");
        let query = format!(
            "UPDATE {table} SET payload = $1, version = version + 1
              WHERE view_id = $2 AND version = $3"
        );
        let done = match &self.0 {
            Kept::Sqlite(pool) => {
                let update = sqlx::query(&query).bind(progress).bind(PROJECTOR);
                let done = update.bind(version).execute(pool).await;
                done.map(|done| done.rows_affected())
            }
            Kept::Postgres(pool, _) => {
                let update = sqlx::query(&query).bind(progress).bind(PROJECTOR);
                let done = update.bind(version).execute(pool).await;
                done.map(|done| done.rows_affected())
            }
        };
        match done {
            Err(error) if passes(&error) => Ok(false),
            done => Ok(done.map_err(failed("put down how far the views are"))? == 1),
        }
    }

    /// Empties every view and puts the projector to a beginning, in one transaction. The version
    /// of its row only grows, so that whoever was projecting meanwhile notices.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clear(&self, beginning: &Value) -> Result<()> {
        let doing = "empty the views";
        let deletions =
            ViewTable::ALL.map(|view| format!("DELETE FROM {}", self.place(view.name())));
        let table = self.place("projector");
        let restart = format!(
            "INSERT INTO {table} AS known (view_id, version, payload) VALUES ($1, 1, $2)
             ON CONFLICT (view_id) DO UPDATE
                SET version = known.version + 1, payload = excluded.payload"
        );
        match &self.0 {
            Kept::Sqlite(pool) => {
                // A task of its own: were this cut off while the transaction begins, its connection
                // would go back to the pool with the file locked.
                let (pool, beginning) = (pool.clone(), beginning.clone());
                let clear = tokio::spawn(async move {
                    let mut all = pool.begin_with("BEGIN IMMEDIATE").await?;
                    for deletion in &deletions {
                        all.execute(deletion.as_str()).await?;
                    }
                    let restart = sqlx::query(&restart).bind(PROJECTOR).bind(beginning);
                    restart.execute(&mut *all).await?;
                    all.commit().await
                });
                let done = clear.await.unwrap_or(Err(sqlx::Error::WorkerCrashed));
                done.map_err(failed(doing))
            }
            Kept::Postgres(pool, patience) => {
                let clear = || async {
                    let mut all = pool.begin().await?;
                    for deletion in &deletions {
                        all.execute(deletion.as_str()).await?;
                    }
                    let restart = sqlx::query(&restart).bind(PROJECTOR).bind(beginning);
                    restart.execute(&mut *all).await?;
                    all.commit().await
                };
                patiently(*patience, passes, clear)
                    .await
                    .map_err(failed(doing))
            }
        }
    }
}

/// Makes the tables in a file that has none; `false` when the file cannot be used as it is.
async fn prepare(path: &Path, options: &SqliteConnectOptions) -> Result<bool> {
    if !path.exists() {
        match super::sqlite::restrict(path) {
            Err(StoreError::File { source, .. })
                if source.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
    }
    let made = async {
        let mut connection = SqliteConnection::connect_with(options).await?;
        // Others may be making them, too.
        let mut all = connection.begin_with("BEGIN IMMEDIATE").await?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut *all)
            .await?;
        if found == 0 {
            all.execute(SQLITE_SQL).await?;
        }
        all.commit().await?;
        connection.close().await?;
        Ok(found == 0 || found == SCHEMA)
    };
    match made.await.map_err(failed("open the views")) {
        Err(error) if error.is_integrity() => Ok(false),
        made => made,
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StoreError::File {
            doing: "remove",
            path: path.display().to_string(),
            source,
        }),
        _ => Ok(()),
    }
}
