//! The value of a cell of a workbook as the text that a CSV file would have.
//!
//! What comes in: a value as the workbook stores it, and the column it stands in. What goes out:
//! its text: dates as 2014-06-30, whole numbers as their digits. What may fail: a [`RowReason`]
//! for values that are no statement (errors, lengths of time) or of which the workbook itself has
//! lost a part. What must stay true: no digit is made up.

use std::borrow::Cow;

use calamine::DataRef;
use chrono::{Datelike, Days, NaiveDate};

use super::refusal::RowReason;
use crate::model::schema::Column;

/// Plain numbers that are taken for days in a column of dates: from 1910 to 2199. Smaller ones may
/// be years (1978), larger ones may be dates written as digits (20140630).
const SERIAL_DAYS: std::ops::RangeInclusive<f64> = 3_654.0..=109_574.0;
/// From here on a double does not hold every whole number.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// The text of a cell in a column of the schema (`None` where the sheet has no such column).
pub(super) fn text<'a>(
    value: &'a DataRef<'_>,
    column: Option<&Column>,
    is_1904: bool,
) -> Result<Cow<'a, str>, RowReason> {
    let name = column.map_or("", |column| column.name);
    Ok(match value {
        DataRef::Empty => Cow::Borrowed(""),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            Cow::Borrowed(text)
        }
        DataRef::SharedString(text) => Cow::Borrowed(text),
        DataRef::Bool(value) => Cow::Borrowed(if *value { "TRUE" } else { "FALSE" }),
        DataRef::Int(number) => Cow::Owned(number.to_string()),
        DataRef::Float(number) => {
            let serial = name.ends_with("_on") && SERIAL_DAYS.contains(number);
            match serial.then(|| day(*number, is_1904)).flatten() {
                Some(day) => Cow::Owned(day.to_string()),
                None => Cow::Owned(number_text(*number)?),
            }
        }
        DataRef::DateTime(moment) if moment.is_duration() => return Err(RowReason::Duration),
        DataRef::DateTime(moment) => match day(moment.as_f64(), is_1904) {
            // Excel turns a typed 2014-06 into the first day of that month.
            Some(day) if name == "period" && day.day() == 1 => {
                Cow::Owned(day.format("%Y-%m").to_string())
            }
            Some(day) => Cow::Owned(day.to_string()),
            None => Cow::Owned(number_text(moment.as_f64())?),
        },
        DataRef::Error(_) => return Err(RowReason::ErrorValue),
    })
}

/// The day of a serial number; its time of day is dropped.
fn day(serial: f64, is_1904: bool) -> Option<NaiveDate> {
    if !(0.0..2_958_466.0).contains(&serial) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 <= serial < 3 million"
    )]
    let days = serial as u64;
    let first = if is_1904 {
        NaiveDate::from_ymd_opt(1904, 1, 1)?
    } else {
        match days {
            // Day 60 is 29 February 1900, which never was; the days before count from one earlier.
            0 | 60 => return None,
            1..60 => NaiveDate::from_ymd_opt(1899, 12, 31)?,
            _ => NaiveDate::from_ymd_opt(1899, 12, 30)?,
        }
    };
    first.checked_add_days(Days::new(days))
}

/// A number as it would be typed: no `.0`, no exponent.
fn number_text(number: f64) -> Result<String, RowReason> {
    // NaN is not below anything and is refused here as well.
    if number.abs() < EXACT_BELOW {
        if number.trunc().to_bits() == number.to_bits() {
            return Ok(format!("{number:.0}"));
        }
        // A workbook shows 15 digits; what a double has beyond them (0.1 + 0.2) is noise.
        let shown = format!("{number:.14e}");
        return Ok(shown.parse::<f64>().unwrap_or(number).to_string());
    }
    Err(RowReason::DigitsLost)
}

#[cfg(test)]
mod tests {
    use calamine::{CellErrorType, ExcelDateTime, ExcelDateTimeType};

    use super::*;
    use crate::model::schema::RecordKind;

    fn read(value: &DataRef<'_>, column: &str, is_1904: bool) -> String {
        let columns = [RecordKind::Return.columns(), RecordKind::Birth.columns()].concat();
        let column = columns.iter().find(|known| known.name == column);
        match text(value, column, is_1904) {
            Ok(text) => text.into_owned(),
            Err(reason) => format!("{reason:?}"),
        }
    }

    fn moment(serial: f64, kind: ExcelDateTimeType) -> DataRef<'static> {
        DataRef::DateTime(ExcelDateTime::new(serial, kind, false))
    }

    #[test]
    fn numbers_are_their_digits() {
        let cases = [
            (3100.0, "3100"),
            (-0.5, "-0.5"),
            (66954.7, "66954.7"),
            (0.1 + 0.2, "0.3"),
            (990_101_100_001.0, "990101100001"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (9.901_011_978_112_222e17, "DigitsLost"),
            (f64::NAN, "DigitsLost"),
            (f64::INFINITY, "DigitsLost"),
            (20_140_630.0, "20140630"),
        ];
        for (number, expected) in cases {
            assert_eq!(read(&DataRef::Float(number), "weight_g", false), expected);
        }
    }

    #[test]
    fn dates_in_both_systems() {
        let date = |serial| moment(serial, ExcelDateTimeType::DateTime);
        assert_eq!(read(&date(41_820.0), "occurred_on", false), "2014-06-30");
        assert_eq!(read(&date(41_820.75), "occurred_on", false), "2014-06-30");
        assert_eq!(read(&date(40_358.0), "occurred_on", true), "2014-06-30");
        assert_eq!(read(&date(59.0), "remark", false), "1900-02-28");
        assert_eq!(read(&date(60.0), "remark", false), "60");
        assert_eq!(read(&date(61.0), "remark", false), "1900-03-01");
        assert_eq!(read(&date(-1.0), "remark", false), "-1");
        assert_eq!(read(&date(1e300), "remark", false), "DigitsLost");
        assert_eq!(read(&date(41_791.0), "period", false), "2014-06");
        assert_eq!(
            read(&DataRef::Float(41_820.0), "occurred_on", false),
            "2014-06-30"
        );
        assert_eq!(
            read(&DataRef::Float(1978.0), "mother_born_on", false),
            "1978"
        );
        assert_eq!(
            read(&DataRef::Float(20_140_630.0), "occurred_on", false),
            "20140630"
        );
    }

    #[test]
    fn other_values() {
        assert_eq!(read(&DataRef::Bool(true), "remark", false), "TRUE");
        assert_eq!(
            read(&DataRef::Error(CellErrorType::NA), "remark", false),
            "ErrorValue"
        );
        let length = moment(1.5, ExcelDateTimeType::TimeDelta);
        assert_eq!(read(&length, "remark", false), "Duration");
        assert_eq!(read(&DataRef::Empty, "remark", false), "");
    }
}
