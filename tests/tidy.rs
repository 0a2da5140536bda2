//! The style of this code base as a test, so that it is kept without anybody having to remember it.
//!
//! What comes in: every Rust file of the package and the texts beside them. What goes out: a list
//! of violations with file and line, all of them at once. What may fail: nothing but the rules.
//! What must stay true: modules import downwards only, the parts that are said to be pure are,
//! tables are named in one place, one module talks, and a function fits a screen.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "support/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use source::Source;

/// From the bottom up; modules on one rung do not know each other.
const LADDER: [&[&str]; 12] = [
    &["model"],
    &["locale", "statistics"],
    &["store"],
    &["ledger", "seal"],
    &["registers"],
    &["indicators"],
    &["audit"],
    &["report", "subscription"],
    &["access", "history"],
    &["app"],
    &["http", "web"],
    &["cli"],
];
/// Beside the ladder: what they may import. They are imported by `app` and above only.
const BESIDE: [(&str, &[&str]); 2] = [("intake", &["model", "ledger"]), ("simulate", &[])];
/// Specifications: no database, no network, no runtime.
const PURE: [&str; 15] = [
    "src/ledger/aggregate",
    "src/ledger/canonical",
    "src/seal/merkle",
    "src/seal/checkpoint",
    "src/seal/proof",
    "src/seal/tiles",
    "src/seal/keys",
    "src/seal/cosignature",
    "src/seal/policy",
    "src/seal/consistency",
    "src/seal/entries",
    "src/seal/witness",
    "src/subscription/webhook/endpoint",
    "src/subscription/webhook/schedule",
    "src/subscription/webhook/signature",
];
const IMPURE_CRATES: [&str; 3] = ["sqlx", "axum", "tokio"];
const MAX_FUNCTION_LINES: usize = 70;
const MAX_FILE_LINES: usize = 600;
/// Comments, in per cent of all lines of `src`.
const COMMENT_PER_CENT: std::ops::RangeInclusive<usize> = 5..=35;

/// Every file below a folder of the package.
fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open = vec![root.join(folder)];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|one| one.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            found.push(Source::new(name, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The files of the program itself, without its tests.
fn program() -> Vec<Source> {
    let mut program = sources("src");
    program.retain(|source| !source.is_test());
    assert!(
        program.len() > 60,
        "only {} files were found",
        program.len()
    );
    program
}

fn everything() -> Vec<Source> {
    ["src", "tests", "benches"]
        .into_iter()
        .filter(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).exists())
        .flat_map(sources)
        .collect()
}

fn none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

fn rung(module: &str) -> Option<usize> {
    LADDER.iter().position(|rung| rung.contains(&module))
}

/// Whether `module` may import `other`; a module that is in no list may do nothing.
fn may_import(module: &str, other: &str) -> bool {
    if module == other {
        return true;
    }
    if let Some((_, allowed)) = BESIDE.iter().find(|(name, _)| *name == module) {
        return allowed.contains(&other);
    }
    let Some(own) = rung(module) else {
        return false;
    };
    if BESIDE.iter().any(|(name, _)| *name == other) {
        return rung("app").is_some_and(|app| own >= app);
    }
    rung(other).is_some_and(|other| other < own)
}

#[test]
fn the_ladder_knows_up_from_down() {
    for (module, other) in [
        ("ledger", "store"),
        ("audit", "seal"),
        ("cli", "app"),
        ("app", "intake"),
        ("intake", "ledger"),
        ("report", "report"),
    ] {
        assert!(may_import(module, other), "{module} may import {other}");
    }
    for (module, other) in [
        ("store", "ledger"),
        ("ledger", "seal"),
        ("seal", "ledger"),
        ("report", "subscription"),
        ("intake", "store"),
        ("simulate", "model"),
        ("audit", "simulate"),
        ("unknown", "model"),
        ("cli", "unknown"),
    ] {
        assert!(
            !may_import(module, other),
            "{module} must not import {other}"
        );
    }
}

#[test]
fn modules_import_downwards_only() {
    let mut violations = Vec::new();
    let mut edges = 0;
    for source in program() {
        let Some(module) = source.module() else {
            continue;
        };
        for (line, other) in source.imports() {
            edges += 1;
            if !may_import(module, &other) {
                violations.push(format!("{}:{line}: {module} imports {other}", source.name));
            }
        }
    }
    assert!(edges > 200, "only {edges} imports were found");
    none(&violations);
}

#[test]
fn the_map_lists_the_modules_that_are_there() {
    let mapped: BTreeSet<String> = program()
        .iter()
        .filter_map(|source| source.module().map(str::to_owned))
        .collect();
    let known = LADDER.iter().copied().flatten().copied();
    let known: BTreeSet<&str> = known.chain(BESIDE.map(|(name, _)| name)).collect();
    let unknown: Vec<String> = mapped
        .into_iter()
        .filter(|module| !known.contains(module.as_str()))
        .map(|module| format!("src/{module}: this module has no place on the ladder"))
        .collect();
    none(&unknown);
}

#[test]
fn specifications_know_nothing_of_transport_or_storage() {
    let mut violations = Vec::new();
    let mut checked = BTreeSet::new();
    for source in program() {
        let Some(pure) = PURE.iter().find(|pure| source.is_below(pure)) else {
            continue;
        };
        checked.insert(*pure);
        for name in IMPURE_CRATES {
            let lines = source.lines_with_word(name);
            violations.extend(lines.map(|line| format!("{}:{line}: {name}", source.name)));
        }
    }
    assert_eq!(checked.len(), PURE.len(), "only {checked:?} were found");
    none(&violations);
}

/// The names of the tables, views, indexes and triggers of the migrations.
fn tables() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut tables = BTreeSet::new();
    for database in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(database.unwrap().path()).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            let words: Vec<&str> = text.split_whitespace().collect();
            for pair in words.windows(2) {
                if matches!(pair[0], "TABLE" | "VIEW") {
                    tables.insert(pair[1].trim_end_matches(['(', ';']).to_owned());
                }
            }
        }
    }
    tables
}

