//! A disclosure: that sealed fields were shown, to whom, and of which records.
//!
//! What comes in: the actor, the slots, the records, and a commitment to the purpose. What goes
//! out: `Disclosed`, one entry for one unsealing run. What may fail: no purpose, no record, no
//! slot. What must stay true: a list of more than 100 records is their count and a root.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{NamedRecords, aggregate, domain_event};
use crate::ledger::commitment::Commitments;
use crate::model::slot::Slot;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum DisclosureEvent {
    /// Sealed fields were shown.
    Disclosed {
        /// To whom.
        actor: String,
        /// Of `purpose`.
        commitments: Commitments,
        /// How many records.
        record_count: u64,
        /// Which, up to 100.
        record_ids: Vec<Uuid>,
        /// Of more: the RFC 6962 root over their ids, hexadecimal.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        records_root: Option<String>,
        /// Which slots, in order.
        slots: Vec<Slot>,
    },
}

domain_event!(DisclosureEvent: Disclosed);

/// What can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum DisclosureCommand {
    /// Say that sealed fields are shown.
    Disclose {
        /// To whom.
        actor: String,
        /// Of `purpose`.
        commitments: Commitments,
        /// Of which records.
        records: NamedRecords,
        /// Which slots.
        slots: Vec<Slot>,
    },
}

/// Why it refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// It was said.
    #[error("this disclosure is recorded already")]
    AlreadyDisclosed,
    /// No purpose.
    #[error("a purpose is required")]
    PurposeRequired,
    /// Nothing is shown.
    #[error("a disclosure names at least one record and one slot")]
    Nothing,
}

/// The state of the stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Disclosure {
    /// Whether it was said.
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
            records,
            mut slots,
        } = command;
        if self.disclosed {
            return Err(DisclosureError::AlreadyDisclosed);
        }
        if !commitments.slots().eq([Slot::PURPOSE]) {
            return Err(DisclosureError::PurposeRequired);
        }
        if records.count == 0 || slots.is_empty() {
            return Err(DisclosureError::Nothing);
        }
        slots.sort_unstable();
        slots.dedup();
        Ok(DisclosureEvent::Disclosed {
            actor,
            commitments,
            record_count: records.count,
            record_ids: records.ids,
            records_root: records.root,
            slots,
        })
    }
}

aggregate!(
    Disclosure,
    "disclosure",
    DisclosureCommand,
    DisclosureEvent,
    DisclosureError
);

impl Disclosure {
    fn evolve(&mut self, event: &DisclosureEvent) {
        let DisclosureEvent::Disclosed { .. } = event;
        self.disclosed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_es::test::TestFramework;

    fn purpose() -> Commitments {
        Commitments::new(vec![(
            Slot::PURPOSE,
            crate::ledger::commitment::Commitment([1; 32]),
        )])
    }

    fn given(
        events: Vec<DisclosureEvent>,
        commitments: Commitments,
        ids: Vec<Uuid>,
        slots: Vec<Slot>,
    ) -> Result<Vec<DisclosureEvent>, DisclosureError> {
        let records = NamedRecords::of(ids, |_| [0; 32]);
        let actor = "auditor-1".to_owned();
        TestFramework::<Disclosure>::with(())
            .given(events)
            .when(DisclosureCommand::Disclose {
                actor,
                commitments,
                records,
                slots,
            })
            .inspect_result()
    }

    #[test]
    fn a_disclosure_has_a_purpose_records_and_slots() {
        let id = Uuid::from_u128(1);
        let slots = vec![
            Slot::must("person_name"),
            Slot::must("id_no"),
            Slot::must("id_no"),
        ];
        let told = given(vec![], purpose(), vec![id], slots.clone()).unwrap();
        let DisclosureEvent::Disclosed {
            slots: told_slots,
            record_count,
            ..
        } = &told[0];
        assert_eq!(told_slots.len(), 2);
        assert_eq!(*record_count, 1);
        assert!(crate::ledger::canonical::to_bytes(&told[0]).is_ok());
        assert_eq!(
            given(told, purpose(), vec![id], slots.clone()),
            Err(DisclosureError::AlreadyDisclosed)
        );
        assert_eq!(
            given(vec![], Commitments::default(), vec![id], slots.clone()),
            Err(DisclosureError::PurposeRequired)
        );
        assert_eq!(
            given(vec![], purpose(), vec![], slots),
            Err(DisclosureError::Nothing)
        );
        assert_eq!(
            given(vec![], purpose(), vec![id], vec![]),
            Err(DisclosureError::Nothing)
        );
    }

    #[test]
    fn more_than_a_hundred_records_become_a_root() {
        let ids: Vec<Uuid> = (0..101).map(Uuid::from_u128).collect();
        let records = NamedRecords::of(ids, |_| [7; 32]);
        assert_eq!(records.count, 101);
        assert!(records.ids.is_empty());
        assert_eq!(records.root, Some("07".repeat(32)));
    }
}
