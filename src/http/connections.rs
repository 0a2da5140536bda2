//! Connections: each is served until its client goes away or the server stops.
//!
//! What comes in: a door, and what answers. What goes out: nothing, when all connections have
//! ended. What may fail: a connection, alone. What must stay true: the number of connections, and
//! the time that one may take to say what it wants, are bounded; when the server stops, no new
//! connection is taken, idle ones are closed, and those that wait for an answer get it, within a
//! grace.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower_service::Service as _;

use super::listener::{Door, Peer};
use super::patient::Patient;

/// Connections at a time. An idle one takes some 10 kB.
const MOST_CONNECTIONS: usize = 10_000;
/// How long a connection may take until its next request has arrived, without the body.
const HEADERS: Duration = Duration::from_secs(30);
/// Most bytes of a request without its body.
const MOST_HEADER_BYTES: usize = 64 * 1024;

/// Serves until `stop` is done, and what was taken until then for `grace` at most. A client that takes
/// nothing for the time of `stall` is cut.
pub async fn serve(
    mut door: Door,
    router: Router,
    stop: impl Future<Output = ()>,
    grace: Duration,
    stall: Duration,
) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut running = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let permit = tokio::select! {
            permit = room.clone().acquire_owned() => permit,
            () = &mut stop => break,
        };
        let (stream, peer) = tokio::select! {
            taken = door.next() => taken,
            () = &mut stop => break,
        };
        let router = router.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(Peer(peer)));
            // A router is always ready.
            router.clone().call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .max_buf_size(MOST_HEADER_BYTES)
            .serve_connection(TokioIo::new(Patient::new(stream, stall)), answer);
        let connection = graceful.watch(connection);
        running.spawn(async move {
            // A client that goes away is none of the server's faults.
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "a connection broke");
            }
            drop(permit);
        });
        // Those that have ended are forgotten.
        while running.try_join_next().is_some() {}
    }
    drop(door);
    if tokio::time::timeout(grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests that still run are cut off");
    }
    running.shutdown().await;
}
