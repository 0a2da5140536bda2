//! The end of the log, followed once for all who read it on this node.
//!
//! What comes in: entries, as the store grows. What goes out: batches of events, which all readers
//! share, each by its own filter. What may fail: the store, which is asked again; for a reader that is behind, its own
//! reading. What must stay true: a reader is told of consecutive positions, each once; what it costs
//! is its place in the log and nothing more: what many have read recently is kept for all of them in
//! one ring of bounded size, and whoever is behind that reads the store, page by page, at its own
//! pace.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::event::{Event, EventError};
use super::filter::Filter;
use super::gzip::Piece;
use super::{Result, SubscriptionError};
use crate::ledger::aggregate::office::office_after;
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::model::office::OfficeDirectory;
use crate::store::{Store, StoredEntry};

/// Entries of a batch at most: some 128 kB of events, which is also what a slow reader may hold back.
const BATCH: u64 = 128;
/// Filters for which a batch was judged once for all who have them.
const MOST_JUDGED: usize = 16;
/// Entries that are read together when a page is looked for.
const PAGE: u64 = 512;
/// Bytes that are kept for all, of events and of their text: at a thousand events a second, the last
/// quarter minute.
const RING_BYTES: usize = 32 << 20;
/// How long is waited for the log to grow before it is looked whether anybody still reads.
const LOOK: Duration = Duration::from_secs(10);
/// Pause after the store failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Events of consecutive positions.
#[derive(Debug)]
pub struct Batch {
    /// The first position.
    pub from: Position,
    /// The first position after it.
    pub next: Position,
    /// The events.
    pub events: Vec<Event>,
    /// The offices as they were known after it.
    pub offices: Arc<OfficeDirectory>,
    /// All events as streams tell them, once somebody wants all of them. Most readers do, and
    /// writing them down for each is what telling many would cost most.
    text: OnceLock<Bytes>,
    /// The same in gzip, for streams that ask for that.
    piece: OnceLock<std::io::Result<Arc<Piece>>>,
    /// Whether all of it is wanted, by filter: many readers have the same.
    judged: Mutex<Vec<(Filter, bool)>>,
    bytes: usize,
}

impl Batch {
    /// Whether all of it is wanted.
    fn is_wanted(&self, filter: &Filter) -> bool {
        // Whoever asks for the same meanwhile waits, which is less than to judge it, too.
        let mut judged = lock(&self.judged);
        if let Some((_, is_wanted)) = judged.iter().find(|(of, _)| of == filter) {
            return *is_wanted;
        }
        let judge = || {
            let mut events = self.events.iter();
            events.all(|event| filter.takes(event, &self.offices))
        };
        if judged.len() == MOST_JUDGED {
            drop(judged);
            return judge();
        }
        let is_wanted = judge();
        judged.push((filter.clone(), is_wanted));
        is_wanted
    }

    fn text(&self) -> Bytes {
        self.text.get_or_init(|| text(self.events.iter())).clone()
    }
}

/// What was read recently.
#[derive(Default)]
struct Ring {
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
}

impl Ring {
    fn push(&mut self, batch: Arc<Batch>) {
        self.bytes += batch.bytes;
        self.batches.push_back(batch);
        while self.bytes > RING_BYTES
            && let Some(oldest) = self.batches.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
    }

    /// The batch that a position is in.
    fn find(&self, position: Position) -> Option<Arc<Batch>> {
        let after = self.batches.partition_point(|batch| batch.next <= position);
        let batch = self.batches.get(after)?;
        (batch.from <= position).then(|| batch.clone())
    }
}

/// Offices as far as they were read.
#[derive(Default)]
struct Offices {
    next: Position,
    directory: Arc<OfficeDirectory>,
}

struct Shared {
    store: Arc<dyn Store>,
    ledger: Uuid,
    ring: Mutex<Ring>,
    offices: Mutex<Offices>,
    /// The first position that was not read for all.
    read_to: watch::Sender<Position>,
    /// Whether somebody follows the log for all.
    follows: Mutex<bool>,
    /// Who does, or did.
    follower: Mutex<Option<JoinHandle<()>>>,
    /// Becomes true when nobody is to follow any more.
    closed: watch::Sender<bool>,
}

/// The end of the log of a node.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

/// Somebody who is told of events.
pub struct Reader {
    shared: Arc<Shared>,
    filter: Filter,
    next: Position,
    read_to: watch::Receiver<Position>,
}

/// What a reader is told of a part of the log.
pub struct Told<'a> {
    batch: Arc<Batch>,
    filter: &'a Filter,
    from: Position,
}

