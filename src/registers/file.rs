//! The files of a segment: written so that a crash leaves them whole, read only when they are
//! what the manifest says.
//!
//! What comes in: bytes with a path, or a path with what the manifest says of it. What goes out:
//! a file that was written durably, or one that was compared with the manifest. What may fail: the
//! file system, or a file that is not what was stated ([`Fault`]). What must stay true: a file is
//! only read after its size and its digest were compared. They are compared once while these
//! registers are open, and again when the system says that the file was changed since.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{RegisterError, Result};
use crate::model::time::Timestamp;

/// A file that was changed so shortly before it was compared may change again without another
/// time of change: file systems count in ticks, of two seconds at most.
const TICK_MICROS: i64 = 2_000_000;

/// What is wrong with a segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The manifest is no manifest.
    #[error("its manifest cannot be read: {0}")]
    Manifest(String),
    /// The manifest was written by a program with other columns, segments or manifests.
    #[error("it was written by another version of this program")]
    Version,
    /// It is of another ledger.
    #[error("it belongs to the ledger {0}")]
    Foreign(Uuid),
    /// It is of this ledger, but not of these entries.
    #[error("it was built from other entries")]
    Entries,
    /// A file is missing or cannot be read.
    #[error("{file} cannot be read: {what}")]
    Unreadable {
        /// Path within the folder.
        file: String,
        /// What the system says.
        what: String,
    },
    /// A file has another size, as after a crash or a full disk.
    #[error("{file} has {found} bytes instead of {expected}")]
    Size {
        /// Path within the folder.
        file: String,
        /// As stated.
        expected: u64,
        /// As found.
        found: u64,
    },
    /// A file of the right size was changed.
    #[error("{file} was changed: its digest is not the one in the manifest")]
    Digest {
        /// Path within the folder.
        file: String,
    },
    /// A file has other rows than the manifest says, though its digest is right.
    #[error("{file} does not hold the rows that the manifest states: {what}")]
    Rows {
        /// Path within the folder.
        file: String,
        /// What is wrong.
        what: String,
    },
}

/// Names a file and what was being done with it when the system failed.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> RegisterError {
    let path = path.display().to_string();
    move |source| RegisterError::File {
        doing,
        path: path.clone(),
        source,
    }
}

/// Writes a file so that after a crash it is there in full or not at all.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new).map_err(failed("create", &new))?;
    file.write_all(bytes).map_err(failed("write", &new))?;
    file.sync_all().map_err(failed("flush", &new))?;
    drop(file);
    std::fs::rename(&new, path).map_err(failed("put in place", path))?;
    path.parent().map_or(Ok(()), flush_folder)
}

/// Makes a rename in the folder durable, where the system can flush folders at all.
pub(super) fn flush_folder(folder: &Path) -> Result<()> {
    match File::open(folder) {
        Ok(opened) if cfg!(unix) => opened.sync_all().map_err(failed("flush", folder)),
        _ => Ok(()),
    }
}

/// Removes a file, if there is one.
pub(super) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", path)(e)),
        _ => Ok(()),
    }
}

/// What a manifest says of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stated {
    pub(super) bytes: u64,
    /// Rows, or steps.
    pub(super) rows: u64,
    pub(super) sha256: String,
}

impl Stated {
    /// Writes a file of so many rows.
    pub(super) fn write(folder: &Path, path: &Path, bytes: &[u8], rows: usize) -> Result<Self> {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed("create", parent))?;
        }
        write_durably(&path, bytes)?;
        Ok(Self {
            bytes: bytes.len() as u64,
            rows: rows as u64,
            sha256: hex::encode(Sha256::digest(bytes)),
        })
    }
}

/// What the system says of a file; it changes when the file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    changed_micros: i64,
    inode: u64,
}

impl Stamp {
    /// `None` where the system does not tell enough.
    fn of(metadata: &Metadata) -> Option<Self> {
        let since = metadata.modified().ok()?;
        let since = since.duration_since(std::time::UNIX_EPOCH).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Self {
            bytes: metadata.len(),
            changed_micros: i64::try_from(since.as_micros()).ok()?,
            inode,
        })
    }

    /// Whether any later change would show.
    fn is_settled(&self) -> bool {
        self.changed_micros.saturating_add(TICK_MICROS) < Timestamp::now().micros()
    }
}

/// The folder of the registers, and which of its files were compared.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    compared: Mutex<HashMap<PathBuf, Stamp>>,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        let compared = Mutex::default();
        Self { path, compared }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The same files after the folder was renamed.
    pub(super) fn moved_to(&self, path: &Path) -> Self {
        let compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            path: path.to_owned(),
            compared: Mutex::new(compared.clone()),
        }
    }

    /// Opens a file that was compared with what is stated of it.
    pub(super) fn open(&self, path: &Path, stated: &Stated) -> std::result::Result<File, Fault> {
        let name = || path.display().to_string();
        let unreadable = |e: std::io::Error| Fault::Unreadable {
            file: name(),
            what: e.to_string(),
        };
        let mut file = File::open(self.path.join(path)).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let (found, expected) = (metadata.len(), stated.bytes);
        if found != expected {
            return Err(Fault::Size {
                file: name(),
                expected,
                found,
            });
        }
        let stamp = Stamp::of(&metadata);
        let compared = || self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp.is_some() && compared().get(path) == stamp.as_ref() {
            return Ok(file);
        }
        if digest(&mut file).map_err(unreadable)? != stated.sha256 {
            return Err(Fault::Digest { file: name() });
        }
        file.rewind().map_err(unreadable)?;
        if let Some(stamp) = stamp.filter(Stamp::is_settled) {
            compared().insert(path.to_owned(), stamp);
        }
        Ok(file)
    }

    /// Reads such a file.
    pub(super) fn read(&self, path: &Path, stated: &Stated) -> std::result::Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let read = self.open(path, stated)?.read_to_end(&mut bytes);
        read.map_err(|e| Fault::Unreadable {
            file: path.display().to_string(),
            what: e.to_string(),
        })?;
        Ok(bytes)
    }
}

fn digest(file: &mut File) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; 65_536];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&piece[..read]);
    }
}
