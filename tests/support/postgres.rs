//! Databases of a PostgreSQL server for tests.
//!
//! What comes in: the address of a server in `VITALEDGER_TEST_POSTGRES`, whose login may create
//! databases and roles; `./test` starts such a server and sets it. What goes out: the address of
//! a new, empty database. What may fail: a missing server; then the test fails, and says so: it is
//! never passed over.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part, and stops at the first thing that is not as it should"
)]

use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

/// The variable that holds the server's address, without a database.
const SERVER: &str = "VITALEDGER_TEST_POSTGRES";

/// The server's address, without a database.
pub fn server() -> String {
    std::env::var(SERVER).unwrap_or_else(|_| {
        panic!(
            "this test needs a PostgreSQL server: run it with ./test, which starts a private one, \
             or set {SERVER} to the address of one whose login may create databases and roles, \
             such as postgres://USER@127.0.0.1:5432"
        )
    })
}

/// The address of a new database.
pub async fn database() -> String {
    let server = server();
    let name = format!("t_{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&format!("{server}/postgres"))
        .await
        .unwrap();
    connection
        .execute(format!("CREATE DATABASE {name}").as_str())
        .await
        .unwrap();
    connection.close().await.unwrap();
    format!("{server}/{name}")
}

/// Drops a database that has grown large.
pub async fn forget(address: &str) {
    let (server, name) = address.rsplit_once('/').unwrap();
    let mut connection = PgConnection::connect(&format!("{server}/postgres"))
        .await
        .unwrap();
    connection
        .execute(format!("DROP DATABASE {name} WITH (FORCE)").as_str())
        .await
        .unwrap();
    connection.close().await.unwrap();
}
