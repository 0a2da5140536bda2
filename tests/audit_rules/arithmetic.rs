//! What `audit explain` says of the arithmetic: a reader computes it again.

use vitaledger::audit::finding::worked;
use vitaledger::statistics::binomial::binomial_doubled_interval;

use crate::asked::{Asked, ask, births, day};

/// The arithmetic of the one row of a rule, in both languages.
fn said(asked: &Asked) -> [String; 2] {
    let rows = asked.rows();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let work = &asked.rule().work;
    [&work.en, &work.zh].map(|text| worked(text, row))
}

#[test]
fn of_a_test() {
    let of = births().rows(
        0..280,
        |number| row! {on: "2014-03-10", sex: if number < 180 { "M" } else { "F" }},
    );
    let [en, zh] = said(&ask("SR1").with(of));
    let again = binomial_doubled_interval(180, 280, 103.0 / 203.0, 107.0 / 207.0);
    let expected = format!(
        "P(X as far out as 180 | n = 280, p between 103/(100 + 103) and 107/(100 + 107)), twice the nearer tail = {:.3e} (mid-p {:.3e}); asked for p < 0.001",
        again.exact, again.mid
    );
    assert_eq!(en, expected);
    assert!(zh.contains("n = 280") && zh.contains(&format!("{:.3e}", again.exact)));
}

#[test]
fn of_a_comparison() {
    let of = births().row(row! {on: "2014-03-10", mother_age: 11});
    let [en, zh] = said(&ask("PL1").with(of));
    assert_eq!(
        en,
        "mother's age 11 years; impossible below 12 or above 55, to be looked at below 15 or from 50"
    );
    assert!(zh.contains("11岁"));
}

/// A weight by its median has digits enough.
#[test]
fn of_a_quotient() {
    let of = births().row(row! {on: "2014-03-10", weight_g: 700, gestation_days: 250});
    let [en, _] = said(&ask("PL3").with(of));
    let weeks: f64 = 250.0 / 7.0;
    let median = (0.332_f64.mul_add(weeks, 0.578) - 0.003_54 * weeks * weeks).exp();
    let factor = format!("{:.6}", 700.0 / median);
    assert!(
        en.contains("35.7143 weeks") && en.contains(&factor),
        "{en} {factor}"
    );
}

#[test]
fn of_days_that_are_not_known() {
    let of = births()
        .row(row! {on: "2014-03-10", reported: "2014-03-01", recorded_day: day("2014-03-20")});
    let [en, _] = said(&ask("TM1").with(of));
    assert!(
        en.starts_with("occurred_after_report: -9 (asked for at least 0;"),
        "{en}"
    );
}
