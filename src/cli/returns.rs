//! `return`: draft, submit, status, compare.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand};

use super::output::Output;
use super::period::{Status, Which, Words, cell, table};
use super::registers::as_of;
use crate::app::return_status::ReturnStatus;
use crate::app::returns::{Submission, Submitted, draft_rows};
use crate::app::{App, AppError};
use crate::model::schema::{Placement, RecordKind};
use crate::model::time::parse_date;
use crate::report::returns::{Comparison, Draft, Line, LineVerdict};

/// What to do with a return.
#[derive(Debug, Subcommand)]
pub enum ReturnCommand {
    /// Fill a return from the ledger, as lines of an intake file.
    #[command(
        after_help = "Examples:\n  vitaledger return draft --office 990101100001 --period 2014-06 > june.csv\n  vitaledger return draft --office 990101100000 --period 2014-06 --as-of 2014-07-03 --json\n\nA village's return counts what happened in the period and had been reported by the day of the\nsubmission; a township's is the sum of its villages' returns, and what differs from the\nledger's own count is said. Lines are those that the office sends; all, if it never sent one."
    )]
    Draft(MakeDraft),
    /// Record the lines of a return; again, only what differs, with a reason.
    #[command(
        after_help = "Examples:\n  vitaledger return submit --office 990101100001 --period 2014-06\n  vitaledger return submit --office 990101100001 --period 2014-06 --from june.csv\n  vitaledger return submit --office 990101100001 --period 2014-06 --reason 'two births were late'"
    )]
    Submit(Submit),
    /// List returns: when they are due, submitted, late, missing.
    #[command(
        after_help = "Examples:\n  vitaledger return status\n  vitaledger return status --office 990101100000 --period 2014-H1\n\nDue dates come from the file `calendar` of the ledger's folder, by default\n{\"village_day\": 1, \"township_day\": 3, \"grace_days\": 2}."
    )]
    Status(Status),
    /// Hold every line of the returns against the ledger: as the return counts, and now.
    #[command(
        after_help = "Example:\n  vitaledger return compare --office 990101100001 --period 2014-H1\n\nA line is an error when it is not what the ledger counts by the day of its submission. What\ncame later is a restatement."
    )]
    Compare(Compare),
}

/// Arguments of `return draft`.
#[derive(Debug, Args)]
pub struct MakeDraft {
    #[command(flatten)]
    which: Which,
    /// A position, an RFC 3339 time, a date (its end), or the file of a checkpoint.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    as_of: Option<String>,
    /// The day of the submission; default the ledger's day then.
    #[arg(long, value_name = "DATE", value_parser = day)]
    submitted_on: Option<NaiveDate>,
}

/// Arguments of `return submit`.
#[derive(Debug, Args)]
pub struct Submit {
    #[command(flatten)]
    which: Which,
    /// The lines, as `return draft` writes them; default the draft itself.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The day of the submission; default the ledger's day. Not with a file, which says it.
    #[arg(long, value_name = "DATE", value_parser = day, conflicts_with = "from")]
    submitted_on: Option<NaiveDate>,
    /// Why it differs from what was submitted before; sealed.
    #[arg(long)]
    reason: Option<String>,
    /// Submit a sum although returns of offices below are missing.
    #[arg(long)]
    incomplete: bool,
}

/// Arguments of `return compare`.
#[derive(Debug, Args)]
pub struct Compare {
    #[command(flatten)]
    which: Which,
    /// A position, an RFC 3339 time, a date (its end), or the file of a checkpoint.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    as_of: Option<String>,
}

fn day(text: &str) -> Result<NaiveDate, String> {
    parse_date(text).ok_or_else(|| "write a date as 2014-07-01".to_owned())
}

/// Does it.
pub async fn run(app: App, what: &ReturnCommand, output: &Output) -> Result<(), AppError> {
    let done = act(&app, what, output).await;
    app.close().await;
    done
}

