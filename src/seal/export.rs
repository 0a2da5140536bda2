//! The export: a sealed log as a folder of static files.
//!
//! What comes in: a store with a signed checkpoint, and a folder, empty or with an earlier export
//! of the same log. What goes out: the bundles of entries, the hash tiles of every level and the
//! checkpoint, at the paths of C2SP tlog-tiles. What may fail: [`ExportError`]; a folder that
//! holds another log, or one that this log does not extend, is refused before anything is written.
//! What must stay true: leaves are hashed again from the bytes that are written, and the
//! checkpoint is replaced last, and only if their root is the signed one, so that a reader never
//! sees a checkpoint whose files are missing.

use std::path::Path;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::entries::{BundleError, LogFile, bundle, files};
use super::folder::{CHECKPOINT, FolderError, FolderWriter, LogFolder, TILE};
use super::keys::VerifierKey;
use super::merkle::{TreeError, leaf_hash};
use super::sealer::{SealError, tree_at};
use super::tiles::{HashTiles, TILE_WIDTH, Tile};
use crate::store::{Store, StoreError, StoredEntry};

/// Entries that are read at once: 16 bundles.
const BATCH: u64 = 16 * TILE_WIDTH as u64;

/// Why a log was not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored tree.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The stored checkpoint.
    #[error("the checkpoint in the store: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// An entry.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The folder holds something else.
    #[error("{path} is not empty and holds no log; choose another folder")]
    Occupied {
        /// The folder.
        path: String,
    },
    /// The folder holds another log.
    #[error("{path} holds another log: {source}")]
    OtherLog {
        /// The folder.
        path: String,
        /// Why its checkpoint is not one of this log.
        source: CheckpointError,
    },
    /// The folder holds more of this log than the store.
    #[error(
        "{path} holds {exported} entries, this ledger has sealed {sealed}: it is an older copy, or its end was cut off"
    )]
    Longer {
        /// The folder.
        path: String,
        /// Entries in the folder.
        exported: u64,
        /// Entries under the newest checkpoint.
        sealed: u64,
    },
    /// This log does not begin with what the folder holds.
    #[error(
        "{path} holds {exported} entries that are not the first {exported} of this ledger: its history was rewritten, or forked"
    )]
    NotExtended {
        /// The folder.
        path: String,
        /// Entries in the folder.
        exported: u64,
    },
    /// The store is not what was signed.
    #[error("integrity failure: {what}; the checkpoint in the folder was not replaced")]
    Integrity {
        /// What does not fit.
        what: String,
    },
}

impl ExportError {
    /// Whether a log is in doubt, not only the way to it.
    #[must_use]
    pub fn is_integrity(&self) -> bool {
        match self {
            Self::Seal(error) => error.is_integrity(),
            Self::Store(error) => error.is_integrity(),
            Self::Folder(error) => error.is_integrity(),
            Self::Checkpoint(_)
            | Self::Bundle(_)
            | Self::Longer { .. }
            | Self::NotExtended { .. }
            | Self::Integrity { .. } => true,
            Self::Occupied { .. } | Self::OtherLog { .. } => false,
        }
    }
}

