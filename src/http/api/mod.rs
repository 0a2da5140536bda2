//! What there is: every operation with its description and its handler.
//!
//! What comes in: requests that were routed here. What goes out: answers. What may fail: see
//! [`super::problem`]. What must stay true: a handler reads its request, calls a method of the
//! application, and writes down what that gave; a route exists only together with its description.
//!
//! | part | operations |
//! |---|---|
//! | [`about`] | health, metrics, the description itself, who a token is |
//! | [`log`] | checkpoint, tiles, bundles, entries, proofs, evidence |
//! | [`records`] | record, correct, void; one or a batch |
//! | [`reading`] | a record at a moment, its timeline, its sealed fields |
//! | [`registers`] | registers and offices, page by page |
//! | [`figures`] | indicators and reports |
//! | [`findings`] | findings and their life; audits |
//! | [`imports`] | files |
//! | [`events`] | events as they come, or page by page |
//! | [`subscriptions`] | named subscriptions, and their consumers |
//! | [`webhooks`] | endpoints that subscriptions are delivered to |
//! | [`login`] | people log in and out |

pub mod about;
pub mod events;
pub mod figures;
pub mod findings;
pub mod imports;
pub mod log;
pub mod login;
pub mod reading;
pub mod records;
pub mod registers;
pub mod subscriptions;
pub mod webhooks;

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use serde_json::Value;
use uuid::Uuid;

use super::authority::Authority;
use super::openapi::{In, Operation, Parameter};
use super::problem::{Kind, Place, Problem, Said};
use super::service::Service;
use crate::ledger::request::{Answer, Receipt};
use crate::model::schema::RecordKind;

/// Most changes of a batch: at a kilobyte or two each, a commit of one or two MiB.
pub const MOST_CHANGES: usize = 500;

/// The description of an operation, and what does it.
pub type Route = (Operation, MethodRouter<Service>);

/// Every operation.
#[must_use]
pub fn routes() -> Vec<Route> {
    [
        records::routes(),
        reading::routes(),
        registers::routes(),
        figures::routes(),
        findings::routes(),
        imports::routes(),
        log::routes(),
        events::routes(),
        subscriptions::routes(),
        webhooks::routes(),
        login::routes(),
        about::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every description.
#[must_use]
pub fn operations() -> Vec<Operation> {
    routes()
        .into_iter()
        .map(|(operation, _)| operation)
        .collect()
}

const KIND: Parameter = Parameter {
    name: "kind",
    place: In::Path,
    required: true,
    schema: r#"{ "type": "string", "enum": ["registration", "birth", "pregnancy_loss", "disbursement", "activity", "return"] }"#,
    text: "The kind of record.",
};
const ID: Parameter = Parameter {
    name: "id",
    place: In::Path,
    required: true,
    schema: r#"{ "type": "string", "format": "uuid" }"#,
    text: "The id, as receipts and lists have it.",
};
const POSITION: Parameter = Parameter {
    name: "position",
    place: In::Path,
    required: true,
    schema: r#"{ "type": "integer", "minimum": 0 }"#,
    text: "Where the entry stands in the log, from 0.",
};
const AS_OF: Parameter = Parameter {
    name: "as_of",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "string" }"#,
    text: "As of when: a position, an RFC 3339 time, or a date, which means its end. Now, when not given.",
};
const OFFICE: Parameter = Parameter {
    name: "office",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "string", "pattern": "^[0-9]{12}$" }"#,
    text: "Only this office and those below it. The office of the token, when not given.",
};
const LIMIT: Parameter = Parameter {
    name: "limit",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 }"#,
    text: "Most rows of a page.",
};
const CURSOR: Parameter = Parameter {
    name: "cursor",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "string" }"#,
    text: "Where the page begins, as the page before says; opaque, and for the same question only.",
};
/// The header of a key for safe retries.
const IDEMPOTENCY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_KEY: Parameter = Parameter {
    name: "Idempotency-Key",
    place: In::Header,
    required: false,
    schema: r#"{ "type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$" }"#,
    text: "The same key with the same request, by the same token, is answered with the first receipt.",
};
const IF_MATCH: Parameter = Parameter {
    name: "If-Match",
    place: In::Header,
    required: false,
    schema: r#"{ "type": "string" }"#,
    text: "The ETag of the record that is changed: refused when it has another version by then.",
};

const ETAG_HEADER: (&str, &str) = ("ETag", "The version of the record, for If-Match.");
const LOCATION_HEADER: (&str, &str) = ("Location", "Where the record is read.");
const LINK_HEADER: (&str, &str) = (
    "Link",
    "The next page, with rel=\"next\"; none on the last.",
);

