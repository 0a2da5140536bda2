//! Counting: from the rows of a snapshot to the numbers that indicators are made of.
//!
//! What comes in: a snapshot, an office and a period. What goes out: [`Counts`]. What may fail:
//! nothing; what is not stated is not counted, and how much that is stands beside the count. What
//! must stay true: the reports of the offices themselves (source `village`) are the count of
//! record, copies of hospital, police and civil affairs are never added; an office counts with
//! all offices below it; a flow is what happened in the period; a stock is what had happened by
//! the last day and had been reported by it.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{Datelike, Months, NaiveDate};
use serde::Serialize;

use super::targets::Targets;
use crate::model::code::{Flow, MaritalStatus, OfficeLevel, RegistrationKind, Sex, Source};
use crate::model::fields::{DisbursementFields, ReturnFields};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::model::time::age_in_years;
use crate::registers::snapshot::Snapshot;

/// Days after a birth within which its report is in time (from 31 days on it is late).
pub const TIMELY_DAYS: i64 = 30;
/// Ages of the married women that are counted, both included.
pub const WOMEN_AGES: std::ops::RangeInclusive<i64> = 15..=49;
/// Kind of the activity whose coverage is an indicator of its own.
pub const CHECKUP: &str = "preconception_checkup";
/// Scheme of the money for the programme itself.
const FUNDING: &str = "programme_funding";
/// Indicators that are only ever quoted from an office's returns.
pub const QUOTED: [&str; 3] = ["satisfaction", "policy_compliance", "share_outside_policy"];

/// Births of the period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Births {
    /// All live births.
    pub total: u64,
    /// Boys.
    pub boys: u64,
    /// Girls.
    pub girls: u64,
    /// Reported within [`TIMELY_DAYS`].
    pub timely: u64,
}

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

/// Rewards of the period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rewards {
    /// Entitlements whose due date lies in the period and has passed, fen.
    pub due_fen: i128,
    /// Payments less reversals for them, fen.
    pub paid_fen: i128,
    /// The next due date of entitlements that touch the period, when it has not passed.
    pub next_due: Option<NaiveDate>,
}

/// Money for the programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Funding {
    /// Appropriations of the year, fen.
    pub amount_fen: i128,
    /// The day of the last of them.
    pub on: NaiveDate,
    /// Residents of the township on that day.
    pub residents: i128,
}

/// Everything that is counted for one office and one period.
#[derive(Debug, Clone, Serialize)]
pub struct Counts {
    /// The period.
    pub period: Period,
    /// Households on the last day.
    pub households: u64,
    /// Residents at the end of the first day.
    pub residents_first_day: i128,
    /// Residents on the last day.
    pub residents: i128,
    /// Married women aged 15 to 49 on the last day.
    pub married_women: u64,
    /// Married women whose birth date is erased or not stated.
    pub women_of_unknown_age: u64,
    /// Births.
    pub births: Births,
    /// Births by month.
    pub months: Vec<MonthOfBirths>,
    /// The monthly returns.
    pub returns: MonthlyReturns,
    /// Deaths.
    pub deaths: u64,
    /// Marriages.
    pub marriages: u64,
    /// Arrivals.
    pub arrivals: u64,
    /// Departures.
    pub departures: u64,
    /// Pregnancy losses.
    pub losses: u64,
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

/// An office with all offices below it.
struct Scope<'a> {
    snapshot: &'a Snapshot,
    codes: HashSet<OfficeCode>,
}

impl<'a> Scope<'a> {
    fn new(snapshot: &'a Snapshot, top: OfficeCode) -> Self {
        let offices = &snapshot.offices;
        let codes = offices
            .all()
            .into_iter()
            .map(|office| office.code)
            .filter(|code| offices.is_within(*code, top))
            .collect();
        Self { snapshot, codes }
    }

    fn has(&self, office: Option<OfficeCode>) -> bool {
        office.is_some_and(|code| self.codes.contains(&code))
    }

    fn is_of_record(&self, source: Option<Source>, office: Option<OfficeCode>) -> bool {
        source == Some(Source::Village) && self.has(office)
    }

    /// Registrations of a kind that happened in the period.
    fn registered(&self, kind: RegistrationKind, period: Period) -> u64 {
        count(self.snapshot.registrations().filter(|(_, fields)| {
            fields.kind == Some(kind)
                && self.is_of_record(fields.source, fields.office)
                && fields.occurred_on.is_some_and(|day| period.contains(day))
        }))
    }

