//! The same births in every format, encoding, language and order of columns.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use chrono::NaiveDate;
use encoding_rs::GB18030;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

use super::*;
use crate::intake::RowKind;
use crate::model::office::OfficeDirectory;
use crate::model::record::Draft;
use crate::model::schema::RecordKind;

const BIRTHS: RowKind = RowKind::Record(RecordKind::Birth);

fn births() -> String {
    fs::read_to_string(extract().join("births.csv")).unwrap()
}

/// The births in Chinese, columns in reverse order.
fn chinese() -> String {
    let mut text = String::new();
    for (at, line) in births().lines().enumerate() {
        let mut cells: Vec<&str> = line.split(',').collect();
        if at == 0 {
            cells = BIRTHS.columns().iter().map(|column| column.zh).collect();
        }
        cells.reverse();
        writeln!(text, "{}", cells.join(",")).unwrap();
    }
    text
}

/// The births as a workbook: dates as dates, numbers as numbers, ID numbers as text.
fn workbook(path: &Path, is_1904: bool) {
    let mut workbook = Workbook::new();
    workbook.add_worksheet().set_name("notes").unwrap();
    let date = Format::new().set_num_format("yyyy-mm-dd");
    let sheet = workbook.add_worksheet().set_name("births").unwrap();
    // Days from the first day of the 1904 system; the file is marked as such afterwards.
    let shift = if is_1904 { 1462.0 } else { 0.0 };
    for (row, line) in births().lines().enumerate() {
        let row = u32::try_from(row).unwrap();
        for (at, (text, column)) in line.split(',').zip(BIRTHS.columns()).enumerate() {
            let at = u16::try_from(at).unwrap();
            let number: Option<f64> = text.parse().ok();
            match (column.name, number) {
                (_, None) if text.is_empty() => {}
                (name, _) if row > 0 && name.ends_with("_on") => {
                    let serial = ExcelDateTime::parse_from_str(text).unwrap().to_excel();
                    sheet
                        .write_number_with_format(row, at, serial - shift, &date)
                        .unwrap();
                }
                ("weight_g" | "gestation_days" | "plurality" | "office" | "facility", Some(n)) => {
                    sheet.write_number(row, at, n).unwrap();
                }
                _ => {
                    sheet.write_string(row, at, text).unwrap();
                }
            }
        }
    }
    workbook.save(path).unwrap();
    if is_1904 {
        rewrite(path, "xl/workbook.xml", |xml| {
            assert!(xml.contains("<workbookPr "), "{xml}");
            xml.replace("<workbookPr ", "<workbookPr date1904=\"1\" ")
        });
    }
}

/// Changes one part of a workbook.
pub(super) fn rewrite(path: &Path, part: &str, change: impl Fn(String) -> String) {
    use std::io::{Read as _, Write as _};
    let mut old = zip::ZipArchive::new(std::io::Cursor::new(fs::read(path).unwrap())).unwrap();
    let mut new = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for index in 0..old.len() {
        let mut entry = old.by_index(index).unwrap();
        let name = entry.name().to_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        if name == part {
            text = change(text);
        }
        new.start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        new.write_all(text.as_bytes()).unwrap();
    }
    new.finish().unwrap();
}

fn json_lines(chinese: bool) -> String {
    let mut text = String::new();
    for line in births().lines().skip(1) {
        let mut object = serde_json::Map::new();
        for (cell, column) in line.split(',').zip(BIRTHS.columns()) {
            let key = if chinese { column.zh } else { column.name };
            let value = match cell.parse::<u64>() {
                _ if cell.is_empty() => serde_json::Value::Null,
                Ok(number) if cell.len() < 19 => number.into(),
                _ => cell.into(),
            };
            object.insert(key.to_owned(), value);
        }
        writeln!(text, "{}", serde_json::to_string(&object).unwrap()).unwrap();
    }
    text
}

#[test]
fn every_format_gives_the_same_cells() {
    let expected: Vec<Vec<String>> = births()
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect();
    assert!(expected.len() > 20);
    let text = births();
    let utf16 = |text: &str| -> Vec<u8> {
        "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect()
    };
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("births.csv", text.clone().into_bytes()),
        ("births-bom.csv", format!("\u{feff}{text}").into_bytes()),
        ("births-crlf.csv", text.replace('\n', "\r\n").into_bytes()),
        ("births-semicolon.csv", text.replace(',', ";").into_bytes()),
        ("births-tab.txt", text.replace(',', "\t").into_bytes()),
        ("births-gb.csv", GB18030.encode(&text).0.into_owned()),
        ("出生.csv", chinese().into_bytes()),
        ("出生-gb.csv", GB18030.encode(&chinese()).0.into_owned()),
        ("births-utf16.csv", utf16(&text)),
        ("births.jsonl", json_lines(false).into_bytes()),
        ("出生.ndjson", json_lines(true).into_bytes()),
        (
            "births-gb.jsonl",
            GB18030.encode(&json_lines(true)).0.into_owned(),
        ),
    ];
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (*name, &**bytes))
        .collect();
    let folder = folder(&files);
    workbook(&folder.path().join("delivery.xlsx"), false);
    workbook(&folder.path().join("delivery-1904.xlsx"), true);
    let delivery = open(&folder).unwrap();
    assert_eq!(delivery.files.len(), 14);
    for file in delivery.files.iter() {
        let [part] = &*file.parts else {
            panic!("{}", file.name)
        };
        assert_eq!(part.kind, BIRTHS);
        assert_eq!(cells(delivery.rows_of(part)), expected, "{}", file.name);
    }
    let notes: Vec<_> = delivery
        .skipped
        .iter()
        .map(|s| s.sheet.as_deref())
        .collect();
    assert_eq!(notes, [Some("notes"); 2]);
    assert_eq!(cells(delivery.rows()).len(), 14 * expected.len());
}

