//! Workbooks, read back by another program.

use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use serde_json::Value;

use super::fixture::{COMMUNITY, Ledger, TOWNSHIP, half_year, office, period};
use super::report;
use crate::indicators::targets::Targets;
use crate::locale::{Language, text};
use crate::report::{MonthlyReport, TargetsReport};

fn book(ledger: &Ledger, language: Language) -> Xlsx<Cursor<Vec<u8>>> {
    let bytes = report(ledger, COMMUNITY, "2014-H1")
        .workbook(language)
        .unwrap();
    Xlsx::new(Cursor::new(bytes)).unwrap()
}

/// The lines of a sheet below its heading, which begins with the text of this key.
fn lines(
    book: &mut Xlsx<Cursor<Vec<u8>>>,
    sheet: &str,
    first: &str,
    language: Language,
) -> Vec<Vec<Data>> {
    let range = book.worksheet_range(&text(language, sheet, &[])).unwrap();
    let heading = Data::String(text(language, first, &[]));
    let below = range.rows().skip_while(|row| row[0] != heading).skip(1);
    let lines: Vec<_> = below.map(<[Data]>::to_vec).collect();
    assert!(!lines.is_empty(), "{sheet}");
    lines
}

/// The number of a cell; text is none.
fn number(cell: &Data) -> Option<f64> {
    match cell {
        Data::Float(number) => Some(*number),
        Data::Empty => None,
        other => panic!("{other:?} is no number"),
    }
}

fn as_text(value: &Value) -> Option<f64> {
    value.as_str().map(|text| text.parse().unwrap())
}

/// A fraction as JSON writes it, with the decimals of a cell.
fn fraction(value: &Value) -> Option<f64> {
    let text = value.as_str()?;
    let (over, under) = text.split_once('/').unwrap_or((text, "1"));
    let number = over.parse::<f64>().unwrap() / under.parse::<f64>().unwrap();
    Some((number * 10_000.0).round() / 10_000.0)
}

#[test]
fn every_number_of_the_json_is_a_number_of_the_workbook() {
    let ledger = half_year();
    let json = serde_json::to_value(report(&ledger, COMMUNITY, "2014-H1")).unwrap();
    let of = |key: &str| json[key].as_array().unwrap().clone();
    for language in Language::ALL {
        let mut book = book(&ledger, language);
        let figures = lines(&mut book, "section-figures", "column-figure", language);
        let expected = [of("figures"), of("activities")].concat();
        assert_eq!(figures.len(), expected.len());
        for (line, figure) in figures.iter().zip(&expected) {
            assert_eq!(line[0].to_string(), figure["title"][language.as_str()]);
            assert_eq!(number(&line[1]), figure["value"].as_f64());
            assert_eq!(line[3].to_string(), figure["id"]);
        }
        let months = lines(&mut book, "section-months", "column-month", language);
        assert_eq!(months.len(), of("births_by_month").len());
        for (line, month) in months.iter().zip(of("births_by_month")) {
            assert_eq!(line[0].to_string(), month["month"]);
            let limits = &month["limits"];
            let numbers = [
                &month["register"],
                &month["returned"],
                &limits["low"],
                &limits["high"],
            ];
            for (cell, expected) in line[1..].iter().zip(numbers) {
                assert_eq!(number(cell), expected.as_f64(), "{month}");
            }
        }
        let indicators = lines(&mut book, "section-targets", "column-indicator", language);
        assert_eq!(indicators.len(), of("indicators").len());
        for (line, indicator) in indicators.iter().zip(of("indicators")) {
            assert_eq!(line[0].to_string(), indicator["title"][language.as_str()]);
            assert_eq!(
                number(&line[1]),
                as_text(&indicator["value"]),
                "{indicator}"
            );
            assert_eq!(
                number(&line[3]),
                fraction(&indicator["numerator"]),
                "{indicator}"
            );
            assert_eq!(
                number(&line[4]),
                fraction(&indicator["denominator"]),
                "{indicator}"
            );
            assert_eq!(number(&line[5]), as_text(&indicator["interval"]["low"]));
            assert_eq!(number(&line[6]), as_text(&indicator["interval"]["high"]));
        }
        let notes = lines(&mut book, "section-notes", "column-note", language);
        for (line, note) in notes.iter().zip(of("notes")) {
            assert_eq!(line[0].to_string(), note[language.as_str()]);
        }
        assert_eq!(notes.len(), of("notes").len());
    }
}

