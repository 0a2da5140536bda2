//! Counting as a return counts: what happened in its period and had been reported by its day.
//!
//! What comes in: a snapshot, an office, a period, and the day on which the return is submitted,
//! or none for everything that is known. What goes out: one count per indicator of a return.
//! What may fail: nothing. What must stay true: flows are of the period; the population is
//! resident records, births and arrivals less deaths and departures that had happened by its last
//! day; both only as far as they had been reported by the day; reports of the offices themselves
//! (source `village`) are what is counted, with the offices below.

use std::collections::{BTreeMap, HashSet};

use chrono::NaiveDate;

use crate::model::code::{RegistrationKind, Sex, Source};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::registers::snapshot::Snapshot;

/// The indicators that are counted, in the order of a return.
pub const COUNTED: [&str; 9] = [
    "births",
    "births_male",
    "births_female",
    "marriages",
    "divorces",
    "deaths",
    "arrivals",
    "departures",
    "population",
];

/// The one that is a stock: it is not summed over periods.
pub const POPULATION: &str = "population";

/// What is counted of one report: a day and an office, as stated.
struct Report {
    office: Option<OfficeCode>,
    source: Option<Source>,
    occurred_on: Option<NaiveDate>,
    reported_on: Option<NaiveDate>,
}

/// Counts of the indicators of a return, by name; each of [`COUNTED`] is there.
#[must_use]
pub fn returned(
    snapshot: &Snapshot,
    office: OfficeCode,
    period: Period,
    reported_by: Option<NaiveDate>,
) -> BTreeMap<&'static str, i128> {
    let offices = &snapshot.offices;
    let all = offices.all().into_iter().map(|one| one.code);
    let within: HashSet<OfficeCode> = all
        .filter(|code| offices.is_within(*code, office))
        .collect();
    let mut counts: BTreeMap<&'static str, i128> = COUNTED.map(|name| (name, 0)).into();
    let mut add = |report: &Report, flows: &[&'static str], population: i128| {
        let known = report.source == Some(Source::Village)
            && report.office.is_some_and(|code| within.contains(&code))
            && report
                .reported_on
                .is_some_and(|on| reported_by.is_none_or(|by| on <= by));
        let Some(day) = report.occurred_on.filter(|_| known) else {
            return;
        };
        let flows = flows.iter().filter(|_| period.contains(day));
        for name in flows {
            *counts.entry(name).or_default() += 1;
        }
        if day <= period.last_day() {
            *counts.entry(POPULATION).or_default() += population;
        }
    };
    for (_, fields) in snapshot.births() {
        let report = Report {
            office: fields.office,
            source: fields.source,
            occurred_on: fields.occurred_on,
            reported_on: fields.reported_on,
        };
        let flows: &[&'static str] = match fields.sex {
            Some(Sex::Male) => &["births", "births_male"],
            Some(Sex::Female) => &["births", "births_female"],
            _ => &["births"],
        };
        add(&report, flows, 1);
    }
    for (_, fields) in snapshot.registrations() {
        let report = Report {
            office: fields.office,
            source: fields.source,
            occurred_on: fields.occurred_on,
            reported_on: fields.reported_on,
        };
        let (flows, population): (&[&'static str], i128) = match fields.kind {
            Some(RegistrationKind::Resident) => (&[], 1),
            Some(RegistrationKind::Marriage) => (&["marriages"], 0),
            Some(RegistrationKind::Divorce) => (&["divorces"], 0),
            Some(RegistrationKind::Death) => (&["deaths"], -1),
            Some(RegistrationKind::Arrival) => (&["arrivals"], 1),
            Some(RegistrationKind::Departure) => (&["departures"], -1),
            _ => continue,
        };
        add(&report, flows, population);
    }
    counts
}
