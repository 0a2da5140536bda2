//! The fold: entries become rows, and rows become segments.
//!
//! What comes in: entries of the store, in batches, from the position that is known. What goes
//! out: columns in the tail, and a segment whenever the tail has reached the end of one. What may
//! fail: the store; an entry that is not the next one or does not read. What must stay true: the
//! positions known are always gapless from 0, also after a failure in the middle of a batch, so
//! catching up again goes on where it stopped; and also when the caller stops waiting, so what is
//! being written is still read from memory.
//!
//! Four things go on at the same time: the store reads a batch, the one before it is taken in and
//! hashed, and the segment before that is written; never more than one of each.

use std::sync::Arc;

use arrow_array::RecordBatch;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::columns::builder::RowBuilder;
use super::columns::joined;
use super::row::{Change, RegisterRow};
use super::scan::scan;
use super::segment::{self, Damage, Fault, Segment};
use super::succession::Step;
use super::{RegisterError, Registers, Result};
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::model::time::Timestamp;
use crate::seal::merkle::{Hash, leaf_hash};
use crate::store::{Packed, Store, StoreError};

/// Entries asked of the store at once: some 3 MB, of which processors keep copies near.
const BATCH_ENTRIES: u64 = 2048;

/// What catching up did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CatchUp {
    /// Entries read from the store, of any type.
    pub entries: u64,
    /// Segments written.
    pub segments_written: u64,
}

/// The rows of one kind: what is complete, and what still grows.
struct Columns {
    kind: RecordKind,
    complete: Vec<RecordBatch>,
    growing: RowBuilder,
}

impl Columns {
    fn new(kind: RecordKind) -> Self {
        Self {
            kind,
            complete: Vec::new(),
            growing: RowBuilder::new(kind),
        }
    }

    fn len(&self) -> usize {
        let complete = self.complete.iter().map(RecordBatch::num_rows);
        complete.sum::<usize>() + self.growing.len()
    }

    /// Makes a batch of what has grown. Batches of about the same size become one, so there are
    /// few, and a row is copied a few times only, however often this is done.
    fn settle(&mut self) -> Result<()> {
        if self.growing.len() > 0 {
            self.complete.push(self.growing.finish()?);
        }
        while let [.., before, last] = &self.complete[..]
            && last.num_rows() >= before.num_rows()
        {
            let both = joined(self.kind, [before, last])?;
            self.complete.truncate(self.complete.len() - 2);
            self.complete.push(both);
        }
        Ok(())
    }

    fn batch(&self) -> Result<RecordBatch> {
        if self.growing.len() == 0
            && let [only] = &self.complete[..]
        {
            return Ok(only.clone());
        }
        let growing = self.growing.copied()?;
        let all = self.complete.iter().chain([&growing]);
        Ok(joined(self.kind, all)?)
    }
}

/// A row of which it is not yet known what stood before it.
struct Follower {
    position: Position,
    record_id: Uuid,
    version: u64,
    void: bool,
}

/// Rows of consecutive positions that are in no segment yet.
pub(super) struct Tail {
    /// First position.
    pub(super) first: Position,
    /// First position that is not in it.
    pub(super) next: Position,
    /// The last entry; empty when there is none.
    last_entry: Vec<u8>,
    columns: [Columns; RecordKind::ALL.len()],
    entries: Sha256,
    steps: Vec<Step>,
    /// In order; what comes from the first of them on does not count before it is resolved.
    unresolved: Vec<Follower>,
}

/// The row of the entry at a position, read the careful way; `None` for one of no record.
///
/// # Errors
/// When the bytes are no entry, one of another position, or no event of its kind.
pub fn row_of(position: Position, bytes: &[u8]) -> Result<Option<RegisterRow>> {
    let read = Entry::parse(bytes);
    let entry = read.map_err(|source| RegisterError::Entry { position, source })?;
    if entry.position != position {
        let found = entry.position;
        return Err(RegisterError::Order { position, found });
    }
    Ok(RegisterRow::of(&entry)?)
}

/// Adds entries to a digest, each preceded by its length.
fn hash_entries<'a>(hash: &mut Sha256, entries: impl Iterator<Item = (Position, &'a [u8])>) {
    for (_, bytes) in entries {
        // An entry has at most 65,535 bytes.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        hash.update(length.to_be_bytes());
        hash.update(bytes);
    }
}

impl Tail {
    /// Nothing yet, from a position on.
    pub(super) fn at(first: Position) -> Self {
        Self {
            first,
            next: first,
            last_entry: Vec::new(),
            columns: RecordKind::ALL.map(Columns::new),
            entries: Sha256::new(),
            steps: Vec::new(),
            unresolved: Vec::new(),
        }
    }

    /// The first position that does not count yet.
    pub(super) fn known(&self) -> Position {
        let unresolved = self.unresolved.first();
        unresolved.map_or(self.next, |follower| follower.position)
    }

    /// Number of rows of a kind.
    pub(super) fn rows(&self, kind: RecordKind) -> usize {
        self.columns[kind as usize].len()
    }

