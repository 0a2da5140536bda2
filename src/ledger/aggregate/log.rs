//! The log itself: entry 0 says what it is, later entries which keys speak for it.
//!
//! What comes in: the origin, the first verifier key, and later keys. What goes out: `Opened`,
//! once, then `KeyAdded` and `KeyRetired`. What may fail: opening twice, a key of another origin
//! or one that is known, retiring the last key. What must stay true: a log has at least one key,
//! a retired key never returns, and a log that succeeds another names the root it goes on from.

use serde::{Deserialize, Serialize};
use signed_note::{StandardVerifier, Verifier};
use uuid::Uuid;

use super::{aggregate, domain_event, is_checkpoint_root, is_clean};

/// What happened to the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum LogEvent {
    /// It began.
    Opened {
        /// Binds ciphertexts in the vault to this ledger.
        ledger_id: Uuid,
        /// The name of the log, as its checkpoints bear it.
        origin: String,
        /// The log that it succeeds: origin and root of that log's last checkpoint.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        predecessor: Option<String>,
        /// Whether it can be told the time, for demonstration and training.
        simulated_clock: bool,
        /// The first key, as C2SP signed notes spell it.
        verifier_key: String,
    },
    /// Another key speaks for it.
    KeyAdded {
        /// The key.
        verifier_key: String,
    },
    /// A key no longer speaks for it.
    KeyRetired {
        /// The key.
        verifier_key: String,
    },
}

domain_event!(LogEvent: Opened, KeyAdded, KeyRetired);

/// What can be asked of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogCommand {
    /// Begin.
    Open {
        /// Binds ciphertexts in the vault to this ledger.
        ledger_id: Uuid,
        /// The name of the log.
        origin: String,
        /// Whether it can be told the time.
        simulated_clock: bool,
        /// The first key.
        verifier_key: String,
    },
    /// Begin as the successor of another log.
    Succeed {
        /// Binds ciphertexts in the vault to this ledger.
        ledger_id: Uuid,
        /// The name of the log.
        origin: String,
        /// `<origin> <root>` of the last checkpoint of the log before; the size may stand between.
        predecessor: String,
        /// Whether it can be told the time.
        simulated_clock: bool,
        /// The first key.
        verifier_key: String,
    },
    /// Let another key speak for it.
    AddKey {
        /// The key.
        verifier_key: String,
    },
    /// Let a key no longer speak for it.
    RetireKey {
        /// The key.
        verifier_key: String,
    },
}

/// Why the log refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It is open.
    #[error("this log is open already; open another under another origin")]
    AlreadyOpen,
    /// It is not.
    #[error("this log is not open; open it first")]
    NotOpen,
    /// No name for a log.
    #[error("an origin has no blanks and no '+', and at most 200 characters; choose another")]
    Origin,
    /// No key, or one that is spelled in another way than signed notes do.
    #[error("not an Ed25519 verifier key; give it as <origin>+<key id>+<base64>")]
    Key,
    /// The key is of another log.
    #[error("this key is named {name:?}, not for the origin of this log; make one for the origin")]
    OtherName {
        /// The name of the key.
        name: String,
    },
    /// The key speaks, or once spoke, for the log.
    #[error("this key is known already; add a new one")]
    KnownKey,
    /// The key does not speak for the log.
    #[error("no such key speaks for this log; name one that does")]
    UnknownKey,
    /// Nothing would speak for the log.
    #[error("this is the last key of the log; add its successor first")]
    LastKey,
    /// No origin and root of a log before.
    #[error(
        "the predecessor is not '<origin> <root>' of a checkpoint; copy both from its last one"
    )]
    Predecessor,
    /// A log after itself.
    #[error("a log cannot succeed itself; choose another origin than that of the log before")]
    OwnSuccessor,
}

/// The state of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAggregate {
    /// Its name; none before it is open.
    pub origin: Option<String>,
    /// The keys that speak for it, oldest first.
    pub keys: Vec<String>,
    /// The keys that once did.
    pub retired: Vec<String>,
}

