//! The description: checked in, served, and true of what is answered.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use vitaledger::http::api::about::description_text;
use vitaledger::http::api::operations;
use vitaledger::http::openapi::{Access, VIEWER};
use vitaledger::http::problem::Kind;

use crate::on_both;
use crate::running::Running;

on_both! {
    the_description_is_served_with_a_page
    every_operation_with_a_token_asks_for_one
}

/// The file; with `VITALEDGER_WRITE_OPENAPI` set, it is written anew.
const GOLDEN: &str = "openapi.json";

#[test]
fn the_description_is_the_one_that_is_checked_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    if std::env::var_os("VITALEDGER_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, description_text()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    let first = kept.lines().zip(description_text().lines());
    let differs = first.into_iter().position(|(one, other)| one != other);
    assert!(
        kept == description_text(),
        "{GOLDEN} is another from line {:?} on: run this test with VITALEDGER_WRITE_OPENAPI=1, and look at what changed",
        differs.map(|line| line + 1)
    );
}

/// Every reference in a value.
fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                found.insert(reference);
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn the_description_fits_together() {
    let document: Value = serde_json::from_str(description_text()).unwrap();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let mut ids = BTreeSet::new();
    for operation in operations() {
        assert!(ids.insert(operation.id), "{} is there twice", operation.id);
        assert!(!operation.answers.is_empty(), "{}", operation.id);
        let (en, zh) = operation.summary;
        assert!(!en.is_empty() && !zh.is_empty(), "{}", operation.id);
        // Every part of the path is described, and nothing else is said to be one.
        let path = operation.path.replace("{*", "{");
        let item = &document["paths"][&path][operation.method];
        let described: BTreeSet<&str> = item["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let parts: BTreeSet<&str> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        assert_eq!(described, parts, "{path}");
        for parameter in item["parameters"].as_array().unwrap() {
            assert!(parameter["schema"].is_object(), "{path}: {parameter}");
        }
    }
    // What the page needs is in it.
    for word in ["src=", "@import", "https://", "http://"] {
        assert!(
            !VIEWER.contains(word),
            "the page asks for something from elsewhere: {word}"
        );
    }
}

async fn the_description_is_served_with_a_page(mut running: Running) {
    let served = running.get("/v1/openapi.json").await;
    assert_eq!(served.header("content-type"), "application/json");
    assert_eq!(served.bytes, description_text().as_bytes());
    let page = running.get("/v1").await;
    assert_eq!(page.status.as_u16(), 200);
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    for kind in Kind::ALL {
        let path = format!("/v1/problems/{}", kind.word());
        let told = running.get(&path).await.expect(200);
        assert_eq!(told["type"], path);
        assert_eq!(told["status"], kind.status());
    }
    running
        .get("/v1/problems/x")
        .await
        .problem(404, "not-found");
    running.stop_and_verify().await.close().await;
}

async fn every_operation_with_a_token_asks_for_one(mut running: Running) {
    for operation in operations() {
        let path = operation
            .path
            .replace("{*path}", "000.p/1")
            .replace("{level}", "0")
            .replace("{kind}", "birth")
            .replace("{position}", "0")
            .replace("{name}", "half-year")
            .replace("{word}", "refused")
            .replace("{id}", "018f0000-0000-7000-8000-000000000000");
        let method = operation.method.to_uppercase().parse().unwrap();
        let answer = crate::running::send(running.request(method, &path)).await;
        match operation.access {
            // Nobody logs in where no provider is set up.
            Access::Public if operation.tag == "login" => {
                answer.problem(404, "not-found");
            }
            Access::Public => assert_eq!(answer.status.as_u16(), 200, "{path}"),
            Access::Roles(_) => {
                answer.problem(401, "no-token");
            }
        }
    }
    running.stop_and_verify().await.close().await;
}
