//! What is refused, in which words, and where it goes.

use std::fs;

use rust_xlsxwriter::{Format, Formula, Workbook};

use super::*;
use crate::intake::{RejectsWriter, RowReason};
use crate::model::cell::CellReason;

fn error(files: &[(&str, &[u8])]) -> String {
    open(&folder(files)).unwrap_err().to_string()
}

fn named_error(name: &str, bytes: &[u8]) -> String {
    let folder = folder(&[(name, bytes)]);
    Delivery::open(&[folder.path().join(name)])
        .unwrap_err()
        .to_string()
}

/// The refusals of a file, as text.
fn refused(name: &str, bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let folder = folder(&[(name, bytes)]);
    let delivery = open(&folder).unwrap();
    let (taken, refused) = split(delivery.rows());
    for row in &refused {
        assert!(!row.to_string().contains("张三") && !format!("{row:?}").contains("张三"));
    }
    let taken = taken.iter().map(|row| row.cells.get(0).unwrap().to_owned());
    (
        taken.collect(),
        refused.iter().map(ToString::to_string).collect(),
    )
}

#[test]
fn files_that_are_not_ours() {
    let births = HEADER.as_bytes();
    for name in ["truth.csv", "births.pdf", "births-returns.csv", "births"] {
        let text = named_error(name, births);
        assert!(
            text.starts_with(&format!("{name} is no intake file")),
            "{text}"
        );
        assert!(
            text.contains("births (出生)") && text.contains(".jsonl"),
            "{text}"
        );
    }
    let text = error(&[("README.md", b"x")]);
    assert!(
        text.contains("has no intake file; accepted are offices (单位)"),
        "{text}"
    );
    #[cfg(unix)]
    {
        let text = Delivery::open(&["/dev/null".into()])
            .unwrap_err()
            .to_string();
        assert!(
            text.starts_with("null is no intake file (it is not a plain file)"),
            "{text}"
        );
    }
    let missing = tempfile::tempdir().unwrap().path().join("births.csv");
    let text = Delivery::open(&[missing]).unwrap_err().to_string();
    assert!(text.starts_with("failed to open"), "{text}");
    assert!(Delivery::open(&[]).is_err());

    let folder = folder(&[
        ("births.csv", births),
        ("truth.csv", b"x"),
        ("README.md", b"x"),
        (".births.csv", b"x"),
        ("~$births.xlsx", b"x"),
        ("rejects-births.csv", b"x"),
        ("other.xlsx", b"x"),
    ]);
    fs::create_dir(folder.path().join("old")).unwrap();
    let delivery = open(&folder).unwrap();
    assert_eq!(delivery.files.len(), 1);
    let mut skipped: Vec<_> = delivery.skipped.iter().map(|s| s.name.as_str()).collect();
    skipped.sort_unstable();
    let expected = [
        ".births.csv",
        "README.md",
        "old",
        "other.xlsx",
        "rejects-births.csv",
        "truth.csv",
    ];
    assert_eq!(skipped, [&expected[..], &["~$births.xlsx"]].concat());
}

#[test]
fn all_headers_are_checked_before_any_row() {
    let text = error(&[
        (
            "births.csv",
            b"source_record_id,source,office,occured_on,reported_on,fine\n",
        ),
        ("returns.csv", b""),
        ("activities.csv", HEADER.as_bytes()),
    ]);
    for part in [
        "births.csv is refused, no row of it was taken: it ",
        "(\"occured_on\"), which is unknown (did you mean occurred_on?)",
        "(\"fine\"), which is about something this ledger refuses to hold",
        "returns.csv is refused, no row of it was taken: it has no header",
        "lacks the required column kind (类别)",
    ] {
        assert!(text.contains(part), "{part} not in {text}");
    }
}

