//! An office: that it exists, what it is called, and where it belongs.
//!
//! What comes in: a row of the offices file. What goes out: `Registered` once, `Changed` with the
//! names of what changed. What may fail: registering twice, changing what is not registered or
//! nothing. What must stay true: the code never changes, and no office lies below itself.

use serde::{Deserialize, Serialize};

use super::{aggregate, domain_event, is_clean};
use crate::model::office::OfficeFields;

/// What happened to an office.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// What can be asked of an office.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The office above is the office itself.
    #[error("an office cannot lie below itself; name the office above, or none")]
    OwnParent,
    /// A name that cannot stand in an entry.
    #[error(
        "a name has 1 to 200 characters in NFC, no blanks around it, no control characters; \
         write it so or leave it out"
    )]
    Name,
}

/// The state of an office.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
            (OfficeCommand::Register { office }, None) => {
                check_fields(&office)?;
                Ok(OfficeEvent::Registered { office })
            }
            (OfficeCommand::Register { .. }, Some(_)) => Err(OfficeError::AlreadyRegistered),
            (OfficeCommand::Change { .. }, None) => Err(OfficeError::NotRegistered),
            (OfficeCommand::Change { office }, Some(before)) => {
                if office.code != before.code {
                    return Err(OfficeError::OtherCode);
                }
                check_fields(&office)?;
                let changed = changed_fields(before, &office);
                if changed.is_empty() {
                    return Err(OfficeError::NothingChanged);
                }
                Ok(OfficeEvent::Changed { changed, office })
            }
        }
    }

    fn evolve(&mut self, event: &OfficeEvent) {
        self.office = Some(event.office().clone());
    }
}

aggregate!(Office, "office", OfficeCommand, OfficeEvent, OfficeError);

fn check_fields(office: &OfficeFields) -> Result<(), OfficeError> {
    if office.parent == Some(office.code) {
        return Err(OfficeError::OwnParent);
    }
    let mut names = [&office.name_en, &office.name_zh].into_iter().flatten();
    if names.all(|name| is_clean(name)) {
        Ok(())
    } else {
        Err(OfficeError::Name)
    }
}

/// In order of the names.
fn changed_fields(before: &OfficeFields, after: &OfficeFields) -> Vec<String> {
    [
        ("level", after.level != before.level),
        ("name_en", after.name_en != before.name_en),
        ("name_zh", after.name_zh != before.name_zh),
        ("parent", after.parent != before.parent),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(name, _)| name.to_owned())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{accepts, refuses};
    use super::*;
    use crate::model::code::OfficeLevel;
    use crate::model::id::OfficeCode;

    fn code(text: &str) -> OfficeCode {
        OfficeCode::parse(text).unwrap()
    }

    fn office(name: &str) -> OfficeFields {
        OfficeFields {
            code: code("990101100001"),
            level: OfficeLevel::Village,
            name_en: None,
            name_zh: Some(name.to_owned()),
            parent: Some(code("990101100000")),
        }
    }

    fn register(office: OfficeFields) -> OfficeCommand {
        OfficeCommand::Register { office }
    }

    fn change(office: OfficeFields) -> OfficeCommand {
        OfficeCommand::Change { office }
    }

    fn registered() -> OfficeEvent {
        OfficeEvent::Registered {
            office: office("第1社区"),
        }
    }

    #[test]
    fn an_office_is_registered_once() {
        accepts::<Office>(&[], register(office("第1社区")), registered());
        refuses::<Office>(
            &[registered()],
            register(office("第1社区")),
            OfficeError::AlreadyRegistered,
        );
        for name in ["", " x", "x\n", "e\u{301}"] {
            refuses::<Office>(&[], register(office(name)), OfficeError::Name);
            refuses::<Office>(&[registered()], change(office(name)), OfficeError::Name);
        }
        let below_itself = OfficeFields {
            parent: Some(code("990101100001")),
            ..office("x")
        };
        refuses::<Office>(&[], register(below_itself.clone()), OfficeError::OwnParent);
        refuses::<Office>(
            &[registered()],
            change(below_itself),
            OfficeError::OwnParent,
        );
    }

    #[test]
    fn a_change_names_what_changed() {
        let renamed = OfficeFields {
            level: OfficeLevel::Facility,
            name_en: Some("First".to_owned()),
            name_zh: None,
            parent: None,
            ..office("")
        };
        let changed = OfficeEvent::Changed {
            changed: ["level", "name_en", "name_zh", "parent"]
                .map(str::to_owned)
                .to_vec(),
            office: renamed.clone(),
        };
        assert_eq!(changed.office(), &renamed);
        accepts::<Office>(&[registered()], change(renamed.clone()), changed.clone());
        refuses::<Office>(&[], change(renamed.clone()), OfficeError::NotRegistered);
        refuses::<Office>(
            &[registered(), changed],
            change(renamed),
            OfficeError::NothingChanged,
        );
        let other = OfficeFields {
            code: code("990101100002"),
            ..office("第1社区")
        };
        refuses::<Office>(&[registered()], change(other), OfficeError::OtherCode);
    }
}
