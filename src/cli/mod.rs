//! The command line: the only module that prints or exits.
//!
//! What comes in: arguments, files, and a JSON object on standard input. What goes out: data on
//! standard output, talk and progress on standard error, and an exit code with one meaning each
//! (see [`crate::app::error::exit`]). What may fail: everything below; the message says what,
//! where, and what to do. What must stay true: a personal field is shown only after `--unseal`
//! with a purpose, and that is an entry of its own.

mod args;
mod audit;
mod backtest;
mod backup;
mod bisect;
mod blame;
mod delivering;
mod demo;
mod diff;
mod erase;
mod explain;
mod export;
mod findings;
mod history;
mod importing;
mod keys;
mod log;
mod login;
mod new_file;
mod output;
mod period;
mod plan;
mod proofs;
mod record;
mod register_files;
mod registers;
mod replay;
mod report;
mod returns;
mod serve;
mod show;
mod sql;
mod stopping;
mod subscription;
mod token;
mod trust;
mod verify;
mod webhook;
mod witness;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::args::{Arguments, Command};
use self::output::Output;
use crate::app::error::exit;
use crate::app::{App, AppError, InitOptions};
use crate::store::location::Location;

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            // Nothing can be said when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let output = Output::new(&arguments);
    start_tracing(&arguments);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output.say(&format!("error: {error}"), &format!("错误：{error}"));
            return ExitCode::from(exit::UNEXPECTED);
        }
    };
    match runtime.block_on(dispatch(arguments, &output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Logs to standard error as `RUST_LOG` asks; by default nothing, but what the server does. With
/// `--json`, an object a line.
fn start_tracing(arguments: &Arguments) {
    let default = match arguments.command {
        Command::Serve(_) => "info",
        _ => "off",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second start in one process keeps the first: harmless.
    let _ = if arguments.json {
        log.json().flatten_event(true).try_init()
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
}

/// The ledger's folder, or the exported one that is verified.
fn folder_of(arguments: &Arguments) -> std::path::PathBuf {
    match &arguments.command {
        Command::Verify(args) => args.folder.as_ref().unwrap_or(&arguments.dir).clone(),
        _ => arguments.dir.clone(),
    }
}

async fn dispatch(arguments: Arguments, output: &Output) -> Result<(), AppError> {
    let folder = folder_of(&arguments);
    let store: Location = arguments.store.parse()?;
    let open = async || -> Result<App, AppError> {
        let mut app = App::open_at(&folder, &store).await?;
        app.actor.clone_from(&arguments.actor);
        output.note_clock(&app);
        Ok(app)
    };
    let append = async || -> Result<App, AppError> {
        let app = open().await?;
        output.note_rotation(&app);
        output.note_missing_key(&app).await?;
        output.note_publication(&app).await?;
        Ok(app)
    };
    match arguments.command {
        Command::Init {
            simulated_clock,
            origin,
        } => {
            let options = InitOptions {
                simulated_clock,
                origin,
                store: store.clone(),
            };
            init(&folder, &options, output).await
        }
        Command::Import(args) => importing::run(append().await?, &args, output).await,
        Command::Record(args) => record::record(append().await?, &args, output).await,
        Command::Correct(args) => record::correct(append().await?, &args, output).await,
        Command::Void(args) => record::void(append().await?, &args, output).await,
        Command::Show(args) => show::run(open().await?, &args, output).await,
        Command::Log(args) => log::run(open().await?, &args, output).await,
        Command::Registers(args) => registers::run(open().await?, &args, output).await,
        Command::Audit { audit } => audit::run(append().await?, &audit, output).await,
        Command::Findings(args) => findings::list(append().await?, &args, output).await,
        Command::Finding { step } => findings::step(append().await?, step, output).await,
        Command::Sql(args) => sql::run(open().await?, &args, output).await,
        Command::History(asked) => history::run(open().await?, &asked, output).await,
        Command::Report { report } => report::run(open().await?, &report, output).await,
        Command::Export { export } => export::run(open().await?, &export, output).await,
        Command::Period { period } => period::run(append().await?, &period, output).await,
        Command::Return { command } => returns::run(append().await?, &command, output).await,
        Command::Verify(args) if verify::is_exported(&folder) => {
            verify::exported(&folder, &args, output).await
        }
        Command::ExportLog(args) => proofs::export_log(open().await?, &args, output).await,
        Command::Prove(args) => proofs::prove(open().await?, &args, output).await,
        Command::CheckProof(args) => proofs::check_proof(&args, output),
        Command::Evidence(args) => proofs::evidence(open().await?, &args, output).await,
        Command::CheckEvidence(args) => proofs::check_evidence(&args, output),
        Command::Verify(args) => verify::run(open().await?, &args, output).await,
        Command::Checkpoint => checkpoint(open().await?, output).await,
        Command::Backup(args) => backup::backup(open().await?, &store, &args, output).await,
        Command::Restore(args) => {
            backup::restore(&folder, &store, &arguments.actor, &args, output).await
        }
        Command::Erase(args) => erase::run(append().await?, &args, output).await,
        Command::Keys { keys } => keys::run(open().await?, &keys, output).await,
        Command::Subscription { act } => subscription::run(open().await?, &act, output).await,
        Command::Token { token } => token::run(append().await?, &token, output).await,
        Command::Serve(args) => serve::run(append().await?, &args, output).await,
        Command::Witness { witness } => witness::run(&witness, output).await,
        Command::Simulate(args) => importing::simulate(&args, output),
        Command::Demo(args) => demo::run(&args, output).await,
        Command::Completions { shell } => completions(shell),
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands among commands that may fail"
)]
fn completions(shell: clap_complete::Shell) -> Result<(), AppError> {
    let mut command = Arguments::command();
    clap_complete::generate(shell, &mut command, "vitaledger", &mut std::io::stdout());
    Ok(())
}

async fn init(folder: &Path, options: &InitOptions, output: &Output) -> Result<(), AppError> {
    let app = App::init(folder, options).await?;
    output.note_clock(&app);
    init_done(&app, output);
    app.close().await;
    Ok(())
}

fn init_done(app: &App, output: &Output) {
    let key = app
        .verifier_keys
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    let folder = app.folder.display();
    if output.json {
        output.data(
            &serde_json::json!({
                "folder": folder.to_string(),
                "ledger_id": app.ledger.id,
                "origin": app.origin,
                "verifier_key": key,
                "simulated_clock": app.ledger.simulated,
            })
            .to_string(),
        );
        return;
    }
    output.data(output.pick(
        &format!(
            "created {folder}\norigin        {}\nverifier key  {key}\n\nKeep {folder}/keys safe and apart from backups of the databases: it signs,\nit opens sealed fields, and it knows what was signed last.",
            app.origin
        ),
        &format!(
            "已创建 {folder}\n日志来源  {}\n验证公钥  {key}\n\n请妥善保管 {folder}/keys，并与数据库备份分开存放：其中有签名密钥、\n密封字段的主密钥，以及最近一次签名的记录。",
            app.origin
        ),
    ));
}

async fn checkpoint(app: App, output: &Output) -> Result<(), AppError> {
    // What was sealed while witnesses were away is published now, if they are back.
    let published = app.publish().await;
    let note = app.published_note().await;
    let noted = output.note_publication(&app).await;
    app.close().await;
    published?;
    let note = note?;
    noted?;
    output.raw(&note)
}
