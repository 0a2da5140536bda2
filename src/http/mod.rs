//! What speaks HTTP.
//!
//! What comes in: requests. What goes out: answers. What may fail: a port that is taken. What must
//! stay true: the protocols are decided below; here they are only carried.

pub mod witness;
