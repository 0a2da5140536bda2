//! An erasure: that the content of records was destroyed, on which ground, approved by whom.
//!
//! What comes in: the ground, two approvers, the vault's key ids of the records, and a root over
//! blinded slots, so that it can be shown later what was covered. What goes out: `Erased`. What
//! may fail: fewer than two different approvers, no key id or more than 100, no ground. What must
//! stay true: nothing in the entry says which records, except to who holds the vault.

use serde::{Deserialize, Serialize};

use super::{aggregate, domain_event, is_slug};

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ErasureEvent {
    /// Keys, ciphertexts and tokens of records were destroyed.
    Erased {
        /// Who did it.
        actor: String,
        /// The two who approved.
        approved_by: [String; 2],
        /// RFC 6962 root over the blinded slots, hexadecimal.
        blinded_root: String,
        /// The vault's ids of the destroyed keys, hexadecimal, in order.
        key_ids: Vec<String>,
        /// The legal ground, a short code.
        legal_basis: String,
        /// How many records.
        record_count: u64,
    },
}

domain_event!(ErasureEvent: Erased);

/// What can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum ErasureCommand {
    /// Say what is erased.
    Erase {
        /// Who does it.
        actor: String,
        /// The two who approved.
        approved_by: [String; 2],
        /// RFC 6962 root over the blinded slots, hexadecimal.
        blinded_root: String,
        /// The vault's ids of the keys, hexadecimal.
        key_ids: Vec<String>,
        /// The legal ground, a short code.
        legal_basis: String,
    },
}

/// Why it refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErasureError {
    /// It was said.
    #[error("this erasure is recorded already")]
    AlreadyErased,
    /// Two names are needed.
    #[error("an erasure needs two different approvers")]
    Approvers,
    /// No ground.
    #[error("the legal basis is a code of letters, digits, '_', '-' and '.', 64 at most")]
    LegalBasis,
    /// Too few or too many.
    #[error("an erasure names 1 to {MAX_KEY_IDS} different keys; split a larger one")]
    KeyIds,
}

/// The state of the stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Erasure {
    /// Whether it was said.
    pub erased: bool,
}

impl Erasure {
    /// Decides; pure.
    ///
    /// # Errors
    /// See [`ErasureError`].
    pub fn decide(&self, command: ErasureCommand) -> Result<ErasureEvent, ErasureError> {
        let ErasureCommand::Erase {
            actor,
            approved_by,
            blinded_root,
            mut key_ids,
            legal_basis,
        } = command;
        if self.erased {
            return Err(ErasureError::AlreadyErased);
        }
        let [first, second] = &approved_by;
        if first.trim().is_empty() || second.trim().is_empty() || first == second {
            return Err(ErasureError::Approvers);
        }
        if !is_slug(&legal_basis) {
            return Err(ErasureError::LegalBasis);
        }
        key_ids.sort_unstable();
        let named = key_ids.len();
        key_ids.dedup();
        if named != key_ids.len() || named == 0 || named > MAX_KEY_IDS {
            return Err(ErasureError::KeyIds);
        }
        let record_count = named as u64;
        Ok(ErasureEvent::Erased {
            actor,
            approved_by,
            blinded_root,
            key_ids,
            legal_basis,
            record_count,
        })
    }
}

aggregate!(
    Erasure,
    "erasure",
    ErasureCommand,
    ErasureEvent,
    ErasureError
);

impl Erasure {
    fn evolve(&mut self, event: &ErasureEvent) {
        let ErasureEvent::Erased { .. } = event;
        self.erased = true;
    }
}

/// Most keys that one erasure names; a larger one is split.
pub const MAX_KEY_IDS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_es::test::TestFramework;

    fn erase(approvers: [&str; 2], legal_basis: &str, keys: usize) -> ErasureCommand {
        ErasureCommand::Erase {
            actor: "officer-1".to_owned(),
            approved_by: approvers.map(str::to_owned),
            blinded_root: "00".repeat(32),
            key_ids: (0..keys).map(|key| format!("{key:032x}")).collect(),
            legal_basis: legal_basis.to_owned(),
        }
    }

    fn given(
        events: Vec<ErasureEvent>,
        command: ErasureCommand,
    ) -> Result<Vec<ErasureEvent>, ErasureError> {
        TestFramework::<Erasure>::with(())
            .given(events)
            .when(command)
            .inspect_result()
    }

    #[test]
    fn an_erasure_needs_two_approvers_a_ground_and_keys() {
        let erased = given(vec![], erase(["a", "b"], "PIPL-47", 100)).unwrap();
        let ErasureEvent::Erased { record_count, .. } = &erased[0];
        assert_eq!(*record_count, 100);
        assert!(crate::ledger::canonical::to_bytes(&erased[0]).is_ok());
        for (command, error) in [
            (erase(["a", "a"], "PIPL-47", 1), ErasureError::Approvers),
            (erase(["a", " "], "PIPL-47", 1), ErasureError::Approvers),
            (
                erase(["a", "b"], "because she asked", 1),
                ErasureError::LegalBasis,
            ),
            (erase(["a", "b"], "", 1), ErasureError::LegalBasis),
            (erase(["a", "b"], "PIPL-47", 0), ErasureError::KeyIds),
            (erase(["a", "b"], "PIPL-47", 101), ErasureError::KeyIds),
        ] {
            assert_eq!(given(vec![], command), Err(error));
        }
        assert_eq!(
            given(erased, erase(["a", "b"], "PIPL-47", 1)),
            Err(ErasureError::AlreadyErased)
        );
    }
}
