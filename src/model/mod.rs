//! The words of the field: what an office can report, and how it is written.
//!
//! What comes in: cells of text, as an intake file or a form gives them. What goes out: typed
//! values and [`record::Draft`]s, in which every value is either public or in a sealed slot.
//! What may fail: a cell that cannot be read ([`cell::CellError`] names the column and the
//! reason, never the value of a sealed field). What must stay true: which field is public and
//! which is sealed is said once, in [`schema`], and nothing in this module does any I/O.

pub mod calendar;
pub mod cell;
pub mod code;
pub mod entry;
pub mod fields;
pub mod id;
pub mod office;
pub mod period;
pub mod record;
pub mod schema;
pub mod slot;
pub mod time;
