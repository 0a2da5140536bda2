//! The embedded store: two SQLite files, `ledger.db` and `vault.db`.
//!
//! What comes in and goes out: see [`Store`]. What may fail: a file that is missing, locked or
//! full. What must stay true: the ledger's write lock (`BEGIN IMMEDIATE`) is held while the vault
//! commits, and the vault commits first; so a vault row without an entry is an orphan of a crash,
//! and is swept under that lock before its position is used again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection, Executor};
use tokio::sync::{Mutex, OnceCell, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::placing::{Placing, size_after, wrapped_keys};
use super::sqlite_bundles::{self, bundle};
use super::sqlite_check::complaints;
use super::sqlite_master::refuse_retired;
use super::sqlite_read::{erased_keys, get, head_of, json_list, repeated_keys, versions};
use super::sqlite_rows::{insert_entries, insert_idempotency, insert_vault};
use super::sqlite_transfer::unchanged;
use super::views::ViewStore;
use super::{
    Database, EntryRow, Group, Head, Outcome, POLL, Packed, Repeated, Result, Store, StoreError,
    StoredEntry, StoredTile,
};
use super::{sqlite_access, sqlite_subscriptions};
use crate::model::id::Position;
use crate::model::time::Timestamp;

pub(super) const LEDGER_SQL: &str = include_str!("../../migrations/sqlite/ledger.sql");
pub(super) const VAULT_SQL: &str = include_str!("../../migrations/sqlite/vault.sql");
const SCHEMA: i64 = 1;
/// Page size of both files: a birth of some 1.5 kB fits five times.
const PAGE_BYTES: u32 = 8192;

/// Pages that a reader keeps, in KiB with a minus: it passes over the log once. No
/// `mmap_size`, which would count the file once for each reader as memory of this process.
const READER_CACHE: &str = "-8192";

/// The writing connections; one writer at a time in a process.
pub(super) struct Writer {
    pub(super) ledger: SqliteConnection,
    pub(super) vault: SqliteConnection,
}

/// Two SQLite files in a folder.
pub struct SqliteStore {
    folder: PathBuf,
    pub(super) writer: Mutex<Writer>,
    ledger: SqlitePool,
    pub(super) vault: SqlitePool,
    /// Opened when they are asked for.
    views: OnceCell<SqlitePool>,
    access: OnceCell<SqlitePool>,
    subscriptions: OnceCell<SqlitePool>,
    /// The size of the log after the last append of this process.
    grown: watch::Sender<u64>,
}

/// Names what was being done when the driver failed.
pub(super) fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| match source {
        // The database is there, but holds a value of a type that nothing here writes.
        sqlx::Error::ColumnDecode { index, source } => StoreError::Integrity {
            position: 0,
            what: format!("failed to {doing}: column {index} cannot be read: {source}"),
        },
        source => StoreError::Unavailable { doing, source },
    }
}

pub(super) fn ledger_path(folder: &Path) -> PathBuf {
    folder.join("ledger.db")
}

pub(super) fn vault_path(folder: &Path) -> PathBuf {
    folder.join("vault.db")
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .page_size(PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(30))
        .pragma("cache_size", "-65536")
        // Few checkpoints of the write-ahead log during bulk loads: 256 MiB each.
        .pragma("wal_autocheckpoint", "32768")
        .pragma("temp_store", "MEMORY")
        // Erased bytes are overwritten.
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
}

