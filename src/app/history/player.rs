//! A playback that reads what it needs from the ledger.
//!
//! What comes in: a number of entries to begin at, and how far to go. What goes out: what is
//! current there, and what changed on the way. What may fail: the store, an entry that does not
//! read, a sealed date that does not open. What must stay true: entries are read once, in
//! batches; the sealed dates of a batch are opened before its first entry is applied.

use std::collections::{BTreeMap, HashSet, VecDeque};

use chrono::NaiveDate;
use uuid::Uuid;

use super::{AppError, to_open};
use crate::app::App;
use crate::history::playback::{Advance, Changed, Playback, SealedDates, needs_opening};
use crate::history::steps::Every;
use crate::ledger::aggregate::office::office_after;
use crate::model::entry::Entry;
use crate::model::office::OfficeFields;
use crate::model::time::Timestamp;
use crate::registers::Registers;
use crate::registers::row::RegisterRow;

/// Entries that are read at once: some 6 MB.
const BATCH_ENTRIES: u64 = 4096;

/// What one entry does to what is current.
struct Queued {
    recorded_at: Timestamp,
    entry_type: String,
    row: Option<RegisterRow>,
    office: Option<OfficeFields>,
}

/// One step of a player.
pub struct Taken {
    /// What changed.
    pub changed: Changed,
    /// Entries by type of stream.
    pub entries: BTreeMap<String, u64>,
    /// Days on which records of the step were reported, as their offices say.
    pub reported_on: Vec<NaiveDate>,
}

/// What is current, brought forward from the ledger.
pub struct Player<'a> {
    app: &'a App,
    playback: Playback,
    sealed: SealedDates,
    /// Entries that were read and not applied yet.
    queue: VecDeque<Queued>,
    /// Where it ends.
    until: u64,
}

impl<'a> Player<'a> {
    /// At a number of entries, able to go on to another.
    ///
    /// # Errors
    /// When the registers or the store cannot be read, or a sealed date does not open.
    pub async fn at(
        app: &'a App,
        registers: &Registers,
        size: u64,
        until: u64,
    ) -> Result<Self, AppError> {
        Self::knowing(app, registers, size, until, SealedDates::default()).await
    }

    /// The same where some sealed dates are known already.
    ///
    /// # Errors
    /// See [`Player::at`].
    pub async fn knowing(
        app: &'a App,
        registers: &Registers,
        size: u64,
        until: u64,
        mut sealed: SealedDates,
    ) -> Result<Self, AppError> {
        let mut snapshot = app.bare_snapshot(registers, size).await?;
        app.open_dates(&to_open(&snapshot), size, &mut sealed)
            .await?;
        sealed.put_into(&mut snapshot);
        Ok(Self {
            app,
            playback: Playback::of(snapshot),
            sealed,
            queue: VecDeque::new(),
            until,
        })
    }

    /// The sealed dates that were opened, for another player of the same ledger.
    #[must_use]
    pub fn into_sealed(self) -> SealedDates {
        self.sealed
    }

    /// What is current.
    #[must_use]
    pub const fn playback(&self) -> &Playback {
        &self.playback
    }

    /// The same, for counts that follow it.
    pub const fn playback_mut(&mut self) -> &mut Playback {
        &mut self.playback
    }

    /// Takes the next step; `None` at the end.
    ///
    /// # Errors
    /// When the store fails, an entry does not read, or a sealed date does not open.
    pub async fn step(&mut self, every: Every) -> Result<Option<Taken>, AppError> {
        let mut first = None;
        let mut taken = 0;
        self.take(|queued| {
            let day = queued.recorded_at.date();
            let belongs = every.takes(*first.get_or_insert(day), taken, day);
            taken += u64::from(belongs);
            belongs
        })
        .await
    }

    /// Goes on to a number of entries, which is not before where it is.
    ///
    /// # Errors
    /// See [`Player::step`].
    pub async fn go_to(&mut self, size: u64) -> Result<Option<Taken>, AppError> {
        let mut left = size.saturating_sub(self.playback.size());
        self.take(|_| {
            let takes = left > 0;
            left = left.saturating_sub(1);
            takes
        })
        .await
    }

    /// Applies entries as long as they are wanted.
    async fn take(
        &mut self,
        mut wanted: impl FnMut(&Queued) -> bool,
    ) -> Result<Option<Taken>, AppError> {
        let mut advance = Advance {
            size: self.playback.size(),
            recorded_at: self.playback.snapshot().recorded_at,
            ..Advance::default()
        };
        let mut entries: BTreeMap<String, u64> = BTreeMap::new();
        let mut reported_on = Vec::new();
        loop {
            if self.queue.is_empty() && !self.read(advance.size).await? {
                break;
            }
            if !self.queue.front().is_some_and(&mut wanted) {
                break;
            }
            let Some(queued) = self.queue.pop_front() else {
                break;
            };
            advance.size += 1;
            advance.recorded_at = queued.recorded_at;
            if let Some(row) = &queued.row {
                reported_on.extend(reported(row));
            }
            advance.rows.extend(queued.row);
            advance.offices.extend(queued.office);
            *entries.entry(queued.entry_type).or_default() += 1;
        }
        if entries.is_empty() {
            return Ok(None);
        }
        let changed = self.playback.advance(advance, &self.sealed);
        Ok(Some(Taken {
            changed,
            entries,
            reported_on,
        }))
    }

    /// Reads the next batch; `false` at the end.
    async fn read(&mut self, from: u64) -> Result<bool, AppError> {
        let limit = BATCH_ENTRIES.min(self.until.saturating_sub(from));
        if limit == 0 {
            return Ok(false);
        }
        let stored = self.app.ledger.store.entries(from, limit).await?;
        if stored.is_empty() {
            return Err(AppError::Integrity(format!(
                "there is no entry at position {from}"
            )));
        }
        let end = from + stored.len() as u64;
        let mut ids: HashSet<Uuid> = HashSet::new();
        for stored in stored {
            let position = stored.position;
            let wrong = |error: serde_json::Error| {
                AppError::Integrity(format!("position {position}: {error}"))
            };
            let entry = Entry::parse(&stored.bytes).map_err(wrong)?;
            let row = RegisterRow::of(&entry).map_err(crate::registers::RegisterError::from)?;
            let office = office_after(&entry).map_err(wrong)?;
            let opened = row.as_ref().filter(|row| needs_opening(&row.fields));
            ids.extend(opened.map(|row| row.record_id));
            self.queue.push_back(Queued {
                recorded_at: entry.recorded_at,
                entry_type: entry.aggregate_type.into_owned(),
                row,
                office,
            });
        }
        let ids: Vec<Uuid> = ids.into_iter().collect();
        self.app.open_dates(&ids, end, &mut self.sealed).await?;
        Ok(true)
    }
}

/// When a record says that it was reported or submitted.
pub(super) fn reported(row: &RegisterRow) -> Option<NaiveDate> {
    use crate::model::cell::Value;
    ["reported_on", "submitted_on"]
        .into_iter()
        .find_map(|name| match row.fields.get(name) {
            Some(Value::Date(day)) => Some(day),
            _ => None,
        })
}
