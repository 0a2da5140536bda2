//! The commands of the README, run as they stand there.
//!
//! What comes in: `README.md`. What must stay true: its six commands end with a tampering that is
//! detected, its working commands run in their order on a fresh ledger, and every command that it
//! names exists.
#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::path::Path;
use std::process::{Command, Output};

const README: &str = include_str!("../README.md");

/// The lines between ```` ```LANGUAGE ```` and the closing fence of the block that follows a heading.
fn block(heading: &str, language: &str) -> Vec<&'static str> {
    let section = README.split_once(heading).unwrap().1;
    let start = format!("```{language}\n");
    let body = section.split_once(start.as_str()).unwrap().1;
    body.split_once("```").unwrap().0.lines().collect()
}

/// Runs shell lines in one shell, with the built program first on the path.
fn shell(folder: &Path, script: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_vitaledger"));
    let path = std::env::var("PATH").unwrap();
    Command::new("bash")
        .args(["-c", script])
        .current_dir(folder)
        .env(
            "PATH",
            format!("{}:{path}", program.parent().unwrap().display()),
        )
        .env_remove("VITALEDGER_DIR")
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).unwrap()
}

#[test]
fn the_first_tampering_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let lines = block("## A first tampering", "console");
    let commands: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("$ "))
        .collect();
    assert_eq!(commands.len(), 6);
    let (verify, before) = commands.split_last().unwrap();
    let script = format!(
        "set -e\n{}\nset +e\n{verify}\necho \"exit $?\"",
        before.join("\n")
    );
    let output = shell(folder.path(), &script);
    let said = text(&output);
    assert!(said.contains("exit 11"), "{said}");
    assert!(said.contains("WRONG: position "), "{said}");
}

#[test]
fn the_working_commands_run_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let made = shell(folder.path(), "vitaledger simulate --half-year -o delivery");
    assert!(made.status.success(), "{}", text(&made));
    for line in block("## Working with it", "sh") {
        let command = line.split("   #").next().unwrap().trim();
        // The resident list of the sample numbers its records as it likes.
        let command = match command {
            "vitaledger log --kind birth --follow" => "vitaledger log --kind birth --limit 3",
            erase if erase.starts_with("vitaledger erase") => continue,
            other => other,
        };
        let output = shell(folder.path(), command);
        assert!(output.status.success(), "{command}: {}", text(&output));
    }
    for line in block("## Proofs", "sh") {
        let command = line.split("   #").next().unwrap().trim();
        let output = shell(folder.path(), command);
        assert!(output.status.success(), "{command}: {}", text(&output));
    }
    let first = "sed -n 2p delivery/births.csv | cut -d, -f1-2 | tr , ' '";
    let erase = format!(
        "read number source < <({first}); vitaledger erase --person-of birth/$source/$number --legal-basis PIPL-47 --approved-by a --approved-by b --confirm=99"
    );
    let refused = text(&shell(folder.path(), &erase));
    assert!(refused.contains("--confirm=99 was given"), "{refused}");
}

#[test]
fn every_named_command_exists() {
    let named = README
        .match_indices("`vitaledger ")
        .map(|(at, _)| &README[at + 12..]);
    for rest in named {
        let word = rest.split(['`', ' ']).next().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_vitaledger"))
            .args([word, "--help"])
            .output()
            .unwrap();
        assert!(output.status.success(), "vitaledger {word}");
    }
}
