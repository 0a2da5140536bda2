//! What all handlers share.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};

use super::api::subscriptions::MOST_WAIT;
use super::health::Health;
use super::login::Login;
use super::metrics::Metrics;
use super::problem::{Kind, Problem, Said};
use super::refusals::Refusals;
use super::server::Limits;
use super::streams::Streams;
use crate::app::App;
use crate::subscription::feed::Feed;
use crate::subscription::webhook::client::Client;

/// Reports, audits and registers that are made at a time: each may take a core and a snapshot.
const MOST_HEAVY: usize = 4;

/// What all handlers share.
#[derive(Clone)]
pub struct Service(Arc<Shared>);

/// See [`Service`].
pub struct Shared {
    /// The ledger, acted on by the server itself.
    pub app: App,
    /// Told when something was appended.
    pub appended: Arc<Notify>,
    /// What requests may ask for.
    pub limits: Limits,
    /// Whether all is well.
    pub health: Health,
    /// Figures.
    pub metrics: Metrics,
    /// What is not on the ledger yet.
    pub refusals: Refusals,
    /// The end of the log, for all who follow it here.
    pub feed: Feed,
    /// Who does.
    pub streams: Streams,
    /// Delivers to endpoints.
    pub sender: Client,
    /// How people log in, if they do.
    pub login: Option<Login>,
    /// Becomes true when the server stops: what would never end on its own ends then.
    pub stopping: watch::Sender<bool>,
    rates: DefaultKeyedRateLimiter<IpAddr>,
    heavy: Semaphore,
}

impl Deref for Service {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Service {
    /// Over a ledger.
    #[must_use]
    pub fn new(app: &App, limits: Limits, sender: Client, login: Option<Login>) -> Self {
        let appended = Arc::new(Notify::new());
        let rate = NonZeroU32::new(limits.rate_per_second).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(rate).allow_burst(rate.saturating_mul(TWICE));
        Self(Arc::new(Shared {
            app: app.acting("server".to_owned(), appended.clone()),
            appended,
            limits,
            health: Health::default(),
            metrics: Metrics::default(),
            refusals: Refusals::default(),
            feed: app.feed(),
            streams: Streams::default(),
            sender,
            login,
            stopping: watch::Sender::new(false),
            rates: RateLimiter::keyed(quota),
            heavy: Semaphore::new(MOST_HEAVY),
        }))
    }
}

/// So many requests at once, as a multiple of what one may make in a second.
const TWICE: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

/// What one client has: an address, or of IPv6 the 64 bits that its network gave it, of which it may
/// choose any address.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl Shared {
    /// Whether a client may make one more request now.
    ///
    /// # Errors
    /// When it must wait, and how long.
    pub fn admit(&self, client: IpAddr) -> Result<(), Problem> {
        let Err(until) = self.rates.check_key(&network(client)) else {
            return Ok(());
        };
        let wait = until.wait_time_from(DefaultClock::default().now());
        let said = Said::new(
            "this address has made too many requests; wait as long as Retry-After says",
            "该地址请求过于频繁，请按 Retry-After 等待",
        );
        let mut problem = Problem::new(Kind::TooMany, said);
        let seconds = wait.as_secs() + 1;
        problem.retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        Err(problem)
    }

    /// Forgets clients that were not heard of for long.
    pub fn forget_clients(&self) {
        self.rates.retain_recent();
    }

    /// Waits for one's turn to do something heavy.
    ///
    /// # Errors
    /// When the server stops.
    pub async fn heavy(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let stops = |_| {
            let said = Said::new("the server stops", "服务器正在停止");
            Problem::new(Kind::Unavailable, said)
        };
        self.heavy.acquire().await.map_err(stops)
    }

    /// How long a request on this route may take.
    #[must_use]
    pub fn patience(&self, route: &str) -> Duration {
        if route == "/v1/subscriptions/{name}/claim" {
            return self.limits.patience + MOST_WAIT;
        }
        let long = ["/v1/imports", "/v1/reports", "/v1/audits", "/v1/indicators"];
        if long.iter().any(|prefix| route.starts_with(prefix)) {
            self.limits.long_patience
        } else {
            self.limits.patience
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_one_whatever_address_of_its_network_it_takes() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:3:4:5:6"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
