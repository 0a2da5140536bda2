//! How long the rules of the audit take and how much memory, beside the same SQL in `DuckDB`.
//!
//! `cargo bench --bench audit -- [--records N]... [--keep FOLDER] [--rules FOLDER]`. A delivery of about so many
//! records is simulated, and the tables of the audit are made of it without a ledger: what opening
//! sealed fields takes is the ledger's. Both engines load these tables from the same Parquet files
//! into memory. Rules that use functions of the program are not asked of `DuckDB`. It comes from
//! `PyPI`; where it cannot be had, the bench says so and goes on without it.

#![expect(clippy::print_stdout, reason = "a bench talks to its user")]

#[path = "support/duckdb.rs"]
mod duckdb;
#[allow(dead_code, reason = "other benches use the rest")]
mod support;
#[path = "support/tables.rs"]
mod tables;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_select::concat::concat_batches;
use clap::Parser;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use support::{Figures, child, say, say_peak, seconds};
use vitaledger::audit::casebook::PIECE;
use vitaledger::audit::catalogue::{Catalogue, Rule};
use vitaledger::audit::functions;
use vitaledger::audit::run::{Examination, Moment, offices};
use vitaledger::model::schema::RecordKind;
use vitaledger::simulate;

/// The script that asks `DuckDB`.
const SCRIPT: &str = include_str!("support/run_rules.py");
/// The file that names the folder of rules, empty for none.
const RULES: &str = "rules.path";
/// Residents of a village.
const VILLAGE: u64 = 500;

#[derive(Parser)]
struct Arguments {
    /// Records of a delivery; may be given several times.
    #[arg(long, default_values_t = [100_000, 1_000_000])]
    records: Vec<u64>,
    /// Where deliveries and tables are left.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Rules of one's own, as `audit run --rules` takes them.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
    /// To be one contestant in a folder.
    #[arg(long, hide = true, num_args = 2)]
    child: Option<Vec<PathBuf>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some([name, folder]) = arguments.child.as_deref() {
        match name.to_str() {
            Some("make") => make(folder)?,
            _ => run(folder).await?,
        }
        return Ok(());
    }
    let temporary = tempfile::tempdir()?;
    let folder = arguments.keep.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    for records in &arguments.records {
        let own = folder.join(records.to_string());
        let rules = arguments.rules.as_deref().unwrap_or(Path::new(""));
        compare(folder, &own, *records, rules)?;
    }
    Ok(())
}

fn compare(folder: &Path, own: &Path, records: u64, rules_folder: &Path) -> Result<()> {
    std::fs::create_dir_all(own)?;
    std::fs::write(own.join(RULES), rules_folder.display().to_string())?;
    std::fs::write(own.join("wanted"), records.to_string())?;
    let made = child("make", own)?;
    println!(
        "\n{} records of {} villages: simulated in {:.1} s, tables made in {:.1} s, peak {:.0} MiB",
        made.get("records")?,
        made.get("villages")?,
        made.get("simulate")?,
        made.get("tables")?,
        made.get("peak_mib")?
    );
    let ours = child("run", own)?;
    let theirs = ask_duckdb(folder, own);
    if let Err(error) = &theirs {
        println!("!!! DuckDB COULD NOT BE MEASURED: {error:#}");
    }
    let theirs = theirs.ok();
    println!(
        "{:<16} {:>10} {:>9} {:>10} {:>10} {:>9} {:>10} {:>7}",
        "", "seconds", "rows", "peak MiB", "DuckDB s", "rows", "peak MiB", "ratio"
    );
    for name in ["load", "views"] {
        line(name, name, &ours, theirs.as_ref())?;
    }
    for name in rules(own)?.rules.keys() {
        line(name, &format!("time/{name}"), &ours, theirs.as_ref())?;
    }
    let (all, peak) = (ours.get("all")?, ours.get("peak_mib")?);
    println!("{:<16} {all:>10.3} {:>9} {peak:>10.0}", "whole run", "");
    Ok(())
}

