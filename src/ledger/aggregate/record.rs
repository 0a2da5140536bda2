//! A record: what an office reports, corrects and voids.
//!
//! What comes in: public fields and commitments to the sealed ones. What goes out: `Recorded`,
//! `Corrected` and `Voided`, each with the full public state after the change. What may fail: a
//! second recording, a change of what was never recorded or was voided, a correction that
//! changes nothing. What must stay true: the ledger records what offices claim, however wrong it
//! looks; every slot of the schema is committed exactly once by the event that set it.

use std::collections::BTreeMap;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ledger::commitment::Commitments;
use crate::model::fields::PublicFields;
use crate::model::slot::Slot;

/// What happened to a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "F: PublicFields", deny_unknown_fields)]
pub enum RecordEvent<F: PublicFields> {
    /// An office reported it.
    Recorded {
        /// Of every slot of the kind.
        commitments: Commitments,
        /// The public fields.
        fields: F,
    },
    /// An office corrected it.
    Corrected {
        /// Names of the fields and slots that changed, in order.
        changed: Vec<String>,
        /// Of the changed slots and of `reason`.
        commitments: Commitments,
        /// The public fields after the change.
        fields: F,
        /// For each unchanged slot, the event that set it.
        set_by: BTreeMap<Slot, Uuid>,
    },
    /// An office withdrew it.
    Voided {
        /// Of `reason`.
        commitments: Commitments,
    },
}

impl<F: PublicFields> RecordEvent<F> {
    /// The commitments that this event makes.
    #[must_use]
    pub const fn commitments(&self) -> &Commitments {
        match self {
            Self::Recorded { commitments, .. }
            | Self::Corrected { commitments, .. }
            | Self::Voided { commitments } => commitments,
        }
    }
}

impl<F: PublicFields> DomainEvent for RecordEvent<F> {
    fn event_type(&self) -> String {
        match self {
            Self::Recorded { .. } => "Recorded",
            Self::Corrected { .. } => "Corrected",
            Self::Voided { .. } => "Voided",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

/// What can be asked of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordCommand<F: PublicFields> {
    /// Record it.
    Record {
        /// Of every slot of the kind.
        commitments: Commitments,
        /// The public fields.
        fields: F,
    },
    /// Correct it; `reason` is among the commitments.
    Correct {
        /// Of the changed slots and of `reason`.
        commitments: Commitments,
        /// The public fields after the change.
        fields: F,
        /// For each unchanged slot, the event that set it.
        set_by: BTreeMap<Slot, Uuid>,
    },
    /// Withdraw it; `reason` is the commitment.
    Void {
        /// Of `reason`.
        commitments: Commitments,
    },
}

/// Why a record refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There is such a record already.
    #[error("this record is recorded already; send a correction")]
    AlreadyRecorded,
    /// There is none.
    #[error("there is no such record; record it first")]
    NotRecorded,
    /// It was withdrawn.
    #[error("this record was voided; record it anew under another source_record_id")]
    Voided,
    /// The correction is no change.
    #[error("this correction changes nothing")]
    NothingChanged,
    /// A correction or void without its reason.
    #[error("a reason is required")]
    ReasonRequired,
    /// The slots are not those of the kind.
    #[error("the commitments are not those of the slots of this kind of record: {0}")]
    Slots(&'static str),
}

/// The state of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "F: PublicFields")]
pub struct Record<F: PublicFields> {
    /// The public fields as of the last event; none before the first.
    pub fields: Option<F>,
    /// Whether it was withdrawn.
    pub voided: bool,
}

impl<F: PublicFields> Default for Record<F> {
    fn default() -> Self {
        Self {
            fields: None,
            voided: false,
        }
    }
}

impl<F: PublicFields> Record<F> {
    /// Decides; pure.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decide(&self, command: RecordCommand<F>) -> Result<RecordEvent<F>, RecordError> {
        match command {
            RecordCommand::Record {
                commitments,
                fields,
            } => {
                if self.fields.is_some() {
                    return Err(RecordError::AlreadyRecorded);
                }
                let slots = F::KIND.slots().iter().map(|(slot, _)| *slot);
                if !commitments.slots().eq(slots) {
                    return Err(RecordError::Slots("every slot must be committed"));
                }
                Ok(RecordEvent::Recorded {
                    commitments,
                    fields,
                })
            }
            RecordCommand::Correct {
                commitments,
                fields,
                set_by,
            } => self.correct(commitments, fields, set_by),
            RecordCommand::Void { commitments } => {
                self.living()?;
                if !commitments.slots().eq([Slot::REASON]) {
                    return Err(RecordError::ReasonRequired);
                }
                Ok(RecordEvent::Voided { commitments })
            }
        }
    }

    fn living(&self) -> Result<&F, RecordError> {
        match (&self.fields, self.voided) {
            (None, _) => Err(RecordError::NotRecorded),
            (Some(_), true) => Err(RecordError::Voided),
            (Some(fields), false) => Ok(fields),
        }
    }

    fn correct(
        &self,
        commitments: Commitments,
        fields: F,
        set_by: BTreeMap<Slot, Uuid>,
    ) -> Result<RecordEvent<F>, RecordError> {
        let before = self.living()?;
        if commitments.get(Slot::REASON).is_none() {
            return Err(RecordError::ReasonRequired);
        }
        for (slot, _) in F::KIND.slots() {
            if commitments.get(*slot).is_some() == set_by.contains_key(slot) {
                return Err(RecordError::Slots(
                    "each is either changed or set by an earlier event",
                ));
            }
        }
        if commitments.iter().count() + set_by.len() != F::KIND.slots().len() + 1 {
            return Err(RecordError::Slots("one is not of this kind"));
        }
        let mut changed: Vec<String> = F::COLUMNS
            .iter()
            .filter(|(name, _)| before.get(name) != fields.get(name))
            .map(|(name, _)| (*name).to_owned())
            .collect();
        let slots = commitments.slots().filter(|slot| *slot != Slot::REASON);
        changed.extend(slots.map(|slot| slot.name().to_owned()));
        if changed.is_empty() {
            return Err(RecordError::NothingChanged);
        }
        changed.sort_unstable();
        Ok(RecordEvent::Corrected {
            changed,
            commitments,
            fields,
            set_by,
        })
    }
}

impl<F: PublicFields> Aggregate for Record<F> {
    const TYPE: &'static str = F::KIND.as_str();
    type Command = RecordCommand<F>;
    type Event = RecordEvent<F>;
    type Error = RecordError;
    type Services = ();

