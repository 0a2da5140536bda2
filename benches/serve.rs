//! What the server does a second and how soon: births recorded over HTTP, subscribers told of them,
//! memory of those that wait; on SQLite and on PostgreSQL, beside `UmaDB`.
//!
//! `cargo bench --bench serve -- [--store both|sqlite|postgres] [--clients 64] [--seconds 10]
//! [--subscribers 1,100,1000] [--rates 100,1000] [--idle 1000] [--postgres ADDRESS]
//! [--umadb FOLDER]`. The server is the program itself in a process of its own, with the settings
//! that it has when nobody changes them, but for the requests of an address and the streams. All of
//! it is on one machine: who asks takes its processors, too, and how much is in the tables.
//! - recording: `wrk` (Debian: `apt-get install wrk`), each connection sends its next birth when
//!   the last was answered, which is when it is durable;
//! - telling: births come in at a fixed rate, in a batch every 20 ms, and subscribers note when they
//!   are told of which, and again with streams in gzip, where they can unpack as much; beside it, the
//!   same subscribers on a server that has the events ready-made and keeps nothing;
//! - memory: what the server has with streams that are told nothing, less what it has without;
//! - catching up: everything from the start, over one stream and page by page.
//!
//! The same of `UmaDB` (from `PyPI`, into `~/.cache/vitaledger-interop/umadb` or the folder that is
//! given; `h2load` of Debian's `nghttp2-client` asks it): events of as many bytes as a birth takes
//! in the ledger and its vault.
#![expect(clippy::print_stdout, reason = "a bench talks to its user")]

#[allow(dead_code, reason = "other benches use the rest")]
#[path = "support/bare.rs"]
mod bare;
#[path = "support/fan_out.rs"]
mod fan_out;
#[allow(dead_code, reason = "other benches use the rest")]
#[path = "support/load.rs"]
mod load;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/ready_made.rs"]
mod ready_made;
#[path = "support/served.rs"]
mod served;
#[allow(dead_code, reason = "other benches use the rest")]
#[path = "support/stock.rs"]
mod stock;
#[path = "support/subscribers.rs"]
mod subscribers;
#[allow(dead_code, reason = "other benches use the rest")]
mod support;
#[path = "support/umadb.rs"]
mod umadb;
#[path = "support/writer.rs"]
mod writer;
#[path = "support/wrk.rs"]
mod wrk;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use postgres::Server;
use ready_made::ReadyMade;
use served::{MOST_STREAMS, Prepared, Served, Target};
use subscribers::Coding;
use support::deliver;
use umadb::Baseline;
use vitaledger::app::App;
use writer::BATCHES;
use wrk::Recorded;

/// Events a second, of all clients together, that they are asked to unpack.
const MOST_UNPACKED: u64 = 200_000;
/// Files that are open beside the streams, and room for the rest.
const FILES: usize = 200;

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Store {
    Both,
    Sqlite,
    Postgres,
}

#[derive(Parser)]
struct Options {
    /// On which databases
    #[arg(long, value_enum, default_value = "both")]
    store: Store,
    /// Connections that record
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// How long each is measured
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Numbers of subscribers
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1_000])]
    subscribers: Vec<usize>,
    /// Births a second that subscribers are told of
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000])]
    rates: Vec<u32>,
    /// Streams that are told nothing
    #[arg(long, default_value_t = 1_000)]
    idle: usize,
    /// A PostgreSQL server, without a database
    #[arg(long, env = "VITALEDGER_TEST_POSTGRES", hide_env_values = true)]
    postgres: Option<String>,
    /// Where `UmaDB` is, or is to be installed
    #[arg(long, env = "VITALEDGER_BENCH_UMADB")]
    umadb: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// To be the server of ready-made events, of so many bytes
    #[arg(long, hide = true)]
    child: Option<usize>,
}

