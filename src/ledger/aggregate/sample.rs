//! A sample for verification in the field: which records, drawn how, and what was found.
//!
//! What comes in: the size of the sample and a checkpoint, then the seed, then what was found of
//! each record. What goes out: `Announced`, `Drawn`, `Verified` for each record, `Concluded`.
//! What may fail: a step out of turn, a record twice, more records than were drawn. What must
//! stay true: the checkpoint is on the ledger before the seed is, so that nobody could choose the
//! records (rank by SHA-256 of seed, root and record id); errors are counted gross.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{aggregate, domain_event, is_checkpoint_root, is_exact, is_hex, is_only};
use crate::ledger::commitment::Commitments;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::model::slot::Slot;

/// What was found in the field of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldVerdict {
    /// It is as recorded.
    Confirmed,
    /// It happened, but otherwise than recorded.
    Wrong,
    /// It happened and is not among the records of the office: an omission.
    Missing,
    /// It is recorded and did not happen.
    Invented,
}

impl FieldVerdict {
    /// The word in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Wrong => "wrong",
            Self::Missing => "missing",
            Self::Invented => "invented",
        }
    }

    /// Whether it counts as a gross error: an omission and an invention do not cancel.
    #[must_use]
    pub const fn is_error(self) -> bool {
        !matches!(self, Self::Confirmed)
    }
}

/// What happened to a sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum SampleEvent {
    /// It will be drawn, from this population.
    Announced {
        /// Root of the checkpoint before the seed is known, in base64.
        checkpoint_root: String,
        /// Size of that checkpoint.
        checkpoint_size: u64,
        /// Whose records.
        office: OfficeCode,
        /// Of which period.
        period: Period,
        /// How many records there are.
        population_size: u64,
        /// How many are drawn.
        sample_size: u64,
    },
    /// It was drawn.
    Drawn {
        /// Root over the ids of the drawn records in drawn order, in hexadecimal digits.
        record_root: String,
        /// Thirty-two bytes in hexadecimal digits.
        seed: String,
    },
    /// One record was verified.
    Verified {
        /// Of `reason`, where one was given.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        commitments: Option<Commitments>,
        /// Which.
        record_id: Uuid,
        /// What was found.
        verdict: FieldVerdict,
    },
    /// No more records are verified.
    Concluded {
        /// How many of the verified are wrong, missing or invented.
        errors: u64,
        /// How many were verified.
        verified: u64,
    },
}

domain_event!(SampleEvent: Announced, Drawn, Verified, Concluded);

/// What can be asked of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SampleCommand {
    /// Say that it will be drawn.
    Announce {
        /// Root of the last checkpoint, in base64.
        checkpoint_root: String,
        /// Size of that checkpoint.
        checkpoint_size: u64,
        /// Whose records.
        office: OfficeCode,
        /// Of which period.
        period: Period,
        /// How many records there are.
        population_size: u64,
        /// How many are drawn.
        sample_size: u64,
    },
    /// Draw it.
    Draw {
        /// Root over the ids of the drawn records in drawn order, in hexadecimal digits.
        record_root: String,
        /// Thirty-two bytes in hexadecimal digits.
        seed: String,
    },
    /// Say what was found of one record.
    Verify {
        /// Of `reason`, where one is given.
        commitments: Option<Commitments>,
        /// Which.
        record_id: Uuid,
        /// What was found.
        verdict: FieldVerdict,
    },
    /// Verify no more.
    Conclude,
}

