//! The aggregates: what each kind of stream accepts, and what its events say.
//!
//! What comes in: commands that carry sealed fields, event ids and randomness, so that `handle`
//! is pure. What goes out: events. What may fail: each aggregate's own error says what is wrong
//! and what to do. What must stay true: nothing here does I/O or reads a clock, and an event's
//! fields stand in alphabetical order, since their serialised form is hashed.

pub mod access;
pub mod disclosure;
pub mod erasure;
pub mod finding;
pub mod import;
pub mod linkage;
pub mod log;
pub mod office;
pub mod period;
pub mod record;
pub mod sample;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use uuid::Uuid;

use crate::ledger::commitment::Commitments;
use crate::model::cell;
use crate::model::slot::Slot;

/// Records that an event names: up to 100 by id, more by their count and a root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamedRecords {
    /// How many.
    pub count: u64,
    /// Which, up to [`Self::MAX_IDS`]; empty when there are more.
    pub ids: Vec<Uuid>,
    /// Of more: the root over their ids, hexadecimal.
    pub root: Option<String>,
}

impl NamedRecords {
    /// Most ids in one entry: a hundred UUIDs are 3.9 kB of its 65,535 bytes.
    pub const MAX_IDS: usize = 100;

    /// Names these records; `root_of` gives the RFC 6962 root over the 16 bytes of each id.
    pub fn of(mut ids: Vec<Uuid>, root_of: impl Fn(&[Uuid]) -> [u8; 32]) -> Self {
        ids.sort_unstable();
        ids.dedup();
        let count = ids.len() as u64;
        if ids.len() <= Self::MAX_IDS {
            return Self {
                count,
                ids,
                root: None,
            };
        }
        let root = Some(hex::encode(root_of(&ids)));
        Self {
            count,
            ids: Vec::new(),
            root,
        }
    }
}

/// Implements `cqrs_es::DomainEvent` for an externally tagged enum: the event type is the
/// variant's name, and the version is that of the format unless a variant says otherwise.
macro_rules! domain_event {
    ($name:ident: $($variant:ident),+ $(,)?) => {
        impl cqrs_es::DomainEvent for $name {
            fn event_type(&self) -> String {
                match self { $(Self::$variant { .. } => stringify!($variant).to_owned(),)+ }
            }
            fn event_version(&self) -> String {
                "1".to_owned()
            }
        }
    };
}
pub(crate) use domain_event;

/// Implements `cqrs_es::Aggregate` for a state that decides on a command (`decide`) and takes up
/// an event (`evolve`). One command gives one event.
macro_rules! aggregate {
    ($state:ident, $type:literal, $command:ident, $event:ident, $error:ident) => {
        impl cqrs_es::Aggregate for $state {
            const TYPE: &'static str = $type;
            type Command = $command;
            type Event = $event;
            type Error = $error;
            type Services = ();

            async fn handle(
                &mut self,
                command: Self::Command,
                (): &Self::Services,
                sink: &cqrs_es::event_sink::EventSink<Self>,
            ) -> Result<(), Self::Error> {
                let event = self.decide(command)?;
                sink.write(event, self).await;
                Ok(())
            }

            fn apply(&mut self, event: Self::Event) {
                self.evolve(&event);
            }
        }
    };
}
pub(crate) use aggregate;

/// Whether the text can name who acts: stated, trimmed (so that no blank makes one person two),
/// in NFC, without control characters, at most 200 characters.
fn is_actor(text: &str) -> bool {
    is_clean(text)
}

/// Whether the text is as [`cell::clean`] leaves it, and so can stand in an entry.
fn is_clean(text: &str) -> bool {
    cell::clean(text).is_ok_and(|cleaned| cleaned.as_deref() == Some(text))
}

/// Whether the text is a short machine word.
fn is_slug(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whether the text is that many bytes in lower-case hexadecimal digits.
fn is_hex(text: &str, bytes: usize) -> bool {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == bytes * 2 && text.bytes().all(digit)
}

/// Whether the text is a root as checkpoints spell it: 32 bytes in base64 with padding.
fn is_checkpoint_root(text: &str) -> bool {
    text.len() == 44
        && BASE64_STANDARD
            .decode(text)
            .is_ok_and(|bytes| bytes.len() == 32)
}

/// Whether every JSON reader keeps the number exactly.
fn is_exact(number: u64) -> bool {
    number <= cell::MAX_INTEGER.unsigned_abs()
}

/// Whether exactly this slot is committed.
fn is_only(commitments: &Commitments, slot: Slot) -> bool {
    commitments.slots().eq([slot])
}

/// Whether a reason is committed, or nothing.
fn is_reason_or_nothing(commitments: &Commitments) -> bool {
    commitments.slots().next().is_none() || is_only(commitments, Slot::REASON)
}

/// Why records cannot be named as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordListError {
    /// The number of ids is not that of the records.
    #[error("{listed} ids are listed for {count} records; list each, up to {max}", max = NamedRecords::MAX_IDS)]
    Count {
        /// How many records there are said to be.
        count: u64,
        /// How many are listed.
        listed: usize,
    },
    /// An id stands there twice.
    #[error("record {0} is listed twice; list it once")]
    Twice(Uuid),
    /// More records than an entry lists, and their ids.
    #[error(
        "{0} records are more than the {max} that an entry lists; leave the ids out and \
         give their Merkle root",
        max = NamedRecords::MAX_IDS
    )]
    TooMany(u64),
    /// More records than an entry lists, and no root.
    #[error(
        "{0} records are too many to list; give the Merkle root over their ids as 64 \
         hexadecimal digits"
    )]
    RootRequired(u64),
    /// A root beside the ids.
    #[error("up to {max} records are listed; leave the Merkle root out", max = NamedRecords::MAX_IDS)]
    RootNotNeeded,
    /// More than 2^53.
    #[error("{0} records are more than an entry can state exactly (2^53)")]
    TooLarge(u64),
}

