//! SR1 and SR2: boys and girls.

use crate::asked::{Asked, COUNTY, Table, VILLAGE, ask, births, office, real};

fn born(of: Table, at: i64, boys: i64, girls: i64) -> Table {
    of.rows(
        0..boys + girls,
        |number| row! {on: "2014-03-10", office: at, sex: if number < boys { "M" } else { "F" }},
    )
}

#[test]
fn sr1_finds_missing_girls_and_missing_boys() {
    let heard = ask("SR1").with(born(births(), VILLAGE, 180, 100)).hear();
    let one = heard.one();
    assert_eq!(
        (real(one, "successes"), real(one, "trials")),
        (180.0, 280.0)
    );
    let boys = ask("SR1").with(born(births(), VILLAGE, 90, 190)).hear();
    assert_eq!(boys.findings().len(), 1);
}

/// 120 to 100 is much and may be chance; the hospital's copies and unknown sexes do not count.
#[test]
fn sr1_is_silent_on_what_chance_gives() {
    let copies = births()
        .rows(
            0..300,
            |_| row! {on: "2014-03-10", sex: "M", source: "hospital"},
        )
        .rows(0..300, |_| row! {on: "2014-03-10"});
    let heard = ask("SR1")
        .with(born(births(), VILLAGE, 120, 100))
        .with(copies)
        .hear();
    assert!(heard.is_quiet());
    assert_eq!(real(heard.quiet()[0], "trials"), 220.0);
}

#[test]
fn sr1_says_what_few_births_would_show() {
    let heard = ask("SR1").with(born(births(), VILLAGE, 60, 39)).hear();
    let one = heard.too_few();
    assert_eq!(office(one), COUNTY);
    assert!(
        (255.0..275.0).contains(&real(one, "shows")),
        "{}",
        real(one, "shows")
    );
}

/// So many villages of 206 births each, with a number of boys.
fn units(boys: &[i64]) -> Asked {
    let mut of = births();
    for (village, boys) in (0..).zip(boys) {
        of = born(of, VILLAGE + village, *boys, 206 - boys);
    }
    ask("SR1-closeness").villages(20).with(of)
}

#[test]
fn sr1_finds_ratios_that_are_all_alike() {
    let heard = units(&[
        105, 106, 106, 105, 106, 106, 105, 106, 106, 106, 105, 106, 106,
    ])
    .hear();
    assert_eq!(
        (office(heard.one()), real(heard.one(), "units")),
        (COUNTY, 13.0)
    );
    assert!(real(heard.one(), "statistic") < 0.2);
}

#[test]
fn sr1_is_silent_on_ratios_that_scatter() {
    assert!(
        units(&[105, 112, 99, 106, 95, 114, 108, 101, 106, 110, 97, 104, 119])
            .hear()
            .is_quiet()
    );
}

#[test]
fn sr1_says_that_there_are_too_few_units() {
    let heard = units(&[106; 11]).hear();
    let shows = real(heard.too_few(), "shows");
    assert!((0.12..0.14).contains(&shows), "{shows}");
    assert_eq!(
        real(
            ask("SR1-closeness")
                .with(born(births(), VILLAGE, 9, 9))
                .hear()
                .too_few(),
            "units"
        ),
        0.0
    );
}

/// 300 boys and 300 girls, of whom some were reported after two months.
fn late(boys: i64, girls: i64) -> Asked {
    let mut of = births();
    for (sex, late) in [("M", boys), ("F", girls)] {
        for number in 0..300 {
            let reported = if number < late {
                "2014-05-10"
            } else {
                "2014-04-10"
            };
            of.push(
                row! {on: "2014-03-10", reported: reported, sex: sex, office: VILLAGE + number % 2},
            );
        }
    }
    ask("SR2").with(of)
}

#[test]
fn sr2_finds_girls_who_are_reported_later() {
    let heard = late(10, 40).hear();
    // Each of the two villages has enough late reports.
    assert_eq!(heard.findings().len() + heard.quiet().len(), 2);
    let heard = late(6, 32).hear();
    let one = heard.one();
    assert_eq!(
        (
            real(one, "late_girls"),
            real(one, "late_boys"),
            real(one, "girls")
        ),
        (32.0, 6.0, 300.0)
    );
}

/// 31 days are not late; boys who are later are another question.
#[test]
fn sr2_is_silent_on_both_alike_and_on_boys() {
    assert!(late(20, 24).hear().is_quiet());
    assert!(late(38, 6).hear().is_quiet());
}

#[test]
fn sr2_says_that_too_few_are_late() {
    let heard = late(1, 18).hear();
    assert_eq!(
        (office(heard.too_few()), real(heard.too_few(), "late")),
        (COUNTY, 19.0)
    );
}
