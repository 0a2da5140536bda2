//! The log: the checkpoint and the tiles for everybody, entries for auditors, proofs.
//!
//! Paths and media types of `/checkpoint` and `/tile` are those of C2SP tlog-tiles
//! (<https://c2sp.org/tlog-tiles>); of proofs, C2SP tlog-proof.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, LINK};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::{Answered, CURSOR, ID, KIND, LIMIT, LINK_HEADER, OFFICE, POSITION, Path, Route};
use crate::app::log_files::parsed;
use crate::http::authority::{Allowed, Auditing, Permission, Reading};
use crate::http::body::Json;
use crate::http::openapi::{Access, Content, In, Operation, Parameter};
use crate::http::problem::{Kind, Problem, pointer};
use crate::http::query::{Cursor, Query};
use crate::http::service::Service;
use crate::ledger::aggregate::office::office_of_entry;
use crate::model::entry::leaf_hash;
use crate::model::schema::RecordKind;
use crate::model::slot::Slot;
use crate::seal::entries::LogFile;
use crate::seal::tiles::TILE_WIDTH;
use crate::store::access::TokenRole;

/// Media types, as C2SP says.
const NOTE: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
/// Entries that are looked at for one page at most: a filter that finds little must not read all.
const MOST_LOOKED_AT: u64 = 100_000;
/// Entries that are read at once.
const BATCH: u64 = 1000;

const TILE: Parameter = Parameter {
    name: "path",
    place: In::Path,
    required: true,
    schema: r#"{ "type": "string" }"#,
    text: "The index of the tile in groups of three digits, as x001/234 or 000.p/17.",
};
const LEVEL: Parameter = Parameter {
    name: "level",
    place: In::Path,
    required: true,
    schema: r#"{ "type": "integer", "minimum": 0, "maximum": 63 }"#,
    text: "The level of the tile.",
};
const STREAM_TYPE: Parameter = Parameter {
    name: "kind",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "string" }"#,
    text: "Only this type of stream, as birth, office, import or finding.",
};
const FROM: Parameter = Parameter {
    name: "from",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "integer", "minimum": 0, "default": 0 }"#,
    text: "The first position.",
};

const LOG: Operation = Operation {
    method: "get",
    path: "",
    id: "",
    tag: "log",
    summary: ("", ""),
    access: Access::Public,
    parameters: &[],
    body: Content::Nothing,
    answers: &[],
    headers: &[],
    problems: &[Kind::NotFound],
};

const CHECKPOINT: Operation = Operation {
    path: "/checkpoint",
    id: "checkpoint",
    summary: (
        "The newest published checkpoint, a signed note",
        "最新公布的检查点（签名文件）",
    ),
    answers: &[(200, Content::Bytes("text/plain"), "C2SP tlog-checkpoint.")],
    problems: &[],
    ..LOG
};
const HASH_TILE: Operation = Operation {
    path: "/tile/{level}/{*path}",
    id: "hash_tile",
    summary: ("A tile of hashes", "哈希分块"),
    parameters: &[LEVEL, TILE],
    answers: &[(200, Content::Bytes(BYTES), "Up to 256 hashes of 32 bytes.")],
    ..LOG
};
const BUNDLE: Operation = Operation {
    path: "/tile/entries/{*path}",
    id: "entry_bundle",
    summary: ("A bundle of entries", "条目包"),
    access: Access::Roles(Auditing::ROLES),
    parameters: &[TILE],
    answers: &[(
        200,
        Content::Bytes(BYTES),
        "Up to 256 entries, each after its length as two bytes, big-endian.",
    )],
    ..LOG
};
const ENTRIES: Operation = Operation {
    path: "/v1/entries",
    id: "entries",
    summary: (
        "Entries in order, without their content",
        "按顺序列出条目（不含内容）",
    ),
    access: Access::Roles(Reading::ROLES),
    parameters: &[FROM, STREAM_TYPE, OFFICE, LIMIT, CURSOR],
    answers: &[(
        200,
        Content::Json("EntryPage"),
        "A page; the next one is in Link.",
    )],
    problems: &[Kind::Malformed, Kind::NotFound],
    headers: &[LINK_HEADER],
    ..LOG
};
const ENTRY: Operation = Operation {
    path: "/v1/entries/{position}",
    id: "entry",
    summary: (
        "The bytes of an entry, as they were hashed",
        "条目的原始字节（即被哈希的内容）",
    ),
    access: Access::Roles(Auditing::ROLES),
    parameters: &[POSITION],
    answers: &[(200, Content::Bytes("application/json"), "RFC 8785 JSON.")],
    ..LOG
};
const PROOF: Operation = Operation {
    path: "/v1/entries/{position}/proof",
    id: "proof",
    summary: (
        "The proof that an entry is in the log",
        "条目在日志中的证明",
    ),
    access: Access::Roles(Reading::ROLES),
    parameters: &[POSITION],
    answers: &[(
        200,
        Content::Bytes("text/plain"),
        "C2SP tlog-proof, with the checkpoint.",
    )],
    problems: &[Kind::NotFound, Kind::NotSealed],
    ..LOG
};
const EVIDENCE: Operation = Operation {
    method: "post",
    path: "/v1/records/{kind}/{id}/evidence",
    id: "evidence",
    summary: (
        "A bundle from which an outsider can check one record",
        "供外部核验单条记录的证据包",
    ),
    access: Access::Roles(Auditing::ROLES),
    parameters: &[KIND, ID],
    body: Content::Json("EvidenceAsked"),
    answers: &[(
        200,
        Content::Bytes("application/zip"),
        "What was handed out cannot be recalled by an erasure.",
    )],
    problems: &[
        Kind::Malformed,
        Kind::NotFound,
        Kind::NotSealed,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::InvalidValue,
    ],
    ..LOG
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![
        (CHECKPOINT, get(checkpoint)),
        (HASH_TILE, get(hash_tile)),
        (BUNDLE, get(entry_bundle)),
        (ENTRIES, get(entries)),
        (ENTRY, get(entry)),
        (PROOF, get(proof)),
        (EVIDENCE, post(evidence)),
    ]
}

