//! The projector: brings the views up to the end of the log.
//!
//! What comes in: entries by position, from where the log was projected to. What goes out: views,
//! each written at the version it was read at, and the new place. What may fail: see
//! [`ViewError`](super::ViewError); a version that others have moved on from is read again. What
//! must stay true: views are written before the place, so a crash between the two repeats events
//! that their views then skip, by their own trail; a view that misses an event is folded anew from
//! its stream; a place that is not in this log makes everything anew.

use std::collections::BTreeMap;
use std::time::Duration;

use cqrs_es::persist::{PersistenceError, ViewContext, ViewRepository};
use cqrs_es::{Aggregate, DomainEvent, EventEnvelope};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::finding::FindingCase;
use super::period::PeriodCase;
use super::sample::SampleCase;
use super::{OperationalView, POSITION, RECORDED_AT, Result, ViewError, Views, fault};
use crate::model::entry::{Entry, leaf_hash};
use crate::store::{Store, StoredEntry};

/// What the views look like; another number makes them anew.
const FORMAT: u32 = 1;
/// Entries of a kind that are projected before the place is put down.
const BATCH: u64 = 4096;
/// How often a view is tried that others write at the same time. Each failure is a success of
/// somebody else, so this many in a row are no coincidence.
const ATTEMPTS: u32 = 1000;
/// Longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// How far the log was projected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    /// See [`FORMAT`].
    format: u32,
    /// Of which ledger.
    ledger_id: Uuid,
    /// Number of entries.
    size: u64,
    /// RFC 6962 hash of the last of them, hexadecimal: tells the log from another one that has
    /// the same length.
    last: Option<String>,
}

/// What a catching up did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Projected {
    /// Number of entries that the views know now.
    pub size: u64,
    /// Events that were applied here; others may have applied more.
    pub events: u64,
    /// Whether the views were made anew.
    pub rebuilt: bool,
}

impl Views {
    /// Applies what was appended since the last time, here or on another node. Makes the views
    /// anew when they are not of this log.
    ///
    /// # Errors
    /// When the store fails, or an entry is no event of its stream.
    pub async fn catch_up(&self) -> Result<Projected> {
        match self.follow().await {
            Err(ViewError::Unreadable(what)) => {
                tracing::warn!(what, "a view cannot be read; the views are made anew");
                self.rebuild().await
            }
            done => done,
        }
    }

    /// Empties the views and projects the log from its beginning.
    ///
    /// # Errors
    /// As [`Views::catch_up`].
    pub async fn rebuild(&self) -> Result<Projected> {
        self.clear().await?;
        let done = self.follow().await?;
        Ok(Projected {
            rebuilt: true,
            ..done
        })
    }

    async fn clear(&self) -> Result<()> {
        let beginning = self.place(0).await?;
        Ok(self.kept.clear(&beginning).await?)
    }

    async fn follow(&self) -> Result<Projected> {
        let head = self.store.head().await?.size;
        let mut done = Projected::default();
        loop {
            let Some((from, version)) = self.trusted().await? else {
                self.clear().await?;
                done.rebuilt = true;
                continue;
            };
            done.size = from;
            if from >= head {
                return Ok(done);
            }
            let (to, events) = self.project_from(from, head).await?;
            done.events += events;
            // If somebody else was faster, their place counts.
            self.kept.advance(version, &self.place(to).await?).await?;
        }
    }

    /// The place at this many entries, as it is put down.
    async fn place(&self, size: u64) -> Result<serde_json::Value> {
        let progress = Progress {
            format: FORMAT,
            ledger_id: self.ledger_id,
            size,
            last: self.last_of(size).await?,
        };
        serde_json::to_value(progress).map_err(|error| ViewError::Unreadable(error.to_string()))
    }

    async fn last_of(&self, size: u64) -> Result<Option<String>> {
        let Some(position) = size.checked_sub(1) else {
            return Ok(None);
        };
        let last = self.store.entry(position).await?;
        Ok(last.map(|stored| hex::encode(leaf_hash(&stored.bytes))))
    }

    /// The place that was put down, with the version of its row, if it is in this log.
    async fn trusted(&self) -> Result<Option<(u64, i64)>> {
        let Some((payload, version)) = self.kept.progress().await? else {
            return Ok(None);
        };
        let Ok(progress) = serde_json::from_value::<Progress>(payload) else {
            return Ok(None);
        };
        let known = progress.format == FORMAT
            && progress.ledger_id == self.ledger_id
            && progress.last.is_some() == (progress.size > 0)
            && progress.last == self.last_of(progress.size).await?;
        Ok(known.then_some((progress.size, version)))
    }

