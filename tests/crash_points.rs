//! Three moments of a crash that random kills hardly hit.
//!
//! What comes in: ledgers that are brought into the state that such a crash leaves: rows of the
//! vault without entries; a note that was signed and not stored; and that with a tampering on top.
//! What must stay true: what a crash leaves is no failure and is made good by the next append or
//! seal; what a crash cannot leave is found.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};

use harness::database::Database;
use tempfile::TempDir;
use vitaledger::app::App;
use vitaledger::model::schema::RecordKind;
use vitaledger::simulate;

/// The vault has committed and the ledger has not: its rows belong to no entry.
#[tokio::test]
async fn rows_of_the_vault_without_entries_are_no_failure_and_are_swept() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("ledger");
    harness::make(&folder).await;
    let before = home.path().join("before");
    harness::copy(&folder, &before);
    let app = App::open(&folder).await.unwrap();
    let head = app.store().head().await.unwrap().size;
    for number in ["L8", "L9"] {
        let values = harness::loss(number, "2013-10-29");
        let answer = app.record(RecordKind::PregnancyLoss, &values, None).await;
        answer.unwrap();
    }
    app.close().await;
    for path in ["ledger.db", "keys/signed.json"] {
        harness::restore(path, &before, &folder);
    }
    harness::assert_clean(&folder).await;
    let app = App::open(&folder).await.unwrap();
    assert_eq!(app.vault().sealed(head, 10).await.unwrap().len(), 2);
    // The next entry takes the first of these positions, and needs neither of the rows.
    let values = harness::birth("X9", "3000");
    let answer = app.record(RecordKind::Birth, &values, None).await.unwrap();
    assert_eq!(answer.receipt().position, head);
    assert_eq!(app.vault().sealed(head, 10).await.unwrap().len(), 1);
    app.close().await;
    harness::assert_clean(&folder).await;
}

/// A ledger whose last seal signed, but did not store the note: the process died in between.
async fn signed_and_not_stored(home: &Path) -> PathBuf {
    let folder = home.join("ledger");
    let delivery = home.join("delivery");
    simulate::write(&delivery, &harness::options(290, 3), &mut |_| ()).unwrap();
    harness::init(&folder).await.close().await;
    let database = folder.join("ledger.db");
    let mut opened = Database::open(&database).await;
    let refuse = "CREATE TRIGGER crash BEFORE INSERT ON checkpoint
        BEGIN SELECT RAISE(ABORT, 'the power is gone'); END";
    opened.run(refuse).await.unwrap();
    opened.close().await;
    let app = App::open(&folder).await.unwrap();
    let options = harness::import_options(home);
    let failed = app.import(&[delivery], &options, None, |_| ()).await;
    let failed = failed.unwrap_err();
    assert!(failed.to_string().contains("checkpoint"), "{failed}");
    app.close().await;
    let mut opened = Database::open(&database).await;
    opened.forget_trigger("crash");
    opened.close().await;
    folder
}

#[tokio::test]
async fn a_crash_between_the_signature_and_the_store_is_no_failure() {
    let home = TempDir::new().unwrap();
    let folder = signed_and_not_stored(home.path()).await;
    let state = folder.join("keys/signed.json");
    let pending = fs::read(&state).unwrap();
    let report = harness::assert_clean(&folder).await;
    assert_eq!((report.checkpoints, report.tiles), (1, 0));
    // The next seal makes the same note again, without a new one.
    let app = App::open(&folder).await.unwrap();
    let sealed = app.seal().await.unwrap().unwrap();
    assert_eq!(sealed.size(), report.entries);
    assert_eq!(app.seal().await.unwrap(), None);
    assert_eq!(app.state.read().unwrap().pending, None);
    app.close().await;
    let report = harness::assert_clean(&folder).await;
    assert_eq!((report.checkpoints, report.tiles), (2, 2));
    // The process dies after the note was stored and before the state says so.
    fs::write(&state, pending).unwrap();
    harness::assert_clean(&folder).await;
    let app = App::open(&folder).await.unwrap();
    assert_eq!(app.seal().await.unwrap(), None);
    assert_eq!(app.state.read().unwrap().pending, None);
    app.close().await;
    harness::assert_clean(&folder).await;
}

/// That one note may be missing excuses no other.
#[tokio::test]
async fn a_note_deleted_during_such_a_crash_is_found() {
    let home = TempDir::new().unwrap();
    let folder = signed_and_not_stored(home.path()).await;
    let mut opened = Database::open(&folder.join("ledger.db")).await;
    let delete = "DELETE FROM checkpoint WHERE size = 1";
    opened.change_one(delete).await;
    opened.close().await;
    let wrong = harness::reverify(&folder).await.wrong.unwrap();
    assert!(wrong.what.contains("checkpoints were issued"), "{wrong}");
}
