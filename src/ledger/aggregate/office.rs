//! An office: that it exists, what it is called, and where it belongs.
//!
//! What comes in: a row of the offices file. What goes out: `Registered` once, `Changed` with the
//! names of what changed. What may fail: registering twice, changing what is not registered or
//! nothing. What must stay true: the code never changes.

use serde::{Deserialize, Serialize};

use cqrs_es::Aggregate;

use super::{aggregate, domain_event};
use crate::model::entry::Entry;
use crate::model::id::OfficeCode;
use crate::model::office::OfficeFields;

/// What happened to an office.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum OfficeEvent {
    /// It exists.
    Registered {
        /// What is known of it.
        office: OfficeFields,
    },
    /// Something of it changed.
    Changed {
        /// What, in order.
        changed: Vec<String>,
        /// What is known of it now.
        office: OfficeFields,
    },
}

domain_event!(OfficeEvent: Registered, Changed);

impl OfficeEvent {
    /// What is known of the office after the event.
    #[must_use]
    pub const fn office(&self) -> &OfficeFields {
        match self {
            Self::Registered { office } | Self::Changed { office, .. } => office,
        }
    }
}

/// The office that an entry concerns: the one that it is metadata of, or is itself about.
#[must_use]
pub fn office_of_entry(entry: &Entry<'_>) -> Option<OfficeCode> {
    if entry.aggregate_type != Office::TYPE {
        return entry.metadata("office").and_then(OfficeCode::parse);
    }
    Some(office_after(entry).ok()??.code)
}

/// What an office became by an entry of its stream; nothing where the entry is of another kind.
///
/// # Errors
/// When its payload is no event of an office.
pub fn office_after(entry: &Entry<'_>) -> serde_json::Result<Option<OfficeFields>> {
    if entry.aggregate_type != Office::TYPE {
        return Ok(None);
    }
    let event: OfficeEvent = serde_json::from_str(entry.payload.get())?;
    Ok(Some(match event {
        OfficeEvent::Registered { office } | OfficeEvent::Changed { office, .. } => office,
    }))
}

/// What can be asked of an office.
#[derive(Debug, Clone, PartialEq)]
pub enum OfficeCommand {
    /// Register it.
    Register {
        /// What is known of it.
        office: OfficeFields,
    },
    /// Replace what is known of it.
    Change {
        /// What is known of it now.
        office: OfficeFields,
    },
}

/// Why an office refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfficeError {
    /// It is registered.
    #[error("this office is registered already; change it instead")]
    AlreadyRegistered,
    /// It is not.
    #[error("this office is not registered; register it first")]
    NotRegistered,
    /// The stream is of another office.
    #[error("the code of an office cannot change; register the new code")]
    OtherCode,
    /// No change.
    #[error("nothing of this office changes")]
    NothingChanged,
}

/// The state of an office.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Office {
    /// What is known of it; nothing before it is registered.
    pub office: Option<OfficeFields>,
}

impl Office {
    /// Decides; pure.
    ///
    /// # Errors
    /// See [`OfficeError`].
    pub fn decide(&self, command: OfficeCommand) -> Result<OfficeEvent, OfficeError> {
        match (command, &self.office) {
            (OfficeCommand::Register { office }, None) => Ok(OfficeEvent::Registered { office }),
            (OfficeCommand::Register { .. }, Some(_)) => Err(OfficeError::AlreadyRegistered),
            (OfficeCommand::Change { .. }, None) => Err(OfficeError::NotRegistered),
            (OfficeCommand::Change { office }, Some(before)) => {
                if office.code != before.code {
                    return Err(OfficeError::OtherCode);
                }
                let changed: Vec<String> = [
                    ("level", office.level != before.level),
                    ("name_en", office.name_en != before.name_en),
                    ("name_zh", office.name_zh != before.name_zh),
                    ("parent", office.parent != before.parent),
                ]
                .into_iter()
                .filter(|(_, differs)| *differs)
                .map(|(name, _)| name.to_owned())
                .collect();
                if changed.is_empty() {
                    return Err(OfficeError::NothingChanged);
                }
                Ok(OfficeEvent::Changed { changed, office })
            }
        }
    }
}

aggregate!(Office, "office", OfficeCommand, OfficeEvent, OfficeError);

impl Office {
    fn evolve(&mut self, event: &OfficeEvent) {
        self.office = Some(event.office().clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::code::OfficeLevel;
    use cqrs_es::test::TestFramework;

    fn office(code: &str, name: &str) -> OfficeFields {
        OfficeFields {
            code: OfficeCode::parse(code).unwrap(),
            level: OfficeLevel::Village,
            name_en: None,
            name_zh: Some(name.to_owned()),
            parent: None,
        }
    }

    #[test]
    fn an_office_is_registered_once_and_changed() {
        let framework = || TestFramework::<Office>::with(());
        let (first, second) = (
            office("990101100001", "第1社区"),
            office("990101100001", "第一社区"),
        );
        let registered = OfficeEvent::Registered {
            office: first.clone(),
        };
        framework()
            .given_no_previous_events()
            .when(OfficeCommand::Register {
                office: first.clone(),
            })
            .then_expect_events(vec![registered.clone()]);
        framework()
            .given(vec![registered.clone()])
            .when(OfficeCommand::Register {
                office: first.clone(),
            })
            .then_expect_error(OfficeError::AlreadyRegistered);
        framework()
            .given_no_previous_events()
            .when(OfficeCommand::Change {
                office: first.clone(),
            })
            .then_expect_error(OfficeError::NotRegistered);
        framework()
            .given(vec![registered.clone()])
            .when(OfficeCommand::Change { office: first })
            .then_expect_error(OfficeError::NothingChanged);
        framework()
            .given(vec![registered.clone()])
            .when(OfficeCommand::Change {
                office: second.clone(),
            })
            .then_expect_events(vec![OfficeEvent::Changed {
                changed: vec!["name_zh".to_owned()],
                office: second,
            }]);
        framework()
            .given(vec![registered])
            .when(OfficeCommand::Change {
                office: office("990101100002", "x"),
            })
            .then_expect_error(OfficeError::OtherCode);
    }
}
