//! One record: at a moment, its life, its sealed fields.

use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use super::log::slots_of;
use super::{AS_OF, Answered, ETAG_HEADER, ID, KIND, Path, Route};
use crate::app::AppError;
use crate::app::timeline::Timeline;
use crate::http::authority::{Allowed, Authority, Permission, Reading, Unsealing};
use crate::http::body::Json;
use crate::http::openapi::{Access, Content, Operation};
use crate::http::problem::{Kind, Problem};
use crate::http::query::Query;
use crate::ledger::history::RecordHistory;
use crate::ledger::request::Refusal;
use crate::model::fields::AnyFields;
use crate::model::slot::Slot;
use crate::store::StoredEntry;

const READ: Operation = Operation {
    method: "get",
    path: "/v1/records/{kind}/{id}",
    id: "read",
    tag: "records",
    summary: (
        "A record at a moment: what is public of it",
        "某一时刻的记录（公开部分）",
    ),
    access: Access::Roles(Reading::ROLES),
    parameters: &[KIND, ID, AS_OF],
    body: Content::Nothing,
    answers: &[
        (
            200,
            Content::Json("Record"),
            "The record; its ETag is its version.",
        ),
        (
            304,
            Content::Nothing,
            "It has the version of If-None-Match.",
        ),
    ],
    headers: &[ETAG_HEADER],
    problems: &[Kind::Malformed, Kind::NotFound],
};
const TIMELINE: Operation = Operation {
    path: "/v1/records/{kind}/{id}/timeline",
    id: "timeline",
    summary: (
        "The life of a record: every change, with sealed values masked",
        "记录的全部变更（密封值已遮盖）",
    ),
    parameters: &[KIND, ID],
    answers: &[(200, Content::Json("Timeline"), "Its events, in order.")],
    problems: &[Kind::NotFound],
    headers: &[],
    ..READ
};
const UNSEAL: Operation = Operation {
    method: "post",
    path: "/v1/records/{kind}/{id}/unseal",
    id: "unseal",
    summary: (
        "See sealed fields; an entry says so first",
        "查看密封字段（先记入账本）",
    ),
    access: Access::Roles(Unsealing::ROLES),
    parameters: &[KIND, ID],
    body: Content::Json("Unsealing"),
    answers: &[(200, Content::Json("Unsealed"), "The values.")],
    problems: &[
        Kind::Malformed,
        Kind::NotFound,
        Kind::Erased,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::InvalidValue,
    ],
    headers: &[],
    ..READ
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![
        (READ, get(read)),
        (TIMELINE, get(timeline)),
        (UNSEAL, post(unseal)),
    ]
}

/// The record of a path, as it is now, if it is theirs.
async fn own(who: &Authority, path: &Path) -> Result<RecordHistory, Problem> {
    let (kind, id) = (path.kind()?, path.id()?);
    let history = who.app.ledger.history(id).await?;
    who.own(history.filter(|history| history.kind == kind))
}

async fn read(
    who: Allowed<Reading>,
    path: Path,
    mut query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = own(&who, &path).await?;
    let size = query.size(&who.app).await?;
    query.finish()?;
    let is_newest = now.positions().last().is_some_and(|last| last < size);
    let history = if is_newest {
        Some(now)
    } else {
        who.app.history_at(now.record_id, size).await?
    };
    let history = history.filter(|history| !history.events.is_empty());
    let none = || Problem::not_found("there was no such record then", "当时没有该记录");
    let history = history.ok_or_else(none)?;
    let etag = format!("\"{}\"", history.version());
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|one| one.trim() == etag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    Ok(([(ETAG, etag)], Answered(shown(&history, size))).into_response())
}

/// What is public of a record.
fn shown(history: &RecordHistory, size: u64) -> Value {
    let last = history.events.last();
    let fields = history.fields();
    let public: Map<String, Value> = AnyFields::columns(history.kind)
        .iter()
        .filter_map(|(name, _)| Some(((*name).to_owned(), fields?.get(name)?.to_json())))
        .collect();
    let sealed: Vec<&str> = stated(history).iter().map(|slot| slot.name()).collect();
    json!({
        "record_id": history.record_id,
        "kind": history.kind.as_str(),
        "version": history.version(),
        "position": last.map(|life| life.position),
        "recorded_at": last.map(|life| life.recorded_at),
        "voided": history.voided(),
        "erased_by": history.erased_by,
        "as_of": size,
        "public": public,
        "sealed": sealed,
    })
}

/// The sealed slots that are stated.
fn stated(history: &RecordHistory) -> Vec<Slot> {
    let slots = history.kind.slots().iter().map(|(slot, _)| *slot);
    slots
        .filter(|slot| history.value(*slot).is_some())
        .collect()
}

async fn timeline(who: Allowed<Reading>, path: Path) -> Result<Response, Problem> {
    let history = own(&who, &path).await?;
    let entries: Vec<StoredEntry> = history
        .events
        .iter()
        .map(|life| StoredEntry {
            position: life.position,
            bytes: life.bytes.clone(),
        })
        .collect();
    let closes = who.app.closes().await?;
    let marks = who.app.after_a_close(&closes, &entries).await?;
    Ok(Answered(Timeline::of(&history, &marks, false)).into_response())
}

async fn unseal(who: Allowed<Unsealing>, path: Path, body: Json) -> Result<Response, Problem> {
    let mut members = body.0.members("")?;
    let purpose = members.required_text("purpose")?;
    let fields = members.texts("fields")?;
    members.finish()?;
    let history = own(&who, &path).await?;
    if let Some(erasure) = history.erased_by {
        return Err(AppError::from(Refusal::Erased(erasure)).into());
    }
    let slots = match fields {
        Some(fields) => slots_of(history.kind, &fields)?,
        None => stated(&history),
    };
    if slots.is_empty() {
        let (en, zh) = (
            "names no field, and none is stated",
            "未指定字段，且没有已填的密封字段",
        );
        return Err(Problem::member("/fields".to_owned(), en, zh));
    }
    // Durable before anything is shown.
    let ids = vec![history.record_id];
    let receipt = who.app.disclose(ids, slots.clone(), &purpose).await?;
    let values: Map<String, Value> = slots
        .iter()
        .map(|slot| {
            let value = history.value(*slot).map(|value| value.as_str());
            (slot.name().to_owned(), value.into())
        })
        .collect();
    Ok(Answered(json!({
        "record_id": history.record_id,
        "version": history.version(),
        "disclosure": receipt.position,
        "values": values,
    }))
    .into_response())
}
