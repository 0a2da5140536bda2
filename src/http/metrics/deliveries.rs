//! Figures of what the server itself delivers.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The figures.
#[derive(Default)]
pub struct Deliveries {
    webhooks: Family<Outcome, Counter>,
    /// Events in the stream of NATS.
    pub streamed: Gauge<i64, AtomicI64>,
    /// The largest lag of a subscription that is active.
    pub lag: Gauge<i64, AtomicI64>,
    /// Events that are parked, of all subscriptions.
    pub parked: Gauge<i64, AtomicI64>,
    /// Subscriptions that somebody must look at.
    pub stuck: Gauge<i64, AtomicI64>,
}

impl Deliveries {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let deliveries = Self::default();
        registry.register(
            "webhook_deliveries",
            "Deliveries to endpoints, by what became of them",
            deliveries.webhooks.clone(),
        );
        registry.register(
            "subscription_lag",
            "The largest lag of a subscription that is active",
            deliveries.lag.clone(),
        );
        registry.register(
            "parked_events",
            "Events that are parked, of all subscriptions",
            deliveries.parked.clone(),
        );
        registry.register(
            "stuck_subscriptions",
            "Subscriptions that somebody must look at",
            deliveries.stuck.clone(),
        );
        registry.register(
            "streamed_events",
            "Events in the stream of NATS",
            deliveries.streamed.clone(),
        );
        deliveries
    }

    /// Counts deliveries to an endpoint.
    pub fn count(&self, accepted: u64, refused: u64) {
        for (outcome, count) in [("accepted", accepted), ("refused", refused)] {
            self.webhooks
                .get_or_create(&Outcome { outcome })
                .inc_by(count);
        }
    }
}
