//! `diff`, `blame`, `replay` and `bisect`, as their users see them.
//!
//! What comes in: the built program and a ledger of a few births. What must stay true: the exit
//! codes; `--json` is one object a line; both languages; sealed values are masked everywhere.
#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test stops at the first thing that is not as it should"
)]

#[path = "support/program.rs"]
mod program;

use program::{Home, Ran};
use serde_json::Value;

/// Runs a line of words.
fn say(home: &Home, line: &str) -> Ran {
    home.run(&line.split(' ').collect::<Vec<_>>())
}

/// Six births; the second is corrected, the third withdrawn. Position 0 opens the log, the
/// offices and their import come after it.
fn with_births() -> (Home, u64) {
    let home = Home::new();
    let before = home.entries() as u64;
    for number in 1..=6 {
        let sex = if number % 2 == 0 { "M" } else { "F" };
        say(&home, &format!("record birth source_record_id=B{number} source=village office=990101100001 occurred_on=2014-06-0{number} reported_on=2014-06-09 sex={sex} weight_g=3100 child_name=张小花")).ok();
    }
    say(
        &home,
        "--actor clerk-2 correct birth birth/village/B2 weight_g=3200 child_name=张大花 --reason misread",
    )
    .ok();
    say(
        &home,
        "--actor clerk-3 void birth birth/village/B3 --reason twice",
    )
    .ok();
    (home, before)
}