/// Why a sample refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// It was announced.
    #[error("this sample was announced already; announce another under another id")]
    AlreadyAnnounced,
    /// It was not.
    #[error("this sample was never announced; announce it first")]
    NotAnnounced,
    /// It was drawn.
    #[error("this sample was drawn already; a sample is drawn once")]
    AlreadyDrawn,
    /// It was not.
    #[error("this sample is not drawn; draw it first")]
    NotDrawn,
    /// It was concluded.
    #[error("this sample is concluded; announce another")]
    Concluded,
    /// None or more than there are.
    #[error("a sample has 1 to {population} records of this population; choose its size so")]
    Size {
        /// How many records there are.
        population: u64,
    },
    /// A number above 2^53.
    #[error("{field} is above 2^53 and could not be read back exactly")]
    TooLarge {
        /// Which.
        field: &'static str,
    },
    /// Not a checkpoint.
    #[error("not a checkpoint with entries; copy its size and its base64 root from its text")]
    Checkpoint,
    /// Not a seed.
    #[error("a seed is 32 bytes in 64 lower-case hexadecimal digits; write it so")]
    Seed,
    /// Not a root.
    #[error("the root over the drawn records is 64 lower-case hexadecimal digits; write it so")]
    RecordRoot,
    /// A record a second time.
    #[error("record {0} was verified already; a record is verified once")]
    AlreadyVerified(Uuid),
    /// More than were drawn.
    #[error("all {0} records of this sample are verified; conclude it")]
    AllVerified(u64),
    /// Something else than a reason.
    #[error("only a reason may be committed; leave the rest out")]
    NotAReason,
    /// None was verified.
    #[error("no record of this sample is verified; verify them first")]
    NothingVerified,
}

/// How far a sample has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SampleStage {
    /// There is none.
    #[default]
    Unknown,
    /// Its population is pinned.
    Announced,
    /// Its records are known.
    Drawn,
    /// Its result is known.
    Concluded,
}

/// The state of a sample.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// How far it has come.
    pub stage: SampleStage,
    /// How many records are drawn.
    pub sample_size: u64,
    /// What was found of each verified record.
    pub verdicts: BTreeMap<Uuid, FieldVerdict>,
}

impl Sample {
    /// Decides; pure.
    ///
    /// # Errors
    /// See [`SampleError`].
    pub fn decide(&self, command: SampleCommand) -> Result<SampleEvent, SampleError> {
        match command {
            SampleCommand::Announce {
                checkpoint_root,
                checkpoint_size,
                office,
                period,
                population_size,
                sample_size,
            } => {
                if self.stage != SampleStage::Unknown {
                    return Err(SampleError::AlreadyAnnounced);
                }
                check_sizes(checkpoint_size, population_size, sample_size)?;
                if checkpoint_size == 0 || !is_checkpoint_root(&checkpoint_root) {
                    return Err(SampleError::Checkpoint);
                }
                Ok(SampleEvent::Announced {
                    checkpoint_root,
                    checkpoint_size,
                    office,
                    period,
                    population_size,
                    sample_size,
                })
            }
            SampleCommand::Draw { record_root, seed } => self.draw(record_root, seed),
            SampleCommand::Verify {
                commitments,
                record_id,
                verdict,
            } => self.verify(commitments, record_id, verdict),
            SampleCommand::Conclude => self.conclude(),
        }
    }

    fn draw(&self, record_root: String, seed: String) -> Result<SampleEvent, SampleError> {
        match self.stage {
            SampleStage::Unknown => return Err(SampleError::NotAnnounced),
            SampleStage::Announced => {}
            SampleStage::Drawn | SampleStage::Concluded => return Err(SampleError::AlreadyDrawn),
        }
        if !is_hex(&seed, 32) {
            return Err(SampleError::Seed);
        }
        if !is_hex(&record_root, 32) {
            return Err(SampleError::RecordRoot);
        }
        Ok(SampleEvent::Drawn { record_root, seed })
    }

    fn check_drawn(&self) -> Result<(), SampleError> {
        match self.stage {
            SampleStage::Unknown => Err(SampleError::NotAnnounced),
            SampleStage::Announced => Err(SampleError::NotDrawn),
            SampleStage::Drawn => Ok(()),
            SampleStage::Concluded => Err(SampleError::Concluded),
        }
    }

