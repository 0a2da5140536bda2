//! The check of the checkpoints that are kept with their cosignatures.
//!
//! What comes in: those notes, each by the size in its file's name, and the policy that the ledger
//! publishes by. What goes out: how many were checked. What may fail: a note that is not of this
//! log, over another root, or with a cosignature that its witness did not make. What must stay
//! true: roots come from the entries that were hashed; a note that has no quorum by the policy of
//! today may have had one by that of its day: it is counted, not refused, since nothing is handed
//! out without the quorum of today.

use std::collections::BTreeMap;

use super::leaves::Wrong;
use super::verify::Verification;
use crate::seal::merkle::Hash;
use crate::seal::policy::{Policy, Refusal};
use crate::seal::roster::Roster;

/// A kept note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignedNote {
    /// What the file is called, for messages.
    pub file: String,
    /// The size that its name says; none when the name is no size.
    pub size: Option<u64>,
    /// The note.
    pub note: Vec<u8>,
}

/// All of them, and what they are held against.
#[derive(Debug, Clone, Default)]
pub struct Cosigned {
    /// By size.
    pub notes: Vec<CosignedNote>,
    /// The policy of the ledger; without one, cosignatures are not looked at.
    pub policy: Option<Policy>,
}

impl Cosigned {
    /// The sizes whose roots are needed.
    pub fn sizes(&self) -> impl Iterator<Item = u64> {
        self.notes.iter().filter_map(|kept| kept.size)
    }

    /// Checks them all.
    pub(super) fn check(
        &self,
        roster: &Roster,
        roots: &BTreeMap<u64, Hash>,
        report: &mut Verification,
    ) -> Result<(), Wrong> {
        for kept in &self.notes {
            let has_quorum = self.check_one(kept, roster, roots).map_err(|what| {
                Wrong::overall(format!("the cosigned checkpoint {}: {what}", kept.file))
            })?;
            report.cosigned += 1;
            report.below_quorum += u64::from(!has_quorum);
        }
        Ok(())
    }

    /// Checks one; gives whether it has the quorum of the policy.
    fn check_one(
        &self,
        kept: &CosignedNote,
        roster: &Roster,
        roots: &BTreeMap<u64, Hash>,
    ) -> Result<bool, String> {
        let checkpoint = roster.open(&kept.note).map_err(|error| error.to_string())?;
        if kept.size != Some(checkpoint.size()) {
            return Err(format!("it is one of {} entries", checkpoint.size()));
        }
        match roots.get(&checkpoint.size()) {
            Some(root) if root == checkpoint.root() => {}
            Some(_) => return Err("the entries do not give its root".to_owned()),
            None => return Err("the log has fewer entries".to_owned()),
        }
        let Some(policy) = &self.policy else {
            return Ok(true);
        };
        match policy.open_as(&kept.note, &roster.verifier_keys()) {
            Ok(_) => Ok(true),
            Err(Refusal::Quorum { .. }) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }
}
