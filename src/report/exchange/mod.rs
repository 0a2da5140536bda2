//! Figures for other systems: DHIS2, ADX, comma-separated values, Parquet.
//!
//! What comes in: sheets of one position. What goes out: a [`DataSet`], one [`Line`] per office,
//! period and element, and its bytes in a [`Form`]. What may fail: a file of names that is none;
//! a set without a value, which neither format can hold. What must stay true: every line names
//! one position for all; a figure that nothing can be said of is left out and never zero; what
//! only an office reported is never passed on as if it were computed.
//!
//! A rate goes out as three elements: its value, and what it was computed from as
//! `<id>_numerator` and `<id>_denominator`, so that the receiver can add offices up.

mod adx;
mod dhis2;
mod names;
mod table;
#[cfg(test)]
mod tests;

use chrono::NaiveDate;

pub use self::names::Names;
use super::sheet::{Sheet, ShownFigure};
use crate::indicators::Indicator;
use crate::indicators::plan::PlanSource;
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::model::time::Timestamp;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// There is nothing that could be sent.
    #[error("nothing to export: no figure can be given for these offices and periods")]
    Empty,
    /// The file of names.
    #[error(
        "the file of names cannot be read: {0}; it is JSON as {{\"data_set\": \"...\", \"offices\": {{\"990101100001\": \"...\"}}, \"elements\": {{\"births\": \"...\"}}}}"
    )]
    Names(serde_json::Error),
    /// A name that no attribute can hold.
    #[error("the name {0:?} has blanks at its ends, two in a row, or control characters")]
    Name(String),
    /// A period that is not over cannot be complete.
    #[error("{period} ends on {last_day}, and the ledger is at {today}: it is not complete yet")]
    NotOver {
        /// The period.
        period: Period,
        /// Its last day.
        last_day: NaiveDate,
        /// The day of the last entry.
        today: NaiveDate,
    },
    /// JSON.
    #[error("the figures do not become JSON: {0}")]
    Json(serde_json::Error),
    /// XML.
    #[error("the figures do not become XML: {0}")]
    Xml(std::io::Error),
    /// Comma-separated values.
    #[error("the figures do not become comma-separated values: {0}")]
    Csv(#[from] csv::Error),
    /// Columns.
    #[error("the figures do not become columns: {0}")]
    Columns(#[from] arrow_schema::ArrowError),
    /// Parquet.
    #[error("the figures do not become Parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// The form of a file of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `dataValueSets` of the Web API of DHIS2, as JSON.
    Dhis2,
    /// Aggregate Data Exchange of IHE QRPH, as XML.
    Adx,
    /// A line per figure, with numerator, denominator, interval and verdict.
    Csv,
    /// The same as columns.
    Parquet,
}

/// One figure of one office and period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The office; those below it are counted in.
    pub office: OfficeCode,
    /// The period.
    pub period: Period,
    /// Stable name of the figure.
    pub element: String,
    /// The value in decimals; absent when nothing can be said.
    pub value: Option<String>,
    /// Numerator, where it is a rate.
    pub numerator: Option<String>,
    /// Denominator, where it is a rate.
    pub denominator: Option<String>,
    /// Limits of the interval, lower and upper, where it has one.
    pub interval: (Option<String>, Option<String>),
    /// What the value counts, where it is a rate.
    pub unit: Option<String>,
    /// Met, not met, or insufficient data, where there is a target.
    pub verdict: Option<String>,
    /// Why nothing can be said.
    pub reason: Option<String>,
}

/// Figures of one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSet {
    /// The log's origin.
    pub origin: String,
    /// The last entry that is in it.
    pub position: Option<Position>,
    /// When that entry was recorded.
    pub recorded_at: Timestamp,
    /// Whether the ledger's clock is simulated.
    pub simulated_clock: bool,
    /// What indicators are held against.
    pub plan: PlanSource,
    /// The figures, by office and period.
    pub lines: Vec<Line>,
}

/// What else a file says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The receiver's names.
    pub names: Names,
    /// Whether the periods are declared complete.
    pub complete: bool,
    /// The time of the export.
    pub exported_at: Timestamp,
}

