//! Counting: from the rows of a snapshot to the numbers that indicators are made of.
//!
//! What comes in: a snapshot, an office and a period. What goes out: [`Counts`]. What may fail:
//! nothing; what is not stated is not counted, and how much that is stands beside the count. What
//! must stay true: records are counted as [`counted`](super::counted) says, in one pass; an office
//! counts with all offices below it; of a return that was sent again the last submitted counts.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{Months, NaiveDate};
use serde::Serialize;

use super::counted::{Counted, Figures, Window};
use super::money::{Funding, Rewards};
use super::targets::Targets;
use crate::model::code::{OfficeLevel, Source};
use crate::model::fields::ReturnFields;
use crate::model::id::OfficeCode;
use crate::model::office::OfficeDirectory;
use crate::model::period::Period;
use crate::registers::snapshot::Snapshot;

/// Kind of the activity whose coverage is an indicator of its own.
pub const CHECKUP: &str = "preconception_checkup";
/// Indicators that are only ever quoted from an office's returns, under these names.
pub const QUOTED: [&str; 6] = [
    "satisfaction",
    "policy_compliance",
    "share_outside_policy",
    "association_good_first_class",
    "association_good_qualified",
    "association_good_general",
];

/// Births of one month: what the register holds now, and what the month's returns said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MonthOfBirths {
    /// The month.
    pub month: Period,
    /// Births that happened in it.
    pub register: u64,
    /// Births in the monthly returns; `None` when no office sent one.
    pub returned: Option<i128>,
}

/// What the monthly returns of the villages sum up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MonthlyReturns {
    /// Sum of their births.
    pub births: i128,
    /// Returns that are there.
    pub received: u64,
    /// Returns that are expected: one a month from every village.
    pub expected: u64,
}

/// Checks done of those due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// Done.
    pub done: i128,
    /// Due.
    pub eligible: i128,
}

/// Everything that is counted for one office and one period.
#[derive(Debug, Clone, Serialize)]
pub struct Counts {
    /// The period.
    pub period: Period,
    /// What is counted record by record, and the births in returns.
    #[serde(flatten)]
    pub figures: Figures,
    /// Residents at the end of the first day.
    pub residents_first_day: i128,
    /// Births by month.
    pub months: Vec<MonthOfBirths>,
    /// The monthly returns.
    pub returns: MonthlyReturns,
    /// Activities by kind.
    pub activities: BTreeMap<String, i128>,
    /// Preconception checks; `None` when no record states both numbers.
    pub checks: Option<Checks>,
    /// Rewards.
    pub rewards: Rewards,
    /// Programme funding; `None` when nothing was appropriated.
    pub funding: Option<Funding>,
    /// Figures that the office itself reported for this very period, word for word.
    pub quoted: BTreeMap<&'static str, String>,
}

/// An office and all offices below it.
#[must_use]
pub fn offices_within(offices: &OfficeDirectory, top: OfficeCode) -> HashSet<OfficeCode> {
    let all = offices.all().into_iter().map(|office| office.code);
    all.filter(|code| offices.is_within(*code, top)).collect()
}

