//! The check of the vault: every sealed field against the commitment in its entry.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::leaves::{Batch, Leaf, Wrong};
use crate::ledger::aggregate::erasure::ErasureEvent;
use crate::ledger::commitment::Commitments;
use crate::ledger::execute::Ledger;
use crate::ledger::history::AnyRecordEvent;
use crate::ledger::keys::UnwrapError;
use crate::ledger::recording::FLAG_WOMAN_TOKEN;
use crate::ledger::sealing::{OpenError, RecordKeys, Sealer, role_of};
use crate::ledger::years::year_key_ends;
use crate::model::id::Position;
use crate::model::schema::RecordKind;
use crate::model::slot::Role;
use crate::model::time::Timestamp;
use crate::store::{EntryRow, VaultRow, WomanToken};

/// An event whose sealed fields open only with the keys of its record's first event.
pub struct Later {
    /// Where it stands.
    pub position: Position,
    /// Its record.
    pub record_id: Uuid,
}

/// What a batch of the vault gave.
#[derive(Default)]
pub struct SealedBatch {
    /// Commitments that were recomputed.
    pub commitments: u64,
    /// Rows whose content was erased, with the erasure they name and their key.
    pub erased: Vec<(Position, Position, String)>,
    /// Rows whose master key is not at hand: to be read again.
    pub closed: Vec<Position>,
    /// Rows whose key an erasure names, but that are not empty, with that erasure.
    pub unerased: Vec<(Position, Position)>,
    /// Corrections and voids, to be opened with their records.
    pub later: Vec<Later>,
    /// Events with a woman's token.
    pub women: Vec<(Position, Uuid)>,
    /// The first thing that is wrong.
    pub wrong: Option<Wrong>,
}

/// Of the payloads of other streams, only the commitments are of interest here.
#[derive(serde::Deserialize)]
struct Committed {
    commitments: Option<Commitments>,
}

/// The commitments of an entry, if it makes any.
fn commitments(leaf: &Leaf, row: &EntryRow) -> Result<Option<Commitments>, String> {
    let payload = row.bytes.get(leaf.payload.clone()).unwrap_or_default();
    let payload = std::str::from_utf8(payload).map_err(|error| error.to_string())?;
    if let Some(kind) = leaf.kind {
        let event = AnyRecordEvent::parse(kind, payload)
            .map_err(|error| format!("the payload is no event of a {kind}: {error}"))?;
        return Ok(Some(event.commitments));
    }
    let event: BTreeMap<String, Committed> =
        serde_json::from_str(payload).map_err(|error| error.to_string())?;
    Ok(event
        .into_values()
        .next()
        .and_then(|event| event.commitments)
        // A step that needs no reason, and had none, sealed nothing.
        .filter(|commitments| !commitments.is_empty()))
}

/// Rows of the vault by position.
pub type VaultRows = HashMap<Position, VaultRow>;

/// Positions of erasures by the key that they destroyed.
pub type ErasedKeys = HashMap<[u8; 16], Position>;

/// Checks the rows of the vault that belong to a batch of entries; `erased_keys` are those that
/// erasures name. Runs on any thread.
#[must_use]
pub fn check(
    ledger: &Ledger,
    erased_keys: &ErasedKeys,
    first: Position,
    entries: &Batch,
    mut vault: VaultRows,
) -> SealedBatch {
    let mut batch = SealedBatch::default();
    for (position, (leaf, row)) in (first..).zip(entries.leaves.iter().zip(&entries.rows)) {
        let sealed = vault.remove(&position);
        if let Some(row) = &sealed
            && row.erased_by.is_none()
            && let Some(erasure) = erased_keys.get(&row.key_id)
        {
            batch.unerased.push((position, *erasure));
        }
        if let Err(what) = event(ledger, position, leaf, row, sealed, &mut batch) {
            batch.wrong = Some(Wrong::at(position, what));
            return batch;
        }
    }
    if let Some(position) = vault.keys().min() {
        let what = "the vault has a row for an entry that has no sealed fields";
        batch.wrong = Some(Wrong::at(*position, what));
    }
    batch
}