#[test]
fn rows_of_csv() {
    let text = format!(
        "{HEADER}\nB1,v,1,a,b,张三,x\nB2,v,1,a\nB3,v,1,a,b,\"张三\nB4,v,1,a,b,\nB5,v,1,a,b,{}\nB6,v,1,a,b,c",
        "张三".repeat(20_000)
    );
    let (taken, refused) = refused("births.csv", text.as_bytes());
    assert_eq!(taken, ["B4", "B6"]);
    let expected = [
        "births.csv, line 2: the row has 7 cells, but the header has 6 columns; ",
        "births.csv, line 3: the row has 4 cells, but the header has 6 columns; ",
        "births.csv, line 4: the row opens a double quote that is not closed; ",
        "births.csv, line 6: the row is longer than 65536 bytes; ",
    ];
    assert_eq!(refused.len(), expected.len());
    for (text, expected) in refused.iter().zip(expected) {
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn a_line_without_end_takes_no_memory_and_no_other_row() {
    let mut text = format!("{HEADER}\nB1,v,1,a,b,\n").into_bytes();
    text.extend(vec![b'x'; 3 << 20]);
    text.extend(b"\r\nB3,v,1,a,b,\n");
    let (taken, refused) = refused("births.csv", &text);
    assert_eq!(taken, ["B1", "B3"]);
    assert!(
        refused[0].starts_with("births.csv, line 3: the row is longer"),
        "{refused:?}"
    );
    let mut text = vec![b'{'; 3 << 20];
    text.extend(b"\n{\"source_record_id\":\"B2\"}\n");
    let (taken, refused) = self::refused("births.jsonl", &text);
    assert_eq!(taken, ["B2"]);
    assert!(
        refused[0].contains("line 1: the row is longer than 1048576 bytes"),
        "{refused:?}"
    );
}

#[test]
fn bytes_that_are_no_text() {
    // UTF-8 with a broken cell stays UTF-8.
    let mut text = format!("{HEADER}\nB1,v,1,a,b,张三\nB2,v,1,a,b,").into_bytes();
    text.extend(b"\xff\xfe\n");
    let (taken, refused) = refused("births.csv", &text);
    assert_eq!(taken, ["B1"]);
    let expected = "births.csv, line 3: remark has bytes that are not UTF-8 text; ";
    assert!(refused[0].starts_with(expected), "{refused:?}");
    // GB18030 with a character cut in half.
    let mut text = encoding_rs::GB18030
        .encode(&format!("{HEADER}\nB1,v,1,a,b,张三\n"))
        .0
        .into_owned();
    text.extend(b"B2,v,1,a,b,\xd5\nB3,v,1,a,b,\n");
    let (taken, refused) = self::refused("births.csv", &text);
    assert_eq!(taken, ["B1", "B3"]);
    assert!(
        refused[0].contains("line 3: remark has bytes that are not GB18030"),
        "{refused:?}"
    );
}

#[test]
fn rows_of_json_lines() {
    let text = "{\"sex\":\"M\",\"name\":\"张三\"}\n\n{\"child_name\":\"张三\"\n{\"sex\":{}}\n[\"张三\"]\n{\"来源编号\":\"B1\"}";
    let (taken, refused) = refused("births.jsonl", text.as_bytes());
    assert_eq!(taken, ["B1"]);
    let expected = [
        "births.jsonl, line 1: the row has \"name\", which is no column",
        "births.jsonl, line 3: the row is not JSON",
        "births.jsonl, line 4: sex is an object or a list",
        "births.jsonl, line 5: the row is not a JSON object",
    ];
    for (text, expected) in refused.iter().zip(expected) {
        assert!(text.starts_with(expected), "{text}");
    }
    assert_eq!(refused.len(), 4);
}

#[test]
fn rows_of_a_workbook() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("delivery.xlsx");
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet().set_name("births").unwrap();
    for (at, name) in HEADER
        .replace("remark", "mother_id_no")
        .split(',')
        .enumerate()
    {
        sheet.write(0, u16::try_from(at).unwrap(), name).unwrap();
    }
    for row in 1..6 {
        sheet.write(row, 0, format!("B{row}")).unwrap();
    }
    sheet
        .write_number(1, 5, 990_101_197_811_222_225_f64)
        .unwrap();
    sheet
        .write_formula(2, 3, Formula::new("=1/0").set_result("#DIV/0!"))
        .unwrap();
    sheet.write_string(3, 9, "张三").unwrap();
    let length = Format::new().set_num_format("[h]:mm");
    sheet.write_number_with_format(4, 3, 1.5, &length).unwrap();
    workbook.save(&path).unwrap();
    // The writer stores the result of a formula as text; Excel stores it as an error.
    super::formats::rewrite(&path, "xl/worksheets/sheet1.xml", |xml| {
        let xml = xml.replace("<c r=\"D3\" t=\"str\">", "<c r=\"D3\" t=\"e\">");
        assert!(xml.contains("t=\"e\""), "{xml}");
        xml
    });
    let delivery = open(&folder).unwrap();
    let (taken, refused) = split(delivery.rows());
    assert_eq!(taken.len(), 1);
    let refused: Vec<_> = refused.iter().map(ToString::to_string).collect();
    let expected = [
        "delivery.xlsx, sheet births, line 2: mother_id_no is a number so long that the workbook",
        "delivery.xlsx, sheet births, line 3: occurred_on is an error value of the workbook",
        "delivery.xlsx, sheet births, line 4: the row has 10 cells, but the header has 6 columns",
        "delivery.xlsx, sheet births, line 5: occurred_on is a length of time",
    ];
    for (text, expected) in refused.iter().zip(expected) {
        assert!(text.starts_with(expected), "{text}");
    }
    assert_eq!(refused.len(), 4);
}

#[test]
fn a_file_that_changes_is_not_read_under_its_old_hash() {
    let text = format!("{HEADER}\nB1,v,1,a,b,c\n");
    let (folder, delivery) = open_text("births.csv", &text);
    let mut before = delivery.rows();
    assert!(before.next().unwrap().is_ok());
    fs::write(
        folder.path().join("births.csv"),
        format!("{text}B2,v,1,a,b,c\n"),
    )
    .unwrap();
    let stopped = before.last().unwrap().unwrap_err();
    assert!(stopped.stops_file(), "{stopped}");
    let (taken, refused) = split(delivery.rows());
    assert!(taken.is_empty());
    assert!(
        refused[0]
            .to_string()
            .contains("the file was changed while it was read")
    );
    fs::remove_file(folder.path().join("births.csv")).unwrap();
    let (_, refused) = split(delivery.rows_in_order_of_report());
    assert!(refused.len() == 1 && refused[0].stops_file());
}

#[test]
fn nothing_personal_is_printed() {
    let text = format!("{HEADER}\nB1,village,1,a,b,张三\n");
    let (_folder, delivery) = open_text("births.csv", &text);
    let row = delivery.rows().next().unwrap().unwrap();
    let refused = row.refuse(Some("office"), RowReason::Cell(CellReason::NotAnOfficeCode));
    for shown in [
        format!("{row:?}"),
        format!("{refused:?}"),
        format!("{:?}", row.cells),
    ] {
        assert!(!shown.contains("张三") && !shown.contains("B1"), "{shown}");
    }
    assert_eq!(
        refused.to_string(),
        "births.csv, line 2: office is not an office code; write its 12 digits"
    );
}

#[test]
fn the_rejects_file_is_made_with_the_first_refusal() {
    let text = format!("{HEADER}\nB1,v,1,a,b,\"张,三\"\nB2,v\n");
    let (folder, delivery) = open_text("births.csv", &text);
    let out = tempfile::tempdir().unwrap();
    let mut rejects = RejectsWriter::new(out.path(), "import-1").unwrap();
    assert_eq!((rejects.path(), rejects.total()), (None, 0));
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    for row in delivery.rows() {
        let refused = match row {
            Ok(row) => row.refuse(Some("office"), CellReason::NotAnOfficeCode.into()),
            Err(refused) => refused,
        };
        rejects.write(&refused).unwrap();
    }
    assert_eq!(
        (rejects.count(0), rejects.count(1), rejects.total()),
        (2, 0, 2)
    );
    let path = rejects.finish().unwrap().unwrap();
    let mut read = csv::Reader::from_path(&path).unwrap();
    assert_eq!(
        read.headers().unwrap(),
        vec!["file", "sheet", "line", "column", "reason", "row"]
    );
    let rows: Vec<_> = read.records().map(Result::unwrap).collect();
    assert_eq!(&rows[0][5], "B1,v,1,a,b,\"张,三\"");
    assert_eq!(
        (&rows[0][0], &rows[0][2], &rows[0][3]),
        ("births.csv", "2", "office")
    );
    assert_eq!((&rows[1][3], &rows[1][5]), ("", "B2,v"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    // Another import never writes over it.
    let mut again = RejectsWriter::new(out.path(), "import-1").unwrap();
    let refused = delivery.rows().last().unwrap().unwrap_err();
    assert!(matches!(
        again.write(&refused),
        Err(IntakeError::Rejects { .. })
    ));
    assert_eq!(again.total(), 0);
    for id in ["", "../x", "a b"] {
        assert!(matches!(
            RejectsWriter::new(folder.path(), id),
            Err(IntakeError::ImportId)
        ));
    }
}
