//! A sample: what it is drawn from, how it was drawn, what was found.

use cqrs_es::{Aggregate, EventEnvelope, View};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{OperationalView, Trail};
use crate::ledger::aggregate::sample::{Sample, SampleEvent};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::model::time::Timestamp;
use crate::store::views::ViewTable;

/// What a sample is drawn from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Population {
    /// Whose records.
    pub office: OfficeCode,
    /// Of which period.
    pub period: Period,
    /// How many there are.
    pub size: u64,
    /// Size of the checkpoint before the seed was known.
    pub checkpoint_size: u64,
    /// Root of that checkpoint, base64.
    pub checkpoint_root: String,
}

/// How a sample was drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// Thirty-two bytes, hexadecimal.
    pub seed: String,
    /// Root over the ids of the drawn records in drawn order, hexadecimal.
    pub record_root: String,
    /// When the ledger learned of it.
    pub at: Timestamp,
}

/// What a sample gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusion {
    /// How many of the verified are wrong, missing or invented.
    pub errors: u64,
    /// How many were verified.
    pub verified: u64,
    /// When the ledger learned of it.
    pub at: Timestamp,
}

/// A sample.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleCase {
    /// Its stream.
    pub id: Uuid,
    /// What was applied.
    pub trail: Trail,
    /// How far it has come, and what was found of each record.
    pub state: Sample,
    /// What it is drawn from.
    pub population: Option<Population>,
    /// When it was announced.
    pub announced_at: Option<Timestamp>,
    /// How it was drawn.
    pub drawn: Option<Draw>,
    /// How many records were verified so far.
    pub verified: u64,
    /// How many of them are wrong, missing or invented.
    pub errors: u64,
    /// What it gave.
    pub concluded: Option<Conclusion>,
}

impl View<Sample> for SampleCase {
    fn update(&mut self, event: &EventEnvelope<Sample>) {
        if !self.trail.follows(event) {
            return;
        }
        self.id = event.aggregate_id.parse().unwrap_or_default();
        self.state.apply(event.payload.clone());
        let at = self.trail.recorded_at;
        match &event.payload {
            SampleEvent::Announced {
                checkpoint_root,
                checkpoint_size,
                office,
                period,
                population_size,
                ..
            } => {
                self.population = Some(Population {
                    office: *office,
                    period: *period,
                    size: *population_size,
                    checkpoint_size: *checkpoint_size,
                    checkpoint_root: checkpoint_root.clone(),
                });
                self.announced_at = Some(at);
            }
            SampleEvent::Drawn { record_root, seed } => {
                self.drawn = Some(Draw {
                    seed: seed.clone(),
                    record_root: record_root.clone(),
                    at,
                });
            }
            SampleEvent::Verified { verdict, .. } => {
                self.verified += 1;
                self.errors += u64::from(verdict.is_error());
            }
            SampleEvent::Concluded { errors, verified } => {
                self.concluded = Some(Conclusion {
                    errors: *errors,
                    verified: *verified,
                    at,
                });
            }
        }
    }
}

impl OperationalView for SampleCase {
    type Of = Sample;
    const TABLE: ViewTable = ViewTable::Samples;

    fn trail(&self) -> &Trail {
        &self.trail
    }
}
