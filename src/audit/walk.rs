//! The walk over the log: batches are read and checked side by side, and taken in order.
//!
//! What comes in: batches of entries with their rows of the vault. What goes out: what is needed
//! to compare with checkpoints, tiles, keys and erasures ([`Walk`]). What may fail: reading; what
//! is wrong in a batch is told by [`Walk::take`]. What must stay true: the tree grows from the
//! leaves that were computed, in the order of positions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::keys::{LOG_STREAM, LogFacts};
use super::leaves::{Batch, Leaf, Order, Wrong, check};
use super::sealed::{self, SealedBatch};
use super::verify::{BATCH, Scope, Verification, VerifyError};
use crate::ledger::execute::Ledger;
use crate::model::id::Position;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::merkle::Hash;
use crate::seal::tiles::HashTiles;
use crate::store::StoredTile;

/// What the walk over the log leaves.
#[derive(Default)]
pub struct Walk {
    pub(super) order: Order,
    /// What the log says of its keys.
    pub(super) facts: LogFacts,
    pub(super) tiles: HashTiles,
    pub(super) completed: Vec<StoredTile>,
    /// Leaf hashes beyond the last full tile of what was signed.
    pub(super) tail: Vec<Hash>,
    pub(super) edge: Position,
    /// The size of the newest checkpoint in the store.
    pub(super) kept: u64,
    /// Whether several nodes use the store.
    pub(super) shared: bool,
    /// Keys of the vault that erasures name, with the position of the erasure.
    pub(super) erased_keys: Arc<sealed::ErasedKeys>,
    pub(super) roots: BTreeMap<u64, Hash>,
    pub(super) wanted: std::collections::BTreeSet<u64>,
    pub(super) idempotency: BTreeMap<Position, String>,
    /// The erasures that were there when the walk began.
    pub(super) erasures: std::collections::BTreeSet<Position>,
    pub(super) erased: Vec<(Position, Position, String)>,
    /// Rows whose master key was not at hand.
    pub(super) closed: Vec<Position>,
    /// Rows that an erasure names and that are not empty, with that erasure.
    pub(super) unerased: Vec<(Position, Position)>,
    pub(super) later: Vec<sealed::Later>,
    pub(super) women: Vec<(Position, uuid::Uuid)>,
}

/// Reads and checks the batch that should start at a position.
pub(super) async fn batch(
    ledger: Arc<Ledger>,
    scope: Scope,
    erased_keys: Arc<sealed::ErasedKeys>,
    first: Position,
) -> Result<(Position, Batch, SealedBatch), VerifyError> {
    let rows = ledger.store.rows(first, BATCH).await?;
    let vault = match (scope, rows.last()) {
        (Scope::Log, _) | (_, None) => sealed::VaultRows::new(),
        (_, Some(last)) => {
            let to = last.position;
            let sealed = ledger
                .vault
                .sealed(first, to.saturating_sub(first) + 1)
                .await?;
            sealed.into_iter().filter(|(at, _)| *at <= to).collect()
        }
    };
    let checked = tokio::task::spawn_blocking(move || {
        let batch = check(first, rows);
        let sealed = match scope {
            Scope::Log => SealedBatch::default(),
            Scope::Everything => sealed::check(&ledger, &erased_keys, first, &batch, vault),
        };
        (first, batch, sealed)
    });
    checked
        .await
        .map_err(|error| VerifyError::CutOff(error.to_string()))
}

/// Takes what an entry of the log's own stream says of keys; the tree is that of all before it. A
/// log that succeeded another one has its entries, and not others that give the same size.
pub(super) fn log_entry(
    facts: &mut LogFacts,
    tiles: &HashTiles,
    position: Position,
    bytes: &[u8],
) -> Result<(), Wrong> {
    let eras = facts.roster.eras().len();
    let taken = facts.take(position, bytes);
    taken.map_err(|what| Wrong::at(position, what))?;
    if facts.roster.eras().len() == eras || position == 0 {
        return Ok(());
    }
    match facts.predecessor.as_ref().map(Checkpoint::root) {
        Some(root) if *root == tiles.root() => Ok(()),
        _ => {
            let what =
                "the entries before this one are not those of the checkpoint that the log succeeds";
            Err(Wrong::at(position, what))
        }
    }
}

impl Walk {
    pub(super) fn take(
        &mut self,
        first: Position,
        batch: Batch,
        sealed: SealedBatch,
        report: &mut Verification,
    ) -> Result<(), Wrong> {
        for ((position, leaf), row) in (first..).zip(&batch.leaves).zip(&batch.rows) {
            if row.aggregate_type == LOG_STREAM {
                log_entry(&mut self.facts, &self.tiles, position, &row.bytes)?;
            }
            self.leaf(position, leaf)?;
            report.entries += 1;
            report.bytes += row.bytes.len() as u64;
        }
        report.commitments += sealed.commitments;
        self.erased.extend(sealed.erased);
        self.unerased.extend(sealed.unerased);
        self.closed.extend(sealed.closed);
        self.later.extend(sealed.later);
        self.women.extend(sealed.women);
        let earliest = |wrong: &Option<Wrong>| wrong.as_ref().and_then(|wrong| wrong.position);
        let wrong = match (earliest(&batch.wrong), earliest(&sealed.wrong)) {
            (Some(entry), Some(vault)) if vault < entry => sealed.wrong,
            (None, _) => sealed.wrong,
            _ => batch.wrong,
        };
        wrong.map_or(Ok(()), Err)
    }

    fn leaf(&mut self, position: Position, leaf: &Leaf) -> Result<(), Wrong> {
        if self.wanted.contains(&position) {
            self.roots.insert(position, self.tiles.root());
        }
        self.order.next(position, leaf)?;
        if let Some(said) = &leaf.idempotency {
            self.idempotency.insert(position, said.clone());
        }
        if position >= self.edge {
            self.tail.push(leaf.hash);
        }
        let completed = self.tiles.append([leaf.hash]);
        self.completed
            .extend(completed.into_iter().map(|tile| StoredTile {
                level: tile.level,
                number: tile.index,
                hashes: tile.bytes,
            }));
        let size = position + 1;
        if self.wanted.contains(&size) {
            self.roots.insert(size, self.tiles.root());
        }
        Ok(())
    }
}
