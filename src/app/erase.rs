//! Erasure: the content of records is destroyed, what remains is that there was one.
//!
//! What comes in: records, or one record of a person; a legal ground; two approvers. What goes
//! out: a plan that lists what will be touched, and then erasure entries. What may fail: a plan
//! that names nothing, a record that is erased already. What must stay true: the entry is durable
//! before the vault is emptied, so that opening a vault (also one from a backup) can apply again
//! what its ledger says was erased; sealed bytes in backups elsewhere stay the holder's duty.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::error::failed;
use super::{App, AppError};
use crate::audit::casebook::discard;
use crate::ledger::aggregate::erasure::{Erasure, ErasureCommand, ErasureEvent, MAX_KEY_IDS};
use crate::ledger::keys::TokenPurpose;
use crate::ledger::recording::token_purpose;
use crate::ledger::request::{For, Receipt};
use crate::model::entry::{Entry, leaf_hash};
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;
use crate::seal::merkle::{HASH_BYTES, Hash, root_of_leaves};
use crate::seal::tiles::TILE_WIDTH;
use crate::store::{StoredEntry, VaultRow};

/// Rows of the vault that are read at once.
const BATCH: u64 = 4096;

/// A record that will be erased.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PlannedRecord {
    /// The record.
    pub record_id: Uuid,
    /// Its kind.
    pub kind: String,
    /// Its entries.
    pub positions: Vec<u64>,
    /// The sealed fields that hold a value now.
    pub slots: Vec<String>,
    #[serde(skip)]
    key_id: [u8; 16],
    #[serde(skip)]
    blinded: Vec<[u8; 32]>,
}

/// Who erases, on which ground.
#[derive(Debug, Clone)]
pub struct Approval {
    /// A short code of the legal ground.
    pub legal_basis: String,
    /// Two different persons.
    pub approved_by: [String; 2],
}

impl App {
    /// Lists what an erasure of these records would touch.
    ///
    /// # Errors
    /// When a record does not exist or is erased already, or the store fails.
    pub async fn plan_erasure(&self, ids: &[Uuid]) -> Result<Vec<PlannedRecord>, AppError> {
        let mut plan = Vec::with_capacity(ids.len());
        let mut seen = HashSet::new();
        for id in ids.iter().filter(|id| seen.insert(**id)) {
            let history = self
                .ledger
                .history(*id)
                .await?
                .ok_or_else(|| AppError::Usage(format!("there is no record {id}")))?;
            if let Some(position) = history.erased_by {
                let what =
                    format!("the content of {id} was erased by the entry at {position} already");
                return Err(AppError::Usage(what));
            }
            let mut slots = std::collections::BTreeSet::new();
            let mut blinded = Vec::new();
            for life in &history.events {
                for opened in life.opened.iter().flatten() {
                    if opened.value.is_some() {
                        slots.insert(opened.slot.name().to_owned());
                    }
                    // Blinded by the salt: who is shown a slot's salt can find its leaf, no one else.
                    let name = opened.slot.name().as_bytes();
                    let leaf = [life.event_id.as_bytes(), name, &opened.salt[..]].concat();
                    blinded.push(leaf_hash(&leaf));
                }
            }
            let first = history
                .events
                .first()
                .map(|life| life.position)
                .unwrap_or_default();
            plan.push(PlannedRecord {
                record_id: *id,
                kind: history.kind.to_string(),
                positions: history.positions().collect(),
                slots: slots.into_iter().collect(),
                key_id: history
                    .rows
                    .get(&first)
                    .map(|row| row.key_id)
                    .unwrap_or_default(),
                blinded,
            });
        }
        Ok(plan)
    }

    /// The records that carry the ID number of a person of this record, by the vault's tokens.
    ///
    /// # Errors
    /// When the record has no ID number, or the store fails.
    pub async fn records_of_person(&self, record: Uuid) -> Result<Vec<Uuid>, AppError> {
        let history = self
            .ledger
            .history(record)
            .await?
            .ok_or_else(|| AppError::Usage(format!("there is no record {record}")))?;
        let own = own_id_slot(history.kind);
        let number = own.and_then(|slot| history.value(slot)).ok_or_else(|| {
            AppError::Usage(format!("{record} has no ID number by which other records could be found; name them one by one"))
        })?;
        let token = self
            .ledger
            .keys
            .token(TokenPurpose::Person, number.as_str());
        let mut found = Vec::new();
        let mut from = 0;
        loop {
            let rows = self.ledger.vault.sealed(from, BATCH).await?;
            let Some((last, _)) = rows.last() else { break };
            from = last + 1;
            found.extend(
                rows.iter()
                    .filter(|(_, row)| has_person(row, &token))
                    .map(|(at, _)| *at),
            );
        }
        let mut ids = Vec::new();
        for position in found {
            if let Some(stored) = self.ledger.store.entry(position).await?
                && let Ok(entry) = Entry::parse(&stored.bytes)
                && !ids.contains(&entry.aggregate_id)
            {
                ids.push(entry.aggregate_id);
            }
        }
        Ok(ids)
    }

