//! BN1, BN2 and HP1: days of the month and of the year that are favoured.

use crate::asked::{
    Asked, COUNTY, TOWNSHIP, Table, VILLAGE, ask, births, day, office, real, registrations, word,
};
use crate::chance::Chance;

/// The day of the month `month` months after January 2012, counted from 1.
fn day_of(month: i64, of_month: i64) -> i64 {
    let (year, month) = (2012 + month / 12, month % 12 + 1);
    day(&format!("{year:04}-{month:02}-01")) + of_month - 1
}

/// Births that were reported on any day but for `bunched` of `all`, which were on one before the
/// first of the month.
fn reports(all: i64, bunched: i64, at: i64) -> Table {
    let mut chance = Chance::new(1);
    births()
        .rows(0..all, |_| row! {office: at})
        .filled(|number| {
            let month = i64::from(chance.below(36));
            let last = day_of(month + 1, 1) - 1 - i64::from(chance.below(2));
            let any = day_of(month, 3 + i64::from(chance.below(24)));
            let reported = if number < bunched { last } else { any };
            row! {on: reported - 5, reported: reported}
        })
}

#[test]
fn bn1_finds_reports_on_the_last_two_days() {
    let heard = ask("BN1").with(reports(80, 40, VILLAGE)).hear();
    let one = heard.one();
    assert_eq!(
        (office(one), real(one, "successes"), real(one, "trials")),
        (VILLAGE, 40.0, 80.0)
    );
    // The township meets on the 3rd: what it sends on the last of the month is early.
    assert!(ask("BN1").with(reports(80, 40, TOWNSHIP)).hear().is_quiet());
}

#[test]
fn bn1_is_silent_on_reports_on_any_day() {
    assert!(ask("BN1").with(reports(80, 6, VILLAGE)).hear().is_quiet());
    // Without the day of a report there is no test.
    let unknown = births().rows(
        0..80,
        |_| row! {on: "2014-01-31", reported_day: crate::asked::Cell::Null},
    );
    assert!(ask("BN1").with(unknown).hear().is_silent());
}

#[test]
fn bn1_says_what_few_births_would_show() {
    let heard = ask("BN1").with(reports(49, 30, VILLAGE)).hear();
    let one = heard.too_few();
    assert_eq!((office(one), real(one, "trials")), (COUNTY, 49.0));
    let shows = real(one, "shows");
    assert!((0.25..0.35).contains(&shows), "{shows}");
}

/// Births around 31 December 2012 and 2013, and days by which the register covers both.
fn edges(before: i64, after: i64) -> Asked {
    let of = births()
        .rows(["2012-06-01", "2014-06-01"], |on| row! {on: on})
        .rows(
            0..before,
            |number| row! {on: day("2012-12-27") + number % 5 + 365 * (number % 2)},
        )
        .rows(
            0..after,
            |number| row! {on: day("2013-01-01") + number % 5 + 365 * (number % 2)},
        );
    ask("BN2").with(of).on("2014-09-01")
}

#[test]
fn bn2_finds_births_that_were_moved_across_the_edge() {
    let heard = edges(50, 10).hear();
    let one = heard.one();
    assert_eq!(
        (
            word(one, "indicator"),
            real(one, "trials"),
            real(one, "successes")
        ),
        ("calendar_year", 60.0, 50.0)
    );
    let seasons = births()
        .rows(["2012-06-01", "2014-06-01"], |on| row! {on: on})
        .rows(0..12, |number| row! {on: day("2013-09-26") + number % 5})
        .rows(0..48, |number| row! {on: day("2013-10-01") + number % 5});
    let heard = ask("BN2").with(seasons).hear();
    assert_eq!(word(heard.one(), "indicator"), "statistical_year");
}

#[test]
fn bn2_is_silent_on_both_sides_alike() {
    assert!(edges(32, 28).hear().is_quiet());
}

