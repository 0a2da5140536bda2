//! A witness over HTTP (C2SP tlog-witness): `POST /add-checkpoint`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;

use crate::model::time::Timestamp;
use crate::seal::witness::{MAX_BODY_BYTES, Witness};

/// The routes of a witness.
pub fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let seconds = Timestamp::now().micros() / 1_000_000;
    let now = u64::try_from(seconds).unwrap_or(0);
    // It waits for the disk.
    let decided = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body, now)).await;
    match decided {
        Ok(Ok(verdict)) => {
            tracing::info!(status = verdict.status(), "add-checkpoint");
            let status =
                StatusCode::from_u16(verdict.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let media_type = [(header::CONTENT_TYPE, verdict.media_type())];
            (status, media_type, verdict.body()).into_response()
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "nothing was cosigned");
            let said = "the state of this witness is not available; nothing was cosigned\n";
            (StatusCode::INTERNAL_SERVER_ERROR, said).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "nothing was cosigned");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Serves until `stop` is done; `ready` is told the address before the first request.
///
/// # Errors
/// When the address cannot be listened at.
pub async fn serve(
    witness: Arc<Witness>,
    listen: SocketAddr,
    ready: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    ready(listener.local_addr()?);
    axum::serve(listener, router(witness))
        .with_graceful_shutdown(stop)
        .await
}
