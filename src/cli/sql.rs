//! `sql`: questions to the registers as of any moment.

use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::output::Output;
use super::registers::{as_of, csv_lines};
use crate::app::reading::read_at_most;
use crate::app::{App, AppError};
use crate::locale::columns::{Side, harmless, table};
use crate::registers::sql::cells::{is_number, json_lines, texts};
use crate::registers::sql::{Answer, Session, TableInfo};

/// A query that is longer was not written by anybody.
const MAX_QUERY_BYTES: usize = 1 << 20;

/// Arguments of `sql`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vitaledger sql 'SELECT office, count(*) FROM births GROUP BY office ORDER BY office'\n  vitaledger sql --file late.sql --as-of 2014-06-30 --csv\n  vitaledger sql --tables\n  vitaledger sql 'SELECT o.name_en, sum(d.amount_fen) / 100.0 AS yuan FROM disbursements d\n      JOIN offices o ON o.code = d.office GROUP BY o.name_en' --as-of checkpoint-2014-06-30.note\n\nEach register is a table of what is current as of the moment, by its plural name, and\nbirths_history and so on have every version, with superseded_at, the position of the next one.\nOne query, and only reading: SELECT, EXPLAIN, SHOW, DESCRIBE. Registers hold public columns\nonly: no sealed field is in them, so nothing personal can appear."
)]
pub struct Sql {
    /// The query.
    #[arg(required_unless_present_any = ["file", "tables"], value_name = "QUERY")]
    query: Option<String>,
    /// The file of the query, instead.
    #[arg(long, value_name = "FILE", conflicts_with = "query")]
    file: Option<PathBuf>,
    /// List the tables with their columns and types.
    #[arg(long, conflicts_with_all = ["query", "file", "csv", "limit"])]
    tables: bool,
    /// A position, an RFC 3339 time, a date (its end), or the file of a checkpoint.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    as_of: Option<String>,
    /// Comma-separated values, of all rows.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Rows of the table that are shown; with --csv and --json all are.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

/// Asks and prints.
pub async fn run(app: App, args: &Sql, output: &Output) -> Result<(), AppError> {
    let answered = answer(&app, args, output).await;
    app.close().await;
    answered
}

async fn answer(app: &App, args: &Sql, output: &Output) -> Result<(), AppError> {
    let session = app.sql_session(as_of(args.as_of.as_deref())?).await?;
    if args.tables {
        list(&session.tables(), output);
        return Ok(());
    }
    let text = match (&args.query, &args.file) {
        (Some(query), _) => query.clone(),
        (None, Some(path)) => {
            let bytes = read_at_most(path, MAX_QUERY_BYTES)?;
            String::from_utf8(bytes)
                .map_err(|_| AppError::Usage(format!("{} is not text in UTF-8", path.display())))?
        }
        (None, None) => String::new(),
    };
    let rows = session.query(&text).await?;
    if output.json || args.csv {
        return stream(rows, output).await;
    }
    print(rows, args.limit, &session, output).await
}

/// The tables, a line a column, or an object a table.
fn list(tables: &[TableInfo], output: &Output) {
    let mut cells = Vec::new();
    for listed in tables {
        let columns = listed.columns.iter().map(|column| {
            json!({ "name": column.name, "type": column.data, "nullable": column.nullable })
        });
        if output.json {
            let columns: Vec<_> = columns.collect();
            output.data(&json!({ "table": listed.name, "columns": columns }).to_string());
        }
        cells.extend(listed.columns.iter().map(|column| {
            let null = if column.nullable { "null" } else { "" };
            let cells = [&listed.name, &column.name, column.data, null];
            cells.map(str::to_owned).to_vec()
        }));
    }
    if !output.json {
        let lines = table(&cells, &[Side::Left; 4]);
        for line in &lines {
            output.data(line);
        }
    }
}

/// Every row, as it is found. A reader that closes the pipe has seen enough.
async fn stream(mut rows: Answer, output: &Output) -> Result<(), AppError> {
    let schema = rows.schema();
    let mut next = if output.json {
        Vec::new()
    } else {
        let names = schema.fields().iter().map(|field| field.name().clone());
        csv_lines(&[names.collect()])?
    };
    loop {
        match output.raw(&next) {
            Err(AppError::File { source, .. }) if source.kind() == ErrorKind::BrokenPipe => {
                return Ok(());
            }
            written => written?,
        }
        let Some(batch) = rows.next().await? else {
            return Ok(());
        };
        next = if output.json {
            json_lines(&batch)?
        } else {
            csv_lines(&texts(&batch)?)?
        };
    }
}

/// The first rows under the names of their columns.
async fn print(
    mut rows: Answer,
    limit: usize,
    session: &Session,
    output: &Output,
) -> Result<(), AppError> {
    let schema = rows.schema();
    let fields = schema.fields().iter();
    let sides: Vec<Side> = fields
        .clone()
        .map(|field| {
            if is_number(field.data_type()) {
                Side::Right
            } else {
                Side::Left
            }
        })
        .collect();
    let mut cells = vec![fields.map(|field| field.name().clone()).collect::<Vec<_>>()];
    let mut is_cut = false;
    while !is_cut && let Some(batch) = rows.next().await? {
        cells.extend(texts(&batch)?);
        is_cut = cells.len() - 1 > limit;
    }
    cells.truncate(limit.saturating_add(1));
    for cell in cells.iter_mut().flatten() {
        *cell = harmless(cell);
    }
    for line in table(&cells, &sides) {
        output.data(&line);
    }
    let (count, size) = (cells.len() - 1, session.size());
    if is_cut {
        output.say(
            &format!("the first {count} rows as of {size} entries; there are more: --limit N shows N, --csv and --json all"),
            &format!("截至第 {size} 条，仅显示前 {count} 行；--limit N 显示 N 行，--csv 与 --json 输出全部"),
        );
    } else {
        output.say(
            &format!("{count} rows as of {size} entries"),
            &format!("{count} 行，截至第 {size} 条"),
        );
    }
    Ok(())
}