#[test]
fn the_extract_is_read_offices_first_and_makes_drafts() {
    let delivery = Delivery::open(&[extract()]).unwrap();
    assert_eq!(delivery.files[0].name, "offices.csv");
    assert!(delivery.skipped.is_empty());
    let (rows, refused) = split(delivery.rows());
    assert!(refused.is_empty(), "{refused:?}");
    let mut offices = OfficeDirectory::default();
    for row in &rows {
        match row.kind {
            RowKind::Office => {
                let fields = crate::model::office::OfficeFields {
                    code: crate::model::id::OfficeCode::parse(row.cells.get(0).unwrap()).unwrap(),
                    level: crate::model::code::OfficeLevel::parse(row.cells.get(3).unwrap())
                        .unwrap(),
                    name_en: None,
                    name_zh: None,
                    parent: None,
                };
                offices.insert(fields);
            }
            RowKind::Record(kind) => {
                let draft = Draft::read(kind, &row.cells.to_vec(), &offices).unwrap();
                assert_eq!(Some(draft.reported_on), row.reported_on);
            }
        }
    }
    assert!(rows.len() > 400);
}

#[test]
fn files_are_named_hashed_and_measured() {
    let (_folder, delivery) = open_text("births-2014.csv", HEADER);
    let file = &delivery.files[0];
    assert_eq!(file.name, "births-2014.csv");
    assert_eq!(file.size_bytes, HEADER.len() as u64);
    let expected: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(HEADER).into();
    assert_eq!(file.sha256, expected);
    assert_eq!(delivery.rows().count(), 0);
}

#[test]
fn lines_are_those_of_the_file() {
    let text = format!(
        "\n{HEADER}\nB1,village,1,2014-01-01,2014/1/2,\"two\nlines\"\n,,,,,\n\nB2,village,1,x,20140103,\n"
    );
    let (_folder, delivery) = open_text("births.csv", &text);
    let (rows, refused) = split(delivery.rows());
    assert!(refused.is_empty());
    let lines: Vec<_> = rows.iter().map(|row| row.source.line).collect();
    assert_eq!(lines, [3, 7]);
    let days: Vec<_> = rows.iter().map(|row| row.reported_on).collect();
    assert_eq!(
        days,
        [2, 3].map(|day| NaiveDate::from_ymd_opt(2014, 1, day))
    );
    assert_eq!(
        rows[0].raw(),
        "B1,village,1,2014-01-01,2014/1/2,\"two\nlines\""
    );
    assert_eq!(rows[1].raw(), "B2,village,1,x,20140103,");
}

#[test]
fn trailing_empty_columns_are_ignored() {
    let text = format!("{HEADER},,\nB1,v,1,a,b,c,,,\nB2,v,1,a,b,c\n");
    let (_folder, delivery) = open_text("births.csv", &text);
    assert_eq!(ids(delivery.rows()), ["B1", "B2"]);
}

#[test]
fn a_workbook_with_one_sheet_of_any_name_is_what_its_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (at, name) in ["code", "级别", "name_zh"].iter().enumerate() {
        sheet.write(1, u16::try_from(at).unwrap(), *name).unwrap();
    }
    sheet.write(2, 0, 990_101_000_000_u64).unwrap();
    sheet.write(2, 1, "county").unwrap();
    sheet.write(4, 0, "990101100000").unwrap();
    sheet.write(4, 2, "示范镇").unwrap();
    workbook.save(folder.path().join("单位.xlsx")).unwrap();
    let delivery = open(&folder).unwrap();
    let (rows, refused) = split(delivery.rows());
    assert!(refused.is_empty());
    assert_eq!(
        rows[0].cells.to_vec(),
        ["990101000000", "", "", "county", ""]
    );
    assert_eq!(
        rows[1].cells.to_vec(),
        ["990101100000", "示范镇", "", "", ""]
    );
    assert_eq!(rows[1].source.line, 5);
    assert_eq!(rows[1].raw(), "990101100000,,示范镇");
}

#[test]
fn rows_can_go_to_another_thread() {
    fn is_send<T: Send + 'static>(_: &T) {}
    let (_folder, delivery) = open_text("births.csv", HEADER);
    is_send(&delivery.rows());
    is_send(&delivery.rows_in_order_of_report());
    is_send(&delivery);
}
