//! Rotating the master key: everything stays readable, the old key opens nothing any more, and a
//! rotation that is cut off anywhere is completed by the next.
//!
//! What comes in: a small sealed ledger with every kind of row. What happens: the master key is
//! rotated, alone, beside another writer, past a tampered row, and with the power gone between
//! any two of its steps. What must come out: every sealed field reads as before, `verify` is
//! clean, and a vault from before the rotation cannot be opened with the keys from after it.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use harness::database::Database;
use tempfile::TempDir;
use uuid::Uuid;
use vitaledger::app::error::exit;
use vitaledger::app::{App, AppError};
use vitaledger::audit::verify::Scope;
use vitaledger::ledger::execute::Committed;
use vitaledger::ledger::master::wrapped_under;
use vitaledger::ledger::request::LedgerError;
use vitaledger::model::entry::Entry;
use vitaledger::model::record::Draft;
use vitaledger::model::schema::RecordKind;
use vitaledger::simulate;
use vitaledger::store::StoreError;

struct Scene {
    home: TempDir,
    facts: harness::Facts,
}

impl Scene {
    async fn new() -> Self {
        let home = TempDir::new().unwrap();
        let facts = harness::make(&home.path().join("ledger")).await;
        Self { home, facts }
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("ledger")
    }

    fn copy(&self, name: &str) -> PathBuf {
        let path = self.home.path().join(name);
        harness::copy(&self.folder(), &path);
        path
    }
}

fn key_file(folder: &Path) -> PathBuf {
    folder.join("keys/master.keys")
}

/// The numbers in the file of master keys.
fn numbers(folder: &Path) -> Vec<u32> {
    let text = fs::read_to_string(key_file(folder)).unwrap();
    let number = |line: &str| line.split(' ').next().unwrap().parse().unwrap();
    text.lines().map(number).collect()
}

/// Every sealed value of every record that is not erased.
async fn opened(folder: &Path) -> BTreeMap<(Uuid, u64, String), Option<String>> {
    let app = App::open(folder).await.unwrap();
    let mut all = BTreeMap::new();
    for stored in app.store().entries(0, 100_000).await.unwrap() {
        let entry = Entry::parse(&stored.bytes).unwrap();
        if entry.sequence > 1 || RecordKind::parse(&entry.aggregate_type).is_none() {
            continue;
        }
        let history = app.ledger.history(entry.aggregate_id).await.unwrap();
        for life in history.unwrap().events {
            for slot in life.opened.into_iter().flatten() {
                let value = slot.value.map(|text| text.to_string());
                let name = slot.slot.name().to_owned();
                all.insert((entry.aggregate_id, life.version, name), value);
            }
        }
    }
    app.close().await;
    all
}

/// Under which numbers the rows and years of the vault are wrapped.
async fn wrapped(folder: &Path) -> Vec<u32> {
    let app = App::open(folder).await.unwrap();
    let wraps = app.vault().wrapped_under().await.unwrap();
    app.close().await;
    wraps.into_keys().collect()
}

async fn rotations(app: &App) -> usize {
    let entries = app.store().entries_of_type("ledger").await.unwrap();
    let rotated = |bytes: &[u8]| Entry::parse(bytes).unwrap().event_type == "MasterKeyRotated";
    entries.iter().filter(|one| rotated(&one.bytes)).count()
}

async fn rotate(folder: &Path) -> Result<vitaledger::app::keys::Rotation, AppError> {
    let app = App::open(folder).await.unwrap();
    let done = app.rotate_master(true).await;
    app.close().await;
    done
}

/// Completes what was begun, and looks at everything.
async fn complete(folder: &Path, before: &BTreeMap<(Uuid, u64, String), Option<String>>) {
    let app = App::open(folder).await.unwrap();
    assert!(app.rotation_is_due());
    let done = app.rotate_master(false).await.unwrap();
    assert_eq!((done.from, done.to), (1, 2));
    assert_eq!(rotations(&app).await, 1);
    assert!(!app.rotation_is_due());
    app.close().await;
    assert_eq!(numbers(folder), [2]);
    assert_eq!(wrapped(folder).await, [2]);
    assert_eq!(&opened(folder).await, before);
    harness::assert_clean(folder).await;
}

