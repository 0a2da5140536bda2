//! Copies of the SQLite files: read as of one moment beside writers, written where nothing is yet.
//!
//! What must stay true: the snapshots of both files are taken while nobody can be between the
//! commits of vault and ledger; that takes as long as two reads of one row, and only so long do
//! writers wait.

use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sqlx::sqlite::{
    Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Connection, Executor, QueryBuilder};

use super::sqlite::{
    LEDGER_SQL, VAULT_SQL, failed, ledger_path, number_of, options, position_of, restrict,
    vault_path,
};
use super::sqlite_read::get;
use super::transfer::{Kind, Part, Row, Source, Table, Target, Value};
use super::{Result, StoreError};

/// How a file is opened that must not be changed, not even by a journal beside it.
pub(super) fn unchanged(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(true)
        .pragma("trusted_schema", "OFF")
}

/// Both files as of one moment.
pub(super) struct SqliteSource {
    ledger: SqliteConnection,
    vault: Option<SqliteConnection>,
    size: u64,
    note: Vec<u8>,
}

async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection> {
    let connected = SqliteConnection::connect_with(options).await;
    connected.map_err(failed("open a database"))
}

/// A connection that from now on sees the file as it is now.
async fn snapshot(options: &SqliteConnectOptions) -> Result<SqliteConnection> {
    let mut connection = connect(options).await?;
    // The first read takes the snapshot, not the beginning.
    for sql in ["BEGIN", "SELECT count(*) FROM sqlite_master"] {
        let done = connection.execute(sql).await;
        done.map_err(failed("begin to read a database"))?;
    }
    Ok(connection)
}

impl SqliteSource {
    /// Of a ledger that others may be writing.
    pub(super) async fn open(folder: &Path) -> Result<Self> {
        for path in [ledger_path(folder), vault_path(folder)] {
            if !path.exists() {
                let path = path.display().to_string();
                return Err(StoreError::Missing { path });
            }
        }
        let mut writers = connect(&options(&ledger_path(folder))).await?;
        let held = writers.execute("BEGIN IMMEDIATE").await;
        held.map_err(failed("lock the ledger"))?;
        let ledger = snapshot(&options(&ledger_path(folder))).await?;
        let vault = snapshot(&options(&vault_path(folder))).await?;
        let let_go = writers.execute("ROLLBACK").await;
        let_go.map_err(failed("let the ledger go"))?;
        let closed = writers.close().await;
        closed.map_err(failed("close a database"))?;
        Self::of(ledger, vault).await
    }

    /// Of files that nobody writes.
    pub(super) async fn open_unchanged(folder: &Path) -> Result<Self> {
        let ledger = snapshot(&unchanged(&ledger_path(folder))).await?;
        let vault = snapshot(&unchanged(&vault_path(folder))).await?;
        Self::of(ledger, vault).await
    }

    async fn of(mut ledger: SqliteConnection, vault: SqliteConnection) -> Result<Self> {
        let newest = sqlx::query("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1")
            .fetch_optional(&mut ledger)
            .await
            .map_err(failed("read the newest checkpoint"))?;
        let (size, note) = match newest {
            Some(row) => (position_of(get(&row, 0)?), get(&row, 1)?),
            None => (0, Vec::new()),
        };
        Ok(Self {
            ledger,
            vault: Some(vault),
            size,
            note,
        })
    }
}

fn bind<'q>(
    query: sqlx::query::Query<'q, Sqlite, SqliteArguments<'q>>,
    value: &'q Value,
) -> sqlx::query::Query<'q, Sqlite, SqliteArguments<'q>> {
    match value {
        Value::Number(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.as_str()),
        Value::Bytes(bytes) => query.bind(bytes.as_slice()),
    }
}

fn read(table: &Table, row: &SqliteRow) -> Result<Row> {
    let value = |(index, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Kind::Number => Value::Number(get(row, index)?),
            Kind::Text => Value::Text(get(row, index)?),
            Kind::Bytes => Value::Bytes(get(row, index)?),
        })
    };
    table.columns.iter().enumerate().map(value).collect()
}

#[async_trait]
impl Source for SqliteSource {
    fn newest(&self) -> (u64, &[u8]) {
        (self.size, &self.note)
    }

    async fn is_unsettled(&mut self) -> Result<bool> {
        let found: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM entry
              WHERE position >= ? AND aggregate_type IN ('erasure', 'ledger')",
        )
        .bind(number_of(self.size))
        .fetch_one(&mut self.ledger)
        .await
        .map_err(failed("look for erasures"))?;
        Ok(found > 0)
    }

    async fn rows(&mut self, table: &Table, after: Option<&Row>, limit: u64) -> Result<Vec<Row>> {
        let connection = match (table.part, &mut self.vault) {
            (Part::Ledger, _) => &mut self.ledger,
            (Part::Vault, Some(vault)) => vault,
            (Part::Vault, None) => return Ok(Vec::new()),
        };
        let sql = table.select("", "", after.is_some());
        let mut query = sqlx::query(&sql);
        for value in after.iter().flat_map(|row| &row[..table.key]) {
            query = bind(query, value);
        }
        if table.below_size.is_some() {
            query = query.bind(number_of(self.size));
        }
        let rows = query.bind(number_of(limit)).fetch_all(connection).await;
        let rows = rows.map_err(failed("read the rows of a table"))?;
        rows.iter().map(|row| read(table, row)).collect()
    }

    async fn leave_vault(&mut self) -> Result<()> {
        let Some(vault) = self.vault.take() else {
            return Ok(());
        };
        vault.close().await.map_err(failed("close the vault"))
    }
}

