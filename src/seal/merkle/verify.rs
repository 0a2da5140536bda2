//! Verifies the proofs of RFC 6962: what an auditor runs.
//!
//! In come a leaf hash or an older root, the sizes and roots that the caller trusts, and a proof
//! that nobody trusts. Out comes nothing, or a [`ProofError`] that tells what does not hold. What
//! must stay true: a proof has exactly the length that the sizes demand, so that the work is
//! bounded by 65 hashes, and no size up to `u64::MAX` overflows or loops.

use thiserror::Error;

use super::{Hash, count, node_hash};

/// Why a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The leaf lies outside the tree.
    #[error("there is no leaf {index} in a tree of {size} leaves")]
    IndexOutsideTree {
        /// The 0-based index of the leaf.
        index: u64,
        /// The number of leaves.
        size: u64,
    },
    /// From the empty tree nothing can be proved: every tree extends it.
    #[error("a consistency proof from the empty tree proves nothing")]
    FromEmptyTree,
    /// The older tree is said to be the larger one.
    #[error("a tree of {old_size} leaves is no older state of a tree of {new_size} leaves")]
    SizesReversed {
        /// The number of leaves of the older tree.
        old_size: u64,
        /// The number of leaves of the newer tree.
        new_size: u64,
    },
    /// The proof has not the length that the sizes demand.
    #[error("the proof has {found} hashes instead of {expected}")]
    Length {
        /// The number of hashes that the sizes demand.
        expected: usize,
        /// The number of hashes in the proof.
        found: usize,
    },
    /// The leaf and the proof lead to another root: the leaf is not in this tree at this index.
    #[error("the proof leads to root {computed}, not to {stated}")]
    RootMismatch {
        /// The root that the proof leads to.
        computed: Hash,
        /// The root that it should lead to.
        stated: Hash,
    },
    /// The proof does not lead to the root of the older tree.
    #[error("the proof leads to old root {computed}, not to {stated}")]
    OldRootMismatch {
        /// The root that the proof leads to.
        computed: Hash,
        /// The root that it should lead to.
        stated: Hash,
    },
    /// The proof does not lead to the root of the newer tree: history was changed.
    #[error("the proof leads to new root {computed}, not to {stated}")]
    NewRootMismatch {
        /// The root that the proof leads to.
        computed: Hash,
        /// The root that it should lead to.
        stated: Hash,
    },
}

/// Checks that the leaf with this hash is at `index` in the tree of `size` leaves with this root.
/// RFC 9162, section 2.1.3.2; a proof has at most 64 hashes, so the work is bounded.
///
/// The caller computes `leaf` itself, by [`leaf_hash`](super::leaf_hash), from what it is shown.
///
/// # Errors
/// [`ProofError::IndexOutsideTree`], [`ProofError::Length`], [`ProofError::RootMismatch`].
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::IndexOutsideTree { index, size });
    }
    let shape = PathShape::of(index, size);
    let expected = shape.inner + shape.border;
    if proof.len() != expected {
        return Err(ProofError::Length {
            expected,
            found: proof.len(),
        });
    }
    let (inner, border) = proof.split_at(shape.inner);
    let computed = climb_border(climb_inner(*leaf, inner, index), border);
    if computed != *root {
        return Err(ProofError::RootMismatch {
            computed,
            stated: *root,
        });
    }
    Ok(())
}

/// Checks that the tree of `old_size` leaves with `old_root` is the beginning of the tree of
/// `new_size` leaves with `new_root`. RFC 9162, section 2.1.4.2.
///
/// Equal sizes demand equal roots and an empty proof. `old_size` 0 is always refused: such a proof
/// would prove nothing, and whoever asks for it should not be told that something was checked.
///
/// # Errors
/// [`ProofError::FromEmptyTree`], [`ProofError::SizesReversed`], [`ProofError::Length`],
/// [`ProofError::OldRootMismatch`], [`ProofError::NewRootMismatch`].
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::SizesReversed { old_size, new_size });
    }
    if old_size == 0 {
        return Err(ProofError::FromEmptyTree);
    }
    // The path climbs from the largest complete subtree that ends where the old tree ended. If
    // that is the whole old tree, its root is the old root and is not part of the proof.
    let subtree_level = old_size.trailing_zeros();
    let is_whole_old_tree = old_size.is_power_of_two();
    let shape = PathShape::of(old_size - 1, new_size);
    let inner_length = shape.inner.saturating_sub(count(subtree_level));
    let expected = match (old_size == new_size, is_whole_old_tree) {
        (true, _) => 0,
        (false, true) => inner_length + shape.border,
        (false, false) => 1 + inner_length + shape.border,
    };
    if proof.len() != expected {
        return Err(ProofError::Length {
            expected,
            found: proof.len(),
        });
    }
    let (subtree, path) = match proof.split_first() {
        // Equal sizes: nothing to climb.
        None => (*old_root, proof),
        Some(_) if is_whole_old_tree => (*old_root, proof),
        Some((subtree, path)) => (*subtree, path),
    };
    let (inner, border) = path.split_at(inner_length.min(path.len()));
    let subtree_index = (old_size - 1) >> subtree_level;
    let computed = climb_border(climb_inner_left(subtree, inner, subtree_index), border);
    if computed != *old_root {
        return Err(ProofError::OldRootMismatch {
            computed,
            stated: *old_root,
        });
    }
    let computed = climb_border(climb_inner(subtree, inner, subtree_index), border);
    if computed != *new_root {
        return Err(ProofError::NewRootMismatch {
            computed,
            stated: *new_root,
        });
    }
    Ok(())
}

/// The two parts of the way from a leaf up to the root.
struct PathShape {
    /// Levels up to where the way meets the right edge of the tree: a sibling at each of them, on
    /// either side.
    inner: usize,
    /// Siblings along the right edge, all of them to the left.
    border: usize,
}

impl PathShape {
    /// The shape for a leaf with `index < size`.
    fn of(index: u64, size: u64) -> Self {
        let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
        let above = index.checked_shr(inner).unwrap_or(0);
        Self {
            inner: count(inner),
            border: count(above.count_ones()),
        }
    }
}

/// Climbs along siblings on the side that the bits of `index` tell. `inner` has at most 64 hashes.
fn climb_inner(node: Hash, inner: &[Hash], index: u64) -> Hash {
    inner
        .iter()
        .enumerate()
        .fold(node, |node, (level, sibling)| {
            if (index >> level) & 1 == 0 {
                node_hash(&node, sibling)
            } else {
                node_hash(sibling, &node)
            }
        })
}

/// Climbs along the siblings to the left only: what lies to the right came after the old tree.
fn climb_inner_left(node: Hash, inner: &[Hash], index: u64) -> Hash {
    let left = inner
        .iter()
        .enumerate()
        .filter(|(level, _)| (index >> level) & 1 == 1);
    left.fold(node, |node, (_, sibling)| node_hash(sibling, &node))
}

/// Climbs along the right edge, where every sibling is to the left.
fn climb_border(node: Hash, border: &[Hash]) -> Hash {
    border
        .iter()
        .fold(node, |node, sibling| node_hash(sibling, &node))
}
