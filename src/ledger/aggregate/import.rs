//! The import aggregate.
