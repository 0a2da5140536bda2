//! What the benches need: arguments, a delivery, a ledger, and children of their own.
//!
//! Every contestant runs in a child process (this program again, with a hidden argument), so that
//! peaks of memory are its own. Nothing here asserts a time: figures depend on the machine, the
//! ratios of one run less so.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use vitaledger::app::{App, InitOptions};
use vitaledger::intake::{ImportOptions, ImportSummary};
use vitaledger::simulate;

/// Births when `--births` is not given.
const BIRTHS: u64 = 200_000;
/// The hidden argument that makes this program a contestant.
const CHILD: &str = "--child";

/// What this process is to do.
pub enum Task {
    /// Run everything with so many births.
    All(u64),
    /// Be one contestant in a folder.
    Child(String, PathBuf),
}

/// Reads the arguments; `cargo bench` adds `--bench`.
pub fn task() -> Result<Task> {
    let mut births = BIRTHS;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--births" => {
                let value = arguments.next().context("--births needs a number")?;
                births = value.replace(['_', ','], "").parse()?;
            }
            CHILD => {
                let name = arguments.next().context("no contestant")?;
                let folder = arguments.next().context("no folder")?;
                return Ok(Task::Child(name, folder.into()));
            }
            other => bail!("unknown argument {other}; known is --births N"),
        }
    }
    ensure!(births >= 1_000, "at least 1,000 births");
    Ok(Task::All(births))
}

/// What a contestant measured, by name.
pub struct Figures(Vec<(String, f64)>);

impl Figures {
    /// Reads what a contestant said.
    pub fn parse(text: &str) -> Result<Self> {
        let figure = |line: &str| {
            let (name, value) = line.split_once(' ').context("no figure")?;
            Ok((name.to_owned(), value.parse()?))
        };
        text.lines().map(figure).collect::<Result<_>>().map(Self)
    }

    /// A figure; absent is a mistake of the bench.
    pub fn get(&self, name: &str) -> Result<f64> {
        let found = self.0.iter().find(|(other, _)| other == name);
        Ok(found
            .with_context(|| format!("the contestant did not say {name}"))?
            .1)
    }

    /// Units a second, of units under one name and seconds under another.
    pub fn rate(&self, units: &str, seconds: &str) -> Result<f64> {
        Ok(self.get(units)? / self.get(seconds)?)
    }
}

/// Runs a contestant in a process of its own.
pub fn child(name: &str, folder: &Path) -> Result<Figures> {
    let output = Command::new(std::env::current_exe()?)
        .args([CHILD, name])
        .arg(folder)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "{name} failed");
    Figures::parse(&String::from_utf8(output.stdout)?)
}

/// Says a figure to the process that started this one.
pub fn say(name: &str, value: f64) {
    println!("{name} {value}");
}

/// Seconds as a number, not zero.
pub fn seconds(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64().max(1e-9)
}

/// Says the largest memory that this process has had, in MiB (`VmHWM`); 0 where the system does
/// not tell.
pub fn say_peak() {
    say_peak_as("peak_mib");
}

/// The same under another name.
pub fn say_peak_as(name: &str) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    say(name, kib.unwrap_or_default() / 1024.0);
}

/// Writes offices and exactly so many births to `folder/delivery`.
pub fn deliver(folder: &Path, births: u64) -> Result<()> {
    let whole = folder.join("whole");
    let options = simulate::Options {
        births: Some(births),
        villages: 60,
        ..simulate::Options::default()
    };
    simulate::write(&whole, &options, &mut |_| ())?;
    let delivery = folder.join("delivery");
    std::fs::create_dir(&delivery)?;
    std::fs::rename(whole.join("offices.csv"), delivery.join("offices.csv"))?;
    // The hospitals report most births again, so there are more rows than were asked for.
    let mut rows = BufReader::new(std::fs::File::open(whole.join("births.csv"))?);
    let mut kept = BufWriter::new(std::fs::File::create(delivery.join("births.csv"))?);
    let mut line = Vec::new();
    for _ in 0..=births {
        line.clear();
        ensure!(rows.read_until(b'\n', &mut line)? > 0, "too few births");
        kept.write_all(&line)?;
    }
    kept.flush()?;
    std::fs::remove_dir_all(whole)?;
    Ok(())
}

/// Makes a ledger in `folder/name` of what [`deliver`] wrote; gives what became of the births.
pub async fn import(folder: &Path, name: &str, simulated_clock: bool) -> Result<(u64, Duration)> {
    let options = InitOptions {
        simulated_clock,
        ..InitOptions::default()
    };
    let app = ledger(folder, name, &options).await?;
    let imported = import_births(&app, folder).await?;
    app.close().await;
    Ok(imported)
}

fn options(folder: &Path) -> ImportOptions {
    ImportOptions {
        dry_run: false,
        strict: false,
        rejects_folder: folder.to_owned(),
        batch_rows: vitaledger::intake::BATCH_ROWS,
        within: None,
    }
}

/// Makes a ledger in `folder/name` with the offices of what [`deliver`] wrote.
pub async fn ledger(folder: &Path, name: &str, init: &InitOptions) -> Result<App> {
    let app = App::init(&folder.join(name), init).await?;
    // Offices are few and go in one by one: not what is measured.
    let offices = [folder.join("delivery/offices.csv")];
    app.import(&offices, &options(folder), None, |_| ()).await?;
    Ok(app)
}

/// Imports the births that [`deliver`] wrote; gives how many were recorded, and in what time.
pub async fn import_births(app: &App, folder: &Path) -> Result<(u64, Duration)> {
    let births = [folder.join("delivery/births.csv")];
    let started = std::time::Instant::now();
    let summary: ImportSummary = app.import(&births, &options(folder), None, |_| ()).await?;
    let elapsed = started.elapsed();
    ensure!(
        summary.total(|part| part.refused + part.replayed) == 0,
        "not every birth was recorded"
    );
    Ok((summary.total(|part| part.recorded), elapsed))
}