impl Options {
    fn measured(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn most_streams(&self) -> usize {
        let most = self.subscribers.iter().copied().max();
        most.unwrap_or(0).max(self.idle)
    }
}

/// What is compared in the end.
struct Line {
    name: String,
    recorded: Option<Recorded>,
    /// Events a second, over a stream and page by page.
    caught_up: (f64, f64),
    /// Bytes of an event as it is told.
    event_bytes: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(bytes) = options.child {
        return ready_made::serve(bytes).await;
    }
    ensure!(options.seconds > 0, "at least one second");
    ensure!(
        options.most_streams() <= MOST_STREAMS,
        "at most {MOST_STREAMS} streams"
    );
    let is_paced = options.rates.iter().all(|rate| rate % BATCHES == 0);
    ensure!(is_paced, "rates are multiples of {BATCHES}");
    check_files(options.most_streams())?;
    if !wrk::is_there() {
        println!("!!! LEFT OUT: recording. wrk is not there: apt-get install wrk");
    }
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    deliver(folder, served::BIRTHS)?;
    served::tails(folder)?;
    let cores = std::thread::available_parallelism()?;
    println!(
        "{cores} cores for server and clients together, {} s each",
        options.seconds
    );
    let mut lines = Vec::new();
    let mut bytes = None;
    if options.store != Store::Postgres {
        let ledger = served::prepare(folder, "sqlite", "sqlite", options.most_streams()).await?;
        lines.push(on(&options, folder, &ledger, "SQLite").await?);
        bytes = Some(birth_bytes(&ledger).await?);
    }
    if options.store != Store::Sqlite {
        if let Some(server) = Server::find(options.postgres.clone())? {
            let database = server.database().await?;
            let address = &database.address;
            let ledger =
                served::prepare(folder, "postgres", address, options.most_streams()).await?;
            let name = server.describe().await?;
            // Without what Debian calls it.
            let name = name.split(" (").next().unwrap_or_default();
            lines.push(on(&options, folder, &ledger, name).await?);
            bytes = Some(birth_bytes(&ledger).await?);
            server.drop(database).await?;
        } else {
            println!(
                "\n!!! LEFT OUT: everything on PostgreSQL. It is not installed, and no server"
            );
            println!("is given with --postgres ADDRESS or VITALEDGER_TEST_POSTGRES.");
        }
    }
    if let Some(line) = lines.first() {
        let bytes = line.event_bytes;
        println!("\nready-made events of {bytes} bytes, over bare TCP: what this machine gives");
        let ready_made = ReadyMade::start(bytes)?;
        let target = ready_made.target(folder, options.most_streams());
        telling(&options, &target, &[Coding::Plain]).await?;
    }
    let bytes = bytes.unwrap_or(2_000);
    let baseline = baseline(&options, folder, bytes);
    if let Err(error) = &baseline {
        println!(
            "\n!!! LEFT OUT: UmaDB: {error:#}. It comes from PyPI (python3 -m venv and pip must"
        );
        println!("work), and h2load from Debian: apt-get install python3-venv nghttp2-client");
    }
    compare(&options, &lines, baseline.ok().as_ref(), bytes);
    Ok(())
}

/// Streams need open files, here and in the server.
fn check_files(streams: usize) -> Result<()> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    let needed = streams + FILES;
    let is_enough = soft.is_none_or(|soft| soft >= needed);
    ensure!(
        is_enough,
        "{streams} streams need more open files: ulimit -n {needed}"
    );
    Ok(())
}

/// Everything on one database.
async fn on(options: &Options, folder: &Path, ledger: &Prepared, name: &str) -> Result<Line> {
    println!("\n{name}");
    let served = Served::start(ledger)?;
    let target = &served.target;
    if options.idle > 0 {
        let (one, without) = fan_out::memory(target, options.idle).await?;
        println!(
            "memory: {one:.1} kB for each of {} idle streams, {:.0} MB without any",
            options.idle,
            without / 1024.0
        );
    }
    telling(options, target, &[Coding::Plain, Coding::Gzip]).await?;
    let recorded = wrk::is_there()
        .then(|| wrk::run(folder, target, options.clients, options.measured()))
        .transpose()?;
    let (address, auditor) = (target.address, target.auditors[0].clone());
    let last = last(address, &auditor)?;
    let stream = subscribers::catch_up(address, &auditor, last).await?;
    let pages = tokio::task::spawn_blocking(move || writer::catch_up(address, &auditor, last));
    let (pages, bytes) = pages.await??;
    served.stop()?;
    #[expect(clippy::cast_precision_loss, reason = "a count of events is small")]
    let rate = |took: Duration| (last + 1) as f64 / took.as_secs_f64();
    Ok(Line {
        name: name.to_owned(),
        recorded,
        caught_up: (rate(stream), rate(pages)),
        event_bytes: bytes / usize::try_from(last + 1)?,
    })
}

