//! Restoring: a backup becomes the databases of a ledger again, in either kind of store.
//!
//! What comes in: the folder of a backup, and a ledger's folder that has `keys/` and no databases.
//! What goes out: the databases, and what that means for signing ([`Signing`]). What may fail: a
//! backup that does not verify, keys of another ledger, a place that is taken. What must stay
//! true: nothing is overwritten, and nothing is written before the whole backup was recomputed
//! with the keys; what was signed last is what `keys/signed.json` says, not what a backup says,
//! unless the operator asks for that.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::backup::{Checked, Manifest, Progress, Stage, check, refuse};
use super::home::keys_folder;
use super::{App, AppError};
use crate::seal::ring::KeyRing;
use crate::seal::sealer::SealError;
use crate::seal::state::{SignedState, StateError, StateFile};
use crate::store::location::{Copy, Location};
use crate::store::transfer;

/// What a restore means for the signing of checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "signing")]
pub enum Signing {
    /// The backup ends where the last signature was made: it goes on.
    GoesOn,
    /// The operator said that it goes on from the backup.
    Resumed {
        /// The size that `keys/signed.json` said before; none where it was missing.
        known: Option<u64>,
    },
    /// More was signed than the backup holds: nothing is signed.
    Stopped {
        /// The size that was signed last.
        signed: u64,
        /// How many entries are missing.
        missing: u64,
    },
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// What the backup says of itself, which was recomputed.
    pub backup: Manifest,
    /// What follows for signing.
    #[serde(flatten)]
    pub signing: Signing,
}

/// Restores a backup. `resume_signing` says that signing goes on from the backup where
/// `keys/signed.json` is missing or older.
///
/// # Errors
/// When a ledger is there already, the keys are missing or of another ledger, or the backup does
/// not verify; then nothing was written.
pub async fn restore(
    folder: &Path,
    location: &Location,
    from: &Path,
    resume_signing: bool,
    progress: Progress<'_>,
) -> Result<Restored, AppError> {
    let (state, lock) = begin(folder, location).await?;
    let checked = check(folder, from, progress).await?;
    refuse(&checked.report)?;
    let signing = signing(&state, &checked, resume_signing)?;
    let mut source = Copy(from).snapshot().await?;
    let mut target = location.fresh(folder).await?;
    let mut copied = |table, rows| progress(Stage::Copying(table), rows);
    transfer::copy(source.as_mut(), target.as_mut(), &mut copied).await?;
    if matches!(signing, Signing::Resumed { .. }) {
        // Before the databases are there: cut off in between, it says what the next run will say.
        state.write(&checked.signed).map_err(SealError::from)?;
    }
    let (size, root) = (checked.checkpoint.size(), checked.checkpoint.root().0);
    target.finish((size, root)).await?;
    drop(lock);
    arrived(folder, location, &checked).await?;
    Ok(Restored {
        backup: checked.manifest,
        signing,
    })
}

/// Looks whether a backup can be restored here, and sees to it that nobody else restores or signs
/// meanwhile: as long as the file that is given is open.
pub(super) async fn begin(
    folder: &Path,
    location: &Location,
) -> Result<(StateFile, fs::File), AppError> {
    let keys = keys_folder(folder);
    let known = KeyRing::new(keys.clone()).known();
    if known.map_err(SealError::from)?.is_empty() {
        return Err(AppError::Usage(format!(
            "{} has no keys: a backup holds none; put your copy of the folder keys/ there first",
            folder.display()
        )));
    }
    location.must_be_free(folder).await?;
    let state = StateFile::new(keys.join("signed.json"));
    let locked = state.clone();
    let locking = tokio::task::spawn_blocking(move || locked.lock()).await;
    let lock = locking.map_err(|error| AppError::Usage(error.to_string()))?;
    Ok((state, lock.map_err(SealError::from)?))
}

/// What `keys/signed.json` and the backup say together.
fn signing(state: &StateFile, backup: &Checked, resume: bool) -> Result<Signing, AppError> {
    let known = match state.read() {
        Ok(known) => Some(known),
        Err(StateError::Missing { .. }) => None,
        Err(error) => return Err(SealError::from(error).into()),
    };
    let (ours, size) = (&backup.signed, backup.signed.size);
    let Some(known) = known else {
        let what = "keys/signed.json is missing, so it is not known what was signed last";
        return resumed(None, what, resume);
    };
    if known.size > size && known.origin == ours.origin {
        return Ok(Signing::Stopped {
            signed: known.size,
            missing: known.size - size,
        });
    }
    if (known.size, &known.chain, &known.root) == (size, &ours.chain, &ours.root) {
        return Ok(Signing::GoesOn);
    }
    let link = (known.size, known.chain.clone());
    let is_older = backup.links.contains(&link) || known == SignedState::new(&ours.origin);
    if known.size < size && is_older {
        let what = format!(
            "keys/signed.json says that {} entries were signed, the backup's checkpoint covers {size}: this copy of keys/ is older than the backup",
            known.size
        );
        return resumed(Some(known.size), &what, resume);
    }
    if known.origin != ours.origin {
        return Err(AppError::Integrity(format!(
            "keys/signed.json says what was signed of the log {}, and the backup is of the log {}: put the keys there that belong to it",
            known.origin, ours.origin
        )));
    }
    Err(AppError::Integrity(format!(
        "fork: keys/signed.json and the backup are of different histories: {} entries of {} were signed with these keys, and the first {} of the backup are not those",
        known.size,
        known.origin,
        known.size.min(size)
    )))
}

fn resumed(known: Option<u64>, what: &str, resume: bool) -> Result<Signing, AppError> {
    if resume {
        return Ok(Signing::Resumed { known });
    }
    Err(AppError::Usage(format!(
        "{what}. Put the newest signed.json there. If it is lost, --as-successor goes on under another origin and key, which contradicts nobody's checkpoint; --resume-signing lets signing go on from the backup: what was signed after the backup will then be signed differently, and whoever kept such a checkpoint can show it. Nothing was written"
    )))
}

/// Opens what was restored, which erases again what its entries say was erased, and compares its
/// end with the backup's.
async fn arrived(folder: &Path, location: &Location, backup: &Checked) -> Result<(), AppError> {
    let app = App::open_at(folder, location).await?;
    let (head, newest) = (
        app.store().head().await?,
        app.store().newest_checkpoint().await?,
    );
    app.close().await;
    let size = backup.signed.size;
    if head.size != size || newest.map(|(size, _)| size) != Some(size) {
        let what = format!("{} entries were restored of {size}", head.size);
        return Err(AppError::Integrity(what));
    }
    Ok(())
}
