//! What a bundle says, for people: the facts of its entries, and the page that shows them.
//!
//! What comes in: entries in order and the sealed fields that were opened. What goes out:
//! [`Facts`] and a page of HTML in two languages. What may fail: an entry that is no event of a
//! record; a template. What must stay true: the page follows from the entries and the opened
//! fields alone, always with the same bytes, so that whoever checks a bundle can make it again;
//! nothing that an office typed can steer a reader's browser or terminal.

use std::collections::BTreeMap;

use askama::Template;
use uuid::Uuid;

use super::{Disclosed, EvidenceError};
use crate::audit::keys::{LogFacts, is_of_keys};
use crate::ledger::history::{AnyRecordEvent, What};
use crate::locale::columns::harmless;
use crate::model::cell::{Fen, Value};
use crate::model::entry::{Entry, leaf_hash};
use crate::model::fields::AnyFields;
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;
use crate::seal::checkpoint::Checkpoint;

/// How to check a bundle; a part of every one.
pub const README: &str = include_str!("templates/README.md");

/// A name in two languages, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Field {
    /// Its name, as entries have it.
    pub name: String,
    /// Its Chinese name, if it is a column.
    pub zh: String,
    /// Its value.
    pub value: String,
}

/// One entry of the record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EventFacts {
    /// Where it stands.
    pub position: Position,
    /// 1-based version of the record.
    pub version: u64,
    /// When the ledger learned of it, as the ledger asserts.
    pub recorded_at: String,
    /// What it did.
    pub what: &'static str,
    /// The same in Chinese.
    #[serde(skip)]
    pub what_zh: &'static str,
    /// Who.
    pub actor: String,
    /// For which office.
    pub office: String,
    /// From which source.
    pub source: String,
    /// Its leaf hash, hexadecimal.
    pub leaf_hash: String,
    /// The public state after it.
    pub fields: Vec<Field>,
    /// What was opened.
    pub disclosed: Vec<Field>,
    /// What stays closed.
    pub closed: Vec<&'static str>,
}

/// What a bundle says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Facts {
    /// The record.
    pub record_id: Uuid,
    /// Its kind.
    pub kind: &'static str,
    /// The same in Chinese.
    #[serde(skip)]
    pub kind_zh: &'static str,
    /// The log.
    pub origin: String,
    /// Entries that the checkpoint covers.
    pub size: u64,
    /// The root, base64.
    pub root: String,
    /// Whether entry 0 says that times come from the reports.
    pub simulated_clock: bool,
    /// The entries of the record, in order of their versions.
    pub events: Vec<EventFacts>,
}

#[derive(Template)]
#[template(path = "summary.html", config = "src/audit/evidence/askama.toml")]
struct Page<'a> {
    facts: &'a Facts,
}

/// The page for people.
///
/// # Errors
/// When the template cannot be filled.
pub fn summary(facts: &Facts) -> Result<String, EvidenceError> {
    Page { facts }
        .render()
        .map_err(|error| EvidenceError::Page(error.to_string()))
}

/// The facts of entries by position: those of the log's own stream that bear on its keys, entry 0
/// first, and those of one record in order of their versions.
///
/// # Errors
/// [`EvidenceError::Entry`], [`EvidenceError::OtherRecord`], [`EvidenceError::Versions`],
/// [`EvidenceError::NoRecord`], [`EvidenceError::Founding`].
pub fn facts(
    entries: &[(Position, &[u8])],
    disclosed: &[Disclosed],
    checkpoint: &Checkpoint,
) -> Result<Facts, EvidenceError> {
    let log = founded(entries, checkpoint)?;
    let simulated_clock = log.simulated_clock;
    let mut facts: Option<Facts> = None;
    let of_record = entries.iter().filter(|(_, bytes)| !is_of_keys(bytes));
    for (version, (position, bytes)) in (1..).zip(of_record) {
        let position = *position;
        let wrong = |what: String| EvidenceError::Entry { position, what };
        let entry = Entry::parse(bytes).map_err(|error| wrong(error.to_string()))?;
        let kind = RecordKind::of_type(&entry.aggregate_type)
            .ok_or_else(|| wrong("it is of no record".to_owned()))?;
        let event = AnyRecordEvent::parse(kind, entry.payload.get())
            .map_err(|error| wrong(error.to_string()))?;
        let facts = facts.get_or_insert_with(|| Facts {
            record_id: entry.aggregate_id,
            kind: kind.as_str(),
            kind_zh: kind.zh(),
            origin: harmless(checkpoint.origin()),
            size: checkpoint.size(),
            root: checkpoint.root().to_string(),
            simulated_clock,
            events: Vec::new(),
        });
        if entry.aggregate_id != facts.record_id || kind.as_str() != facts.kind {
            return Err(EvidenceError::OtherRecord {
                position,
                found: entry.aggregate_id,
                record: facts.record_id,
            });
        }
        if entry.sequence != version {
            return Err(EvidenceError::Versions {
                position,
                version: entry.sequence,
                expected: version,
            });
        }
        facts
            .events
            .push(one(kind, &entry, &event, bytes, disclosed));
    }
    facts.ok_or(EvidenceError::NoRecord)
}

