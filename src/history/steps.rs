//! The steps in which history is walked through.
//!
//! What comes in: `day`, `week`, `month`, or a number of entries. What goes out: whether an entry
//! still belongs to the step that another one began. What may fail: other text. What must stay
//! true: a step has at least one entry; days, weeks and months without entries are no steps.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use serde::Serialize;

use super::numbers::Numbers;
use crate::model::id::{OfficeCode, Position};
use crate::model::period::Period;
use crate::model::time::Timestamp;

/// Days from which on the entries of a log are walked through by days when nothing else is asked.
pub const DAYS_FOR_DAILY: i64 = 8;
/// Steps into which a log of fewer days is cut.
pub const STEPS_WITHOUT_DAYS: u64 = 60;

/// How far a step goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// That many entries.
    Entries(u64),
    /// The entries recorded on one day (UTC).
    Day,
    /// The entries recorded in one week from Monday to Sunday.
    Week,
    /// The entries recorded in one calendar month.
    Month,
}

impl Every {
    /// Reads `day`, `week`, `month`, `entry`, or a number of entries.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "day" => Some(Self::Day),
            "week" => Some(Self::Week),
            "month" => Some(Self::Month),
            "entry" => Some(Self::Entries(1)),
            _ if text.bytes().all(|b| b.is_ascii_digit()) => {
                let number = text.parse().ok().filter(|n| *n > 0);
                number.map(Self::Entries)
            }
            _ => None,
        }
    }

    /// What suits a stretch of the log: days, or, where it has few, parts of its entries.
    #[must_use]
    pub fn suiting(first: NaiveDate, last: NaiveDate, entries: u64) -> Self {
        if (last - first).num_days() >= DAYS_FOR_DAILY {
            Self::Day
        } else {
            Self::Entries(entries.div_ceil(STEPS_WITHOUT_DAYS).max(1))
        }
    }

    /// Whether a step that began on `first` and has `taken` entries also takes one of `day`.
    #[must_use]
    pub fn takes(self, first: NaiveDate, taken: u64, day: NaiveDate) -> bool {
        match self {
            Self::Entries(number) => taken < number,
            Self::Day => day == first,
            Self::Week => day.iso_week() == first.iso_week(),
            Self::Month => (day.year(), day.month()) == (first.year(), first.month()),
        }
    }
}

/// The state after a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplayStep {
    /// 1-based number.
    pub step: u64,
    /// The last entry of the step.
    pub position: Position,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Number of entries in the step.
    pub entries: u64,
    /// The same by type of stream.
    pub entries_by_type: BTreeMap<String, u64>,
    /// Whose numbers.
    pub office: OfficeCode,
    /// Of which period.
    pub period: Period,
    /// Whether the ledger's clock is simulated.
    pub simulated_clock: bool,
    /// The numbers, as reports have them.
    #[serde(flatten)]
    pub numbers: Numbers,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn steps_are_read() {
        assert_eq!(Every::parse("day"), Some(Every::Day));
        assert_eq!(Every::parse("entry"), Some(Every::Entries(1)));
        assert_eq!(Every::parse("500"), Some(Every::Entries(500)));
        for text in ["", "0", "-1", "days", "1.5", "99999999999999999999999"] {
            assert_eq!(Every::parse(text), None, "{text}");
        }
    }

    #[test]
    fn weeks_and_months_end_where_calendars_say() {
        let takes = |every: Every, a, b| every.takes(day(a), 1, day(b));
        // 30 December 2013 is a Monday; its week reaches into the next year.
        assert!(takes(Every::Week, "2013-12-30", "2014-01-05"));
        assert!(!takes(Every::Week, "2014-01-05", "2014-01-06"));
        assert!(takes(Every::Month, "2012-02-01", "2012-02-29"));
        assert!(!takes(Every::Month, "2012-02-29", "2012-03-01"));
        assert!(!takes(Every::Month, "2012-02-29", "2013-02-28"));
        assert!(!takes(Every::Day, "2012-02-29", "2012-03-01"));
        assert!(!takes(Every::Entries(1), "2012-02-29", "2012-02-29"));
        assert!(takes(Every::Entries(2), "2012-02-29", "2019-01-01"));
    }

    #[test]
    fn a_log_of_one_afternoon_is_cut_by_entries() {
        let (first, last) = (day("2014-01-01"), day("2014-06-30"));
        assert_eq!(Every::suiting(first, last, 5), Every::Day);
        assert_eq!(Every::suiting(first, first, 600), Every::Entries(10));
        assert_eq!(Every::suiting(first, first, 0), Every::Entries(1));
    }
}
