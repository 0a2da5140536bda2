//! A finding: that a rule fires, what an office answers, and what becomes of it.
//!
//! What comes in: what a run of the rules found, pinned to a position and a digest, and what
//! people say to it. What goes out: an event for each step of its life. What may fail: a step out
//! of turn ([`Step::is_allowed_in`] is the table), a decision without its reason. What must stay
//! true: running again raises nothing twice; a dismissal stands whatever a later run says; a
//! finding whose evidence was erased is not cleared, but can be raised again from what is left.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    RecordListError, aggregate, domain_event, is_actor, is_exact, is_hex, is_only,
    is_reason_or_nothing, is_slug, record_list,
};
use crate::ledger::commitment::Commitments;
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::model::slot::Slot;

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Arithmetic or logic does not hold.
    Fail,
    /// A statistic is out of the ordinary: a question to an office.
    Signal,
    /// There are too few data to say.
    Insufficient,
}

impl Verdict {
    /// The word in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Signal => "signal",
            Self::Insufficient => "insufficient",
        }
    }
}

/// What happened to a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum FindingEvent {
    /// A rule fires.
    Raised {
        /// The office that reported.
        office: OfficeCode,
        /// The period, for a finding about one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        period: Option<Period>,
        /// The last entry that the run took into account.
        position: Position,
        /// How many records it rests on.
        record_count: u64,
        /// Which, in ascending order; empty when they are more than a hundred.
        record_ids: Vec<Uuid>,
        /// For more than a hundred, the RFC 6962 root over their ids in ascending order.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        records_root: Option<String>,
        /// The rule.
        rule: String,
        /// Its version.
        rule_version: u32,
        /// SHA-256 of all rules of the run in hexadecimal digits.
        rules_digest: String,
        /// What the rule says.
        verdict: Verdict,
    },
    /// The office is asked.
    Asked {
        /// Who asks.
        actor: String,
    },
    /// The office answers.
    Answered {
        /// Of `reason`: the answer.
        commitments: Commitments,
    },
    /// Someone finds it true.
    Confirmed {
        /// Who.
        actor: String,
        /// Of `reason`, or none.
        commitments: Commitments,
    },
    /// Someone finds that nothing is wrong.
    Dismissed {
        /// Who.
        actor: String,
        /// Of `reason`.
        commitments: Commitments,
    },
    /// Someone lets it rest for a time.
    Waived {
        /// Who.
        actor: String,
        /// Of `reason`.
        commitments: Commitments,
        /// Last day on which it rests.
        until: NaiveDate,
    },
    /// The rule fires no more.
    Cleared {
        /// The last entry that the run took into account.
        position: Position,
    },
    /// What it rested on was erased.
    Unrepeatable {
        /// Position of the erasure.
        erasure: Position,
    },
}

domain_event!(
    FindingEvent: Raised, Asked, Answered, Confirmed, Dismissed, Waived, Cleared, Unrepeatable
);

/// What can be asked of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingCommand {
    /// Say that a rule fires.
    Raise {
        /// The office that reported.
        office: OfficeCode,
        /// The period, for a finding about one.
        period: Option<Period>,
        /// The last entry that the run took into account.
        position: Position,
        /// How many records it rests on.
        record_count: u64,
        /// Which, in any order; empty when they are more than a hundred.
        record_ids: Vec<Uuid>,
        /// For more than a hundred, the RFC 6962 root over their ids in ascending order.
        records_root: Option<String>,
        /// The rule.
        rule: String,
        /// Its version.
        rule_version: u32,
        /// SHA-256 of all rules of the run in hexadecimal digits.
        rules_digest: String,
        /// What the rule says.
        verdict: Verdict,
    },
    /// Ask the office, for the first time or once more.
    Ask {
        /// Who asks.
        actor: String,
    },
    /// Answer.
    Answer {
        /// Of `reason`: the answer.
        commitments: Commitments,
    },
    /// Find it true.
    Confirm {
        /// Who does.
        actor: String,
        /// Of `reason`, or none.
        commitments: Commitments,
    },
    /// Find that nothing is wrong.
    Dismiss {
        /// Who does.
        actor: String,
        /// Of `reason`.
        commitments: Commitments,
    },
    /// Let it rest for a time.
    Waive {
        /// Who does.
        actor: String,
        /// Of `reason`.
        commitments: Commitments,
        /// Last day on which it rests.
        until: NaiveDate,
    },
    /// Say that the rule fires no more.
    Clear {
        /// The last entry that the run took into account.
        position: Position,
    },
    /// Say that what it rests on was erased.
    MarkUnrepeatable {
        /// Position of the erasure.
        erasure: Position,
    },
}

