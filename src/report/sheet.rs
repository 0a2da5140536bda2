//! What a reader of a report is shown: the figures of the office itself, or those of the public.
//!
//! What comes in: a report. What goes out: a [`Sheet`], in which a figure may be withheld, and
//! from which every format is written. What may fail: nothing. What must stay true: what is
//! withheld is not in the sheet, so that no format can show it.

use serde::Serialize;

use super::half_year::{Figure, HalfYearReport, ReportedMonth};
use super::heading::Head;
use super::monthly::MonthLimits;
use super::render::{self, Format};
use super::{ReportError, workbook};
use crate::indicators::Indicator;
use crate::indicators::plan::PlanSource;
use crate::locale::{Bilingual, Language, Note};
use crate::model::period::Period;

/// What stands in the place of a figure that is withheld.
pub const WITHHELD: &str = "…";

/// One figure, as far as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownFigure {
    /// Stable name.
    pub id: String,
    /// Its name.
    pub title: Bilingual,
    /// The count; absent where it is withheld.
    pub value: Option<i128>,
    /// Whether it is withheld.
    pub withheld: bool,
    /// What should be known beside it.
    pub remark: Option<Bilingual>,
}

/// Births of one month, as far as they are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownMonth {
    /// The month.
    pub month: Period,
    /// Births that happened in it; absent where they are withheld.
    pub register: Option<u64>,
    /// Births in the monthly returns; absent when no office sent one, or where they are withheld.
    pub returned: Option<i128>,
    /// What chance alone gives.
    pub limits: Option<MonthLimits>,
    /// Whether the births are withheld.
    pub withheld: bool,
}

/// Everything that a reader is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sheet {
    /// Name and version of this structure.
    pub format: &'static str,
    /// The smallest count that the public is shown beside 0; absent where nothing is withheld.
    pub smallest_shown: Option<u64>,
    /// What it is about.
    #[serde(flatten)]
    pub head: Head,
    /// Where the targets are from.
    pub plan: PlanSource,
    /// Counts.
    pub figures: Vec<ShownFigure>,
    /// Quantities of activities by kind.
    pub activities: Vec<ShownFigure>,
    /// Births by month.
    pub births_by_month: Vec<ShownMonth>,
    /// Indicators with targets and verdicts.
    pub indicators: Vec<Indicator>,
    /// What the reader must know.
    pub notes: Vec<Note>,
}

impl From<&Figure> for ShownFigure {
    fn from(figure: &Figure) -> Self {
        Self {
            id: figure.id.clone(),
            title: figure.title.clone(),
            value: Some(figure.value),
            withheld: false,
            remark: figure.remark.clone(),
        }
    }
}

impl From<&ReportedMonth> for ShownMonth {
    fn from(month: &ReportedMonth) -> Self {
        Self {
            month: month.month,
            register: Some(month.register),
            returned: month.returned,
            limits: month.limits,
            withheld: false,
        }
    }
}

impl Sheet {
    /// Writes the sheet in a format and a language. JSON carries both languages.
    ///
    /// # Errors
    /// When a template cannot be filled.
    pub fn render(&self, format: Format, language: Language) -> Result<String, ReportError> {
        render::render(self, format, language)
    }

    /// Writes the sheet as an Excel workbook.
    ///
    /// # Errors
    /// When the format cannot hold it.
    pub fn workbook(&self, language: Language) -> Result<Vec<u8>, ReportError> {
        workbook::write(self, language)
    }

    /// Everything, for the office itself.
    #[must_use]
    pub fn of(report: &HalfYearReport) -> Self {
        Self {
            format: report.format,
            smallest_shown: None,
            head: report.head.clone(),
            plan: report.plan.clone(),
            figures: report.figures.iter().map(ShownFigure::from).collect(),
            activities: report.activities.iter().map(ShownFigure::from).collect(),
            births_by_month: report
                .births_by_month
                .iter()
                .map(ShownMonth::from)
                .collect(),
            indicators: report.indicators.clone(),
            notes: report.notes.clone(),
        }
    }
}
