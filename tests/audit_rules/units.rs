//! FN1 and SQ1: an office among others, and a series that slides.

use crate::asked::{
    Asked, TOWNSHIP, VILLAGE, ask, births, day, office, real, registrations, returns, word,
};
use crate::chance::Chance;

/// Villages of 300 residents each, in the order of the offices, with so many births.
fn offices(counts: &[i64]) -> Asked {
    let per_township = 6;
    let at = |number: i64| TOWNSHIP + number / per_township * 100_000 + number % per_township + 1;
    let mut list = registrations();
    let mut of = births();
    for (number, count) in (0..).zip(counts) {
        for _ in 0..300 {
            list.push(row! {on: "2010-01-01", kind: "resident", office: at(number)});
        }
        for birth in 0..*count {
            of.push(row! {on: day("2014-01-01") + birth, office: at(number)});
        }
    }
    ask("FN1").villages(per_township).with(list).with(of)
}

#[test]
fn fn1_finds_an_office_that_differs_from_all_others() {
    let heard = offices(&[60, 18, 22, 20, 21, 17, 23, 20, 19, 22, 20, 18]).hear();
    let one = heard.one();
    assert_eq!(
        (office(one), word(one, "indicator"), real(one, "events")),
        (VILLAGE, "births", 60.0)
    );
    assert_eq!(
        (
            real(one, "expected"),
            real(one, "ratio"),
            real(one, "others")
        ),
        (20.0, 3.0, 11.0)
    );
}

/// An office that reports no birth at all is one of those that are compared.
#[test]
fn fn1_finds_an_office_without_any() {
    let heard = offices(&[0, 28, 32, 30, 31, 27, 33, 30, 29, 32, 30, 28]).hear();
    assert_eq!(
        (office(heard.one()), real(heard.one(), "events")),
        (VILLAGE, 0.0)
    );
}

/// Where offices differ by much, one that differs by as much is none to be asked.
#[test]
fn fn1_is_silent_on_chance_and_on_offices_that_all_differ() {
    assert!(
        offices(&[26, 18, 22, 20, 21, 17, 23, 20, 19, 22, 20, 13])
            .hear()
            .is_quiet()
    );
    assert!(
        offices(&[60, 10, 55, 15, 50, 12, 62, 30, 19, 42, 20, 48])
            .hear()
            .is_quiet()
    );
}

#[test]
fn fn1_says_what_few_events_or_few_offices_would_show() {
    let heard = offices(&[30, 7, 8, 6, 7, 8, 7, 6, 7, 8, 7, 7]).hear();
    assert!(heard.findings().is_empty() && heard.insufficient().len() == 12);
    let shows = real(heard.insufficient()[0], "shows");
    assert!((2.0..4.0).contains(&shows), "{shows}");
    let few = offices(&[60, 18, 22, 20, 21]).hear();
    assert!(few.findings().is_empty() && few.insufficient().len() == 5);
}

/// Returns from January 2010 on, with a mean that is another from a month on.
fn sliding(seed: u64, months: usize, means: [f64; 2], from: usize) -> Asked {
    let mut chance = Chance::new(seed);
    let mut of = returns();
    for month in 0..months {
        let mean = means[usize::from(month >= from)];
        let period = format!("{:04}-{:02}", 2010 + month / 12, month % 12 + 1);
        of.push(row! {period: period, indicator: "births", value: i64::try_from(chance.poisson(mean)).unwrap()});
    }
    ask("SQ1").with(of)
}

#[test]
fn sq1_finds_a_series_that_rises_or_falls() {
    let heard = sliding(1, 48, [4.0, 9.0], 30).hear();
    let one = heard.one();
    assert_eq!((office(one), real(one, "n")), (VILLAGE, 48.0));
    assert!(word(one, "month") >= "2012-07" || word(one, "month") <= "2012-06");
    // From 30 a month on, against the same months of other years.
    let heard = sliding(2, 48, [60.0, 35.0], 30).hear();
    assert!(real(heard.one(), "mean") >= 30.0);
}

#[test]
fn sq1_is_silent_on_chance() {
    assert!(sliding(3, 48, [4.0, 4.0], 0).hear().is_quiet());
    assert!(sliding(4, 48, [50.0, 50.0], 0).hear().is_quiet());
}

#[test]
fn sq1_says_that_a_series_is_too_short() {
    assert_eq!(
        real(sliding(1, 23, [2.0, 9.0], 12).hear().too_few(), "n"),
        23.0
    );
    // Large counts have seasons, which take three years to know.
    assert_eq!(
        real(sliding(1, 35, [40.0, 90.0], 20).hear().too_few(), "n"),
        35.0
    );
}