    fn verify(
        &self,
        commitments: Option<Commitments>,
        record_id: Uuid,
        verdict: FieldVerdict,
    ) -> Result<SampleEvent, SampleError> {
        self.check_drawn()?;
        if self.verdicts.contains_key(&record_id) {
            return Err(SampleError::AlreadyVerified(record_id));
        }
        if self.verdicts.len() as u64 >= self.sample_size {
            return Err(SampleError::AllVerified(self.sample_size));
        }
        if commitments
            .as_ref()
            .is_some_and(|found| !is_only(found, Slot::REASON))
        {
            return Err(SampleError::NotAReason);
        }
        Ok(SampleEvent::Verified {
            commitments,
            record_id,
            verdict,
        })
    }

    /// A sample may end before all its records are verified: the number says so.
    fn conclude(&self) -> Result<SampleEvent, SampleError> {
        self.check_drawn()?;
        if self.verdicts.is_empty() {
            return Err(SampleError::NothingVerified);
        }
        let errors = self
            .verdicts
            .values()
            .filter(|verdict| verdict.is_error())
            .count() as u64;
        Ok(SampleEvent::Concluded {
            errors,
            verified: self.verdicts.len() as u64,
        })
    }

    fn evolve(&mut self, event: &SampleEvent) {
        match event {
            SampleEvent::Announced { sample_size, .. } => {
                self.stage = SampleStage::Announced;
                self.sample_size = *sample_size;
            }
            SampleEvent::Drawn { .. } => self.stage = SampleStage::Drawn,
            SampleEvent::Verified {
                record_id, verdict, ..
            } => {
                self.verdicts.insert(*record_id, *verdict);
            }
            SampleEvent::Concluded { .. } => self.stage = SampleStage::Concluded,
        }
    }
}

aggregate!(Sample, "sample", SampleCommand, SampleEvent, SampleError);

