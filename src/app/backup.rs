//! Backups: a ledger's databases in a folder, in one form whatever the store.
//!
//! ```text
//! DIR/ledger.db     entries, checkpoints, hash tiles     } SQLite files of the embedded
//! DIR/vault.db      sealed fields, tokens                } store's schema
//! DIR/checkpoint    the newest checkpoint, a signed note
//! DIR/backup.json   what this is a backup of
//! ```
//!
//! What comes in: an open ledger, which others may go on writing. What goes out: such a folder,
//! with rights for its owner only. What may fail: a folder that is in use, a disk that is full, a
//! ledger that is not what was signed. What must stay true: a backup ends at a checkpoint, so that
//! nothing in it is without a signature; it was recomputed as a whole before it got its name;
//! there are no keys in it, nor what was signed last: a restored database must not bring its own
//! word for that.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::failed;
use super::home::write_secret;
use super::{App, AppError};
use crate::audit::keys::{LOG_STREAM, roster};
use crate::audit::verify::{Scope, Verification, Verifier};
use crate::model::entry::{Entry, leaf_hash};
use crate::model::time::Timestamp;
use crate::seal::checkpoint::Checkpoint;
use crate::seal::merkle::Hash;
use crate::seal::policy::Policy;
use crate::seal::ring::FIRST;
use crate::seal::sealer::SealError;
use crate::seal::state::{SignedState, chain};
use crate::seal::tiles::TILE_WIDTH;
use crate::store::StoredEntry;
use crate::store::location::{Copy, Location};
use crate::store::transfer::{self, Source};

/// The newest checkpoint in the folder of a backup.
const CHECKPOINT: &str = "checkpoint";
/// What a backup is of.
const MANIFEST: &str = "backup.json";
/// What the name of a backup ends in while it is written.
const PARTIAL: &str = ".partial";
/// The version of the form of a backup.
const FORMAT: u32 = 1;
/// How often a moment is looked for at which the vault did nothing that is not sealed yet.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);
/// Rows of the vault that are tried with the ledger's key.
const TRIED: u64 = 64;

/// What a backup says of itself; `restore` believes none of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of its form: 1.
    pub format: u32,
    /// The ledger.
    pub ledger_id: Uuid,
    /// The origin of its log.
    pub origin: String,
    /// Entries, all of them under the checkpoint.
    pub size: u64,
    /// Their root, base64.
    pub root: String,
    /// When it was made, by the clock of the machine.
    pub made_at: String,
    /// From what kind of store: sqlite or postgres.
    pub store: String,
    /// Whether times come from the reports.
    pub simulated_clock: bool,
}

/// What a backup or a restore is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Copying the rows of this table.
    Copying(&'static str),
    /// Recomputing the copy.
    Checking,
}

/// Told how many rows or entries of a stage are done.
pub type Progress<'a> = &'a mut (dyn FnMut(Stage, u64) + Send);

/// A copy that was recomputed.
pub(super) struct Checked {
    /// What was covered.
    pub(super) report: Verification,
    /// What had been signed when the last of its checkpoints was.
    pub(super) signed: SignedState,
    /// Its newest checkpoint, and the note.
    pub(super) checkpoint: Checkpoint,
    pub(super) note: Vec<u8>,
    /// The entries of the log's own stream.
    pub(super) of_log: Vec<StoredEntry>,
    /// The time of its last entry.
    pub(super) recorded_at: Timestamp,
    /// What it says of itself.
    pub(super) manifest: Manifest,
    /// The links of the chain of notes, one after each.
    pub(super) links: Vec<(u64, String)>,
}

