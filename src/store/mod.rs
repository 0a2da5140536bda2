//! The store: where entries, checkpoints and sealed fields lie.
//!
//! What comes in: groups of entries that belong together, with the rows of the vault. What goes
//! out: their places in one gapless order, or who was first. What may fail: [`StoreError`] when
//! the database is not there, is full, or holds what it must not; a conflict is an [`Outcome`],
//! not an error, and never touches another group of the same batch. What must stay true: a
//! position that was acknowledged is durable; readers that ask for `position > n` in order miss
//! nothing; only the adapters in this folder name tables.

pub mod access;
pub mod location;
mod placing;
pub mod postgres;
mod postgres_access;
mod postgres_append;
mod postgres_check;
mod postgres_log;
mod postgres_master;
mod postgres_subscriptions;
mod postgres_transfer;
mod postgres_vault;
mod postgres_window;
pub mod sqlite;
mod sqlite_access;
mod sqlite_bundles;
mod sqlite_check;
mod sqlite_master;
mod sqlite_read;
mod sqlite_rows;
mod sqlite_subscriptions;
pub mod sqlite_tamper;
mod sqlite_transfer;
mod sqlite_vault;
mod sqlite_window;
pub mod subscriptions;
pub mod transfer;
pub mod views;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::model::entry::Unplaced;
use crate::model::id::Position;
use crate::model::time::Timestamp;

/// Most that a ledger's head may be ahead of the clock: 5 s.
pub const MAX_AHEAD_MICROS: i64 = 5_000_000;

