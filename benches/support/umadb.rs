//! `UmaDB`, an event store that is a server: what appending and reading cost there.
//!
//! What comes in: a folder with its program, or where to install it; how many bytes an event has.
//! What goes out: events a second that are appended one by one, and that are read from the start.
//! What may fail: it cannot be installed; `h2load` is not there. What must stay true: it is as
//! durable as the ledger: an append is answered when it was flushed (`fdatasync`, twice for all that
//! came meanwhile), as the server does when nobody changes it. It speaks gRPC, so `h2load` sends
//! what `wrk` sends to the ledger: a connection a client, its next append once the last was answered.
//!
//! It does less: no condition is asked of an append, nothing is parsed, sealed, hashed or signed, and
//! what is read is the bytes as they were appended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::load::Load;
use super::served::Process;

/// As it was measured.
const VERSION: &str = "0.7.8";
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was measured.
pub struct Baseline {
    /// Appends.
    pub append: Load,
    /// Microseconds of a processor that the server took for an append.
    pub append_busy_us: f64,
    /// Events a second that were read.
    pub read: f64,
    /// Microseconds of a processor that the server took for an event that was read.
    pub read_busy_us: f64,
}

/// What a program says; it must succeed.
fn done(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("{command:?} does not run"))?;
    ensure!(output.status.success(), "{command:?} failed");
    Ok(String::from_utf8(output.stdout)?)
}

/// Its programs, below the folder; they are installed where they are not yet.
pub fn find(folder: &Path) -> Result<PathBuf> {
    let programs = folder.join("bin");
    if !programs.join("umadb").exists() {
        done(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let package = format!("umadb=={VERSION}");
        let install = ["-m", "pip", "install", "--quiet", &package];
        done(Command::new(programs.join("python")).args(install))?;
    }
    let loads = Command::new("h2load").arg("--version").output();
    loads.context("h2load is not there")?;
    Ok(programs)
}

/// A field of bytes of a message (Protocol Buffers).
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![(number << 3) | 2];
    let mut length = bytes.len();
    while length > 127 {
        field.push(length.to_le_bytes()[0] | 128);
        length >>= 7;
    }
    field.push(length.to_le_bytes()[0]);
    field.extend(bytes);
    field
}

/// A message as gRPC sends it: not compressed, with its length.
fn framed(message: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(message.len())?.to_be_bytes();
    Ok([&[0][..], &length, message].concat())
}

struct Running {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(programs: &Path, folder: &Path) -> Result<Self> {
        std::fs::create_dir(folder)?;
        let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(programs.join("umadb"))
            .args(["--listen", &free.to_string(), "--db-path"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("log"))?)
            .spawn()?;
        let running = Self {
            child,
            address: free.to_string(),
            folder: folder.to_owned(),
        };
        let end = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(free).is_err() {
            ensure!(Instant::now() < end, "UmaDB does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(running)
    }

    /// Sends a message again and again, as `h2load` is told; gives what it said, and of each
    /// answer how long it took.
    fn load(&self, call: &str, message: &[u8], how: &[String]) -> Result<(String, Vec<Duration>)> {
        let (body, log) = (self.folder.join("body"), self.folder.join("times"));
        std::fs::write(&body, framed(message)?)?;
        if log.exists() {
            std::fs::remove_file(&log)?;
        }
        let said = done(
            Command::new("h2load")
                .args(how)
                .args(["-m1", "-t1", "-H", "content-type: application/grpc"])
                .args(["-H", "te: trailers", "-d"])
                .arg(&body)
                .arg("--log-file")
                .arg(&log)
                .arg(format!("http://{}/umadb.v1.DCB/{call}", self.address)),
        )?;
        // Of each: when it began, the status, and how long it took.
        let text = std::fs::read_to_string(log)?;
        let took = |line: &str| {
            let mut parts = line.split('\t').skip(1);
            let is_good = parts.next() == Some("200");
            let micros = parts.next()?.parse().ok().filter(|_| is_good)?;
            Some(Duration::from_micros(micros))
        };
        Ok((said, text.lines().filter_map(took).collect()))
    }

    /// Its last position, which is the number of events.
    fn head(&self, programs: &Path) -> Result<u64> {
        let script = "import sys, umadb; print(umadb.Client(sys.argv[1]).head() or 0)";
        let mut ask = Command::new(programs.join("python"));
        ask.args(["-c", script, &format!("http://{}", self.address)]);
        Ok(done(&mut ask)?.trim().parse()?)
    }
}

/// Appends one by one with so many clients, then reads everything.
#[expect(clippy::cast_precision_loss, reason = "counts of events are small")]
pub fn run(
    programs: &Path,
    folder: &Path,
    bytes: usize,
    clients: usize,
    measured: Duration,
) -> Result<Baseline> {
    let running = Running::start(programs, &folder.join("umadb"))?;
    let process = Process(running.child.id());
    let event = [
        field(1, b"birth"),
        field(2, b"990101100001"),
        field(3, &vec![b'x'; bytes]),
    ];
    let append = field(1, &event.concat());
    let seconds = |time: Duration| time.as_secs().max(1);
    let how = |time: u64| vec![format!("-c{clients}"), format!("-D{time}")];
    running.load("Append", &append, &how(seconds(measured / 5)))?;
    let (before, busy) = (running.head(programs)?, process.busy()?);
    let (said, times) = running.load("Append", &append, &how(seconds(measured)))?;
    let busy = process.busy_since(busy)?;
    let head = running.head(programs)?;
    let appended = head - before;
    // A failure would be answered with 200, too. What was under way at the end is in neither count.
    let is_whole = appended.abs_diff(times.len() as u64) <= 2 * clients as u64;
    ensure!(is_whole, "{appended} events were appended: {said}");
    let append = Load::new(times, 0, Duration::from_secs(seconds(measured)));
    let append_busy_us = busy.as_secs_f64() * 1e6 / appended as f64;
    // From position 0 on.
    let busy = process.busy()?;
    let read = ["-c1", "-n1"].map(str::to_owned);
    let (said, times) = running.load("Read", &[2 << 3, 0], &read)?;
    let busy = process.busy_since(busy)?;
    let took = times
        .first()
        .with_context(|| format!("nothing was read: {said}"))?;
    let is_whole = data(&said).is_some_and(|data| data > head * bytes as u64);
    ensure!(is_whole, "not every event was read: {said}");
    Ok(Baseline {
        append,
        append_busy_us,
        read: head as f64 / took.as_secs_f64(),
        read_busy_us: busy.as_secs_f64() * 1e6 / head as f64,
    })
}

/// Bytes of bodies that came, as `h2load` says them.
fn data(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.starts_with("traffic: "))?;
    let (rest, _) = line.rsplit_once(") data")?;
    rest.rsplit_once('(')?.1.parse().ok()
}
