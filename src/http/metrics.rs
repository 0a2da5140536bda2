//! Figures about the server itself, in the text format that Prometheus reads (`OpenMetrics` 1.0).
//!
//! What comes in: requests that were answered, seals, the size of the log. What goes out:
//! `/metrics`. What may fail: nothing. What must stay true: labels are routes and words of this
//! program, never what a client sent, so that their number is bounded and none is personal.

mod deliveries;

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use deliveries::Deliveries;

/// The media type of the text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends of the classes of durations, in seconds: a look into an index, a commit, a report.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// What a request was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answered {
    /// The method.
    pub method: String,
    /// The route, as `/v1/records/{kind}`.
    pub route: String,
    /// The status.
    pub status: u32,
}

/// Where a request went.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Route {
    /// The route.
    pub route: String,
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Refused {
    /// The word of the problem.
    pub problem: String,
}

/// How events went out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Way {
    /// A word of this program: `stream`, `page`, `claim`.
    pub way: &'static str,
}

/// The figures.
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    refusals: Family<Refused, Counter>,
    delivered: Family<Way, Counter>,
    /// Streams of events.
    pub streams: Gauge,
    /// Requests that are being answered.
    pub running: Gauge,
    /// Entries of the log.
    pub entries: Gauge<i64, AtomicI64>,
    /// Entries under the newest checkpoint.
    pub sealed: Gauge<i64, AtomicI64>,
    /// Entries under the checkpoint that is handed out.
    pub published: Gauge<i64, AtomicI64>,
    /// Seals that failed.
    pub failed_seals: Counter<u64, AtomicU64>,
    /// What the server itself delivers.
    pub deliveries: Deliveries,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("vitaledger");
        let requests = Family::<Answered, Counter>::default();
        let new: fn() -> Histogram = || Histogram::new(SECONDS);
        let seconds = Family::new_with_constructor(new);
        let refusals = Family::<Refused, Counter>::default();
        let (running, entries) = (Gauge::default(), Gauge::default());
        let (sealed, published) = (Gauge::default(), Gauge::default());
        let failed_seals = Counter::default();
        registry.register("requests", "Requests that were answered", requests.clone());
        registry.register_with_unit(
            "request",
            "Time that requests took",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register("refusals", "Requests that were refused", refusals.clone());
        registry.register(
            "requests_running",
            "Requests that are being answered",
            running.clone(),
        );
        registry.register("entries", "Entries of the log", entries.clone());
        registry.register(
            "sealed_entries",
            "Entries under the newest checkpoint",
            sealed.clone(),
        );
        registry.register(
            "published_entries",
            "Entries under the checkpoint that is handed out",
            published.clone(),
        );
        registry.register("failed_seals", "Seals that failed", failed_seals.clone());
        let deliveries = Deliveries::register(&mut registry);
        let (streams, delivered) = (Gauge::default(), Family::<Way, Counter>::default());
        registry.register("event_streams", "Streams of events", streams.clone());
        registry.register(
            "delivered_events",
            "Events that were handed to clients",
            delivered.clone(),
        );
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "This program", version);
        Self {
            registry,
            requests,
            seconds,
            refusals,
            delivered,
            streams,
            running,
            entries,
            sealed,
            published,
            failed_seals,
            deliveries,
        }
    }
}

impl Metrics {
    /// Counts an answer.
    pub fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let (method, route) = (method.to_owned(), route.to_owned());
        let of = Route {
            route: route.clone(),
        };
        self.seconds.get_or_create(&of).observe(took.as_secs_f64());
        let answered = Answered {
            method,
            route,
            status: status.into(),
        };
        self.requests.get_or_create(&answered).inc();
    }

    /// Counts a refusal.
    pub fn refused(&self, problem: &str) {
        let problem = problem.to_owned();
        self.refusals.get_or_create(&Refused { problem }).inc();
    }

    /// Counts events that went out.
    pub fn delivered(&self, way: &'static str, count: u64) {
        self.delivered.get_or_create(&Way { way }).inc_by(count);
    }

    /// All of them as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut written = String::new();
        if let Err(error) = text::encode(&mut written, &self.registry) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        written
    }
}

/// A count as a gauge has it.
#[must_use]
pub fn gauged(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