impl LogAggregate {
    /// Decides; pure.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn decide(&self, command: LogCommand) -> Result<LogEvent, LogError> {
        match command {
            LogCommand::Open {
                ledger_id,
                origin,
                simulated_clock,
                verifier_key,
            } => {
                self.check_opening(&origin, &verifier_key)?;
                let predecessor = None;
                Ok(LogEvent::Opened {
                    ledger_id,
                    origin,
                    predecessor,
                    simulated_clock,
                    verifier_key,
                })
            }
            LogCommand::Succeed {
                ledger_id,
                origin,
                predecessor,
                simulated_clock,
                verifier_key,
            } => {
                self.check_opening(&origin, &verifier_key)?;
                check_predecessor(&predecessor, &origin)?;
                let predecessor = Some(predecessor);
                Ok(LogEvent::Opened {
                    ledger_id,
                    origin,
                    predecessor,
                    simulated_clock,
                    verifier_key,
                })
            }
            LogCommand::AddKey { verifier_key } => {
                check_key(&verifier_key, self.opened()?)?;
                if self.keys.contains(&verifier_key) || self.retired.contains(&verifier_key) {
                    return Err(LogError::KnownKey);
                }
                Ok(LogEvent::KeyAdded { verifier_key })
            }
            LogCommand::RetireKey { verifier_key } => {
                self.opened()?;
                if !self.keys.contains(&verifier_key) {
                    return Err(LogError::UnknownKey);
                }
                if self.keys.len() == 1 {
                    return Err(LogError::LastKey);
                }
                Ok(LogEvent::KeyRetired { verifier_key })
            }
        }
    }

    fn opened(&self) -> Result<&str, LogError> {
        self.origin.as_deref().ok_or(LogError::NotOpen)
    }

    fn check_opening(&self, origin: &str, verifier_key: &str) -> Result<(), LogError> {
        if self.origin.is_some() {
            return Err(LogError::AlreadyOpen);
        }
        if !signed_note::is_key_name_valid(origin) || !is_clean(origin) {
            return Err(LogError::Origin);
        }
        check_key(verifier_key, origin)
    }

    fn evolve(&mut self, event: &LogEvent) {
        match event {
            LogEvent::Opened {
                origin,
                verifier_key,
                ..
            } => {
                self.origin = Some(origin.clone());
                self.keys.push(verifier_key.clone());
            }
            LogEvent::KeyAdded { verifier_key } => self.keys.push(verifier_key.clone()),
            LogEvent::KeyRetired { verifier_key } => {
                self.keys.retain(|key| key != verifier_key);
                self.retired.push(verifier_key.clone());
            }
        }
    }
}

aggregate!(LogAggregate, "ledger", LogCommand, LogEvent, LogError);

/// The name of a key is the origin of the log that it signs for, and the key has one spelling, so
/// that equal keys are equal texts.
fn check_key(text: &str, origin: &str) -> Result<(), LogError> {
    let key = StandardVerifier::new(text).map_err(|_| LogError::Key)?;
    let spelled = format!("{}+{:08x}+", key.name(), key.key_id());
    if !text.starts_with(&spelled) {
        return Err(LogError::Key);
    }
    if key.name() != origin {
        return Err(LogError::OtherName {
            name: key.name().to_owned(),
        });
    }
    Ok(())
}

