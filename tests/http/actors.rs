//! Who takes part in [`crate::chaos`]: nodes, writers, and a subscriber of each kind.
//!
//! What comes in: the addresses of two nodes, a token. What goes out: what each was told, as it was
//! told. What may fail: everything that is asked of a node, at any moment: it is asked again. What must stay true:
//! whoever is killed keeps what it had saved and nothing else, as a process does.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use rand::Rng;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::running::{VILLAGE, birth_in, with_json};
use crate::stream::{Blocks, field};

/// Pause before something is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// A subscriber of a stream saves how far it is after so many events: what came after is told twice.
const SAVED_EVERY: usize = 10;

/// Some time.
fn up_to(milliseconds: u64) -> Duration {
    Duration::from_millis(rand::rng().random_range(0..milliseconds))
}

/// A node: the program, over a folder with the ledger's keys.
pub struct Node {
    pub folder: PathBuf,
    pub store: String,
    pub nats: String,
    pub address: SocketAddr,
    child: Mutex<Option<Child>>,
}

impl Node {
    pub fn new(folder: PathBuf, store: &str, nats: &str, port: u16) -> Self {
        Self {
            folder,
            store: store.to_owned(),
            nats: nats.to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            child: Mutex::new(None),
        }
    }

    /// What it says is in the file `server.log` of its folder.
    pub fn start(&self) {
        let mut log = OpenOptions::new();
        let log = log.create(true).append(true);
        let log = log.open(self.folder.join("server.log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_vitaledger"))
            .arg("--dir")
            .arg(&self.folder)
            .args([
                "--store",
                &self.store,
                "--json",
                "serve",
                "--rate",
                "100000",
            ])
            .args(["--listen", &self.address.to_string(), "--grace", "1"])
            .args(["--allow-private-webhooks", "--nats", &self.nats])
            .args(["--nats-stream", "EVENTS", "--nats-subject", "county.events"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.child.lock().unwrap() = Some(child);
    }

    /// Kills it, as a machine that fails does.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The nodes, as clients see them.
pub struct Nodes {
    pub all: [Node; 2],
    client: Client,
    /// Becomes true when the writers are to come to an end.
    pub is_enough: AtomicBool,
}

impl Nodes {
    pub fn new(all: [Node; 2]) -> Self {
        Self {
            all,
            client: Client::new(),
            is_enough: AtomicBool::new(false),
        }
    }

    /// A request to one of them, whichever.
    pub fn request(&self, method: Method, path: &str, secret: &str) -> RequestBuilder {
        let node = &self.all[rand::rng().random_range(0..self.all.len())];
        let url = format!("http://{}{path}", node.address);
        self.client.request(method, url).bearer_auth(secret)
    }

    async fn try_to(&self, method: &Method, path: &str, secret: &str, body: &Value) -> Tried {
        self.try_with(method, path, secret, body, None).await
    }

    async fn try_with(
        &self,
        method: &Method,
        path: &str,
        secret: &str,
        body: &Value,
        key: Option<&str>,
    ) -> Tried {
        let mut request = self.request(method.clone(), path, secret);
        request = with_json(request.timeout(PATIENCE), body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        Ok((
            status.as_u16(),
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        ))
    }

    /// Asks until something is written, whatever happens in between; gives the receipt.
    async fn write(
        &self,
        method: &Method,
        path: &str,
        secret: &str,
        body: &Value,
        key: &str,
    ) -> Value {
        loop {
            match self.try_with(method, path, secret, body, Some(key)).await {
                Ok((200 | 201, receipt)) => return receipt,
                Ok((429 | 500.., _)) | Err(_) => sleep(PAUSE).await,
                Ok((status, problem)) => panic!("{path} {key}: {status} {problem}"),
            }
        }
    }
}

type Tried = Result<(u16, Value), reqwest::Error>;

/// Records births and corrects them until it is enough; gives the positions of its receipts.
pub async fn write(nodes: Arc<Nodes>, writer: usize, secret: String) -> Vec<u64> {
    let mut births: Vec<String> = Vec::new();
    let mut positions = Vec::new();
    while !nodes.is_enough.load(Ordering::Relaxed) {
        let number = positions.len();
        let key = format!("writer-{writer}-{number}");
        let corrects = births.len() > 3 && rand::rng().random_bool(0.4);
        let receipt = if corrects {
            let id = &births[rand::rng().random_range(0..births.len())];
            // It is another one each time.
            let weight_g = 3101 + number;
            let body = json!({ "values": { "weight_g": weight_g }, "reason": "misread" });
            let path = format!("/v1/records/birth/{id}");
            let done = nodes.write(&Method::PATCH, &path, &secret, &body, &key);
            done.await
        } else {
            let body = birth_in(&key, VILLAGE);
            let path = "/v1/records/birth";
            let receipt = nodes.write(&Method::POST, path, &secret, &body, &key).await;
            births.push(receipt["record_id"].as_str().unwrap().to_owned());
            receipt
        };
        positions.push(receipt["position"].as_u64().unwrap());
        sleep(up_to(120)).await;
    }
    positions
}

/// An event, as somebody was told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub position: u64,
    pub id: String,
    pub leaf_hash: String,
    pub record: String,
    pub version: u64,
}

impl Told {
    pub fn read(event: &Value) -> Self {
        let of = |name: &str| event[name].as_str().unwrap().to_owned();
        Self {
            position: of("position").parse().unwrap(),
            id: of("id"),
            leaf_hash: of("leafhash"),
            record: of("subject"),
            version: of("recordversion").parse().unwrap(),
        }
    }
}

/// What a subscriber of a stream was told.
#[derive(Default)]
pub struct Heard {
    /// The last position that it saved: all that it knows when it comes back.
    pub saved: Option<u64>,
    /// Each time it came: after which position it asked to go on, and what came.
    pub times: Vec<(Option<u64>, Vec<Told>)>,
}

impl Heard {
    pub fn last(&self) -> Option<u64> {
        let told = self.times.iter().rev().find_map(|(_, told)| told.last());
        told.map(|told| told.position)
    }
}

/// Follows the stream of events, at whichever node there is.
pub async fn follow(
    nodes: Arc<Nodes>,
    secret: String,
    coding: &'static str,
    heard: Arc<Mutex<Heard>>,
) {
    loop {
        let saved = heard.lock().unwrap().saved;
        let request = nodes.request(Method::GET, "/v1/events?from=0", &secret);
        let request = request.header("accept", "text/event-stream");
        let mut request = request.header("accept-encoding", coding);
        if let Some(last) = saved {
            request = request.header("last-event-id", last.to_string());
        }
        if let Ok(mut response) = request.send().await
            && response.status().is_success()
        {
            heard.lock().unwrap().times.push((saved, Vec::new()));
            let mut blocks = Blocks::of(&response);
            // The node may be killed in the middle of an event: that part counts for nothing.
            while let Ok(Some(chunk)) = response.chunk().await {
                blocks.take(&chunk);
                while let Some(block) = blocks.next() {
                    hear(&mut heard.lock().unwrap(), &block);
                }
            }
        }
        sleep(PAUSE).await;
    }
}

fn hear(heard: &mut Heard, block: &str) {
    let Some(data) = field(block, "data") else {
        return;
    };
    let told = Told::read(&serde_json::from_str(data).unwrap());
    let position = told.position;
    let (_, now) = heard.times.last_mut().unwrap();
    now.push(told);
    if now.len() % SAVED_EVERY == 0 {
        heard.saved = Some(position);
    }
}

/// What the consumers of a named subscription were told, and what they know to be acknowledged.
#[derive(Default)]
pub struct Worked {
    pub told: Vec<Told>,
    pub acknowledged: Vec<Told>,
}

/// One of the consumers of a named subscription.
pub async fn consume(
    nodes: Arc<Nodes>,
    secret: String,
    name: &'static str,
    consumer: &'static str,
    worked: Arc<Mutex<Worked>>,
) {
    let path = |what: &str| format!("/v1/subscriptions/{name}/{what}");
    let (claim, acknowledge) = (path("claim"), path("acknowledge"));
    let asked = json!({ "consumer": consumer, "most": 20, "wait_s": 1 });
    loop {
        let claimed = nodes.try_to(&Method::POST, &claim, &secret, &asked);
        let Ok((200, claimed)) = claimed.await else {
            sleep(PAUSE).await;
            continue;
        };
        let events = claimed["events"].as_array().unwrap();
        let told: Vec<Told> = events.iter().map(|one| Told::read(&one["event"])).collect();
        if told.is_empty() {
            continue;
        }
        worked.lock().unwrap().told.extend(told.iter().cloned());
        // It does something about them, and may be killed over it.
        sleep(up_to(50)).await;
        let positions: Vec<u64> = told.iter().map(|one| one.position).collect();
        let body = json!({ "lease": claimed["lease"], "positions": positions });
        let settled = nodes.try_to(&Method::POST, &acknowledge, &secret, &body);
        match settled.await {
            Ok((200, _)) => worked.lock().unwrap().acknowledged.extend(told),
            // Whether it was acknowledged is not known: if not, it comes again.
            Ok((409 | 422 | 429 | 500.., _)) | Err(_) => {}
            Ok((status, problem)) => panic!("{consumer}: {status} {problem}"),
        }
    }
}

/// An endpoint of webhooks in a runtime of its own, which ends with everything in it.
pub struct Hook {
    port: u16,
    runtime: Mutex<Option<Runtime>>,
    told: Arc<Mutex<Vec<Told>>>,
}

async fn receive(State(told): State<Arc<Mutex<Vec<Told>>>>, bytes: Bytes) -> StatusCode {
    let one = Told::read(&serde_json::from_slice(&bytes).unwrap());
    told.lock().unwrap().push(one);
    // It may be killed after it did what it had to, and before it says so.
    sleep(up_to(10)).await;
    StatusCode::NO_CONTENT
}

impl Hook {
    pub fn new(port: u16) -> Self {
        Self {
            port,
            runtime: Mutex::new(None),
            told: Arc::default(),
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub fn start(&self) {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let router = Router::new().fallback(receive);
        let router = router.with_state(self.told.clone());
        let address = format!("127.0.0.1:{}", self.port);
        runtime.spawn(async move {
            // Of the one before it, something may be left for a moment.
            let listener = loop {
                match tokio::net::TcpListener::bind(&address).await {
                    Ok(listener) => break listener,
                    Err(_) => sleep(Duration::from_millis(20)).await,
                }
            };
            axum::serve(listener, router).await.unwrap();
        });
        *self.runtime.lock().unwrap() = Some(runtime);
    }

    pub fn kill(&self) {
        if let Some(runtime) = self.runtime.lock().unwrap().take() {
            runtime.shutdown_background();
        }
    }

    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.kill();
    }
}
