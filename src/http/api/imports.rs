//! Files of a delivery, sent as they are.

use std::path::PathBuf;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::TryStreamExt;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use super::{Answered, Route};
use crate::app::error::failed;
use crate::http::authority::{Allowed, Permission, Reporting};
use crate::http::openapi::{Access, Content, In, Operation, Parameter};
use crate::http::problem::{Kind, Problem, Said};
use crate::http::query::Query;
use crate::http::service::Service;
use crate::intake::{BATCH_ROWS, ImportOptions};

const FILE: Parameter = Parameter {
    name: "file",
    place: In::Query,
    required: true,
    schema: r#"{ "type": "string", "examples": ["births.csv", "2014-06.xlsx"] }"#,
    text: "The name of the file, which says what is in it: births.csv, 出生.csv, registrations.jsonl, or any workbook.",
};
const DRY_RUN: Parameter = Parameter {
    name: "dry_run",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "boolean", "default": false }"#,
    text: "Append nothing; say what would be.",
};
const STRICT: Parameter = Parameter {
    name: "strict",
    place: In::Query,
    required: false,
    schema: r#"{ "type": "boolean", "default": false }"#,
    text: "Append nothing when a row is refused.",
};

const IMPORT: Operation = Operation {
    method: "post",
    path: "/v1/imports",
    id: "import",
    tag: "imports",
    summary: (
        "Record the rows of a file: CSV, XLSX or JSON Lines",
        "导入文件（CSV、XLSX、JSON Lines）",
    ),
    access: Access::Roles(Reporting::ROLES),
    parameters: &[FILE, DRY_RUN, STRICT],
    body: Content::Bytes("application/octet-stream"),
    answers: &[(
        200,
        Content::Json("Import"),
        "What became of the rows. Rows of offices that are not the token's are refused, each with its reason; the same file again records nothing twice.",
    )],
    problems: &[Kind::Malformed, Kind::TooLarge, Kind::InvalidValue],
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![Route {
        operation: IMPORT,
        handler: post(import),
    }]
}

/// A name that is one of a file, and of no folder.
fn file_name(query: &mut Query) -> Result<String, Problem> {
    let wrong = |en, zh| Problem::parameter("file", en, zh);
    let name = query.text("file")?;
    let name = name.ok_or_else(|| {
        wrong(
            "is missing; state it, as births.csv",
            "缺失，请填写，如 births.csv",
        )
    })?;
    let is_name = !name.starts_with('.')
        && name.len() <= 200
        && !name
            .chars()
            .any(|c| matches!(c, '/' | '\\' | ':') || c.is_control());
    if is_name {
        Ok(name)
    } else {
        Err(wrong(
            "is no name of a file, as births.csv",
            "不是文件名，如 births.csv",
        ))
    }
}

/// Writes a body to a file, up to a limit.
async fn keep(body: Body, path: &std::path::Path, most: usize) -> Result<(), Problem> {
    let broken = |what| failed(what, path);
    let file = tokio::fs::File::create(path).await;
    let mut file = file.map_err(broken("create"))?;
    let mut stream = body.into_data_stream();
    let mut size = 0_usize;
    let cut_off = |_| {
        let said = Said::new("the body was cut off", "传输中断");
        Problem::new(Kind::Malformed, said)
    };
    while let Some(part) = stream.try_next().await.map_err(cut_off)? {
        size = size.saturating_add(part.len());
        if size > most {
            let said = Said::new(
                format!(
                    "the file has more than the {most} bytes that are allowed; send it in parts"
                ),
                format!("文件超过允许的 {most} 字节，请分批发送"),
            );
            return Err(Problem::new(Kind::TooLarge, said));
        }
        file.write_all(&part).await.map_err(broken("write"))?;
    }
    file.flush().await.map_err(broken("write"))?;
    Ok(())
}

async fn import(
    State(service): State<Service>,
    who: Allowed<Reporting>,
    mut query: Query,
    body: Body,
) -> Result<Response, Problem> {
    let name = file_name(&mut query)?;
    let (dry_run, strict) = (query.flag("dry_run")?, query.flag("strict")?);
    query.finish()?;
    // Gone with everything in it when the answer is made, also when that fails.
    let folder = TempDir::new().map_err(failed("create", &std::env::temp_dir()))?;
    let path: PathBuf = folder.path().join(name);
    keep(body, &path, service.limits.upload_bytes).await?;
    let rejects = folder.path().join("rejects");
    std::fs::create_dir(&rejects).map_err(failed("create", &rejects))?;
    let options = ImportOptions {
        dry_run,
        strict,
        rejects_folder: rejects,
        batch_rows: BATCH_ROWS,
        within: Some(who.office),
    };
    let summary = who.app.import(&[path], &options, None, |_| ()).await?;
    let rejects = match &summary.rejects {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            Some(text.map_err(failed("read", path))?)
        }
        None => None,
    };
    Ok(Answered(json!({
        "import_id": summary.import_id,
        "dry_run": summary.dry_run,
        "parts": summary.parts,
        "stopped": summary.stopped,
        "rejects": rejects,
    }))
    .into_response())
}
