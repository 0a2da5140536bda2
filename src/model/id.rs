//! Identifiers.
//!
//! Positions are 0-based leaf indexes. Record ids are UUIDv8 of a keyed hash, so that they say
//! nothing without the ledger's key; event ids are UUIDv7, fresh for every append attempt.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// 0-based index of an entry in the log, which is also its RFC 6962 leaf index.
pub type Position = u64;

/// A code of an office: 12 digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfficeCode([u8; 12]);

impl OfficeCode {
    /// Reads exactly 12 ASCII digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 12] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_digit).then_some(Self(bytes))
    }

    /// The 12 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The six digits of the county (GB/T 2260).
    #[must_use]
    pub fn county(&self) -> &str {
        &self.as_str()[..6]
    }
}

impl std::fmt::Display for OfficeCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for OfficeCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for OfficeCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for OfficeCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a 12-digit office code"))
    }
}

/// A UUIDv8 (RFC 9562) of the first 16 bytes of a hash.
#[must_use]
pub fn uuid_of_hash(hash: &[u8; 32]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Uuid::new_v8(bytes)
}
