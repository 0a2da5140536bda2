//! vitaledger: an event-sourced, tamper-evident audit ledger for vital statistics.

pub mod simulate;