/// A rule on both engines; what `DuckDB` was not asked stays empty.
fn line(name: &str, time: &str, ours: &Figures, theirs: Option<&Figures>) -> Result<()> {
    let figure = |from: Option<&Figures>, what: &str, digits: usize| {
        let found = from.and_then(|from| from.get(what).ok());
        found.map_or_else(String::new, |found| format!("{found:.digits$}"))
    };
    let (rows, peak) = (format!("rows/{name}"), format!("peak/{name}"));
    let own = ours.get(time)?;
    let ratio = theirs.and_then(|theirs| theirs.get(time).ok());
    let ratio = ratio.map_or_else(String::new, |other| format!("{:.2}", own / other));
    println!(
        "{name:<16} {own:>10.4} {:>9} {:>10} {:>10} {:>9} {:>10} {ratio:>7}",
        figure(Some(ours), &rows, 0),
        figure(Some(ours), &peak, 0),
        figure(theirs, time, 4),
        figure(theirs, &rows, 0),
        figure(theirs, &peak, 0),
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const fn number(count: u64) -> f64 {
    count as f64
}

/// Simulates a delivery and writes the tables of the audit as Parquet.
fn make(folder: &Path) -> Result<()> {
    let wanted: u64 = std::fs::read_to_string(folder.join("wanted"))?.parse()?;
    let delivery = folder.join("delivery");
    if delivery.exists() {
        std::fs::remove_dir_all(&delivery)?;
    }
    // A quarter are residents, half of them more households, and most births are told twice.
    let population = wanted / 4;
    let options = simulate::Options {
        population,
        births: Some(wanted * 27 / 100),
        villages: u32::try_from(population.div_ceil(VILLAGE).clamp(12, 1_500))?,
        ..simulate::Options::default()
    };
    let started = Instant::now();
    simulate::write(&delivery, &options, &mut |_| ())?;
    say("simulate", seconds(started.elapsed()));
    let started = Instant::now();
    let made = tables::of(delivery.clone())?;
    for (name, batch) in &made.batches {
        write(folder, name, batch)?;
    }
    write(folder, "offices", &offices(&made.directory)?)?;
    let whole = |number: i64| Arc::new(Int64Array::from(vec![number])) as ArrayRef;
    let moment = [
        ("size", whole(i64::try_from(made.moment.size)?)),
        ("today", whole(made.moment.today)),
        ("last_month", whole(made.moment.last_month)),
    ];
    write(folder, "moment", &RecordBatch::try_from_iter(moment)?)?;
    say("tables", seconds(started.elapsed()));
    say("records", number(made.moment.size));
    say("villages", f64::from(options.villages));
    std::fs::remove_dir_all(delivery)?;
    say_peak();
    Ok(())
}

fn write(folder: &Path, name: &str, batch: &RecordBatch) -> Result<()> {
    let file = File::create(folder.join(format!("{name}.parquet")))?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None)?;
    writer.write(batch)?;
    writer.close()?;
    Ok(())
}

/// As many rows at once as the audit keeps together.
fn batches(folder: &Path, name: &str) -> Result<Vec<RecordBatch>> {
    let file = File::open(folder.join(format!("{name}.parquet")))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let reader = builder.with_batch_size(usize::try_from(PIECE)?).build()?;
    Ok(reader.collect::<Result<Vec<_>, _>>()?)
}

fn read(folder: &Path, name: &str) -> Result<RecordBatch> {
    let batches = batches(folder, name)?;
    let schema = batches.first().context("an empty table")?.schema();
    Ok(concat_batches(&schema, &batches)?)
}

fn only(batch: &RecordBatch, column: &str) -> Result<i64> {
    let column = batch.column_by_name(column).context("no such column")?;
    let column = column.as_any().downcast_ref::<Int64Array>();
    Ok(column.context("no whole number")?.value(0))
}

/// Forgets the largest memory so far, where the system allows it.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The catalogue without the rules about closed periods, of which a delivery has none.
fn rules(own: &Path) -> Result<Catalogue> {
    let mut catalogue = match std::fs::read_to_string(own.join(RULES))?.as_str() {
        "" => Catalogue::built_in(),
        folder => Catalogue::with_folder(Path::new(folder))?,
    };
    if let Some(fault) = catalogue.faults.first() {
        return Err(anyhow!("{fault}"));
    }
    let asked = |name: &str| !matches!(name, "RS1" | "RS2" | "TM2-closed");
    catalogue.rules.retain(|name, _| asked(name));
    Ok(catalogue)
}

/// Runs every rule alone, then the whole catalogue with what follows from it.
async fn run(folder: &Path) -> Result<()> {
    let started = Instant::now();
    let mut loaded = Vec::new();
    for kind in RecordKind::ALL {
        loaded.push((kind.file(), batches(folder, kind.file())?));
    }
    say("load", seconds(started.elapsed()));
    let moment = read(folder, "moment")?;
    let moment = Moment {
        size: u64::try_from(only(&moment, "size")?)?,
        today: only(&moment, "today")?,
        last_month: only(&moment, "last_month")?,
    };
    let catalogue = rules(folder)?;
    let started = Instant::now();
    let offices = read(folder, "offices")?;
    let examination = Examination::over(loaded, offices, moment, &catalogue).await?;
    say("views", seconds(started.elapsed()));
    for (name, rule) in &catalogue.rules {
        forget_peak();
        let started = Instant::now();
        let rows = examination.rows(rule).await;
        let rows = rows.map_err(|fault| anyhow!("{fault}"))?;
        say(&format!("time/{name}"), seconds(started.elapsed()));
        say(&format!("rows/{name}"), number(rows.len() as u64));
        support::say_peak_as(&format!("peak/{name}"));
    }
    forget_peak();
    let started = Instant::now();
    let run = examination.run(&catalogue).await;
    say("all", seconds(started.elapsed()));
    say("findings", number(run.findings.len() as u64));
    say_peak();
    Ok(())
}

/// Whether the rule asks nothing but what every engine of SQL knows.
fn is_plain(rule: &Rule) -> bool {
    let own = functions::all().map(|function| function.name);
    let mut own = own.chain([functions::each::NAME]);
    own.all(|name| !rule.sql.contains(&format!("{name}(")))
}

/// Lets `DuckDB` run the rules that it can.
fn ask_duckdb(folder: &Path, own: &Path) -> Result<Figures> {
    let python = duckdb::python(folder)?;
    let catalogue = rules(own)?;
    let kinds = RecordKind::ALL.map(RecordKind::file);
    let tables: Vec<&str> = kinds.into_iter().chain(["offices", "moment"]).collect();
    let views: Vec<_> = catalogue
        .views
        .iter()
        .map(|view| (&view.name, &view.sql))
        .collect();
    let plain = catalogue.rules.iter().filter(|(_, rule)| is_plain(rule));
    let rules: Vec<_> = plain.map(|(name, rule)| (name, &rule.sql)).collect();
    let asked = own.join("rules.json");
    let text = serde_json::json!({ "tables": tables, "views": views, "rules": rules });
    std::fs::write(&asked, text.to_string())?;
    let mut command = Command::new(&python);
    command.args(["-c", SCRIPT]).arg(own).arg(&asked);
    Figures::parse(&duckdb::done(&mut command)?)
}
