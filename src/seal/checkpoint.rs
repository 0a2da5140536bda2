//! Checkpoints: signed tree heads (C2SP tlog-checkpoint, <https://c2sp.org/tlog-checkpoint>).
//!
//! In comes the size and the root of a log, or a note that claims them. Out goes a note that the
//! log's key signed, or the [`Checkpoint`] that a trusted key is known to have signed. A note is
//! refused, with a [`CheckpointError`], when no trusted key signed it, when a signature of a trusted
//! key does not fit, when its origin is not the name of that key, or when a line is not spelled in
//! the one permitted way. What must stay true: a checkpoint that was read from a note was verified;
//! [`Checkpoint::body`] gives back exactly the text that was signed; and signatures by unknown keys
//! (witnesses, other keys of the log) neither help nor harm.
//!
//! The origin of a log is the name of its key. The specification only recommends that; here it is
//! demanded, so that no key can speak for another log.

use signed_note::{Note, NoteError, Signature, Signer, VerificationError, Verifier, Verifiers};
use thiserror::Error;

use super::keys::{SigningKey, VerifierKey, is_name};
use super::merkle::{Hash, HashError, empty_root};
use super::{decimal, excerpt};

/// The longest note that is read, in bytes. A checkpoint has about 200 bytes, a cosignature about
/// 150; even sixteen post-quantum cosignatures of 5 kB stay far below.
pub const MAX_NOTE_BYTES: usize = 1_000_000;

/// The head of a log: its name, the number of its leaves, and their root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
    /// Kept so that the signed text can be written again; nothing here reads them.
    extensions: Vec<String>,
}

/// Why a checkpoint was refused.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The note is longer than [`MAX_NOTE_BYTES`].
    #[error("a checkpoint has at most 1000000 bytes, not {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The note is not UTF-8, has control characters, or its signature lines are misspelled.
    #[error("not a signed note")]
    Malformed {
        /// What the note reader says.
        source: NoteError,
    },
    /// None of the trusted keys signed the note.
    #[error("none of the trusted keys signed the checkpoint: {}", trusted.join(", "))]
    UnknownKey {
        /// The trusted keys, as verifier keys.
        trusted: Vec<String>,
    },
    /// A signature in the name of a trusted key was not made by it: the note was changed.
    #[error("the signature of {name}+{key_id:08x} does not fit the checkpoint")]
    BadSignature {
        /// Name of the key.
        name: String,
        /// Identifier of the key.
        key_id: u32,
    },
    /// Two different trusted keys have one name and one identifier.
    #[error("two trusted keys are called {name}+{key_id:08x}")]
    AmbiguousKey {
        /// Name of the keys.
        name: String,
        /// Identifier of the keys.
        key_id: u32,
    },
    /// The key that signs is not the key of this log.
    #[error("the key of {} does not speak for the log {origin:?}", keys.join(", "))]
    WrongOrigin {
        /// The origin in the checkpoint.
        origin: String,
        /// The names of the keys that signed.
        keys: Vec<String>,
    },
    /// The origin cannot be the name of a key.
    #[error("{origin:?} cannot be the origin of a log")]
    Origin {
        /// The origin, or its beginning.
        origin: String,
    },
    /// The body lacks a line or does not end its last line.
    #[error("the checkpoint has no complete {line} line")]
    MissingLine {
        /// Which line.
        line: &'static str,
    },
    /// The size is not the one decimal spelling of a `u64`.
    #[error("{text:?} is not a tree size")]
    Size {
        /// The text, or its beginning.
        text: String,
    },
    /// The root is not base64 of 32 bytes.
    #[error("the checkpoint has no root hash")]
    Root {
        /// What does not fit.
        source: HashError,
    },
    /// The tree is said to be empty, but its root is not that of the empty tree.
    #[error("an empty tree cannot have the root {root}")]
    EmptyTreeRoot {
        /// The root that was given.
        root: Hash,
    },
    /// An extension line is empty or has control characters.
    #[error("{line:?} is not an extension line")]
    Extension {
        /// The line, or its beginning.
        line: String,
    },
    /// The signature could not be made.
    #[error("the checkpoint could not be signed")]
    Signing {
        /// What the note writer says.
        source: NoteError,
    },
}