async fn act(app: &App, what: &ReturnCommand, output: &Output) -> Result<(), AppError> {
    match what {
        ReturnCommand::Draft(args) => {
            let (office, period) = args.which.read()?;
            let moment = as_of(args.as_of.as_deref())?;
            let draft = app
                .draft_return(office, period, moment, args.submitted_on)
                .await?;
            print_draft(app, &draft, output)
        }
        ReturnCommand::Submit(args) => {
            let (office, period) = args.which.read()?;
            let submission = Submission {
                from: args.from.clone(),
                submitted_on: args.submitted_on,
                reason: args.reason.clone(),
                incomplete: args.incomplete,
            };
            let submitted = app.submit_return(office, period, &submission).await?;
            print_submitted(app, &submitted, output);
            Ok(())
        }
        ReturnCommand::Status(args) => {
            let moment = as_of(args.as_of.as_deref())?;
            let status = app.return_status(args.filter()?, moment).await?;
            print_status(app, &status, output);
            Ok(())
        }
        ReturnCommand::Compare(args) => {
            let (office, period) = args.which.read()?;
            let size = app.size_at(as_of(args.as_of.as_deref())?).await?;
            let comparison = app.compare_returns(office, period, size).await?;
            print_comparison(app, &comparison, output);
            Ok(())
        }
    }
}

fn print_draft(app: &App, draft: &Draft, output: &Output) -> Result<(), AppError> {
    let rows = draft_rows(draft, &app.actor);
    if output.json {
        let object = serde_json::json!({
            "draft": draft,
            "rows": rows,
            "simulated_clock": app.ledger.simulated,
        });
        output.data(&object.to_string());
        return Ok(());
    }
    // The columns of the intake file, without the free text that a draft has not.
    let columns = RecordKind::Return.columns().iter();
    let names: Vec<&str> = columns
        .filter(|column| column.placement == Placement::Public || column.required)
        .map(|column| column.name)
        .collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let wrong = |error: csv::Error| AppError::Usage(error.to_string());
    writer.write_record(&names).map_err(wrong)?;
    for row in &rows {
        let cells = names
            .iter()
            .map(|name| row.get(*name).map_or("", String::as_str));
        writer.write_record(cells).map_err(wrong)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| AppError::Usage(error.to_string()))?;
    output.raw(&bytes)?;
    remarks(draft, output);
    Ok(())
}

