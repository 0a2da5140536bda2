//! The end of a log was lost: what is left goes on under another origin and key.
//!
//! What comes in: ledgers in both stores, a backup, checkpoints that were kept before and after it.
//! What happens: the ledger is lost, and the backup restored as a successor; what came after is
//! imported again. What must stay true: the entries of the backup keep their bytes, their proofs and
//! what is sealed in them; a replay finds them; whoever kept a checkpoint is told exactly what of it
//! is there; nothing that the successor signs contradicts what the old log signed.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;
#[path = "support/postgres.rs"]
mod postgres;

use std::fs;
use std::path::{Path, PathBuf};

use harness::{birth, copy};
use tempfile::TempDir;
use vitaledger::app::error::exit;
use vitaledger::app::successor::{Successor, restore_as_successor};
use vitaledger::app::{App, AppError, InitOptions};
use vitaledger::audit::verify::{Scope, Verification};
use vitaledger::audit::{evidence, exported};
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::office::OfficeFields;
use vitaledger::model::schema::RecordKind;
use vitaledger::seal::checkpoint::Checkpoint;
use vitaledger::seal::keys::VerifierKey;
use vitaledger::seal::policy::Policy;
use vitaledger::store::location::Location;

const ORIGIN: &str = "ledger.example/county";
const BIRTH: &str = "birth/village/";

/// A ledger that was lost after its backup, and what was kept of it.
struct Lost {
    root: TempDir,
    backup_size: u64,
    /// Notes by size, from before, at and after the backup's checkpoint.
    kept: Vec<(u64, Vec<u8>)>,
    old: VerifierKey,
    /// The bytes of the backup's entries.
    entries: Vec<Vec<u8>>,
    location: Location,
}

async fn record(app: &App, number: &str) {
    let birth = birth(number, "3000");
    app.record(RecordKind::Birth, &birth, None).await.unwrap();
}

async fn entries(app: &App, count: u64) -> Vec<Vec<u8>> {
    let entries = app.store().entries(0, count).await.unwrap();
    entries.into_iter().map(|entry| entry.bytes).collect()
}

async fn lost(location: Location) -> Lost {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("ledger");
    let options = InitOptions {
        store: location.clone(),
        origin: Some(ORIGIN.to_owned()),
        ..InitOptions::default()
    };
    let app = App::init(&folder, &options).await.unwrap();
    let office = OfficeFields {
        code: OfficeCode::parse(harness::VILLAGE).unwrap(),
        level: OfficeLevel::Village,
        name_en: Some("Sample Village".to_owned()),
        name_zh: None,
        parent: None,
    };
    app.record_office(office).await.unwrap();
    let mut kept = Vec::new();
    let mut backup_size = 0;
    for number in 1..=5 {
        record(&app, &format!("B{number}")).await;
        let newest = app.store().newest_checkpoint().await.unwrap().unwrap();
        kept.push(newest);
        if number == 3 {
            let to = root.path().join("backup");
            let made = app.backup(&location, &to, &mut |_, _| ()).await.unwrap();
            backup_size = made.size;
            copy(&folder.join("keys"), &root.path().join("keys-then"));
        }
    }
    let entries = entries(&app, backup_size).await;
    let old = app.verifier_keys[0].clone();
    app.close().await;
    Lost {
        root,
        backup_size,
        kept,
        old,
        entries,
        location: match location {
            Location::Folder => Location::Folder,
            Location::Postgres(_) => Location::Postgres(postgres::database().await),
        },
    }
}

impl Lost {
    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    async fn succeed(&self, to: &str, origin: Option<&str>) -> Result<Successor, AppError> {
        let folder = self.at(to);
        if !folder.exists() {
            fs::create_dir(&folder).unwrap();
            copy(&self.at("ledger/keys"), &folder.join("keys"));
        }
        let backup = self.at("backup");
        let progress = &mut |_, _| ();
        restore_as_successor(
            &folder,
            &self.location,
            &backup,
            origin,
            "operator",
            progress,
        )
        .await
    }

