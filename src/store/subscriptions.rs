//! Durable subscriptions: the port, and what one is to the store.
//!
//! What comes in: where in the log a subscription has read to, and which positions beyond that it
//! is for. What goes out: positions, each to one consumer at a time. What may fail: the database.
//! What must stay true: a position is handed out only while no earlier one of the same record waits,
//! is being worked on or is parked, so that the order of each record holds however many consumers
//! there are; what was taken in is forgotten by an acknowledgement only; all times are the
//! database's, so that nodes need no common clock. Nothing of an entry is here but its position and
//! the id of its record. Subscriptions are neither exported nor backed up: where one has read to
//! means nothing in a copy that has another end.
//!
//! ```text
//! the log ... | scanned_to ->   ready -> leased -> (acknowledged: gone)
//!                                 ^        | refused: waiting -> ready again
//!                                 +--------+ refused too often: parked, until somebody replays it
//! ```

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::Result;
use crate::model::id::{OfficeCode, Position};
use crate::model::time::Timestamp;

/// Positions that are held back by parked ones, and these, as a multiple of the window: with more
/// of them a subscription takes in nothing new until somebody looks at it.
pub const MOST_HELD: u64 = 10;

/// A consumer that asks again sooner is not written down again.
pub(super) const SEEN_MICROS: i64 = 10_000_000;
/// Consumers that are remembered of a subscription.
pub(super) const MOST_CONSUMERS: i64 = 100;

/// Which events are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Types of streams, as `birth`; all of them when there is none.
    pub kinds: Vec<String>,
    /// Of this office and those below it; of any when there is none.
    pub office: Option<OfficeCode>,
    /// Whether what is of no office (keys, disclosures, tokens) is wanted, too.
    pub officeless: bool,
}

/// Whether a subscription hands out anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriptionState {
    /// It does.
    Active,
    /// Somebody paused it.
    Paused,
    /// The server gave up delivering to it.
    Disabled,
}

impl SubscriptionState {
    const ALL: [Self; 3] = [Self::Active, Self::Paused, Self::Disabled];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// How a subscription deals with its consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How often an event is handed out before it is parked.
    pub max_attempts: u32,
    /// How long a refused event waits the first time; twice as long each time after that.
    pub backoff_base_ms: u32,
    /// Longest that a refused event waits.
    pub backoff_cap_ms: u32,
    /// Positions that are taken in at a time.
    pub window: u32,
    /// How long a consumer may work on what it was given.
    pub lease_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_attempts: 8,
            backoff_base_ms: 1000,
            backoff_cap_ms: 600_000,
            window: 1000,
            lease_ms: 60_000,
        }
    }
}

/// Thousandths, drawn anew for each refusal: so that what failed together is not tried together.
pub type Jitter = u16;

impl Settings {
    /// How long an event waits that was refused after so many attempts: between one half and the
    /// whole of what has doubled with each of them.
    #[must_use]
    pub fn backoff(&self, attempts: u32, jitter: Jitter) -> Duration {
        let doubled = 1_u64.checked_shl(attempts.saturating_sub(1).min(32));
        let whole = u64::from(self.backoff_base_ms).saturating_mul(doubled.unwrap_or(u64::MAX));
        let whole = whole.min(self.backoff_cap_ms.into());
        Duration::from_millis(whole / 2 + whole * u64::from(jitter.min(1000)) / 2000)
    }
}

/// A durable subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Names it, in the whole ledger.
    pub name: String,
    /// Whose it is; the ledger's own operator's when there is none.
    pub office: Option<OfficeCode>,
    /// The token that made it.
    pub token: Option<Uuid>,
    /// What it is for.
    pub filter: Filter,
    /// Whether it hands out anything.
    pub state: SubscriptionState,
    /// The first position that it has not looked at.
    pub scanned_to: Position,
    /// When it was made, by the database's clock; what is given at its making is not looked at.
    pub created_at: Timestamp,
    /// How it deals with its consumers.
    pub settings: Settings,
    /// Where the server itself delivers to, when no consumer fetches; opaque to the store.
    pub endpoint: Option<String>,
}

/// A position that a subscription is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Where.
    pub position: Position,
    /// The stream whose order is kept.
    pub record: Uuid,
}

/// A position that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Where.
    pub position: Position,
    /// Its stream.
    pub record: Uuid,
    /// How often it was handed out, with this time.
    pub attempt: u32,
}

/// What was handed out to a consumer at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Names it; whoever acknowledges says it.
    pub id: Uuid,
    /// Until when nobody else gets the same.
    pub until: Timestamp,
    /// In order of their positions; of each record, one.
    pub taken: Vec<Taken>,
}

/// What became of an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// Forgotten by this one.
    pub acknowledged: Vec<Position>,
    /// Not there any more: acknowledged before, or the subscription was reset.
    pub gone: Vec<Position>,
    /// Not under this lease any more: it ended, and somebody else has them, had them, or will.
    pub lost: Vec<Position>,
}

/// What became of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterRefusal {
    /// Handed out again then.
    Waiting(Timestamp),
    /// Not handed out again until somebody replays it; later events of its record wait behind it.
    Parked,
    /// Not under this lease any more.
    Lost,
}

/// Somebody who took something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// What it calls itself.
    pub name: String,
    /// When it last asked.
    pub seen_at: Timestamp,
}

