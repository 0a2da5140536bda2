//! Nodes on one server sign one history, however they are held up or killed.
//!
//! What comes in: a ledger on a server, and folders with the same keys, each a node with its own
//! `signed.json`. What happens: nodes sign at the same time; one is held up for longer than its
//! term; one is killed between the agreement and the note; the database is an older copy. What
//! must stay true: no two notes contradict, what was agreed on is signed by whoever comes next,
//! and a node that knows more than the database signs nothing.
#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

#[path = "support/interrupted.rs"]
mod interrupted;
#[path = "support/nodes.rs"]
mod nodes;
#[path = "support/postgres.rs"]
mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use interrupted::{Interrupted, Step};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;
use vitaledger::app::App;
use vitaledger::app::error::exit;
use vitaledger::audit::keys::roster;
use vitaledger::audit::verify::Scope;
use vitaledger::ledger::request::Command;
use vitaledger::seal::checkpoint::Checkpoint;
use vitaledger::seal::ring::KeyRing;
use vitaledger::seal::sealer::Sealer;
use vitaledger::seal::state::SignedState;
use vitaledger::store::location::Location;

/// How often each node tries to sign, at least.
const TICKS: u32 = 300;
/// How often each node must have been the one that did.
const SEALS: u32 = 20;

/// A ledger and its nodes.
struct Nodes {
    address: String,
    location: Location,
    root: TempDir,
}

impl Nodes {
    async fn new() -> Self {
        let address = server::database().await;
        let location: Location = address.parse().unwrap();
        let root = tempfile::tempdir().unwrap();
        let app = nodes::init(&root.path().join("first"), &location).await;
        app.close().await;
        Self {
            address,
            location,
            root,
        }
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.root.path().join(name);
        if !folder.exists() {
            nodes::node(&self.root.path().join("first"), &folder);
        }
        folder
    }

    async fn open(&self, name: &str) -> App {
        App::open_at(&self.folder(name), &self.location)
            .await
            .unwrap()
    }

    /// The term of whoever may sign now ends.
    async fn end_term(&self) {
        let mut owner = PgConnection::connect(&self.address).await.unwrap();
        let ended = "UPDATE vitaledger.signing SET held_until = clock_timestamp() - interval '1 s'";
        owner.execute(ended).await.unwrap();
        owner.close().await.unwrap();
    }
}

/// A sealer of a node, which is interrupted at a step.
fn interrupted(node: &App, at: Step) -> (Sealer, Arc<Interrupted>) {
    let ring = KeyRing::new(node.folder.join("keys"));
    let store = Arc::new(Interrupted::new(node.store(), at));
    let sealer = Sealer::new(store.clone(), ring, roster, node.state.clone());
    (sealer, store)
}

/// Records some births.
async fn append(app: &App, births: usize) {
    let offices = nodes::offices(app).await;
    let requests = (0..births).map(|_| {
        let number = Uuid::now_v7().to_string();
        Command::Record(nodes::birth(&offices, &number, "甲某某")).into()
    });
    let context = app.context(None);
    let answers = app.ledger.execute(&context, requests.collect()).await;
    assert!(answers.unwrap().iter().all(Result::is_ok));
}

/// Everything is right, as this node sees it, and everything is signed.
async fn assert_clean(app: &App) -> SignedState {
    app.sealer.tick().await.unwrap();
    let report = app.verify(Scope::Everything, |_| {}).await.unwrap();
    assert_eq!(report.wrong, None);
    assert_eq!(report.unsealed, 0);
    app.state.read().unwrap()
}

