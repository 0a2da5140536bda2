//! The window of a subscription in SQLite: what was taken in, and who works on it.
//!
//! What comes in: a subscription's name. What goes out: its row, under the write lock of the file
//! (`BEGIN IMMEDIATE`), with what is decided under that lock. What may fail: the file. What must stay
//! true: nothing is handed out while an earlier one of the same record is there.

use std::str::FromStr;

use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{SqliteConnection, Transaction};
use uuid::Uuid;

use super::sqlite::{SqliteStore, failed, position_of};
use super::sqlite_read::get;
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
   FROM durable_subscription";
/// The clock, in microseconds; it is read to the millisecond.
pub(super) const NOW: &str = "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)";

fn wrong(column: &str) -> StoreError {
    StoreError::Integrity {
        position: 0,
        what: format!("the column {column} of a subscription cannot be read"),
    }
}

pub(super) fn id(text: &str) -> Result<Uuid> {
    Uuid::from_str(text).map_err(|_| wrong("of an id"))
}

pub(super) fn time(micros: i64) -> Result<Timestamp> {
    Timestamp::from_micros(micros).ok_or_else(|| wrong("of a time"))
}

pub(super) fn number(row: &SqliteRow, index: usize) -> Result<u32> {
    let number: i64 = get(row, index)?;
    u32::try_from(number).map_err(|_| wrong("of a number"))
}

fn count(row: &SqliteRow, index: usize) -> Result<u64> {
    let number: i64 = get(row, index)?;
    u64::try_from(number).map_err(|_| wrong("of a count"))
}

/// As the file has it.
pub(super) fn stored(position: Position) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