/// The ids as they stand in the entry: in ascending order, so that there is one way to write
/// them. The root over more than [`NamedRecords::MAX_IDS`] is over that order, too.
fn record_list(
    count: u64,
    mut ids: Vec<Uuid>,
    root: Option<&str>,
) -> Result<Vec<Uuid>, RecordListError> {
    if !is_exact(count) {
        return Err(RecordListError::TooLarge(count));
    }
    if count > NamedRecords::MAX_IDS as u64 {
        if !ids.is_empty() {
            return Err(RecordListError::TooMany(count));
        }
        if !root.is_some_and(|root| is_hex(root, 32)) {
            return Err(RecordListError::RootRequired(count));
        }
        return Ok(ids);
    }
    if ids.len() as u64 != count {
        return Err(RecordListError::Count {
            count,
            listed: ids.len(),
        });
    }
    if root.is_some() {
        return Err(RecordListError::RootNotNeeded);
    }
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(RecordListError::Twice(pair[0])),
        None => Ok(ids),
    }
}

#[cfg(test)]
mod testing {
    //! Given, when, then, in one call; every event that is accepted is also written and read.

    use cqrs_es::test::TestFramework;
    use cqrs_es::{Aggregate, DomainEvent};

    use crate::ledger::canonical;
    use crate::ledger::commitment::{Commitment, Commitments};
    use crate::model::slot::Slot;

    /// Thirty-two bytes, as checkpoints spell them.
    pub const ROOT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    /// The largest number that is not exact any more, as JSON readers go.
    pub const TOO_LARGE: u64 = (1 << 53) + 1;

    pub fn sealed(slots: &[Slot]) -> Commitments {
        Commitments::new(
            slots
                .iter()
                .map(|slot| (*slot, Commitment([7; 32])))
                .collect(),
        )
    }

    pub fn reason() -> Commitments {
        sealed(&[Slot::REASON])
    }

    /// Thirty-two bytes in hexadecimal digits.
    pub fn digest() -> String {
        "0123456789abcdef".repeat(4)
    }

    pub fn accepts<A: Aggregate<Services = ()>>(
        given: &[A::Event],
        when: A::Command,
        then: A::Event,
    ) {
        reads_back(&then);
        TestFramework::<A>::with(())
            .given(given.to_vec())
            .when(when)
            .then_expect_events(vec![then]);
    }

    pub fn refuses<A: Aggregate<Services = ()>>(
        given: &[A::Event],
        when: A::Command,
        then: A::Error,
    ) where
        A::Error: PartialEq,
    {
        TestFramework::<A>::with(())
            .given(given.to_vec())
            .when(when)
            .then_expect_error(then);
    }

    /// The event is canonical, names its type, reads back, and allows no other field.
    fn reads_back<E: DomainEvent>(event: &E) {
        let bytes = canonical::to_bytes(event).unwrap();
        assert_eq!(&serde_json::from_slice::<E>(&bytes).unwrap(), event);
        let mut value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let fields = value
            .get_mut(event.event_type())
            .and_then(|fields| fields.as_object_mut());
        fields.unwrap().insert("zz".to_owned(), 1.into());
        assert!(serde_json::from_value::<E>(value).is_err());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_listed_in_order_or_counted_with_a_root() {
        let id = Uuid::from_u128;
        let root = testing::digest();
        assert_eq!(
            record_list(2, vec![id(2), id(1)], None),
            Ok(vec![id(1), id(2)])
        );
        assert_eq!(record_list(101, vec![], Some(&root)), Ok(vec![]));
        assert_eq!(
            record_list(2, vec![id(1)], None),
            Err(RecordListError::Count {
                count: 2,
                listed: 1
            })
        );
        assert_eq!(
            record_list(2, vec![id(1); 2], None),
            Err(RecordListError::Twice(id(1)))
        );
        assert_eq!(
            record_list(1, vec![id(1)], Some(&root)),
            Err(RecordListError::RootNotNeeded)
        );
        assert_eq!(
            record_list(101, vec![id(1)], None),
            Err(RecordListError::TooMany(101))
        );
        for root in [None, Some("AB"), Some(testing::ROOT)] {
            assert_eq!(
                record_list(101, vec![], root),
                Err(RecordListError::RootRequired(101))
            );
        }
        assert_eq!(
            record_list(testing::TOO_LARGE, vec![], Some(&root)),
            Err(RecordListError::TooLarge(testing::TOO_LARGE))
        );
    }

    #[test]
    fn who_acts_is_stated_plainly() {
        assert!(is_actor("auditor-7") && is_actor("审计员"));
        for text in ["", " ", "a ", "a\nb", "e\u{301}", &"x".repeat(201)] {
            assert!(!is_actor(text), "{text:?}");
        }
    }

    #[test]
    fn roots_and_digests_have_one_spelling() {
        assert!(is_checkpoint_root(testing::ROOT) && is_hex(&testing::digest(), 32));
        for text in [
            "",
            "AAEC",
            &testing::ROOT.replace("8=", "9="),
            &testing::digest(),
        ] {
            assert!(!is_checkpoint_root(text), "{text:?}");
        }
        assert!(!is_hex(&testing::digest().to_uppercase(), 32));
    }
}
