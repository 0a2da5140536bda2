//! `verify`: a ledger, or an exported log.

use std::path::Path;

use super::args::Verify;
use super::output::Output;
use super::proofs::{cosigned, no_trust};
use super::trust::read_file;
use crate::app::{App, AppError};
use crate::audit::exported::{self, ExportVerification};
use crate::audit::leaves::Wrong;
use crate::audit::verify::{Scope, Verification};
use crate::seal::checkpoint::MAX_NOTE_BYTES;
use crate::seal::folder::{CHECKPOINT, TILE};

/// Whether the folder holds an exported log, and no ledger.
pub fn is_exported(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).exists();
    (has(CHECKPOINT) || has(TILE)) && !has("ledger.db") && !has("keys")
}

/// Verifies a ledger and prints.
pub async fn run(app: App, args: &Verify, output: &Output) -> Result<(), AppError> {
    let scope = if args.log_only {
        Scope::Log
    } else {
        Scope::Everything
    };
    let report = verified(&app, scope, args, output).await;
    app.close().await;
    match report?.wrong {
        None => Ok(()),
        Some(wrong) => Err(AppError::Integrity(wrong.to_string())),
    }
}

async fn verified(
    app: &App,
    scope: Scope,
    args: &Verify,
    output: &Output,
) -> Result<Verification, AppError> {
    let trusted = args.trust.policy()?;
    let kept = args.since.as_deref();
    let kept = kept
        .map(|path| read_file(path, MAX_NOTE_BYTES))
        .transpose()?;
    let mut report = recompute(app, scope, output).await?;
    let mut extends = None;
    if report.wrong.is_none() {
        let outcome = async {
            if let Some(policy) = &trusted {
                app.accepted(policy).await?;
            }
            if let Some(kept) = &kept {
                let policy = trusted.clone().unwrap_or_else(|| app.own_policy());
                extends = Some(app.extends(kept, &policy).await?);
            }
            Ok(())
        };
        match outcome.await {
            Ok(()) => {}
            Err(AppError::Integrity(what)) => report.wrong = Some(Wrong::overall(what)),
            Err(other) => return Err(other),
        }
    }
    print(&report, extends, app.ledger.simulated, scope, output);
    Ok(report)
}

/// Verifies with a progress bar and prints what was covered.
pub async fn check(app: &App, scope: Scope, output: &Output) -> Result<Verification, AppError> {
    let report = recompute(app, scope, output).await?;
    print(&report, None, app.ledger.simulated, scope, output);
    Ok(report)
}

async fn recompute(app: &App, scope: Scope, output: &Output) -> Result<Verification, AppError> {
    let head = app.ledger.store.head().await?;
    let bar = output.progress("entries", "条目", Some(head.size));
    let report = app
        .verify(scope, |entries| bar.set_position(entries))
        .await?;
    bar.finish_and_clear();
    Ok(report)
}

fn print(
    report: &Verification,
    extends: Option<u64>,
    simulated: bool,
    scope: Scope,
    output: &Output,
) {
    if output.json {
        let mut object = serde_json::json!({ "verification": report });
        object["simulated_clock"] = simulated.into();
        if let Some(size) = extends {
            object["extends"] = size.into();
        }
        output.data(&object.to_string());
        return;
    }
    let rows = [
        ("entries hashed", "已哈希条目", report.entries),
        ("not sealed yet", "尚未封存", report.unsealed),
        ("checkpoints", "检查点", report.checkpoints),
        ("hash tiles", "哈希瓦片", report.tiles),
        ("commitments", "承诺", report.commitments),
        ("erased records", "已擦除记录", report.erased),
        ("register rows", "登记册行", report.register_rows),
    ];
    for (english, chinese, count) in rows {
        let of_everything = matches!(english, "commitments" | "erased records" | "register rows");
        if scope == Scope::Everything || !of_everything {
            output.data(&format!("{:<16}{count}", output.pick(english, chinese)));
        }
    }
    output.data(&format!(
        "{:<16}{}",
        output.pick("root", "根哈希"),
        report.root
    ));
    outcome(extends, report.wrong.as_ref(), output);
}

fn outcome(extends: Option<u64>, wrong: Option<&Wrong>, output: &Output) {
    if let Some(size) = extends {
        output.data(&output.pick_owned(
            format!("extends the kept checkpoint of {size} entries"),
            format!("是所保存检查点（{size} 条）的延续"),
        ));
    }
    match wrong {
        None => output.data(output.pick("ok: nothing is wrong", "通过：未发现任何问题")),
        Some(wrong) => output.data(&format!("{}: {wrong}", output.pick("WRONG", "错误"))),
    }
}

/// Verifies an exported log and prints.
pub async fn exported(folder: &Path, args: &Verify, output: &Output) -> Result<(), AppError> {
    let policy = args.trust.policy()?.ok_or_else(|| no_trust(output))?;
    let kept = args.since.as_deref();
    let kept = kept
        .map(|path| read_file(path, MAX_NOTE_BYTES))
        .transpose()?;
    let bar = output.progress("entries", "条目", None);
    let report = exported::verify(folder, &policy, kept.as_deref(), |entries| {
        bar.set_position(entries);
    })
    .await;
    bar.finish_and_clear();
    let report = report?;
    print_exported(&report, output);
    match report.wrong {
        None => Ok(()),
        Some(wrong) => Err(AppError::Integrity(wrong.to_string())),
    }
}

fn print_exported(report: &ExportVerification, output: &Output) {
    if output.json {
        let object = serde_json::json!({ "exported": report });
        output.data(&object.to_string());
        return;
    }
    if report.simulated_clock {
        output.say(
            "note: simulated clock; times in this log come from the reports and prove nothing",
            "注意：本日志使用模拟时钟，时间取自上报日期，不具证明力",
        );
    }
    let rows = [
        ("log", "日志", report.origin.clone()),
        ("size", "条目数", report.size.to_string()),
        ("entries hashed", "已哈希条目", report.entries.to_string()),
        ("hash tiles", "哈希瓦片", report.tiles.to_string()),
        ("root", "根哈希", report.root.clone()),
    ];
    for (english, chinese, value) in rows {
        output.data(&format!("{:<16}{value}", output.pick(english, chinese)));
    }
    cosigned(&report.cosignatures, output);
    outcome(report.extends, report.wrong.as_ref(), output);
}
