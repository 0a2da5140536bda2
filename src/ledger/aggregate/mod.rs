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