impl Checkpoint {
    /// A checkpoint to be signed.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`], [`CheckpointError::EmptyTreeRoot`].
    pub fn new(origin: &str, size: u64, root: Hash) -> Result<Self, CheckpointError> {
        if !is_name(origin) {
            return Err(CheckpointError::Origin {
                origin: excerpt(origin),
            });
        }
        if size == 0 && root != empty_root() {
            return Err(CheckpointError::EmptyTreeRoot { root });
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
            extensions: Vec::new(),
        })
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over these leaves.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.root
    }

    /// Further lines of the body. The specification knows no meaning for them, and neither do we.
    #[must_use]
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// The text that is signed: origin, size, root and extensions, a line each.
    #[must_use]
    pub fn body(&self) -> String {
        let mut body = format!("{}\n{}\n{}\n", self.origin, self.size, self.root);
        for extension in &self.extensions {
            body.push_str(extension);
            body.push('\n');
        }
        body
    }

    /// Reads the text that is signed. It verifies no signature: see [`Checkpoint::open`].
    ///
    /// # Errors
    /// All errors about lines.
    pub fn from_body(body: &str) -> Result<Self, CheckpointError> {
        let mut rest = body;
        let mut next = |line| {
            let (found, after) = rest
                .split_once('\n')
                .ok_or(CheckpointError::MissingLine { line })?;
            rest = after;
            Ok(found)
        };
        let origin = next("origin")?;
        let size = next("size")?;
        let root = next("root")?;
        let size = decimal(size).ok_or_else(|| CheckpointError::Size {
            text: excerpt(size),
        })?;
        let root = Hash::from_base64(root).map_err(|source| CheckpointError::Root { source })?;
        let mut checkpoint = Self::new(origin, size, root)?;
        while !rest.is_empty() {
            let (line, after) = rest
                .split_once('\n')
                .ok_or(CheckpointError::MissingLine { line: "extension" })?;
            if line.is_empty() || line.contains(|character| character < ' ') {
                return Err(CheckpointError::Extension {
                    line: excerpt(line),
                });
            }
            checkpoint.extensions.push(line.to_owned());
            rest = after;
        }
        Ok(checkpoint)
    }

    /// Signs the checkpoint: the bytes of a note with one signature.
    ///
    /// Whoever calls this makes sure that the checkpoint extends every one that this key signed
    /// before. Nothing here can know that.
    ///
    /// # Errors
    /// [`CheckpointError::WrongOrigin`] when the key is not named like the log,
    /// [`CheckpointError::Signing`].
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, CheckpointError> {
        self.sign_all(&[key])
    }

    /// The same with several keys of one log, a signature line each, in their order: while a log
    /// changes its key, all of them sign.
    ///
    /// # Errors
    /// As [`Checkpoint::sign`].
    pub fn sign_all(&self, keys: &[&SigningKey]) -> Result<Vec<u8>, CheckpointError> {
        let names = keys.iter().map(|key| key.verifier_key().name());
        if keys.is_empty() || names.clone().any(|name| name != self.origin) {
            return Err(CheckpointError::WrongOrigin {
                origin: self.origin.clone(),
                keys: names.map(str::to_owned).collect(),
            });
        }
        let signing = |source| CheckpointError::Signing { source };
        let mut note = Note::new(self.body().as_bytes(), &[]).map_err(signing)?;
        let signers: Vec<&dyn Signer> = keys.iter().map(|key| *key as &dyn Signer).collect();
        note.add_sigs(&signers).map_err(signing)?;
        Ok(note.to_bytes())
    }

    /// Reads a note and verifies that one of these keys signed it for its own log.
    ///
    /// Several keys are given while a log changes its key. Signatures by other keys are ignored,
    /// as the specification demands; a signature by one of these keys that does not fit is not.
    ///
    /// # Errors
    /// All of [`CheckpointError`] except [`CheckpointError::Signing`].
    pub fn open(note: &[u8], keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        Self::open_all(note, keys).map(|opened| opened.checkpoint)
    }

    /// The same, with the keys that did sign it, and the signatures of others.
    pub(super) fn open_all(note: &[u8], keys: &[VerifierKey]) -> Result<Opened, CheckpointError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(CheckpointError::TooLong { bytes: note.len() });
        }
        let note =
            Note::from_bytes(note).map_err(|source| CheckpointError::Malformed { source })?;
        let trusted = TrustedKeys(keys);
        let (signatures, others) = note
            .verify(&trusted)
            .map_err(|error| trusted.refusal(error))?;
        // The text is looked at only now that it is known to be signed.
        let body = str::from_utf8(note.text()).map_err(|_| CheckpointError::Malformed {
            source: NoteError::MalformedNote,
        })?;
        let checkpoint = Self::from_body(body)?;
        if !signatures
            .iter()
            .any(|signature| signature.name() == checkpoint.origin)
        {
            let keys = signatures
                .iter()
                .map(|signature| signature.name().to_owned())
                .collect();
            return Err(CheckpointError::WrongOrigin {
                origin: checkpoint.origin,
                keys,
            });
        }
        let made_by = |signature: &Signature, key: &VerifierKey| {
            signature.name() == key.name() && signature.id() == key.key_id()
        };
        let mut signed_by: Vec<VerifierKey> = Vec::with_capacity(signatures.len());
        for key in keys.iter().filter(|key| key.name() == checkpoint.origin) {
            if signatures.iter().any(|one| made_by(one, key)) && !signed_by.contains(key) {
                signed_by.push(key.clone());
            }
        }
        Ok(Opened {
            checkpoint,
            signed_by,
            others,
        })
    }
}

