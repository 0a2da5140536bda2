//! `export`: registers and figures as files for other systems.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use sha2::{Digest, Sha256};

use super::log::office_code;
use super::new_file::NewFile;
use super::output::Output;
use super::period::period_of;
use super::plan::Plan;
use super::registers::{Table, as_of, csv_bytes, offices_table, records_table};
use crate::app::error::failed;
use crate::app::reading::{office_of_row, read_at_most};
use crate::app::{App, AppError};
use crate::model::id::OfficeCode;
use crate::model::office::OfficeDirectory;
use crate::model::period::Period;
use crate::model::schema::RecordKind;
use crate::model::time::Timestamp;
use crate::registers::row::RegisterRow;
use crate::registers::segment::parquet_of;
use crate::report::exchange::{Form, Names, Options};

/// A file of names has at most so many bytes.
const MAX_NAMES_BYTES: usize = 4 << 20;

/// What can be exported.
#[derive(Debug, Subcommand)]
pub enum Export {
    /// The registers as of a moment: a file for each kind and one that says what they are.
    #[command(
        after_help = "Example:\n  vitaledger export registers --format parquet -o ./registers-2014 --as-of 2014-06-30"
    )]
    Registers(ExportRegisters),
    /// Counts and indicators of offices and periods.
    #[command(
        after_help = "Examples:\n  vitaledger export indicators --office 990101000000 --each --period 2014S --format dhis2 > values.json\n  vitaledger export indicators --office 990101100000 --period 2014-05 --period 2014-06 --format adx -o june.xml\n\nDHIS2 and ADX hold what was counted; what only an office reported, or what too few cases allow\nnothing to be said of, is left out. Small counts are in it, and it is not\nfor publication, unless --publish is given."
    )]
    Indicators(ExportIndicators),
}

/// The form of registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RegisterForm {
    /// Columns.
    Parquet,
    /// Comma-separated values.
    Csv,
}

/// The form of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FigureForm {
    /// Columns.
    Parquet,
    /// Comma-separated values.
    Csv,
    /// `dataValueSets` of DHIS2, as JSON.
    Dhis2,
    /// Aggregate Data Exchange, as XML.
    Adx,
}

/// Arguments of `export registers`.
#[derive(Debug, Args)]
pub struct ExportRegisters {
    /// Only these kinds (registrations, births, ..., offices); all when none is named.
    pub kinds: Vec<String>,
    /// The form of the files.
    #[arg(long, value_enum, default_value = "parquet")]
    pub format: RegisterForm,
    /// A new or empty folder.
    #[arg(short, long, value_name = "FOLDER")]
    pub output: PathBuf,
    /// A position, an RFC 3339 time, a date (its end), or the file of a checkpoint.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    pub as_of: Option<String>,
    /// Only this office and those below it.
    #[arg(long)]
    pub office: Option<String>,
}

/// Arguments of `export indicators`.
#[derive(Debug, Args)]
pub struct ExportIndicators {
    /// The office; those below it are counted in.
    #[arg(long)]
    pub office: String,
    /// Every office below it as well, on its own.
    #[arg(long)]
    pub each: bool,
    /// 2014-06, 2014-Q2, 2014-H1, 2014, or 2014S for the statistical year; repeat it for more.
    #[arg(long = "period", required = true, value_name = "PERIOD")]
    pub periods: Vec<String>,
    /// The form of the file.
    #[arg(long, value_enum, default_value = "csv")]
    pub format: FigureForm,
    /// The receiver's names of offices and figures: a JSON file with `scheme` (CODE, UID, NAME),
    /// `data_set`, `offices` and `elements`.
    #[arg(long, value_name = "FILE")]
    pub names: Option<PathBuf>,
    /// Declare the periods complete (DHIS2, ADX); they must be over.
    #[arg(long)]
    pub complete: bool,
    /// Where it goes; standard output when not given. Nothing is overwritten.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// A position, an RFC 3339 time, a date (its end), or the file of a checkpoint.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    pub as_of: Option<String>,
    /// For whom.
    #[command(flatten)]
    pub public: super::report::Public,
    #[command(flatten)]
    plan: Plan,
}

/// Exports.
pub async fn run(app: App, export: &Export, output: &Output) -> Result<(), AppError> {
    let done = match export {
        Export::Registers(args) => registers(&app, args, output).await,
        Export::Indicators(args) => indicators(&app, args, output).await,
    };
    app.close().await;
    done
}