impl From<TreeError> for ExportError {
    fn from(error: TreeError) -> Self {
        Self::Seal(error.into())
    }
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// The log.
    pub origin: String,
    /// Entries under the checkpoint.
    pub entries: u64,
    /// Entries that were not in the folder before.
    pub new_entries: u64,
    /// Files that were written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Exports the log up to a checkpoint of it, a note with or without cosignatures; `progress` is told the number of entries done.
///
/// # Errors
/// See [`ExportError`].
pub async fn export(
    store: &dyn Store,
    keys: &[VerifierKey],
    note: Vec<u8>,
    folder: &Path,
    mut progress: impl FnMut(u64),
) -> Result<Exported, ExportError> {
    let checkpoint = Checkpoint::open(&note, keys)?;
    let folder = LogFolder::new(folder);
    let before = exported_before(&folder, keys, &checkpoint)?;
    let exported = before.as_ref().map_or(0, |(before, _)| before.size());
    let width = TILE_WIDTH as u64;
    let mut at = exported / width * width;
    let mut tiles = tree_at(store, at).await?;
    if let Some((before, _)) = &before {
        extends(store, &tiles, before, &folder).await?;
    }
    let mut writer = FolderWriter::open(folder)?;
    // Of a log that has not grown, nothing is new but, perhaps, cosignatures.
    let is_larger = checkpoint.size() > exported;
    while is_larger && at < checkpoint.size() {
        // Whole bundles, but for the last one.
        let batch = leaves(store, at, checkpoint.size()).await?;
        at += batch.len() as u64;
        for tile in tiles.append(batch.iter().map(|entry| leaf_hash(&entry.bytes))) {
            write_tile(&mut writer, &tile)?;
        }
        for chunk in batch.chunks(TILE_WIDTH) {
            let file = LogFile {
                level: None,
                index: chunk.first().map_or(0, |entry| entry.position / width),
                width: chunk.len(),
            };
            let bytes = bundle(chunk.iter().map(|entry| entry.bytes.as_slice()))?;
            writer.write(file, &bytes)?;
        }
        progress(at);
    }
    for tile in tiles.partial_tiles().iter().filter(|_| is_larger) {
        write_tile(&mut writer, tile)?;
    }
    if is_larger && tiles.root() != *checkpoint.root() {
        let size = checkpoint.size();
        let what = format!("the entries do not give the root signed at size {size}");
        return Err(ExportError::Integrity { what });
    }
    publish(&mut writer, before, &checkpoint, &note)?;
    Ok(Exported {
        origin: checkpoint.origin().to_owned(),
        entries: checkpoint.size(),
        new_entries: checkpoint.size() - exported,
        files: writer.files,
        bytes: writer.bytes,
    })
}

fn write_tile(writer: &mut FolderWriter, tile: &Tile) -> Result<(), FolderError> {
    let file = LogFile {
        level: Some(tile.level),
        index: tile.index,
        width: tile.width(),
    };
    writer.write(file, &tile.bytes)
}

/// Replaces the checkpoint, if it is another one, and then removes partial files that full ones
/// have taken the place of.
fn publish(
    writer: &mut FolderWriter,
    before: Option<(Checkpoint, Vec<u8>)>,
    checkpoint: &Checkpoint,
    note: &[u8],
) -> Result<(), ExportError> {
    let Some((before, old_note)) = before else {
        return Ok(writer.publish(note)?);
    };
    if old_note != note {
        writer.publish(note)?;
    }
    let now_full = |file: &LogFile| {
        let level = u32::from(file.level.unwrap_or(0));
        let end = 256_u64.checked_pow(level + 1);
        let end = end.and_then(|tile| tile.checked_mul(file.index + 1));
        file.width < TILE_WIDTH && end.is_some_and(|end| end <= checkpoint.size())
    };
    for file in files(before.size()).filter(now_full) {
        writer.remove_partial(file)?;
    }
    Ok(())
}

/// The checkpoint that the folder has, if it may be written to.
fn exported_before(
    folder: &LogFolder,
    keys: &[VerifierKey],
    checkpoint: &Checkpoint,
) -> Result<Option<(Checkpoint, Vec<u8>)>, ExportError> {
    let path = folder.path().display().to_string();
    let Some(note) = folder.checkpoint()? else {
        // An export that was broken off leaves tiles without a checkpoint; they are written again.
        let is_ours =
            |name: &std::ffi::OsStr| name == TILE || name.to_string_lossy().starts_with(CHECKPOINT);
        let mut others = std::fs::read_dir(folder.path()).into_iter().flatten();
        let occupied = others.any(|entry| entry.is_ok_and(|entry| !is_ours(&entry.file_name())));
        return if occupied || folder.path().is_file() {
            Err(ExportError::Occupied { path })
        } else {
            Ok(None)
        };
    };
    let before = Checkpoint::open(&note, keys).map_err(|source| ExportError::OtherLog {
        path: path.clone(),
        source,
    })?;
    if before.size() > checkpoint.size() {
        return Err(ExportError::Longer {
            path,
            exported: before.size(),
            sealed: checkpoint.size(),
        });
    }
    Ok(Some((before, note)))
}

/// Makes sure that the log begins with what the folder's checkpoint covers.
async fn extends(
    store: &dyn Store,
    tiles: &HashTiles,
    before: &Checkpoint,
    folder: &LogFolder,
) -> Result<(), ExportError> {
    let mut tiles = tiles.clone();
    if tiles.size() < before.size() {
        let tail = leaves(store, tiles.size(), before.size()).await?;
        // Fewer than 256 leaves complete no tile.
        let _ = tiles.append(tail.iter().map(|entry| leaf_hash(&entry.bytes)));
    }
    if tiles.root() == *before.root() {
        return Ok(());
    }
    Err(ExportError::NotExtended {
        path: folder.path().display().to_string(),
        exported: before.size(),
    })
}

/// The next entries, without a gap.
async fn leaves(store: &dyn Store, from: u64, end: u64) -> Result<Vec<StoredEntry>, ExportError> {
    let wanted = BATCH.min(end - from);
    let batch = store.entries(from, wanted).await?;
    let gapless = batch.iter().zip(from..).all(|(e, at)| e.position == at);
    if batch.len() as u64 != wanted || !gapless {
        let what = format!("the log has a gap at or after position {from}");
        return Err(ExportError::Integrity { what });
    }
    Ok(batch)
}
