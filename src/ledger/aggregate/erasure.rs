//! An erasure: that the keys of records were destroyed, by whom, on whose word, under which law.
//!
//! What comes in: who erases, two people who approve, the legal basis, the ids of the keys (which
//! only the vault can relate to records) and a root over blinded slots. What goes out: `Erased`.
//! What may fail: a missing or doubled approval, keys that are not named as the vault names them.
//! What must stay true: the entry says that something was erased and lets it be shown later what
//! was covered, but does not itself say whose.

use serde::{Deserialize, Serialize};

use super::{MAX_LISTED, aggregate, domain_event, is_actor, is_exact, is_hex, is_slug};

/// Bytes of the random id of a key.
const KEY_ID_BYTES: usize = 16;

/// What happened to an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ErasureEvent {
    /// The keys are destroyed.
    Erased {
        /// Who erased.
        actor: String,
        /// Who approved.
        approved_by: [String; 2],
        /// Root over the blinded slots, in hexadecimal digits.
        blinded_root: String,
        /// Ids of the keys in hexadecimal digits, in order.
        key_ids: Vec<String>,
        /// Under which law, as a short word.
        legal_basis: String,
        /// How many records it touches.
        record_count: u64,
    },
}

domain_event!(ErasureEvent: Erased);

/// What can be asked of an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErasureCommand {
    /// Destroy the keys.
    Erase {
        /// Who erases.
        actor: String,
        /// Who approves: two people, of whom one may be the actor.
        approved_by: [String; 2],
        /// Root over the blinded slots, in hexadecimal digits.
        blinded_root: String,
        /// Ids of the keys in hexadecimal digits, in order, each once, at most a hundred.
        key_ids: Vec<String>,
        /// Under which law, as a short word.
        legal_basis: String,
        /// How many records it touches.
        record_count: u64,
    },
}

/// Why an erasure refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErasureError {
    /// It took place.
    #[error("this erasure took place already; ask for another under another id")]
    AlreadyErased,
    /// Nobody is named.
    #[error("who erases must be named, in at most 200 characters without blanks around them")]
    Actor,
    /// An approver is not named.
    #[error("both who approve must be named, in at most 200 characters without blanks around them")]
    Approver,
    /// One person approves twice.
    #[error("two different people approve an erasure; name another second one")]
    SameApprover,
    /// Not a root.
    #[error("the root over the blinded slots is 64 lower-case hexadecimal digits; compute it anew")]
    BlindedRoot,
    /// No key.
    #[error("no key is named, so nothing would be erased; name at least one")]
    NoKeys,
    /// More keys than an entry lists.
    #[error("{0} keys are more than the {MAX_LISTED} of one erasure; erase in several")]
    TooManyKeys(usize),
    /// Not the id of a key.
    #[error("key {number} is not 32 lower-case hexadecimal digits; name it as the vault does")]
    KeyId {
        /// Which, from 1; what stands there is not repeated, since it may be anything.
        number: usize,
    },
    /// The ids are not in order, or one stands there twice.
    #[error("the ids of the keys must be in order, each once; sort them")]
    KeyOrder,
    /// No legal basis, or free text.
    #[error("the legal basis is 1 to 64 letters, digits, '_', '-' and '.'; name it so")]
    LegalBasis,
    /// It touches none.
    #[error("an erasure touches at least one record; state how many")]
    NoRecords,
    /// More than 2^53.
    #[error("the number of records is above 2^53 and could not be read back exactly")]
    TooLarge,
}

/// The state of an erasure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Whether it took place.
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
            key_ids,
            legal_basis,
            record_count,
        } = command;
        if self.erased {
            return Err(ErasureError::AlreadyErased);
        }
        check_people(&actor, &approved_by)?;
        if !is_hex(&blinded_root, 32) {
            return Err(ErasureError::BlindedRoot);
        }
        check_keys(&key_ids)?;
        if !is_slug(&legal_basis) {
            return Err(ErasureError::LegalBasis);
        }
        if record_count == 0 {
            return Err(ErasureError::NoRecords);
        }
        if !is_exact(record_count) {
            return Err(ErasureError::TooLarge);
        }
        Ok(ErasureEvent::Erased {
            actor,
            approved_by,
            blinded_root,
            key_ids,
            legal_basis,
            record_count,
        })
    }

    fn evolve(&mut self, event: &ErasureEvent) {
        match event {
            ErasureEvent::Erased { .. } => self.erased = true,
        }
    }
}

aggregate!(
    Erasure,
    "erasure",
    ErasureCommand,
    ErasureEvent,
    ErasureError
);

