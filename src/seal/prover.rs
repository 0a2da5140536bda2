//! Proofs from the stored tiles.
//!
//! What comes in: a store, the verifier keys, and positions. What goes out: C2SP tlog-proofs
//! against the newest checkpoint. What may fail: [`SealError`]: a store that is not there, a
//! position that no checkpoint covers yet, tiles or entries that are not those that were signed.
//! What must stay true: a proof leaves only after it was verified as an auditor will verify it,
//! from the bytes of the entry.

use std::collections::HashMap;

use super::checkpoint::Checkpoint;
use super::keys::VerifierKey;
use super::merkle::{Hash, HashSource, leaf_hash, verify_inclusion};
use super::proof::TlogProof;
use super::sealer::{SealError, tree_at};
use super::tiles::{HashTiles, TILE_HEIGHT};
use crate::store::{Store, StoredEntry};

/// The stored tiles of one tree, fetched as proofs need them.
pub struct Prover<'a> {
    store: &'a dyn Store,
    tiles: HashTiles,
    /// Full tiles that were fetched; a proof of a neighbour needs mostly the same.
    fetched: HashMap<(u8, u64), Vec<u8>>,
    checkpoint: Checkpoint,
    note: Vec<u8>,
}

/// Full tiles that are remembered: 8 MiB.
const MAX_FETCHED: usize = 1024;

impl<'a> Prover<'a> {
    /// Over the newest checkpoint of the store.
    ///
    /// # Errors
    /// When there is none, or the tiles are not its tiles.
    pub async fn open(store: &'a dyn Store, keys: &[VerifierKey]) -> Result<Self, SealError> {
        let (_, note) = store.newest_checkpoint().await?.ok_or_else(|| {
            let what = "the log has no checkpoint".to_owned();
            SealError::Integrity { what }
        })?;
        Self::over(store, keys, note).await
    }

    /// Over a checkpoint of the store, as a note with or without cosignatures.
    ///
    /// # Errors
    /// When no such key signed it, or the tiles are not its tiles.
    pub async fn over(
        store: &'a dyn Store,
        keys: &[VerifierKey],
        note: Vec<u8>,
    ) -> Result<Self, SealError> {
        let checkpoint = Checkpoint::open(&note, keys)?;
        let size = checkpoint.size();
        let tiles = tree_at(store, size).await?;
        if tiles.root() != *checkpoint.root() {
            let what = format!("the tiles are not those of the checkpoint of size {size}");
            return Err(SealError::Integrity { what });
        }
        Ok(Self {
            store,
            tiles,
            fetched: HashMap::new(),
            checkpoint,
            note,
        })
    }

    /// The checkpoint that proofs are against.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed note, as it is.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// The proof of an entry.
    ///
    /// # Errors
    /// When no checkpoint covers it, or it is not the entry that was sealed.
    pub async fn prove(&mut self, entry: &StoredEntry) -> Result<TlogProof, SealError> {
        let (index, size) = (entry.position, self.checkpoint.size());
        self.fetch(index).await?;
        let source = self
            .tiles
            .source(|level, number| self.fetched.get(&(level, number)).cloned());
        let hashes = source.inclusion_proof(index, size)?;
        let wrong = |what: String| SealError::Integrity { what };
        verify_inclusion(
            &leaf_hash(&entry.bytes),
            index,
            size,
            &hashes,
            self.checkpoint.root(),
        )
        .map_err(|error| {
            wrong(format!(
                "the entry at {index} is not the one sealed: {error}"
            ))
        })?;
        TlogProof::new(index, hashes, None, &self.note)
            .map_err(|error| wrong(format!("the proof of {index}: {error}")))
    }

    /// The proof that the log extends its first `old_size` entries; empty for none of them.
    ///
    /// # Errors
    /// When the log is shorter, or a tile is missing.
    pub async fn extends(&mut self, old_size: u64) -> Result<Vec<Hash>, SealError> {
        let Some(last) = old_size.checked_sub(1) else {
            return Ok(Vec::new());
        };
        self.fetch(last).await?;
        let source = self
            .tiles
            .source(|level, number| self.fetched.get(&(level, number)).cloned());
        Ok(source.consistency_proof(old_size, self.checkpoint.size())?)
    }

    /// Fetches the full tiles above a leaf. A path needs no others: siblings lie in one tile, and
    /// what is right of the last full tile is in memory.
    async fn fetch(&mut self, index: u64) -> Result<(), SealError> {
        if self.fetched.len() > MAX_FETCHED {
            self.fetched.clear();
        }
        for level in 0u8.. {
            let height = u32::from(level + 1) * TILE_HEIGHT;
            let number = index.checked_shr(height).unwrap_or(0);
            let full = self.tiles.size().checked_shr(height).unwrap_or(0);
            if full == 0 {
                break;
            }
            if number < full
                && !self.fetched.contains_key(&(level, number))
                && let Some(tile) = self.store.tile(level, number).await?
            {
                self.fetched.insert((level, number), tile);
            }
        }
        Ok(())
    }
}
