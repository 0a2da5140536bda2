//! Findings and their life; audits.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use uuid::Uuid;

use super::{Answered, ID, IDEMPOTENCY_KEY, OFFICE, Path, Route, answered, key_of, made};
use crate::app::findings::{FindingFilter, FindingLine, FindingStep};
use crate::audit::catalogue::Catalogue;
use crate::http::authority::{Allowed, Answering, Authority, Judging, Permission, Reading};
use crate::http::body::{Json, Members};
use crate::http::openapi::{Access, Content, In, Operation, Parameter};
use crate::http::problem::{Kind, Problem};
use crate::http::query::Query;
use crate::http::service::Service;
use crate::model::time::parse_date;

const RULE: Parameter = Parameter {
    name: "rule",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "array", "items": { "type": "string" } }"#,
    text: "Only of this rule; may be given several times.",
};
const STATE: Parameter = Parameter {
    name: "state",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "array", "items": { "type": "string", "enum": ["open", "asked", "answered", "confirmed", "dismissed", "waived", "cleared", "unrepeatable"] } }"#,
    text: "Only in this state; may be given several times. All but dismissed and cleared ones, when not given.",
};

const LIST: Operation = Operation {
    method: "get",
    path: "/v1/findings",
    id: "findings",
    tag: "findings",
    summary: (
        "What the audit found, and where each finding stands",
        "审计发现及其状态",
    ),
    access: Access::Roles(Reading::ROLES),
    parameters: &[OFFICE, RULE, STATE],
    body: Content::Nothing,
    answers: &[(
        200,
        Content::Json("Findings"),
        "In the order in which they were first raised.",
    )],
    headers: &[],
    problems: &[Kind::Malformed, Kind::NotFound],
};
const ONE: Operation = Operation {
    path: "/v1/findings/{id}",
    id: "finding",
    summary: ("One finding", "单项发现"),
    parameters: &[ID],
    answers: &[(200, Content::Json("Finding"), "The finding.")],
    problems: &[Kind::NotFound],
    ..LIST
};
const STEP: Operation = Operation {
    method: "post",
    access: Access::Roles(Judging::ROLES),
    parameters: &[ID, IDEMPOTENCY_KEY],
    answers: &[
        (201, Content::Json("Receipt"), "The step is on the ledger."),
        (
            200,
            Content::Json("Receipt"),
            "It was there before; the first receipt.",
        ),
    ],
    problems: &[
        Kind::Malformed,
        Kind::NotFound,
        Kind::Refused,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::InvalidValue,
        Kind::KeyReused,
    ],
    ..LIST
};
const ASK: Operation = Operation {
    path: "/v1/findings/{id}/ask",
    id: "ask",
    summary: ("Ask the office", "向单位询问"),
    body: Content::Json("OptionalReason"),
    ..STEP
};
const ANSWER: Operation = Operation {
    path: "/v1/findings/{id}/answer",
    id: "answer",
    summary: ("Answer for the office", "代单位答复"),
    access: Access::Roles(Answering::ROLES),
    body: Content::Json("Answer"),
    ..STEP
};
const CONFIRM: Operation = Operation {
    path: "/v1/findings/{id}/confirm",
    id: "confirm",
    summary: ("Find it true", "确认属实"),
    body: Content::Json("OptionalReason"),
    ..STEP
};
const DISMISS: Operation = Operation {
    path: "/v1/findings/{id}/dismiss",
    id: "dismiss",
    summary: ("Find that nothing is wrong", "认定无误"),
    body: Content::Json("Reason"),
    ..STEP
};
const WAIVE: Operation = Operation {
    path: "/v1/findings/{id}/waive",
    id: "waive",
    summary: ("Let it rest until the end of a day", "暂缓至某日"),
    body: Content::Json("Waiver"),
    ..STEP
};
const AUDIT: Operation = Operation {
    path: "/v1/audits",
    id: "audit",
    summary: (
        "Run the rules over everything of one's office; findings go on the ledger",
        "运行审计规则并登记发现",
    ),
    parameters: &[],
    body: Content::Json("AuditAsked"),
    answers: &[(200, Content::Json("AuditRun"), "What the run gave.")],
    problems: &[
        Kind::Malformed,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::InvalidValue,
    ],
    ..STEP
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![
        (LIST, get(list)),
        (ONE, get(one)),
        (ASK, post(ask)),
        (ANSWER, post(answer)),
        (CONFIRM, post(confirm)),
        (DISMISS, post(dismiss)),
        (WAIVE, post(waive)),
        (AUDIT, post(audit)),
    ]
}

