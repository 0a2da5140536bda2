//! The ledger as a `cqrs_es::EventStore`, for code that is written against that trait.
//!
//! What comes in: the id of a stream (a UUID), events of an aggregate, and metadata. What goes
//! out: envelopes with their versions. What may fail: a stream that has moved on
//! (`AggregateConflict`), an event whose sealed part was not handed over first. What must stay
//! true: events go through the same append as everything else, so they are placed in the one
//! global order, hashed and sealed. Loading is by events only; there are no snapshots.

use std::collections::{HashMap, VecDeque};
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use cqrs_es::persist::{
    PersistedEventRepository, PersistenceError, ReplayStream, SerializedEvent, SerializedSnapshot,
};
use cqrs_es::{Aggregate, AggregateContext, AggregateError, EventEnvelope, EventStore};
use serde_json::Value;
use uuid::Uuid;

use super::envelope::{Envelope, Metadata};
use super::execute::Ledger;
use super::request::Context;
use crate::model::entry::Entry;
use crate::model::time::Timestamp;
use crate::store::{Group, Outcome, Pending, StoredEntry, VaultRow, WomanToken};

/// The sealed part of an event that is about to be committed. Commitments are bound to the event
/// id, so the id is chosen when the fields are sealed.
#[derive(Debug, Clone)]
pub struct SealedPart {
    /// The id that the commitments are bound to.
    pub event_id: Uuid,
    /// The row of the vault.
    pub vault: VaultRow,
    /// The token of a pregnancy loss.
    pub woman: Option<WomanToken>,
}

/// The ledger, acting for somebody.
pub struct LedgerEventStore {
    ledger: Arc<Ledger>,
    context: Context,
    sealed: Mutex<VecDeque<SealedPart>>,
}

/// An aggregate with the version it was loaded at.
pub struct Loaded<A: Aggregate> {
    id: Uuid,
    aggregate: A,
    version: u64,
}

impl<A: Aggregate> AggregateContext<A> for Loaded<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.aggregate
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn unexpected<E: std::error::Error>(error: impl Into<Failed>) -> AggregateError<E> {
    AggregateError::UnexpectedError(error.into())
}

fn unreachable_store<E: std::error::Error>(error: impl Into<Failed>) -> AggregateError<E> {
    AggregateError::DatabaseConnectionError(error.into())
}

fn serialized(stored: &StoredEntry) -> Result<SerializedEvent, PersistenceError> {
    let entry = Entry::parse(&stored.bytes)?;
    let metadata: HashMap<&str, &str> = entry
        .metadata
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_ref()))
        .collect();
    Ok(SerializedEvent::new(
        entry.aggregate_id.to_string(),
        usize::try_from(entry.sequence).unwrap_or(usize::MAX),
        entry.aggregate_type.to_string(),
        entry.event_type.to_string(),
        entry.event_version.to_string(),
        serde_json::from_str(entry.payload.get())?,
        serde_json::to_value(metadata)?,
    ))
}

impl LedgerEventStore {
    /// Over a ledger; events carry this actor and import.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, context: Context) -> Self {
        Self {
            ledger,
            context,
            sealed: Mutex::default(),
        }
    }

    /// Hands over the sealed part of the next event that has one.
    pub fn hand_over(&self, part: SealedPart) {
        if let Ok(mut sealed) = self.sealed.lock() {
            sealed.push_back(part);
        }
    }

    async fn stream(&self, aggregate_id: &str) -> Result<Vec<StoredEntry>, Failed> {
        let id = Uuid::from_str(aggregate_id)?;
        let mut streams = self.ledger.store.streams(&[id]).await?;
        Ok(streams.remove(&id).unwrap_or_default())
    }

    fn metadata(&self, given: &HashMap<String, String>) -> Metadata {
        let mut metadata: Metadata = given
            .iter()
            .map(|(name, value)| (name.clone().into(), value.clone()))
            .collect();
        metadata.insert("actor".into(), self.context.actor.clone());
        if let Some(import) = self.context.import_id {
            metadata.insert("import".into(), import.to_string());
        }
        metadata
    }

    /// The sealed part of an event, if its payload commits to anything.
    fn part_of(&self, prefix: &[u8]) -> Result<Option<SealedPart>, Failed> {
        const COMMITS: &[u8] = b"\"commitments\":{\"";
        if !prefix
            .windows(COMMITS.len())
            .any(|window| window == COMMITS)
        {
            return Ok(None);
        }
        let next = self
            .sealed
            .lock()
            .ok()
            .and_then(|mut sealed| sealed.pop_front());
        next.map(Some).ok_or_else(|| {
            "this event commits to sealed fields, but their sealed part was not handed over".into()
        })
    }

    fn pending<A: Aggregate>(
        &self,
        loaded: &Loaded<A>,
        number: u64,
        event: &A::Event,
        metadata: &Metadata,
    ) -> Result<Pending, Failed> {
        let envelope = |event_id| Envelope {
            aggregate_id: loaded.id,
            sequence: loaded.version + number,
            event_id,
            metadata,
            simulated_at: self.ledger.simulated.then(Timestamp::default),
        };
        let entry = envelope(Uuid::now_v7()).write::<A>(event)?;
        let Some(part) = self.part_of(&entry.prefix)? else {
            return Ok(Pending {
                entry,
                vault: None,
                woman: None,
            });
        };
        let entry = envelope(part.event_id).write::<A>(event)?;
        Ok(Pending {
            entry,
            vault: Some(part.vault),
            woman: part.woman,
        })
    }
}

