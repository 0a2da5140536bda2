//! `report`: the half-year summary, the months, plan against reality.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::log::office_code;
use super::new_file::NewFile;
use super::output::Output;
use super::period::period_of;
use super::plan::Plan;
use super::registers::as_of;
use crate::app::{App, AppError};
use crate::indicators::targets::Targets;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::registers::snapshot::Snapshot;
use crate::report::sheet::Sheet;
use crate::report::suppression::{Publication, SMALLEST_SHOWN};
use crate::report::{
    Format, HalfYearReport, MonthlyReport, PublicMonths, ReportError, TargetsReport,
};

/// The reports.
#[derive(Debug, Subcommand)]
pub enum Report {
    /// The half-year summary of an office, beside the plan's targets.
    #[command(
        after_help = "Examples:\n  vitaledger report half-year --office 990101100001 --period 2014-H1\n  vitaledger report half-year --office 990101100001 --period 2014-H1 --format html --lang zh > report.html"
    )]
    HalfYear(HalfYear),
    /// A period month by month, with the limits within which chance alone keeps a month.
    #[command(
        after_help = "Examples:\n  vitaledger report monthly --office 990101100000 --period 2014\n  vitaledger report monthly --office 990101100000 --period 2014S --format html --lang zh > months.html\n\nThe limits of a month come from the other months of the period that are over. A month outside\nthem is a question to the office and no finding."
    )]
    Monthly(Monthly),
    /// Plan against reality: every target with value, verdict and gap, and each office below.
    #[command(
        after_help = "Examples:\n  vitaledger report targets --office 990101100000 --period 2014-H1\n  vitaledger report targets --print-file > targets.json      # edit it, then:\n  vitaledger report targets --office 990101100000 --period 2014-H1 --targets targets.json\n\nIn the ledger's folder, targets.json holds for every command. A figure that only an office\nreports is quoted and never held against a target."
    )]
    Targets(PlanReport),
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For a terminal.
    Text,
    /// Markdown.
    Markdown,
    /// A page on its own.
    Html,
    /// JSON.
    Json,
    /// An Excel workbook.
    Xlsx,
}

/// Arguments of `report half-year`.
#[derive(Debug, Args)]
pub struct HalfYear {
    /// The office; those below it are counted in.
    #[arg(long)]
    pub office: String,
    /// 2014-H1, or any other period: 2014-06, 2014-Q2, 2014, 2014S.
    #[arg(long)]
    pub period: String,
    #[command(flatten)]
    paper: Paper,
    /// What indicators are held against.
    #[command(flatten)]
    pub plan: Plan,
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

/// As of when, in which form, where to.
#[derive(Debug, Args)]
struct Paper {
    /// A position, an RFC 3339 time, a date (its end), or the file of a checkpoint.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    as_of: Option<String>,
    /// Its form.
    #[arg(long, value_enum, default_value = "text")]
    format: Form,
    /// Where it goes; standard output when not given. Nothing is overwritten.
    #[arg(short, long, visible_alias = "out", value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    public: Public,
}

impl Paper {
    /// One snapshot for everything that a report shows.
    async fn snapshot(&self, app: &App) -> Result<Snapshot, AppError> {
        let size = app.size_at(as_of(self.as_of.as_deref())?).await?;
        app.snapshot(&app.registers().await?, size).await
    }

    /// What is published of a snapshot, if that is asked for.
    fn publication(&self, snapshot: &Snapshot) -> Option<Publication> {
        let smallest = self.public.smallest_shown();
        smallest.map(|smallest| Publication::of(snapshot, smallest))
    }