/// The values of a path.
pub struct Path(Vec<(String, String)>);

impl FromRequestParts<Service> for Path {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let wrong = |_| {
            let said = Said::new("the path is no UTF-8", "路径不是 UTF-8");
            Problem::new(Kind::Malformed, said)
        };
        let params = RawPathParams::from_request_parts(parts, service).await;
        let params = params.map_err(wrong)?;
        let pairs = params
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Self(pairs.collect()))
    }
}

impl Path {
    /// A value.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The kind of record.
    ///
    /// # Errors
    /// When there is no such kind.
    pub fn kind(&self) -> Result<RecordKind, Problem> {
        RecordKind::of_type(self.text("kind")).ok_or_else(|| {
            let known = RecordKind::ALL.map(RecordKind::as_str).join(", ");
            Problem::not_found(
                &format!("there is no such kind of record; there are {known}"),
                &format!("没有该类记录，可用：{known}"),
            )
        })
    }

    /// The id.
    ///
    /// # Errors
    /// When it is none: then there is nothing of that name.
    pub fn id(&self) -> Result<Uuid, Problem> {
        let none = |_| Problem::not_found("there is nothing of that id", "没有该编号");
        self.text("id").parse().map_err(none)
    }

    /// The position.
    ///
    /// # Errors
    /// When it is none: then there is no entry at it.
    pub fn position(&self) -> Result<u64, Problem> {
        let none = || Problem::not_found("there is no entry at this position", "该位置没有条目");
        crate::seal::decimal(self.text("position")).ok_or_else(none)
    }
}

/// The key of a request, for this token alone: two clients may choose the same.
fn key_of(who: &Authority, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_HEADER) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    if !(1..=200).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let said = Said::new(
            "an Idempotency-Key has 1 to 200 visible ASCII characters",
            "Idempotency-Key 须为 1 到 200 个可见 ASCII 字符",
        );
        return Err(Problem::at(
            Kind::Malformed,
            Place::Header("Idempotency-Key"),
            said,
        ));
    }
    Ok(Some(format!("{}/{text}", who.token)))
}

/// A receipt as JSON.
fn receipt(receipt: &Receipt, answer: &str, erased_by: Option<u64>) -> Value {
    serde_json::json!({
        "answer": answer,
        "position": receipt.position,
        "record_id": receipt.aggregate_id,
        "event_id": receipt.event_id,
        "version": receipt.sequence,
        "recorded_at": receipt.recorded_at,
        "leaf_hash": receipt.leaf_hash,
        "proof": format!("/v1/entries/{}/proof", receipt.position),
        "erased_by": erased_by,
    })
}

/// An answer as JSON.
fn answered(answer: &Answer) -> Value {
    match answer {
        Answer::Appended(of) => receipt(of, "recorded", None),
        Answer::Replayed {
            receipt: of,
            erased_by,
        } => receipt(of, "replayed", *erased_by),
    }
}

/// The status of an answer.
const fn made(answer: &Answer) -> StatusCode {
    match answer {
        Answer::Appended(_) => StatusCode::CREATED,
        Answer::Replayed { .. } => StatusCode::OK,
    }
}

/// JSON, as it is sent.
struct Answered<T>(T);

impl<T: serde::Serialize> IntoResponse for Answered<T> {
    fn into_response(self) -> Response {
        match serde_json::to_string(&self.0) {
            Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written");
                let said = Said::new("the answer cannot be written", "无法写出结果");
                Problem::new(Kind::Internal, said).into_response()
            }
        }
    }
}

/// There is no such route.
pub async fn no_route() -> Problem {
    Problem::not_found(
        "there is nothing at this address; /v1 describes what there is",
        "该地址没有内容；/v1 说明有哪些接口",
    )
}

/// There is one, but not for this method.
pub async fn no_method(request: Request) -> Problem {
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or("", MatchedPath::as_str);
    let mut methods: Vec<String> = operations()
        .iter()
        .filter(|operation| operation.path == path)
        .map(|operation| operation.method.to_uppercase())
        .collect();
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".to_owned());
    }
    let said = Said::new(
        "this method is not for this address; /v1 describes what there is",
        "该地址不支持此方法；/v1 说明有哪些接口",
    );
    let mut problem = Problem::new(Kind::MethodNotAllowed, said);
    problem.more.push(("allow", methods.join(", ").into()));
    problem
}
