//! The period aggregate.
