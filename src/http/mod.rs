//! What speaks HTTP: the network interface of a ledger, and a witness.
//!
//! What comes in: requests. What goes out: answers. What may fail: a port that is taken; a request,
//! which is answered with a [`problem::Problem`]. What must stay true: what may be done is decided
//! by types ([`authority`]) and done by methods of [`crate::app::App`]; here it is only carried.
//!
//! A request goes this way: [`listener`] takes the connection, which has limits of its own; [`frame`] gives the request an id,
//! a limit and a line in the log; [`authority`] finds out who asks; a handler of [`api`] calls a
//! method of the application; [`problem`] says what went wrong, and [`refusals`] puts on the
//! ledger what was refused to whom. Events are told to those who stay by [`streams`], and delivered by
//! [`couriers`]. Whoever has no token may get one by [`login`]. [`server`] starts all that, seals in the background, and ends it. [`openapi`] describes
//! it, from the same table that the routes are made of.

pub mod api;
pub mod authority;
pub mod body;
mod connections;
pub mod couriers;
pub mod frame;
pub mod health;
pub mod listener;
pub mod login;
pub mod metrics;
pub mod openapi;
mod patient;
pub mod problem;
mod problem_of;
pub mod query;
pub mod refusals;
pub mod server;
pub mod service;
pub mod streams;
pub mod witness;
