//! Money: rewards that fell due, and the programme's funding.
//!
//! What comes in: the disbursements of a snapshot, an office with those below it, a period, and
//! the schemes with their due dates. What goes out: what was due and paid, what was appropriated.
//! What may fail: nothing. What must stay true: a due date that has not passed at the snapshot's
//! time is no default; finance and the offices report the same payments, so their reports are
//! never added; a reversal subtracts.

use std::collections::{HashMap, HashSet};

use chrono::{Datelike, NaiveDate};
use serde::Serialize;

use super::counts::Scope;
use super::targets::Targets;
use crate::model::code::{Flow, Source};
use crate::model::fields::DisbursementFields;
use crate::model::period::Period;

/// Scheme of the money for the programme itself.
const FUNDING: &str = "programme_funding";

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

impl Scope<'_> {
    pub(super) fn rewards(&self, period: Period, targets: &Targets) -> Rewards {
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
    pub(super) fn funding(&self, period: Period) -> Option<Funding> {
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
