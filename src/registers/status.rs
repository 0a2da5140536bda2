//! How a register stands on the disk and in memory.

use super::{Registers, Result};
use crate::model::schema::RecordKind;

/// How the register of a kind stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindStatus {
    /// Which.
    pub kind: RecordKind,
    /// Files; a segment in which the kind does not occur has none.
    pub files: u64,
    /// Rows in them.
    pub rows_in_files: u64,
    /// Their size, in bytes.
    pub bytes: u64,
    /// Rows that are in no file yet.
    pub rows_in_tail: u64,
    /// SHA-256 over all rows, see [`Registers::digest`], if it was wanted.
    pub digest: Option<[u8; 32]>,
}

impl Registers {
    /// Looks at the register of a kind; with its digest, for which every row is read.
    ///
    /// # Errors
    /// When a file was damaged, for the digest.
    pub fn status(&self, kind: RecordKind, with_digest: bool) -> Result<KindStatus> {
        let files = self
            .segments
            .iter()
            .filter_map(|segment| segment.file(kind));
        let (mut number, mut bytes) = (0, 0);
        for (_, stated) in files {
            number += 1;
            bytes += stated.bytes;
        }
        Ok(KindStatus {
            kind,
            files: number,
            rows_in_files: self.rows_in_files(kind),
            bytes,
            rows_in_tail: self.tail(kind)?.num_rows() as u64,
            digest: with_digest.then(|| self.digest(kind)).transpose()?,
        })
    }

    /// Rows of a kind in all files.
    pub(super) fn rows_in_files(&self, kind: RecordKind) -> u64 {
        let files = self
            .segments
            .iter()
            .filter_map(|segment| segment.file(kind));
        files.map(|(_, stated)| stated.rows).sum()
    }
}
