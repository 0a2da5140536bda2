//! vitaledger: an event-sourced, tamper-evident audit ledger for vital statistics.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod intake;
pub mod model;
