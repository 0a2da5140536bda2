//! Record, correct, void; one and in batches; safely again.

use reqwest::Method;
use serde_json::{Value, json};
use vitaledger::store::access::TokenRole;

use crate::on_both;
use crate::running::{
    Client, FOREIGN, NEIGHBOUR, Running, TOWNSHIP, VILLAGE, birth, birth_in, send, with_json,
};

on_both! {
    a_record_is_recorded_corrected_and_voided
    the_same_again_is_the_first_receipt
    a_version_that_is_not_the_newest_changes_nothing
    a_batch_is_answered_one_by_one
    what_cannot_be_read_is_told_with_its_place
    offices_are_registered_below_ones_own
    every_kind_can_be_recorded
    another_offices_record_is_not_found_out_by_trying
}

async fn a_record_is_recorded_corrected_and_voided(mut running: Running) {
    let client = running.registrar().await;
    let answer = client.post("/v1/records/birth", &birth("B1")).await;
    assert_eq!(answer.header("etag"), "\"1\"");
    let location = answer.header("location").to_owned();
    let receipt = answer.expect(201);
    assert_eq!(receipt["answer"], "recorded");
    assert_eq!(receipt["version"], 1);
    assert_eq!(receipt["leaf_hash"].as_str().unwrap().len(), 64);
    let id = receipt["record_id"].as_str().unwrap();
    assert_eq!(location, format!("/v1/records/birth/{id}"));
    let read = client.get(&location).await.expect(200);
    assert_eq!(read["public"]["weight_g"], 3100);
    assert_eq!(read["position"], receipt["position"]);
    assert!(
        read["sealed"]
            .as_array()
            .unwrap()
            .contains(&json!("mother_name"))
    );
    assert!(!read.to_string().contains("甲某某"), "{read}");
    let correction = json!({ "values": { "weight_g": "3200", "sex": null }, "reason": "misread" });
    let answer = client.send(Method::PATCH, &location, &correction).await;
    assert_eq!(answer.header("etag"), "\"2\"");
    answer.expect(201);
    let read = client.get(&location).await.expect(200);
    assert_eq!(read["public"]["weight_g"], 3200);
    assert_eq!(read["public"]["sex"], Value::Null);
    let void = format!("{location}/void");
    let answer = client
        .post(&void, &json!({ "reason": "entered twice" }))
        .await;
    answer.expect(201);
    let read = client.get(&location).await.expect(200);
    assert_eq!(
        (&read["voided"], &read["version"]),
        (&json!(true), &json!(3))
    );
    let answer = client
        .post(&void, &json!({ "reason": "entered twice" }))
        .await;
    answer.problem(409, "refused");
    running.stop_and_verify().await.close().await;
}

async fn keyed(client: &Client<'_>, key: &str, body: &Value) -> crate::running::Answer {
    let request = client.request(Method::POST, "/v1/records/birth");
    send(with_json(request.header("idempotency-key", key), body)).await
}

async fn the_same_again_is_the_first_receipt(mut running: Running) {
    let client = running.registrar().await;
    let first = keyed(&client, "k1", &birth("B1")).await.expect(201);
    let again = keyed(&client, "k1", &birth("B1")).await.expect(200);
    assert_eq!(again["answer"], "replayed");
    assert_eq!(again["position"], first["position"]);
    let problem = keyed(&client, "k1", &birth("B2"))
        .await
        .problem(422, "key-reused");
    assert_eq!(problem["errors"][0]["header"], "Idempotency-Key");
    keyed(&client, "a b", &birth("B3"))
        .await
        .problem(400, "malformed");
    // Another token may choose the same key.
    let other = running.token(TokenRole::Registrar, TOWNSHIP).await;
    keyed(&other, "k1", &birth("B4")).await.expect(201);
    // Without a key, the same record is a replay, and another content is told apart.
    let again = client
        .post("/v1/records/birth", &birth("B1"))
        .await
        .expect(200);
    assert_eq!(again["position"], first["position"]);
    let mut changed = birth("B1");
    changed["weight_g"] = json!(2900);
    let problem = client.post("/v1/records/birth", &changed).await;
    let problem = problem.problem(409, "different-content");
    assert_eq!(problem["errors"][0]["pointer"], "/weight_g");
    assert_eq!(problem["position"], first["position"]);
    // A correction is the same request also when others changed the record since.
    let path = format!("/v1/records/birth/{}", first["record_id"].as_str().unwrap());
    let correct = async |key: &str, values: Value| {
        let body = json!({ "values": values, "reason": "misread" });
        let request = client.request(Method::PATCH, &path);
        send(with_json(request.header("idempotency-key", key), &body)).await
    };
    let corrected = correct("k2", json!({ "weight_g": 3300 })).await.expect(201);
    correct("k3", json!({ "sex": "M" })).await.expect(201);
    let again = correct("k2", json!({ "weight_g": 3300 })).await.expect(200);
    assert_eq!(again["position"], corrected["position"]);
    running.stop_and_verify().await.close().await;
}