/// Two new files; under other names until they are complete, where they are to be a ledger.
pub(super) struct SqliteTarget {
    ledger: SqliteConnection,
    vault: SqliteConnection,
    /// The folder, and whether its files are still to get their names.
    folder: PathBuf,
    ending: &'static str,
    leftovers: Leftovers,
}

/// Files that are removed unless they are complete.
struct Leftovers(Vec<PathBuf>);

impl Leftovers {
    fn of(folder: &Path, ending: &str) -> Self {
        let files = [ledger_path(folder), vault_path(folder)];
        let files = files.map(|path| with_ending(&path, ending));
        let journals = files.iter().map(|file| with_ending(file, "-journal"));
        Self(journals.chain(files.iter().cloned()).collect())
    }

    fn remove(&self) {
        for file in &self.0 {
            // What stays does not have the name of a database, or is in the way and says so.
            let _ = fs::remove_file(file);
        }
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        self.remove();
    }
}

/// What the names of files end in that are not complete.
const PARTIAL: &str = ".partial";

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn file_failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.display().to_string();
    move |source| StoreError::File {
        doing,
        path,
        source,
    }
}

async fn create(path: &Path, schema: &str) -> Result<SqliteConnection> {
    restrict(path)?;
    // Nothing sees the file before it is complete and flushed, so nothing need be undone.
    let options = options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off);
    let mut connection = connect(&options).await?;
    for sql in [schema, "BEGIN"] {
        let done = connection.execute(sql).await;
        done.map_err(failed("create the tables"))?;
    }
    Ok(connection)
}

impl SqliteTarget {
    /// In a folder of its own, which is not yet seen.
    pub(super) async fn in_new_folder(folder: &Path) -> Result<Self> {
        Self::create(folder, "").await
    }

    /// Refuses a folder that has a database of a ledger, or something that belonged to one.
    pub(super) fn must_be_free(folder: &Path) -> Result<()> {
        for path in [ledger_path(folder), vault_path(folder)] {
            // A write-ahead log that was left alone would be taken for one of the new file.
            for beside in ["", "-wal", "-shm", "-journal"] {
                let path = with_ending(&path, beside);
                if path.exists() {
                    let path = path.display().to_string();
                    return Err(StoreError::Exists { path });
                }
            }
        }
        Ok(())
    }

    /// In the folder of a ledger that has no databases. What a run that was cut off left there
    /// is replaced; the caller sees to it that no other one is under way.
    pub(super) async fn in_ledger(folder: &Path) -> Result<Self> {
        Self::must_be_free(folder)?;
        Leftovers::of(folder, PARTIAL).remove();
        Self::create(folder, PARTIAL).await
    }

    async fn create(folder: &Path, ending: &'static str) -> Result<Self> {
        let file = |path: PathBuf| with_ending(&path, ending);
        let leftovers = Leftovers::of(folder, ending);
        Ok(Self {
            leftovers,
            ledger: create(&file(ledger_path(folder)), LEDGER_SQL).await?,
            vault: create(&file(vault_path(folder)), VAULT_SQL).await?,
            folder: folder.to_owned(),
            ending,
        })
    }
}

#[async_trait]
impl Target for SqliteTarget {
    async fn put(&mut self, table: &Table, rows: Vec<Row>) -> Result<()> {
        let connection = match table.part {
            Part::Ledger => &mut self.ledger,
            Part::Vault => &mut self.vault,
        };
        let insert = format!("INSERT INTO {} ({}) ", table.name, table.names());
        let mut query = QueryBuilder::<Sqlite>::new(insert);
        query.push_values(&rows, |mut values, row| {
            for value in row {
                match value {
                    Value::Number(number) => values.push_bind(*number),
                    Value::Text(text) => values.push_bind(text.as_str()),
                    Value::Bytes(bytes) => values.push_bind(bytes.as_slice()),
                };
            }
        });
        let done = query.build().execute(connection).await;
        done.map_err(failed("write the rows of a table"))?;
        Ok(())
    }

    async fn finish(self: Box<Self>, _signed: (u64, [u8; 32])) -> Result<()> {
        let Self {
            ledger,
            vault,
            folder,
            ending,
            mut leftovers,
        } = *self;
        // The ledger last: without it there is none.
        let files = [(vault_path(&folder), vault), (ledger_path(&folder), ledger)];
        let mut written = Vec::new();
        for (path, mut connection) in files {
            let committed = connection.execute("COMMIT").await;
            committed.map_err(failed("commit a copy"))?;
            let closed = connection.close().await;
            closed.map_err(failed("close a copy"))?;
            let partial = with_ending(&path, ending);
            let flushed = fs::File::open(&partial).and_then(|file| file.sync_all());
            flushed.map_err(file_failed("flush", &partial))?;
            written.push((partial, path));
        }
        for (partial, path) in written {
            if partial != path {
                fs::rename(&partial, &path).map_err(file_failed("rename", &partial))?;
            }
            let flushed = fs::File::open(&folder).and_then(|folder| folder.sync_all());
            flushed.map_err(file_failed("flush", &folder))?;
        }
        leftovers.0.clear();
        Ok(())
    }
}
