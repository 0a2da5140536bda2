//! Keys of statistical years: tokens of pregnancy losses can be compared within one year only.
//!
//! What comes in: drafts of losses that name a woman's number. What goes out: the year's key at
//! hand, or none when its time has passed. What may fail: the vault. What must stay true: the key
//! is random, wrapped by the master key, and gone 400 days after the end of its year; the number
//! itself is dropped at once.

use chrono::{Datelike, NaiveDate};
use uuid::Uuid;

use super::execute::Ledger;
use super::keys::Prf;
use super::request::LedgerError;
use super::sealing::RecordKeys;
use crate::model::record::Draft;
use crate::model::slot::Role;
use crate::model::time::Timestamp;

/// Days after the end of a statistical year at which its key is destroyed.
pub const YEAR_KEY_DAYS: i64 = 400;

/// The statistical year (1 October to 30 September) of a day, named for the year it ends in.
#[must_use]
pub fn statistical_year(day: NaiveDate) -> i32 {
    if day.month() >= 10 {
        day.year() + 1
    } else {
        day.year()
    }
}

/// The day from which the key of a statistical year may no longer exist.
#[must_use]
pub fn year_key_ends(year: i32) -> NaiveDate {
    let end = NaiveDate::from_ymd_opt(year, 9, 30).unwrap_or(NaiveDate::MAX);
    end.checked_add_signed(chrono::Duration::days(YEAR_KEY_DAYS))
        .unwrap_or(NaiveDate::MAX)
}

/// The name to which the wrapped key of a year is bound.
#[must_use]
pub fn year_name(year: i32) -> Uuid {
    Uuid::from_u128(u128::from(year.unsigned_abs()))
}

impl Ledger {
    /// Makes sure that the keys of the statistical years of these losses are at hand.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn prepare_years(
        &self,
        drafts: impl Iterator<Item = &Draft>,
    ) -> Result<(), LedgerError> {
        let known = |year: i32| {
            self.years
                .lock()
                .is_ok_and(|years| years.contains_key(&year))
        };
        let wanted: Vec<i32> = drafts
            .filter(|draft| draft.woman_id_no.is_some())
            .map(|draft| statistical_year(draft.occurred_on))
            .filter(|year| !known(*year))
            .collect();
        for year in wanted {
            let prf = self.year_key(year).await?;
            if let Ok(mut years) = self.years.lock() {
                years.insert(year, prf);
            }
        }
        Ok(())
    }

    async fn year_key(&self, year: i32) -> Result<Option<Prf>, LedgerError> {
        let today = if self.simulated {
            self.store.head().await?.recorded_at.date()
        } else {
            Timestamp::now().date()
        };
        if today > year_key_ends(year) {
            return Ok(None);
        }
        let name = year_name(year);
        let held = if let Some(wrapped) = self.vault.year_key(year).await? {
            wrapped
        } else {
            self.master.refresh();
            let fresh = RecordKeys::generate(&[Role::Record], &mut rand::rng());
            let wrapped = fresh.wrapped(&self.master, self.id, name)?;
            self.vault.keep_year_key(year, &wrapped).await?
        };
        let keys = RecordKeys::open(&held, &self.master, self.id, name)?;
        Ok(keys.get(Role::Record).map(|key| Prf::new(key.as_bytes())))
    }
}
