//! HP2 to HP4: weights, weeks, ages and digits that are favoured.

use crate::asked::{
    Asked, COUNTY, Table, VILLAGE, ask, births, day, losses, office, real, registrations, returns,
    word,
};
use crate::chance::Chance;

fn weights(all: i64, round: i64) -> Asked {
    let of = births().rows(0..all, |number| row! {on: "2014-01-01", weight_g: if number < round { 3_000 + 500 * (number % 2) } else { 3_050 + 10 * (number % 40) }});
    // The hospital measures; its copy is none of the village.
    let copies = births().rows(
        0..200,
        |_| row! {on: "2014-01-01", weight_g: 3_000, source: "hospital"},
    );
    ask("HP2-weight").with(of).with(copies)
}

#[test]
fn hp2_finds_weights_that_are_round() {
    let heard = weights(60, 34).hear();
    assert_eq!(
        (real(heard.one(), "successes"), real(heard.one(), "trials")),
        (34.0, 60.0)
    );
}

#[test]
fn hp2_is_silent_on_weights_that_are_measured() {
    assert!(weights(60, 12).hear().is_quiet());
}

#[test]
fn hp2_says_what_few_weights_would_show() {
    let shows = real(weights(49, 49).hear().too_few(), "shows");
    assert!((0.5..0.6).contains(&shows), "{shows}");
}

fn weeks(all: i64, low: i64) -> Asked {
    let of = losses().rows(0..all, |number| row! {occurred_day: 16_000 + number, gestation_days: if number < low { 202 - number % 20 } else { 203 + number % 14 }});
    // Before 26 weeks and from 31 on.
    let others = losses().rows(
        [181, 217],
        |days: i64| row! {occurred_day: 16_000, gestation_days: days},
    );
    ask("HP2-gestation").with(of).with(others)
}

#[test]
fn hp2_finds_weeks_below_the_border() {
    let heard = weeks(40, 38).hear();
    assert_eq!(
        (real(heard.one(), "successes"), real(heard.one(), "trials")),
        (38.0, 40.0)
    );
}

#[test]
fn hp2_is_silent_on_weeks_as_they_fall() {
    assert!(weeks(40, 24).hear().is_quiet());
}

#[test]
fn hp2_says_what_few_losses_would_show() {
    let shows = real(weeks(19, 19).hear().too_few(), "shows");
    assert!((0.95..1.0).contains(&shows), "{shows}");
}

/// Adults of 23 to 62 on the list of 2014, of whom so many have an age that ends in 0 or 5.
fn aged(all: i64, round: i64, number: &'static str) -> Table {
    let mut chance = Chance::new(3);
    registrations()
        .rows(
            0..all,
            |_| row! {on: "2014-07-01", kind: "resident", number: number},
        )
        .filled(|at| {
            let five = 25 + 5 * i64::from(chance.below(8));
            let off = i64::from(1 + chance.below(4));
            let age = if at < round {
                five
            } else {
                five - 3 + off + i64::from(off > 2)
            };
            row! {born: day("2014-01-01") - age * 36_525 / 100}
        })
}

#[test]
fn hp3_finds_ages_that_are_estimated() {
    let heard = ask("HP3-ages").with(unnumbered(aged(600, 200, ""))).hear();
    assert_eq!(
        (real(heard.one(), "successes"), real(heard.one(), "trials")),
        (200.0, 600.0)
    );
    assert!((real(heard.one(), "whipple") - 500.0 / 3.0).abs() < 1e-9);
}

/// Without an ID number.
fn unnumbered(of: Table) -> Table {
    of.filled(|_| row! {number: crate::asked::Cell::Null})
}

#[test]
fn hp3_is_silent_on_ages_as_they_fall_and_on_numbered_persons() {
    let numbered = aged(600, 300, "ok");
    let heard = ask("HP3-ages")
        .with(unnumbered(aged(600, 130, "")))
        .with(numbered)
        .hear();
    assert!(heard.is_quiet());
    assert_eq!(real(heard.quiet()[0], "trials"), 600.0);
}

#[test]
fn hp3_says_what_few_ages_would_show() {
    let heard = ask("HP3-ages").with(unnumbered(aged(499, 400, ""))).hear();
    let shows = real(heard.too_few(), "shows");
    assert!((0.28..0.32).contains(&shows), "{shows}");
}

/// Persons without a number, born in the years 1950 to 1990, on the first of January if it is
/// not known better; in years of the dragon so many times more.
fn signs(each: i64, more: i64) -> Asked {
    let mut of = registrations();
    for year in 1950..=1990 {
        let times = if year % 12 == 8 { each + more } else { each };
        for _ in 0..times {
            of.push(row! {on: "2014-07-01", kind: "resident", born: day(&format!("{year}-01-01"))});
        }
    }
    ask("HP3-zodiac").with(of)
}

#[test]
fn hp3_finds_a_year_that_is_favoured() {
    let heard = signs(60, 90).hear();
    let one = heard.one();
    // 1952, 1964, 1976 and 1988: also where every birth is on the first day of its year.
    assert_eq!(
        (
            word(one, "sign"),
            real(one, "successes"),
            real(one, "trials")
        ),
        ("8", 600.0, 1_080.0)
    );
}

#[test]
fn hp3_is_silent_on_a_small_preference() {
    let heard = signs(60, 6).hear();
    assert!(heard.is_quiet() && heard.quiet().len() == 12);
}

#[test]
fn hp3_says_what_few_births_of_a_sign_would_show() {
    let heard = signs(20, 5).hear();
    assert!(heard.findings().is_empty());
    let few = heard.insufficient();
    assert!(
        few.iter()
            .all(|one| office(one) == COUNTY && real(one, "trials") < 300.0)
    );
    let shows = real(few[0], "shows");
    assert!((0.45..0.6).contains(&shows), "{shows}");
}

/// Months of returns of one village, of about 200 births each.
fn digits(months: i64, digit: impl Fn(i64) -> i64) -> Asked {
    let mut of = returns();
    for month in 0..months {
        let period = format!("{:04}-{:02}", 2010 + month / 12, month % 12 + 1);
        of.push(row! {period: period.clone(), indicator: "births", value: 10 * (18 + month % 7) + digit(month)});
        // Few a month say nothing by their last digit; stocks are no flow.
        of.push(row! {period: period.clone(), indicator: "deaths", value: 5});
        of.push(row! {period: period, indicator: "population", value: 15_000});
    }
    ask("HP4").with(of)
}

#[test]
fn hp4_finds_digits_that_are_favoured() {
    let heard = digits(120, |month| if month % 3 == 0 { 0 } else { month % 10 }).hear();
    assert_eq!(
        (office(heard.one()), real(heard.one(), "n")),
        (VILLAGE, 120.0)
    );
}

#[test]
fn hp4_is_silent_on_digits_as_they_fall() {
    let heard = digits(120, |month| (7 * month + month / 10) % 10).hear();
    assert!(heard.is_quiet());
}

#[test]
fn hp4_says_that_there_are_too_few_large_figures() {
    assert_eq!(real(digits(99, |_| 0).hear().too_few(), "n"), 99.0);
    let small = returns().rows(
        1..=12,
        |month: i64| row! {period: format!("2014-{month:02}"), indicator: "births", value: 5},
    );
    assert_eq!(real(ask("HP4").with(small).hear().too_few(), "n"), 0.0);
}
