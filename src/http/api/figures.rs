//! Indicators and reports, as of any moment.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::{AS_OF, Answered, OFFICE, Path, Route};
use crate::app::AppError;
use crate::http::authority::{Allowed, Authority, Permission, Reading};
use crate::http::openapi::{Access, Content, In, Operation, Parameter};
use crate::http::problem::{Kind, Problem};
use crate::http::query::Query;
use crate::http::service::Service;
use crate::indicators::targets::Targets;
use crate::ledger::request::LedgerError;
use crate::locale::Language;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::registers::snapshot::Snapshot;
use crate::report::sheet::Sheet;
use crate::report::suppression::{Publication, SMALLEST_SHOWN};
use crate::report::{
    Format, HalfYearReport, MonthlyReport, PublicMonths, ReportError, TargetsReport,
};

const HTML: &str = "text/html; charset=utf-8";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

const PERIOD: Parameter = Parameter {
    name: "period",
    place: In::Query,
    required: true,
    schema: r#"{ "type": "string" }"#,
    text: "2014-06, 2014-Q2, 2014-H1, 2014, or 2014S for the statistical year.",
};
const NAME: Parameter = Parameter {
    name: "name",
    place: In::Path,
    required: true,
    schema: r#"{ "type": "string", "enum": ["half-year", "monthly", "targets"] }"#,
    text: "Which report.",
};
const FORMAT: Parameter = Parameter {
    name: "format",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "string", "enum": ["json", "html", "markdown", "text", "xlsx"], "default": "json" }"#,
    text: "Its form.",
};
const LANG: Parameter = Parameter {
    name: "lang",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "string", "enum": ["en", "zh"], "default": "en" }"#,
    text: "Its language; JSON has both.",
};
const PUBLISH: Parameter = Parameter {
    name: "publish",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "boolean", "default": false }"#,
    text: "For publication: counts of 1 to 9 are withheld, and whatever they could be computed from.",
};

const INDICATORS: Operation = Operation {
    method: "get",
    path: "/v1/indicators",
    id: "indicators",
    tag: "figures",
    summary: (
        "Counts and indicators of an office for a period",
        "单位某期的计数与指标",
    ),
    access: Access::Roles(Reading::ROLES),
    parameters: &[PERIOD, OFFICE, AS_OF],
    body: Content::Nothing,
    answers: &[(
        200,
        Content::Json("Indicators"),
        "Each with its texts in both languages.",
    )],
    headers: &[],
    problems: &[Kind::Malformed, Kind::NotFound],
};
const REPORT: Operation = Operation {
    path: "/v1/reports/{name}",
    id: "report",
    summary: ("A report", "报告"),
    parameters: &[NAME, PERIOD, OFFICE, AS_OF, FORMAT, LANG, PUBLISH],
    answers: &[(
        200,
        Content::Forms(&[
            "application/json",
            "text/html",
            "text/markdown",
            "text/plain",
            XLSX,
        ]),
        "The report in its form.",
    )],
    problems: &[Kind::Malformed, Kind::NotFound, Kind::NotAcceptable],
    ..INDICATORS
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![(INDICATORS, get(indicators)), (REPORT, get(report))]
}

/// What is asked about.
struct Asked {
    office: OfficeCode,
    period: Period,
    snapshot: Snapshot,
    targets: Targets,
}

impl Asked {
    async fn of(who: &Authority, query: &mut Query) -> Result<Self, Problem> {
        let office = who.top(query.office()?)?;
        let missing = || Problem::parameter("period", "is missing; state it", "缺失，请填写");
        let period = query.period()?.ok_or_else(missing)?;
        let size = query.size(&who.app).await?;
        let registers = who.app.shared_registers(size).await?;
        Ok(Self {
            office,
            period,
            snapshot: who.app.snapshot(&registers, size).await?,
            targets: who.app.targets(None)?,
        })
    }

    fn half_year(&self) -> Result<HalfYearReport, ReportError> {
        HalfYearReport::build(&self.snapshot, self.office, self.period, &self.targets)
    }
}

/// Counting takes a core for a while.
async fn counted<T: Send + 'static>(
    count: impl FnOnce() -> Result<T, ReportError> + Send + 'static,
) -> Result<T, Problem> {
    let cut_off = |error: tokio::task::JoinError| LedgerError::CutOff(error.to_string());
    let counted = tokio::task::spawn_blocking(count).await.map_err(cut_off)?;
    Ok(counted.map_err(AppError::from)?)
}

