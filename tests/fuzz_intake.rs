//! Foreign bytes at the intake: CSV, JSON Lines and Excel files.
//!
//! What comes in: valid files that were changed, and bytes of chance; how many is said by
//! `VITALEDGER_FUZZ_CASES` (default 500: seconds; 100000 for a night). What must stay true: no
//! panic, no unbounded memory; a file is refused with a message, or every row of it comes out as a
//! row or as a refusal.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should"
)]

#[path = "support/mutate.rs"]
mod mutate;

use std::fs;
use std::path::Path;

use mutate::{fuzz, hostile};
use proptest::prelude::*;
use rust_xlsxwriter::Workbook;
use vitaledger::intake::Delivery;

const HEADER: [&str; 8] = [
    "source_record_id",
    "source",
    "office",
    "occurred_on",
    "reported_on",
    "sex",
    "weight_g",
    "mother_name",
];
const ROWS: [[&str; 8]; 3] = [
    [
        "B1",
        "village",
        "990101100001",
        "2014-06-01",
        "2014-06-03",
        "F",
        "3100",
        "甲某某",
    ],
    [
        "B2",
        "hospital",
        "990101100901",
        "2014年6月1日",
        "2014/6/3",
        "男",
        "",
        "乙, \"某\"某",
    ],
    [
        "B3",
        "village",
        "990101100001",
        "x",
        "",
        "?",
        "-1",
        "丙\n某",
    ],
];

fn csv() -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER).unwrap();
    for row in ROWS {
        writer.write_record(row).unwrap();
    }
    writer.into_inner().unwrap()
}

fn json_lines() -> Vec<u8> {
    let line = |row: [&str; 8]| {
        let object: serde_json::Map<String, serde_json::Value> = HEADER
            .iter()
            .zip(row)
            .map(|(name, value)| ((*name).to_owned(), value.into()))
            .collect();
        serde_json::Value::Object(object).to_string() + "\n"
    };
    ROWS.map(line).concat().into_bytes()
}

fn workbook() -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name("births").unwrap();
    for (line, row) in (0..).zip([&HEADER].into_iter().chain(&ROWS)) {
        for (column, value) in (0..).zip(row) {
            sheet.write(line, column, *value).unwrap();
        }
    }
    sheet.write(1, 6, 3100).unwrap();
    workbook.save_to_buffer().unwrap()
}

/// Reads a file to its end; gives how many rows and refusals came out.
fn read(path: &Path) -> Option<usize> {
    let delivery = Delivery::open(&[path.to_owned()]).ok()?;
    let mut count = 0;
    for row in delivery.rows() {
        match row {
            Ok(row) => assert!(!row.part().place().is_empty()),
            Err(refused) => assert!(!refused.what().is_empty()),
        }
        count += 1;
    }
    Some(count)
}

/// Feeds changed forms of a file under a name; the file itself must be read.
fn feed(name: &str, cost: u32, good: &[u8], seeds: Vec<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, good).unwrap();
    assert_eq!(read(&path), Some(ROWS.len()), "{name}");
    fuzz(cost, &hostile(seeds), |bytes| {
        fs::write(&path, &bytes).unwrap();
        if let Some(rows) = read(&path) {
            // Bytes give rows, at most one each; a workbook has them unpacked.
            prop_assert!(
                name.ends_with("xlsx") || rows <= bytes.len() + 1,
                "{} rows",
                rows
            );
        }
        Ok(())
    });
}

#[test]
fn comma_separated_values() {
    let good = csv();
    let gb18030 = encoding_rs::GB18030
        .encode(str::from_utf8(&good).unwrap())
        .0;
    let marked = [&b"\xef\xbb\xbf"[..], &good].concat();
    feed(
        "births.csv",
        1,
        &good,
        vec![good.clone(), gb18030.to_vec(), marked],
    );
}

#[test]
fn json_lines_of_objects() {
    let good = json_lines();
    feed(
        "births.jsonl",
        1,
        &good,
        vec![good.clone(), b"{}\n[]\n".to_vec()],
    );
}

#[test]
fn excel_workbooks() {
    let good = workbook();
    feed("births.xlsx", 2, &good, vec![good.clone()]);
}

/// The parts of a workbook before they are packed: a changed container rarely gets that far.
#[test]
fn sheets_of_excel_workbooks() {
    use std::io::{Cursor, Read, Write};
    let good = workbook();
    let mut archive = zip::ZipArchive::new(Cursor::new(&good)).unwrap();
    let mut parts = Vec::new();
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).unwrap();
        let mut data = Vec::new();
        part.read_to_end(&mut data).unwrap();
        parts.push((part.name().to_owned(), data));
    }
    let pack = |parts: &[(String, Vec<u8>)]| {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, data) in parts {
            let options = zip::write::SimpleFileOptions::default();
            writer.start_file(name, options).unwrap();
            writer.write_all(data).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("births.xlsx");
    for index in 0..parts.len() {
        fuzz(8, &hostile(vec![parts[index].1.clone()]), |bytes| {
            let mut changed = parts.clone();
            changed[index].1 = bytes;
            fs::write(&path, pack(&changed)).unwrap();
            let _ = read(&path);
            Ok(())
        });
    }
}
