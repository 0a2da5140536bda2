//! Audits, findings and their life.

use serde_json::{Value, json};
use vitaledger::store::access::TokenRole;

use crate::on_both;
use crate::running::{COUNTY, NEIGHBOUR, Running, TOWNSHIP, VILLAGE, birth};

on_both! {
    a_finding_lives_on_the_ledger
}

async fn a_finding_lives_on_the_ledger(mut running: Running) {
    let registrar = running.registrar().await;
    // The same birth twice, under two numbers.
    for number in ["B1", "B2"] {
        registrar.birth(number).await;
    }
    // A date that cannot be: it was reported before it happened.
    let mut early = birth("B3");
    early["reported_on"] = json!("2014-05-01");
    registrar
        .post("/v1/records/birth", &early)
        .await
        .expect(201);
    let supervisor = running.token(TokenRole::Supervisor, COUNTY).await;
    let rehearsed = supervisor
        .post("/v1/audits", &json!({ "dry_run": true }))
        .await
        .expect(200);
    assert!(rehearsed["findings"].as_u64().unwrap() > 0, "{rehearsed}");
    assert_eq!(rehearsed["raised"], 0);
    let listed = supervisor.get("/v1/findings").await.expect(200);
    assert_eq!(
        listed["findings"],
        json!([]),
        "nothing was put on the ledger"
    );
    let run = supervisor.post("/v1/audits", &json!({})).await.expect(200);
    assert_eq!(run["faults"], json!([]), "{run}");
    assert_eq!(run["raised"], rehearsed["findings"]);
    let again = supervisor.post("/v1/audits", &json!({})).await.expect(200);
    assert_eq!(
        (&again["raised"], &again["standing"]),
        (&json!(0), &run["raised"])
    );
    let wrong = json!({ "rules": ["XX9"] });
    supervisor
        .post("/v1/audits", &wrong)
        .await
        .problem(422, "invalid-value");
    let listed = supervisor.get("/v1/findings").await.expect(200);
    let findings: Vec<Value> = listed["findings"].as_array().unwrap().clone();
    assert_eq!(findings.len() as u64, run["raised"].as_u64().unwrap());
    let id = findings[0]["id"].as_str().unwrap();
    let path = format!("/v1/findings/{id}");
    let neighbour = running.token(TokenRole::Registrar, NEIGHBOUR).await;
    neighbour.get(&path).await.problem(404, "not-found");
    neighbour
        .post(&format!("{path}/answer"), &json!({ "text": "x" }))
        .await
        .problem(404, "not-found");
    let step =
        async |name: &str, body: Value| supervisor.post(&format!("{path}/{name}"), &body).await;
    step("ask", json!({})).await.expect(201);
    registrar
        .post(&format!("{path}/ask"), &json!({}))
        .await
        .problem(403, "not-permitted");
    let answer = json!({ "text": "the certificate says so" });
    registrar
        .post(&format!("{path}/answer"), &answer)
        .await
        .expect(201);
    let found = registrar.get(&path).await.expect(200);
    assert_eq!(found["state"], "answered");
    assert_eq!(found["office"], VILLAGE);
    step("waive", json!({ "until": "soon", "reason": "x" }))
        .await
        .problem(422, "invalid-value");
    step("dismiss", json!({}))
        .await
        .problem(422, "invalid-value");
    step("dismiss", json!({ "reason": "the certificate was seen" }))
        .await
        .expect(201);
    step("ask", json!({})).await.problem(409, "refused");
    let left = supervisor.get("/v1/findings").await.expect(200);
    assert_eq!(
        left["findings"].as_array().unwrap().len(),
        findings.len() - 1
    );
    let dismissed = supervisor
        .get("/v1/findings?state=dismissed")
        .await
        .expect(200);
    assert_eq!(dismissed["findings"][0]["id"], id);
    let township = running.token(TokenRole::Supervisor, TOWNSHIP).await;
    let none = format!("/v1/findings?office={NEIGHBOUR}");
    assert_eq!(township.get(&none).await.expect(200)["findings"], json!([]));
    supervisor
        .get("/v1/findings/x")
        .await
        .problem(404, "not-found");
    running.stop_and_verify().await.close().await;
}
