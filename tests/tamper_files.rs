//! What is done to the files of a sealed ledger as a whole is found, too.
//!
//! What comes in: a small sealed ledger. What happens: the schema is altered, triggers are
//! dropped, an index is emptied, rows are added where nobody looks, pages are damaged, older
//! copies of a database are put back, and the state of the last signature is removed or is an
//! older one. What must come out: an integrity failure each time; and nothing more is signed.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};

use harness::database::Database;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor};
use tempfile::TempDir;
use vitaledger::app::error::exit;
use vitaledger::app::{App, AppError};
use vitaledger::model::schema::RecordKind;

struct Scene {
    folder: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        harness::make(&folder.path().join("ledger")).await;
        Self { folder }
    }

    fn original(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    fn copy(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        if path.exists() {
            fs::remove_dir_all(&path).unwrap();
        }
        harness::copy(&self.original(), &path);
        path
    }
}

/// What the check says, which must be that something is wrong.
async fn complaint(folder: &Path) -> String {
    match harness::try_reverify(folder).await {
        Ok(report) => match report.wrong {
            Some(wrong) => wrong.to_string(),
            None => panic!("nothing was detected"),
        },
        Err(error) => {
            assert_eq!(error.exit_code(), exit::INTEGRITY, "{error}");
            error.to_string()
        }
    }
}

/// Runs statements on a database, past everything that would refuse them.
async fn tamper(path: &Path, statements: &[String]) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .pragma("writable_schema", "ON");
    for statement in statements {
        // Each on a connection of its own: a changed schema is read when a file is opened.
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        connection.execute(statement.as_str()).await.unwrap();
        connection.close().await.unwrap();
    }
}

async fn objects(path: &Path, kind: &str) -> Vec<(String, String)> {
    let mut connection =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path))
            .await
            .unwrap();
    let list = "SELECT name, sql FROM sqlite_master WHERE type = ? AND sql IS NOT NULL";
    let found = sqlx::query_as(list)
        .bind(kind)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    found
}

#[tokio::test]
async fn an_altered_schema_is_found() {
    let scene = Scene::new().await;
    let mut dropped = 0;
    for database in ["ledger.db", "vault.db"] {
        for kind in ["trigger", "index", "view"] {
            for (name, _) in objects(&scene.original().join(database), kind).await {
                let folder = scene.copy("copy");
                tamper(&folder.join(database), &[format!("DROP {kind} {name}")]).await;
                let said = complaint(&folder).await;
                assert!(said.contains(&name), "{name}: {said}");
                dropped += 1;
            }
        }
    }
    assert!(dropped >= 13, "{dropped}");
    let additions = [
        ("ledger.db", "CREATE TABLE other (a)"),
        ("ledger.db", "CREATE INDEX other ON entry (leaf)"),
        ("vault.db", "ALTER TABLE sealed ADD COLUMN other TEXT"),
        (
            "vault.db",
            "CREATE TRIGGER sqliteother AFTER DELETE ON token BEGIN SELECT 1; END",
        ),
        ("ledger.db", "CREATE VIEW other AS SELECT leaf FROM entry"),
    ];
    for (database, statement) in additions {
        let folder = scene.copy("copy");
        tamper(&folder.join(database), &[statement.to_owned()]).await;
        let said = complaint(&folder).await;
        assert!(said.contains(database), "{statement}: {said}");
    }
    // A name that the database keeps for itself, given by force.
    let hidden = "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES
        ('trigger', 'sqlite_other', 'token', 0,
         'CREATE TRIGGER sqlite_other AFTER DELETE ON token BEGIN SELECT 1; END')";
    let folder = scene.copy("copy");
    tamper(&folder.join("vault.db"), &[hidden.to_owned()]).await;
    let said = complaint(&folder).await;
    assert!(said.contains("vault.db"), "{said}");
}

/// An index is emptied while its definition says that it covers nothing.
#[tokio::test]
async fn an_index_that_does_not_fit_its_table_is_found() {
    let scene = Scene::new().await;
    for (database, name, false_condition) in [
        ("ledger.db", "entry_rare", " WHERE 0"),
        ("vault.db", "sealed_erased", " WHERE 0"),
        ("ledger.db", "entry_stream", " WHERE 0"),
    ] {
        let path = scene.original().join(database);
        let sql = objects(&path, "index").await;
        let sql = sql.iter().find(|index| index.0 == name).unwrap().1.clone();
        let covers_nothing = sql.split(" WHERE ").next().unwrap().trim_end();
        let covers_nothing = covers_nothing
            .split("\n    WHERE ")
            .next()
            .unwrap()
            .to_owned()
            + false_condition;
        let define = |sql: &str| {
            let sql = sql.replace('\'', "''");
            format!("UPDATE sqlite_master SET sql = '{sql}' WHERE name = '{name}'")
        };
        let folder = scene.copy("copy");
        let path = folder.join(database);
        let statements = [
            define(&covers_nothing),
            format!("REINDEX {name}"),
            define(&sql),
        ];
        tamper(&path, &statements).await;
        complaint(&folder).await;
    }
}