/// Why the store cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is locked for too long, or its disk is full.
    #[error("storage is unavailable: failed to {doing}: {source}")]
    Unavailable {
        /// What was being done.
        doing: &'static str,
        /// What the driver says.
        source: sqlx::Error,
    },
    /// The connection was lost at the commit, and the server stayed away.
    #[error(
        "storage went away while it was committing, so it is not known whether the last batch was recorded ({source}); send it again: what was recorded is answered as a replay"
    )]
    Unknown {
        /// What the driver says.
        source: sqlx::Error,
    },
    /// The address of a store cannot be read. It is not repeated here: it may hold a password.
    #[error("the address of the store cannot be used: {what}")]
    Address {
        /// What is wrong, and what one looks like.
        what: String,
    },
    /// There is no ledger where one was expected.
    #[error("there is no ledger at {path}; create one with `vitaledger init`")]
    Missing {
        /// Where.
        path: String,
    },
    /// There is one where none was expected.
    #[error("there is a ledger at {path} already; nothing was changed")]
    Exists {
        /// Where.
        path: String,
    },
    /// The database was made by another version of this program.
    #[error("the database has schema {found}, this program reads {expected}")]
    Schema {
        /// The version in the file.
        found: i64,
        /// The version of this program.
        expected: i64,
    },
    /// The clock went back by more than is bridged.
    #[error(
        "the ledger's head is {ahead_micros} microseconds ahead of the clock; set the clock right"
    )]
    ClockBehind {
        /// How far.
        ahead_micros: i64,
    },
    /// Keys of this batch are wrapped under a master key that was rotated out since.
    #[error(
        "master key {number} was rotated out while this was prepared; nothing of it was recorded: try again"
    )]
    KeyRetired {
        /// Which key.
        number: u32,
    },
    /// What is stored cannot be.
    #[error("integrity failure at position {position}: {what}")]
    Integrity {
        /// Where.
        position: Position,
        /// What is wrong.
        what: String,
    },
    /// A file beside the databases cannot be used.
    #[error("failed to {doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether an append of many callers may have failed for what one of them wanted.
    #[must_use]
    pub fn may_be_of_one_caller(&self) -> bool {
        /// SQLSTATE: connection lost, no resources (disk, memory), not in the right state (a lock
        /// that was not got in time), an operator's stop, a failure of the system below.
        const OF_THE_SERVER: [&str; 5] = ["08", "53", "55", "57", "58"];
        match self {
            Self::Unknown { .. } | Self::ClockBehind { .. } => false,
            Self::Unavailable { source, .. } => match source {
                // SQLite's codes are decimal numbers of at most four digits.
                sqlx::Error::Database(error) => !error.code().is_some_and(|code| {
                    code.len() == 5 && OF_THE_SERVER.iter().any(|class| code.starts_with(class))
                }),
                sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => false,
                _ => true,
            },
            _ => true,
        }
    }

    /// Nothing is heard of the database.
    #[must_use]
    pub const fn late(doing: &'static str) -> Self {
        Self::Unavailable {
            doing,
            source: sqlx::Error::PoolTimedOut,
        }
    }

    /// The same failure, for another caller of the same append.
    #[must_use]
    pub fn told_again(&self) -> Self {
        let told = |source: &sqlx::Error| match source {
            sqlx::Error::Io(error) => sqlx::Error::Io(std::io::Error::other(error.to_string())),
            source => sqlx::Error::Protocol(source.to_string()),
        };
        match self {
            Self::Unavailable { doing, source } => Self::Unavailable {
                doing,
                source: told(source),
            },
            Self::ClockBehind { ahead_micros } => Self::ClockBehind {
                ahead_micros: *ahead_micros,
            },
            Self::Unknown { source } => Self::Unknown {
                source: told(source),
            },
            Self::KeyRetired { number } => Self::KeyRetired { number: *number },
            Self::Integrity { position, what } => Self::Integrity {
                position: *position,
                what: what.clone(),
            },
            // None of these comes from an append.
            other => Self::Unavailable {
                doing: "append",
                source: sqlx::Error::Protocol(other.to_string()),
            },
        }
    }

    /// The same failure, for a caller whose append was not even begun because of it.
    #[must_use]
    pub fn not_begun(&self) -> Self {
        match self.told_again() {
            Self::Unknown { source } => Self::Unavailable {
                doing: "append",
                source,
            },
            other => other,
        }
    }

    /// Whether what is stored is in doubt, not only the way to it.
    #[must_use]
    pub fn is_integrity(&self) -> bool {
        /// `SQLite`: the file is damaged, the file is no database.
        const DAMAGED: [i64; 2] = [11, 26];
        match self {
            Self::Integrity { .. } => true,
            Self::Unavailable {
                source: sqlx::Error::Database(error),
                ..
            } => {
                // The low byte is the primary code; the rest says more of the place.
                let code = error.code().and_then(|code| code.parse::<i64>().ok());
                code.is_some_and(|code| DAMAGED.contains(&(code & 0xff)))
            }
            _ => false,
        }
    }
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Number of entries; the next position.
    pub size: u64,
    /// Time of the last entry.
    pub recorded_at: Timestamp,
}

/// A stored entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its position.
    pub position: Position,
    /// Its bytes, as hashed.
    pub bytes: Vec<u8>,
}

/// Entries one after another in one piece of memory: what a pass over the whole log reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packed {
    bytes: Vec<u8>,
    /// The position of each, and where its bytes end.
    ends: Vec<(Position, usize)>,
}

impl Packed {
    /// From the bytes of all, and the position and the length of each; `None` when the lengths
    /// are not those of the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>, lengths: impl Iterator<Item = (Position, usize)>) -> Option<Self> {
        let mut end = 0_usize;
        let ends = lengths.map(|(position, length)| {
            end = end.checked_add(length)?;
            Some((position, end))
        });
        let ends: Vec<_> = ends.collect::<Option<_>>()?;
        (end == bytes.len()).then_some(Self { bytes, ends })
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Positions and bytes, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Position, &[u8])> + '_ {
        let mut start = 0;
        self.ends.iter().map(move |(position, end)| {
            let bytes = &self.bytes[start..*end];
            start = *end;
            (*position, bytes)
        })
    }
}

impl From<Vec<StoredEntry>> for Packed {
    fn from(entries: Vec<StoredEntry>) -> Self {
        let mut packed = Self::default();
        for entry in entries {
            packed.bytes.extend_from_slice(&entry.bytes);
            packed.ends.push((entry.position, packed.bytes.len()));
        }
        packed
    }
}

