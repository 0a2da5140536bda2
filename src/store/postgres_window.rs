//! The window of a subscription in PostgreSQL: what was taken in, and who works on it.
//!
//! What comes in: a subscription's name. What goes out: its row, locked (`FOR UPDATE`), with what
//! is decided under that lock. What may fail: the database. What must stay
//! true: nothing is handed out while an earlier one of the same record is there.

use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::{Decode, Row, Transaction, Type};
use uuid::Uuid;

use super::postgres::{PostgresStore, failed};
use super::subscriptions::{
    Consumer, Filter, LeasedRow, MOST_CONSUMERS, Progress, SEEN_MICROS, Settings, Subscription,
    SubscriptionState, Taken,
};
use super::{Result, StoreError};
use crate::model::id::{OfficeCode, Position};
use crate::model::time::Timestamp;

pub(super) const COLUMNS: &str =
    "SELECT name, office, token, kinds, filter_office, officeless, state, scanned_to,
        created_at, max_attempts, backoff_base_ms, backoff_cap_ms, window_size, lease_ms, endpoint
   FROM vitaledger_subscription.durable_subscription";
/// The clock, in microseconds.
pub(super) const NOW: &str = "SELECT vitaledger_subscription.micros()";

fn wrong(column: &str) -> StoreError {
    StoreError::Integrity {
        position: 0,
        what: format!("the column {column} of a subscription cannot be read"),
    }
}

pub(super) fn time(micros: i64) -> Result<Timestamp> {
    Timestamp::from_micros(micros).ok_or_else(|| wrong("of a time"))
}

/// A column of a row.
pub(super) fn get<'r, T>(row: &'r PgRow, index: usize) -> Result<T>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(index).map_err(failed("read a subscription"))
}

pub(super) fn position(row: &PgRow, index: usize) -> Result<Position> {
    count(row, index)
}

pub(super) fn number(row: &PgRow, index: usize) -> Result<u32> {
    let number: i64 = get(row, index)?;
    u32::try_from(number).map_err(|_| wrong("of a number"))
}

fn count(row: &PgRow, index: usize) -> Result<u64> {
    let number: i64 = get(row, index)?;
    u64::try_from(number).map_err(|_| wrong("of a count"))
}

/// As the database has it.
pub(super) fn stored(position: Position) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

pub(super) fn subscription(row: &PgRow) -> Result<Subscription> {
    let office = |index| -> Result<Option<OfficeCode>> {
        let text: Option<String> = get(row, index)?;
        text.map(|text| OfficeCode::parse(&text).ok_or_else(|| wrong("office")))
            .transpose()
    };
    let kinds: String = get(row, 3)?;
    let state: String = get(row, 6)?;
    Ok(Subscription {
        name: get(row, 0)?,
        office: office(1)?,
        token: get(row, 2)?,
        filter: Filter {
            kinds: kinds.split_whitespace().map(str::to_owned).collect(),
            office: office(4)?,
            officeless: get(row, 5)?,
        },
        state: SubscriptionState::parse(&state).ok_or_else(|| wrong("state"))?,
        scanned_to: position(row, 7)?,
        created_at: time(get(row, 8)?)?,
        settings: Settings {
            max_attempts: number(row, 9)?,
            backoff_base_ms: number(row, 10)?,
            backoff_cap_ms: number(row, 11)?,
            window: number(row, 12)?,
            lease_ms: number(row, 13)?,
        },
        endpoint: get(row, 14)?,
    })
}

async fn now(connection: &mut PgConnection) -> Result<i64> {
    let micros = sqlx::query_scalar(NOW).fetch_one(connection);
    micros.await.map_err(failed("read the clock"))
}

/// A subscription whose row is locked, and the clock then.
pub(super) struct Held {
    pub(super) all: Transaction<'static, Postgres>,
    pub(super) subscription: Subscription,
    pub(super) now: i64,
}

