//! PY1 to PY5: who is paid, how often and how much.

use crate::asked::{Asked, Table, VILLAGE, ask, payments, real, records, registrations, word};

fn paid(
    flow: &'static str,
    on: &'static str,
    amount: i64,
) -> Vec<(&'static str, crate::asked::Cell)> {
    row! {on: on, flow: flow, scheme: "family_support", period: "2014", person: 1, amount_fen: amount}
}

fn list() -> Table {
    payments().row(paid("entitlement", "2014-02-20", 96_000))
}

#[test]
fn py1_finds_two_payments_of_one_entitlement() {
    let of = list().row(paid("payment", "2014-08-20", 96_000)).row(paid(
        "payment",
        "2014-08-25",
        96_000,
    ));
    let heard = ask("PY1").with(of).hear();
    assert_eq!(heard.records(), [[300_002, 300_003]]);
    assert_eq!(
        (real(heard.one(), "payments"), real(heard.one(), "net_fen")),
        (2.0, 192_000.0)
    );
}

#[test]
fn py1_is_silent_on_instalments_and_on_what_was_reversed() {
    let halves = || {
        list()
            .row(paid("payment", "2014-06-20", 48_000))
            .row(paid("payment", "2014-08-20", 48_000))
    };
    assert!(ask("PY1").with(halves()).hear().is_silent());
    // Without a list, the rate tells instalments from two payments.
    let unlisted = payments()
        .row(paid("payment", "2014-06-20", 48_000))
        .row(paid("payment", "2014-08-20", 48_000));
    assert!(ask("PY1").with(unlisted).hear().is_silent());
    let back = list()
        .row(paid("payment", "2014-08-20", 96_000))
        .row(paid("payment", "2014-08-25", 96_000))
        .row(paid("reversal", "2014-08-26", 96_000));
    assert!(ask("PY1").with(back).hear().is_silent());
    let others = payments()
        .row(row! {on: "2014-08-20", flow: "payment", scheme: "family_support", period: "2013", person: 1, amount_fen: 96_000})
        .row(paid("payment", "2014-08-20", 96_000))
        .rows([1, 2], |_| row! {on: "2014-08-20", flow: "payment", scheme: "family_support", period: "2014", amount_fen: 96_000});
    assert!(ask("PY1").with(others).hear().is_silent());
}

/// What a scheme has no rate for, and who is on no list of it, is held against one payment.
#[test]
fn py1_needs_no_rate_to_count_payments() {
    let of = payments().rows([1, 2], |_| row! {on: "2014-08-20", flow: "payment", scheme: "other", period: "2014", person: 1, amount_fen: 100});
    assert_eq!(ask("PY1").with(of).hear().records(), [[300_001, 300_002]]);
}

fn died(on: &'static str) -> Asked {
    let of = list().row(paid("payment", "2014-08-20", 96_000));
    let persons = registrations().row(row! {on: on, kind: "death", person: 1});
    ask("PY2").with(of).with(persons)
}

#[test]
fn py2_finds_payments_for_a_year_after_the_death() {
    let heard = died("2013-12-30").hear();
    assert_eq!(heard.records(), [[300_001], [300_002]]);
    assert_eq!(real(heard.findings()[0], "days"), 2.0);
}

#[test]
fn py2_is_silent_on_the_year_of_the_death_and_on_the_living() {
    assert!(died("2014-02-21").hear().is_silent());
    let persons = registrations().row(row! {on: "2010-01-01", kind: "death"});
    let of = payments().row(row! {on: "2014-08-20", flow: "payment", period: "2014"});
    assert!(ask("PY2").with(of).with(persons).hear().is_silent());
}

/// Who died in January is no longer to be listed in February; the year's payment is a question.
#[test]
fn py2_looks_at_entitlements_of_the_year_of_the_death() {
    let heard = died("2014-01-20").hear();
    assert_eq!(
        (heard.findings().len(), records(&heard.reviews())),
        (0, vec![vec![300_001]])
    );
}

fn known(persons: Table) -> Asked {
    let of = payments().row(row! {on: "2014-08-20", flow: "payment", scheme: "family_support", period: "2014", person: 1, alike: 7});
    ask("PY3").with(of).with(persons)
}

#[test]
fn py3_finds_who_is_in_no_register_or_left_before() {
    let heard =
        known(registrations().row(row! {on: "2010-01-01", kind: "resident", person: 2, alike: 8}))
            .hear();
    assert_eq!(
        (heard.records(), word(heard.one(), "fault")),
        (vec![vec![300_001]], "unknown")
    );
    assert_eq!(real(heard.one(), "known"), 0.0);
    let left = registrations()
        .row(row! {on: "2010-01-01", kind: "resident", person: 1})
        .row(row! {on: "2013-12-01", kind: "departure", person: 1});
    let heard = known(left).hear();
    assert_eq!(
        (word(heard.one(), "fault"), real(heard.one(), "days")),
        ("departed", 31.0)
    );
}

