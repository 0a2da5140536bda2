//! An import: that a file was delivered, and what became of its rows.
//!
//! What comes in: the counts of a finished import, the digest of the file, and the commitment to
//! its name. What goes out: `Finished`. What may fail: finishing twice, counts that cannot be.
//! What must stay true: no more rows have a fate than were read, and the file name, which people
//! choose freely, is never in clear.

use serde::{Deserialize, Serialize};

use super::{aggregate, domain_event, is_exact, is_hex, is_only, is_slug};
use crate::ledger::commitment::Commitments;
use crate::model::slot::Slot;

/// What happened to an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ImportEvent {
    /// Every row of it has its fate.
    Finished {
        /// Of `file_name`.
        commitments: Commitments,
        /// SHA-256 of the file in hexadecimal digits.
        file_sha256: String,
        /// The kinds of record in it, in order, each once.
        kinds: Vec<String>,
        /// Rows read.
        read: u64,
        /// Rows that became events.
        recorded: u64,
        /// Rows refused.
        refused: u64,
        /// Rows that were recorded before.
        replayed: u64,
        /// Size of the file in bytes.
        size_bytes: u64,
    },
}

domain_event!(ImportEvent: Finished);

/// What can be asked of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportCommand {
    /// Say what became of it.
    Finish {
        /// Of `file_name`.
        commitments: Commitments,
        /// SHA-256 of the file in hexadecimal digits.
        file_sha256: String,
        /// The kinds of record in it, in any order.
        kinds: Vec<String>,
        /// Rows read.
        read: u64,
        /// Rows that became events.
        recorded: u64,
        /// Rows refused.
        refused: u64,
        /// Rows that were recorded before.
        replayed: u64,
        /// Size of the file in bytes.
        size_bytes: u64,
    },
}

/// Why an import refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is finished.
    #[error("this import is finished already; import again under another id")]
    AlreadyFinished,
    /// Not the commitment to the file name alone.
    #[error("exactly the file name is committed; commit it, even if there is none")]
    FileNameRequired,
    /// No digest.
    #[error("the SHA-256 of the file is not 64 lower-case hexadecimal digits; compute it anew")]
    Digest,
    /// Not the name of a kind.
    #[error("a kind of record is a word of letters, digits, '_', '-' and '.'; name it so")]
    Kind,
    /// A number above 2^53.
    #[error("{field} is above 2^53 and could not be read back exactly; split the file")]
    TooLarge {
        /// Which.
        field: &'static str,
    },
    /// More rows have a fate than were read.
    #[error("{fated} rows recorded, replayed or refused, but only {read} read; count anew")]
    MoreThanRead {
        /// Recorded, replayed and refused.
        fated: u64,
        /// Read.
        read: u64,
    },
}

/// The state of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Whether every row has its fate.
    pub finished: bool,
}

impl Import {
    /// Decides; pure.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub fn decide(&self, command: ImportCommand) -> Result<ImportEvent, ImportError> {
        let ImportCommand::Finish {
            commitments,
            file_sha256,
            mut kinds,
            read,
            recorded,
            refused,
            replayed,
            size_bytes,
        } = command;
        if self.finished {
            return Err(ImportError::AlreadyFinished);
        }
        if !is_only(&commitments, Slot::FILE_NAME) {
            return Err(ImportError::FileNameRequired);
        }
        if !is_hex(&file_sha256, 32) {
            return Err(ImportError::Digest);
        }
        if !kinds.iter().all(|kind| is_slug(kind)) {
            return Err(ImportError::Kind);
        }
        let numbers = [
            ("read", read),
            ("recorded", recorded),
            ("refused", refused),
            ("replayed", replayed),
            ("size_bytes", size_bytes),
        ];
        if let Some((field, _)) = numbers.iter().find(|(_, number)| !is_exact(*number)) {
            return Err(ImportError::TooLarge { field });
        }
        // Three numbers of 53 bits: the sum cannot overflow.
        let fated = recorded + replayed + refused;
        if fated > read {
            return Err(ImportError::MoreThanRead { fated, read });
        }
        kinds.sort_unstable();
        kinds.dedup();
        Ok(ImportEvent::Finished {
            commitments,
            file_sha256,
            kinds,
            read,
            recorded,
            refused,
            replayed,
            size_bytes,
        })
    }

    fn evolve(&mut self, event: &ImportEvent) {
        match event {
            ImportEvent::Finished { .. } => self.finished = true,
        }
    }
}

aggregate!(Import, "import", ImportCommand, ImportEvent, ImportError);

#[cfg(test)]
mod tests {
    use super::super::testing::{TOO_LARGE, accepts, digest, reason, refuses, sealed};
    use super::*;

    fn finish(counts: [u64; 5]) -> ImportCommand {
        let [read, recorded, refused, replayed, size_bytes] = counts;
        ImportCommand::Finish {
            commitments: sealed(&[Slot::FILE_NAME]),
            file_sha256: digest(),
            kinds: ["return", "birth", "return"].map(str::to_owned).to_vec(),
            read,
            recorded,
            refused,
            replayed,
            size_bytes,
        }
    }

    fn finished() -> ImportEvent {
        ImportEvent::Finished {
            commitments: sealed(&[Slot::FILE_NAME]),
            file_sha256: digest(),
            kinds: ["birth", "return"].map(str::to_owned).to_vec(),
            read: 10,
            recorded: 5,
            refused: 2,
            replayed: 3,
            size_bytes: 900,
        }
    }

    #[test]
    fn an_import_finishes_once() {
        accepts::<Import>(&[], finish([10, 5, 2, 3, 900]), finished());
        let again = finish([10, 5, 2, 3, 900]);
        refuses::<Import>(&[finished()], again, ImportError::AlreadyFinished);
    }

    #[test]
    fn counts_that_cannot_be_are_refused() {
        let more = ImportError::MoreThanRead {
            fated: 11,
            read: 10,
        };
        refuses::<Import>(&[], finish([10, 5, 3, 3, 900]), more);
        let fields = ["read", "recorded", "refused", "replayed", "size_bytes"];
        for (index, field) in fields.into_iter().enumerate() {
            let mut counts = [0; 5];
            counts[index] = TOO_LARGE;
            refuses::<Import>(&[], finish(counts), ImportError::TooLarge { field });
        }
    }

    #[test]
    fn the_file_is_named_sealed_and_by_its_digest() {
        for wrong in [
            reason(),
            sealed(&[]),
            sealed(&[Slot::FILE_NAME, Slot::REASON]),
        ] {
            let mut command = finish([1; 5]);
            let ImportCommand::Finish { commitments, .. } = &mut command;
            *commitments = wrong;
            refuses::<Import>(&[], command, ImportError::FileNameRequired);
        }
        let mut command = finish([1; 5]);
        let ImportCommand::Finish { file_sha256, .. } = &mut command;
        file_sha256.make_ascii_uppercase();
        refuses::<Import>(&[], command, ImportError::Digest);
        let mut command = finish([1; 5]);
        let ImportCommand::Finish { kinds, .. } = &mut command;
        kinds.push("a list of births".to_owned());
        refuses::<Import>(&[], command, ImportError::Kind);
    }
}
