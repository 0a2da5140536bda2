//! The periods of offices: when each was opened, closed and opened again, and by whom.
//!
//! What comes in: the entries of the streams of periods, up to a number of entries of the log.
//! What goes out: one [`PeriodLife`] per office and period. What may fail: an entry that is no
//! event of a period ([`PeriodReadError`]). What must stay true: whether a period was closed when
//! an entry came is read from positions alone, so it does not depend on any clock.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use crate::ledger::aggregate::period::PeriodEvent;
use crate::ledger::commitment::Commitments;
use crate::model::entry::Entry;
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::model::time::Timestamp;
use crate::registers::views::period::Pin;
use crate::store::StoredEntry;

/// An entry that is no event of a period.
#[derive(Debug, thiserror::Error)]
#[error("the entry at position {position} is no event of a period: {what}")]
pub struct PeriodReadError {
    /// Where.
    pub position: Position,
    /// What is wrong.
    pub what: String,
}

/// How a period stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodState {
    /// Reports are expected; it was never closed.
    Open,
    /// Its figures are final.
    Closed,
    /// It was closed, and its figures may change again.
    Reopened,
}

impl PeriodState {
    /// The word, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Reopened => "reopened",
        }
    }
}

/// What somebody did with a period.
#[derive(Debug, Clone)]
pub enum Did {
    /// Opened it.
    Opened,
    /// Closed it, and pinned its figures to this.
    Closed(Pin),
    /// Opened it again.
    Reopened {
        /// Who agreed.
        second_actor: String,
        /// Of the reason.
        commitments: Commitments,
    },
}

/// An event of a period.
#[derive(Debug, Clone)]
pub struct Act {
    /// Where the entry stands.
    pub position: Position,
    /// When the ledger learned of it.
    pub recorded_at: Timestamp,
    /// The event.
    pub event_id: Uuid,
    /// Who acted.
    pub actor: String,
    /// What was done.
    pub did: Did,
}

/// A period of an office, from its opening on.
#[derive(Debug, Clone)]
pub struct PeriodLife {
    /// Its stream.
    pub id: Uuid,
    /// Whose.
    pub office: OfficeCode,
    /// Which.
    pub period: Period,
    /// What was done with it, in order; the first opened it.
    pub acts: Vec<Act>,
}

impl PeriodLife {
    /// How it stands after its last event.
    #[must_use]
    pub fn state(&self) -> PeriodState {
        self.state_at(Position::MAX)
    }

    /// How it stood when the entry at this position came.
    #[must_use]
    pub fn state_at(&self, position: Position) -> PeriodState {
        let before = self.acts.iter().rev().find(|act| act.position < position);
        before.map_or(PeriodState::Open, |act| match act.did {
            Did::Opened => PeriodState::Open,
            Did::Closed(_) => PeriodState::Closed,
            Did::Reopened { .. } => PeriodState::Reopened,
        })
    }

    /// Every close, with what it pinned.
    #[must_use]
    pub fn closes(&self) -> impl DoubleEndedIterator<Item = (&Act, &Pin)> {
        self.acts.iter().filter_map(|act| match &act.did {
            Did::Closed(pin) => Some((act, pin)),
            Did::Opened | Did::Reopened { .. } => None,
        })
    }

    /// The last close, also of a period that was opened again since.
    #[must_use]
    pub fn last_close(&self) -> Option<(&Act, &Pin)> {
        self.closes().next_back()
    }
}

/// Reads entries of the streams of periods, in order; those from `size` on are left out. In order
/// of office, period.
///
/// # Errors
/// When an entry is no event of a period.
pub fn lives(entries: &[StoredEntry], size: u64) -> Result<Vec<PeriodLife>, PeriodReadError> {
    let mut lives: BTreeMap<Uuid, PeriodLife> = BTreeMap::new();
    for stored in entries.iter().filter(|stored| stored.position < size) {
        let position = stored.position;
        let wrong = |what: String| PeriodReadError { position, what };
        let entry = Entry::parse(&stored.bytes).map_err(|error| wrong(error.to_string()))?;
        let event: PeriodEvent =
            serde_json::from_str(entry.payload.get()).map_err(|error| wrong(error.to_string()))?;
        let id = entry.aggregate_id;
        let by = entry.metadata("actor").unwrap_or_default().to_owned();
        let (actor, did) = match event {
            PeriodEvent::Opened { office, period } => {
                let life = PeriodLife {
                    id,
                    office,
                    period,
                    acts: Vec::new(),
                };
                lives.insert(id, life);
                (by, Did::Opened)
            }
            PeriodEvent::Closed {
                actor,
                position,
                root,
                size,
            } => (
                actor,
                Did::Closed(Pin {
                    position,
                    size,
                    root,
                }),
            ),
            PeriodEvent::Reopened {
                actor,
                commitments,
                second_actor,
            } => (
                actor,
                Did::Reopened {
                    second_actor,
                    commitments,
                },
            ),
        };
        let life = lives
            .get_mut(&id)
            .ok_or_else(|| wrong("its period was never opened".to_owned()))?;
        life.acts.push(Act {
            position,
            recorded_at: entry.recorded_at,
            event_id: entry.event_id,
            actor,
            did,
        });
    }
    let mut lives: Vec<PeriodLife> = lives.into_values().collect();
    lives.sort_by_key(|life| (life.office, life.period.last_day(), life.period));
    Ok(lives)
}