async fn a_version_that_is_not_the_newest_changes_nothing(mut running: Running) {
    let client = running.registrar().await;
    let path = format!("/v1/records/birth/{}", client.birth("B1").await);
    let correct = async |etag: &str, weight: u32| {
        let body = json!({ "values": { "weight_g": weight }, "reason": "misread" });
        let request = client.request(Method::PATCH, &path);
        send(with_json(request.header("if-match", etag), &body)).await
    };
    correct("\"1\"", 3200).await.expect(201);
    let problem = correct("\"1\"", 3300).await.problem(412, "version-changed");
    assert_eq!(problem["version"], 2);
    correct("*", 3300).await.expect(201);
    correct("W/\"3\"", 3400).await.problem(400, "malformed");
    let request = client.request(Method::POST, &format!("{path}/void"));
    let request = request.header("if-match", "\"2\"");
    let answer = send(with_json(request, &json!({ "reason": "twice" }))).await;
    answer.problem(412, "version-changed");
    // What was seen is not sent again.
    let request = client.request(Method::GET, &path);
    let answer = send(request.header("if-none-match", "\"3\"")).await;
    assert_eq!(answer.status.as_u16(), 304);
    // Of many who saw the same version, one wins.
    let many = futures_util::future::join_all((0..8).map(|n| correct("\"3\"", 2000 + n))).await;
    let won = many.iter().filter(|answer| answer.status.as_u16() == 201);
    assert_eq!(won.count(), 1);
    // Who does not say what was seen changes its own column, and takes back nobody else's.
    let change = async |values: Value| {
        let body = json!({ "values": values, "reason": "misread" });
        client.send(Method::PATCH, &path, &body).await.expect(201);
    };
    tokio::join!(
        change(json!({ "weight_g": 2500 })),
        change(json!({ "plurality": 2 })),
        change(json!({ "gestation_days": 270 })),
    );
    let read = client.get(&path).await.expect(200);
    for (name, value) in [
        ("weight_g", 2500),
        ("plurality", 2),
        ("gestation_days", 270),
    ] {
        assert_eq!(read["public"][name], value, "{name}: {read}");
    }
    running.stop_and_verify().await.close().await;
}

