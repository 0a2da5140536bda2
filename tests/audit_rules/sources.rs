//! Rules that hold returns against records, and one source against another.

use vitaledger::audit::finding::Judged;
use vitaledger::model::schema::RecordKind;

use crate::{DAY, Rule, Table, births, land, registrations, village};

/// Births of a hospital in a facility that is no office here.
const FACILITY: i64 = 900_000_000_001;
/// January 2011.
const MONTH: (i64, i64) = (14_975, 15_005);

/// Lines of a return of the first village for January 2011.
fn lines(indicators: &[&'static str], values: Vec<f64>) -> Table {
    let rows = indicators.len();
    Table::of(RecordKind::Return, rows)
        .whole("office", vec![village(); rows])
        .text("period", vec!["2011-01"; rows])
        .text("period_kind", vec!["month"; rows])
        .whole("period_first_day", vec![MONTH.0; rows])
        .whole("period_last_day", vec![MONTH.1; rows])
        .whole("period_last_month", vec![2_011 * 12; rows])
        .whole("submitted_day", vec![MONTH.1 + 1; rows])
        .text("indicator", indicators.to_vec())
        .real("value", values)
}

#[tokio::test]
async fn ar1_sums_are_sums() {
    let rule = Rule("AR1");
    let two = || births(&[DAY, DAY]).text("sex", vec!["F", "M"]);
    rule.fires(vec![lines(&["births"], vec![3.0]), two()], &[0])
        .await;
    rule.silent(vec![lines(&["births"], vec![2.0]), two()])
        .await;
    // One of them was reported after the return had gone.
    let late = two().reported(vec![DAY, MONTH.1 + 9]);
    rule.silent(vec![lines(&["births"], vec![1.0]), late]).await;
    let all = ["births", "births_male", "births_female"];
    rule.fires(vec![lines(&all, vec![2.0, 1.0, 2.0]), two()], &[0, 1, 2])
        .await;
    rule.silent(vec![lines(&all, vec![2.0, 1.0, 1.0]), two()])
        .await;
}

#[tokio::test]
async fn ar2_people_do_not_vanish() {
    let rule = Rule("AR2");
    let people = || registrations(&["resident"; 400], &[DAY - 900; 400]);
    let said = |value| vec![lines(&["population"], vec![value]), people()];
    rule.fires(said(410.0), &[0]).await;
    rule.silent(said(400.0)).await;
    rule.silent(said(402.0)).await;
    // Without records there is nothing to hold it against.
    rule.silent(vec![lines(&["population"], vec![410.0])]).await;
}

#[tokio::test]
async fn ar3_one_return_has_one_population() {
    let rule = Rule("AR3");
    let rates = ["crude_birth_rate", "crude_death_rate"];
    let of = |populations: [f64; 2]| {
        lines(&rates, vec![10.0, 6.0]).real("denominator", populations.to_vec())
    };
    rule.fires(vec![of([1_000.0, 1_100.0])], &[0, 1]).await;
    rule.silent(vec![of([1_000.0, 1_000.0])]).await;
    // Corrected and sent again on another day.
    let again = of([1_000.0, 1_100.0]).whole("submitted_day", vec![MONTH.1 + 1, MONTH.1 + 2]);
    rule.silent(vec![again]).await;
}

#[tokio::test]
async fn tm3_returns_come_in_time() {
    let rule = Rule("TM3");
    let sent = |after: i64| {
        vec![lines(&["births"], vec![2.0]).whole("submitted_day", vec![MONTH.1 + after])]
    };
    let run = rule.run(sent(9)).await;
    assert_eq!(run.findings.len(), 1);
    rule.silent(sent(3)).await;
    rule.review(sent(-2)).await;
    // Sent for January and for March, by one of two villages for February, too.
    let rows = lines(&["births"; 5], vec![1.0; 5])
        .whole(
            "office",
            [vec![village(); 3], vec![land().villages[1]; 2]].concat(),
        )
        .text(
            "period",
            vec!["2011-01", "2011-02", "2011-03", "2011-01", "2011-03"],
        )
        .whole(
            "period_last_day",
            vec![MONTH.1, MONTH.1 + 28, MONTH.1 + 59, MONTH.1, MONTH.1 + 59],
        )
        .whole(
            "submitted_day",
            vec![
                MONTH.1 + 1,
                MONTH.1 + 29,
                MONTH.1 + 60,
                MONTH.1 + 1,
                MONTH.1 + 60,
            ],
        );
    let run = rule.run(vec![rows]).await;
    let [missing] = &run.findings[..] else {
        panic!("{:?}", run.findings)
    };
    assert_eq!(missing.period.unwrap().to_string(), "2011-02");
    assert_eq!(missing.office.as_str(), land().villages[1].to_string());
}

/// A village birth, and the births that one hospital has on the same days and around them.
fn both(certificates: [i64; 2], day: i64) -> Table {
    let days = [DAY, day, DAY - 50, DAY + 50];
    births(&days)
        .whole("office", vec![village(), FACILITY, FACILITY, FACILITY])
        .text(
            "source",
            vec!["village", "hospital", "hospital", "hospital"],
        )
        .text("place", vec!["facility"; 4])
        .whole("facility", vec![FACILITY; 4])
        .whole(
            "certificate",
            vec![certificates[0], certificates[1], 98, 99],
        )
        .truth("certificate_ok", vec![true; 4])
        .text("sex", vec!["F"; 4])
        .whole("plurality", vec![1; 4])
}

#[tokio::test]
async fn xs1_two_files_tell_of_one_birth() {
    let rule = Rule("XS1");
    rule.fires(vec![both([1, 2], DAY)], &[0]).await;
    rule.silent(vec![both([1, 1], DAY)]).await;
    // At home, so no hospital need know.
    rule.silent(vec![both([1, 2], DAY).text("place", vec!["home"; 4])])
        .await;
    // A facility that sends no file here.
    let elsewhere = both([1, 2], DAY).whole("facility", vec![FACILITY + 1; 4]);
    rule.silent(vec![elsewhere]).await;
}

#[tokio::test]
async fn xs5_what_is_linked_agrees() {
    let rule = Rule("XS5");
    let sexes = both([1, 1], DAY).text("sex", vec!["F", "M", "F", "F"]);
    rule.fires(vec![sexes], &[0, 1]).await;
    rule.silent(vec![both([1, 1], DAY)]).await;
    rule.silent(vec![both([1, 1], DAY + 3)]).await;
    rule.fires(vec![both([1, 1], DAY + 4)], &[0, 1]).await;
    rule.silent(vec![both([1, 2], DAY + 4)]).await;
}

/// Births of residents in a hospital, of which the villages know the first so many.
fn hospital(all: usize, known: usize) -> Vec<Table> {
    let days: Vec<i64> = (0..2 * all)
        .map(|i| DAY + i64::try_from(i % all).unwrap())
        .collect();
    let sources = [vec!["village"; all], vec!["hospital"; all]].concat();
    let own = (0..).take(all);
    let theirs = (0..).take(all).map(|i: i64| {
        if i < i64::try_from(known).unwrap() {
            i
        } else {
            10_000 + i
        }
    });
    let table = births(&days)
        .text("source", sources)
        .whole("certificate", own.chain(theirs).collect())
        .whole("residence_office", vec![village(); 2 * all]);
    vec![table]
}

#[tokio::test]
async fn xs2_villages_know_of_their_births() {
    let rule = Rule("XS2");
    rule.signals(hospital(60, 40)).await;
    rule.silent(hospital(60, 58)).await;
    rule.insufficient(hospital(20, 5)).await;
}

/// Births of 2011, and children of that year on a list of 2013.
fn cohort(born: usize, listed: usize) -> Vec<Table> {
    // The ledger begins before the year and goes on after it.
    let mut days = vec![DAY + 50; born];
    days.extend([14_700, 15_800]);
    let list = registrations(&vec!["resident"; listed], &vec![15_800; listed]);
    vec![
        births(&days),
        list.whole("born_day", vec![DAY + 50; listed]),
    ]
}

#[tokio::test]
async fn xs3_children_were_born() {
    let rule = Rule("XS3");
    rule.signals(cohort(100, 160)).await;
    rule.silent(cohort(100, 101)).await;
    rule.insufficient(cohort(10, 40)).await;
}

/// Stillbirths, and deaths in the first days, over three years.
fn ends(stillbirths: usize, deaths: usize) -> Vec<Table> {
    let spread = |n: usize| {
        (0..n)
            .map(|i| DAY + 1_000 * i64::try_from(i).unwrap() / i64::try_from(n.max(2) - 1).unwrap())
            .collect::<Vec<_>>()
    };
    let (still, dead) = (spread(stillbirths), spread(deaths));
    let born = dead.iter().map(|day| day - 2).collect();
    vec![
        crate::events(RecordKind::PregnancyLoss, &still)
            .whole("gestation_days", vec![210; stillbirths]),
        registrations(&vec!["death"; deaths], &dead).whole("born_day", born),
    ]
}

#[tokio::test]
async fn xs4_stillbirths_are_not_the_fewer() {
    let rule = Rule("XS4");
    rule.signals(ends(4, 40)).await;
    rule.silent(ends(20, 20)).await;
    rule.only(Judged::Insufficient, ends(2, 8)).await;
}
