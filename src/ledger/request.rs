//! What can be asked of the ledger, and what it answers.

use async_trait::async_trait;
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::aggregate::record::RecordError;
use super::commitment::Commitments;
use super::envelope::{Envelope, EnvelopeError, Metadata};
use super::history::HistoryError;
use super::keys::UnwrapError;
use crate::model::entry::{Entry, Unplaced, leaf_hash};
use crate::model::id::{OfficeCode, Position};
use crate::model::office::OfficeFields;
use crate::model::record::Draft;
use crate::model::slot::Slot;
use crate::model::time::Timestamp;
use crate::store::{StoreError, StoredEntry};

/// Who asks, and in what frame.
#[derive(Debug, Clone)]
pub struct Context {
    /// Pseudonymous id of the acting person or system.
    pub actor: String,
    /// The import that this belongs to.
    pub import_id: Option<Uuid>,
    /// The last entry that a figure which is recorded was counted from.
    pub as_of: Option<Position>,
    /// On a simulated clock, the latest time to which this may move it.
    pub until: Timestamp,
}

/// A command with its caller's key for safe retries.
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// The same key with the same request gets the first answer again.
    pub idempotency_key: Option<String>,
}

impl From<Command> for Request {
    fn from(command: Command) -> Self {
        Self {
            command,
            idempotency_key: None,
        }
    }
}

/// What can be asked.
pub enum Command {
    /// Record what an office reports.
    Record(Box<Draft>),
    /// Replace the state of a record by another; `reason` is sealed.
    Correct {
        /// Which record.
        record_id: Uuid,
        /// All of its state after the change.
        draft: Box<Draft>,
        /// Why.
        reason: String,
        /// The version that the change was made from; refused when there is a newer one.
        expected: Option<u64>,
        /// A digest of what the caller said, where the draft was made of that and of the record as
        /// it was: said again, it is the same request, whatever became of the record meanwhile.
        said: Option<[u8; 32]>,
    },
    /// Withdraw a record; `reason` is sealed.
    Void {
        /// Which record.
        record_id: Uuid,
        /// Why.
        reason: String,
        /// The version that is withdrawn; refused when there is a newer one.
        expected: Option<u64>,
    },
    /// Register an office, or change what is known of it.
    Office(OfficeFields),
    /// A command of a stream that is no record.
    Stream(Box<dyn StreamCommand>),
}

impl Command {
    /// A correction of whatever version the record has when it is decided.
    #[must_use]
    pub fn correct(record_id: Uuid, draft: Box<Draft>, reason: &str) -> Self {
        Self::Correct {
            record_id,
            draft,
            reason: reason.to_owned(),
            expected: None,
            said: None,
        }
    }

    /// Digest of the request, by which a repeated key is told from a misused one.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        match self {
            Self::Record(draft) => hash.update(draft.content_hash()),
            Self::Correct {
                record_id,
                draft,
                reason,
                said,
                ..
            } => {
                hash.update(b"correct");
                hash.update(record_id.as_bytes());
                hash.update(said.unwrap_or_else(|| draft.content_hash()));
                hash.update(reason.as_bytes());
            }
            Self::Void {
                record_id, reason, ..
            } => {
                hash.update(b"void");
                hash.update(record_id.as_bytes());
                hash.update(reason.as_bytes());
            }
            Self::Office(office) => {
                hash.update(b"office");
                hash.update(format!("{office:?}").as_bytes());
            }
            Self::Stream(command) => {
                hash.update(b"stream");
                hash.update(command.stream().as_bytes());
                hash.update(command.said());
            }
        }
        hash.finalize().into()
    }
}

/// Proof that something was appended, as far as the ledger can give it at once.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Receipt {
    /// Where the entry stands.
    pub position: Position,
    /// The stream.
    pub aggregate_id: Uuid,
    /// The event.
    pub event_id: Uuid,
    /// When the ledger learned of it.
    pub recorded_at: Timestamp,
    /// 1-based version of the stream.
    pub sequence: u64,
    /// RFC 6962 leaf hash, hexadecimal.
    pub leaf_hash: String,
}

