//! `registers status` and `registers rebuild`: the files behind the registers.

use serde_json::json;

use super::output::Output;
use crate::app::sql::{Rebuilt, RegistersStatus};
use crate::app::{App, AppError};

/// How the registers stand.
pub async fn status(app: &App, with_digests: bool, output: &Output) -> Result<(), AppError> {
    let status = app.registers_status(with_digests).await?;
    if output.json {
        output.data(&status_object(&status).to_string());
        return Ok(());
    }
    let mut heading = vec![
        output.pick("register", "登记册"),
        output.pick("files", "文件"),
        output.pick("rows in files", "文件行数"),
        output.pick("bytes", "字节"),
        output.pick("rows in memory", "内存行数"),
    ];
    if with_digests {
        heading.push(output.pick("digest", "摘要"));
    }
    let rows: Vec<Vec<String>> = status
        .kinds
        .iter()
        .map(|kind| {
            let numbers = [
                kind.files,
                kind.rows_in_files,
                kind.bytes,
                kind.rows_in_tail,
            ];
            let mut row = vec![name(kind.kind, output)];
            row.extend(numbers.map(|number| number.to_string()));
            row.extend(kind.digest.map(hex::encode));
            row
        })
        .collect();
    output.table(&heading, &rows);
    let (known, head) = (status.known, status.head);
    let read = status.caught_up.entries;
    output.data(&output.pick_owned(
        format!("{known} of {head} entries are known; {read} were read for this"),
        format!("已知 {known} 条，日志共 {head} 条；本次读取 {read} 条"),
    ));
    for damage in &status.damaged {
        output.data(&output.pick_owned(
            format!("rebuilt: {damage}"),
            format!("已重建：第 {} 段，{}", damage.segment, damage.fault),
        ));
    }
    Ok(())
}

fn name(kind: crate::model::schema::RecordKind, output: &Output) -> String {
    output.pick(kind.file(), kind.zh()).to_owned()
}

fn status_object(status: &RegistersStatus) -> serde_json::Value {
    let kinds = status.kinds.iter().map(|kind| {
        json!({
            "register": kind.kind.file(),
            "files": kind.files,
            "rows_in_files": kind.rows_in_files,
            "bytes": kind.bytes,
            "rows_in_tail": kind.rows_in_tail,
            "digest": kind.digest.map(hex::encode),
        })
    });
    json!({
        "head": status.head,
        "known": status.known,
        "entries_read": status.caught_up.entries,
        "segments_written": status.caught_up.segments_written,
        "registers": kinds.collect::<Vec<_>>(),
        "damaged": status.damaged.iter().map(|damage| json!({
            "segment": damage.segment,
            "fault": damage.fault.to_string(),
        })).collect::<Vec<_>>(),
    })
}

/// Builds them anew, and tells whether they are what they were.
pub async fn rebuild(app: &App, output: &Output) -> Result<(), AppError> {
    let (done, rebuilt) = app.rebuild_registers().await?;
    if output.json {
        let kinds = rebuilt.iter().map(|one| {
            json!({
                "register": one.kind.file(),
                "before": one.before.map(hex::encode),
                "after": hex::encode(one.after),
                "identical": one.is_identical(),
            })
        });
        let object = json!({
            "entries": done.entries,
            "segments_written": done.segments_written,
            "registers": kinds.collect::<Vec<_>>(),
        });
        output.data(&object.to_string());
        return Ok(());
    }
    let heading = [
        output.pick("register", "登记册"),
        output.pick("before", "重建前"),
        output.pick("after", "重建后"),
        "",
    ];
    let row = |one: &Rebuilt| {
        let verdict = match one.is_identical() {
            Some(true) => output.pick("identical", "一致"),
            Some(false) => output.pick("DIFFERENT", "不一致"),
            None => output.pick("not comparable", "不可比"),
        };
        vec![
            name(one.kind, output),
            one.before.map(hex::encode).unwrap_or_default(),
            hex::encode(one.after),
            verdict.to_owned(),
        ]
    };
    output.table(&heading, &rebuilt.iter().map(row).collect::<Vec<_>>());
    let (entries, segments) = (done.entries, done.segments_written);
    output.say(
        &format!("rebuilt from {entries} entries, in {segments} segments and what is after them"),
        &format!("已由 {entries} 条记录重建，共 {segments} 段及其后的部分"),
    );
    if rebuilt.iter().any(|one| one.is_identical() == Some(false)) {
        output.say(
            "warning: a register was not what the entries say; answers that were taken from it may have been wrong",
            "警告：原登记册与日志条目不符；此前据此得出的结果可能有误",
        );
    }
    Ok(())
}
