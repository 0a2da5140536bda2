//! The sealer: new entries become leaves of the tree, and the tree a signed checkpoint.
//!
//! What comes in: what was appended since the last checkpoint. What goes out: a signed note, and
//! the hash tiles that were completed. What may fail: a store that is not there; and, as a stop
//! of its own ([`SealError::Integrity`]), a log that does not extend what was signed before. What
//! must stay true: every leaf is hashed again from its bytes before it is signed; every key signs
//! that the entries below it name, or nothing is signed; the state
//! beside the key is durable before the note is stored; recovery runs the same code as normal
//! work, from the newest checkpoint in the store. On a store that several nodes use, one signs at
//! a time, and they agree on every size and root before it is signed, so that no two of them can
//! sign what contradicts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::keys::SigningKey;
use super::merkle::{HASH_BYTES, Hash, TreeError};
use super::ring::{KeyRing, RingError, file_name};
use super::roster::{Roster, RosterError};
use super::state::{SignedState, StateError, StateFile};
use super::tiles::{HashTiles, TILE_WIDTH, Tile};
use crate::model::entry::leaf_hash;
use crate::store::{Signed, Store, StoreError, StoredEntry, StoredTile};

/// Entries that are read at once.
const BATCH: u64 = 4096;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state beside the key.
    #[error(transparent)]
    State(#[from] StateError),
    /// The keys of this node.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The note.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The note, or what the log says of its keys.
    #[error("integrity failure: {0}")]
    Roster(#[from] RosterError),
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The log names a key that this node does not have.
    #[error(
        "the log {origin} is signed with {key} since the entry at position {since}, and this node does not have that key: copy {file} from the keys of a node that has it to {folder}; until then this node signs nothing, and appends go on"
    )]
    KeyMissing {
        /// The log.
        origin: String,
        /// The public half of the key.
        key: String,
        /// The entry that names it.
        since: u64,
        /// The file to copy.
        file: String,
        /// Where to.
        folder: String,
    },
    /// The log is not an extension of what was signed.
    #[error("integrity failure: {what}; nothing is signed until this is resolved")]
    Integrity {
        /// What does not fit.
        what: String,
    },
}

impl SealError {
    /// Whether the log itself, or what was signed of it, is in doubt, not only the way to it.
    #[must_use]
    pub const fn is_integrity(&self) -> bool {
        matches!(
            self,
            Self::Integrity { .. }
                | Self::Tree(_)
                | Self::Checkpoint(_)
                | Self::Roster(_)
                | Self::State(StateError::Missing { .. } | StateError::Malformed { .. })
        )
    }
}

fn cut_off(error: &tokio::task::JoinError) -> SealError {
    SealError::Integrity {
        what: format!("the work was cut off: {error}"),
    }
}

/// For how long a node may sign before another one may. A node that has not finished by then is
/// refused when it comes to agree on what it signs.
const TERM: Duration = Duration::from_secs(30);

/// Reads what the entries of the log's own stream say of its keys, and what is wrong with them.
pub type ReadRoster = fn(&[StoredEntry]) -> Result<Roster, String>;

/// The type of the log's own stream.
pub const LOG_STREAM: &str = "ledger";

/// Signs checkpoints of one log.
pub struct Sealer {
    store: Arc<dyn Store>,
    ring: KeyRing,
    read_roster: ReadRoster,
    state: StateFile,
    /// Names this sealer among those of the nodes on one store.
    node: Uuid,
}

