//! Named subscriptions over HTTP: several consumers share the work, and each record keeps its order.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use vitaledger::store::access::TokenRole;

use crate::on_both;
use crate::running::{
    COUNTY, Client, FOREIGN_COUNTY, Running, TOWNSHIP, VILLAGE, birth_in, send, with_json,
};

on_both! {
    consumers_share_the_work_and_keep_the_order_of_each_record
    what_is_refused_comes_again_and_is_parked_in_the_end
    a_lease_that_ended_acknowledges_nothing
    a_subscription_is_of_the_office_of_its_token
    a_subscription_is_made_altered_paused_reset_and_deleted
    who_waits_is_told_of_what_comes
}

async fn ask(client: &Client<'_>, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let answer = send(with_json(client.request(method, path), body)).await;
    let value = serde_json::from_slice(&answer.bytes).unwrap_or(Value::Null);
    (answer.status.as_u16(), value)
}

async fn done(client: &Client<'_>, method: Method, path: &str, body: &Value) -> Value {
    let (status, value) = ask(client, method, path, body).await;
    assert!((200..300).contains(&status), "{path}: {status} {value}");
    value
}

async fn subscribe(client: &Client<'_>, name: &str, body: &Value) -> Value {
    let path = format!("/v1/subscriptions/{name}");
    done(client, Method::PUT, &path, body).await
}

async fn act(client: &Client<'_>, name: &str, what: &str, body: &Value) -> (u16, Value) {
    let path = format!("/v1/subscriptions/{name}/{what}");
    ask(client, Method::POST, &path, body).await
}

async fn claim(client: &Client<'_>, name: &str, consumer: &str) -> Value {
    let body = json!({ "consumer": consumer });
    let (status, claimed) = act(client, name, "claim", &body).await;
    assert_eq!(status, 200, "{claimed}");
    claimed
}

fn positions(claimed: &Value) -> Vec<u64> {
    let events = claimed["events"].as_array().unwrap();
    let positions = events.iter().map(|one| one["position"].as_u64().unwrap());
    positions.collect()
}

async fn acknowledge(client: &Client<'_>, name: &str, claimed: &Value, of: &[u64]) -> (u16, Value) {
    let body = json!({ "lease": claimed["lease"], "positions": of });
    act(client, name, "acknowledge", &body).await
}

/// Records a birth; gives its id.
async fn record(client: &Client<'_>, number: &str) -> String {
    let request = client.request(Method::POST, "/v1/records/birth");
    let answer = send(with_json(request, &birth_in(number, VILLAGE))).await;
    assert_eq!(answer.status.as_u16(), 201);
    let receipt: Value = serde_json::from_slice(&answer.bytes).unwrap();
    receipt["record_id"].as_str().unwrap().to_owned()
}

async fn correct(client: &Client<'_>, id: &str, weight: u64) {
    let path = format!("/v1/records/birth/{id}");
    let body = json!({ "values": { "weight_g": weight }, "reason": "a slip" });
    done(client, Method::PATCH, &path, &body).await;
}

async fn consumers_share_the_work_and_keep_the_order_of_each_record(mut running: Running) {
    {
        let (writes, reads) = (running.registrar().await, running.auditor().await);
        let mut ids = Vec::new();
        for number in ["S1", "S2", "S3"] {
            ids.push(record(&writes, number).await);
        }
        for weight in [3200, 3300] {
            for id in &ids {
                correct(&writes, id, weight).await;
            }
        }
        let asked = json!({ "kinds": ["birth"], "from": 0 });
        let made = subscribe(&reads, "work", &asked).await;
        assert_eq!(
            (&made["state"], &made["scanned_to"]),
            (&json!("active"), &json!(0))
        );
        let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut rounds = 0;
        while seen.values().map(Vec::len).sum::<usize>() < 9 {
            rounds += 1;
            assert!(rounds < 20, "{seen:?}");
            let one = claim(&reads, "work", "one").await;
            // Whatever the first has, the second does not get, nor what follows it.
            let two = claim(&reads, "work", "two").await;
            let both = [positions(&one), positions(&two)].concat();
            assert_eq!(positions(&two), Vec::<u64>::new(), "{both:?}");
            for event in one["events"].as_array().unwrap() {
                let record = event["event"]["subject"].as_str().unwrap().to_owned();
                let kind = event["event"]["type"].as_str().unwrap();
                assert!(kind.starts_with("org.vitaledger.birth."), "{kind}");
                seen.entry(record)
                    .or_default()
                    .push(event["position"].as_u64().unwrap());
            }
            let (status, settled) = acknowledge(&reads, "work", &one, &positions(&one)).await;
            assert_eq!(status, 200, "{settled}");
        }
        assert_eq!(seen.keys().cloned().collect::<Vec<_>>(), {
            ids.sort();
            ids
        });
        for positions in seen.values() {
            assert_eq!(positions.len(), 3);
            assert!(positions.is_sorted());
        }
        let path = "/v1/subscriptions/work";
        let now = done(&reads, Method::GET, path, &Value::Null).await;
        assert_eq!((&now["lag"], &now["oldest"]), (&json!(0), &Value::Null));
        let names = now["consumers"].as_array().unwrap();
        assert_eq!(names.len(), 2);
    }
    running.stop().await;
}

