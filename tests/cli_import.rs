//! Deliveries by the command line: formats, refusals, repetition, samples, the demonstration.
//!
//! What comes in: files in all formats and encodings. What goes out: counts, rejects files,
//! reports. What may fail: any difference between formats. What must stay true: the same births
//! are the same births however they are delivered; what was recorded is recorded once; what was
//! refused is kept with its reason.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "support/program.rs"]
mod program;

use insta::assert_snapshot;
use program::{Home, OFFICES};
use rust_xlsxwriter::Workbook;
use vitaledger::store::sqlite_tamper::overwrite_entry;

/// Three births; the last has a name outside the basic plane and a remark with a comma.
const BIRTHS: [[&str; 8]; 4] = [
    [
        "source_record_id",
        "source",
        "office",
        "occurred_on",
        "reported_on",
        "sex",
        "child_name",
        "remark",
    ],
    [
        "B1",
        "village",
        "990101100001",
        "2014-06-01",
        "2014-06-03",
        "F",
        "张小花",
        "",
    ],
    [
        "B2",
        "village",
        "990101100002",
        "2014-06-02",
        "2014-06-04",
        "M",
        "李明",
        "双胞胎，之一",
    ],
    [
        "B3",
        "hospital",
        "990101100901",
        "2014-06-03",
        "2014-06-03",
        "F",
        "王丽",
        "a, b",
    ],
];
/// The same header in Chinese.
const CHINESE: [&str; 8] = [
    "来源编号",
    "来源",
    "单位代码",
    "发生日期",
    "上报日期",
    "性别",
    "婴儿姓名",
    "备注",
];

