//! The server: it opens the door, seals what is appended, and ends in order.
//!
//! What comes in: a ledger, options, and a future that ends when the server is to stop. What goes
//! out: nothing, when it has stopped. What may fail: a port that is taken, a certificate. What must
//! stay true: when it stops, no new request is taken, those that run are finished, what was refused
//! is put on the ledger, and the log is sealed, in this order.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;

use super::frame::{around, panicked};
use super::listener::Door;
pub use super::listener::TlsFiles;
use super::metrics::gauged;
use super::service::Service;
use super::{api, connections};
use crate::app::{App, AppError};

/// What requests may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Bytes of a file that is imported.
    pub upload_bytes: usize,
    /// Longest time of a request.
    pub patience: Duration,
    /// The same of reports, audits and imports.
    pub long_patience: Duration,
    /// Requests a second of one client, in the long run; twice as many at once.
    pub rate_per_second: u32,
}

/// How a server is to be.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whether to speak TLS, and with which certificate.
    pub tls: Option<TlsFiles>,
    /// What requests may ask for.
    pub limits: Limits,
    /// Longest that entries wait before they are sealed, with what came meanwhile.
    pub seal_interval: Duration,
    /// How often refusals are put on the ledger.
    pub log_interval: Duration,
    /// Longest that requests which run are waited for at the end.
    pub grace: Duration,
}

/// How often it is looked whether other nodes appended something, when this one did not.
const LOOK: Duration = Duration::from_secs(1);

/// Everything that the server answers to.
pub fn router(service: Service) -> Router {
    let mut router = Router::new();
    for (operation, handler) in api::routes() {
        router = router.route(operation.path, handler);
    }
    router
        .fallback(api::no_route)
        .method_not_allowed_fallback(api::no_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(service.clone(), around))
        .with_state(service)
}

/// Serves until `stop` is done; `ready` is told the address before the first request.
///
/// # Errors
/// When the address or the certificate cannot be used, or what was appended at the end cannot be
/// sealed.
pub async fn serve(
    app: App,
    options: ServeOptions,
    ready: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AppError> {
    let door = Door::open(options.listen, options.tls.as_ref()).await?;
    let address = door.address();
    let service = Service::new(&app, options.limits);
    // Before the first request: what is red now would be red at once.
    seal(&service).await;
    let (stopping, stopped) = watch::channel(false);
    let sealing = tokio::spawn(keep_sealed(
        service.clone(),
        options.seal_interval,
        stopped.clone(),
    ));
    let logging = tokio::spawn(keep_logged(
        service.clone(),
        options.log_interval,
        stopped.clone(),
    ));
    let told = service.clone();
    let asked = async move {
        stop.await;
        tracing::info!("stopping: requests that run are finished");
        told.health.stop();
        // Streams that would never end on their own listen to this.
        told.stopping.send_replace(true);
    };
    ready(address);
    tracing::info!(%address, "serving");
    connections::serve(door, router(service.clone()), asked, options.grace).await;
    // All tasks have ended when this is heard, or end without harm.
    let _ = stopping.send(true);
    let _ = tokio::join!(sealing, logging);
    let put_down = service.refusals.put_down(&service.app).await;
    let sealed = app.seal_now().await;
    drop(service);
    app.close().await;
    put_down?;
    sealed?;
    tracing::info!("stopped");
    Ok(())
}

/// Seals whenever something was appended, here or elsewhere.
async fn keep_sealed(service: Service, interval: Duration, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            () = service.appended.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        seal(&service).await;
        // What comes meanwhile is sealed together.
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// Seals, and says how that went.
async fn seal(service: &Service) {
    let done = async {
        let size = service.app.store().head().await?.size;
        service.app.seal_now().await?;
        let publication = service.app.publication().await?;
        Ok::<_, AppError>((size, publication))
    };
    match done.await {
        Ok((size, publication)) => {
            let metrics = &service.metrics;
            metrics.entries.set(gauged(size));
            metrics.sealed.set(gauged(publication.sealed));
            metrics.published.set(gauged(publication.published));
            service.health.sealed(size, &publication);
        }
        Err(error) => {
            tracing::error!(%error, "what was appended is not sealed");
            service.metrics.failed_seals.inc();
            service.health.failed(error.to_string());
        }
    }
}

/// Puts refusals on the ledger, and forgets clients that went away.
async fn keep_logged(service: Service, interval: Duration, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(interval) => {}
        }
        service.forget_clients();
        if let Err(error) = service.refusals.put_down(&service.app).await {
            tracing::error!(%error, "refusals are not on the ledger yet");
        }
    }
}
