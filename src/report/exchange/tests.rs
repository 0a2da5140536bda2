//! What leaves the house is what the receivers' formats demand.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use chrono::{DateTime, NaiveDate};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::*;
use crate::indicators::targets::Targets;
use crate::report::HalfYearReport;
use crate::report::tests::fixture::{COMMUNITY, TOWNSHIP, half_year, office, period};

fn set_of(offices: &[&str], periods: &[&str]) -> DataSet {
    let ledger = half_year();
    let mut sheets = Vec::new();
    for of in offices {
        for when in periods {
            let (of, when, targets) = (office(of), period(when), Targets::default());
            let report = HalfYearReport::build(&ledger.0, of, when, &targets).unwrap();
            sheets.push(Sheet::of(&report));
        }
    }
    DataSet::of(&sheets).unwrap()
}

fn text(set: &DataSet, form: Form, options: &Options) -> String {
    String::from_utf8(set.write(form, options).unwrap()).unwrap()
}

fn attributes(element: &BytesStart<'_>) -> BTreeMap<String, String> {
    let attributes = element.attributes().map(|found| {
        let found = found.unwrap();
        let name = String::from_utf8(found.key.as_ref().to_vec()).unwrap();
        let value = found.normalized_value(XmlVersion::Explicit1_0).unwrap();
        (name, value.into_owned())
    });
    attributes.collect()
}

/// `xs:decimal`.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all(whole) && all(part)
}

/// ISO 8601: a day, and a duration of months or years.
fn is_period(text: &str) -> bool {
    let Some((day, duration)) = text.split_once("/P") else {
        return false;
    };
    day.len() == 10
        && NaiveDate::parse_from_str(day, "%Y-%m-%d").is_ok()
        && duration.trim_end_matches(['M', 'Y']).parse::<u32>().is_ok()
}

/// The structure of the profile: what is allowed where, and of which type. Gives the values by
/// office, period and element.
fn read_adx(xml: &str) -> Result<BTreeMap<(String, String, String), String>, String> {
    let mut reader = Reader::from_str(xml);
    let (mut open, mut group) = (Vec::<String>::new(), None);
    let (mut values, mut groups, mut in_group) = (BTreeMap::new(), 0, 0);
    loop {
        let event = reader.read_event().map_err(|e| e.to_string())?;
        let empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(element) | Event::Empty(element) => {
                let name = String::from_utf8(element.name().as_ref().to_vec()).unwrap();
                let given = attributes(&element);
                let get = |key: &str| given.get(key).cloned().ok_or(format!("no {key}"));
                match (open.last().map(String::as_str), name.as_str()) {
                    (None, "adx") => {
                        if get("xmlns")? != "urn:ihe:qrph:adx:2015" {
                            return Err("namespace".into());
                        }
                        DateTime::parse_from_rfc3339(&get("exported")?)
                            .map_err(|e| format!("exported: {e}"))?;
                    }
                    (Some("adx"), "group") => {
                        let found = (get("orgUnit")?, get("period")?);
                        if !is_period(&found.1) {
                            return Err(format!("period {}", found.1));
                        }
                        group = Some(found);
                        (groups, in_group) = (groups + 1, 0);
                    }
                    (Some("group"), "dataValue") => {
                        let value = get("value")?;
                        if !is_decimal(&value) {
                            return Err(format!("value {value}"));
                        }
                        let (office, period) = group.clone().unwrap();
                        let key = (office, period, get("dataElement")?);
                        if values.insert(key.clone(), value).is_some() {
                            return Err(format!("twice: {key:?}"));
                        }
                        in_group += 1;
                    }
                    (within, name) => return Err(format!("{name} in {within:?}")),
                }
                if !empty {
                    open.push(name);
                }
            }
            Event::End(_) => {
                let closed = open.pop();
                if closed.as_deref() == Some("group") && in_group == 0 {
                    return Err("a group without a value".into());
                }
            }
            Event::Text(text) if !text.trim_ascii().is_empty() => return Err("text".into()),
            Event::Eof if groups == 0 => return Err("no group".into()),
            Event::Eof => return Ok(values),
            _ => (),
        }
    }
}

