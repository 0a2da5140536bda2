//! From drafts to sealed entries: recording, correcting, voiding.
//!
//! What comes in: drafts, and the histories of records that change. What goes out: entries that
//! wait for their place, with their rows of the vault. What may fail: what the record's aggregate
//! refuses. What must stay true: every personal value leaves here sealed, under keys of its own
//! record, bound to its event.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use uuid::Uuid;

use super::aggregate::record::{Record, RecordCommand, RecordError, RecordEvent};
use super::commitment::Commitments;
use super::envelope::{Envelope, Metadata};
use super::execute::{Decided, Idempotency, Ledger, Prepared};
use super::history::RecordHistory;
use super::keys::TokenPurpose;
use super::request::{Context, LedgerError, Refusal};
use super::sealing::{RecordKeys, Sealer, role_of};
use super::years::statistical_year;
use crate::model::entry::Unplaced;
use crate::model::fields::{AnyFields, PublicFields};
use crate::model::record::Draft;
use crate::model::slot::Slot;
use crate::model::time::Timestamp;
use crate::store::{Group, Pending, VaultRow, WomanToken};
use crate::with_fields;

/// In metadata: the last entry that a return was counted from, in decimal digits.
pub const AS_OF: &str = "as_of";

/// In [`VaultRow::flags`]: a woman's token was made.
pub const FLAG_WOMAN_TOKEN: i64 = 1;

/// Which record is changed, at which version if that matters, and why.
type Change<'a> = (Uuid, Option<u64>, &'a str);

impl Ledger {
    pub(super) fn metadata(context: &Context, idempotency: Option<Idempotency>) -> Metadata {
        let mut metadata = BTreeMap::new();
        metadata.insert("actor".into(), context.actor.clone());
        if let Some((key, request)) = idempotency {
            metadata.insert("idempotency".into(), hex::encode([key, request].concat()));
        }
        if let Some(import) = context.import_id {
            metadata.insert("import".into(), import.to_string());
        }
        if let Some(position) = context.as_of {
            metadata.insert(AS_OF.into(), position.to_string());
        }
        metadata
    }

    /// Of a record. Of a pregnancy loss only the township is public, and not who reports.
    fn record_metadata(
        context: &Context,
        draft: &Draft,
        idempotency: Option<Idempotency>,
    ) -> Metadata {
        let mut metadata = Self::metadata(context, idempotency);
        if let AnyFields::PregnancyLoss(fields) = &draft.fields {
            if let Some(township) = fields.township {
                metadata.insert("office".into(), township.to_string());
            }
        } else {
            metadata.insert("office".into(), draft.office.to_string());
            metadata.insert("source".into(), draft.source.to_string());
        }
        metadata
    }

    fn simulated_at(&self, context: &Context, reported_on: NaiveDate) -> Option<Timestamp> {
        self.simulated
            .then(|| Timestamp::simulated(reported_on).min(context.until))
    }

    /// Seals a new record and writes its entry, as if its stream were empty. Pure computation:
    /// bulk imports run this on all cores. Needs [`Self::prepare_years`].
    ///
    /// # Errors
    /// When it cannot be written as an entry.
    pub fn prepare_record(
        &self,
        context: &Context,
        draft: &Draft,
        idempotency: Option<Idempotency>,
    ) -> Decided {
        let kind = draft.kind();
        let event_id = Uuid::now_v7();
        let keys = RecordKeys::generate(kind.roles(), &mut rand::rng());
        let values: Vec<_> = draft
            .sealed
            .iter()
            .map(|(slot, value)| (*slot, value.as_deref()))
            .collect();
        let (commitments, slots) =
            Sealer::new(self.id, event_id).seal(&keys, |slot| role_of(kind, slot), &values);
        let metadata = Self::record_metadata(context, draft, idempotency);
        let envelope = Envelope {
            aggregate_id: self.record_id(draft),
            sequence: 1,
            event_id,
            metadata: &metadata,
            simulated_at: self.simulated_at(context, draft.reported_on),
        };
        let entry = with_fields!(&draft.fields, fields => {
            let command = RecordCommand::Record { commitments, fields: fields.clone() };
            let event = Record::default().decide(command)?;
            write(&envelope, fields, &event)
        })?;
        let wrapped = keys
            .wrapped(&self.master, self.id, event_id)
            .map_err(|error| Refusal::Aggregate(error.to_string()))?;
        let key_id = rand::random::<[u8; 16]>();
        let (vault, woman) = self.vault_row(draft, event_id, key_id, wrapped, slots);
        Ok(Prepared {
            group: Group {
                events: vec![Pending {
                    entry,
                    vault: Some(vault),
                    woman,
                }],
                idempotency,
            },
            draft: None,
        })
    }

