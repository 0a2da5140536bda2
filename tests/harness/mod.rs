//! What the tests of whole ledgers share: a small ledger in a folder, copies of it, and the check
//! of everything.
//!
//! What comes in: a folder that does not exist yet. What goes out: a sealed ledger with every
//! kind of entry and of row that there is ([`make`]), a copy of a folder ([`copy`]), and what
//! `verify` says of a ledger that is opened anew ([`reverify`]). What may fail: nothing that a
//! test could go on after, so everything here stops the test. What must stay true: the ledger
//! has more entries than two hash tiles, so that changes can be in a full tile and beyond it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part, and stops at the first thing that is not as it should"
)]

pub mod database;

use std::fs;
use std::path::Path;

use chrono::NaiveDate;
use uuid::Uuid;
use vitaledger::app::erase::Approval;
use vitaledger::app::records::Values;
use vitaledger::app::{App, AppError, InitOptions};
use vitaledger::audit::verify::{Scope, Verification};
use vitaledger::intake::{ImportOptions, ImportSummary};
use vitaledger::model::schema::RecordKind;
use vitaledger::model::slot::Slot;
use vitaledger::simulate;

/// The day on which the simulated clock of the ledgers of these tests starts.
const START: &str = "2013-08-01";
/// A village of every simulated delivery.
pub const VILLAGE: &str = "990101100001";

/// What stands where in a ledger of [`make`].
pub struct Facts {
    /// A birth that was corrected.
    pub corrected: Uuid,
    /// A registration that was withdrawn.
    pub voided: Uuid,
    /// A birth that was corrected and then erased.
    pub erased: Uuid,
    /// The positions of the entries of the erased record.
    pub erased_at: Vec<u64>,
    /// The position of the erasure.
    pub erasure: u64,
}

