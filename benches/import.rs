//! How fast a file of births becomes durable entries, beside plain inserts and the stock path.
//!
//! `cargo bench --bench import -- [--births N]`. Three ways, in one run, on one disk:
//! - `App::import`: parse, rules, seal fields, hash, store, sign; on a live and a simulated clock;
//! - plain `sqlx` inserts of the same bytes (the leaves and the rows of the vault of the ledger
//!   that was just made) into two fresh files without any index, rule or trigger;
//! - the stock command path of `sqlite-es`, one command a birth, with fields that were read and
//!   committed before.
//!
//! All are as durable: write-ahead log, `synchronous = FULL` on every connection.
#![expect(clippy::print_stdout, reason = "a bench talks to its user")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cqrs_es::CqrsFramework;
use cqrs_es::persist::PersistedEventStore;
use sqlite_es::{SqliteEventRepository, sqlite_cqrs};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Executor};
use support::{Task, child, deliver, import, say, say_peak, seconds, task};
use vitaledger::app::App;
use vitaledger::ledger::aggregate::record::{Record, RecordCommand, RecordEvent};
use vitaledger::model::entry::Entry;
use vitaledger::model::fields::BirthFields;
use vitaledger::store::VaultRow;

/// Rows in a transaction, as the import has them.
const TRANSACTION: usize = 4096;
/// Rows in a statement, as the import has them.
const STATEMENT: usize = 500;
/// Commands of the stock path: it is slow, and its rate does not depend on their number.
const COMMANDS: usize = 2_000;

const STOCK_SCHEMA: &str = "CREATE TABLE events (
    aggregate_type text NOT NULL, aggregate_id text NOT NULL,
    sequence integer CHECK (sequence >= 0) NOT NULL,
    event_type text NOT NULL, event_version text NOT NULL,
    payload text NOT NULL, metadata text NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)
) STRICT";

type Births = Record<BirthFields>;
type Stock = CqrsFramework<Births, PersistedEventStore<SqliteEventRepository, Births>>;

#[tokio::main]
async fn main() -> Result<()> {
    match task()? {
        Task::All(births) => compare(births),
        Task::Child(name, folder) => {
            match name.as_str() {
                "live" => imported(&folder, "live", false).await?,
                "simulated" => imported(&folder, "simulated", true).await?,
                "plain" => plain(&folder).await?,
                _ => stock(&folder).await?,
            }
            say_peak();
            Ok(())
        }
    }
}

fn compare(births: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    deliver(folder, births)?;
    let live = child("live", folder)?;
    let plain = child("plain", folder)?;
    let stock = child("stock", folder)?;
    // The disk is needed once only.
    std::fs::remove_dir_all(folder.join("live"))?;
    let simulated = child("simulated", folder)?;
    let cores = std::thread::available_parallelism()?;
    println!("{births} births, {cores} cores; records/s, and what the import is of it");
    println!(
        "{:<42} {:>10} {:>8} {:>9}",
        "", "records/s", "import", "peak MiB"
    );
    let import = live.rate("records", "seconds")?;
    for (name, figures) in [
        ("import, live clock", &live),
        ("import, simulated clock", &simulated),
        ("plain sqlx inserts of the same bytes", &plain),
        ("stock sqlite-es, one command a birth", &stock),
    ] {
        let rate = figures.rate("records", "seconds")?;
        let (ratio, peak) = (import / rate, figures.get("peak_mib")?);
        println!("{name:<42} {rate:>10.0} {ratio:>7.2}x {peak:>9.0}");
    }
    let bytes = plain.get("bytes")? / plain.get("records")?;
    println!(
        "(a birth has {bytes:.0} bytes of leaf and vault; the stock path ran {COMMANDS} commands)"
    );
    Ok(())
}

