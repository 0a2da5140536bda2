//! Changes: record, correct, void; one, or a batch.

use axum::http::header::{ETAG, IF_MATCH as IF_MATCH_HEADER, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{patch, post};
use serde_json::{Value, json};

use super::{
    Answered, ETAG_HEADER, ID, IDEMPOTENCY_KEY, IF_MATCH, KIND, LOCATION_HEADER, MOST_CHANGES,
    Path, Route, answered, key_of, made,
};
use crate::app::records::{Asked, Change, Values, office_of};
use crate::app::{App, AppError};
use crate::http::authority::{Allowed, Authority, Permission, Reporting};
use crate::http::body::{Json, Node};
use crate::http::openapi::{Access, Content, Operation};
use crate::http::problem::{Kind, Place, Problem, Said, pointer};
use crate::http::problem_of::of_cell;
use crate::ledger::request::Answer;
use crate::model::cell::{CellError, CellReason, refused_topic};
use crate::model::schema::{Column, OFFICE, RecordKind};

/// Most names that are told to be no columns: whoever sent more sent something else.
const MOST_ERRORS: usize = 20;

/// Answers of one change.
const ONE: &[(u16, Content, &str)] = &[
    (201, Content::Json("Receipt"), "Recorded."),
    (
        200,
        Content::Json("Receipt"),
        "The same was recorded before; its first receipt.",
    ),
];
const CHANGE: Operation = Operation {
    method: "post",
    path: "",
    id: "",
    tag: "records",
    summary: ("", ""),
    access: Access::Roles(Reporting::ROLES),
    parameters: &[],
    body: Content::Nothing,
    answers: ONE,
    headers: &[ETAG_HEADER, LOCATION_HEADER],
    problems: &[
        Kind::Malformed,
        Kind::OtherOffice,
        Kind::NotFound,
        Kind::Refused,
        Kind::Different,
        Kind::Erased,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::InvalidValue,
        Kind::KeyReused,
    ],
};
const CHANGE_OF_ONE: Operation = Operation {
    parameters: &[KIND, ID, IF_MATCH, IDEMPOTENCY_KEY],
    problems: &[
        Kind::Malformed,
        Kind::OtherOffice,
        Kind::NotFound,
        Kind::Refused,
        Kind::Erased,
        Kind::Changed,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::InvalidValue,
        Kind::KeyReused,
    ],
    ..CHANGE
};
const RECORD: Operation = Operation {
    path: "/v1/records/{kind}",
    id: "record",
    summary: ("Record what an office reports", "入账一条记录"),
    parameters: &[KIND, IDEMPOTENCY_KEY],
    body: Content::Json("RecordValues"),
    ..CHANGE
};
const CORRECT: Operation = Operation {
    method: "patch",
    path: "/v1/records/{kind}/{id}",
    id: "correct",
    summary: (
        "Correct columns of a record; null clears one",
        "更正记录的若干列；null 表示清空",
    ),
    body: Content::Json("Correction"),
    ..CHANGE_OF_ONE
};
const VOID: Operation = Operation {
    path: "/v1/records/{kind}/{id}/void",
    id: "void",
    summary: ("Withdraw a record", "作废一条记录"),
    body: Content::Json("Reason"),
    ..CHANGE_OF_ONE
};
const BATCH: Operation = Operation {
    path: "/v1/batches",
    id: "batch",
    summary: (
        "Change many records; each is answered on its own",
        "批量变更，逐条答复",
    ),
    parameters: &[IDEMPOTENCY_KEY],
    body: Content::Json("Batch"),
    answers: &[(
        200,
        Content::Json("BatchAnswer"),
        "What became of each change, in their order. One that was refused harms no other.",
    )],
    problems: &[
        Kind::Malformed,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::InvalidValue,
    ],
    headers: &[],
    ..CHANGE
};
const RECORD_OFFICE: Operation = Operation {
    path: "/v1/offices",
    id: "record_office",
    summary: (
        "Register an office below one's own, or change it",
        "登记或变更下级单位",
    ),
    body: Content::Json("OfficeValues"),
    headers: &[],
    ..CHANGE
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![
        (RECORD, post(record)),
        (CORRECT, patch(correct)),
        (VOID, post(void)),
        (BATCH, post(batch)),
        (RECORD_OFFICE, post(record_office)),
    ]
}

/// The version of `If-Match`; any when there is none, or it is `*`.
fn expected(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(IF_MATCH_HEADER) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let version = version.and_then(crate::seal::decimal);
    version.map(Some).ok_or_else(|| {
        let said = Said::new(
            "this is no ETag of a record; send one as it was given, as \"3\"",
            "不是记录的 ETag，请原样发送，如 \"3\"",
        );
        Problem::at(Kind::Malformed, Place::Header("If-Match"), said)
    })
}

/// Refuses names that are no columns, each with its place.
fn check_names(columns: &[Column], values: &Values) -> Result<(), Problem> {
    let mut errors = Vec::new();
    for name in values.keys() {
        if errors.len() == MOST_ERRORS {
            break;
        }
        if columns.iter().any(|c| c.name == name || c.zh == name) {
            continue;
        }
        let said = if refused_topic(name) {
            // Of a cell, so that the text is the same; its place is the name that was sent.
            let reason = CellReason::RefusedTopic;
            of_cell(&CellError { column: "", reason }).detail
        } else {
            let known: Vec<_> = columns.iter().map(|column| column.name).collect();
            let known = known.join(", ");
            Said::new(
                format!("is no column here; there are {known}"),
                format!("不是此处的列，可用：{known}"),
            )
        };
        errors.push((Place::Pointer(pointer(name)), said));
    }
    if errors.is_empty() {
        return Ok(());
    }
    let said = Said::new("some names are no columns", "有名称不是列");
    let mut problem = Problem::new(Kind::InvalidValue, said);
    problem.errors = errors;
    Err(problem)
}

/// A problem of a change whose values stand at a place of the body, and whose reason beside it.
fn placed(problem: Problem, values: &str, beside: &str) -> Problem {
    let is_beside = |place: &Place| matches!(place, Place::Pointer(at) if at == "/reason");
    if problem.errors.iter().all(|(place, _)| is_beside(place)) {
        problem.below(beside)
    } else {
        problem.below(values)
    }
}

/// Makes one change; the problems of its values are at `at`.
async fn one(
    who: &Authority,
    headers: &HeaderMap,
    kind: RecordKind,
    change: Change,
    at: &str,
) -> Result<Response, Problem> {
    let asked = Asked {
        change,
        idempotency_key: key_of(who, headers)?,
    };
    let mut answers = who.app.apply(&[asked], &who.reach()).await?;
    let none = || AppError::Integrity("there is no answer".to_owned());
    let answer = answers.pop().ok_or_else(none)?;
    let answer = answer.map_err(|error| placed(error.into(), at, ""))?;
    Ok(response(&answer, kind.as_str()))
}

fn response(answer: &Answer, kind: &str) -> Response {
    let receipt = answer.receipt();
    let location = format!("/v1/records/{kind}/{}", receipt.aggregate_id);
    let etag = format!("\"{}\"", receipt.sequence);
    let headers = [(LOCATION, location), (ETAG, etag)];
    (made(answer), headers, Answered(answered(answer))).into_response()
}

async fn record(
    who: Allowed<Reporting>,
    path: Path,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Problem> {
    let kind = path.kind()?;
    let values = body.0.values("")?;
    check_names(kind.columns(), &values)?;
    one(&who, &headers, kind, Change::Record { kind, values }, "").await
}

async fn correct(
    who: Allowed<Reporting>,
    path: Path,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Problem> {
    let (kind, record_id) = (path.kind()?, path.id()?);
    let mut members = body.0.members("")?;
    let values = members.required("values")?.values("/values")?;
    let reason = members.required_text("reason")?;
    members.finish()?;
    check_names(kind.columns(), &values).map_err(|problem| problem.below("/values"))?;
    let change = Change::Correct {
        kind,
        record_id,
        values,
        reason,
        expected: expected(&headers)?,
    };
    one(&who, &headers, kind, change, "/values").await
}

async fn void(
    who: Allowed<Reporting>,
    path: Path,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Problem> {
    let (kind, record_id) = (path.kind()?, path.id()?);
    let mut members = body.0.members("")?;
    let reason = members.required_text("reason")?;
    members.finish()?;
    let change = Change::Void {
        kind,
        record_id,
        reason,
        expected: expected(&headers)?,
    };
    one(&who, &headers, kind, change, "").await
}

/// Reads one change of a batch.
fn change_of(node: Node, at: &str) -> Result<Change, Problem> {
    let mut members = node.members(at)?;
    let what = members.required_text("do")?;
    let kind = members.required_text("kind")?;
    let kind = RecordKind::of_type(&kind).ok_or_else(|| {
        let known = RecordKind::ALL.map(RecordKind::as_str).join(", ");
        let (en, zh) = (format!("is none of: {known}"), format!("可用：{known}"));
        Problem::member(members.place("kind"), &en, &zh)
    })?;
    let place = members.place("values");
    let values = |node: Node| -> Result<Values, Problem> {
        let values = node.values(&place)?;
        check_names(kind.columns(), &values).map_err(|problem| problem.below(&place))?;
        Ok(values)
    };
    if what == "record" {
        let values = values(members.required("values")?)?;
        members.finish()?;
        return Ok(Change::Record { kind, values });
    }
    let wrong_id = Problem::member(members.place("id"), "is no id of a record", "不是记录编号");
    let record_id = members.required_text("id")?.parse().map_err(|_| wrong_id)?;
    let (reason, expected) = (members.required_text("reason")?, members.count("version")?);
    let change = match what.as_str() {
        "correct" => Change::Correct {
            kind,
            record_id,
            values: values(members.required("values")?)?,
            reason,
            expected,
        },
        "void" => Change::Void {
            kind,
            record_id,
            reason,
            expected,
        },
        _ => {
            let (en, zh) = (
                "is none of: record, correct, void",
                "可用：record、correct、void",
            );
            return Err(Problem::member(members.place("do"), en, zh));
        }
    };
    members.finish()?;
    Ok(change)
}

/// The changes of a batch. What cannot be read is answered for each, as what is refused.
fn changes_of(body: Json) -> Result<Vec<Result<Change, Problem>>, Problem> {
    let mut members = body.0.members("")?;
    let changes = members.required("changes")?;
    members.finish()?;
    let at = "/changes".to_owned();
    let Node::List(changes) = changes else {
        return Err(Problem::member(at, "is no list", "不是列表"));
    };
    if !(1..=MOST_CHANGES).contains(&changes.len()) {
        let (en, zh) = (
            format!("has not 1 to {MOST_CHANGES} changes"),
            format!("须含 1 到 {MOST_CHANGES} 项"),
        );
        return Err(Problem::member(at, &en, &zh));
    }
    let numbered = (0..).zip(changes);
    Ok(numbered
        .map(|(index, node): (usize, _)| change_of(node, &format!("/changes/{index}")))
        .collect())
}

async fn batch(
    who: Allowed<Reporting>,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Problem> {
    let key = key_of(&who, &headers)?;
    let read = changes_of(body)?;
    let mut asked = Vec::with_capacity(read.len());
    let mut answers: Vec<Option<Result<Value, Problem>>> = Vec::with_capacity(read.len());
    let mut places = Vec::with_capacity(read.len());
    for (index, change) in read.into_iter().enumerate() {
        match change {
            Ok(change) => {
                // Each change has a key of its own, so that a part of a batch is never in doubt.
                let idempotency_key = key.as_ref().map(|key| format!("{key}#{index}"));
                asked.push(Asked {
                    change,
                    idempotency_key,
                });
                places.push(index);
                answers.push(None);
            }
            Err(problem) => answers.push(Some(Err(problem))),
        }
    }
    let applied = applied(&who.app, &asked, &who).await?;
    for (index, answer) in places.into_iter().zip(applied) {
        let at = format!("/changes/{index}");
        answers[index] = Some(match answer {
            Ok(answer) => Ok(answered(&answer)),
            Err(error) => Err(placed(error.into(), &format!("{at}/values"), &at)),
        });
    }
    let mut refused = 0_u64;
    let answers: Vec<Value> = answers
        .into_iter()
        .flatten()
        .map(|answer| match answer {
            Ok(receipt) => receipt,
            Err(problem) => {
                refused += 1;
                Value::Object(problem.to_json())
            }
        })
        .collect();
    let recorded = answers.len() as u64 - refused;
    let body = json!({ "recorded": recorded, "refused": refused, "answers": answers });
    Ok(Answered(body).into_response())
}

async fn applied(
    app: &App,
    asked: &[Asked],
    who: &Authority,
) -> Result<Vec<Result<Answer, AppError>>, AppError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    app.apply(asked, &who.reach()).await
}

async fn record_office(who: Allowed<Reporting>, body: Json) -> Result<Response, Problem> {
    let values = body.0.values("")?;
    check_names(OFFICE, &values)?;
    let office = office_of(&values)?;
    let is_known = who.offices.get(office.code).is_some();
    let is_below = office.parent.is_some_and(|parent| who.sees(parent));
    let code = office.code;
    // One's own office is changed by those above it: its place says what one may see.
    if !is_below || code == who.office || (is_known && !who.sees(code)) {
        return Err(AppError::OtherOffice { office: code }.into());
    }
    let answer = who.app.record_office(office).await?;
    let status = StatusCode::CREATED;
    Ok((status, Answered(answered(&answer))).into_response())
}
