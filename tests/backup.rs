//! Backups of either store, restored into either.
//!
//! What comes in: small ledgers, on a PostgreSQL server too (see `support/postgres.rs`), and the
//! built program. What must stay true: what was restored is what was copied, row by row; writers
//! go on meanwhile; an older or a forked restore is told; nothing is overwritten.
#![expect(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

mod harness;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::{birth, copy, import, init, make, options};
use program::{Home, Ran};
use vitaledger::app::backup::{Manifest, Stage};
use vitaledger::app::restore::{Restored, Signing, restore};
use vitaledger::app::{App, AppError, InitOptions};
use vitaledger::audit::verify::Scope;
use vitaledger::model::schema::RecordKind;
use vitaledger::simulate;
use vitaledger::store::location::Location;

/// Everything in the databases of a ledger, as text.
async fn content(app: &App) -> Vec<String> {
    let (store, vault) = (app.store(), app.vault());
    let mut idempotency = store.idempotency_rows().await.unwrap();
    idempotency.sort();
    vec![
        format!("{:?}", store.rows(0, 1 << 20).await.unwrap()),
        format!("{idempotency:?}"),
        format!("{:?}", store.checkpoints().await.unwrap()),
        format!("{:?}", store.tiles().await.unwrap()),
        format!("{:?}", vault.sealed(0, 1 << 20).await.unwrap()),
        format!("{:?}", vault.woman_tokens().await.unwrap()),
        format!("{:?}", vault.years().await.unwrap()),
        format!("{:?}", vault.oldest_master_key().await.unwrap()),
        format!("{:?}", vault.vault_of().await.unwrap()),
    ]
}

async fn back_up(folder: &Path, location: &Location, to: &Path) -> Result<Manifest, AppError> {
    let app = App::open_at(folder, location).await.unwrap();
    let made = app.backup(location, to, &mut |_, _| ()).await;
    app.close().await;
    made
}

/// Restores into a new folder with a copy of these keys.
async fn bring_back(
    keys: &Path,
    from: &Path,
    to: &Path,
    location: &Location,
) -> Result<Restored, AppError> {
    fs::create_dir_all(to.join("keys")).unwrap();
    for file in fs::read_dir(keys.join("keys")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join("keys").join(file.file_name())).unwrap();
    }
    restore(to, location, from, false, &mut |_, _| ()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_from_any_store_to_any_other() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    make(&at("first")).await;
    let on_server = || async { Location::Postgres(postgres::database().await) };
    let (one, other) = (on_server().await, on_server().await);
    let mut ledger = ("first".to_owned(), Location::Folder);
    let expected = {
        let app = App::open(&at("first")).await.unwrap();
        app.rotate_master(true).await.unwrap();
        let expected = content(&app).await;
        app.close().await;
        expected
    };
    for (number, next) in [Location::Folder, one, other, Location::Folder]
        .into_iter()
        .enumerate()
    {
        let (folder, backup) = (format!("ledger-{number}"), at(&format!("backup-{number}")));
        let made = back_up(&at(&ledger.0), &ledger.1, &backup).await.unwrap();
        assert_eq!(made.store, ledger.1.kind());
        let restored = bring_back(&at(&ledger.0), &backup, &at(&folder), &next).await;
        assert_eq!(restored.unwrap().signing, Signing::GoesOn);
        let app = App::open_at(&at(&folder), &next).await.unwrap();
        let found = content(&app).await;
        assert!(found == expected, "restore {number}");
        let report = app.verify(Scope::Everything, |_| ()).await.unwrap();
        assert_eq!((report.wrong, report.root), (None, made.root));
        if number == 3 {
            let again = import(&app, &at("first.delivery")).await;
            assert_eq!(again.total(|part| part.recorded), 0);
            app.record(RecordKind::Birth, &birth("Z1", "3000"), None)
                .await
                .unwrap();
            let report = app.verify(Scope::Everything, |_| ()).await.unwrap();
            assert_eq!((report.wrong, report.unsealed), (None, 0));
        }
        app.close().await;
        // Not over what is there.
        let again = restore(&at(&folder), &next, &backup, false, &mut |_, _| ()).await;
        assert_eq!(again.unwrap_err().exit_code(), 2);
        ledger = (folder, next);
    }
}

