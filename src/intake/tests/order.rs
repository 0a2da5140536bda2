//! Rows in the order of their reports.

use super::*;

fn births(rows: &[(&str, &str)]) -> String {
    let lines = rows
        .iter()
        .map(|(id, day)| format!("{id},village,1,2014-01-01,{day},"));
    let lines: Vec<_> = lines.collect();
    format!("{HEADER}\n{}\n", lines.join("\n"))
}

#[test]
fn files_are_merged_and_offices_come_first() {
    let first = births(&[("A1", "2014-01-02"), ("A2", "2014-01-05"), ("A3", "")]);
    // Out of order: held and sorted.
    let second = births(&[
        ("B0", "?"),
        ("B1", "2014-01-05"),
        ("B2", "20140101"),
        ("B3", "x"),
    ]);
    let third = "{\"source_record_id\":\"C1\",\"submitted_on\":\"2014-01-03\"}\nx\n\
                 {\"source_record_id\":\"C3\",\"submitted_on\":\"2014-01-05\"}";
    let folder = folder(&[
        ("births-1.csv", first.as_bytes()),
        ("births-2.csv", second.as_bytes()),
        ("returns.jsonl", third.as_bytes()),
        ("offices.csv", b"code,level\n990101000000,county\n"),
    ]);
    let delivery = open(&folder).unwrap();
    let expected = [
        "990101000000",
        "B0",
        "B2",
        "B3",
        "A1",
        "C1",
        "!2",
        "A2",
        "A3",
        "B1",
        "C3",
    ];
    assert_eq!(ids(delivery.rows_in_order_of_report()), expected);
    let expected = [
        "990101000000",
        "A1",
        "A2",
        "A3",
        "B0",
        "B1",
        "B2",
        "B3",
        "C1",
        "!2",
        "C3",
    ];
    assert_eq!(ids(delivery.rows()), expected);
}

#[test]
fn the_extract_in_order_of_report_has_every_row_once() {
    let delivery = Delivery::open(&[extract()]).unwrap();
    let (rows, _) = split(delivery.rows_in_order_of_report());
    let days: Vec<_> = rows.iter().filter_map(|row| row.reported_on).collect();
    assert!(days.is_sorted());
    let mut ordered: Vec<_> = rows.iter().map(|row| row.source).collect();
    let (rows, _) = split(delivery.rows());
    let in_files: Vec<_> = rows.iter().map(|row| row.source).collect();
    assert_ne!(ordered, in_files);
    ordered.sort_unstable();
    assert_eq!(ordered, in_files);
}

#[test]
fn named_files_keep_their_order_after_the_offices() {
    let folder = folder(&[
        ("births.csv", births(&[("A1", "2014-01-01")]).as_bytes()),
        ("births-2.csv", births(&[("B1", "2014-01-01")]).as_bytes()),
        ("offices.csv", b"code,level\n990101000000,county\n"),
    ]);
    let path = |name| folder.path().join(name);
    // A file that is named twice is read once.
    let paths = [
        path("births-2.csv"),
        path("births.csv"),
        path("offices.csv"),
        path("births.csv"),
    ];
    let delivery = Delivery::open(&paths).unwrap();
    assert_eq!(ids(delivery.rows()), ["990101000000", "B1", "A1"]);
}
