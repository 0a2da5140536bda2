//! `export-log`, `prove`, `check-proof`, `evidence`, `check-evidence`.

use std::path::PathBuf;

use clap::Args;
use uuid::Uuid;

use super::new_file::NewFile;
use super::output::Output;
use super::trust::{Trust, read_policy};
use super::verify::signed_by;
use crate::app::reading::read_at_most;
use crate::app::{App, AppError};
use crate::audit::evidence::{self, MAX_PACK_BYTES, Verdict};
use crate::locale::columns::harmless;
use crate::model::entry::MAX_ENTRY_BYTES;
use crate::model::slot::Slot;
use crate::seal::keys::key_texts;
use crate::seal::policy::{Cosignature, Policy};
use crate::seal::proof::{MAX_PROOF_BYTES, TlogProof};

/// Arguments of `export-log`.
#[derive(Debug, Args)]
pub struct ExportLog {
    /// A new or empty folder, or one with an earlier export of this log.
    pub folder: PathBuf,
}

/// Arguments of `prove`.
#[derive(Debug, Args)]
pub struct Prove {
    /// A position; or a record, by its id or `KIND/SOURCE/SOURCE_RECORD_ID`: its newest entry.
    #[arg(value_name = "ID|POSITION")]
    pub what: String,
    /// Where the proof goes; standard output when not given. Nothing is overwritten.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write the bytes of the entry here: the proof is of them.
    #[arg(long, value_name = "FILE")]
    pub entry: Option<PathBuf>,
}

/// Arguments of `check-proof`.
#[derive(Debug, Args)]
pub struct CheckProof {
    /// The proof.
    pub file: PathBuf,
    /// The bytes of the entry that it is of.
    #[arg(long, value_name = "FILE")]
    pub entry: PathBuf,
    /// Whom to trust.
    #[command(flatten)]
    pub trust: Trust,
}

/// Arguments of `evidence`.
#[derive(Debug, Args)]
pub struct MakeEvidence {
    /// The record: its id, or `KIND/SOURCE/SOURCE_RECORD_ID`.
    pub id: String,
    /// Where the bundle goes. Nothing is overwritten.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Sealed fields to open, with their salts, separated by commas; this is recorded.
    #[arg(
        long,
        value_name = "FIELD,FIELD",
        value_delimiter = ',',
        requires = "purpose"
    )]
    pub disclose: Vec<String>,
    /// What for; sealed.
    #[arg(long, value_name = "TEXT", requires = "disclose")]
    pub purpose: Option<String>,
    /// The tlog-policy file to enclose; by default one that names the keys of this log.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

/// Arguments of `check-evidence`.
#[derive(Debug, Args)]
pub struct CheckEvidence {
    /// The bundle.
    pub file: PathBuf,
    /// The id of the record that it should be about.
    #[arg(long, value_name = "ID")]
    pub record: Option<Uuid>,
    /// Whom to trust.
    #[command(flatten)]
    pub trust: Trust,
}

/// Exports the log.
pub async fn export_log(app: App, args: &ExportLog, output: &Output) -> Result<(), AppError> {
    let head = app.ledger.store.head().await?;
    let bar = output.progress("entries", "条目", Some(head.size));
    let exported = app
        .export_log(&args.folder, |entries| bar.set_position(entries))
        .await;
    bar.finish_and_clear();
    let simulated = app.ledger.simulated;
    app.close().await;
    let exported = exported?;
    if output.json {
        let mut object = serde_json::json!({ "exported": exported });
        object["simulated_clock"] = simulated.into();
        output.data(&object.to_string());
        return Ok(());
    }
    let rows = [
        ("log", "日志", exported.origin),
        ("entries", "条目", exported.entries.to_string()),
        ("new entries", "新增条目", exported.new_entries.to_string()),
        ("files written", "写入文件", exported.files.to_string()),
        ("bytes written", "写入字节", exported.bytes.to_string()),
    ];
    for (english, chinese, value) in rows {
        output.data(&format!("{:<16}{value}", output.pick(english, chinese)));
    }
    Ok(())
}

