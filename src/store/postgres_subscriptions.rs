//! Durable subscriptions in PostgreSQL: the schema `vitaledger_subscription`.
//!
//! Whatever changes something holds the row of its subscription from its first look on
//! (`FOR UPDATE`), so no two consumers decide on the same state, on whatever nodes they are.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgPool, PgRow};
use uuid::Uuid;

use super::Result;
use super::postgres::{PostgresStore, failed};
use super::postgres_window::{
    COLUMNS, NOW, get, list, number, position, progress_of, stored, subscription, time,
};
use super::subscriptions::{
    AfterRefusal, Candidate, Jitter, Lease, Parked, Progress, Settings, Settled, Subscription,
    SubscriptionState, Subscriptions, micros_of, settle,
};
use crate::model::id::{OfficeCode, Position};

pub(super) const SUBSCRIPTIONS_SQL: &str =
    include_str!("../../migrations/postgres/subscriptions.sql");
/// What is read belongs together.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl PostgresStore {
    /// The pool, once the tables are there.
    pub(super) async fn subscriptions_pool(&self) -> Result<&PgPool> {
        let schema = "vitaledger_subscription";
        self.has_subscriptions
            .get_or_try_init(|| self.with_schema(schema, SUBSCRIPTIONS_SQL))
            .await?;
        Ok(&self.pool)
    }
}

#[async_trait]
impl Subscriptions for PostgresStore {
    async fn create_subscription(&self, new: &Subscription) -> Result<bool> {
        let pool = self.subscriptions_pool().await?;
        let settings = new.settings;
        let made = sqlx::query(&format!(
            "INSERT INTO vitaledger_subscription.durable_subscription (name, office, token, kinds, filter_office, officeless,
                    state, scanned_to, max_attempts, backoff_base_ms, backoff_cap_ms, window_size,
                    lease_ms, endpoint, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, ({NOW}))
                 ON CONFLICT (name) DO NOTHING",
        ))
        .bind(&new.name)
        .bind(new.office.as_ref().map(OfficeCode::as_str))
        .bind(new.token)
        .bind(new.filter.kinds.join(" "))
        .bind(new.filter.office.as_ref().map(OfficeCode::as_str))
        .bind(new.filter.officeless)
        .bind(new.state.as_str())
        .bind(stored(new.scanned_to))
        .bind(i64::from(settings.max_attempts))
        .bind(i64::from(settings.backoff_base_ms))
        .bind(i64::from(settings.backoff_cap_ms))
        .bind(i64::from(settings.window))
        .bind(i64::from(settings.lease_ms))
        .bind(&new.endpoint)
        .execute(pool)
        .await
        .map_err(failed("keep a subscription"))?;
        Ok(made.rows_affected() == 1)
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>> {
        let query = format!("{COLUMNS} ORDER BY name");
        let rows = sqlx::query(&query).fetch_all(self.subscriptions_pool().await?);
        let rows = rows.await.map_err(failed("read subscriptions"))?;
        rows.iter().map(subscription).collect()
    }

    async fn subscription(&self, name: &str) -> Result<Option<Subscription>> {
        let query = format!("{COLUMNS} WHERE name = $1");
        let row = sqlx::query(&query)
            .bind(name)
            .fetch_optional(self.subscriptions_pool().await?)
            .await
            .map_err(failed("read a subscription"))?;
        row.as_ref().map(subscription).transpose()
    }

