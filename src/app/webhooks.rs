//! Subscriptions that the server itself delivers, to the HTTP endpoint of another system.
//!
//! What comes in: the address of an endpoint, the name of a subscription. What goes out: deliveries;
//! the keys by which an endpoint verifies them. What may fail: an address that is not permitted, a
//! subscription that has no endpoint, the store. What must stay true: an event is acknowledged only
//! after its endpoint has accepted it; nothing is delivered to an address that this ledger did not
//! write down itself; an endpoint that answers 410 is asked no more.

use futures_util::future::join_all;
use rand::Rng;

use super::{App, AppError};
use crate::model::time::Timestamp;
use crate::store::subscriptions::{AfterRefusal, Settings, Subscription, SubscriptionState};
use crate::subscription::durable::Delivery;
use crate::subscription::webhook::address::Permitted;
use crate::subscription::webhook::client::{Client, Outcome};
use crate::subscription::webhook::delivery::{self, After};
use crate::subscription::webhook::endpoint::{Endpoint, KeptError};
use crate::subscription::webhook::schedule;
use crate::subscription::webhook::signature::EndpointKey;

/// Deliveries to an endpoint at a time; of each record, one.
const AT_A_TIME: u32 = 16;
/// Shortest lease: three times as long as a delivery may take.
const LEASE_MS: u32 = 60_000;

/// How a subscription with an endpoint deals with it: by the schedule, and not by doubling.
#[must_use]
pub const fn settings(window: u32) -> Settings {
    Settings {
        max_attempts: schedule::ATTEMPTS,
        backoff_base_ms: 1,
        backoff_cap_ms: 1,
        window,
        lease_ms: LEASE_MS,
    }
}

/// What became of the deliveries that were made at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// Accepted.
    pub accepted: u64,
    /// Not accepted.
    pub refused: u64,
    /// Whether the endpoint should be left alone for a while.
    pub overloaded: bool,
}

impl App {
    /// What is to be kept as the endpoint of a subscription that is made or altered. When it has one
    /// of the same address, its key stays.
    ///
    /// # Errors
    /// When the address cannot be used, or the store fails.
    pub async fn endpoint(
        &self,
        name: &str,
        url: &str,
        permitted: Permitted,
    ) -> Result<String, AppError> {
        let url = permitted
            .endpoint(url)
            .map_err(|error| AppError::Usage(error.to_string()))?;
        let there = self.subscriptions().subscription(name).await?;
        let kept = there.and_then(|there| self.endpoint_of(&there).ok());
        let endpoint = kept.filter(|kept| kept.url == url.as_str());
        let secrets = self.ledger.keys.webhooks();
        text(&endpoint.unwrap_or_else(|| Endpoint::new(secrets, name, &url)))
    }

    /// The endpoint of a subscription.
    ///
    /// # Errors
    /// When it has none, or somebody else wrote it.
    pub fn endpoint_of(&self, subscription: &Subscription) -> Result<Endpoint, AppError> {
        let name = &subscription.name;
        let kept = subscription.endpoint.as_deref().ok_or_else(|| {
            AppError::Usage(format!(
                "the subscription {name} has no endpoint: its consumers fetch"
            ))
        })?;
        let read = Endpoint::read(self.ledger.keys.webhooks(), name, kept);
        read.map_err(|error: KeptError| AppError::Integrity(error.to_string()))
    }

    async fn with_endpoint(&self, name: &str) -> Result<(Subscription, Endpoint), AppError> {
        let there = self.subscriptions().subscription(name).await?;
        let there =
            there.ok_or_else(|| AppError::Unknown(format!("there is no subscription {name}")))?;
        let endpoint = self.endpoint_of(&there)?;
        Ok((there, endpoint))
    }

    /// Where a subscription is delivered, and the keys that sign now, the newest first.
    ///
    /// # Errors
    /// When there is no such subscription, or it has no endpoint.
    pub async fn webhook(&self, name: &str) -> Result<(String, Vec<EndpointKey>), AppError> {
        let (_, endpoint) = self.with_endpoint(name).await?;
        let secrets = self.ledger.keys.webhooks();
        let keys = endpoint.signing(secrets, name, Timestamp::now());
        Ok((endpoint.url, keys))
    }

    /// Lets a subscription be delivered to an endpoint. With the address that it had, its keys stay.
    ///
    /// # Errors
    /// When there is no such subscription, or the address cannot be used.
    pub async fn set_webhook(
        &self,
        name: &str,
        url: &str,
        permitted: Permitted,
    ) -> Result<(), AppError> {
        let there = self.subscriptions().subscription(name).await?;
        let there = there.ok_or_else(|| unknown(name))?;
        let endpoint = self.endpoint(name, url, permitted).await?;
        let settings = settings(there.settings.window);
        let kept = self.subscriptions();
        kept.alter_subscription(name, settings, Some(&endpoint))
            .await?;
        tracing::info!(actor = self.actor, name, "a webhook was set");
        if there.state == SubscriptionState::Disabled {
            // An endpoint had said that it wants no more; this one, or the same again, does.
            self.set_subscription(name, SubscriptionState::Active)
                .await?;
        }
        Ok(())
    }