#[tokio::test]
async fn everything_reads_as_before_and_the_old_key_is_gone() {
    let scene = Scene::new().await;
    let folder = scene.folder();
    let before = opened(&folder).await;
    assert!(before.len() > 2000, "{} values", before.len());
    let backup = scene.copy("backup");
    let old_key = fs::read_to_string(key_file(&folder)).unwrap();
    let old_key = old_key.split(' ').nth(1).unwrap().to_owned();

    let app = App::open(&folder).await.unwrap();
    let refused = app.rotate_master(false).await.unwrap_err();
    assert_eq!(refused.exit_code(), exit::USAGE, "{refused}");
    let done = app.rotate_master(true).await.unwrap();
    assert_eq!((done.from, done.to), (1, 2));
    assert_eq!(done.destroyed, [1]);
    let keys = app.keys().await.unwrap();
    assert_eq!(keys.master_keys.len(), 1);
    assert_eq!(keys.master_keys[0].wraps, done.rewrapped);
    app.close().await;

    assert_eq!(opened(&folder).await, before);
    harness::assert_clean(&folder).await;
    for entry in fs::read_dir(folder.join("keys")).unwrap() {
        let text = fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.contains(&old_key));
    }

    // The purpose: a backup of the vault from before opens with no key from after.
    harness::restore("vault.db", &backup, &folder);
    let app = App::open(&folder).await.unwrap();
    let error = match app.ledger.history(scene.facts.corrected).await {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it opened"),
    };
    assert!(
        error.contains("master key 1 is not in the key file"),
        "{error}"
    );
    app.close().await;
    assert!(harness::reverify(&folder).await.wrong.is_some());
}

#[tokio::test]
async fn again_and_again() {
    let scene = Scene::new().await;
    let folder = scene.folder();
    let before = opened(&folder).await;
    for number in 2..5 {
        assert_eq!(rotate(&folder).await.unwrap().to, number);
        assert_eq!(numbers(&folder), [number]);
        harness::assert_clean(&folder).await;
    }
    assert_eq!(opened(&folder).await, before);
}

/// An older copy of the key file would give a number a second time, and another key.
#[tokio::test]
async fn an_older_key_file_rotates_nothing() {
    let scene = Scene::new().await;
    let folder = scene.folder();
    let older = fs::read(key_file(&folder)).unwrap();
    rotate(&folder).await.unwrap();
    let newer = fs::read(key_file(&folder)).unwrap();
    fs::write(key_file(&folder), &older).unwrap();
    let refused = rotate(&folder).await.unwrap_err();
    assert!(refused.to_string().contains("older copy"), "{refused}");
    assert_eq!(fs::read(key_file(&folder)).unwrap(), older);
    fs::write(key_file(&folder), newer).unwrap();
    harness::assert_clean(&folder).await;
}

/// The power goes at each step that writes to the vault, and between the last two.
#[tokio::test]
async fn a_rotation_that_was_cut_off_is_completed() {
    let scene = Scene::new().await;
    let before = opened(&scene.folder()).await;
    let steps = [
        (
            "rewrap",
            "BEFORE UPDATE OF keys ON sealed WHEN NEW.position > 100",
        ),
        ("years", "BEFORE UPDATE ON year_key WHEN NEW.year > 2013"),
        ("retire", "BEFORE INSERT ON vault_meta"),
    ];
    for (name, when) in steps {
        let folder = scene.copy(name);
        let mut database = Database::open(&folder.join("vault.db")).await;
        let refuse =
            format!("CREATE TRIGGER crash {when} BEGIN SELECT RAISE(ABORT, 'no power'); END");
        database.run(&refuse).await.unwrap();
        database.close().await;
        let failed = rotate(&folder).await.unwrap_err();
        assert!(failed.to_string().contains("no power"), "{name}: {failed}");
        let mut database = Database::open(&folder.join("vault.db")).await;
        database.forget_trigger("crash");
        database.close().await;
        // Both keys are there, nothing is lost meanwhile, and others can write.
        assert_eq!(numbers(&folder), [1, 2], "{name}");
        let report = harness::reverify(&folder).await;
        assert_eq!(report.wrong, None, "{name}");
        complete(&folder, &before).await;
    }
    // The vault refuses the old key already, and its line is still there.
    let folder = scene.copy("destroy");
    let old = fs::read_to_string(key_file(&folder)).unwrap();
    rotate(&folder).await.unwrap();
    let new = fs::read_to_string(key_file(&folder)).unwrap();
    fs::write(key_file(&folder), old + &new).unwrap();
    complete(&folder, &before).await;
    // A new key that nothing is wrapped under yet.
    let folder = scene.copy("begun");
    let old = fs::read_to_string(key_file(&folder)).unwrap();
    fs::write(key_file(&folder), old + &new).unwrap();
    complete(&folder, &before).await;
}

