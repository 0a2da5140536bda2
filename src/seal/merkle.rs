//! The Merkle tree of RFC 6962, section 2.1 (the same tree as in RFC 9162, section 2.1).
//!
//! In come leaves, in order, or a [`HashSource`] that knows the roots of complete subtrees. Out go
//! roots, inclusion proofs and consistency proofs, and for a given proof the verdict whether it
//! holds. Building may fail because a stored hash is missing ([`TreeError`]: a fault of storage or
//! of the caller); verifying may fail because the proof does not hold ([`ProofError`]: what an
//! auditor must be told). What must stay true: leaves and inner nodes are hashed with different
//! prefixes, so that neither can pass for the other; a proof has exactly the length that its sizes
//! demand; and no size up to `u64::MAX` overflows, loops or panics.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::excerpt;
use crate::model::entry;

mod verify;

pub use verify::{ProofError, verify_consistency, verify_inclusion};

/// Bytes of a SHA-256 hash.
pub const HASH_BYTES: usize = 32;

/// The size of the largest tree that is built, 2^63 - 1: positions are `i64` in the databases and
/// in most other implementations. At a thousand million leaves a second it would take 292 years to
/// get there, so appending does not check for it. Verification accepts every `u64`.
pub const MAX_TREE_SIZE: u64 = i64::MAX as u64;

/// Prefix of the input of an inner node's hash (RFC 6962, section 2.1).
const NODE_PREFIX: u8 = 0x01;
/// Characters of a hash in padded base64: four for every three bytes begun.
const HASH_BASE64_CHARACTERS: usize = HASH_BYTES.div_ceil(3) * 4;

/// A SHA-256 hash of a leaf, of a node or of a whole tree.
///
/// `Display` writes base64, as in checkpoints and proofs; `{:x}` writes hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; HASH_BYTES]);

impl Hash {
    /// The 32 bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// Reads padded standard base64 (RFC 4648, section 4), the only spelling that `Display` writes.
    ///
    /// # Errors
    /// [`HashError`] when the text has another length, other characters or stray bits at its end.
    pub fn from_base64(text: &str) -> Result<Self, HashError> {
        if text.len() != HASH_BASE64_CHARACTERS {
            return Err(HashError::Length {
                bytes: text.len(),
                text: excerpt(text),
            });
        }
        let bytes = BASE64_STANDARD
            .decode(text)
            .map_err(|source| HashError::Base64 {
                text: excerpt(text),
                source,
            })?;
        Self::try_from(bytes.as_slice())
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = HashError;

    fn try_from(bytes: &[u8]) -> Result<Self, HashError> {
        let hash = <[u8; HASH_BYTES]>::try_from(bytes);
        hash.map(Self).map_err(|_| HashError::Length {
            bytes: bytes.len(),
            text: hex::encode(&bytes[..bytes.len().min(HASH_BYTES)]),
        })
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::LowerHex for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hash({self})")
    }
}

/// Why a text or a byte string is not a hash.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HashError {
    /// Not 44 base64 characters or not 32 bytes.
    #[error("a hash has 32 bytes or 44 base64 characters, not {bytes}: {text:?}")]
    Length {
        /// Length of what was given.
        bytes: usize,
        /// Its beginning (bytes as hexadecimal).
        text: String,
    },
    /// Not canonical standard base64.
    #[error("not a base64 hash: {text:?}")]
    Base64 {
        /// The text.
        text: String,
        /// What the decoder found.
        source: base64::DecodeError,
    },
}

/// Hash of a leaf: SHA-256(0x00 || bytes). RFC 6962, section 2.1.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Hash(entry::leaf_hash(leaf))
}

/// Hash of an inner node: SHA-256(0x01 || left || right). RFC 6962, section 2.1.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    // One buffer on the stack and one call: this is the hot path of every append.
    let mut input = [NODE_PREFIX; 1 + 2 * HASH_BYTES];
    input[1..=HASH_BYTES].copy_from_slice(&left.0);
    input[1 + HASH_BYTES..].copy_from_slice(&right.0);
    Hash(Sha256::digest(input).into())
}

/// Root of the tree without leaves: SHA-256 of nothing. RFC 6962, section 2.1.
#[must_use]
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// Root of the tree that has these leaf hashes, and only these.
#[must_use]
pub fn root_of_leaves(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    frontier.extend(leaves.iter().copied());
    frontier.root()
}

