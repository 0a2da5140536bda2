//! `period`: open, close, open again; how periods stand; what moved the figures of a closed one.

use clap::{Args, Subcommand};

use super::log::office_code;
use super::output::Output;
use super::plan::Plan;
use super::registers::as_of;
use crate::app::periods::{CloseAt, PeriodFilter, PeriodStatus};
use crate::app::restatements::{Cause, Reason, Restatement};
use crate::app::{App, AppError};
use crate::ledger::request::Receipt;
use crate::locale::{Language, text};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::report::restatement::CountMoved;

/// What to do with a period.
#[derive(Debug, Subcommand)]
pub enum PeriodCommand {
    /// Open it: reports for it are expected.
    #[command(
        after_help = "Example:\n  vitaledger period open --office 990101100001 --period 2014-06"
    )]
    Open(Which),
    /// Close it: its figures are final. Later entries are recorded and show as a restatement.
    #[command(
        after_help = "Examples:\n  vitaledger period close --office 990101100001 --period 2014-06\n  vitaledger period close --office 990101100000 --period 2014-H1 --as-of checkpoint\n\nThe log is sealed, and its position, size and root are pinned in the entry. A period closes\nafter its last day, by the ledger's time (UTC)."
    )]
    Close(Close),
    /// Open a closed period again; two people and a reason.
    #[command(
        after_help = "Example:\n  vitaledger --actor head-1 period reopen --office 990101100001 --period 2014-06 \\\n      --reason 'the hospital sent its list late' --second-actor head-2"
    )]
    Reopen(Reopen),
    /// List periods: their state, what is pinned, restatements since, when the return is due.
    #[command(
        after_help = "Examples:\n  vitaledger period status\n  vitaledger period status --office 990101100000 --period 2014-06 --as-of 2014-07-05"
    )]
    Status(Status),
    /// Show which figures of a closed period moved, and which entries moved them.
    #[command(
        after_help = "Examples:\n  vitaledger period restatements --office 990101100001 --period 2014-06\n  vitaledger period restatements --office 990101100001 --period 2014-06 --unseal --purpose 'audit 7'"
    )]
    Restatements(Restatements),
}

/// An office and a period.
#[derive(Debug, Args)]
pub struct Which {
    /// The office; those below it count with it.
    #[arg(long)]
    pub office: String,
    /// 2014-06, 2014-Q2, 2014-H1, 2014, or 2014S (1 October 2013 to 30 September 2014).
    #[arg(long)]
    pub period: String,
}

impl Which {
    /// Reads both.
    pub fn read(&self) -> Result<(OfficeCode, Period), AppError> {
        Ok((office_code(&self.office)?, period_of(&self.period)?))
    }
}

/// Arguments of `period close`.
#[derive(Debug, Args)]
pub struct Close {
    #[command(flatten)]
    which: Which,
    /// What is pinned: a position, a time, the file of a checkpoint, or `checkpoint`, the newest
    /// there is; default the end.
    #[arg(long, value_name = "POSITION|TIME|FILE|checkpoint")]
    as_of: Option<String>,
}

/// Arguments of `period reopen`.
#[derive(Debug, Args)]
pub struct Reopen {
    #[command(flatten)]
    which: Which,
    /// Why; sealed.
    #[arg(long)]
    reason: String,
    /// The other person who agrees; not the actor.
    #[arg(long, value_name = "NAME", value_parser = super::args::actor)]
    second_actor: String,
}

/// Which periods or returns are listed.
#[derive(Debug, Args)]
pub struct Status {
    /// Only this office and those below it.
    #[arg(long)]
    pub office: Option<String>,
    /// Only this period.
    #[arg(long)]
    pub period: Option<String>,
    /// A position, an RFC 3339 time, a date (its end), or the file of a checkpoint.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    pub as_of: Option<String>,
}

impl Status {
    /// Reads office and period.
    pub fn filter(&self) -> Result<PeriodFilter, AppError> {
        Ok(PeriodFilter {
            office: self.office.as_deref().map(office_code).transpose()?,
            period: self.period.as_deref().map(period_of).transpose()?,
        })
    }
}

/// Arguments of `period restatements`.
#[derive(Debug, Args)]
pub struct Restatements {
    #[command(flatten)]
    which: Which,
    /// From which close on, 1 being the first; default the last.
    #[arg(long, value_name = "N")]
    close: Option<u64>,
    /// Until when: a position, an RFC 3339 time, a date (its end), or the file of a checkpoint.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    as_of: Option<String>,
    /// Show the reasons; this is recorded.
    #[arg(long, requires = "purpose")]
    unseal: bool,
    /// What for; sealed.
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
    #[command(flatten)]
    plan: Plan,
}

/// Reads a period from an argument.
pub fn period_of(text: &str) -> Result<Period, AppError> {
    Period::parse(text).ok_or_else(|| {
        AppError::Usage(format!(
            "{text} is no period; write 2014-H1, 2014-06, 2014-Q2, 2014 or 2014S"
        ))
    })
}

