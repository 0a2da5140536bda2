//! The proof that an auditor keeps (C2SP tlog-proof, <https://c2sp.org/tlog-proof>): a text that
//! shows, offline and without asking the server, that an entry is in the log.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>              optional, not authenticated
//! index <0-based position>
//! <base64 hash>               the audit path of RFC 6962, section 2.1.1, from the leaf upwards
//! ...
//!                             an empty line
//! <checkpoint>                the signed note, as it is
//! ```
//!
//! In comes an index, an audit path and a signed checkpoint; out goes the text. The other way: in
//! comes a text, the entry that it is about, and the keys that the reader trusts; out goes the
//! verified checkpoint. A text is refused, with a [`TlogProofError`], when it is not spelled in the
//! one permitted way or exceeds a limit, when its checkpoint is not signed by a trusted key, or when
//! the path does not lead from this entry to the checkpoint's root. What must stay true: the leaf
//! hash is computed from the entry that the reader holds, and size and root are taken from the
//! verified checkpoint only.
//!
//! Stricter than the specification: at most 63 hashes (a tree of up to 2^63 - 1 leaves, the largest
//! that most logs can hold), at most 64 KiB of extra data, and no empty `extra` line. Cosignatures
//! of witnesses stay in the text and are the business of the reader's policy.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use thiserror::Error;

use super::checkpoint::{Checkpoint, CheckpointError, MAX_NOTE_BYTES};
use super::keys::VerifierKey;
use super::merkle::{Hash, HashError, ProofError, leaf_hash, verify_inclusion};
use super::{decimal, excerpt};

/// The first line, which names the format and its version.
pub const PROOF_HEADER: &str = "c2sp.org/tlog-proof@v1";
/// The recommended ending of file names.
pub const PROOF_FILE_EXTENSION: &str = "tlog-proof";
/// The most hashes in a proof: the height of a tree of 2^63 - 1 leaves.
pub const MAX_PROOF_HASHES: usize = 63;
/// The most bytes of extra data.
pub const MAX_EXTRA_BYTES: usize = 65_536;

/// What the lines before the checkpoint take at most: generously, since every line is checked on
/// its own (header 23, extra 87,391, index 27, hashes 63 * 45 bytes).
const MAX_HEAD_BYTES: usize = 100_000;
/// The longest text that is read.
pub const MAX_PROOF_BYTES: usize = MAX_HEAD_BYTES + MAX_NOTE_BYTES;

/// A proof as it was read or made. Nothing in it is verified before [`TlogProof::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    index: u64,
    hashes: Vec<Hash>,
    extra: Option<Vec<u8>>,
    checkpoint: String,
}

