//! `verify`: recomputes everything that can be recomputed, and says what is first wrong.
//!
//! What comes in: a ledger, and what was last signed. What goes out: a
//! [`Verification`]: what was covered, and the first thing that is wrong, with its position. What
//! may fail: the check itself, when something cannot be read at all ([`VerifyError`]). What must
//! stay true: no hash, size or key in the database is trusted: leaves come from the bytes, roots
//! from the leaves, keys from the entries that were hashed, sizes from counting.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;

use super::cosigned::Cosigned;
use super::leaves::Wrong;
use super::sealed;
use super::walk::{Walk, batch};
use crate::ledger::aggregate::erasure::ErasureEvent;
use crate::ledger::execute::Ledger;
use crate::ledger::request::LedgerError;
use crate::model::entry::Entry;
use crate::model::id::Position;
use crate::registers::{RegisterError, Registers};
use crate::seal::keys::key_texts;
use crate::seal::merkle::HASH_BYTES;
use crate::seal::roster::RosterError;
use crate::seal::state::{SignedState, chain};
use crate::seal::tiles::TILE_WIDTH;
use crate::store::{StoreError, StoredTile};

/// Entries in one batch.
pub(super) const BATCH: u64 = 4096;
/// Batches that are checked at once.
const IN_FLIGHT: usize = 3;

/// Why the check could not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registers.
    #[error(transparent)]
    Registers(#[from] RegisterError),
    /// A record.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The work was cut off.
    #[error("the check was cut off: {0}")]
    CutOff(String),
}

/// What was covered, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verification {
    /// The log.
    pub origin: String,
    /// The log that it succeeds, and with how many of its entries.
    pub succeeds: Option<(String, u64)>,
    /// The keys that sign it now, all of which signed the newest checkpoint.
    pub signed_by: Vec<String>,
    /// Entries whose bytes were hashed.
    pub entries: u64,
    /// Bytes that were hashed.
    pub bytes: u64,
    /// Entries that no checkpoint covers yet.
    pub unsealed: u64,
    /// Checkpoints whose root and signature were recomputed.
    pub checkpoints: u64,
    /// Kept checkpoints with cosignatures that were checked.
    pub cosigned: u64,
    /// Those among them without the quorum of the policy as it is now.
    pub below_quorum: u64,
    /// Hash tiles that were compared.
    pub tiles: u64,
    /// Commitments that were recomputed from sealed fields.
    pub commitments: u64,
    /// Records whose content was erased.
    pub erased: u64,
    /// Rows of the registers that were folded again.
    pub register_rows: u64,
    /// The root of the tree, base64.
    pub root: String,
    /// The first thing that is wrong; then the rest was not checked.
    pub wrong: Option<Wrong>,
}

fn missing(signed: u64, there: u64) -> Wrong {
    let what = format!("entries are missing: {signed} were signed, {there} are there");
    Wrong::at(there, what)
}

/// How much is to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Entries, tree, checkpoints, signatures.
    Log,
    /// That, and the vault's commitments, the databases' own consistency and the registers.
    Everything,
}

/// Checks one ledger.
pub struct Verifier<'a> {
    /// The ledger; only read.
    pub ledger: Arc<Ledger>,
    /// What was last signed, from beside the signing key.
    pub signed: &'a SignedState,
    /// The signed notes by size, ascending, as they were when `signed` was.
    pub checkpoints: &'a [(u64, Vec<u8>)],
    /// Checkpoints with cosignatures that are kept beside the ledger, if they are to be checked.
    pub cosigned: Option<&'a Cosigned>,
    /// The registers, if they are to be checked.
    pub registers: Option<&'a Registers>,
}

/// Every stored note is over the entries that it says, and signed as they demand.
fn check_checkpoints(
    checkpoints: &[(u64, Vec<u8>)],
    walk: &Walk,
    report: &mut Verification,
) -> Result<(), Wrong> {
    for (size, note) in checkpoints {
        let opened = walk.facts.roster.open(note);
        if matches!(opened, Err(RosterError::Origin { .. })) && *size > report.entries {
            return Err(missing(*size, report.entries));
        }
        let checkpoint = opened
            .map_err(|error| Wrong::overall(format!("the checkpoint of size {size}: {error}")))?;
        if checkpoint.size() != *size {
            let what = format!("the checkpoint kept for size {size} is another one");
            return Err(Wrong::overall(what));
        }
        match walk.roots.get(size) {
            Some(root) if root == checkpoint.root() => report.checkpoints += 1,
            Some(_) => {
                let what = format!("the entries do not give the root signed at size {size}");
                return Err(Wrong {
                    position: size.checked_sub(1),
                    what,
                });
            }
            None => return Err(missing(*size, report.entries)),
        }
    }
    Ok(())
}