/// Starts four imports at once, and makes backups until they have ended.
async fn back_up_beside_writers(root: &Path, location: &Location) {
    let folder = root.join("ledger");
    let made = InitOptions {
        store: location.clone(),
        ..InitOptions::default()
    };
    App::init(&folder, &made).await.unwrap().close().await;
    let writers = (0..4).map(|number| {
        let delivery = root.join(format!("delivery-{number}"));
        let of_writer = simulate::Options {
            seed: number,
            ..options(400, 3)
        };
        simulate::write(&delivery, &of_writer, &mut |_| ()).unwrap();
        let mut import = Command::new(env!("CARGO_BIN_EXE_vitaledger"));
        if let Location::Postgres(address) = location {
            import.args(["--store", address]);
        }
        import
            .args(["import", "--batch-rows", "8", "--dir"])
            .args([&folder, &delivery])
            .current_dir(root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    });
    let mut writers: Vec<_> = writers.collect();
    let mut sizes = Vec::new();
    loop {
        let running = writers.iter_mut().any(|w| w.try_wait().unwrap().is_none());
        let (backup, to) = (
            root.join(format!("backup-{}", sizes.len())),
            root.join(format!("restored-{}", sizes.len())),
        );
        let size = back_up(&folder, location, &backup).await.unwrap().size;
        bring_back(&folder, &backup, &to, &Location::Folder)
            .await
            .unwrap();
        let app = App::open(&to).await.unwrap();
        assert_eq!(app.store().head().await.unwrap().size, size);
        app.close().await;
        sizes.push(size);
        if !running || sizes.len() == 6 {
            break;
        }
    }
    for mut writer in writers {
        // Rows that two deliveries have in common are refused: 12.
        writer.wait().unwrap();
    }
    sizes.dedup();
    assert!(sizes.len() > 1, "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_beside_four_writers_are_whole() {
    let root = tempfile::tempdir().unwrap();
    back_up_beside_writers(root.path(), &Location::Folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_beside_four_writers_on_a_server_are_whole() {
    let root = tempfile::tempdir().unwrap();
    let location = Location::Postgres(postgres::database().await);
    back_up_beside_writers(root.path(), &location).await;
}

const BIRTH: [&str; 8] = [
    "record",
    "birth",
    "source=village",
    "office=990101100001",
    "occurred_on=2014-06-01",
    "reported_on=2014-06-03",
    "sex=F",
    "weight_g=3100",
];

fn record(home: &Home, dir: &str, number: &str) {
    let number = format!("source_record_id={number}");
    home.run(&[&BIRTH[..], &[&number, "--dir", dir]].concat())
        .ok();
}

fn copy_keys(home: &Home, from: &str, to: &str) {
    fs::create_dir_all(home.path().join(to)).unwrap();
    copy(
        &home.path().join(from).join("keys"),
        &home.path().join(to).join("keys"),
    );
}

#[test]
fn an_older_and_a_forked_restore_are_told() {
    let home = Home::new();
    record(&home, "ledger", "B1");
    let made = home.run(&["--json", "backup", "old"]).ok();
    assert!(made.err.contains("no keys"), "{}", made.err);
    let size = made.json()["backup"]["size"].as_u64().unwrap();
    copy_keys(&home, "ledger", "forked");
    record(&home, "ledger", "B2");
    record(&home, "ledger", "B3");
    home.write("kept.note", home.run(&["checkpoint"]).ok().out);
    copy_keys(&home, "ledger", "older");

    let told = home
        .run(&["--dir", "older", "--json", "restore", "old"])
        .ok();
    let restored = &told.json()["restored"];
    assert_eq!(
        (&restored["signing"], &restored["missing"]),
        (&"stopped".into(), &2.into())
    );
    assert!(told.err.contains("2 entries are missing"), "{}", told.err);
    let verify = |dir: &str| -> Ran {
        home.run(&["--dir", dir, "verify", "--against", "kept.note"])
            .ends(11)
    };
    assert!(verify("older").err.contains("entries are missing"));
    let add = [&BIRTH[..], &["source_record_id=B9", "--dir", "older"]].concat();
    home.run(&add).ends(11);

    home.run(&["--dir", "forked", "restore", "old"]).ok();
    home.run(&["--dir", "forked", "verify"]).ok();
    let rolled_back = verify("forked").err;
    assert!(rolled_back.contains("rollback"), "{rolled_back}");
    record(&home, "forked", "B4");
    record(&home, "forked", "B5");
    let forked = verify("forked").err;
    assert!(forked.contains("fork: two different logs"), "{forked}");
    home.run(&["--dir", "forked", "verify"]).ok();
    record(&home, "forked", "B6");
    assert!(verify("forked").err.contains("rewritten history"));

    // Keys that signed another history.
    home.run(&["backup", "new"]).ok();
    fs::remove_file(home.path().join("forked/ledger.db")).unwrap();
    fs::remove_file(home.path().join("forked/vault.db")).unwrap();
    fs::remove_file(home.path().join("forked/keys/signed.json")).unwrap();
    let unknown = home.run(&["--dir", "forked", "restore", "new"]).ends(2);
    assert!(
        unknown.err.contains("signed.json is missing"),
        "{}",
        unknown.err
    );
    home.run(&["--dir", "forked", "restore", "new", "--resume-signing"])
        .ok();
    record(&home, "forked", "B7");
    let report = home
        .run(&[
            "--dir",
            "forked",
            "--json",
            "verify",
            "--against",
            "kept.note",
        ])
        .ok();
    assert!(report.json()["extends"].as_u64().unwrap() > size);
}

#[test]
fn keys_that_are_older_than_the_backup_need_a_decision() {
    let home = Home::new();
    copy_keys(&home, "ledger", "again");
    record(&home, "ledger", "B1");
    home.run(&["backup", "copy"]).ok();
    let refused = home.run(&["--dir", "again", "restore", "copy"]).ends(2);
    assert!(refused.err.contains("--resume-signing"), "{}", refused.err);
    assert!(!home.path().join("again/ledger.db").exists());
    home.run(&["--dir", "again", "restore", "copy", "--resume-signing"])
        .ok();
    home.run(&["--dir", "again", "verify"]).ok();
    record(&home, "again", "B2");
    home.run(&["--dir", "again", "verify"]).ok();
}

#[test]
fn what_is_no_backup_or_was_changed_is_refused() {
    let home = Home::new();
    record(&home, "ledger", "B1");
    home.run(&["backup", "ledger"]).ends(2);
    home.run(&["backup", "copy"]).ok();
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        let found = fs::metadata(home.path().join(name)).unwrap();
        found.permissions().mode() & 0o777
    };
    for file in ["ledger.db", "vault.db", "checkpoint", "backup.json"] {
        assert_eq!(mode(&format!("copy/{file}")), 0o600, "{file}");
    }
    assert_eq!(fs::read_dir(home.path().join("copy")).unwrap().count(), 4);
    home.run(&["backup", "copy"]).ends(2);
    home.run(&["restore", "copy"]).ends(2);
    // No keys, and those of another ledger.
    home.run(&["--dir", "none", "restore", "copy"]).ends(2);
    home.run(&["--dir", "other", "init"]).ok();
    for file in ["ledger.db", "vault.db"] {
        fs::remove_file(home.path().join("other").join(file)).unwrap();
    }
    let other = home.run(&["--dir", "other", "restore", "copy"]).ends(2);
    assert!(other.err.contains("of another ledger"), "{}", other.err);
    // A copy that was cut off, and one whose checkpoint is another.
    copy_keys(&home, "ledger", "fresh");
    let manifest = fs::read_to_string(home.path().join("copy/backup.json")).unwrap();
    fs::remove_file(home.path().join("copy/backup.json")).unwrap();
    home.run(&["--dir", "fresh", "restore", "copy"]).ends(2);
    home.write(
        "copy/backup.json",
        manifest.replace("\"size\": ", "\"size\": 1"),
    );
    home.run(&["--dir", "fresh", "restore", "copy"]).ends(11);
    home.write("copy/backup.json", &manifest);
    // One bit of one page.
    for file in ["ledger.db", "vault.db"] {
        let path = home.path().join("copy").join(file);
        let good = fs::read(&path).unwrap();
        let needle: &[u8] = if file == "ledger.db" {
            b"3100"
        } else {
            b"ledger_id"
        };
        let found = good.windows(needle.len()).rposition(|part| part == needle);
        let mut bad = good.clone();
        bad[found.unwrap() + needle.len() - 1] ^= 1;
        fs::write(&path, bad).unwrap();
        home.run(&["--dir", "fresh", "restore", "copy"]).ends(11);
        assert!(!home.path().join("fresh").join(file).exists());
        fs::write(&path, good).unwrap();
    }
    home.run(&["--dir", "fresh", "restore", "copy"]).ok();
    home.run(&["--dir", "fresh", "verify"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_cut_off_is_none_and_is_written_anew() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("ledger");
    let app = init(&folder).await;
    let to = root.path().join("copy");
    let partial = root.path().join("copy.partial");
    // Dropped at the first row: what a signal does, but for the files that stay.
    let cut = tokio::spawn({
        let to = to.clone();
        async move {
            let mut stop = |_: Stage, _| panic!("cut off");
            let _ = app.backup(&Location::Folder, &to, &mut stop).await;
        }
    });
    cut.await.unwrap_err();
    assert!(!to.exists() && !partial.exists());
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("ledger.db"), "half").unwrap();
    fs::write(partial.join("vault.db-journal"), "half").unwrap();
    back_up(&folder, &Location::Folder, &to).await.unwrap();
    assert!(to.join("backup.json").exists() && !partial.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_backup_knows_no_later_erasure_until_the_master_key_is_rotated() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let facts = make(&at("ledger")).await;
    back_up(&at("ledger"), &Location::Folder, &at("before"))
        .await
        .unwrap();
    let app = App::open(&at("ledger")).await.unwrap();
    let plan = app.plan_erasure(&[facts.corrected]).await.unwrap();
    app.erase(&plan, &harness::approval()).await.unwrap();
    app.close().await;
    back_up(&at("ledger"), &Location::Folder, &at("after"))
        .await
        .unwrap();
    for (backup, to, is_open) in [("before", "one", true), ("after", "two", false)] {
        bring_back(&at("ledger"), &at(backup), &at(to), &Location::Folder)
            .await
            .unwrap();
        let app = App::open(&at(to)).await.unwrap();
        let history = app.ledger.history(facts.corrected).await.unwrap().unwrap();
        assert_eq!(history.erased_by.is_none(), is_open, "{backup}");
        app.close().await;
    }
    // With the keys from after a rotation, the older backup opens nothing.
    let app = App::open(&at("ledger")).await.unwrap();
    app.rotate_master(true).await.unwrap();
    app.close().await;
    let refused = bring_back(
        &at("ledger"),
        &at("before"),
        &at("three"),
        &Location::Folder,
    )
    .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.exit_code(), 11);
    assert!(refused.to_string().contains("master key"), "{refused}");
}

/// An erasure is never in the vault of a backup and not in its log: each is recomputed before it
/// gets its name.
#[tokio::test(flavor = "multi_thread")]
async fn backups_beside_erasures_are_whole() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("ledger");
    make(&folder).await;
    let erasing = tokio::spawn({
        let folder = folder.clone();
        async move {
            let app = App::open(&folder).await.unwrap();
            for number in 0..25 {
                let birth = birth(&format!("E{number}"), "3000");
                let made = app.record(RecordKind::Birth, &birth, None).await.unwrap();
                let id = made.receipt().aggregate_id;
                let plan = app.plan_erasure(&[id]).await.unwrap();
                app.erase(&plan, &harness::approval()).await.unwrap();
            }
            app.close().await;
        }
    });
    let mut sizes = Vec::new();
    while !erasing.is_finished() || sizes.is_empty() {
        let to = root.path().join(format!("copy-{}", sizes.len()));
        let made = back_up(&folder, &Location::Folder, &to).await.unwrap();
        sizes.push(made.size);
    }
    erasing.await.unwrap();
    harness::assert_clean(&folder).await;
}
