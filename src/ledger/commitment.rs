//! Commitments to sealed slots, as entries carry them.
//!
//! What comes in: 32-byte commitments by slot. What goes out: a JSON object of base64url strings,
//! in byte order of the slot names. What may fail: reading text that is not that. What must stay
//! true: a slot is there whether or not its value is stated; presence is inside the commitment.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::slot::{Borrowed, Slot};

/// HMAC-SHA256 of one slot of one event.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment(pub [u8; 32]);

impl std::fmt::Debug for Commitment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl std::fmt::Display for Commitment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// Commitments by slot, in byte order of the names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commitments(Vec<(Slot, Commitment)>);

impl Commitments {
    /// From pairs in any order.
    #[must_use]
    pub fn new(mut pairs: Vec<(Slot, Commitment)>) -> Self {
        pairs.sort_unstable_by_key(|(slot, _)| *slot);
        Self(pairs)
    }

    /// The commitment of a slot.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<Commitment> {
        let found = self.0.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        Some(self.0[found].1)
    }

    /// The number of slots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The slots, in order.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.0.iter().map(|(slot, _)| *slot)
    }

    /// Slots and commitments, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, Commitment)> + '_ {
        self.0.iter().copied()
    }
}

impl Serialize for Commitments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        let mut text = [0; 43];
        for (slot, commitment) in &self.0 {
            // 32 bytes are always 43 characters, so this cannot fail.
            let _ = URL_SAFE_NO_PAD.encode_slice(commitment.0, &mut text);
            map.serialize_entry(slot, std::str::from_utf8(&text).unwrap_or_default())?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Commitments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Commitments;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("commitments by slot")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Commitments, M::Error> {
                let mut pairs: Vec<(Slot, Commitment)> = Vec::with_capacity(12);
                let mut last = None;
                while let Some((Borrowed(name), Borrowed(text))) = map.next_entry()? {
                    let slot = Slot::of_name_after(last, &name)
                        .ok_or_else(|| M::Error::custom(format_args!("no sealed slot {name:?}")))?;
                    let mut bytes = [0; 33];
                    let length = URL_SAFE_NO_PAD.decode_slice(text.as_bytes(), &mut bytes);
                    let (Ok(32), Some(commitment)) = (length, bytes.first_chunk::<32>()) else {
                        return Err(M::Error::custom("a commitment is 43 base64url characters"));
                    };
                    if last.is_some_and(|last| last >= slot) {
                        return Err(M::Error::custom("slots out of order or twice"));
                    }
                    last = Some(slot);
                    pairs.push((slot, Commitment(*commitment)));
                }
                Ok(Commitments(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}
