//! The reports by the command line, and the file of targets.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "support/program.rs"]
mod program;

use std::path::Path;

use program::Home;
use serde_json::Value;
use sha2::{Digest, Sha256};

const OFFICE: &str = "990101100000";
const PERIOD: [&str; 2] = ["--period", "2014-H1"];
/// An indicator that the extract has all data for.
const COVERAGE: &str = "preconception_check_coverage";

/// A ledger with the extract of the half-year sample.
fn home() -> Home {
    let home = Home::empty();
    let delivery = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/half-year-extract");
    home.run(&["init", "--simulated-clock"]).ok();
    home.run(&["import", delivery.to_str().unwrap()]).ok();
    home
}

fn report(home: &Home, name: &str, more: &[&str]) -> program::Ran {
    let office = ["report", name, "--office", OFFICE];
    home.run(&[&office[..], &PERIOD, more].concat())
}

fn indicator<'a>(report: &'a Value, id: &str) -> &'a Value {
    let lists = ["targets", "without_target", "indicators"];
    let mut all = lists.iter().filter_map(|list| report[list].as_array());
    all.find_map(|list| list.iter().find(|one| one["id"] == id))
        .unwrap_or_else(|| panic!("no {id} in {report}"))
}

#[test]
fn months_and_plan_come_in_every_form_and_in_both_languages() {
    let home = home();
    for name in ["monthly", "targets"] {
        let text = report(&home, name, &[]).ok().out;
        assert!(
            text.contains("2014-H1") && text.contains("SIMULATED"),
            "{text}"
        );
        let chinese = report(&home, name, &["--lang", "zh"]).ok().out;
        assert!(
            chinese.contains("说明") && !chinese.contains("Notes"),
            "{chinese}"
        );
        let markdown = report(&home, name, &["--format", "markdown"]).ok().out;
        assert!(
            markdown.starts_with("# ") && markdown.contains("|---:|"),
            "{markdown}"
        );
        let html = report(&home, name, &["--format", "html", "--lang", "zh"]);
        let html = html.ok().out;
        assert!(
            html.starts_with("<!doctype html>\n<html lang=\"zh-Hans\">"),
            "{html}"
        );
        assert!(!html.contains("http://") && !html.contains("https://"));
        let json = report(&home, name, &["--json"]).ok().json();
        assert_eq!(json["format"], format!("vitaledger-{name}/1"));
        assert_eq!(json["period"], "2014-H1");
        assert!(json["position"].is_u64() && json["simulated_clock"] == true);
        assert_eq!(json, report(&home, name, &["--format", "json"]).ok().json());
    }
    // Without a period it is the year of the last entry.
    let year = ["report", "monthly", "--office", OFFICE, "--json"];
    let year = home.run(&year).ok().json();
    assert_eq!(
        (&year["period"], year["months"].as_array().unwrap().len()),
        (&"2014".into(), 12)
    );
}

#[test]
fn the_months_of_the_report_are_those_of_the_half_year() {
    let home = home();
    let half = report(&home, "half-year", &["--json"]).ok().json();
    let monthly = report(&home, "monthly", &["--json"]).ok().json();
    let births = half["births_by_month"].as_array().unwrap();
    let months = monthly["months"].as_array().unwrap();
    assert_eq!((births.len(), months.len()), (6, 6));
    for (of_half, month) in births.iter().zip(months) {
        assert_eq!(of_half["month"], month["period"]);
        assert_eq!(of_half["register"], month["figures"]["births"]);
        assert_eq!(of_half["returned"], month["returns"]["births"]);
    }
    for figure in half["figures"].as_array().unwrap() {
        let id = figure["id"].as_str().unwrap();
        assert_eq!(figure["value"], monthly["total"]["figures"][id], "{id}");
    }
    // As of an earlier moment the same months hold less.
    let early = report(&home, "monthly", &["--as-of", "2014-02-28", "--json"]);
    let early = early.ok().json();
    let total = |report: &Value| report["total"]["figures"]["births"].as_i64().unwrap();
    assert!(total(&early) < total(&monthly));
}

#[test]
fn targets_are_printed_edited_and_used_by_every_command() {
    let home = home();
    let printed = home.run(&["report", "targets", "--print-file"]).ok().out;
    let mut plan: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(plan["crude_birth_rate_at_most"], "15.0");
    // 8 of 9 checks were done.
    plan["preconception_check_coverage_at_least"] = "90".into();
    let text = plan.to_string();
    home.write("plan.json", &text);
    let sha256 = hex::encode(Sha256::digest(text.as_bytes()));

    let default = report(&home, "targets", &["--json"]).ok().json();
    assert_eq!(default["plan"]["from"], "defaults");
    assert_eq!(indicator(&default, COVERAGE)["verdict"], "met");
    let with_file = ["--json", "--targets", "plan.json"];
    for name in ["targets", "half-year"] {
        let judged = report(&home, name, &with_file).ok().json();
        assert_eq!(judged["plan"]["sha256"], sha256.as_str(), "{name}");
        let rate = indicator(&judged, COVERAGE);
        assert_eq!(rate["verdict"], "not_met", "{name}");
    }
    let judged = report(&home, "targets", &with_file).ok().json();
    let gap = &indicator(&judged, COVERAGE)["gap"];
    assert_eq!(gap["amount"], 1);
    assert_eq!(
        (&gap["direction"], &gap["needed"]),
        (&"more".into(), &true.into())
    );

    // In the ledger's folder it holds without being named.
    std::fs::write(home.ledger().join("targets.json"), &text).unwrap();
    let held = report(&home, "targets", &["--json"]).ok().json();
    assert_eq!(held["plan"]["sha256"], sha256.as_str());
    let export = ["export", "indicators", "--office", OFFICE];
    let lines = home.run(&[&export[..], &PERIOD].concat()).ok().out;
    let rate = lines.lines().find(|line| line.contains(COVERAGE));
    let rate = rate.unwrap();
    assert!(rate.contains("not_met") && rate.contains(&sha256), "{rate}");
    let replay = ["replay", "--every", "month", "--json", "--office", OFFICE];
    let steps = home.run(&[&replay[..], &PERIOD].concat()).ok().out;
    let last: Value = serde_json::from_str(steps.lines().last().unwrap()).unwrap();
    assert_eq!(indicator(&last, COVERAGE)["verdict"], "not_met");
    // A file that is named goes before it.
    home.write("mild.json", "{}");
    let mild = report(&home, "targets", &["--json", "--targets", "mild.json"]);
    assert_eq!(indicator(&mild.ok().json(), COVERAGE)["verdict"], "met");
}

#[test]
fn a_wrong_file_of_targets_says_where_and_what_to_do() {
    let home = home();
    home.write("wrong.json", "{\n  \"rank_at_most\": \"1\"\n}");
    for name in ["half-year", "targets"] {
        let refused = report(&home, name, &["--targets", "wrong.json"]).ends(2);
        for part in ["wrong.json", "line 2", "rank_at_most", "--print-file"] {
            assert!(refused.err.contains(part), "{name}: {}", refused.err);
        }
    }
    let missing = report(&home, "targets", &["--targets", "nowhere.json"]);
    assert!(missing.ends(1).err.contains("nowhere.json"));
    std::fs::write(
        home.ledger().join("targets.json"),
        "{\"satisfaction_at_least\": \"x\"}",
    )
    .unwrap();
    let refused = report(&home, "half-year", &[]).ends(2);
    assert!(refused.err.contains("targets.json") && refused.err.contains("satisfaction_at_least"));
    // Neither office nor period is needed to print, and both are for a report.
    home.run(&["report", "targets", "--office", OFFICE]).ends(2);
}
