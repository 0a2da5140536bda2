//! Events over HTTP: told as they come, or read page by page.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vitaledger::http::server::{Limits, MostStreams, ServeOptions};
use vitaledger::model::entry::leaf_hash;
use vitaledger::seal::keys::VerifierKey;
use vitaledger::seal::proof::TlogProof;
use vitaledger::store::access::TokenRole;
use vitaledger::store::location::Location;

use crate::on_both;
use crate::running::{
    COUNTY, Client, FOREIGN, FOREIGN_COUNTY, NEIGHBOUR, Running, TOWNSHIP, VILLAGE, birth_in,
    limits, options, send, with_json,
};
use crate::stream::{Blocks, field};

on_both! {
    what_was_recorded_is_told_and_then_what_comes
    a_stream_goes_on_where_it_was_left
    kinds_and_offices_are_chosen_on_the_server
    an_event_is_verified_against_the_log
    pages_tell_the_same
    what_cannot_be_asked_is_refused
    streams_end_when_the_server_stops
    a_stream_in_gzip_says_the_same
}

/// How long something is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came over a stream: an event, or up to where was looked.
#[derive(Debug, Clone, PartialEq)]
enum Came {
    Event { id: u64, kind: String, data: Value },
    Looked(u64),
    Said(String),
}

/// A client of a stream.
struct Stream {
    response: reqwest::Response,
    blocks: Blocks,
    /// What a client sends when it comes back.
    last: Option<u64>,
}

async fn open(client: &Client<'_>, path: &str, last: Option<u64>) -> Stream {
    open_as("identity", client, path, last).await
}

async fn open_as(
    coding: &'static str,
    client: &Client<'_>,
    path: &str,
    last: Option<u64>,
) -> Stream {
    let request = client.request(Method::GET, path);
    let request = request.header("accept", "text/event-stream");
    let mut request = request.header("accept-encoding", coding);
    if let Some(last) = last {
        request = request.header("last-event-id", last.to_string());
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["vary"], "Accept-Encoding");
    Stream {
        blocks: Blocks::of(&response),
        response,
        last,
    }
}

impl Stream {
    /// The next block, as a client reads it; nothing at the end.
    async fn next(&mut self) -> Option<Came> {
        loop {
            if let Some(block) = self.blocks.next() {
                return Some(self.read(&block));
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            self.blocks.take(&chunk.unwrap().ok()??);
        }
    }

    fn read(&mut self, block: &str) -> Came {
        let field = |name| field(block, name);
        if let Some(id) = field("id") {
            self.last = Some(id.parse().unwrap());
        }
        match (field("data"), field("id")) {
            (Some(data), Some(id)) => Came::Event {
                id: id.parse().unwrap(),
                kind: field("event").unwrap().to_owned(),
                data: serde_json::from_str(data).unwrap(),
            },
            (None, Some(id)) => Came::Looked(id.parse().unwrap()),
            _ => Came::Said(block.to_owned()),
        }
    }

    /// The next event.
    async fn event(&mut self) -> (u64, Value) {
        loop {
            if let Came::Event { id, data, .. } = self.next().await.unwrap() {
                return (id, data);
            }
        }
    }

    /// The positions of the next events.
    async fn positions(&mut self, count: usize) -> Vec<u64> {
        let mut positions = Vec::new();
        for _ in 0..count {
            positions.push(self.event().await.0);
        }
        positions
    }
}

/// Records a birth; gives its position.
async fn record(client: &Client<'_>, number: &str, office: &str) -> u64 {
    let body = birth_in(number, office);
    let receipt = client.post("/v1/records/birth", &body);
    receipt.await.expect(201)["position"].as_u64().unwrap()
}

async fn what_was_recorded_is_told_and_then_what_comes(mut running: Running) {
    let registrar = running.registrar().await;
    let integrator = running.token(TokenRole::Integrator, COUNTY).await;
    let before = record(&registrar, "B1", VILLAGE).await;
    let mut stream = open(&integrator, "/v1/events?kind=birth", None).await;
    let (id, event) = stream.event().await;
    assert_eq!(id, before);
    let mut latencies = Vec::new();
    for number in 2..12 {
        let begun = Instant::now();
        let position = record(&registrar, &format!("B{number}"), VILLAGE).await;
        assert_eq!(stream.positions(1).await, [position]);
        latencies.push(begun.elapsed());
    }
    assert!(
        latencies.iter().min().unwrap().as_secs() < 2,
        "{latencies:?}"
    );
    // What CloudEvents 1.0 asks for, and what it allows.
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "org.vitaledger.birth.recorded");
    assert!(event["source"].as_str().unwrap().starts_with("urn:uuid:"));
    assert_eq!(event["position"], before.to_string());
    assert_eq!(event["sequence"], format!("{before:016}"));
    assert_eq!(event["subject"], event["partitionkey"]);
    assert_eq!(event["office"], VILLAGE);
    for (name, value) in event.as_object().unwrap() {
        let letters = name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        assert!(letters && name.len() <= 20, "{name}");
        assert!(value.is_string() || name == "data", "{name}: {value}");
    }
    // What is told of a record is what the same token reads of it.
    let path = format!("/v1/records/birth/{}", event["subject"].as_str().unwrap());
    let shown = integrator.get(&path).await.expect(200);
    assert_eq!(event["data"]["public"], shown["public"]);
    assert_eq!(event["recordversion"], shown["version"].to_string());
    let text = event.to_string();
    assert!(!text.contains("甲某某") && !text.contains("99010119880101122X"));
    drop(stream);
    running.stop_and_verify().await.close().await;
}

