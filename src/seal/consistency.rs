//! Whether a log extends a checkpoint that somebody kept (RFC 6962, section 2.1.2).
//!
//! In come an older checkpoint, which the reader trusts, a newer one, which a trusted key signed,
//! and a proof that nobody trusts. Out goes what was shown, or a [`ConsistencyError`] that tells
//! which of four things happened: the log is shorter than it was, two different logs of one size
//! were signed, the beginning of the log is not what it was, or it succeeds the log of the kept
//! checkpoint and lacks the end of that. What must stay true: sizes and roots
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
    /// The log succeeds that of the kept checkpoint, and does not have all that it covers.
    #[error(
        "lost tail: entries {common} to {} of the kept checkpoint of {kept_origin} are not in {found}, which succeeds it with its first {common} entries{}", kept - 1, declared(*signed)
    )]
    LostTail {
        /// Origin of the kept checkpoint.
        kept_origin: String,
        /// Entries that it covers.
        kept: u64,
        /// Origin of the successor.
        found: String,
        /// Entries of the old log that the successor has.
        common: u64,
        /// How many entries the successor says the old log had signed.
        signed: Option<u64>,
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

fn declared(signed: Option<u64>) -> String {
    signed.map_or_else(
        || "; how many were lost, it does not say".to_owned(),
        |signed| format!("; it says that {signed} had been signed"),
    )
}

/// What was shown: everything that a kept checkpoint covers is in the log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Extended {
    /// The log of the kept checkpoint.
    pub origin: String,
    /// Entries that it covers.
    pub size: u64,
    /// Where the log succeeds that of the checkpoint: how many entries it took over.
    pub taken_over: Option<u64>,
}

/// The same as [`check_extension`], also for a log that succeeds the one of the kept checkpoint:
/// `taken_over` says how many entries of that it has, and how many it knows to have been signed.
/// The entries of both are the same leaves, so that one proof serves.
///
/// # Errors
/// See [`ConsistencyError`].
pub fn check_extended(
    kept: &Checkpoint,
    newer: &Checkpoint,
    proof: &[Hash],
    taken_over: Option<(u64, Option<u64>)>,
) -> Result<Extended, ConsistencyError> {
    let shown = |taken_over| Extended {
        origin: kept.origin().to_owned(),
        size: kept.size(),
        taken_over,
    };
    let Some((common, signed)) = taken_over else {
        return check_extension(kept, newer, proof).map(|()| shown(None));
    };
    if kept.size() > common {
        return Err(ConsistencyError::LostTail {
            kept_origin: kept.origin().to_owned(),
            kept: kept.size(),
            found: newer.origin().to_owned(),
            common,
            signed,
        });
    }
    begins_with(kept, newer, proof).map(|()| shown(Some(common)))
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
    begins_with(kept, newer, proof)
}

fn begins_with(
    kept: &Checkpoint,
    newer: &Checkpoint,
    proof: &[Hash],
) -> Result<(), ConsistencyError> {
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
    fn a_successor_has_everything_or_says_what_it_lacks() {
        let (all, other) = (leaves(40, None), leaves(40, Some(3)));
        let old = |leaves: &[Hash], size| {
            let root = LeafHashes(leaves).root_of(size).unwrap();
            Checkpoint::new("ledger.example/old", size, root).unwrap()
        };
        let newer = head(&all, 40);
        for kept in 0..=30 {
            let proof = LeafHashes(&all).consistency_proof(kept, 40);
            let proof = proof.unwrap_or_default();
            let shown = check_extended(&old(&all, kept), &newer, &proof, Some((30, None)));
            let shown = shown.unwrap();
            assert_eq!((shown.size, shown.taken_over), (kept, Some(30)));
        }
        for kept in 31..=40 {
            let error = check_extended(&old(&all, kept), &newer, &[], Some((30, Some(35))));
            let said = error.unwrap_err().to_string();
            let expected = format!("entries 30 to {} of the kept checkpoint", kept - 1);
            assert!(said.contains(&expected), "{said}");
            assert!(said.ends_with("35 had been signed"), "{said}");
        }
        let proof = LeafHashes(&all).consistency_proof(20, 40).unwrap();
        let error = check_extended(&old(&other, 20), &newer, &proof, Some((30, None)));
        assert!(matches!(error, Err(ConsistencyError::Rewritten { .. })));
        let error = check_extended(&old(&all, 20), &newer, &proof, None);
        assert!(matches!(error, Err(ConsistencyError::OtherLog { .. })));
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