/// Proves an entry.
pub async fn prove(app: App, args: &Prove, output: &Output) -> Result<(), AppError> {
    let mut proof_file = args.output.as_deref().map(NewFile::create).transpose()?;
    let mut entry_file = args.entry.as_deref().map(NewFile::create).transpose()?;
    let proven = app.prove(&args.what).await;
    app.close().await;
    let proven = proven?;
    if let Some(file) = &mut entry_file {
        file.write(&proven.entry.bytes)?;
    }
    let text = proven.proof.to_string();
    match &mut proof_file {
        Some(file) => file.write(text.as_bytes())?,
        None => output.raw(text.as_bytes())?,
    }
    let position = proven.entry.position;
    let all: Vec<String> = proven.positions.iter().map(u64::to_string).collect();
    if all.len() > 1 {
        let all = all.join(", ");
        output.say(
            &format!("proof of position {position}; the record's entries are at {all}"),
            &format!("位置 {position} 的证明；该记录的条目位于 {all}"),
        );
    } else {
        output.say(
            &format!("proof of position {position}"),
            &format!("位置 {position} 的证明"),
        );
    }
    Ok(())
}

/// Checks a proof.
pub fn check_proof(args: &CheckProof, output: &Output) -> Result<(), AppError> {
    let policy = args.trust.policy()?.ok_or_else(|| no_trust(output))?;
    let refused = |error: String| AppError::Proof(error);
    let text = read_at_most(&args.file, MAX_PROOF_BYTES)?;
    let entry = read_at_most(&args.entry, MAX_ENTRY_BYTES)?;
    let proof = TlogProof::parse(&text).map_err(|error| refused(error.to_string()))?;
    let note = proof.checkpoint_note().as_bytes();
    let accepted = policy.open(note);
    let accepted = accepted.map_err(|error| refused(format!("the checkpoint: {error}")))?;
    proof
        .verify(&entry, policy.logs())
        .map_err(|error| refused(error_chain(&error)))?;
    let checkpoint = accepted.checkpoint;
    if output.json {
        let object = serde_json::json!({
            "position": proof.index(),
            "origin": checkpoint.origin(),
            "size": checkpoint.size(),
            "root": checkpoint.root().to_string(),
            "signed_by": key_texts(&accepted.signed_by),
            "cosignatures": accepted.cosignatures,
        });
        output.data(&object.to_string());
        return Ok(());
    }
    let (position, size) = (proof.index(), checkpoint.size());
    output.data(&output.pick_owned(
        format!(
            "ok: the entry is at position {position} of {size} in {}",
            checkpoint.origin()
        ),
        format!(
            "通过：该条目位于 {} 的第 {position} 位，共 {size} 条",
            checkpoint.origin()
        ),
    ));
    for key in key_texts(&accepted.signed_by) {
        signed_by(&key, Some(true), output);
    }
    cosigned(&accepted.cosignatures, output);
    Ok(())
}

/// An error with what caused it.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}

/// There is nothing to trust.
pub fn no_trust(output: &Output) -> AppError {
    let what = output.pick(
        "say whom you trust: --key VKEY (or a file with it), or --policy FILE",
        "请指明信任对象：--key 公钥（或其文件），或 --policy 文件",
    );
    AppError::Usage(what.to_owned())
}

/// Makes a bundle.
pub async fn evidence(app: App, args: &MakeEvidence, output: &Output) -> Result<(), AppError> {
    let slots = slots(&args.disclose)?;
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
    if let Some(bytes) = &policy {
        Policy::parse(bytes).map_err(|error| AppError::Usage(error.to_string()))?;
    }
    let mut file = NewFile::create(&args.output)?;
    let purpose = args.purpose.as_deref().unwrap_or_default();
    let bundled = app.evidence(&args.id, &slots, purpose, policy).await;
    app.close().await;
    let bundled = bundled?;
    file.write(&bundled.bytes)?;
    if let Some(position) = bundled.disclosure {
        output.say(
            &format!("sealed fields are disclosed; the entry at {position} says so"),
            &format!("已披露密封字段，并记入位置 {position} 的条目"),
        );
    }
    let (count, bytes) = (bundled.positions.len(), bundled.bytes.len());
    let disclosed = bundled.disclosed;
    if output.json {
        let object = serde_json::json!({
            "file": args.output.display().to_string(),
            "bytes": bytes,
            "positions": bundled.positions,
            "disclosed": disclosed,
            "disclosure": bundled.disclosure,
        });
        output.data(&object.to_string());
        return Ok(());
    }
    let path = args.output.display();
    output.data(&output.pick_owned(
        format!("{path}: {count} entries with proofs, {disclosed} disclosed values, {bytes} bytes"),
        format!("{path}：{count} 条条目及其证明，披露 {disclosed} 个值，{bytes} 字节"),
    ));
    Ok(())
}

