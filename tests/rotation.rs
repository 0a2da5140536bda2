//! The log changes its signing key: both sign, then the new one alone, and everybody can follow.
//!
//! What comes in: small ledgers in both stores, and policies of readers who have the old key, the
//! new one, or both. What happens: the key is rotated and retired, cut off between any two of its
//! steps, on one node of two, across a backup, before the eyes of a witness. What must stay true:
//! every checkpoint is signed by exactly the keys that its entries name; a node that lacks one signs
//! nothing; what was cut off is completed; a destroyed key stays destroyed.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;
#[path = "support/nodes.rs"]
mod nodes;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/rotating.rs"]
mod rotating;

use std::fs;
use std::path::Path;

use harness::database::Database;
use rotating::{Scene, assert_signed_by, checked, record, rotate, secrets, trusting};
use sqlx::{Connection, Executor, PgConnection};
use vitaledger::app::error::exit;
use vitaledger::app::restore::{Signing, restore};
use vitaledger::app::signing::{KeyState, OVERLAP_DAYS};
use vitaledger::app::{App, AppError};
use vitaledger::audit::evidence::{self, EvidenceError};
use vitaledger::audit::exported;
use vitaledger::audit::verify::Scope;
use vitaledger::ledger::aggregate::log::{Log, LogCommand};
use vitaledger::ledger::request::For;
use vitaledger::seal::keys::SigningKey;
use vitaledger::seal::sealer::SealError;
use vitaledger::store::location::Location;

