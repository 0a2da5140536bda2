//! `diff`: what changed between two moments.

use clap::Args;

use super::log::office_code;
use super::output::Output;
use super::period::period_of;
use super::plan::Plan;
use crate::app::history::DiffOptions;
use crate::app::{App, AppError};
use crate::history::text::{Form, difference};
use crate::model::schema::RecordKind;

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vitaledger diff 2014-03-31 2014-06-30\n  vitaledger diff 1200 1300 --kind birth --office 990101100001\n  vitaledger diff 2014-03-31 2014-06-30 --period 2014-H1 --numbers --markdown > moved.md\n  vitaledger diff 1200 1300 --json | jq 'select(.type == \"record\" and .outcome == \"corrected\")'\n\nRecords: + recorded, ~ corrected (field old -> new), - voided, x recorded and voided again.\nSealed fields are named when a correction changed them, never shown.\n--json prints one object a line: `record`s, `office`s, `movement`s (every number before, after,\nand the difference), and last the `summary`."
)]
pub struct Diff {
    /// The earlier moment: a position, an RFC 3339 time, a date (its end), or the file of a
    /// checkpoint.
    #[arg(value_name = "A")]
    from: String,
    /// The later moment.
    #[arg(value_name = "B")]
    to: String,
    /// Records of this office and those below it, and its numbers; by default all records, and
    /// the numbers of the office that has none above it.
    #[arg(long, value_name = "CODE")]
    office: Option<String>,
    /// Records of this kind only.
    #[arg(long)]
    kind: Option<String>,
    /// The period whose numbers are compared; by default each year that the changes touch.
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    /// The numbers alone, without the records.
    #[arg(long)]
    numbers: bool,
    /// Markdown.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    #[command(flatten)]
    plan: Plan,
}

fn kind(text: &str) -> Result<RecordKind, AppError> {
    RecordKind::parse(text).ok_or_else(|| {
        let known: Vec<_> = RecordKind::ALL.iter().map(|kind| kind.as_str()).collect();
        AppError::Usage(format!(
            "there is no kind of record {text}; there are {}",
            known.join(", ")
        ))
    })
}

/// Tells two moments apart.
pub async fn run(app: App, args: &Diff, output: &Output) -> Result<(), AppError> {
    let told = tell(&app, args, output).await;
    app.close().await;
    output.raw(told?.as_bytes())
}

async fn tell(app: &App, args: &Diff, output: &Output) -> Result<String, AppError> {
    let options = DiffOptions {
        office: args.office.as_deref().map(office_code).transpose()?,
        kind: args.kind.as_deref().map(kind).transpose()?,
        period: args.period.as_deref().map(period_of).transpose()?,
        targets: args.plan.read(app)?,
    };
    let (from, to) = (
        app.size_named(&args.from).await?,
        app.size_named(&args.to).await?,
    );
    let found = app.diff(from, to, &options).await?;
    if output.json {
        let mut lines = found
            .lines(!args.numbers)
            .map_err(crate::report::ReportError::from)?;
        lines.push(String::new());
        return Ok(lines.join("\n"));
    }
    let form = if args.markdown {
        Form::Markdown
    } else {
        Form::Text
    };
    Ok(difference(&found, !args.numbers, form, output.locale()))
}
