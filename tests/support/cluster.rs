//! A PostgreSQL server of a test's own, which may be stopped, killed and filled up.
//!
//! What comes in: the programs of a PostgreSQL server under `/usr/lib/postgresql`. What goes out:
//! a running server on a free port. What may fail: missing programs, or rights to mount; then the
//! test fails, and says what to do. What must stay true: the server and its files are gone with
//! the value. PostgreSQL refuses to run as root: then it runs as `postgres`.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part, and stops at the first thing that is not as it should"
)]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    as_postgres: bool,
    mounted: bool,
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", said(&output)))
}

/// The folder of the newest server's programs.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let version = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        path.join("bin/initdb").exists().then_some(())?;
        name.parse::<u32>().ok()
    };
    let found = versions.map(|entry| entry.unwrap().path());
    let newest = found.filter_map(|path| Some((version(&path)?, path))).max();
    let (_, newest) = newest.expect(
        "this test starts a PostgreSQL server of its own: install the package postgresql, or run ./test",
    );
    newest.join("bin")
}

impl Cluster {
    /// A server with room.
    pub fn new() -> Self {
        Self::on(None)
    }

    /// A server whose files lie on a disk of so many MiB, in memory.
    pub fn on_small_disk(mib: u32) -> Self {
        Self::on(Some(mib))
    }

    fn on(small: Option<u32>) -> Self {
        let user = Command::new("id").arg("-u").output().unwrap();
        let cluster = Self {
            folder: tempfile::tempdir().unwrap(),
            programs: programs(),
            port: TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port(),
            as_postgres: said(&user).trim() == "0",
            mounted: small.is_some(),
        };
        fs::create_dir(cluster.disk()).unwrap();
        if let Some(mib) = small {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]);
            run(mount.arg(cluster.disk())).unwrap_or_else(|what| {
                panic!("this test fills a disk of its own, for which it mounts a tmpfs: run it as root ({what})")
            });
        }
        if cluster.as_postgres {
            for folder in [cluster.folder.path(), &cluster.disk()] {
                run(Command::new("chown").arg("postgres").arg(folder)).unwrap();
            }
        }
        let mut initdb = cluster.program("initdb");
        initdb.args([
            "-U",
            "vitaledger",
            "-A",
            "trust",
            "--locale=C",
            "-E",
            "UTF8",
        ]);
        run(initdb.args(["--wal-segsize=1", "-D"]).arg(cluster.data())).unwrap();
        cluster.start();
        cluster
    }

    /// Where the server's files are.
    pub fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn data(&self) -> PathBuf {
        self.disk().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command;
        if self.as_postgres {
            command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
        } else {
            command = Command::new(program);
        }
        // Of the caller, which the other user may not read.
        command.current_dir(self.folder.path());
        command
    }

    /// Starts the server and waits for it; harmless when it runs.
    pub fn start(&self) {
        let folder = self.folder.path().display();
        let port = self.port;
        let options = format!(
            "-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_wal_size=4MB -c min_wal_size=2MB"
        );
        let mut start = self.program("pg_ctl");
        start.args(["start", "-s", "-w", "-o", &options, "-D"]);
        start
            .arg(self.data())
            .arg("-l")
            .arg(self.folder.path().join("log"));
        // The server would keep a pipe open.
        start
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        start.status().unwrap();
        assert!(self.runs(), "{}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn runs(&self) -> bool {
        let mut status = self.program("pg_ctl");
        run(status.args(["status", "-D"]).arg(self.data())).is_ok()
    }

    /// As if its process were killed: nothing is written any more.
    pub fn stop_at_once(&self) {
        let mut stop = self.program("pg_ctl");
        run(stop
            .args(["stop", "-s", "-w", "-m", "immediate", "-D"])
            .arg(self.data()))
        .unwrap();
    }

    /// The address of its first database.
    pub fn address(&self) -> String {
        format!("postgres://vitaledger@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        stop.args(["stop", "-s", "-w", "-m", "immediate", "-D"])
            .arg(self.data());
        // It may be down already.
        let _ = run(&mut stop);
        if self.mounted {
            let disk: &Path = &self.disk();
            let _ = run(Command::new("umount").arg(disk));
        }
    }
}
