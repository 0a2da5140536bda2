//! The append in PostgreSQL: one transaction of three round trips, whatever the size of the batch,
//! on a connection that is kept for it.
//!
//! What comes in: groups. What goes out: an [`Outcome`] for each. What may fail: the server, at
//! any moment; before the commit nothing has happened, and the whole is tried again; at the
//! commit the outcome is unknown, and is found out. What must stay true: the head's row is locked
//! from the first read to the commit, so positions have no gap and become visible in their order;
//! a batch is never appended twice.

use std::collections::HashMap;
use std::fmt::Write;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Executor, Row};
use uuid::Uuid;

use super::placing::{Placing, head_after, oldest_of, placed, refuse_below, wrapped_keys};
use super::postgres::{Pauses, PostgresStore, failed, passes};
use super::{Group, Head, Outcome, Result, StoreError, StoredEntry, VaultRow, WomanToken};
use crate::model::id::Position;
use crate::model::time::Timestamp;

/// Everything of a batch in one statement; the trigger on `entry` moves the head.
const INSERT: &str = "
WITH entries AS (
    INSERT INTO vitaledger.entry (position, aggregate_type, sequence, leaf)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bytea[])
), sealed AS (
    INSERT INTO vitaledger_vault.sealed (position, key_id, keys, slots, content, flags, mac)
    SELECT * FROM unnest($5::bigint[], $6::bytea[], $7::bytea[], $8::bytea[], $9::bytea[],
                         $10::bigint[], $11::bytea[])
), tokens AS (
    INSERT INTO vitaledger_vault.token (position, tokens)
    SELECT * FROM unnest($12::bigint[], $13::bytea[])
), women AS (
    INSERT INTO vitaledger_vault.woman_token (position, year, token, mac)
    SELECT * FROM unnest($14::bigint[], $15::bigint[], $16::bytea[], $17::bytea[])
), keys AS (
    INSERT INTO vitaledger.idempotency (key, request, position)
    SELECT * FROM unnest($18::bytea[], $19::bytea[], $20::bigint[])
)
SELECT pg_notify('vitaledger', $21)";

pub(super) fn number_of(position: Position) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

pub(super) fn position_of(number: i64) -> Position {
    Position::try_from(number).unwrap_or(Position::MAX)
}

/// Why an attempt failed.
enum Attempt {
    /// Nothing was appended.
    Before(StoreError),
    /// It was, or it was not: the answer to the commit did not come. The outcomes hold if it was.
    Unknown(sqlx::Error, Vec<Outcome>),
}

fn before(doing: &'static str) -> impl Fn(sqlx::Error) -> Attempt {
    move |source| Attempt::Before(failed(doing)(source))
}

/// The first entry that was placed: with it stands or falls the batch.
fn first_placed(outcomes: &[Outcome]) -> Option<&StoredEntry> {
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Appended(entries) => entries.first(),
        Outcome::Conflict { .. } | Outcome::Repeated { .. } => None,
    })
}

impl PostgresStore {
    pub(super) async fn append_groups(&self, groups: &[Group]) -> Result<Vec<Outcome>> {
        let mut pauses = Pauses::new(self.patience);
        let mut unknown: Option<Vec<Outcome>> = None;
        loop {
            let attempt = match unknown.take() {
                None => self.attempt(groups).await,
                Some(outcomes) => match self.was_appended(&outcomes).await {
                    Ok(true) => return Ok(outcomes),
                    Ok(false) => self.attempt(groups).await,
                    Err(error) => Err(Attempt::Unknown(error, outcomes)),
                },
            };
            let error = match attempt {
                Ok(outcomes) => return Ok(outcomes),
                Err(Attempt::Unknown(source, outcomes)) => {
                    unknown = Some(outcomes);
                    StoreError::Unknown { source }
                }
                Err(Attempt::Before(error)) => error,
            };
            let again = match &error {
                StoreError::Unavailable { source, .. } => passes(source),
                StoreError::Unknown { .. } => true,
                _ => false,
            };
            if !again || !pauses.pause().await {
                return Err(self.explained_append(error).await);
            }
            tracing::warn!(%error, "an append failed; trying again");
        }
    }

    async fn explained_append(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Unavailable { doing, source } => StoreError::Unavailable {
                doing,
                source: self.explained(source).await,
            },
            StoreError::Unknown { source } => StoreError::Unknown {
                source: self.explained(source).await,
            },
            other => other,
        }
    }

    /// Appends on the connection that is kept for it. Whatever fails, and a caller that goes away,
    /// closes it, and the server takes back what was begun.
    async fn attempt(&self, groups: &[Group]) -> std::result::Result<Vec<Outcome>, Attempt> {
        let mut kept = self.appending.lock().await;
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self
                .pool
                .acquire()
                .await
                .map_err(before("connect to the database"))?
                .detach(),
        };
        let outcomes = attempt_on(&mut connection, groups).await?;
        *kept = Some(connection);
        Ok(outcomes)
    }

    /// Finds out what became of a commit. The head is locked: a server process that still works
    /// on the commit holds it.
    async fn was_appended(&self, outcomes: &[Outcome]) -> sqlx::Result<bool> {
        let Some(first) = first_placed(outcomes) else {
            return Ok(true);
        };
        let mut connection = self.pool.acquire().await?;
        let mut ledger = connection.begin().await?;
        hold_head(&mut ledger).await?;
        let found: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT leaf FROM vitaledger.entry WHERE position = $1")
                .bind(number_of(first.position))
                .fetch_optional(&mut *ledger)
                .await?;
        ledger.rollback().await?;
        // The bytes hold the event id, which no other attempt has.
        Ok(found.is_some_and(|leaf| leaf == first.bytes))
    }
}