    async fn handle(
        &mut self,
        command: Self::Command,
        (): &Self::Services,
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        let event = self.decide(command)?;
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        match event {
            RecordEvent::Recorded { fields, .. } | RecordEvent::Corrected { fields, .. } => {
                self.fields = Some(fields);
            }
            RecordEvent::Voided { .. } => self.voided = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::commitment::Commitment;
    use crate::model::fields::{
        ActivityFields, BirthFields, DisbursementFields, PregnancyLossFields, RegistrationFields,
        ReturnFields,
    };
    use cqrs_es::test::TestFramework;

    fn commitments<F: PublicFields>(extra: &[Slot]) -> Commitments {
        let slots = F::KIND
            .slots()
            .iter()
            .map(|(slot, _)| *slot)
            .chain(extra.iter().copied());
        Commitments::new(
            slots
                .map(|slot| (slot, Commitment([slot.number(); 32])))
                .collect(),
        )
    }

    fn reason() -> Commitments {
        Commitments::new(vec![(Slot::REASON, Commitment([9; 32]))])
    }

    fn recorded<F: PublicFields>(fields: F) -> RecordEvent<F> {
        RecordEvent::Recorded {
            commitments: commitments::<F>(&[]),
            fields,
        }
    }

    fn set_by<F: PublicFields>(except: Option<Slot>) -> BTreeMap<Slot, Uuid> {
        let slots = F::KIND.slots().iter().map(|(slot, _)| *slot);
        slots
            .filter(|slot| Some(*slot) != except)
            .map(|slot| (slot, Uuid::nil()))
            .collect()
    }

    fn life_of<F: PublicFields>(before: &F, after: &F) {
        let framework = || TestFramework::<Record<F>>::with(());
        let record = RecordCommand::Record {
            commitments: commitments::<F>(&[]),
            fields: before.clone(),
        };
        framework()
            .given_no_previous_events()
            .when(record.clone())
            .then_expect_events(vec![recorded(before.clone())]);
        framework()
            .given(vec![recorded(before.clone())])
            .when(record)
            .then_expect_error(RecordError::AlreadyRecorded);
        let correct = RecordCommand::Correct {
            commitments: reason(),
            fields: after.clone(),
            set_by: set_by::<F>(None),
        };
        framework()
            .given_no_previous_events()
            .when(correct.clone())
            .then_expect_error(RecordError::NotRecorded);
        let events = framework()
            .given(vec![recorded(before.clone())])
            .when(correct.clone())
            .inspect_result();
        let Ok([RecordEvent::Corrected { changed, .. }]) = events.as_deref() else {
            panic!()
        };
        assert_eq!(changed.len(), 1, "{changed:?}");
        let void = RecordCommand::Void {
            commitments: reason(),
        };
        let voided = RecordEvent::Voided {
            commitments: reason(),
        };
        framework()
            .given(vec![recorded(before.clone())])
            .when(void.clone())
            .then_expect_events(vec![voided.clone()]);
        framework()
            .given(vec![recorded(before.clone()), voided.clone()])
            .when(void)
            .then_expect_error(RecordError::Voided);
        framework()
            .given(vec![recorded(before.clone()), voided])
            .when(correct)
            .then_expect_error(RecordError::Voided);
    }

    #[test]
    fn every_kind_is_recorded_corrected_and_voided() {
        life_of(
            &BirthFields::default(),
            &BirthFields {
                weight_g: Some(3100),
                ..BirthFields::default()
            },
        );
        life_of(
            &RegistrationFields::default(),
            &RegistrationFields {
                born_year: Some(1980),
                ..RegistrationFields::default()
            },
        );
        life_of(
            &PregnancyLossFields::default(),
            &PregnancyLossFields {
                plurality: Some(1),
                ..PregnancyLossFields::default()
            },
        );
        life_of(
            &DisbursementFields::default(),
            &DisbursementFields {
                amount_fen: Some(crate::model::cell::Fen(96_000)),
                ..DisbursementFields::default()
            },
        );
        life_of(
            &ActivityFields::default(),
            &ActivityFields {
                quantity: Some(2),
                ..ActivityFields::default()
            },
        );
        life_of(
            &ReturnFields::default(),
            &ReturnFields {
                value: Some(crate::model::cell::Decimal("11".into())),
                ..ReturnFields::default()
            },
        );
    }

    #[test]
    fn a_correction_names_what_changed_and_needs_a_reason() {
        let name = Slot::must("child_name");
        let correct = |commitments, set_by| RecordCommand::Correct {
            commitments,
            fields: BirthFields::default(),
            set_by,
        };
        let given = || {
            TestFramework::<Record<BirthFields>>::with(())
                .given(vec![recorded(BirthFields::default())])
        };
        let with_name = Commitments::new(vec![
            (Slot::REASON, Commitment([9; 32])),
            (name, Commitment([1; 32])),
        ]);
        let events = given()
            .when(correct(
                with_name.clone(),
                set_by::<BirthFields>(Some(name)),
            ))
            .inspect_result()
            .unwrap();
        let RecordEvent::Corrected { changed, .. } = &events[0] else {
            panic!()
        };
        assert_eq!(changed, &["child_name"]);
        given()
            .when(correct(reason(), set_by::<BirthFields>(None)))
            .then_expect_error(RecordError::NothingChanged);
        given()
            .when(correct(Commitments::default(), set_by::<BirthFields>(None)))
            .then_expect_error(RecordError::ReasonRequired);
        given()
            .when(correct(with_name, set_by::<BirthFields>(None)))
            .then_expect_error(RecordError::Slots(
                "each is either changed or set by an earlier event",
            ));
    }

    #[test]
    fn events_are_canonical_and_read_back() {
        let event = recorded(BirthFields {
            weight_g: Some(3100),
            ..BirthFields::default()
        });
        let bytes = crate::ledger::canonical::to_bytes(&event).unwrap();
        assert_eq!(
            serde_json::from_slice::<RecordEvent<BirthFields>>(&bytes).unwrap(),
            event
        );
    }
}
