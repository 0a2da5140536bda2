//! CT1 to CT5: months that stand out, repeat, are empty or too even; returns that hug a target.

use crate::asked::{
    Asked, COUNTY, TOWNSHIP, Table, VILLAGE, ask, births, day, office, real, registrations,
    returns, word,
};
use crate::chance::Chance;

/// Returns of a village from January 2010 on, month by month; none where the count is below 0.
fn monthly(of: Table, office: i64, indicator: &'static str, counts: &[i64]) -> Table {
    let sent = (0..)
        .zip(counts.iter().copied())
        .filter(|(_, count)| *count >= 0);
    of.rows(sent, |(month, count)| row! {office: office, period: month_name(month), indicator: indicator, value: count})
}

fn month_name(month: i64) -> String {
    format!("{:04}-{:02}", 2010 + month / 12, month % 12 + 1)
}

/// So many months of chance, a few of them put in.
fn chances(seed: u64, months: usize, mean: f64, put: &[(usize, i64)]) -> Vec<i64> {
    let mut chance = Chance::new(seed);
    let mut counts: Vec<i64> = (0..months)
        .map(|_| i64::try_from(chance.poisson(mean)).unwrap())
        .collect();
    for (at, count) in put {
        counts[*at] = *count;
    }
    counts
}

fn ct(rule: &str, counts: &[i64]) -> Asked {
    ask(rule).with(monthly(returns(), VILLAGE, "births", counts))
}

#[test]
fn ct1_finds_a_month_that_stands_out() {
    let heard = ct("CT1", &chances(1, 36, 4.0, &[(17, 18)])).hear();
    let one = heard.one();
    assert_eq!(
        (office(one), one.period.unwrap().to_string()),
        (VILLAGE, "2011-06".to_owned())
    );
    assert_eq!(
        (
            word(one, "indicator"),
            word(one, "series"),
            real(one, "value")
        ),
        ("births", "returned", 18.0)
    );
    assert_eq!(heard.quiet().len(), 35);
    // A month without any, where thirty are usual.
    let heard = ct("CT1", &chances(1, 36, 30.0, &[(17, 0)])).hear();
    assert_eq!(real(heard.one(), "value"), 0.0);
}

/// A season is none: every February has half as many; boys and girls are the same births again.
#[test]
fn ct1_is_silent_on_chance_on_seasons_and_on_other_lines() {
    assert!(ct("CT1", &chances(2, 36, 4.0, &[])).hear().is_quiet());
    let seasons = chances(3, 60, 60.0, &[])
        .iter()
        .enumerate()
        .map(|(month, count)| if month % 12 == 1 { count / 2 } else { *count })
        .collect::<Vec<_>>();
    assert!(ct("CT1", &seasons).hear().is_quiet());
    let boys = monthly(
        returns(),
        VILLAGE,
        "births_male",
        &chances(1, 36, 4.0, &[(17, 18)]),
    );
    assert!(ask("CT1").with(boys).hear().is_silent());
}

#[test]
fn ct1_says_how_far_a_month_of_a_short_series_would_have_to_stand_out() {
    let heard = ct("CT1", &chances(1, 11, 4.0, &[(7, 18)])).hear();
    // Too short a series of an office is one with the others of its township.
    assert_eq!(office(heard.too_few()), TOWNSHIP);
    let shows = real(heard.too_few(), "shows");
    assert!((2.0..5.0).contains(&shows), "{shows}");
}

/// Events that were registered count where returns are none; a month without any is one of zeros.
#[test]
fn ct1_counts_what_was_registered() {
    let mut of = births();
    for (month, count) in (0..).zip(chances(4, 36, 3.0, &[(20, 17), (5, 0)])) {
        for number in 0..count {
            of.push(row! {on: day(&format!("{}-01", month_name(month))) + number});
        }
    }
    // A report of long ago does not make the register begin then.
    of.push(row! {on: "1999-03-04", reported: "2011-01-01"});
    let heard = ask("CT1").with(of).hear();
    assert_eq!(
        (
            word(heard.one(), "series"),
            heard.one().period.unwrap().to_string()
        ),
        ("registered", "2011-09".to_owned())
    );
    assert_eq!(heard.quiet().len(), 35);
}

/// Villages with few events are one series; a month that one of them did not send is left out.
#[test]
fn small_series_are_pooled_where_all_sent() {
    let mut of = returns();
    for village in 1..=3 {
        let mut counts = chances(10 + village, 36, 0.7, &[]);
        if village == 2 {
            counts[9] = -1;
        }
        of = monthly(
            of,
            TOWNSHIP + i64::try_from(village).unwrap(),
            "deaths",
            &counts,
        );
    }
    let heard = ask("CT1").with(of).hear();
    assert!(heard.is_quiet() && heard.quiet().len() == 35);
    assert!(
        heard
            .quiet()
            .iter()
            .all(|one| office(one) == TOWNSHIP && one.period.unwrap().to_string() != "2010-10")
    );
}

