//! What is refused, where it stands, and what to do about it.
//!
//! What comes in: the part, the line and the column. What goes out: [`RefusedRow`] for one row,
//! [`IntakeError`] for a whole file or delivery. What must stay true: neither `Display` nor
//! `Debug` quotes a value; the row itself is kept for the rejects file alone.

use std::path::PathBuf;
use std::sync::Arc;

use super::headers::HeaderFault;
use super::row::{Part, RowSource};
use crate::model::cell::{CellError, CellReason};

/// Most of a refused row that is kept for the rejects file.
pub(super) const MAX_RAW_BYTES: usize = 64 * 1024;

/// Why a row is refused. Reasons about one cell read after the name of its column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowReason {
    /// A cell that the model cannot read.
    #[error("{0}")]
    Cell(#[from] CellReason),
    /// More cells than the header has columns.
    #[error(
        "has {found} cells, but the header has {expected} columns; put a value that holds the delimiter in double quotes"
    )]
    TooManyCells {
        /// Cells of the row.
        found: usize,
        /// Columns of the header.
        expected: usize,
    },
    /// Fewer cells than the header has columns.
    #[error(
        "has {found} cells, but the header has {expected} columns; write every cell, an empty one for what is not stated"
    )]
    TooFewCells {
        /// Cells of the row.
        found: usize,
        /// Columns of the header.
        expected: usize,
    },
    /// Bytes that are no text.
    #[error("has bytes that are not {encoding} text; save the file as UTF-8")]
    Undecodable {
        /// The encoding of the file.
        encoding: &'static str,
    },
    /// A quoted cell without an end.
    #[error("opens a double quote that is not closed; close it, or write it twice")]
    UnclosedQuote,
    /// A row that is too long to be one.
    #[error("is longer than {limit} bytes; split it, or look for a missing line end")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Not JSON.
    #[error("is not JSON (see position {position} of the line); write one object a line")]
    NotJson {
        /// Where in the line, in bytes from 1.
        position: usize,
    },
    /// JSON, but no object.
    #[error("is not a JSON object; write one object a line, its keys the names of the columns")]
    NotAnObject,
    /// A key that is no column.
    #[error("has {key}, which is no column{}; remove it or correct its name", did_you_mean(*.suggestion))]
    UnknownKey {
        /// The key, quoted, or what is said in its place when it may be a value.
        key: String,
        /// The column with the closest name.
        suggestion: Option<&'static str>,
    },
    /// A key that stands twice, perhaps once in English and once in Chinese.
    #[error("stands twice in the object; keep one")]
    DuplicateKey,
    /// An object or a list as a value.
    #[error("is an object or a list; write text, a number, true, false or null")]
    Nested,
    /// `#N/A` and its like.
    #[error("is an error value of the workbook; correct its formula or empty the cell")]
    ErrorValue,
    /// A length of time where none can be.
    #[error("is a length of time; format the cell as a date or as text")]
    Duration,
    /// A number whose last digits the workbook has lost.
    #[error(
        "is a number so long that the workbook has lost its last digits; format the column as text and enter it again"
    )]
    DigitsLost,
    /// The reading ends here. Nothing after it in this file is read.
    #[error("and all rows after it were not read: {what}; deliver the file again")]
    Stopped {
        /// What stopped it.
        what: String,
    },
    /// What the ledger has against the record.
    #[error("is refused by the ledger: {0}")]
    Ledger(String),
    /// What else is against the row.
    #[error("{0}")]
    Other(String),
}

/// The end of a sentence that suggests a name.
pub(super) fn did_you_mean(suggestion: Option<&'static str>) -> String {
    suggestion.map_or_else(String::new, |name| format!(" (did you mean {name}?)"))
}

/// A row that was not taken: where it stands, why, and the row itself.
#[derive(Clone)]
pub struct RefusedRow {
    /// Where it stands.
    pub source: RowSource,
    /// The English name of the column, if it is about one.
    pub column: Option<&'static str>,
    /// Why.
    pub reason: RowReason,
    part: Arc<Part>,
    raw: Box<str>,
}

