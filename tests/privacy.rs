//! Nothing personal lies or is said where it must not be.
//!
//! What comes in: a delivery of some 3,000 invented persons with losses, remarks, cells that
//! cannot be read and refused rows, and after it corrections, withdrawals and a disclosure. What
//! goes out: nothing. What may fail: any place of the ledger, the vault, the registers or the
//! program's talk in which a sealed value stands in clear. What must stay true: the values that
//! are searched for are those of the delivery, by the schema's own list of sealed columns.

#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a test fails where it stands, and its texts are short"
)]

#[path = "support/needles.rs"]
mod needles;
#[path = "support/program.rs"]
mod program;
#[path = "support/sample.rs"]
mod sample;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use needles::Needles;
use parquet::file::reader::{FileReader, SerializedFileReader};
use sample::{SECRET_FILE, rows, sample};
use serde_json::Value;
use vitaledger::app::App;
use vitaledger::registers::Registers;

/// The files of the ledger, without its keys.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut open = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|one| one.unwrap().path()),
            );
        } else {
            found.push(path);
        }
    }
    found
}

fn assert_clean(needles: &Needles, place: &str, bytes: &[u8]) {
    let found = needles.find(bytes);
    assert!(found.is_empty(), "{place} holds {found:?}");
}

fn the_search_finds_what_is_there() {
    let sample = sample();
    assert!(
        sample.needles.len() > 9_000,
        "only {}",
        sample.needles.len()
    );
    let delivery = sample.home.path().join("delivery");
    let mut kinds = BTreeSet::new();
    for file in [
        "registrations.csv",
        SECRET_FILE,
        "pregnancy_losses.csv",
        "disbursements.csv",
    ] {
        let found = sample
            .needles
            .find(&std::fs::read(delivery.join(file)).unwrap());
        assert!(!found.is_empty(), "{file}");
        kinds.extend(found.into_iter().map(|(column, _)| column));
    }
    for column in [
        "person_name",
        "id_no",
        "household_no",
        "child_name",
        "birth_certificate_no",
        "mother_name",
        "mother_id_no",
        "father_name",
        "case_no",
        "account_no",
        "source_record_id",
        "remark",
        "place_from",
    ] {
        assert!(
            kinds.contains(column),
            "{column} is not searched for: {kinds:?}"
        );
    }
    // Rejects hold what was refused, for its owner.
    let rejects = sample.home.rejects();
    assert_eq!(rejects.len(), 3);
    for file in rejects {
        assert!(
            !sample
                .needles
                .find(&std::fs::read(file).unwrap())
                .is_empty()
        );
    }
}

fn no_file_of_the_ledger_holds_a_personal_value() {
    let sample = sample();
    let mut bytes = 0;
    for file in files(&sample.home.ledger()) {
        let content = std::fs::read(&file).unwrap();
        bytes += content.len();
        let name = file.display().to_string();
        assert_clean(&sample.needles, &name, &content);
        assert_clean(&sample.file_name, &name, &content);
    }
    assert!(bytes > 10_000_000, "only {bytes} bytes were searched");
}

/// What is handed to outsiders: an exported log, and evidence of which one field was opened.
fn nothing_that_leaves_holds_more_than_was_opened() {
    let sample = sample();
    let home = &sample.home;
    home.run(&["export-log", "exported"]).ok();
    let exported = files(&home.path().join("exported"));
    assert!(exported.len() > 20, "{} files", exported.len());
    for file in exported {
        let content = std::fs::read(&file).unwrap();
        assert_clean(&sample.needles, &file.display().to_string(), &content);
    }
    let births = rows(&home.path().join("delivery").join(SECRET_FILE));
    let birth = &births[20];
    let name = format!("birth/{}/{}", birth["source"], birth["source_record_id"]);
    let make = ["evidence", &name, "-o"];
    let said = home.run(&[&make[..], &["closed.zip"]].concat()).ok();
    assert_clean(&sample.needles, "closed.zip", said.err.as_bytes());
    let closed = std::fs::read(home.path().join("closed.zip")).unwrap();
    assert_clean(&sample.needles, "closed.zip", &closed);
    let open = ["--disclose", "mother_name", "--purpose", "complaint 12"];
    home.run(&[&make[..], &["open.zip"], &open].concat()).ok();
    let opened = std::fs::read(home.path().join("open.zip")).unwrap();
    let found: Vec<_> = sample.needles.find(&opened).into_iter().collect();
    let mother = birth["mother_name"].clone();
    assert!(
        !found.is_empty() && found.iter().all(|(_, text)| mother.contains(text)),
        "{found:?} beside {mother}"
    );
}

