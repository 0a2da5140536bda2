//! The audit as people use it: run, listed, explained, answered, cleared; over history; by the
//! command line.
//!
//! What comes in: small ledgers with faults that are known. What goes out: what the commands say
//! and what they leave on the ledger. What must stay true: a second run raises nothing twice, what
//! is corrected is cleared, and a run as of a moment says what a run at that moment said.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

mod again;
#[path = "../support/program.rs"]
mod program;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use program::Home;
use serde_json::Value;

const VILLAGE: &str = "990101100001";

fn birth(number: &str, born: &str, on: &str) -> String {
    format!(
        r#"{{"source_record_id":"{number}","source":"village","office":"{VILLAGE}","occurred_on":"{on}","reported_on":"{on}","sex":"F","plurality":"1","weight_g":"3100","mother_born_on":"{born}"}}"#
    )
}

/// A ledger with two births; the mother of the second would have been 70.
fn home() -> Home {
    let home = Home::new();
    for (number, born) in [("B1", "1990-03-01"), ("B2", "1944-03-01")] {
        home.run_with(
            &["record", "birth", "-"],
            &birth(number, born, "2014-06-10"),
        )
        .ok();
    }
    home
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn findings(home: &Home, more: &[&str]) -> Vec<Value> {
    let listed = home.run(&[&["findings", "--json"], more].concat()).ok();
    lines(&listed.out)
}

/// What a run changed on the ledger.
fn audit(home: &Home) -> String {
    let ran = home.run(&["audit", "run"]).ok();
    let said = ran.err.lines().find(|line| line.contains("raised"));
    said.unwrap_or_else(|| panic!("{}", ran.err)).to_owned()
}

#[test]
fn a_finding_lives_on_the_ledger() {
    let home = home();
    assert_eq!(audit(&home), "1 findings raised, 0 cleared, 0 stand");
    assert_eq!(audit(&home), "0 findings raised, 0 cleared, 1 stand");
    let found = findings(&home, &[]);
    let [one] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (&one["rule"], &one["verdict"], &one["state"]),
        (&"PL1".into(), &"fail".into(), &"open".into())
    );
    assert_eq!(one["office"], VILLAGE);
    assert_eq!(one["records"], serde_json::json!(["B2"]));
    assert!(one["p"].is_null() && one["position"].is_u64());
    assert!(one["message_en"].as_str().unwrap().contains("70 years"));
    assert!(one["message_zh"].as_str().unwrap().contains("70"));
    // Nothing that names a person.
    assert!(!found[0].to_string().contains("1944"));

    let id = one["id"].as_str().unwrap().to_owned();
    let state = || {
        findings(
            &home,
            &[
                "--state",
                "open",
                "--state",
                "asked",
                "--state",
                "answered",
                "--state",
                "confirmed",
                "--state",
                "cleared",
                "--sealed",
            ],
        )[0]["state"]
            .clone()
    };
    home.run(&["finding", "ask", &id]).ok();
    assert_eq!(state(), "asked");
    home.run(&["finding", "answer", &id, "--text", "a slip of the pen"])
        .ok();
    home.run(&["finding", "confirm", &id]).ok();
    assert_eq!(state(), "confirmed");
    // Without a reason there is nothing sealed, and nothing of it is missing.
    home.run(&["verify"]).ok();
    let correct = "correct|birth|birth/village/B2|mother_born_on=1994-03-01|--reason|a slip";
    home.run(&correct.split('|').collect::<Vec<_>>()).ok();
    assert_eq!(audit(&home), "0 findings raised, 1 cleared, 0 stand");
    assert_eq!(state(), "cleared");
    assert_eq!(findings(&home, &[]), Vec::<Value>::new());
    // It comes back under the same id.
    let back = "correct|birth|birth/village/B2|mother_born_on=1944-03-01|--reason|no slip";
    home.run(&back.split('|').collect::<Vec<_>>()).ok();
    assert_eq!(audit(&home), "1 findings raised, 0 cleared, 0 stand");
    assert_eq!(findings(&home, &[])[0]["id"], id);
}