async fn what_is_refused_comes_again_and_is_parked_in_the_end(mut running: Running) {
    {
        let (writes, reads) = (running.registrar().await, running.auditor().await);
        let id = record(&writes, "P1").await;
        correct(&writes, &id, 3200).await;
        let asked = json!({ "kinds": ["birth"], "from": 0, "max_attempts": 2, "backoff_base_ms": 1, "backoff_cap_ms": 1 });
        subscribe(&reads, "frail", &asked).await;
        let mut last = Value::Null;
        for attempt in 1..=2_u64 {
            let claimed = loop {
                let claimed = claim(&reads, "frail", "one").await;
                if !positions(&claimed).is_empty() {
                    break claimed;
                }
            };
            assert_eq!(claimed["events"][0]["attempt"], json!(attempt));
            let body = json!({ "lease": claimed["lease"], "position": positions(&claimed)[0], "reason": "no disk" });
            let (status, refused) = act(&reads, "frail", "refuse", &body).await;
            assert_eq!(status, 200, "{refused}");
            last = refused;
        }
        assert_eq!(last["state"], "parked");
        // The correction stands behind it.
        assert_eq!(
            positions(&claim(&reads, "frail", "one").await),
            Vec::<u64>::new()
        );
        let path = "/v1/subscriptions/frail";
        let now = done(&reads, Method::GET, path, &Value::Null).await;
        assert_eq!((&now["parked"], &now["held"]), (&json!(1), &json!(1)));
        assert_eq!(now["stuck"], "parked");
        // Another record does not wait.
        record(&writes, "P2").await;
        let other = claim(&reads, "frail", "one").await;
        assert_eq!(positions(&other).len(), 1);
        acknowledge(&reads, "frail", &other, &positions(&other)).await;
        // A server that has such a subscription says that somebody must look at it.
        let mut complaints = Value::Null;
        for _ in 0..100 {
            let answer = running.get("/health/ready").await;
            complaints = serde_json::from_slice(&answer.bytes).unwrap();
            if complaints.to_string().contains("subscription-stuck") {
                assert_eq!(answer.status.as_u16(), 503);
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(
            complaints.to_string().contains("subscription-stuck"),
            "{complaints}"
        );
        let (status, replayed) = act(&reads, "frail", "replay-parked", &json!({})).await;
        assert_eq!((status, &replayed["replayed"]), (200, &json!(1)));
        let mut heard = Vec::new();
        for _ in 0..2 {
            let claimed = claim(&reads, "frail", "one").await;
            heard.extend(positions(&claimed));
            acknowledge(&reads, "frail", &claimed, &positions(&claimed)).await;
        }
        assert_eq!(heard.len(), 2);
        assert!(heard.is_sorted());
    }
    running.stop().await;
}

async fn a_lease_that_ended_acknowledges_nothing(mut running: Running) {
    {
        let (writes, reads) = (running.registrar().await, running.auditor().await);
        record(&writes, "L1").await;
        let asked = json!({ "kinds": ["birth"], "from": 0, "lease_ms": 1000 });
        subscribe(&reads, "short", &asked).await;
        let first = claim(&reads, "short", "slow").await;
        let theirs = positions(&first);
        assert_eq!(theirs.len(), 1);
        tokio::time::sleep(Duration::from_millis(1200)).await;
        let second = claim(&reads, "short", "quick").await;
        assert_eq!(positions(&second), theirs);
        assert_eq!(second["events"][0]["attempt"], json!(2));
        let (status, lost) = acknowledge(&reads, "short", &first, &theirs).await;
        assert_eq!((status, &lost["lost"]), (409, &json!(theirs)), "{lost}");
        let (status, settled) = acknowledge(&reads, "short", &second, &theirs).await;
        assert_eq!((status, &settled["acknowledged"]), (200, &json!(theirs)));
        // Said twice, it is gone.
        let (status, settled) = acknowledge(&reads, "short", &second, &theirs).await;
        assert_eq!((status, &settled["gone"]), (200, &json!(theirs)));
    }
    running.stop().await;
}

async fn a_subscription_is_of_the_office_of_its_token(mut running: Running) {
    {
        let township = running.token(TokenRole::Integrator, TOWNSHIP).await;
        let village = running.token(TokenRole::Integrator, VILLAGE).await;
        let county = running.token(TokenRole::Integrator, COUNTY).await;
        let foreign = running.token(TokenRole::Integrator, FOREIGN_COUNTY).await;
        subscribe(&township, "ours", &json!({ "from": 0 })).await;
        let path = "/v1/subscriptions/ours";
        for (client, expected) in [
            (&township, 200),
            (&county, 200),
            (&village, 404),
            (&foreign, 404),
        ] {
            let (status, body) = ask(client, Method::GET, path, &Value::Null).await;
            assert_eq!(status, expected, "{body}");
            let (status, _) = act(client, "ours", "claim", &json!({ "consumer": "one" })).await;
            assert_eq!(status, expected);
        }
        // Nothing of other offices is in it, and nothing that is of none.
        let claimed = claim(&township, "ours", "two").await;
        assert!(
            positions(&claimed).is_empty(),
            "the first consumer has what there is"
        );
        let (status, _) = ask(&foreign, Method::PUT, path, &json!({})).await;
        assert_eq!(status, 409, "a name is taken in the whole ledger");
        let (status, _) = ask(&village, Method::DELETE, path, &Value::Null).await;
        assert_eq!(status, 404);
        let asked = json!({ "only_office": FOREIGN_COUNTY });
        let (status, _) = ask(&township, Method::PUT, "/v1/subscriptions/theirs", &asked).await;
        assert_eq!(status, 404);
        let listed = done(&county, Method::GET, "/v1/subscriptions", &Value::Null).await;
        assert_eq!(listed["subscriptions"].as_array().unwrap().len(), 1);
        let listed = done(&foreign, Method::GET, "/v1/subscriptions", &Value::Null).await;
        assert!(listed["subscriptions"].as_array().unwrap().is_empty());
    }
    running.stop().await;
}

async fn a_subscription_is_made_altered_paused_reset_and_deleted(mut running: Running) {
    {
        let (writes, reads) = (running.registrar().await, running.auditor().await);
        record(&writes, "M1").await;
        let path = "/v1/subscriptions/life";
        let asked = json!({ "kinds": ["birth"], "from": 0 });
        let (status, _) = ask(&reads, Method::PUT, path, &asked).await;
        assert_eq!(status, 201);
        let altered = json!({ "kinds": ["birth"], "window": 5 });
        let (status, now) = ask(&reads, Method::PUT, path, &altered).await;
        assert_eq!((status, &now["window"]), (200, &json!(5)));
        let other = json!({ "kinds": ["office"] });
        let (status, _) = ask(&reads, Method::PUT, path, &other).await;
        assert_eq!(status, 409, "what it is for stays what it is");
        for wrong in [
            json!({ "kinds": ["bird"] }),
            json!({ "from": 1_000_000 }),
            json!({ "lease_ms": 1 }),
            json!({ "unknown": 1 }),
        ] {
            let (status, problem) =
                ask(&reads, Method::PUT, "/v1/subscriptions/wrong", &wrong).await;
            assert!((400..500).contains(&status), "{wrong}: {status} {problem}");
        }
        done(&reads, Method::POST, &format!("{path}/pause"), &Value::Null).await;
        let (status, _) = act(&reads, "life", "claim", &json!({ "consumer": "one" })).await;
        assert_eq!(status, 409);
        done(
            &reads,
            Method::POST,
            &format!("{path}/resume"),
            &Value::Null,
        )
        .await;
        let claimed = claim(&reads, "life", "one").await;
        let first = positions(&claimed);
        assert_eq!(first.len(), 1);
        acknowledge(&reads, "life", &claimed, &first).await;
        let now = done(
            &reads,
            Method::POST,
            &format!("{path}/reset"),
            &json!({ "to": 0 }),
        )
        .await;
        assert_eq!(now["scanned_to"], json!(0));
        assert_eq!(positions(&claim(&reads, "life", "one").await), first);
        let (status, _) = ask(&reads, Method::DELETE, path, &Value::Null).await;
        assert_eq!(status, 204);
        let (status, _) = ask(&reads, Method::GET, path, &Value::Null).await;
        assert_eq!(status, 404);
    }
    running.stop().await;
}

async fn who_waits_is_told_of_what_comes(mut running: Running) {
    {
        let (writes, reads) = (running.registrar().await, running.auditor().await);
        subscribe(&reads, "waits", &json!({ "kinds": ["birth"] })).await;
        let body = json!({ "consumer": "one", "wait_s": 20 });
        let waits = act(&reads, "waits", "claim", &body);
        let comes = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            record(&writes, "W1").await
        };
        let ((status, claimed), _) = tokio::join!(waits, comes);
        assert_eq!((status, positions(&claimed).len()), (200, 1));
        let body = json!({ "consumer": "one", "wait_s": 31 });
        let (status, _) = act(&reads, "waits", "claim", &body).await;
        assert_eq!(status, 422);
    }
    running.stop().await;
}