impl Sealer {
    /// With the keys of this node, and the file that says what it signed last.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        ring: KeyRing,
        read_roster: ReadRoster,
        state: StateFile,
    ) -> Self {
        Self {
            store,
            ring,
            read_roster,
            state,
            node: Uuid::now_v7(),
        }
    }

    /// The keys of this node.
    #[must_use]
    pub const fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// The keys of the log, as its entries are now.
    ///
    /// # Errors
    /// When the store fails, or the entries contradict each other.
    pub async fn roster(&self) -> Result<Roster, SealError> {
        let entries = self.store.entries_of_type(LOG_STREAM).await?;
        (self.read_roster)(&entries).map_err(|what| SealError::Integrity { what })
    }

    /// Whether this node has every key that has to sign so many entries.
    ///
    /// # Errors
    /// [`SealError::KeyMissing`], which names the file to copy; or when the store fails.
    pub async fn can_sign(&self, size: u64) -> Result<(), SealError> {
        let roster = self.roster().await?;
        self.signers(&roster, size).map(drop)
    }

    /// The keys that have to sign so many entries, if this node has them all.
    fn signers(&self, roster: &Roster, size: u64) -> Result<Vec<SigningKey>, SealError> {
        let mut held = self.ring.read()?;
        let mut signers = Vec::new();
        for named in roster.at(size) {
            let found = held
                .iter()
                .position(|(_, key)| *key.verifier_key() == named.key);
            let Some(index) = found else {
                return Err(SealError::KeyMissing {
                    origin: roster.origin_at(size).to_owned(),
                    key: named.key.to_string(),
                    since: named.since,
                    file: file_name(&named.key),
                    folder: self.ring.folder().display().to_string(),
                });
            };
            signers.push(held.swap_remove(index).1);
        }
        Ok(signers)
    }

    /// What was signed last must be of the log that is to be signed.
    fn same_log(signed: &SignedState, roster: &Roster) -> Result<(), SealError> {
        if signed.origin == roster.origin() {
            return Ok(());
        }
        let what = format!(
            "keys/signed.json says what was signed of the log {}, and this is the log {}: where that succeeded, copy the folder keys/ of the node that made it",
            signed.origin,
            roster.origin()
        );
        Err(SealError::Integrity { what })
    }

    /// Seals what is new. `None` when the newest checkpoint covers everything, or when another
    /// node is sealing.
    ///
    /// # Errors
    /// See [`SealError`].
    pub async fn tick(&self) -> Result<Option<Checkpoint>, SealError> {
        let lock = self.state.clone();
        // One sealer at a time, whatever the process: the state, the note and the state belong
        // together.
        let _lock = tokio::task::spawn_blocking(move || lock.lock())
            .await
            .map_err(|error| cut_off(&error))??;
        if !self.store.hold_signing(self.node, TERM).await? {
            return Ok(None);
        }
        let sealed = tokio::select! {
            sealed = self.tick_alone() => sealed,
            refused = self.keep_holding() => Err(refused),
        };
        if let Err(error) = self.store.release_signing(self.node).await {
            tracing::warn!(%error, "the right to sign was not released; it ends with its term");
        }
        sealed
    }

    /// Prolongs the right to sign as long as the work goes on: hashing a large import takes longer
    /// than one term. Ends only when the store fails.
    async fn keep_holding(&self) -> SealError {
        loop {
            tokio::time::sleep(TERM / 3).await;
            // Whether it is still held or another node has it now, is asked once more when it is
            // agreed on what is signed.
            if let Err(error) = self.store.hold_signing(self.node, TERM).await {
                return error.into();
            }
        }
    }

    async fn tick_alone(&self) -> Result<Option<Checkpoint>, SealError> {
        // Where nodes agree, the newest checkpoint may be another's; elsewhere it must be known.
        if self.store.signed().await?.is_some() {
            self.catch_up().await?;
        }
        let signed = self.state.read()?;
        let head = self.store.head().await?;
        // After the head: of what is below it, no key is missed.
        let roster = self.roster().await?;
        Self::same_log(&signed, &roster)?;
        if head.size < signed.size {
            return Err(SealError::Integrity {
                what: format!(
                    "the log has {} entries, but {} were signed: it was cut off or is an older copy",
                    head.size, signed.size
                ),
            });
        }
        let mut newest = None;
        // Twice only after a crash between the state, or what the nodes agreed on, and the store:
        // what was to be signed first.
        loop {
            let signed = self.state.read()?;
            let agreed = self.store.signed().await?;
            let kept = self.store.newest_checkpoint().await?;
            if agreed.is_some() && kept.as_ref().is_some_and(|(size, _)| *size > signed.size) {
                // This node was held up for longer than its term, and another one signed
                // meanwhile. The next tick checks that and goes on from there.
                return Ok(newest);
            }
            let stored = Self::opened(kept, &signed, &roster)?;
            let stored_size = stored.as_ref().map_or(0, Checkpoint::size);
            let owed = signed.size.max(agreed.map_or(0, |(size, _)| size));
            let target = if stored_size < owed { owed } else { head.size };
            if stored_size == target {
                if signed.pending.is_some() {
                    self.state.write(&signed.stored())?;
                }
                return Ok(newest);
            }
            if stored_size < signed.size && signed.pending.is_none() {
                return Err(SealError::Integrity {
                    what: format!(
                        "the checkpoint of size {} was stored, and is gone: the newest in the store has size {stored_size}",
                        signed.size
                    ),
                });
            }
            let signers = self.signers(&roster, target)?;
            let mut tiles = tree_at(self.store.as_ref(), stored_size).await?;
            if let Some(stored) = &stored
                && tiles.root() != *stored.root()
            {
                return Err(SealError::Integrity {
                    what: format!(
                        "the tiles are not those of the checkpoint of size {stored_size}"
                    ),
                });
            }
            let completed = self.extend(&mut tiles, target, &signed).await?;
            if !self.agree(agreed, &tiles).await? {
                return Ok(newest);
            }
            newest = Some(self.sign(&signed, &signers, &tiles, &completed).await?);
        }
    }

    /// Agrees with the other nodes on what is signed next. `false` when another one was faster.
    async fn agree(&self, agreed: Option<Signed>, tiles: &HashTiles) -> Result<bool, SealError> {
        let Some(agreed) = agreed else {
            return Ok(true);
        };
        let next = (tiles.size(), tiles.root().0);
        if agreed.0 < next.0 {
            return Ok(self.store.agree_to_sign(self.node, agreed, next).await?);
        }
        if agreed == next {
            return Ok(true);
        }
        Err(SealError::Integrity {
            what: format!(
                "the nodes agreed to sign another root at size {}, or a larger size",
                agreed.0
            ),
        })
    }

    /// Takes over what other nodes signed, once it has been seen that it extends what this one
    /// did: every entry in between is hashed again.
    async fn catch_up(&self) -> Result<(), SealError> {
        let mut signed = self.state.read()?;
        let newer = self.store.checkpoints_after(signed.size).await?;
        if newer.is_empty() {
            return Ok(());
        }
        let roster = self.roster().await?;
        Self::same_log(&signed, &roster)?;
        if signed.size > 0 {
            let own = self.store.checkpoints_after(signed.size - 1).await?;
            if own.first().is_none_or(|(size, _)| *size != signed.size) {
                let what = format!("the checkpoint of size {} is gone", signed.size);
                return Err(SealError::Integrity { what });
            }
        }
        let mut tiles = tree_at(self.store.as_ref(), signed.size).await?;
        for (size, note) in newer {
            let checkpoint = roster.open(&note)?;
            self.extend(&mut tiles, checkpoint.size(), &signed).await?;
            if checkpoint.size() != size || tiles.root() != *checkpoint.root() {
                let what = format!("the entries do not give the checkpoint of size {size}");
                return Err(SealError::Integrity { what });
            }
            let after = signed.after(size, &tiles.root(), &tail_of(&tiles), &note);
            signed = after.stored();
        }
        Ok(self.state.write(&signed)?)
    }

    /// The newest checkpoint in the store, which must not be newer than what was signed.
    fn opened(
        kept: Option<(u64, Vec<u8>)>,
        signed: &SignedState,
        roster: &Roster,
    ) -> Result<Option<Checkpoint>, SealError> {
        let Some((size, note)) = kept else {
            return Ok(None);
        };
        let checkpoint = roster.open(&note)?;
        let fits = checkpoint.size() == size && size <= signed.size;
        if !fits || (size == signed.size && checkpoint.root().to_string() != signed.root) {
            return Err(SealError::Integrity {
                what: format!(
                    "the newest checkpoint in the store has size {size}, but {} was signed last",
                    signed.size
                ),
            });
        }
        Ok(Some(checkpoint))
    }

    /// Hashes the entries up to `size` into the tree.
    async fn extend(
        &self,
        tiles: &mut HashTiles,
        size: u64,
        signed: &SignedState,
    ) -> Result<Vec<Tile>, SealError> {
        let mut completed = Vec::new();
        let passes = |tiles: &HashTiles| {
            if tiles.size() == signed.size && tiles.root().to_string() != signed.root {
                let what = format!("the root at size {} is not the one signed", signed.size);
                return Err(SealError::Integrity { what });
            }
            Ok(())
        };
        passes(tiles)?;
        let mut batch = self.leaves(tiles.size(), size).await?;
        while tiles.size() < size {
            let read = tiles.size() + batch.len() as u64;
            // Hashed on another thread while the next batch is read.
            let hashing = tokio::task::spawn_blocking(move || {
                let hash = |entry: &StoredEntry| Hash(leaf_hash(&entry.bytes));
                batch.iter().map(hash).collect::<Vec<_>>()
            });
            batch = self.leaves(read, size).await?;
            let leaves = hashing.await.map_err(|error| cut_off(&error))?;
            completed.extend(tiles.append(leaves));
            passes(tiles)?;
        }
        Ok(completed)
    }

    /// The next leaves, without a gap; none at the end.
    async fn leaves(&self, from: u64, end: u64) -> Result<Vec<StoredEntry>, SealError> {
        if from == end {
            return Ok(Vec::new());
        }
        let batch = self.store.entries(from, BATCH.min(end - from)).await?;
        if batch.is_empty() || batch.iter().zip(from..).any(|(e, at)| e.position != at) {
            let what = format!("the log has a gap at or after position {from}");
            return Err(SealError::Integrity { what });
        }
        Ok(batch)
    }

    async fn sign(
        &self,
        signed: &SignedState,
        signers: &[SigningKey],
        tiles: &HashTiles,
        completed: &[Tile],
    ) -> Result<Checkpoint, SealError> {
        let checkpoint = Checkpoint::new(&signed.origin, tiles.size(), tiles.root())?;
        let note = checkpoint.sign_all(&signers.iter().collect::<Vec<_>>())?;
        // A crash between the two leaves a state that is ahead of the store, and says so; Ed25519
        // is deterministic, and entries say which keys sign in which order, so the next tick signs
        // the same note again, without a new state.
        if tiles.size() > signed.size {
            let tail = tail_of(tiles);
            self.state
                .write(&signed.after(tiles.size(), &tiles.root(), &tail, &note))?;
        }
        let stored: Vec<StoredTile> = completed
            .iter()
            .map(|tile| StoredTile {
                level: tile.level,
                number: tile.index,
                hashes: tile.bytes.clone(),
            })
            .collect();
        self.store
            .save_checkpoint(tiles.size(), &note, &stored)
            .await?;
        Ok(checkpoint)
    }
}

