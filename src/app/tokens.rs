//! Tokens of the network interface: made, listed, revoked, and what was refused to them.
//!
//! What comes in: a role, an office, an end. What goes out: a secret, shown once. What may
//! fail: an office that is not registered, an end that is past, a token that is not there. What must
//! stay true: a token is on the ledger before it works, and has stopped working when the ledger says
//! that it was revoked; the secret is kept by nobody here; and whoever can write to the database,
//! but has not the ledger's key, makes no token, widens none, and brings none back.
//!
//! A secret is 32 bytes of the operating system's randomness. Nobody can try 2^256 of them, so its
//! SHA-256 can be kept without a salt and without the slow hashing that passwords need, and a
//! token is found by one look into an index.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rand_core::{OsRng, RngCore};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{App, AppError};
use crate::ledger::aggregate::access::{Access, AccessCommand, RefusedRequest};
use crate::ledger::request::{Command, For, Receipt, fold};
use crate::model::cell::{CellError, clean};
use crate::model::id::OfficeCode;
use crate::model::time::Timestamp;
use crate::store::access::{Token, TokenRole};

/// What every secret begins with, so that one that leaked is recognised as one.
const PREFIX: &str = "vitaledger_";

/// What a new token is to be.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// For what.
    pub role: TokenRole,
    /// For this office and those below it.
    pub office: OfficeCode,
    /// From when on it is void.
    pub expires_at: Timestamp,
    /// What people call it; it stays beside the ledger and is in no entry.
    pub name: Option<String>,
}

/// A token that was made.
pub struct MadeToken {
    /// As it is kept.
    pub token: Token,
    /// The secret, as a client sends it.
    pub secret: Zeroizing<String>,
    /// The entry that says so.
    pub receipt: Receipt,
}

/// Whether a token works, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// It works.
    Valid,
    /// Its last day is past.
    Expired,
    /// It was revoked.
    Revoked,
}

impl TokenState {
    /// Of a token at a moment.
    #[must_use]
    pub fn of(token: &Token, now: Timestamp) -> Self {
        if token.revoked_at.is_some() {
            Self::Revoked
        } else if now >= token.expires_at {
            Self::Expired
        } else {
            Self::Valid
        }
    }

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// The name under which what a token does stands in entries.
#[must_use]
pub fn actor_of(token: Uuid) -> String {
    format!("token-{token}")
}

/// The hash of a secret; nothing when the text cannot be one.
fn hash_of(secret: &str) -> Option<[u8; 32]> {
    let encoded = secret.strip_prefix(PREFIX)?;
    let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?);
    (bytes.len() == 32).then(|| Sha256::digest(bytes.as_slice()).into())
}

fn entry_of(token: Uuid, build: impl Fn() -> AccessCommand + Send + Sync + 'static) -> Command {
    For::<Access>::new(token, move |_| build()).command()
}

impl App {
    /// Makes a token. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// When the office is not registered, the end is past, or the store fails.
    pub async fn create_token(&self, new: &NewToken) -> Result<MadeToken, AppError> {
        if self.offices_now().await?.get(new.office).is_none() {
            return Err(AppError::Usage(format!(
                "the office {} is not registered; import its row in the offices file first",
                new.office
            )));
        }
        let created_at = Timestamp::now();
        let expires_at = new.expires_at;
        if expires_at <= created_at {
            return Err(AppError::Usage(format!(
                "{} is past; name the last day on which the token is to work",
                expires_at.date()
            )));
        }
        let name = new.name.as_deref().map(clean).transpose();
        let name = name.map_err(|reason| CellError {
            column: "name",
            reason,
        })?;
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(bytes.as_mut_slice());
        let mut secret = Zeroizing::new(String::with_capacity(PREFIX.len() + 43));
        // Writing to a string cannot fail.
        let _ = write!(secret, "{PREFIX}");
        BASE64_URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut secret);
        let token = Token {
            id: Uuid::now_v7(),
            hash: Sha256::digest(bytes.as_slice()).into(),
            role: new.role,
            office: new.office,
            name: name.flatten(),
            created_at,
            expires_at,
            revoked_at: None,
            mac: [0; 32],
        };
        let token = Token {
            mac: self.mac_of(&token),
            ..token
        };
        let (actor, office, role) = (self.actor.clone(), token.office, token.role);
        let entry = entry_of(token.id, move || AccessCommand::Create {
            actor: actor.clone(),
            expires_at,
            office,
            role: role.to_string(),
        });
        let context = self.context(None);
        let answer = self.ledger.execute_one(&context, entry).await??;
        // After the entry: a token without a trail never works.
        self.tokens().keep_token(&token).await?;
        self.seal().await?;
        Ok(MadeToken {
            token,
            secret,
            receipt: answer.receipt().clone(),
        })
    }

    /// Every token, in the order of their making.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_tokens(&self) -> Result<Vec<Token>, AppError> {
        Ok(self.tokens().tokens().await?)
    }

    /// Revokes a token: it does not work any more when this returns.
    ///
    /// # Errors
    /// When there is none, it was revoked before, or the store fails.
    pub async fn revoke_token(&self, id: Uuid) -> Result<Receipt, AppError> {
        // Before the entry. What a crash leaves in between is put on the ledger by a second call.
        self.tokens().revoke_token(id, Timestamp::now()).await?;
        let stream = self.store().streams(&[id]).await?.remove(&id);
        let known: Access = fold(&stream.unwrap_or_default()).map_err(AppError::Integrity)?;
        if !known.created {
            return Err(AppError::Unknown(format!(
                "there is no token {id}; `vitaledger token list` names them"
            )));
        }
        let actor = self.actor.clone();
        let entry = entry_of(id, move || AccessCommand::Revoke {
            actor: actor.clone(),
        });
        let context = self.context(None);
        let answer = self.ledger.execute_one(&context, entry).await??;
        self.seal().await?;
        Ok(answer.receipt().clone())
    }

    /// The token of a secret, whether it works or not; nothing when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn token_of(&self, secret: &str) -> Result<Option<Token>, AppError> {
        match hash_of(secret) {
            Some(hash) => self.token_of_hash(&hash).await,
            None => Ok(None),
        }
    }

    /// Whether this ledger made a token, and nobody changed what it is for.
    pub(super) fn is_authentic(&self, token: &Token) -> bool {
        token.mac == self.mac_of(token)
    }

    fn mac_of(&self, token: &Token) -> [u8; 32] {
        self.ledger.keys.access_token(&[
            token.id.as_bytes(),
            &token.hash,
            token.role.as_str().as_bytes(),
            token.office.as_str().as_bytes(),
            &token.created_at.micros().to_be_bytes(),
            &token.expires_at.micros().to_be_bytes(),
        ])
    }

    /// Puts on the ledger that requests with a token were refused.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn log_refusals(
        &self,
        token: Uuid,
        count: u64,
        refusals: Vec<RefusedRequest>,
    ) -> Result<(), AppError> {
        let entry = entry_of(token, move || AccessCommand::Refuse {
            count,
            refusals: refusals.clone(),
        });
        let context = self.context(None);
        self.ledger.execute_one(&context, entry).await??;
        self.seal().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_secret_has_a_hash() {
        let secret = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode([7; 32]));
        let hash: [u8; 32] = Sha256::digest([7; 32]).into();
        assert_eq!(hash_of(&secret), Some(hash));
        for text in [
            "",
            "vitaledger_",
            "vitaledger_AAAA",
            &secret[1..],
            &format!("{secret}="),
        ] {
            assert_eq!(hash_of(text), None, "{text}");
        }
    }
}
