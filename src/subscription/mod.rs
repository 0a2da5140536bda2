//! Events of the ledger for other systems.
pub mod webhook;