impl SqliteStore {
    /// Creates both files in a folder that has none.
    ///
    /// # Errors
    /// When there is a ledger already or the folder cannot be written.
    pub async fn create(folder: &Path, ledger_id: Uuid) -> Result<()> {
        for (path, schema) in [
            (ledger_path(folder), LEDGER_SQL),
            (vault_path(folder), VAULT_SQL),
        ] {
            if path.exists() {
                return Err(StoreError::Exists {
                    path: path.display().to_string(),
                });
            }
            restrict(&path)?;
            let options = options(&path).create_if_missing(true);
            let mut connection = SqliteConnection::connect_with(&options)
                .await
                .map_err(failed("create a database"))?;
            connection
                .execute(schema)
                .await
                .map_err(failed("create the tables"))?;
            if schema == VAULT_SQL {
                sqlx::query("INSERT INTO vault_meta (name, value) VALUES ('ledger_id', ?)")
                    .bind(ledger_id.to_string())
                    .execute(&mut connection)
                    .await
                    .map_err(failed("name the vault"))?;
            }
            connection
                .close()
                .await
                .map_err(failed("close a database"))?;
        }
        Ok(())
    }

    /// Opens the files in a folder.
    ///
    /// # Errors
    /// When there are none, or they are of another version.
    pub async fn open(folder: &Path) -> Result<Self> {
        Self::open_by(folder, options).await
    }

    /// Opens the files of a copy that must stay as they are: nothing can be written.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_unchanged(folder: &Path) -> Result<Self> {
        Self::open_by(folder, unchanged).await
    }

    async fn open_by(
        folder: &Path,
        options: impl Fn(&Path) -> SqliteConnectOptions + Copy,
    ) -> Result<Self> {
        for path in [ledger_path(folder), vault_path(folder)] {
            if !path.exists() {
                return Err(StoreError::Missing {
                    path: path.display().to_string(),
                });
            }
        }
        let connect = |path: PathBuf| async move {
            SqliteConnection::connect_with(&options(&path))
                .await
                .map_err(failed("open a database"))
        };
        let readers = |path: PathBuf| {
            SqlitePoolOptions::new()
                .max_connections(4)
                // A file does not go away: asking first would be a second way to its thread and back.
                .test_before_acquire(false)
                .connect_lazy_with(options(&path).pragma("cache_size", READER_CACHE))
        };
        let mut writer = Writer {
            ledger: connect(ledger_path(folder)).await?,
            vault: connect(vault_path(folder)).await?,
        };
        for connection in [&mut writer.ledger, &mut writer.vault] {
            let found: i64 = sqlx::query_scalar("PRAGMA user_version")
                .fetch_one(connection)
                .await
                .map_err(failed("read the schema's version"))?;
            if found != SCHEMA {
                return Err(StoreError::Schema {
                    found,
                    expected: SCHEMA,
                });
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            writer: Mutex::new(writer),
            ledger: readers(ledger_path(folder)),
            vault: readers(vault_path(folder)),
            views: OnceCell::new(),
            access: OnceCell::new(),
            subscriptions: OnceCell::new(),
            grown: watch::Sender::new(0),
        })
    }

    /// The pool over the tokens.
    pub(super) async fn access(&self) -> Result<&SqlitePool> {
        let open = || sqlite_access::open(&self.folder);
        self.access.get_or_try_init(open).await
    }

    /// The pool over the durable subscriptions.
    pub(super) async fn subscriptions_pool(&self) -> Result<&SqlitePool> {
        let open = || sqlite_subscriptions::open(&self.folder);
        self.subscriptions.get_or_try_init(open).await
    }

    /// The pool over `ledger.db`, for stock repositories that read the `events` view.
    #[must_use]
    pub const fn ledger_pool(&self) -> &SqlitePool {
        &self.ledger
    }
}

#[async_trait]
impl Database for SqliteStore {
    fn place(&self) -> String {
        self.folder.display().to_string()
    }

    async fn views(&self) -> Result<ViewStore> {
        let pool = self
            .views
            .get_or_try_init(|| ViewStore::in_folder(&self.folder));
        Ok(ViewStore::of_folder(pool.await?.clone()))
    }

