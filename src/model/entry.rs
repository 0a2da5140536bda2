//! The entry: the bytes that are stored, hashed and shown.
//!
//! What comes in: the parts of an entry before its place in the log is known ([`Unplaced`]), or
//! the bytes of a stored one. What goes out: bytes, or a view into them ([`Entry`]). What may
//! fail: bytes that are not such an entry. What must stay true: the bytes are RFC 8785 canonical
//! JSON; `position`, `recorded_at` and `sequence` sort last, so that everything before them can
//! be written before the ledger's head is locked; nothing re-serialises an entry.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::id::Position;
use super::slot::Borrowed;
use super::time::Timestamp;

/// Longest entry, in bytes (entry bundles give lengths as 16-bit numbers: C2SP tlog-tiles).
pub const MAX_ENTRY_BYTES: usize = 65_535;
/// Longest tail that placing adds: `16` digits, a 27-byte time, `16` digits and the keys.
pub const MAX_TAIL_BYTES: usize = 120;

/// The leaf hash of an entry: SHA-256(0x00 || bytes) (RFC 6962 section 2.1).
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(bytes);
    hash.finalize().into()
}

/// A view into the bytes of a stored entry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry<'a> {
    /// The stream it belongs to.
    pub aggregate_id: Uuid,
    /// The type of that stream.
    #[serde(borrow)]
    pub aggregate_type: Cow<'a, str>,
    /// Fresh for every append attempt.
    pub event_id: Uuid,
    /// Name of the event.
    #[serde(borrow)]
    pub event_type: Cow<'a, str>,
    /// Version of its schema.
    #[serde(borrow)]
    pub event_version: Cow<'a, str>,
    /// Version of the entry format: 1.
    pub format: u8,
    /// Who, for which office, from which source, in which import.
    #[serde(borrow, deserialize_with = "borrowed_map")]
    pub metadata: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// The externally tagged event.
    #[serde(borrow)]
    pub payload: &'a RawValue,
    /// 0-based leaf index.
    pub position: Position,
    /// When the ledger learned of it, as the ledger asserts.
    pub recorded_at: Timestamp,
    /// 1-based version within the stream.
    pub sequence: u64,
}

fn borrowed_map<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<Cow<'de, str>, Cow<'de, str>>, D::Error> {
    let map = BTreeMap::<Borrowed<'de>, Borrowed<'de>>::deserialize(deserializer)?;
    let pairs = map.into_iter().map(|(name, value)| (name.0, value.0));
    Ok(pairs.collect())
}

impl<'a> Entry<'a> {
    /// Reads the bytes of an entry.
    ///
    /// # Errors
    /// When they are not such an entry: unknown, duplicate or missing fields, other types.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// A value of the metadata.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(AsRef::as_ref)
    }
}

/// An entry whose place is not known yet.
#[derive(Debug, Clone)]
pub struct Unplaced {
    /// The stream.
    pub aggregate_id: Uuid,
    /// The type of the stream.
    pub aggregate_type: &'static str,
    /// Fresh for this attempt.
    pub event_id: Uuid,
    /// The version it will have in its stream; the append fails when another took it.
    pub sequence: u64,
    /// On a simulated clock, the time at which it is recorded.
    pub simulated_at: Option<Timestamp>,
    /// The canonical bytes up to and including `"position":`.
    pub prefix: Vec<u8>,
}

impl Unplaced {
    /// The bytes of the entry at its place.
    #[must_use]
    pub fn place(&self, position: Position, recorded_at: Timestamp) -> Vec<u8> {
        use std::io::Write;
        let mut bytes = Vec::with_capacity(self.prefix.len() + MAX_TAIL_BYTES);
        bytes.extend_from_slice(&self.prefix);
        // Writing into a vector cannot fail.
        let _ = write!(
            bytes,
            "{position},\"recorded_at\":\"{recorded_at}\",\"sequence\":{}}}",
            self.sequence
        );
        bytes
    }
}