async fn a_stream_goes_on_where_it_was_left(mut running: Running) {
    let registrar = running.registrar().await;
    let mut recorded = Vec::new();
    let mut told = Vec::new();
    let mut last = None;
    for round in 0..4 {
        let mut stream = open(&registrar, "/v1/events?kind=birth", last).await;
        for number in 0..5 {
            let number = format!("B{round}-{number}");
            recorded.push(record(&registrar, &number, VILLAGE).await);
        }
        // Left in the middle, with events on the way.
        told.extend(stream.positions(3).await);
        last = stream.last;
    }
    let mut stream = open(&registrar, "/v1/events?kind=birth", last).await;
    let left = recorded.len() - told.len();
    told.extend(stream.positions(left).await);
    assert_eq!(told, recorded, "no gap and nothing twice");
    // From a position on, as the query says it; `now` is what comes.
    let path = format!("/v1/events?kind=birth&from={}", recorded[17]);
    let mut stream = open(&registrar, &path, None).await;
    assert_eq!(stream.positions(3).await, recorded[17..]);
    let mut stream = open(&registrar, "/v1/events?kind=birth&from=now", None).await;
    let next = record(&registrar, "B9", VILLAGE).await;
    assert_eq!(stream.positions(1).await, [next]);
    drop(stream);
    running.stop_and_verify().await.close().await;
}

async fn kinds_and_offices_are_chosen_on_the_server(mut running: Running) {
    let township = running.token(TokenRole::Registrar, TOWNSHIP).await;
    let foreign = running.token(TokenRole::Registrar, FOREIGN).await;
    let own = record(&township, "B1", VILLAGE).await;
    let other = record(&foreign, "B2", FOREIGN).await;
    let near = record(&township, "B3", NEIGHBOUR).await;
    let integrator = running.token(TokenRole::Integrator, TOWNSHIP).await;
    let mut stream = open(&integrator, "/v1/events", None).await;
    let mut all = Vec::new();
    while all.last() != Some(&near) {
        let (id, event) = stream.event().await;
        // Offices, too; but nothing of those above, of others, or of none.
        let office = event["office"].as_str().unwrap();
        assert!([TOWNSHIP, VILLAGE, NEIGHBOUR].contains(&office), "{event}");
        all.push(id);
    }
    assert!(all.contains(&own) && !all.contains(&other), "{all:?}");
    let path = format!("/v1/events?kind=birth&kind=activity&office={NEIGHBOUR}");
    let mut stream = open(&integrator, &path, None).await;
    assert_eq!(stream.positions(1).await, [near]);
    // An auditor is told of what is of no office, and that is all that is told of it.
    let auditor = running.auditor().await;
    let mut stream = open(&auditor, "/v1/events?kind=access", None).await;
    let (_, event) = stream.event().await;
    assert_eq!(event["type"], "org.vitaledger.access.token_created");
    assert_eq!(event.get("office"), None);
    assert_eq!(
        event["data"],
        json!({ "kind": "access", "change": "token_created" })
    );
    for office in [FOREIGN_COUNTY, COUNTY, "990303000000"] {
        let path = format!("/v1/events?office={office}");
        integrator.get(&path).await.problem(404, "not-found");
    }
    drop(stream);
    running.stop_and_verify().await.close().await;
}