fn slots(names: &[String]) -> Result<Vec<Slot>, AppError> {
    let slot = |name: &String| {
        let known = Slot::of_name(name.trim());
        known.ok_or_else(|| AppError::Usage(format!("there is no sealed field {name:?}")))
    };
    names.iter().map(slot).collect()
}

/// Checks a bundle.
pub fn check_evidence(args: &CheckEvidence, output: &Output) -> Result<(), AppError> {
    let policy = args.trust.policy()?;
    let bytes = read_at_most(&args.file, MAX_PACK_BYTES)?;
    let verdict = evidence::check(&bytes, policy.as_ref(), args.record)?;
    if output.json {
        let object = serde_json::json!({ "evidence": verdict });
        output.data(&object.to_string());
    } else {
        tell(&verdict, output);
    }
    if verdict.trust_root_came_with_the_bundle {
        let what = output.pick(
            "internally consistent; the trust root came with the bundle: get the key of the log another way and pass --key or --policy",
            "内部一致；但信任根来自证据包本身：请另行取得日志公钥，并用 --key 或 --policy 指定",
        );
        return Err(AppError::SelfTrusted(what.to_owned()));
    }
    Ok(())
}

fn tell(verdict: &Verdict, output: &Output) {
    let facts = &verdict.facts;
    let kind = output.pick(facts.kind, facts.kind_zh);
    output.data(&format!("{kind} {}", facts.record_id));
    output.data(&format!(
        "{} {}, {} {}, {} {}",
        output.pick("log", "日志"),
        facts.origin,
        output.pick("size", "条目数"),
        facts.size,
        output.pick("root", "根哈希"),
        facts.root
    ));
    if facts.simulated_clock {
        output.data(output.pick(
            "simulated clock: the times come from the reports and prove nothing",
            "模拟时钟：时间取自上报日期，不具证明力",
        ));
    }
    for event in &facts.events {
        output.data(&format!(
            "#{}  {}  v{}  {}  {} {}",
            event.position,
            output.pick(event.what, event.what_zh),
            event.version,
            event.recorded_at,
            output.pick("office", "单位"),
            event.office
        ));
        for field in event.fields.iter().chain(&event.disclosed) {
            output.data(&format!("    {:<26}{}", field.name, field.value));
        }
        if !event.closed.is_empty() {
            let closed = event.closed.join(", ");
            output.data(&format!(
                "    {} {closed}",
                output.pick("closed:", "未披露：")
            ));
        }
    }
    for key in &verdict.signed_by {
        let is_trusted = (!verdict.trust_root_came_with_the_bundle).then_some(true);
        signed_by(key, is_trusted, output);
    }
    cosigned(&verdict.cosignatures, output);
    output.data(output.pick(
        "the sender's policy (shown, not believed):",
        "发送方的信任策略（仅供对照，不作依据）：",
    ));
    for line in verdict.sender_policy.lines() {
        output.data(&format!("    {}", harmless(line)));
    }
    if !verdict.trust_root_came_with_the_bundle {
        output.data(output.pick(
            "ok: the entries are in the log, unchanged; disclosed values are those committed to",
            "通过：条目已在日志中且未被改动；披露的值与承诺一致",
        ));
    }
}

/// Says who cosigned.
pub fn cosigned(cosignatures: &[Cosignature], output: &Output) {
    for one in cosignatures {
        let time = i64::try_from(one.timestamp)
            .ok()
            .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0))
            .map_or_else(|| one.timestamp.to_string(), |time| time.to_rfc3339());
        output.data(&format!(
            "{} {} ({}) {time}",
            output.pick("cosigned by", "联署："),
            harmless(&one.witness),
            harmless(&one.key)
        ));
    }
}