#[test]
fn what_an_office_typed_is_text_and_never_a_formula() {
    let mut ledger = half_year();
    let mut named = ledger.0.offices.get(office(COMMUNITY)).unwrap().clone();
    named.name_en = Some("=HYPERLINK(\"x\")\u{202e}".to_owned());
    ledger.0.offices.insert(named);
    ledger.activity("=1+1", "2014-05-05", 3, None);
    let mut book = book(&ledger, Language::En);
    for sheet in book.sheet_names() {
        let formulas = book.worksheet_formula(&sheet).unwrap();
        assert!(formulas.used_cells().next().is_none(), "{sheet}");
    }
    let figures = lines(&mut book, "section-figures", "column-figure", Language::En);
    assert!(
        figures
            .iter()
            .any(|line| line[0] == Data::String("=1+1".to_owned()))
    );
    let range = book.worksheet_range("Figures").unwrap();
    let office = range
        .rows()
        .find(|row| row[0] == Data::String("Office".to_owned()))
        .unwrap();
    assert!(
        office[1]
            .to_string()
            .starts_with("=HYPERLINK(\"x\")\u{fffd}"),
        "{office:?}"
    );
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let ledger = half_year();
    let report = report(&ledger, COMMUNITY, "2014-H1");
    for language in Language::ALL {
        let (one, two) = (
            report.workbook(language).unwrap(),
            report.workbook(language).unwrap(),
        );
        assert_eq!(one, two);
        let mut parts = zip::ZipArchive::new(Cursor::new(one)).unwrap();
        let core = std::io::read_to_string(parts.by_name("docProps/core.xml").unwrap()).unwrap();
        assert!(core.contains("2014-07-03T09:00:00Z"), "{core}");
        let chart =
            std::io::read_to_string(parts.by_name("xl/charts/chart1.xml").unwrap()).unwrap();
        assert_eq!(chart.matches("<c:ser>").count(), 4);
    }
}

#[test]
fn tables_of_months_and_plan_are_numbers_too() {
    let ledger = half_year();
    let months = MonthlyReport::build(&ledger.0, office(COMMUNITY), period("2014-H1")).unwrap();
    let json = serde_json::to_value(&months).unwrap();
    let bytes = months.workbook(Language::Zh).unwrap();
    let mut book = Xlsx::new(Cursor::new(bytes)).unwrap();
    let rows = lines(
        &mut book,
        "section-monthly-events",
        "column-month",
        Language::Zh,
    );
    let of_json = json["months"]
        .as_array()
        .unwrap()
        .iter()
        .chain([&json["total"]]);
    assert_eq!(rows.len(), 7);
    for (row, month) in rows.iter().zip(of_json) {
        for (cell, id) in row[1..]
            .iter()
            .zip(["births", "births_male", "births_female"])
        {
            assert_eq!(number(cell), month["figures"][id].as_f64(), "{month}");
        }
    }
    let targets = Targets::default();
    let plan = TargetsReport::build(
        &ledger.0,
        office(TOWNSHIP),
        period("2014-H1"),
        &targets,
        None,
    );
    let bytes = plan.unwrap().workbook(Language::En).unwrap();
    let mut book = Xlsx::new(Cursor::new(bytes)).unwrap();
    let rows = lines(&mut book, "section-targets", "column-number", Language::En);
    assert_eq!(number(&rows[0][2]), Some(3.73));
}
