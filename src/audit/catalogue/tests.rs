//! How rules are read, and what is said of those that are wrong.

use super::*;

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

const OWN: &str = "-- id: X1\n-- version: 2\n-- verdict: fail\n-- about: records\n-- title_en: T\n-- title_zh: 题\n-- ask_en: Why {n}?\n-- ask_zh: 为何{n}？\n-- param least: 3 -- records\n\nSELECT office, make_array(record) AS records, $least AS n\nFROM births\n";

#[test]
fn the_built_in_rules_read_without_a_fault() {
    let catalogue = Catalogue::built_in();
    assert_eq!(catalogue.faults, []);
    assert_eq!(catalogue.rules.len(), RULES.len());
    for (name, rule) in &catalogue.rules {
        // What stands in comments is for readers.
        let code = |line: &str| line.split("--").next().unwrap().to_owned();
        let sql: String = rule.sql.lines().map(code).collect();
        assert!(!sql.contains('$'), "{name}: {sql}");
        assert_eq!(rule.sql.lines().count(), rule.places.len(), "{name}");
        let texts = [&rule.title, &rule.ask, &rule.work];
        for text in texts.iter().flat_map(|both| [&both.en, &both.zh]) {
            assert!(!text.is_empty() && !text.contains('$'), "{name}: {text:?}");
        }
    }
}

#[test]
fn a_folder_adds_rules_and_changes_parameters() {
    let parameters = r#"{"PL1": {"youngest": 13}}"#;
    let folder = folder_with(&[("X1.sql", OWN), ("parameters.json", parameters)]);
    let catalogue = Catalogue::with_folder(folder.path()).unwrap();
    assert_eq!(catalogue.faults, []);
    let own = &catalogue.rules["X1"];
    assert!(own.sql.contains("3 AS n") && own.version == 2);
    assert!(own.place(2).unwrap().to_string().ends_with("X1.sql:11"));
    assert!(catalogue.rules["PL1"].sql.contains("mother_age < 13"));
    assert_ne!(catalogue.digest(), Catalogue::built_in().digest());
}

#[test]
fn what_is_wrong_with_a_rule_is_said_with_its_line_and_stops_no_other() {
    for (text, line, says) in [
        (OWN.replace("-- version: 2\n", ""), 1, "no version"),
        (OWN.replace("fail", "maybe"), 3, "neither fail nor signal"),
        (
            OWN.replace("param least: 3", "param least: a b"),
            9,
            "neither a number nor a word",
        ),
        (OWN.replace("$least", "$most"), 11, "$most"),
        (
            OWN.replace("FROM births", "-- include: nothing"),
            12,
            "no part nothing",
        ),
    ] {
        let folder = folder_with(&[("X1.sql", &text)]);
        let catalogue = Catalogue::with_folder(folder.path()).unwrap();
        let [fault] = &catalogue.faults[..] else {
            panic!("{:?}", catalogue.faults)
        };
        assert_eq!(fault.place.line, line, "{fault}");
        assert!(fault.to_string().contains(says), "{fault}");
        assert!(catalogue.rules.len() == RULES.len());
    }
    let folder = folder_with(&[("parameters.json", r#"{"PL1": {"oldness": 13}}"#)]);
    let catalogue = Catalogue::with_folder(folder.path()).unwrap();
    assert!(catalogue.faults[0].what.contains("no parameter oldness"));
}

#[test]
fn rules_are_chosen_by_their_ids() {
    let mut catalogue = Catalogue::built_in();
    catalogue
        .keep(&["HP2".to_owned(), "ID1".to_owned()])
        .unwrap();
    let names: Vec<_> = catalogue.rules.keys().map(String::as_str).collect();
    assert_eq!(names, ["HP2-gestation", "HP2-weight", "ID1"]);
    assert_eq!(
        Catalogue::built_in().keep(&["ZZ9".to_owned()]),
        Err("ZZ9".to_owned())
    );
}

#[test]
fn what_is_said_of_the_arithmetic_has_its_parameters() {
    let said = OWN.replace(
        "-- param",
        "-- work_en: {n} of $least\n-- work_zh: {n}，$least\n-- chart: series\n-- param n: 12\n-- param mean: 1.5\n-- param outside: 0\n-- param",
    );
    let folder = folder_with(&[("X1.sql", &said), ("X2.sql", &OWN.replace("X1", "X2"))]);
    let catalogue = Catalogue::with_folder(folder.path()).unwrap();
    assert_eq!(catalogue.faults, []);
    let own = &catalogue.rules["X1"];
    assert_eq!(
        (own.work.en.as_str(), own.work.zh.as_str()),
        ("{n} of 3", "{n}，3")
    );
    assert!(own.chart.as_ref().unwrap().contains("a.mean >= 1.5"));
    // A rule of one's own need not say it, and need not have a chart.
    let plain = &catalogue.rules["X2"];
    assert!(plain.work.en.is_empty() && plain.chart.is_none());

    let folder = folder_with(&[("X1.sql", &said.replace("chart: series", "chart: pie"))]);
    let catalogue = Catalogue::with_folder(folder.path()).unwrap();
    assert!(catalogue.faults[0].what.contains("no chart pie"));
}

#[test]
fn tables_that_are_asked_several_times_are_named_in_rules_and_parts() {
    let catalogue = Catalogue::built_in();
    assert_eq!(catalogue.rules["CT1"].once, ["own", "lists", "tested"]);
    let named = |once: &[String], sql: &str| {
        let made = |name: &String| sql.contains(&format!("{name} AS ("));
        once.iter().all(made)
    };
    let rules = catalogue.rules.values();
    assert!(rules.clone().all(|rule| named(&rule.once, &rule.sql)));
    assert!(rules.filter(|rule| !rule.once.is_empty()).count() > 10);
}