    /// The form that is asked for; a workbook is nothing for a terminal.
    fn form(&self, output: &Output) -> Result<Form, AppError> {
        let form = if output.json { Form::Json } else { self.format };
        if form == Form::Xlsx && self.output.is_none() && std::io::stdout().is_terminal() {
            return Err(AppError::Usage(
                "a workbook is no text for a terminal; name a file with --output".to_owned(),
            ));
        }
        Ok(form)
    }
}

/// A report in its form: text, or a workbook.
fn made(
    form: Form,
    text: impl FnOnce(Format) -> Result<String, ReportError>,
    workbook: impl FnOnce() -> Result<Vec<u8>, ReportError>,
) -> Result<Vec<u8>, AppError> {
    let format = match form {
        Form::Text => Format::Text,
        Form::Markdown => Format::Markdown,
        Form::Html => Format::Html,
        Form::Json => Format::Json,
        Form::Xlsx => return Ok(workbook()?),
    };
    Ok(text(format)?.into_bytes())
}

/// Arguments of `report monthly`.
#[derive(Debug, Args)]
pub struct Monthly {
    /// The office; those below it are counted in.
    #[arg(long)]
    office: String,
    /// 2014, 2014S, 2014-H1, 2014-Q2 or 2014-06; by default the calendar year of the last entry.
    #[arg(long)]
    period: Option<String>,
    #[command(flatten)]
    paper: Paper,
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
    #[command(flatten)]
    paper: Paper,
    #[command(flatten)]
    plan: Plan,
    /// Print the targets in effect as a file to edit, and no report.
    #[arg(long, conflicts_with_all = ["office", "period", "as_of"])]
    print_file: bool,
}

/// Makes a report.
pub async fn run(app: App, report: &Report, output: &Output) -> Result<(), AppError> {
    let (made, path) = match report {
        Report::HalfYear(args) => (half_year(&app, args, output).await, &args.paper.output),
        Report::Monthly(args) => (monthly(&app, args, output).await, &args.paper.output),
        Report::Targets(args) => (targets(&app, args, output).await, &args.paper.output),
    };
    app.close().await;
    hand_out(&made?, path.as_deref(), output)
}

async fn monthly(app: &App, args: &Monthly, output: &Output) -> Result<Vec<u8>, AppError> {
    let office = office_code(&args.office)?;
    let period = args.period.as_deref().map(period_of).transpose()?;
    let snapshot = args.paper.snapshot(app).await?;
    let period = period.unwrap_or_else(|| MonthlyReport::usual_period(&snapshot));
    let report = MonthlyReport::build(&snapshot, office, period)?;
    let (form, language) = (args.paper.form(output)?, output.locale());
    if let Some(publication) = args.paper.publication(&snapshot) {
        let public = PublicMonths::of(&report, &publication);
        let text = |format| public.render(format, language);
        made(form, text, || public.workbook(language))
    } else {
        let text = |format| report.render(format, language);
        made(form, text, || report.workbook(language))
    }
}

async fn targets(app: &App, args: &PlanReport, output: &Output) -> Result<Vec<u8>, AppError> {
    let targets = args.plan.read(app)?;
    let (Some(office), Some(period)) = (&args.office, &args.period) else {
        let file = targets.to_file().map_err(ReportError::from)?;
        return Ok(file.into_bytes());
    };
    let (office, period) = (office_code(office)?, period_of(period)?);
    let snapshot = args.paper.snapshot(app).await?;
    let publication = args.paper.publication(&snapshot);
    let report = TargetsReport::build(&snapshot, office, period, &targets, publication.as_ref())?;
    let (form, language) = (args.paper.form(output)?, output.locale());
    let text = |format| report.render(format, language);
    made(form, text, || report.workbook(language))
}

/// Writes a report to a new file, or to standard output.
fn hand_out(made: &[u8], path: Option<&Path>, output: &Output) -> Result<(), AppError> {
    match path {
        Some(path) => NewFile::create(path)?.write(made),
        None => output.raw(made),
    }
}

async fn half_year(app: &App, args: &HalfYear, output: &Output) -> Result<Vec<u8>, AppError> {
    let office = office_code(&args.office)?;
    let period = period_of(&args.period)?;
    let size = app.size_at(as_of(args.paper.as_of.as_deref())?).await?;
    let asked = Asked {
        office,
        period,
        size,
        form: args.paper.form(output)?,
        public: args.paper.public,
        targets: args.plan.read(app)?,
    };
    render(app, asked, output).await
}

/// The half-year report that is asked for.
pub struct Asked {
    pub office: OfficeCode,
    pub period: Period,
    /// Entries that are in it.
    pub size: u64,
    pub form: Form,
    pub public: Public,
    /// What indicators are held against.
    pub targets: Targets,
}

/// The half-year report of an office as of a number of entries.
pub async fn render(app: &App, asked: Asked, output: &Output) -> Result<Vec<u8>, AppError> {
    let registers = app.registers().await?;
    let snapshot = app.snapshot(&registers, asked.size).await?;
    let (office, period) = (asked.office, asked.period);
    let report = HalfYearReport::build(&snapshot, office, period, &asked.targets)?;
    let language = output.locale();
    if let Some(smallest) = asked.public.smallest_shown() {
        let sheet = Sheet::public(&report, &Publication::of(&snapshot, smallest));
        let text = |format| sheet.render(format, language);
        made(asked.form, text, || sheet.workbook(language))
    } else {
        let text = |format| report.render(format, language);
        made(asked.form, text, || report.workbook(language))
    }
}
