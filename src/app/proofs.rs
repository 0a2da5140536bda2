//! What leaves the ledger so that outsiders can check it: exports, proofs, evidence.
//!
//! What comes in: a folder, an entry or a record, the sealed fields that are to be opened and what
//! for. What goes out: files of the log, a tlog-proof, a bundle of evidence. What may fail: an
//! entry that is not sealed yet, a record or field that does not exist or was erased. What must
//! stay true: opening a field is an entry of its own, durable before the bundle is made; only the
//! fields that were asked for leave, with their salts and no keys.

use std::path::Path;

use super::{App, AppError};
use crate::audit::evidence::{Disclosed, Evidence, ProvenEntry};
use crate::audit::exported::kept_checkpoint;
use crate::audit::keys::{LOG_STREAM, is_of_keys};
use crate::ledger::history::RecordHistory;
use crate::model::slot::Slot;
use crate::seal::consistency::{Extended, check_extended};
use crate::seal::export::{Exported, export};
use crate::seal::keys::VerifierKey;
use crate::seal::policy::{Accepted, Policy};
use crate::seal::proof::TlogProof;
use crate::seal::prover::Prover;
use crate::seal::roster::Roster;
use crate::store::StoredEntry;

/// A proof, and what it is of.
pub struct Proven {
    /// The entry.
    pub entry: StoredEntry,
    /// Its proof.
    pub proof: TlogProof,
    /// Every position of the record, when a record was named.
    pub positions: Vec<u64>,
}

/// A bundle, and what went into it.
pub struct Bundled {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The positions of the record's entries.
    pub positions: Vec<u64>,
    /// Fields that were opened.
    pub disclosed: usize,
    /// The entry that says so.
    pub disclosure: Option<u64>,
}

impl App {
    /// Writes the log to a folder of static files, or brings an earlier export up to date.
    ///
    /// # Errors
    /// When the folder holds something else, or the log is not what was signed.
    pub async fn export_log(
        &self,
        folder: &Path,
        progress: impl FnMut(u64),
    ) -> Result<Exported, AppError> {
        let store = self.store();
        let note = self.published_note().await?;
        let keys = self.named_now().await?;
        let exported = export(store.as_ref(), &keys, note, folder, progress).await?;
        Ok(exported)
    }

    /// The policy that trusts every key that the log named until it was opened, and asks no witness.
    #[must_use]
    pub fn own_policy(&self) -> Policy {
        Policy::of_logs(self.named_keys.clone())
    }

    /// Every key that the log names or named: only its own store is opened with these.
    pub(super) async fn named_now(&self) -> Result<Vec<VerifierKey>, AppError> {
        Ok(self.sealer.roster().await?.verifier_keys())
    }

    /// Proves an entry: that at a position, or the newest one of a record.
    ///
    /// # Errors
    /// When there is none, or no checkpoint covers it yet.
    pub async fn prove(&self, name: &str) -> Result<Proven, AppError> {
        let positions = match crate::seal::decimal(name) {
            Some(position) => vec![position],
            None => self.history_named(name).await?.positions().collect(),
        };
        let position = positions.last().copied().unwrap_or_default();
        let store = self.store();
        let entry = store.entry(position).await?.ok_or_else(|| {
            AppError::Unknown(format!("there is no entry at position {position}"))
        })?;
        let keys = self.named_now().await?;
        let note = self.published_note().await?;
        let mut prover = Prover::over(store.as_ref(), &keys, note).await?;
        let proof = prove(&mut prover, &entry).await?;
        Ok(Proven {
            entry,
            proof,
            positions,
        })
    }

    async fn history_named(&self, name: &str) -> Result<RecordHistory, AppError> {
        let id = self.record_named(name)?;
        let history = self.ledger.history(id).await?;
        history.ok_or_else(|| AppError::Unknown(format!("there is no record {id}")))
    }

    /// Makes the evidence of a record, with these sealed fields opened in every entry that sets
    /// them. `policy` is what the bundle says whom to trust; by default the keys of this log.
    ///
    /// # Errors
    /// When there is no such record or field, its content was erased, or fields are opened without
    /// a purpose.
    pub async fn evidence(
        &self,
        name: &str,
        slots: &[Slot],
        purpose: &str,
        policy: Option<Vec<u8>>,
    ) -> Result<Bundled, AppError> {
        let history = self.history_named(name).await?;
        let disclosed = opened(&history, slots)?;
        let mut disclosure = None;
        if !slots.is_empty() {
            let ids = vec![history.record_id];
            let receipt = self.disclose(ids, slots.to_vec(), purpose).await?;
            disclosure = Some(receipt.position);
        }
        let (positions, store) = (history.positions().collect::<Vec<_>>(), self.store());
        let keys = self.named_now().await?;
        let note = self.published_note().await?;
        let mut prover = Prover::over(store.as_ref(), &keys, note).await?;
        let of_record = history.events.into_iter().map(|life| StoredEntry {
            position: life.position,
            bytes: life.bytes,
        });
        let size = prover.checkpoint().size();
        let policy = match policy {
            Some(policy) => policy,
            None => own_policy_at(&self.sealer.roster().await?, size),
        };
        // What founds the log, and everything that bears on who signs this checkpoint.
        let mut wanted = store.entries_of_type(LOG_STREAM).await?;
        wanted.retain(|entry| entry.position < size && is_of_keys(&entry.bytes));
        wanted.extend(of_record);
        wanted.sort_unstable_by_key(|entry| entry.position);
        let mut entries = Vec::with_capacity(wanted.len());
        for entry in wanted {
            let proof = prove(&mut prover, &entry).await?;
            entries.push(ProvenEntry {
                position: entry.position,
                bytes: entry.bytes,
                proof: proof.to_string().into_bytes(),
            });
        }
        let evidence = Evidence {
            checkpoint: prover.note().to_vec(),
            policy,
            disclosed,
            entries,
        };
        Ok(Bundled {
            bytes: evidence.write(prover.checkpoint())?,
            positions,
            disclosed: evidence.disclosed.len(),
            disclosure,
        })
    }