/// How far a subscription is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// The first position that it has not looked at.
    pub scanned_to: Position,
    /// That can be handed out now.
    pub ready: u64,
    /// That consumers work on.
    pub leased: u64,
    /// That wait until they are tried again.
    pub waiting: u64,
    /// That were refused too often.
    pub parked: u64,
    /// That stand behind a parked one of their record.
    pub held: u64,
    /// That stand behind another one of their record, which is not parked.
    pub behind: u64,
    /// The first that was not acknowledged, and since when it is known.
    pub oldest: Option<(Position, Timestamp)>,
    /// The database's clock when it was asked.
    pub now: Timestamp,
    /// Who asked, the latest first.
    pub consumers: Vec<Consumer>,
}

impl Progress {
    /// How many positions can be taken in.
    #[must_use]
    pub fn room(&self, settings: &Settings) -> u64 {
        let window = u64::from(settings.window);
        if self.parked + self.held >= window.saturating_mul(MOST_HELD) {
            return 0;
        }
        let free = self.ready + self.leased + self.waiting + self.behind;
        window.saturating_sub(free)
    }
}

/// A position that was refused too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Where.
    pub position: Position,
    /// Its stream.
    pub record: Uuid,
    /// How often it was handed out.
    pub attempts: u32,
    /// What its consumer said last.
    pub last_error: String,
}

/// A row of the window, as far as a lease is judged by it.
pub(super) struct LeasedRow {
    pub(super) position: Position,
    pub(super) lease: Option<Uuid>,
    pub(super) attempts: u32,
}

/// Which of these positions a lease can acknowledge, given the rows of them that are there.
pub(super) fn settle(positions: &[Position], lease: Uuid, rows: &[LeasedRow]) -> Settled {
    let mut settled = Settled::default();
    for position in positions {
        let of = match rows.iter().find(|row| row.position == *position) {
            None => &mut settled.gone,
            Some(row) if row.lease == Some(lease) => &mut settled.acknowledged,
            Some(_) => &mut settled.lost,
        };
        if !of.contains(position) {
            of.push(*position);
        }
    }
    settled
}

pub(super) fn micros_of(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// The port to durable subscriptions. What takes a name answers `None` or `false` when there is no
/// subscription of that name.
#[async_trait]
pub trait Subscriptions: Send + Sync {
    /// Keeps a new subscription; `false` when the name is taken.
    async fn create_subscription(&self, new: &Subscription) -> Result<bool>;
    /// Every subscription, by name.
    async fn subscriptions(&self) -> Result<Vec<Subscription>>;
    /// One.
    async fn subscription(&self, name: &str) -> Result<Option<Subscription>>;
    /// Replaces the settings and the endpoint.
    async fn alter_subscription(
        &self,
        name: &str,
        settings: Settings,
        endpoint: Option<&str>,
    ) -> Result<bool>;
    /// Lets it hand out, or not.
    async fn set_subscription_state(&self, name: &str, state: SubscriptionState) -> Result<bool>;
    /// Forgets it and all it knew.
    async fn delete_subscription(&self, name: &str) -> Result<bool>;
    /// Takes in positions that were found between `from` and `to`, unless somebody else has looked
    /// there meanwhile, which is answered with `false`: `from` must be where it had read to.
    async fn take_in(
        &self,
        name: &str,
        from: Position,
        to: Position,
        found: &[Candidate],
    ) -> Result<bool>;
    /// Hands out at most `most`, of an active subscription; `None` when there is none of that name
    /// or it is not active. Leases that ended are taken back before.
    async fn claim(
        &self,
        name: &str,
        consumer: &str,
        most: u32,
        lease: Duration,
    ) -> Result<Option<Lease>>;
    /// Forgets what was done.
    async fn acknowledge(
        &self,
        name: &str,
        lease: Uuid,
        positions: &[Position],
    ) -> Result<Option<Settled>>;
    /// Gives a position back that could not be dealt with; `retry_after` is the least it waits.
    async fn refuse(
        &self,
        name: &str,
        lease: Uuid,
        position: Position,
        reason: &str,
        retry_after: Duration,
        jitter: Jitter,
    ) -> Result<Option<AfterRefusal>>;
    /// Lets parked ones, of one record or of all, be handed out anew; gives how many.
    async fn replay_parked(&self, name: &str, record: Option<Uuid>) -> Result<Option<u64>>;
    /// Begins anew at a position, and forgets what was taken in.
    async fn reset_subscription(&self, name: &str, to: Position) -> Result<bool>;
    /// How far it is.
    async fn progress(&self, name: &str) -> Result<Option<Progress>>;
    /// What is parked, in order, at most `limit`.
    async fn parked(&self, name: &str, limit: u32) -> Result<Vec<Parked>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_doubles_up_to_its_cap() {
        let settings = Settings {
            backoff_base_ms: 100,
            backoff_cap_ms: 1000,
            ..Settings::default()
        };
        let waits = |jitter| {
            [1, 2, 3, 4, 5, 200].map(|attempts| settings.backoff(attempts, jitter).as_millis())
        };
        assert_eq!(waits(1000), [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(waits(0), [50, 100, 200, 400, 500, 500]);
        assert_eq!(settings.backoff(0, 500).as_millis(), 75);
    }

    #[test]
    fn what_is_parked_leaves_room_for_others_but_not_for_ever() {
        let settings = Settings {
            window: 10,
            ..Settings::default()
        };
        let mut progress = Progress {
            ready: 3,
            leased: 2,
            behind: 1,
            parked: 20,
            held: 79,
            ..Progress::default()
        };
        assert_eq!(progress.room(&settings), 4);
        progress.held += 1;
        assert_eq!(progress.room(&settings), 0);
    }
}
