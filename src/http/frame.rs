//! What is around every request: its id, its limits, its line in the log, its figures.
//!
//! What comes in: a request. What goes out: its answer, with `X-Request-Id`. What may fail: a
//! handler, which then answers with a problem all the same. What must stay true: the log names the
//! route and never the path or the query, which may hold the number of a record.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Response as HttpResponse};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::listener::Peer;
use super::problem::{Kind, Problem, RefusedWith, Said, Unsigned};
use super::service::Service;
use crate::ledger::aggregate::access::RefusedRequest;
use crate::model::time::Timestamp;

/// The header of the request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The route of a request that fell under none.
const NO_ROUTE: &str = "(none)";

/// The token with which a request is made, once that is known.
#[derive(Debug, Clone, Default)]
pub struct Asker(pub Arc<OnceLock<Uuid>>);

/// The client's own id of a request, if it is a short word; otherwise a new one.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID);
    let given = given.and_then(|value| value.to_str().ok());
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    match given {
        Some(id) if (1..=64).contains(&id.len()) && id.bytes().all(allowed) => id.to_owned(),
        _ => Uuid::now_v7().to_string(),
    }
}

/// Around every request.
pub async fn around(State(service): State<Service>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    let peer = peer.map(|peer| peer.0.0);
    let asker = Asker::default();
    request.extensions_mut().insert(asker.clone());
    service.metrics.running.inc();
    // Whoever looks whether the server lives must not be kept out by anybody.
    let is_watched = route.starts_with("/health/") || route == "/metrics";
    let admitted = match peer.filter(|_| !is_watched) {
        Some(peer) => service.admit(peer.ip()),
        None => Ok(()),
    };
    let mut response = match admitted {
        Err(problem) => problem.into_response(),
        Ok(()) => match tokio::time::timeout(service.patience(&route), next.run(request)).await {
            Ok(response) => response,
            Err(_) => too_late().into_response(),
        },
    };
    service.metrics.running.dec();
    sign(&mut response, &id);
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    service
        .metrics
        .answered(method.as_str(), &route, status, took);
    let token = asker.0.get().copied();
    if let Some(RefusedWith(kind)) = response.extensions().get::<RefusedWith>() {
        let kind = *kind;
        service.metrics.refused(kind.word());
        let is_of_access = matches!(
            kind,
            Kind::NotPermitted | Kind::OtherOffice | Kind::VoidToken
        );
        if let Some(token) = token.filter(|_| is_of_access) {
            let refused = RefusedRequest {
                at: Timestamp::now(),
                method: method.to_string(),
                problem: kind.word().to_owned(),
                route: route.clone(),
            };
            service.refusals.keep(token, refused);
        }
    }
    let (token, peer) = (token.map(|id| id.to_string()), peer.map(|p| p.to_string()));
    let (token, peer) = (token.unwrap_or_default(), peer.unwrap_or_default());
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(request_id = id, %method, route, status, took_ms, token, peer, "answered");
    response
}

fn too_late() -> Problem {
    let said = Said::new(
        "this took longer than the server allows; whether something was recorded is told by the same request with the same Idempotency-Key",
        "处理超过服务器时限；用相同的 Idempotency-Key 重发同一请求即可知道是否已入账",
    );
    let mut problem = Problem::new(Kind::TimedOut, said);
    problem.retry_after = Some(5);
    problem
}

/// Puts the request's id on the answer, and into the body of a problem.
fn sign(response: &mut Response, id: &str) {
    if let Some(Unsigned(mut object)) = response.extensions_mut().remove::<Unsigned>() {
        let instance = format!("urn:vitaledger:request:{id}");
        object.insert("instance".to_owned(), instance.into());
        let text = serde_json::Value::Object(object).to_string();
        *response.body_mut() = Body::from(text);
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// The answer of a handler that panicked: what it says is in the log.
#[expect(
    clippy::needless_pass_by_value,
    reason = "this is how the layer calls it"
)]
pub fn panicked(panic: Box<dyn Any + Send + 'static>) -> HttpResponse<Body> {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(what, "a handler panicked");
    let said = Said::new(
        "the server failed; its log says more under the id of this request",
        "服务器出错，详情见服务器日志中的请求编号",
    );
    Problem::new(Kind::Internal, said).into_response()
}
