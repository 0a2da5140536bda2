//! The network interface, over real HTTP, on both databases.
//!
//! What comes in: servers with ledgers of their own. What goes out: what clients see. What may
//! fail: a promise of the interface. What must stay true: every case runs on SQLite and on
//! PostgreSQL ([`on_both!`]); nothing is asked of the server but over its door, or of its ledger
//! after it has stopped.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "../support/postgres.rs"]
mod database;

#[path = "../support/foreign.rs"]
mod foreign;

#[cfg(feature = "nats")]
#[path = "../support/nodes.rs"]
mod nodes;

#[cfg(feature = "nats")]
mod actors;
mod authority;
#[cfg(feature = "nats")]
mod chaos;
mod contracts;
mod described;
mod endpoint;
mod events;
mod files;
mod findings;
mod log;
#[cfg(feature = "oidc")]
mod login;
#[cfg(feature = "nats")]
mod nats;
mod process;
#[cfg(feature = "oidc")]
mod provider;
mod reading;
mod recording;
mod running;
mod stream;
mod subscriptions;
mod webhooks;

/// A test per case and database.
macro_rules! on_both {
    ($($case:ident)+) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::running::Running::on_sqlite().await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::running::Running::on_postgres().await).await;
                }
            )+
        }
    };
}
pub(crate) use on_both;
