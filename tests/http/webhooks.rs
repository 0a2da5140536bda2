//! Events delivered to endpoints by the running server.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use reqwest::{Certificate, Method};
use serde_json::{Value, json};
use vitaledger::app::App;
use vitaledger::app::subscriptions::{Followed, NewSubscription};
use vitaledger::app::webhooks::settings;
use vitaledger::http::server::{ServeOptions, WebhookOptions};
use vitaledger::store::access::TokenRole;
use vitaledger::store::location::Location;
use vitaledger::store::subscriptions::{Filter, Settings, SubscriptionState};
use vitaledger::subscription::webhook::address::Permitted;
use vitaledger::subscription::webhook::client::Client as Sender;
use vitaledger::subscription::webhook::signature::EndpointKey;

use crate::endpoint::{Endpoint, Received};
use crate::on_both;
use crate::running::{FOREIGN, Running, VILLAGE, birth, options, tls};

on_both! {
    deliveries_are_signed_and_thin_and_keep_the_order_of_each_record
    what_was_not_accepted_comes_again_and_nothing_does_after_410
}

/// The subscription of these tests.
pub const NAME: &str = "registry";

/// Makes a subscription to births beside the running server, as the command does.
pub async fn subscribe(running: &Running, url: &str) {
    let app = running.open().await;
    subscribe_with(&app, url, settings(1000)).await;
    app.close().await;
}

async fn subscribe_with(app: &App, url: &str, settings: Settings) {
    let endpoint = app.endpoint(NAME, url, Permitted::Private).await.unwrap();
    let new = NewSubscription {
        name: NAME.to_owned(),
        office: None,
        token: None,
        filter: Filter {
            kinds: vec!["birth".to_owned()],
            ..Filter::everything()
        },
        from: Some(0),
        settings,
        endpoint: Some(endpoint),
    };
    app.subscribe(new).await.unwrap();
}

