//! Events as `CloudEvents`: told as they come, or read page by page.
//!
//! Whoever can hold a connection open asks for `text/event-stream` and is told of everything from a
//! position on, and then of what comes. Whoever cannot asks for pages, and follows the `Link` of each,
//! also when it is empty.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, LINK, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{LIMIT, LINK_HEADER, OFFICE, Route};
use crate::http::authority::{Allowed, Permission, Reading};
use crate::http::openapi::{Access, Content, In, Operation, Parameter};
use crate::http::problem::{Kind, Place, Problem, Said};
use crate::http::query::Query;
use crate::http::service::Service;
use crate::http::streams::{self, Coding, Stream};
use crate::model::id::Position;
use crate::store::access::TokenRole;
use crate::subscription::event::{BATCH_MEDIA_TYPE, batch};
use crate::subscription::filter::{Filter, NoKind, kinds};
use crate::subscription::gzip;

/// Entries that are looked at for one page at most: a filter that finds little must not read all.
const MOST_LOOKED_AT: u64 = 100_000;
/// The header with which a client comes back.
const LAST_EVENT_ID_HEADER: HeaderName = HeaderName::from_static("last-event-id");

const FROM: Parameter = Parameter {
    name: "from",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "string", "default": "0" }"#,
    text: "The first position, or `now` for what comes from now on.",
};
const KINDS: Parameter = Parameter {
    name: "kind",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "array", "items": { "type": "string" } }"#,
    text: "Only these types of streams, as birth or office; may be given several times.",
};
const LAST_EVENT_ID: Parameter = Parameter {
    name: "Last-Event-ID",
    place: In::Header,
    required: false,
    schema: r#"{ "type": "integer", "minimum": 0 }"#,
    text: "The last position that the client was told of; the stream goes on after it.",
};

const EVENTS: Operation = Operation {
    method: "get",
    path: "/v1/events",
    id: "events",
    tag: "subscriptions",
    summary: (
        "Events from a position on: a stream that goes on, or a page",
        "自某位置起的事件：持续推送或分页",
    ),
    access: Access::Roles(Reading::ROLES),
    parameters: &[FROM, KINDS, OFFICE, LIMIT, LAST_EVENT_ID],
    body: Content::Nothing,
    answers: &[(
        200,
        Content::Forms(&[BATCH_MEDIA_TYPE, streams::MEDIA_TYPE]),
        "CloudEvents 1.0, in order of position; as Accept says, one page or a stream; a stream in gzip for whoever accepts that. Both tell up to where they looked: the stream by the `id` of its heartbeats, the page by its Link.",
    )],
    headers: &[LINK_HEADER],
    problems: &[Kind::Malformed, Kind::NotFound, Kind::NotAcceptable],
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![(EVENTS, get(events))]
}

/// Whether a stream is asked for, and not a page.
fn wants_stream(headers: &HeaderMap) -> Result<bool, Problem> {
    let accepts = headers.get_all(ACCEPT).iter();
    let accepts: Vec<&str> = accepts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|one| one.split(';').next())
        .map(str::trim)
        .collect();
    let named = |names: &[&str]| {
        let mut all = accepts.iter();
        all.any(|one| names.iter().any(|name| name.eq_ignore_ascii_case(one)))
    };
    if named(&[streams::MEDIA_TYPE]) {
        return Ok(true);
    }
    if accepts.is_empty() || named(&[BATCH_MEDIA_TYPE, "application/json", "application/*", "*/*"])
    {
        return Ok(false);
    }
    let (stream, page) = (streams::MEDIA_TYPE, BATCH_MEDIA_TYPE);
    let said = Said::new(
        format!("there are only {stream} and {page}"),
        format!("仅提供 {stream} 和 {page}"),
    );
    Err(Problem::at(
        Kind::NotAcceptable,
        Place::Header("Accept"),
        said,
    ))
}

/// That kind there is not.
pub(super) fn no_kind(place: Place) -> impl Fn(NoKind) -> Problem {
    move |_| {
        let known: Vec<&str> = kinds().collect();
        let known = known.join(", ");
        let said = Said::new(
            format!("that is no kind of event; there are {known}"),
            format!("没有该类事件，可用：{known}"),
        );
        let kind = match place {
            Place::Pointer(_) => Kind::InvalidValue,
            _ => Kind::Malformed,
        };
        Problem::at(kind, place.clone(), said)
    }
}

