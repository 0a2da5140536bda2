//! `report half-year`.

use super::args::{Form, HalfYear, Report};
use super::log::office_code;
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
    output.raw(made?.as_bytes())
}

async fn half_year(app: &App, args: &HalfYear, output: &Output) -> Result<String, AppError> {
    let office = office_code(&args.office)?;
    let period = period_of(&args.period)?;
    let size = app.size_at(as_of(args.as_of.as_deref())?).await?;
    let form = if output.json { Form::Json } else { args.format };
    let mut text = render(app, office, period, size, form, output).await?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
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
    let report = HalfYearReport::build(&snapshot, office, period, &Targets::default())?;
    let format = match form {
        Form::Text => Format::Text,
        Form::Markdown => Format::Markdown,
        Form::Html => Format::Html,
        Form::Json => Format::Json,
    };
    Ok(report.render(format, output.locale())?)
}
