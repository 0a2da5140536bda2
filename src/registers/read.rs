//! Reading the registers: what held at a position, and what happened to a record.
//!
//! What comes in: a kind, and a size, that is, the number of entries that count. What goes out:
//! rows in order of position. What may fail: a size beyond what is known, or a segment that was
//! damaged since it was opened. What must stay true: entries at or after the size have no
//! influence on what is given. These functions read files and compute; call them where a thread
//! may block.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use arrow_array::RecordBatch;
use uuid::Uuid;

use super::columns::{RowBuilder, RowReader, record_ids};
use super::encoding::RowsDigest;
use super::row::{Change, RegisterRow};
use super::{RegisterError, Registers, Result};
use crate::model::schema::RecordKind;

/// Says of a row whether it is wanted, for instance because its office is.
pub type Filter<'a> = &'a dyn Fn(&RegisterRow) -> bool;

impl Registers {
    /// Rows with a position below `size` that no later row below `size` of the same record
    /// supersedes, in order of position; voided records are left out. The filter sees a row
    /// only when it is current.
    ///
    /// # Errors
    /// When `size` is beyond [`Registers::size`], or a segment cannot be read.
    pub fn current(
        &self,
        kind: RecordKind,
        size: u64,
        filter: Option<Filter<'_>>,
    ) -> Result<Vec<RegisterRow>> {
        self.check_known(size)?;
        let wanted = |row: &RegisterRow| {
            row.change != Change::Voided && filter.is_none_or(|filter| filter(row))
        };
        // From the end to the start, the first row of a record that is met is its last.
        let mut met = HashSet::new();
        let mut rows = Vec::new();
        let tail = self.tail.rows(kind).iter().rev();
        for row in tail.filter(|row| row.position < size) {
            if met.insert(row.record_id) && wanted(row) {
                rows.push(row.clone());
            }
        }
        for segment in self.segments.iter().rev().filter(|s| s.first < size) {
            let batches = segment.batches(&self.folder, kind, false)?;
            for batch in batches.iter().rev() {
                let reader = RowReader::new(kind, batch)?;
                for index in (0..reader.len()).rev() {
                    if reader.position(index) < size && met.insert(reader.record_id(index)) {
                        rows.extend(Some(reader.row(index)?).filter(wanted));
                    }
                }
            }
        }
        rows.reverse();
        Ok(rows)
    }

    /// The current rows of every kind, as a [`super::snapshot::Snapshot`] holds them.
    ///
    /// # Errors
    /// See [`Registers::current`].
    pub fn snapshot_rows(&self, size: u64) -> Result<HashMap<RecordKind, Vec<RegisterRow>>> {
        let rows_of = |kind| Ok((kind, self.current(kind, size, None)?));
        RecordKind::ALL.into_iter().map(rows_of).collect()
    }

    /// The records of a kind that were corrected or voided below `size`.
    ///
    /// # Errors
    /// When `size` is beyond [`Registers::size`], or a segment cannot be read.
    pub fn changed_records(&self, kind: RecordKind, size: u64) -> Result<HashSet<Uuid>> {
        self.check_known(size)?;
        let mut changed = HashSet::new();
        for segment in self.segments.iter().filter(|segment| segment.first < size) {
            for batch in segment.batches(&self.folder, kind, false)? {
                let reader = RowReader::new(kind, &batch)?;
                for index in 0..reader.len() {
                    if reader.position(index) < size && reader.version(index) > 1 {
                        changed.insert(reader.record_id(index));
                    }
                }
            }
        }
        let tail = self.tail.rows(kind).iter();
        let later = tail.filter(|row| row.position < size && row.version > 1);
        changed.extend(later.map(|row| row.record_id));
        Ok(changed)
    }

    /// Every row of a record, in order; none when there is no such record.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn history(&self, record_id: Uuid) -> Result<Vec<RegisterRow>> {
        let mut rows = Vec::new();
        for segment in &self.segments {
            for kind in RecordKind::ALL {
                let mut found = false;
                for batch in segment.batches(&self.folder, kind, true)? {
                    let mut ids = record_ids(kind, &batch)?.iter().flatten();
                    found |= ids.any(|id| id == record_id.as_bytes());
                }
                if found {
                    let all = segment.load(&self.folder, kind)?.into_iter();
                    rows.extend(all.filter(|row| row.record_id == record_id));
                }
            }
        }
        for kind in RecordKind::ALL {
            let tail = self.tail.rows(kind).iter();
            rows.extend(tail.filter(|row| row.record_id == record_id).cloned());
        }
        // An id belongs to one kind; should a ledger say otherwise, the order is still the log's.
        rows.sort_by_key(|row| row.position);
        Ok(rows)
    }

    /// SHA-256 over all rows of a kind, in the encoding that `encoding.rs` describes: the same
    /// for any two registers of the same entries, however they came about.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn digest(&self, kind: RecordKind) -> Result<[u8; 32]> {
        let mut digest = RowsDigest::new(kind);
        for segment in &self.segments {
            for batch in segment.batches(&self.folder, kind, false)? {
                for row in RowReader::new(kind, &batch)?.rows() {
                    digest.push(&row?);
                }
            }
        }
        self.tail.rows(kind).iter().for_each(|row| digest.push(row));
        Ok(digest.finish())
    }

    /// The Parquet files of a kind, in order of position. They and [`Registers::tail`] are the
    /// whole register; a listing of the folder may have more.
    #[must_use]
    pub fn files(&self, kind: RecordKind) -> Vec<PathBuf> {
        let segments = self.segments.iter();
        segments
            .filter_map(|segment| segment.path(&self.folder, kind))
            .collect()
    }

    /// The rows of a kind that are in no file yet, with the schema of the files.
    ///
    /// # Errors
    /// When the rows do not make a batch, which would be an error of this program.
    pub fn tail(&self, kind: RecordKind) -> Result<RecordBatch> {
        Ok(RowBuilder::batch_of(kind, self.tail.rows(kind))?)
    }

    pub(super) fn check_known(&self, size: u64) -> Result<()> {
        if size > self.size() {
            return Err(RegisterError::Behind {
                size,
                known: self.size(),
            });
        }
        Ok(())
    }
}