/// Does it.
pub async fn run(app: App, what: &PeriodCommand, output: &Output) -> Result<(), AppError> {
    let done = act(&app, what, output).await;
    app.close().await;
    done
}

async fn act(app: &App, what: &PeriodCommand, output: &Output) -> Result<(), AppError> {
    match what {
        PeriodCommand::Open(which) => {
            let (office, period) = which.read()?;
            let receipt = app.open_period(office, period).await?;
            done(app, &receipt, output.pick("opened", "已开放"), None, output);
        }
        PeriodCommand::Close(args) => {
            let (office, period) = args.which.read()?;
            let at = match args.as_of.as_deref() {
                Some("checkpoint") => CloseAt::Checkpoint,
                other => CloseAt::Moment(as_of(other)?),
            };
            let (receipt, pin) = app.close_period(office, period, at).await?;
            let pinned = serde_json::json!(pin);
            done(
                app,
                &receipt,
                output.pick("closed", "已结账"),
                Some(&pinned),
                output,
            );
        }
        PeriodCommand::Reopen(args) => {
            let (office, period) = args.which.read()?;
            let (reason, second) = (&args.reason, &args.second_actor);
            let receipt = app.reopen_period(office, period, reason, second).await?;
            done(
                app,
                &receipt,
                output.pick("opened again", "已重新开放"),
                None,
                output,
            );
        }
        PeriodCommand::Status(args) => {
            let size = app.size_at(as_of(args.as_of.as_deref())?).await?;
            let status = app.period_status(args.filter()?, size).await?;
            list(app, &status, output);
        }
        PeriodCommand::Restatements(args) => restatements(app, args, output).await?,
    }
    Ok(())
}

/// What was appended.
fn done(
    app: &App,
    receipt: &Receipt,
    state: &str,
    pinned: Option<&serde_json::Value>,
    output: &Output,
) {
    if output.json {
        let object = serde_json::json!({
            "receipt": receipt,
            "pinned": pinned,
            "simulated_clock": app.ledger.simulated,
        });
        output.data(&object.to_string());
        return;
    }
    let mut rows = Vec::new();
    let mut row = |english: &str, chinese: &str, value: String| {
        rows.push(vec![output.pick(english, chinese).to_owned(), value]);
    };
    row("position", "位置", receipt.position.to_string());
    row("recorded at", "入账时间", receipt.recorded_at.to_string());
    if let Some(pinned) = pinned {
        let text = |name: &str| pinned[name].to_string().trim_matches('"').to_owned();
        row("pinned position", "锁定位置", text("position"));
        row("checkpoint size", "检查点条目数", text("size"));
        row("checkpoint root", "检查点根哈希", text("root"));
    }
    output.data(state);
    for row in rows {
        output.data(&format!("{}  {}", row[0], row[1]));
    }
}

/// The words of the two languages for a table.
pub struct Words(Language);

impl Words {
    /// As the output asks.
    pub fn of(output: &Output) -> Self {
        Self(output.locale())
    }

    /// The language.
    pub const fn language(&self) -> Language {
        self.0
    }

