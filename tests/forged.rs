//! What someone with the databases alone forges makes the program neither destroy nor hide
//! anything.
//!
//! What comes in: a small sealed ledger. What happens: an entry that erases is written behind the
//! ledger's back, or in the place of a sealed one; the newest checkpoint is deleted; columns get
//! values of another type; a correction races an erasure. What must come out: the content stays,
//! or the failure is named; never a panic.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

use std::path::{Path, PathBuf};

use harness::database::Database;
use tempfile::TempDir;
use uuid::Uuid;
use vitaledger::app::App;
use vitaledger::app::error::exit;
use vitaledger::ledger::request::{Answer, Command, Refusal};
use vitaledger::model::schema::RecordKind;

async fn scene() -> (TempDir, PathBuf, harness::Facts) {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("ledger");
    let facts = harness::make(&folder).await;
    (home, folder, facts)
}

/// The text of a real erasure, made to name another key.
async fn forged_erasure(folder: &Path, facts: &harness::Facts, victim: Uuid) -> String {
    let app = App::open(folder).await.unwrap();
    let key_of = async |id: Uuid| {
        let history = app.ledger.history(id).await.unwrap().unwrap();
        let first = history.positions().next().unwrap();
        hex::encode(history.rows[&first].key_id)
    };
    let (real, other) = (key_of(facts.erased).await, key_of(victim).await);
    let entry = app.store().entry(facts.erasure).await.unwrap().unwrap();
    app.close().await;
    let text = String::from_utf8(entry.bytes).unwrap();
    assert!(text.contains(&real));
    text.replace(&real, &other)
}

async fn is_readable(app: &App, id: Uuid) -> bool {
    let history = app.ledger.history(id).await.unwrap().unwrap();
    history.erased_by.is_none() && history.keys.is_some()
}

#[tokio::test]
async fn a_forged_erasure_that_was_never_sealed_destroys_nothing() {
    let (_home, folder, facts) = scene().await;
    let victim = facts.corrected;
    let text = forged_erasure(&folder, &facts, victim).await;
    let mut database = Database::open(&folder.join("ledger.db")).await;
    let head = database
        .texts("SELECT CAST(max(position) + 1 AS TEXT) FROM entry")
        .await
        .remove(0);
    // A stream of its own, at the end of the log.
    let stream = Uuid::new_v8([5; 16]).to_string();
    let text = text.replacen(&text[17..53], &stream, 1).replace(
        &format!("\"position\":{}", facts.erasure),
        &format!("\"position\":{head}"),
    );
    let insert = format!(
        "INSERT INTO entry (position, aggregate_type, sequence, leaf)
         VALUES ({head}, 'erasure', 1, X'{}')",
        hex::encode(&text)
    );
    database.change_one(&insert).await;
    database.close().await;
    for _ in 0..2 {
        let app = App::open(&folder).await.unwrap();
        assert!(is_readable(&app, victim).await);
        app.close().await;
    }
}

#[tokio::test]
async fn a_forged_erasure_in_the_place_of_a_sealed_one_destroys_nothing() {
    let (_home, folder, facts) = scene().await;
    let victim = facts.corrected;
    let text = forged_erasure(&folder, &facts, victim).await;
    let mut database = Database::open(&folder.join("ledger.db")).await;
    let replace = format!(
        "UPDATE entry SET leaf = X'{}' WHERE position = {}",
        hex::encode(&text),
        facts.erasure
    );
    database.change_one(&replace).await;
    database.close().await;
    let app = App::open(&folder).await.unwrap();
    assert!(is_readable(&app, victim).await);
    app.close().await;
    let wrong = harness::reverify(&folder).await.wrong.unwrap();
    assert_eq!(wrong.position, Some(facts.erasure));
}

/// What was stored and is gone is not made again in silence.
#[tokio::test]
async fn a_deleted_newest_checkpoint_stops_the_sealer() {
    let (_home, folder, _) = scene().await;
    let mut database = Database::open(&folder.join("ledger.db")).await;
    let delete = "DELETE FROM checkpoint WHERE size = (SELECT max(size) FROM checkpoint)";
    database.change_one(delete).await;
    database.close().await;
    let app = App::open(&folder).await.unwrap();
    let before = app.store().checkpoints().await.unwrap().len();
    let birth = harness::birth("N1", "3000");
    for refused in [
        app.seal().await.map(|_| ()).unwrap_err(),
        app.record(RecordKind::Birth, &birth, None)
            .await
            .map(|_| ())
            .unwrap_err(),
    ] {
        assert_eq!(refused.exit_code(), exit::INTEGRITY, "{refused}");
        assert!(refused.to_string().contains("is gone"), "{refused}");
    }
    assert_eq!(app.store().checkpoints().await.unwrap().len(), before);
    app.close().await;
    let wrong = harness::reverify(&folder).await.wrong.unwrap();
    assert!(wrong.what.contains("checkpoints were issued"), "{wrong}");
}

