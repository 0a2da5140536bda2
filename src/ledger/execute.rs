//! The one way by which anything is appended: a batch of requests.
//!
//! What comes in: requests. What goes out: for each an answer or a refusal, in their order. What
//! may fail: the batch as a whole, when the store does ([`LedgerError`]); then nothing of it was
//! acknowledged, and sending it again is safe. What must stay true: personal fields are sealed
//! and entries are written before the head is locked; a request that lost a race is decided
//! again on the new history; a repeated request gets its first receipt.
//!
//! A new record needs no history: it is decided on an empty stream, and only when the store says
//! that the stream is not empty is it read and compared ([`Ledger::replay`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use chrono::{Datelike, NaiveDate};
use uuid::Uuid;

use super::aggregate::office::{Office, OfficeCommand};
use super::aggregate::record::{Record, RecordCommand};
use super::commitment::Commitments;
use super::envelope::{Envelope, Metadata};
use super::history::RecordHistory;
use super::keys::{LedgerKeys, MasterKeys, Prf, TokenPurpose};
use super::request::{
    Answer, Command, Context, For, LedgerError, Receipt, Refusal, Request, StreamCommand, Writing,
};
use super::sealing::{RecordKeys, Sealer, role_of};
use crate::model::entry::Unplaced;
use crate::model::fields::{AnyFields, PublicFields};
use crate::model::id::Position;
use crate::model::record::Draft;
use crate::model::schema::RecordKind;
use crate::model::slot::{Role, Slot};
use crate::model::time::Timestamp;
use crate::store::{Group, Outcome, Pending, Store, Vault, VaultRow, WomanToken};
use crate::with_fields;

/// How often a request that lost a race is decided again.
const MAX_ATTEMPTS: u32 = 32;
/// Days after the end of a statistical year at which its key is destroyed.
pub const YEAR_KEY_DAYS: i64 = 400;
/// In [`VaultRow::flags`]: a woman's token was made.
pub const FLAG_WOMAN_TOKEN: i64 = 1;

/// A ledger that can be written.
pub struct Ledger {
    /// Names the ledger in every authenticated byte.
    pub id: Uuid,
    /// Whether times come from the reports.
    pub simulated: bool,
    /// Entries and checkpoints.
    pub store: Arc<dyn Store>,
    /// Sealed fields.
    pub vault: Arc<dyn Vault>,
    /// Record ids, tokens, authenticators.
    pub keys: LedgerKeys,
    /// Wrap the records' keys.
    pub master: MasterKeys,
    years: Mutex<HashMap<i32, Option<Prf>>>,
}

type Decided = Result<Prepared, Refusal>;

/// A request that waits for its place.
pub struct Prepared {
    group: Group,
    /// A new record; compared when its stream turns out not to be empty.
    draft: Option<Box<Draft>>,
}

/// The statistical year (1 October to 30 September) of a day, named for the year it ends in.
#[must_use]
pub fn statistical_year(day: NaiveDate) -> i32 {
    if day.month() >= 10 {
        day.year() + 1
    } else {
        day.year()
    }
}

/// The day from which the key of a statistical year may no longer exist.
#[must_use]
pub fn year_key_ends(year: i32) -> NaiveDate {
    let end = NaiveDate::from_ymd_opt(year, 9, 30).unwrap_or(NaiveDate::MAX);
    end.checked_add_signed(chrono::Duration::days(YEAR_KEY_DAYS))
        .unwrap_or(NaiveDate::MAX)
}

impl Ledger {
    /// Over a store and a vault.
    #[must_use]
    pub fn new(
        id: Uuid,
        simulated: bool,
        store: Arc<dyn Store>,
        vault: Arc<dyn Vault>,
        keys: LedgerKeys,
        master: MasterKeys,
    ) -> Self {
        Self {
            id,
            simulated,
            store,
            vault,
            keys,
            master,
            years: Mutex::default(),
        }
    }

