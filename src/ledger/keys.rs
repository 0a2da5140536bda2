//! The secrets of a ledger and what is derived from them.
//!
//! What comes in: 32 random bytes for the ledger's key, and a master key. What goes out: record ids, idempotency and content digests, equality tokens, row authenticators,
//! and wrapped record keys. What may fail: unwrapping a key under another master key. What must
//! stay true: each purpose has its own key (HKDF-SHA256, RFC 5869), nothing here prints a key,
//! and nothing derived from `ledger.key` can open a sealed field.

use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::cipher::EventCipher;
use crate::model::id::uuid_of_hash;
use crate::model::schema::RecordKind;
use crate::model::slot::Role;

type HmacSha256 = Hmac<Sha256>;

/// Length of a wrapped key: 32 bytes and the authenticator.
pub const WRAPPED_KEY_BYTES: usize = 48;

/// 32 secret bytes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// From given bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Fresh from the given generator, which must be cryptographically secure.
    pub fn generate(rng: &mut impl rand::CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// As 64 hexadecimal digits, for its file.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// HMAC-SHA256 with a key whose padding has been hashed already.
#[derive(Clone)]
pub struct Prf(HmacSha256);

impl Prf {
    fn derive(key: &Secret, purpose: &str) -> Self {
        let mut derived = Zeroizing::new([0; 32]);
        let hkdf = Hkdf::<Sha256>::new(None, key.as_bytes());
        // 32 bytes are far below the limit of HKDF, so this cannot fail.
        let _ = hkdf.expand(
            format!("vitaledger/v1/{purpose}").as_bytes(),
            derived.as_mut(),
        );
        Self::new(&derived)
    }

    /// Keyed with 32 bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(
            <HmacSha256 as Mac>::new_from_slice(key)
                .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length")),
        )
    }

    /// The authenticator of length-prefixed parts, so that no two lists of parts coincide.
    #[must_use]
    pub fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// The first 16 bytes of [`Self::of`].
    #[must_use]
    pub fn short(&self, parts: &[&[u8]]) -> [u8; 16] {
        let full = self.of(parts);
        let mut short = [0; 16];
        short.copy_from_slice(&full[..16]);
        short
    }
}

/// What is compared across records by tokens: never more than one purpose per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TokenPurpose {
    /// A resident ID number, whoever it is of.
    Person = 1,
    /// A household number.
    Household = 2,
    /// A birth certificate number.
    Certificate = 3,
    /// An account number.
    Account = 4,
    /// A place below the county.
    Place = 5,
}

/// Everything derived from `ledger.key`.
pub struct LedgerKeys {
    record_ids: Prf,
    idempotency: Prf,
    contents: Prf,
    rows: Prf,
    tokens: [Prf; 5],
    cases: Prf,
    access: Prf,
    webhooks: Prf,
    logins: Prf,
}

impl LedgerKeys {
    /// Derives the keys of each purpose.
    #[must_use]
    pub fn new(key: &Secret) -> Self {
        Self {
            record_ids: Prf::derive(key, "record-id"),
            idempotency: Prf::derive(key, "idempotency"),
            contents: Prf::derive(key, "content"),
            rows: Prf::derive(key, "vault-row"),
            tokens: ["person", "household", "certificate", "account", "place"]
                .map(|purpose| Prf::derive(key, &format!("token/{purpose}"))),
            cases: Prf::derive(key, "audit-case"),
            access: Prf::derive(key, "access-token"),
            webhooks: Prf::derive(key, "webhook"),
            logins: Prf::derive(key, "login"),
        }
    }

    /// Makes the codes by which a run of the audit compares sealed values; they are kept nowhere.
    #[must_use]
    pub const fn cases(&self) -> &Prf {
        &self.cases
    }

    /// The id of a record: UUIDv8 of (kind, source, source's number).
    #[must_use]
    pub fn record_id(&self, kind: RecordKind, source: &str, source_record_id: &str) -> Uuid {
        let parts = [
            kind.as_str().as_bytes(),
            source.as_bytes(),
            source_record_id.as_bytes(),
        ];
        uuid_of_hash(&self.record_ids.of(&parts))
    }

    /// The id of a stream that is no record: UUIDv8 of (type, name).
    #[must_use]
    pub fn stream_id(&self, aggregate_type: &str, name: &str) -> Uuid {
        uuid_of_hash(
            &self
                .record_ids
                .of(&[aggregate_type.as_bytes(), name.as_bytes()]),
        )
    }

    /// What stands in metadata and in the idempotency table for a caller's key.
    #[must_use]
    pub fn idempotency(&self, key: &str) -> [u8; 16] {
        self.idempotency.short(&[key.as_bytes()])
    }

    /// Digest of a record's content or of a request; never leaves the vault unkeyed.
    #[must_use]
    pub fn content(&self, hash: &[u8; 32]) -> [u8; 16] {
        self.contents.short(&[hash])
    }

    /// Authenticator of a row of the vault.
    #[must_use]
    pub fn row(&self, parts: &[&[u8]]) -> [u8; 16] {
        self.rows.short(parts)
    }

    /// Authenticator of a token of the network interface.
    #[must_use]
    pub fn access_token(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.access.of(parts)
    }

    /// Keys and authenticators of webhooks.
    #[must_use]
    pub const fn webhooks(&self) -> &Prf {
        &self.webhooks
    }

    /// Keys of logins that are under way.
    #[must_use]
    pub const fn logins(&self) -> &Prf {
        &self.logins
    }

    /// The token of a value.
    #[must_use]
    pub fn token(&self, purpose: TokenPurpose, value: &str) -> [u8; 16] {
        self.tokens[purpose as usize - 1].short(&[value.as_bytes()])
    }
}

/// A wrapped key that does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    /// The master key is not in the key file.
    #[error("master key {0} is not in the key file; restore it, or the sealed fields stay closed")]
    NoMasterKey(u32),
    /// The wrapped key was changed, or belongs to another event or ledger.
    #[error("a wrapped key does not open: it was changed or belongs elsewhere")]
    Changed,
}

/// Binds a wrapped key to its ledger, event and role; no slot has such a nonce.
fn wrap_context(ledger: Uuid, event: Uuid, role: Role) -> ([u8; 8], [u8; 34]) {
    let nonce_end = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, role as u8];
    let mut context = [0; 34];
    context[..16].copy_from_slice(ledger.as_bytes());
    context[16..32].copy_from_slice(event.as_bytes());
    context[32] = b'k';
    context[33] = role as u8;
    (nonce_end, context)
}

/// Wraps the key of a role. The nonce is unique because event ids are.
#[must_use]
pub fn wrap(master: &EventCipher, ledger: Uuid, event: Uuid, role: Role, key: &Secret) -> Vec<u8> {
    let (nonce_end, aad) = wrap_context(ledger, event, role);
    master.seal(nonce_end, &aad, key.as_bytes())
}

/// Opens the key of a role.
///
/// # Errors
/// When it was changed or belongs elsewhere.
pub fn unwrap(
    master: &EventCipher,
    ledger: Uuid,
    event: Uuid,
    role: Role,
    wrapped: &[u8],
) -> Result<Secret, UnwrapError> {
    let (nonce_end, aad) = wrap_context(ledger, event, role);
    let opened = master
        .open(nonce_end, &aad, wrapped)
        .ok_or(UnwrapError::Changed)?;
    let bytes: [u8; 32] = opened
        .as_slice()
        .try_into()
        .map_err(|_| UnwrapError::Changed)?;
    Ok(Secret::new(bytes))
}