    /// Erases what was planned: first the entries that say so, then the vault.
    ///
    /// # Errors
    /// When the approval is not enough, or the store fails.
    pub async fn erase(
        &self,
        plan: &[PlannedRecord],
        approval: &Approval,
    ) -> Result<Vec<Receipt>, AppError> {
        let mut receipts = Vec::new();
        for part in plan.chunks(MAX_KEY_IDS) {
            let leaves: Vec<Hash> = part
                .iter()
                .flat_map(|record| &record.blinded)
                .map(|leaf| Hash(*leaf))
                .collect();
            let blinded_root = hex::encode(root_of_leaves(&leaves).0);
            let key_ids: Vec<String> = part
                .iter()
                .map(|record| hex::encode(record.key_id))
                .collect();
            let (actor, approval) = (self.actor.clone(), approval.clone());
            let erase = move |_| ErasureCommand::Erase {
                actor: actor.clone(),
                approved_by: approval.approved_by.clone(),
                blinded_root: blinded_root.clone(),
                key_ids: key_ids.clone(),
                legal_basis: approval.legal_basis.clone(),
            };
            let erase = For::<Erasure>::new(Uuid::new_v8(rand::random()), erase).command();
            let context = self.context(None);
            let answer = self.ledger.execute_one(&context, erase).await??;
            let erasure = answer.receipt().position;
            let ids: Vec<Uuid> = part.iter().map(|record| record.record_id).collect();
            // Not what was planned, but what there is now: a correction may have come since. And
            // again: one may have come before its record was empty, after which none can.
            loop {
                let streams = self.ledger.store.streams(&ids).await?;
                let entries = streams.values().flatten();
                let positions: Vec<u64> = entries.map(|entry| entry.position).collect();
                let is_left = |_, row: &VaultRow| row.erased_by.is_none();
                if self.empty(&positions, erasure, is_left).await? == 0 {
                    break;
                }
            }
            receipts.push(answer.receipt().clone());
        }
        self.seal().await?;
        Ok(receipts)
    }

    /// Empties those rows of the vault at these positions that are to be; gives how many.
    async fn empty(
        &self,
        positions: &[u64],
        erasure: u64,
        is_to_be: impl Fn(Uuid, &VaultRow) -> bool,
    ) -> Result<u64, AppError> {
        let rows = self.ledger.vault.sealed_at(positions).await?;
        let mut left = Vec::with_capacity(rows.len());
        for (position, row) in rows {
            let Some(stored) = self.ledger.store.entry(position).await? else {
                continue;
            };
            let entry = Entry::parse(&stored.bytes)
                .map_err(|error| AppError::Integrity(format!("position {position}: {error}")))?;
            if !is_to_be(entry.event_id, &row) {
                continue;
            }
            let mut emptied = VaultRow {
                key_id: row.key_id,
                erased_by: Some(erasure),
                ..VaultRow::default()
            };
            emptied.mac = self.ledger.row_mac(entry.event_id, &emptied);
            left.push((position, emptied));
        }
        let emptied = left.len() as u64;
        if emptied > 0 {
            self.ledger.vault.erase(left).await?;
            // It was made of what is not there any more.
            discard(&self.folder, None).map_err(failed("clear the casebook of", &self.folder))?;
        }
        Ok(emptied)
    }

