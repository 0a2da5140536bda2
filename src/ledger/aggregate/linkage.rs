//! A linkage: that two records are of one event, as a model proposes and people decide.
//!
//! What comes in: a pair of records with the weight that a model gives it, and what people say.
//! What goes out: `Proposed`, `Confirmed`, `Rejected`, `Withdrawn`. What may fail: a record with
//! itself, a decision out of turn. What must stay true: a model proposes and never decides; the
//! pair stands in ascending order, so that it is one pair however it was found; a decision is
//! changed only by withdrawing it and proposing the pair anew.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{aggregate, domain_event, is_actor, is_exact, is_hex, is_only, is_reason_or_nothing};
use crate::ledger::commitment::Commitments;
use crate::model::slot::Slot;

/// What it means that two records belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkageKind {
    /// One office recorded one event twice.
    Duplicate,
    /// Two sources recorded the same event.
    SameEvent,
}

impl LinkageKind {
    /// The word in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::SameEvent => "same_event",
        }
    }
}

/// What happened to a linkage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum LinkageEvent {
    /// A model proposes it.
    Proposed {
        /// What it means.
        kind: LinkageKind,
        /// The record with the lesser id.
        left: Uuid,
        /// SHA-256 of the model in hexadecimal digits.
        model_digest: String,
        /// The record with the greater id.
        right: Uuid,
        /// How far the evidence speaks for it, in thousandths of a bit.
        weight_millibits: i64,
    },
    /// Someone says that it holds.
    Confirmed {
        /// Who.
        actor: String,
        /// Of `reason`.
        commitments: Commitments,
    },
    /// Someone says that it does not.
    Rejected {
        /// Who.
        actor: String,
        /// Of `reason`.
        commitments: Commitments,
    },
    /// It is as if it had not been proposed.
    Withdrawn {
        /// Of `reason`, or none.
        commitments: Commitments,
    },
}

domain_event!(LinkageEvent: Proposed, Confirmed, Rejected, Withdrawn);

/// What can be asked of a linkage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkageCommand {
    /// Propose it.
    Propose {
        /// What it means.
        kind: LinkageKind,
        /// One record.
        left: Uuid,
        /// SHA-256 of the model in hexadecimal digits.
        model_digest: String,
        /// The other record.
        right: Uuid,
        /// How far the evidence speaks for it, in thousandths of a bit.
        weight_millibits: i64,
    },
    /// Say that it holds.
    Confirm {
        /// Who says so.
        actor: String,
        /// Of `reason`.
        commitments: Commitments,
    },
    /// Say that it does not.
    Reject {
        /// Who says so.
        actor: String,
        /// Of `reason`.
        commitments: Commitments,
    },
    /// Take back the proposal, or what was decided of it.
    Withdraw {
        /// Of `reason`, or none.
        commitments: Commitments,
    },
}

/// Why a linkage refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkageError {
    /// A record with itself.
    #[error("a record cannot be linked with itself; name two")]
    SameRecord,
    /// The stream is of another pair.
    #[error("this linkage is of other records; propose the pair under its own id")]
    OtherPair,
    /// It was proposed.
    #[error("this linkage was proposed already; decide it, or withdraw it first")]
    AlreadyProposed,
    /// It was not, or was withdrawn.
    #[error("this linkage is not proposed; propose it first")]
    NotProposed,
    /// It was decided.
    #[error("this linkage is decided already; withdraw it and propose it anew to change that")]
    AlreadyDecided,
    /// Nobody is named.
    #[error("who acts must be named, in at most 200 characters without blanks around them")]
    Actor,
    /// No reason, or more than that.
    #[error("a reason is required, and nothing else is committed")]
    ReasonRequired,
    /// Something else than a reason.
    #[error("only a reason may be committed; leave the rest out")]
    NotAReason,
    /// No digest.
    #[error("the digest of the model is 64 lower-case hexadecimal digits; compute it anew")]
    ModelDigest,
    /// A weight beyond 2^53 either way.
    #[error("the weight is beyond 2^53 millibits and could not be read back exactly")]
    Weight,
}

