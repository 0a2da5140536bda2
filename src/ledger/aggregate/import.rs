//! An import: that a file was delivered, and what became of its rows.
//!
//! What comes in: the digest and size of a file, the counts of its rows, and a commitment to its
//! name. What goes out: `Finished`. What may fail: counts that do not add up, a second finish.
//! What must stay true: `read = recorded + replayed + refused`.

use serde::{Deserialize, Serialize};

use super::{aggregate, domain_event};
use crate::ledger::commitment::Commitments;
use crate::model::slot::Slot;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ImportEvent {
    /// All rows of the file were answered.
    Finished {
        /// Of `file_name`.
        commitments: Commitments,
        /// SHA-256 of the file, hexadecimal.
        file_sha256: String,
        /// The kinds of rows in it.
        kinds: Vec<String>,
        /// Rows read.
        read: u64,
        /// Rows that became entries.
        recorded: u64,
        /// Rows that were refused.
        refused: u64,
        /// Rows that had been recorded before.
        replayed: u64,
        /// Size of the file in bytes.
        size_bytes: u64,
    },
}

domain_event!(ImportEvent: Finished);

/// What can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum ImportCommand {
    /// Say what became of the rows.
    Finish {
        /// Of `file_name`.
        commitments: Commitments,
        /// Counts and digest.
        file: ImportedFile,
    },
}

/// Why it refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It was finished.
    #[error("this import is finished already")]
    AlreadyFinished,
    /// The counts do not add up.
    #[error("{read} rows were read, but {answered} answered")]
    Counts {
        /// Rows read.
        read: u64,
        /// Rows recorded, replayed or refused.
        answered: u64,
    },
    /// No commitment to the name.
    #[error("the commitment must be that of the file's name")]
    FileName,
}

/// The state of the stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Import {
    /// Whether it was finished.
    pub finished: bool,
}

impl Import {
    /// Decides; pure.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub fn decide(&self, command: ImportCommand) -> Result<ImportEvent, ImportError> {
        let ImportCommand::Finish { commitments, file } = command;
        if self.finished {
            return Err(ImportError::AlreadyFinished);
        }
        if !commitments.slots().eq([Slot::FILE_NAME]) {
            return Err(ImportError::FileName);
        }
        let answered = file.recorded + file.replayed + file.refused;
        if answered != file.read {
            return Err(ImportError::Counts {
                read: file.read,
                answered,
            });
        }
        Ok(ImportEvent::Finished {
            commitments,
            file_sha256: file.sha256,
            kinds: file.kinds,
            read: file.read,
            recorded: file.recorded,
            refused: file.refused,
            replayed: file.replayed,
            size_bytes: file.size_bytes,
        })
    }
}

aggregate!(Import, "import", ImportCommand, ImportEvent, ImportError);

impl Import {
    fn evolve(&mut self, event: &ImportEvent) {
        let ImportEvent::Finished { .. } = event;
        self.finished = true;
    }
}

/// Digest of a delivered file and what became of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportedFile {
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// The kinds of rows in it.
    pub kinds: Vec<String>,
    /// Rows read.
    pub read: u64,
    /// Rows that became entries.
    pub recorded: u64,
    /// Rows that were refused.
    pub refused: u64,
    /// Rows that had been recorded before.
    pub replayed: u64,
    /// Size in bytes.
    pub size_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_es::test::TestFramework;

    fn file(recorded: u64) -> ImportedFile {
        ImportedFile {
            sha256: "00".repeat(32),
            kinds: vec!["birth".to_owned()],
            read: 3,
            recorded,
            refused: 1,
            replayed: 1,
            size_bytes: 100,
        }
    }

    fn name() -> Commitments {
        Commitments::new(vec![(
            Slot::FILE_NAME,
            crate::ledger::commitment::Commitment([1; 32]),
        )])
    }

    fn given(
        events: Vec<ImportEvent>,
        commitments: Commitments,
        file: ImportedFile,
    ) -> Result<Vec<ImportEvent>, ImportError> {
        TestFramework::<Import>::with(())
            .given(events)
            .when(ImportCommand::Finish { commitments, file })
            .inspect_result()
    }

    #[test]
    fn an_import_is_finished_once_and_its_counts_add_up() {
        let finished = given(vec![], name(), file(1)).unwrap();
        let ImportEvent::Finished { recorded, .. } = &finished[0];
        assert_eq!(*recorded, 1);
        assert!(crate::ledger::canonical::to_bytes(&finished[0]).is_ok());
        assert_eq!(
            given(finished, name(), file(1)),
            Err(ImportError::AlreadyFinished)
        );
        assert_eq!(
            given(vec![], name(), file(2)),
            Err(ImportError::Counts {
                read: 3,
                answered: 4
            })
        );
        assert_eq!(
            given(vec![], Commitments::default(), file(1)),
            Err(ImportError::FileName)
        );
    }
}
