//! One row of a register: the public state of a record after one event.

use uuid::Uuid;

use crate::ledger::aggregate::record::RecordEvent;
use crate::model::entry::Entry;
use crate::model::fields::{
    ActivityFields, AnyFields, BirthFields, DisbursementFields, PregnancyLossFields, PublicFields,
    RegistrationFields, ReturnFields,
};
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::model::time::Timestamp;

/// What an event did to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Reported.
    Recorded,
    /// Corrected.
    Corrected,
    /// Withdrawn; the row has no fields.
    Voided,
}

impl Change {
    /// The word in registers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Corrected => "corrected",
            Self::Voided => "voided",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Recorded, Self::Corrected, Self::Voided]
            .into_iter()
            .find(|c| c.as_str() == word)
    }
}

/// One event of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterRow {
    /// The record.
    pub record_id: Uuid,
    /// 1-based version within the record.
    pub version: u64,
    /// Where the entry stands.
    pub position: Position,
    /// When the ledger learned of it.
    pub recorded_at: Timestamp,
    /// What happened.
    pub change: Change,
    /// The event's id, to which commitments are bound.
    pub event_id: Uuid,
    /// The public state after the change; of a void, nothing is stated.
    pub fields: AnyFields,
}

/// An entry that does not read as an event of its kind.
#[derive(Debug, thiserror::Error)]
#[error("the entry at position {position} does not read as an event of a {kind}: {source}")]
pub struct RowError {
    /// Where.
    pub position: Position,
    /// What it should be.
    pub kind: RecordKind,
    /// What is wrong.
    pub source: serde_json::Error,
}

impl RegisterRow {
    /// The row of an entry; `None` for an entry that is of no record.
    ///
    /// # Errors
    /// When the payload is not an event of that kind.
    pub fn of(entry: &Entry<'_>) -> Result<Option<Self>, RowError> {
        let Some(kind) = RecordKind::of_type(&entry.aggregate_type) else {
            return Ok(None);
        };
        let failed = |source| RowError {
            position: entry.position,
            kind,
            source,
        };
        let (change, fields) = match kind {
            RecordKind::Registration => state::<RegistrationFields>(entry, AnyFields::Registration),
            RecordKind::Birth => state::<BirthFields>(entry, AnyFields::Birth),
            RecordKind::PregnancyLoss => {
                state::<PregnancyLossFields>(entry, AnyFields::PregnancyLoss)
            }
            RecordKind::Disbursement => state::<DisbursementFields>(entry, AnyFields::Disbursement),
            RecordKind::Activity => state::<ActivityFields>(entry, AnyFields::Activity),
            RecordKind::Return => state::<ReturnFields>(entry, AnyFields::Return),
        }
        .map_err(failed)?;
        Ok(Some(Self {
            record_id: entry.aggregate_id,
            version: entry.sequence,
            position: entry.position,
            recorded_at: entry.recorded_at,
            change,
            event_id: entry.event_id,
            fields,
        }))
    }

    /// The kind of record.
    #[must_use]
    pub const fn kind(&self) -> RecordKind {
        match self.fields {
            AnyFields::Registration(_) => RecordKind::Registration,
            AnyFields::Birth(_) => RecordKind::Birth,
            AnyFields::PregnancyLoss(_) => RecordKind::PregnancyLoss,
            AnyFields::Disbursement(_) => RecordKind::Disbursement,
            AnyFields::Activity(_) => RecordKind::Activity,
            AnyFields::Return(_) => RecordKind::Return,
        }
    }
}

fn state<F: PublicFields>(
    entry: &Entry<'_>,
    wrap: fn(F) -> AnyFields,
) -> Result<(Change, AnyFields), serde_json::Error> {
    Ok(
        match serde_json::from_str::<RecordEvent<F>>(entry.payload.get())? {
            RecordEvent::Recorded { fields, .. } => (Change::Recorded, wrap(fields)),
            RecordEvent::Corrected { fields, .. } => (Change::Corrected, wrap(fields)),
            RecordEvent::Voided { .. } => (Change::Voided, wrap(F::default())),
        },
    )
}
