//! Events delivered to the HTTP endpoint of another system (Standard Webhooks 1.0,
//! <https://www.standardwebhooks.com>).
//!
//! What comes in: events of a named subscription that has an endpoint. What goes out: signed
//! requests. What may fail: the endpoint; then it is tried again by a [`schedule`]. What must stay
//! true: a request goes to no address that is not permitted ([`address`]), whatever a name resolves
//! to; every attempt is signed anew ([`signature`]), with the same id and body; no answer of an
//! endpoint is read for more than its status and `Retry-After`.

pub mod address;
pub mod client;
pub mod delivery;
pub mod endpoint;
pub mod schedule;
pub mod signature;