/// A stored entry with the columns beside it, for `verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Its position.
    pub position: Position,
    /// The column of that name.
    pub aggregate_type: String,
    /// The column of that name.
    pub sequence: u64,
    /// Its bytes, as hashed.
    pub bytes: Vec<u8>,
}

/// The sealed part of an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VaultRow {
    /// Random, one per record.
    pub key_id: [u8; 16],
    /// Wrapped role keys, on a record's first event.
    pub keys: Vec<u8>,
    /// Packed ciphertexts.
    pub slots: Vec<u8>,
    /// Keyed digest of the content; empty after erasure.
    pub content: Vec<u8>,
    /// Bit 0: a woman's token was made.
    pub flags: i64,
    /// The position of the erasure that emptied the row.
    pub erased_by: Option<Position>,
    /// Authenticates the row and its tokens.
    pub mac: Vec<u8>,
    /// Packed equality tokens (slot number, 16 bytes).
    pub tokens: Vec<u8>,
}

/// The keys of a row, wrapped anew under another master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrapped {
    /// Which row.
    pub position: Position,
    /// [`VaultRow::mac`] as it was read: a row that was changed since is left as it is.
    pub before: Vec<u8>,
    /// [`VaultRow::keys`] from now on.
    pub keys: Vec<u8>,
    /// [`VaultRow::mac`] from now on.
    pub mac: Vec<u8>,
}

/// A token of a pregnancy loss, comparable within its statistical year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WomanToken {
    /// The statistical year, named for the year in which it ends.
    pub year: i32,
    /// The token.
    pub token: [u8; 16],
    /// Authenticates it.
    pub mac: [u8; 16],
}

/// An event that waits for its place, with its sealed part.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The entry.
    pub entry: Unplaced,
    /// Its sealed part.
    pub vault: Option<VaultRow>,
    /// The token of a pregnancy loss.
    pub woman: Option<WomanToken>,
}

/// Events that are appended together or not at all.
#[derive(Debug, Clone)]
pub struct Group {
    /// At least one.
    pub events: Vec<Pending>,
    /// The caller's key and the digest of the request, both keyed hashes.
    pub idempotency: Option<([u8; 16], [u8; 16])>,
}

/// What became of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Appended and durable.
    Appended(Vec<StoredEntry>),
    /// A stream is not at the version that the group expected.
    Conflict {
        /// Which stream.
        aggregate_id: Uuid,
        /// The version it is at.
        current: u64,
    },
    /// The idempotency key was used before.
    Repeated {
        /// Where its first answer stands.
        position: Position,
        /// The digest of that request.
        request: [u8; 16],
    },
}

/// Idempotency keys that were used before: where, and the digest of that request.
pub type Repeated = HashMap<[u8; 16], (Position, [u8; 16])>;

