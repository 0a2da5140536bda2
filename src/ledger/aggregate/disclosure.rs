//! The disclosure aggregate.
