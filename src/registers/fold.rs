//! The fold: entries become rows, and rows become segments.
//!
//! What comes in: entries of the store, in batches, from the position that is known. What goes
//! out: rows in the tail, and a segment whenever the tail has reached the end of one. What may
//! fail: the store; an entry that is not the next one or does not read. What must stay true: the
//! positions known are always gapless from 0, also after a failure in the middle of a batch, so
//! catching up again goes on where it stopped.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::row::RegisterRow;
use super::segment::{self, Damage, Fault};
use super::{RegisterError, Registers, Result};
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::model::time::Timestamp;
use crate::seal::merkle::{Hash, leaf_hash};
use crate::store::{Store, StoredEntry};

/// Entries asked of the store at once: some 6 MB.
const BATCH_ENTRIES: u64 = 4096;

/// What catching up did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CatchUp {
    /// Entries read from the store, of any type.
    pub entries: u64,
    /// Segments written.
    pub segments_written: u64,
}

/// Rows of consecutive positions that are in no segment yet.
pub(super) struct Tail {
    /// First position.
    pub(super) first: Position,
    /// First position that is not in it.
    pub(super) next: Position,
    /// The last entry; empty when there is none.
    last_entry: Vec<u8>,
    rows: [Vec<RegisterRow>; RecordKind::ALL.len()],
    entries: Sha256,
}

impl Tail {
    /// Nothing yet, from a position on.
    pub(super) fn at(first: Position) -> Self {
        Self {
            first,
            next: first,
            last_entry: Vec::new(),
            rows: RecordKind::ALL.map(|_| Vec::new()),
            entries: Sha256::new(),
        }
    }

    /// The rows of a kind, in order.
    pub(super) fn rows(&self, kind: RecordKind) -> &[RegisterRow] {
        &self.rows[kind as usize]
    }

    /// SHA-256 over the entries so far, each preceded by its length as a big-endian u32.
    pub(super) fn entries_digest(&self) -> [u8; 32] {
        self.entries.clone().finalize().into()
    }

    /// RFC 6962 leaf hash of the last entry.
    pub(super) fn last_leaf(&self) -> Hash {
        leaf_hash(&self.last_entry)
    }

    /// Takes the next entry, or leaves everything as it is.
    fn push(&mut self, stored: &StoredEntry) -> Result<()> {
        let position = self.next;
        let wrong = |found| RegisterError::Order { position, found };
        if stored.position != position {
            return Err(wrong(stored.position));
        }
        let entry = Entry::parse(&stored.bytes)
            .map_err(|source| RegisterError::Entry { position, source })?;
        if entry.position != position {
            return Err(wrong(entry.position));
        }
        let row = RegisterRow::of(&entry)?;
        // An entry has at most 65,535 bytes.
        let length = u32::try_from(stored.bytes.len()).unwrap_or(u32::MAX);
        self.entries.update(length.to_be_bytes());
        self.entries.update(&stored.bytes);
        self.last_entry.clone_from(&stored.bytes);
        self.next += 1;
        if let Some(row) = row {
            self.rows[row.kind() as usize].push(row);
        }
        Ok(())
    }

    /// Takes the entries of one batch, up to a position.
    pub(super) async fn take_batch(&mut self, store: &dyn Store, until: Position) -> Result<u64> {
        let limit = BATCH_ENTRIES.min(until - self.next);
        let entries = store.entries(self.next, limit).await?;
        if entries.is_empty() {
            return Err(RegisterError::Missing {
                position: self.next,
            });
        }
        entries.iter().try_for_each(|entry| self.push(entry))?;
        Ok(entries.len() as u64)
    }

    /// The rows of a range of positions.
    pub(super) async fn of_range(
        store: &dyn Store,
        first: Position,
        until: Position,
    ) -> Result<Self> {
        let mut tail = Self::at(first);
        while tail.next < until {
            tail.take_batch(store, until).await?;
        }
        Ok(tail)
    }
}