/// How far a linkage has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkageStage {
    /// There is none, or it was withdrawn.
    #[default]
    None,
    /// A model proposes it.
    Proposed,
    /// It holds.
    Confirmed,
    /// It does not.
    Rejected,
}

/// The state of a linkage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linkage {
    /// The records, in ascending order; none before the first proposal.
    pub pair: Option<(Uuid, Uuid)>,
    /// How far it has come.
    pub stage: LinkageStage,
}

impl Linkage {
    /// Decides; pure.
    ///
    /// # Errors
    /// See [`LinkageError`].
    pub fn decide(&self, command: LinkageCommand) -> Result<LinkageEvent, LinkageError> {
        match command {
            LinkageCommand::Propose {
                kind,
                left,
                model_digest,
                right,
                weight_millibits,
            } => {
                let (left, right) = (left.min(right), left.max(right));
                self.check_pair(left, right)?;
                if !is_hex(&model_digest, 32) {
                    return Err(LinkageError::ModelDigest);
                }
                if !is_exact(weight_millibits.unsigned_abs()) {
                    return Err(LinkageError::Weight);
                }
                Ok(LinkageEvent::Proposed {
                    kind,
                    left,
                    model_digest,
                    right,
                    weight_millibits,
                })
            }
            LinkageCommand::Confirm { actor, commitments } => {
                self.check_decision(&actor, &commitments)?;
                Ok(LinkageEvent::Confirmed { actor, commitments })
            }
            LinkageCommand::Reject { actor, commitments } => {
                self.check_decision(&actor, &commitments)?;
                Ok(LinkageEvent::Rejected { actor, commitments })
            }
            LinkageCommand::Withdraw { commitments } => {
                if self.stage == LinkageStage::None {
                    return Err(LinkageError::NotProposed);
                }
                if !is_reason_or_nothing(&commitments) {
                    return Err(LinkageError::NotAReason);
                }
                Ok(LinkageEvent::Withdrawn { commitments })
            }
        }
    }

    fn check_pair(&self, left: Uuid, right: Uuid) -> Result<(), LinkageError> {
        if left == right {
            return Err(LinkageError::SameRecord);
        }
        if self.pair.is_some_and(|pair| pair != (left, right)) {
            return Err(LinkageError::OtherPair);
        }
        match self.stage {
            LinkageStage::None => Ok(()),
            _ => Err(LinkageError::AlreadyProposed),
        }
    }

    fn check_decision(&self, actor: &str, commitments: &Commitments) -> Result<(), LinkageError> {
        match self.stage {
            LinkageStage::None => return Err(LinkageError::NotProposed),
            LinkageStage::Proposed => {}
            LinkageStage::Confirmed | LinkageStage::Rejected => {
                return Err(LinkageError::AlreadyDecided);
            }
        }
        if !is_actor(actor) {
            return Err(LinkageError::Actor);
        }
        if !is_only(commitments, Slot::REASON) {
            return Err(LinkageError::ReasonRequired);
        }
        Ok(())
    }

    fn evolve(&mut self, event: &LinkageEvent) {
        self.stage = match event {
            LinkageEvent::Proposed { left, right, .. } => {
                self.pair = Some((*left, *right));
                LinkageStage::Proposed
            }
            LinkageEvent::Confirmed { .. } => LinkageStage::Confirmed,
            LinkageEvent::Rejected { .. } => LinkageStage::Rejected,
            LinkageEvent::Withdrawn { .. } => LinkageStage::None,
        };
    }
}

aggregate!(
    Linkage,
    "linkage",
    LinkageCommand,
    LinkageEvent,
    LinkageError
);

#[cfg(test)]
mod tests {
    use super::super::testing::{TOO_LARGE, accepts, digest, reason, refuses, sealed};
    use super::*;

    fn propose(left: u128, right: u128, digest: &str, weight_millibits: i64) -> LinkageCommand {
        LinkageCommand::Propose {
            kind: LinkageKind::SameEvent,
            left: Uuid::from_u128(left),
            model_digest: digest.to_owned(),
            right: Uuid::from_u128(right),
            weight_millibits,
        }
    }

