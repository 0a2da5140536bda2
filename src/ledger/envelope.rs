//! The envelope of an entry, written once, up to the place where its position goes.
//!
//! What comes in: a stream, an event and its metadata. What goes out: an [`Unplaced`] entry.
//! What may fail: an event that is too long or does not serialise canonically. What must stay
//! true: the bytes are those that will be hashed; only position, time and version follow.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cqrs_es::{Aggregate, DomainEvent};
use uuid::Uuid;

use super::canonical::{self, CanonicalError};
use crate::model::entry::{MAX_ENTRY_BYTES, MAX_TAIL_BYTES, Unplaced};
use crate::model::time::Timestamp;

/// Why an event cannot become an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Its type does not serialise canonically.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// It is longer than an entry bundle can say.
    #[error("the entry would have {bytes} bytes; at most {MAX_ENTRY_BYTES} are possible")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// Metadata by name, in byte order of the names.
pub type Metadata = BTreeMap<Cow<'static, str>, String>;

/// Where and as what an event is to stand.
pub struct Envelope<'a> {
    /// The stream.
    pub aggregate_id: Uuid,
    /// The version that the event will have.
    pub sequence: u64,
    /// Fresh for this attempt.
    pub event_id: Uuid,
    /// Who, for whom, from where.
    pub metadata: &'a Metadata,
    /// The time, on a simulated clock.
    pub simulated_at: Option<Timestamp>,
}

impl Envelope<'_> {
    /// Writes the entry of an event of an aggregate.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub fn write<A: Aggregate>(&self, event: &A::Event) -> Result<Unplaced, EnvelopeError> {
        let payload = canonical::to_bytes(event)?;
        let metadata = canonical::to_bytes(self.metadata)?;
        let mut prefix = Vec::with_capacity(payload.len() + metadata.len() + 320);
        let mut id = Uuid::encode_buffer();
        let mut put = |name: &[u8], value: &[u8]| {
            prefix.extend_from_slice(name);
            prefix.extend_from_slice(value);
        };
        put(
            b"{\"aggregate_id\":\"",
            self.aggregate_id
                .hyphenated()
                .encode_lower(&mut id)
                .as_bytes(),
        );
        put(b"\",\"aggregate_type\":\"", A::TYPE.as_bytes());
        put(
            b"\",\"event_id\":\"",
            self.event_id.hyphenated().encode_lower(&mut id).as_bytes(),
        );
        put(b"\",\"event_type\":\"", event.event_type().as_bytes());
        put(b"\",\"event_version\":\"", event.event_version().as_bytes());
        put(b"\",\"format\":1,\"metadata\":", &metadata);
        put(b",\"payload\":", &payload);
        put(b",\"position\":", b"");
        let bytes = prefix.len() + MAX_TAIL_BYTES;
        if bytes > MAX_ENTRY_BYTES {
            return Err(EnvelopeError::TooLong { bytes });
        }
        Ok(Unplaced {
            aggregate_id: self.aggregate_id,
            aggregate_type: A::TYPE,
            event_id: self.event_id,
            sequence: self.sequence,
            simulated_at: self.simulated_at,
            prefix,
        })
    }
}
