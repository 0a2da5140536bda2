//! The placing of a batch at the end of the log, the same for every database.
//!
//! What comes in: groups, the head, the clock, the versions of their streams and the idempotency
//! keys that were used before, all read under the lock of the head. What goes out: an [`Outcome`]
//! for each group. What may fail: a clock that went back. What must stay true: one loser never
//! fails another group, and what a loser would have taken is free again.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    Group, Head, MAX_AHEAD_MICROS, Outcome, Pending, Repeated, Result, StoreError, StoredEntry,
};
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::model::time::Timestamp;

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
            if event.entry.sequence != at + 1 {
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
