//! The log itself: entry 0 names its origin, its clock and its first key; later ones its keys.
//!
//! What comes in: the opening of a ledger, changes of its signing keys, its going on under another
//! origin after its end was lost, rotations of the master key. What goes out: `Opened`, `KeyAdded`,
//! `KeyRetired`, `Succeeded`, `MasterKeyRotated`. What may fail: a second opening, a key that signs
//! or signed already, an unknown or last key, an origin that was used, a master key whose number
//! does not go up. What must stay true: whether the clock is simulated is said in entry 0 and never
//! changes; a key that was retired does not come back.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{aggregate, domain_event, is_exact};

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum LogEvent {
    /// The ledger begins.
    Opened {
        /// Names the ledger in everything that is authenticated.
        ledger_id: Uuid,
        /// The origin line of its checkpoints.
        origin: String,
        /// Whether times come from the reports.
        simulated_clock: bool,
        /// The key that signs its checkpoints.
        verifier_key: String,
    },
    /// Another key signs too.
    KeyAdded {
        /// The key.
        verifier_key: String,
    },
    /// A key signs no more.
    KeyRetired {
        /// The key.
        verifier_key: String,
    },
    /// The log goes on under another origin and key: what came after this entry's place was lost.
    Succeeded {
        /// The origin line of its checkpoints from now on.
        origin: String,
        /// The checkpoint of the old origin over the entries before this one: a signed note.
        predecessor: String,
        /// How many entries the old origin had signed, as far as that is known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        signed: Option<u64>,
        /// The key that signs from now on.
        verifier_key: String,
    },
    /// The keys of records are wrapped under another master key; the older are destroyed.
    MasterKeyRotated {
        /// The number of the one before.
        from: u32,
        /// How many wrapped keys of records and years there were.
        records: u64,
        /// The number of the new one.
        to: u32,
    },
}

domain_event!(LogEvent: Opened, KeyAdded, KeyRetired, Succeeded, MasterKeyRotated);

/// What can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum LogCommand {
    /// Begin.
    Open {
        /// Names the ledger.
        ledger_id: Uuid,
        /// The origin line of its checkpoints.
        origin: String,
        /// Whether times come from the reports.
        simulated_clock: bool,
        /// The key that signs its checkpoints.
        verifier_key: String,
    },
    /// Let another key sign too.
    AddKey {
        /// The key.
        verifier_key: String,
    },
    /// Let a key sign no more.
    RetireKey {
        /// The key.
        verifier_key: String,
    },
    /// Go on under another origin and key.
    Succeed {
        /// The origin line of its checkpoints from now on.
        origin: String,
        /// The checkpoint of the old origin over all entries so far: a signed note.
        predecessor: String,
        /// How many entries the old origin had signed, as far as that is known.
        signed: Option<u64>,
        /// The key that signs from now on.
        verifier_key: String,
    },
    /// Say that the keys of records are wrapped under another master key.
    RotateMasterKey {
        /// The number of the one before.
        from: u32,
        /// How many wrapped keys there are.
        records: u64,
        /// The number of the new one.
        to: u32,
    },
}

/// Why it refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// There is a beginning.
    #[error("this ledger is open already")]
    AlreadyOpen,
    /// There is none.
    #[error("this ledger is not open; open it first")]
    NotOpen,
    /// The key signs already.
    #[error("this key signs already")]
    KnownKey,
    /// Two keys sign: the log is changing its key already.
    #[error("two keys sign already; let one of them sign no more first")]
    Overlap,
    /// The key signed once.
    #[error("this key was retired; a retired key does not come back")]
    RetiredKey,
    /// The origin is or was that of this log.
    #[error("this log is or was called {origin} already; choose another origin")]
    UsedOrigin {
        /// The origin.
        origin: String,
    },
    /// The key does not sign.
    #[error("this key does not sign; name one that does")]
    UnknownKey,
    /// It is the only one.
    #[error("this is the only key that signs; add another first")]
    LastKey,
    /// The number does not go up.
    #[error("master key {to} does not follow master key {from}; numbers only go up")]
    MasterKeyOrder {
        /// The one before, as the log or the caller says.
        from: u32,
        /// The one that should follow.
        to: u32,
    },
    /// More than 2^53.
    #[error("{0} is more than an entry can state exactly (2^53)")]
    TooLarge(u64),
}

/// The state of the stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// The keys that sign, oldest first.
    pub verifier_keys: Vec<String>,
    /// The keys that sign no more.
    pub retired_keys: Vec<String>,
    /// Origins that it had before.
    pub former_origins: Vec<String>,
    /// The origin, once open.
    pub origin: Option<String>,
    /// Whether times come from the reports.
    pub simulated_clock: bool,
    /// Names the ledger.
    pub ledger_id: Option<Uuid>,
    /// The number of the master key after the last rotation; none before the first.
    pub master_key: Option<u32>,
}

