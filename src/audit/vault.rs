//! The check of the vault as a whole, after the walk: erasures, changes, years, master keys.
//!
//! What comes in: what the walk left. What goes out: the first thing that is wrong. What may fail:
//! reading. What must stay true: what others do meanwhile (an erasure under way, a rotation of the
//! master key) is looked at again before it is called wrong.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::leaves::Wrong;
use super::sealed::{check_erasures, check_women};
use super::verify::{BATCH, Scope, Verification, Verifier, VerifyError};
use super::walk::{Walk, batch};
use crate::ledger::aggregate::erasure::ErasureEvent;
use crate::ledger::aggregate::log::Log;
use crate::ledger::keys::UnwrapError;
use crate::ledger::request::{LedgerError, fold};
use crate::ledger::sealing::RecordKeys;
use crate::ledger::years::{statistical_year, year_name};
use crate::model::entry::Entry;
use crate::model::fields::AnyFields;
use crate::model::id::Position;
use crate::model::time::Timestamp;

/// An erasure of a hundred records empties the vault in milliseconds.
const ERASURE_TAKES: Duration = Duration::from_secs(2);

impl Verifier<'_> {
    pub(super) async fn check_vault(
        &self,
        walk: &mut Walk,
        report: &mut Verification,
    ) -> Result<Result<(), Wrong>, VerifyError> {
        for later in &walk.later {
            match self.ledger.history(later.record_id).await {
                Ok(_) => report.commitments += 1,
                Err(LedgerError::History(error)) => {
                    return Ok(Err(Wrong::at(later.position, error.to_string())));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let Err(wrong) = self.check_closed(walk, report.entries).await? {
            return Ok(Err(wrong));
        }
        if let Err(wrong) = self.await_erasures(walk).await? {
            return Ok(Err(wrong));
        }
        let mut erasures = BTreeMap::new();
        for stored in self.ledger.store.entries_of_type("erasure").await? {
            let parsed = Entry::parse(&stored.bytes)
                .and_then(|entry| serde_json::from_str::<ErasureEvent>(entry.payload.get()));
            match parsed {
                Ok(event) => erasures.insert(stored.position, event),
                Err(error) => return Ok(Err(Wrong::at(stored.position, error.to_string()))),
            };
        }
        let keys: std::collections::HashSet<&String> =
            walk.erased.iter().map(|(_, _, key)| key).collect();
        report.erased = keys.len() as u64;
        // Others may not have reached the vault yet: they came since, or wait until they are signed.
        let applied = |at: Position| at < self.signed.size && walk.erasures.contains(&at);
        if let Err(wrong) = check_erasures(&walk.erased, &erasures, applied) {
            return Ok(Err(wrong));
        }
        if self.ledger.vault.vault_of().await? != Some(self.ledger.id) {
            return Ok(Err(Wrong::overall("the vault is not of this ledger")));
        }
        if let Err(wrong) = self.check_oldest_master_key().await? {
            return Ok(Err(wrong));
        }
        if let Err(wrong) = self.check_women(walk, report.entries).await? {
            return Ok(Err(wrong));
        }
        Ok(match self.ledger.vault.surplus().await? {
            0 => Ok(()),
            rows => Err(Wrong::overall(format!(
                "the vault has {rows} rows that belong to no entry"
            ))),
        })
    }

    /// The vault refuses no master key that the log does not say was rotated out.
    async fn check_oldest_master_key(&self) -> Result<Result<(), Wrong>, VerifyError> {
        let oldest = self.ledger.vault.oldest_master_key().await?;
        let id = self.ledger.id;
        // Read after the vault: the log is told first.
        let mut streams = self.ledger.store.streams(&[id]).await?;
        let stream = streams.remove(&id).unwrap_or_default();
        let said = match fold::<Log>(&stream) {
            Ok(log) => log.master_key.unwrap_or(0),
            Err(what) => return Ok(Err(Wrong::overall(what))),
        };
        if oldest > said {
            let what = format!(
                "the vault refuses master keys below {oldest}, but the last rotation was to {said}"
            );
            return Ok(Err(Wrong::overall(what)));
        }
        Ok(Ok(()))
    }

    async fn check_women(
        &self,
        walk: &Walk,
        entries: u64,
    ) -> Result<Result<(), Wrong>, VerifyError> {
        // The years first: a key that is destroyed now takes its tokens with it.
        let years = self.ledger.vault.years().await?;
        let mut tokens = self.ledger.vault.woman_tokens().await?;
        // Beyond the log: appended since, or left by a crash between the two commits.
        tokens.retain(|(position, _)| *position < entries);
        let head = self.ledger.store.head().await?;
        let today = if self.ledger.simulated {
            head.recorded_at
        } else {
            Timestamp::now()
        };
        let mut month_of = BTreeMap::new();
        let with_token: std::collections::HashSet<Position> =
            tokens.iter().map(|(position, _)| *position).collect();
        let mut women = walk.women.clone();
        let without = |(at, _): &&(Position, _)| !with_token.contains(at);
        let without: Vec<Position> = women.iter().filter(without).map(|woman| woman.0).collect();
        // Erased since the walk, and the token with it.
        let rows = self.ledger.vault.sealed_at(&without).await?;
        let erased = |at: &Position| rows.get(at).is_some_and(|row| row.erased_by.is_some());
        women.retain(|(at, _)| !erased(at));
        for position in without.iter().filter(|at| !erased(at)) {
            let Some(stored) = self.ledger.store.entry(*position).await? else {
                continue;
            };
            let year = Entry::parse(&stored.bytes).ok().and_then(|entry| {
                let row = crate::registers::row::RegisterRow::of(&entry).ok()??;
                let AnyFields::PregnancyLoss(fields) = row.fields else {
                    return None;
                };
                Some(statistical_year(fields.month?.first_day()))
            });
            month_of.insert(*position, year);
        }
        for year in &years {
            if let Some(error) = self.year_key_fault(*year).await? {
                let what = format!("the key of statistical year {year}: {error}");
                return Ok(Err(Wrong::overall(what)));
            }
        }
        Ok(check_women(
            &self.ledger,
            &women,
            tokens,
            &years,
            today,
            |position| month_of.get(&position).copied().flatten(),
        ))
    }

    /// Waits for erasures that are under way: their entry stands first, then the vault is emptied.
    async fn await_erasures(&self, walk: &mut Walk) -> Result<Result<(), Wrong>, VerifyError> {
        let begun = Instant::now();
        walk.unerased
            .retain(|(_, erasure)| *erasure < self.signed.size);
        while let Some((first, erasure)) = walk.unerased.iter().min().copied() {
            let positions: Vec<Position> = walk.unerased.iter().map(|row| row.0).collect();
            let rows = self.ledger.vault.sealed_at(&positions).await?;
            walk.unerased.retain(|(at, erasure)| {
                let row = rows.get(at).filter(|row| row.erased_by == Some(*erasure));
                walk.erased
                    .extend(row.map(|row| (*at, *erasure, hex::encode(row.key_id))));
                row.is_none()
            });
            if begun.elapsed() > ERASURE_TAKES && !walk.unerased.is_empty() {
                let what =
                    format!("the entry at {erasure} erased this content, but the vault has it");
                return Ok(Err(Wrong::at(first, what)));
            }
            tokio::time::sleep(ERASURE_TAKES / 20).await;
        }
        Ok(Ok(()))
    }

    /// Why the key of a year does not open, if it does not.
    async fn year_key_fault(&self, year: i32) -> Result<Option<UnwrapError>, VerifyError> {
        let mut fault = None;
        // Again, if its master key was rotated out between the reading and the opening.
        for _ in 0..2 {
            let Some(wrapped) = self.ledger.vault.year_key(year).await? else {
                return Ok(None);
            };
            let (id, name) = (self.ledger.id, year_name(year));
            fault = RecordKeys::open(&wrapped, &self.ledger.master, id, name).err();
            if !matches!(fault, Some(UnwrapError::NoMasterKey(_))) {
                break;
            }
        }
        Ok(fault)
    }

    /// Reads once more what was wrapped under a master key that is not kept any more: it was
    /// rotated out between the reading of a row and its opening, or it is missing.
    async fn check_closed(
        &self,
        walk: &Walk,
        entries: u64,
    ) -> Result<Result<(), Wrong>, VerifyError> {
        let mut done = 0;
        for position in &walk.closed {
            if *position < done {
                continue;
            }
            let (ledger, erased_keys) = (self.ledger.clone(), walk.erased_keys.clone());
            let (_, _, sealed) = batch(ledger, Scope::Everything, erased_keys, *position).await?;
            let closed = sealed.closed.first().map(|at| {
                let what = "its keys are wrapped under a master key that is not in the key file";
                Wrong::at(*at, what)
            });
            let wrong = [sealed.wrong, closed].into_iter().flatten();
            let of_this_check = |wrong: &Wrong| wrong.position.is_none_or(|at| at < entries);
            if let Some(wrong) = wrong
                .filter(of_this_check)
                .min_by_key(|wrong| wrong.position)
            {
                return Ok(Err(wrong));
            }
            done = position + BATCH;
        }
        Ok(Ok(()))
    }
}
