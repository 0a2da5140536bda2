//! The ledger: what may be recorded, and how it becomes an entry.
//!
//! What comes in: requests (record, correct, void, and the commands of the other aggregates).
//! What goes out: entries in the store, receipts to the caller. What may fail: a request that its
//! aggregate refuses ([`execute::Refusal`]) never harms another of the same batch; a store that
//! is unavailable stops the batch, and none of it is acknowledged. What must stay true:
//! [`execute`] is the only way by which anything is appended; personal fields are sealed before
//! an aggregate sees them.

pub mod aggregate;
pub mod canonical;
pub mod cipher;
pub mod commitment;
pub mod envelope;
pub mod event_store;
pub mod execute;
pub mod history;
pub mod keys;
pub mod master;
pub mod recording;
mod replaying;
pub mod request;
pub mod rewrapping;
pub mod sealing;
pub mod writer;
pub mod years;