    /// Projects a batch; gives where it ends and how many events were applied.
    async fn project_from(&self, from: u64, head: u64) -> Result<(u64, u64)> {
        let findings = self.batch::<FindingCase>(from).await?;
        let periods = self.batch::<PeriodCase>(from).await?;
        let samples = self.batch::<SampleCase>(from).await?;
        let ends = [&findings, &periods, &samples].map(|batch| match batch.last() {
            Some(last) if batch.len() as u64 == BATCH => last.position + 1,
            _ => head,
        });
        let to = ends.into_iter().fold(head, u64::min);
        let mut events = self.project_all::<FindingCase>(findings, to).await?;
        events += self.project_all::<PeriodCase>(periods, to).await?;
        events += self.project_all::<SampleCase>(samples, to).await?;
        Ok((to, events))
    }

    async fn batch<V: OperationalView>(&self, from: u64) -> Result<Vec<StoredEntry>> {
        let batch = self.store.entries_of_type_from(V::Of::TYPE, from, BATCH);
        Ok(batch.await?)
    }

    async fn project_all<V: OperationalView>(
        &self,
        entries: Vec<StoredEntry>,
        to: u64,
    ) -> Result<u64> {
        let mut streams: BTreeMap<Uuid, Vec<StoredEntry>> = BTreeMap::new();
        for stored in entries.into_iter().filter(|stored| stored.position < to) {
            let id = parse(&stored)?.aggregate_id;
            streams.entry(id).or_default().push(stored);
        }
        let repository = self.repository::<V>();
        let mut events = 0;
        for (id, stream) in streams {
            events += project::<V, _>(&repository, self.store.as_ref(), id, &stream).await?;
        }
        Ok(events)
    }
}

/// Applies events of one stream, in order, to its view; those that were applied before are
/// skipped. Gives how many were applied.
///
/// # Errors
/// When the store fails, an entry is no event of the view, or others never cease to be faster.
pub async fn project<V, R>(
    repository: &R,
    store: &dyn Store,
    id: Uuid,
    entries: &[StoredEntry],
) -> Result<u64>
where
    V: OperationalView,
    R: ViewRepository<V, V::Of>,
{
    let view_id = id.to_string();
    let Some(last) = entries.last() else {
        return Ok(0);
    };
    let until = parse(last)?.sequence;
    for _ in 0..ATTEMPTS {
        let found = repository.load_with_context(&view_id).await;
        let (mut view, context) = found
            .map_err(|error| fault("read a view", error))?
            .unwrap_or_else(|| (V::default(), ViewContext::new(view_id.clone(), 0)));
        let known = view.trail().sequence;
        apply(&mut view, entries)?;
        if view.trail().sequence < until {
            // An event before these is missing: the view was emptied, or lost.
            let mut streams = store.streams(&[id]).await?;
            view = V::default();
            apply(&mut view, &streams.remove(&id).unwrap_or_default())?;
            if view.trail().sequence < until {
                return Err(ViewError::Entry {
                    position: last.position,
                    what: "its stream lacks an event before it".to_owned(),
                });
            }
        }
        let applied = view.trail().sequence.saturating_sub(known);
        if applied == 0 {
            return Ok(0);
        }
        match repository.update_view(view, context).await {
            Ok(()) => return Ok(applied),
            Err(PersistenceError::OptimisticLockError) => {
                // Those who collided do not come back in step.
                tokio::time::sleep(PAUSE.mul_f64(rand::random_range(0.0..1.0))).await;
            }
            Err(error) => return Err(fault("write a view", error)),
        }
    }
    Err(ViewError::Contended {
        view_id,
        attempts: ATTEMPTS,
    })
}

fn parse(stored: &StoredEntry) -> Result<Entry<'_>> {
    Entry::parse(&stored.bytes).map_err(|error| ViewError::Entry {
        position: stored.position,
        what: error.to_string(),
    })
}

fn apply<V: OperationalView>(view: &mut V, entries: &[StoredEntry]) -> Result<()> {
    for stored in entries {
        view.update(&envelope::<V::Of>(stored)?);
    }
    Ok(())
}

/// An event with its metadata, its position and its time.
fn envelope<A: Aggregate>(stored: &StoredEntry) -> Result<EventEnvelope<A>> {
    let entry = parse(stored)?;
    let wrong = |what: String| ViewError::Entry {
        position: stored.position,
        what,
    };
    let payload: A::Event = serde_json::from_str(entry.payload.get())
        .map_err(|error| wrong(format!("no event of this type of stream: {error}")))?;
    if entry.aggregate_type != A::TYPE || payload.event_type() != entry.event_type {
        return Err(wrong("its type is not that of its event".to_owned()));
    }
    let given = entry.metadata.iter();
    let mut metadata: std::collections::HashMap<String, String> = given
        .map(|(name, value)| (name.clone().into_owned(), value.clone().into_owned()))
        .collect();
    metadata.insert(POSITION.to_owned(), stored.position.to_string());
    metadata.insert(RECORDED_AT.to_owned(), entry.recorded_at.to_string());
    Ok(EventEnvelope {
        aggregate_id: entry.aggregate_id.to_string(),
        sequence: usize::try_from(entry.sequence).unwrap_or(usize::MAX),
        payload,
        metadata,
    })
}
