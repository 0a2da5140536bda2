//! `report`: the half-year summary, the months, plan against reality.

use std::io::IsTerminal;
use std::path::Path;

use clap::Args;

use super::args::{Form, HalfYear, Report};
use super::log::office_code;
use super::new_file::NewFile;
use super::output::Output;
use super::period::period_of;
use super::plan::Plan;
use super::registers::as_of;
use crate::app::{App, AppError};
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::registers::snapshot::Snapshot;
use crate::report::sheet::Sheet;
use crate::report::suppression::{Publication, SMALLEST_SHOWN};
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
/// Whether a report is for the public.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Public {
    /// For publication: counts of 1 to 9 are withheld, and whatever they could be computed from.
    #[arg(long)]
    publish: bool,
    /// The smallest count that is shown, beside 0; the same for all that is published.
    #[arg(
        long,
        value_name = "COUNT",
        requires = "publish",
        default_value_t = SMALLEST_SHOWN,
        value_parser = clap::value_parser!(u64).range(2..=1000)
    )]
    threshold: u64,
}

impl Public {
    /// The smallest count that is shown; `None` where everything is.
    pub fn smallest_shown(self) -> Option<u64> {
        self.publish.then_some(self.threshold)
    }
}

/// Makes a report.
pub async fn run(app: App, report: &Report, output: &Output) -> Result<(), AppError> {
    let (made, path) = match report {
        Report::HalfYear(args) => (half_year(&app, args, output).await, args.output.as_deref()),
        Report::Monthly(args) => (monthly(&app, args, output).await, None),
        Report::Targets(args) => (targets(&app, args, output).await, None),
    };
    app.close().await;
    hand_out(&made?, path, output)
}

/// Writes a report to a new file, or to standard output.
fn hand_out(made: &[u8], path: Option<&Path>, output: &Output) -> Result<(), AppError> {
    match path {
        Some(path) => NewFile::create(path)?.write(made),
        None => output.raw(made),
    }
}

/// One snapshot for everything that a report shows.
async fn snapshot(app: &App, moment: Option<&str>) -> Result<Snapshot, AppError> {
    let size = app.size_at(as_of(moment)?).await?;
    app.snapshot(&app.registers().await?, size).await
}

/// The form that was asked for; `--json` asks for JSON. A workbook is no [`Format`] of text.
const fn format_of(form: Form, output: &Output) -> Option<Format> {
    match form {
        _ if output.json => Some(Format::Json),
        Form::Text => Some(Format::Text),
        Form::Markdown => Some(Format::Markdown),
        Form::Html => Some(Format::Html),
        Form::Json => Some(Format::Json),
        Form::Xlsx => None,
    }
}

fn no_workbook() -> AppError {
    AppError::Usage("this report has no workbook yet; choose another --format".to_owned())
}

async fn half_year(app: &App, args: &HalfYear, output: &Output) -> Result<Vec<u8>, AppError> {
    let office = office_code(&args.office)?;
    let period = period_of(&args.period)?;
    let form = if output.json { Form::Json } else { args.format };
    if form == Form::Xlsx && args.output.is_none() && std::io::stdout().is_terminal() {
        return Err(AppError::Usage(
            "a workbook is no text for a terminal; name a file with --output".to_owned(),
        ));
    }
    let asked = Asked {
        office,
        period,
        size: app.size_at(as_of(args.as_of.as_deref())?).await?,
        form,
        public: args.public,
        plan: args.plan.clone(),
    };
    render(app, asked, output).await
}

async fn monthly(app: &App, args: &Monthly, output: &Output) -> Result<Vec<u8>, AppError> {
    let office = office_code(&args.office)?;
    let period = args.period.as_deref().map(period_of).transpose()?;
    let format = format_of(args.format, output).ok_or_else(no_workbook)?;
    let snapshot = snapshot(app, args.as_of.as_deref()).await?;
    let period = period.unwrap_or_else(|| MonthlyReport::usual_period(&snapshot));
    let report = MonthlyReport::build(&snapshot, office, period)?;
    Ok(report.render(format, output.locale())?.into_bytes())
}

async fn targets(app: &App, args: &PlanReport, output: &Output) -> Result<Vec<u8>, AppError> {
    let targets = args.plan.read(app)?;
    let (Some(office), Some(period)) = (&args.office, &args.period) else {
        let file = targets.to_file().map_err(ReportError::from)?;
        return Ok((file.trim_end().to_owned() + "\n").into_bytes());
    };
    let (office, period) = (office_code(office)?, period_of(period)?);
    let format = format_of(args.format, output).ok_or_else(no_workbook)?;
    let snapshot = snapshot(app, args.as_of.as_deref()).await?;
    let report = TargetsReport::build(&snapshot, office, period, &targets)?;
    Ok(report.render(format, output.locale())?.into_bytes())
}

/// The half-year report that is asked for.
pub struct Asked {
    pub office: OfficeCode,
    pub period: Period,
    /// Entries that are in it.
    pub size: u64,
    pub form: Form,
    pub public: Public,
    pub plan: Plan,
}

/// The half-year report of an office as of a number of entries.
pub async fn render(app: &App, asked: Asked, output: &Output) -> Result<Vec<u8>, AppError> {
    let targets = asked.plan.read(app)?;
    let registers = app.registers().await?;
    let snapshot = app.snapshot(&registers, asked.size).await?;
    let report = HalfYearReport::build(&snapshot, asked.office, asked.period, &targets)?;
    let language = output.locale();
    let public = asked.public.smallest_shown();
    let public = public.map(|smallest| Publication::of(&snapshot, smallest));
    let public = public.map(|publication| Sheet::public(&report, &publication));
    Ok(match (public, format_of(asked.form, output)) {
        (Some(sheet), Some(format)) => sheet.render(format, language)?.into_bytes(),
        (Some(sheet), None) => sheet.workbook(language)?,
        (None, Some(format)) => report.render(format, language)?.into_bytes(),
        (None, None) => report.workbook(language)?,
    })
}
