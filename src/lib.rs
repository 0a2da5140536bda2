//! vitaledger: an event-sourced, tamper-evident audit ledger for vital statistics.
//!
//! This is the map, in the order in which the data flows:
//!
//! ```text
//! intake      files           rows -> commands; every refused row is kept with its reason
//!   ledger    load -> decide -> seal personal fields -> hash -> append (one global order)
//!     store   SQLite | PostgreSQL   one port, two plain SQL adapters, one test suite
//!   seal      new leaves -> RFC 6962 tree -> signed checkpoint -> witnesses
//! registers   events -> typed, bitemporal columns (Parquet + in-memory tail); as of any position
//! indicators  counts and rates, each defined once, with targets and verdicts
//!   audit     recomputes everything and writes nothing
//! report      half-year summary, months, plan and reality, closed periods, returns, other systems
//! subscription  what is appended, told to other systems in its one order
//! history     what changed between moments, step by step, and since when a condition holds
//! app         a ledger opened from its folder: every command is a method
//! cli | http  the only parts that talk to people and to other machines
//! ```
//!
//! Imports go downwards only: `model` < `locale` | `statistics` < `store` < `ledger` | `seal` <
//! `registers` < `indicators` < `audit` < `report` | `subscription` < `history` < `app` < `http` < `cli`; [`intake`]
//! imports [`model`] and [`ledger`]; [`simulate`] imports nothing. `tests/tidy.rs` enforces it. The life of a record is told in `ARCHITECTURE.md`.
//!
//! | module | start reading at |
//! |---|---|
//! | [`model`] | [`model::schema`]: which field of which record is public, which is sealed |
//! | [`intake`] | [`intake::Delivery`], then [`intake::import`] |
//! | [`ledger`] | [`ledger::execute`], then [`ledger::aggregate::record`] and [`ledger::sealing`] |
//! | [`store`] | [`store::Store`] and [`store::Vault`] |
//! | [`seal`] | [`seal::sealer`], then [`seal::merkle`]; whose signature counts: [`seal::roster`] |
//! | [`registers`] | [`registers::Registers`]; in SQL: [`registers::sql::Session`] |
//! | [`indicators`] | [`indicators::counted`], then [`indicators::DEFINITIONS`]; texts and columns are in [`locale`], formulas in [`statistics`] |
//! | [`audit`] | of the log: [`audit::verify`], [`audit::exported`], [`audit::evidence`]; of the figures: [`audit::catalogue`], [`audit::cases`], [`audit::run`] |
//! | [`report`] | [`report::HalfYearReport`], [`report::MonthlyReport`], [`report::TargetsReport`]; closed periods in [`report::restatement`], returns in [`report::returns`], other systems in [`report::exchange`] |
//! | [`subscription`] | [`subscription::event`], then [`subscription::feed`] and [`subscription::durable`] |
//! | [`history`] | [`history::playback`], then [`history::tally`] |
//! | [`app`] | [`app::App`] |
//! | [`cli`] | [`cli::run`] |
//! | [`http`] | [`http::server`], then [`http::service`] and [`http::authority`]; what there is: [`http::api`]; [`http::witness`]: a witness that others ask |
//! | [`simulate`] | [`simulate::write`]: deliveries of invented persons, with the truth |
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod app;
pub mod audit;
pub mod cli;
pub mod history;
pub mod http;
pub mod indicators;
pub mod intake;
pub mod ledger;
pub mod locale;
pub mod model;
pub mod registers;
pub mod report;
pub mod seal;
pub mod simulate;
pub mod statistics;
pub mod store;
pub mod subscription;
