//! Events published to a stream of NATS JetStream.
//!
//! What comes in: the end of the log. What goes out: one message for each entry, in the order of the
//! log. What may fail: the servers of NATS, which are tried again ([`publisher`]). What must stay
//! true: the message of position `p` has the sequence `p + 1` in its stream, for ever and on every
//! node, so that a stream has neither gaps nor doubles, and says itself where to go on.
//!
//! That holds for longer than JetStream looks for doubles. Every message says which sequence it
//! expects to follow (`Nats-Expected-Last-Sequence`), so what a second node publishes, or this one
//! again after an answer was lost, is refused by the stream. Nothing is kept on our side.

#[cfg(feature = "nats")]
pub mod message;
#[cfg(feature = "nats")]
pub mod publisher;
pub mod target;
