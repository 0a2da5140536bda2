//! Who may do what, and what stays of what was refused.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::json;
use sha2::{Digest, Sha256};
use vitaledger::app::App;
use vitaledger::app::known::ROW_AGE;
use vitaledger::model::id::OfficeCode;
use vitaledger::store::access::{Token, TokenRole};

use crate::on_both;
use crate::running::{
    COUNTY, FOREIGN, FOREIGN_COUNTY, NEIGHBOUR, Running, TOWNSHIP, VILLAGE, birth_in, send,
};

on_both! {
    a_token_is_needed
    a_token_is_for_its_role
    another_office_is_not_there
    what_was_refused_is_on_the_ledger
    a_revoked_token_works_no_more
    whoever_logs_out_is_out
    whoever_has_the_database_alone_makes_no_token
}

async fn a_token_is_needed(mut running: Running) {
    let problem = running.get("/v1/me").await;
    assert_eq!(problem.header("www-authenticate"), "Bearer");
    problem.problem(401, "no-token");
    for header in ["Basic YTpi", "Bearer", "vitaledger_x"] {
        let asked = running.request(Method::GET, "/v1/me");
        let answer = send(asked.header("authorization", header)).await;
        answer.problem(401, "no-token");
    }
    for secret in [
        "x",
        "vitaledger_",
        &format!("vitaledger_{}", "A".repeat(43)),
    ] {
        let asked = running.request(Method::GET, "/v1/me").bearer_auth(secret);
        send(asked).await.problem(401, "void-token");
    }
    let registrar = running.registrar().await;
    let me = registrar.get("/v1/me").await.expect(200);
    assert_eq!(me["role"], "registrar");
    assert_eq!(me["office"], VILLAGE);
    assert_eq!(me["token"], registrar.token.to_string());
    let secret = registrar.secret.clone();
    // The scheme is the same in any case.
    let asked = running.request(Method::GET, "/v1/me");
    let answer = send(asked.header("authorization", format!("bearer {secret}"))).await;
    answer.expect(200);
    running.stop_and_verify().await.close().await;
}

async fn a_token_is_for_its_role(mut running: Running) {
    let registrar = running.registrar().await;
    let id = registrar.birth("B1").await;
    let of = |path: &str| format!("/v1/records/birth/{id}{path}");
    let supervisor = running.token(TokenRole::Supervisor, COUNTY).await;
    let integrator = running.token(TokenRole::Integrator, COUNTY).await;
    let auditor = running.auditor().await;
    for client in [&registrar, &supervisor, &integrator, &auditor] {
        client.get(&of("")).await.expect(200);
        client.get(&of("/timeline")).await.expect(200);
    }
    for client in [&supervisor, &integrator, &auditor] {
        let answer = client
            .post("/v1/records/birth", &birth_in("B2", VILLAGE))
            .await;
        let problem = answer.problem(403, "not-permitted");
        assert!(problem["detail"].as_str().unwrap().contains("registrar"));
        assert!(problem["detail_zh"].as_str().unwrap().contains("登记员"));
    }
    let purpose = json!({ "purpose": "complaint 12" });
    for client in [&supervisor, &integrator] {
        client
            .post(&of("/unseal"), &purpose)
            .await
            .problem(403, "not-permitted");
        client
            .get("/tile/entries/000.p/1")
            .await
            .problem(403, "not-permitted");
        client
            .post(&of("/evidence"), &json!({}))
            .await
            .problem(403, "not-permitted");
    }
    for client in [&registrar, &integrator] {
        client
            .post("/v1/audits", &json!({}))
            .await
            .problem(403, "not-permitted");
    }
    running
        .get("/tile/entries/000.p/1")
        .await
        .problem(401, "no-token");
    running.stop_and_verify().await.close().await;
}

