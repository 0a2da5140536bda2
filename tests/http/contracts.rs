//! The running server and programs that are not ours: a client that tries everything that the
//! description permits and more (`schemathesis`), a browser's `EventSource`, the reference library of
//! Standard Webhooks, the SDK of CloudEvents.
//!
//! What may fail: a program that could not be installed fails its own tests; see `foreign`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use vitaledger::app::records::Values;
use vitaledger::model::schema::RecordKind;
use vitaledger::store::access::TokenRole;
use vitaledger::store::location::Location;

use crate::endpoint::{Endpoint, Received};
use crate::foreign::{done, installed, python};
use crate::running::{COUNTY, Running, VILLAGE, birth, options};
use crate::webhooks::{NAME, subscribe};

/// How long a program may take to say something.
const PATIENCE: Duration = Duration::from_mins(1);

/// A script of `tests/interop`.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/interop")
        .join(name)
}

/// A program that runs beside a test; what it prints, line by line. It is stopped with it.
pub struct Beside {
    child: Child,
    lines: Receiver<String>,
}

impl Beside {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line, as JSON.
    pub fn next(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the libraries make of cases: the verdict, and what they found.
fn judged(folder: &Path, cases: &[Value]) -> Vec<Result<Value, String>> {
    let input = folder.join("cases");
    let lines: Vec<String> = cases.iter().map(|case| format!("{case}\n")).collect();
    std::fs::write(&input, lines.concat()).unwrap();
    let mut command = python("events");
    command.arg(script("check_events.py"));
    let output = done(command.stdin(std::fs::File::open(&input).unwrap()));
    let text = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<_> = text
        .lines()
        .map(|line| match line.strip_prefix("accepted ") {
            Some(found) => Ok(serde_json::from_str(found).unwrap()),
            None => Err(line.to_owned()),
        })
        .collect();
    assert_eq!(verdicts.len(), cases.len(), "{text}");
    verdicts
}

/// How it asks: everything at the edges of what is described, and a few more of each; the same every
/// time, since nothing is left to chance and one worker asks. What tells events for as long as one
/// listens is not asked, nor what would end the token.
const ASKING: &str = "--checks not_a_server_error --phases examples,coverage,fuzzing --mode all \
    --max-examples 3 --generation-deterministic --workers 1 --suppress-health-check all \
    --warnings off --exclude-operation-id events --exclude-operation-id logout --request-timeout 60 --no-color";

fn schemathesis(running: &Running, secret: &str, folder: &Path) -> std::process::Output {
    let mut command = Command::new(installed("events").join("bin/schemathesis"));
    command
        .current_dir(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["run", &running.url("/v1/openapi.json")])
        .args(["--header", &format!("Authorization: Bearer {secret}")])
        .args(ASKING.split_whitespace());
    command.output().unwrap()
}

/// Whatever is asked, with whatever token, is no error of the server.
async fn has_no_server_error(role: TokenRole) {
    let mut running = Running::on(Location::Folder, options()).await;
    let registrar = running.registrar().await;
    for number in ["B1", "B2"] {
        registrar.birth(number).await;
    }
    let client = running.token(role, COUNTY).await;
    let folder = running.folder.path().to_owned();
    let output = tokio::task::block_in_place(|| schemathesis(&running, &client.secret, &folder));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    // It did ask, and was understood.
    assert!(said.contains("No issues found"), "{said}");
    let metrics = String::from_utf8(running.get("/metrics").await.bytes).unwrap();
    let failed =
        |line: &&str| line.starts_with("vitaledger_requests_total{") && line.contains("status=\"5");
    let failed: Vec<&str> = metrics.lines().filter(failed).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let asked = metrics
        .lines()
        .filter(|line| line.starts_with("vitaledger_requests_total{"));
    assert!(asked.count() > 50, "{metrics}");
    running.stop_and_verify().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_registrar_asks_is_no_server_error() {
    has_no_server_error(TokenRole::Registrar).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_auditor_asks_is_no_server_error() {
    has_no_server_error(TokenRole::Auditor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_supervisor_asks_is_no_server_error() {
    has_no_server_error(TokenRole::Supervisor).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_integrator_asks_is_no_server_error() {
    has_no_server_error(TokenRole::Integrator).await;
}

/// A delivery as a case, with the keys that its endpoint was given.
fn webhook(received: &Received, public: &str, secret: &str) -> Value {
    let headers = received.headers.iter();
    let headers: serde_json::Map<String, Value> = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
        .collect();
    json!({
        "kind": "webhook",
        "headers": headers,
        "body": BASE64_STANDARD.encode(&received.bytes),
        "public": public,
        "secret": secret,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_is_verified_and_read_by_libraries_that_are_not_ours() {
    let mut running = Running::on_sqlite().await;
    let endpoint = Endpoint::start().await;
    subscribe(&running, &endpoint.url()).await;
    let record = running.registrar().await.birth("B1").await;
    let received = endpoint.wait_for(1).await.remove(0);
    let app = running.open().await;
    let own = app.webhook(NAME).await.unwrap().1.remove(0);
    let (public, secret) = (own.public(), own.secret().to_string());
    let new = app.replace_webhook_key(NAME).await.unwrap().remove(0);
    app.close().await;
    let good = webhook(&received, &public, &secret);
    let mut cases = vec![good.clone()];
    let mut changed = received.bytes.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let mut other = good.clone();
    other["body"] = BASE64_STANDARD.encode(changed).into();
    cases.push(other);
    for (header, value) in [
        ("webhook-id", "other"),
        ("webhook-timestamp", "1700000000"),
        ("webhook-signature", "v1,AAAA v1a,AAAA"),
    ] {
        let mut other = good.clone();
        other["headers"][header] = value.into();
        cases.push(other);
    }
    cases.push(webhook(&received, &new.public(), &secret));
    cases.push(webhook(&received, &public, &new.secret()));
    let folder = running.folder.path().to_owned();
    let verdicts = tokio::task::block_in_place(|| judged(&folder, &cases));
    let found = verdicts[0].as_ref().unwrap();
    assert_eq!(found["specversion"], "1.0");
    assert_eq!(found["type"], "org.vitaledger.birth.recorded");
    assert_eq!(found["subject"], record);
    assert_eq!(found["office"], VILLAGE);
    assert_eq!(
        found["data"],
        json!({ "kind": "birth", "change": "recorded" })
    );
    for (number, verdict) in verdicts.iter().enumerate().skip(1) {
        let refused = verdict.as_ref().unwrap_err();
        assert!(refused.starts_with("refused: "), "{number}: {refused}");
    }
    running.stop().await;
}

/// A birth as the command line takes it.
fn values(number: &str) -> Values {
    let birth = birth(number);
    let pairs = birth.as_object().unwrap().iter();
    pairs
        .map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        })
        .collect()
}

const RECORDED: &str = "org.vitaledger.birth.recorded";

/// What a browser would do with the events of births.
fn follow(running: &Running, secret: &str) -> Beside {
    let mut command = Command::new("node");
    command
        .env("VITALEDGER_TEST_NODE", installed("node"))
        .arg(script("follow.mjs"))
        .arg(running.url("/v1/events?kind=birth&from=0"))
        .args([secret, RECORDED]);
    Beside::start(&mut command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_source_goes_on_after_the_server_was_away_and_its_events_are_cloudevents() {
    let mut running = Running::on_sqlite().await;
    let mut records = Vec::new();
    let secret = running.token(TokenRole::Integrator, COUNTY).await.secret;
    for number in ["B1", "B2"] {
        records.push(running.registrar().await.birth(number).await);
    }
    let source = follow(&running, &secret);
    let next = || tokio::task::block_in_place(|| source.next());
    assert_eq!(next(), json!({ "opened": 1 }));
    let mut told = vec![next(), next()];
    // Live.
    records.push(running.registrar().await.birth("B3").await);
    told.push(next());
    // Away, and back on the same port, with something that happened in between.
    let address = running.address;
    running.stop().await;
    let mut beside = options();
    beside.listen = address;
    let app = running.open().await;
    let values = values("B4");
    let answer = app.record(RecordKind::Birth, &values, None).await.unwrap();
    records.push(answer.receipt().aggregate_id.to_string());
    app.close().await;
    running.start(beside).await;
    assert_eq!(next(), json!({ "opened": 2 }));
    told.push(next());
    records.push(running.registrar().await.birth("B5").await);
    told.push(next());
    let cases: Vec<Value> = told
        .iter()
        .map(|event| json!({ "kind": "event", "json": event["data"] }))
        .collect();
    let folder = running.folder.path().to_owned();
    let found = tokio::task::block_in_place(|| judged(&folder, &cases));
    for ((event, found), record) in told.iter().zip(found).zip(&records) {
        let found = found.unwrap();
        assert_eq!(found["subject"], *record, "in order, each once");
        assert_eq!(found["position"], event["id"]);
        assert_eq!(found["type"], RECORDED);
        assert_eq!(event["type"], RECORDED);
        let position: u64 = event["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(found["sequence"], format!("{position:016}"));
    }
    running.stop_and_verify().await.close().await;
}
