//! `export-log`, `prove`, `check-proof`, `evidence`, `check-evidence` and `verify` of what was
//! exported, `keys rotate` and `retire`, and a successor, as their users see them.
//!
//! What comes in: the built program. What must stay true: the exit codes; nothing is overwritten;
//! an opened field is recorded before it leaves; readers are told which key signed.
#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test stops at the first thing that is not as it should"
)]

#[path = "support/program.rs"]
mod program;

use std::fs;

use program::{Home, Ran};

const KEY: [&str; 2] = ["--key", "ledger/log.vkey"];

/// Runs a line of words.
fn say(home: &Home, line: &str) -> Ran {
    home.run(&line.split(' ').collect::<Vec<_>>())
}

/// A ledger with a birth that was corrected, and the checkpoint before the correction.
fn with_birth() -> Home {
    let home = Home::new();
    say(&home, "record birth source_record_id=B1 source=village office=990101100001 occurred_on=2014-06-01 reported_on=2014-06-03 sex=F weight_g=3100 child_name=张小花").ok();
    home.write("kept.note", say(&home, "checkpoint").ok().out);
    say(
        &home,
        "correct birth birth/village/B1 weight_g=3200 --reason misread",
    )
    .ok();
    home
}

#[test]
fn an_entry_is_proved_and_its_proof_checked() {
    let home = with_birth();
    let prove = "prove birth/village/B1 -o b1.tlog-proof --entry b1.json";
    let proved = say(&home, prove).ok();
    let said = "the record's entries are at";
    assert!(proved.err.contains(said), "{}", proved.err);
    say(&home, prove).ends(1);
    let check = "check-proof b1.tlog-proof --key ledger/log.vkey --entry";
    let good = say(&home, &format!("{check} b1.json")).ok();
    assert!(good.out.starts_with("ok:"), "{}", good.out);
    let entry = fs::read_to_string(home.path().join("b1.json")).unwrap();
    home.write("b2.json", entry.replace("3200", "3300"));
    let refused = say(&home, &format!("{check} b2.json")).ends(11);
    assert!(refused.err.contains("does not hold"), "{}", refused.err);
    say(&home, "check-proof b1.tlog-proof --entry b1.json").ends(2);
    let text = say(&home, "prove 0").ok().out;
    assert!(
        text.starts_with("c2sp.org/tlog-proof@v1\nindex 0\n"),
        "{text}"
    );
    for missing in ["99", "birth/village/B9", "nonsense"] {
        say(&home, &format!("prove {missing}")).ends(2);
    }
}

#[test]
fn an_exported_log_is_verified_from_its_files() {
    let home = with_birth();
    let verified = say(&home, "verify --since kept.note").ok();
    let extends = "extends the kept checkpoint";
    assert!(verified.out.contains(extends), "{}", verified.out);
    say(
        &home,
        "verify ledger --against kept.note --key ledger/log.vkey",
    )
    .ok();
    say(&home, "export-log out").ok();
    say(&home, "export-log ledger").ends(2);
    say(&home, "verify out").ends(2);
    let verify = "verify out --key ledger/log.vkey";
    let json = say(&home, &format!("--json {verify} --since kept.note")).ok();
    let report = &json.json()["exported"];
    assert!(
        report["wrong"].is_null() && report["extends"].is_u64(),
        "{report}"
    );
    // The ledger goes; the files are enough.
    fs::rename(home.ledger().join("log.vkey"), home.path().join("log.vkey")).unwrap();
    fs::remove_dir_all(home.ledger()).unwrap();
    say(&home, "verify out --key log.vkey --since kept.note").ok();
    let mut partial = fs::read_dir(home.path().join("out/tile/0/000.p")).unwrap();
    fs::remove_file(partial.next().unwrap().unwrap().path()).unwrap();
    let wrong = say(&home, "verify out --key log.vkey").ends(11);
    assert!(
        wrong.err.contains("position 0: tile/0/000.p"),
        "{}",
        wrong.err
    );
    fs::remove_file(home.path().join("out/checkpoint")).unwrap();
    let wrong = say(&home, "verify out --key log.vkey").ends(11);
    assert!(wrong.err.contains("checkpoint is missing"), "{}", wrong.err);
    say(&home, "verify nowhere").ends(2);
}

