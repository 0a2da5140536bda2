//! A witness (C2SP tlog-witness, <https://c2sp.org/tlog-witness>).
//!
//! What comes in: the body of an `add-checkpoint` request: the size that the log believes to be
//! the last one cosigned, a consistency proof from there, and a checkpoint. What goes out: a
//! [`Verdict`], which says what the HTTP answer is. What may fail: the folder with the witness's
//! state ([`WitnessError`]). What must stay true: a checkpoint is cosigned only if it extends the
//! last one that was cosigned for its origin, whatever happened in between; so the new state is on
//! disk before the cosignature is given away, and reading, deciding and writing are one step,
//! among threads and among processes.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::checkpoint::{Checkpoint, CheckpointError, MAX_NOTE_BYTES};
use super::consistency::{ConsistencyError, check_extension};
use super::cosignature::CosigningKey;
use super::decimal;
use super::keys::VerifierKey;
use super::merkle::Hash;

/// Most hashes of a consistency proof (the specification's limit).
const MAX_PROOF: usize = 63;
/// The longest body that is read: the note, and 64 short lines.
pub const MAX_BODY_BYTES: usize = MAX_NOTE_BYTES + 64 * 64;

/// The body of an `add-checkpoint` request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the log believes to be the last one cosigned; 0 when there was none.
    pub old_size: u64,
    /// The consistency proof from there.
    pub proof: Vec<Hash>,
    /// The checkpoint, a signed note.
    pub note: Vec<u8>,
}

impl AddCheckpoint {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        if body.len() > MAX_BODY_BYTES {
            return Err(format!("the request has more than {MAX_BODY_BYTES} bytes"));
        }
        let text = std::str::from_utf8(body).map_err(|_| "the request is not UTF-8".to_owned())?;
        let (head, note) = text
            .split_once("\n\n")
            .ok_or_else(|| "there is no empty line before the checkpoint".to_owned())?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old_size = old
            .and_then(decimal)
            .ok_or_else(|| "the first line is not `old` and a size".to_owned())?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_PROOF {
                return Err(format!("a proof has at most {MAX_PROOF} hashes"));
            }
            let hash = Hash::from_base64(line);
            proof.push(hash.map_err(|error| format!("a line of the proof: {error}"))?);
        }
        Ok(Self {
            old_size,
            proof,
            note: note.as_bytes().to_vec(),
        })
    }

    /// Writes the body.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut body = format!("old {}\n", self.old_size).into_bytes();
        for hash in &self.proof {
            body.extend_from_slice(format!("{hash}\n").as_bytes());
        }
        body.push(b'\n');
        body.extend_from_slice(&self.note);
        body
    }
}

/// What a witness answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// 200: the signature line, with its newline.
    Cosigned(String),
    /// 400: the request is none.
    Malformed(String),
    /// 403: no key that is trusted for this origin signed it.
    Untrusted(String),
    /// 404: the origin is not known here.
    UnknownOrigin,
    /// 409: the last size that was cosigned is another one, or its root is.
    Conflict(u64),
    /// 422: the checkpoint does not extend the last one.
    NotExtended(String),
}

impl Verdict {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Cosigned(_) => 200,
            Self::Malformed(_) => 400,
            Self::Untrusted(_) => 403,
            Self::UnknownOrigin => 404,
            Self::Conflict(_) => 409,
            Self::NotExtended(_) => 422,
        }
    }

    /// The media type of the body.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "text/x.tlog.size",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Cosigned(line) => line.clone(),
            Self::Conflict(size) => format!("{size}\n"),
            Self::UnknownOrigin => "this log is not known here\n".to_owned(),
            Self::Malformed(what) | Self::Untrusted(what) | Self::NotExtended(what) => {
                format!("{what}\n")
            }
        }
    }
}

/// Why a witness cannot decide.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
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
    /// The state of a log does not read: without it nothing is cosigned.
    #[error("the state at {path} cannot be read: {what}; without it nothing is cosigned")]
    Malformed {
        /// Which file.
        path: String,
        /// What is wrong.
        what: String,
    },
}

/// What was cosigned last for a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    origin: String,
    size: u64,
    /// Base64.
    root: String,
}

/// A witness with its key, the logs that it knows, and its state.
#[derive(Debug)]
pub struct Witness {
    key: CosigningKey,
    logs: Vec<VerifierKey>,
    folder: PathBuf,
    one_at_a_time: Mutex<()>,
}

impl Witness {
    /// With the keys of the logs that it cosigns, and the folder of its state.
    #[must_use]
    pub fn new(key: CosigningKey, logs: Vec<VerifierKey>, folder: &Path) -> Self {
        Self {
            key,
            logs,
            folder: folder.to_owned(),
            one_at_a_time: Mutex::default(),
        }
    }