fn no_write_ahead_log_holds_a_personal_value() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let delivery = sample().home.path().join("delivery");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let app = App::init(&ledger, &vitaledger::app::InitOptions::default())
            .await
            .unwrap();
        let options = vitaledger::intake::ImportOptions {
            dry_run: false,
            strict: false,
            rejects_folder: folder.path().to_owned(),
            batch_rows: vitaledger::intake::BATCH_ROWS,
            within: None,
        };
        app.import(&[delivery], &options, None, |_| ())
            .await
            .unwrap();
        // Not closed: what was written lies in the write-ahead logs.
        let mut logs = 0;
        for file in files(&ledger) {
            let content = std::fs::read(&file).unwrap();
            let name = file.display().to_string();
            logs += usize::from(name.ends_with("-wal") && content.len() > 100_000);
            assert_clean(&sample().needles, &name, &content);
        }
        assert_eq!(
            logs, 2,
            "the write-ahead logs were not there to be searched"
        );
        app.close().await;
    });
}

fn no_segment_of_the_registers_holds_a_personal_value() {
    let folder = tempfile::tempdir().unwrap();
    let registers = folder.path().join("registers");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let app = App::open(&sample().home.ledger()).await.unwrap();
        let opened = Registers::open_with(registers.clone(), app.ledger.id, app.store(), 1_024);
        opened.unwrap().catch_up().await.unwrap();
        app.close().await;
    });
    let (mut segments, mut rows) = (0, 0);
    for file in files(&registers) {
        let name = file.display().to_string();
        let content = std::fs::read(&file).unwrap();
        assert_clean(&sample().needles, &name, &content);
        if !name.ends_with(".parquet") {
            continue;
        }
        segments += 1;
        // Pages are compressed: what is in them is searched as text.
        let reader = SerializedFileReader::new(std::fs::File::open(&file).unwrap()).unwrap();
        let mut text = format!("{:?}\n", reader.metadata());
        for row in reader.get_row_iter(None).unwrap() {
            rows += 1;
            text.push_str(&row.unwrap().to_string());
            text.push('\n');
        }
        assert_clean(&sample().needles, &name, text.as_bytes());
    }
    assert!(
        segments >= 5 && rows > 3_000,
        "{segments} segments, {rows} rows"
    );
}

#[test]
fn nothing_that_is_said_holds_a_personal_value() {
    let sample = sample();
    let mut traced = 0;
    for (command, ran) in &sample.said {
        assert_clean(
            &sample.needles,
            &format!("standard output of {command}"),
            ran.out.as_bytes(),
        );
        assert_clean(
            &sample.needles,
            &format!("standard error of {command}"),
            ran.err.as_bytes(),
        );
        if !command.contains("import") {
            let said = format!("{}{}", ran.out, ran.err);
            assert_clean(&sample.file_name, command, said.as_bytes());
        }
        traced += usize::from(ran.err.contains("sqlx::query"));
    }
    assert!(traced > 5, "RUST_LOG=trace was not heard");
}

/// Every entry as JSON.
fn entries() -> &'static [Value] {
    static ENTRIES: OnceLock<Vec<Value>> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        let ran = sample().home.run(&["log", "--json"]).ok();
        let entries: Vec<Value> = ran
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(entries.len() > 4_000, "{}", entries.len());
        entries
    })
}

/// Collects texts and numbers with the name of the field that they are of.
fn leaves<'a>(name: &'a str, value: &'a Value, found: &mut Vec<(&'a str, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                leaves(name, value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| leaves(name, value, found)),
        Value::Null | Value::Bool(_) => (),
        Value::String(text) => found.push((name, text.clone())),
        Value::Number(number) => found.push((name, number.to_string())),
    }
}

/// Public by the design: they say what was reported, by whom and for which office.
const PUBLIC: [&str; 47] = [
    "kind",
    "office",
    "source",
    "sex",
    "weight_g",
    "gestation_days",
    "plurality",
    "place",
    "facility",
    "mother_age",
    "mother_residence_county",
    "occurred_on",
    "reported_on",
    "born_year",
    "marital_status",
    "place_from_county",
    "place_to_county",
    "gestation_band",
    "month",
    "timing",
    "township",
    "flow",
    "scheme",
    "period",
    "amount_fen",
    "approved_by",
    "eligible",
    "quantity",
    "indicator",
    "value",
    "numerator",
    "denominator",
    "submitted_on",
    "submitted_by",
    "actor",
    "import",
    "changed",
    "code",
    "level",
    "name_en",
    "name_zh",
    "parent",
    "kinds",
    "slots",
    "size_bytes",
    "file_sha256",
    "count",
];

fn no_value_ties_one_record_to_another() {
    let mut owner: HashMap<String, (&str, &str)> = HashMap::new();
    let mut compared = 0;
    for entry in entries() {
        let id = entry["aggregate_id"].as_str().unwrap();
        let mut found = Vec::new();
        leaves("payload", &entry["payload"], &mut found);
        leaves("metadata", &entry["metadata"], &mut found);
        found.push(("event_id", entry["event_id"].as_str().unwrap().to_owned()));
        found.push(("aggregate_id", id.to_owned()));
        for (name, text) in found {
            if PUBLIC.contains(&name) || is_count_of_an_import(entry, name) {
                continue;
            }
            compared += 1;
            // The disclosure names the record that it is about: that is what it is for.
            if entry["aggregate_type"] == "disclosure" && name == "record_ids" {
                continue;
            }
            let (other, field) = *owner.entry(text.clone()).or_insert((id, name));
            assert_eq!(
                other, id,
                "{name} and {field} of two records are both {text}"
            );
        }
    }
    assert!(compared > 30_000, "only {compared} values were compared");
}