impl Registers {
    /// Reads what is in the store and not yet in the registers, up to the head that the store
    /// has now. Segments that were found on opening are taken over where they are sound and of
    /// these entries; the others are rebuilt on the way.
    ///
    /// # Errors
    /// When the store cannot be read, has fewer entries than are known, or has an entry that
    /// does not read; or when a segment cannot be written. What was read before stays.
    pub async fn catch_up(&mut self) -> Result<CatchUp> {
        let mut done = CatchUp::default();
        let size = self.store.head().await?.size;
        if size < self.size() {
            return Err(RegisterError::Shrunk {
                known: self.size(),
                size,
            });
        }
        loop {
            let number = self.segments.len() as u64;
            let segment_end = self.tail.first.saturating_add(self.segment_events);
            if self.tail.next == segment_end {
                self.complete_segment(number).await?;
                done.segments_written += 1;
            } else if !self.take_over(number).await? {
                if self.tail.next >= size {
                    break;
                }
                let until = size.min(segment_end);
                let store = Arc::clone(&self.store);
                done.entries += self.tail.take_batch(store.as_ref(), until).await?;
            }
        }
        // Beyond the head there can be no segment of this ledger.
        while let Some((number, _)) = self.ahead.pop_first() {
            self.discard(number, Fault::Entries)?;
        }
        Ok(done)
    }

    /// Takes over the segment of that number, if one was found and the store has its entries.
    async fn take_over(&mut self, number: u64) -> Result<bool> {
        if self.tail.next != self.tail.first {
            return Ok(false);
        }
        let Some(segment) = self.ahead.remove(&number) else {
            return Ok(false);
        };
        let last = self.store.entry(segment.end - 1).await?;
        let last_leaf = last.map(|entry| hex::encode(leaf_hash(&entry.bytes).0));
        if last_leaf.as_ref() == Some(&segment.last_leaf_sha256) {
            self.tail = Tail::at(segment.end);
            self.segments.push(segment);
            return Ok(true);
        }
        self.discard(number, Fault::Entries)?;
        Ok(false)
    }

    /// Writes the full tail as a segment, on a thread that may block, and begins a new one.
    async fn complete_segment(&mut self, number: u64) -> Result<()> {
        // If this future is dropped meanwhile, the range is read again.
        let empty = Tail::at(self.tail.first);
        let tail = std::mem::replace(&mut self.tail, empty);
        let (folder, ledger_id) = (self.folder.clone(), self.ledger_id);
        let write = move || {
            let written = segment::write(&folder, ledger_id, number, &tail);
            (tail, written)
        };
        let (tail, written) = tokio::task::spawn_blocking(write)
            .await
            .map_err(|_| RegisterError::Interrupted)?;
        match written {
            Ok(segment) => {
                self.ahead.remove(&number);
                self.tail = Tail::at(segment.end);
                self.segments.push(segment);
                Ok(())
            }
            Err(error) => {
                self.tail = tail;
                Err(error)
            }
        }
    }

    /// Gives up a segment; it is rebuilt from the entries.
    pub(super) fn discard(&mut self, segment: u64, fault: Fault) -> Result<()> {
        segment::discard(&self.folder, segment)?;
        let damage = Damage { segment, fault };
        tracing::warn!("{damage}; it is rebuilt from the ledger");
        self.damaged.push(damage);
        Ok(())
    }
}

/// Number of entries that the ledger knew at a moment: those with `recorded_at` not after it.
/// Times never go back along positions, so a search by halves finds it.
///
/// # Errors
/// When the store cannot be read or an entry does not read.
pub async fn size_at(store: &dyn Store, moment: Timestamp) -> Result<u64> {
    // All entries below `low` are of that moment or before; those from `high` on are after it.
    let (mut low, mut high) = (0, store.head().await?.size);
    while low < high {
        let position = low + (high - low) / 2;
        let stored = store.entry(position).await?;
        let stored = stored.ok_or(RegisterError::Missing { position })?;
        let entry = Entry::parse(&stored.bytes)
            .map_err(|source| RegisterError::Entry { position, source })?;
        if entry.recorded_at <= moment {
            low = position + 1;
        } else {
            high = position;
        }
    }
    Ok(low)
}
