//! How fast a ledger is verified, from its database and from exported tiles, and how long proofs
//! take, beside the bare hashing of the same bytes in the same run.
//!
//! `cargo bench --bench verify -- [--births N]`. The ledger is made first and not measured.
#![expect(clippy::print_stdout, reason = "a bench talks to its user")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use support::{Task, child, deliver, import, say, say_peak, seconds, task};
use vitaledger::app::App;
use vitaledger::audit::verify::{Scope, Verification, Verifier};
use vitaledger::audit::{evidence, exported};
use vitaledger::model::entry::{Entry, leaf_hash};
use vitaledger::seal::policy::Policy;
use vitaledger::seal::proof::TlogProof;
use vitaledger::seal::prover::Prover;

/// Entries that are read from the ledger at once.
const BATCH: u64 = 16_384;
/// Entries that are proved.
const PROOFS: u64 = 10_000;
/// Bundles of evidence that are made; each opens the tree anew, as the command does.
const BUNDLES: usize = 50;

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
                "export" => export(&folder).await?,
                "tiles" => tiles(&folder).await?,
                "proofs" => proofs(&folder).await?,
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
    let export = child("export", folder)?;
    let tiles = child("tiles", folder)?;
    let hash = child("hash", folder)?;
    let proofs = child("proofs", folder)?;
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
        ("export to tiles", &export, "seconds"),
        ("verify, exported tiles", &tiles, "seconds"),
    ] {
        let (rate, bytes) = (figures.rate("entries", time)?, figures.rate("bytes", time)?);
        let (ratio, peak) = (rate / bare, figures.get("peak_mib")?);
        let megabytes = bytes / 1e6;
        println!("{name:<42} {rate:>10.0} {megabytes:>7.0} {ratio:>6.2}x {peak:>9.0}");
    }
    println!("\nproofs of {PROOFS} entries all over the log, one core");
    for (name, what) in [
        ("open the tree (once)", "open"),
        ("make a proof", "make"),
        ("check a proof, with its signature", "check"),
        ("make a bundle of evidence", "bundle"),
        ("check a bundle of evidence", "check_bundle"),
    ] {
        let micros = proofs.get(what)? * 1e6;
        println!("{name:<42} {micros:>10.0} us each");
    }
    println!("a proof has {:.0} bytes", proofs.get("proof_bytes")?);
    Ok(())
}

/// Checks without the registers, which are derived and may be absent.
async fn verify(folder: &Path, scope: Scope) -> Result<()> {
    let app = App::open(&folder.join("ledger")).await?;
    let (signed, checkpoints) = app.signed().await?;
    let verifier = Verifier {
        ledger: app.ledger.clone(),
        cosigned: None,
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

/// Exports the log to a new folder.
async fn export(folder: &Path) -> Result<()> {
    let app = App::open(&folder.join("ledger")).await?;
    let started = Instant::now();
    let exported = app.export_log(&folder.join("exported"), |_| ()).await?;
    let elapsed = started.elapsed();
    counts(exported.entries, exported.bytes);
    say("seconds", seconds(elapsed));
    Ok(())
}

/// Verifies the exported log from its files.
async fn tiles(folder: &Path) -> Result<()> {
    let key = std::fs::read_to_string(folder.join("ledger/log.vkey"))?;
    let policy = Policy::of_logs(vec![key.trim().parse()?]);
    let started = Instant::now();
    let report = exported::verify(&folder.join("exported"), &policy, None, |_| ()).await?;
    let elapsed = started.elapsed();
    ensure!(report.wrong.is_none(), "the exported log does not verify");
    counts(report.entries, report.bytes);
    say("seconds", seconds(elapsed));
    Ok(())
}

/// Makes and checks proofs of entries that lie evenly all over the log, and bundles of evidence.
async fn proofs(folder: &Path) -> Result<()> {
    let app = App::open(&folder.join("ledger")).await?;
    let store = app.store();
    let opening = Instant::now();
    let mut prover = Prover::open(store.as_ref(), &app.verifier_keys).await?;
    say("open", seconds(opening.elapsed()));
    let size = prover.checkpoint().size();
    let (mut make, mut check, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    let mut records = Vec::new();
    for number in 0..PROOFS {
        let position = size / PROOFS * number;
        let entry = store
            .entry(position)
            .await?
            .context("an entry is missing")?;
        let started = Instant::now();
        let text = prover.prove(&entry).await?.to_string();
        make += started.elapsed();
        bytes += text.len();
        let started = Instant::now();
        let proof = TlogProof::parse(text.as_bytes())?;
        proof.verify(&entry.bytes, &app.verifier_keys)?;
        check += started.elapsed();
        let parsed = Entry::parse(&entry.bytes)?;
        if parsed.aggregate_type == "birth" && records.len() < BUNDLES {
            records.push(parsed.aggregate_id);
        }
    }
    let policy = app.own_policy();
    let (mut bundle, mut check_bundle) = (Duration::ZERO, Duration::ZERO);
    for record in &records {
        let started = Instant::now();
        let zip = app.evidence(&record.to_string(), &[], "", None).await?;
        bundle += started.elapsed();
        let started = Instant::now();
        evidence::check(&zip.bytes, Some(&policy), Some(*record))?;
        check_bundle += started.elapsed();
    }
    let proofs = u32::try_from(PROOFS)?;
    let bundles = u32::try_from(records.len())?;
    ensure!(bundles > 0, "there are no births");
    say("make", seconds(make / proofs));
    say("check", seconds(check / proofs));
    say("bundle", seconds(bundle / bundles));
    say("check_bundle", seconds(check_bundle / bundles));
    say("proof_bytes", f64::from(u32::try_from(bytes)? / proofs));
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
