//! The office aggregate.
