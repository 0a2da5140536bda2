//! Counting as a return counts: what happened in its period and had been reported by its day.
//!
//! What comes in: a snapshot, an office, a period, and the day on which the return is submitted,
//! or none for everything that is known. What goes out: one count per line of a return. What may
//! fail: nothing. What must stay true: what a line counts is said in [`counted`](super::counted)
//! alone; here stands only which lines a return has, in which order and under which names.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::counted::{Counted, Figures, Window};
use super::counts::offices_within;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::registers::snapshot::Snapshot;

/// The lines of a return that are counted, in its order, under the names that returns give them.
pub const LINES: [(&str, Counted); 9] = [
    ("births", Counted::Births),
    ("births_male", Counted::BirthsMale),
    ("births_female", Counted::BirthsFemale),
    ("marriages", Counted::Marriages),
    ("divorces", Counted::Divorces),
    ("deaths", Counted::Deaths),
    ("arrivals", Counted::Arrivals),
    ("departures", Counted::Departures),
    ("population", Counted::Residents),
];

/// What a line of that name counts; nothing when it is only quoted.
#[must_use]
pub fn line_named(name: &str) -> Option<Counted> {
    let line = LINES.iter().find(|(known, _)| *known == name);
    line.map(|(_, counted)| *counted)
}

/// Counts of the lines of a return, by name; each of [`LINES`] is there.
#[must_use]
pub fn returned(
    snapshot: &Snapshot,
    office: OfficeCode,
    period: Period,
    reported_by: Option<NaiveDate>,
) -> BTreeMap<&'static str, i128> {
    let within = offices_within(&snapshot.offices, office);
    let window = Window::as_returned(period, reported_by);
    let figures = Figures::count(snapshot, &within, &[window]);
    let of = |counted| figures.first().map_or(0, |figures| figures.get(counted));
    LINES
        .into_iter()
        .map(|(name, counted)| (name, of(counted)))
        .collect()
}