impl DataSet {
    /// The figures of sheets; `None` when there is no sheet.
    #[must_use]
    pub fn of(sheets: &[Sheet]) -> Option<Self> {
        let first = sheets.first()?;
        Some(Self {
            origin: first.head.origin.clone(),
            position: first.head.position,
            recorded_at: first.head.recorded_at,
            simulated_clock: first.head.simulated_clock,
            plan: first.plan.clone(),
            lines: sheets.iter().flat_map(lines).collect(),
        })
    }

    /// Writes it.
    ///
    /// # Errors
    /// See [`ExchangeError`].
    pub fn write(&self, form: Form, options: &Options) -> Result<Vec<u8>, ExchangeError> {
        match form {
            Form::Dhis2 => dhis2::write(self, options),
            Form::Adx => adx::write(self, options),
            Form::Csv => table::csv(self),
            Form::Parquet => table::parquet(self),
        }
    }

    /// Where the figures are from, in one line.
    fn provenance(&self) -> String {
        let position = self
            .position
            .map_or_else(|| "empty".to_owned(), |position| position.to_string());
        let clock = if self.simulated_clock {
            ", simulated clock"
        } else {
            ""
        };
        format!("{} as of entry {position}{clock}", self.origin)
    }

    /// The groups of lines that have one office and period, in order.
    fn groups(&self) -> impl Iterator<Item = &[Line]> {
        self.lines
            .chunk_by(|a, b| (a.office, a.period) == (b.office, b.period))
    }

    /// Fails when a period is declared complete that is not over.
    fn check_complete(&self, options: &Options) -> Result<(), ExchangeError> {
        let today = self.recorded_at.date();
        let early = self
            .lines
            .iter()
            .find(|line| line.period.last_day() >= today);
        match early {
            Some(line) if options.complete => Err(ExchangeError::NotOver {
                period: line.period,
                last_day: line.period.last_day(),
                today,
            }),
            _ => Ok(()),
        }
    }
}

impl Line {
    /// What goes into a system of data elements: the value, and what a rate was computed from.
    fn elements<'a>(&'a self) -> impl Iterator<Item = (String, &'a str)> {
        let part = |suffix: &str, value: Option<&'a str>| {
            let name = format!("{}{suffix}", self.element);
            value.map(|value| (name, value))
        };
        // A rate that nothing can be said of is left out as a whole.
        let said = self.value.is_some();
        [
            part("", self.value.as_deref()),
            part("_numerator", self.numerator.as_deref()).filter(|_| said),
            part("_denominator", self.denominator.as_deref()).filter(|_| said),
        ]
        .into_iter()
        .flatten()
    }
}

fn lines(sheet: &Sheet) -> Vec<Line> {
    let line = |element: &str| Line {
        office: sheet.head.office.code,
        period: sheet.head.period,
        element: element.to_owned(),
        value: None,
        numerator: None,
        denominator: None,
        interval: (None, None),
        unit: None,
        verdict: None,
        reason: None,
    };
    let counted = |figure: &ShownFigure, element: &str| Line {
        value: figure.value.map(|value| value.to_string()),
        reason: figure.withheld.then(|| "withheld".to_owned()),
        ..line(element)
    };
    let figures = sheet
        .figures
        .iter()
        .map(|figure| counted(figure, &figure.id));
    let activities = sheet.activities.iter();
    let activities = activities.map(|figure| counted(figure, &format!("activity_{}", figure.id)));
    let rates = sheet.indicators.iter().map(|indicator| Line {
        value: value_of(indicator),
        numerator: indicator.numerator.map(|number| number.to_decimal(2)),
        denominator: indicator.denominator.map(|number| number.to_decimal(2)),
        interval: indicator.interval.as_ref().map_or((None, None), |limits| {
            (Some(limits.low.clone()), limits.high.clone())
        }),
        unit: word(&indicator.unit),
        verdict: indicator.verdict.as_ref().and_then(word),
        reason: indicator.reason.as_ref().map(|reason| reason.id.to_owned()),
        ..line(indicator.id)
    });
    figures.chain(activities).chain(rates).collect()
}

/// The value, unless there is a reason why nothing can be said.
fn value_of(indicator: &Indicator) -> Option<String> {
    let said = indicator.reason.is_none();
    indicator.value.clone().filter(|_| said)
}

/// The word of an enum as JSON has it.
fn word(value: &impl serde::Serialize) -> Option<String> {
    let value = serde_json::to_value(value).ok()?;
    value.as_str().map(str::to_owned)
}
