//! What a message of the stream is.
//!
//! ```text
//! subject       vitaledger.birth.990101.100.001   kind, county, township, village of the office
//! Nats-Msg-Id   6d0c...-17                        ledger and position: doubles are known by it
//! Nats-Expected-Last-Sequence  17                 the message before it
//! content-type  application/cloudevents+json      the body is a `CloudEvent` in JSON
//! ```
//!
//! What comes in: an event. What goes out: its message. What may fail: nothing. What must stay true:
//! the same event is the same message, whichever node publishes it. (The binding of `CloudEvents` 1.0.2
//! to NATS knows this structured form only.)

use async_nats::HeaderMap;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use uuid::Uuid;

use crate::model::id::Position;
use crate::subscription::event::{Event, MEDIA_TYPE};

/// The sequence of the message of a position.
#[must_use]
pub const fn sequence_of(position: Position) -> u64 {
    position + 1
}

/// The subject of an event. Offices are cut where their codes have levels, so that
/// `PREFIX.*.990101.>` is whatever happens in one county; what is of no office has no such parts.
#[must_use]
pub fn subject_of(prefix: &str, event: &Event) -> String {
    let kind = &event.kind;
    let Some(office) = event.office else {
        return format!("{prefix}.{kind}");
    };
    let code = office.as_str();
    match (code.get(..6), code.get(6..9), code.get(9..)) {
        (Some(county), Some(township), Some(village)) => {
            format!("{prefix}.{kind}.{county}.{township}.{village}")
        }
        _ => format!("{prefix}.{kind}.{code}"),
    }
}

/// The message of an event, for this stream.
#[must_use]
pub fn message_of(ledger: Uuid, stream: &str, event: &Event) -> PublishMessage {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", MEDIA_TYPE);
    PublishMessage::build()
        .headers(headers)
        .payload(Bytes::from(event.json.clone()))
        .message_id(format!("{ledger}-{}", event.position))
        .expected_stream(stream)
        .expected_last_sequence(event.position)
}

/// The leaf hash that a message of the stream tells.
#[must_use]
pub fn leaf_hash_of(payload: &[u8]) -> Option<[u8; 32]> {
    let event: serde_json::Value = serde_json::from_slice(payload).ok()?;
    let mut hash = [0; 32];
    hex::decode_to_slice(event.get("leafhash")?.as_str()?, &mut hash).ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::OfficeCode;

    fn event(office: Option<&str>) -> Event {
        Event {
            position: 17,
            record: Uuid::nil(),
            kind: "birth".to_owned(),
            office: office.map(|code| OfficeCode::parse(code).unwrap()),
            id: Uuid::nil(),
            event_type: "org.vitaledger.birth.recorded".to_owned(),
            leaf_hash: [7; 32],
            json: format!(
                r#"{{"specversion":"1.0","leafhash":"{}"}}"#,
                "07".repeat(32)
            ),
        }
    }

    #[test]
    fn a_subject_is_cut_where_offices_have_levels() {
        let of = |office| subject_of("vitaledger", &event(office));
        assert_eq!(of(Some("990101100001")), "vitaledger.birth.990101.100.001");
        assert_eq!(of(None), "vitaledger.birth");
    }

    #[test]
    fn a_message_says_what_it_is_and_what_it_follows() {
        let message = message_of(Uuid::nil(), "EVENTS", &event(None)).outbound_message("a.b");
        let headers = message.headers.unwrap();
        let of = |name: &str| headers.get(name).unwrap().as_str().to_owned();
        assert_eq!(of("Nats-Msg-Id"), format!("{}-17", Uuid::nil()));
        assert_eq!(of("Nats-Expected-Last-Sequence"), "17");
        assert_eq!(of("Nats-Expected-Stream"), "EVENTS");
        assert_eq!(of("content-type"), MEDIA_TYPE);
        assert_eq!(sequence_of(17), 18);
        assert_eq!(leaf_hash_of(&message.payload), Some([7; 32]));
        for other in ["", "{}", r#"{"leafhash":"07"}"#, r#"{"leafhash":7}"#] {
            assert_eq!(leaf_hash_of(other.as_bytes()), None, "{other}");
        }
    }
}
