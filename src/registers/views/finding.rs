//! A finding as a case: where it stands, whom it concerns, who did what when.

use cqrs_es::{Aggregate, EventEnvelope, View};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Act, OperationalView, Trail, actor_of};
use crate::ledger::aggregate::finding::{Finding, FindingEvent, Verdict};
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::store::views::ViewTable;

/// What a run found, the last time that it was raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// The office that reported.
    pub office: OfficeCode,
    /// The period, for a finding about one.
    pub period: Option<Period>,
    /// The last entry that the run took into account.
    pub position: Position,
    /// How many records it rests on.
    pub record_count: u64,
    /// Which, in ascending order; empty when they are more than a hundred.
    pub record_ids: Vec<Uuid>,
    /// For more than a hundred, the RFC 6962 root over their ids, hexadecimal.
    pub records_root: Option<String>,
    /// The rule.
    pub rule: String,
    /// Its version.
    pub rule_version: u32,
    /// SHA-256 of all rules of the run, hexadecimal.
    pub rules_digest: String,
    /// What the rule says.
    pub verdict: Verdict,
}

/// A finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingCase {
    /// Its stream.
    pub id: Uuid,
    /// What was applied.
    pub trail: Trail,
    /// How far it has come. Whether the day of a waiver has passed is for the reader to compare.
    pub state: Finding,
    /// What the rule found.
    pub raised: Option<Raised>,
    /// When it was raised the last time.
    pub raised_by: Option<Act>,
    /// How often the office was asked.
    pub times_asked: u64,
    /// Who asked last.
    pub asked: Option<Act>,
    /// How often the office answered.
    pub times_answered: u64,
    /// Who answered last.
    pub answered: Option<Act>,
    /// Who confirmed, dismissed or waived it last.
    pub decided: Option<Act>,
    /// When it was cleared, or lost what it rested on, unless it was raised again since.
    pub ended: Option<Act>,
}

impl FindingCase {
    fn raise(&mut self, event: &FindingEvent, act: Act) {
        let FindingEvent::Raised {
            office,
            period,
            position,
            record_count,
            record_ids,
            records_root,
            rule,
            rule_version,
            rules_digest,
            verdict,
        } = event
        else {
            return;
        };
        self.raised = Some(Raised {
            office: *office,
            period: *period,
            position: *position,
            record_count: *record_count,
            record_ids: record_ids.clone(),
            records_root: records_root.clone(),
            rule: rule.clone(),
            rule_version: *rule_version,
            rules_digest: rules_digest.clone(),
            verdict: *verdict,
        });
        self.raised_by = Some(act);
        self.ended = None;
    }
}

impl View<Finding> for FindingCase {
    fn update(&mut self, event: &EventEnvelope<Finding>) {
        if !self.trail.follows(event) {
            return;
        }
        self.id = event.aggregate_id.parse().unwrap_or_default();
        self.state.apply(event.payload.clone());
        let by = |actor: Option<String>| Act {
            actor,
            at: self.trail.recorded_at,
        };
        match &event.payload {
            FindingEvent::Raised { .. } => self.raise(&event.payload, by(actor_of(event))),
            FindingEvent::Asked { actor } => {
                self.asked = Some(by(Some(actor.clone())));
                self.times_asked += 1;
            }
            // The answer itself is sealed; who gave it is who recorded it.
            FindingEvent::Answered { .. } => {
                self.answered = Some(by(actor_of(event)));
                self.times_answered += 1;
            }
            FindingEvent::Confirmed { actor, .. }
            | FindingEvent::Dismissed { actor, .. }
            | FindingEvent::Waived { actor, .. } => self.decided = Some(by(Some(actor.clone()))),
            FindingEvent::Cleared { .. } | FindingEvent::Unrepeatable { .. } => {
                self.ended = Some(by(actor_of(event)));
            }
        }
    }
}

impl OperationalView for FindingCase {
    type Of = Finding;
    const TABLE: ViewTable = ViewTable::Findings;

    fn trail(&self) -> &Trail {
        &self.trail
    }
}
