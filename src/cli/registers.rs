//! `registers`: what holds, now or at any moment.

use super::args::{RegisterArgs, RegistersCommand};
use super::log::office_code;
use super::output::Output;
use super::register_files::{rebuild, status};
use crate::app::reading::{AsOf, office_of_row};
use crate::app::{App, AppError};
use crate::model::cell::{Fen, Value};
use crate::model::fields::AnyFields;
use crate::model::id::{OfficeCode, Position};
use crate::model::office::OfficeDirectory;
use crate::model::schema::RecordKind;
use crate::registers::read::Filter;
use crate::registers::row::RegisterRow;

/// Reads `--as-of`.
pub fn as_of(text: Option<&str>) -> Result<AsOf, AppError> {
    text.map_or(Ok(AsOf::Head), AsOf::named)
}

/// Prints a register, or how all of them stand.
pub async fn run(app: App, args: &RegisterArgs, output: &Output) -> Result<(), AppError> {
    let printed = match &args.of_all {
        Some(RegistersCommand::Status { digest }) => status(&app, *digest, output).await,
        Some(RegistersCommand::Rebuild) => rebuild(&app, output).await,
        None => print(&app, args, output).await,
    };
    app.close().await;
    printed
}

/// Columns and rows.
pub struct Table {
    /// The names of the columns.
    pub names: Vec<&'static str>,
    /// A value for each of them, a row each.
    pub rows: Vec<Vec<Option<Value>>>,
}

impl Table {
    /// The rows as text.
    pub fn texts(&self) -> Vec<Vec<String>> {
        let text =
            |value: &Option<Value>| value.as_ref().map(ToString::to_string).unwrap_or_default();
        let rows = self.rows.iter();
        rows.map(|row| row.iter().map(text).collect()).collect()
    }
}

async fn print(app: &App, args: &RegisterArgs, output: &Output) -> Result<(), AppError> {
    let size = app.size_at(as_of(args.as_of.as_deref())?).await?;
    let kind = args.kind.as_deref().unwrap_or_default();
    let mut next = None;
    let table = if matches!(kind, "office" | "offices" | "单位") {
        if args.after.is_some() {
            let what = "--after is a position in a register of records; offices are listed without";
            return Err(AppError::Usage(what.to_owned()));
        }
        let top = args.office.as_deref().map(office_code).transpose()?;
        let mut table = offices_table(&app.offices(size).await?, top);
        table.rows.truncate(args.limit.unwrap_or(usize::MAX));
        table
    } else {
        let (table, after) = records(app, kind, args, size).await?;
        next = after;
        table
    };
    if let Some(after) = next {
        // The same moment, as the position of its last entry.
        let last = size.saturating_sub(1);
        output.say(
            &format!("there are more: go on with --as-of {last} --after {after}"),
            &format!("还有更多：用 --as-of {last} --after {after} 继续"),
        );
    }
    if output.json {
        for row in &table.rows {
            let object: serde_json::Map<String, serde_json::Value> = table
                .names
                .iter()
                .zip(row)
                .filter_map(|(name, value)| Some(((*name).to_owned(), value.as_ref()?.to_json())))
                .collect();
            output.data(&serde_json::Value::Object(object).to_string());
        }
        return Ok(());
    }
    let rows = table.texts();
    if args.csv {
        return output.raw(&csv_bytes(&table.names, &rows)?);
    }
    output.table(&table.names, &rows);
    let count = rows.len();
    output.say(
        &format!("{count} rows as of {size} entries"),
        &format!("{count} 行，截至第 {size} 条"),
    );
    Ok(())
}

/// Comma-separated values under their names.
pub fn csv_bytes(names: &[&str], rows: &[Vec<String>]) -> Result<Vec<u8>, AppError> {
    let heading = names.iter().map(|name| (*name).to_owned()).collect();
    let mut bytes = csv_lines(&[heading])?;
    bytes.extend(csv_lines(rows)?);
    Ok(bytes)
}

/// Lines of comma-separated values.
pub fn csv_lines(lines: &[Vec<String>]) -> Result<Vec<u8>, AppError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let wrong = |error: csv::Error| AppError::Usage(error.to_string());
    for line in lines {
        writer.write_record(line).map_err(wrong)?;
    }
    writer
        .into_inner()
        .map_err(|error| AppError::Usage(error.to_string()))
}

/// The kind of a register by its name.
pub fn kind_of(name: &str) -> Result<RecordKind, AppError> {
    RecordKind::parse(name).ok_or_else(|| {
        let known: Vec<_> = RecordKind::ALL.iter().map(|kind| kind.file()).collect();
        AppError::Usage(format!(
            "there is no register {name}; there are {}, offices",
            known.join(", ")
        ))
    })
}

/// A page, and the position after which the next one begins, if there is one.
async fn records(
    app: &App,
    kind: &str,
    args: &RegisterArgs,
    size: u64,
) -> Result<(Table, Option<Position>), AppError> {
    let kind = kind_of(kind)?;
    let top = args.office.as_deref().map(office_code).transpose()?;
    let offices = app.offices(size).await?;
    let takes = |row: &RegisterRow| {
        top.is_none_or(|top| office_of_row(row).is_some_and(|own| offices.is_within(own, top)))
    };
    let registers = app.registers().await?;
    let limit = args.limit.unwrap_or(usize::MAX);
    let filter: Option<Filter<'_>> = top.is_some().then_some(&takes);
    // One more than is asked for tells whether there are more.
    let mut rows = registers.page(kind, size, args.after, limit.saturating_add(1), filter)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().map(|row| row.position).filter(|_| more);
    Ok((records_table(kind, &rows), next))
}

/// Rows of a register with the names of their columns.
pub fn records_table(kind: RecordKind, rows: &[RegisterRow]) -> Table {
    let mut names = vec!["position", "record_id", "version", "recorded_at"];
    let columns = AnyFields::columns(kind);
    names.extend(columns.iter().map(|(name, _)| {
        if *name == "amount_fen" {
            "amount_yuan"
        } else {
            *name
        }
    }));
    let cells = |row: &RegisterRow| {
        let number = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        let mut cells = vec![
            Some(number(row.position)),
            Some(Value::Text(row.record_id.to_string())),
            Some(number(row.version)),
            Some(Value::Text(row.recorded_at.to_string())),
        ];
        cells.extend(columns.iter().map(|(name, _)| match row.fields.get(name) {
            Some(Value::Integer(fen)) if *name == "amount_fen" => {
                Some(Value::Text(Fen(fen).to_yuan()))
            }
            value => value,
        }));
        cells
    };
    Table {
        rows: rows.iter().map(cells).collect(),
        names,
    }
}

/// The offices, of one and those below it if one is named.
pub fn offices_table(directory: &OfficeDirectory, top: Option<OfficeCode>) -> Table {
    let rows = directory
        .all()
        .into_iter()
        .filter(|office| top.is_none_or(|top| directory.is_within(office.code, top)))
        .map(|office| {
            vec![
                Some(Value::Text(office.code.to_string())),
                Some(Value::Text(office.level.to_string())),
                office.name_en.clone().map(Value::Text),
                office.name_zh.clone().map(Value::Text),
                office.parent.map(|parent| Value::Text(parent.to_string())),
            ]
        })
        .collect();
    Table {
        names: vec!["code", "level", "name_en", "name_zh", "parent"],
        rows,
    }
}
