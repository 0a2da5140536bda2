//! Who set what: for each field of a record, the entry that its value is from.
//!
//! What comes in: the opened history of a record, as of some moment. What goes out: one line for
//! each field, public or sealed, with the entry that set it, when, by whom, for which office and
//! in which import. What may fail: nothing. What must stay true: sealed values are masked; of a
//! voided record the values are those that it had last, and who voided it is said beside them.

use serde::Serialize;
use uuid::Uuid;

use super::difference::MASK;
use crate::ledger::history::{LifeEvent, RecordHistory, What};
use crate::model::fields::AnyFields;
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;
use crate::model::time::Timestamp;

/// An entry of a record, as the one that set something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Where it stands.
    pub position: Position,
    /// 1-based version of the record.
    pub version: u64,
    /// `recorded`, `corrected` or `voided`.
    pub change: &'static str,
    /// When the ledger learned of it.
    pub recorded_at: Timestamp,
    /// When the office says that it reported; masked where that is sealed.
    pub reported_on: Option<String>,
    /// Pseudonymous id of who made it.
    pub actor: Option<String>,
    /// The office of its metadata.
    pub office: Option<String>,
    /// The import that it came in.
    pub import: Option<String>,
}

/// One field and where its value is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldBlame {
    /// Its name.
    pub field: String,
    /// Whether it is sealed.
    pub sealed: bool,
    /// The value; a sealed one is masked; absent when it is not stated.
    pub value: Option<serde_json::Value>,
    /// Whether the sealed value was destroyed.
    pub erased: bool,
    /// Entries that set it, this one included.
    pub times_set: u64,
    /// The entry that set it last.
    pub set_by: Origin,
}

/// Who set what in one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blame {
    /// The record.
    pub record_id: Uuid,
    /// Its kind.
    pub kind: &'static str,
    /// Number of entries that this is as of.
    pub size: u64,
    /// Whether the ledger's clock is simulated.
    pub simulated_clock: bool,
    /// The entry that withdrew it.
    pub voided_by: Option<Origin>,
    /// The erasure that destroyed its sealed values, whenever that was.
    pub erased_by: Option<Position>,
    /// Public fields, then sealed ones.
    pub fields: Vec<FieldBlame>,
}

impl Blame {
    /// Of a history that ends at a number of entries.
    #[must_use]
    pub fn of(history: &RecordHistory, size: u64, simulated_clock: bool) -> Self {
        let kind = history.kind;
        let events = &history.events;
        let public = AnyFields::columns(kind).iter();
        let public = public.filter_map(|(name, _)| public_field(kind, events, name));
        let slots = kind.slots().iter().map(|(slot, _)| *slot);
        // Reasons belong to corrections, not to the schema.
        let reason = std::iter::once(Slot::REASON);
        let sealed = slots
            .filter(|slot| *slot != Slot::REASON)
            .chain(reason)
            .filter_map(|slot| sealed_field(kind, events, slot));
        Self {
            record_id: history.record_id,
            kind: kind.as_str(),
            size,
            simulated_clock,
            voided_by: events
                .iter()
                .find(|life| life.event.what == What::Voided)
                .map(|life| origin(kind, life)),
            erased_by: history.erased_by,
            fields: public.chain(sealed).collect(),
        }
    }
}

/// Whether an event set a public field.
fn sets(life: &LifeEvent, name: &str) -> bool {
    match &life.event.what {
        What::Recorded => true,
        What::Corrected(names) => names.iter().any(|other| other == name),
        What::Voided => false,
    }
}

fn public_field(kind: RecordKind, events: &[LifeEvent], name: &str) -> Option<FieldBlame> {
    let setters: Vec<&LifeEvent> = events.iter().filter(|life| sets(life, name)).collect();
    let last = setters.last()?;
    let value = last.event.fields.as_ref()?.get(name);
    // What was never stated was set by nobody.
    let ever = setters.iter().any(|life| {
        let fields = life.event.fields.as_ref();
        fields.is_some_and(|fields| fields.get(name).is_some())
    });
    ever.then(|| FieldBlame {
        field: name.to_owned(),
        sealed: false,
        value: value.map(|value| value.to_json()),
        erased: false,
        times_set: times(setters.len(), events, name),
        set_by: origin(kind, last),
    })
}

/// A first entry that leaves a field out did not set it.
fn times(setters: usize, events: &[LifeEvent], name: &str) -> u64 {
    let first = events.first().and_then(|life| life.event.fields.as_ref());
    let stated = first.is_some_and(|fields| fields.get(name).is_some());
    (setters - usize::from(!stated)) as u64
}

fn sealed_field(kind: RecordKind, events: &[LifeEvent], slot: Slot) -> Option<FieldBlame> {
    let setters = events
        .iter()
        .filter(|life| life.event.commitments.get(slot).is_some());
    let stated = |life: &LifeEvent| {
        let opened = life.opened.as_ref()?;
        let opened = opened.iter().find(|opened| opened.slot == slot)?;
        Some(opened.value.is_some())
    };
    let setters: Vec<&LifeEvent> = setters.collect();
    let last = setters.last()?;
    let erased = last.opened.is_none();
    let ever = setters.iter().any(|life| stated(life) == Some(true));
    let first_is_empty = setters.first().is_some_and(|life| {
        matches!(life.event.what, What::Recorded) && stated(life) == Some(false)
    });
    (ever || erased).then(|| FieldBlame {
        field: slot.name().to_owned(),
        sealed: true,
        value: (stated(last) == Some(true)).then(|| MASK.into()),
        erased,
        times_set: (setters.len() - usize::from(first_is_empty)) as u64,
        set_by: origin(kind, last),
    })
}

fn origin(kind: RecordKind, life: &LifeEvent) -> Origin {
    let metadata = |name: &str| {
        let found = life.metadata.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.clone())
    };
    let reported = ["reported_on", "submitted_on"]
        .into_iter()
        .find_map(|name| {
            let fields = life.event.fields.as_ref()?;
            fields.get(name).map(|value| value.to_string())
        });
    let sealed_date = kind == RecordKind::PregnancyLoss && life.event.fields.is_some();
    Origin {
        position: life.position,
        version: life.version,
        change: match life.event.what {
            What::Recorded => "recorded",
            What::Corrected(_) => "corrected",
            What::Voided => "voided",
        },
        recorded_at: life.recorded_at,
        reported_on: reported.or_else(|| sealed_date.then(|| MASK.to_owned())),
        actor: metadata("actor"),
        office: metadata("office"),
        import: metadata("import"),
    }
}