/// Rows are added where no reader by position meets them.
#[tokio::test]
async fn surplus_rows_are_found() {
    let scene = Scene::new().await;
    let entry = "INSERT INTO entry (position, aggregate_type, sequence, leaf)
        SELECT -1, aggregate_type, 99, leaf FROM entry WHERE position = 20";
    let sealed = "INSERT INTO sealed SELECT -1, key_id, keys, slots, content, flags, erased_by, mac
        FROM sealed WHERE position = 20";
    let woman = "INSERT INTO woman_token SELECT 20, year, token, mac FROM woman_token LIMIT 1";
    let statements = [
        ("ledger.db", entry),
        (
            "ledger.db",
            "INSERT INTO idempotency VALUES (X'00112233445566778899AABBCCDDEEFF', X'00', 20)",
        ),
        (
            "ledger.db",
            "INSERT INTO checkpoint SELECT 20, note FROM checkpoint LIMIT 1",
        ),
        (
            "ledger.db",
            "INSERT INTO tile SELECT 0, 2, hashes FROM tile LIMIT 1",
        ),
        ("vault.db", sealed),
        ("vault.db", "INSERT INTO token VALUES (3, X'00')"),
        ("vault.db", "INSERT INTO token VALUES (900, X'')"),
        ("vault.db", woman),
        (
            "vault.db",
            "INSERT INTO year_key VALUES (9999999999, X'00')",
        ),
        ("vault.db", "INSERT INTO year_key VALUES (2020, X'00')"),
        ("vault.db", "INSERT INTO vault_meta VALUES ('other', '')"),
    ];
    for (database, statement) in statements {
        let folder = scene.copy("copy");
        let mut opened = Database::open(&folder.join(database)).await;
        opened.change_one(statement).await;
        opened.close().await;
        complaint(&folder).await;
    }
}

/// A row of an erased record is put back as it was, though authentic.
#[tokio::test]
async fn a_single_row_put_back_after_erasure_is_found() {
    let folder = TempDir::new().unwrap();
    let ledger = folder.path().join("ledger");
    let app = harness::init(&ledger).await;
    let kind = RecordKind::Birth;
    let offices = [
        ("990101000000", "county", ""),
        ("990101100000", "township", "990101000000"),
        ("990101100001", "village", "990101100000"),
    ];
    for (code, level, parent) in offices {
        let office = harness::values(&[("code", code), ("level", level), ("parent", parent)]);
        let office = vitaledger::app::records::office_of(&office).unwrap();
        app.record_office(office).await.unwrap();
    }
    let answer = app.record(kind, &harness::birth("B1", "3100"), None).await;
    let id = answer.unwrap().receipt().aggregate_id;
    let changed = harness::values(&[("mother_name", "乙某某")]);
    app.correct(kind, id, &changed, "misread", None)
        .await
        .unwrap();
    app.close().await;
    let before = folder.path().join("before");
    harness::copy(&ledger, &before);
    let app = App::open(&ledger).await.unwrap();
    let plan = app.plan_erasure(&[id]).await.unwrap();
    app.erase(&plan, &harness::approval()).await.unwrap();
    app.close().await;
    harness::assert_clean(&ledger).await;
    for position in &plan[0].positions {
        let copy = folder.path().join(format!("copy-{position}"));
        harness::copy(&ledger, &copy);
        let back = [
            format!("ATTACH '{}' AS before", before.join("vault.db").display()),
            format!(
                "REPLACE INTO main.sealed SELECT * FROM before.sealed WHERE position = {position}"
            ),
            format!(
                "REPLACE INTO main.token SELECT * FROM before.token WHERE position = {position}"
            ),
        ];
        let mut opened = Database::open(&copy.join("vault.db")).await;
        for statement in back {
            opened.run(&statement).await.unwrap();
        }
        opened.close().await;
        let report = harness::reverify(&copy).await;
        assert_eq!(report.wrong.unwrap().position, Some(*position));
    }
}