impl Log {
    /// Decides; pure.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn decide(&self, command: LogCommand) -> Result<LogEvent, LogError> {
        if let LogCommand::Open {
            ledger_id,
            origin,
            simulated_clock,
            verifier_key,
        } = command
        {
            if self.origin.is_some() {
                return Err(LogError::AlreadyOpen);
            }
            return Ok(LogEvent::Opened {
                ledger_id,
                origin,
                simulated_clock,
                verifier_key,
            });
        }
        let Some(current) = &self.origin else {
            return Err(LogError::NotOpen);
        };
        match command {
            LogCommand::AddKey { verifier_key } => {
                self.must_be_new(&verifier_key)?;
                // Two nodes that do so at once would leave keys that no node has all of.
                if self.verifier_keys.len() > 1 {
                    return Err(LogError::Overlap);
                }
                Ok(LogEvent::KeyAdded { verifier_key })
            }
            LogCommand::Succeed {
                origin,
                predecessor,
                signed,
                verifier_key,
            } => {
                self.must_be_new(&verifier_key)?;
                if origin == *current || self.former_origins.contains(&origin) {
                    return Err(LogError::UsedOrigin { origin });
                }
                if let Some(signed) = signed.filter(|signed| !is_exact(*signed)) {
                    return Err(LogError::TooLarge(signed));
                }
                Ok(LogEvent::Succeeded {
                    origin,
                    predecessor,
                    signed,
                    verifier_key,
                })
            }
            LogCommand::RetireKey { verifier_key }
                if !self.verifier_keys.contains(&verifier_key) =>
            {
                Err(LogError::UnknownKey)
            }
            LogCommand::RetireKey { .. } if self.verifier_keys.len() == 1 => Err(LogError::LastKey),
            LogCommand::RetireKey { verifier_key } => Ok(LogEvent::KeyRetired { verifier_key }),
            LogCommand::RotateMasterKey { from, records, to } => {
                let from = from.max(self.master_key.unwrap_or(0));
                if to <= from {
                    return Err(LogError::MasterKeyOrder { from, to });
                }
                if !is_exact(records) {
                    return Err(LogError::TooLarge(records));
                }
                Ok(LogEvent::MasterKeyRotated { from, records, to })
            }
            LogCommand::Open { .. } => Err(LogError::AlreadyOpen),
        }
    }

    fn must_be_new(&self, verifier_key: &String) -> Result<(), LogError> {
        if self.verifier_keys.contains(verifier_key) {
            return Err(LogError::KnownKey);
        }
        if self.retired_keys.contains(verifier_key) {
            return Err(LogError::RetiredKey);
        }
        Ok(())
    }
}

aggregate!(Log, "ledger", LogCommand, LogEvent, LogError);

