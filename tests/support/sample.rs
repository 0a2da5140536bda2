//! A ledger with a history, and everything that must not be seen of it.
//!
//! What comes in: nothing. What goes out: [`sample`], made once in a process: a delivery with
//! remarks, unreadable cells and rows that are refused; the ledger that took it; what the program
//! said while people worked with it. What may fail: the program. What must stay true: what is
//! searched for are all sealed values of the delivery, by the schema's own list of columns.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use vitaledger::model::schema::{Placement, RecordKind};
use vitaledger::simulate;

use crate::needles::Needles;
use crate::program::{Home, Ran};

/// Texts of correction, withdrawal and disclosure, and of cells that are in no list.
const FREE_TEXTS: [&str; 8] = [
    "the midwife remembered another weight",
    "她本人要求更正姓名",
    "entered twice by a tired clerk",
    "complaint of a relative, number 12",
    "remark about a family of the third lane",
    "双胞胎之一，家属电话已留",
    "between the two",
    "at the ferry",
];
pub const SECRET_FILE: &str = "births-of-madam-zhang.csv";

/// A delivery, its ledger, and everything that must not be seen of it.
pub struct Sample {
    pub home: Home,
    pub needles: Needles,
    /// Names of files are sealed too, but whoever imports one is told of it by its name.
    pub file_name: Needles,
    /// What the program said meanwhile, by command.
    pub said: Vec<(String, Ran)>,
}

pub type Row = BTreeMap<String, String>;

pub fn rows(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn write_rows(path: &Path, rows: &[Row]) {
    let mut writer = csv::Writer::from_path(path).unwrap();
    writer.write_record(rows[0].keys()).unwrap();
    for row in rows {
        writer.write_record(row.values()).unwrap();
    }
    writer.flush().unwrap();
}

/// Puts remarks, unreadable cells and rows that will be refused into a delivery.
fn season(delivery: &Path) {
    let file = delivery.join("births.csv");
    let mut births = rows(&file);
    assert!(births.len() > 60, "{} births", births.len());
    births[1].insert("remark".into(), FREE_TEXTS[4].into());
    births[2].insert("remark".into(), FREE_TEXTS[5].into());
    // In no list of the schema: kept, but in the sealed remark.
    births[3].insert("sex".into(), FREE_TEXTS[6].into());
    births[4].insert("place".into(), FREE_TEXTS[7].into());
    births[5].insert(
        "mother_born_on".into(),
        "the year of the great flood".into(),
    );
    let mut refused = births[6].clone();
    refused.insert("source_record_id".into(), "C7777777".into());
    refused.insert("occurred_on".into(), "on a rainy day".into());
    births.push(refused);
    let mut refused = births[7].clone();
    refused.insert("child_name".into(), "刘晓\u{7}燕".into());
    births.push(refused);
    // The same number with another content: refused by the ledger, not by the reading.
    let mut different = births[8].clone();
    different.insert("mother_name".into(), "欧阳改名".into());
    births.push(different);
    std::fs::remove_file(&file).unwrap();
    write_rows(&delivery.join(SECRET_FILE), &births);
}

/// Every sealed value of a delivery that can be told from anything else.
fn sealed_values(delivery: &Path, needles: &mut Needles) {
    let public: BTreeSet<String> = rows(&delivery.join("offices.csv"))
        .iter()
        .map(|row| row["code"].clone())
        .collect();
    for kind in RecordKind::ALL {
        let file = if kind == RecordKind::Birth {
            delivery.join(SECRET_FILE)
        } else {
            delivery.join(format!("{}.csv", kind.file()))
        };
        for row in rows(&file) {
            for column in kind.columns() {
                let Some(value) = row.get(column.name).filter(|value| !value.is_empty()) else {
                    continue;
                };
                // Offices and dates of losses are public of other records: tested by themselves.
                let elsewhere = public.contains(value)
                    || value.parse::<chrono::NaiveDate>().is_ok()
                    || value.len() < 5
                    || column.name == "source";
                if column.placement != Placement::Public && !elsewhere {
                    needles.add(column.name, value);
                }
            }
        }
    }
}

pub fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let home = Home::empty();
        let delivery = home.path().join("delivery");
        let options = simulate::Options {
            population: 3_000,
            births: Some(80),
            months: 24,
            villages: 3,
            ..simulate::Options::default()
        };
        simulate::write(&delivery, &options, &mut |_| ()).unwrap();
        season(&delivery);
        let mut needles = Needles::default();
        sealed_values(&delivery, &mut needles);
        for text in FREE_TEXTS {
            needles.add("free text", text);
        }
        for text in ["rainy day", "great flood", "欧阳改名", "刘晓"] {
            needles.add("refused or unreadable", text);
        }
        let mut file_name = Needles::default();
        file_name.add("name of a file", "births-of-madam");
        home.run(&["init", "--simulated-clock"]).ok();
        let mut sample = Sample {
            home,
            needles,
            file_name,
            said: Vec::new(),
        };
        live(&mut sample);
        sample
    })
}

