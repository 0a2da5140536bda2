//! Witnesses over HTTP: what they cosign is published, and what they have seen cannot be undone.
//!
//! What comes in: a ledger, witnesses on free ports of this machine, a policy that names them.
//! What goes out: published checkpoints. What may fail: witnesses that are away, or that know
//! another history. What must stay true: appends never wait for witnesses; nothing is handed out
//! without the quorum; a rollback and a fork are found, even by whoever has an older copy of
//! everything, the state beside the key included.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

#[path = "harness/mod.rs"]
mod harness;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use rand_core::OsRng;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vitaledger::app::{App, AppError};
use vitaledger::http::witness::serve;
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::office::OfficeFields;
use vitaledger::seal::checkpoint::Checkpoint;
use vitaledger::seal::cosignature::CosigningKey;
use vitaledger::seal::keys::{SigningKey, VerifierKey};
use vitaledger::seal::policy::{Accepted, Policy};
use vitaledger::seal::witness::Witness;

/// A witness that can be stopped and started again at the same address.
struct Running {
    secret: String,
    state: PathBuf,
    logs: Vec<VerifierKey>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<std::io::Result<()>>>,
}

impl Running {
    async fn new(folder: &Path, number: u8, logs: Vec<VerifierKey>) -> Self {
        let key = CosigningKey::generate(&mut OsRng, &format!("witness.example/w{number}"));
        let state = folder.join(format!("witness-{number}"));
        fs::create_dir(&state).unwrap();
        let mut running = Self {
            secret: key.unwrap().encoded().to_string(),
            state,
            logs,
            address: "127.0.0.1:0".parse().unwrap(),
            stop: None,
            task: None,
        };
        running.start().await;
        running
    }

    async fn start(&mut self) {
        let key = CosigningKey::parse(&self.secret).unwrap();
        let witness = Arc::new(Witness::new(key, self.logs.clone(), &self.state));
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = oneshot::channel();
        let listen = self.address;
        self.task = Some(tokio::spawn(serve(
            witness,
            listen,
            |at| ready.send(at).unwrap(),
            async {
                let _ = stopped.await;
            },
        )));
        self.address = address.await.unwrap();
        self.stop = Some(stop);
    }

    async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.take().unwrap().await.unwrap().unwrap();
    }

    fn line(&self, name: &str) -> String {
        let key = CosigningKey::parse(&self.secret).unwrap();
        format!(
            "witness {name} {} http://{}\n",
            key.witness_key(),
            self.address
        )
    }
}

struct Scene {
    _folder: TempDir,
    ledger: PathBuf,
    witnesses: Vec<Running>,
    policy: Policy,
}

impl Scene {
    /// A ledger whose checkpoints two of three witnesses must cosign.
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let ledger = folder.path().join("ledger");
        let app = harness::init(&ledger).await;
        let logs = app.verifier_keys.clone();
        app.close().await;
        let mut witnesses = Vec::new();
        for number in 1..=3 {
            witnesses.push(Running::new(folder.path(), number, logs.clone()).await);
        }
        let mut text = format!("log {}\n", logs[0]);
        for (witness, name) in witnesses.iter().zip(["one", "two", "three"]) {
            text += &witness.line(name);
        }
        text += "group most 2 one two three\nquorum most\n";
        fs::write(ledger.join("policy"), &text).unwrap();
        Self {
            _folder: folder,
            ledger,
            witnesses,
            policy: Policy::parse(text.as_bytes()).unwrap(),
        }
    }

    async fn app(&self) -> App {
        App::open(&self.ledger).await.unwrap()
    }
}

/// Registers an office, or renames it, which seals and publishes.
async fn record(app: &App, name: &str) -> Result<u64, AppError> {
    let office = OfficeFields {
        code: OfficeCode::parse("990101000000").unwrap(),
        level: OfficeLevel::County,
        name_en: Some(name.to_owned()),
        name_zh: None,
        parent: None,
    };
    Ok(app.record_office(office).await?.receipt().position)
}

fn names(accepted: &Accepted) -> Vec<&str> {
    let cosignatures = accepted.cosignatures.iter();
    cosignatures.map(|one| one.witness.as_str()).collect()
}

