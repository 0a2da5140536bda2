//! The server itself: health, metrics, what there is, who a token is.

use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::{Answered, Path, Route, operations};
use crate::http::authority::{Allowed, Permission, Reading};
use crate::http::metrics;
use crate::http::openapi::{self, Access, Content, In, Operation, Parameter};
use crate::http::problem::{Kind, Problem, Said};
use crate::http::service::Service;

/// How long the store may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// A public operation that is only read.
const ABOUT: Operation = Operation {
    method: "get",
    path: "",
    id: "",
    tag: "server",
    summary: ("", ""),
    access: Access::Public,
    parameters: &[],
    body: Content::Nothing,
    answers: &[],
    headers: &[],
    problems: &[],
};
const LIVE: Operation = Operation {
    path: "/health/live",
    id: "live",
    summary: ("Whether the server runs", "服务是否运行"),
    answers: &[(200, Content::Bytes("text/plain"), "It does.")],
    ..ABOUT
};
const READY: Operation = Operation {
    path: "/health/ready",
    id: "ready",
    summary: ("Whether the server can do its work", "服务是否就绪"),
    answers: &[
        (200, Content::Json("Ready"), "All is well."),
        (
            503,
            Content::Json("Ready"),
            "It is not: sealing or publication stopped, the store is away, or the server stops.",
        ),
    ],
    ..ABOUT
};
const METRICS: Operation = Operation {
    path: "/metrics",
    id: "metrics",
    summary: ("Figures for Prometheus", "Prometheus 指标"),
    answers: &[(
        200,
        Content::Bytes("application/openmetrics-text"),
        "OpenMetrics text.",
    )],
    ..ABOUT
};
const PAGE: Operation = Operation {
    path: "/v1",
    id: "viewer",
    summary: ("This description as a page", "接口说明页面"),
    answers: &[(
        200,
        Content::Bytes("text/html"),
        "A page that needs nothing from elsewhere.",
    )],
    ..ABOUT
};
const DESCRIPTION: Operation = Operation {
    path: "/v1/openapi.json",
    id: "description",
    summary: ("This description", "接口说明"),
    answers: &[(200, Content::Bytes("application/json"), "OpenAPI 3.1.")],
    ..ABOUT
};
const PROBLEM: Operation = Operation {
    path: "/v1/problems/{word}",
    id: "problem",
    summary: ("What a type of problem means", "问题类型说明"),
    parameters: &[Parameter {
        name: "word",
        place: In::Path,
        required: true,
        schema: r#"{ "type": "string" }"#,
        text: "The last part of the type.",
    }],
    answers: &[(
        200,
        Content::Json("Problem"),
        "The problem, without a request.",
    )],
    problems: &[Kind::NotFound],
    ..ABOUT
};
const ME: Operation = Operation {
    path: "/v1/me",
    id: "me",
    summary: ("Who this token is", "当前令牌"),
    access: Access::Roles(Reading::ROLES),
    answers: &[(200, Content::Json("Me"), "Role, office, end.")],
    ..ABOUT
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![
        (LIVE, get(live)),
        (READY, get(ready)),
        (METRICS, get(figures)),
        (PAGE, get(viewer)),
        (DESCRIPTION, get(description)),
        (PROBLEM, get(told)),
        (ME, get(who)),
    ]
}

async fn live() -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], "live\n").into_response()
}

async fn ready(State(service): State<Service>) -> Response {
    let mut complaints = service.health.complaints();
    let store = service.app.store();
    let head = tokio::time::timeout(PATIENCE, store.head()).await;
    let entries = match head {
        Ok(Ok(head)) => Some(head.size),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the store does not answer");
            None
        }
        Err(_) => None,
    };
    if entries.is_none() {
        complaints.push("store-away");
    }
    let (sealed, published) = service.health.sizes();
    let status = if complaints.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "ready": complaints.is_empty(),
        "complaints": complaints,
        "entries": entries,
        "sealed": sealed,
        "published": published,
        "simulated_clock": service.app.ledger.simulated,
    });
    (status, Answered(body)).into_response()
}

async fn figures(State(service): State<Service>) -> Response {
    (
        [(CONTENT_TYPE, metrics::MEDIA_TYPE)],
        service.metrics.text(),
    )
        .into_response()
}

async fn viewer() -> Response {
    // The page asks this server only, also if somebody changed what it shows.
    let policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, openapi::VIEWER).into_response()
}

/// The text of the description; the same as long as the program runs.
#[must_use]
pub fn description_text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let document = openapi::document(&operations());
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    })
}

async fn description() -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "max-age=300"),
    ];
    (headers, description_text()).into_response()
}

async fn told(path: Path) -> Result<Response, Problem> {
    let word = path.text("word");
    let kind = Kind::ALL.iter().find(|kind| kind.word() == word);
    let kind =
        kind.ok_or_else(|| Problem::not_found("there is no such problem", "没有该问题类型"))?;
    let (en, zh) = kind.title();
    let object = Problem::new(*kind, Said::new(en, zh)).to_json();
    Ok(Answered(object).into_response())
}

async fn who(who: Allowed<Reading>) -> Response {
    Answered(json!({
        "token": who.token,
        "role": who.role.as_str(),
        "office": who.office,
        "expires_at": who.expires_at,
    }))
    .into_response()
}