/// How far a finding has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FindingStage {
    /// There is none.
    #[default]
    Unknown,
    /// Nobody dealt with it yet.
    Open,
    /// The office was asked.
    Asked,
    /// The office answered.
    Answered,
    /// It is true.
    Confirmed,
    /// Nothing is wrong.
    Dismissed,
    /// It rests until the end of a day. Whether that day has passed is for the reader to compare:
    /// nothing here reads a clock.
    Waived(NaiveDate),
    /// The rule fires no more.
    Cleared,
    /// What it rested on was erased.
    Unrepeatable,
}

impl std::fmt::Display for FindingStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Open => "open",
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::Confirmed => "confirmed",
            Self::Dismissed => "dismissed",
            Self::Waived(until) => return write!(f, "waived until {until}"),
            Self::Cleared => "cleared",
            Self::Unrepeatable => "unrepeatable",
        })
    }
}

/// A step in the life of a finding that was raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To be asked about.
    Ask,
    /// To be answered.
    Answer,
    /// To be found true.
    Confirm,
    /// To be found nothing.
    Dismiss,
    /// To rest.
    Waive,
    /// To be over.
    Clear,
    /// To lose its evidence.
    MarkUnrepeatable,
}

impl Step {
    /// The table of the steps. Confirming and dismissing revise each other, since both are
    /// decisions of people who give their reasons. A run clears neither what was dismissed (it
    /// would come back as new) nor what cannot be repeated.
    #[must_use]
    pub const fn is_allowed_in(self, stage: FindingStage) -> bool {
        use FindingStage as S;
        match self {
            Self::Ask => matches!(stage, S::Open | S::Answered | S::Waived(_)),
            Self::Answer => matches!(stage, S::Asked),
            Self::Confirm => matches!(
                stage,
                S::Open | S::Asked | S::Answered | S::Waived(_) | S::Dismissed
            ),
            Self::Dismiss | Self::Waive | Self::Clear => matches!(
                stage,
                S::Open | S::Asked | S::Answered | S::Waived(_) | S::Confirmed
            ),
            Self::MarkUnrepeatable => !matches!(stage, S::Unknown | S::Cleared | S::Unrepeatable),
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Ask => "asked about",
            Self::Answer => "answered",
            Self::Confirm => "confirmed",
            Self::Dismiss => "dismissed",
            Self::Waive => "waived",
            Self::Clear => "cleared",
            Self::MarkUnrepeatable => "marked unrepeatable",
        }
    }
}

/// Why a finding refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindingError {
    /// It stands.
    #[error("this finding was raised already and is {0}; running again raises nothing twice")]
    AlreadyRaised(FindingStage),
    /// It was never raised.
    #[error("there is no such finding; run the rules first")]
    NotRaised,
    /// The step is out of turn.
    #[error("this finding is {stage} and cannot be {} now; see its history", step.done())]
    OutOfTurn {
        /// What was asked for.
        step: Step,
        /// How far the finding has come.
        stage: FindingStage,
    },
    /// The waiver is no change.
    #[error("this finding is waived until {0} already; name another day")]
    SameDay(NaiveDate),
    /// The run, or the erasure, is older than what the ledger knows of the finding.
    #[error("entry {position} is before entry {known}, to which this finding is pinned; run anew")]
    TooEarly {
        /// What was given.
        position: Position,
        /// What is known.
        known: Position,
    },
    /// Nobody is named.
    #[error("who acts must be named, in at most 200 characters without blanks around them")]
    Actor,
    /// No reason, or more than that.
    #[error("a reason is required, and nothing else is committed")]
    ReasonRequired,
    /// Something else than a reason.
    #[error("only a reason may be committed; leave the rest out")]
    NotAReason,
    /// Not the id of a rule.
    #[error("the id of a rule is 1 to 64 letters, digits, '_', '-' and '.'; name it so")]
    Rule,
    /// Not a digest.
    #[error("the digest of the rules is 64 lower-case hexadecimal digits; compute it anew")]
    RulesDigest,
    /// The records cannot be named so.
    #[error(transparent)]
    Records(#[from] RecordListError),
    /// A position above 2^53.
    #[error("entry {0} is above 2^53; no ledger has such a position")]
    TooLarge(Position),
}

/// The state of a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How far it has come.
    pub stage: FindingStage,
    /// The last entry that was taken into account, by the run that raised or cleared it or by the
    /// erasure of what it rested on.
    pub position: Position,
}