/// An edge with one side before the register began, not yet past, or not yet reported has no two
/// sides; neither has one of which days are missing.
#[test]
fn bn2_is_silent_where_a_side_is_not_known() {
    let begun = births()
        .rows(0..60, |number| row! {on: day("2013-01-01") + number % 5})
        .row(row! {on: "2014-06-01"});
    assert!(ask("BN2").with(begun).hear().is_silent());
    let late = births()
        .row(row! {on: "2012-12-28", reported: "2013-01-02"})
        .rows(0..60, |number| row! {on: day("2013-01-01") + number % 5})
        .row(row! {on: "2014-06-01"});
    assert!(ask("BN2").with(late).hear().is_silent());
    let fresh = || {
        births()
            .row(row! {on: "2012-06-01"})
            .rows(0..60, |number| row! {on: day("2012-12-27") + number % 5})
            .row(row! {on: "2013-01-06"})
    };
    assert!(ask("BN2").with(fresh()).on("2013-02-04").hear().is_silent());
    assert_eq!(
        ask("BN2")
            .with(fresh())
            .on("2013-02-06")
            .hear()
            .findings()
            .len(),
        1
    );
}

#[test]
fn bn2_says_what_few_births_would_show() {
    let heard = edges(29, 0).hear();
    let shows = real(heard.too_few(), "shows");
    assert!((0.85..0.97).contains(&shows), "{shows}");
}

/// Events on any day of a month but the 1st and 15th, and `heaped` on these.
fn dated(all: i64, heaped: i64, kind: &'static str) -> Table {
    let mut chance = Chance::new(2);
    let of = if kind == "births" {
        births()
    } else {
        registrations()
    };
    of.rows(0..all, |_| {
        if kind == "births" {
            row! {}
        } else {
            row! {kind: kind}
        }
    })
    .filled(|number| {
        let month = i64::from(chance.below(36));
        let other = 2 + i64::from(chance.below(13));
        let heap = if number % 2 == 0 { 1 } else { 15 };
        row! {on: day_of(month, if number < heaped { heap } else { other })}
    })
}

#[test]
fn hp1_finds_days_that_are_favoured() {
    let heard = ask("HP1")
        .with(dated(100, 30, "births"))
        .with(dated(100, 5, "death"))
        .hear();
    let one = heard.one();
    assert_eq!(
        (
            word(one, "indicator"),
            real(one, "successes"),
            real(one, "trials")
        ),
        ("births", 30.0, 100.0)
    );
    let heard = ask("HP1").with(dated(100, 30, "death")).hear();
    assert_eq!(word(heard.one(), "indicator"), "deaths");
}

#[test]
fn hp1_is_silent_on_days_as_they_fall() {
    let heard = ask("HP1")
        .with(dated(100, 9, "births"))
        .with(dated(100, 60, "arrival"))
        .hear();
    assert!(heard.is_quiet() && heard.quiet().len() == 1);
}

#[test]
fn hp1_says_what_few_events_would_show() {
    let heard = ask("HP1").with(dated(79, 40, "births")).hear();
    let shows = real(heard.too_few(), "shows");
    assert!((0.2..0.3).contains(&shows), "{shows}");
}

/// Offices of which each has too few are one unit; one that has enough is tested alone.
#[test]
fn offices_with_few_events_are_pooled_and_not_tested_twice() {
    let mut of = dated(100, 8, "births");
    for village in [2, 3] {
        for number in 0..50 {
            let heap = if number < 20 { 15 } else { 3 + number % 11 };
            of.push(row! {on: day_of(number % 24, heap), office: TOWNSHIP + village});
        }
    }
    let heard = ask("HP1").with(of).hear();
    assert_eq!(
        (office(heard.one()), real(heard.one(), "trials")),
        (TOWNSHIP, 100.0)
    );
    assert_eq!(
        (heard.quiet().len(), office(heard.quiet()[0])),
        (1, VILLAGE)
    );
}
