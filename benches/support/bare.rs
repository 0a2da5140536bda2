//! Bare inserts of the bytes of a ledger and its vault: no rule, no trigger, no index beside the
//! primary key.
//!
//! What comes in: batches as the ledger appended them. What goes out: how fast one connection
//! inserts them, a transaction for each. What must stay true: the same bytes, the same batches,
//! the same durability.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor, PgConnection};
use vitaledger::app::App;
use vitaledger::model::entry::Entry;
use vitaledger::store::VaultRow;

use super::load::Load;
use super::stock::options;

/// Entries that are read at once.
const PAGE: u64 = 8192;
/// Rows in a statement of SQLite.
const STATEMENT: usize = 500;

/// What was appended in one transaction.
#[derive(Default)]
pub struct Batch {
    /// Position and leaf.
    entries: Vec<(i64, Vec<u8>)>,
    /// Position and row of the vault.
    sealed: Vec<(i64, Vec<u8>)>,
}

impl Batch {
    /// How many entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many bytes, without positions.
    #[allow(dead_code, reason = "of one bench")]
    pub fn bytes(&self) -> usize {
        let rows = self.entries.iter().chain(&self.sealed);
        rows.map(|(_, bytes)| bytes.len()).sum()
    }
}

/// The parts of a row of the vault, one after the other.
fn vault_bytes(row: &VaultRow) -> Vec<u8> {
    [
        &row.key_id[..],
        &row.keys,
        &row.slots,
        &row.content,
        &row.mac,
        &row.tokens,
    ]
    .concat()
}

/// What the ledger appended from one position up to another, by its own batches: what was appended
/// together has one time, read under the lock of the head.
pub async fn batches(app: &App, from: u64, to: u64) -> Result<Vec<Batch>> {
    let mut batches: Vec<Batch> = Vec::new();
    let (mut at, mut time) = (from, None);
    while at < to {
        let limit = PAGE.min(to - at);
        let entries = app.store().entries(at, limit).await?;
        let mut rows = app.vault().sealed(at, limit).await?.into_iter().peekable();
        at = entries.last().context("the ledger ends early")?.position + 1;
        for stored in entries {
            let recorded_at = Some(Entry::parse(&stored.bytes)?.recorded_at);
            if recorded_at != time {
                batches.push(Batch::default());
                time = recorded_at;
            }
            let batch = batches.last_mut().context("no batch")?;
            let position = i64::try_from(stored.position)?;
            batch.entries.push((position, stored.bytes));
            if let Some((_, row)) = rows.next_if(|(of, _)| *of == stored.position) {
                batch.sealed.push((position, vault_bytes(&row)));
            }
        }
    }
    Ok(batches)
}

/// The same entries in batches of another size.
pub fn rebatched(batches: Vec<Batch>, rows: usize) -> Vec<Batch> {
    let (mut entries, mut sealed) = (Vec::new(), Vec::new());
    for batch in batches {
        entries.extend(batch.entries);
        sealed.extend(batch.sealed);
    }
    let mut parts = Vec::new();
    let mut entries = entries.into_iter().peekable();
    let mut sealed = sealed.into_iter().peekable();
    while entries.peek().is_some() {
        let mut part = Batch::default();
        for entry in entries.by_ref().take(rows) {
            part.sealed.extend(sealed.next_if(|row| row.0 == entry.0));
            part.entries.push(entry);
        }
        parts.push(part);
    }
    parts
}

/// Inserts that go on until the time is over.
struct Measured {
    begin: Instant,
    end: Option<Instant>,
    latencies: Vec<Duration>,
}

impl Measured {
    /// Without a time, all is inserted.
    fn begin(measured: Option<Duration>) -> Self {
        let begin = Instant::now();
        Self {
            begin,
            end: measured.map(|measured| begin + measured),
            latencies: Vec::new(),
        }
    }

    /// Notes a transaction, whose time is that of each of its entries; says whether there is time
    /// for another.
    fn note(&mut self, entries: usize, started: Instant) -> bool {
        let latencies = std::iter::repeat_n(started.elapsed(), entries);
        self.latencies.extend(latencies);
        self.end.is_none_or(|end| Instant::now() < end)
    }

    fn load(self) -> Load {
        let elapsed = self.begin.elapsed();
        Load::new(self.latencies, 0, elapsed)
    }
}

/// Into two new tables of a database of PostgreSQL.
pub async fn postgres(
    address: &str,
    batches: Vec<Batch>,
    measured: Option<Duration>,
) -> Result<Load> {
    let mut connection = PgConnection::connect(address).await?;
    for table in ["entry", "sealed"] {
        let sql = format!(
            "DROP TABLE IF EXISTS {table};
             CREATE TABLE {table} (position bigint PRIMARY KEY, bytes bytea);
             ALTER TABLE {table} ALTER COLUMN bytes SET STORAGE EXTERNAL"
        );
        connection.execute(sql.as_str()).await?;
    }
    let entry = "INSERT INTO entry SELECT * FROM unnest($1::bigint[], $2::bytea[])";
    let sealed = "INSERT INTO sealed SELECT * FROM unnest($1::bigint[], $2::bytea[])";
    let mut measured = Measured::begin(measured);
    for batch in batches {
        let started = Instant::now();
        let entries = batch.len();
        let mut transaction = connection.begin().await?;
        for (sql, rows) in [(entry, batch.entries), (sealed, batch.sealed)] {
            let (positions, bytes): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            let query = sqlx::query(sql).bind(positions).bind(bytes);
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        if !measured.note(entries, started) {
            break;
        }
    }
    let load = measured.load();
    connection.close().await?;
    Ok(load)
}

/// Into two new files, as the ledger has two.
pub async fn sqlite(folder: &Path, batches: Vec<Batch>, measured: Duration) -> Result<Load> {
    std::fs::create_dir_all(folder)?;
    let open = async |name: &str, schema: &str| -> Result<SqliteConnection> {
        let options = options(&folder.join(name)).pragma("cache_size", "-65536");
        let mut connection = SqliteConnection::connect_with(&options).await?;
        connection.execute(schema).await?;
        Ok(connection)
    };
    let entry = "CREATE TABLE entry (position INTEGER PRIMARY KEY, bytes BLOB)";
    let sealed = "CREATE TABLE sealed (position INTEGER PRIMARY KEY, bytes BLOB)";
    let mut ledger = open("ledger.db", entry).await?;
    let mut vault = open("vault.db", sealed).await?;
    let mut measured = Measured::begin(Some(measured));
    for batch in batches {
        let started = Instant::now();
        let entries = batch.len();
        let (of_ledger, of_vault) = tokio::join!(
            insert(&mut ledger, "INSERT INTO entry VALUES ", batch.entries),
            insert(&mut vault, "INSERT INTO sealed VALUES ", batch.sealed),
        );
        of_ledger?;
        of_vault?;
        if !measured.note(entries, started) {
            break;
        }
    }
    let load = measured.load();
    ledger.close().await?;
    vault.close().await?;
    std::fs::remove_dir_all(folder)?;
    Ok(load)
}

/// One transaction of multi-row inserts.
async fn insert(
    connection: &mut SqliteConnection,
    head: &str,
    rows: Vec<(i64, Vec<u8>)>,
) -> Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let part: Vec<_> = rows.by_ref().take(STATEMENT).collect();
        let sql = format!("{head}{}", vec!["(?, ?)"; part.len()].join(", "));
        let mut query = sqlx::query(&sql);
        for (position, bytes) in part {
            query = query.bind(position).bind(bytes);
        }
        query.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}
