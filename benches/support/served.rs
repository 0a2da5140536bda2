//! The program as a server, in a process of its own, and a ledger for it.
//!
//! What comes in: a folder, where the databases are. What goes out: a ledger with offices and
//! tokens; a running server with its memory and its time on the processors. What may fail: a server
//! that does not start; its log is in the folder of the ledger. What must stay true: the server is
//! the program that people run, with the settings that it has when nobody changes them, but for the
//! number of requests that one address may make and the number of streams.

use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use vitaledger::app::tokens::NewToken;
use vitaledger::app::{App, InitOptions};
use vitaledger::model::id::OfficeCode;
use vitaledger::model::time::Timestamp;
use vitaledger::store::access::TokenRole;
use vitaledger::store::location::Location;

use super::support::ledger;

/// The program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_vitaledger");
/// Streams that one token may have; so there are several tokens.
pub const STREAMS_OF_TOKEN: usize = 50;
/// As many streams as the program lets one ask for.
pub const MOST_STREAMS: usize = 9_000;
/// Births whose values are sent again and again, under other numbers.
pub const BIRTHS: u64 = 10_000;
/// The file of births in the folder of a bench, see [`tails`].
pub const TAILS: &str = "tails.json";
/// Of a process: hundredths of a second, which is what the system counts in.
const TICK: Duration = Duration::from_millis(10);

/// A ledger that was made for a server.
pub struct Prepared {
    /// Its folder.
    pub folder: PathBuf,
    /// The folder with the births, see [`tails`].
    births: PathBuf,
    /// Where its databases are, as the command line takes it.
    pub store: String,
    /// The secret of a registrar of all offices.
    registrar: String,
    /// Secrets of auditors of all offices.
    auditors: Vec<String>,
}

/// Writes the values of births as JSON, a birth a line, all but the beginning: whoever sends one
/// puts a number of its own before it.
pub fn tails(folder: &Path) -> Result<()> {
    let mut births = csv::Reader::from_path(folder.join("delivery/births.csv"))?;
    let names = births.headers()?.clone();
    let mut text = String::new();
    for birth in births.records() {
        let birth = birth?;
        let cells = names.iter().zip(&birth);
        let filled = cells.filter(|(name, cell)| *name != "source_record_id" && !cell.is_empty());
        for (name, cell) in filled {
            write!(text, ",{}:{}", json!(name), json!(cell))?;
        }
        text += "}\n";
    }
    std::fs::write(folder.join(TAILS), text)?;
    Ok(())
}

/// Makes a ledger with the offices of a delivery, and tokens for so many streams.
pub async fn prepare(folder: &Path, name: &str, store: &str, streams: usize) -> Result<Prepared> {
    let store_at: Location = store.parse()?;
    let init = InitOptions {
        store: store_at,
        ..InitOptions::default()
    };
    let app = ledger(folder, name, &init).await?;
    let top = top(folder)?;
    let registrar = token(&app, TokenRole::Registrar, top).await?;
    let mut auditors = Vec::new();
    for _ in 0..streams.div_ceil(STREAMS_OF_TOKEN).max(1) {
        auditors.push(token(&app, TokenRole::Auditor, top).await?);
    }
    app.close().await;
    Ok(Prepared {
        folder: folder.join(name),
        births: folder.to_owned(),
        store: store.to_owned(),
        registrar,
        auditors,
    })
}

/// The office above all others.
fn top(folder: &Path) -> Result<OfficeCode> {
    let mut offices = csv::Reader::from_path(folder.join("delivery/offices.csv"))?;
    let names = offices.headers()?.clone();
    let column = |name: &str| names.iter().position(|other| other == name);
    let (code, parent) = column("code").zip(column("parent")).context("no columns")?;
    let rows: Vec<_> = offices.records().collect::<Result<_, _>>()?;
    let mut tops = rows.iter().filter(|row| row[parent].is_empty());
    let top = tops.next().context("no office is above all others")?;
    ensure!(
        tops.next().is_none(),
        "several offices are above all others"
    );
    OfficeCode::parse(&top[code]).context("no code of an office")
}

async fn token(app: &App, role: TokenRole, office: OfficeCode) -> Result<String> {
    let new = NewToken {
        role,
        office,
        expires_at: Timestamp::parse_moment("2999-12-31").context("no day")?,
        name: None,
    };
    Ok(app.create_token(&new).await?.secret.to_string())
}

/// A process whose time and memory can be read.
#[derive(Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// This one.
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// The memory that it has now, in kB.
    pub fn memory_kb(self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let line = line.context("the system does not tell the memory of a process")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// How long it was on a processor, so far.
    pub fn busy(self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // After the name, which may hold anything, in brackets.
        let (_, rest) = stat.rsplit_once(')').context("no name of a process")?;
        let ticks = rest.split_whitespace().skip(11).take(2);
        let ticks: Vec<u32> = ticks.map(str::parse).collect::<Result<_, _>>()?;
        Ok(TICK * ticks.iter().sum::<u32>())
    }

    /// The same since it was so long.
    pub fn busy_since(self, before: Duration) -> Result<Duration> {
        Ok(self.busy()?.saturating_sub(before))
    }
}

/// A server as its clients see it.
#[derive(Clone)]
pub struct Target {
    /// The folder with the births.
    pub births: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process.
    pub process: Process,
    /// The secret of who records.
    pub registrar: String,
    /// Secrets of those who are told.
    pub auditors: Vec<String>,
}

/// A running server.
pub struct Served {
    child: Child,
    /// How to ask it.
    pub target: Target,
}

impl Served {
    /// Starts the program over a ledger.
    pub fn start(ledger: &Prepared) -> Result<Self> {
        let log = File::create(ledger.folder.join("server.log"))?;
        let mut child = Command::new(PROGRAM)
            .arg("--dir")
            .arg(&ledger.folder)
            .args(["--store", &ledger.store])
            .args(["serve", "--listen", "127.0.0.1:0", "--rate", "1000000"])
            .args(["--max-streams", &MOST_STREAMS.to_string()])
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let said = child.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        let address = line.trim().trim_start_matches("http://").parse();
        let address = address.with_context(|| format!("the server does not start: {line:?}"))?;
        let target = Target {
            births: ledger.births.clone(),
            address,
            process: Process(child.id()),
            registrar: ledger.registrar.clone(),
            auditors: ledger.auditors.clone(),
        };
        Ok(Self { child, target })
    }

    /// Lets it end in order.
    pub fn stop(mut self) -> Result<()> {
        let term = format!("kill -TERM {}", self.child.id());
        Command::new("sh").args(["-c", &term]).status()?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // After a failure only: otherwise it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
