//! How many births a second clients get recorded, one command each, and how long each waits; on
//! SQLite and on PostgreSQL.
//!
//! `cargo bench --bench append -- [--clients 1,16,64,256] [--seconds 5] [--births 100000]
//! [--postgres ADDRESS]`. For every number of clients, one after the other on one machine:
//! - the ledger: all clients on one open ledger, drafts made before; each command is decided,
//!   sealed, hashed, appended, and answered once it is durable;
//! - bare inserts of the bytes that the ledger just wrote, entries and vault, in its own batches;
//! - the stock repositories (`sqlite-es`, `postgres-es`), a connection for each client, fields
//!   that were sealed before, without a vault.
//!
//! Then a file of births is imported into PostgreSQL, beside a bare insert of the same bytes in
//! the batches of the import. Without an address, in `VITALEDGER_TEST_POSTGRES` neither, a private
//! server is started.
#![expect(clippy::print_stdout, reason = "a bench talks to its user")]

#[path = "support/bare.rs"]
mod bare;
#[path = "support/load.rs"]
mod load;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/stock.rs"]
mod stock;
#[allow(dead_code, reason = "other benches use the rest")]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bare::Batch;
use clap::Parser;
use load::{Load, Plan};
use postgres::Server;
use stock::Sealed;
use support::{deliver, import_births, ledger};
use uuid::Uuid;
use vitaledger::app::{App, InitOptions};
use vitaledger::intake::{BATCH_ROWS, Delivery};
use vitaledger::ledger::aggregate::record::RecordEvent;
use vitaledger::ledger::request::{Answer, Command};
use vitaledger::model::entry::Entry;
use vitaledger::model::record::Draft;
use vitaledger::model::schema::RecordKind;
use vitaledger::store::location::Location;

/// Commands a second that the ledger does not reach.
const ENOUGH: u64 = 20_000;
/// Births whose fields are used again and again, under other numbers.
const DRAFTS: usize = 10_000;

#[derive(Parser)]
struct Options {
    /// Numbers of clients
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    clients: Vec<usize>,
    /// How long each is measured
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Births of the bulk import
    #[arg(long, default_value_t = 100_000)]
    births: u64,
    /// A PostgreSQL server, without a database
    #[arg(long, env = "VITALEDGER_TEST_POSTGRES", hide_env_values = true)]
    postgres: Option<String>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(options.births >= 1_000, "at least 1,000 births");
    ensure!(options.seconds > 0, "at least one second");
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    deliver(folder, options.births)?;
    let (cores, seconds) = (std::thread::available_parallelism()?, options.seconds);
    println!("births, a command each; {cores} cores, {seconds} s each");
    on_sqlite(&options, folder).await?;
    let Some(server) = Server::find(options.postgres.clone())? else {
        println!("\nLEFT OUT: everything on PostgreSQL. It is not installed, and no server is");
        println!("given with --postgres ADDRESS or VITALEDGER_TEST_POSTGRES.");
        return Ok(());
    };
    on_postgres(&options, folder, &server).await?;
    bulk(folder, &server).await
}

fn plans(options: &Options) -> impl Iterator<Item = Plan> {
    let measured = Duration::from_secs(options.seconds);
    let plan = move |clients: &usize| Plan {
        clients: *clients,
        measured,
    };
    options.clients.iter().map(plan)
}

async fn on_sqlite(options: &Options, folder: &Path) -> Result<()> {
    let app = Arc::new(ledger(folder, "sqlite", &InitOptions::default()).await?);
    let work = Work::new(&app, folder).await?;
    header("SQLite");
    for plan in plans(options) {
        let (own, batches) = work.own(plan).await?;
        let size = batch_size(&batches);
        let bare = bare::sqlite(&folder.join("bare"), batches, plan.measured).await?;
        let sealed = work.sealed().await?;
        let stock = stock::sqlite(plan, &folder.join("stock.db"), &sealed).await?;
        rows(plan, size, &own, &bare, ("stock sqlite-es", &stock));
    }
    drop(work);
    let app = Arc::into_inner(app).context("a client is left")?;
    app.close().await;
    Ok(())
}

async fn on_postgres(options: &Options, folder: &Path, server: &Server) -> Result<()> {
    let of_ledger = server.database().await?;
    let of_bare = server.database().await?;
    let of_stock = server.database().await?;
    let init = InitOptions {
        store: Location::Postgres(of_ledger.address.clone()),
        ..InitOptions::default()
    };
    let app = Arc::new(ledger(folder, "postgres", &init).await?);
    let work = Work::new(&app, folder).await?;
    header(&server.describe().await?);
    for plan in plans(options) {
        let (own, batches) = work.own(plan).await?;
        let size = batch_size(&batches);
        let bare = bare::postgres(&of_bare.address, batches, Some(plan.measured)).await?;
        let sealed = work.sealed().await?;
        let stock = stock::postgres(plan, &of_stock.address, &sealed).await?;
        rows(plan, size, &own, &bare, ("stock postgres-es", &stock));
    }
    drop(work);
    let app = Arc::into_inner(app).context("a client is left")?;
    app.close().await;
    for database in [of_ledger, of_bare, of_stock] {
        server.drop(database).await?;
    }
    Ok(())
}