async fn another_office_is_not_there(mut running: Running) {
    let registrar = running.registrar().await;
    let id = registrar.birth("B1").await;
    let path = format!("/v1/records/birth/{id}");
    let township = running.token(TokenRole::Registrar, TOWNSHIP).await;
    township.get(&path).await.expect(200);
    let neighbour = running.token(TokenRole::Registrar, NEIGHBOUR).await;
    let foreign = running.token(TokenRole::Auditor, FOREIGN_COUNTY).await;
    let nobody = "/v1/records/birth/018f0000-0000-8000-8000-000000000000";
    let there = neighbour.get(&path).await.problem(404, "not-found");
    let not_there = neighbour.get(nobody).await.problem(404, "not-found");
    assert_eq!(
        there["detail"], not_there["detail"],
        "there is no telling which"
    );
    foreign
        .get(&format!("{path}/timeline"))
        .await
        .problem(404, "not-found");
    let purpose = json!({ "purpose": "complaint 12" });
    foreign
        .post(&format!("{path}/unseal"), &purpose)
        .await
        .problem(404, "not-found");
    foreign
        .post(&format!("{path}/evidence"), &json!({}))
        .await
        .problem(404, "not-found");
    let correction = json!({ "values": { "weight_g": 1 }, "reason": "misread" });
    let answer = neighbour.send(Method::PATCH, &path, &correction).await;
    answer.problem(404, "not-found");
    let answer = neighbour
        .post(&format!("{path}/void"), &json!({ "reason": "x" }))
        .await;
    answer.problem(404, "not-found");
    // Nor can a record be put into another office, or be moved there.
    let answer = neighbour
        .post("/v1/records/birth", &birth_in("B2", VILLAGE))
        .await;
    let problem = answer.problem(403, "other-office");
    assert_eq!(problem["errors"][0]["pointer"], "/office");
    let moving = json!({ "values": { "office": NEIGHBOUR }, "reason": "moved" });
    let answer = registrar.send(Method::PATCH, &path, &moving).await;
    let problem = answer.problem(403, "other-office");
    assert_eq!(problem["errors"][0]["pointer"], "/values/office");
    let list = format!("/v1/registers/birth?office={VILLAGE}");
    neighbour.get(&list).await.problem(404, "not-found");
    let rows = neighbour.get("/v1/registers/birth").await.expect(200);
    assert_eq!(rows["rows"], json!([]));
    let rows = township.get("/v1/registers/birth").await.expect(200);
    assert_eq!(rows["rows"][0]["record_id"], id);
    let report = format!("/v1/indicators?office={FOREIGN}&period=2014-06");
    township.get(&report).await.problem(404, "not-found");
    let position = registrar.get(&path).await.expect(200)["position"].clone();
    let proof = format!("/v1/entries/{position}/proof");
    neighbour.get(&proof).await.problem(404, "not-found");
    running.stop_and_verify().await.close().await;
}

/// The events of a token's stream, by their type and what they say.
async fn life(app: &App, token: uuid::Uuid) -> Vec<(String, serde_json::Value)> {
    let stream = app.store().streams(&[token]).await.unwrap().remove(&token);
    let event = |stored: vitaledger::store::StoredEntry| {
        let entry: serde_json::Value = serde_json::from_slice(&stored.bytes).unwrap();
        let name = entry["event_type"].as_str().unwrap().to_owned();
        let payload = entry["payload"][&name].clone();
        (name, payload)
    };
    stream.unwrap().into_iter().map(event).collect()
}

