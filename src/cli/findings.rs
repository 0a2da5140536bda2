//! `findings` and `finding`: what the audit asks of offices, and what people answer.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use uuid::Uuid;

use super::log::{date, office_code};
use super::new_file::NewFile;
use super::output::Output;
use super::registers::csv_bytes;
use crate::app::findings::{FindingFilter, FindingLine, FindingStep};
use crate::app::{App, AppError};
use crate::report::workbook;

/// Columns of a list.
const NAMES: [&str; 10] = [
    "id", "rule", "verdict", "state", "office", "period", "p", "q", "records", "question",
];
/// Those that hold numbers.
const P_AND_Q: [usize; 2] = [6, 7];
/// The one that holds records.
const RECORDS: usize = 8;

/// Arguments of `findings`.
#[derive(Debug, Args)]
pub struct Findings {
    /// Of this office and those below it.
    #[arg(long, value_name = "CODE")]
    office: Option<String>,
    /// Of this rule; may be given several times.
    #[arg(long, value_name = "ID")]
    rule: Vec<String>,
    /// In this state: open, asked, answered, confirmed, dismissed, waived, cleared, unrepeatable.
    /// By default all but dismissed and cleared ones.
    #[arg(long, value_name = "STATE")]
    state: Vec<String>,
    /// How: a table for the terminal, comma-separated values, an Excel workbook, one JSON object a
    /// line, or one SARIF-like result a line.
    #[arg(long, value_enum, default_value = "table", conflicts_with = "json")]
    format: Form,
    /// Where it goes; standard output when not given. Nothing is overwritten.
    #[arg(short, long, visible_alias = "out", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name records by their ids; nothing sealed is opened, and no entry says so.
    #[arg(long)]
    sealed: bool,
    /// What the source numbers of records are shown for; sealed.
    #[arg(long, default_value = "findings of the audit", value_name = "TEXT")]
    purpose: String,
}

/// How findings are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A table for the terminal.
    Table,
    /// Comma-separated values.
    Csv,
    /// An Excel workbook.
    Xlsx,
    /// One JSON object a line.
    Json,
    /// One result of SARIF 2.1.0 a line.
    Sarif,
}