#[test]
fn ct2_finds_a_figure_that_repeats_itself() {
    let mut repeated: Vec<_> = (10..20).map(|at| (at, 3)).collect();
    repeated.extend([(9, 5), (20, 5)]);
    let heard = ct("CT2", &chances(1, 36, 4.0, &repeated)).hear();
    assert_eq!(
        (real(heard.one(), "value"), real(heard.one(), "length")),
        (3.0, 10.0)
    );
}

#[test]
fn ct2_is_silent_on_chance_and_leaves_zeros_to_ct3() {
    assert!(
        ct("CT2", &chances(2, 36, 4.0, &[(10, 3), (11, 3), (12, 3)]))
            .hear()
            .is_quiet()
    );
    let empty: Vec<_> = (10..20).map(|at| (at, 0)).collect();
    assert!(ct("CT2", &chances(2, 36, 4.0, &empty)).hear().is_quiet());
}

#[test]
fn ct2_says_how_long_a_run_a_short_series_would_need() {
    let shows = |months, mean| {
        real(
            ct("CT2", &chances(1, months, mean, &[])).hear().too_few(),
            "shows",
        )
    };
    assert!((4.0..8.0).contains(&shows(11, 4.0)));
    // Below a mean of 1.5 chance repeats itself more.
    assert!(shows(36, 0.8) > shows(11, 4.0));
}

#[test]
fn ct3_finds_months_without_any() {
    let empty: Vec<_> = (10..18).map(|at| (at, 0)).collect();
    let heard = ct("CT3", &chances(1, 36, 3.5, &empty)).hear();
    assert_eq!(real(heard.one(), "length"), 8.0);
    assert!((2.5..5.0).contains(&real(heard.one(), "mean")));
}

#[test]
fn ct3_is_silent_on_chance_and_on_series_without_zeros() {
    assert!(
        ct("CT3", &chances(2, 36, 2.0, &[(10, 0), (11, 0)]))
            .hear()
            .is_quiet()
    );
    assert!(ct("CT3", &[5; 36]).hear().is_silent());
}

#[test]
fn ct3_says_how_long_a_run_a_short_series_would_need() {
    let shows = real(
        ct("CT3", &chances(1, 11, 4.0, &[])).hear().too_few(),
        "shows",
    );
    // exp(-4) in two of eleven months: 10 x 0.0183^2 = 0.003; in three of them 5e-5.
    assert!((3.0..=4.0).contains(&shows), "{shows}");
}

#[test]
fn ct4_finds_a_series_that_is_too_even() {
    let even: Vec<i64> = (0..36).map(|month| 4 + month % 2).collect();
    let heard = ct("CT4", &even).hear();
    assert!(
        (real(heard.one(), "statistic") - 2.0).abs() < 1e-9 && real(heard.one(), "freedom") == 35.0
    );
}

#[test]
fn ct4_is_silent_on_chance() {
    assert!(ct("CT4", &chances(5, 36, 4.0, &[])).hear().is_quiet());
}

#[test]
fn ct4_says_how_even_a_short_series_would_have_to_be() {
    let shows = real(ct("CT4", &[4; 11]).hear().too_few(), "shows");
    assert!((0.09..0.13).contains(&shows), "{shows}");
    assert!(real(ct("CT4", &[0; 36]).hear().too_few(), "shows").is_nan());
}

/// Villages of 2,000 residents, whose 30 births a year keep the target; so many of twelve years
/// lie just inside it, the others just outside.
fn hugging(inside: usize, years: usize) -> Asked {
    let list = registrations().rows(0..2_000, |_| row! {on: "2010-01-01", kind: "resident"});
    let mut counts = Vec::new();
    for year in 0..years {
        let all = if year < inside { 30 } else { 31 };
        let months = (0..12).map(|month| all / 12 + i64::from(month < all % 12));
        counts.extend(months);
    }
    ask("CT5")
        .with(list)
        .with(monthly(returns(), VILLAGE, "births", &counts))
}

#[test]
fn ct5_finds_rates_that_lie_just_inside_the_target() {
    let heard = hugging(18, 18).hear();
    assert_eq!(
        (office(heard.one()), real(heard.one(), "trials")),
        (COUNTY, 18.0)
    );
}

#[test]
fn ct5_is_silent_on_both_sides_alike() {
    assert!(hugging(9, 18).hear().is_quiet());
}

#[test]
fn ct5_says_that_too_few_years_lie_near_the_target() {
    assert_eq!(real(hugging(9, 9).hear().too_few(), "trials"), 9.0);
    // Far from the target nothing is near.
    let list = registrations().rows(0..200, |_| row! {on: "2010-01-01", kind: "resident"});
    let far = ask("CT5")
        .with(list)
        .with(monthly(returns(), VILLAGE, "births", &[1; 24]));
    assert_eq!(real(far.hear().too_few(), "trials"), 0.0);
}
