//! Subscriptions: made, looked at, worked on, and taken away.
//!
//! What comes in: a name, which events are wanted, a consumer that asks for work. What goes out:
//! events under a lease; how far a subscription is. What may fail: a name that is taken or not there;
//! the store. What must stay true: what an administrator does to a subscription (made, paused, reset,
//! replayed, deleted) is told in the server's log with who did it; nothing of it is on the ledger, of
//! which a subscription changes nothing.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{App, AppError};
use crate::model::id::{OfficeCode, Position};
use crate::model::time::Timestamp;
use crate::store::subscriptions::{
    AfterRefusal, Filter, Progress, Settings, Settled, Subscription, SubscriptionState,
    Subscriptions,
};
use crate::subscription::durable::{Delivery, Durable, Stuck, stuck};
use crate::subscription::feed::Feed;
use crate::subscription::filter::Sight;

/// Longest name: it stands in addresses.
const MOST_NAME: usize = 64;
/// Longest that is kept of why a consumer refused something.
const MOST_REASON: usize = 500;

/// What a new subscription is to be.
#[derive(Debug, Clone)]
pub struct NewSubscription {
    /// Names it.
    pub name: String,
    /// Whose it is; none when it is the operator's.
    pub office: Option<OfficeCode>,
    /// The token that makes it.
    pub token: Option<Uuid>,
    /// What it is for.
    pub filter: Filter,
    /// Where it begins; at the end of the log when nothing is said.
    pub from: Option<Position>,
    /// How it deals with its consumers.
    pub settings: Settings,
    /// Where the server itself delivers to.
    pub endpoint: Option<String>,
}

/// A subscription and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The subscription.
    pub subscription: Subscription,
    /// How far it is.
    pub progress: Progress,
    /// Entries of the log.
    pub head: u64,
    /// Why somebody must look at it.
    pub stuck: Option<Stuck>,
}

impl Followed {
    /// Entries that it has not looked at, and those that it has and that are not acknowledged.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let progress = &self.progress;
        let window = [
            progress.ready,
            progress.leased,
            progress.waiting,
            progress.parked,
            progress.held,
            progress.behind,
        ];
        self.head.saturating_sub(progress.scanned_to) + window.iter().sum::<u64>()
    }

    /// How long the oldest event that was not acknowledged is known.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let (_, since) = self.progress.oldest?;
        let micros = self.progress.now.micros().saturating_sub(since.micros());
        Some(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
    }
}

fn check_name(name: &str) -> Result<(), AppError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if (1..=MOST_NAME).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(AppError::Usage(format!(
        "the name of a subscription has 1 to {MOST_NAME} letters, digits, '-', '_' and '.'"
    )))
}

fn check(settings: &Settings) -> Result<(), AppError> {
    let Settings {
        max_attempts,
        backoff_base_ms,
        backoff_cap_ms,
        window,
        lease_ms,
    } = *settings;
    for (name, value, least, most) in [
        ("max_attempts", max_attempts, 1, 1000),
        ("backoff_base_ms", backoff_base_ms, 1, 3_600_000),
        (
            "backoff_cap_ms",
            backoff_cap_ms,
            backoff_base_ms,
            86_400_000,
        ),
        ("window", window, 1, 10_000),
        ("lease_ms", lease_ms, 1000, 3_600_000),
    ] {
        if !(least..=most).contains(&value) {
            return Err(AppError::Usage(format!(
                "{name} is to be between {least} and {most}"
            )));
        }
    }
    Ok(())
}

fn unknown(name: &str) -> AppError {
    AppError::Unknown(format!("there is no subscription {name}"))
}

impl App {
    /// The subscriptions, as the port.
    #[must_use]
    pub fn subscriptions(&self) -> Arc<dyn Subscriptions> {
        self.database()
    }

    /// Named subscriptions, as consumers work on them.
    #[must_use]
    pub fn durable(&self) -> Durable {
        Durable::new(self.store(), self.database(), self.ledger.id)
    }