/// Another process opened the ledger before the rotation and goes on writing after it.
#[tokio::test]
async fn a_writer_from_before_takes_up_the_new_key() {
    let scene = Scene::new().await;
    let folder = scene.folder();
    let writer = App::open(&folder).await.unwrap();
    let (one, other) = (draft(&writer, "E1").await, draft(&writer, "E3").await);
    let context = writer.context(None);
    let prepare = |draft| writer.ledger.prepare_record(&context, draft, None).unwrap();
    let (early, from_draft) = (prepare(&one), prepare(&other));
    rotate(&folder).await.unwrap();
    // What it had wrapped before is refused as a whole, and nothing of it is recorded.
    let size = writer.store().head().await.unwrap().size;
    let refused = writer.ledger.commit_records(&context, vec![early]).await;
    let refused = refused.map(|_| ()).unwrap_err();
    assert!(
        matches!(
            refused,
            LedgerError::Store(StoreError::KeyRetired { number: 1 })
        ),
        "{refused}"
    );
    assert_eq!(writer.store().head().await.unwrap().size, size);
    // With its draft at hand it is prepared again.
    let again = vec![from_draft.with_draft(Box::new(other))];
    let done = writer.ledger.commit_records(&context, again).await.unwrap();
    assert_eq!(done, [Ok(Committed::Recorded { position: size })]);
    writer.seal().await.unwrap();
    // What it wraps now is under the new key.
    let birth = harness::birth("E2", "3000");
    let answer = writer.record(RecordKind::Birth, &birth, None).await;
    let position = answer.unwrap().receipt().position;
    let row = writer.vault().sealed_at(&[position]).await.unwrap();
    assert_eq!(wrapped_under(&row[&position].keys), 2);
    // And it reads what others wrapped.
    let history = writer.ledger.history(scene.facts.corrected).await;
    assert!(history.unwrap().unwrap().keys.is_some());
    writer.close().await;
    harness::assert_clean(&folder).await;
}

/// A birth as it is read from a delivery.
async fn draft(app: &App, number: &str) -> Draft {
    let (kind, values) = (RecordKind::Birth, harness::birth(number, "3000"));
    let cell = |name: &str| values.get(name).map_or("", String::as_str);
    let columns = kind.columns().iter();
    let cells: Vec<&str> = columns.map(|column| cell(column.name)).collect();
    let offices = app.offices(u64::MAX).await.unwrap();
    Draft::read(kind, &cells, &offices).unwrap()
}

/// Others record, correct and erase while the key is rotated again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_beside_other_writers() {
    let scene = Scene::new().await;
    let folder = scene.folder();
    let delivery = scene.home.path().join("more");
    simulate::write(&delivery, &harness::options(900, 1), &mut |_| ()).unwrap();
    let writing = tokio::spawn({
        let folder = folder.clone();
        async move {
            let app = App::open(&folder).await.unwrap();
            let mut options = harness::import_options(delivery.parent().unwrap());
            options.batch_rows = 16;
            let summary = app
                .import(&[delivery], &options, None, |_| ())
                .await
                .unwrap();
            assert!(summary.total(|part| part.recorded) > 400);
            for number in 0..40 {
                let birth = harness::birth(&format!("C{number}"), "3000");
                let answer = app.record(RecordKind::Birth, &birth, None).await;
                let id = answer.unwrap().receipt().aggregate_id;
                if number % 8 == 0 {
                    let plan = app.plan_erasure(&[id]).await.unwrap();
                    app.erase(&plan, &harness::approval()).await.unwrap();
                }
            }
            app.close().await;
        }
    });
    let mut to = 1;
    while !writing.is_finished() {
        to = rotate(&folder).await.unwrap().to;
    }
    writing.await.unwrap();
    assert!(to > 2, "{to}");
    assert_eq!(numbers(&folder), [to]);
    let report = harness::assert_clean(&folder).await;
    assert_eq!(report.erased, 6);
    assert_eq!(wrapped(&folder).await.last(), Some(&to));
}