    /// Applies erasures that the ledger knows and the vault does not: a crash between the two, or
    /// a vault from a backup. Every opening calls this; it reads the vault only when a key that an
    /// erasure names is erased nowhere. Rows that are not authentic stay for `verify` to find.
    ///
    /// Only erasures that were signed are applied, since nothing can bring the content back: an
    /// entry that is not sealed yet, or not the one that was sealed, may be anyone's. Those that
    /// are not sealed yet are applied after the next seal.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reapply_erasures(&self) -> Result<u64, AppError> {
        self.erasures_wait.store(false, Ordering::Relaxed);
        let of_key = self.keys_to_erase().await?;
        if of_key.is_empty() {
            return Ok(0);
        }
        let mut again: HashMap<u64, Vec<u64>> = HashMap::new();
        let mut from = 0;
        loop {
            let rows = self.ledger.vault.sealed(from, BATCH).await?;
            let Some((last, _)) = rows.last() else { break };
            from = last + 1;
            for (position, row) in rows.iter().filter(|(_, row)| row.erased_by.is_none()) {
                if let Some(erasure) = of_key.get(&hex::encode(row.key_id)) {
                    again.entry(*erasure).or_default().push(*position);
                }
            }
        }
        let mut emptied = 0;
        for (erasure, positions) in again {
            let authentic =
                |event_id, row: &VaultRow| self.ledger.row_mac(event_id, row) == row.mac;
            emptied += self.empty(&positions, erasure, authentic).await?;
        }
        Ok(emptied)
    }
}

impl App {
    /// The keys that signed erasures name and that are erased nowhere, each with its erasure.
    async fn keys_to_erase(&self) -> Result<BTreeMap<String, u64>, AppError> {
        let entries = self.ledger.store.entries_of_type("erasure").await?;
        let mut of_key = BTreeMap::new();
        if entries.is_empty() {
            return Ok(of_key);
        }
        // Another node may have erased since the audit kept what it had opened.
        let others = discard(&self.folder, Some(entries.len()));
        others.map_err(failed("clear the casebook of", &self.folder))?;
        let erased = self.ledger.vault.erased_keys().await?;
        let erased: HashSet<String> = erased.iter().map(|(_, key)| hex::encode(key)).collect();
        for stored in entries {
            let event: ErasureEvent = Entry::parse(&stored.bytes)
                .and_then(|entry| serde_json::from_str(entry.payload.get()))
                .map_err(|error| {
                    AppError::Integrity(format!("position {}: {error}", stored.position))
                })?;
            let ErasureEvent::Erased { mut key_ids, .. } = event;
            key_ids.retain(|key| !erased.contains(key));
            if key_ids.is_empty() {
                continue;
            }
            match self.was_sealed(&stored).await? {
                Some(true) => {
                    for key in key_ids {
                        of_key.entry(key).or_insert(stored.position);
                    }
                }
                Some(false) => (),
                None => self.erasures_wait.store(true, Ordering::Relaxed),
            }
        }
        Ok(of_key)
    }

    /// Whether an entry is the one that was signed, by the stored tile or the leaf hashes beside
    /// the signing key; none when it was not signed yet, its tile is not stored yet, or what was
    /// signed last cannot be read, after which the sealer refuses to sign.
    async fn was_sealed(&self, stored: &StoredEntry) -> Result<Option<bool>, AppError> {
        let signed = self.state.read().ok();
        let Some(signed) = signed.filter(|signed| stored.position < signed.size) else {
            return Ok(None);
        };
        let width = TILE_WIDTH as u64;
        let leaf = Hash(leaf_hash(&stored.bytes));
        let edge = signed.size / width * width;
        let index = usize::try_from(stored.position % width).unwrap_or_default();
        if stored.position >= edge {
            let sealed = signed.tail.get(index);
            return Ok(Some(sealed == Some(&leaf.to_string())));
        }
        let tile = self.ledger.store.tile(0, stored.position / width).await?;
        Ok(tile.map(|hashes| hashes.chunks(HASH_BYTES).nth(index) == Some(&leaf.0[..])))
    }
}

/// The slot with the ID number of the person whom a record of this kind is about.
fn own_id_slot(kind: RecordKind) -> Option<Slot> {
    match kind {
        RecordKind::Registration => Some(Slot::must("id_no")),
        RecordKind::Birth => Some(Slot::must("mother_id_no")),
        RecordKind::Disbursement => Some(Slot::must("beneficiary_id_no")),
        // No search by woman; activities and returns are of no person.
        RecordKind::PregnancyLoss | RecordKind::Activity | RecordKind::Return => None,
    }
}

fn has_person(row: &VaultRow, token: &[u8; 16]) -> bool {
    row.tokens.chunks_exact(17).any(|part| {
        let purpose = Slot::of_number(part[0]).and_then(token_purpose);
        purpose == Some(TokenPurpose::Person) && part[1..] == token[..]
    })
}
