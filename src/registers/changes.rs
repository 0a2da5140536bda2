//! What changed between two moments, record by record.
//!
//! What comes in: a kind, and two sizes, that is, two numbers of entries that count. What goes
//! out: one [`RecordChange`] per record that has an event between them: its row as of the first
//! size, as of the second, and every row between. What may fail: a size beyond what is known, or
//! a segment that was damaged since it was opened. What must stay true: only rows at positions
//! from the first size to the second are looked at for what changed, so the answer costs what
//! happened between them, and the search for the state before ends when every record is found.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::columns::RowReader;
use super::row::{Change, RegisterRow};
use super::{Registers, Result};
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
        // Who begins between them has no state before.
        let begins =
            |change: &RecordChange| change.rows.first().is_some_and(|row| row.version == 1);
        let mut sought: HashMap<Uuid, u64> = first_of;
        sought.retain(|_, first| changes.get(first).is_some_and(|change| !begins(change)));
        self.states_before(kind, from, sought, |first, row| {
            if let Some(change) = changes.get_mut(&first) {
                change.before = (row.change != Change::Voided).then_some(row);
            }
        })?;
        Ok(changes.into_values().collect())
    }

    /// Rows at positions from `from` up to, and without, `to`.
    fn between(&self, kind: RecordKind, from: u64, to: u64) -> Result<Vec<RegisterRow>> {
        let mut rows = Vec::new();
        for segment in &self.segments {
            if segment.first >= to || segment.end <= from {
                continue;
            }
            for batch in segment.batches(&self.folder, kind, false)? {
                let reader = RowReader::new(kind, &batch)?;
                for index in 0..reader.len() {
                    if (from..to).contains(&reader.position(index)) {
                        rows.push(reader.row(index)?);
                    }
                }
            }
        }
        let tail = self.tail.rows(kind).iter();
        rows.extend(
            tail.filter(|row| (from..to).contains(&row.position))
                .cloned(),
        );
        Ok(rows)
    }

    /// The last row before `from` of each record that is sought, from the end to the start.
    fn states_before(
        &self,
        kind: RecordKind,
        from: u64,
        mut sought: HashMap<Uuid, u64>,
        mut found: impl FnMut(u64, RegisterRow),
    ) -> Result<()> {
        for row in self.tail.rows(kind).iter().rev() {
            if row.position < from
                && let Some(first) = sought.remove(&row.record_id)
            {
                found(first, row.clone());
            }
        }
        for segment in self.segments.iter().rev().filter(|s| s.first < from) {
            if sought.is_empty() {
                break;
            }
            for batch in segment.batches(&self.folder, kind, false)?.iter().rev() {
                let reader = RowReader::new(kind, batch)?;
                for index in (0..reader.len()).rev() {
                    if reader.position(index) < from
                        && let Some(first) = sought.remove(&reader.record_id(index))
                    {
                        found(first, reader.row(index)?);
                    }
                }
            }
        }
        Ok(())
    }
}