async fn attempt_on(
    ledger: &mut PgConnection,
    groups: &[Group],
) -> std::result::Result<Vec<Outcome>, Attempt> {
    let mut placing = lock_head(ledger, groups).await?;
    let size = placing.head.size;
    let outcomes = placing.all(groups).map_err(Attempt::Before)?;
    if placing.head.size == size {
        let rollback = ledger.execute("ROLLBACK").await;
        rollback.map_err(before("let the head go"))?;
        return Ok(outcomes);
    }
    insert(ledger, groups, &outcomes, placing.head.size)
        .await
        .map_err(before("insert entries"))?;
    match ledger.execute("COMMIT").await {
        Ok(_) => Ok(outcomes),
        // The server said no, so it did not.
        Err(error @ sqlx::Error::Database(_)) if !passes(&error) => Err(before("commit")(error)),
        Err(error) => Err(Attempt::Unknown(error, outcomes)),
    }
}

/// Takes the head for something else than an append: under its lock, appends commit.
pub(super) async fn hold_head(ledger: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT size FROM vitaledger.lock_head('{}', '{}', '{}')")
        .fetch_one(ledger)
        .await
        .map(|_| ())
}

/// Items as PostgreSQL writes an array. They need no quotes of SQL: none has any character but
/// hexadecimal digits, hyphens and the prefix.
fn array<'a>(prefix: &str, items: impl Iterator<Item = &'a [u8]>) -> String {
    let mut text = String::from("'{");
    for item in items {
        // Writing into a text cannot fail.
        let _ = write!(text, "{prefix}{},", hex::encode(item));
    }
    if text.ends_with(',') {
        text.pop();
    }
    text.push_str("}'");
    text
}

/// Begins the transaction and takes the head, in one round trip: both statements are one text of
/// the simple protocol, which has no parameters.
async fn lock_head(
    ledger: &mut PgConnection,
    groups: &[Group],
) -> std::result::Result<Placing, Attempt> {
    let events = groups.iter().flat_map(|group| &group.events);
    let mut streams: Vec<Uuid> = events.map(|event| event.entry.aggregate_id).collect();
    streams.sort_unstable();
    streams.dedup();
    let keys = groups.iter().filter_map(|group| group.idempotency.as_ref());
    // A row with keys of its own begins its record, which nobody can have erased.
    let rows = groups.iter().flat_map(|group| &group.events);
    let rows = rows.filter_map(|event| event.vault.as_ref());
    let rows = rows.filter(|row| row.keys.is_empty());
    let sql = format!(
        "BEGIN; SELECT * FROM vitaledger.lock_head({}, {}, {})",
        array("", streams.iter().map(|id| id.as_bytes().as_slice())),
        array(r"\\x", keys.map(|(key, _)| key.as_slice())),
        array(r"\\x", rows.map(|row| row.key_id.as_slice())),
    );
    let row = ledger
        .fetch_one(sql.as_str())
        .await
        .map_err(before("lock the head"))?;
    let oldest: Option<String> = row
        .try_get("oldest_master_key")
        .map_err(before("lock the head"))?;
    oldest_of(oldest.as_deref())
        .and_then(|oldest| refuse_below(oldest, wrapped_keys(groups)))
        .map_err(Attempt::Before)?;
    placing(&row).map_err(before("lock the head"))?
}

