//! Whether a log extends a checkpoint that somebody kept (RFC 6962, section 2.1.2).
//!
//! In come an older checkpoint, which the reader trusts, a newer one, which a trusted key signed,
//! and a proof that nobody trusts. Out goes nothing, or a [`ConsistencyError`] that tells which of
//! three things happened: the log is shorter than it was, two different logs of one size were
//! signed, or the beginning of the log is not what it was. What must stay true: sizes and roots
//! come from the checkpoints alone.

use thiserror::Error;

use super::checkpoint::Checkpoint;
use super::merkle::{Hash, ProofError, verify_consistency};

/// Why a log does not extend a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConsistencyError {
    /// The checkpoints are of two logs.
    #[error("the kept checkpoint is of the log {kept}, this is the log {found}")]
    OtherLog {
        /// Origin of the kept checkpoint.
        kept: String,
        /// Origin of the newer one.
        found: String,
    },
    /// The log is shorter than it was.
    #[error(
        "rollback: the kept checkpoint covers {kept} entries, the log has {found}: this is an older copy, or its end was cut off"
    )]
    RolledBack {
        /// Entries that the kept checkpoint covers.
        kept: u64,
        /// Entries that the log has.
        found: u64,
    },
    /// Two checkpoints of one size have two roots.
    #[error(
        "fork: two different logs of {size} entries were signed, with the roots {kept} and {found}"
    )]
    Forked {
        /// The size of both.
        size: u64,
        /// The root of the kept checkpoint.
        kept: Hash,
        /// The root of the other.
        found: Hash,
    },
    /// The newer log does not begin with the older one.
    #[error(
        "rewritten history: the log has {found} entries, but its first {kept} are not those of the kept checkpoint"
    )]
    Rewritten {
        /// Entries that the kept checkpoint covers.
        kept: u64,
        /// Entries that the log has.
        found: u64,
        /// What the proof leads to.
        source: ProofError,
    },
}

/// Verifies that `newer` extends `kept`, by a consistency proof (of no hashes when the sizes are
/// equal). Everything extends the empty log.
///
/// # Errors
/// See [`ConsistencyError`].
pub fn check_extension(
    kept: &Checkpoint,
    newer: &Checkpoint,
    proof: &[Hash],
) -> Result<(), ConsistencyError> {
    if kept.origin() != newer.origin() {
        return Err(ConsistencyError::OtherLog {
            kept: kept.origin().to_owned(),
            found: newer.origin().to_owned(),
        });
    }
    if newer.size() < kept.size() {
        return Err(ConsistencyError::RolledBack {
            kept: kept.size(),
            found: newer.size(),
        });
    }
    if newer.size() == kept.size() && newer.root() != kept.root() {
        return Err(ConsistencyError::Forked {
            size: kept.size(),
            kept: *kept.root(),
            found: *newer.root(),
        });
    }
    if kept.size() == 0 {
        return Ok(());
    }
    verify_consistency(kept.size(), kept.root(), newer.size(), newer.root(), proof).map_err(
        |source| ConsistencyError::Rewritten {
            kept: kept.size(),
            found: newer.size(),
            source,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::merkle::{HashSource, LeafHashes, leaf_hash};

    fn leaves(count: u64, changed: Option<u64>) -> Vec<Hash> {
        let leaf = |index| {
            let of = if changed == Some(index) {
                "other"
            } else {
                "leaf"
            };
            leaf_hash(format!("{of} {index}").as_bytes())
        };
        (0..count).map(leaf).collect()
    }

    fn head(leaves: &[Hash], size: u64) -> Checkpoint {
        let root = LeafHashes(leaves).root_of(size).unwrap();
        Checkpoint::new("ledger.example/county", size, root).unwrap()
    }

    #[test]
    fn every_size_extends_every_smaller_one() {
        let all = leaves(40, None);
        for newer in 0..=40 {
            for kept in 0..=newer {
                let proof = if kept == 0 {
                    Vec::new()
                } else {
                    LeafHashes(&all).consistency_proof(kept, newer).unwrap()
                };
                check_extension(&head(&all, kept), &head(&all, newer), &proof).unwrap();
            }
        }
    }

    #[test]
    fn a_rollback_a_fork_and_a_rewritten_history_are_told_apart() {
        let (all, other) = (leaves(40, None), leaves(40, Some(3)));
        let judged = |kept: &Checkpoint, newer: &Checkpoint| {
            let proof = LeafHashes(&other).consistency_proof(kept.size(), newer.size());
            check_extension(kept, newer, &proof.unwrap_or_default()).unwrap_err()
        };
        let kept = head(&all, 20);
        let refused = judged(&kept, &head(&other, 19));
        assert!(matches!(
            refused,
            ConsistencyError::RolledBack {
                kept: 20,
                found: 19
            }
        ));
        let refused = judged(&kept, &head(&other, 20));
        assert!(matches!(refused, ConsistencyError::Forked { size: 20, .. }));
        let refused = judged(&kept, &head(&other, 40));
        assert!(matches!(
            refused,
            ConsistencyError::Rewritten { kept: 20, .. }
        ));
        let elsewhere = Checkpoint::new("ledger.example/other", 40, *kept.root()).unwrap();
        let refused = judged(&kept, &elsewhere);
        assert!(matches!(refused, ConsistencyError::OtherLog { .. }));
    }
}
