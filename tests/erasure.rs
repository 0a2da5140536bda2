//! What erasure destroys, what it leaves, and that nothing brings the content back.
//!
//! What comes in: a ledger with records of a person. What happens: records are erased, imported
//! again, corrected, looked at; the vault is put back from a backup; a crash comes between the
//! entry of the erasure and the vault. What must come out: every proof still holds, a record that
//! comes again is answered by its first receipt and by the erasure, and neither the ciphertexts
//! nor the wrapped keys nor the tokens can be found in the bytes of the vault's files.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use harness::database::Database;
use tempfile::TempDir;
use uuid::Uuid;
use vitaledger::app::App;
use vitaledger::app::records::Values;
use vitaledger::ledger::request::{Answer, Refusal};
use vitaledger::model::id::Position;
use vitaledger::model::schema::RecordKind;
use vitaledger::model::slot::Slot;
use vitaledger::store::VaultRow;

const KIND: RecordKind = RecordKind::Birth;

/// Secret bytes of a row of the vault: each must be gone after an erasure.
fn secrets(row: &VaultRow) -> Vec<Vec<u8>> {
    let mut secrets = vec![row.slots.clone(), row.keys.clone(), row.content.clone()];
    // A part is enough to be found: rows that span pages lie in pieces.
    secrets.extend(row.slots.chunks_exact(24).map(<[u8]>::to_vec));
    secrets.extend(row.keys.chunks_exact(24).map(<[u8]>::to_vec));
    secrets.extend(row.tokens.chunks_exact(17).map(|token| token[1..].to_vec()));
    secrets.retain(|secret| secret.len() >= 16);
    secrets
}

/// Which of these are found in the files of the vault.
fn found_in_files(folder: &Path, secrets: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    for file in [
        "vault.db",
        "vault.db-wal",
        "vault.db-shm",
        "ledger.db",
        "ledger.db-wal",
    ] {
        let Ok(bytes) = fs::read(folder.join(file)) else {
            continue;
        };
        for secret in secrets {
            if bytes.windows(secret.len()).any(|window| window == secret) {
                found.push(format!("{file}: {}", hex::encode(secret)));
            }
        }
    }
    found
}

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

    async fn open(&self) -> App {
        App::open(&self.folder()).await.unwrap()
    }
}

async fn erase(app: &App, ids: &[Uuid]) -> Position {
    let plan = app.plan_erasure(ids).await.unwrap();
    let receipts = app.erase(&plan, &harness::approval()).await.unwrap();
    receipts[0].position
}

/// The content of the row and its tokens at each position.
async fn rows(app: &App, positions: &[Position]) -> Vec<VaultRow> {
    let rows = app.vault().sealed_at(positions).await.unwrap();
    assert_eq!(rows.len(), positions.len());
    rows.into_values().collect()
}

async fn erased_by(app: &App, values: &Values, key: Option<&str>) -> (Position, Option<Position>) {
    let answer = app.record(KIND, values, key.map(str::to_owned)).await;
    match answer.unwrap() {
        Answer::Replayed { receipt, erased_by } => (receipt.position, erased_by),
        Answer::Appended(receipt) => panic!("appended anew at {}", receipt.position),
    }
}

#[tokio::test]
async fn what_was_erased_is_not_in_the_bytes_of_the_files() {
    let scene = Scene::new().await;
    let app = scene.open().await;
    // Many records, so that rows of many pages go, and a corrected one, whose rows lie apart.
    let mut ids = vec![scene.facts.corrected];
    for number in (10..400).step_by(13) {
        let name = format!("registration/village/R{number:07}");
        let id = app.record_named(&name).unwrap();
        if app.ledger.history(id).await.unwrap().is_some() {
            ids.push(id);
        }
    }
    ids.push(app.record_named("pregnancy_loss/hospital/L2").unwrap());
    assert!(ids.len() > 20, "{}", ids.len());
    let mut positions = Vec::new();
    for plan in app.plan_erasure(&ids).await.unwrap() {
        positions.extend(plan.positions);
    }
    let mut secrets: Vec<Vec<u8>> = Vec::new();
    for row in rows(&app, &positions).await {
        secrets.extend(self::secrets(&row));
    }
    let tokens = app.vault().woman_tokens().await.unwrap();
    for (_, woman) in tokens.iter().filter(|(at, _)| positions.contains(at)) {
        secrets.push(woman.token.to_vec());
    }
    // All of them are there before, or the search proves nothing. Tokens repeat across records
    // that are not erased, so only those that are in no other row are looked for.
    let kept = kept_tokens(&app, &positions).await;
    secrets.retain(|secret| !kept.contains(secret));
    secrets.sort();
    secrets.dedup();
    assert!(secrets.len() > 200, "{}", secrets.len());
    let before = found_in_files(&scene.folder(), &secrets);
    assert!(
        before.len() > secrets.len() * 9 / 10,
        "{} of {}",
        before.len(),
        secrets.len()
    );

    let erasure = erase(&app, &ids).await;
    assert_eq!(
        found_in_files(&scene.folder(), &secrets),
        Vec::<String>::new()
    );
    for row in rows(&app, &positions).await {
        assert_eq!(row.erased_by, Some(erasure));
        assert!(row.keys.is_empty() && row.slots.is_empty());
        assert!(row.content.is_empty() && row.tokens.is_empty());
    }
    app.close().await;
    assert_eq!(
        found_in_files(&scene.folder(), &secrets),
        Vec::<String>::new()
    );
    harness::assert_clean(&scene.folder()).await;
}