/// A checkpoint that was read from a note.
pub(super) struct Opened {
    /// The checkpoint.
    pub(super) checkpoint: Checkpoint,
    /// The keys of its log that signed it, in the order in which they were given.
    pub(super) signed_by: Vec<VerifierKey>,
    /// Signatures of other keys, of which nothing was verified: those of witnesses are among them.
    pub(super) others: Vec<Signature>,
}

/// The keys that a reader trusts. A key that is listed twice counts once.
struct TrustedKeys<'a>(&'a [VerifierKey]);

impl Verifiers for TrustedKeys<'_> {
    fn verifier(&self, name: &str, id: u32) -> Result<&dyn Verifier, VerificationError> {
        let mut matching = self
            .0
            .iter()
            .filter(|key| key.name() == name && key.key_id() == id);
        let Some(key) = matching.next() else {
            return Err(VerificationError::UnknownKey {
                name: name.to_owned(),
                id,
            });
        };
        if matching.any(|other| other != key) {
            return Err(VerificationError::AmbiguousKey {
                name: name.to_owned(),
                id,
            });
        }
        Ok(key.verifier())
    }
}

impl TrustedKeys<'_> {
    /// Tells why no signature was accepted.
    fn refusal(&self, error: NoteError) -> CheckpointError {
        match error {
            NoteError::UnverifiedNote => CheckpointError::UnknownKey {
                trusted: self.0.iter().map(ToString::to_string).collect(),
            },
            NoteError::InvalidSignature { name, id } => {
                CheckpointError::BadSignature { name, key_id: id }
            }
            NoteError::VerificationError(VerificationError::AmbiguousKey { name, id }) => {
                CheckpointError::AmbiguousKey { name, key_id: id }
            }
            source => CheckpointError::Malformed { source },
        }
    }
}

#[cfg(test)]
mod tests;
