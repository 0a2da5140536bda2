//! The life of a record: every change with old and new values, who, when, and where it stands.
//!
//! What comes in: a history, opened, and whether sealed values are shown. What goes out: a
//! [`Timeline`]. What may fail: nothing. What must stay true: without that word no sealed value
//! leaves, only that there is one.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use uuid::Uuid;

use super::late::AfterClose;
use crate::ledger::history::{LifeEvent, RecordHistory, What};
use crate::model::cell::{Fen, Value};
use crate::model::entry::leaf_hash;
use crate::model::fields::AnyFields;
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::model::time::Timestamp;

/// What stands for a sealed value that is not shown.
pub const MASK: &str = "••••";
/// What stands for a sealed value that was erased.
const ERASED: &str = "(erased)";

/// A change of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Its name.
    pub field: String,
    /// What it was; nothing when it was not stated.
    pub old: Option<String>,
    /// What it is; nothing when it is not stated any more.
    pub new: Option<String>,
}

/// One event in the life of a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lived<'a> {
    /// Where it stands.
    pub position: Position,
    /// 1-based version.
    pub version: u64,
    /// When the ledger learned of it.
    pub recorded_at: Timestamp,
    /// The event.
    pub event_id: Uuid,
    /// `Recorded`, `Corrected` or `Voided`.
    pub event: &'static str,
    /// Who, for whom, from where.
    pub metadata: BTreeMap<&'a str, &'a str>,
    /// RFC 6962 leaf hash, hexadecimal.
    pub leaf_hash: String,
    /// What changed.
    pub changes: Vec<FieldChange>,
    /// Closed periods that it came after.
    pub after_close_of: &'a [AfterClose],
}

/// The life of a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline<'a> {
    /// The record.
    pub record_id: Uuid,
    /// Its kind.
    pub kind: &'static str,
    /// Whether it was withdrawn.
    pub voided: bool,
    /// The entry that erased its content.
    pub erased_by: Option<Position>,
    /// Its events, in order.
    pub events: Vec<Lived<'a>>,
}

impl<'a> Timeline<'a> {
    /// Of a history; `marks` are the closed periods that entries came after.
    #[must_use]
    pub fn of(
        history: &'a RecordHistory,
        marks: &'a HashMap<Position, Vec<AfterClose>>,
        unseal: bool,
    ) -> Self {
        let mut state = BTreeMap::new();
        let lived = |life: &'a LifeEvent| Lived {
            position: life.position,
            version: life.version,
            recorded_at: life.recorded_at,
            event_id: life.event_id,
            event: match life.event.what {
                What::Recorded => "Recorded",
                What::Corrected(_) => "Corrected",
                What::Voided => "Voided",
            },
            metadata: life
                .metadata
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            leaf_hash: hex::encode(leaf_hash(&life.bytes)),
            changes: changes(history.kind, &mut state, life, unseal),
            after_close_of: marks.get(&life.position).map_or(&[][..], Vec::as_slice),
        };
        Self {
            record_id: history.record_id,
            kind: history.kind.as_str(),
            voided: history.voided(),
            erased_by: history.erased_by,
            events: history.events.iter().map(lived).collect(),
        }
    }
}

/// The fields that an event changed; `state` is brought up to it.
#[must_use]
pub fn changes(
    kind: RecordKind,
    state: &mut BTreeMap<String, Option<String>>,
    life: &LifeEvent,
    unseal: bool,
) -> Vec<FieldChange> {
    let mut after: Vec<(String, Option<String>)> = Vec::new();
    if let Some(fields) = &life.event.fields {
        for (name, _) in AnyFields::columns(kind) {
            after.push((
                (*name).to_owned(),
                fields.get(name).map(|value| text(name, &value)),
            ));
        }
    }
    for slot in life.event.commitments.slots() {
        let value = match &life.opened {
            None => Some(ERASED.to_owned()),
            Some(opened) => opened
                .iter()
                .find(|opened| opened.slot == slot)
                .and_then(|opened| opened.value.as_ref())
                .map(|value| {
                    if unseal {
                        value.to_string()
                    } else {
                        MASK.to_owned()
                    }
                }),
        };
        after.push((slot.name().to_owned(), value));
    }
    let named: Option<&[String]> = match &life.event.what {
        What::Corrected(names) => Some(names),
        What::Recorded | What::Voided => None,
    };
    let mut changed = Vec::new();
    for (name, value) in after {
        let before = state.insert(name.clone(), value.clone()).flatten();
        // A masked value that changed looks the same before and after: the event names it.
        let differs = named.map_or(value.is_some(), |names| names.contains(&name));
        if differs || name == "reason" {
            changed.push(FieldChange {
                field: name,
                old: before,
                new: value,
            });
        }
    }
    changed
}

fn text(name: &str, value: &Value) -> String {
    match value {
        Value::Integer(fen) if name == "amount_fen" => {
            format!("{} 元", Fen(*fen).to_yuan())
        }
        other => other.to_string(),
    }
}
