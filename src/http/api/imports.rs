//! Files of a delivery, sent as they are.

use std::io::Read;
use std::path::{Path, PathBuf};

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
use crate::ledger::request::LedgerError;

/// Most files of a packed delivery: seven kinds, in a few parts each.
const MOST_FILES: usize = 100;

const FILE: Parameter = Parameter {
    name: "file",
    place: In::Query,
    required: true,
    schema: r#"{ "type": "string", "examples": ["births.csv", "2014-06.xlsx"] }"#,
    text: "The name of the file, which says what is in it: births.csv, 出生.csv, registrations.jsonl, any workbook, or a ZIP of such files, as delivery.zip, whose offices are read first.",
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
    headers: &[],
    problems: &[Kind::Malformed, Kind::TooLarge, Kind::InvalidValue],
};

/// Its operations.
pub fn routes() -> Vec<Route> {
    vec![(IMPORT, post(import))]
}

/// Whether it is the name of a file, in no folder and not hidden.
fn is_file_name(name: &str) -> bool {
    let is_special = |c: char| matches!(c, '/' | '\\' | ':') || c.is_control();
    !name.is_empty() && !name.starts_with('.') && name.len() <= 200 && !name.chars().any(is_special)
}

/// The name of the file that is sent.
fn file_name(query: &mut Query) -> Result<String, Problem> {
    let wrong = |en, zh| Problem::parameter("file", en, zh);
    let name = query.text("file")?;
    let name = name.ok_or_else(|| {
        wrong(
            "is missing; state it, as births.csv",
            "缺失，请填写，如 births.csv",
        )
    })?;
    if is_file_name(&name) {
        Ok(name)
    } else {
        Err(wrong(
            "is no name of a file, as births.csv",
            "不是文件名，如 births.csv",
        ))
    }
}

/// Writes a body to a file, up to a limit.
async fn keep(body: Body, path: &Path, most: usize) -> Result<(), Problem> {
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
            return Err(too_large(most));
        }
        file.write_all(&part).await.map_err(broken("write"))?;
    }
    file.flush().await.map_err(broken("write"))?;
    Ok(())
}

/// Unpacks a delivery: files only, none in a folder, up to a number of bytes in all.
fn unpack(from: &Path, to: &Path, most: usize) -> Result<(), Problem> {
    let wrong = |en: String, zh: String| Problem::new(Kind::InvalidValue, Said::new(en, zh));
    let no_archive = |error: zip::result::ZipError| {
        wrong(
            format!("this is no ZIP that can be read: {error}"),
            "不是可读的 ZIP 文件".to_owned(),
        )
    };
    let file = std::fs::File::open(from).map_err(failed("read", from))?;
    let mut archive = zip::ZipArchive::new(file).map_err(no_archive)?;
    if archive.len() > MOST_FILES {
        let en = format!("this ZIP has more than {MOST_FILES} files");
        return Err(wrong(en, format!("ZIP 中的文件超过 {MOST_FILES} 个")));
    }
    std::fs::create_dir(to).map_err(failed("create", to))?;
    let mut left = most as u64;
    for index in 0..archive.len() {
        let packed = archive.by_index(index).map_err(no_archive)?;
        let name = packed.name().to_owned();
        if !is_file_name(&name) {
            let en =
                "this ZIP has a folder, or a name that is none of a file; pack the files alone";
            return Err(wrong(
                en.to_owned(),
                "ZIP 中含文件夹或非法文件名，请只打包文件".to_owned(),
            ));
        }
        let path = to.join(name);
        if path.exists() {
            let en = "this ZIP has two files of one name; keep one".to_owned();
            return Err(wrong(en, "ZIP 中有同名文件，请保留一个".to_owned()));
        }
        let mut file = std::fs::File::create_new(&path).map_err(failed("create", &path))?;
        // What it says of its size is not believed.
        let mut bytes = packed.take(left + 1);
        let size = std::io::copy(&mut bytes, &mut file);
        let size = size.map_err(|error| no_archive(error.into()))?;
        left = left.checked_sub(size).ok_or_else(|| too_large(most))?;
    }
    Ok(())
}

fn too_large(most: usize) -> Problem {
    let said = Said::new(
        format!("the files have more than the {most} bytes that are allowed; send them in parts"),
        format!("文件超过允许的 {most} 字节，请分批发送"),
    );
    Problem::new(Kind::TooLarge, said)
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
    let is_packed = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("zip"));
    let path = if is_packed {
        let (to, most) = (folder.path().join("delivery"), service.limits.upload_bytes);
        let from = path.clone();
        let unpacked = tokio::task::spawn_blocking(move || unpack(&from, &to, most).map(|()| to));
        let cut_off = |error: tokio::task::JoinError| LedgerError::CutOff(error.to_string());
        unpacked.await.map_err(cut_off)??
    } else {
        path
    };
    let _turn = service.heavy().await?;
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