/// Bytes of the file itself are overwritten, a page at a time.
#[tokio::test]
async fn damaged_pages_are_found() {
    let scene = Scene::new().await;
    for database in ["ledger.db", "vault.db"] {
        let pages = fs::metadata(scene.original().join(database)).unwrap().len() / 8192;
        for page in [0, 1, pages / 3, pages / 2, pages - 1] {
            let folder = scene.copy("copy");
            let path = folder.join(database);
            let mut bytes = fs::read(&path).unwrap();
            let from = usize::try_from(page * 8192).unwrap();
            bytes[from..from + 512].fill(0xa5);
            fs::write(&path, bytes).unwrap();
            complaint(&folder).await;
        }
        let folder = scene.copy("copy");
        let path = folder.join(database);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        complaint(&folder).await;
    }
}

async fn add_a_record(folder: &Path, number: &str) -> Result<(), AppError> {
    let app = App::open(folder).await?;
    let values = harness::birth(number, "3000");
    let answer = app.record(RecordKind::Birth, &values, None).await;
    app.close().await;
    answer.map(|_| ())
}

#[tokio::test]
async fn older_copies_are_found_by_what_was_signed_last() {
    let scene = Scene::new().await;
    let older = scene.copy("older");
    let head = harness::assert_clean(&older).await.entries;
    let newer = scene.copy("newer");
    for number in ["Y1", "Y2"] {
        add_a_record(&newer, number).await.unwrap();
    }
    harness::assert_clean(&newer).await;
    for databases in [
        &["ledger.db"][..],
        &["vault.db"],
        &["ledger.db", "vault.db"],
    ] {
        let folder = scene.folder.path().join("restored");
        harness::copy(&newer, &folder);
        for database in databases {
            harness::restore(database, &older, &folder);
        }
        let report = harness::reverify(&folder).await;
        let wrong = report.wrong.unwrap();
        assert_eq!(wrong.position, Some(head), "{wrong}");
        if databases.contains(&"ledger.db") {
            assert!(wrong.what.contains("were signed"), "{wrong}");
            let app = App::open(&folder).await.unwrap();
            let refused = app.seal().await.unwrap_err();
            app.close().await;
            assert_eq!(refused.exit_code(), exit::INTEGRITY, "{refused}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}

/// A branch of the log that grew past the size that was signed is not signed.
#[tokio::test]
async fn a_fork_is_neither_signed_nor_clean() {
    let scene = Scene::new().await;
    let (ours, theirs) = (scene.copy("ours"), scene.copy("theirs"));
    add_a_record(&ours, "Y1").await.unwrap();
    for number in ["Z1", "Z2"] {
        add_a_record(&theirs, number).await.unwrap();
    }
    for database in ["ledger.db", "vault.db"] {
        harness::restore(database, &theirs, &ours);
    }
    let said = complaint(&ours).await;
    assert!(
        said.contains("root signed") || said.contains("sealed"),
        "{said}"
    );
    let refused = add_a_record(&ours, "Y2").await.unwrap_err();
    assert_eq!(refused.exit_code(), exit::INTEGRITY, "{refused}");
}

#[tokio::test]
async fn without_the_state_of_the_last_signature_nothing_is_signed() {
    let scene = Scene::new().await;
    let older = fs::read(scene.original().join("keys/signed.json")).unwrap();
    let folder = scene.copy("copy");
    add_a_record(&folder, "Y1").await.unwrap();
    let state = folder.join("keys/signed.json");
    let current = fs::read_to_string(&state).unwrap();
    let notes = fs::read_to_string(&state)
        .unwrap()
        .replace("\"size\":", "\"size\":1");
    let cases = [
        (None, "is missing"),
        (Some("{".to_owned()), "cannot be read"),
        (Some(String::from_utf8(older).unwrap()), ""),
        (Some(notes), ""),
    ];
    for (text, says) in cases {
        match &text {
            Some(text) => fs::write(&state, text).unwrap(),
            None => fs::remove_file(&state).unwrap(),
        }
        let said = complaint(&folder).await;
        assert!(said.contains(says), "{said}");
        let app = App::open(&folder).await.unwrap();
        let before = app.store().checkpoints().await.unwrap().len();
        let refused = app.seal().await.unwrap_err();
        assert_eq!(refused.exit_code(), exit::INTEGRITY, "{refused}");
        assert!(refused.to_string().contains(says), "{refused}");
        assert_eq!(app.store().checkpoints().await.unwrap().len(), before);
        app.close().await;
        assert_eq!(state.exists(), text.is_some());
    }
    fs::write(&state, current).unwrap();
    harness::assert_clean(&folder).await;
}
