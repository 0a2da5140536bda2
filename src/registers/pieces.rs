//! Pieces of a register: segments on the disk, and what is still in memory.
//!
//! What comes in: a kind, and which of its rows are wanted. What goes out: the positions of the
//! rows of a piece, and columns of those that are wanted, as they are asked for. What may fail: a
//! segment that was damaged since it was opened. What must stay true: every position that is known
//! is in exactly one piece; of a file, only the row groups that are wanted are read.

use std::fmt::Display;
use std::fs::File;
use std::ops::Range;

use arrow_array::{RecordBatch, UInt64Array};
use arrow_select::take::take_record_batch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection};

use super::columns::{ColumnError, RowReader, positions};
use super::file::{Fault, Folder};
use super::fold::Tail;
use super::row::RegisterRow;
use super::segment::{Damage, Segment};
use super::{Registers, Result};
use crate::model::id::Position;
use crate::model::schema::RecordKind;

/// Rows in a batch: a reader may want a few of them and no more.
const BATCH_ROWS: usize = 1024;

/// Rows of consecutive positions.
#[derive(Clone, Copy)]
pub(super) enum Piece<'a> {
    /// In files.
    Segment(&'a Folder, &'a Segment),
    /// In memory.
    Tail(&'a Tail),
}

/// Columns, as they are asked for.
pub(super) type Batches<'a> = Box<dyn Iterator<Item = Result<RecordBatch>> + 'a>;

impl Registers {
    /// Every piece, in order of position.
    pub(super) fn pieces(&self) -> impl DoubleEndedIterator<Item = Piece<'_>> {
        let segments = self.segments.iter();
        let closing = self.closing.iter().map(|closing| closing.tail.as_ref());
        segments
            .map(|segment| Piece::Segment(&self.folder, segment))
            .chain(closing.chain([&self.tail]).map(Piece::Tail))
    }

    /// The pieces that have a position from `from` up to, and without, `to`.
    pub(super) fn pieces_between(
        &self,
        from: Position,
        to: Position,
    ) -> impl Iterator<Item = Piece<'_>> {
        self.pieces().filter(move |piece| {
            let range = piece.range();
            range.start < to && from < range.end
        })
    }
}

impl<'a> Piece<'a> {
    /// Its positions.
    pub(super) const fn range(self) -> Range<Position> {
        match self {
            Self::Segment(_, segment) => segment.first..segment.end,
            Self::Tail(tail) => tail.first..tail.next,
        }
    }

    /// The positions of the rows of a kind, in order.
    pub(super) fn positions(self, kind: RecordKind) -> Result<Vec<Position>> {
        let batches: Batches<'_> = match self {
            Self::Segment(folder, segment) => {
                let Some(reader) = open(folder, segment, kind)? else {
                    return Ok(Vec::new());
                };
                let column = ProjectionMask::columns(reader.parquet_schema(), ["position"]);
                read(reader.with_projection(column), segment, kind)?
            }
            Self::Tail(_) => self.whole(kind)?,
        };
        let mut all = Vec::new();
        for batch in batches {
            all.extend_from_slice(positions(kind, &batch?)?.values());
        }
        Ok(all)
    }

    /// Every row of a kind, in order.
    pub(super) fn whole(self, kind: RecordKind) -> Result<Batches<'a>> {
        match self {
            Self::Segment(folder, segment) => match open(folder, segment, kind)? {
                Some(reader) => read(reader, segment, kind),
                None => Ok(Box::new(std::iter::empty())),
            },
            Self::Tail(tail) => Ok(Box::new(std::iter::once(tail.batch(kind)))),
        }
    }

    /// The rows of a kind at these indexes, which are in order.
    pub(super) fn rows_at(self, kind: RecordKind, indexes: &[usize]) -> Result<Batches<'a>> {
        if indexes.is_empty() {
            return Ok(Box::new(std::iter::empty()));
        }
        match self {
            Self::Segment(folder, segment) => match open(folder, segment, kind)? {
                Some(reader) => read(choose(reader, indexes), segment, kind),
                None => Ok(Box::new(std::iter::empty())),
            },
            Self::Tail(tail) => {
                let batch = tail.batch(kind)?;
                let chunks = indexes.chunks(BATCH_ROWS);
                let chunk = |chunk: &[usize]| chunk.iter().map(|index| *index as u64).collect();
                let chunks: Vec<UInt64Array> = chunks.map(chunk).collect();
                let taken = move |chunk: UInt64Array| {
                    Ok(take_record_batch(&batch, &chunk).map_err(ColumnError::Batch)?)
                };
                Ok(Box::new(chunks.into_iter().map(taken)))
            }
        }
    }
}

/// Gives the rows of batches one by one, until it is told that they are enough.
pub(super) fn each_row(
    kind: RecordKind,
    batches: Batches<'_>,
    mut enough: impl FnMut(RegisterRow) -> bool,
) -> Result<()> {
    for batch in batches {
        let batch = batch?;
        for row in RowReader::new(kind, &batch)?.rows() {
            if enough(row?) {
                return Ok(());
            }
        }
    }
    Ok(())
}

type Reader = ParquetRecordBatchReaderBuilder<File>;

fn wrong(segment: &Segment, kind: RecordKind, what: impl Display) -> Damage {
    let file = segment.file(kind).map(|(path, _)| path).unwrap_or_default();
    Damage {
        segment: segment.number,
        fault: Fault::Rows {
            file: file.display().to_string(),
            what: what.to_string(),
        },
    }
}

/// The file of a kind, compared with the manifest.
fn open(
    folder: &Folder,
    segment: &Segment,
    kind: RecordKind,
) -> std::result::Result<Option<Reader>, Damage> {
    let opened = segment.open(folder, kind).map_err(|fault| Damage {
        segment: segment.number,
        fault,
    })?;
    let (Some(file), Some((_, stated))) = (opened, segment.file(kind)) else {
        return Ok(None);
    };
    let reader = Reader::try_new(file).map_err(|error| wrong(segment, kind, error))?;
    let rows = reader.metadata().file_metadata().num_rows();
    if u64::try_from(rows) != Ok(stated.rows) {
        return Err(wrong(segment, kind, format!("it has {rows}")));
    }
    Ok(Some(reader.with_batch_size(BATCH_ROWS)))
}

/// Only these rows, from the row groups that have them.
fn choose(reader: Reader, indexes: &[usize]) -> Reader {
    let (mut groups, mut ranges) = (Vec::new(), Vec::new());
    let (mut first, mut chosen) = (0, 0);
    for (number, group) in reader.metadata().row_groups().iter().enumerate() {
        let rows = usize::try_from(group.num_rows()).unwrap_or_default();
        let below = |end: usize| indexes.partition_point(|index| *index < end);
        let wanted = &indexes[below(first)..below(first + rows)];
        if !wanted.is_empty() {
            let runs = wanted.chunk_by(|one, next| one + 1 == *next);
            ranges.extend(runs.map(|run| {
                let start = run[0] - first + chosen;
                start..start + run.len()
            }));
            groups.push(number);
            chosen += rows;
        }
        first += rows;
    }
    let selection = RowSelection::from_consecutive_ranges(ranges.into_iter(), chosen);
    reader.with_row_groups(groups).with_row_selection(selection)
}

fn read(reader: Reader, segment: &Segment, kind: RecordKind) -> Result<Batches<'_>> {
    let reader = reader
        .build()
        .map_err(|error| wrong(segment, kind, error))?;
    Ok(Box::new(reader.map(move |batch| {
        Ok(batch.map_err(|error| wrong(segment, kind, error))?)
    })))
}