async fn list(who: Allowed<Reading>, mut query: Query) -> Result<Response, Problem> {
    let filter = FindingFilter {
        office: Some(who.top(query.office()?)?),
        rules: query.all("rule"),
        states: query.all("state"),
    };
    query.finish()?;
    let findings = who.app.findings(&filter).await?;
    Ok(Answered(json!({ "findings": findings })).into_response())
}

/// The finding of a path, if it is of an office of theirs.
async fn own(who: &Authority, path: &Path) -> Result<FindingLine, Problem> {
    let (en, zh) = ("there is no such finding", "没有该发现");
    let found = who.app.finding(path.id()?).await?;
    let finding = found.ok_or_else(|| Problem::not_found(en, zh))?;
    if who.sees(finding.office) {
        return Ok(finding);
    }
    Err(who.hidden(en, zh))
}

async fn one(who: Allowed<Reading>, path: Path) -> Result<Response, Problem> {
    Ok(Answered(own(&who, &path).await?).into_response())
}

/// Takes a step with a finding of theirs.
async fn take(
    who: &Authority,
    path: &Path,
    headers: &HeaderMap,
    body: Json,
    read: impl FnOnce(&mut Members) -> Result<FindingStep, Problem>,
) -> Result<Response, Problem> {
    let mut members = body.0.members("")?;
    let step = read(&mut members)?;
    members.finish()?;
    let id: Uuid = own(who, path).await?.id;
    let key = key_of(who, headers)?;
    let answer = who.app.take_step(id, step, key).await?;
    Ok((made(&answer), Answered(answered(&answer))).into_response())
}

async fn ask(
    who: Allowed<Judging>,
    path: Path,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Problem> {
    take(&who, &path, &headers, body, |_| Ok(FindingStep::Ask)).await
}

async fn answer(
    who: Allowed<Answering>,
    path: Path,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Problem> {
    let read = |members: &mut Members| Ok(FindingStep::Answer(members.required_text("text")?));
    take(&who, &path, &headers, body, read).await
}

async fn confirm(
    who: Allowed<Judging>,
    path: Path,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Problem> {
    let read = |members: &mut Members| Ok(FindingStep::Confirm(members.text("reason")?));
    take(&who, &path, &headers, body, read).await
}

async fn dismiss(
    who: Allowed<Judging>,
    path: Path,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Problem> {
    let read = |members: &mut Members| Ok(FindingStep::Dismiss(members.required_text("reason")?));
    take(&who, &path, &headers, body, read).await
}

async fn waive(
    who: Allowed<Judging>,
    path: Path,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Problem> {
    let read = |members: &mut Members| {
        let until = members.required_text("until")?;
        let (en, zh) = (
            "is no date; write 2014-06-30",
            "不是日期，请写作 2014-06-30",
        );
        let wrong = || Problem::member("/until".to_owned(), en, zh);
        let until = parse_date(&until).ok_or_else(wrong)?;
        Ok(FindingStep::Waive(until, members.required_text("reason")?))
    };
    take(&who, &path, &headers, body, read).await
}

async fn audit(
    State(service): State<Service>,
    who: Allowed<Judging>,
    body: Json,
) -> Result<Response, Problem> {
    let mut members = body.0.members("")?;
    let rules = members.texts("rules")?.unwrap_or_default();
    let dry_run = match members.take("dry_run") {
        None => false,
        Some(crate::http::body::Node::Flag(flag)) => flag,
        Some(_) => {
            let (en, zh) = ("is neither true nor false", "须为 true 或 false");
            return Err(Problem::member("/dry_run".to_owned(), en, zh));
        }
    };
    members.finish()?;
    let mut catalogue = Catalogue::built_in();
    if !rules.is_empty() {
        catalogue.keep(&rules).map_err(|_| {
            let (en, zh) = ("names a rule that there is not", "含不存在的规则");
            Problem::member("/rules".to_owned(), en, zh)
        })?;
    }
    let _turn = service.heavy().await?;
    let size = who.app.store().head().await?.size;
    let mut audited = who.app.audit(&catalogue, size).await?;
    audited.keep_within(who.office);
    let settled = if dry_run {
        None
    } else {
        let settled = who.app.settle(&audited).await?;
        who.app.keep_details(&audited).await?;
        Some(settled)
    };
    let run = &audited.run;
    let rules = serde_json::to_value(&run.rules).unwrap_or_default();
    let faults: Vec<String> = run.faults.iter().map(ToString::to_string).collect();
    Ok(Answered(json!({
        "position": run.position,
        "rules_digest": run.rules_digest,
        "findings": run.findings.len(),
        "raised": settled.as_ref().map_or(0, |settled| settled.raised),
        "cleared": settled.as_ref().map_or(0, |settled| settled.cleared),
        "standing": settled.as_ref().map_or(0, |settled| settled.standing),
        "rules": rules,
        "faults": faults,
    }))
    .into_response())
}