/// What is published, as the policy accepts it.
async fn published(scene: &Scene, app: &App) -> Accepted {
    let note = app.published_note().await.unwrap();
    scene.policy.open(&note).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_publishes_and_its_absence_stops_only_that() {
    let mut scene = Scene::new().await;
    let app = scene.app().await;
    assert!(matches!(
        app.published_note().await,
        Err(AppError::Unpublished)
    ));
    record(&app, "B1").await.unwrap();
    let accepted = published(&scene, &app).await;
    let size = app.store().head().await.unwrap().size;
    assert_eq!(
        (accepted.checkpoint.size(), accepted.cosignatures.len()),
        (size, 3)
    );

    scene.witnesses[0].stop().await;
    record(&app, "B2").await.unwrap();
    let accepted = published(&scene, &app).await;
    assert_eq!(accepted.checkpoint.size(), size + 1);
    assert_eq!(names(&accepted), ["two", "three"]);

    scene.witnesses[1].stop().await;
    // Appended, sealed, not published; proofs are of what is published.
    let position = record(&app, "B3").await.unwrap();
    let publication = app.publication().await.unwrap();
    assert_eq!(
        (publication.sealed, publication.published),
        (size + 2, size + 1)
    );
    assert!(app.prove(&position.to_string()).await.is_err());
    let export = scene.ledger.join("../export");
    assert_eq!(
        app.export_log(&export, |_| ()).await.unwrap().entries,
        size + 1
    );
    let missing = app.publish().await.unwrap().unwrap().missing;
    assert_eq!(missing.len(), 2, "{missing:?}");

    scene.witnesses[1].start().await;
    let publication = app.publish().await.unwrap().unwrap();
    assert_eq!(publication.published, size + 2);
    let proven = app.prove(&position.to_string()).await.unwrap();
    scene
        .policy
        .open(proven.proof.checkpoint_note().as_bytes())
        .unwrap();
    // One that was away for long is told where it is, and follows.
    scene.witnesses[0].start().await;
    record(&app, "B4").await.unwrap();
    let accepted = published(&scene, &app).await;
    assert_eq!(
        (accepted.checkpoint.size(), accepted.cosignatures.len()),
        (size + 3, 3)
    );
    app.close().await;
    harness::assert_clean(&scene.ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_everything_and_a_fork_are_found() {
    let scene = Scene::new().await;
    let app = scene.app().await;
    record(&app, "B1").await.unwrap();
    app.close().await;
    // With its keys and with the state that says what was signed.
    let older = scene.ledger.with_file_name("older");
    harness::copy(&scene.ledger, &older);
    let app = scene.app().await;
    record(&app, "B2").await.unwrap();
    record(&app, "B3").await.unwrap();
    app.close().await;

    let app = App::open(&older).await.unwrap();
    // As it is, it signs nothing new: the witnesses cosigned it, but they are further.
    fs::remove_dir_all(older.join("cosigned")).unwrap();
    let rolled_back = app.publish().await.unwrap_err();
    assert_eq!(rolled_back.exit_code(), 11, "{rolled_back}");
    assert!(
        rolled_back
            .to_string()
            .contains("was cut off, is an older copy"),
        "{rolled_back}"
    );
    // It goes on to the same size, differently.
    for number in ["F2", "F3"] {
        let forked = record(&app, number).await.unwrap_err();
        assert_eq!(forked.exit_code(), 11, "{forked}");
    }
    // And beyond.
    let forked = record(&app, "F4").await.unwrap_err();
    assert_eq!(forked.exit_code(), 11, "{forked}");
    app.close().await;
    // The true one goes on.
    let app = scene.app().await;
    record(&app, "B4").await.unwrap();
    let accepted = published(&scene, &app).await;
    assert_eq!(accepted.cosignatures.len(), 3);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_fit_is_not_kept() {
    let scene = Scene::new().await;
    let app = scene.app().await;
    // The first address is answered by the witness of another key.
    let text = fs::read_to_string(scene.ledger.join("policy")).unwrap();
    let other = scene.witnesses[1].address.to_string();
    let text = text.replace(&scene.witnesses[0].address.to_string(), &other);
    fs::write(scene.ledger.join("policy"), text).unwrap();
    record(&app, "B1").await.unwrap();
    let accepted = published(&scene, &app).await;
    assert_eq!(names(&accepted), ["two", "three"]);
    app.close().await;
}

/// The log changes its key. A witness that was given both keys goes on; one that was not, stops
/// with the old key.
#[tokio::test(flavor = "multi_thread")]
async fn witnesses_go_through_a_change_of_key() {
    let mut scene = Scene::new().await;
    let app = scene.app().await;
    record(&app, "B1").await.unwrap();
    let old = app.verifier_keys[0].clone();
    let done = app.rotate_signing(false).await.unwrap();
    let new: VerifierKey = done.verifier_key.parse().unwrap();
    // Both sign: whoever knows one of them is content.
    let accepted = published(&scene, &app).await;
    assert_eq!(accepted.cosignatures.len(), 3);
    assert_eq!(accepted.signed_by, std::slice::from_ref(&old));
    // The ledger's own policy does not know the new key yet.
    let refused = app.retire_signing(None, 0, false).await.unwrap_err();
    assert!(refused.to_string().contains("policy"), "{refused}");
    let text = fs::read_to_string(scene.ledger.join("policy")).unwrap();
    let text = format!("log {new}\n{text}");
    fs::write(scene.ledger.join("policy"), &text).unwrap();
    scene.policy = Policy::parse(text.as_bytes()).unwrap();
    for number in [0, 1] {
        let witness = &mut scene.witnesses[number];
        witness.stop().await;
        witness.logs = vec![old.clone(), new.clone()];
        witness.start().await;
    }
    record(&app, "B2").await.unwrap();
    let accepted = published(&scene, &app).await;
    assert_eq!(accepted.cosignatures.len(), 3);
    assert_eq!(accepted.signed_by, [new.clone(), old.clone()]);

    app.retire_signing(None, 0, false).await.unwrap();
    let position = record(&app, "B3").await.unwrap();
    let accepted = published(&scene, &app).await;
    assert_eq!(accepted.checkpoint.size(), position + 1);
    assert_eq!(names(&accepted), ["one", "two"]);
    assert_eq!(accepted.signed_by, std::slice::from_ref(&new));
    let path = scene.ledger.join("cosigned/sizes.json");
    fs::remove_file(path).unwrap();
    let newest = scene
        .ledger
        .join(format!("cosigned/{:020}.note", position + 1));
    fs::remove_file(newest).unwrap();
    let missing = app.publish().await.unwrap().unwrap().missing;
    assert!(
        missing.len() == 1 && missing[0].starts_with("three: it answers 403"),
        "{missing:?}"
    );
    app.close().await;
    let report = harness::assert_clean(&scene.ledger).await;
    assert!(report.cosigned >= 4, "{}", report.cosigned);
    assert_eq!(report.below_quorum, 0);
}

/// The ledger's own policy was not told of the new key: that stops publication, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_was_not_told_stops_only_publication() {
    let mut scene = Scene::new().await;
    let app = scene.app().await;
    app.rotate_signing(false).await.unwrap();
    let before = published(&scene, &app).await.checkpoint.size();
    app.retire_signing(None, 0, true).await.unwrap();
    let position = record(&app, "B1").await.unwrap();
    let publication = app.publish().await.unwrap().unwrap();
    assert_eq!(
        (publication.sealed, publication.published),
        (position + 1, before)
    );
    let missing = &publication.missing[0];
    assert!(missing.contains("no log line"), "{missing}");
    // What was published before may still be handed out.
    assert_eq!(published(&scene, &app).await.checkpoint.size(), before);
    let key = fs::read_to_string(scene.ledger.join("log.vkey")).unwrap();
    let text = fs::read_to_string(scene.ledger.join("policy")).unwrap();
    let text = format!("log {key}{text}");
    fs::write(scene.ledger.join("policy"), &text).unwrap();
    scene.policy = Policy::parse(text.as_bytes()).unwrap();
    for witness in &mut scene.witnesses {
        witness.stop().await;
        witness.logs = scene.policy.logs().to_vec();
        witness.start().await;
    }
    let publication = app.publish().await.unwrap().unwrap();
    assert_eq!(publication.published, position + 1);
    app.close().await;
    harness::assert_clean(&scene.ledger).await;
}

/// What the check of everything says of the kept notes.
async fn reported(scene: &Scene) -> Result<(u64, u64), String> {
    let report = harness::reverify(&scene.ledger).await;
    match report.wrong {
        None => Ok((report.cosigned, report.below_quorum)),
        Some(wrong) => Err(wrong.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_note_that_was_changed_or_is_of_another_log_is_found() {
    let scene = Scene::new().await;
    let app = scene.app().await;
    let position = record(&app, "B1").await.unwrap();
    record(&app, "B2").await.unwrap();
    app.close().await;
    assert_eq!(reported(&scene).await, Ok((2, 0)));
    let folder = scene.ledger.join("cosigned");
    let path = |size: u64| folder.join(format!("{size:020}.note"));
    let (size, next) = (position + 1, position + 2);
    let good = fs::read_to_string(path(size)).unwrap();
    let other = fs::read_to_string(path(next)).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let foreign = Scene::new().await;
    let app = foreign.app().await;
    record(&app, "F1").await.unwrap();
    let of_other_log = String::from_utf8(app.published_note().await.unwrap()).unwrap();
    app.close().await;
    // A letter in the middle of a signature.
    let bent = |line: usize| {
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let at = changed[line].len() - 30;
        let letter = if &changed[line][at..=at] == "A" {
            "B"
        } else {
            "A"
        };
        changed[line].replace_range(at..=at, letter);
        changed.join("\n") + "\n"
    };
    let grown = good.replacen(&format!("\n{size}\n"), "\n99\n", 1);
    for (note, said) in [
        (of_other_log, "none of the trusted keys signed"),
        (other.clone(), "it is one of"),
        (bent(4), "the signature of"),
        (bent(5), "the cosignature of witness one does not fit"),
        (grown, "the signature of"),
        (String::new(), "not a signed note"),
        (good[..good.len() / 2].to_owned(), "not a signed note"),
    ] {
        assert_ne!(note, good);
        fs::write(path(size), note).unwrap();
        let wrong = reported(&scene).await.unwrap_err();
        let told = wrong.contains("the cosigned checkpoint") && wrong.contains(said);
        assert!(told, "{said}: {wrong}");
    }
    // Cosignatures that were taken away, and a policy that asks for others: nothing of it is handed
    // out, and it is counted.
    let stripped = lines[..5].join("\n") + "\n";
    fs::write(path(size), stripped).unwrap();
    assert_eq!(reported(&scene).await, Ok((2, 1)));
    fs::write(path(size), &good).unwrap();
    // A name that is no size.
    fs::write(folder.join("7.note"), &good).unwrap();
    assert!(reported(&scene).await.is_err());
    fs::remove_file(folder.join("7.note")).unwrap();
    assert_eq!(reported(&scene).await, Ok((2, 0)));
    // Signed by the log's own key, over entries that it does not have.
    let key = fs::read_to_string(scene.ledger.join("keys/signing.key")).unwrap();
    let key = SigningKey::parse(key.trim()).unwrap();
    let root = vitaledger::seal::merkle::leaf_hash(b"other");
    for (at, said) in [(size, "do not give its root"), (99, "fewer entries")] {
        let forged = Checkpoint::new(key.verifier_key().name(), at, root).unwrap();
        fs::write(path(at), forged.sign(&key).unwrap()).unwrap();
        let wrong = reported(&scene).await.unwrap_err();
        assert!(wrong.contains(said), "{wrong}");
        fs::write(path(size), &good).unwrap();
    }
}

/// Some witnesses answer a fork at the very size with 409 and words, as the specification allows.
#[tokio::test(flavor = "multi_thread")]
async fn a_witness_need_not_name_the_size_at_which_the_log_was_forked() {
    let folder = TempDir::new().unwrap();
    let ledger = folder.path().join("ledger");
    let app = harness::init(&ledger).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let conflict = || async { (StatusCode::CONFLICT, "another root\n") };
    let router = Router::new().route("/add-checkpoint", post(conflict));
    let serving = tokio::spawn(async { axum::serve(listener, router).await });
    let key = CosigningKey::generate(&mut OsRng, "witness.example/w1").unwrap();
    let (log, key) = (&app.verifier_keys[0], key.witness_key());
    let text = format!("log {log}\nwitness one {key} http://{address}\nquorum one\n");
    fs::write(ledger.join("policy"), text).unwrap();
    // Asked from nothing, it should have said where it is: it is as good as away.
    let publication = app.publish().await.unwrap().unwrap();
    assert!(publication.missing[0].contains("does not say its size"));
    let size = app.store().head().await.unwrap().size;
    let known = format!("{{\"{key}\":{size}}}");
    fs::write(ledger.join("cosigned/sizes.json"), known).unwrap();
    let forked = app.publish().await.unwrap_err();
    assert_eq!(forked.exit_code(), 11, "{forked}");
    assert!(forked.to_string().contains("another root"), "{forked}");
    app.close().await;
    serving.abort();
}