async fn checkpoint(State(service): State<Service>) -> Result<Response, Problem> {
    let (note, _) = service.app.published().await?;
    Ok(([(CONTENT_TYPE, NOTE), (CACHE_CONTROL, "no-cache")], note).into_response())
}

/// A file of the log by its path below the prefix.
async fn file(service: &Service, path: &str, is_public: bool) -> Result<Response, Problem> {
    let none = || Problem::not_found("the log has no such file", "日志没有该文件");
    let file = LogFile::of_path(path).ok_or_else(none)?;
    let bytes = service.app.log_file(file).await?.ok_or_else(none)?;
    // What is full never changes again; what is not may have been asked for too early.
    let caching = match (is_public, file.width == TILE_WIDTH) {
        (true, true) => "public, max-age=604800, immutable",
        (true, false) => "public, max-age=60",
        (false, _) => "private, no-store",
    };
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, caching)], bytes).into_response())
}

async fn hash_tile(State(service): State<Service>, path: Path) -> Result<Response, Problem> {
    let name = format!("tile/{}/{}", path.text("level"), path.text("path"));
    file(&service, &name, true).await
}

async fn entry_bundle(
    State(service): State<Service>,
    _who: Allowed<Auditing>,
    path: Path,
) -> Result<Response, Problem> {
    file(
        &service,
        &format!("tile/entries/{}", path.text("path")),
        false,
    )
    .await
}