/// The port to a database.
#[async_trait]
pub trait Store: Send + Sync {
    /// The end of the log.
    async fn head(&self) -> Result<Head>;
    /// Appends the groups in one transaction; see [`Outcome`]. A change of a record whose key was
    /// erased conflicts: this is looked up under the lock under which erasures commit.
    async fn append(&self, groups: Vec<Group>) -> Result<Vec<Outcome>>;
    /// Entries from a position on, in order, at most `limit`.
    async fn entries(&self, from: Position, limit: u64) -> Result<Vec<StoredEntry>>;
    /// The same in one piece of memory.
    async fn packed(&self, from: Position, limit: u64) -> Result<Packed> {
        Ok(self.entries(from, limit).await?.into())
    }
    /// The same with the columns beside the bytes.
    async fn rows(&self, from: Position, limit: u64) -> Result<Vec<EntryRow>>;
    /// The entry at a position.
    async fn entry(&self, position: Position) -> Result<Option<StoredEntry>> {
        let found = self.entries(position, 1).await?.into_iter().next();
        Ok(found.filter(|entry| entry.position == position))
    }
    /// Entries of a type that is no record from a position on, in order, at most `limit`.
    async fn entries_of_type_from(
        &self,
        aggregate_type: &str,
        from: Position,
        limit: u64,
    ) -> Result<Vec<StoredEntry>> {
        let mut all = self.entries_of_type(aggregate_type).await?;
        all.retain(|entry| entry.position >= from);
        all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(all)
    }
    /// Entries of several such types from a position on, in order: what follows the end of the log
    /// asks, and finds little. Whoever is appended to meanwhile answers in one statement: what this
    /// does may leave out what comes in between.
    async fn entries_of_types_from(
        &self,
        aggregate_types: &[&str],
        from: Position,
    ) -> Result<Vec<StoredEntry>> {
        let mut all = Vec::new();
        for aggregate_type in aggregate_types {
            let own = self.entries_of_type_from(aggregate_type, from, u64::MAX);
            all.extend(own.await?);
        }
        all.sort_unstable_by_key(|entry| entry.position);
        Ok(all)
    }
    /// The streams of these ids, each in order of its versions.
    async fn streams(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<StoredEntry>>>;
    /// Where these versions of streams stand, in the order in which they are asked for; `None`
    /// where a stream has no such version.
    async fn positions_of(&self, versions: &[(Uuid, u64)]) -> Result<Vec<Option<Position>>> {
        let ids: Vec<Uuid> = versions.iter().map(|(id, _)| *id).collect();
        let streams = self.streams(&ids).await?;
        let position = |(id, version): &(Uuid, u64)| {
            let at = usize::try_from(version.checked_sub(1)?).ok()?;
            streams.get(id)?.get(at).map(|stored| stored.position)
        };
        Ok(versions.iter().map(position).collect())
    }
    /// Every entry of a type that is no record, in order.
    async fn entries_of_type(&self, aggregate_type: &str) -> Result<Vec<StoredEntry>>;
    /// Which of these idempotency keys were used before: where, and the digest of that request.
    async fn repeated(&self, keys: &[[u8; 16]]) -> Result<Repeated>;
    /// Every idempotency key with the digest of its request and the position of its answer.
    async fn idempotency_rows(&self) -> Result<Vec<(Vec<u8>, Vec<u8>, Position)>>;

    /// The signed notes by size, ascending.
    async fn checkpoints(&self) -> Result<Vec<(u64, Vec<u8>)>>;
    /// The signed note of the largest size.
    async fn newest_checkpoint(&self) -> Result<Option<(u64, Vec<u8>)>>;
    /// Keeps a signed note and the tiles that were completed under it.
    async fn save_checkpoint(&self, size: u64, note: &[u8], tiles: &[StoredTile]) -> Result<()>;
    /// A full tile.
    async fn tile(&self, level: u8, number: u64) -> Result<Option<Vec<u8>>>;
    /// Every full tile.
    async fn tiles(&self) -> Result<Vec<StoredTile>>;

    /// The signed notes over more than `size` entries, ascending.
    async fn checkpoints_after(&self, size: u64) -> Result<Vec<(u64, Vec<u8>)>> {
        let all = self.checkpoints().await?;
        Ok(all.into_iter().filter(|(at, _)| *at > size).collect())
    }

    /// Waits until the log has more than `beyond` entries or the patience ends, and gives the head.
    async fn grown(&self, beyond: u64, patience: Duration) -> Result<Head> {
        let end = tokio::time::Instant::now() + patience;
        loop {
            let head = self.head().await?;
            if head.size > beyond || tokio::time::Instant::now() >= end {
                return Ok(head);
            }
            tokio::time::sleep(POLL.min(patience)).await;
        }
    }

    /// Lets this node sign for so long, unless another one may.
    ///
    /// Where every node shares the folder of the signing key, its lock is enough, and this has
    /// nothing to say: that is the default.
    async fn hold_signing(&self, _holder: Uuid, _term: Duration) -> Result<bool> {
        Ok(true)
    }
    /// What the nodes agreed on last to sign: size and root. `None` where nothing needs agreement.
    async fn signed(&self) -> Result<Option<Signed>> {
        Ok(None)
    }
    /// Agrees on the next to sign: `false` when the holder may sign no more, or `from` is not what
    /// was agreed on last; then it must not sign.
    async fn agree_to_sign(&self, _holder: Uuid, _from: Signed, _to: Signed) -> Result<bool> {
        Ok(true)
    }
    /// Lets others sign.
    async fn release_signing(&self, _holder: Uuid) -> Result<()> {
        Ok(())
    }

    /// What the database itself says of its consistency and schema; empty when all is well.
    async fn complaints(&self) -> Result<Vec<String>>;
}

/// How often the end of a log is looked at by those who wait for it to grow, where nobody tells them.
const POLL: Duration = Duration::from_millis(20);

/// A size and the root of the tree over it.
pub type Signed = (u64, [u8; 32]);

/// A store and its vault, which lie together.
#[async_trait]
pub trait Database: Store + Vault + access::Tokens + subscriptions::Subscriptions {
    /// Where it is, for people; never with a password.
    fn place(&self) -> String;
    /// Where its operational views are kept.
    async fn views(&self) -> Result<views::ViewStore>;
    /// Ends all connections once no one else holds it.
    async fn close(self: Arc<Self>);
}

/// A full hash tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTile {
    /// Level, in steps of 8.
    pub level: u8,
    /// Index in its level.
    pub number: u64,
    /// 256 hashes.
    pub hashes: Vec<u8>,
}

