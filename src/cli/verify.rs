//! `verify`: a ledger, or an exported log.

use std::path::Path;

use super::args::Verify;
use super::output::Output;
use super::proofs::{cosigned, no_trust};
use crate::app::reading::read_at_most;
use crate::app::{App, AppError};
use crate::audit::exported::{self, ExportVerification};
use crate::audit::leaves::Wrong;
use crate::audit::verify::{Scope, Verification};
use crate::locale::columns::harmless;
use crate::seal::checkpoint::MAX_NOTE_BYTES;
use crate::seal::consistency::Extended;
use crate::seal::folder::{CHECKPOINT, TILE};
use crate::seal::keys::key_texts;

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
        .map(|path| read_at_most(path, MAX_NOTE_BYTES))
        .transpose()?;
    let mut report = recompute(app, scope, output).await?;
    let mut shown = Shown::default();
    if report.wrong.is_none() {
        let outcome = async {
            if let Some(policy) = &trusted {
                let accepted = app.accepted(policy).await?;
                shown.trusted = Some(key_texts(&accepted.signed_by));
            }
            if let Some(kept) = &kept {
                let policy = trusted.clone().unwrap_or_else(|| app.own_policy());
                shown.extends = Some(app.extends(kept, &policy).await?);
            }
            Ok(())
        };
        match outcome.await {
            Ok(()) => {}
            Err(AppError::Integrity(what)) => report.wrong = Some(Wrong::overall(what)),
            Err(other) => return Err(other),
        }
    }
    print(&report, &shown, app.ledger.simulated, scope, output);
    Ok(report)
}

/// What was shown beside what can be recomputed.
#[derive(Default)]
struct Shown {
    /// The keys of the reader that signed the newest checkpoint.
    trusted: Option<Vec<String>>,
    /// The kept checkpoint that the log extends.
    extends: Option<Extended>,
}

/// Verifies with a progress bar and prints what was covered.
pub async fn check(app: &App, scope: Scope, output: &Output) -> Result<Verification, AppError> {
    let report = recompute(app, scope, output).await?;
    let simulated = app.ledger.simulated;
    print(&report, &Shown::default(), simulated, scope, output);
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

fn print(report: &Verification, shown: &Shown, simulated: bool, scope: Scope, output: &Output) {
    if output.json {
        let mut object = serde_json::json!({ "verification": report });
        object["simulated_clock"] = simulated.into();
        if let Some(extended) = &shown.extends {
            object["extends"] = extended.size.into();
            object["kept_checkpoint"] = serde_json::json!(extended);
        }
        if let Some(trusted) = &shown.trusted {
            object["trusted_keys"] = serde_json::json!(trusted);
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
    if report.cosigned > 0 {
        let below = match report.below_quorum {
            0 => String::new(),
            below => output.pick_owned(
                format!(", {below} of them without the quorum of today's policy"),
                format!("，其中 {below} 个未达现行策略的法定数量"),
            ),
        };
        let name = output.pick("cosigned", "联署检查点");
        output.data(&format!("{name:<16}{}{below}", report.cosigned));
    }
    if report.wrong.is_none() {
        // What was recomputed is what these keys signed.
        for key in &report.signed_by {
            let is_trusted = shown.trusted.as_ref().map(|keys| keys.contains(key));
            signed_by(key, is_trusted, output);
        }
    }
    succeeds(report.succeeds.as_ref(), output);
    outcome(shown.extends.as_ref(), report.wrong.as_ref(), output);
}

fn succeeds(predecessor: Option<&(String, u64)>, output: &Output) {
    if let Some((origin, entries)) = predecessor {
        let origin = harmless(origin);
        output.data(&output.pick_owned(
            format!("succeeds        {origin} with its first {entries} entries"),
            format!("承接            {origin} 的前 {entries} 条"),
        ));
    }
}

/// Says which key signed a checkpoint, and whether the reader brought it or only the log names it.
pub fn signed_by(key: &str, is_trusted: Option<bool>, output: &Output) {
    let how = match is_trusted {
        Some(true) => output.pick(" (trusted by you)", "（您所信任）"),
        Some(false) => output.pick(
            " (named by the log, not by you)",
            "（由日志指明，非您所指定）",
        ),
        None => output.pick(" (named by the log)", "（由日志指明）"),
    };
    output.data(&format!(
        "{:<16}{}{how}",
        output.pick("signed by", "签名公钥"),
        harmless(key)
    ));
}

fn outcome(extends: Option<&Extended>, wrong: Option<&Wrong>, output: &Output) {
    match extends {
        Some(Extended {
            size,
            origin,
            taken_over: Some(common),
        }) => output.data(&output.pick_owned(
            format!(
                "contains everything of the kept checkpoint of {size} entries of {origin}, which this log succeeds with its first {common} entries"
            ),
            format!(
                "包含所保存检查点（{origin}，{size} 条）的全部条目；本日志承接其前 {common} 条"
            ),
        )),
        Some(Extended { size, .. }) => output.data(&output.pick_owned(
            format!("extends the kept checkpoint of {size} entries"),
            format!("是所保存检查点（{size} 条）的延续"),
        )),
        None => {}
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
        .map(|path| read_at_most(path, MAX_NOTE_BYTES))
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
        let mut object = serde_json::json!({ "exported": report });
        object["exported"]["extends"] = report.extends.as_ref().map(|one| one.size).into();
        object["exported"]["kept_checkpoint"] = serde_json::json!(report.extends);
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
    for key in &report.signed_by {
        signed_by(key, Some(true), output);
    }
    for key in &report.also_signed_by {
        signed_by(key, Some(false), output);
    }
    succeeds(report.succeeds.as_ref(), output);
    cosigned(&report.cosignatures, output);
    outcome(report.extends.as_ref(), report.wrong.as_ref(), output);
}