    /// The text of a key.
    pub fn text(&self, key: &str, args: &[(&'static str, &str)]) -> String {
        text(self.0, key, args)
    }

    /// Headings of columns by the ends of their keys.
    pub fn columns(&self, names: &[&str]) -> Vec<String> {
        let key = |name: &&str| self.text(&format!("column-{name}"), &[]);
        names.iter().map(key).collect()
    }
}

/// A cell that may be empty.
pub fn cell(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// Prints rows under headings.
pub fn table(headings: &[String], rows: &[Vec<String>], output: &Output) {
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    output.table(&headings, rows);
}

fn list(app: &App, status: &[PeriodStatus], output: &Output) {
    if output.json {
        let object =
            serde_json::json!({ "periods": status, "simulated_clock": app.ledger.simulated });
        output.data(&object.to_string());
        return;
    }
    if status.is_empty() {
        output.say(
            "no period was opened; open one with `vitaledger period open`",
            "尚未开放任何期间；请用 `vitaledger period open` 开放",
        );
        return;
    }
    let words = Words::of(output);
    let rows: Vec<Vec<String>> = status
        .iter()
        .map(|one| {
            let pinned = one.pinned.as_ref();
            vec![
                one.office.to_string(),
                one.name.get(words.language()).to_owned(),
                one.period.to_string(),
                words.text(&format!("period-state-{}", one.state.as_str()), &[]),
                cell(pinned.map(|pin| &pin.position)),
                cell(pinned.map(|pin| &pin.root)),
                cell(one.closed_at.as_ref()),
                cell(one.closed_by.as_ref()),
                cell(one.restatements.as_ref()),
                cell(one.return_due_on.as_ref()),
            ]
        })
        .collect();
    let mut headings = words.columns(&[
        "office",
        "office",
        "period",
        "state",
        "pinned",
        "root",
        "closed-at",
        "closed-by",
        "restatements",
        "due",
    ]);
    if let Some(name) = headings.get_mut(1) {
        name.clear();
    }
    table(&headings, &rows, output);
}

async fn restatements(app: &App, args: &Restatements, output: &Output) -> Result<(), AppError> {
    let (office, period) = args.which.read()?;
    let size = app.size_at(as_of(args.as_of.as_deref())?).await?;
    let targets = args.plan.read(app)?;
    let found = app.restatement(office, period, args.close, size, &targets);
    let mut found = found.await?;
    if args.unseal {
        let purpose = args.purpose.as_deref().unwrap_or_default();
        let position = app.unseal_reasons(&mut found, purpose).await?;
        output.say(
            &format!("reasons are shown; the entry at {position} says so"),
            &format!("已显示理由，并记入位置 {position} 的条目"),
        );
    }
    if output.json {
        let object = serde_json::to_string(&found)
            .map_err(|error| AppError::Integrity(error.to_string()))?;
        output.data(&object);
        return Ok(());
    }
    show(&found, output);
    Ok(())
}

fn show(found: &Restatement, output: &Output) {
    let words = Words::of(output);
    let language = words.language();
    let (code, period) = (found.office.to_string(), found.period.to_string());
    output.data(&words.text(
        "restatement-title",
        &[
            ("office", found.name.get(language)),
            ("code", &code),
            ("period", &period),
        ],
    ));
    output.data(&words.text(
        "restatement-since",
        &[
            ("close", &found.close.to_string()),
            ("at", &found.closed_at.to_string()),
            ("actor", &found.closed_by),
            ("position", &found.pinned.position.to_string()),
            ("now", &found.position.to_string()),
        ],
    ));
    let state = words.text(&format!("period-state-{}", found.state.as_str()), &[]);
    output.data(&words.text("restatement-state", &[("state", &state)]));
    for reopening in &found.reopenings {
        let (position, at) = (
            reopening.position.to_string(),
            reopening.recorded_at.to_string(),
        );
        output.data(&words.text(
            "restatement-reopened",
            &[
                ("position", &position),
                ("at", &at),
                ("actor", &reopening.actor),
                ("second", &reopening.second_actor),
            ],
        ));
        reason_line(reopening.reason_text.as_deref(), &words, output);
    }
    if found.entries.is_empty() && found.figures.is_empty() {
        output.data(&words.text("restatement-none", &[]));
    } else if found.figures.is_empty() {
        output.data(&words.text("restatement-back", &[]));
    } else {
        figures(found, &words, output);
    }
    if !found.entries.is_empty() {
        entries(found, &words, output);
    }
    for note in &found.notes {
        output.data(&format!("\n- {}", note.text.get(language)));
    }
}

fn reason_line(reason: Option<&str>, words: &Words, output: &Output) {
    if let Some(reason) = reason {
        let line = words.text("restatement-reason", &[("reason", reason)]);
        output.data(&format!("    {line}"));
    }
}

fn figures(found: &Restatement, words: &Words, output: &Output) {
    output.data(&format!("\n{}", words.text("restatement-figures", &[])));
    let rows: Vec<Vec<String>> = found
        .figures
        .iter()
        .map(|figure| {
            vec![
                figure.title.get(words.language()).to_owned(),
                cell(figure.before.as_ref()),
                cell(figure.after.as_ref()),
                cell(figure.difference.as_ref()),
                cell(figure.per_cent.as_ref()),
            ]
        })
        .collect();
    let headings = words.columns(&["figure", "before", "after", "difference", "per-cent"]);
    table(&headings, &rows, output);
}

fn entries(found: &Restatement, words: &Words, output: &Output) {
    output.data(&format!("\n{}", words.text("restatement-entries", &[])));
    let counts = |moved: &[CountMoved]| {
        let one =
            |count: &CountMoved| format!("{} {} -> {}", count.count, count.before, count.after);
        moved.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    let row = |cause: &Cause| {
        vec![
            cause.position.to_string(),
            cause.recorded_at.to_string(),
            cause.actor.clone(),
            cell(cause.office.as_ref()),
            format!("{} {}", cause.kind, cause.record_id),
            words.text(&format!("change-{}", cause.change), &[]),
            words.text(reason_key(cause.reason), &[]),
            words.text(&format!("period-state-{}", cause.period_was.as_str()), &[]),
            counts(&cause.moved),
        ]
    };
    let rows: Vec<Vec<String>> = found.entries.iter().map(row).collect();
    let headings = words.columns(&[
        "position",
        "recorded-at",
        "actor",
        "office",
        "record",
        "change",
        "reason",
        "period-was",
        "counts",
    ]);
    table(&headings, &rows, output);
    for cause in &found.entries {
        if let Some(reason) = &cause.reason_text {
            output.data(&format!("#{}", cause.position));
            reason_line(Some(reason), words, output);
        }
    }
}

const fn reason_key(reason: Reason) -> &'static str {
    match reason {
        Reason::None => "reason-none",
        Reason::Sealed => "reason-sealed",
        Reason::Erased => "reason-erased",
    }
}