    async fn open(&self, to: &str) -> App {
        App::open_at(&self.at(to), &self.location).await.unwrap()
    }
}

async fn checked(app: &App) -> Verification {
    let report = app.verify(Scope::Everything, |_| ()).await.unwrap();
    assert_eq!((&report.wrong, report.unsealed), (&None, 0));
    report
}

/// What this says of each kept checkpoint.
async fn statements(lost: &Lost, app: &App, policy: &Policy) {
    for (size, note) in &lost.kept {
        let said = app.extends(note, policy).await;
        if *size <= lost.backup_size {
            let shown = said.unwrap();
            assert_eq!((shown.size, shown.origin.as_str()), (*size, ORIGIN));
            assert_eq!(shown.taken_over, Some(lost.backup_size));
            continue;
        }
        let refused = said.unwrap_err();
        assert_eq!(refused.exit_code(), exit::INTEGRITY);
        let expected = format!(
            "lost tail: entries {} to {} of the kept checkpoint of {ORIGIN} are not in {}",
            lost.backup_size,
            size - 1,
            app.origin
        );
        assert!(refused.to_string().contains(&expected), "{refused}");
    }
}

async fn goes_on(location: Location) {
    let lost = lost(location).await;
    let made = lost.succeed("next", None).await.unwrap();
    let newest = lost.kept.last().unwrap().0;
    assert_eq!(made.taken_over, lost.backup_size);
    assert_eq!(made.signed_before, Some(newest));
    assert_eq!(made.sealed, lost.backup_size + 1);
    assert!(made.origin.starts_with(&format!("{ORIGIN}/successor-")));
    let app = lost.open("next").await;
    assert_eq!(app.origin, made.origin);
    let new: VerifierKey = made.verifier_key.parse().unwrap();
    assert_eq!(app.verifier_keys, std::slice::from_ref(&new));
    assert_eq!(entries(&app, lost.backup_size).await, lost.entries);
    checked(&app).await;
    // The old origin's notes are kept as they were, the old secret is not.
    let notes = app.store().checkpoints().await.unwrap();
    let at_backup = lost.kept.iter().find(|(size, _)| *size == lost.backup_size);
    assert!(notes.contains(at_backup.unwrap()));
    assert!(!lost.at("next/keys/signing.key").exists());

    let both = Policy::of_logs(vec![lost.old.clone(), new.clone()]);
    statements(&lost, &app, &both).await;
    statements(&lost, &app, &app.own_policy()).await;
    // Record ids and keys of records go on to hold; what came again is a replay, what was lost is new.
    for number in 1..=5 {
        let birth = birth(&format!("B{number}"), "3000");
        let answer = app.record(RecordKind::Birth, &birth, None).await;
        let position = answer.unwrap().receipt().position;
        assert_eq!(position < lost.backup_size, number <= 3, "B{number}");
    }
    let id = app.record_named(&format!("{BIRTH}B2")).unwrap();
    let history = app.ledger.history(id).await.unwrap().unwrap();
    assert!(history.events[0].opened.iter().flatten().count() > 0);
    let corrected = harness::values(&[("weight_g", "3100")]);
    app.correct(RecordKind::Birth, id, &corrected, "misread", None)
        .await
        .unwrap();
    checked(&app).await;
    statements(&lost, &app, &both).await;

    readers(&lost, &app, &both, &new).await;
    // It rotates its own key, and has backups of its own.
    app.rotate_signing(false).await.unwrap();
    app.retire_signing(None, 0, false).await.unwrap();
    checked(&app).await;
    let backup = lost.at("of-successor");
    let made = app.backup(&lost.location, &backup, &mut |_, _| ()).await;
    assert_eq!(made.unwrap().origin, app.origin);
    app.close().await;
}

