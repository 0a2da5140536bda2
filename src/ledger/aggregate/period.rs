//! A period of an office: whether its figures are final, and at which root.
//!
//! What comes in: that a period is open, closed at a checkpoint, or opened again by two people.
//! What goes out: `Opened`, `Closed`, `Reopened`. What may fail: a step out of turn, one person
//! in place of two, a close that goes back. What must stay true: a closed period names the
//! position and the root that its figures were computed from, so that anyone can repeat them.

use serde::{Deserialize, Serialize};

use super::{aggregate, domain_event, is_actor, is_checkpoint_root, is_exact, is_only};
use crate::ledger::commitment::Commitments;
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::model::slot::Slot;

/// What happened to a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum PeriodEvent {
    /// Reports for it are expected.
    Opened {
        /// Whose.
        office: OfficeCode,
        /// Which.
        period: Period,
    },
    /// Its figures are final.
    Closed {
        /// Who closed it.
        actor: String,
        /// The last entry that counts.
        position: Position,
        /// Root of the checkpoint, in base64.
        root: String,
        /// Size of the checkpoint.
        size: u64,
    },
    /// Its figures are no longer final.
    Reopened {
        /// Who reopened it.
        actor: String,
        /// Of `reason`.
        commitments: Commitments,
        /// Who agreed.
        second_actor: String,
    },
}

domain_event!(PeriodEvent: Opened, Closed, Reopened);

/// What can be asked of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeriodCommand {
    /// Expect reports.
    Open {
        /// Whose.
        office: OfficeCode,
        /// Which.
        period: Period,
    },
    /// Make the figures final.
    Close {
        /// Who closes it.
        actor: String,
        /// The last entry that counts.
        position: Position,
        /// Root of the checkpoint, in base64.
        root: String,
        /// Size of the checkpoint.
        size: u64,
    },
    /// Let the figures change again.
    Reopen {
        /// Who reopens it.
        actor: String,
        /// Of `reason`.
        commitments: Commitments,
        /// Who agrees.
        second_actor: String,
    },
}

/// Why a period refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// It was opened.
    #[error("this period was opened already; reopen it if it is closed")]
    AlreadyOpened,
    /// It was not.
    #[error("this period was never opened; open it first")]
    NotOpened,
    /// It is closed.
    #[error("this period is closed already; reopen it first, with a reason")]
    AlreadyClosed,
    /// It is not.
    #[error("this period is not closed, so there is nothing to reopen")]
    NotClosed,
    /// Nobody is named.
    #[error("who acts must be named, in at most 200 characters without blanks around them")]
    Actor,
    /// One person is named twice.
    #[error("two different people reopen a period; name another second actor")]
    SameActor,
    /// No reason, or more than that.
    #[error("a reason is required, and nothing else is committed")]
    ReasonRequired,
    /// Not a root.
    #[error("the root is not 32 bytes in base64; copy it from the checkpoint")]
    Root,
    /// A number above 2^53.
    #[error("the size is above 2^53 and could not be read back exactly")]
    TooLarge,
    /// The checkpoint does not cover the position.
    #[error("entry {position} is not in a checkpoint of {size} entries; take a later checkpoint")]
    NotCovered {
        /// The last entry that counts.
        position: Position,
        /// Size of the checkpoint.
        size: u64,
    },
    /// Earlier than the close before.
    #[error("position or size is before that of the last close ({position}, {size}); close later")]
    GoesBack {
        /// Of the last close.
        position: Position,
        /// Of the last close.
        size: u64,
    },
}

/// The state of a period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodAggregate {
    /// Whether it was ever opened.
    pub opened: bool,
    /// Whether it is closed now.
    pub closed: bool,
    /// Position and size of the last close.
    pub last_close: Option<(Position, u64)>,
}

impl PeriodAggregate {
    /// Decides; pure.
    ///
    /// # Errors
    /// See [`PeriodError`].
    pub fn decide(&self, command: PeriodCommand) -> Result<PeriodEvent, PeriodError> {
        if !self.opened && !matches!(command, PeriodCommand::Open { .. }) {
            return Err(PeriodError::NotOpened);
        }
        match command {
            PeriodCommand::Open { office, period } => {
                if self.opened {
                    return Err(PeriodError::AlreadyOpened);
                }
                Ok(PeriodEvent::Opened { office, period })
            }
            PeriodCommand::Close {
                actor,
                position,
                root,
                size,
            } => {
                if self.closed {
                    return Err(PeriodError::AlreadyClosed);
                }
                if !is_actor(&actor) {
                    return Err(PeriodError::Actor);
                }
                self.check_checkpoint(position, &root, size)?;
                Ok(PeriodEvent::Closed {
                    actor,
                    position,
                    root,
                    size,
                })
            }
            PeriodCommand::Reopen {
                actor,
                commitments,
                second_actor,
            } => {
                if !self.closed {
                    return Err(PeriodError::NotClosed);
                }
                if !is_actor(&actor) || !is_actor(&second_actor) {
                    return Err(PeriodError::Actor);
                }
                if actor == second_actor {
                    return Err(PeriodError::SameActor);
                }
                if !is_only(&commitments, Slot::REASON) {
                    return Err(PeriodError::ReasonRequired);
                }
                Ok(PeriodEvent::Reopened {
                    actor,
                    commitments,
                    second_actor,
                })
            }
        }
    }