impl App {
    /// Makes a backup in a folder that does not exist or is empty. What was recorded before this
    /// began is in it.
    ///
    /// # Errors
    /// When the folder is in use, the log is not what was signed, or the store or the disk fails;
    /// then nothing that looks like a backup is left.
    pub async fn backup(
        &self,
        location: &Location,
        to: &Path,
        progress: Progress<'_>,
    ) -> Result<Manifest, AppError> {
        let partial = Partial::begin(to)?;
        let mut source = self.settled(location).await?;
        let (size, note) = source.newest();
        let note = note.to_vec();
        let roster = self.sealer.roster().await?;
        let checkpoint = roster
            .open(&note)
            .map_err(|error| AppError::Integrity(format!("the newest checkpoint: {error}")))?;
        let mut target = Copy(&partial.path).fresh().await?;
        let mut copied = |table, rows| progress(Stage::Copying(table), rows);
        transfer::copy(source.as_mut(), target.as_mut(), &mut copied).await?;
        target.finish((size, checkpoint.root().0)).await?;
        let manifest = Manifest {
            format: FORMAT,
            ledger_id: self.ledger.id,
            origin: self.origin.clone(),
            size,
            root: checkpoint.root().to_string(),
            made_at: Timestamp::now().to_string(),
            store: location.kind().to_owned(),
            simulated_clock: self.ledger.simulated,
        };
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|error| AppError::Usage(error.to_string()))?;
        write_secret(
            &partial.path.join(CHECKPOINT),
            &String::from_utf8_lossy(&note),
        )?;
        write_secret(&partial.path.join(MANIFEST), &format!("{text}\n"))?;
        let checked = check(&self.folder, &partial.path, progress).await?;
        refuse(&checked.report)?;
        partial.publish(to)?;
        Ok(manifest)
    }

    /// Sees the databases at a moment up to which everything that the vault did is sealed: an
    /// erasure or a rotation does so shortly after the vault has it.
    async fn settled(&self, location: &Location) -> Result<Box<dyn Source>, AppError> {
        self.must_sign().await?;
        for _ in 0..ATTEMPTS {
            self.seal().await?;
            let mut source = location.snapshot(&self.folder).await?;
            if !source.is_unsettled().await? {
                return Ok(source);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(AppError::Usage(
            "erasures or rotations of the master key go on and on: make the backup when they have ended".to_owned(),
        ))
    }
}

/// A folder beside the one that a backup is to be in, until it is complete.
struct Partial {
    path: PathBuf,
    /// Locked against others that write the same backup, as long as it is open.
    _lock: fs::File,
    published: bool,
}

impl Partial {
    fn begin(to: &Path) -> Result<Self, AppError> {
        let Some(name) = to.file_name() else {
            let what = format!("{} is no name of a new folder", to.display());
            return Err(AppError::Usage(what));
        };
        let mut name = name.to_owned();
        name.push(PARTIAL);
        let path = to.with_file_name(name);
        is_free(to)?;
        fs::create_dir_all(&path).map_err(failed("create", &path))?;
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .map_err(failed("protect", &path))?;
        let lock = fs::File::open(&path).map_err(failed("open", &path))?;
        if lock.try_lock().is_err() {
            let what = format!("another backup is being written to {}", path.display());
            return Err(AppError::Usage(what));
        }
        // What a run that was cut off left: only files that it can have written.
        for left in fs::read_dir(&path).map_err(failed("read", &path))? {
            let left = left.map_err(failed("read", &path))?;
            let name = left.file_name();
            let is_ours = ["ledger.db", "vault.db", CHECKPOINT, MANIFEST]
                .iter()
                .any(|ours| name.to_string_lossy().starts_with(ours));
            if !is_ours {
                let what = format!("{} is in the way", left.path().display());
                return Err(AppError::Usage(what));
            }
            fs::remove_file(left.path()).map_err(failed("remove", &left.path()))?;
        }
        Ok(Self {
            path,
            _lock: lock,
            published: false,
        })
    }

    /// Gives the folder its name.
    fn publish(mut self, to: &Path) -> Result<(), AppError> {
        let flush = |path: &Path| fs::File::open(path).and_then(|folder| folder.sync_all());
        flush(&self.path).map_err(failed("flush", &self.path))?;
        // Refused by the system if the folder is there and not empty.
        fs::rename(&self.path, to).map_err(failed("rename to", to))?;
        self.published = true;
        let parent = to.parent().filter(|path| !path.as_os_str().is_empty());
        let parent = parent.unwrap_or_else(|| Path::new("."));
        flush(parent).map_err(failed("flush", parent))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            // If this fails, too, what is left says by its name that it is no backup.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn is_free(to: &Path) -> Result<(), AppError> {
    let found = match fs::read_dir(to) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed("read", to))?.count(),
    };
    if found == 0 {
        return Ok(());
    }
    Err(AppError::Usage(format!(
        "{} is not empty; a backup is written to a new folder, nothing is overwritten",
        to.display()
    )))
}

/// Reads what a backup says of itself.
fn read_manifest(from: &Path) -> Result<Manifest, AppError> {
    let path = from.join(MANIFEST);
    if !path.is_file() {
        let what = format!("{} is no backup: it has no {MANIFEST}", from.display());
        return Err(AppError::Usage(what));
    }
    let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
    let manifest: Manifest = serde_json::from_str(&text)
        .map_err(|error| AppError::Integrity(format!("{}: {error}", path.display())))?;
    if manifest.format != FORMAT {
        return Err(AppError::Usage(format!(
            "{}: the backup has format {}, this program reads {FORMAT}",
            path.display(),
            manifest.format
        )));
    }
    Ok(manifest)
}

/// Recomputes a backup with the keys in a ledger's folder: leaves, tree, checkpoints, signatures,
/// the vault. Nothing is written.
///
/// # Errors
/// When it is none, is of another ledger than the keys, or cannot be read; what is wrong in it is
/// in the report.
pub(super) async fn check(
    folder: &Path,
    from: &Path,
    progress: Progress<'_>,
) -> Result<Checked, AppError> {
    let manifest = read_manifest(from)?;
    let app = App::of_store(folder, Copy(from).open().await?).await?;
    let checked = check_opened(&app, from, manifest, progress).await;
    app.close().await;
    checked
}

