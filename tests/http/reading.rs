//! Records and registers at any moment, timelines, sealed fields, figures.

use reqwest::Method;
use serde_json::{Value, json};
use vitaledger::store::access::TokenRole;

use crate::on_both;
use crate::running::{COUNTY, NEIGHBOUR, Running, TOWNSHIP, VILLAGE, birth_in};

on_both! {
    a_record_is_read_as_of_any_moment
    a_timeline_has_every_change_and_no_sealed_value
    sealed_fields_are_shown_for_a_purpose_that_is_recorded
    registers_are_read_page_by_page
    figures_and_reports_are_as_of_a_moment
}

async fn a_record_is_read_as_of_any_moment(mut running: Running) {
    let client = running.registrar().await;
    let id = client.birth("B1").await;
    let path = format!("/v1/records/birth/{id}");
    let first = client.get(&path).await.expect(200)["position"]
        .as_u64()
        .unwrap();
    let correction = json!({ "values": { "weight_g": 3200 }, "reason": "misread" });
    client
        .send(Method::PATCH, &path, &correction)
        .await
        .expect(201);
    let then = client.get(&format!("{path}?as_of={first}")).await;
    assert_eq!(then.header("etag"), "\"1\"");
    let then = then.expect(200);
    assert_eq!(
        (&then["public"]["weight_g"], &then["version"]),
        (&json!(3100), &json!(1))
    );
    assert_eq!(then["as_of"], first + 1);
    let before = format!("{path}?as_of={}", first - 1);
    client.get(&before).await.problem(404, "not-found");
    client
        .get(&format!("{path}?as_of=2001-01-01"))
        .await
        .problem(404, "not-found");
    let now = client
        .get(&format!("{path}?as_of=2999-01-01"))
        .await
        .expect(200);
    assert_eq!(now["public"]["weight_g"], 3200);
    for (query, parameter) in [
        ("as_of=yesterday", "as_of"),
        ("as_of=99999", "as_of"),
        ("as-of=1", "as-of"),
        ("as_of=1&as_of=2", "as_of"),
    ] {
        let problem = client
            .get(&format!("{path}?{query}"))
            .await
            .problem(400, "malformed");
        assert_eq!(problem["errors"][0]["parameter"], parameter);
    }
    client
        .get(&format!("/v1/records/registration/{id}"))
        .await
        .problem(404, "not-found");
    client
        .get("/v1/records/birth/B1")
        .await
        .problem(404, "not-found");
    running.stop_and_verify().await.close().await;
}

async fn a_timeline_has_every_change_and_no_sealed_value(mut running: Running) {
    let client = running.registrar().await;
    let path = format!("/v1/records/birth/{}", client.birth("B1").await);
    let values = json!({ "weight_g": 3200, "mother_name": "乙某某" });
    let correction = json!({ "values": values, "reason": "misread 12" });
    client
        .send(Method::PATCH, &path, &correction)
        .await
        .expect(201);
    let told = client.get(&format!("{path}/timeline")).await.expect(200);
    let events = told["events"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[1]["event"], "Corrected");
    let changes = events[1]["changes"].as_array().unwrap();
    let of = |name: &str| changes.iter().find(|one| one["field"] == name).unwrap();
    assert_eq!(
        (&of("weight_g")["old"], &of("weight_g")["new"]),
        (&json!("3100"), &json!("3200"))
    );
    assert_eq!(of("mother_name")["new"], "••••");
    let actor = events[1]["metadata"]["actor"].as_str().unwrap();
    assert_eq!(actor, format!("token-{}", client.token));
    for hidden in ["甲某某", "乙某某", "misread 12", "990101198801"] {
        assert!(!told.to_string().contains(hidden), "{hidden}");
    }
    running.stop_and_verify().await.close().await;
}

async fn sealed_fields_are_shown_for_a_purpose_that_is_recorded(mut running: Running) {
    let client = running.registrar().await;
    let id = client.birth("B1").await;
    let path = format!("/v1/records/birth/{id}/unseal");
    let auditor = running.auditor().await;
    auditor
        .post(&path, &json!({}))
        .await
        .problem(422, "invalid-value");
    auditor
        .post(&path, &json!({ "purpose": " " }))
        .await
        .problem(422, "invalid-value");
    let unknown = json!({ "purpose": "complaint 12", "fields": ["mother_name", "weight_g"] });
    let problem = auditor
        .post(&path, &unknown)
        .await
        .problem(422, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "/fields/1");
    let one = json!({ "purpose": "complaint 12", "fields": ["mother_name"] });
    let shown = auditor.post(&path, &one).await.expect(200);
    assert_eq!(shown["values"], json!({ "mother_name": "甲某某" }));
    let all = client
        .post(&path, &json!({ "purpose": "a letter" }))
        .await
        .expect(200);
    assert_eq!(all["values"]["source_record_id"], "B1");
    assert_eq!(all["values"]["mother_id_no"], "99010119880101122X");
    let actor = format!("token-{}", auditor.token);
    let app = running.stop_and_verify().await;
    let logged = app.store().entries_of_type("disclosure").await.unwrap();
    assert_eq!(logged.len(), 2, "what was refused showed nothing");
    let entry: Value = serde_json::from_slice(&logged[0].bytes).unwrap();
    assert_eq!(shown["disclosure"], entry["position"]);
    let said = &entry["payload"]["Disclosed"];
    assert_eq!(said["actor"], actor);
    assert_eq!(said["record_ids"], json!([id]));
    assert_eq!(said["slots"], json!(["mother_name"]));
    app.close().await;
}