    /// The end of the log, to be followed by many. Make one for a process.
    #[must_use]
    pub fn feed(&self) -> Feed {
        Feed::new(self.store(), self.ledger.id)
    }

    /// How far the log is, with the offices.
    async fn sight(&self) -> Result<Sight, AppError> {
        // In this order: see [`Sight`].
        let size = self.store().head().await?.size;
        let offices = self.offices_now().await?;
        Ok(Sight { size, offices })
    }

    /// Makes a subscription, or gives the one that is there if it is for the same; then its settings
    /// and its endpoint are those that are given. Says whether it was made.
    ///
    /// # Errors
    /// When the name is taken for something else, or something cannot be.
    pub async fn subscribe(&self, new: NewSubscription) -> Result<(Subscription, bool), AppError> {
        check_name(&new.name)?;
        check(&new.settings)?;
        let head = self.store().head().await?.size;
        let from = new.from.unwrap_or(head);
        if from > head {
            return Err(AppError::Usage(format!(
                "position {from} is beyond the end of the log, which has {head} entries"
            )));
        }
        let subscription = Subscription {
            name: new.name.clone(),
            office: new.office,
            token: new.token,
            filter: new.filter,
            state: SubscriptionState::Active,
            scanned_to: from,
            created_at: Timestamp::default(),
            settings: new.settings,
            endpoint: new.endpoint,
        };
        let kept = self.subscriptions();
        let made = kept.create_subscription(&subscription).await?;
        let name = &new.name;
        let there = kept
            .subscription(name)
            .await?
            .ok_or_else(|| unknown(name))?;
        if made {
            tracing::info!(actor = self.actor, name, from, "a subscription was made");
            return Ok((there, true));
        }
        if there.office != subscription.office || there.filter != subscription.filter {
            return Err(AppError::Taken(format!(
                "there is another subscription {name}; choose another name, or delete it first"
            )));
        }
        let endpoint = subscription.endpoint.as_deref();
        let settings = subscription.settings;
        if (there.settings, there.endpoint.as_deref()) != (settings, endpoint) {
            kept.alter_subscription(name, settings, endpoint).await?;
            tracing::info!(actor = self.actor, name, "a subscription was altered");
        }
        let there = kept
            .subscription(name)
            .await?
            .ok_or_else(|| unknown(name))?;
        Ok((there, false))
    }

