//! The aggregates: what each kind of stream accepts, and what its events say.
//!
//! What comes in: commands that carry sealed fields, event ids and randomness, so that `handle`
//! is pure. What goes out: events. What may fail: each aggregate's own error says what is wrong
//! and what to do. What must stay true: nothing here does I/O or reads a clock, and an event's
//! fields stand in alphabetical order, since their serialised form is hashed.

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

/// Records that an event names: up to 100 by id, more by their count and a root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamedRecords {
    /// How many.
    pub count: u64,
    /// Which, up to [`Self::MAX_IDS`]; empty when there are more.
    pub ids: Vec<uuid::Uuid>,
    /// Of more: the root over their ids, hexadecimal.
    pub root: Option<String>,
}

impl NamedRecords {
    /// Most ids in one entry.
    pub const MAX_IDS: usize = 100;

    /// Names these records; `root_of` gives the RFC 6962 root over the 16 bytes of each id.
    pub fn of(mut ids: Vec<uuid::Uuid>, root_of: impl Fn(&[uuid::Uuid]) -> [u8; 32]) -> Self {
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
