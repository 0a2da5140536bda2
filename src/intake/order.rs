//! All rows of a delivery in the order of their reports: for a clock that is simulated.
//!
//! What comes in: a [`Delivery`]. What goes out: its offices, then every row of every file in the
//! order of the day of its report; on one day in file order, then by line. A row without a day
//! that can be read keeps the day of the row before it in its file. What may fail: nothing here; a
//! file that breaks off ends with a refusal in its place. What must stay true: files that are in
//! order already, as most are, are merged in constant memory; only a file that is not, or a
//! sheet of a workbook, is held and sorted.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use chrono::NaiveDate;

use super::delivery::{DeliveredFile, Delivery, Format, PartRows, RowResult, Rows};
use super::refusal::RefusedRow;
use super::row::{IntakeRow, Part, RowKind};

impl Delivery {
    /// All rows in the order of `reported_on`, offices first. Reads each file once to see whether
    /// it is in that order.
    #[must_use]
    pub fn rows_in_order_of_report(&self) -> OrderedRows {
        let parts = self.parts(|part| part.kind != RowKind::Office);
        let sources = parts
            .iter()
            .filter_map(|part| Some(Source::open(self.files.get(part.file)?, part)))
            .collect();
        let offices = self.parts(|part| part.kind == RowKind::Office);
        let mut rows = OrderedRows {
            offices: Rows::new(&self.files, offices),
            sources,
            days: BinaryHeap::new(),
        };
        for index in 0..rows.sources.len() {
            rows.queue(index);
        }
        rows
    }
}

/// Rows of all files, merged by the day of their report.
pub struct OrderedRows {
    offices: Rows,
    sources: Vec<Source>,
    /// For each source that has a row left, the day of that row.
    days: BinaryHeap<Reverse<(NaiveDate, usize)>>,
}

impl OrderedRows {
    fn queue(&mut self, index: usize) {
        if let Some(day) = self.sources.get_mut(index).and_then(Source::advance) {
            self.days.push(Reverse((day, index)));
        }
    }
}

impl Iterator for OrderedRows {
    type Item = Result<IntakeRow, RefusedRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(row) = self.offices.next() {
            return Some(row);
        }
        let Reverse((_, index)) = self.days.pop()?;
        let row = self.sources.get_mut(index)?.head.take();
        self.queue(index);
        row
    }
}

/// The rows of one part, in order.
struct Source {
    rows: Ordered,
    head: Option<RowResult>,
}

enum Ordered {
    Streamed { rows: PartRows, day: NaiveDate },
    Held(std::vec::IntoIter<(NaiveDate, RowResult)>),
}

impl Source {
    fn open(file: &DeliveredFile, part: &Arc<Part>) -> Self {
        // A workbook holds its texts in memory for each sheet that is open: one after the other.
        let streamed = file.format != Format::Xlsx && is_in_order(PartRows::open(file, part));
        let mut rows = PartRows::open(file, part);
        let mut day = NaiveDate::MIN;
        let rows = if streamed {
            Ordered::Streamed { rows, day }
        } else {
            let mut held = Vec::new();
            while let Some(row) = rows.next() {
                day = day_of(&row, day);
                held.push((day, row));
            }
            held.sort_by_key(|(day, _)| *day);
            Ordered::Held(held.into_iter())
        };
        Self { rows, head: None }
    }

    /// Makes the next row the head; gives its day.
    fn advance(&mut self) -> Option<NaiveDate> {
        let (day, row) = match &mut self.rows {
            Ordered::Streamed { rows, day } => {
                let row = rows.next()?;
                *day = day_of(&row, *day);
                (*day, row)
            }
            Ordered::Held(rows) => rows.next()?,
        };
        self.head = Some(row);
        Some(day)
    }
}

fn day_of(row: &RowResult, before: NaiveDate) -> NaiveDate {
    let day = row.as_ref().ok().and_then(|row| row.reported_on);
    day.unwrap_or(before)
}

fn is_in_order(mut rows: PartRows) -> bool {
    let mut day = NaiveDate::MIN;
    while let Some(row) = rows.next() {
        let next = day_of(&row, day);
        if next < day {
            return false;
        }
        day = next;
    }
    true
}