fn check_predecessor(text: &str, origin: &str) -> Result<(), LogError> {
    let words: Vec<&str> = text.split(' ').collect();
    let (before, root) = match words[..] {
        [before, root] => (before, root),
        [before, size, root] if size.parse::<u64>().is_ok() => (before, root),
        _ => return Err(LogError::Predecessor),
    };
    if !signed_note::is_key_name_valid(before) || !is_clean(before) || !is_checkpoint_root(root) {
        return Err(LogError::Predecessor);
    }
    if before == origin {
        return Err(LogError::OwnSuccessor);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ROOT, accepts, refuses};
    use super::*;

    const ORIGIN: &str = "log.example/county";

    fn key_of(origin: &str, seed: u8) -> String {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        signed_note::new_ed25519_verifier_key(origin, &secret.verifying_key())
    }

    fn key(seed: u8) -> String {
        key_of(ORIGIN, seed)
    }

    fn open(origin: &str, verifier_key: String) -> LogCommand {
        LogCommand::Open {
            ledger_id: Uuid::from_u128(1),
            origin: origin.to_owned(),
            simulated_clock: true,
            verifier_key,
        }
    }

    fn succeed(predecessor: &str) -> LogCommand {
        LogCommand::Succeed {
            ledger_id: Uuid::from_u128(1),
            origin: ORIGIN.to_owned(),
            predecessor: predecessor.to_owned(),
            simulated_clock: true,
            verifier_key: key(1),
        }
    }

    fn opened(predecessor: Option<String>) -> LogEvent {
        LogEvent::Opened {
            ledger_id: Uuid::from_u128(1),
            origin: ORIGIN.to_owned(),
            predecessor,
            simulated_clock: true,
            verifier_key: key(1),
        }
    }

    #[test]
    fn a_log_opens_once_under_its_own_key() {
        accepts::<LogAggregate>(&[], open(ORIGIN, key(1)), opened(None));
        refuses::<LogAggregate>(&[opened(None)], open(ORIGIN, key(1)), LogError::AlreadyOpen);
        for origin in ["", "a b", "a+b", &"x".repeat(201)] {
            refuses::<LogAggregate>(&[], open(origin, key(1)), LogError::Origin);
        }
        for text in ["", "a+b+c", &key(1)[..60], &key(1).replace('A', "B")] {
            refuses::<LogAggregate>(&[], open(ORIGIN, text.to_owned()), LogError::Key);
        }
        let id = key(1)[ORIGIN.len() + 1..ORIGIN.len() + 9].to_owned();
        let shouted = key(1).replacen(&id, &id.to_uppercase(), 1);
        assert_ne!(shouted, key(1));
        refuses::<LogAggregate>(&[], open(ORIGIN, shouted), LogError::Key);
        let name = "log.example/other".to_owned();
        let other = key_of(&name, 1);
        refuses::<LogAggregate>(&[], open(ORIGIN, other), LogError::OtherName { name });
    }

    #[test]
    fn a_successor_names_the_log_before() {
        for before in [
            format!("log.example/old {ROOT}"),
            format!("log.example/old 12 {ROOT}"),
        ] {
            accepts::<LogAggregate>(&[], succeed(&before), opened(Some(before.clone())));
            refuses::<LogAggregate>(&[opened(None)], succeed(&before), LogError::AlreadyOpen);
        }
        for before in [
            "",
            "log.example/old",
            ROOT,
            "log.example/old root",
            "a b c d",
        ] {
            refuses::<LogAggregate>(&[], succeed(before), LogError::Predecessor);
        }
        let itself = succeed(&format!("{ORIGIN} {ROOT}"));
        refuses::<LogAggregate>(&[], itself, LogError::OwnSuccessor);
    }

    #[test]
    fn keys_are_added_and_retired_but_never_the_last() {
        let add = |seed| LogCommand::AddKey {
            verifier_key: key(seed),
        };
        let retire = |seed| LogCommand::RetireKey {
            verifier_key: key(seed),
        };
        let added = LogEvent::KeyAdded {
            verifier_key: key(2),
        };
        let retired = LogEvent::KeyRetired {
            verifier_key: key(1),
        };
        let two = [opened(None), added.clone()];
        let moved = [opened(None), added.clone(), retired.clone()];
        accepts::<LogAggregate>(&two[..1], add(2), added);
        accepts::<LogAggregate>(&two, retire(1), retired);
        refuses::<LogAggregate>(&[], add(2), LogError::NotOpen);
        refuses::<LogAggregate>(&[], retire(1), LogError::NotOpen);
        refuses::<LogAggregate>(&two, add(2), LogError::KnownKey);
        refuses::<LogAggregate>(&moved, add(1), LogError::KnownKey);
        refuses::<LogAggregate>(&moved, retire(1), LogError::UnknownKey);
        refuses::<LogAggregate>(&moved, retire(2), LogError::LastKey);
        let garbled = LogCommand::AddKey {
            verifier_key: "key".to_owned(),
        };
        refuses::<LogAggregate>(&two, garbled, LogError::Key);
    }
}
