//! Counts month by month.
//!
//! What comes in: a snapshot, an office and a period. What goes out: [`Monthly`], the figures of
//! the period and of each of its months, with the monthly returns that were received. What may
//! fail: nothing. What must stay true: the records are gone through once, however many months
//! there are; flows of the months add up to those of the period; stocks are those of a month's
//! last day.

use serde::Serialize;

use super::counted::{Counted, Figures, Window};
use super::counts::{Scope, months_of, sum_of_month};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::registers::snapshot::Snapshot;

/// What the villages' returns of one month are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReturnsOfMonth {
    /// Sum of their births; `None` when no village sent one.
    pub births: Option<i128>,
    /// Returns that are there.
    pub received: u64,
    /// Returns that are expected: one from every village.
    pub expected: u64,
}

/// One month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthCounts {
    /// Which.
    pub month: Period,
    /// What is counted.
    pub figures: Figures,
    /// The villages' returns.
    pub returns: ReturnsOfMonth,
}

/// A period and its months.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monthly {
    /// The period as a whole.
    pub total: Figures,
    /// Its returns.
    pub returns: ReturnsOfMonth,
    /// Its months, in order.
    pub months: Vec<MonthCounts>,
}

impl Monthly {
    /// Counts an office, with those below it, for a period and its months.
    #[must_use]
    pub fn of(snapshot: &Snapshot, office: OfficeCode, period: Period) -> Self {
        let scope = Scope::new(snapshot, office);
        let months: Vec<Period> = months_of(period).collect();
        let mut windows = vec![Window::of(period)];
        windows.extend(months.iter().copied().map(Window::of));
        let mut counted = scope.count(&windows).into_iter();
        let mut total = counted.next().unwrap_or_default();
        let returned = scope.returned_births(period);
        let expected = scope.villages();
        let months: Vec<MonthCounts> = months
            .into_iter()
            .zip(counted)
            .map(|(month, mut figures)| {
                let births = sum_of_month(&returned, month);
                figures.set(Counted::BirthsInReturns, births.unwrap_or(0));
                let received = returned.keys().filter(|(_, of)| *of == month);
                MonthCounts {
                    month,
                    figures,
                    returns: ReturnsOfMonth {
                        births,
                        received: received.count() as u64,
                        expected,
                    },
                }
            })
            .collect();
        let returns = ReturnsOfMonth {
            births: (!returned.is_empty()).then(|| returned.values().sum()),
            received: returned.len() as u64,
            expected: expected * months.len() as u64,
        };
        total.set(Counted::BirthsInReturns, returns.births.unwrap_or(0));
        Self {
            total,
            returns,
            months,
        }
    }
}
