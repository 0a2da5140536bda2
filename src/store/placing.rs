//! The placing of a batch at the end of the log, the same for every database.
//!
//! What comes in: groups, the head, the clock, the versions of their streams and the idempotency
//! keys that were used before, and the keys that were erased, all read under the lock of the
//! head. What goes out: an [`Outcome`]
//! for each group. What may fail: a clock that went back. What must stay true: one loser never
//! fails another group, and what a loser would have taken is free again.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{
    Group, Head, MAX_AHEAD_MICROS, Outcome, Pending, Repeated, Result, StoreError, StoredEntry,
    VaultRow,
};
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::model::time::Timestamp;

/// The size of the log after an append, if it appended anything.
pub(super) fn size_after(outcomes: &[Outcome]) -> Option<u64> {
    let ends = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Appended(entries) => Some(entries.last()?.position + 1),
        _ => None,
    });
    ends.max()
}

/// The head after the entry at a position.
pub(super) fn head_after(position: Position, bytes: &[u8]) -> Result<Head> {
    let entry = Entry::parse(bytes).map_err(|error| StoreError::Integrity {
        position,
        what: error.to_string(),
    })?;
    Ok(Head {
        size: position + 1,
        recorded_at: entry.recorded_at,
    })
}

/// The events that were placed, with their entries.
pub(super) fn placed<'a>(
    groups: &'a [Group],
    outcomes: &'a [Outcome],
) -> Vec<(&'a Pending, &'a StoredEntry)> {
    groups
        .iter()
        .zip(outcomes)
        .filter_map(|(group, outcome)| match outcome {
            Outcome::Appended(entries) => Some(group.events.iter().zip(entries)),
            Outcome::Conflict { .. } | Outcome::Repeated { .. } => None,
        })
        .flatten()
        .collect()
}

/// Splits the batch: who is appended where, and who lost and why.
pub(super) struct Placing {
    /// The end of the log, which moves with every group that is placed.
    pub(super) head: Head,
    /// The database's clock, read under the lock.
    pub(super) clock: Timestamp,
    /// The versions at which the streams of the batch stand.
    pub(super) versions: HashMap<Uuid, u64>,
    /// Idempotency keys of the batch that were used before.
    pub(super) repeated: Repeated,
    /// Keys of records of the batch that were erased.
    pub(super) erased: HashSet<[u8; 16]>,
}

impl Placing {
    /// Places the groups in their order.
    ///
    /// # Errors
    /// When the head is too far ahead of the clock ([`MAX_AHEAD_MICROS`]).
    pub(super) fn all(&mut self, groups: &[Group]) -> Result<Vec<Outcome>> {
        let mut events = groups.iter().flat_map(|group| &group.events);
        let simulated = events.all(|event| event.entry.simulated_at.is_some());
        let ahead_micros = self.head.recorded_at.micros() - self.clock.micros();
        if !simulated && ahead_micros > MAX_AHEAD_MICROS {
            return Err(StoreError::ClockBehind { ahead_micros });
        }
        Ok(groups.iter().map(|group| self.place(group)).collect())
    }

    fn place(&mut self, group: &Group) -> Outcome {
        if let Some((key, request)) = &group.idempotency {
            if let Some((position, first)) = self.repeated.get(key) {
                return Outcome::Repeated {
                    position: *position,
                    request: *first,
                };
            }
            self.repeated.insert(*key, (self.head.size, *request));
        }
        let mut expected: HashMap<Uuid, u64> = HashMap::new();
        for event in &group.events {
            let id = event.entry.aggregate_id;
            let at = expected
                .get(&id)
                .or_else(|| self.versions.get(&id))
                .copied()
                .unwrap_or(0);
            let erased = |row: &VaultRow| self.erased.contains(&row.key_id);
            if event.entry.sequence != at + 1 || event.vault.as_ref().is_some_and(erased) {
                if let Some((key, _)) = &group.idempotency {
                    self.repeated.remove(key);
                }
                return Outcome::Conflict {
                    aggregate_id: id,
                    current: at,
                };
            }
            expected.insert(id, at + 1);
        }
        self.versions.extend(expected);
        let placed = group.events.iter().map(|event| {
            let now = event.entry.simulated_at.unwrap_or(self.clock);
            self.head.recorded_at = self.head.recorded_at.max(now);
            let position = self.head.size;
            self.head.size += 1;
            StoredEntry {
                position,
                bytes: event.entry.place(position, self.head.recorded_at),
            }
        });
        Outcome::Appended(placed.collect())
    }
}

/// The number of the master key that keys are wrapped under: their first four bytes, big-endian.
pub(super) fn master_key_number(wrapped: &[u8]) -> Option<u32> {
    wrapped.first_chunk().copied().map(u32::from_be_bytes)
}

/// The wrapped keys of a batch.
pub(super) fn wrapped_keys(groups: &[Group]) -> impl Iterator<Item = &[u8]> {
    let events = groups.iter().flat_map(|group| &group.events);
    events.filter_map(|event| Some(event.vault.as_ref()?.keys.as_slice()))
}

/// Refuses keys that are wrapped under a master key below the oldest that holds.
pub(super) fn refuse_below<'a>(
    oldest: u32,
    mut wrapped: impl Iterator<Item = &'a [u8]>,
) -> Result<()> {
    let retired = |number: &u32| *number < oldest;
    match wrapped.find_map(|keys| master_key_number(keys).filter(retired)) {
        Some(number) => Err(StoreError::KeyRetired { number }),
        None => Ok(()),
    }
}

/// Reads the number below which master keys are refused, as the vault keeps it.
pub(super) fn oldest_of(text: Option<&str>) -> Result<u32> {
    text.map_or(Ok(0), |text| {
        text.parse().map_err(|_| StoreError::Integrity {
            position: 0,
            what: "the vault's number of the oldest master key is no number".to_owned(),
        })
    })
}
