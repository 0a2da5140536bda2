//! `report half-year`.

use std::io::IsTerminal;
use std::path::Path;

use clap::Args;

use super::args::{Form, HalfYear, Report};
use super::log::office_code;
use super::new_file::NewFile;
use super::output::Output;
use super::period::period_of;
use super::registers::as_of;
use crate::app::{App, AppError};
use crate::indicators::targets::Targets;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::report::sheet::Sheet;
use crate::report::suppression::{Publication, SMALLEST_SHOWN};
use crate::report::{Format, HalfYearReport};

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
    let Report::HalfYear(args) = report;
    let made = half_year(&app, args, output).await;
    app.close().await;
    hand_out(&made?, args.output.as_deref(), output)
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
    let size = app.size_at(as_of(args.as_of.as_deref())?).await?;
    let form = if output.json { Form::Json } else { args.format };
    if form == Form::Xlsx && args.output.is_none() && std::io::stdout().is_terminal() {
        return Err(AppError::Usage(
            "a workbook is no text for a terminal; name a file with --output".to_owned(),
        ));
    }
    let asked = Asked {
        office,
        period,
        size,
        form,
        public: args.public,
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
}

/// The half-year report of an office as of a number of entries.
pub async fn render(app: &App, asked: Asked, output: &Output) -> Result<Vec<u8>, AppError> {
    let registers = app.registers().await?;
    let snapshot = app.snapshot(&registers, asked.size).await?;
    let (office, period) = (asked.office, asked.period);
    let report = HalfYearReport::build(&snapshot, office, period, &Targets::default())?;
    let format = match asked.form {
        Form::Text => Some(Format::Text),
        Form::Markdown => Some(Format::Markdown),
        Form::Html => Some(Format::Html),
        Form::Json => Some(Format::Json),
        Form::Xlsx => None,
    };
    let language = output.locale();
    let public = asked.public.smallest_shown();
    let public = public.map(|smallest| Publication::of(&snapshot, smallest));
    let public = public.map(|publication| Sheet::public(&report, &publication));
    Ok(match (public, format) {
        (Some(sheet), Some(format)) => sheet.render(format, language)?.into_bytes(),
        (Some(sheet), None) => sheet.workbook(language)?,
        (None, Some(format)) => report.render(format, language)?.into_bytes(),
        (None, None) => report.workbook(language)?,
    })
}