    async fn alter_subscription(
        &self,
        name: &str,
        settings: Settings,
        endpoint: Option<&str>,
    ) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE vitaledger_subscription.durable_subscription SET max_attempts = $1, backoff_base_ms = $2,
                    backoff_cap_ms = $3, window_size = $4, lease_ms = $5, endpoint = $6 WHERE name = $7",
        )
        .bind(i64::from(settings.max_attempts))
        .bind(i64::from(settings.backoff_base_ms))
        .bind(i64::from(settings.backoff_cap_ms))
        .bind(i64::from(settings.window))
        .bind(i64::from(settings.lease_ms))
        .bind(endpoint)
        .bind(name)
        .execute(self.subscriptions_pool().await?)
        .await
        .map_err(failed("alter a subscription"))?;
        Ok(done.rows_affected() == 1)
    }

    async fn set_subscription_state(&self, name: &str, state: SubscriptionState) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE vitaledger_subscription.durable_subscription SET state = $1 WHERE name = $2",
        )
        .bind(state.as_str())
        .bind(name)
        .execute(self.subscriptions_pool().await?)
        .await
        .map_err(failed("set the state of a subscription"))?;
        Ok(done.rows_affected() == 1)
    }

    async fn delete_subscription(&self, name: &str) -> Result<bool> {
        let Some(mut held) = self.hold(name).await? else {
            return Ok(false);
        };
        for statement in [
            "DELETE FROM vitaledger_subscription.delivery_window WHERE name = $1",
            "DELETE FROM vitaledger_subscription.delivery_consumer WHERE name = $1",
            "DELETE FROM vitaledger_subscription.durable_subscription WHERE name = $1",
        ] {
            let done = sqlx::query(statement).bind(name).execute(&mut *held.all);
            done.await.map_err(failed("delete a subscription"))?;
        }
        held.commit().await?;
        Ok(true)
    }

    async fn take_in(
        &self,
        name: &str,
        from: Position,
        to: Position,
        found: &[Candidate],
    ) -> Result<bool> {
        let Some(mut held) = self.hold(name).await? else {
            return Ok(false);
        };
        if held.subscription.scanned_to != from {
            return Ok(false);
        }
        let positions: Vec<i64> = found.iter().map(|one| stored(one.position)).collect();
        let records: Vec<Uuid> = found.iter().map(|one| one.record).collect();
        sqlx::query(
            "INSERT INTO vitaledger_subscription.delivery_window
                    (name, position, record, state, entered_at)
             SELECT $1, position, record, 'ready', $4
               FROM unnest($2::bigint[], $3::uuid[]) AS found (position, record)",
        )
        .bind(name)
        .bind(positions)
        .bind(records)
        .bind(held.now)
        .execute(&mut *held.all)
        .await
        .map_err(failed("take events in"))?;
        sqlx::query("UPDATE vitaledger_subscription.durable_subscription SET scanned_to = $1 WHERE name = $2")
            .bind(stored(to))
            .bind(name)
            .execute(&mut *held.all)
            .await
            .map_err(failed("move a subscription on"))?;
        held.commit().await?;
        Ok(true)
    }

    async fn claim(
        &self,
        name: &str,
        consumer: &str,
        most: u32,
        lease: Duration,
    ) -> Result<Option<Lease>> {
        let Some(mut held) = self.hold(name).await? else {
            return Ok(None);
        };
        if held.subscription.state != SubscriptionState::Active {
            return Ok(None);
        }
        held.take_back().await?;
        held.see(consumer).await?;
        let taken = held.free(most).await?;
        let until = held.now.saturating_add(micros_of(lease));
        let id = Uuid::new_v8(rand::random());
        if !taken.is_empty() {
            let positions: Vec<Position> = taken.iter().map(|one| one.position).collect();
            sqlx::query(
                "UPDATE vitaledger_subscription.delivery_window SET state = 'leased', lease = $1, consumer = $2,
                        lease_until = $3, attempts = attempts + 1, next_at = NULL
                  WHERE name = $4 AND position = ANY($5)",
            )
            .bind(id)
            .bind(consumer)
            .bind(until)
            .bind(name)
            .bind(list(&positions))
            .execute(&mut *held.all)
            .await
            .map_err(failed("hand events out"))?;
        }
        held.commit().await?;
        let until = time(until)?;
        Ok(Some(Lease { id, until, taken }))
    }

    async fn acknowledge(
        &self,
        name: &str,
        lease: Uuid,
        positions: &[Position],
    ) -> Result<Option<Settled>> {
        let Some(mut held) = self.hold(name).await? else {
            return Ok(None);
        };
        let settled = settle(positions, lease, &held.leases(positions).await?);
        sqlx::query(
            "DELETE FROM vitaledger_subscription.delivery_window
              WHERE name = $1 AND position = ANY($2)",
        )
        .bind(name)
        .bind(list(&settled.acknowledged))
        .execute(&mut *held.all)
        .await
        .map_err(failed("acknowledge events"))?;
        held.commit().await?;
        Ok(Some(settled))
    }

    async fn refuse(
        &self,
        name: &str,
        lease: Uuid,
        position: Position,
        reason: &str,
        retry_after: Duration,
        jitter: Jitter,
    ) -> Result<Option<AfterRefusal>> {
        let Some(mut held) = self.hold(name).await? else {
            return Ok(None);
        };
        let rows = held.leases(&[position]).await?;
        let Some(row) = rows.iter().find(|row| row.lease == Some(lease)) else {
            return Ok(Some(AfterRefusal::Lost));
        };
        let settings = held.subscription.settings;
        let parks = row.attempts >= settings.max_attempts;
        let wait = settings.backoff(row.attempts, jitter).max(retry_after);
        let next_at = held.now.saturating_add(micros_of(wait));
        sqlx::query(
            "UPDATE vitaledger_subscription.delivery_window SET state = $1, next_at = $2, last_error = $3, lease = NULL,
                    consumer = NULL, lease_until = NULL
              WHERE name = $4 AND position = $5",
        )
        .bind(if parks { "parked" } else { "waiting" })
        .bind((!parks).then_some(next_at))
        .bind(reason)
        .bind(name)
        .bind(stored(position))
        .execute(&mut *held.all)
        .await
        .map_err(failed("take an event back"))?;
        held.commit().await?;
        Ok(Some(if parks {
            AfterRefusal::Parked
        } else {
            AfterRefusal::Waiting(time(next_at)?)
        }))
    }

    async fn replay_parked(&self, name: &str, record: Option<Uuid>) -> Result<Option<u64>> {
        let Some(mut held) = self.hold(name).await? else {
            return Ok(None);
        };
        let done = sqlx::query(
            "UPDATE vitaledger_subscription.delivery_window SET state = 'ready', attempts = 0
              WHERE name = $1 AND state = 'parked' AND ($2::uuid IS NULL OR record = $2)",
        )
        .bind(name)
        .bind(record)
        .execute(&mut *held.all)
        .await
        .map_err(failed("replay parked events"))?;
        held.commit().await?;
        Ok(Some(done.rows_affected()))
    }

    async fn reset_subscription(&self, name: &str, to: Position) -> Result<bool> {
        let Some(mut held) = self.hold(name).await? else {
            return Ok(false);
        };
        sqlx::query("DELETE FROM vitaledger_subscription.delivery_window WHERE name = $1")
            .bind(name)
            .execute(&mut *held.all)
            .await
            .map_err(failed("empty a window"))?;
        sqlx::query("UPDATE vitaledger_subscription.durable_subscription SET scanned_to = $1 WHERE name = $2")
            .bind(stored(to))
            .bind(name)
            .execute(&mut *held.all)
            .await
            .map_err(failed("reset a subscription"))?;
        held.commit().await?;
        Ok(true)
    }

    async fn progress(&self, name: &str) -> Result<Option<Progress>> {
        // One state of the database for all that is told; nothing is changed, so no lock is needed.
        let begun = self.subscriptions_pool().await?.begin_with(SNAPSHOT);
        let mut all = begun.await.map_err(failed("read how far it is"))?;
        let scanned: Option<i64> = sqlx::query_scalar(
            "SELECT scanned_to FROM vitaledger_subscription.durable_subscription WHERE name = $1",
        )
        .bind(name)
        .fetch_optional(&mut *all)
        .await
        .map_err(failed("read a subscription"))?;
        let Some(scanned) = scanned else {
            return Ok(None);
        };
        progress_of(&mut all, name, u64::try_from(scanned).unwrap_or(0))
            .await
            .map(Some)
    }

    async fn parked(&self, name: &str, limit: u32) -> Result<Vec<Parked>> {
        let rows = sqlx::query(
            "SELECT position, record, attempts, coalesce(last_error, '') FROM vitaledger_subscription.delivery_window
              WHERE name = $1 AND state = 'parked' ORDER BY position LIMIT $2",
        )
        .bind(name)
        .bind(i64::from(limit))
        .fetch_all(self.subscriptions_pool().await?)
        .await
        .map_err(failed("read what is parked"))?;
        let parked = |row: &PgRow| {
            let record: Uuid = get(row, 1)?;
            Ok(Parked {
                position: position(row, 0)?,
                record,
                attempts: number(row, 2)?,
                last_error: get(row, 3)?,
            })
        };
        rows.iter().map(parked).collect()
    }
}