async fn indicators(app: &App, args: &ExportIndicators, output: &Output) -> Result<(), AppError> {
    let office = office_code(&args.office)?;
    let periods: Vec<Period> = args
        .periods
        .iter()
        .map(|text| period_of(text))
        .collect::<Result<_, _>>()?;
    let names = match &args.names {
        Some(path) => {
            let bytes = read_at_most(path, MAX_NAMES_BYTES)?;
            Names::parse(&String::from_utf8_lossy(&bytes))?
        }
        None => Names::default(),
    };
    let size = app.size_at(as_of(args.as_of.as_deref())?).await?;
    let targets = args.plan.read(app)?;
    let publish = args.public.smallest_shown();
    let set = app.figures(office, args.each, &periods, size, &targets, publish);
    let set = set.await?;
    let options = Options {
        names,
        complete: args.complete,
        exported_at: Timestamp::now(),
    };
    let form = match args.format {
        FigureForm::Parquet => Form::Parquet,
        FigureForm::Csv => Form::Csv,
        FigureForm::Dhis2 => Form::Dhis2,
        FigureForm::Adx => Form::Adx,
    };
    let bytes = set.write(form, &options)?;
    let Some(path) = &args.output else {
        return output.raw(&bytes);
    };
    NewFile::create(path)?.write(&bytes)?;
    let figures = set.lines.iter().filter(|line| line.value.is_some()).count();
    output.say(
        &format!("{figures} figures as of {size} entries"),
        &format!("{figures} 个指标值，截至第 {size} 条"),
    );
    Ok(())
}

async fn registers(app: &App, args: &ExportRegisters, output: &Output) -> Result<(), AppError> {
    let size = app.size_at(as_of(args.as_of.as_deref())?).await?;
    let top = args.office.as_deref().map(office_code).transpose()?;
    let kinds = kinds(&args.kinds)?;
    let (registers, offices) = (app.registers().await?, app.offices(size).await?);
    let takes = |row: &RegisterRow| {
        top.is_none_or(|top| office_of_row(row).is_some_and(|own| offices.is_within(own, top)))
    };
    std::fs::create_dir_all(&args.output).map_err(failed("create", &args.output))?;
    let mut files = serde_json::Map::new();
    for kind in kinds {
        let (name, rows, bytes) = match kind {
            Some(kind) => of_records(
                args.format,
                kind,
                &registers.current(kind, size, Some(&takes))?,
            )?,
            None => of_offices(&offices, top)?,
        };
        NewFile::create(&args.output.join(&name))?.write(&bytes)?;
        output.data(&name);
        let file = serde_json::json!({
            "rows": rows, "bytes": bytes.len(), "sha256": hex::encode(Sha256::digest(&bytes)),
        });
        files.insert(name, file);
    }
    let manifest = serde_json::json!({
        "format": "vitaledger-registers/1",
        "origin": app.origin,
        "size": size,
        "simulated_clock": app.ledger.simulated,
        "office": top,
        "files": files,
    });
    let mut text = manifest.to_string();
    text.push('\n');
    NewFile::create(&args.output.join("manifest.json"))?.write(text.as_bytes())?;
    output.say(
        &format!("exported as of {size} entries"),
        &format!("已导出，截至第 {size} 条"),
    );
    Ok(())
}

/// A kind of record, or the offices.
fn kinds(named: &[String]) -> Result<Vec<Option<RecordKind>>, AppError> {
    if named.is_empty() {
        let all = RecordKind::ALL.into_iter().map(Some);
        return Ok(all.chain([None]).collect());
    }
    let kind_of = |text: &String| match text.as_str() {
        "office" | "offices" | "单位" => Ok(None),
        text => super::registers::kind_of(text).map(Some),
    };
    named.iter().map(kind_of).collect()
}

/// Name, rows and bytes of a file.
type Exported = (String, usize, Vec<u8>);

fn of_records(
    form: RegisterForm,
    kind: RecordKind,
    rows: &[RegisterRow],
) -> Result<Exported, AppError> {
    let count = rows.len();
    Ok(match form {
        RegisterForm::Parquet => (
            format!("{}.parquet", kind.file()),
            count,
            parquet_of(kind, rows)?,
        ),
        RegisterForm::Csv => {
            let bytes = csv_of(&records_table(kind, rows))?;
            (format!("{}.csv", kind.file()), count, bytes)
        }
    })
}

/// The offices are few and always comma-separated.
fn of_offices(offices: &OfficeDirectory, top: Option<OfficeCode>) -> Result<Exported, AppError> {
    let table = offices_table(offices, top);
    Ok(("offices.csv".to_owned(), table.rows.len(), csv_of(&table)?))
}

fn csv_of(table: &Table) -> Result<Vec<u8>, AppError> {
    csv_bytes(&table.names, &table.texts())
}