impl PostgresStore {
    pub(super) async fn hold(&self, name: &str) -> Result<Option<Held>> {
        let begun = self.subscriptions_pool().await?.begin();
        let mut all = begun.await.map_err(failed("lock a subscription"))?;
        let row = sqlx::query(&format!("{COLUMNS} WHERE name = $1 FOR UPDATE"))
            .bind(name)
            .fetch_optional(&mut *all)
            .await
            .map_err(failed("read a subscription"))?;
        let Some(row) = row else { return Ok(None) };
        let now = now(&mut all).await?;
        Ok(Some(Held {
            all,
            subscription: subscription(&row)?,
            now,
        }))
    }
}

impl Held {
    pub(super) async fn commit(self) -> Result<()> {
        let done = self.all.commit().await;
        done.map_err(failed("commit a subscription"))
    }

    /// Takes back what consumers did not acknowledge in time. It was an attempt.
    pub(super) async fn take_back(&mut self) -> Result<()> {
        sqlx::query(
            "UPDATE vitaledger_subscription.delivery_window
                SET state = CASE WHEN attempts >= $1 THEN 'parked' ELSE 'ready' END, lease = NULL,
                    consumer = NULL, lease_until = NULL,
                    last_error = 'the lease ended without an acknowledgement'
              WHERE name = $2 AND state = 'leased' AND lease_until <= $3",
        )
        .bind(i64::from(self.subscription.settings.max_attempts))
        .bind(&self.subscription.name)
        .bind(self.now)
        .execute(&mut *self.all)
        .await
        .map_err(failed("take leases back"))?;
        Ok(())
    }

    /// Writes down who asks, not each time.
    pub(super) async fn see(&mut self, consumer: &str) -> Result<()> {
        let name = &self.subscription.name;
        let seen = sqlx::query(
            "INSERT INTO vitaledger_subscription.delivery_consumer (name, consumer, seen_at)
             VALUES ($1, $2, $3)
                 ON CONFLICT (name, consumer) DO UPDATE SET seen_at = $3
                      WHERE delivery_consumer.seen_at < $3 - $4",
        )
        .bind(name)
        .bind(consumer)
        .bind(self.now)
        .bind(SEEN_MICROS)
        .execute(&mut *self.all)
        .await
        .map_err(failed("write down a consumer"))?;
        if seen.rows_affected() > 0 {
            sqlx::query(
                "DELETE FROM vitaledger_subscription.delivery_consumer
                  WHERE name = $1 AND consumer NOT IN
                        (SELECT consumer FROM vitaledger_subscription.delivery_consumer
                          WHERE name = $1 ORDER BY seen_at DESC LIMIT $2)",
            )
            .bind(name)
            .bind(MOST_CONSUMERS)
            .execute(&mut *self.all)
            .await
            .map_err(failed("forget a consumer"))?;
        }
        Ok(())
    }

    /// What can be handed out: of each record the first, if nobody has it and it need not wait.
    pub(super) async fn free(&mut self, most: u32) -> Result<Vec<Taken>> {
        let rows = sqlx::query(
            "SELECT position, record, attempts FROM vitaledger_subscription.delivery_window AS own
              WHERE name = $1 AND (state = 'ready' OR state = 'waiting' AND next_at <= $2)
                AND NOT EXISTS (SELECT 1 FROM vitaledger_subscription.delivery_window AS earlier
                                 WHERE earlier.name = $1 AND earlier.record = own.record
                                   AND earlier.position < own.position)
              ORDER BY position LIMIT $3",
        )
        .bind(&self.subscription.name)
        .bind(self.now)
        .bind(i64::from(most))
        .fetch_all(&mut *self.all)
        .await
        .map_err(failed("look for what can be handed out"))?;
        let taken = |row: &PgRow| {
            let record: Uuid = get(row, 1)?;
            Ok(Taken {
                position: position(row, 0)?,
                record,
                attempt: number(row, 2)?.saturating_add(1),
            })
        };
        rows.iter().map(taken).collect()
    }

