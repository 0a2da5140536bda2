//! The months of an office for the public.
//!
//! What comes in: a monthly report, and what is published of its position. What goes out:
//! [`PublicMonths`], in which a count may be withheld, and its text. What may fail: a template.
//! What must stay true: what is withheld is not in it; the limits of a month, which come from the
//! other months, are left out, because they would give a withheld month away.

use std::collections::BTreeMap;

use serde::Serialize;

use super::view::events;
use super::{Month, MonthlyReport};
use crate::indicators::counted::Counted;
use crate::locale::{Language, Note};
use crate::model::period::Period;
use crate::report::ReportError;
use crate::report::heading::Head;
use crate::report::page::Page;
use crate::report::render::{Format, count_text};
use crate::report::suppression::Publication;
use crate::report::workbook;

/// One month, or the whole period, as far as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicMonth {
    /// Which.
    pub period: Period,
    /// Counts by name; nothing where they are withheld.
    pub figures: BTreeMap<&'static str, Option<i128>>,
    /// The names of those that are withheld.
    pub withheld: Vec<&'static str>,
}

/// A period month by month, for the public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicMonths {
    /// Name and version of this structure.
    pub format: &'static str,
    /// The smallest count that is shown beside 0.
    pub smallest_shown: u64,
    /// Whose, which period, as of when.
    #[serde(flatten)]
    pub head: Head,
    /// The months, in order.
    pub months: Vec<PublicMonth>,
    /// The period as a whole.
    pub total: PublicMonth,
    /// What the reader must know.
    pub notes: Vec<Note>,
}

impl PublicMonths {
    /// What is published of a report.
    #[must_use]
    pub fn of(report: &MonthlyReport, publication: &Publication) -> Self {
        let office = report.head.office.code;
        let month = |month: &Month| {
            let shown = |counted: &Counted| publication.shows(office, counted.id(), month.period);
            let value = |counted: Counted| {
                let value = month.figures.get(counted);
                (counted.id(), Some(value).filter(|_| shown(&counted)))
            };
            let withheld = Counted::listed().filter(|counted| !shown(counted));
            PublicMonth {
                period: month.period,
                figures: Counted::listed().map(value).collect(),
                withheld: withheld.map(Counted::id).collect(),
            }
        };
        let mut notes = publication.notes(&report.head);
        let kept = ["before_the_end", "counting", "monthly_residents"];
        let kept = report.notes.iter().filter(|note| kept.contains(&note.id));
        notes.extend(kept.cloned());
        Self {
            format: "vitaledger-monthly-public/1",
            smallest_shown: publication.smallest_shown,
            head: report.head.clone(),
            months: report.months.iter().map(month).collect(),
            total: month(&report.total),
            notes,
        }
    }

    fn page(&self, language: Language) -> Page {
        let mut page = Page::new(&self.head, "monthly-title", &self.notes, language);
        let mut rows: Vec<_> = self
            .months
            .iter()
            .map(|month| (month.period.to_string(), month))
            .collect();
        if rows.len() > 1 {
            rows.push((page.t("row-total"), &self.total));
        }
        let section = events(&page, rows, |month, counted| {
            count_text(month.figures.get(counted.id()).copied().flatten())
        });
        page.sections.push(section);
        page
    }

    /// Writes the months in a format and a language.
    ///
    /// # Errors
    /// When a template cannot be filled.
    pub fn render(&self, format: Format, language: Language) -> Result<String, ReportError> {
        match format {
            Format::Json => Ok(serde_json::to_string_pretty(self)? + "\n"),
            _ => self.page(language).write(format),
        }
    }

    /// Writes the months as an Excel workbook.
    ///
    /// # Errors
    /// When the format cannot hold it.
    pub fn workbook(&self, language: Language) -> Result<Vec<u8>, ReportError> {
        workbook::of_page(&self.page(language), self.head.recorded_at)
    }
}
