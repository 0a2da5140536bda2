//! How fast a ledger is verified, beside the bare hashing of the same bytes.
//!
//! `cargo bench --bench verify -- [--births N]`. The ledger is made first and not measured.
#![expect(clippy::print_stdout, reason = "a bench talks to its user")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use support::{Task, child, deliver, import, say, say_peak, seconds, task};
use vitaledger::app::App;
use vitaledger::audit::verify::{Scope, Verification, Verifier};
use vitaledger::model::entry::leaf_hash;

/// Entries that are read from the ledger at once.
const BATCH: u64 = 16_384;

#[tokio::main]
async fn main() -> Result<()> {
    match task()? {
        Task::All(births) => compare(births),
        Task::Child(name, folder) => {
            match name.as_str() {
                "ledger" => {
                    import(&folder, "ledger", false).await?;
                }
                "log" => verify(&folder, Scope::Log).await?,
                "vault" => verify(&folder, Scope::Everything).await?,
                _ => hash(&folder).await?,
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
    child("ledger", folder)?;
    let log = child("log", folder)?;
    let vault = child("vault", folder)?;
    let hash = child("hash", folder)?;
    let cores = std::thread::available_parallelism()?;
    println!("{births} births, {cores} cores; entries/s, and what it is of bare hashing");
    println!(
        "{:<42} {:>10} {:>7} {:>7} {:>9}",
        "", "entries/s", "MB/s", "ratio", "peak MiB"
    );
    let bare = hash.rate("entries", "seconds")?;
    for (name, figures, time) in [
        (
            "SHA-256 of the leaves in memory, one core",
            &hash,
            "seconds",
        ),
        ("verify, log only", &log, "seconds"),
        ("verify, log and commitments", &vault, "walk"),
        ("the same with the databases' own checks", &vault, "seconds"),
    ] {
        let (rate, bytes) = (figures.rate("entries", time)?, figures.rate("bytes", time)?);
        let (ratio, peak) = (rate / bare, figures.get("peak_mib")?);
        let megabytes = bytes / 1e6;
        println!("{name:<42} {rate:>10.0} {megabytes:>7.0} {ratio:>6.2}x {peak:>9.0}");
    }
    Ok(())
}

/// Checks without the registers, which are derived and may be absent.
async fn verify(folder: &Path, scope: Scope) -> Result<()> {
    let app = App::open(&folder.join("ledger")).await?;
    let (signed, checkpoints) = app.signed().await?;
    let verifier = Verifier {
        ledger: app.ledger.clone(),
        keys: &app.verifier_keys,
        signed: &signed,
        checkpoints: &checkpoints,
        registers: None,
    };
    let mut walk = Duration::ZERO;
    let started = Instant::now();
    let report: Verification = verifier.run(scope, |_| walk = started.elapsed()).await?;
    let elapsed = started.elapsed();
    ensure!(report.wrong.is_none(), "the ledger does not verify");
    counts(report.entries, report.bytes);
    say("walk", seconds(walk));
    say("seconds", seconds(elapsed));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn counts(entries: u64, bytes: u64) {
    say("entries", entries as f64);
    say("bytes", bytes as f64);
}

/// Hashes the leaves, batch by batch; reading them is not measured.
async fn hash(folder: &Path) -> Result<()> {
    let app = App::open(&folder.join("ledger")).await?;
    let (mut from, mut bytes, mut elapsed) = (0, 0, Duration::ZERO);
    loop {
        let entries = app.store().entries(from, BATCH).await?;
        if entries.is_empty() {
            break;
        }
        from += entries.len() as u64;
        bytes += entries
            .iter()
            .map(|entry| entry.bytes.len() as u64)
            .sum::<u64>();
        let started = Instant::now();
        for entry in &entries {
            std::hint::black_box(leaf_hash(&entry.bytes));
        }
        elapsed += started.elapsed();
    }
    counts(from, bytes);
    say("seconds", seconds(elapsed));
    Ok(())
}
