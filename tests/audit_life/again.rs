//! A run after a run: rules about records are asked only of what changed, and say the same.

use serde_json::Value;

use crate::program::Home;
use crate::{audit, findings};

/// A delivery in two parts: of its births and disbursements, all but the last tenth; and the rest.
fn in_two_parts(home: &Home) -> [String; 2] {
    let whole = home.path().join("delivery");
    let parts = ["first", "second"].map(|name| home.path().join(name));
    for part in &parts {
        std::fs::create_dir(part).unwrap();
    }
    for file in std::fs::read_dir(&whole).unwrap() {
        let (path, name) = file.map(|file| (file.path(), file.file_name())).unwrap();
        if name == "truth.csv" {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let in_parts = name == "births.csv" || name == "disbursements.csv";
        let cut = if in_parts {
            lines.len() * 9 / 10
        } else {
            lines.len()
        };
        std::fs::write(parts[0].join(&name), lines[..cut].concat()).unwrap();
        if in_parts {
            let rest = [&lines[..1], &lines[cut..]].concat();
            std::fs::write(parts[1].join(&name), rest.concat()).unwrap();
        }
    }
    parts.map(|part| part.to_str().unwrap().to_owned())
}

#[test]
fn what_changed_is_all_that_is_asked_again() {
    let home = Home::empty();
    let size =
        "simulate|--population|4000|--months|24|--villages|12|--seed|5|--faults|all|-o|delivery";
    home.run(&size.split('|').collect::<Vec<_>>()).ok();
    let [first, second] = in_two_parts(&home);
    home.run(&["init", "--simulated-clock"]).ok();
    home.run(&["import", &first]).ok();
    home.run(&["audit", "run"]).ok();
    // What a run says after the last, which it writes, and what it says when it asks everything.
    let compared = || {
        let ask =
            "audit|run|--json|--dry-run|--list|review|--list|insufficient|--list|quiet|--whole";
        let ask: Vec<&str> = ask.split('|').collect();
        let whole = home.run(&ask).ok().out;
        let after = home.run(&ask[..ask.len() - 1]).ok().out;
        let head =
            |text: &str| -> Value { serde_json::from_str(text.lines().next().unwrap()).unwrap() };
        let again = head(&after)["rules_asked_of_changes"].as_u64().unwrap();
        assert_eq!(head(&whole)["rules_asked_of_changes"], 0);
        assert_eq!(head(&after)["rules"], head(&whole)["rules"]);
        let rest = |text: &str| text.lines().skip(1).collect::<Vec<_>>().join("\n");
        assert_eq!(rest(&after), rest(&whole));
        // What it raises and clears is what a run of everything then finds as it was.
        let said = audit(&home);
        home.run(&["audit", "run", "--whole"]).ok();
        (again, said)
    };
    home.run(&["import", &second]).ok();
    let (again, said) = compared();
    assert!(again >= 12, "{again}");
    assert!(!said.starts_with("0 findings raised"), "{said}");
    let stands = audit(&home);
    assert!(
        stands.starts_with("0 findings raised, 0 cleared"),
        "{stands}"
    );

    // One of two records of one event is voided; a mother's number becomes that of another.
    let duplicates = findings(&home, &["--rule", "DU1"]);
    let pair = duplicates.iter().find(|one| {
        one["message_en"].as_str().unwrap().contains("birth")
            && one["records"].as_array().unwrap().len() == 2
    });
    let twice = pair.unwrap()["records"][1].as_str().unwrap();
    let record = format!("birth/village/{twice}");
    home.run(&["void", "birth", &record, "--reason", "recorded twice"])
        .ok();
    let bad = findings(&home, &["--rule", "ID1"]);
    let one = bad
        .iter()
        .map(|one| one["records"][0].as_str().unwrap())
        .find(|number| number.starts_with('B'));
    let record = format!("birth/village/{}", one.unwrap());
    home.run(&[
        "correct",
        "birth",
        &record,
        "mother_id_no=",
        "--reason",
        "not hers",
    ])
    .ok();
    let (again, said) = compared();
    assert!(again >= 12, "{again}");
    let cleared = said.split(", ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(cleared.parse::<u32>().unwrap() >= 2, "{said}");
}