async fn what_was_refused_is_on_the_ledger(mut running: Running) {
    let registrar = running.registrar().await;
    let id = registrar.birth("B1").await;
    let neighbour = running.token(TokenRole::Registrar, NEIGHBOUR).await;
    let path = format!("/v1/records/birth/{id}");
    neighbour.get(&path).await.problem(404, "not-found");
    neighbour
        .post("/v1/audits", &json!({}))
        .await
        .problem(403, "not-permitted");
    // What is wrong with a request is no refusal.
    neighbour
        .post("/v1/records/birth", &json!({}))
        .await
        .problem(422, "invalid-value");
    let (token, secret) = (neighbour.token, neighbour.secret.clone());
    let app = running.stop_and_verify().await;
    let life = life(&app, token).await;
    assert_eq!(life[0].0, "TokenCreated");
    assert_eq!(life[0].1["office"], NEIGHBOUR);
    let refused: Vec<&serde_json::Value> = life[1..]
        .iter()
        .flat_map(|(name, payload)| {
            assert_eq!(name, "Refused");
            payload["refusals"].as_array().unwrap()
        })
        .collect();
    let said: Vec<_> = refused
        .iter()
        .map(|one| {
            (
                one["problem"].as_str().unwrap(),
                one["route"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("other-office", "/v1/records/{kind}/{id}"),
        ("not-permitted", "/v1/audits"),
    ];
    assert_eq!(said, expected);
    let all = app.store().entries(0, 1000).await.unwrap();
    assert!(
        all.iter()
            .all(|one| !String::from_utf8_lossy(&one.bytes).contains(&secret[11..])),
        "the secret is in no entry"
    );
    app.close().await;
}

async fn a_revoked_token_works_no_more(mut running: Running) {
    let registrar = running.registrar().await;
    registrar.get("/v1/me").await.expect(200);
    let app = running.open().await;
    app.revoke_token(registrar.token).await.unwrap();
    let again = app.revoke_token(registrar.token).await.err().unwrap();
    assert!(again.to_string().contains("already"), "{again}");
    assert!(app.revoke_token(uuid::Uuid::nil()).await.is_err());
    app.close().await;
    let answer = registrar.get("/v1/me").await;
    assert!(answer.header("www-authenticate").contains("invalid_token"));
    let problem = answer.problem(401, "void-token");
    assert!(problem["detail"].as_str().unwrap().contains("revoked"));
    let token = registrar.token;
    let app = running.stop_and_verify().await;
    let names: Vec<String> = life(&app, token)
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["TokenCreated", "TokenRevoked", "Refused"]);
    app.close().await;
}

async fn whoever_logs_out_is_out(mut running: Running) {
    let logout = "/v1/logout";
    let (auditor, other) = (running.auditor().await, running.auditor().await);
    for role in TokenRole::ALL {
        let client = running.token(role, VILLAGE).await;
        let out = send(client.request(Method::POST, logout)).await;
        assert_eq!(out.status.as_u16(), 204, "{role}");
        let again = send(client.request(Method::POST, logout)).await;
        again.problem(401, "void-token");
    }
    send(auditor.request(Method::POST, logout)).await;
    auditor.get("/v1/me").await.problem(401, "void-token");
    other.get("/v1/me").await.expect(200);
    for path in ["/v1/login", "/v1/login/callback?code=x&state=y"] {
        let problem = running.get(path).await.problem(404, "not-found");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("identity provider"), "{detail}");
    }
    let token = auditor.token;
    let app = running.stop_and_verify().await;
    let life = life(&app, token).await;
    assert_eq!(life[1].0, "TokenRevoked");
    assert_eq!(life[1].1["actor"], format!("token-{token}"));
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_lies_of_a_secret_lets_nobody_in() {
    let running = Running::on_sqlite().await;
    let registrar = running.registrar().await;
    let secret = [7; 32];
    running.pretend_secret(&Sha256::digest(secret).into()).await;
    let secret = format!("vitaledger_{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
    for _ in 0..60 {
        let asked = running.request(Method::GET, "/v1/me").bearer_auth(&secret);
        send(asked).await.problem(401, "void-token");
    }
    drop(registrar);
}

async fn whoever_has_the_database_alone_makes_no_token(mut running: Running) {
    let registrar = running.registrar().await;
    let id = registrar.birth("B1").await;
    let app = running.open().await;
    let own = app.token_of(&registrar.secret).await.unwrap().unwrap();
    // A second row of the same secret, for more: the hash stands for one only, so the first goes
    // away as only the owner of the tables can make it.
    running.drop_tokens().await;
    let widened = Token {
        role: TokenRole::Auditor,
        office: OfficeCode::parse(COUNTY).unwrap(),
        ..own.clone()
    };
    app.tokens().keep_token(&widened).await.unwrap();
    // Until then the token may be taken for what its row was.
    tokio::time::sleep(ROW_AGE).await;
    registrar.get("/v1/me").await.problem(401, "void-token");
    // As it was, it works again; unless the ledger says that it was revoked.
    running.drop_tokens().await;
    app.tokens().keep_token(&own).await.unwrap();
    let path = format!("/v1/records/birth/{id}");
    registrar.get(&path).await.expect(200);
    app.revoke_token(own.id).await.unwrap();
    running.drop_tokens().await;
    app.tokens().keep_token(&own).await.unwrap();
    registrar.get(&path).await.problem(401, "void-token");
    app.close().await;
    running.stop_and_verify().await.close().await;
}
