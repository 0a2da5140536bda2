//! Programs that are not ours, for a second opinion: `aics-tlog`, `aics-witness` and `tlog-scales`
//! (`PyPI`), `@sigstore/verify` (npm), `golang.org/x/mod/sumdb` (Go).
//!
//! What comes in: the folder where `tests/interop/install` put them, in `VITALEDGER_TEST_INTEROP`;
//! `./test` installs them and sets it. Logs, proofs and checkpoints. What goes out: the verdict of a
//! program, or a log that it made. What may fail: a program that is not there; then the test fails,
//! and says so: it is never passed over. What must stay true: the programs are used as they are; a
//! script of `tests/interop` only hands them what they ask for.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part, and stops at the first thing that is not as it should"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// The variable that says where they are installed.
const FOLDER: &str = "VITALEDGER_TEST_INTEROP";

/// The folder of what is installed under a name of `tests/interop/install`.
pub fn installed(name: &str) -> PathBuf {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| {
        panic!(
            "this test needs programs that are not ours: run it with ./test, which installs them, \
             or run tests/interop/install SOME_FOLDER and set {FOLDER} to that folder"
        )
    });
    if !folder.join(format!("{name}.done")).exists() {
        let why = fs::read_to_string(folder.join(format!("{name}.missing")));
        let why = why.unwrap_or_else(|_| "tests/interop/install did not run".to_owned());
        panic!("{name} is not installed in {}: {why}", folder.display());
    }
    folder.join(name)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/interop")
        .join(name)
}

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `aics-tlog`.
    Aics,
    /// `tlog-scales`.
    Scales,
    /// `@sigstore/verify`.
    Sigstore,
    /// `golang.org/x/mod/sumdb`.
    Go,
}

/// A log that a program made.
pub struct Made {
    /// Its verifier key.
    pub key: String,
    /// Proofs by position, as tlog-proof.
    pub proofs: BTreeMap<u64, String>,
}

/// Runs it and gives what it did; it must succeed.
#[track_caller]
pub fn done(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// The Go tool, with what is installed and nothing else.
pub fn go() -> Command {
    let folder = installed("go");
    let root = folder.join("tools/go");
    let mut command = Command::new(root.join("bin/go"));
    command
        .env("GOROOT", root)
        .env("GOPATH", folder.join("path"))
        .env("GOCACHE", folder.join("built"))
        // Where it counts what it did.
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .envs([
            ("GO111MODULE", "off"),
            ("GOPROXY", "off"),
            ("GOTOOLCHAIN", "local"),
            ("CGO_ENABLED", "0"),
            ("GOFLAGS", ""),
            ("GOENV", "off"),
        ]);
    command
}

/// A Python of an environment.
pub fn python(environment: &str) -> Command {
    let mut command = Command::new(installed(environment).join("bin/python"));
    // No caches of bytecode beside the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

impl Program {
    /// Its script, ready for arguments; `scratch` is for what has to be built.
    fn command(self, scratch: &Path) -> Command {
        match self {
            Self::Aics => {
                let mut command = python("aics");
                command.arg(script("check_aics.py"));
                command
            }
            Self::Scales => {
                let mut command = python("scales");
                command.arg(script("check_scales.py"));
                command
            }
            Self::Sigstore => {
                let mut command = Command::new("node");
                command
                    .env("VITALEDGER_TEST_NODE", installed("node"))
                    .arg(script("verify.mjs"));
                command
            }
            Self::Go => {
                let program = scratch.join("checks-of-go");
                if !program.exists() {
                    let mut build = go();
                    build.args(["build", "-o"]).arg(&program);
                    done(build.arg(script("main.go")));
                }
                Command::new(program)
            }
        }
    }

    /// Lets it make a log of the entries of an exported one, with a key of its own.
    pub fn make(self, exported: &Path, to: &Path, secret: &Path, at: &[u64]) -> Made {
        let scratch = to.parent().unwrap();
        let mut command = self.command(scratch);
        command.arg("make").arg(exported).arg(to).arg(secret);
        command.args(at.iter().map(u64::to_string));
        let answer: Value = serde_json::from_slice(&done(&mut command).stdout).unwrap();
        let proofs = answer["proofs"].as_object();
        let proofs = proofs.into_iter().flatten();
        Made {
            key: answer["key"].as_str().unwrap().to_owned(),
            proofs: proofs
                .map(|(at, proof)| (at.parse().unwrap(), proof.as_str().unwrap().to_owned()))
                .collect(),
        }
    }

    /// The paths of tiles (level, index, width; level -1 for entries), as Go's package has them.
    pub fn paths(scratch: &Path, tiles: &[(i32, u64, usize)]) -> Vec<String> {
        let tiles = tiles.iter();
        let input: Vec<String> = tiles
            .map(|(level, index, width)| format!("{level} {index} {width}\n"))
            .collect();
        let mut command = Self::Go.command(scratch);
        command.arg("paths");
        lines(&mut command, scratch, &input.concat())
    }
}

/// Gives input by a file, so that nobody waits for anybody; what comes out, by lines.
fn lines(command: &mut Command, scratch: &Path, input: &str) -> Vec<String> {
    let path = scratch.join("input");
    fs::write(&path, input).unwrap();
    let output = done(command.stdin(File::open(&path).unwrap()));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// What a program is asked to accept and to refuse.
pub struct Cases {
    key: String,
    cases: Vec<(String, bool, Value)>,
}

impl Cases {
    /// Nothing yet; `key` is the verifier key of the log that all are of.
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            cases: Vec::new(),
        }
    }

    fn add(&mut self, what: &str, good: bool, mut case: Value) {
        case["key"] = self.key.as_str().into();
        self.cases.push((what.to_owned(), good, case));
    }

    /// The folder of a log.
    pub fn log(&mut self, what: &str, good: bool, folder: &Path) {
        self.add(what, good, json!({ "kind": "log", "folder": folder }));
    }

    /// A proof of an entry.
    pub fn proof(&mut self, what: &str, good: bool, proof: &[u8], entry: &[u8]) {
        let (proof, entry) = (BASE64_STANDARD.encode(proof), BASE64_STANDARD.encode(entry));
        let case = json!({ "kind": "proof", "proof": proof, "entry": entry });
        self.add(what, good, case);
    }

    /// A checkpoint that all of these witnesses must have cosigned.
    pub fn checkpoint(&mut self, what: &str, good: bool, note: &[u8], witnesses: &[String]) {
        let note = BASE64_STANDARD.encode(note);
        let case = json!({ "kind": "checkpoint", "note": note, "witnesses": witnesses });
        self.add(what, good, case);
    }

    /// Asks a program for its verdict on every case, and demands the right one.
    #[track_caller]
    pub fn judged_by(&self, program: Program, scratch: &Path) {
        let texts = self.cases.iter().map(|(_, _, case)| format!("{case}\n"));
        let input: Vec<String> = texts.collect();
        let verdicts = lines(&mut program.command(scratch), scratch, &input.concat());
        assert_eq!(verdicts.len(), self.cases.len(), "{program:?} stopped");
        let mut wrong = Vec::new();
        for ((what, good, _), verdict) in self.cases.iter().zip(&verdicts) {
            let said = verdict == "accepted";
            assert!(said || verdict.starts_with("refused: "), "{verdict}");
            if said != *good {
                wrong.push(format!("{what}: {verdict}"));
            }
        }
        let count = verdicts.len();
        assert!(
            wrong.is_empty(),
            "{program:?}, {} of {count} cases:\n{}",
            wrong.len(),
            wrong[..wrong.len().min(20)].join("\n")
        );
    }
}
