//! Events published to a server of NATS, read by its official client.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use vitaledger::http::server::ServeOptions;
use vitaledger::store::location::Location;
use vitaledger::subscription::nats::target::Target;

use crate::contracts::{Beside, script};
use crate::foreign::{installed, python};
use crate::on_both;
use crate::running::{Running, VILLAGE, options};

on_both! {
    each_position_is_published_once_whatever_happens_to_the_server_of_nats
}

/// How long something is waited for that a server does on its own.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server of NATS with its streams in a folder.
pub struct Nats {
    child: Child,
    pub port: u16,
}

impl Nats {
    pub fn start(folder: &Path, port: u16) -> Self {
        let child = Command::new(installed("nats").join("nats-server"))
            .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
            .args(["--jetstream", "--store_dir"])
            .arg(folder.join("nats"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    /// Kills it, as a machine that fails does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    fn options(&self) -> ServeOptions {
        ServeOptions {
            nats: Some(Target {
                servers: self.url(),
                stream: "EVENTS".to_owned(),
                prefix: "county.events".to_owned(),
                credentials: None,
            }),
            ..options()
        }
    }

    /// Everything that the stream has; it has `count` messages.
    pub fn read(&self, subject: &str, count: u64) -> Vec<Value> {
        let mut command = python("events");
        command.arg(script("read_stream.py")).args([
            &self.url(),
            "EVENTS",
            subject,
            &count.to_string(),
        ]);
        let reader = Beside::start(&mut command);
        (0..count).map(|_| reader.next()).collect()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        // It may have been killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens to.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// How many events the server says that the stream has.
async fn streamed(running: &Running) -> Option<u64> {
    let metrics = String::from_utf8(running.get("/metrics").await.bytes).unwrap();
    let line = metrics.lines();
    let mut found = line.filter_map(|line| line.strip_prefix("vitaledger_streamed_events "));
    found.next().map(|count| count.parse().unwrap())
}

/// Waits until the stream has everything; gives how many that are.
async fn all_streamed(running: &Running) -> u64 {
    let app = running.open().await;
    let head = app.store().head().await.unwrap().size;
    app.close().await;
    let end = Instant::now() + PATIENCE;
    while streamed(running).await != Some(head) {
        assert!(
            Instant::now() < end,
            "{:?} of {head}",
            streamed(running).await
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    head
}

/// Every position once, in order, at its own sequence.
pub fn assert_whole(messages: &[Value]) {
    let mut ids = BTreeSet::new();
    for (position, message) in messages.iter().enumerate() {
        assert_eq!(message["position"], position.to_string(), "{message}");
        assert_eq!(message["sequence"], position + 1, "{message}");
        assert_eq!(message["content_type"], "application/cloudevents+json");
        let id = message["message_id"].as_str().unwrap();
        assert!(id.ends_with(&format!("-{position}")), "{id}");
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
    }
}

async fn each_position_is_published_once_whatever_happens_to_the_server_of_nats(
    mut running: Running,
) {
    let folder = running.folder.path().to_owned();
    let mut nats = Nats::start(&folder, free_port());
    let registrar = running.registrar().await;
    registrar.birth("B1").await;
    drop(registrar);
    running.stop().await;
    running.start(nats.options()).await;
    running.registrar().await.birth("B2").await;
    let count = all_streamed(&running).await;
    let messages = tokio::task::block_in_place(|| nats.read("county.events.>", count));
    assert_whole(&messages);
    let (county, rest) = VILLAGE.split_at(6);
    let (township, village) = rest.split_at(3);
    let subject = format!("county.events.birth.{county}.{township}.{village}");
    let births = messages
        .iter()
        .filter(|one| one["subject"] == subject.as_str());
    assert_eq!(births.count(), 2);
    // It is killed, and comes back after more was recorded.
    nats.kill();
    for number in ["B3", "B4"] {
        running.registrar().await.birth(number).await;
    }
    let mut nats = Nats::start(&folder, nats.port);
    all_streamed(&running).await;
    // A second node publishes, too, while both have something to do.
    let app = running.open().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async move {
        let _ = stopped.await;
    };
    let second = tokio::spawn(vitaledger::http::server::serve(
        app,
        nats.options(),
        |_| (),
        stopped,
    ));
    for number in 5..25 {
        running.registrar().await.birth(&format!("B{number}")).await;
        if number == 12 {
            nats.kill();
            nats = Nats::start(&folder, nats.port);
        }
    }
    let count = all_streamed(&running).await;
    let _ = stop.send(());
    second.await.unwrap().unwrap();
    let messages = tokio::task::block_in_place(|| nats.read("county.events.>", count));
    assert_whole(&messages);
    let of_village = tokio::task::block_in_place(|| nats.read(&subject, 24));
    assert!(
        of_village
            .iter()
            .all(|one| one["subject"] == subject.as_str())
    );
    running.stop_and_verify().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_added_to_the_stream_of_another_log() {
    let mut first = Running::on(Location::Folder, options()).await;
    let nats = Nats::start(first.folder.path(), free_port());
    first.stop().await;
    first.start(nats.options()).await;
    let count = all_streamed(&first).await;
    first.stop().await;
    let mut other = Running::on(Location::Folder, nats.options()).await;
    other.registrar().await.birth("B1").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(streamed(&other).await, Some(0));
    other.stop().await;
    // The first goes on where it was.
    first.start(nats.options()).await;
    first.registrar().await.birth("B2").await;
    let more = all_streamed(&first).await;
    assert!(more > count);
    let messages = tokio::task::block_in_place(|| nats.read("county.events.>", more));
    assert_whole(&messages);
    first.stop().await;
}