#[test]
fn findings_leave_in_every_form() {
    let home = home();
    audit(&home);
    let id = findings(&home, &[])[0]["id"].as_str().unwrap().to_owned();
    let form = |name: &str| home.run(&["findings", "--format", name]).ok().out;
    let csv = form("csv");
    assert!(
        csv.starts_with("id,rule,verdict,state,office,period,p,q,records,question"),
        "{csv}"
    );
    assert!(csv.contains(&id) && csv.contains("B2"), "{csv}");
    assert_eq!(lines(&form("json")), findings(&home, &[]));
    let sarif = lines(&form("sarif"));
    assert_eq!(
        (&sarif[0]["ruleId"], &sarif[0]["level"]),
        (&"PL1".into(), &"error".into())
    );
    assert_eq!(
        sarif[0]["locations"][0]["logicalLocations"][0]["name"],
        VILLAGE
    );
    home.run(&["findings", "--format", "xlsx", "-o", "f.xlsx"])
        .ok();
    let mut book: calamine::Xlsx<_> = calamine::open_workbook(home.path().join("f.xlsx")).unwrap();
    let sheet = calamine::Reader::worksheet_range_at(&mut book, 0)
        .unwrap()
        .unwrap();
    assert_eq!(sheet.get_value((0, 1)).unwrap().to_string(), "rule");
    assert_eq!(sheet.get_value((1, 0)).unwrap().to_string(), id);
    home.run(&["findings", "--format", "xlsx", "-o", "f.xlsx"])
        .ends(1);
    home.run(&["findings", "-o", "f.txt"]).ends(2);
}

#[test]
fn a_waiver_ends() {
    let home = home();
    audit(&home);
    let id = findings(&home, &[])[0]["id"].as_str().unwrap().to_owned();
    let waive = |until: &str| {
        home.run(&[
            "finding",
            "waive",
            &id,
            "--until",
            until,
            "--reason",
            "the hospital looks for the file",
        ])
    };
    waive("2090-01-01").ok();
    assert!(
        findings(&home, &[])[0]["state"]
            .as_str()
            .unwrap()
            .starts_with("waived")
    );
    assert_eq!(audit(&home), "0 findings raised, 0 cleared, 1 stand");
    let no_date = waive("soon").ends(2);
    assert!(no_date.err.contains("write 2014-06-30"), "{}", no_date.err);
}

#[test]
fn a_finding_is_explained() {
    let home = home();
    audit(&home);
    let id = findings(&home, &[])[0]["id"].as_str().unwrap().to_owned();
    let shown = home.run(&["audit", "explain", &id[..8]]).ok().out;
    for part in [
        "PL1",
        "Mother's age at birth",
        VILLAGE,
        "70 years",
        "birth B2",
        "weight_g=3100",
        "SELECT office",
        "mother_age < 12",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("1944"), "{shown}");
    let json = home.run(&["audit", "explain", &id, "--json"]).ok().json();
    assert_eq!(json["format"], "vitaledger-explanation/1");
    assert_eq!(
        (&json["judged"], &json["record_count"]),
        (&"finding".into(), &1.into())
    );
    assert_eq!(json["parameters"]["oldest"], "55");
    assert_eq!(json["numbers"]["age"], 70);
    assert!(json["raised_by"].is_null());
    let chinese = home
        .run(&["--lang", "zh", "audit", "explain", &id])
        .ok()
        .out;
    assert!(chinese.contains("母亲生育年龄"), "{chinese}");
    assert!(
        home.run(&["audit", "explain", "zz"])
            .ends(2)
            .err
            .contains("no finding begins with")
    );
    let none = home
        .run(&["audit", "explain", &id, "--svg", "c.svg"])
        .ends(2);
    assert!(none.err.contains("has no chart"), "{}", none.err);
}