    /// The rows of a kind, in order.
    pub(super) fn batch(&self, kind: RecordKind) -> Result<RecordBatch> {
        self.columns[kind as usize].batch()
    }

    /// The steps of its rows, in order.
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// SHA-256 over the entries so far, each preceded by its length as a big-endian u32.
    pub(super) fn entries_digest(&self) -> [u8; 32] {
        self.entries.clone().finalize().into()
    }

    /// RFC 6962 leaf hash of the last entry.
    pub(super) fn last_leaf(&self) -> Hash {
        leaf_hash(&self.last_entry)
    }

    /// Takes the next entry, or leaves everything as it is. Its digest is not taken here.
    fn push(&mut self, stored: Position, bytes: &[u8]) -> Result<()> {
        let position = self.next;
        let wrong = |found| RegisterError::Order { position, found };
        if stored != position {
            return Err(wrong(stored));
        }
        if let Some(row) = scan(bytes) {
            if row.position != position {
                return Err(wrong(row.position));
            }
            self.columns[row.kind as usize].growing.push_cells(&row)?;
            self.note(row.record_id, row.version, row.change);
        } else if let Some(row) = row_of(position, bytes)? {
            self.columns[row.kind() as usize].growing.push(&row)?;
            self.note(row.record_id, row.version, row.change);
        }
        self.next += 1;
        Ok(())
    }

    /// Notes what must be looked up about the row at the next position.
    fn note(&mut self, record_id: Uuid, version: u64, change: Change) {
        let void = change == Change::Voided;
        if version > 1 || void {
            self.unresolved.push(Follower {
                position: self.next,
                record_id,
                version,
                void,
            });
        }
    }

    /// Takes the entries of a batch, up to the first that cannot be taken. They are hashed beside.
    fn take(&mut self, entries: &Packed) -> Result<()> {
        let before = self.next;
        let mut hash = self.entries.clone();
        let (taken, hashed) = std::thread::scope(|scope| {
            let hashing = scope.spawn(|| {
                hash_entries(&mut hash, entries.iter());
            });
            let taken = entries
                .iter()
                .try_for_each(|(position, bytes)| self.push(position, bytes));
            (taken, hashing.join())
        });
        let count = usize::try_from(self.next - before).unwrap_or(usize::MAX);
        if count == entries.len() && hashed.is_ok() {
            self.entries = hash;
        } else {
            hash_entries(&mut self.entries, entries.iter().take(count));
        }
        if let Some((_, last)) = entries.iter().take(count).last() {
            last.clone_into(&mut self.last_entry);
        }
        taken
    }

    /// Looks up what stood before the rows that follow another, and makes steps of them.
    async fn resolve(&mut self, store: &dyn Store) -> Result<()> {
        let followers = self.unresolved.iter();
        let asked: Vec<(Uuid, u64)> = followers
            .filter(|follower| follower.version > 1)
            .map(|follower| (follower.record_id, follower.version - 1))
            .collect();
        let mut found = Vec::new();
        if !asked.is_empty() {
            found = store.positions_of(&asked).await?;
        }
        let mut found = found.into_iter();
        for (index, follower) in self.unresolved.iter().enumerate() {
            let position = follower.position;
            let before = if follower.version > 1 {
                let before = found.next().flatten().filter(|before| *before < position);
                if before.is_none() {
                    let version = follower.version;
                    self.unresolved.drain(..index);
                    return Err(RegisterError::NoPredecessor { position, version });
                }
                before
            } else {
                None
            };
            self.steps.push(Step {
                position,
                before,
                void: follower.void,
            });
        }
        self.unresolved.clear();
        Ok(())
    }

    /// The rows of a range of positions.
    pub(super) async fn of_range(
        store: &dyn Store,
        first: Position,
        until: Position,
    ) -> Result<Self> {
        let mut tail = Self::at(first);
        while tail.next < until {
            let limit = BATCH_ENTRIES.min(until - tail.next);
            let entries = store.packed(tail.next, limit).await?;
            if entries.is_empty() {
                let position = tail.next;
                return Err(RegisterError::Missing { position });
            }
            tail.take(&entries)?;
        }
        tail.resolve(store).await?;
        Ok(tail)
    }
}

/// A batch that the store reads while the one before it is taken in.
pub(super) struct Reading {
    from: Position,
    batch: JoinHandle<std::result::Result<Packed, StoreError>>,
}