async fn an_event_is_verified_against_the_log(mut running: Running) {
    let registrar = running.registrar().await;
    record(&registrar, "B1", VILLAGE).await;
    let mut stream = open(&registrar, "/v1/events?kind=birth", None).await;
    let (position, event) = stream.event().await;
    let leaf = hex::decode(event["leafhash"].as_str().unwrap()).unwrap();
    let path = format!("/v1/entries/{position}/proof");
    let proof = registrar.get_sealed(&path).await;
    let proof = TlogProof::parse(&proof.bytes).unwrap();
    let text = std::fs::read_to_string(running.ledger().join("log.vkey")).unwrap();
    let keys: Vec<VerifierKey> = text.lines().map(|line| line.parse().unwrap()).collect();
    // Whoever has the bytes needs not believe the hash, either.
    let entry = running.auditor().await;
    let entry = entry.get(&format!("/v1/entries/{position}")).await;
    assert_eq!(leaf_hash(&entry.bytes).to_vec(), leaf);
    proof.verify(&entry.bytes, &keys).unwrap();
    drop(stream);
    running.stop_and_verify().await.close().await;
}

/// The address of the next page.
fn next_of(link: &str) -> &str {
    let (address, _) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
    address
}

async fn pages_tell_the_same(mut running: Running) {
    let registrar = running.registrar().await;
    let mut recorded = Vec::new();
    for number in 0..7 {
        recorded.push(record(&registrar, &format!("B{number}"), VILLAGE).await);
    }
    let mut told = Vec::new();
    let mut path = "/v1/events?kind=birth&limit=3".to_owned();
    loop {
        let page = registrar.get(&path).await;
        let media_type = "application/cloudevents-batch+json";
        assert_eq!(page.header("content-type"), media_type);
        path = String::from(next_of(page.header("link")));
        let page = page.expect(200);
        let page = page.as_array().unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        let positions = page.iter().map(|event| event["position"].as_str().unwrap());
        told.extend(positions.map(|text| text.parse::<u64>().unwrap()));
    }
    assert_eq!(told, recorded);
    // The last page's link is where the next events will be.
    let next = record(&registrar, "B8", VILLAGE).await;
    let page = registrar.get(&path).await.expect(200);
    assert_eq!(page[0]["position"], next.to_string());
    running.stop_and_verify().await.close().await;
}

async fn what_cannot_be_asked_is_refused(mut running: Running) {
    let registrar = running.registrar().await;
    for path in [
        "/v1/events?from=x",
        "/v1/events?from=-1",
        "/v1/events?from=99999",
        "/v1/events?kind=person",
        "/v1/events?kinds=birth",
        "/v1/events?limit=0",
    ] {
        registrar.get(path).await.problem(400, "malformed");
    }
    for last in ["99999", "x", "18446744073709551615"] {
        let request = registrar.request(Method::GET, "/v1/events");
        let request = request.header("accept", "text/event-stream");
        let answer = send(request.header("last-event-id", last)).await;
        let problem = answer.problem(400, "malformed");
        assert_eq!(problem["errors"][0]["header"], "Last-Event-ID");
    }
    let request = registrar.request(Method::GET, "/v1/events");
    let answer = send(request.header("accept", "text/html")).await;
    answer.problem(406, "not-acceptable");
    running.stop_and_verify().await.close().await;
}