fn lines(ran: &Ran) -> Vec<Value> {
    let lines = ran.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn masked(ran: &Ran) {
    for secret in ["张小花", "张大花", "misread", "twice"] {
        assert!(!ran.out.contains(secret), "{secret}: {}", ran.out);
    }
}

#[test]
fn two_moments_are_told_apart() {
    let (home, before) = with_births();
    let (from, to) = ((before + 5).to_string(), (before + 7).to_string());
    let told = home.run(&["diff", &from, &to]).ok();
    masked(&told);
    for words in [
        "~ birth",
        "weight_g                  3100 -> 3200",
        "child_name                •••• -> ••••",
        "by clerk-2",
        "- birth",
        "by clerk-3",
        "Numbers: Sample County (990101000000), 2014",
        "Entries between: 2. Records recorded: 0, corrected: 1, voided: 1",
    ] {
        assert!(told.out.contains(words), "{words}\n{}", told.out);
    }
    let births = told.out.lines().find(|line| line.contains("Live births  "));
    let births: Vec<&str> = births.unwrap().split_whitespace().collect();
    assert_eq!(births, ["Live", "births", "6", "5", "-1"]);
}

#[test]
fn a_difference_is_written_as_json_and_markdown_and_for_a_part() {
    let (home, before) = with_births();
    let (from, to) = ((before + 5).to_string(), (before + 7).to_string());
    // JSON: one object a line, the summary last.
    let json = home
        .run(&["--json", "diff", &from, &to, "--kind", "birth"])
        .ok();
    masked(&json);
    let objects = lines(&json);
    assert_eq!(objects[0]["outcome"], "corrected");
    assert_eq!(objects[0]["fields"][0]["old"], 3100);
    assert_eq!(
        objects[0]["sealed_changed"],
        serde_json::json!(["child_name"])
    );
    assert_eq!(objects[1]["outcome"], "voided");
    let summary = objects.last().unwrap();
    assert_eq!(summary["type"], "summary");
    assert_eq!(summary["records_by_outcome"]["voided"]["birth"], 1);
    let movement = &objects[2];
    let figures = movement["figures"].as_array().unwrap();
    let births = figures
        .iter()
        .find(|figure| figure["id"] == "births")
        .unwrap();
    assert_eq!(births["difference"], -1);
    // Other offices, other kinds, Chinese, Markdown.
    let none = home
        .run(&["diff", &from, &to, "--office", "990101100002"])
        .ok();
    assert!(none.out.contains("no record changed"), "{}", none.out);
    let none = home.run(&["diff", &from, &to, "--kind", "activity"]).ok();
    assert!(none.out.contains("no record changed"), "{}", none.out);
    let zh = home
        .run(&[
            "--lang",
            "zh",
            "diff",
            &from,
            &to,
            "--markdown",
            "--numbers",
        ])
        .ok();
    assert!(zh.out.contains("| 出生 | 6 | 5 | -1 |"), "{}", zh.out);
    assert!(!zh.out.contains("~ "), "{}", zh.out);
    for wrong in [
        ["diff", &to, &from],
        ["diff", &from, "tomorrow"],
        ["diff", "0", "99999"],
    ] {
        home.run(&wrong).ends(2);
    }
    home.run(&["diff", &from, &to, "--office", "990101999999"])
        .ends(2);
    home.run(&["diff", &from, &to, "--kind", "wedding"]).ends(2);
}

#[test]
fn each_field_is_blamed_on_its_entry() {
    let (home, before) = with_births();
    let told = say(&home, "blame birth/village/B2").ok();
    masked(&told);
    let (recorded, corrected) = (before + 1, before + 6);
    let line = |name: &str| {
        let line = told
            .out
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        line("weight_g"),
        format!("weight_g 3200 #{corrected} corrected, set 2 times")
    );
    assert_eq!(line("sex"), format!("sex M #{recorded} recorded"));
    assert_eq!(
        line("child_name"),
        format!("child_name •••• #{corrected} corrected, set 2 times")
    );
    assert!(
        told.out.contains("clerk-2") && told.out.contains("2014-06-09"),
        "{}",
        told.out
    );
    let json = home.run(&["--json", "blame", "birth/village/B2"]).ok();
    masked(&json);
    let fields = json.json()["fields"].clone();
    let mut fields = fields.as_array().unwrap().iter();
    let weight = fields.find(|field| field["field"] == "weight_g").unwrap();
    assert_eq!(weight["set_by"]["position"], corrected);
    assert_eq!(weight["set_by"]["actor"], "clerk-2");
    let as_of = recorded.to_string();
    let earlier = home
        .run(&["blame", "birth/village/B2", "--as-of", &as_of])
        .ok();
    assert!(earlier.out.contains("3100") && !earlier.out.contains("clerk-2"));
    let voided = say(&home, "--lang zh blame birth/village/B3").ok();
    assert!(
        voided.out.contains("作废") && voided.out.contains("clerk-3"),
        "{}",
        voided.out
    );
    home.run(&["blame", "birth/village/B2", "--as-of", "0"])
        .ends(2);
    say(&home, "blame birth/village/B9").ends(2);
}

#[test]
fn history_is_replayed_as_lines_where_there_is_no_terminal() {
    let (home, before) = with_births();
    let told = say(&home, "replay --every entry --period 2014").ok();
    masked(&told);
    let steps = lines(&told);
    assert_eq!(steps.len(), home.entries());
    let births: Vec<i64> = steps
        .iter()
        .map(|step| {
            let mut figures = step["figures"].as_array().unwrap().iter();
            let births = figures.find(|figure| figure["id"] == "births").unwrap();
            births["value"].as_i64().unwrap()
        })
        .collect();
    let first = usize::try_from(before).unwrap();
    assert_eq!(births[first..], [1, 2, 3, 4, 5, 6, 6, 5]);
    assert!(births[..first].iter().all(|births| *births == 0));
    assert_eq!(steps[first]["position"], before);
    assert_eq!(steps[first]["entries_by_type"]["birth"], 1);
    assert_eq!(steps[first]["office"], "990101000000");
    let indicators = steps[first]["indicators"].as_array().unwrap();
    assert_eq!(indicators[0]["id"], "crude_birth_rate");
    // One afternoon is not cut by days unless somebody asks for it.
    assert!(lines(&say(&home, "--json replay").ok()).len() > 8);
    let part = format!("replay --from {} --to {} --every 3", before + 1, before + 5);
    let part = lines(&say(&home, &part).ok());
    assert_eq!(part.len(), 2);
    assert_eq!(
        (&part[0]["entries"], &part[1]["entries"]),
        (&3.into(), &1.into())
    );
    for wrong in [
        "replay --every fortnight",
        "replay --every 0",
        "replay --speed 0",
        "replay --from 5 --to 5",
        "replay --period 2014-H3",
        "replay --office 990101999999",
    ] {
        say(&home, wrong).ends(2);
    }
}

#[test]
fn the_entry_from_which_a_condition_holds_is_found() {
    let (home, before) = with_births();
    let bisect = |rule: &str, more: &[&str]| {
        let args = [&["bisect", "--period", "2014", "--rule", rule], more].concat();
        home.run(&args)
    };
    let found = bisect("births >= 4 and births_male < 4", &[]).ok();
    assert!(
        found.out.contains(&format!("at position {} ", before + 3)),
        "{}",
        found.out
    );
    assert!(
        found
            .out
            .contains("births = 3, births_male = 1 -> births = 4, births_male = 2")
    );
    assert!(found.err.contains("evaluations"), "{}", found.err);
    let json = bisect("births >= 4", &["--json"]).ok().json();
    assert_eq!(json["found"]["moment"]["position"], before + 3);
    assert_eq!(json["at_from"]["truth"], "false");
    assert!(json["evaluations"].as_u64().unwrap() <= 8);
    // It is true, false and true again.
    let all = bisect("births = 2 or births = 5", &["--every", "entry", "--json"]).ok();
    let objects = lines(&all);
    let turns: Vec<_> = objects
        .iter()
        .filter(|object| object["type"] == "turn")
        .collect();
    let at: Vec<_> = turns
        .iter()
        .map(|turn| turn["moment"]["position"].as_u64().unwrap())
        .collect();
    assert_eq!(
        at,
        [before + 1, before + 2, before + 4, before + 5, before + 7]
    );
    assert_eq!(objects.last().unwrap()["turns"], 5);
    // Not between: both values are said.
    let never = bisect("births > 6", &[]).ends(2);
    assert!(
        never.err.contains("births = 0") && never.err.contains("births = 5"),
        "{}",
        never.err
    );
    let zh = home
        .run(&[
            "--lang",
            "zh",
            "bisect",
            "--rule",
            "births = 0",
            "--period",
            "2014",
        ])
        .ends(2);
    assert!(zh.err.contains("not (...)"), "{}", zh.err);
    let unknown = bisect("birth_s > 1", &[]).ends(2);
    assert!(
        unknown.err.contains("did you mean births"),
        "{}",
        unknown.err
    );
    let wrong = bisect("births => 1", &[]).ends(2);
    assert!(wrong.err.contains("character 8"), "{}", wrong.err);
}

#[test]
fn the_entry_from_which_a_query_holds_is_found() {
    let (home, before) = with_births();
    let query = "SELECT count(*) >= 4, count(*) AS births FROM births";
    let found = home.run(&["bisect", "--rule", query]).ok();
    assert!(
        found.out.contains(&format!("at position {} ", before + 3)),
        "{}",
        found.out
    );
    assert!(
        found.out.contains("births = 3 -> births = 4"),
        "{}",
        found.out
    );
    let json = home.run(&["bisect", "--rule", query, "--json"]).ok().json();
    assert_eq!(json["found"]["moment"]["position"], before + 3);
    let all = home.run(&["bisect", "--rule", query, "--every", "entry", "--json"]);
    assert_eq!(lines(&all.ok()).last().unwrap()["turns"], 1);
    for wrong in [
        "SELECT count(*) FROM births",
        "SELECT count(* FROM births",
        "WITH b AS (SELECT 1) DELETE FROM births",
    ] {
        home.run(&["bisect", "--rule", wrong]).ends(2);
    }
    home.run(&["bisect", "--rule", query, "--period", "2014"])
        .ends(2);
}

#[test]
fn registers_are_asked_in_sql() {
    let (home, before) = with_births();
    let sql = |args: &[&str]| home.run(&[&["sql"], args].concat());
    let by_sex = "SELECT sex, count(*) AS births, min(weight_g) AS lightest FROM births GROUP BY sex ORDER BY sex";
    let table = sql(&[by_sex]).ok();
    assert_eq!(
        table.out,
        "sex  births  lightest\nF         2      3100\nM         3      3100\n"
    );
    assert!(table.err.contains("2 rows as of"), "{}", table.err);
    let json = lines(&sql(&[by_sex, "--json"]).ok());
    assert_eq!(
        json[1],
        serde_json::json!({"sex": "M", "births": 3, "lightest": 3100})
    );
    home.write("query.sql", format!("-- by sex\n{by_sex}\n"));
    let csv = sql(&["--file", "query.sql", "--csv"]).ok();
    assert_eq!(csv.out, "sex,births,lightest\nF,2,3100\nM,3,3100\n");
    // At any moment, also at a checkpoint.
    let count = "SELECT count(*) FROM births";
    let at = |moment: &str| sql(&[count, "--csv", "--as-of", moment]).ok().out;
    assert_eq!(at(&(before + 1).to_string()), "count(*)\n2\n");
    home.write("kept.note", home.run(&["checkpoint"]).ok().out);
    say(&home, "void birth birth/village/B1 --reason twice").ok();
    assert_eq!(at("kept.note"), "count(*)\n5\n");
    assert_eq!(sql(&[count, "--csv"]).ok().out, "count(*)\n4\n");
    let registers = say(&home, "registers births --csv --as-of kept.note").ok();
    assert_eq!(registers.out.lines().count(), 6);
    // What is cut is said.
    let cut = sql(&["SELECT position FROM births_history", "--limit", "3"]).ok();
    assert_eq!(cut.out.lines().count(), 4);
    assert!(cut.err.contains("there are more"), "{}", cut.err);
    let all = sql(&["SELECT position FROM births_history", "--json"]).ok();
    assert_eq!(all.out.lines().count(), 9);
    masked(&sql(&["SELECT * FROM births_history", "--csv"]).ok());
    let zh = sql(&[count, "--lang", "zh"]).ok();
    assert!(zh.err.contains("行，截至第"), "{}", zh.err);
}

#[test]
fn tables_are_listed_and_wrong_queries_say_where() {
    let (home, _) = with_births();
    let sql = |args: &[&str]| home.run(&[&["sql"], args].concat());
    let tables = sql(&["--tables"]).ok().out;
    for line in ["births_history", "offices", "pregnancy_losses"] {
        assert!(tables.contains(line), "{tables}");
    }
    let objects = lines(&sql(&["--tables", "--json"]).ok());
    let births = objects.iter().find(|one| one["table"] == "births").unwrap();
    assert_eq!(births["columns"][0]["type"], "text");
    let wrong = sql(&["SELECT weight FROM births"]).ends(2);
    assert!(wrong.err.contains("line 1, column 8"), "{}", wrong.err);
    let writes = sql(&["DROP TABLE births"]).ends(2);
    assert!(writes.err.contains("SELECT, EXPLAIN"), "{}", writes.err);
    sql(&[]).ends(2);
    sql(&["--file", "nowhere.sql"]).ends(1);
    sql(&["SELECT 1", "--as-of", "yesterday"]).ends(2);
}

#[test]
fn the_files_of_registers_are_looked_at_and_rebuilt() {
    let (home, before) = with_births();
    let status = say(&home, "registers status --json --digest").ok().json();
    assert_eq!(status["known"], before + 8);
    let births = |object: &Value| {
        let registers = object["registers"].as_array().unwrap();
        let births = registers.iter().find(|one| one["register"] == "births");
        births.unwrap().clone()
    };
    assert_eq!(births(&status)["rows_in_tail"], 8);
    let rebuilt = say(&home, "registers rebuild --json").ok().json();
    assert_eq!(rebuilt["entries"], before + 8);
    assert_eq!(births(&rebuilt)["identical"], true);
    assert_eq!(births(&rebuilt)["after"], births(&status)["digest"]);
    let shown = say(&home, "registers status").ok().out;
    assert!(shown.contains("entries are known"), "{shown}");
    let zh = say(&home, "--lang zh registers rebuild").ok().out;
    assert!(zh.contains("一致"), "{zh}");
    say(&home, "registers").ends(2);
    say(&home, "registers status births").ends(2);
}
