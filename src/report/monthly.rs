//! The monthly report of an office: a period month by month.
//!
//! What comes in: a snapshot, an office, and a period. What goes out: a [`MonthlyReport`] with the figures of every month and of the whole, and for each
//! kind of event a [`Series`] with the limits within which chance alone keeps a month. What may
//! fail: an office that is not registered. What must stay true: the months of a flow add up to its
//! total; a month takes no part in its own limits, and one that is not over has none; what lies
//! outside is a question to the office and no finding.

mod public;
mod view;

pub use self::public::PublicMonths;
use chrono::{Datelike, NaiveDate};

use serde::Serialize;

use super::ReportError;
use super::heading::Head;
use super::render::Format;
use super::workbook;
use crate::indicators::counted::{Counted, Figures};
use crate::indicators::monthly::{MonthCounts, Monthly, ReturnsOfMonth};
use crate::locale::{Bilingual, Language, Note};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::registers::snapshot::Snapshot;
use crate::statistics::control;
use crate::statistics::rational::Rational;

/// The events whose months are held against one another.
pub const SERIES: [Counted; 6] = [
    Counted::Births,
    Counted::Deaths,
    Counted::Marriages,
    Counted::Divorces,
    Counted::Arrivals,
    Counted::Departures,
];
/// Decimals of what is expected of a month.
const EXPECTED_DECIMALS: u32 = 1;

/// One month, or the whole period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Month {
    /// Which.
    pub period: Period,
    /// Whether the ledger has come to its first day.
    pub begun: bool,
    /// Whether the ledger has passed its last day.
    pub over: bool,
    /// Everything that is counted, by name; stocks are those of the last day.
    pub figures: Figures,
    /// The villages' monthly returns.
    pub returns: ReturnsOfMonth,
    /// Births of it that were reported within 30 days, per cent; absent where there is none.
    pub timeliness: Option<String>,
}

/// The least and the most events of a month that are no surprise beside the other months.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MonthLimits {
    /// The least.
    pub low: u64,
    /// The most.
    pub high: u64,
}

impl From<control::Limits> for MonthLimits {
    fn from(limits: control::Limits) -> Self {
        Self {
            low: limits.low,
            high: limits.high,
        }
    }
}

/// A month of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// Which.
    pub month: Period,
    /// The count.
    pub value: u64,
    /// What the other months lead one to expect of it, by their days.
    pub expected: Option<String>,
    /// The smallest count that is no surprise beside the others.
    pub low: Option<u64>,
    /// The largest.
    pub high: Option<u64>,
    /// Whether it lies outside; absent without limits.
    pub outside: Option<bool>,
}

/// The months of one kind of event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Series {
    /// Stable name of what is counted.
    pub id: &'static str,
    /// Its name.
    pub title: Bilingual,
    /// The months, in order.
    pub points: Vec<Point>,
}

/// A period month by month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MonthlyReport {
    /// Name and version of this structure.
    pub format: &'static str,
    /// Whose, which period, as of when.
    #[serde(flatten)]
    pub head: Head,
    /// The months, in order.
    pub months: Vec<Month>,
    /// The period as a whole.
    pub total: Month,
    /// Events with the limits of chance.
    pub series: Vec<Series>,
    /// What the reader must know.
    pub notes: Vec<Note>,
}

impl MonthlyReport {
    /// Builds the report from what was current at a position.
    ///
    /// # Errors
    /// When the office is not registered at that position.
    pub fn build(
        snapshot: &Snapshot,
        office: OfficeCode,
        period: Period,
    ) -> Result<Self, ReportError> {
        let head = Head::of(snapshot, office, period)?;
        let Monthly {
            total,
            returns,
            months,
        } = Monthly::of(snapshot, office, period);
        let today = snapshot.recorded_at.date();
        let month = |counts: MonthCounts| Month {
            begun: counts.month.first_day() <= today,
            over: counts.month.last_day() < today,
            timeliness: timeliness(&counts.figures),
            period: counts.month,
            figures: counts.figures,
            returns: counts.returns,
        };
        let months: Vec<Month> = months.into_iter().map(month).collect();
        let series: Vec<Series> = SERIES
            .iter()
            .map(|one| series(*one, &months, today))
            .collect();
        Ok(Self {
            format: "vitaledger-monthly/1",
            notes: notes(&head, &months, &series),
            total: month(MonthCounts {
                month: period,
                figures: total,
                returns,
            }),
            head,
            months,
            series,
        })
    }

