//! One row of a delivery, and the part of a file that it comes from.
//!
//! What comes in: the texts of a row in the file's own order. What goes out: an [`IntakeRow`],
//! whose [`Cells`] stand in the order of the schema's columns. What may fail: nothing here. What
//! must stay true: a row takes two allocations and no more, because a delivery has millions of
//! them; and `Debug` shows where a row stands but never what is in it.

use std::sync::Arc;

use chrono::NaiveDate;

use super::headers::Layout;
use super::refusal::{RefusedRow, RowReason};
use crate::model::schema::{Column, OFFICE, RecordKind};
use crate::model::time::parse_date;

/// What the rows of a file (or sheet) are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowKind {
    /// Offices; they come before everything that names one.
    Office,
    /// Records of a kind.
    Record(RecordKind),
}

impl RowKind {
    /// Every kind, offices first.
    pub const ALL: [Self; 7] = [
        Self::Office,
        Self::Record(RecordKind::Registration),
        Self::Record(RecordKind::Birth),
        Self::Record(RecordKind::PregnancyLoss),
        Self::Record(RecordKind::Disbursement),
        Self::Record(RecordKind::Activity),
        Self::Record(RecordKind::Return),
    ];

    /// Its columns, in the order in which [`Cells`] has them.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Office => OFFICE,
            Self::Record(kind) => kind.columns(),
        }
    }

    /// The English name of its file or sheet.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Office => "offices",
            Self::Record(kind) => kind.file(),
        }
    }

    /// The Chinese name of its file or sheet.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Office => "单位",
            Self::Record(kind) => kind.zh(),
        }
    }
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowSource {
    /// Index of the file in [`super::Delivery::files`].
    pub file: usize,
    /// Index of the part (the sheet of a workbook) in [`super::DeliveredFile::parts`].
    pub part: usize,
    /// Line of the file, or row of the sheet; the first is 1.
    pub line: u64,
}

/// A file, or one sheet of a workbook: rows of one kind under one header.
#[derive(Debug)]
pub struct Part {
    /// Index of the file in the delivery.
    pub file: usize,
    /// Index of this part in its file.
    pub index: usize,
    /// Display name of the file.
    pub file_name: String,
    /// Name of the sheet, for a workbook.
    pub sheet: Option<String>,
    /// What its rows are.
    pub kind: RowKind,
    /// Which column stands where.
    pub(super) layout: Layout,
}

impl Part {
    pub(super) fn source(&self, line: u64) -> RowSource {
        RowSource {
            file: self.file,
            part: self.index,
            line,
        }
    }

    /// The display name of the file, with the sheet if there is one.
    #[must_use]
    pub fn place(&self) -> String {
        place(&self.file_name, self.sheet.as_deref())
    }
}

/// A file with its sheet, as every message writes it.
pub(super) fn place(file: &str, sheet: Option<&str>) -> String {
    sheet.map_or_else(|| file.to_owned(), |sheet| format!("{file}, sheet {sheet}"))
}

/// The cells of a row in the order of the schema's columns: one text and the ends in it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Cells {
    text: String,
    ends: Vec<u32>,
}

impl Cells {
    pub(super) fn with_capacity(bytes: usize, cells: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            ends: Vec::with_capacity(cells),
        }
    }

    /// Adds the next cell.
    pub(super) fn push(&mut self, cell: &str) {
        self.text.push_str(cell);
        self.end();
    }

    /// The text to which the next cell is written; [`Self::end`] closes it.
    pub(super) const fn text_mut(&mut self) -> &mut String {
        &mut self.text
    }

    /// Closes the cell that was written.
    pub(super) fn end(&mut self) {
        // Readers cap a row far below 4 GB, so that an end always fits.
        self.ends
            .push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    /// How many cells there are: as many as the kind has columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no cell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether every cell is empty.
    #[must_use]
    pub fn are_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// The cell at an index of the schema's columns; empty when the file has no such column.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .map_or(0, |start| *start as usize);
        self.text.get(start..end)
    }

    /// All cells in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }

    /// All cells as a list, as [`crate::model::record::Draft::read`] takes them.
    #[must_use]
    pub fn to_vec(&self) -> Vec<&str> {
        self.iter().collect()
    }
}

impl std::fmt::Debug for Cells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Cells hold personal values; they are never printed.
        write!(f, "Cells({})", self.len())
    }
}

/// A row as it was delivered, before anything in it is judged.
#[derive(Clone)]
pub struct IntakeRow {
    /// Where it stands.
    pub source: RowSource,
    /// What it is.
    pub kind: RowKind,
    /// Its cells in the order of `kind.columns()`.
    pub cells: Cells,
    /// When it was reported or submitted, if that can be read.
    pub reported_on: Option<NaiveDate>,
    part: Arc<Part>,
    /// The line itself, where it cannot be written again from the cells (JSON).
    original: Option<Box<str>>,
}

impl IntakeRow {
    pub(super) fn new(part: &Arc<Part>, line: u64, cells: Cells) -> Self {
        let reported_on = part
            .layout
            .reported
            .and_then(|index| cells.get(index))
            .and_then(quick_date);
        Self {
            source: part.source(line),
            kind: part.kind,
            cells,
            reported_on,
            part: Arc::clone(part),
            original: None,
        }
    }

    pub(super) fn with_original(mut self, line: &str) -> Self {
        self.original = Some(line.into());
        self
    }

    /// The file or sheet it comes from.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The row as the file had it: a CSV line in the file's order of columns, or the JSON line.
    /// It holds sealed values and belongs in the rejects file alone.
    #[must_use]
    pub fn raw(&self) -> String {
        if let Some(line) = &self.original {
            return line.to_string();
        }
        let columns = self.part.layout.of_file.iter();
        csv_line(columns.map(|index| self.cells.get(*index).unwrap_or_default()))
    }

    /// Refuses the row: for the stage that reads its cells.
    #[must_use]
    pub fn refuse(&self, column: Option<&'static str>, reason: RowReason) -> RefusedRow {
        RefusedRow::new(&self.part, self.source.line, column, reason, self.raw())
    }
}

impl std::fmt::Debug for IntakeRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IntakeRow")
            .field("source", &self.source)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Cells as one CSV line.
pub(super) fn csv_line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            line.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(cell);
        }
    }
    line
}

/// `2014-06-30` without a search for separators; every other spelling by the model.
pub(super) fn quick_date(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    if let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *bytes {
        let digits = [y0, y1, y2, y3, m0, m1, d0, d1];
        if digits.iter().all(u8::is_ascii_digit) {
            let [y0, y1, y2, y3, m0, m1, d0, d1] = digits.map(|b| u32::from(b - b'0'));
            let year = y0 * 1000 + y1 * 100 + y2 * 10 + y3;
            // The same years that the model takes for readable.
            if (1800..=2200).contains(&year) {
                let year = i32::try_from(year).ok()?;
                return NaiveDate::from_ymd_opt(year, m0 * 10 + m1, d0 * 10 + d1);
            }
            return None;
        }
    }
    if text.is_empty() {
        return None;
    }
    parse_date(&crate::model::cell::narrow(text))
}