fn check_sizes(checkpoint: u64, population: u64, sample: u64) -> Result<(), SampleError> {
    for (field, number) in [
        ("checkpoint_size", checkpoint),
        ("population_size", population),
    ] {
        if !is_exact(number) {
            return Err(SampleError::TooLarge { field });
        }
    }
    if sample == 0 || sample > population {
        return Err(SampleError::Size { population });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ROOT, TOO_LARGE, accepts, digest, reason, refuses, sealed};
    use super::*;

    fn announce(checkpoint_root: &str, sizes: [u64; 3]) -> SampleCommand {
        let [checkpoint_size, population_size, sample_size] = sizes;
        SampleCommand::Announce {
            checkpoint_root: checkpoint_root.to_owned(),
            checkpoint_size,
            office: OfficeCode::parse("990101100001").unwrap(),
            period: Period::Year(2014),
            population_size,
            sample_size,
        }
    }

    fn announced() -> SampleEvent {
        SampleEvent::Announced {
            checkpoint_root: ROOT.to_owned(),
            checkpoint_size: 99,
            office: OfficeCode::parse("990101100001").unwrap(),
            period: Period::Year(2014),
            population_size: 40,
            sample_size: 4,
        }
    }

    fn draw(seed: &str, record_root: &str) -> SampleCommand {
        SampleCommand::Draw {
            record_root: record_root.to_owned(),
            seed: seed.to_owned(),
        }
    }

    fn drawn() -> SampleEvent {
        SampleEvent::Drawn {
            record_root: digest(),
            seed: digest(),
        }
    }

    fn verify(id: u128, verdict: FieldVerdict, commitments: Option<Commitments>) -> SampleCommand {
        SampleCommand::Verify {
            commitments,
            record_id: Uuid::from_u128(id),
            verdict,
        }
    }

    fn verified(id: u128, verdict: FieldVerdict, commitments: Option<Commitments>) -> SampleEvent {
        SampleEvent::Verified {
            commitments,
            record_id: Uuid::from_u128(id),
            verdict,
        }
    }

    fn all_verified() -> Vec<SampleEvent> {
        vec![
            announced(),
            drawn(),
            verified(1, FieldVerdict::Confirmed, None),
            verified(2, FieldVerdict::Wrong, Some(reason())),
            verified(3, FieldVerdict::Missing, None),
            verified(4, FieldVerdict::Invented, None),
        ]
    }

    #[test]
    fn a_sample_is_announced_on_a_checkpoint() {
        accepts::<Sample>(&[], announce(ROOT, [99, 40, 4]), announced());
        let again = announce(ROOT, [99, 40, 4]);
        refuses::<Sample>(&[announced()], again, SampleError::AlreadyAnnounced);
        for command in [announce("root", [99, 40, 4]), announce(ROOT, [0, 40, 4])] {
            refuses::<Sample>(&[], command, SampleError::Checkpoint);
        }
        for sample in [0, 41, TOO_LARGE] {
            let size = SampleError::Size { population: 40 };
            refuses::<Sample>(&[], announce(ROOT, [99, 40, sample]), size);
        }
        let field = "checkpoint_size";
        let too_large = announce(ROOT, [TOO_LARGE, 40, 4]);
        refuses::<Sample>(&[], too_large, SampleError::TooLarge { field });
        let field = "population_size";
        let too_large = announce(ROOT, [99, TOO_LARGE, 4]);
        refuses::<Sample>(&[], too_large, SampleError::TooLarge { field });
    }

    #[test]
    fn a_sample_is_drawn_once_after_it_was_announced() {
        let root = digest();
        accepts::<Sample>(&[announced()], draw(&root, &root), drawn());
        refuses::<Sample>(&[], draw(&root, &root), SampleError::NotAnnounced);
        let again = draw(&root, &root);
        refuses::<Sample>(&[announced(), drawn()], again, SampleError::AlreadyDrawn);
        refuses::<Sample>(&[announced()], draw("12", &root), SampleError::Seed);
        refuses::<Sample>(&[announced()], draw(&root, ROOT), SampleError::RecordRoot);
    }

    #[test]
    fn each_record_is_verified_once() {
        let all = all_verified();
        for (count, event) in all.iter().enumerate().skip(2) {
            let SampleEvent::Verified {
                commitments,
                record_id,
                verdict,
            } = event.clone()
            else {
                panic!()
            };
            let command = SampleCommand::Verify {
                commitments,
                record_id,
                verdict,
            };
            accepts::<Sample>(&all[..count], command, event.clone());
            let word = serde_json::to_value(verdict).unwrap();
            assert_eq!(word, verdict.as_str());
        }
        let confirm = |id| verify(id, FieldVerdict::Confirmed, None);
        let twice = SampleError::AlreadyVerified(Uuid::from_u128(2));
        refuses::<Sample>(&all, confirm(2), twice);
        refuses::<Sample>(&all, confirm(5), SampleError::AllVerified(4));
        refuses::<Sample>(&[], confirm(1), SampleError::NotAnnounced);
        refuses::<Sample>(&all[..1], confirm(1), SampleError::NotDrawn);
        let other = verify(1, FieldVerdict::Wrong, Some(sealed(&[Slot::PURPOSE])));
        refuses::<Sample>(&all[..2], other, SampleError::NotAReason);
    }

    #[test]
    fn a_sample_concludes_with_gross_errors() {
        let mut all = all_verified();
        let concluded = SampleEvent::Concluded {
            errors: 3,
            verified: 4,
        };
        accepts::<Sample>(&all, SampleCommand::Conclude, concluded.clone());
        let early = SampleEvent::Concluded {
            errors: 0,
            verified: 1,
        };
        accepts::<Sample>(&all[..3], SampleCommand::Conclude, early);
        refuses::<Sample>(&[], SampleCommand::Conclude, SampleError::NotAnnounced);
        refuses::<Sample>(&all[..1], SampleCommand::Conclude, SampleError::NotDrawn);
        refuses::<Sample>(
            &all[..2],
            SampleCommand::Conclude,
            SampleError::NothingVerified,
        );
        all.push(concluded);
        refuses::<Sample>(&all, SampleCommand::Conclude, SampleError::Concluded);
        let late = verify(5, FieldVerdict::Confirmed, None);
        refuses::<Sample>(&all, late, SampleError::Concluded);
    }
}