/// Named values.
pub fn values(pairs: &[(&str, &str)]) -> Values {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

/// A birth with a mother, by its number.
pub fn birth(number: &str, weight_g: &str) -> Values {
    values(&[
        ("source_record_id", number),
        ("source", "village"),
        ("office", VILLAGE),
        ("occurred_on", "2013-10-20"),
        ("reported_on", "2013-10-25"),
        ("sex", "F"),
        ("weight_g", weight_g),
        ("mother_name", "甲某某"),
        ("mother_id_no", "99010119880101122X"),
        ("mother_born_on", "1988-01-01"),
        ("household_no", "H900001"),
    ])
}

/// A pregnancy loss whose woman, another one for each number, gets a token of the statistical
/// year of that day.
pub fn loss(number: &str, day: &str) -> Values {
    let woman = format!("9901011988010112{}X", number.trim_start_matches('L'));
    values(&[
        ("source_record_id", number),
        ("source", "hospital"),
        ("office", "990101100901"),
        ("occurred_on", day),
        ("reported_on", day),
        ("gestation_days", "210"),
        ("timing", "antepartum"),
        ("plurality", "1"),
        ("woman_id_no", &woman),
    ])
}

/// Options of a delivery that [`make`] can start from.
pub fn options(population: u64, months: u32) -> simulate::Options {
    simulate::Options {
        seed: 7,
        population,
        months,
        start: START.parse::<NaiveDate>().unwrap(),
        villages: 2,
        ..simulate::Options::default()
    }
}

/// A new ledger with a simulated clock.
pub async fn init(folder: &Path) -> App {
    let options = InitOptions {
        simulated_clock: true,
        ..InitOptions::default()
    };
    App::init(folder, &options).await.unwrap()
}

/// A plain import, with its rejects in this folder.
pub fn import_options(rejects: &Path) -> ImportOptions {
    ImportOptions {
        dry_run: false,
        strict: false,
        rejects_folder: rejects.to_owned(),
        batch_rows: vitaledger::intake::BATCH_ROWS,
        within: None,
    }
}

/// Imports a folder; rejects go beside it.
pub async fn import(app: &App, delivery: &Path) -> ImportSummary {
    let options = import_options(delivery.parent().unwrap());
    let paths = [delivery.to_owned()];
    app.import(&paths, &options, None, |_| ()).await.unwrap()
}

/// Two who approve.
pub fn approval() -> Approval {
    Approval {
        legal_basis: "PIPL-47".to_owned(),
        approved_by: ["officer-1".to_owned(), "officer-2".to_owned()],
    }
}

/// Makes a sealed ledger with an import, records of its own, losses in two statistical years, a
/// correction, a void, idempotency keys, a disclosure and an erasure; closed.
pub async fn make(folder: &Path) -> Facts {
    let delivery = folder.with_extension("delivery");
    simulate::write(&delivery, &options(290, 3), &mut |_| ()).unwrap();
    let app = init(folder).await;
    let summary = import(&app, &delivery).await;
    assert_eq!(summary.total(|part| part.refused), 0);
    let facts = change(&app).await;
    let head = app.store().head().await.unwrap();
    assert!(
        head.size > 512 && head.size % 256 > 8,
        "{} entries",
        head.size
    );
    app.close().await;
    facts
}

async fn change(app: &App) -> Facts {
    let kind = RecordKind::Birth;
    for (number, day) in [
        ("L1", "2013-09-03"),
        ("L2", "2013-09-20"),
        ("L3", "2013-10-02"),
        ("L4", "2013-10-28"),
    ] {
        let answer = app
            .record(RecordKind::PregnancyLoss, &loss(number, day), None)
            .await;
        answer.unwrap();
    }
    let mut births = Vec::new();
    for (number, key) in [("X1", Some("key-1")), ("X2", Some("key-2")), ("X3", None)] {
        let key = key.map(str::to_owned);
        let answer = app.record(kind, &birth(number, "3100"), key).await.unwrap();
        births.push(answer.receipt().aggregate_id);
    }
    let (corrected, erased) = (births[0], births[2]);
    for (id, key) in [(corrected, Some("key-3".to_owned())), (erased, None)] {
        let changed = values(&[("weight_g", "3200"), ("mother_name", "乙某某")]);
        app.correct(kind, id, &changed, "misread", key)
            .await
            .unwrap();
    }
    let voided = app.record_named("registration/village/R0000001").unwrap();
    app.void(RecordKind::Registration, voided, "entered twice", None)
        .await
        .unwrap();
    let slots = vec![Slot::must("mother_name")];
    app.disclose(vec![corrected], slots, "complaint 12")
        .await
        .unwrap();
    let plan = app.plan_erasure(&[erased]).await.unwrap();
    let erased_at = plan[0].positions.clone();
    let receipts = app.erase(&plan, &approval()).await.unwrap();
    // A record after the erasure, so that the last entry of the log has sealed fields.
    app.record(kind, &birth("X4", "2900"), None).await.unwrap();
    Facts {
        corrected,
        voided,
        erased,
        erased_at,
        erasure: receipts[0].position,
    }
}

/// Opens the ledger anew and checks everything, as the command does.
pub async fn try_reverify(folder: &Path) -> Result<Verification, AppError> {
    let app = App::open(folder).await?;
    // A damaged ledger is for the check to report, not for this.
    let _ = app.registers().await;
    let report = app.verify(Scope::Everything, |_| ()).await;
    app.close().await;
    report
}

/// The same, where the check must at least run.
pub async fn reverify(folder: &Path) -> Verification {
    try_reverify(folder).await.unwrap()
}

/// Asserts that nothing is wrong.
pub async fn assert_clean(folder: &Path) -> Verification {
    let report = reverify(folder).await;
    assert_eq!(report.wrong, None);
    assert_eq!(report.unsealed, 0);
    report
}

/// Copies the folder of a closed ledger with everything in it; the copy must not exist.
pub fn copy(from: &Path, to: &Path) {
    settle(from);
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        // Settled, a write-ahead log is empty, and may vanish while this runs.
        if [".db-wal", ".db-shm"]
            .iter()
            .any(|beside| name.to_string_lossy().ends_with(beside))
        {
            continue;
        }
        let target = to.join(name);
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap_or_else(|error| panic!("{entry:?}: {error}"));
        }
    }
}

/// Waits until the write-ahead logs of a closed ledger are gone or empty: a connection that a pool
/// had lent out is closed by a thread of its own.
fn settle(folder: &Path) {
    let open = || {
        ["ledger.db-wal", "vault.db-wal"]
            .into_iter()
            .any(|log| fs::metadata(folder.join(log)).is_ok_and(|log| log.len() > 0))
    };
    for _ in 0..1000 {
        if !open() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{} is still open", folder.display());
}

/// Replaces a database by another copy of it, without what belongs to the old one.
pub fn restore(database: &str, from: &Path, to: &Path) {
    for beside in ["-wal", "-shm"] {
        let path = to.join(format!("{database}{beside}"));
        if path.exists() {
            fs::remove_file(path).unwrap();
        }
    }
    fs::copy(from.join(database), to.join(database)).unwrap();
}