impl RefusedRow {
    pub(super) fn new(
        part: &Arc<Part>,
        line: u64,
        column: Option<&'static str>,
        reason: RowReason,
        mut raw: String,
    ) -> Self {
        if raw.len() > MAX_RAW_BYTES {
            let end = (0..=MAX_RAW_BYTES)
                .rev()
                .find(|at| raw.is_char_boundary(*at));
            raw.truncate(end.unwrap_or(0));
        }
        Self {
            source: part.source(line),
            column,
            reason,
            part: Arc::clone(part),
            raw: raw.into_boxed_str(),
        }
    }

    /// The file or sheet it stands in.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The row as the file had it. It holds sealed values and belongs in the rejects file alone.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Whether the reading of the file ended here, so that rows after this one are missing.
    #[must_use]
    pub const fn stops_file(&self) -> bool {
        matches!(self.reason, RowReason::Stopped { .. })
    }

    /// What is wrong, without the place: the column and the reason.
    #[must_use]
    pub fn what(&self) -> String {
        format!("{} {}", self.column.unwrap_or("the row"), self.reason)
    }
}

impl std::fmt::Display for RefusedRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (place, line) = (self.part.place(), self.source.line);
        write!(f, "{place}, line {line}: {}", self.what())
    }
}

impl std::fmt::Debug for RefusedRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The row itself holds personal values and is never printed.
        write!(f, "RefusedRow({self})")
    }
}

impl std::error::Error for RefusedRow {}

impl From<CellError> for RowReason {
    fn from(error: CellError) -> Self {
        Self::Cell(error.reason)
    }
}

/// Why a delivery, or a file of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The operating system refused.
    #[error("failed to {verb} {}: {source}; check that it exists and may be read", .path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file that was named is none of ours.
    #[error("{name} is no intake file ({reason}); {}", accepted_names())]
    NotRecognised {
        /// Its name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// There is nothing to read.
    #[error("{place} has no intake file; {}", accepted_names())]
    NothingRecognised {
        /// The folder, or what was given.
        place: String,
    },
    /// Headers that cannot be read: all of them, so that they can be corrected at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Headers(Vec<HeaderFault>),
    /// A workbook that is damaged, encrypted or no workbook.
    #[error("{file} cannot be read as a workbook: {what}; save it again as .xlsx, or as CSV UTF-8")]
    Workbook {
        /// Display name of the file.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// A workbook past the limits.
    #[error("{file} is too large: {what}; split it, or deliver it as CSV")]
    TooLarge {
        /// Display name of the file.
        file: String,
        /// Which limit it passes.
        what: String,
    },
    /// A file that was written to while it was read: its SHA-256 would not be that of its rows.
    #[error("{file} was changed while it was read; wait until it is complete and start again")]
    Changed {
        /// Display name of the file.
        file: String,
    },
    /// An import id that cannot be part of a file name.
    #[error("an import id may have letters, digits, '-' and '_' only, 64 at most")]
    ImportId,
    /// The rejects file cannot be written.
    #[error("failed to write {}: {source}; free some space, or move the old file away", .path.display())]
    Rejects {
        /// The rejects file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl IntakeError {
    /// Whether what was delivered is at fault, and not what is on this side of it.
    #[must_use]
    pub const fn is_of_the_delivery(&self) -> bool {
        match self {
            Self::Io { .. }
            | Self::NotRecognised { .. }
            | Self::NothingRecognised { .. }
            | Self::Headers(_)
            | Self::Workbook { .. }
            | Self::TooLarge { .. }
            | Self::Changed { .. } => true,
            Self::ImportId | Self::Rejects { .. } => false,
        }
    }
}

/// The names that a file or sheet may have, for messages.
fn accepted_names() -> String {
    let names: Vec<_> = super::row::RowKind::ALL
        .into_iter()
        .map(|kind| format!("{} ({})", kind.file(), kind.zh()))
        .collect();
    format!(
        "accepted are {} with .csv, .txt, .xlsx, .jsonl or .ndjson, also with a year or a place \
         before or after the name, as births-2014.csv",
        names.join(", ")
    )
}