#[test]
fn only_the_store_names_tables() {
    let tables = tables();
    assert!(
        tables.contains("entry") && tables.contains("sealed"),
        "{tables:?}"
    );
    let mut violations = Vec::new();
    let mut inside = 0;
    for source in program() {
        let in_store = source.module() == Some("store");
        for (line, name) in source.tables_in_statements(&tables) {
            if in_store {
                inside += 1;
            } else {
                violations.push(format!("{}:{line}: names the table {name}", source.name));
            }
        }
        if !in_store {
            let lines = source.lines_with_word("sqlx");
            violations.extend(lines.map(|line| format!("{}:{line}: sqlx", source.name)));
        }
    }
    assert!(
        inside > 20,
        "only {inside} statements were found in the store"
    );
    none(&violations);
}

#[test]
fn only_the_command_line_prints_or_exits() {
    const PRINTING: [&str; 5] = ["println!", "eprintln!", "print!", "eprint!", "dbg!"];
    const STREAMS: [&str; 4] = ["stdout()", "stderr()", "process::exit", "process::abort"];
    let mut violations = Vec::new();
    for source in program() {
        if source.module() == Some("cli") || source.name == "src/main.rs" {
            continue;
        }
        for name in PRINTING.iter().chain(&STREAMS) {
            let lines = source.lines_with_word(name);
            violations.extend(lines.map(|line| format!("{}:{line}: {name}", source.name)));
        }
    }
    none(&violations);
}

#[test]
fn a_function_fits_a_screen_and_a_file_a_sitting() {
    let mut violations = Vec::new();
    let mut functions = 0;
    for source in everything() {
        let lines = source.raw.lines().count();
        if lines > MAX_FILE_LINES {
            violations.push(format!(
                "{}: {lines} lines, at most {MAX_FILE_LINES}",
                source.name
            ));
        }
        for function in source.functions() {
            functions += 1;
            if function.lines > MAX_FUNCTION_LINES {
                violations.push(format!(
                    "{}:{}: {} has {} lines, at most {MAX_FUNCTION_LINES}",
                    source.name, function.line, function.name, function.lines
                ));
            }
        }
    }
    assert!(functions > 600, "only {functions} functions were found");
    none(&violations);
}

#[test]
fn modules_are_named_for_what_they_do() {
    const EMPTY_NAMES: [&str; 8] = [
        "utils", "util", "helpers", "helper", "manager", "common", "misc", "shared",
    ];
    let mut violations = Vec::new();
    for source in everything() {
        for part in source.name.trim_end_matches(".rs").split('/') {
            if EMPTY_NAMES.contains(&part) {
                violations.push(format!("{}: {part} says nothing", source.name));
            }
        }
        for (line, name) in source.inline_modules() {
            if EMPTY_NAMES.contains(&name.as_str()) {
                violations.push(format!("{}:{line}: {name} says nothing", source.name));
            }
        }
    }
    none(&violations);
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let violations: Vec<String> = everything()
        .into_iter()
        .filter(|source| !source.raw.starts_with("//! "))
        .map(|source| format!("{}: does not begin with `//!`", source.name))
        .collect();
    none(&violations);
}

#[test]
fn comments_are_neither_absent_nor_the_bulk() {
    let (mut comments, mut lines) = (0, 0);
    for source in program() {
        comments += source.comment_lines();
        lines += source.raw.lines().count();
    }
    let per_cent = comments * 100 / lines;
    assert!(
        COMMENT_PER_CENT.contains(&per_cent),
        "{comments} of {lines} lines are comments: {per_cent} %"
    );
}

/// What is published is about the program, not about where and how it was written.
#[test]
fn nothing_tells_of_the_place_where_it_was_written() {
    const PLACES: [&str; 6] = [
        "/root/",
        "/home/",
        "/work/",
        "/workspace/",
        "/Users/",
        "/tmp/",
    ];
    const WORDS: [&str; 9] = [
        "TODO",
        "FIXME",
        "XXX",
        "HACK",
        "worktree",
        "subagent",
        "chatbot",
        "language model",
        "the brief",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts: Vec<(String, String)> = everything()
        .into_iter()
        .filter(|source| source.name != file!())
        .map(|source| (source.name, source.raw))
        .collect();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_file() && name != "Cargo.lock" && !name.starts_with('.') {
            texts.push((name, fs::read_to_string(&path).unwrap_or_default()));
        }
    }
    assert!(texts.iter().any(|(name, _)| name == "README.md"));
    let mut violations = Vec::new();
    for (name, text) in &texts {
        for (line, row) in (1..).zip(text.lines()) {
            let found = PLACES
                .iter()
                .chain(&WORDS)
                .find(|word| row.contains(**word));
            violations.extend(found.map(|word| format!("{name}:{line}: {word}")));
        }
    }
    none(&violations);
}