/// What the entries of the log's own stream say: entry 0 must be there, and the log must have the
/// origin of the checkpoint at its size.
///
/// # Errors
/// [`EvidenceError::Founding`], [`EvidenceError::Entry`].
pub fn founded(
    entries: &[(Position, &[u8])],
    checkpoint: &Checkpoint,
) -> Result<LogFacts, EvidenceError> {
    let Some((0, _)) = entries.first() else {
        return Err(EvidenceError::Founding);
    };
    let mut facts = LogFacts::default();
    for (position, bytes) in entries.iter().filter(|(_, bytes)| is_of_keys(bytes)) {
        let position = *position;
        let taken = facts.take(position, bytes);
        taken.map_err(|what| match position {
            0 => EvidenceError::Founding,
            position => EvidenceError::Entry { position, what },
        })?;
    }
    if facts.roster.origin_at(checkpoint.size()) != checkpoint.origin() {
        return Err(EvidenceError::Founding);
    }
    Ok(facts)
}

fn one(
    kind: RecordKind,
    entry: &Entry<'_>,
    event: &AnyRecordEvent,
    bytes: &[u8],
    disclosed: &[Disclosed],
) -> EventFacts {
    let (what, what_zh) = match event.what {
        What::Recorded => ("recorded", "入账"),
        What::Corrected(_) => ("corrected", "更正"),
        What::Voided => ("voided", "作废"),
    };
    let metadata = |name: &str| harmless(entry.metadata(name).unwrap_or("-"));
    let opened: BTreeMap<Slot, &Disclosed> = disclosed
        .iter()
        .filter(|field| field.position == entry.position)
        .map(|field| (field.slot, field))
        .collect();
    let stated = |field: &Disclosed| match &field.value {
        Some(value) => harmless(value),
        None => "(not stated / 未填)".to_owned(),
    };
    let slots = || event.commitments.slots();
    EventFacts {
        position: entry.position,
        version: entry.sequence,
        recorded_at: entry.recorded_at.to_string(),
        what,
        what_zh,
        actor: metadata("actor"),
        office: metadata("office"),
        source: metadata("source"),
        leaf_hash: hex::encode(leaf_hash(bytes)),
        fields: event
            .fields
            .as_ref()
            .map(|fields| public(kind, fields))
            .unwrap_or_default(),
        disclosed: slots()
            .filter_map(|slot| {
                Some(Field {
                    name: slot.name().to_owned(),
                    zh: chinese(kind, slot.name()),
                    value: stated(opened.get(&slot)?),
                })
            })
            .collect(),
        closed: slots()
            .filter(|slot| !opened.contains_key(slot))
            .map(Slot::name)
            .collect(),
    }
}

/// The public fields that are stated.
fn public(kind: RecordKind, fields: &AnyFields) -> Vec<Field> {
    let columns = AnyFields::columns(kind).iter();
    columns
        .filter_map(|(name, _)| {
            let value = match fields.get(name)? {
                Value::Integer(fen) if *name == "amount_fen" => {
                    format!("{} 元", Fen(fen).to_yuan())
                }
                other => harmless(&other.to_string()),
            };
            Some(Field {
                name: (*name).to_owned(),
                zh: chinese(kind, name),
                value,
            })
        })
        .collect()
}

/// The Chinese name of a column, or nothing.
fn chinese(kind: RecordKind, name: &str) -> String {
    let mut columns = kind.columns().iter();
    let found = columns.find(|column| column.field() == name || column.name == name);
    match (found, name) {
        (Some(column), _) => column.zh.to_owned(),
        (None, "reason") => "理由".to_owned(),
        (None, _) => String::new(),
    }
}
