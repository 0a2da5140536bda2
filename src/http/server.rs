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
use reqwest::Certificate;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;

use super::couriers::{keep_delivering, keep_publishing};
use super::frame::{around, panicked};
use super::listener::Door;
pub use super::listener::TlsFiles;
use super::login::Login;
use super::login::options::LoginOptions;
use super::metrics::gauged;
use super::service::Service;
pub use super::streams::MostStreams;
use super::{api, connections};
use crate::app::subscriptions::Followed;
use crate::app::{App, AppError};
use crate::store::subscriptions::SubscriptionState;
use crate::subscription::nats::target::Target;
use crate::subscription::webhook::address::Permitted;
use crate::subscription::webhook::client::Client;

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
    /// Streams of events.
    pub streams: MostStreams,
    /// How often a stream says that it lives, and it is looked whether its token does.
    pub heartbeat: Duration,
    /// For how long a client may take nothing of what is sent to it.
    pub stall: Duration,
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
    /// Where webhooks may go.
    pub webhooks: WebhookOptions,
    /// Where to publish, if anywhere.
    pub nats: Option<Target>,
    /// How people log in, if they do.
    pub login: Option<LoginOptions>,
}

/// Where webhooks may go.
#[derive(Debug, Clone)]
pub struct WebhookOptions {
    /// To which addresses.
    pub permitted: Permitted,
    /// Certificates of authorities beside the well-known ones.
    pub trusted: Vec<Certificate>,
}

impl WebhookOptions {
    /// What delivers.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn client(&self) -> Result<Client, AppError> {
        let client = Client::new(self.permitted, self.trusted.clone());
        client.map_err(|error| AppError::Usage(format!("the HTTP client of webhooks: {error}")))
    }
}

/// How often it is looked whether other nodes appended something, when this one did not.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked how far subscriptions are.
const WATCH: Duration = Duration::from_secs(5);

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
    let login = options.login.map(Login::new).transpose()?;
    let door = Door::open(options.listen, options.tls.as_ref()).await?;
    let address = door.address();
    let service = Service::new(&app, options.limits, options.webhooks.client()?, login);
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
    let watching = tokio::spawn(keep_watched(service.clone(), stopped.clone()));
    let delivering = tokio::spawn(keep_delivering(service.clone(), options.grace));
    let publishing = options
        .nats
        .map(|target| tokio::spawn(keep_publishing(service.clone(), target)));
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
    let stall = options.limits.stall;
    connections::serve(door, router(service.clone()), asked, options.grace, stall).await;
    // All tasks have ended when this is heard, or end without harm.
    let _ = stopping.send(true);
    let _ = tokio::join!(sealing, logging, watching, delivering);
    if let Some(publishing) = publishing {
        let _ = publishing.await;
    }
    let put_down = service.refusals.put_down(&service.app).await;
    let sealed = app.seal_now().await;
    service.feed.close().await;
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

/// Looks how far subscriptions are, and whether somebody must look at one.
async fn keep_watched(service: Service, mut stopped: watch::Receiver<bool>) {
    loop {
        match service.app.look_at_subscriptions().await {
            Ok(all) => watched(&service, &all),
            Err(error) => tracing::error!(%error, "it is not known how far subscriptions are"),
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(WATCH) => {}
        }
    }
}

fn watched(service: &Service, all: &[Followed]) {
    let active = all
        .iter()
        .filter(|one| one.subscription.state == SubscriptionState::Active);
    let stuck = all.iter().filter(|one| one.stuck.is_some());
    for one in stuck.clone() {
        let name = &one.subscription.name;
        tracing::warn!(
            name,
            parked = one.progress.parked,
            "a subscription is stuck"
        );
    }
    let deliveries = &service.metrics.deliveries;
    let lag = active.map(Followed::lag).max().unwrap_or(0);
    deliveries.lag.set(gauged(lag));
    let parked = all.iter().map(|one| one.progress.parked).sum();
    deliveries.parked.set(gauged(parked));
    let stuck = stuck.count() as u64;
    deliveries.stuck.set(gauged(stuck));
    service.health.followed(stuck > 0);
}
