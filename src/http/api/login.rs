//! People log in and out.
//!
//! Logging in is there in every build and is described alike; where no provider is set up it answers
//! that there is none. Logging out ends the token with which it is asked, wherever that came from.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use super::{Answered, Route};
use crate::app::tokens::MadeToken;
use crate::http::authority::{Allowed, Permission, Reading};
use crate::http::login::{ProviderAnswer, not_set_up};
use crate::http::openapi::{Access, Content, In, Operation, Parameter};
use crate::http::problem::{Kind, Problem};
use crate::http::query::Query;
use crate::http::service::Service;

/// What a provider adds to the address to which it sends people back.
const fn brought(name: &'static str, text: &'static str) -> Parameter {
    Parameter {
        name,
        place: In::Query,
        required: false,
        schema: r#"{ "type": "string" }"#,
        text,
    }
}

const BEGIN: Operation = Operation {
    method: "get",
    path: "/v1/login",
    id: "login",
    tag: "login",
    summary: (
        "Log in at the identity provider (OpenID Connect)",
        "通过身份提供方登录（OpenID Connect）",
    ),
    access: Access::Public,
    parameters: &[],
    body: Content::Nothing,
    answers: &[(303, Content::Nothing, "Log in there, in the same browser.")],
    headers: &[
        ("Location", "Where to log in."),
        (
            "Set-Cookie",
            "What the browser keeps until it comes back, sealed.",
        ),
    ],
    problems: &[Kind::NotFound, Kind::ProviderAway],
};
const END: Operation = Operation {
    path: "/v1/login/callback",
    id: "login_callback",
    summary: (
        "Where the identity provider sends people back to; other parameters are passed over",
        "身份提供方登录后的返回地址；其他参数忽略",
    ),
    parameters: &[
        brought("code", "What the provider gives for the ID token."),
        brought("state", "What the provider was given at the beginning."),
        brought("error", "Why the provider gives no code."),
        brought("iss", "Who answers (RFC 9207)."),
    ],
    answers: &[(
        200,
        Content::Json("LoggedIn"),
        "A token of a few hours; it is shown this once.",
    )],
    headers: &[("Set-Cookie", "Lets the browser forget the login.")],
    problems: &[
        Kind::Malformed,
        Kind::LoginNotBegun,
        Kind::LoginRefused,
        Kind::NotFound,
        Kind::ProviderAway,
    ],
    ..BEGIN
};
const LOGOUT: Operation = Operation {
    method: "post",
    path: "/v1/logout",
    id: "logout",
    summary: (
        "Revoke the token with which this is asked, at once and for good",
        "立即吊销当前令牌",
    ),
    access: Access::Roles(Reading::ROLES),
    answers: &[(204, Content::Nothing, "It works no more.")],
    headers: &[],
    problems: &[Kind::Refused],
    ..BEGIN
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![(BEGIN, get(begin)), (END, get(end)), (LOGOUT, post(logout))]
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

async fn begin(State(service): State<Service>) -> Result<Response, Problem> {
    let login = service.login.as_ref().ok_or_else(not_set_up)?;
    let going = login.begin(&service).await?;
    let headers = [
        (LOCATION, going.to),
        (SET_COOKIE, going.cookie),
        (CACHE_CONTROL, NO_STORE),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

fn logged_in(made: &MadeToken) -> Response {
    let answer = json!({
        "token": made.secret.as_str(),
        "role": made.token.role.as_str(),
        "office": made.token.office,
        "expires_at": made.token.expires_at,
    });
    ([(CACHE_CONTROL, NO_STORE)], Answered(answer)).into_response()
}

async fn end(
    State(service): State<Service>,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, Problem> {
    let login = service.login.as_ref().ok_or_else(not_set_up)?;
    // What providers add besides, as `session_state`, says nothing here.
    let answer = ProviderAnswer {
        code: query.text("code")?,
        state: query.text("state")?,
        error: query.text("error")?,
        issuer: query.text("iss")?,
    };
    let (made, forget) = login.end(&service, &headers, answer).await;
    let mut response = match made {
        Ok(made) => logged_in(&made),
        Err(problem) => problem.into_response(),
    };
    if let Some(forget) = forget {
        response.headers_mut().insert(SET_COOKIE, forget);
    }
    Ok(response)
}

async fn logout(who: Allowed<Reading>) -> Result<StatusCode, Problem> {
    who.app.revoke_token(who.token).await?;
    Ok(StatusCode::NO_CONTENT)
}