/// Where it begins: after what the client was told of, or where the query says.
fn first(headers: &HeaderMap, from: Option<&str>, size: u64) -> Result<Position, Problem> {
    let (first, place) = if let Some(last) = headers.get(LAST_EVENT_ID_HEADER) {
        let last = last.to_str().ok().and_then(crate::seal::decimal);
        let first = last.and_then(|last| last.checked_add(1));
        (first, Place::Header("Last-Event-ID"))
    } else {
        let first = match from {
            None => Some(0),
            Some("now") => Some(size),
            Some(text) => crate::seal::decimal(text),
        };
        (first, Place::Parameter("from".to_owned()))
    };
    let refused = |en, zh| Problem::at(Kind::Malformed, place.clone(), Said::new(en, zh));
    let first = first.ok_or_else(|| refused("that is no position", "不是位置"))?;
    if first > size {
        // A client that was told of more than there is knows of a log whose end was lost.
        return Err(refused("that is beyond the end of the log", "超出日志末尾"));
    }
    Ok(first)
}

/// Whether the client takes gzip (RFC 9110, 12.5.3), and says so by its name.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(ACCEPT_ENCODING).iter();
    let mut accepts = accepts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    accepts.any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let is_gzip = ["gzip", "x-gzip"]
            .iter()
            .any(|name| coding.eq_ignore_ascii_case(name));
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        // None at all is the only weight that says no.
        let is_none = weight.is_some_and(|weight| weight.parse() == Ok(0.0));
        is_gzip && !is_none
    })
}

/// The answer that goes on.
fn streaming(body: Body, packs: bool) -> Response {
    let headers = [
        (CONTENT_TYPE, streams::MEDIA_TYPE),
        (VARY, "Accept-Encoding"),
        // Some servers that stand before this one hold back what they were not told to let go.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let mut response = (headers, body).into_response();
    if packs {
        let gzip = HeaderValue::from_static("gzip");
        response.headers_mut().insert(CONTENT_ENCODING, gzip);
    }
    response
}

async fn events(
    State(service): State<Service>,
    who: Allowed<Reading>,
    mut query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let streams = wants_stream(&headers)?;
    let top = who.top(query.office()?)?;
    let names = query.all("kind");
    let (from, limit) = (query.text("from")?, query.limit()?);
    query.finish()?;
    let filter = Filter {
        kinds: Vec::new(),
        office: Some(top),
        // What is of no office (keys, disclosures, tokens) is of the ledger's auditors.
        officeless: who.role == TokenRole::Auditor,
    };
    let filter = filter
        .with_kinds(&names)
        .map_err(no_kind(Place::Parameter("kind".to_owned())))?;
    let size = who.app.store().head().await?.size;
    let from = first(&headers, from.as_deref(), size)?;
    if streams {
        let stream = Stream::begin(&service, who.token)?;
        let reader = service.feed.reader(from, filter).await?;
        let packs = takes_gzip(&headers);
        let coding = if packs {
            Coding::Gzip(gzip::Stream::default())
        } else {
            Coding::Identity
        };
        let body = streams::body(&service, stream, reader, who.hash, coding);
        return Ok(streaming(body, packs));
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = service.feed.page(&filter, from, most, MOST_LOOKED_AT);
    let page = page.await?;
    service.metrics.delivered("page", page.events.len() as u64);
    let mut address = form_urlencoded::Serializer::new(String::new());
    address.append_pair("office", top.as_str());
    address.append_pair("limit", &limit.to_string());
    for name in &filter.kinds {
        address.append_pair("kind", name);
    }
    address.append_pair("from", &page.next.to_string());
    let link = format!("</v1/events?{}>; rel=\"next\"", address.finish());
    let mut response = ([(CONTENT_TYPE, BATCH_MEDIA_TYPE)], batch(&page.events)).into_response();
    // It is also there when nothing follows yet: there, the client looks again.
    if let Ok(link) = link.parse() {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_whoever_names_it() {
        for (sent, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip, deflate, br", true),
            ("x-gzip", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000, br", false),
            ("*", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = [(ACCEPT_ENCODING, sent.parse().unwrap())];
            assert_eq!(takes_gzip(&headers.into_iter().collect()), takes, "{sent}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
