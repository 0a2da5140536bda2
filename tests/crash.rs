//! Kill -9 during an import, again and again.
//!
//! What comes in: a delivery of some thousand rows, and the built program, which is killed after
//! random delays. What must stay true: every receipt that was printed holds after the restart;
//! `verify` finds nothing wrong; importing the same files again completes exactly what is missing.
#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use vitaledger::app::{App, InitOptions};
use vitaledger::audit::verify::Scope;
use vitaledger::model::entry::Entry;
use vitaledger::model::schema::RecordKind;
use vitaledger::simulate;

/// Kills in the midst of an import that this test demands.
const KILLS: u32 = 50;

/// Makes a delivery; gives its number of record rows.
fn deliver(folder: &Path) -> u64 {
    let options = simulate::Options {
        population: 1500,
        months: 2,
        villages: 2,
        ..simulate::Options::default()
    };
    let summary = simulate::write(folder, &options, &mut |_| {}).unwrap();
    summary.total() - summary.rows("offices.csv")
}

/// Starts the import of a delivery; what it prints goes to a file.
fn start(root: &Path, printed: &Path) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_vitaledger"))
        .args([
            "--json",
            "--dir",
            "ledger",
            "import",
            "delivery",
            "--batch-rows",
            "64",
        ])
        .current_dir(root)
        .env_remove("VITALEDGER_DIR")
        .stdin(Stdio::null())
        .stdout(File::create(printed).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The last position of which a whole line was printed.
fn promised(printed: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(printed).unwrap();
    let whole = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let lines = whole.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines
        .filter_map(|line| line["committed"]["position"].as_u64())
        .max()
}

/// Opens the ledger anew, checks everything, and gives the number of entries.
async fn reverify(ledger: &Path) -> u64 {
    let app = App::open(ledger).await.unwrap();
    let report = app.verify(Scope::Everything, |_| {}).await.unwrap();
    app.close().await;
    assert_eq!(report.wrong, None);
    report.entries
}

/// How many entries each record has.
async fn records(ledger: &Path) -> HashMap<uuid::Uuid, u64> {
    let app = App::open(ledger).await.unwrap();
    let mut records = HashMap::new();
    let mut from = 0;
    loop {
        let batch = app.store().entries(from, 2048).await.unwrap();
        let Some(last) = batch.last() else { break };
        from = last.position + 1;
        for stored in &batch {
            let entry = Entry::parse(&stored.bytes).unwrap();
            if RecordKind::ALL
                .iter()
                .any(|kind| kind.as_str() == entry.aggregate_type)
            {
                *records.entry(entry.aggregate_id).or_default() += 1;
            }
        }
    }
    app.close().await;
    records
}

/// One ledger, killed until its import comes to an end by itself; gives the number of kills.
async fn one_ledger(root: &Path, rows: u64, simulated_clock: bool, rng: &mut impl Rng) -> u32 {
    let ledger = root.join("ledger");
    let options = InitOptions {
        simulated_clock,
        ..InitOptions::default()
    };
    App::init(&ledger, &options).await.unwrap().close().await;
    let printed = root.join("printed");
    let mut kills = 0;
    let mut before = 0;
    // Uninterrupted, an import takes some hundred times as long as the shortest of these delays.
    let mut longest_ms = 400;
    loop {
        let mut import = start(root, &printed);
        let delay = Duration::from_millis(rng.random_range(20..longest_ms));
        let begun = Instant::now();
        let ended = loop {
            if let Some(status) = import.try_wait().unwrap() {
                break Some(status);
            }
            if begun.elapsed() >= delay {
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        if let Some(status) = ended {
            assert!(status.success(), "{status}");
            break;
        }
        import.kill().unwrap();
        import.wait().unwrap();
        kills += 1;
        let entries = reverify(&ledger).await;
        let promised = promised(&printed);
        assert!(
            promised.is_none_or(|position| position < entries),
            "{promised:?} {entries}"
        );
        assert!(entries >= before, "{entries} after {before}");
        // What is there already takes time to compare: without more time it would never end.
        longest_ms += if entries == before { 200 } else { 20 };
        before = entries;
    }
    reverify(&ledger).await;
    let records = records(&ledger).await;
    assert_eq!(records.len() as u64, rows);
    assert!(records.values().all(|entries| *entries == 1));
    let rejects = std::fs::read_dir(root).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("rejects-")
    });
    assert_eq!(rejects.count(), 0);
    std::fs::remove_dir_all(&ledger).unwrap();
    kills
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9() {
    let root = tempfile::tempdir().unwrap();
    let rows = deliver(&root.path().join("delivery"));
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(9);
    let mut kills = 0;
    let mut ledgers = 0;
    while kills < KILLS {
        // Every third ledger has a live clock.
        kills += one_ledger(root.path(), rows, ledgers % 3 != 2, &mut rng).await;
        ledgers += 1;
        assert!(ledgers < 60, "only {kills} kills hit an import");
    }
    println!("{kills} kills in {ledgers} ledgers of {rows} rows");
}
