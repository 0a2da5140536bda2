//! How fast queries over the registers are answered, as of now and as of the middle of the log,
//! beside the same registers read row by row.
//!
//! `cargo bench --bench sql -- [--births N] [--segments FOLDER]`. The registers are folded from
//! invented entries first: one in forty corrects an earlier birth, one in a thousand withdraws one.
//! With a folder they are kept there, and taken from there the next time.

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

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use uuid::Uuid;
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::entry::Unplaced;
use vitaledger::model::id::{OfficeCode, Position};
use vitaledger::model::office::{OfficeDirectory, OfficeFields};
use vitaledger::model::schema::RecordKind;
use vitaledger::model::time::Timestamp;
use vitaledger::registers::Registers;
use vitaledger::registers::sql::{Pinned, Session};
use vitaledger::store::{
    EntryRow, Group, Head, Outcome, Repeated, Result as Stored, Store, StoredEntry, StoredTile,
};

/// Entries when `--births` is not given.
const BIRTHS: u64 = 1_000_000;
const LEDGER: Uuid = Uuid::from_u128(0x5);
/// 2013-10-01T00:00:00Z.
const START_MICROS: i64 = 1_380_585_600_000_000;
const OFFICES: u64 = 400;

/// A log of births of which every entry can be made when it is asked for.
struct Invented {
    size: u64,
}

/// Numbers that look like chance and are the same in every run (SplitMix64).
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Ids of records are the HMACs that they are in a ledger: without any order.
fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(scattered(number), scattered(number ^ (1 << 63)))
}

fn at(position: u64) -> Timestamp {
    let micros = START_MICROS + i64::try_from(position).unwrap_or(0) * 9_000_000;
    Timestamp::from_micros(micros).unwrap_or_default()
}