/// Why a proof was refused.
#[derive(Debug, Error)]
pub enum TlogProofError {
    /// The text is longer than [`MAX_PROOF_BYTES`].
    #[error("a proof has at most 1100000 bytes, not {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The text is not UTF-8.
    #[error("the proof is not UTF-8")]
    NotUtf8 {
        /// Where it stops to be.
        source: std::str::Utf8Error,
    },
    /// The first line is another one.
    #[error("a proof begins with {PROOF_HEADER:?}, not with {found:?}")]
    Header {
        /// The first line, or its beginning.
        found: String,
    },
    /// The text ends before the line that is named.
    #[error("the proof ends before its {line}")]
    MissingLine {
        /// What is missing.
        line: &'static str,
    },
    /// The extra data is not base64.
    #[error("the extra data is not base64: {text:?}")]
    Extra {
        /// The text, or its beginning.
        text: String,
        /// What the decoder found.
        source: base64::DecodeError,
    },
    /// The extra data is empty or longer than [`MAX_EXTRA_BYTES`].
    #[error("extra data has 1 to 65536 bytes, not {bytes}")]
    ExtraLength {
        /// Its length.
        bytes: usize,
    },
    /// The index line is not `index <decimal>`.
    #[error("{text:?} is not an index line")]
    Index {
        /// The line, or its beginning.
        text: String,
    },
    /// A line of the path is not a hash.
    #[error("line {number} of the path is not a hash")]
    Hash {
        /// 1-based number of the line within the path.
        number: usize,
        /// What does not fit.
        source: HashError,
    },
    /// The path has more than [`MAX_PROOF_HASHES`] hashes.
    #[error("a proof has at most 63 hashes, not {hashes}")]
    TooManyHashes {
        /// How many there are; reading stops at the first that is too many.
        hashes: usize,
    },
    /// The checkpoint is longer than [`MAX_NOTE_BYTES`].
    #[error("a checkpoint has at most 1000000 bytes, not {bytes}")]
    CheckpointTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The checkpoint was refused.
    #[error("the checkpoint of the proof was refused")]
    Checkpoint(#[from] CheckpointError),
    /// The path does not lead from the entry to the checkpoint's root.
    #[error("the proof does not hold for this entry")]
    Inclusion(#[from] ProofError),
}

impl TlogProof {
    /// Puts a proof together. `checkpoint` is the signed note, taken over byte by byte.
    ///
    /// # Errors
    /// [`TlogProofError::TooManyHashes`], [`TlogProofError::ExtraLength`],
    /// [`TlogProofError::CheckpointTooLong`], [`TlogProofError::NotUtf8`].
    pub fn new(
        index: u64,
        hashes: Vec<Hash>,
        extra: Option<Vec<u8>>,
        checkpoint: &[u8],
    ) -> Result<Self, TlogProofError> {
        if hashes.len() > MAX_PROOF_HASHES {
            return Err(TlogProofError::TooManyHashes {
                hashes: hashes.len(),
            });
        }
        if let Some(extra) = &extra
            && (extra.is_empty() || extra.len() > MAX_EXTRA_BYTES)
        {
            return Err(TlogProofError::ExtraLength { bytes: extra.len() });
        }
        if checkpoint.len() > MAX_NOTE_BYTES {
            return Err(TlogProofError::CheckpointTooLong {
                bytes: checkpoint.len(),
            });
        }
        let checkpoint =
            str::from_utf8(checkpoint).map_err(|source| TlogProofError::NotUtf8 { source })?;
        Ok(Self {
            index,
            hashes,
            extra,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// The 0-based position of the entry.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The audit path, from the leaf's sibling up to the root's child.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Data with a meaning of the application's own. It is never authenticated, not even by
    /// [`TlogProof::verify`].
    #[must_use]
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// The signed note, as it is: for the signatures of witnesses.
    #[must_use]
    pub fn checkpoint_note(&self) -> &str {
        &self.checkpoint
    }

    /// Reads a proof. `Display` writes it again as the same bytes.
    ///
    /// # Errors
    /// All of [`TlogProofError`] that are about form.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > MAX_PROOF_BYTES {
            return Err(TlogProofError::TooLong { bytes: bytes.len() });
        }
        let text = str::from_utf8(bytes).map_err(|source| TlogProofError::NotUtf8 { source })?;
        let (header, rest) = line(text, "first line")?;
        if header != PROOF_HEADER {
            return Err(TlogProofError::Header {
                found: excerpt(header),
            });
        }
        let (mut index, mut rest) = line(rest, "index line")?;
        let mut extra = None;
        if let Some(encoded) = index.strip_prefix("extra ") {
            let decoded =
                BASE64_STANDARD
                    .decode(encoded)
                    .map_err(|source| TlogProofError::Extra {
                        text: excerpt(encoded),
                        source,
                    })?;
            extra = Some(decoded);
            (index, rest) = line(rest, "index line")?;
        }
        let index = index
            .strip_prefix("index ")
            .and_then(decimal)
            .ok_or_else(|| TlogProofError::Index {
                text: excerpt(index),
            })?;
        let (hashes, checkpoint) = path(rest)?;
        Self::new(index, hashes, extra, checkpoint.as_bytes())
    }

    /// Verifies that `leaf`, the exact bytes of the entry, is in the log whose key is among
    /// `keys`, at [`TlogProof::index`], and returns the checkpoint that says so.
    ///
    /// # Errors
    /// [`TlogProofError::Checkpoint`], [`TlogProofError::Inclusion`].
    pub fn verify(&self, leaf: &[u8], keys: &[VerifierKey]) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = Checkpoint::open(self.checkpoint.as_bytes(), keys)?;
        let leaf = leaf_hash(leaf);
        verify_inclusion(
            &leaf,
            self.index,
            checkpoint.size(),
            &self.hashes,
            checkpoint.root(),
        )?;
        Ok(checkpoint)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{PROOF_HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(formatter, "extra {}", BASE64_STANDARD.encode(extra))?;
        }
        writeln!(formatter, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(formatter, "{hash}")?;
        }
        write!(formatter, "\n{}", self.checkpoint)
    }
}

/// Takes one line. Only a newline ends it: a carriage return would be a second spelling.
fn line<'a>(text: &'a str, name: &'static str) -> Result<(&'a str, &'a str), TlogProofError> {
    text.split_once('\n')
        .ok_or(TlogProofError::MissingLine { line: name })
}

/// Takes the audit path and the empty line behind it; what is left is the checkpoint.
fn path(text: &str) -> Result<(Vec<Hash>, &str), TlogProofError> {
    let mut hashes = Vec::new();
    let mut rest = text;
    loop {
        let (found, after) = line(rest, "checkpoint")?;
        rest = after;
        if found.is_empty() {
            return Ok((hashes, rest));
        }
        let number = hashes.len() + 1;
        if number > MAX_PROOF_HASHES {
            return Err(TlogProofError::TooManyHashes { hashes: number });
        }
        let hash =
            Hash::from_base64(found).map_err(|source| TlogProofError::Hash { number, source })?;
        hashes.push(hash);
    }
}

#[cfg(test)]
mod tests;