    /// Folds the write-ahead logs into the files.
    async fn close(self: Arc<Self>) {
        let Some(store) = Arc::into_inner(self) else {
            return;
        };
        store.ledger.close().await;
        store.vault.close().await;
        for pool in [&store.views, &store.access, &store.subscriptions]
            .into_iter()
            .filter_map(OnceCell::get)
        {
            pool.close().await;
        }
        let mut writer = store.writer.into_inner();
        // Failures here lose nothing: a write-ahead log is read at the next opening. Connections
        // that close at the same time leave it behind, so it is folded in before.
        for connection in [&mut writer.ledger, &mut writer.vault] {
            let _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
        }
        let _ = writer.ledger.close().await;
        let _ = writer.vault.close().await;
    }
}

/// Makes the file with rights for its owner only, before anything is written into it.
pub(super) fn restrict(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = options.open(path).map(|_| ());
    made.map_err(|source| StoreError::File {
        doing: "create",
        path: path.display().to_string(),
        source,
    })
}

pub(super) fn position_of(number: i64) -> Position {
    Position::try_from(number).unwrap_or(Position::MAX)
}

pub(super) fn number_of(position: Position) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

impl Writer {
    async fn append(&mut self, groups: Vec<Group>) -> Result<Vec<Outcome>> {
        let mut ledger = self
            .ledger
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed("lock the ledger"))?;
        let head = head_of(&mut ledger).await?;
        let clock = Timestamp::now();
        let versions = versions(&mut ledger, &groups).await?;
        let keys: Vec<_> = groups
            .iter()
            .filter_map(|group| group.idempotency.map(|(key, _)| key))
            .collect();
        let repeated = repeated_keys(&mut ledger, &keys).await?;
        let mut vault = self
            .vault
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed("lock the vault"))?;
        let erased = erased_keys(&mut vault, &groups).await?;
        let mut placing = Placing {
            head,
            clock,
            versions,
            repeated,
            erased,
        };
        let outcomes = placing.all(&groups)?;
        if placing.head.size == head.size {
            return Ok(outcomes);
        }
        refuse_retired(&mut vault, wrapped_keys(&groups)).await?;
        let (sealed, entries) = tokio::join!(
            insert_vault(&mut vault, head.size, &groups, &outcomes),
            insert_entries(&mut ledger, &groups, &outcomes),
        );
        sealed?;
        entries?;
        insert_idempotency(&mut ledger, &groups, &outcomes).await?;
        vault.commit().await.map_err(failed("commit the vault"))?;
        ledger.commit().await.map_err(failed("commit the ledger"))?;
        Ok(outcomes)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn head(&self) -> Result<Head> {
        let mut connection = self
            .ledger
            .acquire()
            .await
            .map_err(failed("open the ledger"))?;
        head_of(&mut connection).await
    }

    async fn append(&self, groups: Vec<Group>) -> Result<Vec<Outcome>> {
        let outcomes = self.writer.lock().await.append(groups).await?;
        if let Some(size) = size_after(&outcomes) {
            self.grown.send_replace(size);
        }
        Ok(outcomes)
    }

    async fn grown(&self, beyond: u64, patience: Duration) -> Result<Head> {
        let mut told = self.grown.subscribe();
        let end = Instant::now() + patience;
        loop {
            let head = self.head().await?;
            let left = end.saturating_duration_since(Instant::now());
            if head.size > beyond || left.is_zero() {
                return Ok(head);
            }
            // Whether told or not told: the head is read again. Other processes tell nobody.
            let told = told.wait_for(|size| *size > beyond);
            let _ = tokio::time::timeout(POLL.min(left), told).await;
        }
    }

    async fn entries(&self, from: Position, limit: u64) -> Result<Vec<StoredEntry>> {
        let bundle = bundle(&self.ledger, sqlite_bundles::ENTRIES, from, limit).await?;
        if let Some(entries) = sqlite_bundles::entries(&bundle) {
            return Ok(entries);
        }
        let rows = sqlx::query(
            "SELECT position, leaf FROM entry WHERE position >= ? ORDER BY position LIMIT ?",
        )
        .bind(number_of(from))
        .bind(number_of(limit))
        .fetch_all(&self.ledger)
        .await
        .map_err(failed("read entries"))?;
        rows.iter().map(stored_entry).collect()
    }

    async fn packed(&self, from: Position, limit: u64) -> Result<Packed> {
        let bundle = bundle(&self.ledger, sqlite_bundles::ENTRIES, from, limit).await?;
        match sqlite_bundles::packed(&bundle) {
            Some(packed) => Ok(packed),
            None => Ok(self.entries(from, limit).await?.into()),
        }
    }

    async fn rows(&self, from: Position, limit: u64) -> Result<Vec<EntryRow>> {
        let bundle = bundle(&self.ledger, sqlite_bundles::ROWS, from, limit).await?;
        if let Some(rows) = sqlite_bundles::rows(&bundle) {
            return Ok(rows);
        }
        let rows = sqlx::query(
            "SELECT position, leaf, aggregate_type, sequence FROM entry
              WHERE position >= ? ORDER BY position LIMIT ?",
        )
        .bind(number_of(from))
        .bind(number_of(limit))
        .fetch_all(&self.ledger)
        .await
        .map_err(failed("read entries"))?;
        let entry_row = |row: &SqliteRow| {
            Ok(EntryRow {
                position: position_of(get(row, 0)?),
                bytes: get(row, 1)?,
                aggregate_type: get(row, 2)?,
                sequence: position_of(get(row, 3)?),
            })
        };
        rows.iter().map(entry_row).collect()
    }

    async fn streams(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<StoredEntry>>> {
        let rows = sqlx::query(
            "SELECT position, leaf, aggregate_id FROM entry
              WHERE aggregate_id IN (SELECT value FROM json_each(?))
              ORDER BY aggregate_id, sequence",
        )
        .bind(json_list(ids))
        .fetch_all(&self.ledger)
        .await
        .map_err(failed("read streams"))?;
        let mut streams: HashMap<Uuid, Vec<StoredEntry>> = HashMap::new();
        for row in &rows {
            let id: String = get(row, 2)?;
            let id = Uuid::from_str(&id).unwrap_or_default();
            streams.entry(id).or_default().push(stored_entry(row)?);
        }
        Ok(streams)
    }

    async fn positions_of(&self, versions: &[(Uuid, u64)]) -> Result<Vec<Option<Position>>> {
        sqlite_bundles::positions_of(&self.ledger, versions).await
    }

    async fn entries_of_type(&self, aggregate_type: &str) -> Result<Vec<StoredEntry>> {
        self.entries_of_type_from(aggregate_type, 0, u64::MAX).await
    }

    async fn entries_of_type_from(
        &self,
        aggregate_type: &str,
        from: Position,
        limit: u64,
    ) -> Result<Vec<StoredEntry>> {
        // The list must be that of the partial index, word for word, for the planner to use it.
        let rows = sqlx::query(
            "SELECT position, leaf FROM entry WHERE aggregate_type = ?
                AND aggregate_type NOT IN ('registration', 'birth', 'pregnancy_loss', 'disbursement', 'activity', 'return')
                AND position >= ? ORDER BY position LIMIT ?",
        )
        .bind(aggregate_type)
        .bind(number_of(from))
        .bind(number_of(limit))
        .fetch_all(&self.ledger)
        .await
        .map_err(failed("read entries of a type"))?;
        rows.iter().map(stored_entry).collect()
    }

    async fn entries_of_types_from(
        &self,
        aggregate_types: &[&str],
        from: Position,
    ) -> Result<Vec<StoredEntry>> {
        let types = serde_json::Value::from(aggregate_types).to_string();
        // As above; and each type is looked up on its own, as in a table that begins with it.
        let rows = sqlx::query(
            "SELECT position, leaf FROM entry
              WHERE aggregate_type IN (SELECT value FROM json_each(?))
                AND aggregate_type NOT IN ('registration', 'birth', 'pregnancy_loss', 'disbursement', 'activity', 'return')
                AND position >= ? ORDER BY position",
        )
        .bind(types)
        .bind(number_of(from))
        .fetch_all(&self.ledger)
        .await
        .map_err(failed("read entries of types"))?;
        rows.iter().map(stored_entry).collect()
    }

    async fn repeated(&self, keys: &[[u8; 16]]) -> Result<Repeated> {
        let mut connection = self
            .ledger
            .acquire()
            .await
            .map_err(failed("open the ledger"))?;
        repeated_keys(&mut connection, keys).await
    }

    async fn idempotency_rows(&self) -> Result<Vec<(Vec<u8>, Vec<u8>, Position)>> {
        let rows = sqlx::query("SELECT key, request, position FROM idempotency ORDER BY position")
            .fetch_all(&self.ledger)
            .await
            .map_err(failed("read idempotency keys"))?;
        rows.iter()
            .map(|row| Ok((get(row, 0)?, get(row, 1)?, position_of(get(row, 2)?))))
            .collect()
    }

    async fn checkpoints(&self) -> Result<Vec<(u64, Vec<u8>)>> {
        let rows = sqlx::query("SELECT size, note FROM checkpoint ORDER BY size")
            .fetch_all(&self.ledger)
            .await
            .map_err(failed("read checkpoints"))?;
        rows.iter()
            .map(|row| Ok((position_of(get(row, 0)?), get(row, 1)?)))
            .collect()
    }

    async fn newest_checkpoint(&self) -> Result<Option<(u64, Vec<u8>)>> {
        let row = sqlx::query("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1")
            .fetch_optional(&self.ledger)
            .await
            .map_err(failed("read the newest checkpoint"))?;
        let note = |row| Ok((position_of(get(&row, 0)?), get(&row, 1)?));
        row.map(note).transpose()
    }

    async fn save_checkpoint(&self, size: u64, note: &[u8], tiles: &[StoredTile]) -> Result<()> {
        let mut writer = self.writer.lock().await;
        let mut ledger = writer
            .ledger
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed("lock the ledger"))?;
        for tile in tiles {
            sqlx::query(
                "INSERT INTO tile (level, number, hashes) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            )
            .bind(i64::from(tile.level))
            .bind(number_of(tile.number))
            .bind(tile.hashes.as_slice())
            .execute(&mut *ledger)
            .await
            .map_err(failed("keep a tile"))?;
        }
        sqlx::query("INSERT INTO checkpoint (size, note) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(number_of(size))
            .bind(note)
            .execute(&mut *ledger)
            .await
            .map_err(failed("keep a checkpoint"))?;
        ledger.commit().await.map_err(failed("commit a checkpoint"))
    }

    async fn tile(&self, level: u8, number: u64) -> Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT hashes FROM tile WHERE level = ? AND number = ?")
            .bind(i64::from(level))
            .bind(number_of(number))
            .fetch_optional(&self.ledger)
            .await
            .map_err(failed("read a tile"))
    }

    async fn tiles(&self) -> Result<Vec<StoredTile>> {
        let rows = sqlx::query("SELECT level, number, hashes FROM tile ORDER BY level, number")
            .fetch_all(&self.ledger)
            .await
            .map_err(failed("read tiles"))?;
        let tile = |row: &SqliteRow| {
            Ok(StoredTile {
                level: u8::try_from(get::<i64>(row, 0)?).unwrap_or(u8::MAX),
                number: position_of(get(row, 1)?),
                hashes: get(row, 2)?,
            })
        };
        rows.iter().map(tile).collect()
    }

    async fn complaints(&self) -> Result<Vec<String>> {
        complaints(&self.ledger, &self.vault).await
    }
}

fn stored_entry(row: &SqliteRow) -> Result<StoredEntry> {
    Ok(StoredEntry {
        position: position_of(get(row, 0)?),
        bytes: get(row, 1)?,
    })
}
