//! The check of the registers against the ledger. It never writes.
//!
//! What comes in: the registers, and a store. What goes out: how much was compared, and the
//! first position at which they differ. What may fail: the store, or an entry that does not
//! read; a damaged segment is no failure but a difference. What must stay true: every entry is
//! read anew and every row is compared; memory holds the rows of one segment at a time.

use std::collections::BTreeMap;

use super::columns::{RowReader, joined};
use super::fold::Tail;
use super::pieces::Piece;
use super::row::RegisterRow;
use super::succession::Step;
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
    /// The row is said to follow another row of its record than it does.
    #[error("what the row supersedes is not what it should be")]
    Succession,
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
            *self.rows.entry(kind).or_default() += fresh.rows(kind) as u64;
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
        for piece in self.pieces() {
            let range = piece.range();
            let fresh = Tail::of_range(store, range.start, range.end).await?;
            check.count(&fresh);
            check.difference = self.compare_piece(piece, &fresh)?;
            if check.difference.is_some() {
                break;
            }
        }
        Ok(check)
    }

    fn compare_piece(&self, piece: Piece<'_>, fresh: &Tail) -> Result<Option<Difference>> {
        let mut differences = Vec::new();
        for kind in RecordKind::ALL {
            let difference = match compare_kind(piece, kind, fresh) {
                Ok(difference) => difference,
                Err(error @ (RegisterError::Damaged(_) | RegisterError::Columns(_))) => {
                    let mismatch = Mismatch::Unreadable(error.to_string());
                    return Ok(Some(in_kind(kind, fresh.first, mismatch)));
                }
                Err(error) => return Err(error),
            };
            differences.push(difference.map(|(at, mismatch)| in_kind(kind, at, mismatch)));
        }
        let known = self.succession.between(fresh.first, fresh.next);
        let succession = first_other_step(fresh.steps(), known);
        let succession = succession.map(|at| in_no_kind(at, Mismatch::Succession));
        let same_entries = match piece {
            Piece::Segment(_, segment) => {
                hex::encode(fresh.entries_digest()) == segment.entries_sha256
            }
            Piece::Tail(tail) => fresh.entries_digest() == tail.entries_digest(),
        };
        let entries = (!same_entries).then(|| in_no_kind(fresh.first, Mismatch::Entries));
        Ok(first_of(differences).or(succession).or(entries))
    }
}

/// Where the rows of a kind first differ. Rows are made of the columns only when those do.
fn compare_kind(
    piece: Piece<'_>,
    kind: RecordKind,
    fresh: &Tail,
) -> Result<Option<(Position, Mismatch)>> {
    let found = piece.whole(kind)?.collect::<Result<Vec<_>>>()?;
    let found = joined(kind, &found)?;
    let expected = fresh.batch(kind)?;
    if expected == found {
        return Ok(None);
    }
    let rows = |batch| {
        RowReader::new(kind, batch)?
            .rows()
            .collect::<std::result::Result<Vec<_>, _>>()
    };
    Ok(compare(&rows(&expected)?, &rows(&found)?))
}

/// The position of the first step that is in one of both alone.
fn first_other_step(expected: &[Step], found: &[Step]) -> Option<Position> {
    let same = expected
        .iter()
        .zip(found)
        .take_while(|(a, b)| a == b)
        .count();
    let others = expected.get(same).into_iter().chain(found.get(same));
    others.map(|step| step.position).min()
}

const fn in_kind(kind: RecordKind, position: Position, mismatch: Mismatch) -> Difference {
    Difference {
        position,
        kind: Some(kind),
        mismatch,
    }
}

const fn in_no_kind(position: Position, mismatch: Mismatch) -> Difference {
    Difference {
        position,
        kind: None,
        mismatch,
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