/// The port to the vault.
#[async_trait]
pub trait Vault: Send + Sync {
    /// The ledger that the vault belongs to.
    async fn vault_of(&self) -> Result<Option<Uuid>>;
    /// Rows from a position on, in order, at most `limit`.
    async fn sealed(&self, from: Position, limit: u64) -> Result<Vec<(Position, VaultRow)>>;
    /// The rows at these positions.
    async fn sealed_at(&self, positions: &[Position]) -> Result<HashMap<Position, VaultRow>>;
    /// The keys of rows that were erased, each with the erasure that the row names.
    async fn erased_keys(&self) -> Result<Vec<(Position, [u8; 16])>>;
    /// Replaces rows by what erasure leaves of them, and destroys their tokens.
    async fn erase(&self, rows: Vec<(Position, VaultRow)>) -> Result<()>;
    /// The wrapped key of a statistical year.
    async fn year_key(&self, year: i32) -> Result<Option<Vec<u8>>>;
    /// Keeps the wrapped key of a statistical year unless there is one; gives the one that holds.
    /// Refused under a retired master key, as appends are.
    async fn keep_year_key(&self, year: i32, wrapped: &[u8]) -> Result<Vec<u8>>;
    /// Replaces the wrapped key of a statistical year if it is still `before`; says whether.
    async fn rewrap_year(&self, year: i32, before: &[u8], wrapped: &[u8]) -> Result<bool>;
    /// Replaces the wrapped keys of rows that are still as they were read; gives how many.
    async fn rewrap(&self, rows: Vec<Rewrapped>) -> Result<u64>;
    /// How many rows and years are wrapped under each master key: the first four bytes of wrapped
    /// keys are its number, big-endian.
    async fn wrapped_under(&self) -> Result<BTreeMap<u32, u64>>;
    /// Refuses every master key below `oldest` from now on (see [`StoreError::KeyRetired`]),
    /// unless a row at or after `from`, or a year, is still wrapped under one; gives how many
    /// are. Both under the lock under which appends commit.
    async fn retire_master_keys(&self, oldest: u32, from: Position) -> Result<u64>;
    /// The number below which master keys are refused; 0 before the first was retired.
    async fn oldest_master_key(&self) -> Result<u32>;
    /// Every year that has a key.
    async fn years(&self) -> Result<Vec<i32>>;
    /// Destroys the key and the tokens of a statistical year.
    async fn destroy_year(&self, year: i32) -> Result<()>;
    /// Every token of pregnancy losses.
    async fn woman_tokens(&self) -> Result<Vec<(Position, WomanToken)>>;
    /// How many rows belong to no position, token or name, so that nothing else meets them.
    async fn surplus(&self) -> Result<u64>;
}