/// A step in the life of a finding.
#[derive(Debug, Subcommand)]
pub enum FindingCommand {
    /// Ask the office.
    Ask {
        /// The finding.
        id: Uuid,
    },
    /// Answer for the office.
    Answer {
        /// The finding.
        id: Uuid,
        /// The answer; sealed.
        #[arg(long)]
        text: String,
    },
    /// Find it true.
    Confirm {
        /// The finding.
        id: Uuid,
        /// Why; sealed.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Find that nothing is wrong.
    Dismiss {
        /// The finding.
        id: Uuid,
        /// Why; sealed.
        #[arg(long)]
        reason: String,
    },
    /// Let it rest until the end of a day.
    Waive {
        /// The finding.
        id: Uuid,
        /// The day.
        #[arg(long, value_name = "DATE")]
        until: String,
        /// Why; sealed.
        #[arg(long)]
        reason: String,
    },
}

/// Lists findings.
pub async fn list(app: App, args: &Findings, output: &Output) -> Result<(), AppError> {
    let listed = listed(&app, args, output).await;
    app.close().await;
    let (lines, bytes) = listed?;
    match (bytes, &args.output) {
        (Some(bytes), Some(path)) => NewFile::create(path)?.write(&bytes)?,
        (Some(bytes), None) => output.raw(&bytes)?,
        (None, _) => {
            let rows: Vec<Vec<String>> = lines.iter().map(|line| row(line, output)).collect();
            output.table(&NAMES, &rows);
        }
    }
    output.say(
        &format!("{} findings", lines.len()),
        &format!("{}项发现", lines.len()),
    );
    Ok(())
}

/// The findings, and the bytes of the form that was asked for; none for a table in the terminal.
async fn listed(
    app: &App,
    args: &Findings,
    output: &Output,
) -> Result<(Vec<FindingLine>, Option<Vec<u8>>), AppError> {
    let form = if output.json { Form::Json } else { args.format };
    if form == Form::Table && args.output.is_some() {
        let what = "a table goes to the terminal; write --format csv, xlsx, json or sarif";
        return Err(AppError::Usage(what.to_owned()));
    }
    let lines = lines(app, args).await?;
    let rows = || lines.iter().map(|line| full_row(line, output));
    let bytes = match form {
        Form::Table => None,
        Form::Csv => Some(csv_bytes(&NAMES, &rows().collect::<Vec<_>>())?),
        Form::Xlsx => {
            let head = app.store().head().await?;
            let rows: Vec<Vec<String>> = rows().collect();
            let title = output.pick("Findings", "发现");
            Some(workbook::of_table(
                title,
                &NAMES,
                &P_AND_Q,
                &rows,
                head.recorded_at,
            )?)
        }
        Form::Json => Some(json_lines(lines.iter().map(serde_json::to_value))),
        Form::Sarif => Some(json_lines(lines.iter().map(|line| Ok(sarif(line))))),
    };
    Ok((lines, bytes))
}

fn json_lines(values: impl Iterator<Item = serde_json::Result<Value>>) -> Vec<u8> {
    let mut text = String::new();
    for value in values.flatten() {
        let _ = writeln!(text, "{value}");
    }
    text.into_bytes()
}

/// A finding as a result of SARIF 2.1.0 (OASIS, section 3.27): where it is, is the office.
fn sarif(line: &FindingLine) -> Value {
    let level = if line.verdict == "fail" {
        "error"
    } else {
        "warning"
    };
    let message = line.message_en.as_deref().unwrap_or_default();
    json!({
        "ruleId": line.rule,
        "level": level,
        "kind": if line.verdict == "fail" { "fail" } else { "review" },
        "message": { "text": message, "markdown": line.message_zh },
        "guid": line.id,
        "fingerprints": { "vitaledger/v1": line.id },
        "locations": [{ "logicalLocations": [{
            "name": line.office, "kind": "office",
            "fullyQualifiedName": line.period.map_or_else(
                || line.office.to_string(),
                |period| format!("{}/{period}", line.office),
            ),
        }] }],
        "properties": {
            "state": line.state, "records": line.records, "p": line.p, "q": line.q,
            "position": line.position, "numbers": line.numbers,
        },
    })
}

async fn lines(app: &App, args: &Findings) -> Result<Vec<FindingLine>, AppError> {
    let filter = FindingFilter {
        office: args.office.as_deref().map(office_code).transpose()?,
        rules: args.rule.clone(),
        states: args.state.clone(),
    };
    let mut lines = app.findings(&filter).await?;
    if !args.sealed {
        app.name_records(&mut lines, &args.purpose).await?;
    }
    Ok(lines)
}

/// As [`row`], with all records.
fn full_row(line: &FindingLine, output: &Output) -> Vec<String> {
    let mut row = row(line, output);
    row[RECORDS] = line.records.join(" ");
    row
}

fn row(line: &FindingLine, output: &Output) -> Vec<String> {
    let number = |number: Option<f64>| number.map_or_else(String::new, |p| format!("{p:.2e}"));
    let question = if output.chinese() {
        &line.message_zh
    } else {
        &line.message_en
    };
    let mut records = line
        .records
        .iter()
        .take(3)
        .cloned()
        .collect::<Vec<_>>()
        .join(" ");
    if line.records.len() > 3 {
        let _ = write!(records, " +{}", line.records.len() - 3);
    }
    vec![
        line.id.to_string(),
        line.rule.clone(),
        line.verdict.to_owned(),
        line.state.clone(),
        line.office.to_string(),
        line.period
            .map_or_else(String::new, |period| period.to_string()),
        number(line.p),
        number(line.q),
        records,
        question.clone().unwrap_or_default(),
    ]
}

/// Takes a step.
pub async fn step(app: App, command: FindingCommand, output: &Output) -> Result<(), AppError> {
    let (id, step) = match command {
        FindingCommand::Ask { id } => (id, FindingStep::Ask),
        FindingCommand::Answer { id, text } => (id, FindingStep::Answer(text)),
        FindingCommand::Confirm { id, reason } => (id, FindingStep::Confirm(reason)),
        FindingCommand::Dismiss { id, reason } => (id, FindingStep::Dismiss(reason)),
        FindingCommand::Waive { id, until, reason } => {
            (id, FindingStep::Waive(date(&until)?, reason))
        }
    };
    let taken = app.take_step(id, step, None).await;
    app.close().await;
    output.data(&taken?.receipt().position.to_string());
    Ok(())
}
