//! Going on after the end of a log was lost: a successor under another origin and key.
//!
//! What comes in: a backup that is older than what was signed, and the keys of its ledger. What
//! goes out: a ledger with the same entries, byte for byte, followed by one that says `Succeeded`:
//! the new origin, the new key, the old origin's checkpoint over exactly the entries before, and
//! how many had been signed, if that is known. What may fail: as for a restore. What must stay true:
//! the old key signs nothing that its old notes contradict, for it signs nothing more; the new
//! origin never covers fewer entries than the one that names it; databases appear with that entry
//! in them or not at all, and a run that was cut off can be repeated.
//!
//! A log that began anew, with an entry 0 that names the old checkpoint, would have to move every
//! position by one; but positions are inside the entries, under the leaf hashes. So the successor
//! keeps the leaves: old proofs, record ids, and keys in the vault go on to hold, a replay finds
//! what was recorded, and one consistency proof shows that everything is there that a checkpoint of
//! the old origin covered, as far as the backup reaches.

use std::fs;
use std::path::Path;

use rand_core::OsRng;
use serde::Serialize;

use super::backup::{Checked, Manifest, Progress, Stage, check, refuse};
use super::error::failed;
use super::home::keys_folder;
use super::restore::begin;
use super::witnesses::{COSIGNED, cosigned_notes};
use super::{App, AppError};
use crate::audit::keys::roster;
use crate::ledger::aggregate::log::{Log, LogCommand};
use crate::ledger::commitment::Commitments;
use crate::ledger::envelope::Metadata;
use crate::ledger::request::{For, StreamCommand, Writing};
use crate::model::entry::Unplaced;
use crate::model::time::Timestamp;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::keys::SigningKey;
use crate::seal::ring::KeyRing;
use crate::seal::sealer::SealError;
use crate::seal::state::{SignedState, StateError, StateFile};
use crate::store::location::{Copy, Location};
use crate::store::{Head, transfer};
use uuid::Uuid;

/// What was signed last of the log that is succeeded, beside `signed.json`.
const PREDECESSOR_STATE: &str = "signed.predecessor.json";

/// Where the cosigned checkpoints of the old origin are kept.
const PUT_ASIDE: &str = "cosigned.predecessor";

/// A successor that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Successor {
    /// What the backup says of itself, which was recomputed.
    pub backup: Manifest,
    /// The new origin.
    pub origin: String,
    /// The key that signs from now on.
    pub verifier_key: String,
    /// How many entries of the old log it has.
    pub taken_over: u64,
    /// How many the old log had signed, as far as `keys/signed.json` or `cosigned/` know of more.
    pub signed_before: Option<u64>,
    /// Entries under its first checkpoint.
    pub sealed: u64,
}

/// Restores a backup as the successor of its log; `origin` is that of the new log, by default the
/// old one with `/successor-` and a number of chance. `actor` is who does so, as the entry will say.
///
/// # Errors
/// When a ledger is there already, the keys are missing or of another ledger, the backup does not
/// verify, or the origin cannot be used; then no database was made.
pub async fn restore_as_successor(
    folder: &Path,
    location: &Location,
    from: &Path,
    origin: Option<&str>,
    actor: &str,
    progress: Progress<'_>,
) -> Result<Successor, AppError> {
    let (state, lock) = begin(folder, location).await?;
    let checked = check(folder, from, progress).await?;
    refuse(&checked.report)?;
    let ring = KeyRing::new(keys_folder(folder));
    let published = published_before(folder, &checked)?;
    let signed = signed_before(&state, &ring, &checked)?.max(published);
    let key = new_key(&ring, &checked.manifest.origin, origin)?;
    let verifier_key = key.verifier_key().to_string();
    let origin = key.verifier_key().name().to_owned();
    let entry = succeeded(&checked, &origin, &verifier_key, signed, actor).await?;
    // Durable before anything names it; a run that was cut off is taken up with the same key.
    let is_there = ring.read().map_err(SealError::from)?;
    if !is_there
        .iter()
        .any(|(_, held)| held.verifier_key() == key.verifier_key())
    {
        ring.add(&key).map_err(SealError::from)?;
    }
    let mut source = Copy(from).snapshot().await?;
    let mut target = location.fresh(folder).await?;
    let mut copied = |table, rows| progress(Stage::Copying(table), rows);
    transfer::copy(source.as_mut(), target.as_mut(), &mut copied).await?;
    let head = Head {
        size: checked.manifest.size,
        recorded_at: checked.recorded_at,
    };
    transfer::append(target.as_mut(), head, &entry, Timestamp::now()).await?;
    // What the old origin signed is that of the notes in the backup; from there the new one goes on.
    let after = SignedState {
        origin: origin.clone(),
        ..checked.signed.clone()
    };
    state.write(&after).map_err(SealError::from)?;
    put_aside(folder)?;
    target
        .finish((head.size, checked.checkpoint.root().0))
        .await?;
    drop(lock);
    let app = App::open_at(folder, location).await?;
    let sealed = app.seal_or_wait().await;
    let kept = app.keep_keys().await;
    let size = app.store().newest_checkpoint().await;
    app.close().await;
    sealed?;
    kept?;
    Ok(Successor {
        taken_over: head.size,
        backup: checked.manifest,
        origin,
        verifier_key,
        signed_before: signed,
        sealed: size?.map_or(0, |(size, _)| size),
    })
}