/// Who checks while the key is rotated finds nothing wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_check_beside_rotations_is_clean() {
    let scene = Scene::new().await;
    let folder = scene.folder();
    let ended = Arc::new(AtomicBool::new(false));
    let rotating = tokio::spawn({
        let (folder, ended) = (folder.clone(), ended.clone());
        async move {
            let mut to = 1;
            while !ended.load(Ordering::Relaxed) {
                to = rotate(&folder).await.unwrap().to;
            }
            to
        }
    });
    let app = App::open(&folder).await.unwrap();
    for _ in 0..15 {
        let report = app.verify(Scope::Everything, |_| ()).await.unwrap();
        assert_eq!(report.wrong, None);
    }
    app.close().await;
    ended.store(true, Ordering::Relaxed);
    assert!(rotating.await.unwrap() > 3);
    harness::assert_clean(&folder).await;
}

/// A row that is not authentic is not made so: it stays, and so does the key that it is under.
#[tokio::test]
async fn a_tampered_row_is_left_as_it_is() {
    let scene = Scene::new().await;
    let folder = scene.folder();
    let mut database = Database::open(&folder.join("vault.db")).await;
    database
        .change_one("UPDATE sealed SET flags = flags + 2 WHERE position = 100")
        .await;
    let row = "SELECT quote(keys) || quote(mac) FROM sealed WHERE position = 100";
    let tampered = database.texts(row).await;
    database.close().await;
    let refused = rotate(&folder).await.unwrap_err();
    assert_eq!(refused.exit_code(), exit::INTEGRITY, "{refused}");
    assert!(refused.to_string().contains("position 100:"), "{refused}");
    let mut database = Database::open(&folder.join("vault.db")).await;
    assert_eq!(database.texts(row).await, tampered);
    database.close().await;
    assert_eq!(numbers(&folder), [1, 2]);
    let wrong = harness::reverify(&folder).await.wrong.unwrap();
    assert_eq!(wrong.position, Some(100));
}

/// What was overwritten is in no file any more.
#[tokio::test]
async fn the_old_wrapped_keys_do_not_survive_in_the_files() {
    let scene = Scene::new().await;
    let folder = scene.folder();
    let app = App::open(&folder).await.unwrap();
    let rows = app.vault().sealed(0, 100_000).await.unwrap();
    let old: Vec<Vec<u8>> = rows
        .into_iter()
        .filter(|(_, row)| !row.keys.is_empty())
        .map(|(_, row)| row.keys[5..29].to_vec())
        .step_by(9)
        .collect();
    let found = |path: &Path| {
        let bytes = fs::read(path).unwrap_or_default();
        let is_in = |part: &&Vec<u8>| bytes.windows(part.len()).any(|window| window == **part);
        old.iter().filter(is_in).count()
    };
    let vault = folder.join("vault.db");
    assert!(found(&vault) > old.len() * 9 / 10 && old.len() > 40);
    app.rotate_master(true).await.unwrap();
    assert_eq!(found(&vault), 0);
    assert_eq!(found(&folder.join("vault.db-wal")), 0);
    app.close().await;
    assert_eq!(found(&vault), 0);
    harness::assert_clean(&folder).await;
}

/// The process is killed for real, at moments spread over the whole of a rotation.
#[tokio::test]
async fn a_rotation_that_is_killed_is_completed() {
    let scene = Scene::new().await;
    let folder = scene.folder();
    let before = opened(&folder).await;
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_vitaledger"))
            .args(["keys", "rotate-master", "--force", "--dir"])
            .arg(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let begun = Instant::now();
    assert!(start().wait().unwrap().success());
    // How long it takes changes with what else the machine does: what ends before it is killed
    // says that it is less.
    let mut whole = begun.elapsed();
    let (mut killed, mut unfinished, mut part) = (0, 0, 0);
    while killed < 20 || unfinished == 0 {
        part = part % 30 + 1;
        let mut rotation = start();
        std::thread::sleep(whole * part / 30);
        rotation.kill().unwrap();
        if rotation.wait().unwrap().success() {
            whole = whole * 9 / 10;
        } else {
            killed += 1;
        }
        unfinished += u32::from(numbers(&folder).len() > 1);
        assert_eq!(harness::reverify(&folder).await.wrong, None);
        assert!(killed < 300, "no kill left a rotation unfinished");
    }
    rotate(&folder).await.unwrap();
    assert_eq!(opened(&folder).await, before);
    let last = numbers(&folder);
    assert_eq!((last.len(), wrapped(&folder).await), (1, last));
    harness::assert_clean(&folder).await;
}