    /// Lets the consumers of a subscription fetch again.
    ///
    /// # Errors
    /// When there is no such subscription, or the store fails.
    pub async fn remove_webhook(&self, name: &str) -> Result<(), AppError> {
        let kept = self.subscriptions();
        if kept
            .alter_subscription(name, Settings::default(), None)
            .await?
        {
            tracing::info!(actor = self.actor, name, "a webhook was removed");
            return Ok(());
        }
        Err(unknown(name))
    }

    /// Replaces the key of an endpoint; the one before signs, too, for a day.
    ///
    /// # Errors
    /// When there is no such subscription, or it has no endpoint.
    pub async fn replace_webhook_key(&self, name: &str) -> Result<Vec<EndpointKey>, AppError> {
        let (there, endpoint) = self.with_endpoint(name).await?;
        let secrets = self.ledger.keys.webhooks();
        let new = endpoint.with_new_key(secrets, name, Timestamp::now());
        let kept = self.subscriptions();
        let text = text(&new)?;
        kept.alter_subscription(name, there.settings, Some(&text))
            .await?;
        tracing::info!(
            actor = self.actor,
            name,
            "the key of a webhook was replaced"
        );
        Ok(new.signing(secrets, name, Timestamp::now()))
    }

    /// Tries an endpoint out with an event that says nothing.
    ///
    /// # Errors
    /// When there is no such subscription, or it has no endpoint.
    pub async fn ping(&self, client: &Client, name: &str) -> Result<Outcome, AppError> {
        let (_, endpoint) = self.with_endpoint(name).await?;
        let now = Timestamp::now();
        let (id, body) = delivery::ping(self.ledger.id, name, now);
        let keys = endpoint.signing(self.ledger.keys.webhooks(), name, now);
        Ok(delivery::send(client, &endpoint.url, &keys, &id, body.as_bytes()).await)
    }

    /// Delivers what is next; `None` when there is no such subscription any more, it is not active,
    /// or it has no endpoint.
    ///
    /// # Errors
    /// When the store fails, or an entry does not read.
    pub async fn deliver(
        &self,
        client: &Client,
        name: &str,
        consumer: &str,
    ) -> Result<Option<Round>, AppError> {
        let there = self.subscriptions().subscription(name).await?;
        let Some(there) = there.filter(|there| there.endpoint.is_some()) else {
            return Ok(None);
        };
        let endpoint = match self.endpoint_of(&there) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                tracing::error!(name, %error, "nothing is delivered there");
                self.set_subscription(name, SubscriptionState::Disabled)
                    .await?;
                return Ok(None);
            }
        };
        if there.settings.lease_ms < LEASE_MS {
            let lease_ms = LEASE_MS;
            let longer = Settings {
                lease_ms,
                ..there.settings
            };
            let endpoint = there.endpoint.as_deref();
            let kept = self.subscriptions();
            kept.alter_subscription(name, longer, endpoint).await?;
        }
        let Some(claimed) = self.claim(name, consumer, AT_A_TIME).await? else {
            return Ok(None);
        };
        let keys = endpoint.signing(self.ledger.keys.webhooks(), name, Timestamp::now());
        let sent = claimed.events.iter().map(|(taken, event)| {
            let dice = rand::rng().random_range(0.0..1.0);
            delivery::deliver(client, &endpoint.url, &keys, event, taken.attempt, dice)
        });
        let sent = join_all(sent).await;
        let sent = sent.into_iter().collect::<Result<Vec<_>, _>>();
        let sent = sent.map_err(|error| AppError::Integrity(error.to_string()))?;
        self.settle_deliveries(name, &claimed, sent).await
    }

    /// Puts down what became of deliveries.
    async fn settle_deliveries(
        &self,
        name: &str,
        claimed: &Delivery,
        sent: Vec<After>,
    ) -> Result<Option<Round>, AppError> {
        let lease = claimed.lease.id;
        let mut round = Round::default();
        let mut accepted = Vec::new();
        let mut refused = Vec::new();
        let mut gone = false;
        for ((taken, _), after) in claimed.events.iter().zip(sent) {
            match after {
                After::Acknowledge => accepted.push(taken.position),
                After::Disable => gone = true,
                After::Refuse {
                    reason,
                    pause,
                    overloaded,
                } => {
                    round.refused += 1;
                    round.overloaded |= overloaded;
                    refused.push((taken.position, reason, pause));
                }
            }
        }
        // Those first: what was accepted is not to be delivered again because something else fails.
        if !accepted.is_empty() {
            let settled = self.acknowledge(name, lease, &accepted).await?;
            round.accepted = settled.acknowledged.len() as u64;
        }
        for (position, reason, pause) in refused {
            let after = self.refuse(name, lease, position, &reason, pause).await?;
            let parked = after == AfterRefusal::Parked;
            tracing::warn!(
                name,
                position,
                reason,
                parked,
                "a delivery was not accepted"
            );
        }
        if gone {
            tracing::warn!(
                name,
                "the endpoint answers 410: nothing is delivered there any more"
            );
            self.set_subscription(name, SubscriptionState::Disabled)
                .await?;
            return Ok(None);
        }
        Ok(Some(round))
    }
}

fn unknown(name: &str) -> AppError {
    AppError::Unknown(format!("there is no subscription {name}"))
}

fn text(endpoint: &Endpoint) -> Result<String, AppError> {
    let text = endpoint.text();
    text.map_err(|error| AppError::Usage(format!("the endpoint cannot be kept: {error}")))
}