    /// The calendar year of the last entry, for a report of no period in particular.
    #[must_use]
    pub fn usual_period(snapshot: &Snapshot) -> Period {
        Period::Year(snapshot.recorded_at.date().year())
    }

    /// The series of that name.
    #[must_use]
    pub fn series_of(&self, id: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.id == id)
    }

    /// Writes the report as an Excel workbook.
    ///
    /// # Errors
    /// When the format cannot hold it.
    pub fn workbook(&self, language: Language) -> Result<Vec<u8>, ReportError> {
        workbook::of_page(&view::page(self, language), self.head.recorded_at)
    }

    /// Writes the report in a format and a language. JSON carries both languages.
    ///
    /// # Errors
    /// When a template cannot be filled.
    pub fn render(&self, format: Format, language: Language) -> Result<String, ReportError> {
        match format {
            Format::Json => Ok(serde_json::to_string_pretty(self)? + "\n"),
            _ => view::page(self, language).write(format),
        }
    }
}

fn timeliness(figures: &Figures) -> Option<String> {
    let share = Rational::new(
        figures.get(Counted::BirthsTimely) * 100,
        figures.get(Counted::Births),
    );
    share.map(|share| share.to_decimal(1))
}

/// The limits that the other months give each month, by their days. Only months that are over on
/// the day are held against one another; the others have no limits.
#[must_use]
pub fn month_limits(months: &[(Period, u64)], today: NaiveDate) -> Vec<Option<control::Limits>> {
    let is_over = |month: Period| month.last_day() < today;
    let over = months.iter().filter(|(month, _)| is_over(*month));
    let (days, counts): (Vec<u64>, Vec<u64>) =
        over.map(|(month, count)| (days_of(*month), *count)).unzip();
    let mut places = 0..counts.len();
    let mut limits = |month: Period| {
        let place = is_over(month).then(|| places.next()).flatten()?;
        control::limits(&counts, &days, place)
    };
    months.iter().map(|(month, _)| limits(*month)).collect()
}

/// The months of one kind of event.
fn series(counted: Counted, months: &[Month], today: NaiveDate) -> Series {
    let count = |month: &Month| (month.period, month.figures.count_of(counted));
    let counts: Vec<_> = months.iter().map(count).collect();
    let limits = month_limits(&counts, today);
    let point = |(month, limits): (&Month, Option<control::Limits>)| {
        let value = month.figures.count_of(counted);
        Point {
            month: month.period,
            value,
            expected: limits.and_then(|limits| {
                let (own, rest) = limits.exposure;
                let product = i128::from(limits.others) * i128::from(own);
                let expected = Rational::new(product, i128::from(rest))?;
                Some(expected.to_decimal(EXPECTED_DECIMALS))
            }),
            low: limits.map(|limits| limits.low),
            high: limits.map(|limits| limits.high),
            outside: limits.map(|limits| !limits.contain(value)),
        }
    };
    Series {
        id: counted.id(),
        title: counted.title(),
        points: months.iter().zip(limits).map(point).collect(),
    }
}

fn days_of(month: Period) -> u64 {
    let days = (month.last_day() - month.first_day()).num_days() + 1;
    u64::try_from(days).unwrap_or(0)
}

fn notes(head: &Head, months: &[Month], series: &[Series]) -> Vec<Note> {
    let mut notes: Vec<Note> = head.before_the_end().into_iter().collect();
    notes.push(Note::new("counting", &[]));
    notes.push(Note::new("monthly_residents", &[]));
    notes.push(Note::new("monthly_late_reports", &[]));
    let points = || series.iter().flat_map(|series| &series.points);
    if points().any(|point| point.low.is_some()) {
        notes.push(Note::new("control_limits", &[]));
    } else {
        let over = months.iter().filter(|month| month.over).count();
        let needed = (control::LEAST_OTHERS + 1).to_string();
        let args = [("over", over.to_string()), ("needed", needed)];
        let args = args.each_ref().map(|(name, value)| (*name, value.as_str()));
        notes.push(Note::new("no_control_limits", &args));
    }
    if points().any(|point| point.outside == Some(true)) {
        notes.push(Note::new("outside_limits", &[]));
    }
    notes.push(Note::new("not_for_publication", &[]));
    notes
}
