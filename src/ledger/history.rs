//! The history of one record: its entries, its public states, and its sealed values.
//!
//! What comes in: the stream of a record and its rows of the vault. What goes out: each event
//! with what it changed, and the values that hold now. What may fail: an entry that does not
//! parse, a row that does not open ([`HistoryError`] says at which position). What must stay
//! true: after an erasure everything but the sealed values is still there.

use std::collections::HashMap;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::aggregate::record::RecordEvent;
use super::commitment::Commitments;
use super::keys::UnwrapError;
use super::master::MasterKeys;
use super::sealing::{OpenError, OpenedSlot, RecordKeys, Sealer, role_of};
use crate::model::entry::Entry;
use crate::model::fields::{
    ActivityFields, AnyFields, BirthFields, DisbursementFields, PregnancyLossFields, PublicFields,
    RegistrationFields, ReturnFields,
};
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;
use crate::model::time::Timestamp;
use crate::store::{StoredEntry, VaultRow};

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// An entry is no event of a record.
    #[error("the entry at position {position} cannot be read: {what}")]
    Entry {
        /// Where.
        position: Position,
        /// What is wrong.
        what: String,
    },
    /// The vault has no row for an event that has sealed fields.
    #[error("the vault has no row for position {position}")]
    NoRow {
        /// Where.
        position: Position,
    },
    /// A sealed field does not open.
    #[error("at position {position}: {source}")]
    Open {
        /// Where.
        position: Position,
        /// What is wrong.
        source: OpenError,
    },
    /// The key of a statistical year does not open.
    #[error("the key of statistical year {year}: {source}")]
    Year {
        /// The year.
        year: i32,
        /// What is wrong.
        source: OpenError,
    },
}

impl HistoryError {
    /// Whether a master key is not kept any more; a row that is read again may be under another.
    #[must_use]
    pub const fn is_of_a_key_that_is_gone(&self) -> bool {
        let Self::Open { source, .. } = self else {
            return false;
        };
        matches!(source, OpenError::Key(UnwrapError::NoMasterKey(_)))
    }
}

/// What an event did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Reported.
    Recorded,
    /// Corrected; the names of what changed.
    Corrected(Vec<String>),
    /// Withdrawn.
    Voided,
}

/// The event of a record, whatever its kind.
#[derive(Debug, Clone)]
pub struct AnyRecordEvent {
    /// What it did.
    pub what: What,
    /// Public state after it; none for a void.
    pub fields: Option<AnyFields>,
    /// The commitments it made.
    pub commitments: Commitments,
}

impl AnyRecordEvent {
    /// Reads the payload of a record's entry.
    ///
    /// # Errors
    /// When it is not an event of that kind.
    pub fn parse(kind: RecordKind, payload: &str) -> Result<Self, serde_json::Error> {
        match kind {
            RecordKind::Registration => any::<RegistrationFields>(payload, AnyFields::Registration),
            RecordKind::Birth => any::<BirthFields>(payload, AnyFields::Birth),
            RecordKind::PregnancyLoss => {
                any::<PregnancyLossFields>(payload, AnyFields::PregnancyLoss)
            }
            RecordKind::Disbursement => any::<DisbursementFields>(payload, AnyFields::Disbursement),
            RecordKind::Activity => any::<ActivityFields>(payload, AnyFields::Activity),
            RecordKind::Return => any::<ReturnFields>(payload, AnyFields::Return),
        }
    }
}

fn any<F: PublicFields>(
    payload: &str,
    wrap: fn(F) -> AnyFields,
) -> Result<AnyRecordEvent, serde_json::Error> {
    Ok(match serde_json::from_str::<RecordEvent<F>>(payload)? {
        RecordEvent::Recorded {
            commitments,
            fields,
        } => AnyRecordEvent {
            what: What::Recorded,
            fields: Some(wrap(fields)),
            commitments,
        },
        RecordEvent::Corrected {
            changed,
            commitments,
            fields,
            ..
        } => AnyRecordEvent {
            what: What::Corrected(changed),
            fields: Some(wrap(fields)),
            commitments,
        },
        RecordEvent::Voided { commitments } => AnyRecordEvent {
            what: What::Voided,
            fields: None,
            commitments,
        },
    })
}

/// One event in the life of a record.
pub struct LifeEvent {
    /// Where it stands.
    pub position: Position,
    /// When the ledger learned of it.
    pub recorded_at: Timestamp,
    /// Its id.
    pub event_id: Uuid,
    /// 1-based version.
    pub version: u64,
    /// Metadata by name.
    pub metadata: Vec<(String, String)>,
    /// Its bytes, as hashed.
    pub bytes: Vec<u8>,
    /// What it says.
    pub event: AnyRecordEvent,
    /// Its sealed values, opened; none when the record was erased.
    pub opened: Option<Vec<OpenedSlot>>,
}

