//! Rules of a user: a parameter that is another, a rule more, one that is wrong.

use std::path::Path;

use vitaledger::audit::catalogue::Catalogue;

use crate::asked::{Asked, births, real};

const HEAVY: &str = "-- id: X1
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Heavy
-- title_zh: 过重
-- ask_en: Is {weight_g} g right?
-- ask_zh: {weight_g}克是否正确？
-- param most: 5000

SELECT office, make_array(record) AS records, weight_g
FROM births
WHERE weight_g > $most
";

fn folder(files: &[(&str, &str)]) -> Catalogue {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(Path::new(folder.path()).join(name), text).unwrap();
    }
    Catalogue::with_folder(folder.path()).unwrap()
}

fn ages(catalogue: Catalogue, rule: &str) -> Asked {
    let of = births()
        .row(row! {on: "2014-01-01", mother_age: 12, weight_g: 5_500})
        .row(row! {on: "2014-01-01", mother_age: 12, weight_g: 4_500});
    Asked::of(rule, catalogue).with(of)
}

#[test]
fn a_folder_changes_what_a_rule_asks_for() {
    assert!(ages(folder(&[]), "PL1").hear().findings().is_empty());
    let changed = folder(&[("parameters.json", r#"{"PL1": {"youngest": 13}}"#)]);
    assert_eq!(ages(changed, "PL1").hear().records(), [[1], [2]]);
}

#[test]
fn a_folder_adds_a_rule() {
    let heard = ages(folder(&[("X1.sql", HEAVY)]), "X1").hear();
    assert_eq!(heard.records(), [[1]]);
    assert_eq!(
        (
            real(heard.one(), "weight_g"),
            heard.one().message.en.as_str()
        ),
        (5_500.0, "Is 5500 g right?")
    );
}

/// What the engine says of a rule is said with file and line, and other rules are heard.
#[test]
fn a_rule_that_does_not_run_stops_no_other() {
    let wrong = HEAVY.replace("weight_g > $most", "weight_kg > $most");
    let catalogue = folder(&[
        ("X1.sql", &wrong),
        ("PL1.sql", &HEAVY.replace("id: X1", "id: PL1")),
    ]);
    let heard = ages(catalogue.clone(), "X1").hear_faults();
    let [fault] = &heard.run.faults[..] else {
        panic!("{:?}", heard.run.faults)
    };
    assert!(
        fault.place.file.ends_with("X1.sql") && fault.place.line == 13,
        "{fault}"
    );
    assert!(fault.what.contains("weight_kg"), "{fault}");
    assert!(!heard.run.heard("X1"));
    // A file of the name of a built-in rule takes its place.
    assert_eq!(ages(catalogue, "PL1").hear().records(), [[1]]);
}
