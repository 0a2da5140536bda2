//! AR1 to AR3: returns against their own lines, the returns below, and the register.

use crate::asked::{
    Asked, HOSPITAL, TOWNSHIP, Table, VILLAGE, ask, births, real, records, registrations, returns,
    word,
};

/// Births of February 2014 of the first village, reported by the day of the return or later; a
/// register that has been kept since January.
fn register() -> Table {
    births()
        .row(row! {on: "2014-01-02", sex: "M"})
        .row(row! {on: "2014-02-03", sex: "M"})
        .row(row! {on: "2014-02-07", sex: "F"})
        .row(row! {on: "2014-02-25", reported: "2014-03-10", sex: "F"})
        .row(row! {on: "2014-02-25", sex: "F", source: "hospital", office: HOSPITAL})
}

fn lines(
    office: i64,
    period: &'static str,
    submitted: &'static str,
    values: &[(&'static str, i64)],
) -> Table {
    let values = values.iter().copied();
    returns().rows(values, |(indicator, value)| row! {office: office, period: period, indicator: indicator, value: value, submitted: submitted})
}

fn february(values: &[(&'static str, i64)]) -> Asked {
    let of = lines(VILLAGE, "2014-02", "2014-03-01", values);
    ask("AR1").with(register()).with(of)
}

#[test]
fn ar1_finds_a_return_that_is_not_the_register() {
    let heard = february(&[
        ("births", 4),
        ("births_male", 1),
        ("births_female", 3),
        ("deaths", 1),
    ])
    .hear();
    assert_eq!(heard.records(), [vec![500_001, 500_003], vec![500_004]]);
    let one = heard.findings()[0];
    assert_eq!(
        (word(one, "fault"), word(one, "indicator")),
        ("ledger", "births")
    );
    assert_eq!(
        (real(one, "value"), real(one, "expected"), real(one, "gap")),
        (4.0, 2.0, 2.0)
    );
}

#[test]
fn ar1_finds_boys_and_girls_that_are_not_the_births() {
    let heard = february(&[("births", 3), ("births_male", 1), ("births_female", 1)]).hear();
    assert_eq!(heard.records(), [[500_001, 500_002, 500_003]]);
    assert_eq!(
        (
            word(heard.one(), "indicator"),
            real(heard.one(), "expected")
        ),
        ("births", 2.0)
    );
}

fn township(value: i64, villages: &[i64]) -> Asked {
    let mut of = lines(TOWNSHIP, "2014-02", "2014-03-03", &[("arrivals", value)]);
    for (number, value) in (1..).zip(villages) {
        of.push(row! {office: TOWNSHIP + number, period: "2014-02", indicator: "arrivals", value: *value, submitted: "2014-03-01"});
    }
    ask("AR1").with(of)
}

#[test]
fn ar1_finds_a_township_that_is_not_the_sum_of_its_villages() {
    let heard = township(7, &[1, 2, 3]).hear();
    assert_eq!(heard.records(), [[500_001]]);
    assert_eq!(
        (word(heard.one(), "fault"), real(heard.one(), "expected")),
        ("villages", 6.0)
    );
}

#[test]
fn ar1_is_silent_on_returns_that_hold() {
    assert!(
        february(&[
            ("births", 2),
            ("births_male", 1),
            ("births_female", 1),
            ("deaths", 0)
        ])
        .hear()
        .is_silent()
    );
    assert!(township(6, &[1, 2, 3]).hear().is_silent());
    // A village that sent none cannot be summed.
    assert!(township(7, &[1, 2]).hear().is_silent());
}

/// What came later is a restatement; a return that was sent again counts what was known by then.
#[test]
fn ar1_holds_each_return_against_what_was_known_on_its_day() {
    let again = lines(
        VILLAGE,
        "2014-02",
        "2014-03-20",
        &[("births", 3), ("births_female", 2), ("births_male", 1)],
    );
    let heard = february(&[("births", 2), ("births_male", 1), ("births_female", 1)])
        .with(again)
        .hear();
    assert!(heard.is_silent(), "{:?}", heard.findings());
}

/// A register that begins in March says nothing of February, although it holds a late report.
#[test]
fn ar1_is_silent_on_periods_before_the_register_and_on_unknown_days() {
    let register = || births().row(row! {on: "2014-02-03", reported: "2014-03-10"});
    let of = lines(
        VILLAGE,
        "2014-02",
        "2014-03-20",
        &[("births", 9), ("deaths", 2)],
    );
    assert!(ask("AR1").with(register()).with(of).hear().is_silent());
    let of = returns().row(row! {period: "2014-03", indicator: "births", value: 4});
    assert!(ask("AR1").with(register()).with(of).hear().is_silent());
}

/// 200 residents, of whom one left, and a birth.
fn population(value: i64, residents: i64) -> Asked {
    let list = registrations()
        .rows(0..residents, |_| row! {on: "2014-01-01", kind: "resident"})
        .row(row! {on: "2014-01-20", kind: "departure"})
        // After the return.
        .row(row! {on: "2014-01-20", reported: "2014-02-20", kind: "arrival"});
    let of = births().rows(0..3, |_| row! {on: "2014-01-15"});
    let line = lines(VILLAGE, "2014-01", "2014-02-01", &[("population", value)]);
    ask("AR2").with(list).with(of).with(line)
}

#[test]
fn ar2_finds_a_population_that_no_movement_explains() {
    let heard = population(205, 200).hear();
    assert_eq!(heard.records(), [[500_001]]);
    assert_eq!(
        (real(heard.one(), "expected"), real(heard.one(), "gap")),
        (202.0, 3.0)
    );
}

#[test]
fn ar2_is_silent_within_half_a_per_cent() {
    assert!(population(203, 200).hear().is_silent());
    assert!(population(201, 200).hear().is_silent());
}

#[test]
fn ar2_says_that_a_register_without_residents_is_no_population() {
    let heard = population(205, 0).hear();
    assert_eq!(records(&[heard.too_few()]), [[500_001]]);
}

fn rates(denominators: [f64; 3], submitted: [&'static str; 3]) -> Asked {
    let indicators = ["crude_birth_rate", "crude_death_rate", "natural_increase"];
    let of = denominators.into_iter().zip(submitted).zip(indicators);
    let lines = returns().rows(of, |((denominator, submitted), indicator)| row! {period: "2014-H1", indicator: indicator, value: 9.0, denominator: denominator, submitted: submitted});
    // A share of married women has another denominator of right.
    let share = returns().row(row! {record: 500_009, period: "2014-H1", indicator: "checkup_coverage", denominator: 300.0, submitted: "2014-07-01"});
    ask("AR3").with(lines).with(share)
}

#[test]
fn ar3_finds_two_populations_in_one_return() {
    let heard = rates([7_500.0, 7_400.0, 7_500.0], ["2014-07-01"; 3]).hear();
    assert_eq!(heard.records(), [[500_001, 500_002, 500_003]]);
    let one = heard.one();
    assert_eq!(
        (
            real(one, "populations"),
            real(one, "least"),
            real(one, "most")
        ),
        (2.0, 7_400.0, 7_500.0)
    );
}

#[test]
fn ar3_is_silent_on_one_population_and_on_two_returns() {
    assert!(rates([7_500.0; 3], ["2014-07-01"; 3]).hear().is_silent());
    let submitted = ["2014-07-01", "2014-09-01", "2014-07-01"];
    assert!(
        rates([7_500.0, 7_400.0, 7_500.0], submitted)
            .hear()
            .is_silent()
    );
}

/// A rate without its population is not a rate with another one.
#[test]
fn ar3_is_silent_where_no_population_is_stated() {
    let of = returns()
        .row(row! {period: "2014-H1", indicator: "crude_birth_rate", value: 9.0, denominator: 7_500.0, submitted: "2014-07-01"})
        .row(row! {period: "2014-H1", indicator: "crude_death_rate", value: 9.0, submitted: "2014-07-01"});
    assert!(ask("AR3").with(of).hear().is_silent());
}
