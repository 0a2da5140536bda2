//! `backup` and `restore`.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use super::output::Output;
use crate::app::backup::{Manifest, Stage};
use crate::app::restore::{Restored, Signing, restore as restore_backup};
use crate::app::successor::{Successor, restore_as_successor};
use crate::app::{App, AppError};
use crate::store::location::Location;

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct MakeBackup {
    /// A folder that does not exist or is empty.
    #[arg(value_name = "DIR")]
    pub to: PathBuf,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreBackup {
    /// The folder of a backup.
    #[arg(value_name = "DIR")]
    pub from: PathBuf,
    /// Sign on from the backup where `keys/signed.json` is lost or older than the backup.
    #[arg(long, conflicts_with = "as_successor")]
    pub resume_signing: bool,
    /// Go on under a new origin and a new signing key: what was signed after the backup is lost.
    #[arg(long)]
    pub as_successor: bool,
    /// The new origin; by default the old one with `/successor-` and a number.
    #[arg(long, requires = "as_successor", value_name = "NAME")]
    pub origin: Option<String>,
}

/// A bar that shows one stage after the other.
fn shown<'a>(bar: &'a ProgressBar, output: &'a Output) -> impl FnMut(Stage, u64) + Send + 'a {
    let mut before = None;
    move |stage, done| {
        if before != Some(stage) {
            before = Some(stage);
            let what = match stage {
                Stage::Copying(table) => {
                    format!("{} {table}", output.pick("copying", "正在复制"))
                }
                Stage::Checking => output.pick("recomputing", "正在复核").to_owned(),
            };
            bar.set_message(what);
        }
        bar.set_position(done);
    }
}

/// Makes a backup and prints what is in it.
pub async fn backup(
    app: App,
    store: &Location,
    args: &MakeBackup,
    output: &Output,
) -> Result<(), AppError> {
    let bar = output.progress("rows", "行", None);
    let made = app.backup(store, &args.to, &mut shown(&bar, output)).await;
    bar.finish_and_clear();
    let keys = app.folder.join("keys");
    app.close().await;
    let made = made?;
    if output.json {
        output.data(&serde_json::json!({ "backup": made }).to_string());
    } else {
        manifest(&args.to, &made, output);
    }
    let keys = keys.display();
    output.say(
        &format!(
            "There are no keys in it: without a copy of {keys} it opens no sealed field and signs\nnothing. Keep that copy apart from the backup."
        ),
        &format!(
            "备份中不含密钥：没有 {keys} 的副本，就无法打开密封字段，也无法签名。\n请将该副本与备份分开存放。"
        ),
    );
    Ok(())
}

fn manifest(folder: &Path, made: &Manifest, output: &Output) {
    let rows = [
        ("backup", "备份", folder.display().to_string()),
        ("log", "日志来源", made.origin.clone()),
        ("entries", "条目", made.size.to_string()),
        ("root", "根哈希", made.root.clone()),
        ("made at", "备份时间", made.made_at.clone()),
        ("from", "来源存储", made.store.clone()),
    ];
    for (english, chinese, value) in rows {
        output.data(&format!("{:<16}{value}", output.pick(english, chinese)));
    }
}

/// Restores a backup and prints what follows from it.
pub async fn restore(
    folder: &Path,
    store: &Location,
    actor: &str,
    args: &RestoreBackup,
    output: &Output,
) -> Result<(), AppError> {
    let bar = output.progress("rows", "行", None);
    let progress = &mut shown(&bar, output);
    if args.as_successor {
        let origin = args.origin.as_deref();
        let made = restore_as_successor(folder, store, &args.from, origin, actor, progress).await;
        bar.finish_and_clear();
        succeeded(folder, args, &made?, output);
        return Ok(());
    }
    let restored = restore_backup(folder, store, &args.from, args.resume_signing, progress).await;
    bar.finish_and_clear();
    let restored = restored?;
    if output.json {
        output.data(&serde_json::json!({ "restored": restored }).to_string());
    } else {
        manifest(&args.from, &restored.backup, output);
    }
    follows(&restored, output);
    Ok(())
}

fn succeeded(folder: &Path, args: &RestoreBackup, made: &Successor, output: &Output) {
    if output.json {
        output.data(&serde_json::json!({ "successor": made }).to_string());
    } else {
        manifest(&args.from, &made.backup, output);
        let rows = [
            ("successor", "后继日志", made.origin.clone()),
            ("verifier key", "验证公钥", made.verifier_key.clone()),
            ("taken over", "承接条目", made.taken_over.to_string()),
        ];
        for (english, chinese, value) in rows {
            output.data(&format!("{:<16}{value}", output.pick(english, chinese)));
        }
    }
    let (common, old) = (made.taken_over, &made.backup.origin);
    let lost = made.signed_before.map_or_else(
        || output.pick("an unknown number of", "数目不明的").to_owned(),
        |signed| (signed - common).to_string(),
    );
    if folder.join("policy").exists() {
        output.say(
            "note: add the new key to the file `policy`, or nothing is published",
            "注意：请将新公钥加入文件 `policy`，否则不会公布任何检查点",
        );
    }
    let vkey = folder.join("log.vkey");
    let vkey = vkey.display();
    output.say(
        &format!(
            "Restored as a successor: the first {common} entries are those of {old}; {lost} entries that it\nsigned after them are lost. Hand out {vkey}: whoever kept a checkpoint of {old}\nchecks with `vitaledger verify --since CHECKPOINT --key OLD --key NEW`. Import again what came\nafter the backup, and destroy every copy of the old signing key."
        ),
        &format!(
            "已恢复为后继日志：前 {common} 条即 {old} 的条目；其后它已签名的 {lost} 条已丢失。\n请分发 {vkey}：持有 {old} 检查点的各方用\n`vitaledger verify --since CHECKPOINT --key 旧公钥 --key 新公钥` 核对。请重新导入备份之后的数据，\n并销毁旧签名密钥的所有副本。"
        ),
    );
}

fn follows(restored: &Restored, output: &Output) {
    let size = restored.backup.size;
    match restored.signing {
        Signing::GoesOn => output.say(
            "Restored. The backup ends where the last signature was made; signing goes on.",
            "已恢复。备份止于最近一次签名之处，可继续签名。",
        ),
        Signing::Resumed { .. } => output.say(
            &format!(
                "Restored. Signing goes on from {size} entries, as you asked. Ask those who keep checkpoints\nto check with `vitaledger verify --against CHECKPOINT`: a newer one than the backup's can no\nlonger be extended, and says so."
            ),
            &format!(
                "已恢复。按您的要求，自第 {size} 条起继续签名。请持有检查点的各方用\n`vitaledger verify --against CHECKPOINT` 核对：比备份更新的检查点已无法延续，核对时会提示。"
            ),
        ),
        Signing::Stopped { signed, missing } => output.say(
            &format!(
                "Restored, but {missing} entries are missing: {signed} were signed, the backup has {size}.\nNothing will be signed, and `vitaledger verify` ends with exit code 11, until a newer backup\nis restored; if there is none, restore with --as-successor. See also `vitaledger verify --against CHECKPOINT`."
            ),
            &format!(
                "已恢复，但缺少 {missing} 条：已签名 {signed} 条，备份只有 {size} 条。\n在恢复更新的备份之前不会再签名，`vitaledger verify` 以退出码 11 结束。\n若无更新的备份，请用 --as-successor 重新恢复。另见 `vitaledger verify --against CHECKPOINT`。"
            ),
        ),
    }
}