/// Events that were looked for in a part of the log.
#[derive(Debug)]
pub struct Page {
    /// In order.
    pub events: Vec<Event>,
    /// The first position that was not looked at.
    pub next: Position,
}

impl Told<'_> {
    /// The events that are wanted, in order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        let wanted = |event: &&Event| {
            event.position >= self.from && self.filter.takes(event, &self.batch.offices)
        };
        self.batch.events.iter().filter(wanted)
    }

    /// The events that are wanted, as a stream tells them, and how many.
    #[must_use]
    pub fn text(&self) -> (Bytes, usize) {
        if self.from == self.batch.from && self.batch.is_wanted(self.filter) {
            return (self.batch.text(), self.batch.events.len());
        }
        let wanted: Vec<&Event> = self.events().collect();
        (text(wanted.iter().copied()), wanted.len())
    }

    /// The same as a piece of a stream in gzip; nothing when no event is wanted.
    ///
    /// # Errors
    /// When the library fails.
    pub fn piece(&self) -> Result<Option<(Arc<Piece>, usize)>> {
        let (told, count) = self.text();
        if count == 0 {
            return Ok(None);
        }
        let pack = || Piece::of(&told).map(Arc::new);
        let piece = if count == self.batch.events.len() {
            match self.batch.piece.get_or_init(pack) {
                Ok(piece) => Ok(piece.clone()),
                Err(error) => Err(error.to_string()),
            }
        } else {
            pack().map_err(|error| error.to_string())
        };
        Ok(Some((piece.map_err(SubscriptionError::Packing)?, count)))
    }

    /// The first position after that part.
    #[must_use]
    pub fn next(&self) -> Position {
        self.batch.next
    }
}

fn text<'a>(events: impl Iterator<Item = &'a Event>) -> Bytes {
    let mut text = String::new();
    for event in events {
        event.write_to(&mut text);
    }
    text.into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Feed {
    /// Of a ledger. Nothing is read until somebody asks.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, ledger: Uuid) -> Self {
        Self(Arc::new(Shared {
            store,
            ledger,
            ring: Mutex::default(),
            offices: Mutex::default(),
            read_to: watch::Sender::new(0),
            follows: Mutex::new(false),
            follower: Mutex::default(),
            closed: watch::Sender::new(false),
        }))
    }

    /// Ends the following, and lets go of the store: readers are told of nothing more.
    pub async fn close(&self) {
        self.0.closed.send_replace(true);
        let follower = lock(&self.0.follower).take();
        if let Some(follower) = follower {
            // If it panicked, it has let go as well.
            let _ = follower.await;
        }
    }

    /// Reads from a position on; what is not appended yet follows when it is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reader(&self, from: Position, filter: Filter) -> Result<Reader> {
        // Before anything is judged by it.
        self.0.look_at_offices().await?;
        let mut follows = lock(&self.0.follows);
        let read_to = self.0.read_to.subscribe();
        if !*follows {
            *follows = true;
            *lock(&self.0.follower) = Some(tokio::spawn(follow(self.0.clone())));
        }
        Ok(Reader {
            shared: self.0.clone(),
            filter,
            next: from,
            read_to,
        })
    }

    /// The first `limit` events from a position on, looked for among so many entries at most.
    ///
    /// # Errors
    /// When the store fails, or an entry does not read.
    pub async fn page(
        &self,
        filter: &Filter,
        from: Position,
        limit: usize,
        most: u64,
    ) -> Result<Page> {
        let size = self.0.look_at_offices().await?;
        let mut page = Page {
            events: Vec::new(),
            next: from,
        };
        let end = from.saturating_add(most).min(size);
        while page.next < end && page.events.len() < limit {
            let count = PAGE.min(end - page.next);
            let batch = self.0.read(page.next, count, Some(filter)).await?;
            if batch.next == page.next {
                break;
            }
            page.next = batch.next;
            page.events.extend(batch.events);
        }
        if let Some(beyond) = page.events.get(limit) {
            page.next = beyond.position;
            page.events.truncate(limit);
        }
        Ok(page)
    }
}