    /// Registrations of a kind that had happened and had been reported by the day.
    fn stock(&self, kind: RegistrationKind, day: NaiveDate) -> u64 {
        count(self.snapshot.registrations().filter(|(_, fields)| {
            fields.kind == Some(kind)
                && self.is_of_record(fields.source, fields.office)
                && known_by(fields.occurred_on, fields.reported_on, day)
        }))
    }

    /// Resident records + births + arrivals - deaths - departures, by the day.
    fn residents_on(&self, day: NaiveDate) -> i128 {
        let births = count(self.snapshot.births().filter(|(_, fields)| {
            self.is_of_record(fields.source, fields.office)
                && known_by(fields.occurred_on, fields.reported_on, day)
        }));
        let stock = |kind| i128::from(self.stock(kind, day));
        stock(RegistrationKind::Resident) + i128::from(births) + stock(RegistrationKind::Arrival)
            - stock(RegistrationKind::Death)
            - stock(RegistrationKind::Departure)
    }

    /// Married women of the counted ages on the day, and those whose age is not known.
    ///
    /// A death or departure cannot be linked to the resident record without names, so the
    /// resident records stand as they are, as the intake description counts them.
    fn married_women(&self, day: NaiveDate) -> (u64, u64) {
        let (mut of_age, mut unknown) = (0, 0);
        for (row, fields) in self.snapshot.registrations() {
            let counted = fields.kind == Some(RegistrationKind::Resident)
                && fields.sex == Some(Sex::Female)
                && fields.marital_status == Some(MaritalStatus::Married)
                && self.is_of_record(fields.source, fields.office)
                && known_by(fields.occurred_on, fields.reported_on, day);
            if !counted {
                continue;
            }
            match self.snapshot.born_on.get(&row.record_id) {
                Some(born) => {
                    let age = age_in_years(*born, day);
                    of_age += u64::from(age.is_some_and(|years| WOMEN_AGES.contains(&years)));
                }
                None => unknown += 1,
            }
        }
        (of_age, unknown)
    }

    fn births(&self, period: Period) -> Births {
        let mut births = Births::default();
        for (_, fields) in self.snapshot.births() {
            let Some(day) = fields.occurred_on.filter(|day| period.contains(*day)) else {
                continue;
            };
            if !self.is_of_record(fields.source, fields.office) {
                continue;
            }
            births.total += 1;
            births.boys += u64::from(fields.sex == Some(Sex::Male));
            births.girls += u64::from(fields.sex == Some(Sex::Female));
            let delay = fields.reported_on.map(|on| (on - day).num_days());
            births.timely += u64::from(delay.is_some_and(|d| (0..=TIMELY_DAYS).contains(&d)));
        }
        births
    }

