//! Nodes: folders with the same keys over one store, and what they record.
//!
//! What comes in: the place of a new ledger. What goes out: the ledger, copies of its folder that
//! are nodes of their own, births that can be recorded, and processes of this test's own binary.
//! What may fail: nothing that a test could go on after.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part, and stops at the first thing that is not as it should"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use vitaledger::app::{App, InitOptions};
use vitaledger::model::code::OfficeLevel;
use vitaledger::model::id::OfficeCode;
use vitaledger::model::office::{OfficeDirectory, OfficeFields};
use vitaledger::model::record::Draft;
use vitaledger::model::schema::RecordKind;
use vitaledger::store::location::Location;

/// The variable that tells a process of this binary which part it has.
const PART: &str = "VITALEDGER_TEST_PART";
/// The office of every birth.
pub const OFFICE: &str = "990101100901";

/// A new ledger with one office.
pub async fn init(folder: &Path, location: &Location) -> App {
    let options = InitOptions {
        store: location.clone(),
        ..InitOptions::default()
    };
    let app = App::init(folder, &options).await.unwrap();
    let office = OfficeFields {
        code: OfficeCode::parse(OFFICE).unwrap(),
        level: OfficeLevel::Facility,
        name_en: Some("Sample Hospital".to_owned()),
        name_zh: None,
        parent: None,
    };
    app.record_office(office).await.unwrap();
    app
}

/// A folder with the same keys, and what was signed last so far: another node.
pub fn node(of: &Path, folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder.join("keys")).unwrap();
    for name in ["ledger.key", "master.keys", "signing.key", "signed.json"] {
        let name = Path::new("keys").join(name);
        std::fs::copy(of.join(&name), folder.join(&name)).unwrap();
    }
    folder.to_owned()
}

/// The offices as they are now.
pub async fn offices(app: &App) -> Arc<OfficeDirectory> {
    let head = app.store().head().await.unwrap();
    Arc::new(app.offices(head.size).await.unwrap())
}

/// A birth, by its number and its mother's name.
pub fn birth(offices: &OfficeDirectory, number: &str, mother: &str) -> Box<Draft> {
    let cell = |name: &str| match name {
        "source_record_id" => number,
        "source" => "hospital",
        "office" => OFFICE,
        "occurred_on" => "2013-10-20",
        "reported_on" => "2013-10-25",
        "sex" => "F",
        "weight_g" => "3100",
        "mother_name" => mother,
        _ => "",
    };
    let kind = RecordKind::Birth;
    let cells: Vec<&str> = kind.columns().iter().map(|one| cell(one.name)).collect();
    Box::new(Draft::read(kind, &cells, offices).unwrap())
}

/// Starts this test again as another process, which finds its part by [`part`].
pub fn start(test: &str, part: &serde_json::Value) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(PART, part.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The part that this process was started for, if it was.
pub fn part() -> Option<serde_json::Value> {
    let part = std::env::var(PART).ok()?;
    Some(serde_json::from_str(&part).unwrap())
}
