//! A server that is stopped, cuts connections, is full, or is lost at a COMMIT; a node that is
//! killed.
//!
//! What comes in: servers of these tests' own, and clients that send what was not answered again
//! under the same key. What must stay true: what was acknowledged is there, once; what failed
//! failed with a clear error and is safe to send again; nodes connect again by themselves.
#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]
#![allow(clippy::expect_used, reason = "a missing server says what to do")]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/nodes.rs"]
mod nodes;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/postgres.rs"]
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cluster::Cluster;
use proxy::{Cut, Proxy};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;
use vitaledger::app::error::exit;
use vitaledger::app::{App, AppError};
use vitaledger::audit::verify::Scope;
use vitaledger::ledger::request::{Answer, Command, LedgerError, Receipt, Request};
use vitaledger::ledger::writer::Writer;
use vitaledger::model::entry::Entry;
use vitaledger::model::office::OfficeDirectory;
use vitaledger::model::schema::RecordKind;
use vitaledger::store::StoreError;
use vitaledger::store::location::Location;
use vitaledger::store::postgres::PostgresStore;

/// Shorter than what an operator waits.
const SHORT: Duration = Duration::from_secs(2);

/// A ledger on a server.
struct Home {
    root: TempDir,
    location: Location,
}

impl Home {
    async fn on(address: &str) -> Self {
        let home = Self {
            root: tempfile::tempdir().unwrap(),
            location: address.parse().unwrap(),
        };
        let app = nodes::init(&home.folder(), &home.location).await;
        app.close().await;
        home
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("ledger")
    }

    async fn open(&self) -> App {
        App::open_at(&self.folder(), &self.location).await.unwrap()
    }

    /// Opens it with a store that waits less long.
    async fn open_impatient(&self, address: &str) -> App {
        let location: Location = address.parse().unwrap();
        let mut app = App::open_at(&self.folder(), &location).await.unwrap();
        let store = Arc::new(PostgresStore::open(address, SHORT).await.unwrap());
        let ledger = Arc::get_mut(&mut app.ledger).unwrap();
        ledger.store = store.clone();
        ledger.vault = store.clone();
        ledger.writer = Writer::new(store);
        app
    }

    /// Opened anew, everything that was acknowledged is there once, and all is well.
    async fn assert_kept(&self, receipts: &[Receipt]) {
        let app = self.open().await;
        app.seal().await.unwrap();
        let report = app.verify(Scope::Everything, |_| {}).await.unwrap();
        assert_eq!(report.wrong, None);
        let entries = app.store().entries(0, u64::MAX >> 1).await.unwrap();
        let mut events = BTreeMap::new();
        let mut records: BTreeMap<Uuid, u32> = BTreeMap::new();
        for (stored, position) in entries.iter().zip(0..) {
            assert_eq!(stored.position, position);
            let entry = Entry::parse(&stored.bytes).unwrap();
            events.insert(entry.event_id, position);
            if entry.aggregate_type == RecordKind::Birth.as_str() {
                *records.entry(entry.aggregate_id).or_default() += 1;
            }
        }
        for receipt in receipts {
            assert_eq!(events.get(&receipt.event_id), Some(&receipt.position));
        }
        assert!(records.values().all(|entries| *entries == 1));
        app.close().await;
    }
}

/// Sends one birth.
async fn send(app: &App, offices: &OfficeDirectory, number: &str) -> Result<Answer, LedgerError> {
    let request = Request {
        command: Command::Record(nodes::birth(offices, number, "甲某某")),
        idempotency_key: Some(format!("key-{number}")),
    };
    let context = app.context(None);
    Ok(app.ledger.execute_one(&context, request).await?.unwrap())
}

/// Clients that record until they are ended.
struct Load {
    clients: Vec<tokio::task::JoinHandle<(Vec<Receipt>, Vec<String>)>>,
    ended: Arc<AtomicBool>,
}

