//! The erasure aggregate.