/// Tokens of rows that stay.
async fn kept_tokens(app: &App, erased: &[Position]) -> Vec<Vec<u8>> {
    let rows = app.vault().sealed(0, 100_000).await.unwrap();
    rows.iter()
        .filter(|(at, _)| !erased.contains(at))
        .flat_map(|(_, row)| row.tokens.chunks_exact(17))
        .map(|token| token[1..].to_vec())
        .collect()
}

#[tokio::test]
async fn a_record_that_comes_again_is_answered_and_not_restored() {
    let scene = Scene::new().await;
    let app = scene.open().await;
    // X1 was recorded under key-1 and corrected under key-3.
    let first = app.ledger.history(scene.facts.corrected).await.unwrap();
    let first = first.unwrap().positions().next().unwrap();
    let erasure = erase(&app, &[scene.facts.corrected]).await;
    let same = harness::birth("X1", "3100");
    let other = harness::birth("X1", "2222");
    let size = app.store().head().await.unwrap().size;
    for (values, key) in [
        (&same, None),
        (&other, None),
        (&same, Some("key-1")),
        (&same, Some("key-of-a-retry")),
    ] {
        assert_eq!(erased_by(&app, values, key).await, (first, Some(erasure)));
    }
    let changed = harness::values(&[("weight_g", "3300")]);
    let refused = app
        .correct(KIND, scene.facts.corrected, &changed, "why", None)
        .await
        .unwrap_err();
    let says = Refusal::Erased(erasure).to_string();
    assert_eq!(refused.to_string(), says);
    let refused = app
        .void(KIND, scene.facts.corrected, "why", None)
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), says);
    assert!(app.plan_erasure(&[scene.facts.corrected]).await.is_err());
    assert_eq!(app.store().head().await.unwrap().size, size);
    for row in rows(&app, &[first]).await {
        assert!(row.slots.is_empty() && row.keys.is_empty() && row.tokens.is_empty());
    }
    app.close().await;
    harness::assert_clean(&scene.folder()).await;
}

#[tokio::test]
async fn an_import_of_an_erased_record_restores_nothing() {
    let scene = Scene::new().await;
    let app = scene.open().await;
    let ids = ["R0000011", "R0000012", "R0000013"];
    let ids = ids.map(|number| {
        let name = format!("registration/village/{number}");
        app.record_named(&name).unwrap()
    });
    erase(&app, &ids).await;
    let delivery = scene.home.path().join("ledger.delivery");
    let summary = harness::import(&app, &delivery).await;
    assert_eq!(summary.total(|part| part.erased), 3);
    assert_eq!(summary.total(|part| part.recorded), 0);
    assert_eq!(summary.total(|part| part.refused), 0);
    for id in ids {
        let history = app.ledger.history(id).await.unwrap().unwrap();
        assert!(history.erased_by.is_some() && history.keys.is_none());
        assert!(history.value(Slot::must("household_no")).is_none());
    }
    app.close().await;
    harness::assert_clean(&scene.folder()).await;
}

#[tokio::test]
async fn show_says_that_the_content_is_erased() {
    let scene = Scene::new().await;
    let show = |unseal: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vitaledger"));
        command
            .arg("--dir")
            .arg(scene.folder())
            .args(["--json", "show", "birth/village/X3"])
            .args(unseal);
        let output = command.assert().success().get_output().stdout.clone();
        let text = String::from_utf8(output).unwrap();
        let shown: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        (text, shown)
    };
    for unseal in [&[][..], &["--unseal", "--purpose", "complaint 13"]] {
        let (text, shown) = show(unseal);
        assert_eq!(shown["erased_by"], scene.facts.erasure, "{text}");
        for personal in ["乙某某", "甲某某", "99010119880101122X", "H900001"] {
            assert!(!text.contains(personal), "{text}");
        }
        // What is public is still there.
        assert!(text.contains("3200"), "{text}");
    }
    let report = harness::assert_clean(&scene.folder()).await;
    assert_eq!(report.erased, 1);
}