#[test]
fn a_folder_of_rules_adds_and_changes() {
    let home = home();
    let folder = home.path().join("rules");
    std::fs::create_dir(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write(
        "parameters.json",
        r#"{"PL1": {"oldest": 80, "review_from": 85}}"#,
    );
    write(
        "OWN.sql",
        "-- id: OWN\n-- version: 1\n-- verdict: fail\n-- about: records\n-- title_en: Light\n-- title_zh: 轻\n-- ask_en: {weight_g} g?\n-- ask_zh: {weight_g}克？\n\nSELECT office, make_array(record) AS records, weight_g FROM births WHERE weight_g < 3200\n",
    );
    write(
        "WRONG.sql",
        "-- id: WRONG\n-- version: 1\n-- verdict: fail\n-- about: records\n-- title_en: x\n-- title_zh: x\n-- ask_en: x\n-- ask_zh: x\n\nSELECT office, make_array(record) AS records\nFROM births WHERE no_such_column = 1\n",
    );
    let ran = home.run(&["audit", "run", "--rules", "rules"]).ok();
    let fault = ran
        .err
        .lines()
        .find(|line| line.contains("WRONG.sql"))
        .unwrap();
    assert!(
        fault.contains("WRONG.sql:11") && fault.contains("no_such_column"),
        "{fault}"
    );
    let rules: Vec<Value> = findings(&home, &[])
        .iter()
        .map(|one| one["rule"].clone())
        .collect();
    assert_eq!(rules, ["OWN", "OWN"]);
    // The user's own rule writes nothing, reads no file and names no other table.
    write(
        "WRONG.sql",
        "-- id: WRONG\n-- version: 1\n-- verdict: fail\n-- about: records\n-- title_en: x\n-- title_zh: x\n-- ask_en: x\n-- ask_zh: x\n\nCOPY births TO 'births.csv'\n",
    );
    let ran = home.run(&["audit", "run", "--rules", "rules"]).ok();
    assert!(ran.err.contains("WRONG.sql"), "{}", ran.err);
    assert!(!home.path().join("births.csv").exists());
}

#[test]
fn the_exit_code_says_what_was_asked_for() {
    let home = home();
    home.run(&["audit", "run", "--fail-on", "fail"]).ends(10);
    home.run(&["audit", "run", "--fail-on", "signal", "--rule", "SR1"])
        .ok();
    home.run(&["audit", "run", "--rule", "NONE"]).ends(2);
    // Findings of other offices are none of this one's.
    home.run(&[
        "audit",
        "run",
        "--fail-on",
        "fail",
        "--office",
        "990101100002",
    ])
    .ok();
    assert_eq!(
        findings(&home, &["--office", "990101100002"]),
        Vec::<Value>::new()
    );
    assert_eq!(findings(&home, &["--office", "990101100000"]).len(), 1);
}

/// A delivery with faults, in a ledger.
fn simulated(more: &[&str]) -> (Home, PathBuf) {
    let home = Home::empty();
    let size = [
        "--population",
        "4000",
        "--months",
        "24",
        "--villages",
        "12",
        "--seed",
        "5",
        "-o",
        "delivery",
    ];
    home.run(&[&["simulate"], &size[..], more].concat()).ok();
    home.run(&["init", "--simulated-clock"]).ok();
    home.run(&["import", "delivery"]).ok();
    let truth = home.path().join("delivery/truth.csv");
    (home, truth)
}

fn kept(home: &Home) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(home.ledger().join("casebook"));
    let folders = folders.map(|all| all.map(|one| one.unwrap().path()).collect::<Vec<_>>());
    let mut files = Vec::new();
    for folder in folders.unwrap_or_default() {
        files.extend(
            std::fs::read_dir(folder)
                .unwrap()
                .map(|file| file.unwrap().path()),
        );
    }
    files.sort();
    files
}

