//! A PostgreSQL server for the benches, and databases on it.
//!
//! What comes in: the address of a server, or none; then a private one is started in a temporary
//! folder, if PostgreSQL is installed. What goes out: new databases, which are dropped at the end.
//! What may fail: a server that does not start. What must stay true: what is measured is as
//! durable as a server is unless told otherwise.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

/// More than any sensible number of clients.
const CONNECTIONS: usize = 600;

/// A server.
pub struct Server {
    /// Its address, without a database.
    address: String,
    private: Option<Private>,
}

/// A server that this process started.
struct Private {
    programs: PathBuf,
    folder: TempDir,
}

fn is_root() -> bool {
    #[cfg(unix)]
    return std::fs::metadata("/proc/self")
        .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    #[cfg(not(unix))]
    return false;
}

/// A program of PostgreSQL, which refuses to run as root.
fn program(path: &Path) -> Command {
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(path);
    command
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("failed to run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

/// The folder of the newest PostgreSQL server that is installed.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("bin/initdb").exists())
        .max_by_key(version)?;
    Some(newest.join("bin"))
}

impl Server {
    /// The server at an address, or a private one; none when PostgreSQL is not installed.
    pub fn find(address: Option<String>) -> Result<Option<Self>> {
        if let Some(address) = address {
            let private = None;
            return Ok(Some(Self { address, private }));
        }
        programs().map(Self::start).transpose()
    }

    fn start(programs: PathBuf) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(path))?;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let data = path.join("data");
        run(program(&programs.join("initdb"))
            .args(["-U", "vitaledger", "-A", "trust", "--locale=C"])
            .args(["-E", "UTF8", "-D"])
            .arg(&data))?;
        // fsync stays on, as it is unless somebody turns it off.
        let options = format!(
            "-p {port} -k '{}' -c listen_addresses=127.0.0.1 -c max_connections={CONNECTIONS}",
            path.display()
        );
        run(program(&programs.join("pg_ctl"))
            .args(["start", "-s", "-w", "-D"])
            .arg(&data)
            .arg("-l")
            .arg(path.join("log"))
            .args(["-o", &options]))?;
        Ok(Self {
            address: format!("postgres://vitaledger@127.0.0.1:{port}"),
            private: Some(Private { programs, folder }),
        })
    }

    async fn connect(&self) -> Result<PgConnection> {
        let connection = PgConnection::connect(&format!("{}/postgres", self.address)).await;
        connection.context("failed to connect to the server")
    }

    /// What it is; a server that does not flush is refused.
    pub async fn describe(&self) -> Result<String> {
        let mut connection = self.connect().await?;
        let (version, fsync): (String, String) =
            sqlx::query_as("SELECT current_setting('server_version'), current_setting('fsync')")
                .fetch_one(&mut connection)
                .await?;
        ensure!(fsync == "on", "the server does not flush (fsync = {fsync})");
        Ok(format!("PostgreSQL {version}"))
    }

    /// A new database.
    pub async fn database(&self) -> Result<Database> {
        let name = format!("bench_{}", Uuid::now_v7().simple());
        let mut connection = self.connect().await?;
        let sql = format!("CREATE DATABASE {name}");
        connection.execute(sql.as_str()).await?;
        let address = format!("{}/{name}", self.address);
        Ok(Database { name, address })
    }

    /// Drops a database, whoever still holds it.
    pub async fn drop(&self, database: Database) -> Result<()> {
        let mut connection = self.connect().await?;
        let sql = format!("DROP DATABASE {} WITH (FORCE)", database.name);
        connection.execute(sql.as_str()).await?;
        Ok(())
    }
}

/// A database of its own for a contestant.
pub struct Database {
    name: String,
    /// Its address.
    pub address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(private) = &self.private {
            let data = private.folder.path().join("data");
            let mut stop = program(&private.programs.join("pg_ctl"));
            stop.args(["stop", "-s", "-m", "fast", "-D"]).arg(data);
            if let Err(error) = run(&mut stop) {
                println!("the private server is still there: {error:#}");
            }
        }
    }
}
