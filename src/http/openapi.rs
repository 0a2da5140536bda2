//! What the interface is, as `OpenAPI` 3.1 (<https://spec.openapis.org/oas/v3.1.1>).
//!
//! What comes in: the table of operations that the routes are made of ([`super::api::routes`]), and
//! the columns of records ([`crate::model::schema`]), which say at run time what a record has. What
//! goes out: one JSON document, the same for every ledger. What may fail: nothing. What must stay
//! true: an operation cannot be routed without being described here; a test holds the document
//! against the copy that is checked in.

mod schemas;

use serde_json::{Map, Value, json};

use super::problem::{self, Kind};

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Whoever has a token of one of these roles.
    Roles(&'static [crate::store::access::TokenRole]),
}

/// What a part of an operation holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// JSON of a schema of that name.
    Json(&'static str),
    /// Something else, of this media type.
    Bytes(&'static str),
    /// One of several media types, as the parameter `format` says.
    Forms(&'static [&'static str]),
    /// Nothing.
    Nothing,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum In {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub place: In,
    /// Whether it must be there.
    pub required: bool,
    /// Its schema, as JSON.
    pub schema: &'static str,
    /// What it means.
    pub text: &'static str,
}

/// An operation.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// The method, in lower case.
    pub method: &'static str,
    /// The route, as axum has it.
    pub path: &'static str,
    /// Its name.
    pub id: &'static str,
    /// What it belongs to.
    pub tag: &'static str,
    /// What it does, in English and Chinese.
    pub summary: (&'static str, &'static str),
    /// Who may call it.
    pub access: Access,
    /// Parameters.
    pub parameters: &'static [Parameter],
    /// The body that it takes.
    pub body: Content,
    /// Statuses of success, what each holds and means.
    pub answers: &'static [(u16, Content, &'static str)],
    /// Headers of answers of success, beside `X-Request-Id`, which every answer has.
    pub headers: &'static [(&'static str, &'static str)],
    /// Problems beside those that every operation may have.
    pub problems: &'static [Kind],
}

/// Problems that every operation may have, and those that every one with a token may have.
const ALWAYS: [Kind; 4] = [
    Kind::TooMany,
    Kind::Internal,
    Kind::Unavailable,
    Kind::TimedOut,
];
const WITH_TOKEN: [Kind; 4] = [
    Kind::NoToken,
    Kind::VoidToken,
    Kind::NotPermitted,
    Kind::Integrity,
];

/// The whole document.
#[must_use]
pub fn document(operations: &[Operation]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        // A wildcard of axum is one parameter here: OpenAPI knows no others.
        let path = operation.path.replace("{*", "{");
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[operation.method] = described(operation);
    }
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "vitaledger",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "An event-sourced, tamper-evident audit ledger for vital statistics",
            "description": INTRODUCTION,
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags(),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A secret that `vitaledger token create` showed, or that a login answered with. It works for one office and those below it.",
                },
            },
            "schemas": schemas::all(),
            "responses": Kind::ALL.iter().copied().map(response).collect::<Map<_, _>>(),
        },
    })
}

const INTRODUCTION: &str = "Offices report records; auditors check the trail without trusting the server; supervisors read any moment of the past; other systems read what is public.\n\nErrors are RFC 9457 problems with JSON Pointers, in English and Chinese. A request that changes something may carry an Idempotency-Key: sent again with the same key it is answered with the first receipt. Records have an ETag, their version; send it as If-Match to change what you have seen. Lists are read in pages: follow the Link with rel=\"next\". Another office's records answer 404.\n\n/checkpoint and /tile are a C2SP tlog-tiles log: what a receipt promises can be checked against them.";

