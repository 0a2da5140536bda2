//! Tokens of the network interface: the port, and what a token is to the store.
//!
//! What comes in: the hash of a secret, with the role and the office that it stands for. What goes
//! out: the token of a hash. What may fail: the database. What must stay true: the secret itself
//! is never here; a token is revoked once and is otherwise never changed or deleted; tokens are
//! neither exported nor backed up, so that no copy brings back one that was revoked.

use async_trait::async_trait;
use uuid::Uuid;

use super::Result;
use crate::model::id::OfficeCode;
use crate::model::time::Timestamp;

/// What a token is for. Everything that it allows is allowed within its office and those below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenRole {
    /// Reports for offices: records, corrects, voids, imports, answers findings.
    Registrar,
    /// Checks the trail: reads entries, opens sealed fields for a purpose, makes evidence.
    Auditor,
    /// Judges figures: reports, history, findings and their life.
    Supervisor,
    /// Another system that reads what is public of records.
    Integrator,
}

impl TokenRole {
    /// Every role.
    pub const ALL: [Self; 4] = [
        Self::Registrar,
        Self::Auditor,
        Self::Supervisor,
        Self::Integrator,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registrar => "registrar",
            Self::Auditor => "auditor",
            Self::Supervisor => "supervisor",
            Self::Integrator => "integrator",
        }
    }

    /// The word in Chinese.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Registrar => "登记员",
            Self::Auditor => "审计员",
            Self::Supervisor => "督导员",
            Self::Integrator => "集成系统",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

impl std::fmt::Display for TokenRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A token, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Names it; as an actor in entries, too.
    pub id: Uuid,
    /// SHA-256 of the secret, 32 bytes.
    pub hash: [u8; 32],
    /// What it is for.
    pub role: TokenRole,
    /// Where.
    pub office: OfficeCode,
    /// What people call it.
    pub name: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is void.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Authenticates it, so that whoever has the database alone can make none. The name and the
    /// revocation are not in it: that says the ledger.
    pub mac: [u8; 32],
}

/// The port to the tokens.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Keeps a new token.
    async fn keep_token(&self, token: &Token) -> Result<()>;
    /// Every token, in the order of their making.
    async fn tokens(&self) -> Result<Vec<Token>>;
    /// The token whose secret has this hash, also when it is void.
    async fn token_of_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>>;
    /// Revokes a token; `false` when there is none of that id, or it was revoked before.
    async fn revoke_token(&self, id: Uuid, at: Timestamp) -> Result<bool>;
}
