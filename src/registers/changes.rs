//! What changed between two moments, record by record.
//!
//! What comes in: a kind, and two sizes, that is, two numbers of entries that count. What goes
//! out: one [`RecordChange`] per record that has an event between them: its row as of the first
//! size, as of the second, and every row between. What may fail: a size beyond what is known, or
//! a segment that was damaged since it was opened. What must stay true: only rows at positions
//! from the first size to the second are looked at for what changed, and the states before are
//! found by what they were superseded by, so the answer costs what happened between the two.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::pieces::each_row;
use super::row::{Change, RegisterRow};
use super::{Registers, Result};
use crate::model::id::Position;
use crate::model::schema::RecordKind;

/// What happened to one record between two moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordChange {
    /// The record.
    pub record_id: Uuid,
    /// Its row as of the first moment; `None` when it was not there, or was voided.
    pub before: Option<RegisterRow>,
    /// Its row as of the second moment; `None` when it is voided.
    pub after: Option<RegisterRow>,
    /// Every row between, in order; never empty.
    pub rows: Vec<RegisterRow>,
}

impl Registers {
    /// Records of a kind with an event at a position from `from` up to, and without, `to`, in
    /// order of their first event there.
    ///
    /// # Errors
    /// When a size is beyond [`Registers::size`], or a segment cannot be read.
    pub fn changes(&self, kind: RecordKind, from: u64, to: u64) -> Result<Vec<RecordChange>> {
        self.check_known(from)?;
        self.check_known(to)?;
        let mut changes = BTreeMap::new();
        let mut first_of: HashMap<Uuid, u64> = HashMap::new();
        for row in self.between(kind, from, to)? {
            let first = *first_of.entry(row.record_id).or_insert(row.position);
            let change = changes.entry(first).or_insert_with(|| RecordChange {
                record_id: row.record_id,
                before: None,
                after: None,
                rows: Vec::new(),
            });
            change.after = (row.change != Change::Voided).then(|| row.clone());
            change.rows.push(row);
        }
        self.states_before(kind, &mut changes)?;
        Ok(changes.into_values().collect())
    }

    /// Rows at positions from `from` up to, and without, `to`.
    fn between(&self, kind: RecordKind, from: u64, to: u64) -> Result<Vec<RegisterRow>> {
        let mut rows = Vec::new();
        for piece in self.pieces_between(from, to) {
            let positions = piece.positions(kind)?;
            let below = |end| positions.partition_point(|position| *position < end);
            let indexes: Vec<usize> = (below(from)..below(to)).collect();
            each_row(kind, piece.rows_at(kind, &indexes)?, |row| {
                rows.push(row);
                false
            })?;
        }
        Ok(rows)
    }

    /// Adds to the changes, which are by the position of their first row, what each record was
    /// before.
    fn states_before(
        &self,
        kind: RecordKind,
        changes: &mut BTreeMap<Position, RecordChange>,
    ) -> Result<()> {
        let firsts = changes.keys().copied();
        let before = firsts.filter_map(|first| Some((self.succession.before(first)?, first)));
        let first_of: BTreeMap<Position, Position> = before.collect();
        let wanted: Vec<Position> = first_of.keys().copied().collect();
        for row in self.at_positions(kind, &wanted)? {
            let first = first_of.get(&row.position);
            if let Some(change) = first.and_then(|first| changes.get_mut(first)) {
                change.before = (row.change != Change::Voided).then_some(row);
            }
        }
        Ok(())
    }
}
