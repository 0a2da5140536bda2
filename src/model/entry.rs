//! The entry: the bytes that are stored, hashed and shown.
