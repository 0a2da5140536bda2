//! vitaledger: an event-sourced, tamper-evident audit ledger for vital statistics.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod app;
pub mod audit;
pub mod cli;
pub mod intake;
pub mod ledger;
pub mod model;
pub mod registers;
pub mod report;
pub mod seal;
pub mod simulate;
pub mod store;