impl Verifier<'_> {
    /// Runs the check; `progress` is told the number of entries done.
    ///
    /// # Errors
    /// When something cannot be read at all.
    pub async fn run(
        &self,
        scope: Scope,
        mut progress: impl FnMut(u64),
    ) -> Result<Verification, VerifyError> {
        let mut report = Verification::default();
        let wrong = self.check(scope, &mut report, &mut progress).await?;
        report.wrong = wrong.err();
        Ok(report)
    }

    async fn check(
        &self,
        scope: Scope,
        report: &mut Verification,
        progress: &mut impl FnMut(u64),
    ) -> Result<Result<(), Wrong>, VerifyError> {
        let store = &self.ledger.store;
        let checkpoints = self.checkpoints;
        let mut walk = Walk::default();
        walk.wanted
            .extend(checkpoints.iter().map(|(size, _)| *size));
        walk.wanted.insert(self.signed.size);
        let cosigned = self.cosigned.iter().flat_map(|cosigned| cosigned.sizes());
        walk.wanted.extend(cosigned);
        walk.edge = self.signed.size / TILE_WIDTH as u64 * TILE_WIDTH as u64;
        // Larger than what is kept only after a crash between the signature and the store.
        walk.kept = checkpoints.last().map_or(0, |(size, _)| *size);
        walk.shared = store.signed().await?.is_some();
        walk.erased_keys = Arc::new(self.erased_keys().await?);
        walk.erasures = walk.erased_keys.values().copied().collect();
        let walked = self.walk(scope, &mut walk, report, progress).await?;
        walk.facts.roster.origin().clone_into(&mut report.origin);
        report.succeeds = walk.facts.roster.succeeds();
        report.signed_by = key_texts(&walk.facts.roster.signing());
        report.root = walk.tiles.root().to_string();
        let sealed = self.signed.size.max(walk.kept);
        report.unsealed = report.entries.saturating_sub(sealed);
        let signed = walked
            .and_then(|()| check_checkpoints(checkpoints, &walk, report))
            .and_then(|()| self.check_signed(checkpoints, &walk, report));
        if let Err(wrong) = signed {
            return Ok(Err(self.locate(&walk, wrong).await?));
        }
        if let Some(cosigned) = self.cosigned {
            let checked = cosigned.check(&walk.facts.roster, &walk.roots, report);
            if let Err(wrong) = checked {
                return Ok(Err(wrong));
            }
        }
        if let Err(wrong) = self.check_tiles(&walk, report).await? {
            return Ok(Err(wrong));
        }
        if let Err(wrong) = self.check_idempotency(&walk, report.entries).await? {
            return Ok(Err(wrong));
        }
        if scope == Scope::Log {
            return Ok(Ok(()));
        }
        // What follows reads by indices, which are sound only if the databases say so.
        if let Some(complaint) = store.complaints().await?.into_iter().next() {
            return Ok(Err(Wrong::overall(complaint)));
        }
        if let Err(wrong) = self.check_vault(&mut walk, report).await? {
            return Ok(Err(wrong));
        }
        self.check_registers(report).await
    }

    async fn walk(
        &self,
        scope: Scope,
        walk: &mut Walk,
        report: &mut Verification,
        progress: &mut impl FnMut(u64),
    ) -> Result<Result<(), Wrong>, VerifyError> {
        let mut from = 0;
        let mut in_flight = FuturesOrdered::new();
        let mut ended = false;
        loop {
            // Every batch is read on a connection of its own, so that reading overlaps too.
            while in_flight.len() < IN_FLIGHT {
                let erased_keys = walk.erased_keys.clone();
                let ledger = self.ledger.clone();
                in_flight.push_back(tokio::spawn(batch(ledger, scope, erased_keys, from)));
                from += BATCH;
            }
            let Some(done) = in_flight.next().await else {
                return Ok(Ok(()));
            };
            let read = done.map_err(|error| VerifyError::CutOff(error.to_string()));
            let taken = read.flatten().map(|(first, batch, sealed)| {
                ended |= (batch.rows.len() as u64) < BATCH;
                walk.take(first, batch, sealed, report)
            });
            let good = matches!(taken, Ok(Ok(())));
            if good {
                progress(report.entries);
            }
            if ended || !good {
                // What lies behind the end was appended after the end was read: not of this check.
                // Batches that are still being read hold the store open: let them end.
                while in_flight.next().await.is_some() {}
                return taken;
            }
        }
    }

    /// The keys that erasures name. An erasure that does not read is not for this to report: the
    /// walk over the log does.
    async fn erased_keys(&self) -> Result<sealed::ErasedKeys, VerifyError> {
        let mut keys = HashMap::new();
        for stored in self.ledger.store.entries_of_type("erasure").await? {
            let parsed = Entry::parse(&stored.bytes)
                .and_then(|entry| serde_json::from_str::<ErasureEvent>(entry.payload.get()));
            let Ok(ErasureEvent::Erased { key_ids, .. }) = parsed else {
                continue;
            };
            let mut key_id = [0; 16];
            for text in key_ids {
                if hex::decode_to_slice(&text, &mut key_id).is_ok() {
                    keys.insert(key_id, stored.position);
                }
            }
        }
        Ok(keys)
    }

    /// Compares with what was signed last, which lies beside the key and not in the database.
    fn check_signed(
        &self,
        checkpoints: &[(u64, Vec<u8>)],
        walk: &Walk,
        report: &Verification,
    ) -> Result<(), Wrong> {
        let signed = self.signed;
        match walk.roots.get(&signed.size) {
            Some(root) if root.to_string() == signed.root => {}
            Some(_) => {
                let what = format!(
                    "the entries do not give the root signed at size {}",
                    signed.size
                );
                return Err(Wrong {
                    position: signed.size.checked_sub(1),
                    what,
                });
            }
            None => {
                let mut wrong = missing(signed.size, report.entries);
                wrong.what += "; this is an older copy, or its end was cut off";
                return Err(wrong);
            }
        }
        let origin = walk.facts.roster.origin();
        if signed.origin != origin {
            let what = format!(
                "keys/signed.json says what was signed of the log {}, and this is the log {origin}",
                signed.origin
            );
            return Err(Wrong::overall(what));
        }
        let fresh = SignedState::new(&signed.origin);
        // On a store of several nodes, those beyond are of others, and this node has not looked at
        // them yet; what they say is checked as it is of every checkpoint.
        let known = |size: u64| !walk.shared || size <= signed.size;
        let own = checkpoints.iter().filter(|(size, _)| known(*size));
        let (links, kept) = own.fold((fresh.chain, 0), |(before, kept), (_, note)| {
            (chain(&before, note), kept + 1)
        });
        let all = kept == signed.notes && links == signed.chain;
        // A crash came between the signature and the store: the next seal makes that note again.
        let all_but_newest = kept + 1 == signed.notes && signed.pending.as_ref() == Some(&links);
        if !all && !all_but_newest {
            let what = format!(
                "{} checkpoints were issued, {kept} are kept, or one of them was replaced",
                signed.notes
            );
            return Err(Wrong::overall(what));
        }
        Ok(())
    }

    /// Narrows down what is wrong to the first leaf that is not what was sealed, by the stored
    /// tiles and the leaf hashes beside the signing key. Entries can be changed so that they stay
    /// well-formed; then only a root says so, and a root does not say where.
    async fn locate(&self, walk: &Walk, wrong: Wrong) -> Result<Wrong, VerifyError> {
        let roots_fit = walk.roots.get(&self.signed.size).map(ToString::to_string)
            == Some(self.signed.root.clone());
        if roots_fit {
            return Ok(wrong);
        }
        let partial = walk.tiles.partial_tiles();
        let completed = walk.completed.iter().filter(|tile| tile.level == 0);
        // Where the walk ended early, the tile that it was in is partial though it was sealed full.
        let computed = completed.map(|tile| (tile.number, &tile.hashes)).chain(
            partial
                .iter()
                .filter(|tile| tile.level == 0)
                .map(|tile| (tile.index, &tile.bytes)),
        );
        let mut first = None;
        for (number, hashes) in computed {
            let Some(stored) = self.ledger.store.tile(0, number).await? else {
                continue;
            };
            let differs = stored
                .chunks(HASH_BYTES)
                .zip(hashes.chunks(HASH_BYTES))
                .position(|(stored, computed)| stored != computed);
            if let Some(leaf) = differs {
                first = Some(number * TILE_WIDTH as u64 + leaf as u64);
                break;
            }
        }
        let edge = self.signed.size / TILE_WIDTH as u64 * TILE_WIDTH as u64;
        let in_tail = || {
            let sealed = (edge..).zip(&self.signed.tail);
            let mut changed = sealed
                .zip(&walk.tail)
                .filter(|((_, a), b)| **a != b.to_string());
            changed.next().map(|((position, _), _)| position)
        };
        let first = first.or_else(in_tail);
        Ok(match (first, wrong.position) {
            (Some(changed), Some(said)) if said < changed => wrong,
            (Some(changed), _) if Some(changed) != wrong.position => Wrong::at(
                changed,
                format!("the entry is not the one that was sealed ({})", wrong.what),
            ),
            _ => wrong,
        })
    }

    async fn check_tiles(
        &self,
        walk: &Walk,
        report: &mut Verification,
    ) -> Result<Result<(), Wrong>, VerifyError> {
        let mut stored = self.ledger.store.tiles().await?;
        // Tiles that were sealed since this check began are not of it. Read after the tiles, which
        // are stored together with their checkpoint.
        let newest = self.ledger.store.newest_checkpoint().await?;
        let newest = newest.map_or(walk.kept, |(size, _)| size);
        let within = |tile: &StoredTile, size: u64| {
            let width = 256u64.checked_pow(u32::from(tile.level) + 1);
            let next = tile.number.checked_add(1);
            let end = width.and_then(|width| next?.checked_mul(width));
            end.is_some_and(|end| end <= size)
        };
        stored.retain(|tile| within(tile, walk.kept) || !within(tile, newest));
        let completed = walk.completed.iter();
        let mut expected: Vec<&StoredTile> =
            completed.filter(|tile| within(tile, walk.kept)).collect();
        expected.sort_unstable_by_key(|tile| (tile.level, tile.number));
        for (index, tile) in expected.iter().enumerate() {
            let found = stored.get(index);
            if found != Some(*tile) {
                let (level, number) = (tile.level, tile.number);
                let what = format!("hash tile {level}/{number} is missing or was changed");
                let position = number.saturating_mul(256u64.pow(u32::from(level) + 1));
                return Ok(Err(Wrong::at(position, what)));
            }
            report.tiles += 1;
        }
        if stored.len() > expected.len() {
            return Ok(Err(Wrong::overall(
                "there is a hash tile that the entries do not give",
            )));
        }
        Ok(Ok(()))
    }

    async fn check_idempotency(
        &self,
        walk: &Walk,
        entries: u64,
    ) -> Result<Result<(), Wrong>, VerifyError> {
        let mut expected = walk.idempotency.clone();
        let rows = self.ledger.store.idempotency_rows().await?;
        // Of entries that were appended since the walk; read after the rows.
        let appended = entries..self.ledger.store.head().await?.size;
        let of_this_check = |row: &&(_, _, Position)| !appended.contains(&row.2);
        for (key, request, position) in rows.iter().filter(of_this_check) {
            let said = expected.remove(position);
            if said != Some(hex::encode([&key[..], request].concat())) {
                let what = "the idempotency key is not the one that the entry names";
                return Ok(Err(Wrong::at(*position, what)));
            }
        }
        Ok(match expected.keys().next() {
            Some(position) => Err(Wrong::at(*position, "its idempotency key is missing")),
            None => Ok(()),
        })
    }

    async fn check_registers(
        &self,
        report: &mut Verification,
    ) -> Result<Result<(), Wrong>, VerifyError> {
        let Some(registers) = self.registers else {
            return Ok(Ok(()));
        };
        let checked = registers.verify(self.ledger.store.as_ref()).await?;
        report.register_rows = checked.rows.values().sum();
        Ok(match checked.difference {
            Some(difference) => Err(Wrong::at(difference.position, difference.to_string())),
            None => Ok(()),
        })
    }
}
