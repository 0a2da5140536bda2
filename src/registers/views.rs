//! Operational views: which findings, periods and samples there are, and where each stands.
//!
//! What comes in: entries of the streams of findings, periods and samples. What goes out: one
//! small view for each stream, read by id or all of a kind. What may fail: the database that
//! keeps them, an entry that is no event ([`ViewError`]). What must stay true: each event of the
//! log is applied to its view exactly once, however many nodes project the log at the same time
//! and wherever one of them is killed; everything here is derived, disposable and rebuilt.
//!
//! The views themselves are in [`finding`], [`period`] and [`sample`]; [`projector`] brings them
//! up to date; the tables are known to [`crate::store::views`] alone.

pub mod finding;
pub mod period;
pub mod projector;
pub mod sample;

use std::sync::Arc;

use cqrs_es::persist::{PersistenceError, ViewRepository};
use cqrs_es::{Aggregate, EventEnvelope, View};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::finding::FindingCase;
use self::period::PeriodCase;
use self::sample::SampleCase;
use crate::model::id::Position;
use crate::model::time::Timestamp;
use crate::store::views::{Repository, ViewStore, ViewTable, driver_fault};
use crate::store::{Store, StoreError};

/// Name under which the projector adds the position to an event's metadata, in decimal digits.
const POSITION: &str = "position";
/// Name under which it adds when the ledger learned of the event, as entries spell it.
const RECORDED_AT: &str = "recorded_at";

/// Why the views cannot be brought up to date or read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry that is no event of its stream, or not the next one.
    #[error("the entry at position {position} cannot be projected: {what}")]
    Entry {
        /// Where.
        position: Position,
        /// What is wrong.
        what: String,
    },
    /// What is kept is no view of this program. A rebuild mends it.
    #[error("an operational view cannot be read: {0}; rebuild the views")]
    Unreadable(String),
    /// Others changed a view again and again.
    #[error("view {view_id} was changed by others {attempts} times meanwhile; try again")]
    Contended {
        /// Which view.
        view_id: String,
        /// How often it was tried.
        attempts: u32,
    },
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, ViewError>;

fn fault(doing: &'static str, error: PersistenceError) -> ViewError {
    match driver_fault(doing, error) {
        Ok(store) => ViewError::Store(store),
        Err(error) => ViewError::Unreadable(error.to_string()),
    }
}

/// What a view knows of its stream: the last event that was applied to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// 1-based version of the stream; how many events were applied.
    pub sequence: u64,
    /// Position of the first event.
    pub first: Position,
    /// Position of the last event.
    pub position: Position,
    /// When the ledger learned of the last event.
    pub recorded_at: Timestamp,
}

impl Trail {
    /// Takes the next step; `false` for an event that was applied before, or is not the next one.
    fn follows<A: Aggregate>(&mut self, event: &EventEnvelope<A>) -> bool {
        let word = |name| event.metadata.get(name).map(String::as_str);
        let position = word(POSITION).and_then(|text| text.parse().ok());
        let recorded_at = word(RECORDED_AT).and_then(Timestamp::parse_canonical);
        let (Some(position), Some(recorded_at)) = (position, recorded_at) else {
            return false;
        };
        let known = self.sequence > 0 && position <= self.position;
        if known || event.sequence as u64 != self.sequence + 1 {
            return false;
        }
        if self.sequence == 0 {
            self.first = position;
        }
        self.sequence += 1;
        self.position = position;
        self.recorded_at = recorded_at;
        true
    }
}

/// Who caused an event, as its entry says.
fn actor_of<A: Aggregate>(event: &EventEnvelope<A>) -> Option<String> {
    event.metadata.get("actor").cloned()
}

/// Who did something, and when the ledger learned of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Pseudonymous id of the acting person or system.
    pub actor: Option<String>,
    /// When the ledger learned of it.
    pub at: Timestamp,
}

/// A view of the streams of one aggregate.
pub trait OperationalView: View<Self::Of> + Clone {
    /// The aggregate.
    type Of: Aggregate;
    /// Where it is kept.
    const TABLE: ViewTable;
    /// What was applied to it.
    fn trail(&self) -> &Trail;
}

/// The operational views of one ledger.
pub struct Views {
    ledger_id: Uuid,
    store: Arc<dyn Store>,
    kept: ViewStore,
}

impl Views {
    /// Of a ledger. Nothing is read before the first [`Views::catch_up`].
    #[must_use]
    pub fn new(ledger_id: Uuid, store: Arc<dyn Store>, kept: ViewStore) -> Self {
        Self {
            ledger_id,
            store,
            kept,
        }
    }

    fn repository<V: OperationalView>(&self) -> Repository<V, V::Of> {
        self.kept.repository(V::TABLE)
    }

    async fn one<V: OperationalView>(&self, id: Uuid) -> Result<Option<V>> {
        let found = self.repository::<V>().load(&id.to_string()).await;
        found.map_err(|error| fault("read a view", error))
    }

    /// In the order in which their streams began.
    async fn all<V: OperationalView>(&self) -> Result<Vec<V>> {
        let read = |payload| {
            serde_json::from_value::<V>(payload)
                .map_err(|error| ViewError::Unreadable(error.to_string()))
        };
        let kept = self.kept.list(V::TABLE).await?;
        let mut views: Vec<V> = kept.into_iter().map(read).collect::<Result<_>>()?;
        views.sort_by_key(|view| view.trail().first);
        Ok(views)
    }

    /// Every finding, in the order in which they were first raised.
    ///
    /// # Errors
    /// When the database fails, or what it holds is no such view.
    pub async fn cases(&self) -> Result<Vec<FindingCase>> {
        self.all().await
    }

    /// The finding of a stream.
    ///
    /// # Errors
    /// As [`Views::cases`].
    pub async fn case(&self, id: Uuid) -> Result<Option<FindingCase>> {
        self.one(id).await
    }

    /// Every period of every office, in the order in which they were opened.
    ///
    /// # Errors
    /// As [`Views::cases`].
    pub async fn periods(&self) -> Result<Vec<PeriodCase>> {
        self.all().await
    }

    /// The period of a stream.
    ///
    /// # Errors
    /// As [`Views::cases`].
    pub async fn period(&self, id: Uuid) -> Result<Option<PeriodCase>> {
        self.one(id).await
    }

    /// Every sample, in the order in which they were announced.
    ///
    /// # Errors
    /// As [`Views::cases`].
    pub async fn samples(&self) -> Result<Vec<SampleCase>> {
        self.all().await
    }

    /// The sample of a stream.
    ///
    /// # Errors
    /// As [`Views::cases`].
    pub async fn sample(&self, id: Uuid) -> Result<Option<SampleCase>> {
        self.one(id).await
    }
}
