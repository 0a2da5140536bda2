//! The check of a batch of entries: bytes, columns, order. Runs on any thread.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use uuid::Uuid;

use super::outline::Outline;
use crate::ledger::canonical;
use crate::model::entry::{Entry, MAX_ENTRY_BYTES, leaf_hash};
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::model::time::Timestamp;
use crate::seal::merkle::Hash;
use crate::store::EntryRow;

/// The first thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Wrong {
    /// The position, where there is one.
    pub position: Option<Position>,
    /// What is wrong.
    pub what: String,
}

impl Wrong {
    /// At a position.
    #[must_use]
    pub fn at(position: Position, what: impl Into<String>) -> Self {
        Self {
            position: Some(position),
            what: what.into(),
        }
    }

    /// Of the whole.
    #[must_use]
    pub fn overall(what: impl Into<String>) -> Self {
        Self {
            position: None,
            what: what.into(),
        }
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.position {
            Some(position) => write!(f, "position {position}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// What is needed of an entry after its bytes were checked.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// Its leaf hash, computed from the bytes.
    pub hash: Hash,
    /// Its stream.
    pub aggregate_id: Uuid,
    /// Its version.
    pub sequence: u64,
    /// Its time.
    pub recorded_at: Timestamp,
    /// Its event.
    pub event_id: Uuid,
    /// The kind of record, if it is of one.
    pub kind: Option<RecordKind>,
    /// Idempotency key and request digest, hexadecimal, if a caller gave one.
    pub idempotency: Option<String>,
    /// Where the payload lies in the bytes.
    pub payload: Range<usize>,
}

/// A checked batch, and the first thing that is wrong in it.
pub struct Batch {
    /// The leaves before that.
    pub leaves: Vec<Leaf>,
    /// The rows, for what is checked next.
    pub rows: Vec<EntryRow>,
    /// What is wrong at `leaves.len()`, if anything.
    pub wrong: Option<Wrong>,
}

/// Checks rows that should start at a position.
#[must_use]
pub fn check(first: Position, rows: Vec<EntryRow>) -> Batch {
    let mut leaves = Vec::with_capacity(rows.len());
    for (position, row) in (first..).zip(&rows) {
        match leaf(position, row) {
            Ok(leaf) => leaves.push(leaf),
            Err(what) => {
                return Batch {
                    leaves,
                    rows,
                    wrong: Some(Wrong::at(position, what)),
                };
            }
        }
    }
    Batch {
        leaves,
        rows,
        wrong: None,
    }
}

fn leaf(position: Position, row: &EntryRow) -> Result<Leaf, String> {
    if row.position != position {
        return Err(format!(
            "the entry is missing; the next one is at {}",
            row.position
        ));
    }
    let (leaf, aggregate_type) = leaf_of(position, &row.bytes)?;
    if aggregate_type != row.aggregate_type {
        return Err("the column aggregate_type is not what the entry says".to_owned());
    }
    if leaf.sequence != row.sequence {
        return Err("the column sequence is not what the entry says".to_owned());
    }
    Ok(leaf)
}

/// Checks the bytes of the entry that should stand at a position; gives its aggregate type, too.
pub(super) fn leaf_of(position: Position, bytes: &[u8]) -> Result<(Leaf, Cow<'_, str>), String> {
    if bytes.len() > MAX_ENTRY_BYTES {
        return Err(format!(
            "the entry has {} bytes, which is too long",
            bytes.len()
        ));
    }
    let members =
        canonical::members(bytes).map_err(|error| format!("the entry was changed: {error}"))?;
    let entry = match Outline::of(&members) {
        Some(outline) => outline,
        // Unusual, or no entry: the parser of entries decides, and says why.
        None => Entry::parse(bytes)
            .map(|entry| Outline::of_entry(&members, entry))
            .map_err(|error| format!("the entry was changed: {error}"))?,
    };
    if entry.format != 1 {
        return Err(format!("format {} is not known", entry.format));
    }
    if entry.position != position {
        return Err(format!(
            "the entry says that its position is {}",
            entry.position
        ));
    }
    let payload = members.text.get(entry.payload.clone()).unwrap_or_default();
    let tagged = payload
        .strip_prefix("{\"")
        .and_then(|rest| rest.strip_prefix(entry.event_type.as_ref()))
        .is_some_and(|rest| rest.starts_with("\":"));
    if !tagged {
        return Err("the payload is not of the entry's event_type".to_owned());
    }
    let kind = RecordKind::of_type(&entry.aggregate_type);
    let leaf = Leaf {
        hash: Hash(leaf_hash(bytes)),
        aggregate_id: entry.aggregate_id,
        sequence: entry.sequence,
        recorded_at: entry.recorded_at,
        event_id: entry.event_id,
        kind,
        idempotency: entry.idempotency.map(Cow::into_owned),
        payload: entry.payload,
    };
    Ok((leaf, entry.aggregate_type))
}

/// What holds from one entry to the next: versions of streams, and time.
#[derive(Default)]
pub struct Order {
    versions: HashMap<Uuid, u64>,
    last: Timestamp,
}

impl Order {
    /// Takes the next leaf.
    ///
    /// # Errors
    /// When a version is skipped or repeated, or time goes back.
    pub fn next(&mut self, position: Position, leaf: &Leaf) -> Result<(), Wrong> {
        let version = self.versions.entry(leaf.aggregate_id).or_insert(0);
        if leaf.sequence != *version + 1 {
            let what = format!(
                "the stream is at version {}, but the entry has {}",
                version, leaf.sequence
            );
            return Err(Wrong::at(position, what));
        }
        *version += 1;
        if leaf.recorded_at < self.last {
            return Err(Wrong::at(
                position,
                "the entry is older than the one before it",
            ));
        }
        self.last = leaf.recorded_at;
        Ok(())
    }
}