impl Finding {
    /// Decides; pure.
    ///
    /// # Errors
    /// See [`FindingError`].
    pub fn decide(&self, command: FindingCommand) -> Result<FindingEvent, FindingError> {
        match command {
            FindingCommand::Raise {
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
            } => {
                self.check_raise(position, &rule, &rules_digest)?;
                let record_ids = record_list(record_count, record_ids, records_root.as_deref())?;
                Ok(FindingEvent::Raised {
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
                })
            }
            FindingCommand::Ask { actor } => self.ask(actor),
            FindingCommand::Answer { commitments } => self.answer(commitments),
            FindingCommand::Confirm { actor, commitments } => self.confirm(actor, commitments),
            FindingCommand::Dismiss { actor, commitments } => self.dismiss(actor, commitments),
            FindingCommand::Waive {
                actor,
                commitments,
                until,
            } => self.waive(actor, commitments, until),
            FindingCommand::Clear { position } => {
                self.check(Step::Clear)?;
                self.check_position(position)?;
                Ok(FindingEvent::Cleared { position })
            }
            FindingCommand::MarkUnrepeatable { erasure } => {
                self.check(Step::MarkUnrepeatable)?;
                self.check_position(erasure)?;
                Ok(FindingEvent::Unrepeatable { erasure })
            }
        }
    }

    fn check_raise(
        &self,
        position: Position,
        rule: &str,
        digest: &str,
    ) -> Result<(), FindingError> {
        match self.stage {
            FindingStage::Unknown | FindingStage::Cleared | FindingStage::Unrepeatable => {}
            stage => return Err(FindingError::AlreadyRaised(stage)),
        }
        self.check_position(position)?;
        if !is_slug(rule) {
            return Err(FindingError::Rule);
        }
        if !is_hex(digest, 32) {
            return Err(FindingError::RulesDigest);
        }
        Ok(())
    }

    fn check_position(&self, position: Position) -> Result<(), FindingError> {
        if !is_exact(position) {
            return Err(FindingError::TooLarge(position));
        }
        if position < self.position {
            return Err(FindingError::TooEarly {
                position,
                known: self.position,
            });
        }
        Ok(())
    }

    fn check(&self, step: Step) -> Result<(), FindingError> {
        match self.stage {
            FindingStage::Unknown => Err(FindingError::NotRaised),
            stage if step.is_allowed_in(stage) => Ok(()),
            stage => Err(FindingError::OutOfTurn { step, stage }),
        }
    }

    fn ask(&self, actor: String) -> Result<FindingEvent, FindingError> {
        self.check(Step::Ask)?;
        check_actor(&actor)?;
        Ok(FindingEvent::Asked { actor })
    }

    fn answer(&self, commitments: Commitments) -> Result<FindingEvent, FindingError> {
        self.check(Step::Answer)?;
        check_reason(&commitments)?;
        Ok(FindingEvent::Answered { commitments })
    }

    fn confirm(&self, actor: String, of: Commitments) -> Result<FindingEvent, FindingError> {
        self.check(Step::Confirm)?;
        check_actor(&actor)?;
        if !is_reason_or_nothing(&of) {
            return Err(FindingError::NotAReason);
        }
        Ok(FindingEvent::Confirmed {
            actor,
            commitments: of,
        })
    }

    fn dismiss(&self, actor: String, of: Commitments) -> Result<FindingEvent, FindingError> {
        self.check(Step::Dismiss)?;
        check_actor(&actor)?;
        check_reason(&of)?;
        Ok(FindingEvent::Dismissed {
            actor,
            commitments: of,
        })
    }

    fn waive(
        &self,
        actor: String,
        commitments: Commitments,
        until: NaiveDate,
    ) -> Result<FindingEvent, FindingError> {
        self.check(Step::Waive)?;
        if self.stage == FindingStage::Waived(until) {
            return Err(FindingError::SameDay(until));
        }
        check_actor(&actor)?;
        check_reason(&commitments)?;
        Ok(FindingEvent::Waived {
            actor,
            commitments,
            until,
        })
    }

    fn evolve(&mut self, event: &FindingEvent) {
        self.stage = match event {
            FindingEvent::Raised { position, .. } => {
                self.position = *position;
                FindingStage::Open
            }
            FindingEvent::Asked { .. } => FindingStage::Asked,
            FindingEvent::Answered { .. } => FindingStage::Answered,
            FindingEvent::Confirmed { .. } => FindingStage::Confirmed,
            FindingEvent::Dismissed { .. } => FindingStage::Dismissed,
            FindingEvent::Waived { until, .. } => FindingStage::Waived(*until),
            FindingEvent::Cleared { position } => {
                self.position = *position;
                FindingStage::Cleared
            }
            FindingEvent::Unrepeatable { erasure } => {
                self.position = *erasure;
                FindingStage::Unrepeatable
            }
        };
    }
}

aggregate!(
    Finding,
    "finding",
    FindingCommand,
    FindingEvent,
    FindingError
);

fn check_actor(actor: &str) -> Result<(), FindingError> {
    if is_actor(actor) {
        Ok(())
    } else {
        Err(FindingError::Actor)
    }
}

fn check_reason(commitments: &Commitments) -> Result<(), FindingError> {
    if is_only(commitments, Slot::REASON) {
        Ok(())
    } else {
        Err(FindingError::ReasonRequired)
    }
}

#[cfg(test)]
mod tests;