/// How many entries the old origin had signed, if `keys/signed.json` knows of more than the backup
/// has; kept beside, because `signed.json` is of the new origin from now on.
fn signed_before(
    state: &StateFile,
    ring: &KeyRing,
    checked: &Checked,
) -> Result<Option<u64>, AppError> {
    let beside = StateFile::new(ring.folder().join(PREDECESSOR_STATE));
    let read = |file: &StateFile| match file.read() {
        Ok(known) if known.origin == checked.manifest.origin => Ok(Some(known)),
        Ok(_) | Err(StateError::Missing { .. }) => Ok(None),
        Err(error) => Err(SealError::from(error)),
    };
    let known = match read(state)? {
        Some(known) => {
            beside.write(&known).map_err(SealError::from)?;
            Some(known)
        }
        None => read(&beside)?,
    };
    let more = known.filter(|known| known.size > checked.manifest.size);
    Ok(more.map(|known| known.size))
}

/// The largest of the old origin's checkpoints that are kept with cosignatures in the folder, if it
/// covers more than the backup has.
fn published_before(folder: &Path, checked: &Checked) -> Result<Option<u64>, AppError> {
    let roster = roster(&checked.of_log).map_err(AppError::Integrity)?;
    let keys = roster.verifier_keys();
    let mut most = None;
    for path in [COSIGNED, PUT_ASIDE].map(|name| folder.join(name)) {
        for kept in cosigned_notes(&path)? {
            // Of a key that was added after the backup nothing is known here.
            if let Ok(checkpoint) = Checkpoint::open(&kept.note, &keys) {
                most = most.max(Some(checkpoint.size()));
            }
        }
    }
    Ok(most.filter(|size| *size > checked.manifest.size))
}

/// Cosigned checkpoints of the old origin are no longer this log's own: they are kept elsewhere.
fn put_aside(folder: &Path) -> Result<(), AppError> {
    let (from, to) = (folder.join(COSIGNED), folder.join(PUT_ASIDE));
    if !from.exists() || to.exists() {
        return Ok(());
    }
    fs::rename(&from, &to).map_err(failed("rename", &from))
}

/// A key for the new origin: that of a run that was cut off, or a new one, which is not kept yet.
fn new_key(ring: &KeyRing, old: &str, origin: Option<&str>) -> Result<SigningKey, AppError> {
    let prefix = format!("{old}/successor-");
    let fits = |name: &str| match origin {
        Some(origin) => name == origin,
        None => name.starts_with(&prefix) && !name[prefix.len()..].contains('/'),
    };
    let held = ring.read().map_err(SealError::from)?;
    let mut held = held.into_iter().map(|(_, key)| key);
    if let Some(key) = held.find(|key| fits(key.verifier_key().name())) {
        return Ok(key);
    }
    let name = origin.map_or_else(
        || format!("{prefix}{}", hex::encode(rand::random::<[u8; 4]>())),
        str::to_owned,
    );
    SigningKey::generate(&mut OsRng, &name)
        .map_err(|error| AppError::Usage(format!("the origin cannot be used: {error}")))
}

/// The entry that says so, decided on the log's own stream in the backup.
async fn succeeded(
    checked: &Checked,
    origin: &str,
    verifier_key: &str,
    signed: Option<u64>,
    actor: &str,
) -> Result<Unplaced, AppError> {
    let predecessor = String::from_utf8(checked.note.clone())
        .map_err(|error| AppError::Integrity(format!("the newest checkpoint: {error}")))?;
    let (origin, verifier_key) = (origin.to_owned(), verifier_key.to_owned());
    let command = For::<Log>::new(checked.manifest.ledger_id, move |_| LogCommand::Succeed {
        origin: origin.clone(),
        predecessor: predecessor.clone(),
        signed,
        verifier_key: verifier_key.clone(),
    });
    let metadata: Metadata = [("actor".into(), actor.to_owned())].into();
    let writing = Writing {
        metadata: &metadata,
        simulated_at: checked.manifest.simulated_clock.then(Timestamp::default),
        event_id: Uuid::now_v7(),
        commitments: Commitments::default(),
    };
    let decided = command.decide(&checked.of_log, &writing).await?;
    let entry = decided.into_iter().next();
    entry.ok_or_else(|| AppError::Integrity("the log did not decide".to_owned()))
}