#[test]
fn evidence_is_made_and_checked() {
    let home = with_birth();
    let make = ["evidence", "birth/village/B1", "-o", "b1.zip"];
    let asked = ["--disclose", "child_name", "--purpose", "complaint 12"];
    home.run(&[&make[..], &asked[..2]].concat()).ends(2);
    let said = home.run(&[&make[..], &asked].concat()).ok().err;
    assert!(said.contains("sealed fields are disclosed"), "{said}");
    // Nothing is overwritten, and nothing recorded for it.
    let entries = home.entries();
    home.run(&[&make[..], &asked].concat()).ends(1);
    assert_eq!(home.entries(), entries);
    let check = |more: &[&str]| home.run(&[&["check-evidence", "b1.zip"], more].concat());
    let good = check(&KEY).ok();
    assert!(
        good.out.contains("张小花") && good.out.contains("ok:"),
        "{}",
        good.out
    );
    assert!(good.out.contains("quorum none"), "{}", good.out);
    let zh = check(&["--lang", "zh", KEY[0], KEY[1]]).ok();
    assert!(
        zh.out.contains("通过") && zh.out.contains("更正"),
        "{}",
        zh.out
    );
    let json = check(&["--json"]).ends(13);
    assert_eq!(
        json.json()["evidence"]["trust_root_came_with_the_bundle"],
        true
    );
    check(&["--key", "nonsense"]).ends(2);
    let other = "018f0000-0000-7000-8000-000000000000";
    let refused = check(&["--record", other, KEY[0], KEY[1]]).ends(11);
    assert!(refused.err.contains("about record"), "{}", refused.err);
    home.write("tlog-policy", "quorum none\n");
    check(&["--policy", "tlog-policy"]).ends(2);
    home.write("b1.zip", "PK");
    let refused = check(&KEY).ends(11);
    assert!(
        refused.err.contains("not packed as evidence"),
        "{}",
        refused.err
    );
}

