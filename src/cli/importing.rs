//! `import` and `simulate`.

use chrono::NaiveDate;

use super::args::{Import, Simulate};
use super::output::Output;
use crate::app::{App, AppError};
use crate::intake::{ImportOptions, ImportSummary};
use crate::model::time::{Timestamp, parse_date};
use crate::simulate::{self, Options, parse_faults};

fn date(text: &str, name: &str) -> Result<NaiveDate, AppError> {
    parse_date(text)
        .ok_or_else(|| AppError::Usage(format!("{name} {text} is no date; write 2014-06-30")))
}

/// Imports files.
pub async fn run(app: App, args: &Import, output: &Output) -> Result<(), AppError> {
    let until = args
        .until
        .as_deref()
        .map(|text| date(text, "--until"))
        .transpose()?;
    let options = ImportOptions {
        dry_run: args.dry_run,
        strict: args.strict,
        rejects_folder: args.rejects.clone(),
        batch_rows: args.batch_rows,
        within: None,
    };
    let summary = import(
        &app,
        &args.paths,
        &options,
        until.map(Timestamp::end_of),
        output,
    )
    .await;
    app.close().await;
    outcome(&summary?)
}

/// Imports with a progress bar and prints what became of the rows.
pub async fn import(
    app: &App,
    paths: &[std::path::PathBuf],
    options: &ImportOptions,
    until: Option<Timestamp>,
    output: &Output,
) -> Result<ImportSummary, AppError> {
    let bar = output.progress("rows", "行", None);
    let summary = app
        .import(paths, options, until, |receipt| {
            bar.set_position(receipt.rows);
            if output.json
                && let Ok(line) = serde_json::to_string(receipt)
            {
                output.data(&format!("{{\"committed\":{line}}}"));
            }
        })
        .await?;
    bar.finish_and_clear();
    print(&summary, app.ledger.simulated, output);
    Ok(summary)
}

fn print(summary: &ImportSummary, simulated: bool, output: &Output) {
    if output.json {
        let mut object = serde_json::json!({ "import": summary });
        object["simulated_clock"] = simulated.into();
        output.data(&object.to_string());
        return;
    }
    let heading = if output.chinese() {
        ["文件", "类别", "读入", "入账", "重复", "拒收"]
    } else {
        ["file", "kind", "read", "recorded", "replayed", "refused"]
    };
    let rows: Vec<Vec<String>> = summary
        .parts
        .iter()
        .map(|part| {
            let counts = [part.read, part.recorded, part.replayed, part.refused];
            let mut row = vec![part.name.clone(), part.kind.to_owned()];
            row.extend(counts.map(|count| count.to_string()));
            row
        })
        .collect();
    output.table(&heading, &rows);
    let erased = summary.total(|part| part.erased);
    if erased > 0 {
        output.say(
            &format!(
                "{erased} of the replayed records were erased since; nothing of them was restored"
            ),
            &format!("重复记录中有 {erased} 条此后已被擦除，未恢复任何内容"),
        );
    }
    if summary.dry_run {
        output.say("dry run: nothing was appended", "试运行：未写入任何内容");
    }
    if let Some(path) = &summary.rejects {
        let path = path.display();
        output.say(
            &format!("refused rows: {path}"),
            &format!("拒收的行：{path}"),
        );
    }
}

/// The exit code of an import: rows that were refused are said, and lose nothing.
pub fn outcome(summary: &ImportSummary) -> Result<(), AppError> {
    if let Some(stopped) = summary.stopped.first() {
        return Err(AppError::Stopped(stopped.clone()));
    }
    let refused = summary.total(|part| part.refused);
    if refused == 0 {
        return Ok(());
    }
    let file = summary
        .rejects
        .as_ref()
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    Err(AppError::RowsRefused { refused, file })
}

/// Makes a delivery.
pub fn simulate(args: &Simulate, output: &Output) -> Result<(), AppError> {
    let summary = if args.half_year {
        simulate::write_half_year(&args.output, args.seed)?
    } else {
        let options = Options {
            seed: args.seed,
            population: args.population,
            months: args.months,
            start: date(&args.start, "--start")?,
            births: args.births,
            villages: args.villages,
            faults: parse_faults(args.faults.as_deref().unwrap_or_default())?,
        };
        let bar = output.progress("rows", "行", None);
        let summary = simulate::write(&args.output, &options, &mut |rows| bar.set_position(rows))?;
        bar.finish_and_clear();
        summary
    };
    if output.json {
        let files: serde_json::Map<String, serde_json::Value> = summary
            .files
            .iter()
            .map(|file| (file.file.to_string(), file.rows.into()))
            .collect();
        output.data(&serde_json::json!({ "files": files, "rows": summary.total() }).to_string());
        return Ok(());
    }
    let heading = if output.chinese() {
        ["文件", "行数"]
    } else {
        ["file", "rows"]
    };
    let rows: Vec<Vec<String>> = summary
        .files
        .iter()
        .map(|file| vec![file.file.to_string(), file.rows.to_string()])
        .collect();
    output.table(&heading, &rows);
    Ok(())
}