async fn a_batch_is_answered_one_by_one(mut running: Running) {
    let client = running.registrar().await;
    let id = client.birth("B0").await;
    let body = json!({ "changes": [
        { "do": "record", "kind": "birth", "values": birth("B1") },
        { "do": "record", "kind": "birth", "values": birth_in("B2", FOREIGN) },
        { "do": "record", "kind": "birth", "values": { "weight_g": "heavy" } },
        { "do": "correct", "kind": "birth", "id": id, "version": 1, "values": { "weight_g": 3000 }, "reason": "misread" },
        { "do": "erase", "kind": "birth", "id": id, "reason": "x" },
        { "do": "record", "kind": "birth", "values": birth("B1") },
        { "do": "record", "kind": "birth", "values": { "colour": "red" } },
    ] });
    let send_batch = async || {
        let request = client.request(Method::POST, "/v1/batches");
        let request = request.header("idempotency-key", "batch-1");
        send(with_json(request, &body)).await.expect(200)
    };
    let answer = send_batch().await;
    assert_eq!(
        (&answer["recorded"], &answer["refused"]),
        (&json!(3), &json!(4))
    );
    let answers = answer["answers"].as_array().unwrap();
    assert_eq!(answers[0]["answer"], "recorded");
    assert_eq!(answers[1]["type"], "/v1/problems/other-office");
    assert_eq!(
        answers[1]["errors"][0]["pointer"],
        "/changes/1/values/office"
    );
    let place = answers[2]["errors"][0]["pointer"].as_str().unwrap();
    assert!(place.starts_with("/changes/2/values/"), "{place}");
    assert_eq!(answers[3]["version"], 2);
    assert_eq!(answers[4]["errors"][0]["pointer"], "/changes/4/do");
    assert_eq!(answers[5]["position"], answers[0]["position"]);
    assert_eq!(
        answers[6]["errors"][0]["pointer"],
        "/changes/6/values/colour"
    );
    // The whole of it again: every receipt is the first one.
    let again = send_batch().await;
    for (one, other) in answers.iter().zip(again["answers"].as_array().unwrap()) {
        assert_eq!(one["position"], other["position"]);
    }
    client
        .post("/v1/batches", &json!({ "changes": [] }))
        .await
        .problem(422, "invalid-value");
    client
        .post("/v1/batches", &json!({ "change": [] }))
        .await
        .problem(422, "invalid-value");
    running.stop_and_verify().await.close().await;
}

async fn what_cannot_be_read_is_told_with_its_place(mut running: Running) {
    let client = running.registrar().await;
    let path = "/v1/records/birth";
    let of = async |name: &str, value: Value| {
        let mut body = birth("B1");
        body[name] = value;
        let problem = client.post(path, &body).await.problem(422, "invalid-value");
        let place = problem["errors"][0]["pointer"].as_str().unwrap().to_owned();
        (place, problem)
    };
    for (name, value) in [
        ("weight_g", json!("heavy")),
        ("occurred_on", json!("yesterday")),
        ("office", json!("12")),
        ("office", json!("990909000000")),
        ("source", json!(null)),
        ("mother_name", json!(["甲某某"])),
        ("in_plan", json!("yes")),
        ("a/b", json!("x")),
    ] {
        let (place, problem) = of(name, value).await;
        assert_eq!(place, format!("/{}", name.replace('/', "~1")), "{problem}");
        assert!(!problem.to_string().contains("甲某某"), "{problem}");
    }
    let raw = async |content_type: &str, body: &str| {
        let request = client.request(Method::POST, path);
        let request = request.header("content-type", content_type);
        send(request.body(body.to_owned())).await
    };
    raw("application/json", "{\"sex\":")
        .await
        .problem(400, "malformed");
    let problem = raw("application/json", "{\"sex\":\"F\",\"sex\":\"M\"}").await;
    assert_eq!(
        problem.problem(422, "invalid-value")["errors"][0]["pointer"],
        "/sex"
    );
    raw("application/json", "[]")
        .await
        .problem(422, "invalid-value");
    raw("text/plain", "{}").await.problem(415, "media-type");
    let large = format!("{{\"remark\":\"{}\"}}", "x".repeat(2 << 20));
    raw("application/json", &large)
        .await
        .problem(413, "too-large");
    client
        .post("/v1/records/wedding", &json!({}))
        .await
        .problem(404, "not-found");
    let answer = client.get("/v1/records/birth").await;
    assert_eq!(answer.header("allow"), "POST");
    answer.problem(405, "method-not-allowed");
    running.get("/v2").await.problem(404, "not-found");
    running.stop_and_verify().await.close().await;
}

