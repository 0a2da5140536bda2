//! Returns of a township with two villages, one of which reports late.

use super::*;
use crate::model::cell::{Decimal, Slug};
use crate::model::code::{RegistrationKind, Sex};
use crate::model::fields::{AnyFields, BirthFields, RegistrationFields};
use crate::model::office::OfficeFields;
use crate::model::schema::RecordKind;
use crate::model::time::Timestamp;
use crate::registers::row::Change;
use uuid::Uuid;

const TOWNSHIP: &str = "990101100000";
const FIRST: &str = "990101100001";
const SECOND: &str = "990101100002";

fn office(code: &str) -> OfficeCode {
    OfficeCode::parse(code).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn period(text: &str) -> Period {
    Period::parse(text).unwrap()
}

fn empty() -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (code, level, parent) in [
        (TOWNSHIP, OfficeLevel::Township, None),
        (FIRST, OfficeLevel::Village, Some(TOWNSHIP)),
        (SECOND, OfficeLevel::Village, Some(TOWNSHIP)),
        ("990101100901", OfficeLevel::Facility, Some(TOWNSHIP)),
    ] {
        snapshot.offices.insert(OfficeFields {
            code: office(code),
            level,
            name_en: None,
            name_zh: None,
            parent: parent.map(office),
        });
    }
    snapshot
}

fn put(snapshot: &mut Snapshot, fields: AnyFields) {
    let position = snapshot.size;
    let id = Uuid::from_u128(u128::from(position) + 1);
    let row = RegisterRow {
        record_id: id,
        version: 1,
        position,
        recorded_at: Timestamp::default(),
        change: Change::Recorded,
        event_id: id,
        fields,
    };
    snapshot.size += 1;
    snapshot.rows.entry(row.kind()).or_default().push(row);
}

fn birth(snapshot: &mut Snapshot, of: &str, source: Source, on: &str, reported: &str) {
    let fields = BirthFields {
        source: Some(source),
        office: Some(office(of)),
        sex: Some(Sex::Male),
        occurred_on: Some(day(on)),
        reported_on: Some(day(reported)),
        ..BirthFields::default()
    };
    put(snapshot, AnyFields::Birth(fields));
}

fn registration(snapshot: &mut Snapshot, kind: RegistrationKind, of: &str, on: &str, by: &str) {
    let fields = RegistrationFields {
        kind: Some(kind),
        source: Some(Source::Village),
        office: Some(office(of)),
        occurred_on: Some(day(on)),
        reported_on: Some(day(by)),
        ..RegistrationFields::default()
    };
    put(snapshot, AnyFields::Registration(fields));
}

fn line(snapshot: &mut Snapshot, of: &str, when: &str, indicator: &str, value: &str, on: &str) {
    let fields = ReturnFields {
        source: Some(Source::Village),
        office: Some(office(of)),
        period: Some(period(when)),
        indicator: Some(Slug(indicator.to_owned())),
        value: Some(Decimal(value.to_owned())),
        submitted_on: Some(day(on)),
        ..ReturnFields::default()
    };
    put(snapshot, AnyFields::Return(fields));
}

fn values(draft: &Draft) -> Vec<(&str, i128)> {
    let lines = draft.lines.iter();
    lines
        .map(|line| (line.indicator.as_str(), line.value))
        .collect()
}

#[test]
fn a_villages_draft_counts_what_was_reported_by_its_day() {
    let mut snapshot = empty();
    let village = Source::Village;
    for _ in 0..5 {
        registration(
            &mut snapshot,
            RegistrationKind::Resident,
            FIRST,
            "2014-01-01",
            "2014-01-01",
        );
    }
    birth(&mut snapshot, FIRST, village, "2014-02-28", "2014-03-01");
    birth(&mut snapshot, FIRST, village, "2014-02-01", "2014-03-02");
    birth(
        &mut snapshot,
        FIRST,
        Source::Hospital,
        "2014-02-01",
        "2014-02-01",
    );
    birth(&mut snapshot, FIRST, village, "2014-03-01", "2014-03-01");
    birth(&mut snapshot, SECOND, village, "2014-02-10", "2014-02-10");
    registration(
        &mut snapshot,
        RegistrationKind::Death,
        FIRST,
        "2014-02-28",
        "2014-03-01",
    );
    registration(
        &mut snapshot,
        RegistrationKind::Arrival,
        FIRST,
        "2014-01-31",
        "2014-02-09",
    );
    let draft = Draft::fill(
        &snapshot,
        office(FIRST),
        period("2014-02"),
        day("2014-03-01"),
    );
    let expected = [
        ("births", 1),
        ("births_male", 1),
        ("births_female", 0),
        ("marriages", 0),
        ("divorces", 0),
        ("deaths", 1),
        ("arrivals", 0),
        ("departures", 0),
        // Five, one born, one arrived before the month, one dead.
        ("population", 6),
    ];
    assert_eq!(values(&draft), expected);
    assert!(draft.is_complete() && draft.sum_of.is_empty());
    // A day later the birth that was reported then counts, too.
    let draft = Draft::fill(
        &snapshot,
        office(FIRST),
        period("2014-02"),
        day("2014-03-02"),
    );
    assert_eq!(values(&draft)[0], ("births", 2));
}

#[test]
fn a_draft_has_the_lines_that_the_office_sends() {
    let mut snapshot = empty();
    line(&mut snapshot, FIRST, "2014-01", "deaths", "0", "2014-02-01");
    line(
        &mut snapshot,
        FIRST,
        "2014-01",
        "satisfaction",
        "91.5",
        "2014-02-01",
    );
    let draft = Draft::fill(
        &snapshot,
        office(FIRST),
        period("2014-02"),
        day("2014-03-01"),
    );
    assert_eq!(values(&draft), [("deaths", 0)]);
}

