//! Periods of returns and reports.
//!
//! What comes in: `2014-06`, `2014-Q2`, `2014-H1`, `2014`, or `2014S` (1 October 2013 to
//! 30 September 2014). What goes out: first and last day. What may fail: other text. What must
//! stay true: a period prints as it was read.

use chrono::{Datelike, Days, Months, NaiveDate};

use super::cell::{CellReason, ColumnType, FieldType, Value};

/// A reporting period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// A calendar month.
    Month(i32, u32),
    /// A quarter, 1 to 4.
    Quarter(i32, u32),
    /// A half-year, 1 or 2.
    Half(i32, u32),
    /// A calendar year.
    Year(i32),
    /// A statistical year, named for the year in which it ends.
    StatisticalYear(i32),
}

impl Period {
    /// Reads one of the five spellings.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let year = |digits: &str| {
            let four = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
            four.then(|| digits.parse::<i32>().ok())
                .flatten()
                .filter(|y| (1800..=2200).contains(y))
        };
        if let Some(digits) = text.strip_suffix('S') {
            return year(digits).map(Self::StatisticalYear);
        }
        let Some((digits, part)) = text.split_once('-') else {
            return year(text).map(Self::Year);
        };
        let of_year = year(digits)?;
        let number = |text: &str, last: u32| {
            text.parse::<u32>()
                .ok()
                .filter(|n| (1..=last).contains(n) && text.len() <= 2)
        };
        if let Some(rest) = part.strip_prefix('Q') {
            return number(rest, 4)
                .filter(|_| rest.len() == 1)
                .map(|n| Self::Quarter(of_year, n));
        }
        if let Some(rest) = part.strip_prefix('H') {
            return number(rest, 2)
                .filter(|_| rest.len() == 1)
                .map(|n| Self::Half(of_year, n));
        }
        number(part, 12)
            .filter(|_| part.len() == 2)
            .map(|n| Self::Month(of_year, n))
    }

    /// The calendar month of a day.
    #[must_use]
    pub fn month_of(day: NaiveDate) -> Self {
        Self::Month(day.year(), day.month())
    }

    /// The first day.
    #[must_use]
    pub fn first_day(self) -> NaiveDate {
        let (year, month) = match self {
            Self::Month(year, month) => (year, month),
            Self::Quarter(year, quarter) => (year, quarter * 3 - 2),
            Self::Half(year, half) => (year, half * 6 - 5),
            Self::Year(year) => (year, 1),
            Self::StatisticalYear(year) => (year - 1, 10),
        };
        NaiveDate::from_ymd_opt(year, month, 1).unwrap_or_default()
    }

    /// How many calendar months it has.
    #[must_use]
    pub const fn months(self) -> u32 {
        match self {
            Self::Month(..) => 1,
            Self::Quarter(..) => 3,
            Self::Half(..) => 6,
            Self::Year(_) | Self::StatisticalYear(_) => 12,
        }
    }

    /// The last day.
    #[must_use]
    pub fn last_day(self) -> NaiveDate {
        self.first_day()
            .checked_add_months(Months::new(self.months()))
            .and_then(|next| next.checked_sub_days(Days::new(1)))
            .unwrap_or_default()
    }

    /// Whether the other period lies in this one.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.first_day() <= other.first_day() && other.last_day() <= self.last_day()
    }

    /// Whether the day lies in the period.
    #[must_use]
    pub fn contains(self, day: NaiveDate) -> bool {
        (self.first_day()..=self.last_day()).contains(&day)
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Month(year, month) => write!(f, "{year}-{month:02}"),
            Self::Quarter(year, quarter) => write!(f, "{year}-Q{quarter}"),
            Self::Half(year, half) => write!(f, "{year}-H{half}"),
            Self::Year(year) => write!(f, "{year}"),
            Self::StatisticalYear(year) => write!(f, "{year}S"),
        }
    }
}

impl serde::Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a period"))
    }
}

impl FieldType for Period {
    const COLUMN: ColumnType = ColumnType::Text;
    fn read(text: &str) -> Result<Self, CellReason> {
        Self::parse(text).ok_or(CellReason::NotAPeriod)
    }
    fn value(&self) -> Value {
        Value::Text(self.to_string())
    }
    fn is_spelled(text: &str) -> bool {
        // A number in it may have a sign that is not printed again.
        !text.contains('+') && Self::parse(text).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_spellings() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        for (text, first, last) in [
            ("2014-06", day(2014, 6, 1), day(2014, 6, 30)),
            ("2014-Q2", day(2014, 4, 1), day(2014, 6, 30)),
            ("2014-H1", day(2014, 1, 1), day(2014, 6, 30)),
            ("2014", day(2014, 1, 1), day(2014, 12, 31)),
            ("2014S", day(2013, 10, 1), day(2014, 9, 30)),
        ] {
            let period = Period::parse(text).unwrap();
            assert_eq!((period.first_day(), period.last_day()), (first, last));
            assert_eq!(period.to_string(), text);
        }
        for text in [
            "", "2014-13", "2014-Q5", "2014-6", "14", "2014-H3", "2014-H01",
        ] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }
}