fn event(
    ledger: &Ledger,
    position: Position,
    leaf: &Leaf,
    row: &EntryRow,
    sealed: Option<VaultRow>,
    batch: &mut SealedBatch,
) -> Result<(), String> {
    let committed = commitments(leaf, row)?;
    let (commitments, sealed) = match (committed, sealed) {
        (None, None) => return Ok(()),
        (None, Some(_)) => {
            return Err("the vault has a row for an entry that has no sealed fields".to_owned());
        }
        (Some(_), None) => return Err("the vault has no row for this entry".to_owned()),
        (Some(commitments), Some(sealed)) => (commitments, sealed),
    };
    if ledger.row_mac(leaf.event_id, &sealed) != sealed.mac {
        return Err("the row of the vault or its tokens were changed".to_owned());
    }
    if let Some(erasure) = sealed.erased_by {
        let emptied = sealed.keys.is_empty() && sealed.slots.is_empty() && sealed.tokens.is_empty();
        if !emptied {
            return Err("the row of the vault says that it is erased, but is not empty".to_owned());
        }
        batch
            .erased
            .push((position, erasure, hex::encode(sealed.key_id)));
        return Ok(());
    }
    if sealed.flags & FLAG_WOMAN_TOKEN != 0 {
        batch.women.push((position, leaf.event_id));
    }
    if leaf.kind.is_some() && leaf.sequence > 1 {
        batch.later.push(Later {
            position,
            record_id: leaf.aggregate_id,
        });
        return Ok(());
    }
    match open(ledger, leaf.event_id, leaf.kind, &commitments, &sealed) {
        Ok(()) => batch.commitments += commitments.len() as u64,
        Err(OpenError::Key(UnwrapError::NoMasterKey(_))) => batch.closed.push(position),
        Err(error) => return Err(error.to_string()),
    }
    Ok(())
}

fn open(
    ledger: &Ledger,
    event_id: Uuid,
    kind: Option<RecordKind>,
    commitments: &Commitments,
    sealed: &VaultRow,
) -> Result<(), OpenError> {
    let keys = RecordKeys::open(&sealed.keys, &ledger.master, ledger.id, event_id)?;
    Sealer::new(ledger.id, event_id).check(
        &keys,
        |slot| kind.map_or(Role::Record, |kind| role_of(kind, slot)),
        commitments,
        &sealed.slots,
    )
}

/// Checks that erased rows name erasures that name them, and that those erasures which are to be
/// complete are.
///
/// # Errors
/// The first that does not.
pub fn check_erasures(
    erased: &[(Position, Position, String)],
    erasures: &BTreeMap<Position, ErasureEvent>,
    complete: impl Fn(Position) -> bool,
) -> Result<(), Wrong> {
    let mut seen: HashSet<&str> = HashSet::new();
    for (position, erasure, key_id) in erased {
        let named = erasures.get(erasure).is_some_and(|event| {
            let ErasureEvent::Erased { key_ids, .. } = event;
            key_ids.contains(key_id)
        });
        if !named {
            let what =
                format!("the row of the vault names an erasure at {erasure} that does not name it");
            return Err(Wrong::at(*position, what));
        }
        seen.insert(key_id);
    }
    for (position, ErasureEvent::Erased { key_ids, .. }) in erasures {
        if !complete(*position) {
            continue;
        }
        if let Some(key_id) = key_ids.iter().find(|key| !seen.contains(key.as_str())) {
            let what = format!("this erasure covers key {key_id}, but the vault has not erased it");
            return Err(Wrong::at(*position, what));
        }
    }
    Ok(())
}

/// Checks the tokens of pregnancy losses against the rows that say that there is one.
///
/// # Errors
/// The first that is missing, changed or surplus.
pub fn check_women(
    ledger: &Ledger,
    women: &[(Position, Uuid)],
    tokens: Vec<(Position, WomanToken)>,
    years: &[i32],
    today: Timestamp,
    year_of: impl Fn(Position) -> Option<i32>,
) -> Result<(), Wrong> {
    let mut tokens: HashMap<Position, WomanToken> = tokens.into_iter().collect();
    for (position, event_id) in women {
        if let Some(token) = tokens.remove(position) {
            if ledger.woman_mac(*event_id, token.year, &token.token) != token.mac {
                return Err(Wrong::at(*position, "the token of a year was changed"));
            }
            if !years.contains(&token.year) {
                let what = format!("the key of statistical year {} is missing", token.year);
                return Err(Wrong::at(*position, what));
            }
        } else {
            let due = year_of(*position).is_none_or(|year| today.date() > year_key_ends(year));
            if !due {
                return Err(Wrong::at(*position, "the token of a year is missing"));
            }
        }
    }
    match tokens.keys().min() {
        Some(position) => Err(Wrong::at(
            *position,
            "there is a token of a year that no row speaks of",
        )),
        None => Ok(()),
    }
}
