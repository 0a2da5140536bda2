//! `report half-year`.

use std::io::IsTerminal;
use std::path::Path;

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
use crate::report::{Format, HalfYearReport};

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
    render(app, office, period, size, form, output).await
}

/// The half-year report of an office as of a number of entries.
pub async fn render(
    app: &App,
    office: OfficeCode,
    period: Period,
    size: u64,
    form: Form,
    output: &Output,
) -> Result<Vec<u8>, AppError> {
    let registers = app.registers().await?;
    let snapshot = app.snapshot(&registers, size).await?;
    let report = HalfYearReport::build(&snapshot, office, period, &Targets::default())?;
    let format = match form {
        Form::Text => Format::Text,
        Form::Markdown => Format::Markdown,
        Form::Html => Format::Html,
        Form::Json => Format::Json,
        Form::Xlsx => return Ok(report.workbook(output.locale())?),
    };
    Ok(report.render(format, output.locale())?.into_bytes())
}
