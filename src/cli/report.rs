//! `report`: the half-year summary, the months, plan against reality.

use clap::Args;

use super::args::{Form, HalfYear, Report};
use super::log::office_code;
use super::output::Output;
use super::period::period_of;
use super::plan::Plan;
use super::registers::as_of;
use crate::app::{App, AppError};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::registers::snapshot::Snapshot;
use crate::report::{Format, HalfYearReport, MonthlyReport, ReportError, TargetsReport};

/// Arguments of `report monthly`.
#[derive(Debug, Args)]
pub struct Monthly {
    /// The office; those below it are counted in.
    #[arg(long)]
    office: String,
    /// 2014, 2014S, 2014-H1, 2014-Q2 or 2014-06; by default the calendar year of the last entry.
    #[arg(long)]
    period: Option<String>,
    /// A position, an RFC 3339 time, or a date (its end).
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
    /// Its form.
    #[arg(long, value_enum, default_value = "text")]
    format: Form,
}

/// Arguments of `report targets`.
#[derive(Debug, Args)]
pub struct PlanReport {
    /// The office; those below it are counted in, and stand in the matrix on their own.
    #[arg(long, required_unless_present = "print_file")]
    office: Option<String>,
    /// 2014-H1, or any other period: 2014-06, 2014-Q2, 2014, 2014S.
    #[arg(long, required_unless_present = "print_file")]
    period: Option<String>,
    /// A position, an RFC 3339 time, or a date (its end).
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
    /// Its form.
    #[arg(long, value_enum, default_value = "text")]
    format: Form,
    #[command(flatten)]
    plan: Plan,
    /// Print the targets in effect as a file to edit, and no report.
    #[arg(long, conflicts_with_all = ["office", "period", "as_of"])]
    print_file: bool,
}

/// Makes a report.
pub async fn run(app: App, report: &Report, output: &Output) -> Result<(), AppError> {
    let made = match report {
        Report::HalfYear(args) => half_year(&app, args, output).await,
        Report::Monthly(args) => monthly(&app, args, output).await,
        Report::Targets(args) => targets(&app, args, output).await,
    };
    app.close().await;
    let mut text = made?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    output.raw(text.as_bytes())
}

async fn half_year(app: &App, args: &HalfYear, output: &Output) -> Result<String, AppError> {
    let office = office_code(&args.office)?;
    let period = period_of(&args.period)?;
    let targets = args.plan.read(app)?;
    let snapshot = snapshot(app, args.as_of.as_deref()).await?;
    let report = HalfYearReport::build(&snapshot, office, period, &targets)?;
    Ok(report.render(format_of(args.format, output), output.locale())?)
}

async fn monthly(app: &App, args: &Monthly, output: &Output) -> Result<String, AppError> {
    let office = office_code(&args.office)?;
    let period = args.period.as_deref().map(period_of).transpose()?;
    let snapshot = snapshot(app, args.as_of.as_deref()).await?;
    let period = period.unwrap_or_else(|| MonthlyReport::usual_period(&snapshot));
    let report = MonthlyReport::build(&snapshot, office, period)?;
    Ok(report.render(format_of(args.format, output), output.locale())?)
}

async fn targets(app: &App, args: &PlanReport, output: &Output) -> Result<String, AppError> {
    let targets = args.plan.read(app)?;
    let (Some(office), Some(period)) = (&args.office, &args.period) else {
        return Ok(targets.to_file().map_err(ReportError::from)?);
    };
    let (office, period) = (office_code(office)?, period_of(period)?);
    let snapshot = snapshot(app, args.as_of.as_deref()).await?;
    let report = TargetsReport::build(&snapshot, office, period, &targets)?;
    Ok(report.render(format_of(args.format, output), output.locale())?)
}

/// One snapshot for everything that a report shows.
async fn snapshot(app: &App, moment: Option<&str>) -> Result<Snapshot, AppError> {
    let size = app.size_at(as_of(moment)?).await?;
    app.snapshot(&app.registers().await?, size).await
}

/// The form that was asked for; `--json` asks for JSON.
const fn format_of(form: Form, output: &Output) -> Format {
    match form {
        _ if output.json => Format::Json,
        Form::Text => Format::Text,
        Form::Markdown => Format::Markdown,
        Form::Html => Format::Html,
        Form::Json => Format::Json,
    }
}

/// The half-year report of an office as of a number of entries.
pub async fn render(
    app: &App,
    office: OfficeCode,
    period: Period,
    size: u64,
    form: Form,
    output: &Output,
) -> Result<String, AppError> {
    let registers = app.registers().await?;
    let snapshot = app.snapshot(&registers, size).await?;
    let report = HalfYearReport::build(&snapshot, office, period, &app.targets(None)?)?;
    Ok(report.render(format_of(form, output), output.locale())?)
}