async fn registers_are_read_page_by_page(mut running: Running) {
    let client = running.token(TokenRole::Registrar, TOWNSHIP).await;
    for number in 0..5 {
        let office = if number == 2 { NEIGHBOUR } else { VILLAGE };
        let body = birth_in(&format!("B{number}"), office);
        client.post("/v1/records/birth", &body).await.expect(201);
    }
    let first = format!("/v1/registers/birth?limit=2&office={VILLAGE}");
    let answer = client.get(&first).await;
    let link = answer.header("link").to_owned();
    let page = answer.expect(200);
    let as_of = page["as_of"].clone();
    // What comes meanwhile is not in the pages that follow.
    client.birth("B9").await;
    let mut rows = page["rows"].as_array().unwrap().clone();
    let mut next = link;
    while let Some(path) = next
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
    {
        let answer = client.get(path).await;
        let link = answer.header("link").to_owned();
        let page = answer.expect(200);
        assert_eq!(page["as_of"], as_of);
        rows.extend(page["rows"].as_array().unwrap().clone());
        next = link;
    }
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row["office"] == VILLAGE), "{rows:?}");
    let positions: Vec<u64> = rows
        .iter()
        .map(|row| row["position"].as_u64().unwrap())
        .collect();
    assert!(positions.is_sorted());
    let cursor = page["next"].as_str().unwrap();
    let other = format!("/v1/registers/birth?office={NEIGHBOUR}&cursor={cursor}");
    client.get(&other).await.problem(400, "malformed");
    client
        .get("/v1/registers/birth?cursor=x")
        .await
        .problem(400, "malformed");
    client
        .get("/v1/registers/birth?limit=0")
        .await
        .problem(400, "malformed");
    let then = format!("/v1/registers/birth?as_of={}", positions[1]);
    let page = client.get(&then).await.expect(200);
    assert_eq!(page["rows"].as_array().unwrap().len(), 2);
    let entries = client.get("/v1/entries?kind=birth&limit=4").await;
    let path = entries.header("link").to_owned();
    assert_eq!(entries.expect(200)["entries"].as_array().unwrap().len(), 4);
    let path = path.split(['<', '>']).nth(1).unwrap();
    let rest = client.get(path).await.expect(200);
    assert_eq!(rest["entries"].as_array().unwrap().len(), 2);
    assert_eq!(rest["next"], Value::Null);
    running.stop_and_verify().await.close().await;
}

async fn figures_and_reports_are_as_of_a_moment(mut running: Running) {
    let client = running.token(TokenRole::Registrar, TOWNSHIP).await;
    client
        .post("/v1/records/birth", &birth_in("B1", VILLAGE))
        .await
        .expect(201);
    let then = client.get("/v1/entries").await.expect(200)["as_of"]
        .as_u64()
        .unwrap()
        - 1;
    client
        .post("/v1/records/birth", &birth_in("B2", VILLAGE))
        .await
        .expect(201);
    let supervisor = running.token(TokenRole::Supervisor, COUNTY).await;
    let births = async |query: &str| {
        let path = format!("/v1/indicators?period=2014-H1&{query}");
        let told = supervisor.get(&path).await.expect(200);
        let figures = told["figures"].as_array().unwrap().clone();
        let figure = figures
            .into_iter()
            .find(|one| one["id"] == "births")
            .unwrap();
        figure["value"].as_u64().unwrap()
    };
    assert_eq!(births("").await, 2);
    assert_eq!(births(&format!("office={VILLAGE}&as_of={then}")).await, 1);
    assert_eq!(births(&format!("office={NEIGHBOUR}")).await, 0);
    for (name, format, start) in [
        ("half-year", "json", "{"),
        ("half-year", "html", "<!DOCTYPE html>"),
        ("half-year", "xlsx", "PK"),
        ("monthly", "markdown", "#"),
        ("targets", "text", ""),
        ("targets", "json", "{"),
    ] {
        let path =
            format!("/v1/reports/{name}?period=2014-H1&office={VILLAGE}&format={format}&lang=zh");
        let answer = supervisor.get(&path).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}");
        let text = String::from_utf8_lossy(&answer.bytes);
        let begins = text.to_lowercase().starts_with(&start.to_lowercase());
        assert!(begins, "{path}: {text:.100}");
    }
    let published =
        format!("/v1/reports/half-year?period=2014-H1&office={VILLAGE}&publish=true&format=text");
    assert_eq!(supervisor.get(&published).await.status.as_u16(), 200);
    for (path, status, word) in [
        ("/v1/reports/half-year", 400, "malformed"),
        ("/v1/reports/half-year?period=June", 400, "malformed"),
        (
            "/v1/reports/half-year?period=2014&format=pdf",
            400,
            "malformed",
        ),
        (
            "/v1/reports/half-year?period=2014&lang=fr",
            400,
            "malformed",
        ),
        ("/v1/reports/yearly?period=2014", 404, "not-found"),
    ] {
        supervisor.get(path).await.problem(status, word);
    }
    running.stop_and_verify().await.close().await;
}