#[test]
fn a_townships_draft_is_the_sum_of_its_villages_and_says_what_is_missing_or_differs() {
    let mut snapshot = empty();
    let (when, township) = (period("2014-02"), office(TOWNSHIP));
    birth(
        &mut snapshot,
        FIRST,
        Source::Village,
        "2014-02-01",
        "2014-02-02",
    );
    line(&mut snapshot, FIRST, "2014-02", "births", "3", "2014-03-01");
    line(&mut snapshot, FIRST, "2014-02", "deaths", "1", "2014-03-01");
    let draft = Draft::fill(&snapshot, township, when, day("2014-03-03"));
    assert_eq!(draft.sum_of, [office(FIRST), office(SECOND)]);
    assert_eq!(
        (draft.missing.as_slice(), draft.is_complete()),
        (&[office(SECOND)][..], false)
    );
    line(
        &mut snapshot,
        SECOND,
        "2014-02",
        "births",
        "2",
        "2014-03-02",
    );
    // Sent again: the last submitted counts.
    line(
        &mut snapshot,
        SECOND,
        "2014-02",
        "births",
        "4",
        "2014-03-03",
    );
    let draft = Draft::fill(&snapshot, township, when, day("2014-03-03"));
    assert_eq!(values(&draft), [("births", 7), ("deaths", 1)]);
    assert_eq!((draft.lines[0].own_count, draft.missing.len()), (1, 0));
    assert_eq!(draft.lines[1].without, [office(SECOND)]);
    assert!(!draft.is_complete());
}

#[test]
fn what_came_later_is_no_error_of_the_return() {
    let mut snapshot = empty();
    let village = Source::Village;
    birth(&mut snapshot, FIRST, village, "2014-02-01", "2014-02-02");
    birth(&mut snapshot, FIRST, village, "2014-02-28", "2014-03-09");
    birth(&mut snapshot, SECOND, village, "2014-02-10", "2014-02-10");
    for (of, indicator, value, on) in [
        (FIRST, "births", "1", "2014-03-01"),
        (FIRST, "deaths", "1", "2014-03-01"),
        (FIRST, "marriages", "0", "2014-03-01"),
        (FIRST, "satisfaction", "91.5", "2014-03-01"),
        (SECOND, "births", "1", "2014-03-01"),
        (TOWNSHIP, "births", "2", "2014-03-03"),
    ] {
        line(&mut snapshot, of, "2014-02", indicator, value, on);
    }
    let lines = Counter::new(&snapshot, office(FIRST)).lines(period("2014-H1"));
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line.indicator.as_str(),
                line.counted,
                line.came_later,
                line.verdict,
            )
        })
        .collect();
    let expected = [
        ("births", Some(1), Some(1), LineVerdict::Restated),
        ("marriages", Some(0), Some(0), LineVerdict::Agrees),
        ("deaths", Some(0), Some(0), LineVerdict::Error),
        ("satisfaction", None, None, LineVerdict::Quoted),
    ];
    assert_eq!(seen, expected);
    let births = &totals(&lines)["births"];
    assert_eq!(
        (births.value, births.counted, births.now, births.came_later),
        (1, 1, 2, 1)
    );
    assert_eq!(totals(&lines)["deaths"].errors, 1);
    // The township is held against its villages' returns, not against the register.
    let lines = Counter::new(&snapshot, office(TOWNSHIP)).lines(period("2014-02"));
    let births = &lines[0];
    assert_eq!((births.counted, births.now), (Some(2), Some(3)));
    assert_eq!(births.verdict, LineVerdict::Restated);
}

#[test]
fn a_return_that_fitted_the_ledger_when_it_was_counted_is_excused() {
    let mut then = empty();
    birth(
        &mut then,
        FIRST,
        Source::Village,
        "2014-02-01",
        "2014-02-02",
    );
    line(&mut then, FIRST, "2014-02", "births", "1", "2014-03-01");
    line(
        &mut then,
        FIRST,
        "2014-02",
        "births_male",
        "9",
        "2014-03-01",
    );
    // Withdrawn since.
    let mut now = then.clone();
    now.rows.insert(RecordKind::Birth, Vec::new());
    let mut lines = Counter::new(&now, office(FIRST)).lines(period("2014-02"));
    assert!(lines.iter().all(|line| line.verdict == LineVerdict::Error));
    let mut counter = Counter::new(&then, office(FIRST));
    for line in &mut lines {
        counter.excuse(line);
    }
    let (births, boys) = (&lines[0], &lines[1]);
    assert_eq!(
        (births.verdict, births.came_later),
        (LineVerdict::Restated, Some(-1))
    );
    assert_eq!(
        (boys.verdict, boys.difference),
        (LineVerdict::Error, Some(9))
    );
}

#[test]
fn months_are_summed_and_a_quarter_beside_them_is_not() {
    let mut snapshot = empty();
    for (when, value) in [("2014-01", "2"), ("2014-02", "3"), ("2014-Q1", "9")] {
        line(&mut snapshot, FIRST, when, "births", value, "2014-04-01");
        line(
            &mut snapshot,
            FIRST,
            when,
            "population",
            value,
            "2014-04-01",
        );
    }
    let lines = Counter::new(&snapshot, office(FIRST)).lines(period("2014-H1"));
    assert_eq!(lines.len(), 6);
    let totals = totals(&lines);
    assert_eq!((totals["births"].lines, totals["births"].value), (2, 5));
    assert!(!totals.contains_key("population"));
}