    /// A subscription and how far it is.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn followed(&self, name: &str) -> Result<Followed, AppError> {
        let kept = self.subscriptions();
        let subscription = kept.subscription(name).await?;
        let subscription = subscription.ok_or_else(|| unknown(name))?;
        let progress = kept.progress(name).await?.ok_or_else(|| unknown(name))?;
        Ok(Followed {
            head: self.store().head().await?.size,
            stuck: stuck(&subscription, &progress),
            subscription,
            progress,
        })
    }

    /// Looks at what is new for every active subscription, whether somebody asks for it or not, and
    /// gives how far each is: so it is known of an event since when it waits.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn look_at_subscriptions(&self) -> Result<Vec<Followed>, AppError> {
        let all = self.subscriptions().subscriptions().await?;
        let (durable, sight) = (self.durable(), self.sight().await?);
        let mut followed = Vec::with_capacity(all.len());
        for subscription in all {
            if subscription.state == SubscriptionState::Active {
                durable.take_in(&subscription, &sight).await?;
            }
            match self.followed(&subscription.name).await {
                // Deleted meanwhile.
                Err(AppError::Unknown(_)) => {}
                one => followed.push(one?),
            }
        }
        Ok(followed)
    }

    /// Lets a subscription hand out events, or not.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn set_subscription(
        &self,
        name: &str,
        state: SubscriptionState,
    ) -> Result<(), AppError> {
        let kept = self.subscriptions();
        if !kept.set_subscription_state(name, state).await? {
            return Err(unknown(name));
        }
        let state = state.as_str();
        tracing::info!(actor = self.actor, name, state, "a subscription was set");
        Ok(())
    }

    /// Takes a subscription away.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn unsubscribe(&self, name: &str) -> Result<(), AppError> {
        if !self.subscriptions().delete_subscription(name).await? {
            return Err(unknown(name));
        }
        tracing::info!(actor = self.actor, name, "a subscription was deleted");
        Ok(())
    }

    /// Lets a subscription begin anew at a position; what it had taken in is forgotten.
    ///
    /// # Errors
    /// When there is none, the position is beyond the end, or the store fails.
    pub async fn reset_subscription(&self, name: &str, to: Position) -> Result<(), AppError> {
        let head = self.store().head().await?.size;
        if to > head {
            return Err(AppError::Usage(format!(
                "position {to} is beyond the end of the log, which has {head} entries"
            )));
        }
        if !self.subscriptions().reset_subscription(name, to).await? {
            return Err(unknown(name));
        }
        tracing::info!(actor = self.actor, name, to, "a subscription was reset");
        Ok(())
    }

    /// Lets parked events be handed out anew, of one record or of all; gives how many.
    ///
    /// # Errors
    /// When there is no such subscription, or the store fails.
    pub async fn replay_parked(&self, name: &str, record: Option<Uuid>) -> Result<u64, AppError> {
        let replayed = self.subscriptions().replay_parked(name, record).await?;
        let replayed = replayed.ok_or_else(|| unknown(name))?;
        tracing::info!(
            actor = self.actor,
            name,
            replayed,
            "parked events are replayed"
        );
        Ok(replayed)
    }

    /// Hands events out to a consumer; `None` when there is no such subscription or it is not active.
    ///
    /// # Errors
    /// When the consumer has no name, an entry does not read, or the store fails.
    pub async fn claim(
        &self,
        name: &str,
        consumer: &str,
        most: u32,
    ) -> Result<Option<Delivery>, AppError> {
        check_name(consumer)?;
        let sight = self.sight().await?;
        let claimed = self.durable().claim(name, consumer, most, &sight).await;
        Ok(claimed?)
    }

    /// Takes note that events were dealt with.
    ///
    /// # Errors
    /// When there is no such subscription, or the store fails.
    pub async fn acknowledge(
        &self,
        name: &str,
        lease: Uuid,
        positions: &[Position],
    ) -> Result<Settled, AppError> {
        let settled = self.durable().acknowledge(name, lease, positions).await?;
        settled.ok_or_else(|| unknown(name))
    }

    /// Takes an event back that could not be dealt with; `retry_after` is the least that it waits.
    ///
    /// # Errors
    /// When there is no such subscription, or the store fails.
    pub async fn refuse(
        &self,
        name: &str,
        lease: Uuid,
        position: Position,
        reason: &str,
        retry_after: Duration,
    ) -> Result<AfterRefusal, AppError> {
        let reason: String = reason.chars().take(MOST_REASON).collect();
        let refused = self
            .durable()
            .refuse(name, lease, position, &reason, retry_after)
            .await?;
        refused.ok_or_else(|| unknown(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_settings_are_bounded() {
        assert!(check_name("registry-2.sync_a").is_ok());
        for name in ["", "a b", "名", "a/b", &"a".repeat(MOST_NAME + 1)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check(&Settings::default()).is_ok());
        let wrong = [
            Settings {
                max_attempts: 0,
                ..Settings::default()
            },
            Settings {
                backoff_cap_ms: 1,
                ..Settings::default()
            },
            Settings {
                window: 0,
                ..Settings::default()
            },
            Settings {
                lease_ms: 999,
                ..Settings::default()
            },
        ];
        for settings in wrong {
            assert!(check(&settings).is_err(), "{settings:?}");
        }
    }
}
