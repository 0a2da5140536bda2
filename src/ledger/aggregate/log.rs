//! The log aggregate.
