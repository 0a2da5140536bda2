//! What a PostgreSQL server refuses to the roles of a ledger, and what it tells those who follow.
//!
//! What comes in: a ledger on a server, and logins that are members of one role each. What must
//! stay true: the service changes nothing that was appended and cannot lift the triggers; a reader
//! reads the log and nothing of the vault; who follows is told of an append at once.
#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

#[path = "support/nodes.rs"]
mod nodes;
#[path = "support/postgres.rs"]
mod server;

use std::io::{BufRead, BufReader};
use std::process::{Command as Process, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sqlx::postgres::PgPool;
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;
use vitaledger::app::App;
use vitaledger::ledger::request::Command;
use vitaledger::store::StoreError;
use vitaledger::store::location::Location;
use vitaledger::store::postgres::{PATIENCE, PostgresStore};

/// How soon an append must be known elsewhere, as a rule. Whoever is not told looks once a second.
const SOON: Duration = Duration::from_millis(250);

/// The tables of the log.
const TABLES: [&str; 7] = [
    "entry",
    "idempotency",
    "checkpoint",
    "tile",
    "head",
    "schema_version",
    "signing",
];

/// A ledger with a record, on a server of its own database.
async fn ledger() -> (tempfile::TempDir, String, App) {
    let address = server::database().await;
    let location: Location = address.parse().unwrap();
    let root = tempfile::tempdir().unwrap();
    let app = nodes::init(&root.path().join("ledger"), &location).await;
    append(&app).await;
    app.seal().await.unwrap();
    (root, address, app)
}

async fn append(app: &App) {
    let offices = nodes::offices(app).await;
    let draft = nodes::birth(&offices, &Uuid::now_v7().to_string(), "甲某某");
    let context = app.context(None);
    let answer = app.ledger.execute_one(&context, Command::Record(draft));
    answer.await.unwrap().unwrap();
}

/// A login that is a member of one role and nothing else.
struct Login {
    name: String,
    address: String,
}

impl Login {
    async fn of(role: &str, address: &str) -> Self {
        let name = format!("login_{}", Uuid::now_v7().simple());
        let mut owner = PgConnection::connect(address).await.unwrap();
        let create = format!("CREATE ROLE {name} LOGIN PASSWORD 'test' IN ROLE {role}");
        owner.execute(create.as_str()).await.unwrap();
        let (_, place) = address.split_once('@').unwrap();
        Self {
            address: format!("postgres://{name}:test@{place}"),
            name,
        }
    }

    /// Roles are the whole server's: it is removed again.
    async fn remove(self, owner: &str) {
        let mut owner = PgConnection::connect(owner).await.unwrap();
        let drop = format!("DROP ROLE {}", self.name);
        owner.execute(drop.as_str()).await.unwrap();
    }
}

/// The server's answer to a statement: `ok`, or the code of its refusal.
async fn answer(pool: &PgPool, statement: &str) -> String {
    match pool.execute(statement).await {
        Ok(_) => "ok".to_owned(),
        Err(sqlx::Error::Database(error)) => error.code().unwrap().into_owned(),
        Err(error) => panic!("{statement}: {error}"),
    }
}

/// SQLSTATE: the privilege is missing, or the object is another's.
const REFUSED: &str = "42501";

/// Everything that would change what was appended, or what keeps it.
fn changes() -> Vec<String> {
    let column = |table: &str| match table {
        "entry" | "idempotency" => "position = position + 1",
        "checkpoint" => "note = ''",
        "tile" => "hashes = ''",
        "head" => "size = size - 1",
        _ => "version = 2",
    };
    let mut statements = Vec::new();
    for table in TABLES {
        // What the nodes agree on is changed by agreeing.
        if table != "signing" {
            statements.push(format!("UPDATE vitaledger.{table} SET {}", column(table)));
        }
        for statement in ["DELETE FROM", "TRUNCATE", "DROP TABLE"] {
            statements.push(format!("{statement} vitaledger.{table}"));
        }
        for what in [
            "DISABLE TRIGGER ALL",
            "OWNER TO CURRENT_USER",
            "ADD extra text",
        ] {
            statements.push(format!("ALTER TABLE vitaledger.{table} {what}"));
        }
    }
    for (trigger, table) in [
        ("entry_is_append_only", "entry"),
        ("entry_is_gapless", "entry"),
        ("checkpoint_is_append_only", "checkpoint"),
        ("head_is_kept", "head"),
    ] {
        statements.push(format!("DROP TRIGGER {trigger} ON vitaledger.{table}"));
    }
    for statement in [
        "INSERT INTO vitaledger.head (size) VALUES (0)",
        "CREATE OR REPLACE FUNCTION vitaledger.refuse_change() RETURNS trigger
             LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TABLE vitaledger.own (one int)",
        "DROP SCHEMA vitaledger CASCADE",
        "SET session_replication_role = replica",
    ] {
        statements.push(statement.to_owned());
    }
    statements
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_changes_nothing_that_was_appended() {
    let (_root, address, app) = ledger().await;
    let login = Login::of("vitaledger_service", &address).await;
    // As the owner of everything logs in, and as a login that is a member and no more.
    for address in [&address, &login.address] {
        let store = PostgresStore::open(address, PATIENCE).await.unwrap();
        let user: String = sqlx::query_scalar("SELECT current_user::text")
            .fetch_one(store.pool())
            .await
            .unwrap();
        assert_eq!(user, "vitaledger_service");
        for statement in changes() {
            let said = answer(store.pool(), &statement).await;
            assert_eq!(said, REFUSED, "{statement}");
        }
        // It appends, but only at the end.
        let beyond = "INSERT INTO vitaledger.entry (position, aggregate_type, sequence, leaf)
                      SELECT position + 100, aggregate_type, sequence + 100, leaf
                        FROM vitaledger.entry WHERE position = 1";
        assert_eq!(answer(store.pool(), beyond).await, "23000");
        store.pool().close().await;
    }
    let member = PgPool::connect(&login.address).await.unwrap();
    for role in ["vitaledger", "pg_write_all_data"] {
        let said = answer(&member, &format!("SET ROLE {role}")).await;
        assert_eq!(said, REFUSED, "{role}");
    }
    member.close().await;
    // A whole ledger works as that login.
    let location: Location = login.address.parse().unwrap();
    let member = App::open_at(&app.folder, &location).await.unwrap();
    append(&member).await;
    member.seal().await.unwrap();
    member.close().await;
    app.close().await;
    login.remove(&address).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_reads_the_log_and_not_the_vault() {
    let (_root, address, app) = ledger().await;
    let login = Login::of("vitaledger_reader", &address).await;
    let reader = PgPool::connect(&login.address).await.unwrap();
    let size = app.store().head().await.unwrap().size;
    for relation in ["entry", "events"] {
        let counted: i64 =
            sqlx::query_scalar(&format!("SELECT count(*) FROM vitaledger.{relation}"))
                .fetch_one(&reader)
                .await
                .unwrap();
        assert_eq!(counted, i64::try_from(size).unwrap());
    }
    for table in TABLES {
        let said = answer(&reader, &format!("SELECT * FROM vitaledger.{table}")).await;
        assert_eq!(said, "ok", "{table}");
    }
    let mut refused = changes();
    for table in ["sealed", "token", "woman_token", "year_key", "vault_meta"] {
        refused.push(format!("SELECT * FROM vitaledger_vault.{table}"));
        refused.push(format!("DELETE FROM vitaledger_vault.{table}"));
    }
    for statement in [
        "SET ROLE vitaledger_service",
        "SET ROLE vitaledger_vault",
        "SELECT * FROM vitaledger.lock_head('{}', '{}', '{}')",
        "INSERT INTO vitaledger.checkpoint (size, note) VALUES (99, '')",
        "UPDATE vitaledger.signing SET size = 99",
    ] {
        refused.push(statement.to_owned());
    }
    for statement in refused {
        let said = answer(&reader, &statement).await;
        assert_eq!(said, REFUSED, "{statement}");
    }
    reader.close().await;
    // The program needs the service's rights, and says at once that they are missing.
    let begun = Instant::now();
    let refused = PostgresStore::open(&login.address, PATIENCE).await;
    let error = refused.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("permission denied to set role"), "{said}");
    assert!(!said.contains("test@"), "{said}");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    app.close().await;
    login.remove(&address).await;
}

/// What fails for all is not tried again for each caller of an append alone.
#[tokio::test]
async fn a_failure_of_the_server_is_nobodys_fault() {
    let mut connection = PgConnection::connect(&server::database().await)
        .await
        .unwrap();
    for (code, of_one) in [
        ("08006", false), // the connection failed
        ("53100", false), // the disk is full
        ("53200", false), // out of memory
        ("55P03", false), // a lock was not got in time
        ("57P01", false), // the administrator stops the server
        ("58030", false), // the disk fails
        ("22021", true),  // a character that the database does not have
        ("23505", true),  // a key that is taken
    ] {
        let raise = format!("DO $$ BEGIN RAISE EXCEPTION 'test' USING ERRCODE = '{code}'; END $$");
        let source = connection.execute(raise.as_str()).await.unwrap_err();
        let error = StoreError::Unavailable {
            doing: "append",
            source,
        };
        assert_eq!(error.may_be_of_one_caller(), of_one, "{code}");
    }
}

/// The middle one of some times.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_is_told_of_the_append_of_another_node() {
    let (_root, address, app) = ledger().await;
    let other = PostgresStore::open(&address, PATIENCE).await.unwrap();
    let other: std::sync::Arc<dyn vitaledger::store::Store> = std::sync::Arc::new(other);
    let mut times = Vec::new();
    // The first wait only begins to listen.
    let size = app.store().head().await.unwrap().size;
    other.grown(size, Duration::from_secs(2)).await.unwrap();
    for size in size..size + 11 {
        let waiting = other.clone();
        let told = tokio::spawn(async move {
            let head = waiting.grown(size, Duration::from_secs(30)).await.unwrap();
            (head.size, Instant::now())
        });
        tokio::time::sleep(Duration::from_millis(30)).await;
        append(&app).await;
        let appended = Instant::now();
        let (grown, told) = told.await.unwrap();
        assert_eq!(grown, size + 1);
        times.push(told.saturating_duration_since(appended));
    }
    assert!(median(times.clone()) < SOON, "{times:?}");
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn log_follow_prints_what_another_process_appends_at_once() {
    let (_root, address, app) = ledger().await;
    let mut log = Process::new(env!("CARGO_BIN_EXE_vitaledger"))
        .args(["--json", "log", "--follow", "--dir"])
        .arg(&app.folder)
        .env("VITALEDGER_STORE", &address)
        .env_remove("VITALEDGER_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let printed = BufReader::new(log.stdout.take().unwrap());
    let (line, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for text in printed.lines().map_while(Result::ok) {
            if line.send((text, Instant::now())).is_err() {
                break;
            }
        }
    });
    let wait = Duration::from_secs(30);
    let size = app.store().head().await.unwrap().size;
    for position in 0..size {
        let (text, _) = lines.recv_timeout(wait).unwrap();
        assert!(
            text.contains(&format!("\"position\":{position},")),
            "{text}"
        );
    }
    let mut times = Vec::new();
    for position in size..size + 11 {
        append(&app).await;
        let appended = Instant::now();
        let (text, at) = lines.recv_timeout(wait).unwrap();
        assert!(
            text.contains(&format!("\"position\":{position},")),
            "{text}"
        );
        times.push(at.saturating_duration_since(appended));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    log.kill().unwrap();
    log.wait().unwrap();
    assert!(median(times.clone()) < SOON, "{times:?}");
    app.close().await;
}