fn entry(position: u64) -> Vec<u8> {
    // Each of these is the only change of a birth some entries before it.
    let (record, change) = match position % 1000 {
        999 => (position - 501, "Voided"),
        n if n % 40 == 39 => (position - 20, "Corrected"),
        _ => (position, "Recorded"),
    };
    let chance = scattered(record);
    let (month, day) = (1 + record / 300_000 % 12, 1 + chance % 28);
    let fields = format!(
        r#"{{"gestation_days":{},"mother_age":{},"occurred_on":"2014-{month:02}-{day:02}","office":"{:012}","reported_on":"2014-{month:02}-28","sex":"{}","source":"village","weight_g":{}}}"#,
        260 + chance % 25,
        20 + chance % 20,
        990_101_000_000 + chance % OFFICES,
        if chance.is_multiple_of(2) { "F" } else { "M" },
        2_500 + chance % 1_500,
    );
    let payload = match change {
        "Voided" => r#"{"Voided":{"commitments":{}}}"#.to_owned(),
        "Corrected" => format!(
            r#"{{"Corrected":{{"changed":["weight_g"],"commitments":{{}},"fields":{fields},"set_by":{{}}}}}}"#
        ),
        _ => format!(r#"{{"Recorded":{{"commitments":{{}},"fields":{fields}}}}}"#),
    };
    let (aggregate_id, event_id) = (id(record), id(position ^ (1 << 62)));
    let prefix = format!(
        r#"{{"aggregate_id":"{aggregate_id}","aggregate_type":"birth","event_id":"{event_id}","event_type":"{change}","event_version":"1","format":1,"metadata":{{}},"payload":{payload},"position":"#
    );
    let unplaced = Unplaced {
        aggregate_id,
        aggregate_type: "birth",
        event_id,
        sequence: if change == "Recorded" { 1 } else { 2 },
        simulated_at: None,
        prefix: prefix.into_bytes(),
    };
    unplaced.place(position, at(position))
}

#[async_trait]
impl Store for Invented {
    async fn head(&self) -> Stored<Head> {
        Ok(Head {
            size: self.size,
            recorded_at: at(self.size),
        })
    }
    async fn entries(&self, from: Position, limit: u64) -> Stored<Vec<StoredEntry>> {
        let positions = from..self.size.min(from.saturating_add(limit));
        let entries = positions.map(|position| StoredEntry {
            position,
            bytes: entry(position),
        });
        Ok(entries.collect())
    }
    async fn append(&self, _: Vec<Group>) -> Stored<Vec<Outcome>> {
        Ok(Vec::new())
    }
    async fn repeated(&self, _: &[[u8; 16]]) -> Stored<Repeated> {
        Ok(Repeated::new())
    }
    async fn rows(&self, _: Position, _: u64) -> Stored<Vec<EntryRow>> {
        Ok(Vec::new())
    }
    async fn streams(&self, _: &[Uuid]) -> Stored<HashMap<Uuid, Vec<StoredEntry>>> {
        Ok(HashMap::new())
    }
    async fn entries_of_type(&self, _: &str) -> Stored<Vec<StoredEntry>> {
        Ok(Vec::new())
    }
    async fn idempotency_rows(&self) -> Stored<Vec<(Vec<u8>, Vec<u8>, Position)>> {
        Ok(Vec::new())
    }
    async fn checkpoints(&self) -> Stored<Vec<(u64, Vec<u8>)>> {
        Ok(Vec::new())
    }
    async fn newest_checkpoint(&self) -> Stored<Option<(u64, Vec<u8>)>> {
        Ok(None)
    }
    async fn save_checkpoint(&self, _: u64, _: &[u8], _: &[StoredTile]) -> Stored<()> {
        Ok(())
    }
    async fn tile(&self, _: u8, _: u64) -> Stored<Option<Vec<u8>>> {
        Ok(None)
    }
    async fn tiles(&self) -> Stored<Vec<StoredTile>> {
        Ok(Vec::new())
    }
    async fn complaints(&self) -> Stored<Vec<String>> {
        Ok(Vec::new())
    }
}

fn arguments() -> Result<(u64, Option<PathBuf>)> {
    let (mut births, mut folder) = (BIRTHS, None);
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(argument) = arguments.next() {
        let value = arguments.next().context("an argument lacks its value")?;
        match argument.as_str() {
            "--births" => births = value.replace(['_', ','], "").parse()?,
            "--segments" => folder = Some(PathBuf::from(value)),
            other => {
                anyhow::bail!("unknown argument {other}; known are --births N, --segments FOLDER")
            }
        }
    }
    ensure!(births >= 1_000, "at least 1,000 births");
    Ok((births, folder))
}

fn offices() -> OfficeDirectory {
    let mut directory = OfficeDirectory::default();
    for number in 0..OFFICES {
        let code = OfficeCode::parse(&format!("{:012}", 990_101_000_000 + number));
        if let Some(code) = code {
            directory.insert(OfficeFields {
                code,
                level: OfficeLevel::Village,
                name_en: Some(format!("Community {number}")),
                name_zh: None,
                parent: None,
            });
        }
    }
    directory
}

const QUERIES: [(&str, &str); 6] = [
    (
        "count by office and month",
        "SELECT office, date_trunc('month', occurred_on) AS month, count(*) FROM births GROUP BY 1, 2",
    ),
    ("count", "SELECT count(*) FROM births"),
    (
        "one office, mean weight",
        "SELECT avg(weight_g) FROM births WHERE office = '990101000007'",
    ),
    (
        "heaviest ten",
        "SELECT record_id, weight_g FROM births ORDER BY weight_g DESC, record_id LIMIT 10",
    ),
    (
        "corrections by office",
        "SELECT office, count(*) FROM births_history WHERE superseded_at IS NOT NULL GROUP BY office",
    ),
    (
        "joined with offices",
        "SELECT name_en, sum(weight_g) FROM births JOIN offices ON code = office GROUP BY name_en",
    ),
];

async fn ask(session: &Session, query: &str) -> Result<(usize, f64)> {
    let start = Instant::now();
    let batches = session.query(query).await?.collect().await?;
    let rows = batches.iter().map(|batch| batch.num_rows()).sum();
    Ok((rows, start.elapsed().as_secs_f64()))
}

#[tokio::main]
async fn main() -> Result<()> {
    let (births, kept) = arguments()?;
    let scratch = tempfile::tempdir()?;
    let folder = kept.unwrap_or_else(|| scratch.path().join("registers"));
    let store: Arc<dyn Store> = Arc::new(Invented { size: births });
    let start = Instant::now();
    let mut registers = Registers::open(folder, LEDGER, store)?;
    let opened = start.elapsed().as_secs_f64();
    let done = registers.catch_up().await?;
    let folded = start.elapsed().as_secs_f64() - opened;
    println!(
        "{births} entries; opened in {opened:.2} s, {} folded in {folded:.2} s",
        done.entries
    );
    let directory = offices();
    let start = Instant::now();
    let pinned = Pinned::of(&registers)?;
    let session = pinned.session(births, &directory)?;
    println!("{:<44} {:>8.3} s", "pinned", start.elapsed().as_secs_f64());
    let (_, first) = ask(&session, QUERIES[0].1).await?;
    println!(
        "{:<44} {first:>8.3} s",
        "first query, with what is superseded"
    );
    for (name, query) in QUERIES {
        let (rows, seconds) = ask(&session, query).await?;
        println!("{name:<44} {seconds:>8.3} s  {rows} rows");
    }
    let past = pinned.session(births / 2, &directory)?;
    let (rows, seconds) = ask(&past, QUERIES[0].1).await?;
    println!(
        "{:<44} {seconds:>8.3} s  {rows} rows",
        "the first, as of half of the entries"
    );
    let start = Instant::now();
    let rows = registers.current(RecordKind::Birth, births, None)?.len();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{:<44} {seconds:>8.3} s  {rows} rows",
        "Registers::current, every row"
    );
    Ok(())
}