    /// The id of the record that a draft is about.
    #[must_use]
    pub fn record_id(&self, draft: &Draft) -> Uuid {
        self.keys
            .record_id(draft.kind(), draft.source.as_str(), &draft.source_record_id)
    }

    fn vault_row(
        &self,
        draft: &Draft,
        event_id: Uuid,
        key_id: [u8; 16],
        keys: Vec<u8>,
        slots: Vec<u8>,
    ) -> (VaultRow, Option<WomanToken>) {
        let woman = self.woman_token(draft, event_id);
        let mut row = VaultRow {
            key_id,
            keys,
            slots,
            content: self.keys.content(&draft.content_hash()).to_vec(),
            flags: if woman.is_some() { FLAG_WOMAN_TOKEN } else { 0 },
            erased_by: None,
            mac: Vec::new(),
            tokens: self.tokens(draft),
        };
        row.mac = self.row_mac(event_id, &row);
        (row, woman)
    }

    /// Authenticates a row of the vault for its event.
    #[must_use]
    pub fn row_mac(&self, event_id: Uuid, row: &VaultRow) -> Vec<u8> {
        let erased_by = row.erased_by.map_or([0xff; 8], u64::to_be_bytes);
        let parts: [&[u8]; 8] = [
            event_id.as_bytes(),
            &row.key_id,
            &row.keys,
            &row.slots,
            &row.content,
            &row.flags.to_be_bytes(),
            &erased_by,
            &row.tokens,
        ];
        self.keys.row(&parts).to_vec()
    }

    /// Authenticates the token of a pregnancy loss for its event.
    #[must_use]
    pub fn woman_mac(&self, event_id: Uuid, year: i32, token: &[u8; 16]) -> [u8; 16] {
        self.keys
            .row(&[b"woman", event_id.as_bytes(), &year.to_be_bytes(), token])
    }

    fn woman_token(&self, draft: &Draft, event_id: Uuid) -> Option<WomanToken> {
        let number = draft.woman_id_no.as_ref()?;
        let year = statistical_year(draft.occurred_on);
        let years = self.years.lock().ok()?;
        let token = years.get(&year)?.as_ref()?.short(&[number.as_bytes()]);
        Some(WomanToken {
            year,
            token,
            mac: self.woman_mac(event_id, year, &token),
        })
    }

    fn tokens(&self, draft: &Draft) -> Vec<u8> {
        let mut packed = Vec::new();
        for (slot, value) in &draft.sealed {
            if let (Some(purpose), Some(value)) = (token_purpose(*slot), value) {
                packed.push(slot.number());
                packed.extend_from_slice(&self.keys.token(purpose, value));
            }
        }
        packed
    }

