//! What the entries of the log's own stream say: of its keys and origins, and of its clock.
//!
//! What comes in: those entries, in their order. What goes out: the [`Roster`], by which
//! checkpoints are accepted. What may fail: an entry that does not read, or that contradicts those
//! before it. What must stay true: everything is read from the bytes that were hashed.

use crate::ledger::aggregate::log::LogEvent;
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::roster::{Change, Roster};
use crate::store::StoredEntry;

pub use crate::seal::sealer::LOG_STREAM;

/// What the log says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFacts {
    /// Its keys and origins.
    pub roster: Roster,
    /// The last checkpoint of the origin before, where the log succeeded one.
    pub predecessor: Option<Checkpoint>,
    /// Whether times come from the reports.
    pub simulated_clock: bool,
}

impl LogFacts {
    /// Takes the next entry of the stream; `bytes` are those that were hashed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take(&mut self, position: Position, bytes: &[u8]) -> Result<(), String> {
        let entry = Entry::parse(bytes).map_err(|error| error.to_string())?;
        let event: LogEvent =
            serde_json::from_str(entry.payload.get()).map_err(|error| error.to_string())?;
        let change = match &event {
            LogEvent::Opened {
                origin,
                verifier_key: key,
                simulated_clock,
                ..
            } => {
                self.simulated_clock = *simulated_clock;
                Change::Opened { origin, key }
            }
            LogEvent::KeyAdded { verifier_key: key } => Change::Added { key },
            LogEvent::KeyRetired { verifier_key: key } => Change::Retired { key },
            LogEvent::Succeeded {
                origin,
                predecessor,
                signed,
                verifier_key: key,
            } => Change::Succeeded {
                origin,
                key,
                predecessor,
                signed: *signed,
            },
            LogEvent::MasterKeyRotated { .. } => return Ok(()),
        };
        let taken = self.roster.take(position, entry.recorded_at, &change);
        taken.map_err(|error| error.to_string())?;
        if let Change::Succeeded { predecessor, .. } = change {
            let opened = self.roster.open(predecessor.as_bytes());
            self.predecessor = Some(opened.map_err(|error| error.to_string())?);
        }
        Ok(())
    }
}

/// Whether an entry of the log's own stream bears on who signs a checkpoint.
#[must_use]
pub fn is_of_keys(bytes: &[u8]) -> bool {
    Entry::parse(bytes).is_ok_and(|entry| {
        let names_keys = matches!(
            entry.event_type.as_ref(),
            "Opened" | "KeyAdded" | "KeyRetired" | "Succeeded"
        );
        entry.aggregate_type == LOG_STREAM && names_keys
    })
}

/// The roster of the entries of the log's own stream.
///
/// # Errors
/// Which entry is wrong, and what with it.
pub fn roster(entries: &[StoredEntry]) -> Result<Roster, String> {
    let mut facts = LogFacts::default();
    for stored in entries {
        let position = stored.position;
        let taken = facts.take(position, &stored.bytes);
        taken.map_err(|what| format!("position {position}: {what}"))?;
    }
    Ok(facts.roster)
}
