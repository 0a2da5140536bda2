//! The rules of the audit, one by one, over small tables.
//!
//! What comes in: records that were never in a ledger. What goes out: what one rule says of them.
//! What must stay true: every rule fires on a fault that it is strong enough to see, is silent on
//! records without it, also on those that look like one, and says where it has too few to say.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it should, and compares whole numbers"
)]

#[macro_use]
mod asked;
mod arithmetic;
mod bunching;
#[path = "../../benches/support/chance.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod chance;
mod charts;
mod counts;
mod dates;
mod duplicates;
mod folder;
mod heaping;
mod heard;
mod numbers;
mod payments;
mod payments_due;
mod registered;
mod sexes;
mod sources;
mod sums;
mod units;
mod unknown;
