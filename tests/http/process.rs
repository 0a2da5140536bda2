//! The server itself: health, metrics, limits, TLS, and how it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use vitaledger::http::server::{Limits, ServeOptions, TlsFiles};
use vitaledger::store::location::Location;

use crate::on_both;
use crate::running::{Running, birth, limits, make, options, send, tls, with_json};

on_both! {
    health_and_metrics_tell_how_it_is
    readiness_is_red_when_sealing_fails
    what_runs_is_finished_and_sealed_when_it_stops
    two_servers_share_one_ledger
}

async fn health_and_metrics_tell_how_it_is(mut running: Running) {
    assert_eq!(running.get("/health/live").await.bytes, b"live\n");
    let ready = running.get("/health/ready").await.expect(200);
    assert_eq!(
        (&ready["ready"], &ready["complaints"]),
        (&json!(true), &json!([]))
    );
    let client = running.registrar().await;
    client.birth("B1").await;
    running.get("/v1/me").await.problem(401, "no-token");
    let metrics = running.get("/metrics").await;
    assert!(
        metrics
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let text = String::from_utf8(metrics.bytes).unwrap();
    for line in [
        "vitaledger_requests_total{method=\"POST\",route=\"/v1/records/{kind}\",status=\"201\"} 1",
        "vitaledger_refusals_total{problem=\"no-token\"} 1",
        "vitaledger_failed_seals_total 0",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains(&client.secret));
    // The client's own id of a request is kept, if it is one.
    let request = running
        .request(Method::GET, "/health/live")
        .header("x-request-id", "abc-1");
    assert_eq!(send(request).await.header("x-request-id"), "abc-1");
    let request = running
        .request(Method::GET, "/health/live")
        .header("x-request-id", "a b");
    assert_eq!(send(request).await.header("x-request-id").len(), 36);
    running.stop_and_verify().await.close().await;
}

async fn readiness_is_red_when_sealing_fails(mut running: Running) {
    let client = running.registrar().await;
    let state = running.ledger().join("keys/signed.json");
    let kept = std::fs::read(&state).unwrap();
    std::fs::write(&state, "{}").unwrap();
    client.birth("B1").await;
    let ready = async || running.get("/health/ready").await;
    let mut answer = ready().await;
    for _ in 0..200 {
        if answer.status.as_u16() == 503 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = ready().await;
    }
    let red = answer.expect(503);
    assert_eq!(red["complaints"], json!(["sealing-failed"]));
    // Appends go on, and what is sealed can still be read.
    client.birth("B2").await;
    assert_eq!(running.get("/checkpoint").await.status.as_u16(), 200);
    std::fs::write(&state, kept).unwrap();
    let mut answer = ready().await;
    for _ in 0..200 {
        if answer.status.as_u16() == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = ready().await;
    }
    answer.expect(200);
    running.stop_and_verify().await.close().await;
}

async fn what_runs_is_finished_and_sealed_when_it_stops(mut running: Running) {
    let client = running.registrar().await;
    let requests: Vec<_> = (0..40)
        .map(|number| {
            let request = client.request(Method::POST, "/v1/records/birth");
            with_json(request, &birth(&format!("B{number}")))
        })
        .collect();
    let sent: Vec<_> = requests
        .into_iter()
        .map(|request| {
            tokio::spawn(async move { request.send().await.map(|a| a.status().as_u16()) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let app = running.stop_and_verify().await;
    let mut recorded = 0;
    for one in sent {
        // A connection that came too late was not taken; one that was taken was answered.
        if let Ok(status) = one.await.unwrap() {
            assert_eq!(status, 201);
            recorded += 1;
        }
    }
    let head = app.store().head().await.unwrap().size;
    let entries = app.store().entries(0, head).await.unwrap();
    let births = entries.iter().filter(|one| {
        let entry: Value = serde_json::from_slice(&one.bytes).unwrap();
        entry["aggregate_type"] == "birth"
    });
    assert_eq!(births.count(), recorded);
    app.close().await;
}

async fn two_servers_share_one_ledger(mut running: Running) {
    let client = running.registrar().await;
    let app = running.open().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (ready, address) = tokio::sync::oneshot::channel();
    let second = tokio::spawn(vitaledger::http::server::serve(
        app,
        options(),
        move |address| ready.send(address).unwrap(),
        async move {
            let _ = stopped.await;
        },
    ));
    let other = format!("http://{}/v1/records/birth", address.await.unwrap());
    let http = reqwest::Client::new();
    let mut tasks = Vec::new();
    for number in 0..20 {
        let url = if number % 2 == 0 {
            other.clone()
        } else {
            running.url("/v1/records/birth")
        };
        let request = http.post(url).bearer_auth(&client.secret);
        let request = with_json(request, &birth(&format!("B{number}")));
        tasks.push(tokio::spawn(async move { send(request).await.expect(201) }));
    }
    let mut positions = Vec::new();
    for task in tasks {
        positions.push(task.await.unwrap()["position"].as_u64().unwrap());
    }
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len(), 20);
    let rows = client.get("/v1/registers/birth").await.expect(200);
    assert_eq!(rows["rows"].as_array().unwrap().len(), 20);
    let _ = stop.send(());
    second.await.unwrap().unwrap();
    running.stop_and_verify().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_are_told_to_wait() {
    let limits = Limits {
        rate_per_second: 5,
        patience: Duration::from_mins(1),
        ..limits()
    };
    let options = ServeOptions {
        limits,
        ..options()
    };
    let mut running = Running::on(Location::Folder, options).await;
    let mut refused = 0;
    for _ in 0..30 {
        let answer = running.get("/checkpoint").await;
        if answer.status.as_u16() == 429 {
            assert_eq!(answer.header("retry-after"), "1");
            answer.problem(429, "too-many-requests");
            refused += 1;
        }
    }
    assert!(refused > 5, "{refused}");
    // Whoever watches the server is not kept out.
    assert_eq!(running.get("/health/live").await.status.as_u16(), 200);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(running.get("/checkpoint").await.status.as_u16(), 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_too_long_is_told() {
    let limits = Limits {
        long_patience: Duration::from_millis(1),
        ..limits()
    };
    let options = ServeOptions {
        limits,
        ..options()
    };
    let mut running = Running::on(Location::Folder, options).await;
    let answer = running.auditor().await.post("/v1/audits", &json!({})).await;
    assert_eq!(answer.header("retry-after"), "5");
    answer.problem(503, "timed-out");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_speaks_tls() {
    let files = TlsFiles {
        certificate: tls().join("server.pem"),
        key: tls().join("server.key"),
    };
    let options = ServeOptions {
        tls: Some(files),
        ..options()
    };
    let mut running = Running::on(Location::Folder, options.clone()).await;
    let client = running.registrar().await;
    client.birth("B1").await;
    // Who speaks plain HTTP is not understood, and disturbs nobody.
    let plain = format!("http://{}/health/live", running.address);
    assert!(reqwest::get(plain).await.is_err());
    client.get("/v1/me").await.expect(200);
    running.stop().await;
    let swapped = TlsFiles {
        certificate: tls().join("ca.pem"),
        key: tls().join("server.key"),
    };
    let options = ServeOptions {
        tls: Some(swapped),
        ..options
    };
    let stop = std::future::pending();
    let app = running.open().await;
    let refused = vitaledger::http::server::serve(app, options, |_| (), stop).await;
    assert!(refused.unwrap_err().to_string().contains("ca.pem"));
}

/// The program on a ledger.
pub fn command(ledger: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitaledger"));
    command.arg("--dir").arg(ledger).args(arguments);
    command
}

/// Runs it to its end; gives what it prints.
fn printed(ledger: &Path, arguments: &[&str]) -> String {
    let done = command(ledger, arguments).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{arguments:?}: {said}");
    String::from_utf8(done.stdout).unwrap()
}

/// Asks a server for its health as a client would that never ends its request.
fn half_a_request(address: &str) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /health/live HTTP/1.1\r\n").unwrap();
    stream
}

/// The program itself, as operators run it.
#[test]
fn the_command_serves_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(make(&ledger, &Location::Folder));
    let create = "token create --role registrar --office 990101100001 --expires 2099-12-31";
    let mut create: Vec<&str> = create.split(' ').collect();
    create.extend(["--name", "hospital system"]);
    let secret = printed(&ledger, &create).trim().to_owned();
    assert!(secret.starts_with("vitaledger_"), "{secret}");
    let listed = printed(&ledger, &["token", "list", "--json"]);
    let is_named = listed.contains("hospital system");
    assert!(is_named && !listed.contains(&secret), "{listed}");
    let mut served = command(
        &ledger,
        &["--json", "serve", "--listen", "127.0.0.1:0", "--grace", "1"],
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(served.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let listening: Value = serde_json::from_str(&line).unwrap();
    let address = listening["listen"].as_str().unwrap();
    let url = format!("http://{address}/v1/records/birth");
    let status = runtime.block_on(async {
        let request = reqwest::Client::new().post(url).bearer_auth(&secret);
        send(with_json(request, &birth("B1"))).await.status
    });
    assert_eq!(status.as_u16(), 201);
    let hanging = half_a_request(address);
    let stopped = Command::new("kill").arg(served.id().to_string()).status();
    assert!(stopped.unwrap().success());
    let served = served.wait_with_output().unwrap();
    drop(hanging);
    assert!(served.status.success());
    check_log(&String::from_utf8(served.stderr).unwrap(), &secret);
    printed(&ledger, &["verify"]);
}

#[test]
fn nobody_logs_in_without_tls_or_without_the_feature() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(make(&ledger, &Location::Folder));
    let (issuer, redirect) = ("http://id.example", "https://a.example/v1/login/callback");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--oidc-issuer", issuer];
    let whole = ["--oidc-client", "a", "--oidc-redirect", redirect];
    let reason = if cfg!(feature = "oidc") {
        "the issuer is no address"
    } else {
        "--features oidc"
    };
    for (more, reason) in [(&whole[..], reason), (&whole[..2], "--oidc-redirect")] {
        let arguments = [&serve[..], more].concat();
        let done = command(&ledger, &arguments).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains(reason), "{said}");
    }
}

/// The log of the server has a line for each request, and no value of one.
fn check_log(log: &str, secret: &str) {
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    let answered = lines.iter().find(|line| line["message"] == "answered");
    let answered = answered.unwrap();
    assert_eq!(answered["route"], "/v1/records/{kind}");
    assert_eq!(answered["status"], 201);
    assert!(!log.contains("甲某某") && !log.contains(secret), "{log}");
    assert!(
        lines.iter().any(|line| line["message"] == "stopped"),
        "{log}"
    );
}