#[tokio::test]
async fn a_vault_from_before_the_erasure_is_erased_again_when_it_is_opened() {
    let scene = Scene::new().await;
    let backup = scene.home.path().join("backup");
    harness::copy(&scene.folder(), &backup);
    let app = scene.open().await;
    let loss = app.record_named("pregnancy_loss/hospital/L3").unwrap();
    let ids = [scene.facts.corrected, scene.facts.voided, loss];
    let mut positions = Vec::new();
    for plan in app.plan_erasure(&ids).await.unwrap() {
        positions.extend(plan.positions);
    }
    assert_eq!(positions.len(), 5);
    let mut secrets: Vec<Vec<u8>> = Vec::new();
    for row in rows(&app, &positions).await {
        secrets.extend([row.slots, row.keys]);
    }
    secrets.retain(|secret| !secret.is_empty());
    let erasure = erase(&app, &ids).await;
    app.close().await;
    harness::assert_clean(&scene.folder()).await;

    harness::restore("vault.db", &backup, &scene.folder());
    assert_eq!(
        found_in_files(&scene.folder(), &secrets).len(),
        secrets.len()
    );
    let app = scene.open().await;
    for row in rows(&app, &positions).await {
        assert_eq!(row.erased_by, Some(erasure));
        assert!(row.slots.is_empty() && row.keys.is_empty() && row.tokens.is_empty());
    }
    assert_eq!(
        found_in_files(&scene.folder(), &secrets),
        Vec::<String>::new()
    );
    assert_eq!(app.reapply_erasures().await.unwrap(), 0);
    app.close().await;
    let report = harness::assert_clean(&scene.folder()).await;
    assert_eq!(report.erased, 4);
}

/// A correction that came between the plan and the erasure is erased with its record.
#[tokio::test]
async fn what_came_after_the_plan_is_erased_too() {
    let scene = Scene::new().await;
    let app = scene.open().await;
    let id = scene.facts.corrected;
    let plan = app.plan_erasure(&[id]).await.unwrap();
    let changed = harness::values(&[("mother_name", "丙某某")]);
    let answer = app.correct(KIND, id, &changed, "misheard", None).await;
    let after = answer.unwrap().receipt().position;
    assert!(!plan[0].positions.contains(&after));
    app.erase(&plan, &harness::approval()).await.unwrap();
    for row in rows(&app, &[after]).await {
        assert!(row.slots.is_empty() && row.tokens.is_empty() && row.erased_by.is_some());
    }
    app.close().await;
    harness::assert_clean(&scene.folder()).await;
}

/// The process dies after the entry of the erasure is durable and before the vault is emptied.
#[tokio::test]
async fn a_crash_between_the_entry_and_the_vault_is_made_good() {
    let scene = Scene::new().await;
    let vault = scene.folder().join("vault.db");
    let refuse = "CREATE TRIGGER crash BEFORE UPDATE ON sealed
        BEGIN SELECT RAISE(ABORT, 'the power is gone'); END";
    let mut opened = Database::open(&vault).await;
    opened.run(refuse).await.unwrap();
    opened.close().await;
    let app = scene.open().await;
    let id = scene.facts.corrected;
    let plan = app.plan_erasure(&[id]).await.unwrap();
    let positions = plan[0].positions.clone();
    let failed = app.erase(&plan, &harness::approval()).await.unwrap_err();
    assert!(
        failed.to_string().contains("erase sealed fields"),
        "{failed}"
    );
    assert!(
        rows(&app, &positions)
            .await
            .iter()
            .all(|row| row.erased_by.is_none())
    );
    app.close().await;
    // Opening takes the triggers off, and this one stays off; the vault has no others.
    let opened = Database::open(&vault).await;
    sqlx::Connection::close(opened.connection).await.unwrap();

    // What is not signed yet may be anyone's: it waits, and is no failure meanwhile.
    let report = harness::reverify(&scene.folder()).await;
    assert_eq!((report.wrong, report.unsealed), (None, 1));
    let app = scene.open().await;
    let left = |rows: Vec<VaultRow>| rows.iter().all(|row| row.erased_by.is_none());
    assert!(left(rows(&app, &positions).await));
    app.seal().await.unwrap();
    assert!(!left(rows(&app, &positions).await));
    app.close().await;
    harness::assert_clean(&scene.folder()).await;
}
