//! Access by the network interface: that a token was handed out, what was refused to it, and that
//! it was revoked.
//!
//! What comes in: a role and an office, requests that were refused, a revocation. What goes out:
//! `TokenCreated` once, `Refused` for what was refused within a while, `TokenRevoked` once. What
//! may fail: a token that is created twice, revoked twice, or not known. What must stay true:
//! neither a secret nor its hash is here, nor what people call the token, nor the path of a
//! request, which may name a record: only the route it fell under.

use serde::{Deserialize, Serialize};

use super::{aggregate, domain_event, is_actor, is_slug};
use crate::model::id::OfficeCode;
use crate::model::time::Timestamp;

/// A request that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedRequest {
    /// When, by the clock of the server.
    pub at: Timestamp,
    /// The method, as `GET`.
    pub method: String,
    /// Why, as the word of the problem.
    pub problem: String,
    /// Its route, as `/v1/records/{kind}/{id}`.
    pub route: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum AccessEvent {
    /// A token was handed out.
    TokenCreated {
        /// By whom.
        actor: String,
        /// From when on it is void.
        expires_at: Timestamp,
        /// For this office and those below it.
        office: OfficeCode,
        /// For what.
        role: String,
    },
    /// Requests with the token were refused.
    Refused {
        /// How many, in all.
        count: u64,
        /// The first [`Access::MAX_REFUSALS`] of them.
        refusals: Vec<RefusedRequest>,
    },
    /// It was revoked.
    TokenRevoked {
        /// By whom.
        actor: String,
    },
}

domain_event!(AccessEvent: TokenCreated, Refused, TokenRevoked);

/// What can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum AccessCommand {
    /// Say that a token is handed out.
    Create {
        /// By whom.
        actor: String,
        /// From when on it is void.
        expires_at: Timestamp,
        /// For this office and those below it.
        office: OfficeCode,
        /// For what.
        role: String,
    },
    /// Say what was refused to it.
    Refuse {
        /// How many, in all.
        count: u64,
        /// These, the first [`Access::MAX_REFUSALS`] of which are kept.
        refusals: Vec<RefusedRequest>,
    },
    /// Say that it is revoked.
    Revoke {
        /// By whom.
        actor: String,
    },
}

/// Why it refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// It was said.
    #[error("this token was created already")]
    AlreadyCreated,
    /// It is not known.
    #[error("there is no such token on the ledger")]
    NotCreated,
    /// It was said.
    #[error("this token was revoked already")]
    AlreadyRevoked,
    /// Nobody acts.
    #[error("whoever hands out or revokes a token must be named")]
    ActorRequired,
    /// No role.
    #[error("the role of a token is a short word")]
    RoleRequired,
    /// Nothing was refused.
    #[error("no request was refused")]
    Nothing,
}

/// The state of the stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Access {
    /// Whether it was created.
    pub created: bool,
    /// Whether it was revoked.
    pub revoked: bool,
    /// How many of its requests were refused.
    pub refused: u64,
}

impl Access {
    /// Most refusals in one entry: a hundred of some 200 bytes are a third of what one may have.
    pub const MAX_REFUSALS: usize = 100;

    /// Decides; pure.
    ///
    /// # Errors
    /// See [`AccessError`].
    pub fn decide(&self, command: AccessCommand) -> Result<AccessEvent, AccessError> {
        match command {
            AccessCommand::Create { .. } if self.created => Err(AccessError::AlreadyCreated),
            AccessCommand::Create { actor, .. } if !is_actor(&actor) => {
                Err(AccessError::ActorRequired)
            }
            AccessCommand::Create { role, .. } if !is_slug(&role) => Err(AccessError::RoleRequired),
            AccessCommand::Create {
                actor,
                expires_at,
                office,
                role,
            } => Ok(AccessEvent::TokenCreated {
                actor,
                expires_at,
                office,
                role,
            }),
            _ if !self.created => Err(AccessError::NotCreated),
            AccessCommand::Refuse {
                count,
                mut refusals,
            } => {
                // A token that was revoked meanwhile may still have been refused something.
                refusals.truncate(Self::MAX_REFUSALS);
                if count == 0 || count < refusals.len() as u64 || refusals.is_empty() {
                    return Err(AccessError::Nothing);
                }
                Ok(AccessEvent::Refused { count, refusals })
            }
            AccessCommand::Revoke { .. } if self.revoked => Err(AccessError::AlreadyRevoked),
            AccessCommand::Revoke { actor } if !is_actor(&actor) => Err(AccessError::ActorRequired),
            AccessCommand::Revoke { actor } => Ok(AccessEvent::TokenRevoked { actor }),
        }
    }
}

aggregate!(Access, "access", AccessCommand, AccessEvent, AccessError);

impl Access {
    fn evolve(&mut self, event: &AccessEvent) {
        match event {
            AccessEvent::TokenCreated { .. } => self.created = true,
            AccessEvent::Refused { count, .. } => self.refused += count,
            AccessEvent::TokenRevoked { .. } => self.revoked = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{accepts, refuses};
    use super::*;

    fn office() -> OfficeCode {
        OfficeCode::parse("990101000000").unwrap()
    }

    fn create(actor: &str, role: &str) -> AccessCommand {
        AccessCommand::Create {
            actor: actor.to_owned(),
            expires_at: Timestamp::default(),
            office: office(),
            role: role.to_owned(),
        }
    }

    fn created() -> AccessEvent {
        AccessEvent::TokenCreated {
            actor: "operator".to_owned(),
            expires_at: Timestamp::default(),
            office: office(),
            role: "auditor".to_owned(),
        }
    }

    fn refusal() -> RefusedRequest {
        RefusedRequest {
            at: Timestamp::default(),
            method: "GET".to_owned(),
            problem: "not-permitted".to_owned(),
            route: "/v1/reports/half-year".to_owned(),
        }
    }

    fn revoke() -> AccessCommand {
        AccessCommand::Revoke {
            actor: "operator".to_owned(),
        }
    }

    #[test]
    fn a_token_is_created_once_and_revoked_once() {
        let revoked = AccessEvent::TokenRevoked {
            actor: "operator".to_owned(),
        };
        accepts::<Access>(&[], create("operator", "auditor"), created());
        accepts::<Access>(&[created()], revoke(), revoked.clone());
        for (given, when, then) in [
            (vec![], create("", "auditor"), AccessError::ActorRequired),
            (vec![], create("a", "no word"), AccessError::RoleRequired),
            (vec![], revoke(), AccessError::NotCreated),
            (
                vec![created()],
                create("a", "auditor"),
                AccessError::AlreadyCreated,
            ),
            (
                vec![created(), revoked],
                revoke(),
                AccessError::AlreadyRevoked,
            ),
        ] {
            refuses::<Access>(&given, when, then);
        }
    }

    #[test]
    fn refusals_are_counted_and_the_first_are_listed() {
        let many = vec![refusal(); Access::MAX_REFUSALS + 5];
        let listed = vec![refusal(); Access::MAX_REFUSALS];
        let when = AccessCommand::Refuse {
            count: 105,
            refusals: many,
        };
        let then = AccessEvent::Refused {
            count: 105,
            refusals: listed,
        };
        accepts::<Access>(&[created()], when.clone(), then);
        refuses::<Access>(&[], when, AccessError::NotCreated);
        let nothing = AccessCommand::Refuse {
            count: 0,
            refusals: vec![],
        };
        refuses::<Access>(&[created()], nothing, AccessError::Nothing);
    }
}