async fn imported(folder: &Path, name: &str, simulated_clock: bool) -> Result<()> {
    let (records, elapsed) = import(folder, name, simulated_clock).await?;
    #[expect(clippy::cast_precision_loss, reason = "a count of records is small")]
    say("records", records as f64);
    say("seconds", seconds(elapsed));
    Ok(())
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(8192)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-65536")
        .pragma("wal_autocheckpoint", "8192")
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

async fn plain(folder: &Path) -> Result<()> {
    let app = App::open(&folder.join("live")).await?;
    let open = async |name: &str, schema: &str| -> Result<SqliteConnection> {
        let path = folder.join(name);
        let mut connection = SqliteConnection::connect_with(&options(&path)).await?;
        connection.execute(schema).await?;
        Ok(connection)
    };
    let entry = "CREATE TABLE entry (position INTEGER PRIMARY KEY, leaf BLOB)";
    let sealed = "CREATE TABLE sealed (position INTEGER PRIMARY KEY, row BLOB)";
    let mut ledger = open("plain-ledger.db", entry).await?;
    let mut vault = open("plain-vault.db", sealed).await?;
    let (mut records, mut bytes, mut elapsed) = (0, 0, Duration::ZERO);
    let mut from = 0;
    loop {
        let limit = TRANSACTION as u64;
        let entries = app.store().entries(from, limit).await?;
        let Some(last) = entries.last() else { break };
        let rows = app.vault().sealed(from, limit).await?;
        let next = last.position + 1;
        let leaves: Vec<_> = entries.into_iter().map(|e| (e.position, e.bytes)).collect();
        let sealed: Vec<_> = rows
            .iter()
            .filter(|(at, _)| *at < next)
            .map(|(at, row)| (*at, vault_bytes(row)))
            .collect();
        from = next;
        records += leaves.len();
        bytes += leaves
            .iter()
            .chain(&sealed)
            .map(|(_, bytes)| bytes.len())
            .sum::<usize>();
        let started = Instant::now();
        let (of_ledger, of_vault) = tokio::join!(
            insert(
                &mut ledger,
                "INSERT INTO entry (position, leaf) VALUES ",
                leaves
            ),
            insert(
                &mut vault,
                "INSERT INTO sealed (position, row) VALUES ",
                sealed
            ),
        );
        of_ledger?;
        of_vault?;
        elapsed += started.elapsed();
    }
    let started = Instant::now();
    ledger.close().await?;
    vault.close().await?;
    elapsed += started.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let (records, bytes) = (records as f64, bytes as f64);
    say("records", records);
    say("bytes", bytes);
    say("seconds", seconds(elapsed));
    Ok(())
}

/// One transaction of multi-row inserts; the text of a full statement is made once.
async fn insert(
    connection: &mut SqliteConnection,
    head: &str,
    rows: Vec<(u64, Vec<u8>)>,
) -> Result<()> {
    let text = |rows: usize| format!("{head}{}", vec!["(?, ?)"; rows].join(", "));
    let full = text(STATEMENT);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let part: Vec<_> = rows.by_ref().take(STATEMENT).collect();
        let short;
        let sql = if part.len() == STATEMENT {
            &full
        } else {
            short = text(part.len());
            &short
        };
        let mut query = sqlx::query(sql).persistent(part.len() == STATEMENT);
        for (position, bytes) in part {
            query = query.bind(i64::try_from(position)?).bind(bytes);
        }
        query.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn stock(folder: &Path) -> Result<()> {
    let app = App::open(&folder.join("live")).await?;
    let mut commands = Vec::with_capacity(COMMANDS);
    let mut from = 0;
    while commands.len() < COMMANDS {
        let entries = app.store().entries(from, TRANSACTION as u64).await?;
        let last = entries.last().context("too few births")?;
        from = last.position + 1;
        for stored in &entries {
            let entry = Entry::parse(&stored.bytes)?;
            if entry.aggregate_type != "birth" || commands.len() == COMMANDS {
                continue;
            }
            if let RecordEvent::Recorded {
                commitments,
                fields,
            } = serde_json::from_str(entry.payload.get())?
            {
                let command = RecordCommand::Record {
                    commitments,
                    fields,
                };
                commands.push((entry.aggregate_id.to_string(), command));
            }
        }
    }
    let options = options(&folder.join("stock.db"));
    let pool = SqlitePoolOptions::new()
        .max_connections(10)
        .connect_with(options)
        .await?;
    pool.execute(STOCK_SCHEMA).await?;
    let cqrs: Stock = sqlite_cqrs(pool.clone(), Vec::new(), ());
    let started = Instant::now();
    for (id, command) in commands {
        cqrs.execute(&id, command).await?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    say("records", COMMANDS as f64);
    say("seconds", seconds(started.elapsed()));
    pool.close().await;
    Ok(())
}