/// An office with all offices below it, in a snapshot.
pub(super) struct Scope<'a> {
    pub(super) snapshot: &'a Snapshot,
    codes: HashSet<OfficeCode>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, top: OfficeCode) -> Self {
        Self {
            snapshot,
            codes: offices_within(&snapshot.offices, top),
        }
    }

    pub(super) fn has(&self, office: Option<OfficeCode>) -> bool {
        office.is_some_and(|code| self.codes.contains(&code))
    }

    pub(super) fn is_of_record(&self, source: Option<Source>, office: Option<OfficeCode>) -> bool {
        source == Some(Source::Village) && self.has(office)
    }

    pub(super) fn count(&self, windows: &[Window]) -> Vec<Figures> {
        Figures::count(self.snapshot, &self.codes, windows)
    }

    pub(super) fn residents_on(&self, day: NaiveDate) -> i128 {
        let counted = self.count(&[Window::on(day)]);
        counted.iter().map(|one| one.get(Counted::Residents)).sum()
    }

    /// Villages in it: each sends a return a month.
    pub(super) fn villages(&self) -> u64 {
        let is_village = |code: &&OfficeCode| {
            let office = self.snapshot.offices.get(**code);
            office.is_some_and(|office| office.level == OfficeLevel::Village)
        };
        self.codes.iter().filter(is_village).count() as u64
    }

    fn activities(&self, period: Period) -> (BTreeMap<String, i128>, Option<Checks>) {
        let mut kinds = BTreeMap::new();
        let mut checks: Option<Checks> = None;
        for (_, fields) in self.snapshot.activities() {
            let counted = self.is_of_record(fields.source, fields.office)
                && fields.occurred_on.is_some_and(|day| period.contains(day));
            let (Some(kind), Some(quantity), true) = (&fields.kind, fields.quantity, counted)
            else {
                continue;
            };
            if kind.0 != CHECKUP {
                *kinds.entry(kind.0.clone()).or_default() += i128::from(quantity);
            } else if let Some(eligible) = fields.eligible {
                let sum = checks.get_or_insert_default();
                sum.done += i128::from(quantity);
                sum.eligible += i128::from(eligible);
            }
        }
        (kinds, checks)
    }

    /// The value of `births` in the last submitted return of each village and month.
    pub(super) fn returned_births(&self, period: Period) -> Returned {
        let village = |code: &OfficeCode| {
            let office = self.snapshot.offices.get(*code);
            office.is_some_and(|office| office.level == OfficeLevel::Village)
        };
        let monthly = |fields: &ReturnFields| {
            let month = fields.period?;
            let wanted = matches!(month, Period::Month(..))
                && period.contains(month.first_day())
                && fields.indicator.as_ref().is_some_and(|i| i.0 == "births")
                && self.is_of_record(fields.source, fields.office);
            wanted.then_some((fields.office.filter(village)?, month))
        };
        self.last_submitted(monthly)
            .into_iter()
            .filter_map(|(key, text)| Some((key, text.parse().ok()?)))
            .collect()
    }

    /// Values of return lines by a key; where one was sent again, the last submitted counts.
    fn last_submitted<K: Eq + std::hash::Hash>(
        &self,
        key: impl Fn(&ReturnFields) -> Option<K>,
    ) -> HashMap<K, String> {
        let mut last: HashMap<K, (Option<NaiveDate>, String)> = HashMap::new();
        // Rows come in order of position: of two submitted on one day the later entry counts.
        for (_, fields) in self.snapshot.returns() {
            let (Some(key), Some(value)) = (key(fields), &fields.value) else {
                continue;
            };
            let earlier = last.get(&key).map(|(day, _)| *day);
            if earlier.is_none_or(|day| day <= fields.submitted_on) {
                last.insert(key, (fields.submitted_on, value.0.clone()));
            }
        }
        last.into_iter()
            .map(|(key, (_, value))| (key, value))
            .collect()
    }

    fn quoted(&self, office: OfficeCode, period: Period) -> BTreeMap<&'static str, String> {
        let own = |fields: &ReturnFields| {
            let is_own = fields.office == Some(office)
                && fields.period == Some(period)
                && fields.source == Some(Source::Village);
            let indicator = fields.indicator.as_ref().filter(|_| is_own)?;
            QUOTED.into_iter().find(|name| *name == indicator.0)
        };
        self.last_submitted(own).into_iter().collect()
    }
}

impl Counts {
    /// Counts for an office, with those below it, and a period.
    #[must_use]
    pub fn of(snapshot: &Snapshot, office: OfficeCode, period: Period, targets: &Targets) -> Self {
        let scope = Scope::new(snapshot, office);
        let months: Vec<Period> = months_of(period).collect();
        let mut windows = vec![Window::of(period), Window::on(period.first_day())];
        windows.extend(months.iter().copied().map(Window::of));
        let mut counted = scope.count(&windows).into_iter();
        let mut figures = counted.next().unwrap_or_default();
        let first_day = counted.next().unwrap_or_default();
        let returned = scope.returned_births(period);
        let returns = MonthlyReturns {
            births: returned.values().sum(),
            received: returned.len() as u64,
            expected: scope.villages() * months.len() as u64,
        };
        figures.set(Counted::BirthsInReturns, returns.births);
        let (activities, checks) = scope.activities(period);
        // Programme money goes to townships and is judged there, also for a village of one.
        let township = Scope::new(snapshot, snapshot.offices.township_of(office));
        Self {
            period,
            figures,
            residents_first_day: first_day.get(Counted::Residents),
            months: months
                .into_iter()
                .zip(counted)
                .map(|(month, figures)| MonthOfBirths {
                    month,
                    register: figures.count_of(Counted::Births),
                    returned: sum_of_month(&returned, month),
                })
                .collect(),
            returns,
            activities,
            checks,
            rewards: scope.rewards(period, targets),
            funding: township.funding(period),
            quoted: scope.quoted(office, period),
        }
    }

    /// The number of what is counted.
    #[must_use]
    pub const fn get(&self, counted: Counted) -> i128 {
        self.figures.get(counted)
    }

    /// A number that cannot be negative.
    #[must_use]
    pub fn count_of(&self, counted: Counted) -> u64 {
        self.figures.count_of(counted)
    }
}

/// Values of a month's returns by village.
pub(super) type Returned = HashMap<(OfficeCode, Period), i128>;

/// The sum of a month's returns; `None` when no village sent one.
pub(super) fn sum_of_month(returned: &Returned, month: Period) -> Option<i128> {
    let of_month = returned.iter().filter(|((_, of), _)| *of == month);
    of_month
        .map(|(_, value)| *value)
        .reduce(|sum, value| sum + value)
}

/// The calendar months of a period.
pub fn months_of(period: Period) -> impl Iterator<Item = Period> {
    let last = period.last_day();
    std::iter::successors(Some(period.first_day()), |day| {
        day.checked_add_months(Months::new(1))
    })
    .take_while(move |day| *day <= last)
    .map(Period::month_of)
}