async fn entries(who: Allowed<Reading>, mut query: Query) -> Result<Response, Problem> {
    let top = who.top(query.office()?)?;
    let (from, kind) = (query.count("from")?, query.text("kind")?);
    let (limit, cursor) = (query.limit()?, query.text("cursor")?);
    query.finish()?;
    let question = format!("entries {from:?} {kind:?} {top}");
    let mut next = from.unwrap_or(0);
    if let Some(cursor) = cursor {
        next = Cursor::parse(&cursor, &question)?.after.saturating_add(1);
    }
    let store = who.app.store();
    let size = store.head().await?.size;
    // After the end is known: what is of an office that is new by then is not passed over.
    let offices = who.app.offices_now().await?;
    let mut rows = Vec::new();
    let end = size.min(next.saturating_add(MOST_LOOKED_AT));
    'pages: while next < end {
        let batch = store.entries(next, BATCH.min(end - next)).await?;
        if batch.is_empty() {
            break;
        }
        for stored in &batch {
            next = stored.position + 1;
            let entry = parsed(stored)?;
            let office = office_of_entry(&entry);
            // What is of no office (keys, disclosures, tokens) is of the ledger's auditors.
            let is_theirs = match office {
                Some(office) => offices.is_within(office, top),
                None => who.role == TokenRole::Auditor,
            };
            if !is_theirs
                || kind
                    .as_deref()
                    .is_some_and(|kind| entry.aggregate_type != kind)
            {
                continue;
            }
            rows.push(json!({
                "position": stored.position,
                "recorded_at": entry.recorded_at,
                "aggregate_type": entry.aggregate_type,
                "aggregate_id": entry.aggregate_id,
                "sequence": entry.sequence,
                "event_type": entry.event_type,
                "office": office,
                "leaf_hash": hex::encode(leaf_hash(&stored.bytes)),
            }));
            if rows.len() as u64 == limit {
                break 'pages;
            }
        }
    }
    let more = next < size;
    let cursor = Cursor {
        size,
        after: next.saturating_sub(1),
    };
    let cursor = more.then(|| cursor.to_text(&question));
    let mut address = form_urlencoded::Serializer::new(String::new());
    address.append_pair("office", top.as_str());
    address.append_pair("limit", &limit.to_string());
    for (name, value) in [("from", from.map(|from| from.to_string())), ("kind", kind)] {
        if let Some(value) = value {
            address.append_pair(name, &value);
        }
    }
    let body = json!({ "as_of": size, "entries": rows, "next": cursor });
    Ok(page("/v1/entries", address, cursor.as_deref(), body))
}

/// A page of a list, with a `Link` to the next one.
pub(super) fn page(
    path: &str,
    mut address: form_urlencoded::Serializer<'_, String>,
    cursor: Option<&str>,
    body: Value,
) -> Response {
    let mut response = Answered(body).into_response();
    if let Some(cursor) = cursor {
        address.append_pair("cursor", cursor);
        let link = format!("<{path}?{}>; rel=\"next\"", address.finish());
        if let Ok(link) = link.parse() {
            response.headers_mut().insert(LINK, link);
        }
    }
    response
}

async fn entry(who: Allowed<Auditing>, path: Path) -> Result<Response, Problem> {
    let none = || Problem::not_found("there is no entry at this position", "该位置没有条目");
    let found = who.app.store().entry(path.position()?).await?;
    let bytes = found.ok_or_else(none)?.bytes;
    Ok(([(CONTENT_TYPE, "application/json")], bytes).into_response())
}

async fn proof(who: Allowed<Reading>, path: Path) -> Result<Response, Problem> {
    let position = path.position()?;
    let (en, zh) = ("there is no entry at this position", "该位置没有条目");
    let found = who.app.store().entry(position).await?;
    let stored = found.ok_or_else(|| Problem::not_found(en, zh))?;
    let office = office_of_entry(&parsed(&stored)?);
    if who.role != TokenRole::Auditor && office.is_none_or(|office| !who.sees(office)) {
        return Err(who.hidden(en, zh));
    }
    let proven = who.app.prove(&position.to_string()).await?;
    Ok(([(CONTENT_TYPE, NOTE)], proven.proof.to_string()).into_response())
}

async fn evidence(who: Allowed<Auditing>, path: Path, body: Json) -> Result<Response, Problem> {
    let (kind, id) = (path.kind()?, path.id()?);
    let mut members = body.0.members("")?;
    let fields = members.texts("fields")?.unwrap_or_default();
    let purpose = members.text("purpose")?.unwrap_or_default();
    members.finish()?;
    let history = who.app.ledger.history(id).await?;
    let history = who.own(history.filter(|history| history.kind == kind))?;
    let slots = slots_of(kind, &fields)?;
    let id = history.record_id.to_string();
    let made = who.app.evidence(&id, &slots, &purpose, None).await?;
    let name = format!("attachment; filename=\"{id}.zip\"");
    let headers = [
        (CONTENT_TYPE, "application/zip"),
        (CONTENT_DISPOSITION, name.as_str()),
    ];
    Ok((headers, made.bytes).into_response())
}

/// The slots of these names that a kind of record has.
pub(super) fn slots_of(kind: RecordKind, fields: &[String]) -> Result<Vec<Slot>, Problem> {
    let slot = |(index, name): (usize, &String)| {
        let slot = Slot::of_name(name);
        let slot = slot.filter(|slot| kind.slots().iter().any(|(known, _)| known == slot));
        slot.ok_or_else(|| {
            let at = format!("/fields{}", pointer(&index.to_string()));
            Problem::member(at, "names no sealed column", "不是密封字段")
        })
    };
    fields.iter().enumerate().map(slot).collect()
}