impl Receipt {
    /// Of a stored entry.
    ///
    /// # Errors
    /// When the bytes are no entry.
    pub fn of(stored: &StoredEntry) -> Result<Self, HistoryError> {
        let entry = Entry::parse(&stored.bytes).map_err(|error| HistoryError::Entry {
            position: stored.position,
            what: error.to_string(),
        })?;
        Ok(Self {
            position: stored.position,
            aggregate_id: entry.aggregate_id,
            event_id: entry.event_id,
            recorded_at: entry.recorded_at,
            sequence: entry.sequence,
            leaf_hash: hex::encode(leaf_hash(&stored.bytes)),
        })
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Appended.
    Appended(Receipt),
    /// The same was recorded before; its first receipt.
    Replayed {
        /// The receipt of the first time.
        receipt: Receipt,
        /// The erasure that emptied the record since.
        erased_by: Option<Position>,
    },
}

impl Answer {
    /// The receipt, new or old.
    #[must_use]
    pub const fn receipt(&self) -> &Receipt {
        match self {
            Self::Appended(receipt) | Self::Replayed { receipt, .. } => receipt,
        }
    }
}

/// Why one request was refused. Nothing of it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The record's aggregate refuses.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Another aggregate refuses.
    #[error("{0}")]
    Aggregate(String),
    /// The same source id was recorded with another content.
    #[error("this source_record_id is recorded at position {position} and differs in: {}; send a correction", .columns.join(", "))]
    Different {
        /// Where it was recorded.
        position: Position,
        /// Which columns differ.
        columns: Vec<String>,
    },
    /// Rows of one delivery with one source id and different contents.
    #[error(
        "another row of this delivery has this source_record_id with another content; keep one of them, or send a correction"
    )]
    Twice,
    /// A correction that would change which record it is.
    #[error(
        "source and source_record_id of a record cannot be corrected; void it and record it anew"
    )]
    OtherRecord,
    /// The idempotency key was used for another request.
    #[error(
        "this idempotency key was used for another request, answered at position {position}; use a fresh key"
    )]
    KeyReused {
        /// Where the first request stands.
        position: Position,
    },
    /// The record's content was erased.
    #[error(
        "the content of this record was erased by the entry at position {0}; it cannot be changed"
    )]
    Erased(Position),
    /// The record has another version than the one that the change was made from.
    #[error("the record is at version {current}, not {expected}; read it again and decide anew")]
    Changed {
        /// What the caller knew.
        expected: u64,
        /// What there is.
        current: u64,
    },
    /// The stream changed again and again while this was decided.
    #[error("the record was changed by others {attempts} times while this was decided; try again")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// It cannot be written as an entry.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// Why a batch as a whole failed. Nothing of it was acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record that must be read cannot be.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Keys are missing.
    #[error(transparent)]
    Keys(#[from] UnwrapError),
    /// The work was cut off.
    #[error("the work was cut off: {0}")]
    CutOff(String),
}

/// What a stream command is given to write its events.
pub struct Writing<'a> {
    /// Who, for whom, from where.
    pub metadata: &'a Metadata,
    /// The time, on a simulated clock.
    pub simulated_at: Option<Timestamp>,
    /// The id of the first event.
    pub event_id: Uuid,
    /// Commitment to the sealed value, if there is one.
    pub commitments: Commitments,
}

/// A command of a stream that is no record, whatever its aggregate.
#[async_trait]
pub trait StreamCommand: Send + Sync {
    /// The stream.
    fn stream(&self) -> Uuid;
    /// Free text that goes to the vault.
    fn sealed(&self) -> Option<(Slot, &str)>;
    /// The office that it concerns.
    fn office(&self) -> Option<String>;
    /// What the caller said, by which a repeated idempotency key is told from a misused one; nothing
    /// for what is never asked with such a key.
    fn said(&self) -> &[u8];
    /// Folds the history, decides, and writes the events.
    async fn decide(
        &self,
        history: &[StoredEntry],
        writing: &Writing<'_>,
    ) -> Result<Vec<Unplaced>, Refusal>;
}