fn is_count_of_an_import(entry: &Value, name: &str) -> bool {
    entry["aggregate_type"] == "import"
        && matches!(
            name,
            "read" | "recorded" | "refused" | "replayed" | "sha256"
        )
}

fn every_slot_is_committed_whether_stated_or_not() {
    let mut shapes: BTreeMap<(String, String), BTreeSet<Vec<String>>> = BTreeMap::new();
    let mut commitments = BTreeSet::new();
    for entry in entries() {
        let kind = entry["aggregate_type"].as_str().unwrap();
        let Some(recorded) = entry["payload"]["Recorded"]["commitments"].as_object() else {
            continue;
        };
        let names = recorded.keys().cloned().collect();
        shapes
            .entry((kind.into(), "Recorded".into()))
            .or_default()
            .insert(names);
        for commitment in recorded.values() {
            assert!(
                commitments.insert(commitment.as_str().unwrap()),
                "twice: {commitment}"
            );
        }
    }
    assert_eq!(shapes.len(), 6, "not every kind is in the sample");
    for (kind, names) in shapes {
        assert_eq!(names.len(), 1, "{kind:?} shows what is stated by its slots");
    }
}

fn of_a_loss_only_five_fields_are_public() {
    let losses = entries()
        .iter()
        .filter(|entry| entry["aggregate_type"] == "pregnancy_loss");
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for entry in losses {
        count += 1;
        let (_, event) = entry["payload"].as_object().unwrap().iter().next().unwrap();
        let fields = event["fields"].as_object().unwrap();
        seen.extend(fields.keys().map(String::as_str));
        let expected = ["gestation_band", "month", "plurality", "timing", "township"];
        assert!(
            fields.keys().all(|name| expected.contains(&name.as_str())),
            "{fields:?}"
        );
        let metadata = entry["metadata"].as_object().unwrap();
        assert!(!metadata.contains_key("source"), "{metadata:?}");
        assert_eq!(metadata["office"], fields["township"]);
        assert_eq!(fields["township"].as_str().unwrap(), "990101100000");
        let named = ["actor", "import", "office"];
        assert!(
            metadata.keys().all(|name| named.contains(&name.as_str())),
            "{metadata:?}"
        );
    }
    assert!(count > 3, "only {count} losses");
    let seen: Vec<&str> = seen.into_iter().collect();
    assert_eq!(
        seen,
        ["gestation_band", "month", "plurality", "timing", "township"]
    );
}

/// Birth dates of adults may be the day of some public event, so they are looked for in the
/// entries of their own records only.
fn no_birth_date_of_an_adult_is_in_its_own_entry() {
    let births = rows(&sample().home.path().join("delivery").join(SECRET_FILE));
    let born: BTreeSet<&str> = births
        .iter()
        .map(|row| row["mother_born_on"].as_str())
        .collect();
    let residents = rows(&sample().home.path().join("delivery/registrations.csv"));
    let adults = residents.iter().map(|row| row["born_on"].as_str());
    let adults: BTreeSet<&str> = adults
        .filter(|day| *day > "1900" && *day < "1998")
        .collect();
    assert!(born.len() > 50 && adults.len() > 1_000);
    for entry in entries() {
        if !matches!(
            entry["aggregate_type"].as_str(),
            Some("birth" | "registration")
        ) {
            continue;
        }
        let mut found = Vec::new();
        leaves("payload", &entry["payload"], &mut found);
        leaves("metadata", &entry["metadata"], &mut found);
        for (name, text) in found {
            assert!(!adults.contains(text.as_str()), "{name} is {text}");
            assert!(
                !born.contains(text.as_str()) || text.as_str() > "2013",
                "{name} is {text}"
            );
        }
    }
}

/// Tests that share a sample are one: making it takes longer than searching it.
#[test]
fn nothing_personal_is_stored() {
    the_search_finds_what_is_there();
    no_file_of_the_ledger_holds_a_personal_value();
    no_write_ahead_log_holds_a_personal_value();
    no_segment_of_the_registers_holds_a_personal_value();
    nothing_that_leaves_holds_more_than_was_opened();
}

#[test]
fn entries_share_nothing_and_show_what_is_public() {
    no_value_ties_one_record_to_another();
    every_slot_is_committed_whether_stated_or_not();
    of_a_loss_only_five_fields_are_public();
    no_birth_date_of_an_adult_is_in_its_own_entry();
}
