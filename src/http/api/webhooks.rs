//! Where the server itself delivers the events of a subscription.
//!
//! An endpoint is given to a subscription that is there, and takes the place of its consumers. Its
//! public keys are for everybody who may see the subscription; the shared secret, which can sign, too,
//! is shown by the command line only.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use serde_json::{Value, json};

use super::subscriptions::{NAME, ONE, own};
use super::{Answered, Path, Route};
use crate::http::authority::{Allowed, Authority, Reading};
use crate::http::body::Json;
use crate::http::openapi::{Content, Operation};
use crate::http::problem::{Kind, Problem};
use crate::http::service::Service;
use crate::subscription::webhook::client::Outcome;
use crate::subscription::webhook::signature::EndpointKey;

const SHOW: Operation = Operation {
    path: "/v1/subscriptions/{name}/webhook",
    id: "webhook",
    summary: (
        "The endpoint of a subscription, and the keys by which it verifies",
        "订阅的推送地址及其验签公钥",
    ),
    parameters: &[NAME],
    answers: &[(200, Content::Json("Webhook"), "As it is now.")],
    problems: &[Kind::NotFound, Kind::InvalidValue],
    ..ONE
};
const SET: Operation = Operation {
    method: "put",
    id: "set_webhook",
    summary: (
        "Deliver the events of a subscription to an endpoint",
        "将订阅的事件推送到指定地址",
    ),
    body: Content::Json("WebhookAsked"),
    answers: &[(
        200,
        Content::Json("Webhook"),
        "Delivered there from now on. With the address that it had, its keys stay.",
    )],
    problems: &[
        Kind::Malformed,
        Kind::NotFound,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::InvalidValue,
    ],
    ..SHOW
};
const REMOVE: Operation = Operation {
    method: "delete",
    id: "remove_webhook",
    summary: (
        "Deliver no more; consumers may fetch",
        "停止推送，改由消费者领取",
    ),
    answers: &[(204, Content::Nothing, "Nothing is delivered any more.")],
    problems: &[Kind::NotFound],
    ..SHOW
};
const TEST: Operation = Operation {
    method: "post",
    path: "/v1/subscriptions/{name}/webhook/test",
    id: "test_webhook",
    summary: (
        "Send an event that says nothing to the endpoint",
        "向推送地址发送测试事件",
    ),
    answers: &[(200, Content::Json("WebhookTested"), "What became of it.")],
    ..SHOW
};
const REPLACE: Operation = Operation {
    method: "post",
    path: "/v1/subscriptions/{name}/webhook/replace-key",
    id: "replace_webhook_key",
    summary: (
        "Replace the key; the one before signs, too, for a day",
        "更换签名密钥，旧密钥继续使用一天",
    ),
    ..SHOW
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![
        (SHOW, get(show)),
        (SET, put(set)),
        (REMOVE, delete(remove)),
        (TEST, post(test)),
        (REPLACE, post(replace)),
    ]
}

/// The endpoint and its public keys.
async fn shown(who: &Authority, name: &str) -> Result<Value, Problem> {
    let (url, keys) = who.app.webhook(name).await?;
    let keys: Vec<String> = keys.iter().map(EndpointKey::public).collect();
    Ok(json!({ "url": url, "public_keys": keys }))
}

async fn show(who: Allowed<Reading>, path: Path) -> Result<Response, Problem> {
    let name = own(&who, &path).await?.name;
    Ok(Answered(shown(&who, &name).await?).into_response())
}

async fn set(
    State(service): State<Service>,
    who: Allowed<Reading>,
    path: Path,
    body: Json,
) -> Result<Response, Problem> {
    let name = own(&who, &path).await?.name;
    let mut members = body.0.members("")?;
    let url = members.text("url")?;
    members.finish()?;
    let (en, zh) = ("is required", "必填");
    let url = url.ok_or_else(|| Problem::member("/url".to_owned(), en, zh))?;
    let permitted = service.sender.permitted();
    who.app.set_webhook(&name, &url, permitted).await?;
    Ok(Answered(shown(&who, &name).await?).into_response())
}

async fn remove(who: Allowed<Reading>, path: Path) -> Result<Response, Problem> {
    let name = own(&who, &path).await?.name;
    who.app.remove_webhook(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn test(
    State(service): State<Service>,
    who: Allowed<Reading>,
    path: Path,
) -> Result<Response, Problem> {
    let name = own(&who, &path).await?.name;
    let answer = match who.app.ping(&service.sender, &name).await? {
        Outcome::Accepted => json!({ "accepted": true, "reason": null }),
        Outcome::Gone => json!({ "accepted": false, "reason": "the endpoint answers 410" }),
        Outcome::Failed { reason, .. } => json!({ "accepted": false, "reason": reason }),
    };
    Ok(Answered(answer).into_response())
}

async fn replace(who: Allowed<Reading>, path: Path) -> Result<Response, Problem> {
    let name = own(&who, &path).await?.name;
    who.app.replace_webhook_key(&name).await?;
    Ok(Answered(shown(&who, &name).await?).into_response())
}
