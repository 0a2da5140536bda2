//! What a record does not say is no fault of it.
//!
//! What comes in: records of which just that is missing which a rule without a precondition looks
//! at. What must come out: nothing, neither a finding nor a review.

use crate::asked::{
    Asked, Cell, Closed, HOSPITAL, VILLAGE, ask, births, losses, payments, registrations,
};

fn says_nothing(asked: &Asked) {
    let heard = asked.hear();
    assert!(
        heard.is_silent(),
        "{:?} {:?}",
        heard.run.findings,
        heard.run.others
    );
}

#[test]
fn id2_says_nothing_of_certificates_that_are_not_stated() {
    let of = births().rows(
        0..3,
        |_| row! {on: "2014-01-01", certificate: Cell::Null, certificate_ok: Cell::Null},
    );
    says_nothing(&ask("ID2").with(of));
}

#[test]
fn id3_says_nothing_of_numbers_that_are_not_stated() {
    let of = registrations().rows(
        1..4,
        |name| row! {on: "2014-01-01", kind: "resident", name: name, person: Cell::Null},
    );
    says_nothing(&ask("ID3").with(of));
}

#[test]
fn pl3_says_nothing_of_a_weight_or_a_duration_alone() {
    let of = births()
        .row(row! {on: "2014-01-01", weight_g: 90, gestation_days: Cell::Null})
        .row(row! {on: "2014-01-01", weight_g: Cell::Null, gestation_days: 400});
    let lost = losses().row(row! {on: "2014-01-01", weight_g: 9_000, gestation_band: "22-27"});
    says_nothing(&ask("PL3").with(of).with(lost));
}

#[test]
fn tm1_says_nothing_of_days_ages_and_persons_that_are_not_stated() {
    let of = births()
        .row(row! {on: Cell::Null, reported: "2014-01-01"})
        .row(row! {on: "2014-06-01", reported: Cell::Null, mother: Cell::Null});
    let others = registrations()
        .row(row! {on: "2014-01-01", kind: "death", person: Cell::Null, born: Cell::Null})
        .row(row! {on: "2014-06-01", kind: "marriage", age: Cell::Null, partner_age: 15, person: Cell::Null});
    says_nothing(&ask("TM1").with(of).with(others));
}

#[test]
fn tm2_says_nothing_of_delays_that_are_not_known() {
    let of = births()
        .row(row! {on: Cell::Null, reported: "2014-01-01"})
        .row(row! {on: "2010-01-01", reported: Cell::Null, recorded: "2014-01-01"});
    says_nothing(&ask("TM2").with(of));
}

#[test]
fn tm2_says_nothing_of_a_closed_period_where_the_day_is_not_known() {
    let of = births().row(row! {on: Cell::Null, reported: "2014-03-01", first_position: 150});
    let closed = Closed {
        office: VILLAGE,
        period: "2014-H1",
        from: 100,
        until: None,
    };
    says_nothing(&ask("TM2-closed").with(of).closed(closed));
}

#[test]
fn py4_says_nothing_of_unknown_ages_and_of_no_scheme() {
    let paid = payments()
        .row(row! {on: "2014-08-20", flow: "payment", scheme: "family_support", period: "2014", age_at_period_end: Cell::Null})
        .row(row! {on: "2014-08-20", flow: "payment", scheme: Cell::Null, period: "2014", age_at_period_end: 30});
    says_nothing(&ask("PY4").with(paid));
}

#[test]
fn py6_says_nothing_of_accounts_and_persons_that_are_not_stated() {
    let paid = payments()
        .rows(
            1..5,
            |person| row! {on: "2014-08-20", flow: "payment", person: person, account: Cell::Null},
        )
        .rows(
            1..5,
            |_| row! {on: "2014-08-20", flow: "payment", person: Cell::Null, account: 9},
        );
    says_nothing(&ask("PY6").with(paid));
}

#[test]
fn py7_says_nothing_of_no_person_and_of_no_scheme() {
    let listed = payments()
        .row(row! {on: "2014-01-20", flow: "entitlement", scheme: "family_support", period: "2014", amount_fen: 96_000, person: Cell::Null})
        .row(row! {on: "2014-01-20", flow: "entitlement", scheme: Cell::Null, period: "2014", amount_fen: 96_000, person: 1});
    says_nothing(&ask("PY7").with(listed));
}

#[test]
fn xs1_says_nothing_of_places_that_are_not_stated() {
    let of = births()
        .rows(["2014-01-01", "2014-12-01"], |on| row! {on: on, certificate: 1, office: HOSPITAL, source: "hospital", residence_office: Cell::Null})
        .row(row! {on: "2014-06-01", place: "facility", facility: Cell::Null})
        .row(row! {on: "2014-06-01", place: Cell::Null, facility: HOSPITAL});
    says_nothing(&ask("XS1").with(of));
}

#[test]
fn xs5_says_nothing_where_one_of_two_does_not_say() {
    let both = || {
        births().row(row! {on: "2014-06-10", certificate: 1, certificate_ok: true, sex: "F", plurality: 1, mother_born_day: 4_000})
    };
    let copy = births()
        .row(row! {on: "2014-06-10", certificate: 1, certificate_ok: true, office: HOSPITAL, source: "hospital"})
        .row(row! {on: "2014-06-10", certificate: Cell::Null, sex: "M", office: HOSPITAL, source: "hospital"});
    says_nothing(&ask("XS5").with(both()).with(copy));
}
