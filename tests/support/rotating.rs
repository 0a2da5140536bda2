//! A ledger in either store whose signing key changes, and what is asked of it.
//!
//! What comes in: where the databases are to be. What goes out: the ledger, births that are recorded
//! and sealed in it, and who signed what is there. What may fail: nothing that a test could go on
//! after.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use vitaledger::app::App;
use vitaledger::audit::verify::{Scope, Verification};
use vitaledger::ledger::request::Command;
use vitaledger::seal::keys::VerifierKey;
use vitaledger::seal::policy::Policy;
use vitaledger::seal::ring::KeyRing;
use vitaledger::store::location::Location;

use crate::{nodes, postgres};

/// A ledger with one office, and where it is.
pub struct Scene {
    root: TempDir,
    pub location: Location,
}

impl Scene {
    pub async fn new(location: Location) -> Self {
        let root = tempfile::tempdir().unwrap();
        let scene = Self { root, location };
        let app = nodes::init(&scene.at("ledger"), &scene.location).await;
        app.close().await;
        scene
    }

    pub async fn on_server() -> Self {
        Self::new(Location::Postgres(postgres::database().await)).await
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub async fn open(&self, name: &str) -> App {
        App::open_at(&self.at(name), &self.location).await.unwrap()
    }
}

/// Records a birth and seals it, as far as this node can. Gives its position.
pub async fn record(app: &App, number: &str) -> u64 {
    let offices = nodes::offices(app).await;
    let draft = nodes::birth(&offices, number, "甲某某");
    let context = app.context(None);
    let answer = app
        .ledger
        .execute_one(&context, Command::Record(draft))
        .await;
    let position = answer.unwrap().unwrap().receipt().position;
    app.seal().await.unwrap();
    position
}

pub async fn checked(app: &App) -> Verification {
    let report = app.verify(Scope::Everything, |_| ()).await.unwrap();
    assert_eq!(report.wrong, None);
    report
}

/// Everything is right and sealed, and signed by these keys.
pub async fn assert_signed_by(app: &App, keys: &[&VerifierKey]) {
    let report = checked(app).await;
    assert_eq!(report.unsealed, 0);
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    assert_eq!(report.signed_by, keys);
    let note = app.published_note().await.unwrap();
    let lines = String::from_utf8(note).unwrap();
    let lines = lines.lines().filter(|line| line.starts_with('—')).count();
    assert_eq!(lines, keys.len());
    let handed_out = fs::read_to_string(app.folder.join("log.vkey")).unwrap();
    assert_eq!(handed_out.lines().collect::<Vec<_>>(), keys);
}

/// The signing keys whose secret halves are in a folder.
pub fn secrets(folder: &Path) -> usize {
    let ring = KeyRing::new(folder.join("keys"));
    ring.read().unwrap().len()
}

pub fn trusting(keys: &[&VerifierKey]) -> Policy {
    Policy::of_logs(keys.iter().map(|key| (*key).clone()).collect())
}

pub async fn rotate(app: &App) -> VerifierKey {
    let done = app.rotate_signing(false).await.unwrap();
    assert!(done.receipt.is_some());
    done.verifier_key.parse().unwrap()
}