impl<A> EventStore<A> for LedgerEventStore
where
    A: Aggregate + 'static,
    A::Event: 'static,
{
    type AC = Loaded<A>;

    async fn load_events(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let stream = self.stream(aggregate_id).await.map_err(unreachable_store)?;
        let read = |stored: &StoredEntry| {
            let event = serialized(stored)?;
            EventEnvelope::try_from(event)
        };
        stream
            .iter()
            .map(|stored| read(stored).map_err(AggregateError::from))
            .collect()
    }

    async fn load_aggregate(
        &self,
        aggregate_id: &str,
    ) -> Result<Loaded<A>, AggregateError<A::Error>> {
        let id = Uuid::from_str(aggregate_id).map_err(unexpected)?;
        let events = EventStore::<A>::load_events(self, aggregate_id).await?;
        let version = events.len() as u64;
        let mut aggregate = A::default();
        for event in events {
            aggregate.apply(event.payload);
        }
        Ok(Loaded {
            id,
            aggregate,
            version,
        })
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: Loaded<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let written = self.metadata(&metadata);
        let pending = (1..)
            .zip(&events)
            .map(|(number, event)| self.pending(&context, number, event, &written))
            .collect::<Result<Vec<_>, _>>()
            .map_err(unexpected)?;
        let group = Group {
            events: pending,
            idempotency: None,
        };
        let outcomes = self
            .ledger
            .writer
            .append(vec![group])
            .await
            .map_err(unreachable_store)?;
        match outcomes.into_iter().next() {
            Some(Outcome::Appended(_)) => {}
            _ => return Err(AggregateError::AggregateConflict),
        }
        let first = usize::try_from(context.version).unwrap_or(usize::MAX) + 1;
        Ok((first..)
            .zip(events)
            .map(|(sequence, payload)| EventEnvelope {
                aggregate_id: context.id.to_string(),
                sequence,
                payload,
                metadata: metadata.clone(),
            })
            .collect())
    }
}

/// Reads for code that is written against the repository trait; it persists nothing, since an
/// entry must be hashed and placed in the same transaction.
impl PersistedEventRepository for LedgerEventStore {
    async fn get_events<A: Aggregate>(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        let stream = self
            .stream(aggregate_id)
            .await
            .map_err(PersistenceError::ConnectionError)?;
        stream.iter().map(serialized).collect()
    }

    async fn get_last_events<A: Aggregate>(
        &self,
        aggregate_id: &str,
        last_sequence: usize,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        let events = self.get_events::<A>(aggregate_id).await?;
        Ok(events
            .into_iter()
            .filter(|event| event.sequence > last_sequence)
            .collect())
    }

    async fn get_snapshot<A: Aggregate>(
        &self,
        _aggregate_id: &str,
    ) -> Result<Option<SerializedSnapshot>, PersistenceError> {
        Ok(None)
    }

    async fn persist<A: Aggregate>(
        &self,
        _events: &[SerializedEvent],
        _snapshot_update: Option<(String, Value, usize)>,
    ) -> Result<(), PersistenceError> {
        let what = "this repository only reads: append through the ledger";
        Err(PersistenceError::UnknownError(what.into()))
    }

    async fn stream_events<A: Aggregate>(
        &self,
        aggregate_id: &str,
    ) -> Result<ReplayStream, PersistenceError> {
        let events = self.get_events::<A>(aggregate_id).await?;
        Ok(fed(events))
    }

    async fn stream_all_events<A: Aggregate>(&self) -> Result<ReplayStream, PersistenceError> {
        const BATCH: u64 = 2048;
        let mut events = Vec::new();
        let mut from = 0;
        loop {
            let batch = self.ledger.store.entries(from, BATCH).await;
            let batch = batch.map_err(|error| PersistenceError::ConnectionError(error.into()))?;
            let Some(last) = batch.last() else { break };
            from = last.position + 1;
            for stored in &batch {
                if Entry::parse(&stored.bytes)?.aggregate_type == A::TYPE {
                    events.push(serialized(stored)?);
                }
            }
        }
        Ok(fed(events))
    }
}

/// A stream over events that were all read: unlike the stock repositories, it cannot end early
/// without an error.
fn fed(events: Vec<SerializedEvent>) -> ReplayStream {
    let (mut feed, stream) = ReplayStream::new(64);
    tokio::spawn(async move {
        for event in events {
            // The reader is gone: nobody is left to tell.
            if feed.push(Ok(event)).await.is_err() {
                return;
            }
        }
    });
    stream
}
