//! Durable subscriptions in SQLite: a file `subscriptions.db` beside the ledger's, made when it is
//! first asked for.
//!
//! Whatever changes something holds the file's write lock from its first look on
//! (`BEGIN IMMEDIATE`), so no two consumers decide on the same state.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use uuid::Uuid;

use super::Result;
use super::sqlite::{SqliteStore, failed, position_of};
use super::sqlite_access::open_beside;
use super::sqlite_read::get;
use super::sqlite_window::{
    COLUMNS, NOW, id, list, number, progress_of, stored, subscription, time,
};
use super::subscriptions::{
    AfterRefusal, Candidate, Jitter, Lease, Parked, Progress, Settings, Settled, Subscription,
    SubscriptionState, Subscriptions, micros_of, settle,
};
use crate::model::id::{OfficeCode, Position};

const SUBSCRIPTIONS_SQL: &str = include_str!("../../migrations/sqlite/subscriptions.sql");
/// The file in the ledger's folder.
const FILE: &str = "subscriptions.db";
/// Opens the file, and makes it when there is none.
pub(super) async fn open(folder: &Path) -> Result<SqlitePool> {
    open_beside(folder, FILE, SUBSCRIPTIONS_SQL, "open the subscriptions").await
}

#[async_trait]
impl Subscriptions for SqliteStore {
    async fn create_subscription(&self, new: &Subscription) -> Result<bool> {
        let pool = self.subscriptions_pool().await?;
        let settings = new.settings;
        let made = sqlx::query(&format!(
            "INSERT INTO durable_subscription (name, office, token, kinds, filter_office, officeless,
                    state, scanned_to, max_attempts, backoff_base_ms, backoff_cap_ms, window_size,
                    lease_ms, endpoint, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ({NOW}))
                 ON CONFLICT (name) DO NOTHING",
        ))
        .bind(&new.name)
        .bind(new.office.as_ref().map(OfficeCode::as_str))
        .bind(new.token.map(|token| token.to_string()))
        .bind(new.filter.kinds.join(" "))
        .bind(new.filter.office.as_ref().map(OfficeCode::as_str))
        .bind(new.filter.officeless)
        .bind(new.state.as_str())
        .bind(stored(new.scanned_to))
        .bind(settings.max_attempts)
        .bind(settings.backoff_base_ms)
        .bind(settings.backoff_cap_ms)
        .bind(settings.window)
        .bind(settings.lease_ms)
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
        let query = format!("{COLUMNS} WHERE name = ?");
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
            "UPDATE durable_subscription SET max_attempts = ?, backoff_base_ms = ?,
                    backoff_cap_ms = ?, window_size = ?, lease_ms = ?, endpoint = ? WHERE name = ?",
        )
        .bind(settings.max_attempts)
        .bind(settings.backoff_base_ms)
        .bind(settings.backoff_cap_ms)
        .bind(settings.window)
        .bind(settings.lease_ms)
        .bind(endpoint)
        .bind(name)
        .execute(self.subscriptions_pool().await?)
        .await
        .map_err(failed("alter a subscription"))?;
        Ok(done.rows_affected() == 1)
    }

    async fn set_subscription_state(&self, name: &str, state: SubscriptionState) -> Result<bool> {
        let done = sqlx::query("UPDATE durable_subscription SET state = ? WHERE name = ?")
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
            "DELETE FROM delivery_window WHERE name = ?",
            "DELETE FROM delivery_consumer WHERE name = ?",
            "DELETE FROM durable_subscription WHERE name = ?",
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
        for one in found {
            sqlx::query(
                "INSERT INTO delivery_window (name, position, record, state, entered_at)
                 VALUES (?, ?, ?, 'ready', ?)",
            )
            .bind(name)
            .bind(stored(one.position))
            .bind(one.record.to_string())
            .bind(held.now)
            .execute(&mut *held.all)
            .await
            .map_err(failed("take events in"))?;
        }
        sqlx::query("UPDATE durable_subscription SET scanned_to = ? WHERE name = ?")
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
                "UPDATE delivery_window SET state = 'leased', lease = ?, consumer = ?,
                        lease_until = ?, attempts = attempts + 1, next_at = NULL
                  WHERE name = ? AND position IN (SELECT value FROM json_each(?))",
            )
            .bind(id.to_string())
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
            "DELETE FROM delivery_window
              WHERE name = ? AND position IN (SELECT value FROM json_each(?))",
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
            "UPDATE delivery_window SET state = ?, next_at = ?, last_error = ?, lease = NULL,
                    consumer = NULL, lease_until = NULL
              WHERE name = ? AND position = ?",
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
            "UPDATE delivery_window SET state = 'ready', attempts = 0
              WHERE name = ?1 AND state = 'parked' AND (?2 IS NULL OR record = ?2)",
        )
        .bind(name)
        .bind(record.map(|record| record.to_string()))
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
        sqlx::query("DELETE FROM delivery_window WHERE name = ?")
            .bind(name)
            .execute(&mut *held.all)
            .await
            .map_err(failed("empty a window"))?;
        sqlx::query("UPDATE durable_subscription SET scanned_to = ? WHERE name = ?")
            .bind(stored(to))
            .bind(name)
            .execute(&mut *held.all)
            .await
            .map_err(failed("reset a subscription"))?;
        held.commit().await?;
        Ok(true)
    }

    async fn progress(&self, name: &str) -> Result<Option<Progress>> {
        // One state of the file for all that is told; nothing is changed, so no lock is needed.
        let begun = self.subscriptions_pool().await?.begin();
        let mut all = begun.await.map_err(failed("read how far it is"))?;
        let scanned: Option<i64> =
            sqlx::query_scalar("SELECT scanned_to FROM durable_subscription WHERE name = ?")
                .bind(name)
                .fetch_optional(&mut *all)
                .await
                .map_err(failed("read a subscription"))?;
        let Some(scanned) = scanned else {
            return Ok(None);
        };
        progress_of(&mut all, name, position_of(scanned))
            .await
            .map(Some)
    }

    async fn parked(&self, name: &str, limit: u32) -> Result<Vec<Parked>> {
        let rows = sqlx::query(
            "SELECT position, record, attempts, coalesce(last_error, '') FROM delivery_window
              WHERE name = ? AND state = 'parked' ORDER BY position LIMIT ?",
        )
        .bind(name)
        .bind(limit)
        .fetch_all(self.subscriptions_pool().await?)
        .await
        .map_err(failed("read what is parked"))?;
        let parked = |row: &SqliteRow| {
            let record: String = get(row, 1)?;
            Ok(Parked {
                position: position_of(get(row, 0)?),
                record: id(&record)?,
                attempts: number(row, 2)?,
                last_error: get(row, 3)?,
            })
        };
        rows.iter().map(parked).collect()
    }
}