/// The import of a file, beside bare inserts of the same bytes in batches of the same size.
async fn bulk(folder: &Path, server: &Server) -> Result<()> {
    let (of_ledger, of_bare) = (server.database().await?, server.database().await?);
    let init = InitOptions {
        store: Location::Postgres(of_ledger.address.clone()),
        ..InitOptions::default()
    };
    let app = ledger(folder, "bulk", &init).await?;
    let from = app.store().head().await?.size;
    let (births, elapsed) = import_births(&app, folder).await?;
    let batches = bare::batches(&app, from, from + births).await?;
    let batches = bare::rebatched(batches, BATCH_ROWS);
    let bare = bare::postgres(&of_bare.address, batches, None).await?;
    app.close().await;
    #[expect(clippy::cast_precision_loss, reason = "a count of births is small")]
    let import = births as f64 / elapsed.as_secs_f64();
    println!("\nimport of a file of {births} births into PostgreSQL, batches of {BATCH_ROWS}");
    println!("{:<46} {:>9} {:>8}", "", "records/s", "import");
    for (name, rate) in [
        ("import (parse, seal, hash, store, sign)", import),
        ("bare UNNEST inserts of the same bytes", bare.rate()),
    ] {
        println!("{name:<46} {rate:>9.0} {:>7.2}x", import / rate);
    }
    server.drop(of_ledger).await?;
    server.drop(of_bare).await
}

fn header(database: &str) {
    println!("\n{database}; the last column is the rate of the ledger over that of the line");
    println!(
        "{:>7}  {:<37} {:>9} {:>8} {:>8} {:>7} {:>8}",
        "clients", "", "events/s", "p50 ms", "p99 ms", "batch", "ledger"
    );
}

fn rows(plan: Plan, batch: f64, own: &Load, bare: &Load, stock: (&str, &Load)) {
    for (name, load, batch) in [
        ("ledger", own, batch),
        ("bare inserts, same bytes and batches", bare, batch),
        (stock.0, stock.1, 1.0),
    ] {
        let failed = match load.failed {
            0 => String::new(),
            failed => format!("  {failed} FAILED"),
        };
        println!(
            "{:>7}  {name:<37} {:>9.0} {:>8.2} {:>8.2} {batch:>7.1} {:>7.2}x{failed}",
            plan.clients,
            load.rate(),
            load.percentile(50),
            load.percentile(99),
            own.rate() / load.rate(),
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of entries are small")]
fn batch_size(batches: &[Batch]) -> f64 {
    let entries: usize = batches.iter().map(Batch::len).sum();
    entries as f64 / batches.len().max(1) as f64
}

/// What the clients of a ledger send.
struct Work {
    app: Arc<App>,
    drafts: Vec<Draft>,
}

impl Work {
    /// Reads births of the delivery.
    async fn new(app: &Arc<App>, folder: &Path) -> Result<Self> {
        let offices = app.offices(app.store().head().await?.size).await?;
        let delivery = Delivery::open(&[folder.join("delivery/births.csv")])?;
        let mut drafts = Vec::with_capacity(DRAFTS);
        for row in delivery.rows().take(DRAFTS) {
            let Ok(row) = row else {
                bail!("a birth cannot be read");
            };
            let draft = Draft::read(RecordKind::Birth, &row.cells.to_vec(), &offices);
            drafts.push(draft.ok().context("a birth is refused")?);
        }
        let app = app.clone();
        Ok(Self { app, drafts })
    }

    /// Runs the clients of the ledger; gives also what they had appended, in its batches.
    async fn own(&self, plan: Plan) -> Result<(Load, Vec<Batch>)> {
        let run_id = Uuid::now_v7();
        let drafts = self.drafts.iter().cycle().take(plan.commands(ENOUGH));
        let drafts = drafts.enumerate().map(|(number, draft)| {
            let mut draft = Box::new(draft.clone());
            draft.source_record_id = format!("{run_id}-{number}");
            draft
        });
        let app = self.app.clone();
        let context = Arc::new(app.context(None));
        let from = app.store().head().await?.size;
        let load = load::run(plan, drafts.collect(), move |draft| {
            let (app, context) = (app.clone(), context.clone());
            async move {
                let answer = app.ledger.execute_one(&context, Command::Record(draft));
                match answer.await? {
                    Ok(Answer::Appended(_)) => Ok(()),
                    Ok(Answer::Replayed { .. }) => bail!("a birth was recorded before"),
                    Err(refusal) => Err(refusal.into()),
                }
            }
        })
        .await?;
        let to = self.app.store().head().await?.size;
        Ok((load, bare::batches(&self.app, from, to).await?))
    }

    /// Births that the ledger has sealed, without their keys and ciphertexts.
    async fn sealed(&self) -> Result<Sealed> {
        let head = self.app.store().head().await?.size;
        let from = head.saturating_sub(DRAFTS as u64);
        let mut sealed = Vec::with_capacity(DRAFTS);
        for stored in self.app.store().entries(from, DRAFTS as u64).await? {
            let entry = Entry::parse(&stored.bytes)?;
            if entry.aggregate_type != "birth" {
                continue;
            }
            if let RecordEvent::Recorded {
                commitments,
                fields,
            } = serde_json::from_str(entry.payload.get())?
            {
                sealed.push((commitments, fields));
            }
        }
        ensure!(!sealed.is_empty(), "the ledger has no births");
        Ok(sealed)
    }
}
