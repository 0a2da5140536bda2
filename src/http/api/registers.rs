//! Registers, page by page, and offices.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::log::page;
use super::{AS_OF, Answered, CURSOR, KIND, LIMIT, LINK_HEADER, OFFICE, Path, Route};
use crate::app::AppError;
use crate::app::reading::office_of_row;
use crate::http::authority::{Allowed, Permission, Reading};
use crate::http::openapi::{Access, Content, Operation};
use crate::http::problem::{Kind, Problem};
use crate::http::query::{Cursor, Query};
use crate::http::service::Service;
use crate::ledger::request::LedgerError;
use crate::model::cell::{Fen, Value as Cell};
use crate::model::fields::AnyFields;
use crate::registers::row::RegisterRow;

const REGISTER: Operation = Operation {
    method: "get",
    path: "/v1/registers/{kind}",
    id: "register",
    tag: "registers",
    summary: (
        "What a register holds, or held at a moment",
        "登记簿（可查任一时刻）",
    ),
    access: Access::Roles(Reading::ROLES),
    parameters: &[KIND, AS_OF, OFFICE, LIMIT, CURSOR],
    body: Content::Nothing,
    answers: &[(
        200,
        Content::Json("RegisterPage"),
        "A page in order of position; the next one, as of the same moment, is in Link.",
    )],
    headers: &[LINK_HEADER],
    problems: &[Kind::Malformed, Kind::NotFound],
};
const OFFICES: Operation = Operation {
    path: "/v1/offices",
    id: "offices",
    summary: (
        "The office of the token and those below it",
        "本单位及下级单位",
    ),
    parameters: &[AS_OF, OFFICE],
    answers: &[(200, Content::Json("Offices"), "By code.")],
    headers: &[],
    ..REGISTER
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![(REGISTER, get(register)), (OFFICES, get(offices))]
}

async fn register(
    State(service): State<Service>,
    who: Allowed<Reading>,
    path: Path,
    mut query: Query,
) -> Result<Response, Problem> {
    let kind = path.kind()?;
    let top = who.top(query.office()?)?;
    let (limit, cursor) = (query.limit()?, query.text("cursor")?);
    let question = format!("register {kind} {top}");
    let cursor = cursor.map(|text| Cursor::parse(&text, &question));
    let cursor = cursor.transpose()?;
    let asked = query.size(&who.app).await?;
    query.finish()?;
    // A cursor holds its moment; a larger one than there is was not made here.
    let size = cursor.map_or(asked, |cursor| cursor.size);
    if size > who.app.store().head().await?.size {
        let (en, zh) = ("is beyond the end of the log", "超出日志末尾");
        return Err(Problem::parameter("cursor", en, zh));
    }
    let after = cursor.map(|cursor| cursor.after);
    let _turn = service.heavy().await?;
    let offices = who.app.offices(size).await?;
    let registers = who.app.shared_registers(size).await?;
    // It reads files.
    let read = tokio::task::spawn_blocking(move || {
        let takes =
            |row: &RegisterRow| office_of_row(row).is_some_and(|own| offices.is_within(own, top));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        // One more than is asked for tells whether there are more.
        let rows = registers.page(kind, size, after, limit.saturating_add(1), Some(&takes));
        rows.map(|mut rows| {
            let more = rows.len() > limit;
            rows.truncate(limit);
            (rows, more)
        })
    });
    let cut_off = |error: tokio::task::JoinError| LedgerError::CutOff(error.to_string());
    let (rows, more) = read.await.map_err(cut_off)?.map_err(AppError::from)?;
    let next = rows.last().filter(|_| more).map(|row| {
        let after = row.position;
        Cursor { size, after }.to_text(&question)
    });
    let body = json!({
        "kind": kind.as_str(),
        "as_of": size,
        "office": top,
        "rows": rows.iter().map(shown).collect::<Vec<_>>(),
        "next": next,
    });
    let mut address = form_urlencoded::Serializer::new(String::new());
    address.append_pair("office", top.as_str());
    address.append_pair("limit", &limit.to_string());
    let path = format!("/v1/registers/{kind}");
    Ok(page(&path, address, next.as_deref(), body))
}

/// A row, with what stands in the log in clear.
fn shown(row: &RegisterRow) -> Value {
    let mut object = Map::new();
    object.insert("position".into(), row.position.into());
    object.insert("record_id".into(), row.record_id.to_string().into());
    object.insert("version".into(), row.version.into());
    object.insert("recorded_at".into(), row.recorded_at.to_string().into());
    for (name, _) in AnyFields::columns(row.kind()) {
        match row.fields.get(name) {
            Some(Cell::Integer(fen)) if *name == "amount_fen" => {
                object.insert("amount_yuan".into(), Fen(fen).to_yuan().into());
            }
            Some(value) => {
                object.insert((*name).to_owned(), value.to_json());
            }
            None => {}
        }
    }
    Value::Object(object)
}

async fn offices(who: Allowed<Reading>, mut query: Query) -> Result<Response, Problem> {
    let top = who.top(query.office()?)?;
    let size = query.size(&who.app).await?;
    query.finish()?;
    let directory = who.app.offices(size).await?;
    let all = directory.all().into_iter();
    let offices: Vec<_> = all
        .filter(|office| directory.is_within(office.code, top))
        .collect();
    Ok(Answered(json!({ "as_of": size, "offices": offices })).into_response())
}
