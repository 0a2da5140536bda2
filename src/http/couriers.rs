//! Delivers the events of subscriptions that have an endpoint, and publishes to NATS, on every node,
//! until the server stops.
//!
//! What comes in: the subscriptions as they are. What goes out: deliveries ([`App::deliver`]). What
//! may fail: an endpoint, which is left alone for longer and longer; the store, which is asked again.
//! What must stay true: an endpoint that is slow or down holds up no other; nodes share the work of a
//! subscription and keep the order of each record, because they are consumers of it like any other;
//! when the server stops, no new delivery is begun, and those that run are finished.
//!
//! [`App::deliver`]: crate::app::App::deliver

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{Id, JoinSet};
use uuid::Uuid;

#[cfg(feature = "nats")]
use super::metrics::gauged;
use super::service::Service;
use crate::app::AppError;
use crate::app::webhooks::Round;
use crate::store::subscriptions::SubscriptionState;
#[cfg(feature = "nats")]
use crate::subscription::nats::publisher::Publisher;
use crate::subscription::nats::target::Target;

/// How often it is looked whether there are other subscriptions.
const LOOK: Duration = Duration::from_secs(1);
/// Endpoints that are delivered to at a time; each has some deliveries at a time.
const MOST_AT_A_TIME: usize = 32;
/// First pause after an endpoint could take nothing; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause of an endpoint.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What all deliveries of this node share.
struct Couriers {
    service: Service,
    turns: Semaphore,
    consumer: String,
}

/// Delivers until the server stops; then waits for what runs, but not longer than `grace`.
pub async fn keep_delivering(service: Service, grace: Duration) {
    let mut stopping = service.stopping.subscribe();
    let couriers = Arc::new(Couriers {
        service,
        turns: Semaphore::new(MOST_AT_A_TIME),
        consumer: format!("server-{}", Uuid::new_v4().simple()),
    });
    let mut tasks = JoinSet::new();
    let mut names: HashMap<Id, String> = HashMap::new();
    while !*stopping.borrow_and_update() {
        match couriers.wanted().await {
            Ok(wanted) => {
                for name in wanted {
                    if !names.values().any(|known| *known == name) {
                        let task = tasks.spawn(deliver_to(couriers.clone(), name.clone()));
                        names.insert(task.id(), name);
                    }
                }
            }
            Err(error) => tracing::error!(%error, "it is not known what is to be delivered"),
        }
        tokio::select! {
            _ = stopping.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        while let Some(ended) = tasks.try_join_next_with_id() {
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            names.remove(&id);
        }
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, all).await.is_err() {
        // Their leases end, and they are delivered again.
        tracing::warn!("deliveries that run are given up");
    }
}

impl Couriers {
    /// The subscriptions that are to be delivered.
    async fn wanted(&self) -> Result<Vec<String>, AppError> {
        let all = self.service.app.subscriptions().subscriptions().await?;
        let wanted = all
            .into_iter()
            .filter(|one| one.state == SubscriptionState::Active && one.endpoint.is_some());
        Ok(wanted.map(|one| one.name).collect())
    }

    /// Delivers what is next of a subscription, when it has its turn; gives how many entries the log
    /// had before.
    async fn round(&self, name: &str) -> Result<(u64, Option<Round>), AppError> {
        let app = &self.service.app;
        let head = app.store().head().await?.size;
        let turn = self.turns.acquire().await;
        let round = app
            .deliver(&self.service.sender, name, &self.consumer)
            .await?;
        drop(turn);
        if let Some(round) = round {
            let deliveries = &self.service.metrics.deliveries;
            deliveries.count(round.accepted, round.refused);
        }
        Ok((head, round))
    }
}

/// Delivers a subscription until it is not active any more, or the server stops.
async fn deliver_to(couriers: Arc<Couriers>, name: String) {
    let mut stopping = couriers.service.stopping.subscribe();
    let mut pause = FIRST_PAUSE;
    while !*stopping.borrow_and_update() {
        let (head, round) = match couriers.round(&name).await {
            Ok((_, None)) => return,
            Ok((head, Some(round))) => (Some(head), round),
            Err(error) => {
                tracing::error!(name, %error, "events cannot be delivered; trying again");
                let overloaded = true;
                (
                    None,
                    Round {
                        overloaded,
                        ..Round::default()
                    },
                )
            }
        };
        if round.overloaded && round.accepted == 0 {
            wait(&mut stopping, tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            continue;
        }
        pause = FIRST_PAUSE;
        if round == Round::default() {
            // There may be more of what waits for its time, too.
            let store = couriers.service.app.store();
            let grown = async {
                if let Some(head) = head {
                    // What fails here fails again above, where it is said.
                    let _ = store.grown(head, LOOK).await;
                }
            };
            wait(&mut stopping, grown).await;
        }
    }
}

/// Waits for something, or until the server stops.
async fn wait(stopping: &mut watch::Receiver<bool>, something: impl Future<Output = ()>) {
    tokio::select! {
        _ = stopping.wait_for(|stops| *stops) => {}
        () = something => {}
    }
}

/// Publishes to NATS until the server stops.
#[cfg(feature = "nats")]
pub async fn keep_publishing(service: Service, target: Target) {
    let app = &service.app;
    let publisher = Publisher {
        feed: service.feed.clone(),
        store: app.store(),
        ledger: app.ledger.id,
        target,
        stopping: service.stopping.subscribe(),
    };
    let streamed = &service.metrics.deliveries.streamed;
    publisher
        .run(|events| {
            service.health.streamed(events.is_some());
            if let Some(events) = events {
                streamed.set(gauged(events));
            }
        })
        .await;
}

/// This build cannot publish; the command line says so before it comes to this.
#[cfg(not(feature = "nats"))]
pub async fn keep_publishing(_: Service, target: Target) {
    tracing::error!(stream = target.stream, "this build cannot publish to NATS");
}
