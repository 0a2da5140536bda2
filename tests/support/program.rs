//! The built program in a folder of its own.
//!
//! What comes in: arguments and standard input. What goes out: exit code, standard output and
//! standard error, also with everything that differs from run to run replaced by its name. What
//! may fail: the program. What must stay true: nothing of the surroundings (variables, working
//! folder, terminal) reaches it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// What the program did.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A working folder; the ledger is in `ledger` inside it.
pub struct Home {
    folder: TempDir,
}

pub const OFFICES: &str = "\
code,name_zh,name_en,level,parent
990101000000,示范县,Sample County,county,
990101100000,示范镇,Sample Township,township,990101000000
990101100001,第一社区,Community 1,village,990101100000
990101100002,第二社区,Community 2,village,990101100000
990101100901,示范镇卫生院,Sample Hospital,facility,990101100000
";

impl Home {
    /// Without a ledger.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    /// With a ledger and its offices.
    pub fn new() -> Self {
        let home = Self::empty();
        home.run(&["init", "--origin", "ledger.example/test"]).ok();
        home.write("offices.csv", OFFICES);
        home.run(&["import", "offices.csv"]).ok();
        home
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn ledger(&self) -> PathBuf {
        self.path().join("ledger")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    /// The program, ready for more arguments.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("vitaledger").unwrap();
        for name in [
            "VITALEDGER_DIR",
            "VITALEDGER_LANG",
            "VITALEDGER_ACTOR",
            "RUST_LOG",
        ] {
            command.env_remove(name);
        }
        command.current_dir(self.path()).args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    pub fn run_with(&self, args: &[&str], input: &str) -> Ran {
        Ran::of(self.command(args).write_stdin(input))
    }

    /// The rejects files that lie in the working folder.
    pub fn rejects(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let is_rejects = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("rejects-")
        };
        paths.filter(is_rejects).collect()
    }

    /// How many entries the log has.
    pub fn entries(&self) -> usize {
        self.run(&["log", "--json"]).ok().out.lines().count()
    }
}

impl Ran {
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        self.ends(0)
    }

    /// What was printed as one value, or the last line of it.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| {
            serde_json::from_str(self.out.trim_end().lines().last().unwrap()).unwrap()
        })
    }

    /// For snapshots.
    pub fn shown(&self) -> String {
        let mut text = format!("exit {}\n", self.code);
        for (name, stream) in [("stdout", &self.out), ("stderr", &self.err)] {
            if !stream.is_empty() {
                text.push_str(&format!("--- {name}\n{}\n", scrub(stream.trim_end())));
            }
        }
        text
    }
}

/// Replaces ids, hashes, signatures and times of today by their names.
pub fn scrub(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let boundary = !shown.ends_with(|c: char| c.is_ascii_alphanumeric());
        let changing = key_of(rest).or_else(|| changing(rest).filter(|_| boundary));
        let length = changing.map_or(first.len_utf8(), |(length, _)| length);
        shown.push_str(changing.map_or(&rest[..length], |(_, name)| name));
        rest = &rest[length..];
    }
    shown
}

/// What follows the name in a verifier key: its identifier and the key.
fn key_of(text: &str) -> Option<(usize, &'static str)> {
    let mut parts = text.strip_prefix('+')?.splitn(2, '+');
    let (id, key) = (parts.next()?, parts.next()?);
    let base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let is_key = id.len() == 8
        && id.bytes().all(|b| b.is_ascii_hexdigit())
        && key.bytes().take_while(base64).count() == 44;
    is_key.then_some((1 + 8 + 1 + 44, "+<key>"))
}

/// The length and the name of what begins here and differs from run to run.
fn changing(text: &str) -> Option<(usize, &'static str)> {
    let span = |allowed: fn(u8) -> bool| text.bytes().take_while(|b| allowed(*b)).count();
    let base64 = span(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    if base64 >= 44 && (text[..base64].ends_with('=') || base64 >= 88) {
        return Some((base64, "<base64>"));
    }
    let hex = span(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
    if hex == 64 || hex == 32 {
        return Some((hex, if hex == 64 { "<hash>" } else { "<id>" }));
    }
    let is_uuid = text.get(..36).is_some_and(|word| {
        let dashes: Vec<usize> = word.match_indices('-').map(|(at, _)| at).collect();
        dashes == [8, 13, 18, 23] && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
    });
    if is_uuid {
        return Some((36, "<id>"));
    }
    time(text)
}

/// A time that was taken from the clock: microseconds, and not a day of the samples.
fn time(text: &str) -> Option<(usize, &'static str)> {
    let word = text.get(..27)?;
    let shape: String = word
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let is_now = shape == "0000-00-00T00:00:00.000000Z" && word > "2020";
    is_now.then_some((27, "<time>"))
}
