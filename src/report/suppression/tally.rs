//! What is counted of each office and month, as small as any published figure could be made of.
//!
//! What comes in: a snapshot. What goes out: counts by part, office of the record and month, and
//! stocks by office and month's end. What may fail: nothing. What must stay true: it counts as
//! [`Counts`](crate::indicators::counts::Counts) counts, record for record, so that the sums of
//! its counts are the figures of the reports.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::indicators::counted::WOMEN_AGES;
use crate::indicators::counts::CHECKUP;
use crate::model::code::{MaritalStatus, RegistrationKind, Sex, Source};
use crate::model::id::OfficeCode;
use crate::model::time::{age_in_years, month_number};
use crate::registers::snapshot::Snapshot;

/// Months before the last one that are looked at; what is older belongs to no published period.
const MAX_MONTHS: i32 = 600;

/// Boys.
pub const MALE: &str = "male";
/// Girls.
pub const FEMALE: &str = "female";
/// Sex not stated, or not readable.
pub const UNSTATED: &str = "unstated";

/// Registrations that are events, and the figures that count them.
pub const EVENTS: [(RegistrationKind, &str); 5] = [
    (RegistrationKind::Death, "deaths"),
    (RegistrationKind::Marriage, "marriages"),
    (RegistrationKind::Divorce, "divorces"),
    (RegistrationKind::Arrival, "arrivals"),
    (RegistrationKind::Departure, "departures"),
];

/// The smallest parts that figures are sums of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Live births by sex: [`MALE`], [`FEMALE`] or [`UNSTATED`].
    Births(&'static str),
    /// Registrations of a kind.
    Events(RegistrationKind),
    /// Pregnancy losses.
    Losses,
    /// Quantities of a kind of activity.
    Activity(String),
    /// Preconception checks that were due.
    Checks {
        /// Whether they were done.
        done: bool,
    },
}

impl Part {
    /// By how much one of these changes the number of residents; `None` where it does not.
    pub fn adds_residents(&self) -> Option<i64> {
        match self {
            Self::Births(_) | Self::Events(RegistrationKind::Arrival) => Some(1),
            Self::Events(RegistrationKind::Death | RegistrationKind::Departure) => Some(-1),
            _ => None,
        }
    }
}

/// Numbers of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stock {
    /// Residents.
    Residents,
    /// Households.
    Households,
    /// Married women of the counted ages.
    MarriedWomen,
}

impl Stock {
    /// Every stock.
    pub const ALL: [Self; 3] = [Self::Residents, Self::Households, Self::MarriedWomen];

    /// The name of its figure.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Residents => "residents",
            Self::Households => "households",
            Self::MarriedWomen => "married_women_15_49",
        }
    }
}

/// The counts of a snapshot.
#[derive(Debug, Default)]
pub struct Tally {
    /// First and last month by [`month_number`]: from the first record to the last month that is
    /// over at the snapshot's position.
    pub months: (i32, i32),
    /// What happened, by part, office of the record and month.
    pub flows: BTreeMap<(Part, OfficeCode, i32), i64>,
    /// By how much a stock changes in a month.
    changes: BTreeMap<(Stock, OfficeCode), BTreeMap<i32, i64>>,
}

/// The first day of a month by its number.
fn first_day(month: i32) -> NaiveDate {
    let of_year = u32::try_from(month.rem_euclid(12)).unwrap_or(0) + 1;
    NaiveDate::from_ymd_opt(month.div_euclid(12), of_year, 1).unwrap_or_default()
}

fn last_day(month: i32) -> NaiveDate {
    first_day(month + 1).pred_opt().unwrap_or_default()
}

