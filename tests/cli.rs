//! The command line as its users see it: what it prints, and with which code it ends.
//!
//! What comes in: the built program. What goes out: snapshots of its texts and checks of its
//! effects. What may fail: any change of what users see; look at the new snapshot and keep it, or
//! mend the program. What must stay true: standard output is data, standard error is talk, every
//! exit code has one meaning.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "support/program.rs"]
mod program;

use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;
use program::{Home, OFFICES};
use sha2::{Digest, Sha256};
use vitaledger::seal::checkpoint::Checkpoint;
use vitaledger::seal::keys::{SigningKey, VerifierKey};
use vitaledger::seal::merkle::{Hash, root_of_leaves};
use vitaledger::store::sqlite_tamper::overwrite_entry;

const BIRTH: [&str; 10] = [
    "record",
    "birth",
    "source_record_id=B1",
    "source=village",
    "office=990101100001",
    "occurred_on=2014-06-01",
    "reported_on=2014-06-03",
    "sex=F",
    "weight_g=3100",
    "child_name=张小花",
];

/// Of an entry, as RFC 6962 has it.
fn leaf_hash(line: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update([0])
        .chain_update(line)
        .finalize()
        .into()
}

#[test]
fn init_makes_a_ledger_once() {
    let home = Home::empty();
    let made = home.run(&["init", "--origin", "ledger.example/test"]).ok();
    assert_snapshot!("init", made.shown());
    for file in [
        "keys/ledger.key",
        "keys/master.keys",
        "keys/signing.key",
        "keys/signed.json",
        "ledger.db",
        "vault.db",
    ] {
        let found = std::fs::metadata(home.ledger().join(file)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{file}");
    }
    let keys = std::fs::metadata(home.ledger().join("keys")).unwrap();
    assert_eq!(keys.permissions().mode() & 0o777, 0o700);
    let before = std::fs::read(home.ledger().join("keys/signing.key")).unwrap();
    assert_snapshot!("init_again", home.run(&["init"]).ends(2).shown());
    // What is left of a ledger is not built upon either.
    std::fs::remove_dir_all(home.ledger().join("keys")).unwrap();
    home.run(&["init"]).ends(2);
    std::fs::create_dir(home.ledger().join("keys")).unwrap();
    std::fs::write(home.ledger().join("keys/signing.key"), &before).unwrap();
    home.run(&["init"]).ends(2);
    let after = std::fs::read(home.ledger().join("keys/signing.key")).unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_simulated_clock_is_said_by_every_command() {
    let home = Home::empty();
    let made = home.run(&["--json", "init", "--simulated-clock"]).ok();
    assert_eq!(made.json()["simulated_clock"], true);
    let origin = made.json()["origin"].as_str().unwrap().to_owned();
    assert!(origin.starts_with("vitaledger.invalid/simulated/"));
    home.write("offices.csv", OFFICES);
    for args in [
        &["import", "offices.csv"][..],
        &["log"],
        &["registers", "births"],
        &["verify"],
        &["checkpoint"],
    ] {
        let ran = home.run(args).ok();
        assert!(
            ran.err.contains("note: simulated clock"),
            "{args:?}: {}",
            ran.err
        );
    }
    let said = home.run(&["--json", "verify"]).ok();
    assert_eq!(said.json()["simulated_clock"], true);
}

#[test]
fn keys_are_shown_and_rotated() {
    let home = Home::new();
    home.run(&BIRTH).ok();
    let file = home.ledger().join("keys/master.keys");
    let secret = std::fs::read_to_string(&file).unwrap();
    let secret = secret.split(' ').nth(1).unwrap().to_owned();
    let shown = home.run(&["--json", "keys", "show"]).ok();
    let keys = &shown.json()["keys"];
    assert_eq!(keys["rotation_due"], false);
    assert_eq!(keys["master_keys"][0]["number"], 1);
    let wraps = keys["master_keys"][0]["wraps"].as_u64().unwrap();
    assert!(wraps > 0, "{keys}");
    let signing = std::fs::read_to_string(home.ledger().join("log.vkey")).unwrap();
    assert_eq!(keys["verifier_keys"][0], signing.trim());
    let refused = home.run(&["keys", "rotate-master"]).ends(2);
    assert!(refused.err.contains("not due"), "{}", refused.err);
    // Without a day its age is unknown: it is due, and whoever appends is told.
    std::fs::write(&file, format!("1 {secret}\n")).unwrap();
    let told = home.run(&["void", "birth", "birth/village/B1", "--reason", "x"]);
    assert!(told.ok().err.contains("due for rotation"));
    assert!(!home.run(&["verify"]).ok().err.contains("due for rotation"));
    let shown = home.run(&["keys", "show"]).ok();
    assert!(shown.out.contains("due now") && !shown.out.contains(&secret));
    let rotated = home.run(&["--json", "keys", "rotate-master"]).ok();
    let rotation = &rotated.json()["rotation"];
    assert_eq!(rotation["destroyed"], serde_json::json!([1]));
    assert_eq!(rotation["rewrapped"], wraps);
    let now = std::fs::read_to_string(&file).unwrap();
    assert!(now.starts_with("2 ") && !now.contains(&secret));
    home.run(&["keys", "rotate-master", "--force"]).ok();
    let shown = home.run(&["--lang", "zh", "keys", "show"]).ok();
    assert!(shown.out.contains("主密钥") && !shown.out.contains("已到期"));
    home.run(&["verify"]).ok();
    let ledger = home.run(&["log", "--kind", "ledger"]).ok();
    assert_eq!(ledger.out.matches("MasterKeyRotated").count(), 2);
}

#[test]
fn a_record_is_recorded_corrected_and_voided() {
    let home = Home::new();
    assert_snapshot!("record", home.run(&BIRTH).ok().shown());
    assert_snapshot!("record_again", home.run(&BIRTH).ok().shown());
    let mut other = BIRTH;
    other[8] = "weight_g=3200";
    other[9] = "child_name=张大花";
    assert_snapshot!("record_different", home.run(&other).ends(2).shown());
    let input = r#"{"source_record_id":"B2","source":"hospital","office":990101100901,"occurred_on":"2014年6月1日","reported_on":"2014/6/3","sex":"男","weight_g":3050,"remark":null}"#;
    let json = home
        .run_with(&["--json", "record", "birth", "-"], input)
        .ok();
    assert_eq!(json.json()["answer"], "recorded");
    let id = json.json()["receipt"]["aggregate_id"].clone();
    let show = home
        .run(&["--json", "show", "birth/hospital/B2"])
        .ok()
        .json();
    assert_eq!(show["record_id"], id);
    let change = ["correct", "birth", "birth/village/B1"];
    let values = ["weight_g=3200", "child_name=张大花", "sex="];
    let reason = ["--reason", "misread scale"];
    let corrected = home.run(&[&change[..], &values, &reason].concat()).ok();
    assert_snapshot!("correct", corrected.shown());
    let stdin = [
        "correct",
        "birth",
        id.as_str().unwrap(),
        "-",
        "--reason",
        "late",
    ];
    home.run_with(&stdin, r#"{"体重":"3060"}"#).ok();
    let show = home
        .run(&["--json", "show", "birth/hospital/B2"])
        .ok()
        .json();
    assert_eq!(show["events"][1]["changes"][0]["new"], "3060");
    assert_snapshot!("show", home.run(&["show", "birth/village/B1"]).ok().shown());
    let zh = home.run(&["--lang", "zh", "show", "birth/village/B1"]).ok();
    assert_snapshot!("show_zh", zh.shown());
    let void = ["void", "birth", "birth/village/B1", "--reason", "twice"];
    assert_snapshot!("void", home.run(&void).ok().shown());
    assert_snapshot!("void_again", home.run(&void).ends(2).shown());
    let births = home.run(&["registers", "births", "--csv"]).ok();
    assert_eq!(births.out.lines().count(), 2, "{}", births.out);
    home.run(&["verify"]).ok();
}

#[test]
fn what_cannot_be_a_record_is_refused_with_a_reason() {
    let home = Home::new();
    let entries = home.entries();
    let cases: [(&str, &[&str]); 9] = [
        ("unknown column", &["record", "birth", "height_cm=50"]),
        ("refused topic", &["record", "birth", "in_plan=yes"]),
        (
            "no date",
            &[
                "record",
                "birth",
                "source_record_id=B9",
                "source=village",
                "office=990101100001",
                "reported_on=2014-06-03",
            ],
        ),
        (
            "unknown office",
            &[
                "record",
                "birth",
                "source_record_id=B9",
                "source=village",
                "office=990101100077",
                "occurred_on=2014-06-01",
                "reported_on=2014-06-03",
            ],
        ),
        ("unknown kind", &["record", "wedding", "source=village"]),
        ("no value", &["record", "birth", "weight_g"]),
        ("twice", &["record", "birth", "weight_g=1", "weight_g=2"]),
        (
            "no such record",
            &["void", "birth", "birth/village/B7", "--reason", "none"],
        ),
        ("no name", &["show", "B7"]),
    ];
    let mut shown = String::new();
    for (name, args) in cases {
        let refused = home.run(args).ends(2);
        assert_eq!(refused.out, "");
        shown.push_str(&format!("{name}: {}", refused.err));
    }
    let input = home.run_with(&["record", "birth", "-"], "[1]").ends(2);
    shown.push_str(&format!("no object: {}", input.err));
    let json = home
        .run(&["--json", "record", "birth", "in_plan=yes"])
        .ends(2);
    shown.push_str(&format!("as JSON: {}", json.err));
    assert_snapshot!("refused", program::scrub(&shown));
    assert_eq!(home.entries(), entries);
}

#[test]
fn a_key_makes_retries_safe() {
    let home = Home::new();
    let key = ["--idempotency-key", "retry-1", "--json"];
    let first = home.run(&[&BIRTH[..], &key].concat()).ok().json();
    assert_eq!(first["answer"], "recorded");
    let again = home.run(&[&BIRTH[..], &key].concat()).ok().json();
    assert_eq!(again["answer"], "replayed");
    assert_eq!(again["receipt"], first["receipt"]);
    let mut other = BIRTH;
    other[2] = "source_record_id=B2";
    let misused = home.run(&[&other[..], &key].concat()).ends(2);
    assert!(
        misused
            .err
            .contains("idempotency key was used for another request")
    );
    // A correction with a key is made once, though it would change nothing the second time.
    let correct = [
        "correct",
        "birth",
        "birth/village/B1",
        "weight_g=3200",
        "--reason",
        "misread",
    ];
    let key = ["--idempotency-key", "retry-2", "--json"];
    let first = home.run(&[&correct[..], &key].concat()).ok().json();
    let again = home.run(&[&correct[..], &key].concat()).ok().json();
    assert_eq!(again["receipt"], first["receipt"]);
    assert_eq!(again["answer"], "replayed");
    let void = ["void", "birth", "birth/village/B1", "--reason", "twice"];
    let key = ["--idempotency-key", "retry-3", "--json"];
    let first = home.run(&[&void[..], &key].concat()).ok().json();
    let again = home.run(&[&void[..], &key].concat()).ok().json();
    assert_eq!(again["receipt"], first["receipt"]);
    // The key itself is personal business of the caller: it is nowhere in the log.
    assert!(!home.run(&["log", "--json"]).ok().out.contains("retry-"));
}

#[test]
fn sealed_fields_are_shown_for_a_purpose_only() {
    let home = Home::new();
    home.run(&BIRTH).ok();
    let masked = home.run(&["show", "birth/village/B1"]).ok();
    assert!(masked.out.contains("••••") && !masked.out.contains("张小花"));
    assert!(
        !home
            .run(&["--json", "show", "birth/village/B1"])
            .ok()
            .out
            .contains("张小花")
    );
    let entries = home.entries();
    let refused = home.run(&["show", "birth/village/B1", "--unseal"]).ends(2);
    assert!(refused.err.contains("--purpose"));
    let blank = ["show", "birth/village/B1", "--unseal", "--purpose", " "];
    home.run(&blank).ends(2);
    assert_eq!(home.entries(), entries);
    let purpose = [
        "show",
        "birth/village/B1",
        "--unseal",
        "--purpose",
        "complaint 12",
    ];
    let shown = home
        .run(&[&purpose[..], &["--actor", "auditor-7"]].concat())
        .ok();
    assert_snapshot!("show_unsealed", shown.shown());
    assert_eq!(home.entries(), entries + 1);
    let last = home.run(&["log", "--json", "--kind", "disclosure"]).ok();
    let entry = last.json();
    assert_eq!(entry["payload"]["Disclosed"]["actor"], "auditor-7");
    assert!(!last.out.contains("complaint"));
}

#[test]
fn the_log_is_filtered_and_its_bytes_are_what_is_hashed() {
    let home = Home::new();
    let receipt = home.run(&[&BIRTH[..], &["--json"]].concat()).ok().json();
    let mut other = BIRTH;
    other[4] = "office=990101100002";
    other[2] = "source_record_id=B2";
    home.run(&other).ok();
    assert_snapshot!("log", home.run(&["log"]).ok().shown());
    let lines = |args: &[&str]| home.run(args).ok().out.lines().count();
    assert_eq!(lines(&["log", "--kind", "birth"]), 2);
    assert_eq!(lines(&["log", "--kind", "出生"]), 2);
    assert_eq!(lines(&["log", "--kind", "office"]), 5);
    // Its own registration, and what it reported; and those below it.
    assert_eq!(lines(&["log", "--office", "990101100001"]), 2);
    assert_eq!(lines(&["log", "--office", "990101100000"]), 6);
    assert_eq!(lines(&["log", "--from", "6"]), 3);
    assert_eq!(lines(&["log", "--from", "1", "--limit", "4"]), 4);
    home.run(&["log", "--office", "12"]).ends(2);
    let json = home.run(&["log", "--json"]).ok().out;
    let leaves: Vec<Hash> = json.lines().map(|line| Hash(leaf_hash(line))).collect();
    let position = receipt["receipt"]["position"].as_u64().unwrap();
    let leaf = leaves[usize::try_from(position).unwrap()];
    assert_eq!(receipt["receipt"]["leaf_hash"], hex::encode(leaf.0));
    let note = home.run(&["checkpoint"]).ok().out;
    let key: VerifierKey = std::fs::read_to_string(home.ledger().join("log.vkey"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let checkpoint = Checkpoint::open(note.as_bytes(), &[key]).unwrap();
    assert_eq!(checkpoint.size(), leaves.len() as u64);
    assert_eq!(*checkpoint.root(), root_of_leaves(&leaves));
    assert_eq!(checkpoint.origin(), "ledger.example/test");
    let stranger = SigningKey::generate(&mut rand_core::OsRng, "ledger.example/test").unwrap();
    let stranger = stranger.verifier_key().clone();
    Checkpoint::open(note.as_bytes(), &[stranger]).unwrap_err();
}

#[test]
fn registers_show_any_moment() {
    let home = Home::new();
    home.run(&BIRTH).ok();
    let correct = [
        "correct",
        "birth",
        "birth/village/B1",
        "weight_g=3200",
        "--reason",
        "misread",
    ];
    home.run(&correct).ok();
    let mut other = BIRTH;
    other[4] = "office=990101100002";
    other[2] = "source_record_id=B2";
    home.run(&other).ok();
    let csv = |args: &[&str]| {
        let all = [&["registers", "births", "--csv"], args].concat();
        let ran = home.run(&all).ok();
        let mut reader = csv::Reader::from_reader(ran.out.as_bytes());
        let header = reader.headers().unwrap().clone();
        let weight = header.iter().position(|name| name == "weight_g").unwrap();
        let rows = reader.records().map(|row| row.unwrap()[weight].to_owned());
        rows.collect::<Vec<_>>()
    };
    assert_eq!(csv(&[]), ["3200", "3100"]);
    assert_eq!(csv(&["--as-of", "6"]), [""; 0]);
    assert_eq!(csv(&["--as-of", "7"]), ["3100"]);
    assert_eq!(csv(&["--as-of", "8"]), ["3200"]);
    assert_eq!(csv(&["--as-of", "2014-12-31"]), [""; 0]);
    assert_eq!(csv(&["--as-of", "2999-12-31"]), ["3200", "3100"]);
    assert_eq!(csv(&["--as-of", "2014-12-31T12:00:00+08:00"]), [""; 0]);
    assert_eq!(csv(&["--office", "990101100002"]), ["3100"]);
    assert_eq!(csv(&["--office", "990101000000"]), ["3200", "3100"]);
    assert_eq!(csv(&["--limit", "1"]), ["3200"]);
    let page = |args: &[&str]| home.run(&[&["registers", "births", "--csv"], args].concat());
    let first = page(&["--limit", "1"]).ok();
    let (_, next) = first.err.split_once("go on with ").unwrap();
    let next: Vec<&str> = next.split_whitespace().collect();
    let ["--as-of", _, "--after", after] = next[..] else {
        panic!("{next:?}")
    };
    assert_eq!(csv(&next), ["3100"]);
    assert_eq!(csv(&["--limit", "1", "--after", after]), ["3100"]);
    let last = page(&["--limit", "1", "--after", after]).ok();
    assert!(!last.err.contains("--after"), "{}", last.err);
    home.run(&["registers", "offices", "--after", "1"]).ends(2);
    home.run(&["registers", "births", "--as-of", "99"]).ends(2);
    home.run(&["registers", "births", "--as-of", "yesterday"])
        .ends(2);
    home.run(&["registers", "weddings"]).ends(2);
    home.run(&["registers", "births", "--csv", "--json"])
        .ends(2);
    assert_snapshot!("registers", home.run(&["registers", "births"]).ok().shown());
    assert_snapshot!(
        "registers_json",
        home.run(&["registers", "births", "--json"]).ok().shown()
    );
    assert_snapshot!(
        "registers_offices",
        home.run(&["registers", "offices"]).ok().shown()
    );
}

#[test]
fn a_changed_byte_is_found_where_it_is() {
    let home = Home::new();
    home.run(&BIRTH).ok();
    let good = home.run(&["verify"]).ok();
    assert_snapshot!("verify", good.shown());
    let line = home.run(&["log", "--json", "--kind", "birth"]).ok().out;
    let changed = line
        .trim_end()
        .replace("\"weight_g\":3100", "\"weight_g\":3108");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let overwrite = |bytes: &str| {
        let folder = home.ledger();
        let done = overwrite_entry(&folder, 7, bytes.as_bytes());
        runtime.block_on(done).unwrap();
    };
    overwrite(&changed);
    let bad = home.run(&["verify"]).ends(11);
    assert_snapshot!("verify_changed", bad.shown());
    let bad = home.run(&["--json", "verify", "--log-only"]).ends(11);
    assert_eq!(bad.json()["verification"]["wrong"]["position"], 7);
    let bad = home.run(&["--lang", "zh", "verify"]).ends(11);
    assert!(bad.out.contains("错误") && bad.err.contains("错误："));
    // What was put back is what was sealed.
    overwrite(line.trim_end());
    home.run(&["verify"]).ok();
}

#[test]
fn an_erasure_needs_two_persons_and_a_number() {
    let home = Home::new();
    home.run(&BIRTH).ok();
    let entries = home.entries();
    let erase = ["erase", "birth/village/B1", "--legal-basis", "PIPL-47"];
    let run = |more: &[&str]| home.run(&[&erase[..], more].concat());
    run(&[]).ends(2);
    run(&["--approved-by", "a"]).ends(2);
    run(&["--approved-by", "a", "--approved-by", "a", "--confirm", "1"]).ends(2);
    let two = ["--approved-by", "a", "--approved-by", "b"];
    assert_snapshot!("erase_unconfirmed", run(&two).ends(2).shown());
    run(&[&two[..], &["--confirm", "2"]].concat()).ends(2);
    assert_eq!(home.entries(), entries);
    home.run(&["show", "birth/village/B1"]).ok();
    let erased = run(&[&two[..], &["--confirm", "1"]].concat()).ok();
    assert_snapshot!("erase", erased.shown());
    assert_snapshot!(
        "show_erased",
        home.run(&["show", "birth/village/B1"]).ok().shown()
    );
    let again = home.run(&BIRTH).ok();
    assert!(again.out.contains("replayed") && again.err.contains("erased by the entry"));
    let void = ["void", "birth", "birth/village/B1", "--reason", "twice"];
    home.run(&void).ends(2);
    run(&[&two[..], &["--confirm", "1"]].concat()).ends(2);
    home.run(&["verify"]).ok();
}

#[test]
fn every_command_explains_itself_with_examples() {
    let home = Home::empty();
    let help = home.run(&["--help"]).ok().out;
    let listed = help.split("Commands:").nth(1).unwrap();
    let listed = listed.split("Options:").next().unwrap();
    let names = listed.lines().filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then_some(name)
    });
    let mut names: Vec<Vec<&str>> = names.map(|name| vec![name]).collect();
    assert_eq!(names.len(), 38, "{names:?}");
    for name in ["half-year", "monthly", "targets"] {
        names.push(vec!["report", name]);
    }
    for name in ["open", "close", "reopen", "status", "restatements"] {
        names.push(vec!["period", name]);
    }
    for name in ["draft", "submit", "status", "compare"] {
        names.push(vec!["return", name]);
    }
    names.push(vec!["registers", "status"]);
    names.push(vec!["registers", "rebuild"]);
    names.push(vec!["export", "registers"]);
    names.push(vec!["export", "indicators"]);
    names.push(vec!["keys", "rotate"]);
    names.push(vec!["keys", "retire"]);
    names.push(vec!["keys", "show"]);
    for name in ["create", "list", "revoke"] {
        names.push(vec!["token", name]);
    }
    names.push(vec!["witness", "init"]);
    names.push(vec!["witness", "serve"]);
    names.push(vec!["keys", "rotate-master"]);
    for name in names {
        let ran = home.run(&[&name[..], &["--help"]].concat()).ok();
        assert!(ran.out.contains("Example"), "{name:?} has no example");
        assert!(ran.out.contains("vitaledger "), "{name:?} has no example");
    }
    assert_snapshot!("help", help);
}

#[test]
fn exit_codes_have_one_meaning_each() {
    let home = Home::empty();
    assert_snapshot!("no_ledger", home.run(&["log"]).ends(2).shown());
    home.run(&["no-such-command"]).ends(2);
    home.run(&[]).ends(2);
    home.run(&["--actor", "no spaces", "log"]).ends(2);
    assert_eq!(home.run(&["--version"]).ok().err, "");
    let home = Home::new();
    home.run(&[
        "report",
        "half-year",
        "--office",
        "990101100001",
        "--period",
        "2014-H7",
    ])
    .ends(2);
    home.run(&["import", "nowhere.csv"]).ends(2);
    // Not a database any more: what was stored is not there as it was.
    std::fs::write(home.ledger().join("ledger.db"), vec![7; 40_000]).unwrap();
    home.run(&["log"]).ends(11);
    // No file at all that could be opened.
    std::fs::remove_file(home.ledger().join("ledger.db")).unwrap();
    std::fs::create_dir(home.ledger().join("ledger.db")).unwrap();
    let gone = home.run(&["log"]).ends(20);
    assert!(gone.err.contains("storage is unavailable"), "{}", gone.err);
}

#[test]
fn the_language_and_the_folder_come_from_the_environment_too() {
    let home = Home::empty();
    let mut command = home.command(&["init"]);
    command
        .env("VITALEDGER_LANG", "zh")
        .env("VITALEDGER_DIR", "elsewhere");
    let made = program::Ran::of(&mut command).ok();
    assert!(made.out.contains("已创建 elsewhere"), "{}", made.out);
    assert!(home.path().join("elsewhere/ledger.db").exists());
    // Colours are for terminals; what is piped has none, with or without NO_COLOR.
    let plain = home.run(&["log"]).ends(2).err;
    let mut command = home.command(&["log"]);
    let asked = program::Ran::of(command.env("NO_COLOR", "1")).ends(2).err;
    assert_eq!(plain, asked);
    assert!(!plain.contains('\u{1b}'));
    for shell in ["bash", "zsh", "fish"] {
        let ran = home.run(&["completions", shell]).ok();
        assert!(ran.out.contains("vitaledger") && ran.out.contains("half-year"));
    }
    home.run(&["completions", "abacus"]).ends(2);
}
