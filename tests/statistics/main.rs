//! The statistics against tables of other programs, against themselves, and against chance.
//!
//! What comes in: the tables of `tests/data/statistics`, made once by the script beside them. What
//! must come out: the same numbers, to the precision that each family states; tails that behave
//! as tails; p-values that are never too small where the null is true.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first thing that is not as it should, and says how near it was"
)]

mod calibration;
#[path = "../../benches/support/chance.rs"]
mod chance;
#[path = "../support/foreign.rs"]
mod foreign;
#[path = "../../benches/support/nulls.rs"]
mod nulls;
#[path = "../../benches/support/offices.rs"]
#[allow(dead_code, reason = "benches use the rest")]
mod offices;
mod persons;
mod properties;
mod published;
mod real;
mod rules;
mod series;
mod signals;
mod tables;