/// The sizes of the notes, each of which is the log's own.
async fn sizes(app: &App) -> Vec<u64> {
    let notes = app.store().checkpoints().await.unwrap();
    let open = |(size, note): &(u64, Vec<u8>)| {
        let checkpoint = Checkpoint::open(note, &app.verifier_keys).unwrap();
        assert_eq!(checkpoint.size(), *size);
        *size
    };
    notes.iter().map(open).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_sign_at_the_same_time_sign_one_history() {
    let nodes = Nodes::new().await;
    let mut apps = Vec::new();
    for name in ["first", "second", "third"] {
        apps.push(Arc::new(nodes.open(name).await));
    }
    let ended = Arc::new(AtomicBool::new(false));
    let writing: Vec<_> = apps
        .iter()
        .map(|app| {
            let (app, ended) = (app.clone(), ended.clone());
            tokio::spawn(async move {
                while !ended.load(Ordering::Relaxed) {
                    append(&app, 3).await;
                }
            })
        })
        .collect();
    let ticking: Vec<_> = apps
        .iter()
        .map(|app| {
            let app = app.clone();
            tokio::spawn(async move {
                let begun = Instant::now();
                let (mut ticks, mut sealed) = (0, 0);
                while ticks < TICKS || sealed < SEALS {
                    sealed += u32::from(app.sealer.tick().await.unwrap().is_some());
                    ticks += 1;
                    assert!(begun.elapsed() < Duration::from_mins(3), "{sealed}");
                    // Out of step, so that each finds the others in every state.
                    let pause = Duration::from_micros(rand::random_range(0..4000));
                    tokio::time::sleep(pause).await;
                }
            })
        })
        .collect();
    for node in ticking {
        node.await.unwrap();
    }
    ended.store(true, Ordering::Relaxed);
    for writer in writing {
        writer.await.unwrap();
    }
    let mut states = Vec::new();
    for app in &apps {
        states.push(assert_clean(app).await);
    }
    assert!(states.iter().all(|state| *state == states[0]), "{states:?}");
    let sizes = sizes(&apps[0]).await;
    assert!(sizes.is_sorted_by(|a, b| a < b), "{sizes:?}");
    // They did all sign, and often.
    assert!(sizes.len() >= 3 * SEALS as usize, "{} notes", sizes.len());
    for app in apps {
        Arc::into_inner(app).unwrap().close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_sign_ends_with_its_term() {
    let nodes = Nodes::new().await;
    let app = nodes.open("first").await;
    let store = app.store();
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let agreed = store.signed().await.unwrap().unwrap();
    let next = (agreed.0 + 1, [7; 32]);
    let short = Duration::from_millis(300);
    let long = Duration::from_mins(1);
    assert!(!store.agree_to_sign(one, agreed, next).await.unwrap());
    assert!(store.hold_signing(one, short).await.unwrap());
    assert!(!store.hold_signing(other, long).await.unwrap());
    assert!(!store.agree_to_sign(other, agreed, next).await.unwrap());
    tokio::time::sleep(short * 2).await;
    // It may sign no more, though no other node took over yet.
    assert!(!store.agree_to_sign(one, agreed, next).await.unwrap());
    assert!(store.hold_signing(other, long).await.unwrap());
    assert!(!store.hold_signing(one, long).await.unwrap());
    assert!(!store.agree_to_sign(one, agreed, next).await.unwrap());
    assert_eq!(store.signed().await.unwrap(), Some(agreed));
    // What is agreed on follows what was agreed on last, and nothing else.
    let stale = (agreed.0, [8; 32]);
    assert!(!store.agree_to_sign(other, stale, next).await.unwrap());
    store.release_signing(one).await.unwrap();
    assert!(!store.hold_signing(one, long).await.unwrap());
    store.release_signing(other).await.unwrap();
    assert!(store.hold_signing(one, long).await.unwrap());
    store.release_signing(one).await.unwrap();
    app.close().await;
}

/// A node is held up for longer than its term, at every step; another one signs meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_was_held_up_takes_over_what_the_other_signed() {
    for step in [Step::BeforeHead, Step::BeforeNewest, Step::BeforeAgree] {
        let nodes = Nodes::new().await;
        let (slow, quick) = (nodes.open("slow").await, nodes.open("quick").await);
        append(&slow, 5).await;
        let (sealer, store) = interrupted(&slow, step);
        let held_up = tokio::spawn(async move { sealer.tick().await });
        store.reached().await;
        nodes.end_term().await;
        append(&quick, 3).await;
        let signed = quick.sealer.tick().await.unwrap().unwrap();
        append(&quick, 2).await;
        store.go_on();
        let late = held_up.await.unwrap();
        assert!(matches!(late, Ok(None)), "{step:?}: {late:?}");
        let newest = slow.store().newest_checkpoint().await.unwrap().unwrap();
        assert_eq!(newest.0, signed.size());
        assert_eq!(assert_clean(&slow).await, assert_clean(&quick).await);
        slow.close().await;
        quick.close().await;
    }
}

/// A node that works for longer than its term is not taken for one that stalled.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_at_work_keeps_the_right_to_sign() {
    let nodes = Nodes::new().await;
    let (slow, quick) = (nodes.open("slow").await, nodes.open("quick").await);
    append(&slow, 5).await;
    let (sealer, store) = interrupted(&slow, Step::BeforeHead);
    let working = tokio::spawn(async move { sealer.tick().await });
    store.reached().await;
    nodes.end_term().await;
    // A term is 30 s; it is prolonged every third of it.
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(quick.sealer.tick().await.unwrap(), None);
    store.go_on();
    assert!(working.await.unwrap().unwrap().is_some());
    assert_eq!(assert_clean(&slow).await, assert_clean(&quick).await);
    slow.close().await;
    quick.close().await;
}

/// A node is killed after the nodes agreed on what it signs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_killed_node_was_to_sign_is_signed_by_another() {
    // Before its state was written, and after that.
    for step in [Step::AfterAgree, Step::BeforeSave] {
        let nodes = Nodes::new().await;
        let (killed, other) = (nodes.open("killed").await, nodes.open("other").await);
        append(&killed, 300).await;
        let size = killed.store().head().await.unwrap().size;
        let (sealer, store) = interrupted(&killed, step);
        let dying = tokio::spawn(async move { sealer.tick().await });
        store.reached().await;
        let written = killed.state.read().unwrap();
        assert_eq!(written.size == size, step == Step::BeforeSave);
        // It says nothing more, and does not release what it holds.
        dying.abort();
        let _ = dying.await;
        append(&other, 2).await;
        assert_eq!(other.sealer.tick().await.unwrap(), None, "still its term");
        nodes.end_term().await;
        let signed = other.sealer.tick().await.unwrap().unwrap();
        assert_eq!(signed.size(), size + 2);
        // What was agreed on, first.
        let kept = sizes(&other).await;
        assert_eq!(kept[kept.len() - 2..], [size, size + 2]);
        let states = (assert_clean(&other).await, assert_clean(&killed).await);
        assert_eq!(states.0, states.1);
        killed.close().await;
        other.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_knows_more_than_an_older_database_signs_nothing() {
    let nodes = Nodes::new().await;
    // What this one knows stays as it is.
    nodes.folder("unaware");
    let older = format!("{}_older", nodes.address);
    let (server, name) = nodes.address.rsplit_once('/').unwrap();
    let mut owner = PgConnection::connect(&format!("{server}/postgres"))
        .await
        .unwrap();
    // The pool of the node that was just closed may take a moment to go.
    let copy = format!("CREATE DATABASE {name}_older TEMPLATE {name}");
    let mut copied = owner.execute(copy.as_str()).await;
    for _ in 0..50 {
        if copied.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        copied = owner.execute(copy.as_str()).await;
    }
    copied.unwrap();
    let app = nodes.open("first").await;
    append(&app, 10).await;
    app.seal().await.unwrap();
    app.close().await;

    let location: Location = older.parse().unwrap();
    let app = App::open_at(&nodes.folder("first"), &location)
        .await
        .unwrap();
    let before = app.store().checkpoints().await.unwrap();
    let refuses = async |app: &App| {
        let refused = vitaledger::app::AppError::from(app.sealer.tick().await.unwrap_err());
        assert_eq!(refused.exit_code(), exit::INTEGRITY, "{refused}");
        refused.to_string()
    };
    let said = refuses(&app).await;
    assert!(
        said.contains("it was cut off or is an older copy"),
        "{said}"
    );
    // Also when it has grown beyond.
    append(&app, 20).await;
    refuses(&app).await;
    assert_eq!(app.store().checkpoints().await.unwrap(), before);
    // And when a node that knew nothing of it has signed the other history.
    let unaware = App::open_at(&nodes.folder("unaware"), &location)
        .await
        .unwrap();
    unaware.sealer.tick().await.unwrap().unwrap();
    refuses(&app).await;
    append(&app, 1).await;
    refuses(&app).await;
    let report = app.verify(Scope::Log, |_| {}).await.unwrap();
    assert!(report.wrong.is_some());
    app.close().await;
    unaware.close().await;
}