async fn streams_end_when_the_server_stops(mut running: Running) {
    let registrar = running.registrar().await;
    let last = record(&registrar, "B1", VILLAGE).await;
    let mut stream = open(&registrar, "/v1/events?kind=birth", None).await;
    assert_eq!(stream.positions(1).await, [last]);
    let begun = Instant::now();
    running.stop_and_verify().await.close().await;
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "nobody was waited for"
    );
    let mut came = Vec::new();
    while let Some(one) = stream.next().await {
        came.push(one);
    }
    let said = Came::Said(": the server stops".to_owned());
    assert_eq!(came.last(), Some(&said), "{came:?}");
    assert!(stream.last >= Some(last));
}

/// Everything that a stream says until it ends.
async fn all(mut stream: Stream) -> Vec<Came> {
    let mut came = Vec::new();
    while let Some(one) = stream.next().await {
        came.push(one);
    }
    came
}

async fn a_stream_in_gzip_says_the_same(mut running: Running) {
    // Some of them are of all that is told at the time, some of a part of it.
    let paths = ["/v1/events?kind=birth", "/v1/events?from=0"];
    let (registrar, auditor) = (running.registrar().await, running.auditor().await);
    record(&registrar, "B1", VILLAGE).await;
    let (mut plain, mut packed) = (Vec::new(), Vec::new());
    for path in paths {
        plain.push(open(&auditor, path, None).await);
        packed.push(open_as("br, gzip", &auditor, path, None).await);
    }
    let request = auditor.request(Method::GET, paths[1]);
    let request = request.header("accept", "text/event-stream");
    let raw = request.header("accept-encoding", "gzip");
    let mut raw = raw.send().await.unwrap();
    for stream in &packed {
        assert_eq!(stream.response.headers()["content-encoding"], "gzip");
    }
    let mut told = [Vec::new(), Vec::new()];
    for number in 2..10 {
        let position = record(&registrar, &format!("B{number}"), VILLAGE).await;
        // Each is told before the next is recorded.
        for (stream, told) in packed.iter_mut().zip(&mut told) {
            while told.last().is_none_or(|(last, _)| *last < position) {
                told.push(stream.event().await);
            }
        }
    }
    running.stop().await;
    let mut bytes = Vec::new();
    while let Some(chunk) = raw.chunk().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    let mut text = String::new();
    // To its end, with the sum of what was told.
    let mut decoder = GzDecoder::new(bytes.as_slice());
    decoder.read_to_string(&mut text).unwrap();
    assert!(text.ends_with(": the server stops\n\n"), "{text}");
    let births = text.matches("event: org.vitaledger.birth.recorded\n");
    assert_eq!(births.count(), 9, "{text}");
    for ((plain, packed), told) in plain.into_iter().zip(packed).zip(told) {
        let said = Some(Came::Said(": the server stops".to_owned()));
        assert_eq!(all(packed).await.pop(), said);
        let expected = all(plain).await.into_iter();
        let expected = expected.filter_map(|one| match one {
            Came::Event { id, data, .. } => Some((id, data)),
            _ => None,
        });
        assert_eq!(told, expected.collect::<Vec<_>>());
    }
    running.start(options()).await;
    running.stop_and_verify().await.close().await;
}

