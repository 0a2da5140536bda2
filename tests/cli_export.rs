//! `export` by the command line: files that other programs read.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "support/program.rs"]
mod program;

use std::fs::File;
use std::path::Path;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use program::Home;
use serde_json::Value;
use sha2::{Digest, Sha256};

const BIRTHS: &str = "source_record_id,source,office,occurred_on,reported_on,sex,child_name
B1,village,990101100001,2014-06-01,2014-06-03,F,张小花
B2,village,990101100001,2014-06-02,2014-06-04,M,李明
B3,hospital,990101100001,2014-06-02,2014-06-04,M,李明
";

fn home() -> Home {
    let home = Home::new();
    home.write("births.csv", BIRTHS);
    home.run(&["import", "births.csv"]).ok();
    home
}

fn rows(path: &Path) -> usize {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap());
    let batches = builder.unwrap().build().unwrap();
    batches.map(|batch| batch.unwrap().num_rows()).sum()
}

#[test]
fn registers_go_out_as_files_with_a_manifest() {
    let home = home();
    for (form, births) in [("parquet", "births.parquet"), ("csv", "births.csv")] {
        let folder = home.path().join(form);
        let text = folder.to_str().unwrap();
        let args = ["export", "registers", "--format", form, "-o", text];
        home.run(&args).ok();
        let bytes = std::fs::read(folder.join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&bytes).unwrap();
        let file = &manifest["files"][births];
        assert_eq!(file["rows"], 3, "{manifest}");
        let bytes = std::fs::read(folder.join(births)).unwrap();
        assert_eq!(file["sha256"], hex::encode(Sha256::digest(&bytes)));
        let shown = String::from_utf8_lossy(&bytes);
        assert!(!shown.contains("李明"), "a sealed name in {births}");
        if form == "parquet" {
            assert_eq!(rows(&folder.join(births)), 3);
        } else {
            assert_eq!(shown.lines().count(), 4);
        }
        // Nothing is overwritten.
        home.run(&args).ends(1);
    }
    let folder = home.path().join("early");
    let text = folder.to_str().unwrap();
    home.run(&["export", "registers", "births", "--as-of", "0", "-o", text])
        .ok();
    assert_eq!(rows(&folder.join("births.parquet")), 0);
    home.run(&["export", "registers", "wives", "-o", "elsewhere"])
        .ends(2);
}

#[test]
fn figures_go_out_in_the_formats_of_others() {
    let home = home();
    let export = |form: &str, more: &[&str]| {
        let mut args = vec!["export", "indicators", "--format", form];
        args.extend(["--office", "990101100001", "--period", "2014-06"]);
        args.extend(more);
        home.run(&args)
    };
    let set: Value = serde_json::from_str(&export("dhis2", &[]).ok().out).unwrap();
    let value = |element: &str| {
        let values = set["dataValues"].as_array().unwrap();
        let found = values.iter().find(|value| value["dataElement"] == element);
        found.map(|value| value["value"].as_str().unwrap())
    };
    assert_eq!(
        (value("births"), value("births_male")),
        (Some("2"), Some("1"))
    );
    assert_eq!(set["period"], "201406");
    home.write("names.json", r#"{"elements": {"births": "BIRTHS"}}"#);
    let xml = export("adx", &["--names", "names.json", "--complete"]).ok();
    let births = r#"<dataValue dataElement="BIRTHS" value="2"/>"#;
    assert!(xml.out.contains(births), "{}", xml.out);
    home.write("names.json", "{");
    let refused = export("adx", &["--names", "names.json"]).ends(2);
    assert!(refused.err.contains("file of names"), "{}", refused.err);
    home.run(&[
        "export",
        "indicators",
        "--office",
        "990101100009",
        "--period",
        "2014",
    ])
    .ends(2);
    export("csv", &["--period", "June"]).ends(2);
    export("parquet", &["-o", "figures.parquet"]).ok();
    let lines = export("csv", &[]).ok().out.lines().count();
    assert_eq!(rows(&home.path().join("figures.parquet")) + 1, lines);
}

#[test]
fn what_is_published_holds_no_small_count() {
    let home = home();
    let report = |more: &[&str]| {
        let which = ["report", "half-year", "--office", "990101100001"];
        let when = ["--period", "2014-06", "--format", "json"];
        home.run(&[&which[..], &when, more].concat())
            .ok()
            .out
            .clone()
    };
    let births = |text: &str| {
        let json: Value = serde_json::from_str(text).unwrap();
        let figures = json["figures"].as_array().unwrap().clone();
        figures
            .into_iter()
            .find(|figure| figure["id"] == "births")
            .unwrap()
    };
    assert_eq!(births(&report(&[]))["value"], 2);
    let shown = births(&report(&["--publish"]));
    assert_eq!(
        (&shown["value"], &shown["withheld"]),
        (&Value::Null, &Value::Bool(true))
    );
    let lines = |more: &[&str]| {
        let which = ["export", "indicators", "--office", "990101100001"];
        home.run(&[&which[..], &["--period", "2014-06"], more].concat())
            .ok()
            .out
    };
    assert!(
        lines(&[]).lines().any(|line| line.contains(",births,2,")),
        "{}",
        lines(&[])
    );
    let public = lines(&["--publish", "--threshold", "3"]);
    assert!(
        public
            .lines()
            .any(|line| line.contains(",births,,") && line.contains("withheld"))
    );
    home.run(&[
        "report",
        "half-year",
        "--office",
        "990101100001",
        "--period",
        "2014-06",
        "--threshold",
        "3",
    ])
    .ends(2);
}

#[test]
fn a_workbook_is_a_new_file() {
    let home = home();
    let path = home.path().join("half-year.xlsx");
    let args = [
        "report",
        "half-year",
        "--office",
        "990101100001",
        "--period",
        "2014-H1",
        "--format",
        "xlsx",
        "--out",
        path.to_str().unwrap(),
    ];
    home.run(&args).ok();
    assert!(std::fs::read(&path).unwrap().starts_with(b"PK"));
    // Nothing is overwritten.
    home.run(&args).ends(1);
}