    /// The rows of these positions that are there, with the lease that they are under.
    pub(super) async fn leases(&mut self, positions: &[Position]) -> Result<Vec<LeasedRow>> {
        let rows = sqlx::query(
            "SELECT position, lease, attempts FROM vitaledger_subscription.delivery_window
              WHERE name = $1 AND position = ANY($2)",
        )
        .bind(&self.subscription.name)
        .bind(list(positions))
        .fetch_all(&mut *self.all)
        .await
        .map_err(failed("look for leases"))?;
        let row = |row: &PgRow| {
            Ok(LeasedRow {
                position: position(row, 0)?,
                lease: get(row, 1)?,
                attempts: number(row, 2)?,
            })
        };
        rows.iter().map(row).collect()
    }
}

/// Positions as the database has them.
pub(super) fn list(positions: &[Position]) -> Vec<i64> {
    positions.iter().map(|position| stored(*position)).collect()
}

/// How far a subscription is that has read up to a position.
pub(super) async fn progress_of(
    connection: &mut PgConnection,
    name: &str,
    scanned_to: Position,
) -> Result<Progress> {
    let now = now(connection).await?;
    let row = sqlx::query(
        "SELECT count(*) FILTER (WHERE NOT parked_before AND is_first AND state <> 'parked'
                    AND (state = 'ready' OR next_at <= $2 OR lease_until <= $2)),
                count(*) FILTER (WHERE state = 'leased' AND lease_until > $2),
                count(*) FILTER (WHERE NOT parked_before AND is_first AND next_at > $2),
                count(*) FILTER (WHERE state = 'parked'),
                count(*) FILTER (WHERE parked_before AND state <> 'parked'),
                count(*) FILTER (WHERE NOT parked_before AND NOT is_first AND state <> 'parked'),
                min(position)
           FROM (SELECT position, state, next_at, lease_until,
                        row_number() OVER records = 1 AS is_first,
                        coalesce(bool_or(state = 'parked') OVER (records ROWS BETWEEN
                            UNBOUNDED PRECEDING AND 1 PRECEDING), false) AS parked_before
                   FROM vitaledger_subscription.delivery_window WHERE name = $1
                 WINDOW records AS (PARTITION BY record ORDER BY position)) AS counted",
    )
    .bind(name)
    .bind(now)
    .fetch_one(&mut *connection)
    .await
    .map_err(failed("count a window"))?;
    let oldest: Option<i64> = get(&row, 6)?;
    let mut progress = Progress {
        scanned_to,
        ready: count(&row, 0)?,
        leased: count(&row, 1)?,
        waiting: count(&row, 2)?,
        parked: count(&row, 3)?,
        held: count(&row, 4)?,
        behind: count(&row, 5)?,
        oldest: None,
        now: time(now)?,
        consumers: consumers(connection, name).await?,
    };
    if let Some(oldest) = oldest {
        let query = "SELECT entered_at FROM vitaledger_subscription.delivery_window
              WHERE name = $1 AND position = $2";
        let entered = sqlx::query_scalar(query).bind(name).bind(oldest);
        let entered = entered.fetch_one(&mut *connection).await;
        let entered = time(entered.map_err(failed("read the oldest event"))?)?;
        progress.oldest = Some((u64::try_from(oldest).unwrap_or(0), entered));
    }
    Ok(progress)
}

async fn consumers(connection: &mut PgConnection, name: &str) -> Result<Vec<Consumer>> {
    let rows = sqlx::query(
        "SELECT consumer, seen_at FROM vitaledger_subscription.delivery_consumer WHERE name = $1
          ORDER BY seen_at DESC, consumer",
    )
    .bind(name)
    .fetch_all(connection)
    .await
    .map_err(failed("read consumers"))?;
    let consumer = |row: &PgRow| {
        Ok(Consumer {
            name: get(row, 0)?,
            seen_at: time(get(row, 1)?)?,
        })
    };
    rows.iter().map(consumer).collect()
}