async fn indicators(
    State(service): State<Service>,
    who: Allowed<Reading>,
    mut query: Query,
) -> Result<Response, Problem> {
    let _turn = service.heavy().await?;
    let asked = Asked::of(&who, &mut query).await?;
    query.finish()?;
    let size = asked.snapshot.size;
    let report = counted(move || asked.half_year()).await?;
    Ok(Answered(json!({
        "office": report.head.office,
        "period": report.head.period,
        "as_of": size,
        "figures": report.figures,
        "indicators": report.indicators,
        "notes": report.notes,
    }))
    .into_response())
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text(Format),
    Workbook,
}

fn form_of(query: &mut Query) -> Result<(Form, &'static str), Problem> {
    Ok(match query.text("format")?.as_deref() {
        None | Some("json") => (Form::Text(Format::Json), "application/json"),
        Some("html") => (Form::Text(Format::Html), HTML),
        Some("markdown") => (Form::Text(Format::Markdown), "text/markdown; charset=utf-8"),
        Some("text") => (Form::Text(Format::Text), "text/plain; charset=utf-8"),
        Some("xlsx") => (Form::Workbook, XLSX),
        Some(_) => {
            let (en, zh) = (
                "is none of: json, html, markdown, text, xlsx",
                "可用：json、html、markdown、text、xlsx",
            );
            return Err(Problem::parameter("format", en, zh));
        }
    })
}

fn language_of(query: &mut Query) -> Result<Language, Problem> {
    match query.text("lang")?.as_deref() {
        None | Some("en") => Ok(Language::En),
        Some("zh") => Ok(Language::Zh),
        Some(_) => Err(Problem::parameter(
            "lang",
            "is none of: en, zh",
            "可用：en、zh",
        )),
    }
}

async fn report(
    State(service): State<Service>,
    who: Allowed<Reading>,
    path: Path,
    mut query: Query,
) -> Result<Response, Problem> {
    let write: fn(&Asked, Writing) -> Result<Vec<u8>, ReportError> = match path.text("name") {
        "half-year" => half_year,
        "monthly" => monthly,
        "targets" => targets,
        _ => {
            let (en, zh) = (
                "there is no such report; there are half-year, monthly, targets",
                "没有该报告，可用：half-year、monthly、targets",
            );
            return Err(Problem::not_found(en, zh));
        }
    };
    let (form, media_type) = form_of(&mut query)?;
    let language = language_of(&mut query)?;
    let publish = query.flag("publish")?;
    let _turn = service.heavy().await?;
    let asked = Asked::of(&who, &mut query).await?;
    query.finish()?;
    let writing = Writing {
        form,
        language,
        publish,
    };
    let bytes = counted(move || write(&asked, writing)).await?;
    Ok(([(CONTENT_TYPE, media_type)], bytes).into_response())
}

/// How, in which language, for whom.
#[derive(Debug, Clone, Copy)]
struct Writing {
    form: Form,
    language: Language,
    publish: bool,
}

impl Writing {
    fn publication(self, snapshot: &Snapshot) -> Option<Publication> {
        self.publish
            .then(|| Publication::of(snapshot, SMALLEST_SHOWN))
    }

    fn made(
        self,
        text: impl FnOnce(Format, Language) -> Result<String, ReportError>,
        workbook: impl FnOnce(Language) -> Result<Vec<u8>, ReportError>,
    ) -> Result<Vec<u8>, ReportError> {
        match self.form {
            Form::Text(format) => Ok(text(format, self.language)?.into_bytes()),
            Form::Workbook => workbook(self.language),
        }
    }
}

fn half_year(asked: &Asked, writing: Writing) -> Result<Vec<u8>, ReportError> {
    let report = asked.half_year()?;
    match writing.publication(&asked.snapshot) {
        Some(publication) => {
            let sheet = Sheet::public(&report, &publication);
            writing.made(|f, l| sheet.render(f, l), |l| sheet.workbook(l))
        }
        None => writing.made(|f, l| report.render(f, l), |l| report.workbook(l)),
    }
}

fn monthly(asked: &Asked, writing: Writing) -> Result<Vec<u8>, ReportError> {
    let report = MonthlyReport::build(&asked.snapshot, asked.office, asked.period)?;
    match writing.publication(&asked.snapshot) {
        Some(publication) => {
            let public = PublicMonths::of(&report, &publication);
            writing.made(|f, l| public.render(f, l), |l| public.workbook(l))
        }
        None => writing.made(|f, l| report.render(f, l), |l| report.workbook(l)),
    }
}

fn targets(asked: &Asked, writing: Writing) -> Result<Vec<u8>, ReportError> {
    let publication = writing.publication(&asked.snapshot);
    let report = TargetsReport::build(
        &asked.snapshot,
        asked.office,
        asked.period,
        &asked.targets,
        publication.as_ref(),
    )?;
    writing.made(|f, l| report.render(f, l), |l| report.workbook(l))
}