/// The right edge of a growing tree, as a compact range: the roots of the complete subtrees into
/// which a tree of this size falls, the largest first. It is all that is needed to append and to
/// know the root; at most 63 hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// One root for each bit that is set in `size`, the highest bit first.
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Restores a frontier from its stored parts.
    ///
    /// The hashes cannot be checked here; the caller compares [`Frontier::root`] with a checkpoint
    /// that it trusts.
    ///
    /// # Errors
    /// [`TreeError::SizeTooLarge`] and [`TreeError::FrontierLength`] when the parts do not belong
    /// together.
    pub fn from_parts(size: u64, subtrees: Vec<Hash>) -> Result<Self, TreeError> {
        if size > MAX_TREE_SIZE {
            return Err(TreeError::SizeTooLarge { size });
        }
        let expected = count(size.count_ones());
        if subtrees.len() != expected {
            return Err(TreeError::FrontierLength {
                size,
                expected,
                found: subtrees.len(),
            });
        }
        Ok(Self { size, subtrees })
    }

    /// The roots of the complete subtrees, the largest first: what has to be stored, with the size.
    #[must_use]
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf by its hash. A leaf costs one node hash on average.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Adding one carries through the low set bits of the size; each carry joins two subtrees
        // of equal height.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.subtrees.push(node);
        self.size += 1;
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let from_right = self.subtrees.iter().rev().copied();
        from_right
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(empty_root)
    }
}

impl Extend<Hash> for Frontier {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        for leaf in leaves {
            self.push(leaf);
        }
    }
}

/// Why a root or a proof could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TreeError {
    /// The leaf lies outside the tree.
    #[error("there is no leaf {index} in a tree of {size} leaves")]
    IndexOutsideTree {
        /// The 0-based index of the leaf.
        index: u64,
        /// The number of leaves.
        size: u64,
    },
    /// A proof from the empty tree would prove nothing (RFC 6962, section 2.1.2: 0 < m).
    #[error("there is no consistency proof from the empty tree")]
    FromEmptyTree,
    /// The older tree is said to be the larger one.
    #[error("a tree of {old_size} leaves is no older state of a tree of {new_size} leaves")]
    SizesReversed {
        /// The number of leaves of the older tree.
        old_size: u64,
        /// The number of leaves of the newer tree.
        new_size: u64,
    },
    /// The tree is larger than [`MAX_TREE_SIZE`].
    #[error("a tree of {size} leaves is too large")]
    SizeTooLarge {
        /// The number of leaves.
        size: u64,
    },
    /// The stored frontier does not fit its size.
    #[error("the frontier of a tree of {size} leaves has {expected} hashes, not {found}")]
    FrontierLength {
        /// The number of leaves.
        size: u64,
        /// The number of hashes that the size demands.
        expected: usize,
        /// The number of hashes that were given.
        found: usize,
    },
    /// The leaves beyond the last full tile do not fit the size.
    #[error("a tree of {size} leaves has {expected} leaves beyond its last full tile, not {found}")]
    TailLength {
        /// The number of leaves.
        size: u64,
        /// The number of leaf hashes that the size demands.
        expected: u64,
        /// The number of leaf hashes that were given.
        found: usize,
    },
    /// The source does not know the root of a complete subtree.
    #[error("the hash of subtree {index} at level {level} is not available")]
    SubtreeUnavailable {
        /// Height of the subtree; 0 is a leaf.
        level: u32,
        /// Index of the subtree within its level.
        index: u64,
    },
    /// A full tile that the tree needs is not there.
    #[error("hash tile {index} of level {level} is not available")]
    TileUnavailable {
        /// Level of the tile.
        level: u8,
        /// Index of the tile within its level.
        index: u64,
    },
    /// A stored tile has the wrong length.
    #[error("hash tile {index} of level {level} has {bytes} bytes instead of 8192")]
    TileLength {
        /// Level of the tile.
        level: u8,
        /// Index of the tile within its level.
        index: u64,
        /// The number of bytes found.
        bytes: usize,
    },
}

/// Knows the roots of complete subtrees, from which every root and every proof can be made.
pub trait HashSource {
    /// The root of the complete subtree over the leaves from `index << level` up to, and without,
    /// `(index + 1) << level`.
    ///
    /// # Errors
    /// [`TreeError`] when the source does not hold the subtree.
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, TreeError>;