fn csv(rows: &[Vec<String>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn owned() -> Vec<Vec<String>> {
    let rows = BIRTHS.iter().map(|row| row.iter().map(ToString::to_string));
    rows.map(Iterator::collect).collect()
}

/// With Chinese headers, words and dates.
fn translated() -> Vec<Vec<String>> {
    let mut rows = owned();
    rows[0] = CHINESE.iter().map(ToString::to_string).collect();
    for row in &mut rows[1..] {
        let source = if row[1] == "village" {
            "村居"
        } else {
            "医院"
        };
        row[1] = source.into();
        row[3] = row[3].replace('-', "/");
        let parts: Vec<u32> = row[4]
            .split('-')
            .map(|part| part.parse().unwrap())
            .collect();
        row[4] = format!("{}年{}月{}日", parts[0], parts[1], parts[2]);
        row[5] = if row[5] == "F" { "女" } else { "1" }.into();
    }
    rows
}

fn workbook(rows: &[Vec<String>]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name("出生").unwrap();
    for (line, row) in (0..).zip(rows) {
        for (column, cell) in (0..).zip(row) {
            sheet.write_string(line, column, cell).unwrap();
        }
    }
    workbook.save_to_buffer().unwrap()
}

fn json_lines(rows: &[Vec<String>]) -> String {
    let lines = rows[1..].iter().map(|row| {
        let fields = rows[0]
            .iter()
            .cloned()
            .zip(row.iter().cloned().map(Into::into));
        serde_json::Value::Object(fields.collect()).to_string() + "\n"
    });
    lines.collect()
}

#[test]
fn the_same_births_in_any_format_are_the_same_births() {
    let (gb18030, _, lossy) = encoding_rs::GB18030.encode(Box::leak(csv(&translated()).into()));
    assert!(!lossy);
    let deliveries: [(&str, Vec<u8>); 5] = [
        ("births.csv", csv(&owned()).into_bytes()),
        (
            "births-bom.csv",
            [b"\xef\xbb\xbf", csv(&owned()).as_bytes()].concat(),
        ),
        ("births-gb18030.csv", gb18030.into_owned()),
        ("births.xlsx", workbook(&translated())),
        ("births.jsonl", json_lines(&owned()).into_bytes()),
    ];
    let mut registers = Vec::new();
    for (name, content) in &deliveries {
        // Each alone is recorded,
        let home = Home::new();
        home.write(name, content);
        let ran = home.run(&["--json", "import", name]).ok().json();
        let part = &ran["import"]["parts"][0];
        assert_eq!(
            (&part["recorded"], &part["refused"]),
            (&3.into(), &0.into()),
            "{name}"
        );
        let births = home.run(&["registers", "births", "--csv"]).ok().out;
        // without the ids, which are those of this ledger, and times.
        let rows = births
            .lines()
            .map(|row| row.splitn(5, ',').last().unwrap().to_owned());
        registers.push(rows.collect::<Vec<_>>());
        // and after it all others are the same content again, sealed fields included.
        for (other, content) in &deliveries {
            home.write(other, content);
            let ran = home.run(&["--json", "import", other]).ok().json();
            let part = &ran["import"]["parts"][0];
            assert_eq!(part["replayed"], 3, "{other} after {name}: {part}");
        }
    }
    assert_eq!(registers[0].len(), 4);
    assert!(
        registers.iter().all(|rows| *rows == registers[0]),
        "{registers:?}"
    );
}

#[test]
fn an_import_counts_and_a_repetition_records_nothing() {
    let home = Home::new();
    home.write("births.csv", csv(&owned()));
    let before = home.entries();
    assert_snapshot!(
        "dry_run",
        home.run(&["import", "births.csv", "--dry-run"])
            .ok()
            .shown()
    );
    assert_eq!(home.entries(), before);
    assert_snapshot!("import", home.run(&["import", "births.csv"]).ok().shown());
    assert_eq!(home.entries(), before + 4);
    assert_snapshot!(
        "import_again",
        home.run(&["import", "births.csv"]).ok().shown()
    );
    // The second import is an event too, but of no record.
    let births = home.run(&["log", "--kind", "birth"]).ok().out;
    assert_eq!(births.lines().count(), 3);
    assert_eq!(home.entries(), before + 5);
    let zh = home.run(&["--lang", "zh", "import", "offices.csv"]).ok();
    assert_snapshot!("import_zh", zh.shown());
    let json = home.run(&["--json", "import", "births.csv"]).ok();
    assert_snapshot!("import_json", json.shown());
    assert!(home.rejects().is_empty());
    home.run(&["verify"]).ok();
}

#[test]
fn refused_rows_are_kept_with_their_reasons() {
    let home = Home::new();
    home.write("births.csv", csv(&owned()));
    home.run(&["import", "births.csv"]).ok();
    let mut rows = owned();
    rows[1][6] = "张大花".to_owned();
    rows[1][5] = "M".to_owned();
    rows[2][3] = "2014-06-31".to_owned();
    rows.push(rows[3].clone());
    rows[4][0] = String::new();
    rows.push(rows[3].clone());
    rows[5][0] = "B5".to_owned();
    rows[5][2] = "990101100077".to_owned();
    rows.push(rows[3].clone());
    rows[6][0] = "B6".to_owned();
    home.write("births.csv", csv(&rows));
    let dry = home
        .run(&["import", "births.csv", "--dry-run", "--rejects", "."])
        .ends(12);
    for file in home.rejects() {
        std::fs::remove_file(file).unwrap();
    }
    let ran = home.run(&["import", "births.csv"]).ends(12);
    assert_eq!(dry.out, ran.out, "a dry run says what would be");
    assert_snapshot!("import_refused", ran.shown());
    let rejects = home.rejects();
    assert_eq!(rejects.len(), 1);
    assert_snapshot!("rejects", std::fs::read_to_string(&rejects[0]).unwrap());
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&rejects[0]).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let births = home.run(&["registers", "births", "--csv"]).ok().out;
    assert_eq!(births.lines().count(), 5, "{births}");
}

/// `--strict` stops before anything is appended, whatever the row is refused for.
#[test]
fn strict_imports_append_all_or_nothing() {
    let home = Home::new();
    home.write("births.csv", csv(&owned()));
    home.run(&["import", "births.csv"]).ok();
    let before = home.entries();
    let mut fresh = owned();
    fresh[1][0] = "B10".to_owned();
    let mut unreadable = fresh.clone();
    unreadable[3][3] = "soon".to_owned();
    let mut different = fresh.clone();
    different[3][6] = "王美丽".to_owned();
    let mut twice = fresh.clone();
    twice.push(fresh[1].clone());
    twice[4][6] = "张大花".to_owned();
    for (name, rows) in [
        ("unreadable", unreadable),
        ("different", different),
        ("twice", twice),
    ] {
        home.write("births.csv", csv(&rows));
        let refused = home.run(&["import", "births.csv", "--strict"]).ends(12);
        assert_snapshot!(format!("strict_{name}"), refused.shown());
        assert_eq!(home.entries(), before, "{name}");
    }
    home.write("births.csv", csv(&fresh));
    home.run(&["import", "births.csv", "--strict"]).ok();
    assert_eq!(home.entries(), before + 2);
}

/// What is said before an import and what is done agree, also where a delivery repeats itself.
#[test]
fn a_dry_run_says_what_would_be() {
    let home = Home::new();
    let mut rows = owned();
    rows.push(rows[1].clone());
    rows.push(rows[2].clone());
    rows[5][6] = "李大明".to_owned();
    home.write("births.csv", csv(&rows));
    let dry = home.run(&["import", "births.csv", "--dry-run"]).ends(12);
    let done = home.run(&["import", "births.csv"]).ends(12);
    assert_eq!(dry.out, done.out);
    assert!(
        done.out
            .contains("births.csv  births     5         3         1        1"),
        "{}",
        done.out
    );
}

#[test]
fn what_is_no_delivery_is_refused_as_a_whole() {
    let home = Home::new();
    let before = home.entries();
    home.write("weddings.csv", "a,b\n1,2\n");
    home.write(
        "births.csv",
        "source_record_id,source,office,shoe_size\nB1,village,990101100001,3\n",
    );
    home.write("births.xlsx", "no workbook");
    let mut shown = String::new();
    for file in ["weddings.csv", "births.csv", "births.xlsx", "nowhere.csv"] {
        let refused = home.run(&["import", file]).ends(2);
        shown.push_str(&format!("{file}: {}", refused.err));
    }
    assert_snapshot!("no_delivery", shown);
    home.run(&["import"]).ends(2);
    home.run(&["import", "births.csv", "--until", "soon"])
        .ends(2);
    assert_eq!(home.entries(), before);
}

#[test]
fn a_simulation_is_a_delivery() {
    let home = Home::empty();
    let args = [
        "simulate",
        "--seed",
        "7",
        "--population",
        "2000",
        "--months",
        "12",
        "--villages",
        "2",
    ];
    let made = home.run(&[&args[..], &["-o", "first"]].concat()).ok();
    assert_snapshot!("simulate", made.shown());
    home.run(&[&args[..], &["-o", "second", "--json"]].concat())
        .ok();
    for file in [
        "offices.csv",
        "births.csv",
        "returns.csv",
        "registrations.csv",
    ] {
        let read = |folder: &str| std::fs::read(home.path().join(folder).join(file)).unwrap();
        assert_eq!(read("first"), read("second"), "{file}");
    }
    home.run(&[&args[..], &["-o", "first"]].concat()).ends(1);
    home.run(&["simulate", "--faults", "no_such", "-o", "third"])
        .ends(2);
    home.run(&["simulate", "--months", "0", "-o", "third"])
        .ends(2);
    home.run(&["simulate", "--half-year", "--months", "7", "-o", "third"])
        .ends(2);
    home.run(&["init", "--simulated-clock"]).ok();
    home.run(&["import", "first", "--until", "2014-03-31"]).ok();
    let last = home.run(&["log", "--json"]).ok().json();
    assert!(
        last["recorded_at"].as_str().unwrap() < "2014-04-01",
        "{last}"
    );
    home.run(&["verify"]).ok();
}

/// The figures that are known of the half-year sample, as its report prints them.
const FIGURES: [&str; 16] = [
    "Households                          3,564",
    "Residents                           7,523",
    "Married women aged 15 to 49           867",
    "Live births                            14",
    "Live births, boys                       6",
    "Live births, girls                      8",
    "Live births in the monthly returns     11",
    "Marriages                               4",
    "Blackboards                     6",
    "Banners                         2",
    "Leaflets                    1,000",
    "Campaigns                       3",
    "Couplets                       60",
    "Association study sessions      2",
    "Association events              4",
    "Relief visits                   2",
];

#[test]
fn the_demonstration_ends_well_and_its_ledger_can_be_read() {
    let home = Home::empty();
    let demo = home.run(&["demo", "--into", "ledger"]).ok();
    for line in FIGURES {
        assert!(
            demo.out.contains(line),
            "{line} is missing in\n{}",
            demo.out
        );
    }
    assert!(demo.out.contains("exact p is 0.60") && demo.out.contains("21 to 246"));
    assert!(demo.out.contains("SIMULATED CLOCK") && demo.err.contains("simulated clock"));
    assert_eq!(demo.out.matches("ok: nothing is wrong").count(), 2);
    let wrong = demo
        .out
        .lines()
        .find(|line| line.starts_with("WRONG: position "))
        .unwrap();
    let changed = demo
        .out
        .lines()
        .find(|line| line.starts_with("entry "))
        .unwrap();
    let position = |line: &str| {
        line.split([' ', ':'])
            .find_map(|word| word.parse::<u64>().ok())
    };
    assert_eq!(position(wrong), position(changed));
    // It says where everything is, and refuses to overwrite it.
    assert!(
        demo.err
            .contains("vitaledger registers births --as-of 2014-03-31")
    );
    home.run(&["demo", "--into", "ledger"]).ends(2);
    reports(&home);
    moments(&home);
    tampered(&home, position(wrong).unwrap());
}

/// The half-year report in all its forms.
fn reports(home: &Home) {
    let report = [
        "report",
        "half-year",
        "--office",
        "990101100001",
        "--period",
        "2014-H1",
    ];
    let run = |more: &[&str]| home.run(&[&report[..], more].concat()).ok().out;
    let text = run(&["--as-of", "2014-06-30"]);
    assert!(
        FIGURES
            .iter()
            .all(|line| text.contains(line) || line.contains("monthly")),
        "{text}"
    );
    assert!(text.contains("5 of 6 monthly returns received"), "{text}");
    let text = run(&["--lang", "zh"]);
    assert!(text.contains("7,523") && text.contains("出生"), "{text}");
    let markdown = run(&["--format", "markdown"]);
    assert!(
        markdown.starts_with("# ") && markdown.contains("| Households | 3,564 |"),
        "{markdown}"
    );
    let html = run(&["--format", "html", "--lang", "zh"]);
    assert!(html.starts_with("<!") && html.contains("7,523"));
    assert!(
        !html.contains("http://") && !html.contains("https://"),
        "a page on its own"
    );
    let json: serde_json::Value = serde_json::from_str(&run(&["--format", "json"])).unwrap();
    let same: serde_json::Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!(json, same);
    assert!(json.to_string().contains("7523"));
    // An office that is not there is said.
    let unknown = [
        "report",
        "half-year",
        "--office",
        "990101100099",
        "--period",
        "2014-H1",
    ];
    home.run(&unknown).ends(2);
}

/// Registers by the day: births are counted when they had been reported.
fn moments(home: &Home) {
    let births = |day: &str| {
        let args = ["registers", "births", "--csv", "--as-of", day];
        let out = home.run(&args).ok().out;
        let mut reader = csv::Reader::from_reader(out.as_bytes());
        let header = reader.headers().unwrap().clone();
        let at = |name: &str| header.iter().position(|other| other == name).unwrap();
        let (source, reported) = (at("source"), at("reported_on"));
        let rows = reader
            .records()
            .map(Result::unwrap)
            .filter(|row| &row[source] == "village");
        rows.map(|row| row[reported].to_owned()).collect::<Vec<_>>()
    };
    let all = births("2014-06-30");
    assert_eq!(all.len(), 14);
    for day in ["2013-12-31", "2014-02-28"] {
        let expected = all
            .iter()
            .filter(|reported| reported.as_str() <= day)
            .count();
        assert_eq!(births(day).len(), expected, "as of {day}");
    }
    assert!(births("2014-02-28").len() < 14);
}

fn tampered(home: &Home, position: u64) {
    let from = position.to_string();
    let args = ["log", "--json", "--from", &from, "--limit", "1"];
    let entry = home.run(&args).ok().out;
    let mut bytes = entry.trim_end().as_bytes().to_vec();
    let at = bytes
        .windows(8)
        .position(|window| window == b"\"sex\":\"F")
        .or_else(|| bytes.windows(8).position(|window| window == b"\"sex\":\"M"));
    let at = at.unwrap() + 7;
    bytes[at] = if bytes[at] == b'F' { b'M' } else { b'F' };
    let folder = home.ledger();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime
        .block_on(overwrite_entry(&folder, position, &bytes))
        .unwrap();
    let bad = home.run(&["--json", "verify"]).ends(11);
    assert_eq!(bad.json()["verification"]["wrong"]["position"], position);
}

/// The offices of the samples are those of the tests.
#[test]
fn offices_are_registered_once_and_changed_by_name() {
    let home = Home::new();
    let again = home.run(&["--json", "import", "offices.csv"]).ok().json();
    assert_eq!(again["import"]["parts"][0]["replayed"], 5);
    home.write("offices.csv", OFFICES.replace("Community 2", "Riverside"));
    let changed = home.run(&["--json", "import", "offices.csv"]).ok().json();
    let part = &changed["import"]["parts"][0];
    assert_eq!(
        (&part["recorded"], &part["replayed"]),
        (&1.into(), &4.into())
    );
    let now = home.run(&["registers", "offices", "--csv"]).ok().out;
    assert!(now.contains("Riverside") && !now.contains("Community 2"));
    let before = home
        .run(&["registers", "offices", "--csv", "--as-of", "6"])
        .ok()
        .out;
    assert!(before.contains("Community 2"));
    let below = ["registers", "offices", "--csv", "--office", "990101100002"];
    assert_eq!(home.run(&below).ok().out.lines().count(), 2);
    let bad = ["record", "office", "code=12", "level=village"];
    home.run(&bad).ends(2);
}