    fn check_checkpoint(
        &self,
        position: Position,
        root: &str,
        size: u64,
    ) -> Result<(), PeriodError> {
        if !is_checkpoint_root(root) {
            return Err(PeriodError::Root);
        }
        if !is_exact(size) {
            return Err(PeriodError::TooLarge);
        }
        if position >= size {
            return Err(PeriodError::NotCovered { position, size });
        }
        match self.last_close {
            Some(last) if position < last.0 || size < last.1 => Err(PeriodError::GoesBack {
                position: last.0,
                size: last.1,
            }),
            _ => Ok(()),
        }
    }

    fn evolve(&mut self, event: &PeriodEvent) {
        match event {
            PeriodEvent::Opened { .. } => self.opened = true,
            PeriodEvent::Closed { position, size, .. } => {
                self.closed = true;
                self.last_close = Some((*position, *size));
            }
            PeriodEvent::Reopened { .. } => self.closed = false,
        }
    }
}

aggregate!(
    PeriodAggregate,
    "period",
    PeriodCommand,
    PeriodEvent,
    PeriodError
);

#[cfg(test)]
mod tests {
    use super::super::testing::{ROOT, TOO_LARGE, accepts, reason, refuses, sealed};
    use super::*;

    fn office() -> OfficeCode {
        OfficeCode::parse("990101100001").unwrap()
    }

    fn open() -> PeriodCommand {
        PeriodCommand::Open {
            office: office(),
            period: Period::Half(2014, 1),
        }
    }

    fn opened() -> PeriodEvent {
        PeriodEvent::Opened {
            office: office(),
            period: Period::Half(2014, 1),
        }
    }

    fn close(actor: &str, position: u64, root: &str, size: u64) -> PeriodCommand {
        let (actor, root) = (actor.to_owned(), root.to_owned());
        PeriodCommand::Close {
            actor,
            position,
            root,
            size,
        }
    }

    fn closed(position: u64, size: u64) -> PeriodEvent {
        let (actor, root) = ("a".to_owned(), ROOT.to_owned());
        PeriodEvent::Closed {
            actor,
            position,
            root,
            size,
        }
    }

    fn reopen(actor: &str, second_actor: &str, commitments: Commitments) -> PeriodCommand {
        let (actor, second_actor) = (actor.to_owned(), second_actor.to_owned());
        PeriodCommand::Reopen {
            actor,
            commitments,
            second_actor,
        }
    }

    fn reopened() -> PeriodEvent {
        let (actor, second_actor) = ("a".to_owned(), "b".to_owned());
        PeriodEvent::Reopened {
            actor,
            commitments: reason(),
            second_actor,
        }
    }

    type Subject = PeriodAggregate;

    #[test]
    fn a_period_is_opened_closed_reopened_and_closed_again() {
        let life = [opened(), closed(7, 9), reopened(), closed(8, 9)];
        accepts::<Subject>(&[], open(), opened());
        accepts::<Subject>(&life[..1], close("a", 7, ROOT, 9), closed(7, 9));
        accepts::<Subject>(&life[..2], reopen("a", "b", reason()), reopened());
        accepts::<Subject>(&life[..3], close("a", 8, ROOT, 9), closed(8, 9));
        refuses::<Subject>(&life[..1], open(), PeriodError::AlreadyOpened);
        refuses::<Subject>(&[], close("a", 7, ROOT, 9), PeriodError::NotOpened);
        refuses::<Subject>(&[], reopen("a", "b", reason()), PeriodError::NotOpened);
        refuses::<Subject>(
            &life[..2],
            close("a", 7, ROOT, 9),
            PeriodError::AlreadyClosed,
        );
        refuses::<Subject>(
            &life[..1],
            reopen("a", "b", reason()),
            PeriodError::NotClosed,
        );
        refuses::<Subject>(
            &life[..3],
            reopen("a", "b", reason()),
            PeriodError::NotClosed,
        );
        refuses::<Subject>(&life, close("a", 8, ROOT, 9), PeriodError::AlreadyClosed);
    }

    #[test]
    fn a_close_names_a_checkpoint_that_covers_it() {
        let given = [opened()];
        refuses::<Subject>(&given, close(" ", 7, ROOT, 9), PeriodError::Actor);
        refuses::<Subject>(&given, close("a", 7, "root", 9), PeriodError::Root);
        refuses::<Subject>(
            &given,
            close("a", 7, ROOT, TOO_LARGE),
            PeriodError::TooLarge,
        );
        let outside = PeriodError::NotCovered {
            position: 9,
            size: 9,
        };
        refuses::<Subject>(&given, close("a", 9, ROOT, 9), outside);
        let given = [opened(), closed(7, 9), reopened()];
        let back = PeriodError::GoesBack {
            position: 7,
            size: 9,
        };
        refuses::<Subject>(&given, close("a", 6, ROOT, 9), back.clone());
        refuses::<Subject>(&given, close("a", 7, ROOT, 8), back);
    }

    #[test]
    fn reopening_takes_two_people_and_a_reason() {
        let given = [opened(), closed(7, 9)];
        refuses::<Subject>(&given, reopen("a", "a", reason()), PeriodError::SameActor);
        refuses::<Subject>(&given, reopen("", "b", reason()), PeriodError::Actor);
        refuses::<Subject>(&given, reopen("a", "a ", reason()), PeriodError::Actor);
        for wrong in [sealed(&[]), sealed(&[Slot::PURPOSE])] {
            refuses::<Subject>(&given, reopen("a", "b", wrong), PeriodError::ReasonRequired);
        }
    }
}
