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

use super::columns::joined;
use super::encoding::RowsDigest;
use super::fold::row_of;
use super::pieces::{Piece, each_row};
use super::row::RegisterRow;
use super::{RegisterError, Registers, Result};
use crate::model::id::Position;
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
        self.page(kind, size, None, usize::MAX, filter)
    }

    /// At most `limit` of the rows of [`Registers::current`], from the first one after a
    /// position. The position of the last of them is where the next page goes on. It costs what
    /// lies between the two, not what the register holds.
    ///
    /// # Errors
    /// As [`Registers::current`].
    pub fn page(
        &self,
        kind: RecordKind,
        size: u64,
        after: Option<Position>,
        limit: usize,
        filter: Option<Filter<'_>>,
    ) -> Result<Vec<RegisterRow>> {
        self.check_known(size)?;
        let from = after.map_or(0, |after| after.saturating_add(1));
        let mut rows = Vec::new();
        for piece in self.pieces_between(from, size) {
            if rows.len() >= limit {
                break;
            }
            let positions = piece.positions(kind)?;
            let passed = positions.partition_point(|position| *position < from);
            let mut holding = self.succession.holding(&positions[passed..], size);
            if filter.is_none() {
                holding.truncate(limit - rows.len());
            }
            for index in &mut holding {
                *index += passed;
            }
            each_row(kind, piece.rows_at(kind, &holding)?, |row| {
                rows.extend(Some(row).filter(|row| filter.is_none_or(|filter| filter(row))));
                rows.len() >= limit
            })?;
        }
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

    /// Positions of the rows that a later row below `size` supersedes.
    ///
    /// # Errors
    /// When `size` is beyond [`Registers::size`].
    pub fn superseded(&self, size: u64) -> Result<HashSet<Position>> {
        self.check_known(size)?;
        let steps = self.succession.between(0, size).iter();
        Ok(steps.filter_map(|step| step.before).collect())
    }

    /// The current rows of a kind that are not the first of their record, in order of position.
    ///
    /// # Errors
    /// When `size` is beyond [`Registers::size`], or a segment cannot be read.
    pub fn corrected(&self, kind: RecordKind, size: u64) -> Result<Vec<RegisterRow>> {
        self.check_known(size)?;
        let steps = self.succession.between(0, size).iter();
        let positions = steps.filter(|step| !step.void).map(|step| step.position);
        let positions: Vec<Position> = positions.collect();
        let holding = self.succession.holding(&positions, size).into_iter();
        let holding: Vec<Position> = holding.map(|index| positions[index]).collect();
        self.at_positions(kind, &holding)
    }

    /// Every row of a record, in order; none when there is no such record. They are made from the
    /// entries of its stream, which the store finds by an index.
    ///
    /// # Errors
    /// When the store cannot be read, or an entry does not read.
    pub async fn history(&self, record_id: Uuid) -> Result<Vec<RegisterRow>> {
        let mut streams = self.store.streams(&[record_id]).await?;
        let stream = streams.remove(&record_id).unwrap_or_default();
        let known = stream.iter().filter(|stored| stored.position < self.size());
        known
            .filter_map(|stored| row_of(stored.position, &stored.bytes).transpose())
            .collect()
    }

    /// The rows of a kind at positions that are given in order; what is at none of them is left
    /// out.
    pub(super) fn at_positions(
        &self,
        kind: RecordKind,
        wanted: &[Position],
    ) -> Result<Vec<RegisterRow>> {
        let mut rows = Vec::with_capacity(wanted.len());
        for piece in self.pieces() {
            let range = piece.range();
            let below = |end| wanted.partition_point(|position| *position < end);
            let wanted = &wanted[below(range.start)..below(range.end)];
            if wanted.is_empty() {
                continue;
            }
            let positions = piece.positions(kind)?;
            let indexes = wanted.iter().map(|at| positions.binary_search(at));
            let indexes: Vec<usize> = indexes.filter_map(std::result::Result::ok).collect();
            each_row(kind, piece.rows_at(kind, &indexes)?, |row| {
                rows.push(row);
                false
            })?;
        }
        Ok(rows)
    }

    /// SHA-256 over all rows of a kind, in the encoding that `encoding.rs` describes: the same
    /// for any two registers of the same entries, however they came about.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn digest(&self, kind: RecordKind) -> Result<[u8; 32]> {
        let mut digest = RowsDigest::new(kind);
        for piece in self.pieces() {
            each_row(kind, piece.whole(kind)?, |row| {
                digest.push(&row);
                false
            })?;
        }
        Ok(digest.finish())
    }

    /// The Parquet files of a kind, in order of position. They and [`Registers::tail`] are the
    /// whole register; a listing of the folder may have more.
    #[must_use]
    pub fn files(&self, kind: RecordKind) -> Vec<PathBuf> {
        let files = self
            .segments
            .iter()
            .filter_map(|segment| segment.file(kind));
        files
            .map(|(path, _)| self.folder.path().join(path))
            .collect()
    }

    /// The rows of a kind that are in no file yet, with the schema of the files.
    ///
    /// # Errors
    /// When the rows do not make a batch, which would be an error of this program.
    pub fn tail(&self, kind: RecordKind) -> Result<RecordBatch> {
        let in_memory = self.pieces().filter_map(|piece| match piece {
            Piece::Tail(tail) => Some(tail.batch(kind)),
            Piece::Segment(..) => None,
        });
        let batches = in_memory.collect::<Result<Vec<_>>>()?;
        Ok(joined(kind, &batches)?)
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