    pub(super) async fn correct(
        &self,
        context: &Context,
        (record_id, expected, reason): Change<'_>,
        draft: &Draft,
        idempotency: Option<Idempotency>,
    ) -> Result<Decided, LedgerError> {
        let history = match self.changeable(record_id, expected).await? {
            Ok(history) => history,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if self.record_id(draft) != record_id {
            return Ok(Err(Refusal::OtherRecord));
        }
        let mut values: Vec<(Slot, Option<&str>)> = Vec::new();
        let mut set_by = BTreeMap::new();
        for (slot, value) in &draft.sealed {
            let Some((life, opened)) = history.slot(*slot) else {
                continue;
            };
            let before = opened
                .and_then(|slot| slot.value.as_ref())
                .map(|text| text.as_str());
            if before == value.as_deref() {
                set_by.insert(*slot, life.event_id);
            } else {
                values.push((*slot, value.as_deref()));
            }
        }
        values.push((Slot::REASON, Some(reason)));
        Ok(self.change(
            context,
            &history,
            Some(draft),
            &values,
            idempotency,
            |commitments| Some((commitments, set_by)),
        ))
    }

    pub(super) async fn void(
        &self,
        context: &Context,
        (record_id, expected, reason): Change<'_>,
        idempotency: Option<Idempotency>,
    ) -> Result<Decided, LedgerError> {
        let history = match self.changeable(record_id, expected).await? {
            Ok(history) => history,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let values = [(Slot::REASON, Some(reason))];
        Ok(self.change(context, &history, None, &values, idempotency, |_| None))
    }

    /// The record as it is, if it can be changed and is at the version that is expected.
    async fn changeable(
        &self,
        record_id: Uuid,
        expected: Option<u64>,
    ) -> Result<Result<RecordHistory, Refusal>, LedgerError> {
        let Some(history) = self.history(record_id).await? else {
            return Ok(Err(RecordError::NotRecorded.into()));
        };
        if let Some(erasure) = history.erased_by {
            return Ok(Err(Refusal::Erased(erasure)));
        }
        let current = history.events.len() as u64;
        Ok(match expected {
            Some(expected) if expected != current => Err(Refusal::Changed { expected, current }),
            _ => Ok(history),
        })
    }

    /// Seals what changes of a record and writes the entry: a correction when there is a draft.
    fn change(
        &self,
        context: &Context,
        history: &RecordHistory,
        draft: Option<&Draft>,
        values: &[(Slot, Option<&str>)],
        idempotency: Option<Idempotency>,
        correction: impl FnOnce(Commitments) -> Option<(Commitments, BTreeMap<Slot, Uuid>)>,
    ) -> Decided {
        let (Some(keys), Some(before), Some(first)) =
            (&history.keys, history.fields(), history.events.first())
        else {
            return Err(RecordError::NotRecorded.into());
        };
        let kind = history.kind;
        let event_id = Uuid::now_v7();
        let (commitments, slots) =
            Sealer::new(self.id, event_id).seal(keys, |slot| role_of(kind, slot), values);
        let metadata = Self::metadata_of_change(context, &first.metadata, draft, idempotency);
        let envelope = Envelope {
            aggregate_id: history.record_id,
            sequence: history.events.len() as u64 + 1,
            event_id,
            metadata: &metadata,
            simulated_at: self.simulated.then(|| {
                draft
                    .map_or_else(Timestamp::default, |draft| {
                        Timestamp::simulated(draft.reported_on)
                    })
                    .min(context.until)
            }),
        };
        let after = draft.map_or(before, |draft| &draft.fields);
        let correction = correction(commitments.clone());
        let entry = with_fields!(after, fields => {
            let state = Record { fields: same_kind(fields, before), voided: history.voided() };
            let command = match correction {
                Some((commitments, set_by)) => {
                    RecordCommand::Correct { commitments, fields: fields.clone(), set_by }
                }
                None => RecordCommand::Void { commitments },
            };
            let event = state.decide(command)?;
            write(&envelope, fields, &event)
        })?;
        let key_id = history
            .rows
            .get(&first.position)
            .map(|row| row.key_id)
            .unwrap_or_default();
        let (vault, woman) = match draft {
            Some(draft) => self.vault_row(draft, event_id, key_id, Vec::new(), slots),
            None => (self.plain_row(event_id, key_id, Vec::new(), slots), None),
        };
        Ok(Prepared {
            group: Group {
                events: vec![Pending {
                    entry,
                    vault: Some(vault),
                    woman,
                }],
                idempotency,
            },
            draft: None,
        })
    }

    /// Of a change: what it does not say of office and source, the first event says.
    fn metadata_of_change(
        context: &Context,
        first: &[(String, String)],
        draft: Option<&Draft>,
        idempotency: Option<Idempotency>,
    ) -> Metadata {
        let mut metadata = match draft {
            Some(draft) => Self::record_metadata(context, draft, idempotency),
            None => Self::metadata(context, idempotency),
        };
        for (name, value) in first {
            if matches!(name.as_str(), "office" | "source") {
                let entry = metadata.entry(name.clone().into());
                entry.or_insert_with(|| value.clone());
            }
        }
        metadata
    }

    /// A row without content digest and tokens.
    pub(super) fn plain_row(
        &self,
        event_id: Uuid,
        key_id: [u8; 16],
        keys: Vec<u8>,
        slots: Vec<u8>,
    ) -> VaultRow {
        let mut row = VaultRow {
            key_id,
            keys,
            slots,
            ..VaultRow::default()
        };
        row.mac = self.row_mac(event_id, &row);
        row
    }
}

fn write<F: PublicFields>(
    envelope: &Envelope<'_>,
    _: &F,
    event: &RecordEvent<F>,
) -> Result<Unplaced, Refusal> {
    Ok(envelope.write::<Record<F>>(event)?)
}

/// The fields inside `any`, when they are of the same kind as `like`.
fn same_kind<F: PublicFields>(_like: &F, any: &AnyFields) -> Option<F> {
    let any: &dyn std::any::Any = with_fields!(any, fields => fields);
    any.downcast_ref::<F>().cloned()
}

/// The purpose of the token of a slot, for slots that are compared across records.
#[must_use]
pub fn token_purpose(slot: Slot) -> Option<TokenPurpose> {
    match slot.name() {
        "id_no" | "partner_id_no" | "mother_id_no" | "father_id_no" | "beneficiary_id_no" => {
            Some(TokenPurpose::Person)
        }
        "household_no" => Some(TokenPurpose::Household),
        "birth_certificate_no" => Some(TokenPurpose::Certificate),
        "account_no" => Some(TokenPurpose::Account),
        "mother_residence" | "place_from" | "place_to" => Some(TokenPurpose::Place),
        _ => None,
    }
}
