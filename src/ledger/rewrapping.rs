//! Wrapping the keys of records and years anew, under the newest master key.
//!
//! What comes in: the vault as it is. What goes out: how many keys were wrapped anew, and from
//! which position on others may still have added rows under an older key. What may fail: the
//! store; a row that is not authentic, which is left as it is, so that it is not made authentic
//! here. What must stay true: a row is replaced only if it is still the one that was read, so an
//! erasure in between stays one; running it again does what is left.

use std::collections::HashMap;

use uuid::Uuid;

use super::execute::Ledger;
use super::history::HistoryError;
use super::master::wrapped_under;
use super::request::LedgerError;
use super::sealing::{OpenError, RecordKeys};
use super::years::year_name;
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::store::{Rewrapped, VaultRow};

/// Rows that are read, wrapped and replaced at once.
const BATCH: u64 = 4096;

/// What was wrapped anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrapping {
    /// Rows and years whose keys were wrapped anew.
    pub keys: u64,
    /// Every row before it is wrapped under the newest key, or was left as it is.
    pub up_to: Position,
    /// The first row that is not authentic or does not open.
    pub doubtful: Option<Position>,
}

impl Ledger {
    /// Wraps anew what lies at or after a position and is wrapped under an older master key.
    ///
    /// # Errors
    /// When the store fails or an entry does not read.
    pub async fn rewrap(&self, from: Position) -> Result<Rewrapping, LedgerError> {
        let mut done = Rewrapping {
            keys: self.rewrap_years().await?,
            up_to: from,
            doubtful: None,
        };
        let newest = self.master.newest();
        loop {
            let rows = self.vault.sealed(done.up_to, BATCH).await?;
            let Some((last, _)) = rows.last() else {
                return Ok(done);
            };
            let end = last + 1;
            let older: Vec<&(Position, VaultRow)> = rows
                .iter()
                .filter(|(_, row)| !row.keys.is_empty() && wrapped_under(&row.keys) != newest)
                .collect();
            let events = match older.first() {
                Some((first, _)) => self.events(*first, end).await?,
                None => HashMap::new(),
            };
            let mut fresh = Vec::new();
            let mut no_entry = None;
            for (position, row) in older {
                let Some(event_id) = events.get(position) else {
                    // Another writer is about to commit its entry, or died before it did.
                    no_entry = Some(*position);
                    break;
                };
                match self.rewrapped(*event_id, *position, row) {
                    Some(row) => fresh.push(row),
                    None => done.doubtful = done.doubtful.or(Some(*position)),
                }
            }
            done.keys += self.vault.rewrap(fresh).await?;
            done.up_to = no_entry.unwrap_or(end);
            if no_entry.is_some() {
                return Ok(done);
            }
        }
    }

    /// The events in a range of positions.
    async fn events(
        &self,
        from: Position,
        end: Position,
    ) -> Result<HashMap<Position, Uuid>, LedgerError> {
        let mut events = HashMap::new();
        for stored in self.store.entries(from, end - from).await? {
            let position = stored.position;
            let entry = Entry::parse(&stored.bytes).map_err(|error| HistoryError::Entry {
                position,
                what: error.to_string(),
            })?;
            events.insert(position, entry.event_id);
        }
        Ok(events)
    }

    /// The row with its keys wrapped anew; none when it is not what was written.
    fn rewrapped(&self, event_id: Uuid, position: Position, row: &VaultRow) -> Option<Rewrapped> {
        if self.row_mac(event_id, row) != row.mac {
            return None;
        }
        let keys = RecordKeys::open(&row.keys, &self.master, self.id, event_id).ok()?;
        let keys = keys.wrapped(&self.master, self.id, event_id).ok()?;
        let anew = VaultRow {
            keys,
            ..row.clone()
        };
        Some(Rewrapped {
            position,
            mac: self.row_mac(event_id, &anew),
            keys: anew.keys,
            before: row.mac.clone(),
        })
    }

    async fn rewrap_years(&self) -> Result<u64, LedgerError> {
        let newest = self.master.newest();
        let mut keys = 0;
        for year in self.vault.years().await? {
            let Some(before) = self.vault.year_key(year).await? else {
                continue;
            };
            if wrapped_under(&before) == newest {
                continue;
            }
            let name = year_name(year);
            let anew = RecordKeys::open(&before, &self.master, self.id, name)
                .and_then(|keys| keys.wrapped(&self.master, self.id, name))
                .map_err(|error| HistoryError::Year {
                    year,
                    source: OpenError::Key(error),
                })?;
            keys += u64::from(self.vault.rewrap_year(year, &before, &anew).await?);
        }
        Ok(keys)
    }
}