#[test]
fn adx_has_the_structure_of_the_profile() {
    let set = set_of(&[COMMUNITY, TOWNSHIP], &["2014-H1", "2014-06", "2014S"]);
    let options = Options {
        exported_at: Timestamp::parse_moment("2014-07-01T08:00:00Z").unwrap(),
        ..Options::default()
    };
    let xml = text(&set, Form::Adx, &options);
    let values = read_adx(&xml).unwrap();
    let value = |office: &str, period: &str, element: &str| {
        let key = (office.to_owned(), period.to_owned(), element.to_owned());
        values.get(&key).map(String::as_str)
    };
    assert_eq!(value(COMMUNITY, "2014-01-01/P6M", "births"), Some("14"));
    assert_eq!(value(TOWNSHIP, "2014-01-01/P6M", "births_male"), Some("6"));
    assert_eq!(
        value(COMMUNITY, "2014-01-01/P6M", "activity_leaflet"),
        Some("1000")
    );
    assert!(value(COMMUNITY, "2014-06-01/P1M", "residents").is_some());
    assert!(value(COMMUNITY, "2013-10-01/P1Y", "residents").is_some());
    // Too few births to speak of a ratio, and nothing that only the office says.
    assert_eq!(
        value(COMMUNITY, "2014-01-01/P6M", "sex_ratio_at_birth"),
        None
    );
    assert_eq!(
        value(COMMUNITY, "2014-01-01/P6M", "policy_compliance"),
        None
    );
    assert!(xml.contains(r#"exported="2014-07-01T08:00:00Z""#));
}

#[test]
fn the_reader_of_the_tests_refuses_what_the_profile_refuses() {
    let set = set_of(&[COMMUNITY], &["2014-H1"]);
    let good = text(&set, Form::Adx, &Options::default());
    assert!(read_adx(&good).is_ok());
    for (from, to) in [
        ("urn:ihe:qrph:adx:2015", "urn:other"),
        ("/P6M", "/6M"),
        ("2014-01-01/", "2014-1-1/"),
        ("orgUnit=", "unit="),
        (r#"value="14""#, r#"value="14 births""#),
        ("dataElement=\"births\"", "dataElement=\"residents\""),
        ("<group ", "<set "),
        ("exported=", "made="),
    ] {
        assert_ne!(good, good.replace(from, to), "{from}");
        assert!(read_adx(&good.replace(from, to)).is_err(), "{from}");
    }
}

#[test]
fn dhis2_has_the_structure_of_the_web_api() {
    let set = set_of(&[COMMUNITY, TOWNSHIP], &["2014-H1", "2014S"]);
    let json: serde_json::Value =
        serde_json::from_str(&text(&set, Form::Dhis2, &Options::default())).unwrap();
    assert_eq!(json["dataElementIdScheme"], "CODE");
    assert_eq!(json["orgUnitIdScheme"], "CODE");
    // A set of several offices has none of its own.
    assert!(json.get("orgUnit").is_none() && json.get("completeDate").is_none());
    let mut keys = HashSet::new();
    for value in json["dataValues"].as_array().unwrap() {
        let key = ["dataElement", "period", "orgUnit"].map(|key| value[key].as_str().unwrap());
        assert!(keys.insert(key), "{key:?} twice");
        assert!(is_decimal(value["value"].as_str().unwrap()));
        assert!(["2014S1", "2013Oct"].contains(&key[1]));
    }
    let births = ["births", "2014S1", COMMUNITY];
    assert!(keys.contains(&births));
    let adx = read_adx(&text(&set, Form::Adx, &Options::default())).unwrap();
    assert_eq!(adx.len(), keys.len(), "both say the same");
}

#[test]
fn periods_as_the_receivers_spell_them() {
    for (ours, of_dhis2, of_adx) in [
        ("2014-06", "201406", "2014-06-01/P1M"),
        ("2014-Q2", "2014Q2", "2014-04-01/P3M"),
        ("2014-H2", "2014S2", "2014-07-01/P6M"),
        ("2014", "2014", "2014-01-01/P1Y"),
        // From 1 October 2024.
        ("2025S", "2024Oct", "2024-10-01/P1Y"),
    ] {
        assert_eq!(dhis2::period_of(period(ours)), of_dhis2);
        assert_eq!(adx::period_of(period(ours)), of_adx);
    }
}

#[test]
fn the_receivers_names_and_completeness() {
    let names = format!(
        r#"{{"scheme": "UID", "data_set": "pBOMPrpg1QX", "offices": {{"{COMMUNITY}": "DiszpKrYNg8"}}, "elements": {{"births": "f7n9E0hX8qk"}}}}"#
    );
    let options = Options {
        names: Names::parse(&names).unwrap(),
        complete: true,
        ..Options::default()
    };
    let mut set = set_of(&[COMMUNITY], &["2014-H1"]);
    // The last entry is of the last day: the period is not over.
    set.recorded_at = Timestamp::parse_moment("2014-06-30T12:00:00Z").unwrap();
    assert!(matches!(
        set.write(Form::Dhis2, &options),
        Err(ExchangeError::NotOver { .. })
    ));
    set.recorded_at = Timestamp::parse_moment("2014-07-01").unwrap();
    let json: serde_json::Value = serde_json::from_str(&text(&set, Form::Dhis2, &options)).unwrap();
    assert_eq!(json["dataSet"], "pBOMPrpg1QX");
    assert_eq!(json["orgUnit"], "DiszpKrYNg8");
    assert_eq!(json["period"], "2014S1");
    assert_eq!(json["completeDate"], "2014-07-01");
    assert_eq!(json["dataElementIdScheme"], "UID");
    let xml = text(&set, Form::Adx, &options);
    let values = read_adx(&xml).unwrap();
    let key = ["DiszpKrYNg8", "2014-01-01/P6M", "f7n9E0hX8qk"].map(str::to_owned);
    assert_eq!(values.get(&key.into()).map(String::as_str), Some("14"));
    assert!(xml.contains(r#"completeDate="2014-07-01""#));
    for wrong in [r#"{"offices": {"12": "x"}}"#, r#"{"dataset": "x"}"#, "x"] {
        assert!(matches!(Names::parse(wrong), Err(ExchangeError::Names(_))));
    }
    let blank = r#"{"data_set": "two  blanks"}"#;
    assert!(matches!(Names::parse(blank), Err(ExchangeError::Name(_))));
}

#[test]
fn nothing_to_say_is_no_file() {
    let mut set = set_of(&[COMMUNITY], &["2014-H1"]);
    set.lines.iter_mut().for_each(|line| line.value = None);
    for form in [Form::Dhis2, Form::Adx] {
        let written = set.write(form, &Options::default());
        assert!(matches!(written, Err(ExchangeError::Empty)));
    }
}

#[test]
fn tables_keep_what_cannot_be_said_with_its_reason() {
    let set = set_of(&[COMMUNITY], &["2014-H1"]);
    let csv = text(&set, Form::Csv, &Options::default());
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().unwrap(), &table::COLUMNS[..]);
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), set.lines.len());
    let ratio = rows
        .iter()
        .find(|row| &row[4] == "sex_ratio_at_birth")
        .unwrap();
    let expected = ["", "6", "8", "21", "246"].map(str::to_owned);
    let found = [5, 6, 7, 8, 9].map(|column| ratio[column].trim_end_matches(".00").to_owned());
    assert_eq!((found, &ratio[12]), (expected, "too_few_births"));
    let bytes = set.write(Form::Parquet, &Options::default()).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file);
    let batches: Vec<_> = builder
        .unwrap()
        .build()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let names: Vec<_> = batches[0]
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    assert_eq!(names, table::COLUMNS);
    let rows: usize = batches.iter().map(arrow_array::RecordBatch::num_rows).sum();
    assert_eq!(rows, set.lines.len());
}
