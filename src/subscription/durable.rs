//! Named subscriptions that several consumers work on together.
//!
//! What comes in: a subscription, a consumer that asks for work, what became of it. What goes out:
//! events under a lease, of each record one at a time. What may fail: the store; a lease that ended.
//! What must stay true: an event is delivered at least once, in the order of its record; what was
//! refused too often is parked and holds back what follows it in its record, and nothing else; what
//! does not pass the filter is never taken in, but is accounted for by `scanned_to`.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use uuid::Uuid;

use super::Result;
use super::event::Event;
use super::filter::Sight;
use crate::model::id::Position;
use crate::store::subscriptions::{
    AfterRefusal, Candidate, Jitter, Lease, Progress, Settled, Subscription, SubscriptionState,
    Subscriptions, Taken,
};
use crate::store::{Store, StoredEntry};

/// Entries that are looked at together.
const PAGE: u64 = 1000;
/// Pages that one consumer looks through at most before it is told that there is nothing yet.
const MOST_PAGES: usize = 50;
/// Most events that are handed out at once.
pub const MOST: u32 = 500;
/// How long an event may wait for its acknowledgement before a subscription counts as stuck.
pub const MOST_AGE: Duration = Duration::from_mins(15);
/// A subscription that nobody asked for so long is forgotten, and harms nobody.
pub const FORGOTTEN: Duration = Duration::from_hours(24);

/// What was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Under what.
    pub lease: Lease,
    /// The events, in order; of each record, one.
    pub events: Vec<(Taken, Event)>,
}

/// Why a subscription needs somebody who looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
    /// Events were refused too often.
    Parked(u64),
    /// The event at this position waits for too long.
    Waits(Position),
}

/// Named subscriptions of a ledger.
#[derive(Clone)]
pub struct Durable {
    store: Arc<dyn Store>,
    kept: Arc<dyn Subscriptions>,
    ledger: Uuid,
    jitter: Arc<dyn Fn() -> Jitter + Send + Sync>,
}

impl Durable {
    /// Of a ledger.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, kept: Arc<dyn Subscriptions>, ledger: Uuid) -> Self {
        Self {
            store,
            kept,
            ledger,
            jitter: Arc::new(|| rand::rng().random_range(0..=1000)),
        }
    }

    /// The same with another source of chance.
    #[must_use]
    pub fn with_jitter(mut self, jitter: impl Fn() -> Jitter + Send + Sync + 'static) -> Self {
        self.jitter = Arc::new(jitter);
        self
    }

    /// Looks at the next entries for a subscription; gives whether there may be more to look at.
    ///
    /// # Errors
    /// When the store fails, or an entry does not read.
    pub async fn take_in(&self, subscription: &Subscription, sight: &Sight) -> Result<bool> {
        let name = &subscription.name;
        let Some(progress) = self.kept.progress(name).await? else {
            return Ok(false);
        };
        let room = progress.room(&subscription.settings);
        let from = progress.scanned_to;
        if room == 0 {
            return Ok(false);
        }
        let page = self
            .store
            .entries(from, PAGE.min(sight.size.saturating_sub(from)))
            .await?;
        let Some(last) = page.last() else {
            return Ok(false);
        };
        let mut to = last.position + 1;
        let mut found = Vec::new();
        for stored in &page {
            let Some(record) = subscription.filter.finds(stored, &sight.offices)? else {
                continue;
            };
            let position = stored.position;
            found.push(Candidate { position, record });
            if found.len() as u64 == room {
                to = stored.position + 1;
                break;
            }
        }
        // Whether it was this one or another consumer: somebody has looked there.
        self.kept.take_in(name, from, to, &found).await?;
        Ok(true)
    }

    /// Hands out at most `most` events; none when there are none yet, or somebody else works on what
    /// comes before them. `None` when there is no subscription of that name, or it is not active.
    ///
    /// # Errors
    /// When the store fails, or an entry does not read.
    pub async fn claim(
        &self,
        name: &str,
        consumer: &str,
        most: u32,
        sight: &Sight,
    ) -> Result<Option<Delivery>> {
        let Some(subscription) = self.kept.subscription(name).await? else {
            return Ok(None);
        };
        let lease_ms = subscription.settings.lease_ms;
        let time = Duration::from_millis(lease_ms.into());
        let most = most.min(MOST);
        let mut pages = 0;
        loop {
            let Some(lease) = self.kept.claim(name, consumer, most, time).await? else {
                return Ok(None);
            };
            if lease.taken.is_empty()
                && pages < MOST_PAGES
                && self.take_in(&subscription, sight).await?
            {
                pages += 1;
                continue;
            }
            return self.delivery(lease).await.map(Some);
        }
    }

    /// Reads the events of a lease.
    async fn delivery(&self, lease: Lease) -> Result<Delivery> {
        let mut events = Vec::with_capacity(lease.taken.len());
        let mut page: Vec<StoredEntry> = Vec::new();
        let mut left = lease.taken.as_slice();
        while let Some((taken, rest)) = left.split_first() {
            let at = page.binary_search_by_key(&taken.position, |stored| stored.position);
            let Some(stored) = at.ok().and_then(|at| page.get(at)) else {
                // What lies near together is read together.
                let near = left
                    .iter()
                    .take_while(|other| other.position - taken.position < left.len() as u64 * 2);
                let last = near.last().map_or(taken.position, |last| last.position);
                let count = last - taken.position + 1;
                page = self.store.entries(taken.position, count).await?;
                if page.first().map(|first| first.position) != Some(taken.position) {
                    return Err(super::SubscriptionError::Gap(taken.position));
                }
                continue;
            };
            events.push((*taken, Event::of(self.ledger, stored)?));
            left = rest;
        }
        Ok(Delivery { lease, events })
    }

    /// Forgets what was done; `None` when there is no such subscription.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn acknowledge(
        &self,
        name: &str,
        lease: Uuid,
        positions: &[Position],
    ) -> Result<Option<Settled>> {
        Ok(self.kept.acknowledge(name, lease, positions).await?)
    }

    /// Gives back what could not be dealt with; `None` when there is no such subscription.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn refuse(
        &self,
        name: &str,
        lease: Uuid,
        position: Position,
        reason: &str,
        retry_after: Duration,
    ) -> Result<Option<AfterRefusal>> {
        let jitter = (self.jitter)();
        let refused = self
            .kept
            .refuse(name, lease, position, reason, retry_after, jitter);
        Ok(refused.await?)
    }
}

/// Whether somebody must look at a subscription.
///
/// Only of one that is active and that somebody consumed within a day: what was forgotten must not
/// take a server out. Whoever does not want it any more deletes it; whoever will come back to it later
/// pauses it.
#[must_use]
pub fn stuck(subscription: &Subscription, progress: &Progress) -> Option<Stuck> {
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let now = progress.now.micros();
    let seen = progress.consumers.iter().map(|one| one.seen_at.micros());
    let is_consumed = seen.max().is_some_and(|at| now - at < micros(FORGOTTEN));
    if subscription.state != SubscriptionState::Active || !is_consumed {
        return None;
    }
    if progress.parked > 0 {
        return Some(Stuck::Parked(progress.parked));
    }
    let (position, since) = progress.oldest?;
    (now - since.micros() > micros(MOST_AGE)).then_some(Stuck::Waits(position))
}
