//! Reports: the half-year summary of an office, its months, its plan beside reality and what may be
//! said of them; what became of a closed period's figures; statistical returns.
//!
//! What comes in: a [`Snapshot`](crate::registers::snapshot::Snapshot), an office, a period and a
//! table of targets. What goes out: a [`half_year::HalfYearReport`], and its text in two
//! languages as plain text, Markdown, HTML or JSON. What may fail: an office that is not
//! registered, a target that is no number, a template. What must stay true: every figure is
//! counted from the register or quoted as an office reported it, says which; every output names
//! the position it is as of and whether the clock is simulated; too few cases are said to be too
//! few; nothing here labels or ranks a person or a birth.

pub mod chart;
pub mod exchange;
pub mod half_year;
pub mod heading;
pub mod monthly;
pub mod page;
pub mod periods;
mod public;
mod render;
pub mod restatement;
pub mod returns;
pub mod sheet;
pub mod suppression;
pub mod targets;
pub mod workbook;

pub use half_year::HalfYearReport;
pub use monthly::{MonthlyReport, PublicMonths};
pub use render::Format;
pub use targets::TargetsReport;

use crate::indicators::IndicatorError;
use crate::model::id::OfficeCode;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No such office at that position.
    #[error("office {0} is not registered at this position; check its 12 digits, or a later one")]
    UnknownOffice(OfficeCode),
    /// An indicator.
    #[error(transparent)]
    Indicator(#[from] IndicatorError),
    /// A template that could not be filled.
    #[error("the report could not be laid out: {0}")]
    Layout(#[from] askama::Error),
    /// A report that could not be written as JSON.
    #[error("the report could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A report that a workbook cannot hold.
    #[error("the report could not be written as a workbook: {0}")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
}

#[cfg(test)]
mod tests;