/// STRICT tables refuse a text in an integer column; so the table is declared without, changed,
/// and declared as before.
#[tokio::test]
async fn a_text_in_a_column_of_numbers_is_an_integrity_failure() {
    let (home, original, _) = scene().await;
    let cases = [
        ("ledger.db", "entry", "sequence", "position = 40"),
        ("ledger.db", "idempotency", "position", "1"),
        ("ledger.db", "tile", "hashes", "level = 0"),
        ("ledger.db", "checkpoint", "note", "size = 1"),
        ("vault.db", "sealed", "flags", "position = 40"),
        ("vault.db", "sealed", "erased_by", "position = 40"),
        ("vault.db", "sealed", "key_id", "position = 40"),
        ("vault.db", "token", "tokens", "position = 40"),
        ("vault.db", "woman_token", "year", "1"),
        ("vault.db", "year_key", "wrapped", "1"),
    ];
    for (number, (database, table, column, condition)) in cases.into_iter().enumerate() {
        let folder = home.path().join(format!("copy-{number}"));
        harness::copy(&original, &folder);
        let path = folder.join(database);
        let table_sql = format!("SELECT sql FROM sqlite_master WHERE name = '{table}'");
        let mut opened = Database::open(&path).await;
        let sql = opened.texts(&table_sql).await.remove(0);
        let update = format!("UPDATE {table} SET {column} = 'many' WHERE {condition}");
        assert!(opened.run(&update).await.is_err(), "{update}");
        declare(&mut opened, table, &loose(&sql)).await;
        opened.close().await;
        let mut opened = Database::open(&path).await;
        assert!(opened.run(&update).await.unwrap() > 0, "{update}");
        declare(&mut opened, table, &sql).await;
        opened.close().await;
        match harness::try_reverify(&folder).await {
            Ok(report) => assert!(report.wrong.is_some(), "{table}.{column}"),
            Err(error) => {
                assert_eq!(
                    error.exit_code(),
                    exit::INTEGRITY,
                    "{table}.{column}: {error}"
                );
            }
        }
    }
}

/// The same table without types.
fn loose(sql: &str) -> String {
    let sql = sql.replace(") STRICT, WITHOUT ROWID", ") WITHOUT ROWID");
    sql.replace(") STRICT", ")")
}

async fn declare(opened: &mut Database, table: &str, sql: &str) {
    opened.run("PRAGMA writable_schema = ON").await.unwrap();
    let sql = sql.replace('\'', "''");
    let set = format!("UPDATE sqlite_master SET sql = '{sql}' WHERE name = '{table}'");
    opened.change_one(&set).await;
    opened.run("PRAGMA writable_schema = OFF").await.unwrap();
}

/// Others correct a record again and again while it is erased: nothing of it stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_correction_that_races_an_erasure_leaves_no_row() {
    let (_home, folder, _) = scene().await;
    let app = App::open(&folder).await.unwrap();
    for round in 0..6 {
        let birth = harness::birth(&format!("R{round}"), "3000");
        let answer = app.record(RecordKind::Birth, &birth, None).await;
        let id = answer.unwrap().receipt().aggregate_id;
        let racing = tokio::spawn(correct_until_refused(folder.clone(), id));
        tokio::time::sleep(std::time::Duration::from_millis(30 + 17 * round)).await;
        let plan = app.plan_erasure(&[id]).await.unwrap();
        app.erase(&plan, &harness::approval()).await.unwrap();
        racing.await.unwrap();
        let stream = app.store().streams(&[id]).await.unwrap().remove(&id);
        let positions: Vec<u64> = stream.unwrap().iter().map(|entry| entry.position).collect();
        let rows = app.vault().sealed_at(&positions).await.unwrap();
        assert_eq!(rows.len(), positions.len());
        assert!(
            rows.values()
                .all(|row| row.erased_by.is_some() && row.slots.is_empty())
        );
    }
    app.close().await;
    harness::assert_clean(&folder).await;
}

async fn correct_until_refused(folder: PathBuf, id: Uuid) {
    let app = App::open(&folder).await.unwrap();
    for weight in 2000..2400 {
        let changed = harness::values(&[("weight_g", &weight.to_string())]);
        let answer = app
            .correct(RecordKind::Birth, id, &changed, "misread", None)
            .await;
        if let Err(error) = answer {
            assert!(error.to_string().contains("was erased"), "{error}");
            app.close().await;
            return;
        }
    }
    panic!("never refused");
}

/// The same without luck: a correction that was decided before the erasure and comes after it.
#[tokio::test]
async fn a_correction_that_was_decided_before_an_erasure_conflicts() {
    let (_home, folder, facts) = scene().await;
    let app = App::open(&folder).await.unwrap();
    let id = facts.corrected;
    let stream = app.store().streams(&[id]).await.unwrap().remove(&id);
    let stream = stream.unwrap();
    let rows = app.vault().sealed_at(&[stream[1].position]).await.unwrap();
    let plan = app.plan_erasure(&[id]).await.unwrap();
    app.erase(&plan, &harness::approval()).await.unwrap();
    // As the correction before it, at the version that is free.
    let entry = vitaledger::model::entry::Entry::parse(&stream[1].bytes).unwrap();
    let unplaced = vitaledger::model::entry::Unplaced {
        aggregate_type: "birth",
        aggregate_id: id,
        event_id: Uuid::now_v7(),
        sequence: entry.sequence + 1,
        prefix: Vec::new(),
        simulated_at: None,
    };
    let pending = vitaledger::store::Pending {
        entry: unplaced,
        vault: rows.into_values().next(),
        woman: None,
    };
    let group = vitaledger::store::Group {
        events: vec![pending],
        idempotency: None,
    };
    let outcome = app.store().append(vec![group]).await.unwrap();
    assert!(matches!(
        outcome[0],
        vitaledger::store::Outcome::Conflict { .. }
    ));
    let void = Command::Void {
        record_id: id,
        reason: "why".to_owned(),
        expected: None,
    };
    let answer = app.ledger.execute_one(&app.context(None), void).await;
    let answer: Result<Answer, Refusal> = answer.unwrap();
    assert!(matches!(answer, Err(Refusal::Erased(_))), "{answer:?}");
    app.close().await;
}