    /// The root of the first `size` leaves. RFC 6962, section 2.1.
    ///
    /// # Errors
    /// As [`HashSource::subtree`].
    fn root_of(&self, size: u64) -> Result<Hash, TreeError> {
        range_root(self, 0, size)
    }

    /// The audit path of a leaf in the tree of the first `size` leaves, from the leaf's sibling up
    /// to the root's child. RFC 6962, section 2.1.1.
    ///
    /// # Errors
    /// [`TreeError::IndexOutsideTree`], and as [`HashSource::subtree`].
    fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, TreeError> {
        if index >= size {
            return Err(TreeError::IndexOutsideTree { index, size });
        }
        let mut proof = Vec::new();
        let (mut start, mut width) = (0, size);
        while width > 1 {
            let left_width = split(width);
            let right_width = width - left_width;
            if index - start < left_width {
                proof.push(range_root(self, start + left_width, right_width)?);
                width = left_width;
            } else {
                proof.push(range_root(self, start, left_width)?);
                start += left_width;
                width = right_width;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    /// The proof that the first `old_size` leaves are the beginning of the first `new_size` leaves.
    /// RFC 6962, section 2.1.2; empty for equal sizes.
    ///
    /// # Errors
    /// [`TreeError::FromEmptyTree`], [`TreeError::SizesReversed`], and as [`HashSource::subtree`].
    fn consistency_proof(&self, old_size: u64, new_size: u64) -> Result<Vec<Hash>, TreeError> {
        if old_size == 0 {
            return Err(TreeError::FromEmptyTree);
        }
        if old_size > new_size {
            return Err(TreeError::SizesReversed { old_size, new_size });
        }
        let mut proof = Vec::new();
        let (mut start, mut width, mut old_width) = (0, new_size, old_size);
        // While the subtree starts at the left edge and ends where the old tree ended, the verifier
        // already has its root: it is the old root.
        let mut root_is_known = true;
        while old_width < width {
            let left_width = split(width);
            let right_width = width - left_width;
            if old_width <= left_width {
                proof.push(range_root(self, start + left_width, right_width)?);
                width = left_width;
            } else {
                proof.push(range_root(self, start, left_width)?);
                start += left_width;
                width = right_width;
                old_width -= left_width;
                root_is_known = false;
            }
        }
        if !root_is_known {
            proof.push(range_root(self, start, width)?);
        }
        proof.reverse();
        Ok(proof)
    }
}

/// Leaf hashes in memory as a source, for small trees and for tests: a subtree is hashed anew
/// each time that it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct LeafHashes<'a>(pub &'a [Hash]);

impl HashSource for LeafHashes<'_> {
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, TreeError> {
        leaf_range(level, index)
            .and_then(|(start, end)| {
                self.0
                    .get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
            })
            .map(root_of_leaves)
            .ok_or(TreeError::SubtreeUnavailable { level, index })
    }
}

/// The first leaf of a subtree and the first leaf behind it, unless they exceed a `u64`.
pub(super) fn leaf_range(level: u32, index: u64) -> Option<(u64, u64)> {
    let width = 1_u64.checked_shl(level)?;
    let start = index.checked_mul(width)?;
    Some((start, start.checked_add(width)?))
}

/// The root over a range of leaves that begins at a multiple of the power of two at or above its
/// width, as all ranges do into which RFC 6962 divides a tree.
fn range_root<S>(source: &S, start: u64, width: u64) -> Result<Hash, TreeError>
where
    S: HashSource + ?Sized,
{
    let mut root: Option<Hash> = None;
    let mut rest = width;
    // From the right, where the smallest complete subtree lies, to the left.
    while rest != 0 {
        let level = rest.trailing_zeros();
        rest &= rest - 1;
        let left = source.subtree(level, (start + rest) >> level)?;
        root = Some(root.map_or(left, |right| node_hash(&left, &right)));
    }
    Ok(root.unwrap_or_else(empty_root))
}

/// The largest power of two below `width`, where RFC 6962 splits a tree. `width` is at least 2.
fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// A number of bits as a number of hashes. It is at most 64, so that nothing is lost.
const fn count(bits: u32) -> usize {
    bits as usize
}

#[cfg(test)]
mod tests;