impl Log {
    fn evolve(&mut self, event: &LogEvent) {
        match event {
            LogEvent::Opened {
                ledger_id,
                origin,
                simulated_clock,
                verifier_key,
                ..
            } => {
                self.ledger_id = Some(*ledger_id);
                self.origin = Some(origin.clone());
                self.simulated_clock = *simulated_clock;
                self.verifier_keys.push(verifier_key.clone());
            }
            LogEvent::KeyAdded { verifier_key } => self.verifier_keys.push(verifier_key.clone()),
            LogEvent::KeyRetired { verifier_key } => {
                self.verifier_keys.retain(|key| key != verifier_key);
                self.retired_keys.push(verifier_key.clone());
            }
            LogEvent::Succeeded {
                origin,
                verifier_key,
                ..
            } => {
                self.former_origins.extend(self.origin.take());
                self.origin = Some(origin.clone());
                self.retired_keys.append(&mut self.verifier_keys);
                self.verifier_keys.push(verifier_key.clone());
            }
            LogEvent::MasterKeyRotated { to, .. } => self.master_key = Some(*to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_es::test::TestFramework;

    fn opened() -> LogEvent {
        LogEvent::Opened {
            ledger_id: Uuid::nil(),
            origin: "example.org/log".to_owned(),
            simulated_clock: true,
            verifier_key: "a".to_owned(),
        }
    }

    fn open() -> LogCommand {
        LogCommand::Open {
            ledger_id: Uuid::nil(),
            origin: "example.org/log".to_owned(),
            simulated_clock: true,
            verifier_key: "a".to_owned(),
        }
    }

    fn given(events: Vec<LogEvent>, command: LogCommand) -> Result<Vec<LogEvent>, LogError> {
        TestFramework::<Log>::with(())
            .given(events)
            .when(command)
            .inspect_result()
    }

    #[test]
    fn a_ledger_opens_once() {
        assert_eq!(given(vec![], open()), Ok(vec![opened()]));
        assert_eq!(given(vec![opened()], open()), Err(LogError::AlreadyOpen));
        assert!(crate::ledger::canonical::to_bytes(&opened()).is_ok());
    }

    #[test]
    fn master_keys_follow_each_other() {
        use crate::ledger::aggregate::testing::{TOO_LARGE, accepts, refuses};

        let rotate = |from, to| LogCommand::RotateMasterKey {
            from,
            records: 7,
            to,
        };
        let rotated = |from, to| LogEvent::MasterKeyRotated {
            from,
            records: 7,
            to,
        };
        refuses::<Log>(&[], rotate(1, 2), LogError::NotOpen);
        accepts::<Log>(&[opened()], rotate(1, 2), rotated(1, 2));
        let after = [opened(), rotated(1, 2)];
        accepts::<Log>(&after, rotate(2, 3), rotated(2, 3));
        for (from, to) in [(1, 2), (2, 2), (3, 3)] {
            let error = LogError::MasterKeyOrder {
                from: from.max(2),
                to,
            };
            refuses::<Log>(&after, rotate(from, to), error);
        }
        let command = LogCommand::RotateMasterKey {
            from: 1,
            records: TOO_LARGE,
            to: 2,
        };
        refuses::<Log>(&[opened()], command, LogError::TooLarge(TOO_LARGE));
    }

    #[test]
    fn keys_come_and_go_but_one_stays() {
        let key = |key: &str| key.to_owned();
        let add = |name| LogCommand::AddKey {
            verifier_key: key(name),
        };
        let retire = |name| LogCommand::RetireKey {
            verifier_key: key(name),
        };
        let added = LogEvent::KeyAdded {
            verifier_key: key("b"),
        };
        let retired = LogEvent::KeyRetired {
            verifier_key: key("a"),
        };
        assert_eq!(given(vec![], add("b")), Err(LogError::NotOpen));
        assert_eq!(given(vec![opened()], add("a")), Err(LogError::KnownKey));
        assert_eq!(given(vec![opened()], add("b")), Ok(vec![added.clone()]));
        assert_eq!(given(vec![opened()], retire("a")), Err(LogError::LastKey));
        assert_eq!(
            given(vec![opened()], retire("b")),
            Err(LogError::UnknownKey)
        );
        assert_eq!(
            given(vec![opened(), added.clone()], retire("a")),
            Ok(vec![retired.clone()])
        );
        let both = vec![opened(), added.clone()];
        assert_eq!(given(both, add("c")), Err(LogError::Overlap));
        let after = vec![opened(), added, retired];
        assert_eq!(given(after.clone(), retire("b")), Err(LogError::LastKey));
        assert_eq!(given(after, add("a")), Err(LogError::RetiredKey));
    }

    #[test]
    fn a_log_goes_on_under_another_origin_and_key_once_each() {
        use crate::ledger::aggregate::testing::{TOO_LARGE, accepts, refuses};

        let succeed = |origin: &str, key: &str, signed| LogCommand::Succeed {
            origin: origin.to_owned(),
            predecessor: "note".to_owned(),
            signed,
            verifier_key: key.to_owned(),
        };
        let succeeded = |origin: &str, key: &str, signed| LogEvent::Succeeded {
            origin: origin.to_owned(),
            predecessor: "note".to_owned(),
            signed,
            verifier_key: key.to_owned(),
        };
        refuses::<Log>(&[], succeed("next", "b", None), LogError::NotOpen);
        accepts::<Log>(
            &[opened()],
            succeed("next", "b", Some(9)),
            succeeded("next", "b", Some(9)),
        );
        assert!(crate::ledger::canonical::to_bytes(&succeeded("next", "b", Some(9))).is_ok());
        let after = [opened(), succeeded("next", "b", None)];
        accepts::<Log>(
            &after,
            succeed("third", "c", None),
            succeeded("third", "c", None),
        );
        let used = |origin: &str| LogError::UsedOrigin {
            origin: origin.to_owned(),
        };
        refuses::<Log>(&after, succeed("next", "c", None), used("next"));
        let first = "example.org/log";
        refuses::<Log>(&after, succeed(first, "c", None), used(first));
        refuses::<Log>(&after, succeed("third", "b", None), LogError::KnownKey);
        refuses::<Log>(&after, succeed("third", "a", None), LogError::RetiredKey);
        let large = succeed("third", "c", Some(TOO_LARGE));
        refuses::<Log>(&after, large, LogError::TooLarge(TOO_LARGE));
        let retire = LogCommand::RetireKey {
            verifier_key: "b".to_owned(),
        };
        refuses::<Log>(&after, retire, LogError::LastKey);
    }
}