/// What [`lock_head`] gave; the inner failure is of a last entry that does not read.
fn placing(row: &PgRow) -> sqlx::Result<std::result::Result<Placing, Attempt>> {
    let size = position_of(row.try_get("size")?);
    let last: Option<Vec<u8>> = row.try_get("last")?;
    let head = match (last, size.checked_sub(1)) {
        (Some(last), Some(position)) => match head_after(position, &last) {
            Ok(head) => head,
            Err(error) => return Ok(Err(Attempt::Before(error))),
        },
        (None, None) => Head::default(),
        _ => {
            let what = "the head says that there is an entry, and there is none".to_owned();
            let position = size.saturating_sub(1);
            let error = StoreError::Integrity { position, what };
            return Ok(Err(Attempt::Before(error)));
        }
    };
    let known: Option<Vec<Uuid>> = row.try_get("known")?;
    let versions: Option<Vec<i64>> = row.try_get("versions")?;
    let versions = known
        .into_iter()
        .flatten()
        .zip(versions.into_iter().flatten().map(position_of));
    let used: Option<Vec<Vec<u8>>> = row.try_get("used")?;
    let requests: Option<Vec<Vec<u8>>> = row.try_get("requests")?;
    let positions: Option<Vec<i64>> = row.try_get("positions")?;
    let sixteen = |bytes: Vec<u8>| <[u8; 16]>::try_from(bytes.as_slice()).unwrap_or_default();
    let answers = positions
        .into_iter()
        .flatten()
        .map(position_of)
        .zip(requests.into_iter().flatten().map(sixteen));
    let repeated = used.into_iter().flatten().map(sixteen).zip(answers);
    let erased: Option<Vec<Vec<u8>>> = row.try_get("erased")?;
    let clock: i64 = row.try_get("clock")?;
    Ok(Ok(Placing {
        head,
        clock: Timestamp::from_micros(clock).unwrap_or_default(),
        versions: versions.collect::<HashMap<_, _>>(),
        repeated: repeated.collect(),
        erased: erased.into_iter().flatten().map(sixteen).collect(),
    }))
}

/// The sealed parts of a batch, a column each.
#[derive(Default)]
struct SealedColumns<'a> {
    position: Vec<i64>,
    key_id: Vec<&'a [u8]>,
    keys: Vec<&'a [u8]>,
    slots: Vec<&'a [u8]>,
    content: Vec<&'a [u8]>,
    flags: Vec<i64>,
    mac: Vec<&'a [u8]>,
    tokens_at: Vec<i64>,
    tokens: Vec<&'a [u8]>,
}

impl<'a> SealedColumns<'a> {
    fn push(&mut self, position: i64, row: &'a VaultRow) {
        self.position.push(position);
        self.key_id.push(&row.key_id);
        self.keys.push(&row.keys);
        self.slots.push(&row.slots);
        self.content.push(&row.content);
        self.flags.push(row.flags);
        self.mac.push(&row.mac);
        if !row.tokens.is_empty() {
            self.tokens_at.push(position);
            self.tokens.push(&row.tokens);
        }
    }
}

/// The tokens of pregnancy losses, a column each.
#[derive(Default)]
struct WomanColumns<'a> {
    position: Vec<i64>,
    year: Vec<i64>,
    token: Vec<&'a [u8]>,
    mac: Vec<&'a [u8]>,
}

impl<'a> WomanColumns<'a> {
    fn push(&mut self, position: i64, woman: &'a WomanToken) {
        self.position.push(position);
        self.year.push(i64::from(woman.year));
        self.token.push(&woman.token);
        self.mac.push(&woman.mac);
    }
}

/// The idempotency keys of what was appended, a column each.
#[derive(Default)]
struct KeyColumns<'a> {
    key: Vec<&'a [u8]>,
    request: Vec<&'a [u8]>,
    position: Vec<i64>,
}

fn key_columns<'a>(groups: &'a [Group], outcomes: &[Outcome]) -> KeyColumns<'a> {
    let mut columns = KeyColumns::default();
    for (group, outcome) in groups.iter().zip(outcomes) {
        if let (Some((key, request)), Outcome::Appended(entries)) = (&group.idempotency, outcome) {
            columns.key.push(key);
            columns.request.push(request);
            let position = entries.first().map_or(0, |entry| entry.position);
            columns.position.push(number_of(position));
        }
    }
    columns
}

async fn insert(
    ledger: &mut PgConnection,
    groups: &[Group],
    outcomes: &[Outcome],
    size: u64,
) -> sqlx::Result<()> {
    let placed = placed(groups, outcomes);
    let (mut positions, mut sequences) = (Vec::new(), Vec::new());
    let (mut types, mut leaves) = (Vec::new(), Vec::new());
    let mut sealed = SealedColumns::default();
    let mut women = WomanColumns::default();
    for (event, entry) in &placed {
        let position = number_of(entry.position);
        positions.push(position);
        types.push(event.entry.aggregate_type);
        sequences.push(number_of(event.entry.sequence));
        leaves.push(entry.bytes.as_slice());
        if let Some(row) = &event.vault {
            sealed.push(position, row);
        }
        if let Some(woman) = &event.woman {
            women.push(position, woman);
        }
    }
    let keys = key_columns(groups, outcomes);
    sqlx::query(INSERT)
        .bind(positions)
        .bind(types)
        .bind(sequences)
        .bind(leaves)
        .bind(sealed.position)
        .bind(sealed.key_id)
        .bind(sealed.keys)
        .bind(sealed.slots)
        .bind(sealed.content)
        .bind(sealed.flags)
        .bind(sealed.mac)
        .bind(sealed.tokens_at)
        .bind(sealed.tokens)
        .bind(women.position)
        .bind(women.year)
        .bind(women.token)
        .bind(women.mac)
        .bind(keys.key)
        .bind(keys.request)
        .bind(keys.position)
        .bind(size.to_string())
        .execute(ledger)
        .await?;
    Ok(())
}
