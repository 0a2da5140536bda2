//! Files that mean harm, or are noise: a clear answer, never a panic, never much memory.

use std::fs;

use proptest::prelude::*;
use rust_xlsxwriter::Workbook;

use super::formats::rewrite;
use super::*;
use crate::intake::xlsx_limits::{self, Limits};

/// Opens a file of these bytes and reads all of it in both orders.
fn read_all(name: &str, bytes: &[u8]) {
    let folder = folder(&[(name, bytes)]);
    let Ok(delivery) = open(&folder) else {
        return;
    };
    let (taken, refused) = split(delivery.rows());
    for row in &taken {
        assert_eq!(row.cells.len(), row.kind.columns().len());
        assert!(row.raw().len() < 1 << 20);
    }
    let (again, refused_again) = split(delivery.rows_in_order_of_report());
    assert_eq!(
        (taken.len(), refused.len()),
        (again.len(), refused_again.len())
    );
}

fn small_workbook() -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet().set_name("births").unwrap();
    for (at, name) in HEADER.split(',').enumerate() {
        let at = u16::try_from(at).unwrap();
        sheet.write(0, at, name).unwrap();
        sheet.write(1, at, at * 1000).unwrap();
    }
    workbook.save_to_buffer().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_after_a_header(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let header = format!("{HEADER}\n");
        read_all("births.csv", &[header.as_bytes(), &bytes].concat());
        read_all("births.jsonl", &bytes);
        read_all("births.csv", &bytes);
        read_all("births.csv", &[b"\xff\xfe", bytes.as_slice()].concat());
    }

    #[test]
    fn any_signs_of_csv(text in "[,\"\r\n;aé张\t]{0,400}") {
        let header = format!("{HEADER}\n");
        read_all("births.csv", &[header.as_bytes(), text.as_bytes()].concat());
    }

    #[test]
    fn any_signs_of_json(text in "([{}\\[\\]:,\"\\\\ 1e.\n-]|sex|性别|remark|null|\"sex\":){0,60}") {
        read_all("births.jsonl", text.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_damage_to_a_workbook(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut bytes = small_workbook();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            let length = cut.index(bytes.len());
            bytes.truncate(length);
        }
        read_all("births.xlsx", &bytes);
    }

    #[test]
    fn any_damage_inside_a_workbook(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), "[<>/\"'0-9A-Zsrct= &;-]{0,3}"), 1..5),
        part in proptest::sample::select(vec![
            "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml",
        ]),
    ) {
        let folder = folder(&[("births.xlsx", &small_workbook())]);
        let path = folder.path().join("births.xlsx");
        rewrite(&path, part, |xml| {
            let mut signs: Vec<String> = xml.chars().map(String::from).collect();
            for (at, text) in &damage {
                let at = at.index(signs.len());
                signs[at].clone_from(text);
            }
            signs.concat()
        });
        read_all("births.xlsx", &fs::read(&path).unwrap());
    }
}

fn changed(part: &str, from: &str, to: &str) -> String {
    let folder = folder(&[("births.xlsx", &small_workbook())]);
    let path = folder.path().join("births.xlsx");
    rewrite(&path, part, |xml| {
        assert!(xml.contains(from), "{xml}");
        xml.replace(from, to)
    });
    match open(&folder) {
        Err(error) => error.to_string(),
        Ok(delivery) => split(delivery.rows())
            .1
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

#[test]
fn a_workbook_past_the_limits() {
    let text = changed(
        "xl/sharedStrings.xml",
        "uniqueCount=\"6\"",
        "uniqueCount=\"999999999999\"",
    );
    assert!(text.contains("states more texts than it has"), "{text}");
    let sheet = "xl/worksheets/sheet1.xml";
    let text = changed(sheet, "ref=\"A1:F2\"", "ref=\"A1:F1200000\"");
    assert!(
        text.contains("too large: sheet births has more than 1100000 rows"),
        "{text}"
    );
    let text = changed(sheet, "r=\"F2\"", "r=\"F1200000\"");
    assert!(
        text.contains("the sheet has more than 1100000 rows"),
        "{text}"
    );
    let text = changed(sheet, "r=\"F2\"", "r=\"XFD2\"");
    assert!(
        text.contains("has 16384 cells, but the header has 6 columns"),
        "{text}"
    );
    let text = changed(sheet, "r=\"F1\"", "r=\"XFD1\"");
    assert!(
        text.contains("has 201 columns, but no intake file has more than 200"),
        "{text}"
    );
    // A dimension that runs backwards makes the workbook reader panic or wrap around.
    changed(sheet, "ref=\"A1:F2\"", "ref=\"F2:A1\"");
}

#[test]
fn what_a_workbook_unpacks_to_is_measured() {
    let folder = folder(&[("births.xlsx", &small_workbook()), ("x.xlsx", b"PK")]);
    let path = folder.path().join("births.xlsx");
    let check = |unpacked_bytes, held_bytes| {
        let limits = Limits {
            unpacked_bytes,
            held_bytes,
        };
        xlsx_limits::check(&path, "births.xlsx", limits).map_err(|error| error.to_string())
    };
    assert!(check(1 << 20, 1 << 20).is_ok());
    assert!(
        check(1000, 1 << 20)
            .unwrap_err()
            .contains("unpacks to more than 1000 bytes")
    );
    assert!(
        check(1 << 20, 100)
            .unwrap_err()
            .contains("more than 100 bytes")
    );
    let text = Delivery::open(&[folder.path().join("x.xlsx")])
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("x.xlsx cannot be read as a workbook"),
        "{text}"
    );
}

#[test]
fn rows_that_are_dropped_end_their_thread() {
    let folder = folder(&[("births.xlsx", &small_workbook())]);
    let delivery = open(&folder).unwrap();
    let mut rows = delivery.rows();
    assert!(rows.next().unwrap().is_ok());
    drop(rows);
}