#[test]
fn faults_of_a_delivery_are_found_and_clean_ones_are_left_alone() {
    let (home, truth) = simulated(&["--faults", "all"]);
    let score = [
        "audit",
        "score",
        "--json",
        "--truth",
        truth.to_str().unwrap(),
    ];
    let score = home.run(&score).ok().json();
    for (name, fault) in score["recall"].as_object().unwrap() {
        // Probable duplicates are a matter of linkage.
        if name != "DU/dup_fuzzy" {
            assert_eq!(fault["found"], fault["owed"], "{name}");
        }
    }
    let rules = score["precision"].as_object().unwrap();
    assert!(rules.len() > 10, "{score}");
    for (name, rule) in rules {
        assert_eq!(rule["right"], rule["flagged"], "{name}");
    }

    let (clean, _) = simulated(&[]);
    let ran = clean.run(&["audit", "run", "--fail-on", "signal"]).ok();
    assert!(ran.err.contains("0 findings raised"), "{}", ran.err);
}

#[test]
fn what_is_kept_between_runs_changes_no_answer() {
    let (home, _) = simulated(&["--faults", "all"]);
    let run = |more: &[&str]| {
        let ran = home.run(
            &[
                &[
                    "audit",
                    "run",
                    "--json",
                    "--dry-run",
                    "--list",
                    "review",
                    "--list",
                    "insufficient",
                    "--list",
                    "quiet",
                ],
                more,
            ]
            .concat(),
        );
        ran.ok().out
    };
    assert_eq!(kept(&home), Vec::<PathBuf>::new());
    let first = run(&[]);
    let files = kept(&home);
    assert!(!files.is_empty(), "a whole piece is kept");
    assert_eq!(run(&[]), first);
    // A file that was changed, and one of another range, are made again.
    let mut bytes = std::fs::read(&files[0]).unwrap();
    let whole = bytes.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&files[0], &bytes).unwrap();
    assert_eq!(run(&[]), first);
    assert_ne!(std::fs::read(&files[0]).unwrap(), bytes);
    std::fs::write(files[0].with_file_name("000000008192.sealed"), whole).unwrap();
    assert_eq!(run(&[]), first);
    // As of the past, with and without what is kept.
    let past = ["--as-of", "6000"];
    let then = run(&past);
    assert_ne!(then, first);
    std::fs::remove_dir_all(home.ledger().join("casebook")).unwrap();
    assert_eq!(run(&past), then);
}

#[test]
fn what_was_opened_is_forgotten_with_the_record() {
    let (home, _) = simulated(&["--faults", "all"]);
    home.run(&["audit", "run"]).ok();
    let before = findings(&home, &["--rule", "PL1"]);
    let number = before[0]["records"][0].as_str().unwrap().to_owned();
    assert!(before[0]["message_en"].is_string());
    assert!(
        kept(&home)
            .iter()
            .any(|file| file.ends_with("findings.sealed"))
    );
    let record = format!("birth/village/{number}");
    let erase = [
        "erase",
        &record,
        "--legal-basis",
        "PIPL-47",
        "--approved-by",
        "a",
        "--approved-by",
        "b",
        "--confirm",
        "1",
    ];
    home.run(&erase).ok();
    assert_eq!(kept(&home), Vec::<PathBuf>::new());
    // The finding stands with its record's id, and says no more of it.
    let after = findings(&home, &["--rule", "PL1"]);
    let same: Vec<&Value> = after
        .iter()
        .filter(|one| one["id"] == before[0]["id"])
        .collect();
    assert!(same[0]["message_en"].is_null(), "{}", same[0]);
    assert!(!same[0]["records"].to_string().contains(&number));
    home.run(&["audit", "run"]).ok();
    let after = findings(&home, &["--rule", "PL1"]);
    assert!(
        after.iter().all(|one| one["id"] != before[0]["id"]),
        "the age is not known any more"
    );
}

