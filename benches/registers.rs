//! How fast the registers are built of a ledger's entries, beside DuckDB with the same entries as
//! JSON Lines, and how long a page, a history, a count and an opening take.
//!
//! `cargo bench --bench registers -- [--events N] [--keep FOLDER]`. The ledger is made first and
//! not measured against anything; with `--keep` it is left in the folder and found there again.
//! DuckDB comes from PyPI, into a virtual environment of its own; where it cannot be had, the
//! bench says so and goes on without it.

#![allow(
    clippy::doc_markdown,
    clippy::float_cmp,
    clippy::needless_pass_by_value,
    clippy::redundant_closure_for_method_calls,
    clippy::similar_names,
    clippy::unnecessary_wraps,
    reason = "a bench is read for its figures"
)]
#![expect(clippy::print_stdout, reason = "a bench talks to its user")]

#[path = "support/duckdb.rs"]
mod duckdb;
#[path = "support/events.rs"]
mod events;
#[allow(dead_code, reason = "other benches use the rest")]
#[path = "support/load.rs"]
mod load;
#[allow(dead_code, reason = "other benches use the rest")]
mod support;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use events::Events;
use load::Load;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::{Figures, child, say, say_peak, seconds};
use uuid::Uuid;
use vitaledger::model::cell::ColumnType;
use vitaledger::model::fields::AnyFields;
use vitaledger::model::office::OfficeDirectory;
use vitaledger::model::schema::RecordKind;
use vitaledger::registers::Registers;
use vitaledger::store::sqlite::SqliteStore;
use vitaledger::store::{Database, Outcome, Store};

/// Events when `--events` is not given.
const EVENTS: u64 = 1_000_000;
/// The ledger's id.
const LEDGER: Uuid = Uuid::from_u128(7);
/// Events in a transaction.
const TRANSACTION: usize = 8192;
/// Pages and histories that are measured.
const READS: usize = 400;
/// Rows of a page.
const PAGE: usize = 50;
/// Counts that are measured.
const COUNTS: usize = 20;
/// A count by office and month.
const COUNT: &str = "SELECT office, date_trunc('month', occurred_on), count(*)
    FROM births GROUP BY office, date_trunc('month', occurred_on)";
/// The script with which DuckDB reads the same entries.
const SCRIPT: &str = include_str!("support/read_json_lines.py");

#[derive(Parser)]
struct Arguments {
    /// Events in the ledger.
    #[arg(long, default_value_t = EVENTS, value_parser = clap::value_parser!(u64).range(1_000..))]
    events: u64,
    /// Where the ledger is left, and found again.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
    /// To be one contestant in a folder.
    #[arg(long, hide = true, num_args = 2)]
    child: Option<Vec<PathBuf>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let Some([name, folder]) = arguments.child.as_deref() else {
        return compare(&arguments);
    };
    match name.to_str() {
        Some("ledger") => make(folder).await?,
        Some("rebuild") => rebuild(folder).await?,
        _ => read(folder).await?,
    }
    say_peak();
    Ok(())
}

fn compare(arguments: &Arguments) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let folder = arguments.keep.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("wanted"), arguments.events.to_string())?;
    let ledger = child("ledger", folder)?;
    let (entries, bytes) = (ledger.get("entries")?, ledger.get("bytes")?);
    let cores = std::thread::available_parallelism()?;
    let each = bytes / entries;
    println!("{entries} entries of {each:.0} bytes on average, {cores} cores");
    if ledger.get("seconds")? > 0.0 {
        let (rate, time) = (ledger.rate("entries", "seconds")?, ledger.get("seconds")?);
        println!("the ledger was made in {time:.1} s, with its export: {rate:.0} events/s");
    }
    let rebuild = child("rebuild", folder)?;
    let read = child("read", folder)?;
    let duckdb = read_by_duckdb(folder);
    std::fs::remove_dir_all(folder.join("registers"))?;
    println!(
        "\n{:<40} {:>9} {:>11} {:>10}",
        "", "seconds", "events/s", "peak MiB"
    );
    line("registers, rebuilt from SQLite", &rebuild)?;
    match duckdb {
        Ok(duckdb) => {
            ensure!(
                duckdb.get("entries")? == entries,
                "DuckDB read other entries"
            );
            line("DuckDB, JSON Lines to Parquet", &duckdb)?;
            let load = duckdb.get("load")?;
            println!("{:<40} {load:>9.2}", "  of this, read_json to a table");
            let ratio = rebuild.get("seconds")? / duckdb.get("seconds")?;
            println!("{:<40} {ratio:>9.2}", "registers : DuckDB");
        }
        Err(error) => println!("!!! DuckDB COULD NOT BE MEASURED: {error:#}"),
    }
    println!("\n{:<40} {:>9} {:>11}", "milliseconds", "p50", "p99");
    for (name, what) in [
        ("a page of 50, as of a position", "page"),
        ("the history of a record", "history"),
        ("births by office and month, as of ...", "count"),
    ] {
        let (p50, p99) = (
            read.get(&format!("{what}_p50"))?,
            read.get(&format!("{what}_p99"))?,
        );
        println!("{name:<40} {p50:>9.2} {p99:>11.2}");
    }
    let (open, peak) = (read.get("open")? * 1e3, read.get("peak_mib")?);
    println!("{:<40} {open:>9.0}", "open and compare every file, once");
    println!("reading had a peak of {peak:.0} MiB");
    Ok(())
}

fn line(name: &str, figures: &Figures) -> Result<()> {
    let (time, rate) = (figures.get("seconds")?, figures.rate("entries", "seconds")?);
    let peak = figures.get("peak_mib")?;
    println!("{name:<40} {time:>9.2} {rate:>11.0} {peak:>10.0}");
    Ok(())
}

