//! Walking through history: two moments told apart, who set what, step by step, and since when.
//!
//! What comes in: moments, an office, a period, a condition. What goes out: what
//! [`crate::history`] makes of them. What may fail: the store, a sealed date that does not open,
//! an office or a moment that is not there. What must stay true: sealed dates are opened for
//! counting only and do not leave the snapshot; each entry of a stretch is read once, however
//! many steps it is cut into.

mod bisect;
mod blame;
mod diff;
mod player;
mod query;
mod replay;

pub use crate::history::steps::ReplayStep;
pub use bisect::{Bisection, Condition, Ends, Evaluation, RuleCondition, Turn, bisect, turns};
pub use diff::DiffOptions;
pub use player::Player;
pub use query::QueryCondition;
pub use replay::{Replay, ReplayOptions};

use std::collections::HashMap;

use uuid::Uuid;

use super::periods::office_name;
use super::reading::{AsOf, BATCH};
use super::{App, AppError};
use crate::history::difference::Moment;
use crate::history::playback::{SealedDates, needs_opening};
use crate::locale::Bilingual;
use crate::model::entry::Entry;
use crate::model::id::OfficeCode;
use crate::model::office::OfficeDirectory;
use crate::registers::Registers;
use crate::registers::snapshot::Snapshot;

impl App {
    /// How many entries there were at a moment that somebody wrote.
    ///
    /// # Errors
    /// See [`AsOf::named`] and [`App::size_at`].
    pub async fn size_named(&self, text: &str) -> Result<u64, AppError> {
        self.size_at(AsOf::named(text)?).await
    }

    /// A number of entries as a moment.
    ///
    /// # Errors
    /// When the store fails, or the last entry does not read.
    pub async fn moment(&self, size: u64) -> Result<Moment, AppError> {
        let Some(position) = size.checked_sub(1) else {
            return Ok(Moment {
                size,
                position: None,
                recorded_at: None,
            });
        };
        let stored = self.ledger.store.entry(position).await?.ok_or_else(|| {
            AppError::Integrity(format!("there is no entry at position {position}"))
        })?;
        let entry = Entry::parse(&stored.bytes)
            .map_err(|error| AppError::Integrity(format!("position {position}: {error}")))?;
        Ok(Moment {
            size,
            position: Some(position),
            recorded_at: Some(entry.recorded_at),
        })
    }

    /// What was current as of a number of entries, without any sealed date.
    pub(super) async fn bare_snapshot(
        &self,
        registers: &Registers,
        size: u64,
    ) -> Result<Snapshot, AppError> {
        let moment = self.moment(size).await?;
        Ok(Snapshot {
            size,
            recorded_at: moment.recorded_at.unwrap_or_default(),
            simulated_clock: self.ledger.simulated,
            origin: self.origin.clone(),
            offices: self.offices(size).await?,
            rows: registers.snapshot_rows(size)?,
            born_on: HashMap::new(),
            losses: HashMap::new(),
        })
    }

    /// Opens the sealed dates of records as of a number of entries, and of every version before.
    pub(super) async fn open_dates(
        &self,
        ids: &[Uuid],
        size: u64,
        sealed: &mut SealedDates,
    ) -> Result<(), AppError> {
        let mut unknown = ids.to_vec();
        unknown.retain(|id| !sealed.knows(*id, size));
        for ids in unknown.chunks(BATCH) {
            for history in self.histories(ids, size).await? {
                sealed.learn(&history, size);
            }
        }
        Ok(())
    }
}

/// Current records of a snapshot whose sealed dates are counted.
pub(super) fn to_open(snapshot: &Snapshot) -> Vec<Uuid> {
    let rows = snapshot.rows.values().flatten();
    rows.filter(|row| needs_opening(&row.fields))
        .map(|row| row.record_id)
        .collect()
}

/// Offices that have none above them.
fn top_offices(offices: &OfficeDirectory) -> Vec<OfficeCode> {
    let all = offices.all().into_iter();
    let tops = all.filter(|office| {
        office
            .parent
            .is_none_or(|above| offices.get(above).is_none())
    });
    tops.map(|office| office.code).collect()
}

/// The office that was named, or the only one that has none above it.
fn one_office(
    offices: &OfficeDirectory,
    named: Option<OfficeCode>,
) -> Result<OfficeCode, AppError> {
    if let Some(named) = named {
        return known_office(offices, named);
    }
    match top_offices(offices).as_slice() {
        [only] => Ok(*only),
        [] => Err(AppError::Usage(
            "no office was registered by then, so nothing is counted yet".to_owned(),
        )),
        several => {
            let codes: Vec<_> = several.iter().map(ToString::to_string).collect();
            Err(AppError::Usage(format!(
                "several offices have none above them; name one with --office: {}",
                codes.join(", ")
            )))
        }
    }
}

fn known_office(offices: &OfficeDirectory, code: OfficeCode) -> Result<OfficeCode, AppError> {
    let known = offices.get(code).map(|office| office.code);
    known.ok_or_else(|| crate::report::ReportError::UnknownOffice(code).into())
}

/// The name of an office, or its code when it is not registered.
pub(in crate::app) fn name_of(offices: &OfficeDirectory, code: OfficeCode) -> Bilingual {
    let nameless = || Bilingual {
        en: code.to_string(),
        zh: code.to_string(),
    };
    offices.get(code).map_or_else(nameless, office_name)
}
