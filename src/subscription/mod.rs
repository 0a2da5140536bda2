//! Subscriptions: what is appended to the log, told to other systems in its one order.
//!
//! What comes in: entries of the store. What goes out: [`event::Event`]s, to readers that follow the
//! log ([`feed`]) and to consumers of named subscriptions that share the work ([`durable`]). What
//! may fail: the store; an entry that does not read. What must stay true: an event says nothing but
//! what is public of its entry; positions that a reader is not told of are accounted for, so that
//! none can be missing without its being seen; and memory for a reader is bounded, however slow.

pub mod durable;
pub mod event;
pub mod feed;
pub mod filter;
pub mod gzip;
pub mod nats;
pub mod webhook;

use crate::model::id::Position;
use crate::store::StoreError;
use event::EventError;

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry is no event.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The log is not what it must be.
    #[error("the log has no entry at position {0}, but has later ones")]
    Gap(Position),
    /// What is to be told cannot be packed.
    #[error("events cannot be packed for a stream: {0}")]
    Packing(String),
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, SubscriptionError>;