async fn check_opened(
    app: &App,
    from: &Path,
    manifest: Manifest,
    progress: Progress<'_>,
) -> Result<Checked, AppError> {
    has_these_keys(app).await?;
    let wrong = |what: &str| AppError::Integrity(format!("{}: {what}", from.display()));
    let checkpoints = app.store().checkpoints().await?;
    let (size, note) = checkpoints.last().ok_or_else(|| wrong("no checkpoint"))?;
    let of_log = app.store().entries_of_type(LOG_STREAM).await?;
    let checkpoint = newest(app, &of_log, note)
        .map_err(|what| wrong(&format!("the newest checkpoint: {what}")))?;
    let kept = from.join(CHECKPOINT);
    let kept = fs::read(&kept).map_err(failed("read", &kept))?;
    let said = Manifest {
        made_at: manifest.made_at.clone(),
        store: manifest.store.clone(),
        format: FORMAT,
        ledger_id: app.ledger.id,
        origin: app.origin.clone(),
        size: *size,
        root: checkpoint.root().to_string(),
        simulated_clock: app.ledger.simulated,
    };
    if kept != *note || said != manifest {
        return Err(wrong(
            "the files are not of one backup: the databases end at another checkpoint than the folder says",
        ));
    }
    let head = app.store().head().await?;
    if head.size != *size {
        return Err(wrong(&format!(
            "{} entries are there, and the checkpoint covers {size}: a backup ends at a checkpoint",
            head.size
        )));
    }
    let (signed, links) = signed_of(app, &checkpoints, &checkpoint).await?;
    let verifier = Verifier {
        ledger: app.ledger.clone(),
        signed: &signed,
        checkpoints: &checkpoints,
        cosigned: None,
        registers: None,
    };
    let done = |entries| progress(Stage::Checking, entries);
    let report = verifier.run(Scope::Everything, done).await?;
    Ok(Checked {
        report,
        signed,
        checkpoint,
        note: note.clone(),
        of_log,
        recorded_at: head.recorded_at,
        manifest,
        links,
    })
}

/// The newest checkpoint of a backup, signed as its entries demand. A key of this folder, perhaps
/// one that was retired since, must be among those: the keys that entries name could be anybody's.
fn newest(app: &App, of_log: &[StoredEntry], note: &[u8]) -> Result<Checkpoint, String> {
    let own = app.sealer.ring().known();
    let own = Policy::of_logs(own.map_err(|error| error.to_string())?);
    let accepted = own.open(note).map_err(|error| error.to_string())?;
    let roster = roster(of_log)?;
    let size = accepted.checkpoint.size();
    let opened = roster.open_by(note, &accepted.signed_by, size);
    opened.map_err(|error| error.to_string())
}

/// What had been signed when the last of these checkpoints was, and the links of their chain.
async fn signed_of(
    app: &App,
    checkpoints: &[(u64, Vec<u8>)],
    newest: &Checkpoint,
) -> Result<(SignedState, Vec<(u64, String)>), AppError> {
    let mut signed = SignedState::new(&app.origin);
    let mut links = Vec::with_capacity(checkpoints.len());
    for (size, note) in checkpoints {
        signed.chain = chain(&signed.chain, note);
        links.push((*size, signed.chain.clone()));
    }
    signed.size = newest.size();
    signed.root = newest.root().to_string();
    signed.notes = checkpoints.len() as u64;
    let edge = signed.size / TILE_WIDTH as u64 * TILE_WIDTH as u64;
    let tail = app.store().entries(edge, signed.size - edge).await?;
    let tail = tail.iter().map(|entry| Hash(leaf_hash(&entry.bytes)));
    signed.tail = tail.map(|hash| hash.to_string()).collect();
    Ok((signed, links))
}

/// The keys in the folder are those of the ledger.
async fn has_these_keys(app: &App) -> Result<(), AppError> {
    let other = |file: &str| {
        AppError::Usage(format!(
            "{}/keys/{file} is of another ledger than {} (log {})",
            app.folder.display(),
            app.ledger.id,
            app.origin
        ))
    };
    let known = app.sealer.ring().known().map_err(SealError::from)?;
    if !app.named_keys.iter().any(|key| known.contains(key)) {
        return Err(other(FIRST));
    }
    // Rows may be damaged; a key of another ledger fits none.
    let rows = app.ledger.vault.sealed(0, TRIED).await?;
    let mut fits = rows.is_empty();
    for (position, row) in &rows {
        let stored = app.ledger.store.entry(*position).await?;
        let entry = stored.and_then(|stored| {
            let entry = Entry::parse(&stored.bytes).ok()?;
            Some(entry.event_id)
        });
        fits |= entry.is_some_and(|event_id| app.ledger.row_mac(event_id, row) == row.mac);
    }
    if fits {
        Ok(())
    } else {
        Err(other("ledger.key"))
    }
}

/// Refuses what is not what was signed.
pub(super) fn refuse(report: &Verification) -> Result<(), AppError> {
    match &report.wrong {
        None => Ok(()),
        Some(wrong) => Err(AppError::Integrity(format!(
            "the copy does not verify: {wrong}"
        ))),
    }
}
