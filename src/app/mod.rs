//! The application: a ledger with everything that belongs to it, opened from a folder.
//!
//! What comes in: a folder (and its keys). What goes out: an [`App`] on which every command of
//! the command line, and later of the network interfaces, is a method. What may fail:
//! [`AppError`], which knows its exit code. What must stay true: whatever appends ends with a
//! sealed log.

pub mod audit;
pub mod backtest;
pub mod backup;
pub mod erase;
pub mod error;
pub mod exchange;
pub mod explain;
pub mod findings;
pub mod history;
pub mod home;
pub mod importing;
mod joint;
pub mod keys;
pub mod known;
pub mod late;
pub mod log_files;
pub mod opening;
mod overrides;
pub mod periods;
pub mod plan;
pub mod proofs;
pub mod reading;
pub mod records;
pub mod restatements;
pub mod restore;
mod return_file;
pub mod return_status;
pub mod returns;
pub mod shelf;
pub mod signing;
pub mod sql;
pub mod subscriptions;
pub mod successor;
pub mod timeline;
pub mod tokens;
pub mod webhooks;
pub mod witnesses;

pub use error::AppError;
pub use home::{App, InitOptions};