/// What should be known beside a draft.
fn remarks(draft: &Draft, output: &Output) {
    let words = Words::of(output);
    let say = |text: String| output.say(&text, &text);
    let (office, period) = (draft.office.to_string(), draft.period.to_string());
    let day = draft.submitted_on.to_string();
    say(words.text(
        "return-title",
        &[
            ("office", &office),
            ("period", &period),
            ("position", &cell(draft.as_of.as_ref())),
            ("day", &day),
        ],
    ));
    let last = draft.period.last_day();
    if draft.submitted_on <= last {
        say(words.text("return-not-ended", &[("day", &last.to_string())]));
    }
    if !draft.sum_of.is_empty() {
        let count = (draft.sum_of.len() - draft.missing.len()).to_string();
        say(words.text("return-sum-of", &[("count", &count)]));
    }
    for office in &draft.missing {
        say(words.text("return-no-return", &[("office", &office.to_string())]));
    }
    for line in &draft.lines {
        if line.value != line.own_count {
            let (value, own) = (line.value.to_string(), line.own_count.to_string());
            let args: [(&'static str, &str); 3] = [
                ("indicator", &line.indicator),
                ("value", &value),
                ("own", &own),
            ];
            say(words.text("return-differs", &args));
        }
        if !line.without.is_empty() {
            let offices: Vec<String> = line.without.iter().map(ToString::to_string).collect();
            let offices = format!("{}: {}", line.indicator, offices.join(", "));
            say(words.text("return-without", &[("offices", &offices)]));
        }
    }
}

fn print_submitted(app: &App, submitted: &Submitted, output: &Output) {
    if output.json {
        let object =
            serde_json::json!({ "return": submitted, "simulated_clock": app.ledger.simulated });
        output.data(&object.to_string());
        return;
    }
    let words = Words::of(output);
    let row = |line: &crate::app::returns::SubmittedLine| {
        vec![
            line.indicator.clone(),
            cell(line.value.as_ref()),
            words.text(&format!("return-answer-{}", line.answer), &[]),
            line.position.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = submitted.lines.iter().map(row).collect();
    let headings = words.columns(&["indicator", "value", "answer", "position"]);
    table(&headings, &rows, output);
    let count = |answer: &str| {
        let lines = submitted.lines.iter().filter(|line| line.answer == answer);
        lines.count().to_string()
    };
    let said = words.text(
        "return-submitted",
        &[
            ("recorded", &count("recorded")),
            ("corrected", &count("corrected")),
            ("unchanged", &count("unchanged")),
            ("position", &submitted.as_of.to_string()),
        ],
    );
    output.say(&said, &said);
}

fn print_status(app: &App, status: &[ReturnStatus], output: &Output) {
    if output.json {
        let object =
            serde_json::json!({ "returns": status, "simulated_clock": app.ledger.simulated });
        output.data(&object.to_string());
        return;
    }
    let words = Words::of(output);
    let row = |one: &ReturnStatus| {
        vec![
            one.office.to_string(),
            one.name.get(words.language()).to_owned(),
            one.period.to_string(),
            one.due_on.to_string(),
            cell(one.submitted_on.as_ref()),
            cell(one.completed_on.as_ref()),
            words.text(&format!("return-state-{}", one.state.as_str()), &[]),
            cell(one.late_by.as_ref()),
            // Of a return that is not there, every line is missing.
            if one.missing.is_empty() || one.submitted_on.is_none() {
                "-".to_owned()
            } else {
                one.missing.join(", ")
            },
            cell(one.as_of.as_ref()),
        ]
    };
    let rows: Vec<Vec<String>> = status.iter().map(row).collect();
    let mut headings = words.columns(&[
        "office",
        "office",
        "period",
        "due",
        "submitted-on",
        "completed-on",
        "state",
        "late-by",
        "missing-lines",
        "as-of",
    ]);
    if let Some(name) = headings.get_mut(1) {
        name.clear();
    }
    table(&headings, &rows, output);
}

fn print_comparison(app: &App, found: &Comparison, output: &Output) {
    if output.json {
        let object =
            serde_json::json!({ "comparison": found, "simulated_clock": app.ledger.simulated });
        output.data(&object.to_string());
        return;
    }
    if found.lines.is_empty() {
        output.say("no return was submitted", "没有报送过报表");
        return;
    }
    let words = Words::of(output);
    let row = |line: &Line| {
        vec![
            line.period.to_string(),
            line.indicator.clone(),
            cell(line.value.as_ref()),
            cell(line.submitted_on.as_ref()),
            cell(line.counted.as_ref()),
            cell(line.difference.as_ref()),
            cell(line.now.as_ref()),
            cell(line.came_later.as_ref()),
            words.text(&format!("return-verdict-{}", line.verdict.as_str()), &[]),
        ]
    };
    let rows: Vec<Vec<String>> = found.lines.iter().map(row).collect();
    let headings = words.columns(&[
        "period",
        "indicator",
        "return",
        "submitted-on",
        "counted",
        "difference",
        "now-count",
        "came-later",
        "verdict",
    ]);
    table(&headings, &rows, output);
    print_totals(found, &words, output);
}

/// Sums over all periods, and what they come to.
fn print_totals(found: &Comparison, words: &Words, output: &Output) {
    output.data(&format!("\n{}", words.text("return-totals", &[])));
    let rows: Vec<Vec<String>> = found
        .totals
        .iter()
        .map(|(indicator, total)| {
            vec![
                indicator.clone(),
                total.value.to_string(),
                total.counted.to_string(),
                total.now.to_string(),
                total.came_later.to_string(),
                total.errors.to_string(),
            ]
        })
        .collect();
    let mut headings =
        words.columns(&["indicator", "return", "counted", "now-count", "came-later"]);
    headings.push(words.text("return-verdict-error", &[]));
    table(&headings, &rows, output);
    // Boys and girls are births, too: each birth is said once.
    let births = found
        .totals
        .get("births")
        .map_or(0, |total| total.came_later);
    let others = found
        .totals
        .iter()
        .filter(|(name, _)| !name.starts_with("births"));
    let later = births + others.map(|(_, total)| total.came_later).sum::<i128>();
    let errors = found
        .lines
        .iter()
        .filter(|line| line.verdict == LineVerdict::Error);
    let summary = words.text(
        "return-summary",
        &[
            ("later", &later.to_string()),
            ("errors", &errors.count().to_string()),
        ],
    );
    output.say(&summary, &summary);
}
