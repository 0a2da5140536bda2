//! `findings` and `finding`: what the audit asks of offices, and what people answer.

use std::fmt::Write;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::log::office_code;
use super::output::Output;
use super::registers::csv_bytes;
use crate::app::findings::{FindingFilter, FindingLine, FindingStep};
use crate::app::{App, AppError};
use crate::model::time::parse_date;

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
    /// As comma-separated values.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Name records by their ids; nothing sealed is opened, and no entry says so.
    #[arg(long)]
    sealed: bool,
    /// What the source numbers of records are shown for; sealed.
    #[arg(long, default_value = "findings of the audit", value_name = "TEXT")]
    purpose: String,
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
    let listed = lines(&app, args).await;
    app.close().await;
    let lines = listed?;
    if output.json {
        for line in &lines {
            output.data(&serde_json::to_string(line).unwrap_or_default());
        }
        return Ok(());
    }
    let names = [
        "id", "rule", "verdict", "state", "office", "period", "p", "q", "records", "question",
    ];
    let rows: Vec<Vec<String>> = lines.iter().map(|line| row(line, output)).collect();
    if args.csv {
        return output.raw(&csv_bytes(&names, &rows)?);
    }
    output.table(&names, &rows);
    output.say(
        &format!("{} findings", lines.len()),
        &format!("{}项发现", lines.len()),
    );
    Ok(())
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
            let until = parse_date(&until)
                .ok_or_else(|| AppError::Usage(format!("{until} is no date; write 2014-06-30")))?;
            (id, FindingStep::Waive(until, reason))
        }
    };
    let taken = app.take_step(id, step).await;
    app.close().await;
    let receipt = taken?;
    output.data(&receipt.position.to_string());
    Ok(())
}