    /// Executes a batch: see the head of this module.
    ///
    /// # Errors
    /// When the store fails; nothing of the batch was acknowledged then.
    pub async fn execute(
        &self,
        context: &Context,
        requests: Vec<Request>,
    ) -> Result<Vec<Result<Answer, Refusal>>, LedgerError> {
        let mut answers: Vec<Option<Result<Answer, Refusal>>> = Vec::new();
        answers.resize_with(requests.len(), || None);
        let mut open: Vec<(usize, Request)> = requests.into_iter().enumerate().collect();
        for attempt in 1.. {
            self.answer_repeated(&mut open, &mut answers).await?;
            let mut groups = Vec::with_capacity(open.len());
            let mut waiting = Vec::with_capacity(open.len());
            for (index, request) in open {
                match self.decide(context, &request).await? {
                    Ok(prepared) => {
                        groups.push(prepared.group);
                        waiting.push((index, request));
                    }
                    Err(refusal) => answers[index] = Some(Err(refusal)),
                }
            }
            let outcomes = self.store.append(groups).await?;
            open = Vec::new();
            for ((index, request), outcome) in waiting.into_iter().zip(outcomes) {
                let answer = match (outcome, request.command) {
                    (Outcome::Appended(entries), _) => self.appended(&entries)?,
                    (
                        Outcome::Repeated {
                            position,
                            request: first,
                        },
                        command,
                    ) => self.repeated(position, first, &command).await?,
                    (Outcome::Conflict { .. }, Command::Record(draft)) => {
                        self.replay(&draft).await?
                    }
                    (Outcome::Conflict { .. }, command) if attempt < MAX_ATTEMPTS => {
                        let key = request.idempotency_key;
                        open.push((
                            index,
                            Request {
                                command,
                                idempotency_key: key,
                            },
                        ));
                        continue;
                    }
                    (Outcome::Conflict { .. }, _) => Err(Refusal::Contended { attempts: attempt }),
                };
                answers[index] = Some(answer);
            }
            if open.is_empty() {
                break;
            }
        }
        let unanswered = || {
            Err(Refusal::Contended {
                attempts: MAX_ATTEMPTS,
            })
        };
        Ok(answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(unanswered))
            .collect())
    }

    /// Executes one request.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn execute_one(
        &self,
        context: &Context,
        request: impl Into<Request>,
    ) -> Result<Result<Answer, Refusal>, LedgerError> {
        let mut answers = self.execute(context, vec![request.into()]).await?;
        answers
            .pop()
            .ok_or_else(|| LedgerError::CutOff("no answer".to_owned()))
    }

    /// Answers requests whose idempotency key was used before, without deciding anything.
    async fn answer_repeated(
        &self,
        open: &mut Vec<(usize, Request)>,
        answers: &mut [Option<Result<Answer, Refusal>>],
    ) -> Result<(), LedgerError> {
        let key_of = |request: &Request| {
            request
                .idempotency_key
                .as_ref()
                .map(|key| self.keys.idempotency(key))
        };
        let keys: Vec<_> = open
            .iter()
            .filter_map(|(_, request)| key_of(request))
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let found = self.store.repeated(&keys).await?;
        let mut left = Vec::with_capacity(open.len());
        for (index, request) in open.drain(..) {
            match key_of(&request).and_then(|key| found.get(&key)) {
                Some((position, first)) => {
                    answers[index] =
                        Some(self.repeated(*position, *first, &request.command).await?);
                }
                None => left.push((index, request)),
            }
        }
        *open = left;
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "answers are the ledger's to give")]
    fn appended(
        &self,
        entries: &[crate::store::StoredEntry],
    ) -> Result<Result<Answer, Refusal>, LedgerError> {
        let first = entries
            .first()
            .ok_or_else(|| LedgerError::CutOff("no entry".to_owned()))?;
        Ok(Ok(Answer::Appended(Receipt::of(first)?)))
    }

    async fn repeated(
        &self,
        position: Position,
        first: [u8; 16],
        command: &Command,
    ) -> Result<Result<Answer, Refusal>, LedgerError> {
        if self.keys.content(&command.digest()) != first {
            return Ok(Err(Refusal::KeyReused { position }));
        }
        let entry = self.store.entry(position).await?;
        let entry = entry.ok_or_else(|| LedgerError::CutOff("no entry".to_owned()))?;
        let row = self.vault.sealed_at(&[position]).await?.remove(&position);
        Ok(Ok(Answer::Replayed {
            receipt: Receipt::of(&entry)?,
            erased_by: row.and_then(|row| row.erased_by),
        }))
    }

    async fn decide(&self, context: &Context, request: &Request) -> Result<Decided, LedgerError> {
        let idempotency = request.idempotency_key.as_ref().map(|key| {
            (
                self.keys.idempotency(key),
                self.keys.content(&request.command.digest()),
            )
        });
        match &request.command {
            Command::Record(draft) => {
                self.prepare_years(std::iter::once(draft.as_ref())).await?;
                Ok(self.prepare_record(context, draft, idempotency))
            }
            Command::Correct {
                record_id,
                draft,
                reason,
            } => {
                self.prepare_years(std::iter::once(draft.as_ref())).await?;
                self.correct(context, *record_id, draft, reason, idempotency)
                    .await
            }
            Command::Void { record_id, reason } => {
                self.void(context, *record_id, reason, idempotency).await
            }
            Command::Office(office) => {
                let stream = self.keys.stream_id("office", office.code.as_str());
                let known = !self.store.streams(&[stream]).await?.is_empty();
                let office = office.clone();
                let command = For::<Office> {
                    stream,
                    sealed: None,
                    build: Box::new(move |_| {
                        let office = office.clone();
                        if known {
                            OfficeCommand::Change { office }
                        } else {
                            OfficeCommand::Register { office }
                        }
                    }),
                };
                self.stream(context, &command, idempotency).await
            }
            Command::Stream(command) => self.stream(context, command.as_ref(), idempotency).await,
        }
    }

    fn metadata(&self, context: &Context, idempotency: Option<([u8; 16], [u8; 16])>) -> Metadata {
        let mut metadata = BTreeMap::new();
        metadata.insert("actor", context.actor.clone());
        if let Some((key, request)) = idempotency {
            metadata.insert("idempotency", hex::encode([key, request].concat()));
        }
        if let Some(import) = context.import_id {
            metadata.insert("import", import.to_string());
        }
        metadata
    }

    /// Of a record. Of a pregnancy loss only the township is public, and not who reports.
    fn record_metadata(
        &self,
        context: &Context,
        draft: &Draft,
        idempotency: Option<([u8; 16], [u8; 16])>,
    ) -> Metadata {
        let mut metadata = self.metadata(context, idempotency);
        if let AnyFields::PregnancyLoss(fields) = &draft.fields {
            if let Some(township) = fields.township {
                metadata.insert("office", township.to_string());
            }
        } else {
            metadata.insert("office", draft.office.to_string());
            metadata.insert("source", draft.source.to_string());
        }
        metadata
    }

    fn simulated_at(&self, context: &Context, reported_on: NaiveDate) -> Option<Timestamp> {
        self.simulated
            .then(|| Timestamp::simulated(reported_on).min(context.until))
    }

    /// Makes sure that the keys of the statistical years of these losses are at hand.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn prepare_years(
        &self,
        drafts: impl Iterator<Item = &Draft>,
    ) -> Result<(), LedgerError> {
        let known = |year: i32| {
            self.years
                .lock()
                .is_ok_and(|years| years.contains_key(&year))
        };
        let wanted: Vec<i32> = drafts
            .filter(|draft| draft.woman_id_no.is_some())
            .map(|draft| statistical_year(draft.occurred_on))
            .filter(|year| !known(*year))
            .collect();
        for year in wanted {
            let prf = self.year_key(year).await?;
            if let Ok(mut years) = self.years.lock() {
                years.insert(year, prf);
            }
        }
        Ok(())
    }

    async fn year_key(&self, year: i32) -> Result<Option<Prf>, LedgerError> {
        let today = if self.simulated {
            self.store.head().await?.recorded_at.date()
        } else {
            Timestamp::now().date()
        };
        if today > year_key_ends(year) {
            return Ok(None);
        }
        let name = Uuid::from_u128(u128::from(year.unsigned_abs()));
        let held = match self.vault.year_key(year).await? {
            Some(wrapped) => wrapped,
            None => {
                let fresh = RecordKeys::generate(&[Role::Record], &mut rand::rng());
                let wrapped = fresh.wrapped(&self.master, self.id, name)?;
                self.vault.keep_year_key(year, &wrapped).await?
            }
        };
        let keys = RecordKeys::open(&held, &self.master, self.id, name)?;
        Ok(keys.get(Role::Record).map(|key| Prf::new(key.as_bytes())))
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
        idempotency: Option<([u8; 16], [u8; 16])>,
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
        let metadata = self.record_metadata(context, draft, idempotency);
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

    /// Reads and opens a record.
    ///
    /// # Errors
    /// When the store fails or the record cannot be read.
    pub async fn history(&self, record_id: Uuid) -> Result<Option<RecordHistory>, LedgerError> {
        let mut streams = self.store.streams(&[record_id]).await?;
        let stream = streams.remove(&record_id).unwrap_or_default();
        let positions: Vec<_> = stream.iter().map(|entry| entry.position).collect();
        let rows = self.vault.sealed_at(&positions).await?;
        Ok(RecordHistory::read(self.id, &self.master, stream, rows)?)
    }

    /// A draft whose record exists: the same content is a replay, another one is refused.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn replay(&self, draft: &Draft) -> Result<Result<Answer, Refusal>, LedgerError> {
        let Some(history) = self.history(self.record_id(draft)).await? else {
            return Err(LedgerError::CutOff(
                "a stream was there and is gone".to_owned(),
            ));
        };
        let digest = self.keys.content(&draft.content_hash());
        let same = history.events.iter().find(|life| {
            history
                .rows
                .get(&life.position)
                .is_some_and(|row| row.content == digest)
        });
        let first = history
            .events
            .first()
            .ok_or_else(|| LedgerError::CutOff("empty".into()))?;
        let life = match (same, history.erased_by) {
            (Some(life), _) => life,
            (None, Some(_)) => first,
            (None, None) => {
                let columns = differences(&history, draft);
                return Ok(Err(Refusal::Different {
                    position: first.position,
                    columns,
                }));
            }
        };
        let stored = crate::store::StoredEntry {
            position: life.position,
            bytes: life.bytes.clone(),
        };
        Ok(Ok(Answer::Replayed {
            receipt: Receipt::of(&stored)?,
            erased_by: history.erased_by,
        }))
    }

    async fn correct(
        &self,
        context: &Context,
        record_id: Uuid,
        draft: &Draft,
        reason: &str,
        idempotency: Option<([u8; 16], [u8; 16])>,
    ) -> Result<Decided, LedgerError> {
        let Some(history) = self.history(record_id).await? else {
            return Ok(Err(
                super::aggregate::record::RecordError::NotRecorded.into()
            ));
        };
        if let Some(erasure) = history.erased_by {
            return Ok(Err(Refusal::Erased(erasure)));
        }
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

    async fn void(
        &self,
        context: &Context,
        record_id: Uuid,
        reason: &str,
        idempotency: Option<([u8; 16], [u8; 16])>,
    ) -> Result<Decided, LedgerError> {
        let Some(history) = self.history(record_id).await? else {
            return Ok(Err(
                super::aggregate::record::RecordError::NotRecorded.into()
            ));
        };
        if let Some(erasure) = history.erased_by {
            return Ok(Err(Refusal::Erased(erasure)));
        }
        let values = [(Slot::REASON, Some(reason))];
        Ok(self.change(context, &history, None, &values, idempotency, |_| None))
    }

    /// Seals what changes of a record and writes the entry: a correction when there is a draft.
    fn change(
        &self,
        context: &Context,
        history: &RecordHistory,
        draft: Option<&Draft>,
        values: &[(Slot, Option<&str>)],
        idempotency: Option<([u8; 16], [u8; 16])>,
        correction: impl FnOnce(Commitments) -> Option<(Commitments, BTreeMap<Slot, Uuid>)>,
    ) -> Decided {
        use super::aggregate::record::RecordError;
        let (Some(keys), Some(before), Some(first)) =
            (&history.keys, history.fields(), history.events.first())
        else {
            return Err(RecordError::NotRecorded.into());
        };
        let kind = history.kind;
        let event_id = Uuid::now_v7();
        let (commitments, slots) =
            Sealer::new(self.id, event_id).seal(keys, |slot| role_of(kind, slot), values);
        let mut metadata = match draft {
            Some(draft) => self.record_metadata(context, draft, idempotency),
            None => self.metadata(context, idempotency),
        };
        for (name, value) in &first.metadata {
            match name.as_str() {
                "office" => metadata.entry("office").or_insert_with(|| value.clone()),
                "source" => metadata.entry("source").or_insert_with(|| value.clone()),
                _ => continue,
            };
        }
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

    /// A row without content digest and tokens.
    fn plain_row(
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

    async fn stream(
        &self,
        context: &Context,
        command: &dyn StreamCommand,
        idempotency: Option<([u8; 16], [u8; 16])>,
    ) -> Result<Decided, LedgerError> {
        let stream = command.stream();
        let history = self
            .store
            .streams(&[stream])
            .await?
            .remove(&stream)
            .unwrap_or_default();
        let event_id = Uuid::now_v7();
        let mut vault = None;
        let mut commitments = Commitments::default();
        if let Some((slot, text)) = command.sealed() {
            let keys = RecordKeys::generate(&[Role::Record], &mut rand::rng());
            let values = [(slot, Some(text))];
            let (made, slots) =
                Sealer::new(self.id, event_id).seal(&keys, |_| Role::Record, &values);
            commitments = made;
            let wrapped = keys.wrapped(&self.master, self.id, event_id)?;
            let key_id = rand::random::<[u8; 16]>();
            vault = Some(self.plain_row(event_id, key_id, wrapped, slots));
        }
        let mut metadata = self.metadata(context, idempotency);
        if let Some(office) = command.office() {
            metadata.insert("office", office);
        }
        let writing = Writing {
            metadata: &metadata,
            simulated_at: self.simulated.then(Timestamp::default),
            event_id,
            commitments,
        };
        Ok(command.decide(&history, &writing).await.map(|entries| {
            let events = entries
                .into_iter()
                .map(|entry| Pending {
                    entry,
                    vault: vault.take(),
                    woman: None,
                })
                .collect();
            Prepared {
                group: Group {
                    events,
                    idempotency,
                },
                draft: None,
            }
        }))
    }

    /// Appends records that were prepared for a bulk import, and compares those that exist.
    ///
    /// # Errors
    /// When the store fails; nothing of the batch was acknowledged then.
    pub async fn commit_records(
        &self,
        prepared: Vec<Prepared>,
    ) -> Result<Vec<Result<Committed, Refusal>>, LedgerError> {
        let (groups, drafts): (Vec<_>, Vec<_>) = prepared
            .into_iter()
            .map(|one| (one.group, one.draft))
            .unzip();
        let outcomes = self.store.append(groups).await?;
        let mut committed = Vec::with_capacity(outcomes.len());
        for (outcome, draft) in outcomes.into_iter().zip(drafts) {
            committed.push(match (outcome, draft) {
                (Outcome::Appended(entries), _) => {
                    let position = entries.first().map_or(0, |entry| entry.position);
                    Ok(Committed::Recorded { position })
                }
                (_, Some(draft)) => self.replay(&draft).await?.map(|answer| match answer {
                    Answer::Replayed { erased_by, .. } => Committed::Replayed { erased_by },
                    Answer::Appended(receipt) => Committed::Recorded {
                        position: receipt.position,
                    },
                }),
                (_, None) => Err(Refusal::Contended { attempts: 1 }),
            });
        }
        Ok(committed)
    }

    /// What [`Self::commit_records`] would answer now; appends nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn would_commit(
        &self,
        prepared: Vec<Prepared>,
    ) -> Result<Vec<Result<Committed, Refusal>>, LedgerError> {
        let ids: Vec<Uuid> = prepared
            .iter()
            .filter_map(|one| {
                one.group
                    .events
                    .first()
                    .map(|event| event.entry.aggregate_id)
            })
            .collect();
        let known = self.store.streams(&ids).await?;
        let mut seen = std::collections::HashSet::new();
        let mut answers = Vec::with_capacity(ids.len());
        for (id, one) in ids.into_iter().zip(prepared) {
            answers.push(match one.draft {
                Some(draft) if known.contains_key(&id) => {
                    self.replay(&draft).await?.map(|answer| match answer {
                        Answer::Replayed { erased_by, .. } => Committed::Replayed { erased_by },
                        Answer::Appended(receipt) => Committed::Recorded {
                            position: receipt.position,
                        },
                    })
                }
                _ if !seen.insert(id) => Ok(Committed::Replayed { erased_by: None }),
                _ => Ok(Committed::Recorded { position: 0 }),
            });
        }
        Ok(answers)
    }
}

/// What became of a record of a bulk import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// Recorded.
    Recorded {
        /// Where.
        position: Position,
    },
    /// Recorded before.
    Replayed {
        /// The erasure that emptied it since.
        erased_by: Option<Position>,
    },
}

impl Prepared {
    /// Keeps the draft, for comparison should the record exist.
    #[must_use]
    pub fn with_draft(mut self, draft: Box<Draft>) -> Self {
        self.draft = Some(draft);
        self
    }
}

fn write<F: PublicFields>(
    envelope: &Envelope<'_>,
    _: &F,
    event: &super::aggregate::record::RecordEvent<F>,
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

/// Names of the columns in which a draft differs from the current state of its record.
fn differences(history: &RecordHistory, draft: &Draft) -> Vec<String> {
    let before = history.fields();
    let kind: RecordKind = history.kind;
    let public = AnyFields::columns(kind)
        .iter()
        .filter(|(name, _)| before.and_then(|fields| fields.get(name)) != draft.fields.get(name));
    let mut names: Vec<String> = public.map(|(name, _)| (*name).to_owned()).collect();
    for (slot, value) in &draft.sealed {
        if history.value(*slot).map(|text| text.as_str()) != value.as_deref() {
            names.push(slot.name().to_owned());
        }
    }
    if names.is_empty() {
        names.push("woman_id_no".to_owned());
    }
    names.sort_unstable();
    names.dedup();
    names
}
