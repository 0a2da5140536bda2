//! Rows of an answer as text and as JSON.
//!
//! What comes in: columns. What goes out: a cell for each value, or one JSON object a row. What
//! may fail: a type that has no such form. What must stay true: moments are written as everywhere
//! in the ledger, `2014-06-30T12:00:00.000000Z`; a null is an empty cell, and no member of an
//! object.

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, DataType};
use datafusion::arrow::json::WriterBuilder;
use datafusion::arrow::json::writer::LineDelimited;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::DataFusionError;

use super::Result;

/// Microseconds, and `Z` for UTC, which the moments of registers are in.
const MOMENT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

/// The values as text, a row each.
///
/// # Errors
/// When a value cannot be written.
pub fn texts(batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::new().with_timestamp_tz_format(Some(MOMENT));
    let columns = batch.columns().iter();
    let columns = columns.map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
    let columns = columns
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(unwritten)?;
    let rows = (0..batch.num_rows()).map(|row| {
        let cells = columns
            .iter()
            .map(|column| column.value(row).try_to_string());
        cells.collect::<std::result::Result<_, _>>()
    });
    Ok(rows
        .collect::<std::result::Result<_, _>>()
        .map_err(unwritten)?)
}

/// The rows as JSON, an object and a line each.
///
/// # Errors
/// When a value cannot be written.
pub fn json_lines(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    let builder = WriterBuilder::new().with_timestamp_tz_format(MOMENT.to_owned());
    let mut writer = builder.build::<_, LineDelimited>(&mut lines);
    let written = writer.write(batch).and_then(|()| writer.finish());
    written.map_err(unwritten)?;
    Ok(lines)
}

/// Whether values of the type are numbers, which stand at the right of their column.
#[must_use]
pub fn is_number(data: &DataType) -> bool {
    data.is_numeric()
}

fn unwritten(error: ArrowError) -> DataFusionError {
    error.into()
}