impl Load {
    async fn on(app: &Arc<App>, clients: u32) -> Self {
        let offices = nodes::offices(app).await;
        let ended = Arc::new(AtomicBool::new(false));
        let client = |client: u32| {
            let (app, offices, ended) = (app.clone(), offices.clone(), ended.clone());
            tokio::spawn(async move {
                let (mut receipts, mut errors) = (Vec::new(), Vec::new());
                let mut number = 0;
                while !ended.load(Ordering::Relaxed) {
                    match send(&app, &offices, &format!("{client}-{number}")).await {
                        Ok(answer) => {
                            receipts.push(answer.receipt().clone());
                            number += 1;
                        }
                        // The same again, under the same key.
                        Err(error) => {
                            assert_eq!(AppError::from(error).exit_code(), exit::UNAVAILABLE);
                            errors.push(number.to_string());
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                    }
                }
                (receipts, errors)
            })
        };
        Self {
            clients: (0..clients).map(client).collect(),
            ended,
        }
    }

    /// What was acknowledged, and how many requests failed.
    async fn end(self) -> (Vec<Receipt>, usize) {
        self.ended.store(true, Ordering::Relaxed);
        let (mut receipts, mut failed) = (Vec::new(), 0);
        for client in self.clients {
            let (own, errors) = client.await.unwrap();
            receipts.extend(own);
            failed += errors.len();
        }
        (receipts, failed)
    }
}

async fn close(app: Arc<App>) {
    Arc::into_inner(app).unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_stopped_at_once_is_waited_for() {
    let cluster = Cluster::new();
    let home = Home::on(&cluster.address()).await;
    let app = Arc::new(home.open().await);
    let load = Load::on(&app, 8).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        cluster.stop_at_once();
        tokio::time::sleep(Duration::from_millis(700)).await;
        cluster.start();
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    let (receipts, failed) = load.end().await;
    close(app).await;
    // It was away for less than the patience: nobody was told.
    assert_eq!(failed, 0);
    assert!(receipts.len() > 20, "{}", receipts.len());
    home.assert_kept(&receipts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_are_ended_are_made_again() {
    let address = server::database().await;
    let home = Home::on(&address).await;
    let app = Arc::new(home.open().await);
    let load = Load::on(&app, 8).await;
    let mut owner = PgConnection::connect(&address).await.unwrap();
    let mut ended = 0;
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                          WHERE datname = current_database() AND pid <> pg_backend_pid()";
        ended += owner.fetch_all(terminate).await.unwrap().len();
    }
    let (receipts, failed) = load.end().await;
    close(app).await;
    assert_eq!(failed, 0);
    assert!(ended > 40 && receipts.len() > 20, "{ended}");
    home.assert_kept(&receipts).await;
}

/// The part of a node that is killed: a line for each acknowledgement.
async fn record_until_killed(part: &serde_json::Value) {
    let text = |name: &str| part[name].as_str().unwrap().to_owned();
    let location: Location = text("store").parse().unwrap();
    let app = App::open_at(Path::new(&text("folder")), &location)
        .await
        .unwrap();
    let app = Arc::new(app);
    let offices = nodes::offices(&app).await;
    let printed = fs::OpenOptions::new()
        .append(true)
        .open(text("out"))
        .unwrap();
    let clients = (0..4).map(|client| {
        let (app, offices, round) = (app.clone(), offices.clone(), text("round"));
        let mut printed = printed.try_clone().unwrap();
        tokio::spawn(async move {
            for number in 0.. {
                let number = format!("{round}-{client}-{number}");
                let answer = send(&app, &offices, &number).await.unwrap();
                let line = format!("{}\n", answer.receipt().position);
                printed.write_all(line.as_bytes()).unwrap();
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    loop {
        app.sealer.tick().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(clients.iter().all(|client| !client.is_finished()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_is_killed_holds_nobody_up() {
    if let Some(part) = nodes::part() {
        return record_until_killed(&part).await;
    }
    let address = server::database().await;
    let home = Home::on(&address).await;
    let doomed = nodes::node(&home.folder(), &home.root.path().join("doomed"));
    let out = home.root.path().join("acknowledged");
    fs::write(&out, "").unwrap();
    let app = Arc::new(home.open().await);
    let load = Load::on(&app, 4).await;
    for round in 0..6 {
        let part = serde_json::json!({
            "store": address, "folder": doomed, "out": out, "round": round.to_string(),
        });
        let before = fs::read_to_string(&out).unwrap().len();
        let mut node = nodes::start("a_node_that_is_killed_holds_nobody_up", &part);
        let begun = Instant::now();
        while fs::read_to_string(&out).unwrap().len() < before + 200 {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "nothing was recorded"
            );
            tokio::time::sleep(Duration::from_millis(37)).await;
        }
        node.kill().unwrap();
        node.wait().unwrap();
        // What it held is free: this node's own next append is answered.
        let offices = nodes::offices(&app).await;
        let begun = Instant::now();
        send(&app, &offices, &format!("after-{round}"))
            .await
            .unwrap();
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
    }
    let (receipts, failed) = load.end().await;
    assert_eq!(failed, 0);
    let text = fs::read_to_string(&out).unwrap();
    let positions: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    let size = app.store().head().await.unwrap().size;
    assert!(positions.iter().all(|position| *position < size));
    close(app).await;
    // The term of the node that was killed may not be over yet.
    let mut owner = PgConnection::connect(&address).await.unwrap();
    let over = "UPDATE vitaledger.signing SET held_until = clock_timestamp() - interval '1 s'";
    owner.execute(over).await.unwrap();
    home.assert_kept(&receipts).await;
    let app = App::open_at(&doomed, &home.location).await.unwrap();
    app.seal().await.unwrap();
    let report = app.verify(Scope::Everything, |_| {}).await.unwrap();
    assert_eq!(report.wrong, None);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_loses_nothing() {
    let cluster = Cluster::on_small_disk(160);
    let home = Home::on(&cluster.address()).await;
    let app = Arc::new(home.open_impatient(&cluster.address()).await);
    let offices = nodes::offices(&app).await;
    let mut receipts = Vec::new();
    let mut record = async |number: &str| {
        let answer = send(&app, &offices, number).await;
        if let Ok(answer) = &answer {
            receipts.push(answer.receipt().clone());
        }
        answer
    };
    record("before").await.unwrap();
    let filler = cluster.disk().join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    drop(file);
    let mut number = 0;
    let error = loop {
        match record(&number.to_string()).await {
            Ok(_) => number += 1,
            Err(error) => break AppError::from(error),
        }
        assert!(number < 100_000, "the disk is never full");
    };
    assert_eq!(error.exit_code(), exit::UNAVAILABLE, "{error}");
    let said = error.to_string();
    assert!(said.starts_with("storage "), "{said}");
    println!("after {number} records on a full disk: {said}");
    fs::remove_file(&filler).unwrap();
    if !cluster.runs() {
        cluster.start();
    }
    // The server may still recover from what it broke off at.
    let begun = Instant::now();
    while let Err(error) = record(&number.to_string()).await {
        assert!(begun.elapsed() < Duration::from_mins(1), "{error}");
    }
    record("after").await.unwrap();
    close(app).await;
    home.assert_kept(&receipts).await;
}

/// A ledger behind a proxy.
async fn behind_proxy() -> (Home, Proxy, App, Arc<OfficeDirectory>) {
    let address = server::database().await;
    let home = Home::on(&address).await;
    let (user, rest) = address.rsplit_once('@').unwrap();
    let (host, database) = rest.split_once('/').unwrap();
    let proxy = Proxy::before(host);
    let way = format!("{user}@127.0.0.1:{}/{database}", proxy.port());
    let app = home.open_impatient(&way).await;
    let offices = nodes::offices(&app).await;
    (home, proxy, app, offices)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_lost_at_the_commit_appends_once() {
    let (home, proxy, app, offices) = behind_proxy().await;
    let mut receipts = Vec::new();
    for (number, cut) in [
        ("1", Cut::BeforeServer),
        ("2", Cut::BeforeClient),
        ("3", Cut::BeforeClient),
        ("4", Cut::BeforeServer),
    ] {
        let size = app.store().head().await.unwrap().size;
        let cuts = proxy.cuts();
        proxy.cut(cut, false);
        let answer = send(&app, &offices, number).await.unwrap();
        assert_eq!(proxy.cuts(), cuts + 1, "the commit was not cut");
        assert!(matches!(answer, Answer::Appended(_)), "{cut:?}: {answer:?}");
        assert_eq!(app.store().head().await.unwrap().size, size + 1, "{cut:?}");
        receipts.push(answer.receipt().clone());
    }
    app.close().await;
    home.assert_kept(&receipts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_outcome_that_stays_unknown_is_said_so_and_sent_again() {
    let (home, proxy, app, offices) = behind_proxy().await;
    let mut receipts = Vec::new();
    for (number, cut) in [("1", Cut::BeforeServer), ("2", Cut::BeforeClient)] {
        proxy.cut(cut, true);
        let begun = Instant::now();
        let error = send(&app, &offices, number).await.unwrap_err();
        let unknown = matches!(error, LedgerError::Store(StoreError::Unknown { .. }));
        assert!(unknown, "{error:?}");
        assert!(begun.elapsed() < SHORT * 10, "{:?}", begun.elapsed());
        let error = AppError::from(error);
        assert_eq!(error.exit_code(), exit::UNAVAILABLE);
        assert!(error.to_string().contains("send it again"), "{error}");
        // While it is away nothing else is known either, and nothing is claimed.
        assert!(send(&app, &offices, number).await.is_err());
        proxy.mend();
        let answer = send(&app, &offices, number).await.unwrap();
        let replayed = matches!(answer, Answer::Replayed { .. });
        assert_eq!(replayed, cut == Cut::BeforeClient, "{answer:?}");
        receipts.push(answer.receipt().clone());
    }
    app.close().await;
    home.assert_kept(&receipts).await;
}

/// The program, on a server.
fn program(folder: &Path, address: &str, args: &[&str]) -> (i32, String, Duration) {
    let begun = Instant::now();
    let output = Process::new(env!("CARGO_BIN_EXE_vitaledger"))
        .args(args)
        .args(["--dir"])
        .arg(folder)
        .env("VITALEDGER_STORE", address)
        .env_remove("VITALEDGER_DIR")
        .env_remove("VITALEDGER_LANG")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_say_that_the_server_is_away() {
    let cluster = Cluster::new();
    let address = cluster
        .address()
        .replace("vitaledger@", "vitaledger:s3cret@");
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    // A server without a ledger is no fault of the server.
    let (code, said, took) = program(&ledger, &address, &["log"]);
    assert_eq!(code, i32::from(exit::USAGE), "{said}");
    assert!(said.contains("there is no ledger"), "{said}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    let (code, said, _) = program(&ledger, &address, &["init"]);
    assert_eq!(code, 0, "{said}");
    let (code, said, _) = program(&ledger, &address, &["verify"]);
    assert_eq!(code, 0, "{said}");
    cluster.stop_at_once();
    for command in ["log", "verify", "checkpoint"] {
        let (code, said, took) = program(&ledger, &address, &[command]);
        assert_eq!(code, i32::from(exit::UNAVAILABLE), "{said}");
        assert!(said.contains("storage is unavailable"), "{said}");
        assert!(said.contains("Connection refused"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
        assert!(took < Duration::from_secs(15), "{took:?}");
    }
    cluster.start();
    let (code, said, _) = program(&ledger, &address, &["verify"]);
    assert_eq!(code, 0, "{said}");
}
