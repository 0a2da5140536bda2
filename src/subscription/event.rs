//! One entry of the log, as a `CloudEvent` 1.0.
//!
//! What comes in: a stored entry. What goes out: an event in the structured form of `CloudEvents`'
//! JSON format (<https://cloudevents.io>). What may fail: bytes that are no entry. What must stay
//! true: nothing of an entry is told but what the log says in clear of a record or an office; the
//! hash of its leaf is made here from the bytes, so that whoever is told can ask for the proof and
//! check it.
//!
//! ```json
//! {
//!   "specversion": "1.0", "id": "0190…", "source": "urn:uuid:…", "type": "org.vitaledger.birth.recorded",
//!   "subject": "…", "time": "2014-06-03T…Z", "datacontenttype": "application/json",
//!   "sequence": "0000000000000017", "position": "17", "partitionkey": "…", "recordversion": "1",
//!   "leafhash": "…", "office": "990101100001", "data": { "kind": "birth", "change": "recorded", "public": {} }
//! }
//! ```
//!
//! Integers of `CloudEvents` have 32 bits, which positions outgrow; so they are texts: `position` as
//! the addresses of proofs have it, and `sequence` with zeros before it, as the extension of that name
//! asks for, so that texts sort as numbers do. `partitionkey` is the record, whose events must stay
//! in order.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::ledger::aggregate::office::{office_after, office_of_entry};
use crate::model::entry::{Entry, leaf_hash};
use crate::model::fields::AnyFields;
use crate::model::id::{OfficeCode, Position};
use crate::registers::row::{RegisterRow, RowError};
use crate::store::StoredEntry;

/// The media type of one event.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";
/// The media type of several.
pub const BATCH_MEDIA_TYPE: &str = "application/cloudevents-batch+json";

/// Why an entry is no event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Its bytes are none.
    #[error("the entry at position {position} does not read: {source}")]
    Entry {
        /// Where.
        position: Position,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It is no event of its kind of record.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// An event. It is made once and shared by all who are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where the entry stands.
    pub position: Position,
    /// The stream it belongs to, whose events are told in order.
    pub record: Uuid,
    /// The type of that stream, as `birth`.
    pub kind: String,
    /// The office that it concerns.
    pub office: Option<OfficeCode>,
    /// The id of the event.
    pub id: Uuid,
    /// Its type, as `org.vitaledger.birth.recorded`.
    pub event_type: String,
    /// The RFC 6962 leaf hash of the entry.
    pub leaf_hash: [u8; 32],
    /// The event as JSON, in one line.
    pub json: String,
}

/// The attributes in the order of the JSON.
#[derive(Serialize)]
struct Attributes<'a> {
    specversion: &'a str,
    id: Uuid,
    source: &'a str,
    r#type: &'a str,
    subject: Uuid,
    time: String,
    datacontenttype: &'a str,
    sequence: String,
    position: String,
    partitionkey: Uuid,
    recordversion: String,
    leafhash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    office: Option<OfficeCode>,
    data: Value,
}

/// `MasterKeyRotated` as `master_key_rotated`.
fn snake(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// What is public: of a record, its fields after the change, as `/v1/records` shows them; of an
/// office, all that is known of it; of anything else, that it happened.
fn data(entry: &Entry<'_>, change: &str) -> Result<Value, EventError> {
    let position = entry.position;
    let mut data = json!({ "kind": entry.aggregate_type, "change": change });
    if let Some(row) = RegisterRow::of(entry)? {
        let fields = AnyFields::columns(row.kind()).iter();
        let public: Map<String, Value> = fields
            .filter_map(|(name, _)| Some(((*name).to_owned(), row.fields.get(name)?.to_json())))
            .collect();
        data["public"] = public.into();
    } else {
        let read = office_after(entry);
        let office = read.map_err(|source| EventError::Entry { position, source })?;
        if let Some(office) = office {
            data["public"] = json!(office);
        }
    }
    Ok(data)
}

/// The `source` of the events of a ledger.
#[must_use]
pub fn source_of(ledger: Uuid) -> String {
    format!("urn:uuid:{ledger}")
}

impl Event {
    /// The event of an entry of a ledger.
    ///
    /// # Errors
    /// See [`EventError`].
    pub fn of(ledger: Uuid, stored: &StoredEntry) -> Result<Self, EventError> {
        let position = stored.position;
        let failed = |source| EventError::Entry { position, source };
        let entry = Entry::parse(&stored.bytes).map_err(failed)?;
        let change = snake(&entry.event_type);
        let kind = entry.aggregate_type.to_string();
        let event_type = format!("org.vitaledger.{kind}.{change}");
        let office = office_of_entry(&entry);
        let leaf_hash = leaf_hash(&stored.bytes);
        let attributes = Attributes {
            specversion: "1.0",
            id: entry.event_id,
            source: &source_of(ledger),
            r#type: &event_type,
            subject: entry.aggregate_id,
            time: entry.recorded_at.to_string(),
            datacontenttype: "application/json",
            sequence: format!("{position:016}"),
            position: position.to_string(),
            partitionkey: entry.aggregate_id,
            recordversion: entry.sequence.to_string(),
            leafhash: hex::encode(leaf_hash),
            office,
            data: data(&entry, &change)?,
        };
        let json = serde_json::to_string(&attributes).map_err(failed)?;
        Ok(Self {
            position,
            record: entry.aggregate_id,
            kind,
            office,
            id: entry.event_id,
            event_type,
            leaf_hash,
            json,
        })
    }

    /// Appends the event in the form of server-sent events. JSON has no line breaks here.
    pub fn write_to(&self, stream: &mut String) {
        let (position, kind, json) = (self.position, &self.event_type, &self.json);
        // Writing to a string cannot fail.
        let _ = write!(stream, "id: {position}\nevent: {kind}\ndata: {json}\n\n");
    }
}

/// Several events as one JSON array, in the form of `CloudEvents`' batches.
#[must_use]
pub fn batch<'a>(events: impl IntoIterator<Item = &'a Event>) -> String {
    let mut text = String::from("[");
    for event in events {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&event.json);
    }
    text.push(']');
    text
}
