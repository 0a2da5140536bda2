//! A period of an office: open, closed or open again, and what its figures are pinned to.

use cqrs_es::{Aggregate, EventEnvelope, View};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, OperationalView, Trail};
use crate::ledger::aggregate::period::{PeriodAggregate, PeriodEvent};
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::model::time::Timestamp;
use crate::store::views::ViewTable;

/// What the figures of a closed period are computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The last entry that counts.
    pub position: Position,
    /// Size of the checkpoint.
    pub size: u64,
    /// Root of the checkpoint, base64.
    pub root: String,
}

/// A period of an office.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodCase {
    /// Its stream.
    pub id: Uuid,
    /// What was applied.
    pub trail: Trail,
    /// Whether it is open.
    pub state: PeriodAggregate,
    /// Whose.
    pub office: Option<OfficeCode>,
    /// Which.
    pub period: Option<Period>,
    /// When it was opened.
    pub opened_at: Option<Timestamp>,
    /// What the last close pinned; it stays when the period is opened again.
    pub pinned: Option<Pin>,
    /// How often it was closed.
    pub times_closed: u64,
    /// Who closed it last.
    pub closed: Option<Act>,
    /// How often it was opened again.
    pub times_reopened: u64,
    /// Who opened it again last.
    pub reopened: Option<Act>,
    /// Who agreed to that.
    pub reopening_agreed_by: Option<String>,
}

impl View<PeriodAggregate> for PeriodCase {
    fn update(&mut self, event: &EventEnvelope<PeriodAggregate>) {
        if !self.trail.follows(event) {
            return;
        }
        self.id = event.aggregate_id.parse().unwrap_or_default();
        self.state.apply(event.payload.clone());
        let at = self.trail.recorded_at;
        let by = |actor: &String| {
            let actor = Some(actor.clone());
            Some(Act { actor, at })
        };
        match &event.payload {
            PeriodEvent::Opened { office, period } => {
                self.office = Some(*office);
                self.period = Some(*period);
                self.opened_at = Some(at);
            }
            PeriodEvent::Closed {
                actor,
                position,
                root,
                size,
            } => {
                self.pinned = Some(Pin {
                    position: *position,
                    size: *size,
                    root: root.clone(),
                });
                self.closed = by(actor);
                self.times_closed += 1;
            }
            PeriodEvent::Reopened {
                actor,
                second_actor,
                ..
            } => {
                self.reopened = by(actor);
                self.reopening_agreed_by = Some(second_actor.clone());
                self.times_reopened += 1;
            }
        }
    }
}

impl OperationalView for PeriodCase {
    type Of = PeriodAggregate;
    const TABLE: ViewTable = ViewTable::Periods;

    fn trail(&self) -> &Trail {
        &self.trail
    }
}