    /// Its public key.
    #[must_use]
    pub const fn key(&self) -> &CosigningKey {
        &self.key
    }

    /// Decides on a request at a time, in seconds since 1970. Blocks: it waits for the disk.
    ///
    /// # Errors
    /// When the state cannot be read or written; then nothing was cosigned.
    pub fn add_checkpoint(&self, body: &[u8], now: u64) -> Result<Verdict, WitnessError> {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(what) => return Ok(Verdict::Malformed(what)),
        };
        let newer = match self.open(&request.note) {
            Ok(checkpoint) => checkpoint,
            Err(verdict) => return Ok(verdict),
        };
        if request.old_size > newer.size() {
            let what = "the old size is larger than that of the checkpoint".to_owned();
            return Ok(Verdict::Malformed(what));
        }
        let _thread = self
            .one_at_a_time
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let _process = self.lock()?;
        let path = self.folder.join(state_name(newer.origin()));
        let last = read(&path, newer.origin())?;
        if request.old_size != last.size() {
            return Ok(Verdict::Conflict(last.size()));
        }
        match check_extension(&last, &newer, &request.proof) {
            Ok(()) => {}
            Err(ConsistencyError::Forked { size, .. }) => return Ok(Verdict::Conflict(size)),
            Err(error) => return Ok(Verdict::NotExtended(error.to_string())),
        }
        if last.size() == 0 && !request.proof.is_empty() {
            let what = "a proof from the empty tree has no hashes".to_owned();
            return Ok(Verdict::NotExtended(what));
        }
        if newer.size() > last.size() || !path.exists() {
            self.write(&path, &newer)?;
        }
        Ok(Verdict::Cosigned(self.key.cosign(&newer.body(), now)))
    }

    /// The checkpoint in a note, if a key that is trusted for its origin signed it.
    fn open(&self, note: &[u8]) -> Result<Checkpoint, Verdict> {
        let text = String::from_utf8_lossy(note);
        let origin = text.split('\n').next().unwrap_or_default();
        let own = |key: &&VerifierKey| key.name() == origin;
        let keys: Vec<VerifierKey> = self.logs.iter().filter(own).cloned().collect();
        if keys.is_empty() {
            return Err(Verdict::UnknownOrigin);
        }
        Checkpoint::open(note, &keys).map_err(|error| match error {
            CheckpointError::UnknownKey { .. } | CheckpointError::BadSignature { .. } => {
                Verdict::Untrusted(error.to_string())
            }
            error => Verdict::Malformed(error.to_string()),
        })
    }

    fn lock(&self) -> Result<fs::File, WitnessError> {
        let path = self.folder.join("witness.lock");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(failed("open", &path))?;
        file.lock().map_err(failed("lock", &path))?;
        Ok(file)
    }

    /// Written beside, flushed, renamed, and the folder flushed.
    fn write(&self, path: &Path, newer: &Checkpoint) -> Result<(), WitnessError> {
        let last = Last {
            origin: newer.origin().to_owned(),
            size: newer.size(),
            root: newer.root().to_string(),
        };
        let text = serde_json::to_string(&last)
            .map_err(|error| failed("write", path)(std::io::Error::other(error)))?;
        let beside = path.with_extension("next");
        let mut file = fs::File::create(&beside).map_err(failed("create", &beside))?;
        file.write_all(text.as_bytes())
            .map_err(failed("write", &beside))?;
        file.sync_all().map_err(failed("flush", &beside))?;
        fs::rename(&beside, path).map_err(failed("replace", path))?;
        fs::File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("flush", &self.folder))
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> WitnessError {
    let path = path.display().to_string();
    move |source| WitnessError::File {
        doing,
        path,
        source,
    }
}

/// The name of a log's state: origins hold characters that file names cannot.
fn state_name(origin: &str) -> String {
    format!("{}.json", hex::encode(Sha256::digest(origin.as_bytes())))
}

/// What was cosigned last for this origin: the empty tree if nothing was.
fn read(path: &Path, origin: &str) -> Result<Checkpoint, WitnessError> {
    let malformed = |what: String| WitnessError::Malformed {
        path: path.display().to_string(),
        what,
    };
    let empty = || Checkpoint::new(origin, 0, super::merkle::empty_root());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return empty().map_err(|error| malformed(error.to_string()));
        }
        Err(error) => return Err(failed("read", path)(error)),
    };
    let last: Last = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    if last.origin != origin {
        return Err(malformed("it is of another log".to_owned()));
    }
    let root = Hash::from_base64(&last.root);
    let root = root.map_err(|error| malformed(error.to_string()))?;
    Checkpoint::new(origin, last.size, root).map_err(|error| malformed(error.to_string()))
}

#[cfg(test)]
mod tests;
