//! One delivery: an event becomes a signed request, and its answer becomes what is to be done.
//!
//! What comes in: an event under a lease, an endpoint with its keys. What goes out: [`After`]. What
//! may fail: the endpoint, which is one of the things that [`After`] says. What must stay true: the
//! body is thin. It says that something happened, to which record, where, and where its proof is; no
//! field of the record is in it, not even a public one: whoever wants those asks the interface with a
//! token, under its own rules.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Client, Message, Outcome};
use super::schedule;
use super::signature::{EndpointKey, sign};
use crate::model::time::Timestamp;
use crate::subscription::event::{Event, MEDIA_TYPE, source_of};

/// The type of the event by which an endpoint is tried out.
const PING: &str = "org.vitaledger.ping";

/// What is to be done after a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// It is acknowledged.
    Acknowledge,
    /// It is given back, and tried again after this pause at the earliest.
    Refuse {
        /// Why.
        reason: String,
        /// The pause; none when this was the last attempt of the schedule.
        pause: Duration,
        /// Whether the endpoint should be left alone for a while.
        overloaded: bool,
    },
    /// Nothing is delivered to this endpoint any more.
    Disable,
}

/// The body for an endpoint: the event without what is public of its record.
///
/// # Errors
/// When the event is no JSON object, which it always is.
pub fn body_of(event: &Event) -> Result<String, serde_json::Error> {
    let mut value: Value = serde_json::from_str(&event.json)?;
    if let Some(data) = value.get_mut("data").and_then(Value::as_object_mut) {
        data.retain(|name, _| name == "kind" || name == "change");
    }
    serde_json::to_string(&value)
}

/// An event that says nothing, by which an endpoint is tried out; its id, and its body.
#[must_use]
pub fn ping(ledger: Uuid, subscription: &str, now: Timestamp) -> (String, String) {
    let id = Uuid::now_v7().to_string();
    let body = json!({
        "specversion": "1.0",
        "id": id,
        "source": source_of(ledger),
        "type": PING,
        "time": now.to_string(),
        "datacontenttype": "application/json",
        "data": { "subscription": subscription },
    });
    (id, body.to_string())
}

/// Sends a body to an endpoint, signed now.
pub async fn send(
    client: &Client,
    url: &str,
    keys: &[EndpointKey],
    id: &str,
    body: &[u8],
) -> Outcome {
    let unix_seconds = Timestamp::now().micros().div_euclid(1_000_000);
    let message = Message {
        id,
        unix_seconds,
        signature: &sign(keys, id, unix_seconds, body),
        media_type: MEDIA_TYPE,
        body,
    };
    client.deliver(url, message).await
}

/// Delivers an event that was handed out for this many times; `dice` is a random number from 0 to 1.
///
/// # Errors
/// See [`body_of`].
pub async fn deliver(
    client: &Client,
    url: &str,
    keys: &[EndpointKey],
    event: &Event,
    attempt: u32,
    dice: f64,
) -> Result<After, serde_json::Error> {
    let body = body_of(event)?;
    let outcome = send(client, url, keys, &event.id.to_string(), body.as_bytes()).await;
    Ok(after(outcome, attempt, dice))
}

/// What is to be done after this outcome of this attempt.
fn after(outcome: Outcome, attempt: u32, dice: f64) -> After {
    match outcome {
        Outcome::Accepted => After::Acknowledge,
        Outcome::Gone => After::Disable,
        Outcome::Failed {
            reason,
            retry_after,
            overloaded,
        } => After::Refuse {
            reason,
            pause: schedule::pause_after(attempt, dice, retry_after).unwrap_or_default(),
            overloaded,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &Value) -> Event {
        Event {
            position: 7,
            record: Uuid::nil(),
            kind: "birth".to_owned(),
            office: None,
            id: Uuid::nil(),
            event_type: "org.vitaledger.birth.recorded".to_owned(),
            leaf_hash: [0; 32],
            json: json!({ "specversion": "1.0", "position": "7", "data": data }).to_string(),
        }
    }

    #[test]
    fn a_body_has_no_field_of_the_record() {
        let full = json!({ "kind": "birth", "change": "recorded", "public": { "weight_g": 3100 } });
        let body: Value = serde_json::from_str(&body_of(&event(&full)).unwrap()).unwrap();
        let thin = json!({ "kind": "birth", "change": "recorded" });
        assert_eq!(body["data"], thin);
        assert_eq!(body["position"], "7");
    }

    #[test]
    fn what_is_done_follows_from_the_answer() {
        assert_eq!(after(Outcome::Accepted, 1, 0.0), After::Acknowledge);
        assert_eq!(after(Outcome::Gone, 1, 0.0), After::Disable);
        let failed = |seconds: Option<u64>| Outcome::Failed {
            reason: "it is down".to_owned(),
            retry_after: seconds.map(Duration::from_secs),
            overloaded: true,
        };
        let refused = |seconds| After::Refuse {
            reason: "it is down".to_owned(),
            pause: Duration::from_secs(seconds),
            overloaded: true,
        };
        assert_eq!(after(failed(None), 1, 0.0), refused(5));
        assert_eq!(after(failed(Some(60)), 1, 0.0), refused(60));
        assert_eq!(after(failed(None), 3, 0.0), refused(1800));
        assert_eq!(after(failed(None), schedule::ATTEMPTS, 0.0), refused(0));
    }

    #[test]
    fn a_ping_is_an_event_with_an_id_of_its_own() {
        let now = Timestamp::now();
        let (id, body) = ping(Uuid::nil(), "county", now);
        let value: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(value["id"], id.as_str());
        assert_eq!(value["type"], PING);
        assert_eq!(
            value["source"],
            "urn:uuid:00000000-0000-0000-0000-000000000000"
        );
        assert_ne!(ping(Uuid::nil(), "county", now).0, id);
    }
}
