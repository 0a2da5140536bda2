//! Audits, findings and their life.

use reqwest::Method;
use serde_json::{Value, json};
use vitaledger::store::access::TokenRole;

use crate::on_both;
use crate::running::{
    COUNTY, Client, NEIGHBOUR, Running, TOWNSHIP, VILLAGE, birth, send, with_json,
};

on_both! {
    an_audit_puts_its_findings_on_the_ledger
    a_finding_is_asked_answered_and_dismissed
}

/// Births of the village with faults: one twice, under two numbers; one reported too early.
async fn faulty(running: &Running) {
    let registrar = running.registrar().await;
    for number in ["B1", "B2"] {
        registrar.birth(number).await;
    }
    let mut early = birth("B3");
    early["reported_on"] = json!("2014-05-01");
    let answer = registrar.post("/v1/records/birth", &early).await;
    answer.expect(201);
}

async fn audit(client: &Client<'_>, asked: Value) -> Value {
    client.post("/v1/audits", &asked).await.expect(200)
}

async fn an_audit_puts_its_findings_on_the_ledger(mut running: Running) {
    faulty(&running).await;
    let supervisor = running.token(TokenRole::Supervisor, COUNTY).await;
    let rehearsed = audit(&supervisor, json!({ "dry_run": true })).await;
    assert!(rehearsed["findings"].as_u64().unwrap() > 0, "{rehearsed}");
    assert_eq!(rehearsed["raised"], 0);
    let listed = supervisor.get("/v1/findings").await.expect(200);
    assert_eq!(listed["findings"], json!([]), "nothing was put down");
    let run = audit(&supervisor, json!({})).await;
    assert_eq!(run["faults"], json!([]), "{run}");
    assert_eq!(run["raised"], rehearsed["findings"]);
    let again = audit(&supervisor, json!({})).await;
    let counts = (&again["raised"], &again["standing"]);
    assert_eq!(counts, (&json!(0), &run["raised"]));
    let wrong = json!({ "rules": ["XX9"] });
    let answer = supervisor.post("/v1/audits", &wrong).await;
    answer.problem(422, "invalid-value");
    let listed = supervisor.get("/v1/findings").await.expect(200);
    let count = listed["findings"].as_array().unwrap().len() as u64;
    assert_eq!(count, run["raised"].as_u64().unwrap());
    let township = running.token(TokenRole::Supervisor, TOWNSHIP).await;
    let none = format!("/v1/findings?office={NEIGHBOUR}");
    let listed = township.get(&none).await.expect(200);
    assert_eq!(listed["findings"], json!([]));
    supervisor
        .get("/v1/findings/x")
        .await
        .problem(404, "not-found");
    // An audit by somebody of another office leaves these alone.
    let neighbour = running.token(TokenRole::Supervisor, NEIGHBOUR).await;
    let theirs = audit(&neighbour, json!({})).await;
    assert_eq!(
        (&theirs["findings"], &theirs["cleared"]),
        (&json!(0), &json!(0))
    );
    running.stop_and_verify().await.close().await;
}

async fn a_finding_is_asked_answered_and_dismissed(mut running: Running) {
    faulty(&running).await;
    let supervisor = running.token(TokenRole::Supervisor, COUNTY).await;
    let count = audit(&supervisor, json!({})).await["raised"]
        .as_u64()
        .unwrap();
    let listed = supervisor.get("/v1/findings").await.expect(200);
    let id = listed["findings"][0]["id"].as_str().unwrap();
    let path = format!("/v1/findings/{id}");
    let neighbour = running.token(TokenRole::Registrar, NEIGHBOUR).await;
    neighbour.get(&path).await.problem(404, "not-found");
    let answer = json!({ "text": "the certificate says so" });
    let theirs = neighbour.post(&format!("{path}/answer"), &answer).await;
    theirs.problem(404, "not-found");
    let step =
        async |name: &str, body: Value| supervisor.post(&format!("{path}/{name}"), &body).await;
    // Asked again with the same key, it was asked once.
    let keyed = async |name: &str| {
        let request = supervisor.request(Method::POST, &format!("{path}/{name}"));
        send(with_json(
            request.header("idempotency-key", "k1"),
            &json!({}),
        ))
        .await
    };
    let asked = keyed("ask").await.expect(201);
    let again = keyed("ask").await.expect(200);
    assert_eq!(
        (&again["answer"], &again["position"]),
        (&json!("replayed"), &asked["position"])
    );
    keyed("confirm").await.problem(422, "key-reused");
    let registrar = running.registrar().await;
    let asked = registrar.post(&format!("{path}/ask"), &json!({})).await;
    asked.problem(403, "not-permitted");
    let answered = registrar.post(&format!("{path}/answer"), &answer).await;
    answered.expect(201);
    let found = registrar.get(&path).await.expect(200);
    assert_eq!(
        (&found["state"], &found["office"]),
        (&json!("answered"), &json!(VILLAGE))
    );
    let waiver = json!({ "until": "soon", "reason": "x" });
    step("waive", waiver).await.problem(422, "invalid-value");
    step("dismiss", json!({}))
        .await
        .problem(422, "invalid-value");
    let seen = json!({ "reason": "the certificate was seen" });
    step("dismiss", seen).await.expect(201);
    step("ask", json!({})).await.problem(409, "refused");
    let left = supervisor.get("/v1/findings").await.expect(200);
    assert_eq!(left["findings"].as_array().unwrap().len() as u64, count - 1);
    let dismissed = supervisor.get("/v1/findings?state=dismissed").await;
    assert_eq!(dismissed.expect(200)["findings"][0]["id"], id);
    running.stop_and_verify().await.close().await;
}