/// The leaf hashes beyond the last full tile.
fn tail_of(tiles: &HashTiles) -> Vec<Hash> {
    let partial = tiles.partial_tiles();
    let edge = partial.iter().filter(|tile| tile.level == 0);
    edge.flat_map(|tile| tile.bytes.chunks_exact(HASH_BYTES))
        .filter_map(|hash| Hash::try_from(hash).ok())
        .collect()
}

/// The edge of the tree at a size whose full tiles are stored.
pub(super) async fn tree_at(store: &dyn Store, size: u64) -> Result<HashTiles, SealError> {
    let width = TILE_WIDTH as u64;
    let mut read: HashMap<(u8, u64), Vec<u8>> = HashMap::new();
    let mut hashes = size;
    for level in 0u8.. {
        // Full tiles of this level whose parent is not full yet.
        let full = hashes / width;
        for number in (full / width * width)..full {
            if let Some(tile) = store.tile(level, number).await? {
                read.insert((level, number), tile);
            }
        }
        hashes = full;
        if full == 0 {
            break;
        }
    }
    let first = size / width * width;
    let tail = store.entries(first, size - first).await?;
    let tail: Vec<Hash> = tail
        .iter()
        .map(|entry| Hash(leaf_hash(&entry.bytes)))
        .collect();
    Ok(HashTiles::load(size, &tail, |level, number| {
        read.get(&(level, number)).cloned()
    })?)
}