fn tags() -> Value {
    let tag = |(name, text): (&str, &str)| json!({ "name": name, "description": text });
    [
        (
            "records",
            "Record, correct, void; read at any moment; timelines",
        ),
        (
            "registers",
            "What holds, or held at any moment, office by office",
        ),
        ("figures", "Indicators and reports"),
        (
            "findings",
            "What the audit asks of offices, and what became of it",
        ),
        ("imports", "Files of a delivery"),
        (
            "log",
            "The log itself: checkpoint, tiles, entries, proofs, evidence",
        ),
        (
            "subscriptions",
            "Events of the log as CloudEvents: streams, pages, and named subscriptions whose consumers share the work",
        ),
        (
            "login",
            "People log in at the identity provider of their county, and out",
        ),
        ("server", "This server: health, metrics, description"),
    ]
    .into_iter()
    .map(tag)
    .collect()
}

/// The statuses of problems, each with the kinds that it may be.
fn response(kind: Kind) -> (String, Value) {
    let (en, zh) = kind.title();
    let described = json!({
        "description": format!("{en} ({zh})"),
        "content": { problem::MEDIA_TYPE: { "schema": schemas::reference("Problem") } },
    });
    (kind.word().to_owned(), described)
}

fn described(operation: &Operation) -> Value {
    let mut object = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary.0,
        "x-summary-zh": operation.summary.1,
        "parameters": operation.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": responses(operation),
    });
    match operation.access {
        Access::Public => object["security"] = json!([]),
        Access::Roles(roles) => {
            let roles: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
            object["security"] = json!([{ "token": [] }]);
            object["description"] = format!("Roles: {}.", roles.join(", ")).into();
            object["x-roles"] = json!(roles);
        }
    }
    if let Some(content) = content(operation.body) {
        object["requestBody"] = json!({ "required": true, "content": content });
    }
    object
}

fn parameter(parameter: &Parameter) -> Value {
    let place = match parameter.place {
        In::Path => "path",
        In::Query => "query",
        In::Header => "header",
    };
    json!({
        "name": parameter.name,
        "in": place,
        "required": parameter.required,
        "description": parameter.text,
        // The tests read every one of them.
        "schema": serde_json::from_str::<Value>(parameter.schema).unwrap_or_default(),
    })
}

fn content(content: Content) -> Option<Value> {
    let bytes = || json!({ "schema": {} });
    match content {
        Content::Nothing => None,
        Content::Json(name) => {
            Some(json!({ "application/json": { "schema": schemas::reference(name) } }))
        }
        Content::Bytes(media_type) => Some(json!({ media_type: bytes() })),
        Content::Forms(media_types) => {
            let forms = media_types.iter().map(|one| ((*one).to_owned(), bytes()));
            Some(Value::Object(forms.collect()))
        }
    }
}

fn headers(of_answer: &[(&str, &str)]) -> Value {
    let all = [(
        "X-Request-Id",
        "The request, as the log of the server names it.",
    )];
    let header = |(name, text): &(&str, &str)| {
        let described = json!({ "description": text, "schema": { "type": "string" } });
        ((*name).to_owned(), described)
    };
    Value::Object(all.iter().chain(of_answer).map(header).collect())
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    for (status, holds, text) in operation.answers {
        let mut answer = json!({ "description": text, "headers": headers(operation.headers) });
        if let Some(content) = content(*holds) {
            answer["content"] = content;
        }
        responses.insert(status.to_string(), answer);
    }
    let with_token: &[Kind] = match operation.access {
        Access::Public => &[],
        Access::Roles(_) => &WITH_TOKEN,
    };
    let mut kinds: Vec<Kind> = [operation.problems, with_token, &ALWAYS].concat();
    kinds.sort_by_key(|kind| kind.status());
    for group in kinds.chunk_by(|one, other| one.status() == other.status()) {
        let Some(first) = group.first() else { continue };
        let described = if group.iter().all(|kind| kind == first) {
            json!({ "$ref": format!("#/components/responses/{}", first.word()) })
        } else {
            let mut titles: Vec<_> = group.iter().map(|kind| kind.title().0).collect();
            titles.dedup();
            json!({
                "description": titles.join("; "),
                "content": { problem::MEDIA_TYPE: { "schema": schemas::reference("Problem") } },
            })
        };
        responses
            .entry(first.status().to_string())
            .or_insert(described);
    }
    Value::Object(responses)
}

/// A page that shows the document: one file, without anything from elsewhere.
pub const VIEWER: &str = include_str!("openapi/viewer.html");