#[test]
fn py3_is_silent_on_residents_on_arrivals_elsewhere_and_on_who_came_back() {
    let resident = || registrations().row(row! {on: "2010-01-01", kind: "resident", person: 1});
    assert!(known(resident()).hear().is_silent());
    assert!(
        known(
            registrations()
                .row(row! {on: "2014-01-01", kind: "arrival", person: 1, office: VILLAGE + 2})
        )
        .hear()
        .is_silent()
    );
    let back = resident()
        .row(row! {on: "2012-01-01", kind: "departure", person: 1})
        .row(row! {on: "2013-01-01", kind: "arrival", person: 1});
    assert!(known(back).hear().is_silent());
    let within = resident().row(row! {on: "2014-01-01", kind: "departure", person: 1});
    assert!(known(within).hear().is_silent());
    // One digit of the number is wrong; name and birth date are known.
    assert!(
        known(registrations().row(row! {on: "2010-01-01", kind: "resident", person: 2, alike: 7}))
            .hear()
            .is_silent()
    );
}

#[test]
fn py3_asks_nothing_about_who_is_not_named() {
    let of = payments().row(row! {on: "2014-08-20", flow: "payment", period: "2014"});
    assert!(ask("PY3").with(of).hear().is_silent());
}

fn aged(age: i64) -> Asked {
    let of = payments().row(row! {on: "2014-02-20", flow: "entitlement", scheme: "family_support", period: "2014", age_at_period_end: age});
    ask("PY4").with(of)
}

#[test]
fn py4_finds_who_is_too_young() {
    let heard = aged(59).hear();
    assert_eq!(heard.records(), [[300_001]]);
    assert_eq!(
        (real(heard.one(), "age"), real(heard.one(), "from_age")),
        (59.0, 60.0)
    );
}

#[test]
fn py4_is_silent_from_60_on_on_unknown_ages_and_other_schemes() {
    assert!(aged(60).hear().is_silent());
    let of = payments()
        .row(row! {on: "2014-02-20", flow: "entitlement", scheme: "family_support", period: "2014"})
        .row(row! {on: "2014-02-20", flow: "payment", scheme: "other", period: "2014", age_at_period_end: 20})
        .row(row! {on: "2014-02-20", flow: "reversal", scheme: "family_support", period: "2014", age_at_period_end: 20});
    assert!(ask("PY4").with(of).hear().is_silent());
}

/// As of the end of 2014, when the day of payment of 2014 has passed and that of 2015 has not.
fn amounts(period: &'static str, flows: &[(&'static str, i64)]) -> Asked {
    let flows = flows.iter().copied();
    let of = payments().rows(flows, |(flow, amount)| row! {on: "2014-08-20", flow: flow, scheme: "family_support", period: period, person: 1, amount_fen: amount});
    ask("PY5").with(of).on("2014-12-31")
}

#[test]
fn py5_finds_amounts_that_are_not_the_rate() {
    for flows in [
        &[("payment", 69_000)][..],
        &[("payment", 192_000)],
        &[("payment", 48_000), ("payment", 40_000)],
        &[("reversal", 96_000)],
    ] {
        let heard = amounts("2014", flows).hear();
        assert_eq!(heard.one().records.len(), flows.len());
        assert_eq!(
            (real(heard.one(), "due_fen"), real(heard.one(), "months")),
            (96_000.0, 12.0)
        );
    }
    assert_eq!(
        real(
            amounts("2014-H1", &[("payment", 96_000)]).hear().one(),
            "due_fen"
        ),
        48_000.0
    );
}

/// Instalments sum up, half a year is half the rate, and two full payments are paid twice (PY1).
#[test]
fn py5_is_silent_on_the_rate_in_parts_of_a_year_and_in_instalments() {
    for flows in [
        &[("payment", 96_000)][..],
        &[("payment", 48_000), ("payment", 48_000)],
        &[("payment", 96_000), ("payment", 96_000)],
        &[("payment", 96_000), ("reversal", 96_000)],
    ] {
        assert!(amounts("2014", flows).hear().is_silent(), "{flows:?}");
    }
    assert!(
        amounts("2014-H1", &[("payment", 48_000)])
            .hear()
            .is_silent()
    );
}

/// The rest of an instalment may still come before the day of the scheme.
#[test]
fn py5_waits_for_the_day_and_knows_no_amount_of_no_period() {
    assert!(amounts("2015", &[("payment", 48_000)]).hear().is_silent());
    assert_eq!(
        amounts("2015", &[("payment", 100_000)])
            .hear()
            .findings()
            .len(),
        1
    );
    let of = payments().row(row! {on: "2014-08-20", flow: "payment", scheme: "family_support", person: 1, amount_fen: 5});
    assert!(ask("PY5").with(of).hear().is_silent());
}
