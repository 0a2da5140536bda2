//! The linkage aggregate.
