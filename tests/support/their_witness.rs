//! A witness that is not ours: `aics-witness` (`PyPI`) on a free port of this machine.
//!
//! What comes in: a folder for its key and its state, and the log that it is to know. What goes out:
//! its key and its address. What may fail: a program that is not installed fails the test. What
//! must stay true: it ends with the test, and knows after a start what it knew before.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vitaledger::seal::cosignature::WitnessKey;
use vitaledger::seal::keys::VerifierKey;

use crate::foreign::{done, installed};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// What it says once it listens.
const LISTENING: &str = "listening on ";

pub struct TheirWitness {
    folder: PathBuf,
    pub key: WitnessKey,
    /// `http://` and the rest; the same after another start.
    pub url: String,
    process: Option<Child>,
}

impl TheirWitness {
    /// A new one that cosigns for one log.
    pub fn new(folder: &Path, log: &VerifierKey) -> Self {
        fs::create_dir(folder).unwrap();
        let init = done(command(folder, "init").args(["--name", "witness.example/theirs"]));
        let key = String::from_utf8(init.stdout).unwrap();
        let mut add = command(folder, "add-log");
        done(add.args(["--origin", log.name(), "--vkey", &log.to_string()]));
        let mut witness = Self {
            folder: folder.to_owned(),
            key: key.trim_end().parse().unwrap(),
            url: "http://127.0.0.1:0".to_owned(),
            process: None,
        };
        witness.start();
        witness
    }

    pub fn start(&mut self) {
        let said = self.folder.join("said");
        let address = self.url.strip_prefix("http://").unwrap();
        let mut serve = command(&self.folder, "serve");
        serve
            .args(["--listen", address])
            .stdin(Stdio::null())
            .stderr(File::create(&said).unwrap());
        self.process = Some(serve.spawn().unwrap());
        let begun = Instant::now();
        loop {
            let text = fs::read_to_string(&said).unwrap();
            let listening = text.split_once(LISTENING);
            let url = listening.and_then(|(_, rest)| rest.split_once(char::is_whitespace));
            if let Some((url, _)) = url {
                url.clone_into(&mut self.url);
                return;
            }
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < PATIENCE,
                "it does not listen: {text}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for TheirWitness {
    fn drop(&mut self) {
        self.stop();
    }
}

fn command(folder: &Path, part: &str) -> Command {
    let mut command = Command::new(installed("aics").join("bin/aics-witness"));
    // A seed in the environment would replace its key.
    command
        .env_remove("WITNESS_SEED_HEX")
        .arg(part)
        .arg("--config")
        .arg(folder.join("witness.json"));
    command
}