/// A full tail that is being written.
pub(super) struct Closing {
    pub(super) tail: Arc<Tail>,
    writing: JoinHandle<Result<Segment>>,
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
        let followed = self.follow(&mut done).await;
        self.reading = None;
        // Whatever ended it, what was read so far counts, and nothing is left to be written.
        let resolved = self.resolve().await;
        let closed = self.finish_closing(&mut done).await;
        for columns in &mut self.tail.columns {
            columns.settle()?;
        }
        followed.and(resolved).and(closed)?;
        Ok(done)
    }

    async fn follow(&mut self, done: &mut CatchUp) -> Result<()> {
        let size = self.store.head().await?.size;
        let known = self.tail.next;
        if size < known {
            return Err(RegisterError::Shrunk { known, size });
        }
        loop {
            if self.tail.next == self.segment_end(self.tail.first) {
                self.resolve().await?;
                self.finish_closing(done).await?;
                self.close_tail();
            } else if !self.take_over(done).await? {
                if self.tail.next >= size {
                    break;
                }
                done.entries += self.take_batch(size).await?;
            }
        }
        // Beyond the head there can be no segment of this ledger.
        while let Some((number, _)) = self.ahead.pop_first() {
            self.discard(number, Fault::Entries)?;
        }
        Ok(())
    }

    /// The first position after the segment of a position.
    const fn segment_end(&self, position: Position) -> Position {
        let number = position / self.segment_events;
        number.saturating_add(1).saturating_mul(self.segment_events)
    }

    /// Number of entries to ask for, from a position on.
    fn batch_limit(&self, from: Position, size: u64) -> u64 {
        BATCH_ENTRIES.min(size.min(self.segment_end(from)) - from)
    }

    /// Takes the next batch into the tail, and lets the store read the one after it meanwhile.
    async fn take_batch(&mut self, size: u64) -> Result<u64> {
        let from = self.tail.next;
        let entries = match self.reading.take() {
            Some(reading) if reading.from == from => {
                let read = reading.batch.await;
                read.map_err(|_| RegisterError::Interrupted)??
            }
            _ => {
                let limit = self.batch_limit(from, size);
                self.store.packed(from, limit).await?
            }
        };
        if entries.is_empty() {
            return Err(RegisterError::Missing { position: from });
        }
        let from = from + entries.len() as u64;
        let is_found = self.ahead.contains_key(&(from / self.segment_events));
        if from < size && !is_found {
            let (store, limit) = (Arc::clone(&self.store), self.batch_limit(from, size));
            let batch = tokio::spawn(async move { store.packed(from, limit).await });
            self.reading = Some(Reading { from, batch });
        }
        self.tail.take(&entries)?;
        Ok(entries.len() as u64)
    }

    /// Looks up what stood before the rows of the tail that follow another.
    async fn resolve(&mut self) -> Result<()> {
        let known = self.tail.steps.len();
        let resolved = self.tail.resolve(self.store.as_ref()).await;
        self.succession.extend(&self.tail.steps[known..]);
        resolved
    }

    /// Takes over the segment at the end, if one was found and the store has its entries.
    async fn take_over(&mut self, done: &mut CatchUp) -> Result<bool> {
        let number = self.tail.first / self.segment_events;
        if self.tail.next != self.tail.first || !self.ahead.contains_key(&number) {
            return Ok(false);
        }
        self.finish_closing(done).await?;
        let Some(mut segment) = self.ahead.remove(&number) else {
            return Ok(false);
        };
        let last = self.store.entry(segment.end - 1).await?;
        let last_leaf = last.map(|entry| hex::encode(leaf_hash(&entry.bytes).0));
        if last_leaf.as_ref() == Some(&segment.last_leaf_sha256) {
            self.tail = Tail::at(segment.end);
            self.succession.extend(&std::mem::take(&mut segment.steps));
            self.segments.push(segment);
            return Ok(true);
        }
        self.discard(number, Fault::Entries)?;
        Ok(false)
    }

    /// Begins to write the full tail as a segment, on a thread that may block, and a new one.
    fn close_tail(&mut self) {
        let number = self.tail.first / self.segment_events;
        self.ahead.remove(&number);
        let tail = Arc::new(std::mem::replace(&mut self.tail, Tail::at(0)));
        self.tail = Tail::at(tail.next);
        let (folder, ledger_id) = (self.folder.path().to_owned(), self.ledger_id);
        let written = Arc::clone(&tail);
        let write = move || segment::write(&folder, ledger_id, number, &written);
        let writing = tokio::task::spawn_blocking(write);
        self.closing = Some(Closing { tail, writing });
    }

    /// Waits for the segment that is being written. When it cannot be written, what came after it
    /// is forgotten, and both are done again.
    async fn finish_closing(&mut self, done: &mut CatchUp) -> Result<()> {
        let Some(closing) = &mut self.closing else {
            return Ok(());
        };
        let written = (&mut closing.writing).await;
        let written = written.map_err(|_| RegisterError::Interrupted);
        let tail = self.closing.take().map(|closing| closing.tail);
        match written.flatten() {
            Ok(segment) => {
                self.segments.push(segment);
                done.segments_written += 1;
                Ok(())
            }
            Err(error) => {
                let first = self.segments.len() as u64 * self.segment_events;
                let tail = tail.and_then(Arc::into_inner);
                self.tail = tail.unwrap_or_else(|| Tail::at(first));
                self.succession.cut(self.tail.next);
                self.reading = None;
                Err(error)
            }
        }
    }

    /// Gives up a segment; it is rebuilt from the entries.
    pub(super) fn discard(&mut self, segment: u64, fault: Fault) -> Result<()> {
        segment::discard(self.folder.path(), segment)?;
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