/// What people do with a ledger: import, look, correct, withdraw, and make mistakes. Arguments are
/// set apart by `|`, since some hold spaces.
fn commands(births: &[Row], loss: &str) -> Vec<(i32, String)> {
    let name = |row: &Row| format!("birth/{}/{}", row["source"], row["source_record_id"]);
    let [first, second, third] = [&births[10], &births[11], &births[12]].map(name);
    let other = &births[13];
    let [changed, renamed, withdrawn, ..] = FREE_TEXTS;
    let import = "import|delivery|--until|2016-01-31";
    vec![
        (12, format!("{import}|--dry-run")),
        (12, import.to_owned()),
        (12, format!("--json|{import}")),
        (12, format!("{import}|--strict")),
        (
            0,
            format!("correct|birth|{first}|weight_g=3111|--reason|{changed}"),
        ),
        (
            0,
            format!("correct|birth|{second}|mother_name=欧阳改名|--reason|{renamed}"),
        ),
        (0, format!("void|birth|{third}|--reason|{withdrawn}")),
        (
            0,
            format!("correct|pregnancy_loss|{loss}|plurality=2|--reason|{changed}"),
        ),
        (
            2,
            format!(
                "record|birth|source_record_id=C8888888|{}",
                other["mother_id_no"]
            ),
        ),
        (2, format!("show|{}", other["source_record_id"])),
        (
            2,
            format!("correct|birth|{first}|occurred_on=on a rainy day|--reason|{changed}"),
        ),
        (0, format!("show|{first}")),
        (0, format!("--json|show|{second}")),
        (0, format!("show|{loss}")),
        (0, "log".to_owned()),
        (0, "--json|log".to_owned()),
        (0, "verify".to_owned()),
        (0, "--json|verify".to_owned()),
    ]
}

fn live(sample: &mut Sample) {
    let delivery = sample.home.path().join("delivery");
    let births = rows(&delivery.join(SECRET_FILE));
    let loss = &rows(&delivery.join("pregnancy_losses.csv"))[0];
    let loss = format!(
        "pregnancy_loss/{}/{}",
        loss["source"], loss["source_record_id"]
    );
    for (code, line) in commands(&births, &loss) {
        let args: Vec<&str> = line.split('|').collect();
        let ran = Ran::of(sample.home.command(&args).env("RUST_LOG", "trace"));
        assert_eq!(ran.code, code, "{line}\n{}\n{}", ran.out, ran.err);
        sample.said.push((line, ran));
    }
    let id_no = &births[13]["mother_id_no"];
    for input in [format!("\"{id_no}\""), format!("{{\"sex\":[\"{id_no}\"]}}")] {
        let ran = sample
            .home
            .run_with(&["record", "birth", "-"], &input)
            .ends(2);
        sample.said.push((format!("record birth - < {input}"), ran));
    }
    for kind in RecordKind::ALL {
        for form in ["--csv", "--json"] {
            let ran = sample.home.run(&["registers", kind.file(), form]).ok();
            sample.said.push((format!("registers {kind} {form}"), ran));
        }
    }
    // The disclosure shows, and so is not among what is searched.
    let second = format!(
        "birth/{}/{}",
        births[11]["source"], births[11]["source_record_id"]
    );
    let shown = ["show", &second, "--unseal", "--purpose", FREE_TEXTS[3]];
    let shown = sample.home.run(&shown).ok();
    assert!(shown.out.contains("欧阳改名") && shown.out.contains(FREE_TEXTS[1]));
    assert!(!shown.err.contains("欧阳改名") && !shown.err.contains(FREE_TEXTS[3]));
}
