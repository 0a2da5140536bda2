//! vitaledger: an event-sourced, tamper-evident audit ledger for vital statistics.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod ledger;
pub mod model;
pub mod registers;
pub mod report;
pub mod seal;
pub mod store;
