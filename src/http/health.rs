//! Whether the server can do its work.
//!
//! What comes in: what became of each seal. What goes out: ready or not, and why. What may fail:
//! nothing. What must stay true: when sealing or publication stops, readiness turns red, while
//! appends go on and receipts say that their proof is still to come.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::app::witnesses::Publication;

/// For how long entries may wait for a checkpoint, or one for its witnesses.
pub const MAX_WAIT: Duration = Duration::from_secs(15);

/// What is known.
struct Known {
    /// What failed at the last look.
    failed: Option<String>,
    /// Since when there have been entries that are not sealed.
    unsealed_since: Option<Instant>,
    /// Since when there have been sealed entries that are not published.
    unpublished_since: Option<Instant>,
    /// Since when nothing could be published to NATS.
    unstreamed_since: Option<Instant>,
    /// Whether somebody must look at a subscription.
    stuck: bool,
    sealed: u64,
    published: u64,
    looked_at: Instant,
    stopping: bool,
}

/// Whether the server can do its work.
pub struct Health(Mutex<Known>);

impl Default for Health {
    fn default() -> Self {
        Self(Mutex::new(Known {
            failed: None,
            unsealed_since: None,
            unpublished_since: None,
            unstreamed_since: None,
            stuck: false,
            sealed: 0,
            published: 0,
            looked_at: Instant::now(),
            stopping: false,
        }))
    }
}

impl Health {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seal was tried, and the log had so many entries before.
    pub fn sealed(&self, size: u64, publication: &Publication) {
        let now = Instant::now();
        let mut known = self.known();
        // Whatever went on since then has not stopped, however much there still is to do.
        let waits = |waits: bool, moved: bool, since: Option<Instant>| {
            waits.then(|| since.filter(|_| !moved).unwrap_or(now))
        };
        known.unsealed_since = waits(
            publication.sealed < size,
            publication.sealed > known.sealed,
            known.unsealed_since,
        );
        known.unpublished_since = waits(
            publication.published < publication.sealed,
            publication.published > known.published,
            known.unpublished_since,
        );
        known.sealed = publication.sealed;
        known.published = publication.published;
        known.failed = None;
        known.looked_at = now;
    }

    /// A seal failed.
    pub fn failed(&self, what: String) {
        let mut known = self.known();
        known.failed = Some(what);
        known.looked_at = Instant::now();
    }

    /// It was tried to publish to NATS.
    pub fn streamed(&self, done: bool) {
        let mut known = self.known();
        let since = known.unstreamed_since.unwrap_or_else(Instant::now);
        known.unstreamed_since = (!done).then_some(since);
    }

    /// It was looked how far subscriptions are, and whether somebody must look at one.
    pub fn followed(&self, stuck: bool) {
        self.known().stuck = stuck;
    }

    /// No more requests are taken.
    pub fn stop(&self) {
        self.known().stopping = true;
    }

    /// Why the server is not ready; nothing when it is.
    #[must_use]
    pub fn complaints(&self) -> Vec<&'static str> {
        let known = self.known();
        let late = |since: Option<Instant>| since.is_some_and(|since| since.elapsed() > MAX_WAIT);
        [
            (known.stopping, "stopping"),
            // What failed may name files and hosts: it is in the server's log.
            (known.failed.is_some(), "sealing-failed"),
            (late(known.unsealed_since), "sealing-stopped"),
            (late(known.unpublished_since), "publication-stopped"),
            (late(Some(known.looked_at)), "sealer-hangs"),
            (late(known.unstreamed_since), "events-not-streamed"),
            (known.stuck, "subscription-stuck"),
        ]
        .into_iter()
        .filter_map(|(wrong, what)| wrong.then_some(what))
        .collect()
    }

    /// Entries under the newest checkpoint, and under the published one, at the last look.
    #[must_use]
    pub fn sizes(&self) -> (u64, u64) {
        let known = self.known();
        (known.sealed, known.published)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(sealed: u64, published: u64) -> Publication {
        Publication {
            sealed,
            published,
            missing: Vec::new(),
        }
    }

    #[test]
    fn a_failed_seal_is_red_until_one_succeeds() {
        let health = Health::default();
        assert!(health.complaints().is_empty());
        health.failed("no disk".to_owned());
        assert_eq!(health.complaints(), ["sealing-failed"]);
        health.sealed(5, &publication(5, 5));
        assert!(health.complaints().is_empty());
        assert_eq!(health.sizes(), (5, 5));
    }

    #[test]
    fn what_does_not_move_for_long_is_red() {
        let health = Health::default();
        health.sealed(9, &publication(5, 3));
        assert!(health.complaints().is_empty(), "not at once");
        let long_ago = Instant::now().checked_sub(MAX_WAIT * 2).unwrap();
        health.known().unsealed_since = Some(long_ago);
        health.known().unpublished_since = Some(long_ago);
        health.sealed(9, &publication(5, 3));
        let red = ["sealing-stopped", "publication-stopped"];
        assert_eq!(health.complaints(), red);
        health.sealed(19, &publication(9, 5));
        assert!(health.complaints().is_empty(), "both went on");
        health.known().looked_at = long_ago;
        health.stop();
        assert_eq!(health.complaints(), ["stopping", "sealer-hangs"]);
    }

    #[test]
    fn a_subscription_that_is_stuck_is_red_until_it_is_not() {
        let health = Health::default();
        health.followed(true);
        assert_eq!(health.complaints(), ["subscription-stuck"]);
        health.followed(false);
        assert!(health.complaints().is_empty());
    }

    #[test]
    fn a_stream_that_takes_nothing_for_long_is_red() {
        let health = Health::default();
        health.streamed(false);
        assert!(health.complaints().is_empty(), "not at once");
        health.known().unstreamed_since = Instant::now().checked_sub(MAX_WAIT * 2);
        health.streamed(false);
        assert_eq!(health.complaints(), ["events-not-streamed"]);
        health.streamed(true);
        assert!(health.complaints().is_empty());
    }
}
