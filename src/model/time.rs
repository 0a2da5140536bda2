//! Dates and moments.
//!
//! What comes in: the date formats of the intake files, RFC 3339 times, and the operating
//! system's clock. What goes out: [`chrono::NaiveDate`] for what offices claim, and
//! [`Timestamp`] (microseconds UTC) for what the ledger asserts. What may fail: text that is no
//! date. What must stay true: a timestamp has one spelling, `YYYY-MM-DDTHH:MM:SS.ffffffZ`, and
//! this file is the only one that asks the operating system for the time.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in UTC with microseconds, as entries carry it in `recorded_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// The operating system's clock, cut to microseconds.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the system clock"
    )]
    pub fn now() -> Self {
        Self::from_micros(Utc::now().timestamp_micros()).unwrap_or_default()
    }

    /// From microseconds since 1970; `None` outside the years that can be written.
    #[must_use]
    pub fn from_micros(micros: i64) -> Option<Self> {
        DateTime::from_timestamp_micros(micros)
            .filter(|t| (1..=9999).contains(&t.year()))
            .map(Self)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn micros(self) -> i64 {
        self.0.timestamp_micros()
    }

    /// The hour at which a simulated ledger records what was reported on `date`.
    #[must_use]
    pub fn simulated(date: NaiveDate) -> Self {
        Self(
            date.and_time(NaiveTime::from_hms_opt(9, 0, 0).unwrap_or_default())
                .and_utc(),
        )
    }

    /// The last microsecond of `date`, for "as of" a day.
    #[must_use]
    pub fn end_of(date: NaiveDate) -> Self {
        let last = NaiveTime::from_hms_micro_opt(23, 59, 59, 999_999).unwrap_or_default();
        Self(date.and_time(last).and_utc())
    }

    /// The date in UTC.
    #[must_use]
    pub fn date(self) -> NaiveDate {
        self.0.date_naive()
    }

    /// Reads the one canonical spelling; anything else is `None`.
    #[must_use]
    pub fn parse_canonical(text: &str) -> Option<Self> {
        // Written out, because every entry is read through here and format strings are slow.
        let bytes: &[u8; 27] = text.as_bytes().try_into().ok()?;
        let marks = [
            (4, b'-'),
            (7, b'-'),
            (10, b'T'),
            (13, b':'),
            (16, b':'),
            (19, b'.'),
            (26, b'Z'),
        ];
        if marks.iter().any(|(at, mark)| bytes[*at] != *mark) {
            return None;
        }
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().try_fold(0_u32, |number, digit| {
                digit
                    .is_ascii_digit()
                    .then(|| number * 10 + u32::from(digit - b'0'))
            })
        };
        let year = i32::try_from(number(0, 4)?).ok()?;
        let date = NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?)?;
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let time = NaiveTime::from_hms_micro_opt(hour, minute, second, number(20, 26)?)?;
        Self::from_micros(date.and_time(time).and_utc().timestamp_micros())
    }

    /// Reads RFC 3339 with any offset, or a date, which means the end of that day.
    #[must_use]
    pub fn parse_moment(text: &str) -> Option<Self> {
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Some(Self::end_of(date));
        }
        let moment = DateTime::parse_from_rfc3339(text).ok()?;
        Self::from_micros(moment.timestamp_micros())
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self(DateTime::UNIX_EPOCH)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use chrono::Timelike;
        let t = self.0;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            t.timestamp_subsec_micros()
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse_canonical(&text)
            .ok_or_else(|| serde::de::Error::custom("not a YYYY-MM-DDTHH:MM:SS.ffffffZ time"))
    }
}

/// Reads a date as offices write it: `2014-06-30`, `2014/6/30`, `20140630`, `2014年6月30日`, or
/// `2014-06-30 00:00:00` as spreadsheets export it.
#[must_use]
pub fn parse_date(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let day = text.split(['T', ' ']).next().unwrap_or(text);
    if day.len() == 8 && day.bytes().all(|b| b.is_ascii_digit()) {
        return date_of_parts(&day[..4], &day[4..6], &day[6..]);
    }
    let mut parts = day
        .trim_end_matches('日')
        .split(['-', '/', '.', '年', '月']);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    date_of_parts(year, month, day)
}

fn date_of_parts(year: &str, month: &str, day: &str) -> Option<NaiveDate> {
    let number = |text: &str| {
        let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let year = i32::try_from(number(year)?).ok()?;
    if !(1800..=2200).contains(&year) {
        return None;
    }
    NaiveDate::from_ymd_opt(year, number(month)?, number(day)?)
}

/// Days from 0001-01-01 to 1970-01-01, as [`Datelike::num_days_from_ce`] counts.
const EPOCH_DAYS_FROM_CE: i32 = 719_163;

/// Days since 1970-01-01. Every date that can be held fits.
#[must_use]
pub fn day_number(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - EPOCH_DAYS_FROM_CE
}

/// The date of a [`day_number`].
#[must_use]
pub fn date_of_number(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH_DAYS_FROM_CE)?)
}

/// Months counted through, so that neighbours differ by 1; January has a multiple of 12.
#[must_use]
pub fn month_number(date: NaiveDate) -> i32 {
    date.year() * 12 + i32::try_from(date.month0()).unwrap_or(0)
}

/// Completed years from `born` to `on`; `None` when `on` is before `born`.
#[must_use]
pub fn age_in_years(born: NaiveDate, on: NaiveDate) -> Option<i64> {
    on.years_since(born).map(i64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_spellings_of_a_date() {
        let day = NaiveDate::from_ymd_opt(2014, 6, 30);
        for text in [
            "2014-06-30",
            "2014/6/30",
            "20140630",
            "2014年6月30日",
            "2014-06-30 00:00:00",
        ] {
            assert_eq!(parse_date(text), day, "{text}");
        }
        for text in [
            "",
            "2014-13-01",
            "30/06/2014",
            "2014-6",
            "14-06-30",
            "2014-06-30-1",
            "x",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_timestamp_has_one_spelling() {
        let text = "2014-06-30T09:00:00.000001Z";
        assert_eq!(
            Timestamp::parse_canonical(text).map(|t| t.to_string()),
            Some(text.into())
        );
        for text in [
            "2014-06-30T09:00:00Z",
            "2014-06-30 09:00:00.000001Z",
            "2014-06-31T09:00:00.000001Z",
            "2014-06-30T24:00:00.000001Z",
            "2014-06-30T09:00:60.000001Z",
            "2014-06-30T09:00:00.00000+Z",
            "0000-06-30T09:00:00.000001Z",
        ] {
            assert_eq!(Timestamp::parse_canonical(text), None, "{text}");
        }
        assert_eq!(
            Timestamp::parse_canonical("2014-06-30T09:00:00.000001+"),
            None
        );
    }
}