/// The life of a record.
pub struct RecordHistory {
    /// The kind.
    pub kind: RecordKind,
    /// The record.
    pub record_id: Uuid,
    /// Its events, first to last; at least one.
    pub events: Vec<LifeEvent>,
    /// Its rows of the vault by position.
    pub rows: HashMap<Position, VaultRow>,
    /// Its keys; none after erasure.
    pub keys: Option<RecordKeys>,
    /// The erasure that emptied it.
    pub erased_by: Option<Position>,
}

impl RecordHistory {
    /// Reads and opens a stream.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn read(
        ledger: Uuid,
        master: &MasterKeys,
        stream: Vec<StoredEntry>,
        rows: HashMap<Position, VaultRow>,
    ) -> Result<Option<Self>, HistoryError> {
        let mut history: Option<Self> = None;
        for stored in stream {
            let position = stored.position;
            let wrong = |what: String| HistoryError::Entry { position, what };
            let entry = Entry::parse(&stored.bytes).map_err(|error| wrong(error.to_string()))?;
            let kind = RecordKind::of_type(&entry.aggregate_type)
                .ok_or_else(|| wrong("it is of no record".to_owned()))?;
            let event = AnyRecordEvent::parse(kind, entry.payload.get())
                .map_err(|error| wrong(error.to_string()))?;
            let row = rows
                .get(&position)
                .ok_or(HistoryError::NoRow { position })?;
            let life = history.get_or_insert_with(|| Self {
                kind,
                record_id: entry.aggregate_id,
                events: Vec::new(),
                rows: HashMap::new(),
                keys: None,
                erased_by: row.erased_by,
            });
            let opened = life.open(ledger, master, &entry, &event, row)?;
            life.events.push(LifeEvent {
                position,
                recorded_at: entry.recorded_at,
                event_id: entry.event_id,
                version: entry.sequence,
                metadata: entry
                    .metadata
                    .iter()
                    .map(|(name, value)| (name.to_string(), value.to_string()))
                    .collect(),
                event,
                opened,
                bytes: stored.bytes.clone(),
            });
        }
        if let Some(history) = &mut history {
            history.rows = rows;
        }
        Ok(history)
    }

    fn open(
        &mut self,
        ledger: Uuid,
        master: &MasterKeys,
        entry: &Entry<'_>,
        event: &AnyRecordEvent,
        row: &VaultRow,
    ) -> Result<Option<Vec<OpenedSlot>>, HistoryError> {
        // A change that came while its record was erased is empty a moment after the others.
        if row.erased_by.is_some() || self.erased_by.is_some() {
            return Ok(None);
        }
        let failed = |source| HistoryError::Open {
            position: entry.position,
            source,
        };
        if entry.sequence == 1 {
            let keys = RecordKeys::open(&row.keys, master, ledger, entry.event_id)
                .map_err(|error| failed(error.into()))?;
            self.keys = Some(keys);
        }
        let keys = self
            .keys
            .as_ref()
            .ok_or_else(|| failed(OpenError::Malformed))?;
        let kind = self.kind;
        Sealer::new(ledger, entry.event_id)
            .open(
                keys,
                |slot| role_of(kind, slot),
                &event.commitments,
                &row.slots,
            )
            .map(Some)
            .map_err(failed)
    }

    /// The public state now: of the last event that has one.
    #[must_use]
    pub fn fields(&self) -> Option<&AnyFields> {
        self.events
            .iter()
            .rev()
            .find_map(|life| life.event.fields.as_ref())
    }

    /// Its version now: the number of its events.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.events.len() as u64
    }

    /// Whether it was withdrawn.
    #[must_use]
    pub fn voided(&self) -> bool {
        self.events
            .iter()
            .any(|life| life.event.what == What::Voided)
    }

    /// The event that set a slot, and the slot as opened.
    #[must_use]
    pub fn slot(&self, slot: Slot) -> Option<(&LifeEvent, Option<&OpenedSlot>)> {
        let life = self
            .events
            .iter()
            .rev()
            .find(|life| life.event.commitments.get(slot).is_some())?;
        let opened = life
            .opened
            .as_ref()
            .and_then(|all| all.iter().find(|o| o.slot == slot));
        Some((life, opened))
    }

    /// The value of a slot now.
    #[must_use]
    pub fn value(&self, slot: Slot) -> Option<&Zeroizing<String>> {
        self.slot(slot)?.1?.value.as_ref()
    }

    /// Positions of its events.
    pub fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        self.events.iter().map(|life| life.position)
    }
}