    fn proposed() -> LinkageEvent {
        LinkageEvent::Proposed {
            kind: LinkageKind::SameEvent,
            left: Uuid::from_u128(1),
            model_digest: digest(),
            right: Uuid::from_u128(2),
            weight_millibits: -7_250,
        }
    }

    fn confirm(actor: &str, commitments: Commitments) -> LinkageCommand {
        LinkageCommand::Confirm {
            actor: actor.to_owned(),
            commitments,
        }
    }

    fn reject(actor: &str, commitments: Commitments) -> LinkageCommand {
        LinkageCommand::Reject {
            actor: actor.to_owned(),
            commitments,
        }
    }

    fn confirmed() -> LinkageEvent {
        LinkageEvent::Confirmed {
            actor: "a".to_owned(),
            commitments: reason(),
        }
    }

    fn rejected() -> LinkageEvent {
        LinkageEvent::Rejected {
            actor: "a".to_owned(),
            commitments: reason(),
        }
    }

    fn withdrawn() -> LinkageEvent {
        LinkageEvent::Withdrawn {
            commitments: reason(),
        }
    }

    #[test]
    fn a_pair_is_proposed_in_order() {
        accepts::<Linkage>(&[], propose(1, 2, &digest(), -7_250), proposed());
        accepts::<Linkage>(&[], propose(2, 1, &digest(), -7_250), proposed());
        let anew = [proposed(), withdrawn()];
        accepts::<Linkage>(&anew, propose(2, 1, &digest(), -7_250), proposed());
        refuses::<Linkage>(&[], propose(1, 1, &digest(), 0), LinkageError::SameRecord);
        refuses::<Linkage>(&anew, propose(1, 3, &digest(), 0), LinkageError::OtherPair);
        refuses::<Linkage>(&[], propose(1, 2, "model", 0), LinkageError::ModelDigest);
        let beyond = i64::try_from(TOO_LARGE).unwrap();
        for weight in [beyond, -beyond, i64::MIN] {
            refuses::<Linkage>(&[], propose(1, 2, &digest(), weight), LinkageError::Weight);
        }
        for given in [vec![proposed()], vec![proposed(), confirmed()]] {
            let again = propose(1, 2, &digest(), 0);
            refuses::<Linkage>(&given, again, LinkageError::AlreadyProposed);
        }
        for kind in [LinkageKind::Duplicate, LinkageKind::SameEvent] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn someone_decides_once_with_a_reason() {
        let given = [proposed()];
        accepts::<Linkage>(&given, confirm("a", reason()), confirmed());
        accepts::<Linkage>(&given, reject("a", reason()), rejected());
        for command in [confirm, reject] {
            let nobody = command(" ", reason());
            refuses::<Linkage>(&given, nobody, LinkageError::Actor);
            for wrong in [sealed(&[]), sealed(&[Slot::PURPOSE])] {
                refuses::<Linkage>(&given, command("a", wrong), LinkageError::ReasonRequired);
            }
            let sound = command("a", reason());
            refuses::<Linkage>(&[], sound.clone(), LinkageError::NotProposed);
            for decided in [confirmed(), rejected()] {
                let given = [proposed(), decided];
                refuses::<Linkage>(&given, sound.clone(), LinkageError::AlreadyDecided);
            }
            refuses::<Linkage>(&[proposed(), withdrawn()], sound, LinkageError::NotProposed);
        }
    }

    #[test]
    fn a_linkage_is_withdrawn_with_or_without_a_reason() {
        let withdraw = |commitments| LinkageCommand::Withdraw { commitments };
        for given in [
            vec![proposed()],
            vec![proposed(), confirmed()],
            vec![proposed(), rejected()],
        ] {
            accepts::<Linkage>(&given, withdraw(reason()), withdrawn());
        }
        let plain = LinkageEvent::Withdrawn {
            commitments: sealed(&[]),
        };
        accepts::<Linkage>(&[proposed()], withdraw(sealed(&[])), plain);
        let other = withdraw(sealed(&[Slot::PURPOSE]));
        refuses::<Linkage>(&[proposed()], other, LinkageError::NotAReason);
        for given in [vec![], vec![proposed(), withdrawn()]] {
            refuses::<Linkage>(&given, withdraw(reason()), LinkageError::NotProposed);
        }
    }
}