/// Subscribers in all numbers, at all rates.
async fn telling(options: &Options, target: &Target, codings: &[Coding]) -> Result<()> {
    println!("ms from the writer's answer (and from the sending of the batch) until it was told");
    println!(
        "{:>9} {:>7} {:>8} {:>9} {:>15} {:>15} {:>15} {:>7} {:>8} {:>7} {:>7}",
        "", "births", "births", "events", "", "", "", "server", "clients", "server", "bytes"
    );
    println!(
        "{:>9} {:>7} {:>8} {:>9} {:>15} {:>15} {:>15} {:>7} {:>8} {:>7} {:>7}",
        "listen", "/s", "/s done", "/s told", "p50", "p99", "max", "cores", "cores", "MB", "/event"
    );
    let counts = options.subscribers.iter();
    let counts = counts.flat_map(|count| codings.iter().map(move |coding| (count, *coding)));
    for (count, coding) in counts {
        let way = if coding == Coding::Gzip { "gz" } else { "" };
        for rate in &options.rates {
            // Beyond, it would be measured how fast the clients unpack.
            if coding == Coding::Gzip && u64::from(*rate) * *count as u64 > MOST_UNPACKED {
                continue;
            }
            let out = fan_out::run(target, (*count, coding), *rate, options.measured()).await?;
            let both = |per_cent| {
                let (answer, sent) = (&out.since_answer, &out.since_sent);
                format!(
                    "{:.1} ({:.1})",
                    answer.percentile(per_cent),
                    sent.percentile(per_cent)
                )
            };
            println!(
                "{count:>6} {way:>2} {rate:>7} {:>8.0} {:>9.0} {:>15} {:>15} {:>15} {:>7.2} {:>8.2} {:>7.0} {:>7}",
                out.recorded,
                out.told,
                both(50),
                both(99),
                both(100),
                out.server_busy,
                out.clients_busy,
                out.memory_kb / 1024.0,
                out.event_bytes
            );
            if out.wrong > 0 || out.late > 0 {
                println!(
                    "!!! {} positions were left out or told twice; {} subscribers were not told of \
                     everything within a minute",
                    out.wrong, out.late
                );
            }
        }
    }
    Ok(())
}

/// The last position that there is: what a stream that begins now says first.
fn last(address: std::net::SocketAddr, secret: &str) -> Result<u64> {
    let mut connection = writer::Connection::new(address, secret)?;
    let answer = connection.ask("GET", "/v1/events?from=now", "")?;
    let from = answer.head.split_once("from=").map(|(_, rest)| rest);
    let digits = from
        .and_then(|from| from.split('>').next())
        .unwrap_or_default();
    Ok(digits.parse::<u64>()?.saturating_sub(1))
}

/// Bytes of a birth in the ledger and its vault.
async fn birth_bytes(ledger: &Prepared) -> Result<usize> {
    let app = App::open_at(&ledger.folder, &ledger.store.parse()?).await?;
    let size = app.store().head().await?.size;
    let batches = bare::batches(&app, size.saturating_sub(1_000), size).await?;
    app.close().await;
    let entries: usize = batches.iter().map(bare::Batch::len).sum();
    let bytes: usize = batches.iter().map(bare::Batch::bytes).sum();
    Ok(bytes / entries.max(1))
}

fn baseline(options: &Options, folder: &Path, bytes: usize) -> Result<Baseline> {
    let given = options.umadb.clone();
    let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")));
    let of_cache = home.map(|home| home.join("vitaledger-interop/umadb"));
    let place = given
        .or(of_cache)
        .unwrap_or_else(|| folder.join("umadb-programs"));
    let programs = umadb::find(&place)?;
    umadb::run(
        &programs,
        folder,
        bytes,
        options.clients,
        options.measured(),
    )
}

/// The ledger beside `UmaDB`.
fn compare(options: &Options, lines: &[Line], baseline: Option<&Baseline>, bytes: usize) {
    println!(
        "\none birth a request, {} connections; events of {bytes} bytes",
        options.clients
    );
    println!(
        "{:<22} {:>9} {:>8} {:>8} {:>8} {:>7} {:>9}",
        "recorded", "events/s", "p50 ms", "p99 ms", "max ms", "us/cpu", "of UmaDB"
    );
    let ratio = |own: f64, other: fn(&Baseline) -> f64| {
        baseline.map_or_else(String::new, |base| format!("{:.2}x", own / other(base)))
    };
    for line in lines {
        let Some(of) = &line.recorded else { continue };
        let (rate, ratio) = (of.rate, ratio(of.rate, |base| base.append.rate()));
        println!(
            "{:<22} {rate:>9.0} {:>8.2} {:>8.2} {:>8.2} {:>7.0} {ratio:>9}",
            line.name, of.p50, of.p99, of.max, of.busy_us
        );
        if of.failed > 0.0 {
            println!("!!! {} were not recorded", of.failed);
        }
    }
    if let Some(base) = baseline {
        let load = &base.append;
        println!(
            "{:<22} {:>9.0} {:>8.2} {:>8.2} {:>8.2} {:>7.0}",
            "UmaDB, h2load",
            load.rate(),
            load.percentile(50),
            load.percentile(99),
            load.percentile(100),
            base.append_busy_us
        );
    }
    println!(
        "\n{:<22} {:>9} {:>9}",
        "read from the start", "events/s", "of UmaDB"
    );
    for line in lines {
        for (way, rate) in [("a stream", line.caught_up.0), ("pages", line.caught_up.1)] {
            let name = format!("{}, {way}", line.name);
            println!(
                "{name:<22} {rate:>9.0} {:>9}",
                ratio(rate, |base| base.read)
            );
        }
    }
    if let Some(base) = baseline {
        println!("{:<22} {:>9.0}", "UmaDB, one Read", base.read);
        println!(
            "(UmaDB takes {:.1} us of a processor for an event that is read)",
            base.read_busy_us
        );
    }
}