    fn losses(&self, period: Period) -> u64 {
        count(self.snapshot.losses.values().filter(|loss| {
            self.is_of_record(Some(loss.source), Some(loss.office))
                && period.contains(loss.occurred_on)
        }))
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
    fn returned_births(&self, period: Period) -> HashMap<(OfficeCode, Period), i128> {
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

    fn months(&self, period: Period) -> (Vec<MonthOfBirths>, MonthlyReturns) {
        let returned = self.returned_births(period);
        let months: Vec<_> = months_of(period)
            .map(|month| {
                let of_month = returned.iter().filter(|((_, m), _)| *m == month);
                let values: Vec<i128> = of_month.map(|(_, value)| *value).collect();
                MonthOfBirths {
                    month,
                    register: self.births(month).total,
                    returned: (!values.is_empty()).then(|| values.iter().sum()),
                }
            })
            .collect();
        let villages = count(self.codes.iter().filter(|code| {
            let office = self.snapshot.offices.get(**code);
            office.is_some_and(|office| office.level == OfficeLevel::Village)
        }));
        let returns = MonthlyReturns {
            births: returned.values().sum(),
            received: returned.len() as u64,
            expected: villages * months.len() as u64,
        };
        (months, returns)
    }

    fn rewards(&self, period: Period, targets: &Targets) -> Rewards {
        let recorded_on = self.snapshot.recorded_at.date();
        let mut rewards = Rewards::default();
        let mut judged = HashSet::new();
        for (_, fields) in self.snapshot.disbursements() {
            let counted = fields.flow == Some(Flow::Entitlement)
                && self.is_of_record(fields.source, fields.office);
            let (Some((scheme, of)), true) = (scheme_and_period(fields), counted) else {
                continue;
            };
            let Some(due) = due_date(scheme, of, targets) else {
                continue;
            };
            if period.contains(due) && due < recorded_on {
                rewards.due_fen += amount(fields);
                judged.insert((scheme, of));
            } else if overlap(of, period) && due >= recorded_on.min(period.last_day()) {
                rewards.next_due = Some(rewards.next_due.map_or(due, |next| next.min(due)));
            }
        }
        rewards.paid_fen = judged
            .into_iter()
            .map(|(scheme, of)| self.paid(scheme, of, period.last_day()))
            .sum();
        rewards
    }

    /// Payments less reversals of a scheme and period by the day. Finance pays, so its reports
    /// count; where it sends none, those of the offices do. The two are never added.
    fn paid(&self, scheme: &str, of: Period, by: NaiveDate) -> i128 {
        let mut by_source: HashMap<Source, i128> = HashMap::new();
        for (_, fields) in self.snapshot.disbursements() {
            let sign = match fields.flow {
                Some(Flow::Payment) => 1,
                Some(Flow::Reversal) => -1,
                _ => continue,
            };
            let counted = scheme_and_period(fields) == Some((scheme, of))
                && self.has(fields.office)
                && fields.occurred_on.is_some_and(|day| day <= by);
            if let (Some(source), true) = (fields.source, counted) {
                *by_source.entry(source).or_default() += sign * amount(fields);
            }
        }
        let of_source = |source| by_source.get(&source).copied();
        of_source(Source::Finance)
            .or_else(|| of_source(Source::Village))
            .unwrap_or(0)
    }

    /// Appropriations of the year in which the period ends, against the residents on the day of
    /// the last of them.
    fn funding(&self, period: Period) -> Option<Funding> {
        let last_day = period.last_day();
        let mut amount_fen = 0;
        let mut day = None;
        for (_, fields) in self.snapshot.disbursements() {
            let counted = fields.flow == Some(Flow::Appropriation)
                && fields.source == Some(Source::Finance)
                && self.has(fields.office);
            let Some((FUNDING, of)) = scheme_and_period(fields).filter(|_| counted) else {
                continue;
            };
            if of.contains(last_day) && fields.occurred_on.is_some_and(|on| on <= last_day) {
                amount_fen += amount(fields);
                day = day.max(fields.occurred_on);
            }
        }
        let on = day?;
        Some(Funding {
            amount_fen,
            on,
            residents: self.residents_on(on),
        })
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
        let last_day = period.last_day();
        let (married_women, women_of_unknown_age) = scope.married_women(last_day);
        let (months, returns) = scope.months(period);
        let (activities, checks) = scope.activities(period);
        // Programme money goes to townships and is judged there, also for a village of one.
        let township = Scope::new(snapshot, snapshot.offices.township_of(office));
        Self {
            period,
            households: scope.stock(RegistrationKind::Household, last_day),
            residents_first_day: scope.residents_on(period.first_day()),
            residents: scope.residents_on(last_day),
            married_women,
            women_of_unknown_age,
            births: scope.births(period),
            months,
            returns,
            deaths: scope.registered(RegistrationKind::Death, period),
            marriages: scope.registered(RegistrationKind::Marriage, period),
            arrivals: scope.registered(RegistrationKind::Arrival, period),
            departures: scope.registered(RegistrationKind::Departure, period),
            losses: scope.losses(period),
            activities,
            checks,
            rewards: scope.rewards(period, targets),
            funding: township.funding(period),
            quoted: scope.quoted(office, period),
        }
    }
}

fn count(items: impl Iterator) -> u64 {
    items.fold(0, |n, _| n + 1)
}

fn known_by(occurred: Option<NaiveDate>, reported: Option<NaiveDate>, day: NaiveDate) -> bool {
    occurred.is_some_and(|on| on <= day) && reported.is_some_and(|on| on <= day)
}

fn overlap(one: Period, other: Period) -> bool {
    one.first_day() <= other.last_day() && other.first_day() <= one.last_day()
}

fn scheme_and_period(fields: &DisbursementFields) -> Option<(&str, Period)> {
    Some((fields.scheme.as_ref()?.0.as_str(), fields.period?))
}

fn amount(fields: &DisbursementFields) -> i128 {
    fields.amount_fen.map_or(0, |fen| i128::from(fen.0))
}

/// The scheme's day in the year, the first that is not before the period's first day.
fn due_date(scheme: &str, of: Period, targets: &Targets) -> Option<NaiveDate> {
    let rule = targets.reward_schemes.iter().find(|r| r.scheme == scheme)?;
    let first = of.first_day();
    [first.year(), first.year() + 1]
        .into_iter()
        .filter_map(|year| NaiveDate::from_ymd_opt(year, rule.due_month, rule.due_day))
        .find(|due| *due >= first)
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