impl Reader {
    /// The first position that it was not told of.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.next
    }

    /// The next events, or nothing when none came within the patience. It may be given up while it
    /// waits, and loses nothing.
    ///
    /// # Errors
    /// When the store fails, or an entry does not read.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<Told<'_>>> {
        let from = self.next;
        let grows = self.read_to.wait_for(|read_to| *read_to > from);
        let read_to = match tokio::time::timeout(patience, grows).await {
            // Whoever sends is kept by this reader.
            Err(_) | Ok(Err(_)) => return Ok(None),
            Ok(Ok(read_to)) => *read_to,
        };
        let found = lock(&self.shared.ring).find(from);
        let batch = if let Some(batch) = found {
            batch
        } else {
            // Not beyond what was read for all: the offices are known as of there.
            let count = BATCH.min(read_to - from);
            let batch = self.shared.read(from, count, Some(&self.filter));
            Arc::new(batch.await?)
        };
        if batch.next == from {
            return Err(SubscriptionError::Gap(from));
        }
        self.next = batch.next;
        let filter = &self.filter;
        Ok(Some(Told {
            batch,
            filter,
            from,
        }))
    }
}

impl Shared {
    /// The next entries from a position on; of events, those that a filter wants, or all.
    async fn read(&self, from: Position, count: u64, filter: Option<&Filter>) -> Result<Batch> {
        let stored = self.store.entries(from, count).await?;
        let mut batch = Batch {
            from,
            next: from,
            events: Vec::new(),
            offices: lock(&self.offices).directory.clone(),
            text: OnceLock::new(),
            piece: OnceLock::new(),
            judged: Mutex::default(),
            bytes: 0,
        };
        for stored in &stored {
            if stored.position != batch.next {
                return Err(SubscriptionError::Gap(batch.next));
            }
            batch.next += 1;
            if let Some(filter) = filter
                && filter.finds(stored, &batch.offices)?.is_none()
            {
                continue;
            }
            let event = Event::of(self.ledger, stored)?;
            if filter.is_none() && event.kind == "office" {
                self.note(stored)?;
            }
            batch.bytes += event.json.len();
            batch.events.push(event);
        }
        if filter.is_none() {
            batch.offices = lock(&self.offices).directory.clone();
            // Of the events, and of their text, which is a little more than as much.
            batch.bytes *= 2;
        }
        Ok(batch)
    }

    /// Takes note of what became of an office.
    fn note(&self, stored: &StoredEntry) -> Result<()> {
        let mut offices = lock(&self.offices);
        if stored.position < offices.next {
            return Ok(());
        }
        let position = stored.position;
        let read = Entry::parse(&stored.bytes).and_then(|entry| office_after(&entry));
        let office = read.map_err(|source| EventError::Entry { position, source })?;
        if let Some(office) = office {
            Arc::make_mut(&mut offices.directory).insert(office);
        }
        offices.next = position + 1;
        Ok(())
    }

    /// Takes note of all offices that the log has; gives its size before that. What comes after is
    /// not judged by them.
    async fn look_at_offices(&self) -> Result<u64> {
        let size = self.store.head().await?.size;
        let next = lock(&self.offices).next;
        let newer = self.store.entries_of_type_from("office", next, u64::MAX);
        for stored in &newer.await? {
            self.note(stored)?;
        }
        Ok(size)
    }

    /// Reads for all what was appended; gives the first position after it.
    async fn advance(&self, from: Position) -> Result<Position> {
        let batch = self.read(from, BATCH, None).await?;
        let next = batch.next;
        if next > from {
            lock(&self.ring).push(Arc::new(batch));
            // After the ring has it: who is told looks there first.
            self.read_to.send_replace(next);
            return Ok(next);
        }
        self.store.grown(from, LOOK).await?;
        Ok(from)
    }

    /// Whether nobody reads any more. Then, nobody follows.
    fn is_left(&self) -> bool {
        let mut follows = lock(&self.follows);
        if self.read_to.receiver_count() > 0 {
            return false;
        }
        *follows = false;
        *lock(&self.ring) = Ring::default();
        true
    }

    /// The end of the log, where following begins.
    async fn begin(&self) -> Result<Position> {
        let end = self.look_at_offices().await?;
        self.read_to.send_replace(end);
        Ok(end)
    }
}

/// Follows the log for all, as long as somebody reads.
async fn follow(shared: Arc<Shared>) {
    let mut from = None;
    let mut closed = shared.closed.subscribe();
    while !shared.is_left() && !*closed.borrow_and_update() {
        let goes_on = async {
            match from {
                None => shared.begin().await,
                Some(from) => shared.advance(from).await,
            }
        };
        let advanced = tokio::select! {
            _ = closed.changed() => return,
            advanced = goes_on => advanced,
        };
        match advanced {
            Ok(next) => from = Some(next),
            Err(error) => {
                tracing::error!(%error, "the end of the log cannot be read; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