/// A server whose streams are looked at often.
async fn hasty() -> Running {
    let options = ServeOptions {
        limits: Limits {
            heartbeat: Duration::from_millis(100),
            stall: Duration::from_secs(1),
            streams: MostStreams {
                in_all: 3,
                of_token: 2,
            },
            ..limits()
        },
        ..options()
    };
    Running::on(Location::Folder, options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_say_up_to_where_was_looked() {
    let mut running = hasty().await;
    let registrar = running.registrar().await;
    let mut stream = open(&registrar, "/v1/events?kind=activity", None).await;
    let position = record(&registrar, "B1", VILLAGE).await;
    // Nothing of it is told, but that it was passed over is.
    loop {
        match stream.next().await.unwrap() {
            Came::Looked(looked) if looked >= position => break,
            Came::Event { data, .. } => panic!("{data}"),
            Came::Looked(_) | Came::Said(_) => {}
        }
    }
    assert!(
        stream.last >= Some(position),
        "a client comes back after it"
    );
    // A token that is revoked is told nothing more.
    let app = running.open().await;
    app.revoke_token(registrar.token).await.unwrap();
    app.close().await;
    let mut came = Vec::new();
    while let Some(one) = stream.next().await {
        came.push(one);
    }
    let said = Came::Said(": the token does not work any more".to_owned());
    assert_eq!(came.last(), Some(&said));
    running.stop_and_verify().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_limited() {
    let mut running = hasty().await;
    let one = running.registrar().await;
    let other = running.auditor().await;
    let asked = |client: &Client<'_>| {
        let request = client.request(Method::GET, "/v1/events");
        request.header("accept", "text/event-stream")
    };
    let first = open(&one, "/v1/events", None).await;
    let second = open(&one, "/v1/events", None).await;
    let refused = send(asked(&one)).await;
    assert_eq!(refused.header("retry-after"), "30");
    refused.problem(429, "too-many-requests");
    let third = open(&other, "/v1/events", None).await;
    send(asked(&other)).await.problem(503, "unavailable");
    let text = running.get("/metrics").await.bytes;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("vitaledger_event_streams 3"), "{text}");
    // Whoever goes away makes room.
    drop((first, second));
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = asked(&one).send().await.unwrap();
        if answer.status().as_u16() == 200 {
            break;
        }
        assert!(Instant::now() < end, "there is never room again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(third);
    running.stop_and_verify().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_cut_and_can_go_on() {
    let mut running = hasty().await;
    let registrar = running.registrar().await;
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    let request = format!(
        "GET /v1/events?kind=birth HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\nauthorization: Bearer {}\r\n\r\n",
        registrar.secret
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    // More than the kernel holds for a client that does not read.
    let mut recorded = Vec::new();
    for first in (0..20_000).step_by(500) {
        let changes: Vec<Value> = (first..first + 500)
            .map(|number| json!({ "do": "record", "kind": "birth", "values": birth_in(&format!("B{number}"), VILLAGE) }))
            .collect();
        let request = registrar.request(Method::POST, "/v1/batches");
        let answer = send(with_json(request, &json!({ "changes": changes }))).await;
        let answers = answer.expect(200)["answers"].as_array().unwrap().clone();
        recorded.extend(answers.iter().map(|one| one["position"].as_u64().unwrap()));
    }
    let end = Instant::now() + PATIENCE;
    let streams = async || {
        let text = running.get("/metrics").await.bytes;
        String::from_utf8(text)
            .unwrap()
            .contains("vitaledger_event_streams 0")
    };
    while !streams().await {
        assert!(Instant::now() < end, "it is never cut");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What had been sent can still be read; it ends in the middle of something.
    let mut sent = Vec::new();
    let _ = socket.read_to_end(&mut sent).await;
    let text = String::from_utf8_lossy(&sent);
    let told: BTreeSet<u64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: ")?.parse().ok())
        .collect();
    let last = told.iter().rev().nth(1).copied().unwrap();
    assert!(told.len() < recorded.len(), "nothing was cut");
    // The one before the last was told for sure; from there on, there is no gap.
    let mut stream = open(&registrar, "/v1/events?kind=birth", Some(last)).await;
    let rest: Vec<u64> = recorded.iter().copied().filter(|one| *one > last).collect();
    assert_eq!(stream.positions(rest.len()).await, rest);
    drop(stream);
    running.stop_and_verify().await.close().await;
}
