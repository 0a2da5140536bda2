//! A return from a file: the lines of one office and period, as intake reads them.
//!
//! What comes in: a file with the columns of `returns` (CSV, XLSX or JSON Lines). What goes out:
//! its rows by column. What may fail: a file that cannot be read, a row that is refused, a line
//! of another office or period, an indicator that stands twice. What must stay true: one wrong
//! line refuses the whole file, since half a return is none.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::failed;
use super::records::Values;
use super::{App, AppError};
use crate::intake::Delivery;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::model::schema::RecordKind;

impl App {
    /// Reads a return from a file.
    ///
    /// # Errors
    /// See the head of this module.
    #[expect(
        clippy::unused_self,
        reason = "a command of the application like the others"
    )]
    pub(super) fn rows_of_file(
        &self,
        path: &Path,
        office: OfficeCode,
        period: Period,
    ) -> Result<Vec<Values>, AppError> {
        let named = |what: String| AppError::Usage(format!("{}: {what}", path.display()));
        // Intake tells the kind of a file by its name; what this one is, its reader said.
        let folder = tempfile::tempdir().map_err(failed("create a copy of", path))?;
        let extension = path
            .extension()
            .and_then(|end| end.to_str())
            .unwrap_or("csv");
        let copy = folder.path().join(format!("returns.{extension}"));
        std::fs::copy(path, &copy).map_err(failed("read", path))?;
        let delivery = Delivery::open(&[copy]).map_err(|error| named(error.to_string()))?;
        let mut indicators = BTreeSet::new();
        let mut rows: Vec<Values> = Vec::new();
        for row in delivery.rows() {
            let row = row.map_err(|refused| named(refused.to_string()))?;
            let columns = RecordKind::Return.columns().iter();
            let cells: Values = columns
                .zip(row.cells.iter())
                .map(|(column, cell)| (column.name.to_owned(), cell.trim().to_owned()))
                .collect();
            let line = row.source.line;
            let cell = |name: &str| cells.get(name).map(String::as_str).unwrap_or_default();
            if OfficeCode::parse(cell("office")) != Some(office)
                || Period::parse(cell("period")) != Some(period)
            {
                return Err(named(format!(
                    "line {line} is not of office {office} and period {period}"
                )));
            }
            if !indicators.insert(cell("indicator").to_owned()) {
                return Err(named(format!(
                    "line {line}: its indicator stands there twice"
                )));
            }
            rows.push(cells);
        }
        if rows.is_empty() {
            return Err(named("it has no line".to_owned()));
        }
        Ok(rows)
    }
}
