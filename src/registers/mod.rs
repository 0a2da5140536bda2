//! The registers: what holds now, or held at any position, rebuilt from the entries.
//!
//! What comes in: entries of record streams. What goes out: rows, one per event, with the full
//! public state after the change, and snapshots of what was current at a position. What may
//! fail: an entry that does not read as an event of its kind. What must stay true: everything
//! here is disposable and is rebuilt from the ledger; it holds entry data only.

pub mod row;
pub mod snapshot;