/// Exports, proofs and evidence of a successor.
async fn readers(lost: &Lost, app: &App, both: &Policy, new: &VerifierKey) {
    let folder = lost.at("export");
    app.export_log(&folder, |_| ()).await.unwrap();
    for (size, note) in &lost.kept {
        let report = exported::verify(&folder, both, Some(note), |_| ()).await;
        let report = report.unwrap();
        let succeeds = (ORIGIN.to_owned(), lost.backup_size);
        if *size <= lost.backup_size {
            assert_eq!(report.wrong, None);
            assert_eq!(report.succeeds, Some(succeeds));
            assert_eq!(report.extends.unwrap().size, *size);
        } else {
            let wrong = report.wrong.unwrap();
            assert!(wrong.what.starts_with("lost tail"), "{wrong}");
        }
    }
    let only_new = Policy::of_logs(vec![new.clone()]);
    let only_old = Policy::of_logs(vec![lost.old.clone()]);
    // An entry of the old log, and one of the new.
    for number in ["B1", "B5"] {
        let name = format!("{BIRTH}{number}");
        let bundle = app.evidence(&name, &[], "", None).await.unwrap().bytes;
        let verdict = evidence::check(&bundle, Some(&only_new), None).unwrap();
        assert_eq!(verdict.facts.origin, app.origin);
        assert!(evidence::check(&bundle, Some(&only_old), None).is_err());
        // Without the entry that says so, the log would have the old origin.
        let mut parts = evidence::unpack(&bundle).unwrap();
        let at = lost.backup_size;
        parts.retain(|(part, _)| !part.starts_with(&format!("entries/{at}.")));
        parts.retain(|(part, _)| !part.starts_with(&format!("proofs/{at}.")));
        let without = evidence::pack(&parts).unwrap();
        assert!(evidence::check(&without, Some(&only_new), None).is_err());
        let proof = app.prove(&name).await.unwrap();
        let verified = proof.proof.verify(&proof.entry.bytes, only_new.logs());
        assert_eq!(verified.unwrap().origin(), app.origin);
    }
    // What was exported of the old log is brought up to date.
    let report = exported::verify(&folder, &only_new, None, |_| ()).await;
    assert_eq!(report.unwrap().wrong, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_has_what_the_backup_had_and_says_what_was_lost() {
    goes_on(Location::Folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_has_what_the_backup_had_and_says_what_was_lost_on_a_server() {
    goes_on(Location::Postgres(postgres::database().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_is_taken_up() {
    let lost = lost(Location::Folder).await;
    // Cut off after the key was made and the state was written, before the databases had a name.
    let first = lost.succeed("next", None).await.unwrap();
    for file in ["ledger.db", "vault.db", "log.vkey"] {
        fs::remove_file(lost.at("next").join(file)).unwrap();
    }
    let retired = lost.at("next/keys/retired.vkeys");
    assert!(retired.exists());
    let again = lost.succeed("next", None).await.unwrap();
    assert_eq!(
        (&again.origin, &again.verifier_key),
        (&first.origin, &first.verifier_key)
    );
    assert_eq!(again.signed_before, first.signed_before);
    let app = lost.open("next").await;
    checked(&app).await;
    app.close().await;
    // Not over what is there.
    let taken = lost.succeed("next", None).await.unwrap_err();
    assert_eq!(taken.exit_code(), exit::USAGE);
    // Cut off before the first checkpoint: the next append makes it.
    let state = lost.at("next/keys/signed.json");
    assert!(fs::read_to_string(state).unwrap().contains(&first.origin));
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_that_are_not_sealed_yet_are_sealed_by_the_next_append() {
    let lost = lost(Location::Folder).await;
    lost.succeed("next", Some("ledger.example/named"))
        .await
        .unwrap();
    // As if it had been killed before its first checkpoint: without that note, and with the state
    // from before it.
    let mut database = harness::database::Database::open(&lost.at("next/ledger.db")).await;
    let first = lost.backup_size + 1;
    let delete = format!("DELETE FROM checkpoint WHERE size = {first}");
    database.change_one(&delete).await;
    database.close().await;
    let path = lost.at("next/keys/signed.json");
    let mut state: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let (size, note) = &lost.kept[2];
    assert_eq!(*size, lost.backup_size);
    let root = Checkpoint::open(note, std::slice::from_ref(&lost.old)).unwrap();
    let old: serde_json::Value =
        serde_json::from_slice(&fs::read(lost.at("next/keys/signed.predecessor.json")).unwrap())
            .unwrap();
    assert_eq!(old["origin"], ORIGIN);
    state["size"] = (*size).into();
    state["root"] = root.root().to_string().into();
    let mut links = "0".repeat(64);
    for (_, note) in notes_up_to(&lost, *size).await {
        links = vitaledger::seal::state::chain(&links, &note);
    }
    state["notes"] = (state["notes"].as_u64().unwrap() - 1).into();
    state["chain"] = links.into();
    state["tail"] = serde_json::json!([]);
    fs::write(&path, state.to_string()).unwrap();
    let app = lost.open("next").await;
    let report = app.verify(Scope::Everything, |_| ()).await.unwrap();
    assert_eq!((report.wrong, report.unsealed), (None, 1));
    record(&app, "B9").await;
    checked(&app).await;
    let newest = app.store().newest_checkpoint().await.unwrap().unwrap();
    let newest = Checkpoint::open(&newest.1, &app.verifier_keys).unwrap();
    assert_eq!(newest.origin(), "ledger.example/named");
    app.close().await;
}

async fn notes_up_to(lost: &Lost, size: u64) -> Vec<(u64, Vec<u8>)> {
    let app = App::open(&lost.at("ledger")).await.unwrap();
    let mut notes = app.store().checkpoints().await.unwrap();
    app.close().await;
    notes.retain(|(at, _)| *at <= size);
    notes
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_are_not_used_twice_and_successors_have_successors() {
    let lost = lost(Location::Folder).await;
    for used in [ORIGIN, "a b"] {
        let refused = lost.succeed("next", Some(used)).await.unwrap_err();
        assert_eq!(refused.exit_code(), exit::USAGE, "{refused}");
        assert!(!lost.at("next/ledger.db").exists());
    }
    let first = lost
        .succeed("next", Some("ledger.example/2"))
        .await
        .unwrap();
    assert_eq!(first.origin, "ledger.example/2");
    let app = lost.open("next").await;
    record(&app, "N1").await;
    let backup = lost.at("second-backup");
    app.backup(&lost.location, &backup, &mut |_, _| ())
        .await
        .unwrap();
    let size = app.store().head().await.unwrap().size;
    let kept = app.published_note().await.unwrap();
    record(&app, "N2").await;
    let beyond = app.published_note().await.unwrap();
    app.close().await;
    let folder = lost.at("third");
    fs::create_dir(&folder).unwrap();
    copy(&lost.at("next/keys"), &folder.join("keys"));
    let again = async |origin| {
        let progress = &mut |_, _| ();
        restore_as_successor(
            &folder,
            &lost.location,
            &backup,
            origin,
            "operator",
            progress,
        )
        .await
    };
    let used = again(Some("ledger.example/2")).await.unwrap_err();
    assert!(used.to_string().contains("already"), "{used}");
    let used = again(Some(ORIGIN)).await.unwrap_err();
    assert!(used.to_string().contains("already"), "{used}");
    let second = again(None).await.unwrap();
    assert_eq!(
        (second.taken_over, second.signed_before),
        (size, Some(size + 1))
    );
    let app = App::open(&folder).await.unwrap();
    checked(&app).await;
    let own = app.own_policy();
    assert_eq!(own.logs().len(), 3);
    assert_eq!(
        app.extends(&kept, &own).await.unwrap().taken_over,
        Some(size)
    );
    let gone = app.extends(&beyond, &own).await.unwrap_err().to_string();
    assert!(gone.contains("of ledger.example/2 are not in"), "{gone}");
    statements(&lost, &app, &own).await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_of_a_ledger_that_had_rotated_needs_no_destroyed_key() {
    let lost = lost(Location::Folder).await;
    let app = App::open(&lost.at("ledger")).await.unwrap();
    app.rotate_signing(false).await.unwrap();
    app.retire_signing(None, 0, false).await.unwrap();
    let size = app.store().head().await.unwrap().size;
    app.close().await;
    let made = lost.succeed("next", None).await.unwrap();
    assert_eq!(made.signed_before, Some(size));
    let app = lost.open("next").await;
    checked(&app).await;
    statements(&lost, &app, &app.own_policy()).await;
    app.close().await;
    // Keys of another ledger do not make a successor of this one.
    let other = lost.at("other");
    harness::init(&other).await.close().await;
    for file in ["ledger.db", "vault.db"] {
        fs::remove_file(other.join(file)).unwrap();
    }
    let refused = lost.succeed("other", None).await.unwrap_err();
    assert!(
        refused.to_string().contains("of another ledger"),
        "{refused}"
    );
}

/// Keys that are as old as the backup know nothing of what was lost; checkpoints that were published
/// from the same folder do.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_says_what_was_lost() {
    let lost = lost(Location::Folder).await;
    for (to, is_published) in [("unknown", false), ("known", true)] {
        let folder = lost.at(to);
        fs::create_dir(&folder).unwrap();
        copy(&lost.at("keys-then"), &folder.join("keys"));
        let (size, note) = lost.kept.last().unwrap();
        if is_published {
            fs::create_dir(folder.join("cosigned")).unwrap();
            fs::write(folder.join(format!("cosigned/{size:020}.note")), note).unwrap();
        }
        let made = lost.succeed(to, None).await.unwrap();
        assert_eq!(made.signed_before, is_published.then_some(*size));
        let app = lost.open(to).await;
        checked(&app).await;
        let said = app.extends(note, &app.own_policy()).await.unwrap_err();
        let said = said.to_string();
        let declared = format!("it says that {size} had been signed");
        assert_eq!(said.contains(&declared), is_published, "{said}");
        app.close().await;
        assert!(!folder.join("cosigned").exists());
        let aside = folder.join("cosigned.predecessor");
        assert_eq!(aside.exists(), is_published);
    }
}

/// A succession that was written into the databases, and not by the keys' owner.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_succession_is_found() {
    let lost = lost(Location::Folder).await;
    lost.succeed("next", None).await.unwrap();
    for (from, to) in [
        (
            format!("\"signed\":{}", lost.kept[4].0),
            "\"signed\":6".to_owned(),
        ),
        ("/successor-".to_owned(), "/successoR-".to_owned()),
    ] {
        let folder = lost.at(&format!("forged-{}", to.len()));
        copy(&lost.at("next"), &folder);
        tamper(&folder, lost.backup_size, &from, &to).await;
        let wrong = match App::open(&folder).await {
            Ok(app) => {
                let report = app.verify(Scope::Log, |_| ()).await.unwrap();
                app.close().await;
                report.wrong.unwrap().to_string()
            }
            Err(error) => {
                assert_eq!(error.exit_code(), exit::INTEGRITY);
                error.to_string()
            }
        };
        assert!(
            wrong.contains(&format!("position {}", lost.backup_size)),
            "{wrong}"
        );
    }
}

async fn tamper(folder: &Path, position: u64, from: &str, to: &str) {
    let mut database = harness::database::Database::open(&folder.join("ledger.db")).await;
    database.forget_trigger("entry_is_append_only_update");
    let change = format!(
        "UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), '{from}', '{to}') AS BLOB)
          WHERE position = {position} AND instr(CAST(leaf AS TEXT), '{from}') > 0"
    );
    database.change_one(&change).await;
    database.close().await;
}
