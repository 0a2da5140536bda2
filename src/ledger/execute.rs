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

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::aggregate::office::{Office, OfficeCommand};
use super::commitment::Commitments;
use super::keys::{LedgerKeys, Prf};
use super::master::MasterKeys;
use super::request::{
    Answer, Command, Context, For, LedgerError, Receipt, Refusal, Request, StreamCommand, Writing,
};
use super::sealing::{RecordKeys, Sealer};
use super::writer::Writer;
use crate::model::id::Position;
use crate::model::record::Draft;
use crate::model::slot::Role;
use crate::model::time::Timestamp;
use crate::store::{Group, Outcome, Pending, Store, StoreError, Vault};

/// How often a request that lost a race is decided again.
const MAX_ATTEMPTS: u32 = 32;

/// A ledger that can be written.
pub struct Ledger {
    /// Names the ledger in every authenticated byte.
    pub id: Uuid,
    /// Whether times come from the reports.
    pub simulated: bool,
    /// Entries and checkpoints.
    pub store: Arc<dyn Store>,
    /// Appends to it, for all who wait at once.
    pub writer: Writer,
    /// Sealed fields.
    pub vault: Arc<dyn Vault>,
    /// Record ids, tokens, authenticators.
    pub keys: LedgerKeys,
    /// Wrap the records' keys.
    pub master: MasterKeys,
    pub(super) years: Mutex<HashMap<i32, Option<Prf>>>,
}

pub(super) type Decided = Result<Prepared, Refusal>;

/// A caller's key and the digest of the request, both keyed hashes.
pub type Idempotency = ([u8; 16], [u8; 16]);

/// A request that waits for its place.
pub struct Prepared {
    pub(super) group: Group,
    /// A new record; compared when its stream turns out not to be empty.
    pub(super) draft: Option<Box<Draft>>,
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
            writer: Writer::new(store.clone()),
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
            self.master.refresh();
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
            let Some(outcomes) = self.append(groups, attempt).await? else {
                open = waiting;
                continue;
            };
            open = Vec::new();
            for ((index, request), outcome) in waiting.into_iter().zip(outcomes) {
                let answer = match (outcome, request.command) {
                    (Outcome::Appended(entries), _) => Self::appended(&entries)?,
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

    /// Appends; nothing when the master key was rotated after the look at it: then everything is
    /// decided again, under the new one.
    async fn append(
        &self,
        groups: Vec<Group>,
        attempt: u32,
    ) -> Result<Option<Vec<Outcome>>, LedgerError> {
        match self.writer.append(groups).await {
            Err(LedgerError::Store(StoreError::KeyRetired { .. })) if attempt < MAX_ATTEMPTS => {
                Ok(None)
            }
            outcomes => Ok(Some(outcomes?)),
        }
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

    fn appended(
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
                expected,
                ..
            } => {
                self.prepare_years(std::iter::once(draft.as_ref())).await?;
                let change = (*record_id, *expected, reason.as_str());
                self.correct(context, change, draft, idempotency).await
            }
            Command::Void {
                record_id,
                reason,
                expected,
            } => {
                let change = (*record_id, *expected, reason.as_str());
                self.void(context, change, idempotency).await
            }
            Command::Office(office) => {
                let stream = self.keys.stream_id("office", office.code.as_str());
                let known = !self.store.streams(&[stream]).await?.is_empty();
                let office = office.clone();
                let command = For::<Office>::new(stream, move |_| {
                    let office = office.clone();
                    if known {
                        OfficeCommand::Change { office }
                    } else {
                        OfficeCommand::Register { office }
                    }
                });
                self.stream(context, &command, idempotency).await
            }
            Command::Stream(command) => self.stream(context, command.as_ref(), idempotency).await,
        }
    }

    async fn stream(
        &self,
        context: &Context,
        command: &dyn StreamCommand,
        idempotency: Option<Idempotency>,
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
        let mut metadata = Self::metadata(context, idempotency);
        if let Some(office) = command.office() {
            metadata.insert("office".into(), office);
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

    /// Appends groups; when the master key was rotated after they were prepared, prepares them
    /// again from their drafts. Those that have none are refused as a whole.
    async fn append_prepared(
        &self,
        context: &Context,
        groups: Vec<Group>,
        drafts: &[Option<Box<Draft>>],
    ) -> Result<Vec<Outcome>, LedgerError> {
        let mut attempt = 1;
        let mut groups = groups;
        loop {
            let number = match self.writer.append(groups).await {
                Err(LedgerError::Store(StoreError::KeyRetired { number })) => number,
                outcomes => return outcomes,
            };
            self.master.refresh();
            let again = drafts.iter().map(|draft| {
                let draft = draft.as_ref()?;
                self.prepare_record(context, draft, None).ok()
            });
            let again: Option<Vec<Group>> = again.map(|one| Some(one?.group)).collect();
            groups = again
                .filter(|_| attempt < MAX_ATTEMPTS)
                .ok_or(StoreError::KeyRetired { number })?;
            attempt += 1;
        }
    }

    /// Appends records that were prepared for a bulk import, and compares those that exist.
    ///
    /// # Errors
    /// When the store fails; nothing of the batch was acknowledged then.
    pub async fn commit_records(
        &self,
        context: &Context,
        prepared: Vec<Prepared>,
    ) -> Result<Vec<Result<Committed, Refusal>>, LedgerError> {
        let (groups, drafts): (Vec<_>, Vec<_>) = prepared
            .into_iter()
            .map(|one| (one.group, one.draft))
            .unzip();
        let outcomes = self.append_prepared(context, groups, &drafts).await?;
        let again = outcomes.iter().zip(&drafts);
        let again = again.filter(|(outcome, _)| !matches!(outcome, Outcome::Appended(_)));
        let again: Vec<&Draft> = again.filter_map(|(_, draft)| draft.as_deref()).collect();
        let mut replays = self.replays(&again).await?.into_iter();
        let mut committed = Vec::with_capacity(outcomes.len());
        for (outcome, draft) in outcomes.into_iter().zip(&drafts) {
            committed.push(match (outcome, draft) {
                (Outcome::Appended(entries), _) => {
                    let position = entries.first().map_or(0, |entry| entry.position);
                    Ok(Committed::Recorded { position })
                }
                (_, Some(_)) => match replays.next() {
                    Some(answer) => answer.map(Committed::of),
                    None => Err(Refusal::Contended { attempts: 1 }),
                },
                (_, None) => Err(Refusal::Contended { attempts: 1 }),
            });
        }
        Ok(committed)
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

impl Committed {
    pub(super) fn of(answer: Answer) -> Self {
        match answer {
            Answer::Replayed { erased_by, .. } => Self::Replayed { erased_by },
            Answer::Appended(receipt) => Self::Recorded {
                position: receipt.position,
            },
        }
    }
}

impl Prepared {
    /// The stream that it is for.
    pub(super) fn stream(&self) -> Option<Uuid> {
        Some(self.group.events.first()?.entry.aggregate_id)
    }

    /// Keyed digest of the whole content.
    pub(super) fn content(&self) -> Vec<u8> {
        let vault = self
            .group
            .events
            .first()
            .and_then(|event| event.vault.as_ref());
        vault.map(|row| row.content.clone()).unwrap_or_default()
    }

    /// Keeps the draft, for comparison should the record exist.
    #[must_use]
    pub fn with_draft(mut self, draft: Box<Draft>) -> Self {
        self.draft = Some(draft);
        self
    }
}
