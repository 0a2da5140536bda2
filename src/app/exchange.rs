//! Figures of offices and periods for other systems, all of one position.

use super::{App, AppError};
use crate::indicators::targets::Targets;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::report::exchange::{DataSet, ExchangeError};
use crate::report::{HalfYearReport, ReportError};

impl App {
    /// The figures of an office, and if `each` of every office below it as well, for some
    /// periods, as of a number of entries.
    ///
    /// # Errors
    /// When the office is not registered, or the store fails.
    pub async fn figures(
        &self,
        office: OfficeCode,
        each: bool,
        periods: &[Period],
        size: u64,
        targets: &Targets,
    ) -> Result<DataSet, AppError> {
        let registers = self.registers().await?;
        let snapshot = self.snapshot(&registers, size).await?;
        let directory = &snapshot.offices;
        if directory.get(office).is_none() {
            return Err(ReportError::UnknownOffice(office).into());
        }
        let mut reports = Vec::new();
        for known in directory.all() {
            let wanted = known.code == office || (each && directory.is_within(known.code, office));
            for period in periods.iter().filter(|_| wanted) {
                let report = HalfYearReport::build(&snapshot, known.code, *period, targets)?;
                reports.push(report);
            }
        }
        Ok(DataSet::of(&reports).ok_or(ExchangeError::Empty)?)
    }
}
