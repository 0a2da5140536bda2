//! The calendar of meetings: by which day a return is due.
//!
//! What comes in: a small JSON file, or nothing, which means the defaults: village meeting on the
//! 1st, township meeting on the 3rd of the month that follows the period, two days' grace. What
//! goes out: due dates. What may fail: a file that is no such object, a day that some month lacks
//! ([`CalendarError`]). What must stay true: a due date lies in the month after the period's last
//! day; who sends no returns has none.
//!
//! ```json
//! { "village_day": 1, "township_day": 3, "grace_days": 2 }
//! ```

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use super::code::OfficeLevel;
use super::period::Period;

/// The last day that every month has.
const LAST_DAY: u32 = 28;
/// Longer than this would reach into the month after.
const LONGEST_GRACE: u32 = 31;

/// On which days of the following month returns are due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calendar {
    /// Day of the village meeting, 1 to 28.
    pub village_day: u32,
    /// Day of the township meeting, 1 to 28.
    pub township_day: u32,
    /// Days after the due date on which a return is still in time.
    pub grace_days: u32,
}

impl Default for Calendar {
    fn default() -> Self {
        Self {
            village_day: 1,
            township_day: 3,
            grace_days: 2,
        }
    }
}

/// Why a calendar cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Not an object of these members.
    #[error(
        "the calendar is no JSON object of village_day, township_day and grace_days, as is seen at line {line}, column {column}: {what}"
    )]
    Unreadable {
        /// 1-based line.
        line: usize,
        /// 1-based column.
        column: usize,
        /// What the reader says.
        what: String,
    },
    /// A day that some month lacks.
    #[error("{name} is {day}; write a day from 1 to {LAST_DAY}, which every month has")]
    Day {
        /// Which member.
        name: &'static str,
        /// What it says.
        day: u32,
    },
    /// A grace that reaches too far.
    #[error("grace_days is {days}; at most {LONGEST_GRACE} are possible")]
    Grace {
        /// What it says.
        days: u32,
    },
}

impl Calendar {
    /// Reads the file's text.
    ///
    /// # Errors
    /// See [`CalendarError`].
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let read: Self = serde_json::from_str(text).map_err(|error| CalendarError::Unreadable {
            line: error.line(),
            column: error.column(),
            what: error.to_string(),
        })?;
        for (name, day) in [
            ("village_day", read.village_day),
            ("township_day", read.township_day),
        ] {
            if !(1..=LAST_DAY).contains(&day) {
                return Err(CalendarError::Day { name, day });
            }
        }
        if read.grace_days > LONGEST_GRACE {
            let days = read.grace_days;
            return Err(CalendarError::Grace { days });
        }
        Ok(read)
    }

    /// When the return of an office of this level is due; counties and facilities send none.
    #[must_use]
    pub fn due_on(&self, level: OfficeLevel, period: Period) -> Option<NaiveDate> {
        let day = match level {
            OfficeLevel::Village => self.village_day,
            OfficeLevel::Township => self.township_day,
            OfficeLevel::County | OfficeLevel::Facility => return None,
        };
        let next = period
            .first_day()
            .checked_add_months(Months::new(period.months()))?;
        NaiveDate::from_ymd_opt(next.year(), next.month(), day)
    }

    /// The last day on which what is due is still in time.
    #[must_use]
    pub fn last_in_time(&self, due: NaiveDate) -> NaiveDate {
        due.checked_add_days(Days::new(u64::from(self.grace_days)))
            .unwrap_or(due)
    }

    /// Days after the due date, when the grace has passed on that day.
    #[must_use]
    pub fn late_by(&self, due: NaiveDate, on: NaiveDate) -> Option<i64> {
        (on > self.last_in_time(due)).then(|| (on - due).num_days())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn due(level: OfficeLevel, period: &str) -> Option<NaiveDate> {
        Calendar::default().due_on(level, Period::parse(period).unwrap())
    }

    #[test]
    fn a_return_is_due_in_the_month_after_its_period() {
        let (village, township) = (OfficeLevel::Village, OfficeLevel::Township);
        assert_eq!(due(village, "2014-06"), Some(day("2014-07-01")));
        assert_eq!(due(township, "2014-12"), Some(day("2015-01-03")));
        assert_eq!(due(village, "2016-02"), Some(day("2016-03-01")));
        assert_eq!(due(village, "2014-H1"), Some(day("2014-07-01")));
        assert_eq!(due(township, "2014S"), Some(day("2014-10-03")));
        assert_eq!(due(OfficeLevel::County, "2014-06"), None);
        assert_eq!(due(OfficeLevel::Facility, "2014-06"), None);
    }

    #[test]
    fn a_return_is_late_after_the_grace_and_counts_from_the_due_date() {
        let calendar = Calendar::default();
        let due = day("2014-07-01");
        assert_eq!(calendar.late_by(due, day("2014-06-30")), None);
        assert_eq!(calendar.late_by(due, day("2014-07-03")), None);
        assert_eq!(calendar.late_by(due, day("2014-07-04")), Some(3));
    }

    #[test]
    fn a_wrong_calendar_is_refused_with_its_reason() {
        let read = |text| Calendar::parse(text).map_err(|error| error.to_string());
        assert_eq!(
            read(r#"{"township_day": 5}"#).unwrap(),
            Calendar {
                township_day: 5,
                ..Calendar::default()
            }
        );
        assert!(
            read(r#"{"village_day": 30}"#)
                .unwrap_err()
                .contains("village_day is 30")
        );
        assert!(
            read(r#"{"grace_days": 99}"#)
                .unwrap_err()
                .contains("grace_days is 99")
        );
        assert!(read("{\n\"meeting\": 1}").unwrap_err().contains("line 2"));
        assert!(read("").is_err() && read("3").is_err());
    }
}
