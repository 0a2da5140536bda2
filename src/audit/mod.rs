//! The audit: whether the log is what it was, and whether its figures can be right.
//!
//! What comes in: a ledger, an exported log or a bundle of evidence, only read; for the figures,
//! the current records with their sealed values. What goes out: what was checked and the first
//! thing that is wrong; findings of the rules. What must stay true: nothing here writes to a
//! ledger, and it shares no code with the way entries are written.
//!
//! | of the log | of the figures |
//! |---|---|
//! | [`verify`], [`walk`], [`exported`], [`evidence`], [`cosigned`], [`keys`] | [`catalogue`] reads the rules, [`cases`] makes their tables, [`casebook`] keeps them, [`functions`] are the statistics, [`near`] is what need not be asked again, [`run`] asks and decides, [`finding`] is what comes of it, [`score`] holds it against a known truth |

pub mod casebook;
pub mod cases;
pub mod catalogue;
pub mod cosigned;
pub mod evidence;
pub mod exported;
pub mod finding;
pub mod functions;
pub mod keys;
pub mod leaves;
pub mod near;
mod outline;
pub mod rows;
pub mod run;
pub mod score;
pub mod sealed;
mod streams;
mod vault;
pub mod verify;
pub mod walk;
