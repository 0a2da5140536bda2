//! Figures of offices and periods for other systems, all of one position.

use super::{App, AppError};
use crate::indicators::targets::Targets;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::report::exchange::{DataSet, ExchangeError};
use crate::report::sheet::Sheet;
use crate::report::suppression::Publication;
use crate::report::{HalfYearReport, ReportError};

impl App {
    /// The figures of an office, and if `each` of every office below it as well, for some
    /// periods, as of a number of entries; for the public with the smallest count that it is
    /// shown.
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
        publish: Option<u64>,
    ) -> Result<DataSet, AppError> {
        let registers = self.registers().await?;
        let snapshot = self.snapshot(&registers, size).await?;
        let directory = &snapshot.offices;
        if directory.get(office).is_none() {
            return Err(ReportError::UnknownOffice(office).into());
        }
        let publication = publish.map(|smallest| Publication::of(&snapshot, smallest));
        let mut sheets = Vec::new();
        for known in directory.all() {
            let wanted = known.code == office || (each && directory.is_within(known.code, office));
            for period in periods.iter().filter(|_| wanted) {
                let report = HalfYearReport::build(&snapshot, known.code, *period, targets)?;
                sheets.push(match &publication {
                    Some(publication) => Sheet::public(&report, publication),
                    None => Sheet::of(&report),
                });
            }
        }
        Ok(DataSet::of(&sheets).ok_or(ExchangeError::Empty)?)
    }
}
