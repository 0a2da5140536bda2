//! A line per figure, as comma-separated values or as Parquet.
//!
//! What comes in: a set. What goes out: both have the same columns in the same order. What may
//! fail: nothing that a set can hold. What must stay true: here, unlike in the other formats, a
//! figure that nothing can be said of has its line, with the reason and without a value.

use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray, UInt64Array};
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;

use super::{DataSet, ExchangeError, Line};

/// The columns, in order.
pub(super) const COLUMNS: [&str; 16] = [
    "office",
    "period",
    "first_day",
    "last_day",
    "element",
    "value",
    "numerator",
    "denominator",
    "low",
    "high",
    "unit",
    "verdict",
    "reason",
    "targets",
    "position",
    "origin",
];

/// Comma-separated values with a heading.
pub(super) fn csv(set: &DataSet) -> Result<Vec<u8>, ExchangeError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    let position = set.position.map(|position| position.to_string());
    let plan = set.plan.word();
    for line in &set.lines {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        writer.write_record([
            line.office.to_string(),
            line.period.to_string(),
            line.period.first_day().to_string(),
            line.period.last_day().to_string(),
            line.element.clone(),
            text(&line.value),
            text(&line.numerator),
            text(&line.denominator),
            text(&line.interval.0),
            text(&line.interval.1),
            text(&line.unit),
            text(&line.verdict),
            text(&line.reason),
            plan.clone(),
            text(&position),
            set.origin.clone(),
        ])?;
    }
    writer
        .into_inner()
        .map_err(|error| ExchangeError::Csv(error.into_error().into()))
}

/// The same as one Parquet file: numbers as doubles, days as dates.
pub(super) fn parquet(set: &DataSet) -> Result<Vec<u8>, ExchangeError> {
    let lines = &set.lines;
    let texts = |of: &dyn Fn(&Line) -> Option<String>| -> ArrayRef {
        Arc::new(lines.iter().map(of).collect::<StringArray>())
    };
    let numbers = |of: &dyn Fn(&Line) -> Option<&String>| -> ArrayRef {
        let number = |line| of(line).and_then(|text| text.parse::<f64>().ok());
        Arc::new(lines.iter().map(number).collect::<Float64Array>())
    };
    let days = |of: &dyn Fn(&Line) -> NaiveDate| -> ArrayRef {
        let days = |line| {
            of(line)
                .signed_duration_since(NaiveDate::default())
                .num_days()
        };
        let days = lines.iter().map(|line| i32::try_from(days(line)).ok());
        Arc::new(days.collect::<Date32Array>())
    };
    let columns: [ArrayRef; COLUMNS.len()] = [
        texts(&|line| Some(line.office.to_string())),
        texts(&|line| Some(line.period.to_string())),
        days(&|line| line.period.first_day()),
        days(&|line| line.period.last_day()),
        texts(&|line| Some(line.element.clone())),
        numbers(&|line| line.value.as_ref()),
        numbers(&|line| line.numerator.as_ref()),
        numbers(&|line| line.denominator.as_ref()),
        numbers(&|line| line.interval.0.as_ref()),
        numbers(&|line| line.interval.1.as_ref()),
        texts(&|line| line.unit.clone()),
        texts(&|line| line.verdict.clone()),
        texts(&|line| line.reason.clone()),
        texts(&|_| Some(set.plan.word())),
        Arc::new(UInt64Array::from(vec![set.position; lines.len()])),
        texts(&|_| Some(set.origin.clone())),
    ];
    let named = COLUMNS.into_iter().zip(columns);
    let named = named.map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(named)?;
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None)?;
    writer.write(&batch)?;
    Ok(writer.into_inner()?)
}