/// Builds an aggregate's command from the commitments to its sealed value.
type Build<A> = Box<dyn Fn(Commitments) -> <A as Aggregate>::Command + Send + Sync>;

/// A command of the aggregate `A`.
pub struct For<A: Aggregate> {
    stream: Uuid,
    sealed: Option<(Slot, String)>,
    office: Option<OfficeCode>,
    said: Option<[u8; 32]>,
    build: Build<A>,
}

impl<A: Aggregate> For<A> {
    /// For a stream, built from the commitments to what is sealed with it.
    pub fn new(
        stream: Uuid,
        build: impl Fn(Commitments) -> A::Command + Send + Sync + 'static,
    ) -> Self {
        Self {
            stream,
            sealed: None,
            office: None,
            said: None,
            build: Box::new(build),
        }
    }

    /// With free text that goes to the vault.
    #[must_use]
    pub fn with_sealed(mut self, sealed: Option<(Slot, String)>) -> Self {
        self.sealed = sealed;
        self
    }

    /// That concerns an office.
    #[must_use]
    pub const fn of_office(mut self, office: OfficeCode) -> Self {
        self.office = Some(office);
        self
    }

    /// That may be asked with an idempotency key, with the digest of what the caller said.
    #[must_use]
    pub const fn with_said(mut self, said: [u8; 32]) -> Self {
        self.said = Some(said);
        self
    }

    /// As what a request asks for.
    #[must_use]
    pub fn command(self) -> Command
    where
        A: Aggregate<Services = ()> + 'static,
        A::Command: Send,
        A::Event: 'static,
    {
        Command::Stream(Box::new(self))
    }
}

#[async_trait]
impl<A> StreamCommand for For<A>
where
    A: Aggregate<Services = ()> + 'static,
    A::Command: Send,
    A::Event: 'static,
{
    fn stream(&self) -> Uuid {
        self.stream
    }

    fn sealed(&self) -> Option<(Slot, &str)> {
        self.sealed
            .as_ref()
            .map(|(slot, text)| (*slot, text.as_str()))
    }

    fn office(&self) -> Option<String> {
        Some(self.office?.to_string())
    }

    fn said(&self) -> &[u8] {
        self.said.as_ref().map_or(&[], |said| said)
    }

    async fn decide(
        &self,
        history: &[StoredEntry],
        writing: &Writing<'_>,
    ) -> Result<Vec<Unplaced>, Refusal> {
        let mut aggregate = fold::<A>(history).map_err(Refusal::Aggregate)?;
        let sink = EventSink::default();
        let command = (self.build)(writing.commitments.clone());
        aggregate
            .handle(command, &(), &sink)
            .await
            .map_err(|error| Refusal::Aggregate(error.to_string()))?;
        let mut unplaced = Vec::new();
        let mut event_id = writing.event_id;
        for (number, event) in (1u64..).zip(sink.collect().await) {
            let envelope = Envelope {
                aggregate_id: self.stream,
                sequence: history.len() as u64 + number,
                event_id,
                metadata: writing.metadata,
                simulated_at: writing.simulated_at,
            };
            unplaced.push(envelope.write::<A>(&event)?);
            event_id = Uuid::now_v7();
        }
        Ok(unplaced)
    }
}

/// Applies the events of a stream, in order, to a fresh aggregate.
///
/// # Errors
/// When an entry is no event of the aggregate.
pub fn fold<A: Aggregate>(history: &[StoredEntry]) -> Result<A, String> {
    let mut aggregate = A::default();
    for stored in history {
        let wrong = |error: serde_json::Error| format!("position {}: {error}", stored.position);
        let entry = Entry::parse(&stored.bytes).map_err(wrong)?;
        let event: A::Event = serde_json::from_str(entry.payload.get()).map_err(wrong)?;
        if event.event_type() != entry.event_type {
            return Err(format!(
                "position {}: event_type does not fit",
                stored.position
            ));
        }
        aggregate.apply(event);
    }
    Ok(aggregate)
}