#[test]
fn history_ends_where_a_run_stands() {
    let (home, _) = simulated(&["--faults", "all"]);
    let rules = ["--rule", "PL1", "--rule", "PY1", "--rule", "HP1"];
    let steps = home
        .run(&[&["audit", "backtest", "--json"], &rules[..]].concat())
        .ok();
    let steps = lines(&steps.out);
    assert!((20..=30).contains(&steps.len()), "{}", steps.len());
    let positions: Vec<u64> = steps
        .iter()
        .map(|step| step["position"].as_u64().unwrap())
        .collect();
    assert!(positions.is_sorted() && positions.windows(2).all(|pair| pair[0] < pair[1]));
    home.run(&[&["audit", "run"], &rules[..]].concat()).ok();
    let now: BTreeSet<String> = findings(&home, &["--sealed"])
        .iter()
        .map(|one| one["id"].to_string())
        .collect();
    let last = steps.last().unwrap();
    assert_eq!(last["findings"].as_u64().unwrap(), now.len() as u64);
    let mut brought = BTreeSet::new();
    for step in &steps {
        let new = step["brought"].as_array().unwrap();
        brought.extend(new.iter().map(|one| one["id"].to_string()));
    }
    assert!(brought.is_superset(&now));
    // Some of it was to be seen before the end.
    assert!(
        steps[..steps.len() / 2]
            .iter()
            .any(|step| step["findings"].as_u64().unwrap() > 0)
    );
    let text = home
        .run(&["audit", "backtest", "--every", "week", "--rule", "PL1"])
        .ok()
        .out;
    assert!(
        text.contains("insufficient") && text.lines().count() > 40,
        "{text}"
    );
    home.run(&["audit", "backtest", "--every", "never"]).ends(2);
}

#[test]
fn a_closed_period_that_moves_is_asked_about() {
    let home = Home::empty();
    let delivery = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/half-year-extract");
    home.run(&["init", "--simulated-clock"]).ok();
    home.run(&[
        "import",
        delivery.to_str().unwrap(),
        "--until",
        "2014-07-31",
    ])
    .ok();
    let which = ["--office", VILLAGE, "--period", "2014-06"];
    let run = |args: &[&str], more: &[&str]| home.run(&[args, &which[..], more].concat()).ok();
    let rules = |home: &Home| {
        home.run(&["audit", "run", "--rule", "RS1", "--rule", "RS2"])
            .ok();
        let found = findings(home, &["--rule", "RS1", "--rule", "RS2"]);
        found
            .into_iter()
            .map(|one| (one["rule"].as_str().unwrap().to_owned(), one))
            .collect::<Vec<_>>()
    };
    run(&["period", "open"], &[]);
    run(&["period", "close"], &[]);
    assert_eq!(rules(&home), []);
    let sex = "correct|birth|birth/village/B0011098|sex=F|--reason|misread";
    home.run(&sex.split('|').collect::<Vec<_>>()).ok();
    let found = rules(&home);
    let [(rule, one)] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (rule.as_str(), &one["period"], &one["office"]),
        ("RS1", &"2014-06".into(), &VILLAGE.into())
    );
    assert_eq!(one["numbers"]["while_closed"], 1);
    assert_eq!(one["numbers"]["without_reason"], 0);
    let id = one["id"].as_str().unwrap();
    let shown = home.run(&["audit", "explain", id]).ok().out;
    assert!(
        shown.contains("entries into a period that nobody had opened again: 1"),
        "{shown}"
    );
    run(
        &["period", "reopen"],
        &["--reason", "x", "--second-actor", "head-2"],
    );
    let names: Vec<String> = rules(&home).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(names, ["RS1", "RS2"]);
    let listed = home
        .run(&["audit", "run", "--rule", "RS2", "--list", "review"])
        .ok()
        .out;
    assert!(listed.contains("override=simulated_clock"), "{listed}");
}