pub(super) fn subscription(row: &SqliteRow) -> Result<Subscription> {
    let office = |index| -> Result<Option<OfficeCode>> {
        let text: Option<String> = get(row, index)?;
        text.map(|text| OfficeCode::parse(&text).ok_or_else(|| wrong("office")))
            .transpose()
    };
    let token: Option<String> = get(row, 2)?;
    let kinds: String = get(row, 3)?;
    let state: String = get(row, 6)?;
    Ok(Subscription {
        name: get(row, 0)?,
        office: office(1)?,
        token: token.as_deref().map(id).transpose()?,
        filter: Filter {
            kinds: kinds.split_whitespace().map(str::to_owned).collect(),
            office: office(4)?,
            officeless: get(row, 5)?,
        },
        state: SubscriptionState::parse(&state).ok_or_else(|| wrong("state"))?,
        scanned_to: position_of(get(row, 7)?),
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

async fn now(connection: &mut SqliteConnection) -> Result<i64> {
    let micros = sqlx::query_scalar(NOW).fetch_one(connection);
    micros.await.map_err(failed("read the clock"))
}

/// A subscription under the write lock, and the clock then.
pub(super) struct Held {
    pub(super) all: Transaction<'static, Sqlite>,
    pub(super) subscription: Subscription,
    pub(super) now: i64,
}

impl SqliteStore {
    pub(super) async fn hold(&self, name: &str) -> Result<Option<Held>> {
        let begun = self
            .subscriptions_pool()
            .await?
            .begin_with("BEGIN IMMEDIATE");
        let mut all = begun.await.map_err(failed("lock the subscriptions"))?;
        let row = sqlx::query(&format!("{COLUMNS} WHERE name = ?"))
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
            "UPDATE delivery_window
                SET state = CASE WHEN attempts >= ? THEN 'parked' ELSE 'ready' END, lease = NULL,
                    consumer = NULL, lease_until = NULL,
                    last_error = 'the lease ended without an acknowledgement'
              WHERE name = ? AND state = 'leased' AND lease_until <= ?",
        )
        .bind(self.subscription.settings.max_attempts)
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
            "INSERT INTO delivery_consumer (name, consumer, seen_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name, consumer) DO UPDATE SET seen_at = ?3 WHERE seen_at < ?3 - ?4",
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
                "DELETE FROM delivery_consumer WHERE name = ?1 AND consumer NOT IN
                        (SELECT consumer FROM delivery_consumer WHERE name = ?1
                          ORDER BY seen_at DESC LIMIT ?2)",
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
            "SELECT position, record, attempts FROM delivery_window AS own
              WHERE name = ?1 AND (state = 'ready' OR state = 'waiting' AND next_at <= ?2)
                AND NOT EXISTS (SELECT 1 FROM delivery_window AS earlier
                                 WHERE earlier.name = ?1 AND earlier.record = own.record
                                   AND earlier.position < own.position)
              ORDER BY position LIMIT ?3",
        )
        .bind(&self.subscription.name)
        .bind(self.now)
        .bind(most)
        .fetch_all(&mut *self.all)
        .await
        .map_err(failed("look for what can be handed out"))?;
        let taken = |row: &SqliteRow| {
            let record: String = get(row, 1)?;
            Ok(Taken {
                position: position_of(get(row, 0)?),
                record: id(&record)?,
                attempt: number(row, 2)?.saturating_add(1),
            })
        };
        rows.iter().map(taken).collect()
    }

    /// The rows of these positions that are there, with the lease that they are under.
    pub(super) async fn leases(&mut self, positions: &[Position]) -> Result<Vec<LeasedRow>> {
        let rows = sqlx::query(
            "SELECT position, lease, attempts FROM delivery_window
              WHERE name = ? AND position IN (SELECT value FROM json_each(?))",
        )
        .bind(&self.subscription.name)
        .bind(list(positions))
        .fetch_all(&mut *self.all)
        .await
        .map_err(failed("look for leases"))?;
        let row = |row: &SqliteRow| {
            let lease: Option<String> = get(row, 1)?;
            Ok(LeasedRow {
                position: position_of(get(row, 0)?),
                lease: lease.as_deref().map(id).transpose()?,
                attempts: number(row, 2)?,
            })
        };
        rows.iter().map(row).collect()
    }
}

/// Positions as a JSON list.
pub(super) fn list(positions: &[Position]) -> String {
    let texts: Vec<String> = positions.iter().map(ToString::to_string).collect();
    format!("[{}]", texts.join(","))
}

/// How far a subscription is that has read up to a position.
pub(super) async fn progress_of(
    connection: &mut SqliteConnection,
    name: &str,
    scanned_to: Position,
) -> Result<Progress> {
    let now = now(connection).await?;
    let row = sqlx::query(
        "SELECT count(*) FILTER (WHERE NOT parked_before AND is_first AND state <> 'parked'
                    AND (state = 'ready' OR next_at <= ?2 OR lease_until <= ?2)),
                count(*) FILTER (WHERE state = 'leased' AND lease_until > ?2),
                count(*) FILTER (WHERE NOT parked_before AND is_first AND next_at > ?2),
                count(*) FILTER (WHERE state = 'parked'),
                count(*) FILTER (WHERE parked_before AND state <> 'parked'),
                count(*) FILTER (WHERE NOT parked_before AND NOT is_first AND state <> 'parked'),
                min(position)
           FROM (SELECT position, state, next_at, lease_until,
                        row_number() OVER records = 1 AS is_first,
                        coalesce(max(state = 'parked') OVER (records ROWS BETWEEN
                            UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS parked_before
                   FROM delivery_window WHERE name = ?1
                 WINDOW records AS (PARTITION BY record ORDER BY position))",
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
        let query = "SELECT entered_at FROM delivery_window WHERE name = ? AND position = ?";
        let entered = sqlx::query_scalar(query).bind(name).bind(oldest);
        let entered = entered.fetch_one(&mut *connection).await;
        let entered = time(entered.map_err(failed("read the oldest event"))?)?;
        progress.oldest = Some((position_of(oldest), entered));
    }
    Ok(progress)
}

async fn consumers(connection: &mut SqliteConnection, name: &str) -> Result<Vec<Consumer>> {
    let rows = sqlx::query(
        "SELECT consumer, seen_at FROM delivery_consumer WHERE name = ?
          ORDER BY seen_at DESC, consumer",
    )
    .bind(name)
    .fetch_all(connection)
    .await
    .map_err(failed("read consumers"))?;
    let consumer = |row: &SqliteRow| {
        Ok(Consumer {
            name: get(row, 0)?,
            seen_at: time(get(row, 1)?)?,
        })
    };
    rows.iter().map(consumer).collect()
}