impl Tally {
    /// Counts a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut tally = Self::default();
        tally.births(snapshot);
        tally.registrations(snapshot);
        tally.activities(snapshot);
        for loss in snapshot.losses.values() {
            let office = Some(loss.office);
            tally.add(
                snapshot,
                Part::Losses,
                (Some(loss.source), office),
                Some(loss.occurred_on),
                1,
            );
        }
        let today = snapshot.recorded_at.date();
        let current = month_number(today);
        let over = last_day(current) <= today;
        let last = if over { current } else { current - 1 };
        let of_flows = tally.flows.keys().map(|(_, _, month)| *month);
        let of_stocks = tally
            .changes
            .values()
            .flat_map(|changes| changes.keys().copied());
        let first = of_flows.chain(of_stocks).min().unwrap_or(last);
        tally.months = (first.max(last - MAX_MONTHS + 1), last);
        tally.married_women(snapshot);
        tally
    }

    /// The offices that report anything, by code.
    pub fn offices(&self) -> Vec<OfficeCode> {
        let of_flows = self.flows.keys().map(|(_, office, _)| *office);
        let of_stocks = self.changes.keys().map(|(_, office)| *office);
        let all: BTreeSet<OfficeCode> = of_flows.chain(of_stocks).collect();
        all.into_iter().collect()
    }

    /// The parts that there are.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        let parts: BTreeSet<&Part> = self.flows.keys().map(|(part, _, _)| part).collect();
        parts.into_iter()
    }

    /// The part as it stands in the tally, if there is one.
    pub fn part(&self, wanted: &Part) -> Option<&Part> {
        self.parts().find(|part| *part == wanted)
    }

    /// A stock of an office alone on the last day of a month.
    pub fn stock(&self, stock: Stock, office: OfficeCode, month: i32) -> i64 {
        let changes = self.changes.get(&(stock, office));
        changes.map_or(0, |changes| changes.range(..=month).map(|(_, by)| by).sum())
    }

    /// Adds to a part what an office reported itself; other sources are copies.
    fn add(
        &mut self,
        snapshot: &Snapshot,
        part: Part,
        from: (Option<Source>, Option<OfficeCode>),
        on: Option<NaiveDate>,
        by: i64,
    ) {
        if let (Some(office), Some(day)) = (of_record(snapshot, from.0, from.1), on) {
            *self
                .flows
                .entry((part, office, month_number(day)))
                .or_default() += by;
        }
    }

    fn change(&mut self, stock: Stock, office: OfficeCode, known: Option<NaiveDate>, by: i64) {
        if let Some(day) = known {
            let changes = self.changes.entry((stock, office)).or_default();
            *changes.entry(month_number(day)).or_default() += by;
        }
    }

    fn births(&mut self, snapshot: &Snapshot) {
        for (_, fields) in snapshot.births() {
            let sex = match fields.sex {
                Some(Sex::Male) => MALE,
                Some(Sex::Female) => FEMALE,
                _ => UNSTATED,
            };
            self.add(
                snapshot,
                Part::Births(sex),
                (fields.source, fields.office),
                fields.occurred_on,
                1,
            );
            if let Some(office) = of_record(snapshot, fields.source, fields.office) {
                let known = known_on(fields.occurred_on, fields.reported_on);
                self.change(Stock::Residents, office, known, 1);
            }
        }
    }

    fn registrations(&mut self, snapshot: &Snapshot) {
        for (_, fields) in snapshot.registrations() {
            let Some(office) = of_record(snapshot, fields.source, fields.office) else {
                continue;
            };
            let Some(kind) = fields.kind else { continue };
            let known = known_on(fields.occurred_on, fields.reported_on);
            if EVENTS.iter().any(|(event, _)| *event == kind) {
                let part = Part::Events(kind);
                self.add(
                    snapshot,
                    part,
                    (fields.source, Some(office)),
                    fields.occurred_on,
                    1,
                );
            }
            match kind {
                RegistrationKind::Household => self.change(Stock::Households, office, known, 1),
                RegistrationKind::Resident | RegistrationKind::Arrival => {
                    self.change(Stock::Residents, office, known, 1);
                }
                RegistrationKind::Death | RegistrationKind::Departure => {
                    self.change(Stock::Residents, office, known, -1);
                }
                RegistrationKind::Marriage | RegistrationKind::Divorce => {}
            }
        }
    }

    fn activities(&mut self, snapshot: &Snapshot) {
        for (_, fields) in snapshot.activities() {
            let (Some(kind), Some(quantity)) = (&fields.kind, fields.quantity) else {
                continue;
            };
            let from = (fields.source, fields.office);
            let mut add = |part, by| self.add(snapshot, part, from, fields.occurred_on, by);
            if kind.0 != CHECKUP {
                add(Part::Activity(kind.0.clone()), quantity);
            } else if let Some(due) = fields.eligible {
                add(Part::Checks { done: true }, quantity);
                add(Part::Checks { done: false }, due.saturating_sub(quantity));
            }
        }
    }

    /// Married women change with every birthday, so each month's end is counted by itself.
    fn married_women(&mut self, snapshot: &Snapshot) {
        let mut women: Vec<(OfficeCode, NaiveDate, NaiveDate)> = Vec::new();
        for (row, fields) in snapshot.registrations() {
            let counted = fields.kind == Some(RegistrationKind::Resident)
                && fields.sex == Some(Sex::Female)
                && fields.marital_status == Some(MaritalStatus::Married);
            let office = of_record(snapshot, fields.source, fields.office).filter(|_| counted);
            let known = known_on(fields.occurred_on, fields.reported_on);
            let born = snapshot.born_on.get(&row.record_id);
            if let (Some(office), Some(known), Some(born)) = (office, known, born) {
                women.push((office, known, *born));
            }
        }
        let mut before: BTreeMap<OfficeCode, i64> = BTreeMap::new();
        for month in self.months.0..=self.months.1 {
            let day = last_day(month);
            let mut now: BTreeMap<OfficeCode, i64> = BTreeMap::new();
            for (office, known, born) in &women {
                let years = age_in_years(*born, day).filter(|_| *known <= day);
                if years.is_some_and(|years| WOMEN_AGES.contains(&years)) {
                    *now.entry(*office).or_default() += 1;
                }
            }
            let both: BTreeSet<OfficeCode> = before.keys().chain(now.keys()).copied().collect();
            for office in both {
                let of = |counts: &BTreeMap<_, i64>| counts.get(&office).copied().unwrap_or(0);
                let by = of(&now) - of(&before);
                self.change(Stock::MarriedWomen, office, Some(first_day(month)), by);
            }
            before = now;
        }
    }
}

/// The office, where its own report is the count of record.
fn of_record(
    snapshot: &Snapshot,
    source: Option<Source>,
    office: Option<OfficeCode>,
) -> Option<OfficeCode> {
    let is_own = source == Some(Source::Village);
    office.filter(|code| is_own && snapshot.offices.get(*code).is_some())
}

/// From when on it has happened and is known.
fn known_on(occurred: Option<NaiveDate>, reported: Option<NaiveDate>) -> Option<NaiveDate> {
    occurred.zip(reported).map(|(one, other)| one.max(other))
}