async fn offices_are_registered_below_ones_own(mut running: Running) {
    let client = running.token(TokenRole::Registrar, TOWNSHIP).await;
    let office = |code: &str, parent: &str, name: &str| json!({ "code": code, "level": "village", "parent": parent, "name_zh": name });
    let new = "990101100003";
    client
        .post("/v1/offices", &office(new, TOWNSHIP, "第三社区"))
        .await
        .expect(201);
    client
        .post("/v1/offices", &office(new, VILLAGE, "第三组"))
        .await
        .expect(201);
    for refused in [
        office("990202100009", "990202000000", "别处"),
        office(FOREIGN, TOWNSHIP, "搬来"),
        office(TOWNSHIP, VILLAGE, "自己"),
    ] {
        client
            .post("/v1/offices", &refused)
            .await
            .problem(403, "other-office");
    }
    client
        .post("/v1/records/birth", &birth_in("B1", new))
        .await
        .expect(201);
    let offices = client.get("/v1/offices").await.expect(200);
    assert_eq!(offices["offices"].as_array().unwrap().len(), 4);
    running.stop_and_verify().await.close().await;
}

async fn every_kind_can_be_recorded(mut running: Running) {
    let client = running.token(TokenRole::Registrar, TOWNSHIP).await;
    let head = |number: &str, source: &str| json!({ "source_record_id": number, "source": source, "office": VILLAGE, "occurred_on": "2014-06-01", "reported_on": "2014-06-03" });
    let with = |mut object: Value, more: Value| {
        let members = more.as_object().unwrap().clone();
        object.as_object_mut().unwrap().extend(members);
        object
    };
    for (kind, values) in [
        (
            "registration",
            with(
                head("R1", "village"),
                json!({ "kind": "household", "person_name": "甲某某" }),
            ),
        ),
        ("birth", birth("B1")),
        (
            "pregnancy_loss",
            with(
                head("L1", "hospital"),
                json!({ "gestation_days": 210, "timing": "antepartum", "plurality": 1, "woman_id_no": "99010119880101121X" }),
            ),
        ),
        (
            "disbursement",
            with(
                head("D1", "finance"),
                json!({ "flow": "payment", "scheme": "one_child", "period": "2014", "amount_yuan": "960.00", "beneficiary_name": "甲某某" }),
            ),
        ),
        (
            "activity",
            with(
                head("A1", "village"),
                json!({ "kind": "campaign", "quantity": 2 }),
            ),
        ),
        (
            "return",
            json!({ "source_record_id": "T1", "source": "village", "office": VILLAGE, "period": "2014-05", "indicator": "births", "value": 3, "submitted_on": "2014-06-03" }),
        ),
    ] {
        let answer = client.post(&format!("/v1/records/{kind}"), &values).await;
        let location = answer.header("location").to_owned();
        assert_eq!(answer.status.as_u16(), 201, "{kind}: {}", answer.json());
        let read = client.get(&location).await.expect(200);
        assert_eq!(read["kind"], kind);
        assert!(!read.to_string().contains("甲某某"), "{read}");
        let rows = client
            .get(&format!("/v1/registers/{kind}"))
            .await
            .expect(200);
        assert_eq!(rows["rows"].as_array().unwrap().len(), 1, "{kind}");
        let void = format!("{location}/void");
        client
            .post(&void, &json!({ "reason": "a test" }))
            .await
            .expect(201);
    }
    running.stop_and_verify().await.close().await;
}

async fn another_offices_record_is_not_found_out_by_trying(mut running: Running) {
    let client = running.registrar().await;
    client.birth("B1").await;
    let neighbour = running.token(TokenRole::Registrar, NEIGHBOUR).await;
    // The number of a record of the village, with values that are guessed.
    let mut guess = birth_in("B1", NEIGHBOUR);
    for weight in [3100, 2900] {
        guess["weight_g"] = json!(weight);
        let answer = neighbour.post("/v1/records/birth", &guess).await;
        let problem = answer.problem(409, "different-content");
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{problem}");
        assert_eq!(errors[0]["pointer"], "/office");
    }
    running.stop_and_verify().await.close().await;
}
