//! A disclosure: that someone read sealed fields, which, of which records, and for what.
//!
//! What comes in: the reader, the commitment to the purpose, the records and the slots. What goes
//! out: `Disclosed`, one for each run. What may fail: no purpose, no record, no slot. What must
//! stay true: nothing is unsealed before this is on the ledger, and the entry says what was read
//! without saying what it read.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{RecordListError, aggregate, domain_event, is_actor, is_only, record_list};
use crate::ledger::commitment::Commitments;
use crate::model::slot::Slot;

/// What happened to a disclosure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum DisclosureEvent {
    /// Someone reads sealed fields.
    Disclosed {
        /// Who.
        actor: String,
        /// Of `purpose`.
        commitments: Commitments,
        /// Of how many records.
        record_count: u64,
        /// Of which, in ascending order; empty when they are more than a hundred.
        record_ids: Vec<Uuid>,
        /// For more than a hundred, the RFC 6962 root over their ids in ascending order.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        records_root: Option<String>,
        /// Which fields, in order.
        slots: Vec<Slot>,
    },
}

domain_event!(DisclosureEvent: Disclosed);

/// What can be asked of a disclosure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisclosureCommand {
    /// Say that sealed fields will be read.
    Disclose {
        /// Who reads.
        actor: String,
        /// Of `purpose`.
        commitments: Commitments,
        /// Of how many records.
        record_count: u64,
        /// Of which, in any order; empty when they are more than a hundred.
        record_ids: Vec<Uuid>,
        /// For more than a hundred, the RFC 6962 root over their ids in ascending order.
        records_root: Option<String>,
        /// Which fields, in order, each once.
        slots: Vec<Slot>,
    },
}

/// Why a disclosure refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// It took place.
    #[error("this disclosure took place already; ask for another under another id")]
    AlreadyDisclosed,
    /// Nobody is named.
    #[error("who reads must be named, in at most 200 characters without blanks around them")]
    Actor,
    /// No purpose, or more than that.
    #[error("a purpose is required, and nothing else is committed")]
    PurposeRequired,
    /// No record.
    #[error("no record is named; name at least one")]
    NoRecords,
    /// The records cannot be named so.
    #[error(transparent)]
    Records(#[from] RecordListError),
    /// No slot, or not in order, or one twice.
    #[error("name at least one sealed field, in order of their names, each once")]
    Slots,
}

/// The state of a disclosure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosure {
    /// Whether it took place.
    pub disclosed: bool,
}

impl Disclosure {
    /// Decides; pure.
    ///
    /// # Errors
    /// See [`DisclosureError`].
    pub fn decide(&self, command: DisclosureCommand) -> Result<DisclosureEvent, DisclosureError> {
        let DisclosureCommand::Disclose {
            actor,
            commitments,
            record_count,
            record_ids,
            records_root,
            slots,
        } = command;
        if self.disclosed {
            return Err(DisclosureError::AlreadyDisclosed);
        }
        if !is_actor(&actor) {
            return Err(DisclosureError::Actor);
        }
        if !is_only(&commitments, Slot::PURPOSE) {
            return Err(DisclosureError::PurposeRequired);
        }
        if record_count == 0 && record_ids.is_empty() {
            return Err(DisclosureError::NoRecords);
        }
        let record_ids = record_list(record_count, record_ids, records_root.as_deref())?;
        if slots.is_empty() || !slots.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(DisclosureError::Slots);
        }
        Ok(DisclosureEvent::Disclosed {
            actor,
            commitments,
            record_count,
            record_ids,
            records_root,
            slots,
        })
    }

    fn evolve(&mut self, event: &DisclosureEvent) {
        match event {
            DisclosureEvent::Disclosed { .. } => self.disclosed = true,
        }
    }
}

aggregate!(
    Disclosure,
    "disclosure",
    DisclosureCommand,
    DisclosureEvent,
    DisclosureError
);

#[cfg(test)]
mod tests {
    use super::super::testing::{accepts, digest, reason, refuses, sealed};
    use super::*;

    /// The parts of a command, so that a test changes one of them.
    #[derive(Clone)]
    struct Parts {
        actor: &'static str,
        commitments: Commitments,
        record_count: u64,
        ids: Vec<u128>,
        records_root: Option<String>,
        slots: Vec<&'static str>,
    }

    fn sound() -> Parts {
        Parts {
            actor: "auditor-7",
            commitments: sealed(&[Slot::PURPOSE]),
            record_count: 2,
            ids: vec![2, 1],
            records_root: None,
            slots: vec!["child_name", "remark"],
        }
    }

    impl Parts {
        fn command(self) -> DisclosureCommand {
            DisclosureCommand::Disclose {
                actor: self.actor.to_owned(),
                commitments: self.commitments,
                record_count: self.record_count,
                record_ids: self.ids.into_iter().map(Uuid::from_u128).collect(),
                records_root: self.records_root,
                slots: self.slots.into_iter().map(Slot::must).collect(),
            }
        }

        fn event(self) -> DisclosureEvent {
            DisclosureEvent::Disclosed {
                actor: self.actor.to_owned(),
                commitments: self.commitments,
                record_count: self.record_count,
                record_ids: self.ids.into_iter().map(Uuid::from_u128).collect(),
                records_root: self.records_root,
                slots: self.slots.into_iter().map(Slot::must).collect(),
            }
        }
    }

    fn refused(parts: Parts, error: DisclosureError) {
        refuses::<Disclosure>(&[], parts.command(), error);
    }

    #[test]
    fn a_disclosure_takes_place_once() {
        let event = Parts {
            ids: vec![1, 2],
            ..sound()
        }
        .event();
        accepts::<Disclosure>(&[], sound().command(), event.clone());
        let many = Parts {
            record_count: 101,
            ids: vec![],
            records_root: Some(digest()),
            ..sound()
        };
        accepts::<Disclosure>(&[], many.clone().command(), many.event());
        refuses::<Disclosure>(
            &[event],
            sound().command(),
            DisclosureError::AlreadyDisclosed,
        );
    }

    #[test]
    fn who_why_and_what_are_required() {
        refused(
            Parts {
                actor: "",
                ..sound()
            },
            DisclosureError::Actor,
        );
        for commitments in [
            sealed(&[]),
            reason(),
            sealed(&[Slot::PURPOSE, Slot::REASON]),
        ] {
            refused(
                Parts {
                    commitments,
                    ..sound()
                },
                DisclosureError::PurposeRequired,
            );
        }
        let none = Parts {
            record_count: 0,
            ids: vec![],
            ..sound()
        };
        refused(none, DisclosureError::NoRecords);
        let count = RecordListError::Count {
            count: 3,
            listed: 2,
        };
        refused(
            Parts {
                record_count: 3,
                ..sound()
            },
            count.into(),
        );
        for slots in [
            vec![],
            vec!["remark", "child_name"],
            vec!["remark", "remark"],
        ] {
            refused(Parts { slots, ..sound() }, DisclosureError::Slots);
        }
    }
}
