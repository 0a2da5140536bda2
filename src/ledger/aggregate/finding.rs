//! The finding aggregate.
