//! The check of the registers against the ledger. It never writes.
//!
//! What comes in: the registers, and a store. What goes out: how much was compared, and the
//! first position at which they differ. What may fail: the store, or an entry that does not
//! read; a damaged segment is no failure but a difference. What must stay true: every entry is
//! read anew and every row is compared; memory holds the rows of one segment at a time.

use std::collections::BTreeMap;

use super::fold::Tail;
use super::row::RegisterRow;
use super::segment::Segment;
use super::{RegisterError, Registers, Result};
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::store::Store;

/// How a register differs from the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The row says something else than the entry.
    #[error("the row differs from the entry")]
    Changed,
    /// The entry has no row.
    #[error("the row is missing")]
    Missing,
    /// The row has no entry.
    #[error("there is a row, but no such entry")]
    Surplus,
    /// All rows are as they should be, but were made from entries with other bytes.
    #[error("the rows were built from other entries")]
    Entries,
    /// A file cannot be used; the position is the first of its segment.
    #[error("{0}")]
    Unreadable(String),
}

/// Where a register first differs from the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the registers differ from the ledger at position {position}: {mismatch}")]
pub struct Difference {
    /// The first position that differs.
    pub position: Position,
    /// In which register, if it is in one.
    pub kind: Option<RecordKind>,
    /// How.
    pub mismatch: Mismatch,
}

/// What the check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegisterCheck {
    /// Entries that were compared.
    pub entries: u64,
    /// Rows that they gave, by kind.
    pub rows: BTreeMap<RecordKind, u64>,
    /// The first difference; the check ends there.
    pub difference: Option<Difference>,
}

impl RegisterCheck {
    fn count(&mut self, fresh: &Tail) {
        self.entries += fresh.next - fresh.first;
        for kind in RecordKind::ALL {
            *self.rows.entry(kind).or_default() += fresh.rows(kind).len() as u64;
        }
    }
}

impl Registers {
    /// Computes every row anew from the entries of a store and compares it with the segments
    /// and with the tail, up to [`Registers::size`].
    ///
    /// # Errors
    /// When the store cannot be read, lacks an entry, or has one that does not read.
    pub async fn verify(&self, store: &dyn Store) -> Result<RegisterCheck> {
        let mut check = RegisterCheck::default();
        for segment in &self.segments {
            let fresh = Tail::of_range(store, segment.first, segment.end).await?;
            check.count(&fresh);
            check.difference = self.compare_segment(segment, &fresh)?;
            if check.difference.is_some() {
                return Ok(check);
            }
        }
        let fresh = Tail::of_range(store, self.tail.first, self.tail.next).await?;
        check.count(&fresh);
        check.difference = first_of(RecordKind::ALL.map(|kind| {
            let difference = compare(fresh.rows(kind), self.tail.rows(kind));
            difference.map(|(position, mismatch)| in_kind(kind, position, mismatch))
        }));
        if check.difference.is_none() && fresh.entries_digest() != self.tail.entries_digest() {
            check.difference = Some(other_entries(self.tail.first));
        }
        Ok(check)
    }

    fn compare_segment(&self, segment: &Segment, fresh: &Tail) -> Result<Option<Difference>> {
        let mut differences = Vec::new();
        for kind in RecordKind::ALL {
            let found = match segment.load(&self.folder, kind) {
                Ok(found) => found,
                Err(error @ (RegisterError::Damaged(_) | RegisterError::Columns(_))) => {
                    let mismatch = Mismatch::Unreadable(error.to_string());
                    return Ok(Some(in_kind(kind, segment.first, mismatch)));
                }
                Err(error) => return Err(error),
            };
            let difference = compare(fresh.rows(kind), &found);
            differences.push(difference.map(|(at, mismatch)| in_kind(kind, at, mismatch)));
        }
        let same_entries = hex::encode(fresh.entries_digest()) == segment.entries_sha256;
        let of_entries = (!same_entries).then(|| other_entries(segment.first));
        Ok(first_of(differences).or(of_entries))
    }
}

const fn in_kind(kind: RecordKind, position: Position, mismatch: Mismatch) -> Difference {
    Difference {
        position,
        kind: Some(kind),
        mismatch,
    }
}

const fn other_entries(position: Position) -> Difference {
    Difference {
        position,
        kind: None,
        mismatch: Mismatch::Entries,
    }
}

fn first_of(differences: impl IntoIterator<Item = Option<Difference>>) -> Option<Difference> {
    differences.into_iter().flatten().min_by_key(|d| d.position)
}

/// The first difference of two sequences of rows in order of position.
fn compare(expected: &[RegisterRow], found: &[RegisterRow]) -> Option<(Position, Mismatch)> {
    let at = expected.iter().zip(found).position(|(a, b)| a != b);
    let at = at.unwrap_or(expected.len().min(found.len()));
    match (expected.get(at), found.get(at)) {
        (None, None) => None,
        (Some(row), None) => Some((row.position, Mismatch::Missing)),
        (None, Some(row)) => Some((row.position, Mismatch::Surplus)),
        (Some(row), Some(other)) if row.position < other.position => {
            Some((row.position, Mismatch::Missing))
        }
        (Some(row), Some(other)) if row.position > other.position => {
            Some((other.position, Mismatch::Surplus))
        }
        (Some(row), Some(_)) => Some((row.position, Mismatch::Changed)),
    }
}
