//! The sample aggregate.