fn check_people(actor: &str, approved_by: &[String; 2]) -> Result<(), ErasureError> {
    if !is_actor(actor) {
        return Err(ErasureError::Actor);
    }
    if !approved_by.iter().all(|name| is_actor(name)) {
        return Err(ErasureError::Approver);
    }
    if approved_by[0] == approved_by[1] {
        return Err(ErasureError::SameApprover);
    }
    Ok(())
}

fn check_keys(key_ids: &[String]) -> Result<(), ErasureError> {
    if key_ids.is_empty() {
        return Err(ErasureError::NoKeys);
    }
    if key_ids.len() > MAX_LISTED {
        return Err(ErasureError::TooManyKeys(key_ids.len()));
    }
    if let Some(index) = key_ids.iter().position(|id| !is_hex(id, KEY_ID_BYTES)) {
        return Err(ErasureError::KeyId { number: index + 1 });
    }
    if !key_ids.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(ErasureError::KeyOrder);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TOO_LARGE, accepts, digest, refuses};
    use super::*;

    /// The parts of a command, so that a test changes one of them.
    #[derive(Clone)]
    struct Parts {
        actor: &'static str,
        approved_by: [&'static str; 2],
        blinded_root: String,
        key_ids: Vec<String>,
        legal_basis: String,
        record_count: u64,
    }

    fn keys(numbers: impl IntoIterator<Item = u128>) -> Vec<String> {
        numbers
            .into_iter()
            .map(|number| format!("{number:032x}"))
            .collect()
    }

    fn sound() -> Parts {
        Parts {
            actor: "a",
            approved_by: ["a", "b"],
            blinded_root: digest(),
            key_ids: keys(1..=100),
            legal_basis: "PIPL-47".to_owned(),
            record_count: 2,
        }
    }

    impl Parts {
        fn command(self) -> ErasureCommand {
            ErasureCommand::Erase {
                actor: self.actor.to_owned(),
                approved_by: self.approved_by.map(str::to_owned),
                blinded_root: self.blinded_root,
                key_ids: self.key_ids,
                legal_basis: self.legal_basis,
                record_count: self.record_count,
            }
        }
    }

    fn erased() -> ErasureEvent {
        ErasureEvent::Erased {
            actor: "a".to_owned(),
            approved_by: ["a", "b"].map(str::to_owned),
            blinded_root: digest(),
            key_ids: keys(1..=100),
            legal_basis: "PIPL-47".to_owned(),
            record_count: 2,
        }
    }

    fn refused(parts: Parts, error: ErasureError) {
        refuses::<Erasure>(&[], parts.command(), error);
    }

    #[test]
    fn an_erasure_takes_place_once() {
        accepts::<Erasure>(&[], sound().command(), erased());
        refuses::<Erasure>(&[erased()], sound().command(), ErasureError::AlreadyErased);
    }

    #[test]
    fn two_people_approve() {
        refused(
            Parts {
                actor: "",
                ..sound()
            },
            ErasureError::Actor,
        );
        refused(
            Parts {
                approved_by: ["a", ""],
                ..sound()
            },
            ErasureError::Approver,
        );
        refused(
            Parts {
                approved_by: ["b ", "b"],
                ..sound()
            },
            ErasureError::Approver,
        );
        refused(
            Parts {
                approved_by: ["b", "b"],
                ..sound()
            },
            ErasureError::SameApprover,
        );
    }

    #[test]
    fn keys_are_named_as_the_vault_names_them() {
        let with = |key_ids| Parts { key_ids, ..sound() };
        refused(with(vec![]), ErasureError::NoKeys);
        refused(with(keys(1..=101)), ErasureError::TooManyKeys(101));
        refused(
            with(vec!["Zhang".to_owned()]),
            ErasureError::KeyId { number: 1 },
        );
        refused(with(keys([2, 1])), ErasureError::KeyOrder);
        refused(with(keys([1, 1])), ErasureError::KeyOrder);
    }

    #[test]
    fn what_it_rests_on_is_stated() {
        refused(
            Parts {
                blinded_root: "00".to_owned(),
                ..sound()
            },
            ErasureError::BlindedRoot,
        );
        for basis in [String::new(), "at her request".to_owned(), "x".repeat(65)] {
            refused(
                Parts {
                    legal_basis: basis,
                    ..sound()
                },
                ErasureError::LegalBasis,
            );
        }
        refused(
            Parts {
                record_count: 0,
                ..sound()
            },
            ErasureError::NoRecords,
        );
        refused(
            Parts {
                record_count: TOO_LARGE,
                ..sound()
            },
            ErasureError::TooLarge,
        );
    }
}