    /// Shows that the log extends a checkpoint that somebody kept, also one of a log that it
    /// succeeded, by a consistency proof from the stored tiles.
    ///
    /// # Errors
    /// [`AppError::Integrity`] when it does not: a rollback, a fork, a rewritten history, a tail
    /// that was lost.
    pub async fn extends(&self, kept: &[u8], policy: &Policy) -> Result<Extended, AppError> {
        let refused = |what: String| AppError::Integrity(what);
        let kept = kept_checkpoint(kept, policy).map_err(|wrong| refused(wrong.to_string()))?;
        let store = self.store();
        let note = self.published_note().await?;
        let accepted = policy
            .open(&note)
            .map_err(|error| refused(format!("the newest checkpoint: {error}")))?;
        let newer = accepted.checkpoint;
        let roster = self.sealer.roster().await?;
        let taken_over = roster.taken_over(kept.origin());
        let is_of_this = newer.origin() == kept.origin() || taken_over.is_some();
        let is_later = is_of_this && newer.size() > kept.size();
        let proof = if is_later {
            let mut prover = Prover::over(store.as_ref(), policy.logs(), note).await?;
            prover.extends(kept.size()).await?
        } else {
            Vec::new()
        };
        check_extended(&kept, &newer, &proof, taken_over)
            .map_err(|error| refused(error.to_string()))
    }

    /// The newest checkpoint, if this policy accepts it, by a key that the log names for its size.
    ///
    /// # Errors
    /// [`AppError::Integrity`] when it does not.
    pub async fn accepted(&self, policy: &Policy) -> Result<Accepted, AppError> {
        let note = self.published_note().await?;
        let refused = |what| AppError::Integrity(format!("the newest checkpoint: {what}"));
        let accepted = policy.open(&note);
        let accepted = accepted.map_err(|error| refused(error.to_string()))?;
        let (roster, size) = (self.sealer.roster().await?, accepted.checkpoint.size());
        let speaks = roster.speaks(&accepted.signed_by, size);
        speaks.map_err(|error| refused(error.to_string()))?;
        Ok(accepted)
    }
}

/// The policy that trusts the keys that signed a checkpoint over so many entries.
fn own_policy_at(roster: &Roster, size: u64) -> Vec<u8> {
    let keys: Vec<VerifierKey> = roster.at(size).map(|named| named.key.clone()).collect();
    Policy::text_of_logs(&keys).into_bytes()
}

async fn prove(prover: &mut Prover<'_>, entry: &StoredEntry) -> Result<TlogProof, AppError> {
    let sealed = prover.checkpoint().size();
    if entry.position >= sealed {
        let position = entry.position;
        return Err(AppError::NotSealed { position, sealed });
    }
    Ok(prover.prove(entry).await?)
}

/// The fields that are to be opened, in every entry that sets them.
fn opened(history: &RecordHistory, slots: &[Slot]) -> Result<Vec<Disclosed>, AppError> {
    if let Some(position) = history.erased_by.filter(|_| !slots.is_empty()) {
        return Err(AppError::Usage(format!(
            "the content of this record was erased by the entry at {position}: nothing can be disclosed"
        )));
    }
    let mut disclosed = Vec::new();
    for life in &history.events {
        let fields = life.opened.iter().flatten();
        let mut of_entry: Vec<Disclosed> = fields
            .filter(|field| slots.contains(&field.slot))
            .map(|field| Disclosed {
                position: life.position,
                salt: hex::encode(field.salt),
                slot: field.slot,
                value: field.value.as_ref().map(|value| value.to_string()),
            })
            .collect();
        of_entry.sort_unstable_by_key(|field| field.slot);
        disclosed.extend(of_entry);
    }
    let is_known = |slot: &Slot| disclosed.iter().any(|field| field.slot == *slot);
    if let Some(unknown) = slots.iter().find(|slot| !is_known(slot)) {
        let first = history.events.first();
        let known: Vec<&str> = first
            .iter()
            .flat_map(|life| life.event.commitments.slots().map(Slot::name))
            .collect();
        return Err(AppError::Usage(format!(
            "this record has no sealed field {unknown}; it has {}",
            known.join(", ")
        )));
    }
    Ok(disclosed)
}
