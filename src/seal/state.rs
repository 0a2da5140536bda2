//! What was last signed: kept beside the signing key, not in the database.
//!
//! What comes in: the size and root that are about to be signed. What goes out: those that were
//! signed last. What may fail: the file. What must stay true: the file is durable before the
//! note leaves this process, so that a restored database cannot make the sealer sign a fork; it
//! also chains all notes, so that a deleted one is missed, and says of the newest note whether it
//! is known to have reached the store, so that a crash in between is told from a deletion.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::merkle::{Hash, empty_root};

/// What was last signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedState {
    /// The log's origin.
    pub origin: String,
    /// The size that was signed.
    pub size: u64,
    /// Its root, base64.
    pub root: String,
    /// Leaf hashes beyond the last full tile, base64: with the tiles they tell which leaf changed.
    pub tail: Vec<String>,
    /// How many notes were issued.
    pub notes: u64,
    /// SHA-256 over the chain before and the note, hexadecimal, from 32 zero bytes on.
    pub chain: String,
    /// The chain without the newest note, as long as that note may not have reached the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
}

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is none.
    #[error(
        "the state of the last signature is missing at {path}; without it nothing is signed: restore the file from where the signing key is kept"
    )]
    Missing {
        /// Where it should be.
        path: String,
    },
    /// It does not read.
    #[error("the state of the last signature at {path} cannot be read: {what}")]
    Malformed {
        /// Where.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The file system fails.
    #[error("failed to {doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
}

impl SignedState {
    /// Before anything is signed.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            size: 0,
            root: empty_root().to_string(),
            tail: Vec::new(),
            notes: 0,
            chain: hex::encode([0; 32]),
            pending: None,
        }
    }

    /// After a note over this size and root, with the leaf hashes beyond the last full tile; the
    /// note is on its way to the store.
    #[must_use]
    pub fn after(&self, size: u64, root: &Hash, tail: &[Hash], note: &[u8]) -> Self {
        Self {
            origin: self.origin.clone(),
            size,
            root: root.to_string(),
            tail: tail.iter().map(ToString::to_string).collect(),
            notes: self.notes + 1,
            chain: chain(&self.chain, note),
            pending: Some(self.chain.clone()),
        }
    }

    /// After the newest note has reached the store.
    #[must_use]
    pub fn stored(&self) -> Self {
        Self {
            pending: None,
            ..self.clone()
        }
    }
}

/// The next link of the chain of notes.
#[must_use]
pub fn chain(before: &str, note: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(before.as_bytes());
    hash.update(note);
    hex::encode(hash.finalize())
}

/// The file that holds the state.
#[derive(Debug, Clone)]
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// At this path.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Waits until no other process changes the state; the lock goes with the file that is given.
    /// What it locks is a file beside: the state's own is replaced.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn lock(&self) -> Result<fs::File, StateError> {
        let path = self.path.with_extension("lock");
        let failed = |source| StateError::File {
            doing: "lock",
            path: path.display().to_string(),
            source,
        };
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is missing or does not read.
    pub fn read(&self) -> Result<SignedState, StateError> {
        let path = self.path.display().to_string();
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StateError::Missing { path });
            }
            Err(source) => {
                return Err(StateError::File {
                    doing: "read",
                    path,
                    source,
                });
            }
        };
        serde_json::from_str(&text).map_err(|error| StateError::Malformed {
            path,
            what: error.to_string(),
        })
    }

    /// Replaces it: written beside, flushed to disk, renamed, and the folder flushed.
    ///
    /// # Errors
    /// When the file system fails; the old state holds then.
    pub fn write(&self, state: &SignedState) -> Result<(), StateError> {
        let failed = |doing| {
            let path = self.path.display().to_string();
            move |source| StateError::File {
                doing,
                path,
                source,
            }
        };
        let text = serde_json::to_string(state)
            .map_err(|error| failed("write")(std::io::Error::other(error)))?;
        let beside = self.path.with_extension("next");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside).map_err(failed("create"))?;
        file.write_all(text.as_bytes()).map_err(failed("write"))?;
        file.sync_all().map_err(failed("flush"))?;
        fs::rename(&beside, &self.path).map_err(failed("replace"))?;
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("flush"))
    }
}