/// How far the subscription is, when something holds of it.
async fn when(running: &Running, holds: impl Fn(&Followed) -> bool) -> Followed {
    let end = Instant::now() + Duration::from_mins(1);
    let app = running.open().await;
    loop {
        let followed = app.followed(NAME).await.unwrap();
        if holds(&followed) {
            app.close().await;
            return followed;
        }
        assert!(Instant::now() < end, "{followed:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether one of the signatures is by this key, over what was received.
fn is_signed_by(received: &Received, public: &str) -> bool {
    let point = BASE64_STANDARD.decode(&public["whpk_".len()..]).unwrap();
    let key = VerifyingKey::from_bytes(&point.try_into().unwrap()).unwrap();
    let (id, time) = ("webhook-id", "webhook-timestamp");
    let mut signed = format!("{}.{}.", received.header(id), received.header(time)).into_bytes();
    signed.extend_from_slice(&received.bytes);
    let mut signatures = received.header("webhook-signature").split(' ');
    signatures.any(|signature| {
        let Some(encoded) = signature.strip_prefix("v1a,") else {
            return false;
        };
        let bytes = BASE64_STANDARD.decode(encoded).unwrap();
        let signature = Signature::from_slice(&bytes).unwrap();
        key.verify_strict(&signed, &signature).is_ok()
    })
}

async fn deliveries_are_signed_and_thin_and_keep_the_order_of_each_record(mut running: Running) {
    let endpoint = Endpoint::start().await;
    let registrar = running.registrar().await;
    let mut ids = Vec::new();
    for number in ["B1", "B2", "B3"] {
        ids.push(registrar.birth(number).await);
    }
    subscribe(&running, &endpoint.url()).await;
    for (id, weight) in [(0, 3200), (0, 3300), (2, 2900)] {
        let path = format!("/v1/records/birth/{}", ids[id]);
        let change = json!({ "values": { "weight_g": weight }, "reason": "misread" });
        let corrected = registrar.send(Method::PATCH, &path, &change).await;
        corrected.expect(201);
    }
    let received = endpoint.wait_for(6).await;
    let app = running.open().await;
    let public = app.webhook(NAME).await.unwrap().1[0].public();
    app.close().await;
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in &received {
        assert!(is_signed_by(one, &public));
        assert_eq!(one.header("content-type"), "application/cloudevents+json");
        let event = one.json();
        assert_eq!(event["id"], one.header("webhook-id"));
        assert_eq!(event["data"].as_object().unwrap().len(), 2, "{event}");
        let text = String::from_utf8_lossy(&one.bytes);
        for field in ["weight_g", "3100", "甲某某", "99010119880101122X"] {
            assert!(!text.contains(field), "{field}: {text}");
        }
        let of = |name: &str| event[name].as_str().unwrap().to_owned();
        versions
            .entry(of("subject"))
            .or_default()
            .push(of("recordversion"));
    }
    let versions = ids.iter().map(|id| versions[id].concat());
    assert_eq!(versions.collect::<Vec<_>>(), ["123", "1", "12"]);
    when(&running, |followed| followed.lag() == 0).await;
    let metrics = running.get("/metrics").await.bytes;
    let metrics = String::from_utf8(metrics).unwrap();
    let accepted = r#"vitaledger_webhook_deliveries_total{outcome="accepted"} 6"#;
    assert!(metrics.contains(accepted), "{metrics}");
    running.stop().await;
    assert_eq!(endpoint.received().len(), 6, "each once");
}

async fn what_was_not_accepted_comes_again_and_nothing_does_after_410(mut running: Running) {
    let endpoint = Endpoint::start().await;
    endpoint.answer(503, &[("retry-after", "6")]);
    subscribe(&running, &endpoint.url()).await;
    let registrar = running.registrar().await;
    registrar.birth("B1").await;
    let received = endpoint.wait_for(2).await;
    let [first, second] = received.as_slice() else {
        panic!("{received:?}");
    };
    // What the endpoint asked for, and not the 5 seconds of the schedule.
    assert!(second.at - first.at >= Duration::from_secs(6));
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.bytes, second.bytes);
    let time = |one: &Received| one.header("webhook-timestamp").parse::<i64>().unwrap();
    assert!(time(second) > time(first));
    assert_ne!(
        first.header("webhook-signature"),
        second.header("webhook-signature")
    );
    when(&running, |followed| followed.lag() == 0).await;
    endpoint.answer(410, &[]);
    registrar.birth("B2").await;
    let is_disabled =
        |followed: &Followed| followed.subscription.state == SubscriptionState::Disabled;
    let followed = when(&running, is_disabled).await;
    assert_eq!(followed.lag(), 1, "it was not acknowledged");
    registrar.birth("B3").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(endpoint.received().len(), 3);
    running.stop().await;
}

/// A server that delivers to public addresses only, as it does unless it is told otherwise.
async fn cautious() -> Running {
    let options = ServeOptions {
        webhooks: WebhookOptions {
            permitted: Permitted::Public,
            trusted: Vec::new(),
        },
        ..options()
    };
    Running::on(Location::Folder, options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_to_an_address_that_is_not_public() {
    let mut running = cautious().await;
    let endpoint = Endpoint::start().await;
    running.registrar().await.birth("B1").await;
    let app = running.open().await;
    let by_name = format!("https://localhost:{}/hook", endpoint.port());
    for (url, why) in [
        (endpoint.url(), "does not begin with https://"),
        (by_name, "the name resolves to no public address"),
    ] {
        // One attempt, so that its reason is to be seen.
        let once = Settings {
            max_attempts: 1,
            ..settings(1000)
        };
        subscribe_with(&app, &url, once).await;
        when(&running, |followed| followed.progress.parked == 1).await;
        let parked = app.subscriptions().parked(NAME, 10).await.unwrap();
        assert!(parked[0].last_error.contains(why), "{parked:?}");
        app.unsubscribe(NAME).await.unwrap();
        let refused = app.endpoint(NAME, &url, Permitted::Public).await;
        // What a name resolves to may be another thing tomorrow.
        assert_eq!(refused.is_err(), url.starts_with("http://"), "{url}");
    }
    app.close().await;
    running.stop().await;
    assert!(endpoint.received().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_redirect_is_followed() {
    let mut running = Running::on_sqlite().await;
    let (endpoint, other) = (Endpoint::start().await, Endpoint::start().await);
    endpoint.answer(307, &[("location", &other.url())]);
    subscribe(&running, &endpoint.url()).await;
    running.registrar().await.birth("B1").await;
    let followed = when(&running, |followed| followed.progress.waiting == 1).await;
    assert_eq!(followed.progress.parked, 0);
    running.stop().await;
    assert_eq!(endpoint.received().len(), 1);
    assert!(other.received().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_server_stops_what_is_under_way_is_finished() {
    let mut running = Running::on_sqlite().await;
    let endpoint = Endpoint::start().await;
    endpoint.pause(Duration::from_secs(1));
    subscribe(&running, &endpoint.url()).await;
    running.registrar().await.birth("B1").await;
    when(&running, |followed| followed.progress.leased == 1).await;
    running.stop().await;
    assert_eq!(endpoint.received().len(), 1);
    let app = running.open().await;
    assert_eq!(app.followed(NAME).await.unwrap().lag(), 0);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_is_tried_out_and_its_key_replaced() {
    let mut running = Running::on_sqlite().await;
    let endpoint = Endpoint::start().await;
    subscribe(&running, &endpoint.url()).await;
    let app = running.open().await;
    let old = app.webhook(NAME).await.unwrap().1[0].public();
    let new = app.replace_webhook_key(NAME).await.unwrap();
    let new: Vec<String> = new.iter().map(EndpointKey::public).collect();
    assert_eq!(new.len(), 2);
    assert_eq!(new[1], old);
    let sender = Sender::new(Permitted::Private, Vec::new()).unwrap();
    app.ping(&sender, NAME).await.unwrap();
    let ping = endpoint.wait_for(1).await.remove(0);
    assert!(new.iter().all(|public| is_signed_by(&ping, public)));
    let event: Value = ping.json();
    assert_eq!(event["type"], "org.vitaledger.ping");
    assert_eq!(event["id"], ping.header("webhook-id"));
    // Made again with the same address, it keeps its keys; with another one, it does not.
    subscribe(&running, &endpoint.url()).await;
    assert_eq!(app.webhook(NAME).await.unwrap().1[0].public(), new[0]);
    let other = Endpoint::start().await;
    subscribe(&running, &other.url()).await;
    assert_ne!(app.webhook(NAME).await.unwrap().1[0].public(), new[0]);
    app.close().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_wrote_into_the_database_gets_nothing() {
    let mut running = Running::on_sqlite().await;
    let (endpoint, thief) = (Endpoint::start().await, Endpoint::start().await);
    subscribe(&running, &endpoint.url()).await;
    let registrar = running.registrar().await;
    registrar.birth("B1").await;
    endpoint.wait_for(1).await;
    let app = running.open().await;
    let kept = app.subscriptions();
    let there = kept.subscription(NAME).await.unwrap().unwrap();
    let forged = there
        .endpoint
        .unwrap()
        .replace(&endpoint.url(), &thief.url());
    let altered = kept.alter_subscription(NAME, there.settings, Some(&forged));
    assert!(altered.await.unwrap());
    registrar.birth("B2").await;
    when(&running, |followed| {
        followed.subscription.state == SubscriptionState::Disabled
    })
    .await;
    assert!(app.webhook(NAME).await.is_err());
    app.close().await;
    running.stop().await;
    assert!(thief.received().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_is_set_by_whoever_made_the_subscription() {
    let mut running = Running::on_sqlite().await;
    let endpoint = Endpoint::start().await;
    let client = running.token(TokenRole::Integrator, VILLAGE).await;
    let (path, webhook) = (
        "/v1/subscriptions/registry",
        "/v1/subscriptions/registry/webhook",
    );
    let url = json!({ "url": endpoint.url() });
    let asked = json!({ "kinds": ["birth"] });
    client
        .send(Method::PUT, webhook, &url)
        .await
        .problem(404, "not-found");
    client.send(Method::PUT, path, &asked).await.expect(201);
    client.get(webhook).await.problem(422, "invalid-value");
    let set = client.send(Method::PUT, webhook, &url).await.expect(200);
    assert_eq!(set["url"], endpoint.url());
    assert_eq!(client.get(webhook).await.expect(200), set);
    let test = format!("{webhook}/test");
    let tested = client.post(&test, &json!({})).await.expect(200);
    assert_eq!(tested, json!({ "accepted": true, "reason": null }));
    let ping = endpoint.wait_for(1).await.remove(0);
    assert!(is_signed_by(&ping, set["public_keys"][0].as_str().unwrap()));
    let replace = format!("{webhook}/replace-key");
    let replaced = client.post(&replace, &json!({})).await.expect(200);
    assert_eq!(replaced["public_keys"][1], set["public_keys"][0]);
    assert_ne!(replaced["public_keys"][0], set["public_keys"][0]);
    // What is shown of the subscription has neither secrets nor what they are derived from.
    let shown = client.get(path).await.expect(200);
    assert_eq!(shown["endpoint"], endpoint.url());
    let foreign = running.token(TokenRole::Integrator, FOREIGN).await;
    foreign.get(webhook).await.problem(404, "not-found");
    foreign
        .send(Method::PUT, webhook, &url)
        .await
        .problem(404, "not-found");
    running.registrar().await.birth("B1").await;
    endpoint.wait_for(2).await;
    when(&running, |followed| followed.lag() == 0).await;
    let removed = client.send(Method::DELETE, webhook, &json!({})).await;
    assert_eq!(removed.status.as_u16(), 204);
    client.get(webhook).await.problem(422, "invalid-value");
    running.registrar().await.birth("B2").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(endpoint.received().len(), 2);
    running.stop().await;
    let mut running = cautious().await;
    let client = running.token(TokenRole::Integrator, VILLAGE).await;
    client.send(Method::PUT, path, &asked).await.expect(201);
    let refused = client.send(Method::PUT, webhook, &url).await;
    refused.problem(422, "invalid-value");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_is_delivered_to_over_tls_if_its_certificate_is_trusted() {
    let endpoint = Endpoint::start_with_tls().await;
    let mut running = Running::on_sqlite().await;
    let once = Settings {
        max_attempts: 1,
        ..settings(1000)
    };
    let app = running.open().await;
    subscribe_with(&app, &endpoint.url(), once).await;
    running.registrar().await.birth("B1").await;
    when(&running, |followed| followed.progress.parked == 1).await;
    let parked = app.subscriptions().parked(NAME, 10).await.unwrap();
    assert!(parked[0].last_error.contains("certificate"), "{parked:?}");
    running.stop().await;
    // With the authority of its certificate, as `serve --webhook-ca` reads it.
    let authority = std::fs::read(tls().join("ca.pem")).unwrap();
    let webhooks = WebhookOptions {
        permitted: Permitted::Private,
        trusted: Certificate::from_pem_bundle(&authority).unwrap(),
    };
    let options = ServeOptions {
        webhooks,
        ..options()
    };
    running.start(options).await;
    assert_eq!(app.replay_parked(NAME, None).await.unwrap(), 1);
    let received = endpoint.wait_for(1).await;
    let public = app.webhook(NAME).await.unwrap().1[0].public();
    assert!(is_signed_by(&received[0], &public));
    when(&running, |followed| followed.lag() == 0).await;
    app.close().await;
    running.stop().await;
}

/// A birth has no field in its delivery; the test would see one.
#[test]
fn the_birth_of_these_tests_has_what_is_looked_for() {
    let text = birth("B1").to_string();
    for field in ["weight_g", "3100", "甲某某", "99010119880101122X"] {
        assert!(text.contains(field), "{field}");
    }
}