async fn whole_life(scene: Scene) {
    let app = scene.open("ledger").await;
    let old = app.verifier_keys[0].clone();
    record(&app, "B1").await;
    let kept = app.published_note().await.unwrap();
    let new = rotate(&app).await;
    assert_signed_by(&app, &[&old, &new]).await;
    record(&app, "B2").await;
    assert_signed_by(&app, &[&old, &new]).await;
    let both = app.published_note().await.unwrap();
    for policy in [
        trusting(&[&old]),
        trusting(&[&new]),
        trusting(&[&new, &old]),
    ] {
        assert!(app.accepted(&policy).await.is_ok());
    }

    // Neither a third one, nor too early, nor both.
    let third = app.rotate_signing(false).await.unwrap_err();
    assert_eq!(third.exit_code(), exit::USAGE, "{third}");
    let early = app.retire_signing(None, OVERLAP_DAYS, false).await;
    let early = early.unwrap_err();
    assert_eq!(early.exit_code(), exit::USAGE);
    assert!(early.to_string().contains("for 30 days"), "{early}");
    let unknown = app.retire_signing(Some("c74f20a3"), 0, false).await;
    assert_eq!(unknown.unwrap_err().exit_code(), exit::USAGE);
    let id = format!("{}+{:08x}", old.name(), old.key_id());
    let done = app.retire_signing(Some(&id), 0, false).await.unwrap();
    assert!(done.destroyed && done.receipt.is_some());
    assert_eq!(secrets(&app.folder), 1);
    assert_signed_by(&app, &[&new]).await;
    record(&app, "B3").await;
    assert_signed_by(&app, &[&new]).await;
    let last = app.retire_signing(None, 0, true).await.unwrap_err();
    assert!(last.to_string().contains("only key"), "{last}");
    let refused = app.accepted(&trusting(&[&old])).await.unwrap_err();
    assert_eq!(refused.exit_code(), exit::INTEGRITY);

    // Old checkpoints stay good, for whoever has their key.
    for (note, policy, is_good) in [
        (&kept, trusting(&[&old, &new]), true),
        (&both, trusting(&[&new]), true),
        (&kept, trusting(&[&new]), false),
    ] {
        let extended = app.extends(note, &policy).await;
        assert_eq!(extended.is_ok(), is_good, "{extended:?}");
    }
    let own = app.own_policy();
    app.close().await;
    let app = scene.open("ledger").await;
    assert_eq!(app.own_policy().logs(), [old.clone(), new.clone()]);
    assert_eq!(own.logs().len(), 1, "as it was when it was opened");
    let states: Vec<KeyState> = app
        .keys()
        .await
        .unwrap()
        .signing_keys
        .into_iter()
        .map(|key| key.state)
        .collect();
    assert_eq!(states, [KeyState::Retired, KeyState::Signs]);

    // And once more.
    let newest = rotate(&app).await;
    assert_signed_by(&app, &[&new, &newest]).await;
    app.retire_signing(None, 0, false).await.unwrap();
    assert_signed_by(&app, &[&newest]).await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sign_then_the_new_one_alone() {
    whole_life(Scene::new(Location::Folder).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sign_then_the_new_one_alone_on_a_server() {
    whole_life(Scene::on_server().await).await;
}

/// On a simulated clock the overlap lasts by that clock.
#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_overlap_lasts_by_its_own_clock() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("ledger");
    harness::make(&folder).await;
    let app = App::open(&folder).await.unwrap();
    app.rotate_signing(false).await.unwrap();
    let early = app.retire_signing(None, OVERLAP_DAYS, false).await;
    assert!(early.is_err());
    for (number, day, is_over) in [("X8", "2013-11-10", false), ("X9", "2013-12-20", true)] {
        let mut birth = harness::birth(number, "3000");
        birth.insert("reported_on".into(), day.into());
        let kind = vitaledger::model::schema::RecordKind::Birth;
        app.record(kind, &birth, None).await.unwrap();
        let retired = app.retire_signing(None, OVERLAP_DAYS, false).await;
        assert_eq!(retired.is_ok(), is_over, "{day}: {retired:?}");
    }
    app.close().await;
    harness::assert_clean(&folder).await;
}

/// The store refuses every checkpoint from now on.
async fn no_power(scene: &Scene) {
    let Location::Postgres(address) = &scene.location else {
        let mut database = Database::open(&scene.at("ledger/ledger.db")).await;
        let refuse = "CREATE TRIGGER crash BEFORE INSERT ON checkpoint
            BEGIN SELECT RAISE(ABORT, 'no power for this checkpoint'); END";
        database.run(refuse).await.unwrap();
        return database.close().await;
    };
    let mut owner = PgConnection::connect(address).await.unwrap();
    for sql in [
        "CREATE FUNCTION vitaledger.no_power() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'no power for this checkpoint'; END $$",
        "CREATE TRIGGER crash BEFORE INSERT ON vitaledger.checkpoint
         FOR EACH ROW EXECUTE FUNCTION vitaledger.no_power()",
    ] {
        owner.execute(sql).await.unwrap();
    }
    owner.close().await.unwrap();
}

/// It takes them again.
async fn power(scene: &Scene) {
    let Location::Postgres(address) = &scene.location else {
        let mut database = Database::open(&scene.at("ledger/ledger.db")).await;
        database.forget_trigger("crash");
        return database.close().await;
    };
    let mut owner = PgConnection::connect(address).await.unwrap();
    let drop = "DROP FUNCTION vitaledger.no_power() CASCADE";
    owner.execute(drop).await.unwrap();
    owner.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_between_the_key_and_its_entry() {
    let scene = Scene::new(Location::Folder).await;
    let app = scene.open("ledger").await;
    let old = app.verifier_keys[0].clone();
    let made = app.rotate_signing(true).await.unwrap();
    assert_eq!((made.receipt, made.signing.len()), (None, 1));
    app.close().await;
    let app = scene.open("ledger").await;
    record(&app, "B1").await;
    assert_signed_by(&app, &[&old]).await;
    let keys = app.keys().await.unwrap().signing_keys;
    assert_eq!(keys[1].state, KeyState::Prepared);
    assert_eq!(keys[1].verifier_key, made.verifier_key);
    // Half of a file is no key.
    fs::write(app.folder.join("keys/signing-00000000.next"), "PRIVATE+").unwrap();
    // The same key, not another one.
    let new = rotate(&app).await;
    assert_eq!(new.to_string(), made.verifier_key);
    assert_eq!(secrets(&app.folder), 2);
    assert_signed_by(&app, &[&old, &new]).await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_between_an_entry_and_its_checkpoint() {
    cut_off_before_a_checkpoint(Scene::new(Location::Folder).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_between_an_entry_and_its_checkpoint_on_a_server() {
    cut_off_before_a_checkpoint(Scene::on_server().await).await;
}

async fn cut_off_before_a_checkpoint(scene: Scene) {
    let folder = scene.at("ledger");
    let old = {
        let app = scene.open("ledger").await;
        let old = app.verifier_keys[0].clone();
        app.close().await;
        old
    };
    no_power(&scene).await;
    let app = scene.open("ledger").await;
    let failed = app.rotate_signing(false).await.unwrap_err();
    assert!(failed.to_string().contains("checkpoint"), "{failed}");
    app.close().await;
    power(&scene).await;
    // Signed by both and not stored; it opens, and the same note is made again.
    let app = scene.open("ledger").await;
    let new = app.verifier_keys[1].clone();
    checked(&app).await;
    let pending = app.state.read().unwrap();
    assert!(pending.pending.is_some());
    app.seal().await.unwrap();
    let stored = app.state.read().unwrap();
    assert_eq!((stored.chain, stored.size), (pending.chain, pending.size));
    assert_signed_by(&app, &[&old, &new]).await;
    record(&app, "B1").await;
    app.close().await;

    // Now the end of the old key.
    no_power(&scene).await;
    let app = scene.open("ledger").await;
    app.retire_signing(None, 0, false).await.unwrap_err();
    app.close().await;
    assert_eq!(
        secrets(&folder),
        2,
        "nothing is destroyed before it is stored"
    );
    power(&scene).await;
    let app = scene.open("ledger").await;
    checked(&app).await;
    assert_eq!(secrets(&folder), 2);
    // The same command completes it; so would any other that appends.
    let done = app.retire_signing(None, 0, false).await.unwrap();
    assert!(done.destroyed && done.receipt.is_none());
    assert_eq!(done.verifier_key, old.to_string());
    assert_signed_by(&app, &[&new]).await;
    record(&app, "B2").await;
    assert_signed_by(&app, &[&new]).await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_before_the_old_key_is_destroyed() {
    let scene = Scene::new(Location::Folder).await;
    let folder = scene.at("ledger");
    let app = scene.open("ledger").await;
    let secret = fs::read(folder.join("keys/signing.key")).unwrap();
    let new = rotate(&app).await;
    app.retire_signing(None, 0, false).await.unwrap();
    app.close().await;
    assert!(!folder.join("keys/signing.key").exists());
    // As if it had not come to that, or from an older copy of the folder.
    fs::write(folder.join("keys/signing.key"), &secret).unwrap();
    let app = scene.open("ledger").await;
    assert!(!folder.join("keys/signing.key").exists());
    assert_signed_by(&app, &[&new]).await;
    // It does not come back, not even beside the new one.
    fs::write(folder.join("keys/signing.key"), &secret).unwrap();
    let newest = rotate(&app).await;
    let first = String::from_utf8(secret).unwrap();
    assert!(!first.contains(&format!("{:08x}", newest.key_id())));
    assert_signed_by(&app, &[&new, &newest]).await;
    app.close().await;
    for file in fs::read_dir(folder.join("keys")).unwrap() {
        let text = fs::read(file.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(first.trim()));
    }
}

/// A node that was not given the new key signs nothing and goes on appending.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_key_says_what_to_copy() {
    let scene = Scene::on_server().await;
    nodes::node(&scene.at("ledger"), &scene.at("other"));
    nodes::node(&scene.at("ledger"), &scene.at("prepared"));
    let app = scene.open("ledger").await;
    let other = scene.open("other").await;
    let old = app.verifier_keys[0].clone();
    // With the file copied before, there is no gap.
    let made = app.rotate_signing(true).await.unwrap();
    let file = Path::new(&made.file).file_name().unwrap().to_owned();
    fs::copy(&made.file, scene.at("prepared/keys").join(&file)).unwrap();
    let new = rotate(&app).await;
    let prepared = scene.open("prepared").await;
    record(&prepared, "B1").await;
    assert_signed_by(&prepared, &[&old, &new]).await;
    prepared.close().await;

    let size = other.store().head().await.unwrap().size;
    assert_eq!(record(&other, "B2").await, size);
    let refused = other.must_sign().await.unwrap_err();
    assert_eq!(refused.exit_code(), exit::USAGE);
    assert!(matches!(
        refused,
        AppError::Seal(SealError::KeyMissing { .. })
    ));
    let said = refused.to_string();
    for part in [
        &new.to_string(),
        file.to_str().unwrap(),
        "copy",
        "appends go on",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // It does not sign what it appended, and knows what others signed.
    let report = checked(&other).await;
    assert_eq!((report.unsealed, report.entries), (1, size + 1));
    let to = scene.at("backup");
    let backup = other.backup(&scene.location, &to, &mut |_, _| ()).await;
    assert!(matches!(
        backup.unwrap_err(),
        AppError::Seal(SealError::KeyMissing { .. })
    ));
    let elsewhere = other.retire_signing(None, 0, false).await.unwrap_err();
    assert!(elsewhere.to_string().contains("copy"), "{elsewhere}");
    app.seal().await.unwrap();
    assert_eq!(checked(&other).await.unsealed, 0);

    // With the file, it signs.
    fs::copy(&made.file, scene.at("other/keys").join(&file)).unwrap();
    record(&other, "B3").await;
    other.close().await;
    let other = scene.open("other").await;
    assert_signed_by(&other, &[&old, &new]).await;
    // The old key is retired on one node; the others destroy theirs when they come by.
    app.retire_signing(None, 0, false).await.unwrap();
    assert_eq!((secrets(&app.folder), secrets(&other.folder)), (1, 2));
    record(&other, "B4").await;
    assert_eq!(secrets(&other.folder), 1);
    assert_signed_by(&other, &[&new]).await;
    scene.open("prepared").await.close().await;
    assert_eq!(secrets(&scene.at("prepared")), 1);
    app.close().await;
    other.close().await;
}

/// Restores into a new folder with a copy of the keys as they are now.
async fn bring_back(scene: &Scene, backup: &str, to: &str) -> (App, Signing) {
    let keys = scene.at(to).join("keys");
    fs::create_dir_all(scene.at(to)).unwrap();
    harness::copy(&scene.at("ledger/keys"), &keys);
    let (folder, from) = (scene.at(to), scene.at(backup));
    let done = restore(&folder, &Location::Folder, &from, false, &mut |_, _| ()).await;
    let signing = done.unwrap().signing;
    (App::open(&scene.at(to)).await.unwrap(), signing)
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_go_across_a_rotation() {
    let scene = Scene::new(Location::Folder).await;
    let app = scene.open("ledger").await;
    let old = app.verifier_keys[0].clone();
    let back_up = async |app: &App, name: &str| {
        let to = scene.at(name);
        let made = app.backup(&Location::Folder, &to, &mut |_, _| ()).await;
        made.unwrap()
    };
    back_up(&app, "before").await;
    let new = rotate(&app).await;
    back_up(&app, "during").await;
    let (restored, signing) = bring_back(&scene, "during", "one").await;
    assert_eq!(signing, Signing::GoesOn);
    record(&restored, "B1").await;
    assert_signed_by(&restored, &[&old, &new]).await;
    restored.close().await;
    app.retire_signing(None, 0, false).await.unwrap();
    back_up(&app, "after").await;
    let (restored, signing) = bring_back(&scene, "after", "two").await;
    assert_eq!(signing, Signing::GoesOn);
    record(&restored, "B1").await;
    assert_signed_by(&restored, &[&new]).await;
    restored.close().await;
    // An older backup is still known to be of this log, though its key is gone.
    for (backup, to) in [("before", "three"), ("during", "four")] {
        let (restored, signing) = bring_back(&scene, backup, to).await;
        assert!(matches!(signing, Signing::Stopped { .. }), "{backup}");
        let report = restored.verify(Scope::Everything, |_| ()).await.unwrap();
        assert!(report.wrong.unwrap().what.contains("entries are missing"));
        restored.close().await;
    }
    app.close().await;
}

/// Exports, proofs and evidence at each stage, by readers with each key.
#[tokio::test(flavor = "multi_thread")]
async fn readers_follow_with_the_key_that_they_have() {
    let scene = Scene::new(Location::Folder).await;
    let app = scene.open("ledger").await;
    let old = app.verifier_keys[0].clone();
    let birth = record(&app, "B1").await;
    let name = "birth/hospital/B1";
    let mut new = None;
    for (stage, has_old, has_new) in [
        ("before", true, false),
        ("during", true, true),
        ("after", false, true),
    ] {
        match stage {
            "during" => new = Some(rotate(&app).await),
            "after" => drop(app.retire_signing(None, 0, false).await.unwrap()),
            _ => {}
        }
        let folder = scene.at("export");
        app.export_log(&folder, |_| ()).await.unwrap();
        let proof = app.prove(&birth.to_string()).await.unwrap();
        let bundle = app.evidence(name, &[], "", None).await.unwrap().bytes;
        let by_itself = evidence::check(&bundle, None, None).unwrap();
        let signing = by_itself.signed_by.len();
        assert_eq!(signing, if stage == "during" { 2 } else { 1 });
        let stranger = SigningKey::generate(&mut rand_core::OsRng, &app.origin);
        let new = new
            .clone()
            .unwrap_or_else(|| stranger.unwrap().verifier_key().clone());
        for (policy, trusted) in [
            (trusting(&[&old]), has_old),
            (trusting(&[&new]), has_new),
            (trusting(&[&old, &new]), true),
        ] {
            let report = exported::verify(&folder, &policy, None, |_| ())
                .await
                .unwrap();
            assert_eq!(report.wrong.is_none(), trusted, "{stage}: {report:?}");
            let opened = policy.open(proof.proof.checkpoint_note().as_bytes());
            assert_eq!(opened.is_ok(), trusted, "{stage}");
            let verdict = evidence::check(&bundle, Some(&policy), None);
            assert_eq!(verdict.is_ok(), trusted, "{stage}: {verdict:?}");
            if let (Ok(verdict), Ok(accepted)) = (verdict, opened) {
                let signed_by: Vec<String> =
                    accepted.signed_by.iter().map(ToString::to_string).collect();
                assert_eq!(verdict.signed_by, signed_by);
                assert_eq!(report.signed_by, signed_by);
                let all = report.signed_by.len() + report.also_signed_by.len();
                assert_eq!(all, if stage == "during" { 2 } else { 1 });
            }
        }
    }
    app.close().await;
}

/// Somebody who can write to the database names a key of their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_others_put_into_the_log_is_neither_signed_nor_handed_out() {
    let scene = Scene::new(Location::Folder).await;
    let app = scene.open("ledger").await;
    let old = app.verifier_keys[0].clone();
    let stranger = SigningKey::generate(&mut rand_core::OsRng, &app.origin).unwrap();
    let stranger = stranger.verifier_key().to_string();
    let named = stranger.clone();
    let add = move |_| LogCommand::AddKey {
        verifier_key: named.clone(),
    };
    let command = For::<Log>::new(app.ledger.id, add).command();
    let context = app.context(None);
    app.ledger
        .execute_one(&context, command)
        .await
        .unwrap()
        .unwrap();
    app.close().await;
    let app = scene.open("ledger").await;
    record(&app, "B1").await;
    let refused = app.must_sign().await.unwrap_err().to_string();
    assert!(refused.contains(&stranger), "{refused}");
    let handed_out = fs::read_to_string(app.folder.join("log.vkey")).unwrap();
    assert_eq!(handed_out.trim(), old.to_string());
    assert_eq!(checked(&app).await.unsealed, 2);
    // Who runs the ledger puts an end to it.
    let id = stranger.split('+').nth(1).unwrap();
    app.retire_signing(Some(id), 0, false).await.unwrap();
    assert_signed_by(&app, &[&old]).await;
    app.close().await;
}

/// One of two keys was stolen: it cannot sign alone, and a retired one not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_does_not_speak_alone() {
    let scene = Scene::new(Location::Folder).await;
    let app = scene.open("ledger").await;
    let secret = fs::read_to_string(app.folder.join("keys/signing.key")).unwrap();
    let stolen = SigningKey::parse(secret.trim()).unwrap();
    let policy = trusting(&[stolen.verifier_key()]);
    record(&app, "B1").await;
    rotate(&app).await;
    let folder = scene.at("export");
    for said in ["is not signed by", "retired"] {
        app.export_log(&folder, |_| ()).await.unwrap();
        let bundle = app.evidence("birth/hospital/B1", &[], "", None).await;
        let bundle = bundle.unwrap().bytes;
        let note = fs::read(folder.join("checkpoint")).unwrap();
        let named = app.sealer.roster().await.unwrap();
        let forged = named.open(&note).unwrap().sign(&stolen).unwrap();
        fs::write(folder.join("checkpoint"), &forged).unwrap();
        let report = exported::verify(&folder, &policy, None, |_| ()).await;
        let wrong = report.unwrap().wrong.unwrap();
        assert!(wrong.what.contains(said), "{wrong}");
        // The same with a bundle whose every part was made to fit.
        let mut parts = evidence::unpack(&bundle).unwrap();
        let (good, bad) = (
            String::from_utf8(note).unwrap(),
            String::from_utf8(forged).unwrap(),
        );
        for (_, data) in &mut parts {
            if let Ok(text) = String::from_utf8(data.clone()) {
                *data = text.replace(&good, &bad).into_bytes();
            }
        }
        let forged = evidence::pack(&parts).unwrap();
        let refused = evidence::check(&forged, Some(&policy), None).unwrap_err();
        assert!(matches!(refused, EvidenceError::Keys(_)), "{refused}");
        fs::remove_dir_all(&folder).unwrap();
        if said != "retired" {
            app.retire_signing(None, 0, false).await.unwrap();
        }
    }
    app.close().await;
}
