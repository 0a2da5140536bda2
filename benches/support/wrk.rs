//! Births over HTTP, sent by `wrk`, which is not ours.
//!
//! What comes in: a server, how many connections, for how long. What goes out: births a second and
//! how long each waited. What may fail: `wrk` is not there. What must stay true: every connection
//! sends its next birth once the last was answered, no birth is sent twice, and an answer that is
//! not 201 is counted apart. Two threads make the births, beside the server on the same machine: its
//! rate alone would be somewhat higher.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use uuid::Uuid;

use super::served::{TAILS, Target};
use super::support::Figures;

/// What `wrk` runs.
const SCRIPT: &str = include_str!("record.lua");

/// What was measured.
pub struct Recorded {
    /// Births a second.
    pub rate: f64,
    /// Milliseconds.
    pub p50: f64,
    /// Milliseconds.
    pub p99: f64,
    /// Milliseconds.
    pub max: f64,
    /// Answers that were not 201, and broken connections.
    pub failed: f64,
    /// Microseconds of a processor that the server took for a birth.
    pub busy_us: f64,
}

/// Whether it is installed.
pub fn is_there() -> bool {
    // It knows no way to say its version and be content.
    Command::new("wrk").arg("--version").output().is_ok()
}

/// Lets it send.
pub fn run(folder: &Path, target: &Target, clients: usize, measured: Duration) -> Result<Recorded> {
    let script = folder.join("record.lua");
    std::fs::write(&script, SCRIPT)?;
    // Connections, statements and caches are warm when it is measured.
    once(folder, target, clients, measured / 5)?;
    let before = target.process.busy()?;
    let figures = once(folder, target, clients, measured)?;
    let busy = target.process.busy_since(before)?;
    let failed = figures.get("others")? + figures.get("broken")?;
    let recorded = figures.get("requests")? - figures.get("others")?;
    ensure!(recorded > 0.0, "no birth was recorded");
    Ok(Recorded {
        rate: recorded / (figures.get("duration")? / 1e6),
        p50: figures.get("p50")? / 1e3,
        p99: figures.get("p99")? / 1e3,
        max: figures.get("max")? / 1e3,
        failed,
        busy_us: busy.as_secs_f64() * 1e6 / recorded,
    })
}

fn once(folder: &Path, target: &Target, clients: usize, measured: Duration) -> Result<Figures> {
    let output = Command::new("wrk")
        .args(["-t2", "--latency", "--timeout", "30s"])
        .arg(format!("-c{clients}"))
        .arg(format!("-d{}s", measured.as_secs().max(1)))
        .arg("-s")
        .arg(folder.join("record.lua"))
        .arg(format!("http://{}", target.address))
        .arg("--")
        .arg(target.births.join(TAILS))
        .arg(Uuid::now_v7().simple().to_string())
        .env("VITALEDGER_BENCH_TOKEN", &target.registrar)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("wrk does not run")?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "wrk failed: {text}");
    let figures = text.lines().filter_map(|line| line.strip_prefix("figure "));
    Figures::parse(&figures.collect::<Vec<_>>().join("\n"))
}