/// The keys of the ledger in a new folder.
fn copy_keys(home: &Home, to: &str) {
    let to = home.path().join(to).join("keys");
    fs::create_dir_all(&to).unwrap();
    for file in fs::read_dir(home.ledger().join("keys")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Records a birth in a ledger.
fn add(home: &Home, dir: &str, number: &str) {
    let number = format!("source_record_id={number}");
    let birth = [
        "record",
        "birth",
        "source=village",
        "office=990101100001",
        "occurred_on=2014-06-01",
        "reported_on=2014-06-03",
        "sex=F",
        "weight_g=3100",
    ];
    home.run(&[&birth[..], &[&number, "--dir", dir]].concat())
        .ok();
}

#[test]
fn a_successor_is_made_and_its_readers_are_told_what_was_lost() {
    let home = Home::new();
    add(&home, "ledger", "B1");
    home.run(&["backup", "copy"]).ok();
    home.write("good.note", home.run(&["checkpoint"]).ok().out);
    add(&home, "ledger", "B2");
    home.write("lost.note", home.run(&["checkpoint"]).ok().out);
    fs::copy(home.ledger().join("log.vkey"), home.path().join("old.vkey")).unwrap();
    copy_keys(&home, "next");
    let restore = ["--json", "--dir", "next", "restore", "copy"];
    let with = |more: &[&str]| home.run(&[&restore[..], more].concat());
    with(&["--as-successor", "--resume-signing"]).ends(2);
    with(&["--origin", "x"]).ends(2);
    let made = with(&["--as-successor", "--origin", "ledger.example/test-2"]).ok();
    assert_eq!(made.json()["successor"]["origin"], "ledger.example/test-2");
    let said = "1 entries that it\nsigned";
    assert!(made.err.contains(said), "{}", made.err);
    let trust = ["--key", "old.vkey", "--key", "next/log.vkey"];
    let verify = |args: &[&str], note, code| {
        let args = [args, &["--since", note], &trust[..]].concat();
        home.run(&args).ends(code)
    };
    let ledger = ["--dir", "next", "verify"];
    let good = verify(&ledger, "good.note", 0).out;
    for said in ["contains everything of the kept", "(trusted by you)"] {
        assert!(good.contains(said), "{good}");
    }
    let gone = verify(&ledger, "lost.note", 11).err;
    assert!(gone.contains("lost tail: entries"), "{gone}");
    home.run(&["--dir", "next", "export-log", "out"]).ok();
    let told = verify(&["verify", "out"], "good.note", 0).out;
    let said = "succeeds        ledger.example/test with";
    assert!(told.contains(said), "{told}");
    verify(&["verify", "out"], "lost.note", 11);
    add(&home, "next", "B2");
    home.run(&["--dir", "next", "verify"]).ok();
}

/// Whoever has both keys in a policy can check everything, now and after.
fn follow(home: &Home) {
    let keys = fs::read_to_string(home.ledger().join("log.vkey")).unwrap();
    let lines: String = keys.lines().flat_map(|key| ["log ", key, "\n"]).collect();
    home.write("auditor.policy", lines + "quorum none\n");
    let check = |proof: &str, bundle: &str| {
        for args in [
            ["verify", "out", "--policy", "auditor.policy", "--log-only"],
            [
                "check-evidence",
                bundle,
                "--policy",
                "auditor.policy",
                "--json",
            ],
        ] {
            home.run(&args).ok();
        }
        let args = [
            "check-proof",
            proof,
            "--entry",
            "entry.json",
            "--policy",
            "auditor.policy",
        ];
        let told = home.run(&args).ok().out;
        for key in keys.lines() {
            assert!(told.contains(key), "{told}");
        }
    };
    add(home, "ledger", "B1");
    home.run(&["export-log", "out"]).ok();
    let record = "birth/village/B1";
    let prove = ["prove", record, "-o", "proof", "--entry", "entry.json"];
    home.run(&prove).ok();
    home.run(&["evidence", record, "-o", "bundle.zip"]).ok();
    check("proof", "bundle.zip");
    home.run(&["verify", "--policy", "auditor.policy"]).ok();
}

#[test]
fn the_signing_key_changes_from_the_command_line() {
    let home = Home::new();
    let keys = |args: &[&str]| home.run(&[&["keys"], args].concat());
    let prepared = keys(&["rotate", "--prepare"]).ok();
    assert!(
        prepared.err.contains("every other node"),
        "{}",
        prepared.err
    );
    assert!(keys(&["show"]).ok().out.contains("prepared"));
    let rotated = keys(&["rotate"]).ok();
    assert!(rotated.out.contains("signs too"), "{}", rotated.out);
    follow(&home);
    keys(&["rotate"]).ends(2);
    keys(&["retire"]).ends(2);
    let retired = keys(&["retire", "--overlap-days", "0", "--lang", "zh"]).ok();
    assert!(retired.out.contains("不再签名"), "{}", retired.out);
    let shown = keys(&["show"]).ok().out;
    for word in ["retired", "signs", "here", "ledger.example/test+"] {
        assert!(shown.contains(word), "{shown}");
    }
    let shown = keys(&["show", "--json"]).ok().json();
    let states = &shown["keys"]["signing_keys"];
    assert_eq!(
        (&states[0]["state"], &states[1]["state"]),
        (&"retired".into(), &"signs".into())
    );
    // The last one, even by force.
    keys(&["retire", "--force"]).ends(2);
    home.run(&["verify", "--policy", "auditor.policy"]).ok();
    home.run(&["export-log", "out"]).ok();
    home.run(&["verify", "out", "--policy", "auditor.policy"])
        .ok();
    let old = ["check-evidence", "bundle.zip", "--policy", "auditor.policy"];
    home.run(&old).ok();
    let verified = home.run(&["verify", "--key", "ledger/log.vkey"]).ok();
    assert!(
        verified.out.contains("(trusted by you)"),
        "{}",
        verified.out
    );
}
