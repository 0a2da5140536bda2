//! The log itself: entry 0 names its origin, its clock and its first key; later ones its keys.
//!
//! What comes in: the opening of a ledger, and changes of its signing keys. What goes out:
//! `Opened`, `KeyAdded`, `KeyRetired`. What may fail: a second opening, an unknown or last key.
//! What must stay true: whether the clock is simulated is said in entry 0 and never changes.

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::domain_event;

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
        /// The checkpoint of the log that this one succeeds: its body, if there was one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        predecessor: Option<String>,
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
}

domain_event!(LogEvent: Opened, KeyAdded, KeyRetired);

/// What can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum LogCommand {
    /// Begin.
    Open {
        /// Names the ledger.
        ledger_id: Uuid,
        /// The origin line of its checkpoints.
        origin: String,
        /// The checkpoint of the log that this one succeeds.
        predecessor: Option<String>,
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
    /// The key does not sign.
    #[error("this key does not sign; name one that does")]
    UnknownKey,
    /// It is the only one.
    #[error("this is the only key that signs; add another first")]
    LastKey,
}

/// The state of the stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// The keys that sign, oldest first.
    pub verifier_keys: Vec<String>,
    /// The origin, once open.
    pub origin: Option<String>,
    /// Whether times come from the reports.
    pub simulated_clock: bool,
    /// Names the ledger.
    pub ledger_id: Option<Uuid>,
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
            predecessor,
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
                predecessor,
                simulated_clock,
                verifier_key,
            });
        }
        if self.origin.is_none() {
            return Err(LogError::NotOpen);
        }
        match command {
            LogCommand::AddKey { verifier_key } if self.verifier_keys.contains(&verifier_key) => {
                Err(LogError::KnownKey)
            }
            LogCommand::AddKey { verifier_key } => Ok(LogEvent::KeyAdded { verifier_key }),
            LogCommand::RetireKey { verifier_key }
                if !self.verifier_keys.contains(&verifier_key) =>
            {
                Err(LogError::UnknownKey)
            }
            LogCommand::RetireKey { .. } if self.verifier_keys.len() == 1 => Err(LogError::LastKey),
            LogCommand::RetireKey { verifier_key } => Ok(LogEvent::KeyRetired { verifier_key }),
            LogCommand::Open { .. } => Err(LogError::AlreadyOpen),
        }
    }
}

impl Aggregate for Log {
    const TYPE: &'static str = "ledger";
    type Command = LogCommand;
    type Event = LogEvent;
    type Error = LogError;
    type Services = ();

    async fn handle(
        &mut self,
        command: Self::Command,
        (): &Self::Services,
        sink: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        let event = self.decide(command)?;
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        match event {
            LogEvent::Opened {
                ledger_id,
                origin,
                simulated_clock,
                verifier_key,
                ..
            } => {
                self.ledger_id = Some(ledger_id);
                self.origin = Some(origin);
                self.simulated_clock = simulated_clock;
                self.verifier_keys.push(verifier_key);
            }
            LogEvent::KeyAdded { verifier_key } => self.verifier_keys.push(verifier_key),
            LogEvent::KeyRetired { verifier_key } => {
                self.verifier_keys.retain(|key| *key != verifier_key);
            }
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
            predecessor: None,
            simulated_clock: true,
            verifier_key: "a".to_owned(),
        }
    }

    fn open() -> LogCommand {
        LogCommand::Open {
            ledger_id: Uuid::nil(),
            origin: "example.org/log".to_owned(),
            predecessor: None,
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
        assert_eq!(
            given(vec![opened(), added, retired], retire("b")),
            Err(LogError::LastKey)
        );
    }
}
