//! Walking through history: what changed between two moments, who set what, how the figures moved
//! from step to step, and from which entry on a condition held.
//!
//! What comes in: rows and snapshots of the registers, the history of a record, and a condition
//! that somebody wrote. What goes out: [`difference::Difference`], [`blame::Blame`],
//! [`playback::Playback`] with its [`tally::Tally`], and a [`rule::Rule`] with the
//! [`search::Search`] for where it began to hold; [`text`] writes them for people. What may fail:
//! a condition that cannot be read, a target that is no number. What must stay true: nothing is
//! read from a database or a clock here; a figure is the one that the reports show, and a step by
//! step count is the same as a full one; sealed values are named when they changed, never shown.

pub mod blame;
pub mod difference;
pub mod movement;
pub mod numbers;
pub mod playback;
pub mod rule;
mod rule_text;
pub mod search;
pub mod steps;
pub mod tally;
#[cfg(test)]
mod tests;
pub mod text;