fn exported(folder: &Path) -> PathBuf {
    folder.join("entries.jsonl")
}

/// Makes the ledger and its export, unless they are there.
async fn make(folder: &Path) -> Result<()> {
    let wanted: u64 = std::fs::read_to_string(folder.join("wanted"))?.parse()?;
    let (ledger, complete) = (folder.join("ledger"), folder.join("complete"));
    if std::fs::read_to_string(&complete).is_ok_and(|made| made == wanted.to_string()) {
        counts(wanted, std::fs::metadata(exported(folder))?.len() - wanted);
        say("seconds", 0.0);
        return Ok(());
    }
    if ledger.exists() {
        std::fs::remove_dir_all(&ledger)?;
    }
    std::fs::create_dir_all(&ledger)?;
    SqliteStore::create(&ledger, LEDGER).await?;
    let store = Arc::new(SqliteStore::open(&ledger).await?);
    let started = Instant::now();
    let (give, mut take) = tokio::sync::mpsc::channel(2);
    let maker = std::thread::spawn(move || {
        let (mut events, mut left) = (Events::new(), usize::try_from(wanted)?);
        while left > 0 {
            let count = left.min(TRANSACTION);
            left -= count;
            if give.blocking_send(events.batch(count)?).is_err() {
                break;
            }
        }
        Ok::<_, anyhow::Error>(())
    });
    let mut lines = BufWriter::with_capacity(1 << 20, std::fs::File::create(exported(folder))?);
    let mut bytes = 0;
    while let Some(groups) = take.recv().await {
        for outcome in store.append(groups).await? {
            let Outcome::Appended(entries) = outcome else {
                anyhow::bail!("an event was not appended: {outcome:?}");
            };
            for entry in entries {
                bytes += entry.bytes.len() as u64;
                lines.write_all(&entry.bytes)?;
                lines.write_all(b"\n")?;
            }
        }
    }
    maker.join().ok().context("no events were made")??;
    lines.flush()?;
    store.close().await;
    std::fs::write(complete, wanted.to_string())?;
    counts(wanted, bytes);
    say("seconds", seconds(started.elapsed()));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn counts(entries: u64, bytes: u64) {
    say("entries", entries as f64);
    say("bytes", bytes as f64);
}

async fn open(folder: &Path) -> Result<Registers> {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.join("ledger")).await?);
    Ok(Registers::open(folder.join("registers"), LEDGER, store)?)
}

/// Builds the registers in an empty folder.
async fn rebuild(folder: &Path) -> Result<()> {
    let registers = folder.join("registers");
    if registers.exists() {
        std::fs::remove_dir_all(&registers)?;
    }
    let mut registers = open(folder).await?;
    let started = Instant::now();
    let done = registers.catch_up().await?;
    let elapsed = started.elapsed();
    counts(done.entries, 0);
    say("seconds", seconds(elapsed));
    Ok(())
}

/// Reads pages as of any position, from any position on, and the histories of records on them.
async fn read(folder: &Path) -> Result<()> {
    let started = Instant::now();
    let mut registers = open(folder).await?;
    registers.catch_up().await?;
    say("open", seconds(started.elapsed()));
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let (mut pages, mut ids) = (Vec::new(), Vec::new());
    for number in 0..READS {
        let kind = RecordKind::ALL[number % RecordKind::ALL.len()];
        let size = random.random_range(1..=registers.size());
        let after = random.random_range(0..size);
        let started = Instant::now();
        let page = registers.page(kind, size, Some(after), PAGE, None)?;
        pages.push(started.elapsed());
        ids.extend(page.first().map(|row| row.record_id));
    }
    let mut histories = Vec::new();
    for id in ids {
        let started = Instant::now();
        let rows = registers.history(id).await?;
        histories.push(started.elapsed());
        ensure!(!rows.is_empty(), "a record has no history");
    }
    let mut counts = Vec::new();
    for _ in 0..COUNTS {
        let size = random.random_range(1..=registers.size());
        let started = Instant::now();
        let session = registers.sql_session(size, &OfficeDirectory::default())?;
        session.query(COUNT).await?.collect().await?;
        counts.push(started.elapsed());
    }
    for (name, latencies) in [("page", pages), ("history", histories), ("count", counts)] {
        let load = Load::new(latencies, 0, Duration::ZERO);
        say(&format!("{name}_p50"), load.percentile(50));
        say(&format!("{name}_p99"), load.percentile(99));
    }
    Ok(())
}

/// The columns of every kind, as DuckDB has them.
fn columns() -> serde_json::Value {
    let columns_of = |kind: RecordKind| {
        let columns = AnyFields::columns(kind).iter().map(|(name, column)| {
            let data = match column {
                ColumnType::Text => "VARCHAR",
                ColumnType::Integer => "BIGINT",
                ColumnType::Date => "DATE",
            };
            [*name, data]
        });
        (kind.as_str(), columns.collect::<Vec<_>>())
    };
    let kinds = RecordKind::ALL.map(columns_of).into_iter();
    let kinds = kinds.map(|(kind, columns)| (kind.to_owned(), serde_json::json!(columns)));
    serde_json::Value::Object(kinds.collect())
}

/// Lets DuckDB read the export.
fn read_by_duckdb(folder: &Path) -> Result<Figures> {
    let python = duckdb::python(folder)?;
    let files = folder.join("parquet");
    let said = duckdb::done(
        Command::new(&python)
            .args(["-c", SCRIPT])
            .arg(exported(folder))
            .arg(&files)
            .arg(columns().to_string()),
    );
    std::fs::remove_dir_all(&files)?;
    Figures::parse(&said?)
}
