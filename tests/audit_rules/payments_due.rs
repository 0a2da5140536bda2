//! PY6 to PY9: accounts, what is owed and was not paid, money for the programme, lists.

use crate::asked::{
    Asked, Cell, TOWNSHIP, Table, VILLAGE, ask, births, payments, real, records, registrations,
    word,
};

/// Payments of these persons into one account, and the households of those who are registered.
fn shared(persons: &[i64], homes: &[(i64, Cell)]) -> Asked {
    let of = payments().rows(
        persons.iter().copied(),
        |person| row! {on: "2014-08-20", flow: "payment", account: 9, person: person},
    );
    let mut list = registrations();
    for (person, household) in homes {
        let mut row = row! {on: "2010-01-01", kind: "resident", person: *person};
        row.push(("household", household.clone()));
        list.push(row);
    }
    ask("PY6").with(of).with(list)
}

#[test]
fn py6_finds_an_account_of_several_households() {
    let heard = shared(&[1, 2, 3], &[(1, 5.into()), (2, 5.into()), (3, 6.into())]).hear();
    assert_eq!(heard.records(), [[300_001, 300_002, 300_003]]);
    let one = heard.one();
    assert_eq!(
        (
            word(one, "fault"),
            real(one, "persons"),
            real(one, "households")
        ),
        ("shared", 3.0, 2.0)
    );
    // Persons whom no register knows live in no household together.
    assert_eq!(shared(&[1, 2, 3], &[]).hear().findings().len(), 1);
}

#[test]
fn py6_is_silent_on_a_household_on_two_persons_and_on_unknown_households() {
    assert!(
        shared(&[1, 2, 3], &[(1, 5.into()), (2, 5.into()), (3, 5.into())])
            .hear()
            .is_silent()
    );
    assert!(
        shared(&[1, 2, 2], &[(1, 5.into()), (2, 6.into())])
            .hear()
            .is_silent()
    );
    // Registered without a household: which one is not known.
    assert!(
        shared(
            &[1, 2, 3],
            &[(1, 5.into()), (2, Cell::Null), (3, Cell::Null)]
        )
        .hear()
        .is_silent()
    );
}

/// An entitlement of 10 August and a payment ten days later; `others` of ten more persons changed
/// their account in between, too.
fn changed(listed: &'static str, others: i64) -> Asked {
    let mut of = payments();
    for person in 0..11 {
        let other = i64::from(person <= others);
        of.push(row! {on: listed, flow: "entitlement", account: 100 + person, person: person});
        of.push(row! {on: "2014-08-20", flow: "payment", account: 100 + person + 100 * other, person: person});
    }
    ask("PY6").with(of)
}

#[test]
fn py6_finds_an_account_that_changed_just_before_the_payment() {
    let heard = changed("2014-08-10", 0).hear();
    assert_eq!(heard.records(), [[300_001, 300_002]]);
    assert_eq!(
        (word(heard.one(), "fault"), real(heard.one(), "days")),
        ("changed", 10.0)
    );
}

/// A bank that gives new numbers to all, and a change of long ago.
#[test]
fn py6_is_silent_where_all_accounts_changed_or_one_long_before() {
    assert!(changed("2014-08-10", 3).hear().is_silent());
    assert!(changed("2014-02-20", 0).hear().is_silent());
    let of = payments().rows(
        [1, 2],
        |_| row! {on: "2014-08-20", flow: "payment", person: 1},
    );
    assert!(ask("PY6").with(of).hear().is_silent());
}

fn owed(period: &'static str, of: Table, persons: Table) -> Asked {
    let of = of.row(row! {record: 300_900, on: "2014-02-20", flow: "entitlement", scheme: "family_support", period: period, person: 1, amount_fen: 96_000});
    ask("PY7").with(of).with(persons).on("2014-09-01")
}

fn payment(on: &'static str, flow: &'static str) -> Vec<(&'static str, Cell)> {
    row! {on: on, flow: flow, scheme: "family_support", period: "2014", person: 1, amount_fen: 96_000}
}

#[test]
fn py7_finds_what_was_not_paid_by_the_day() {
    let heard = owed("2014", payments(), registrations()).hear();
    assert_eq!(heard.records(), [[300_900]]);
    assert_eq!(real(heard.one(), "overdue"), 1.0);
    let late = payments().row(payment("2014-09-01", "payment"));
    assert_eq!(
        owed("2014", late, registrations()).hear().findings().len(),
        1
    );
    let back = payments()
        .row(payment("2014-08-01", "payment"))
        .row(payment("2014-08-02", "reversal"));
    assert_eq!(
        owed("2014", back, registrations()).hear().findings().len(),
        1
    );
}

#[test]
fn py7_is_silent_on_what_was_paid_or_is_not_due_or_nobodys() {
    let paid = payments().row(payment("2014-08-31", "payment"));
    assert!(owed("2014", paid, registrations()).hear().is_silent());
    assert!(owed("2015", payments(), registrations()).hear().is_silent());
    assert!(
        owed("2014", payments(), registrations())
            .on("2014-08-31")
            .hear()
            .is_silent()
    );
    for (kind, on) in [("death", "2014-08-30"), ("departure", "2014-05-01")] {
        let gone = registrations().row(row! {on: on, kind: kind, person: 1});
        assert!(owed("2014", payments(), gone).hear().is_silent(), "{kind}");
    }
    let of = payments().row(
        row! {on: "2014-02-20", flow: "entitlement", scheme: "family_support", period: "2014"},
    );
    assert!(ask("PY7").with(of).hear().is_silent());
}

/// 31 August is the day in a leap year, too.
#[test]
fn py7_knows_leap_years() {
    let listed = || {
        payments().row(row! {on: "2016-02-20", flow: "entitlement", scheme: "family_support", period: "2016", person: 1})
    };
    assert!(
        ask("PY7")
            .with(listed())
            .on("2016-08-31")
            .hear()
            .is_silent()
    );
    assert_eq!(
        ask("PY7")
            .with(listed())
            .on("2016-09-01")
            .hear()
            .findings()
            .len(),
        1
    );
}

/// So many fen for a township of 100 residents, of whom one left, and one birth.
fn funded(fen: i64, listed: &'static str) -> Asked {
    let of = payments().row(row! {on: "2014-03-01", flow: "appropriation", source: "finance", scheme: "programme_funding", period: "2014", office: TOWNSHIP, amount_fen: fen});
    let list = registrations()
        .rows(
            0..100,
            |number: i64| row! {on: listed, kind: "resident", office: VILLAGE + number % 3},
        )
        .row(row! {on: "2014-02-01", kind: "departure"});
    let born = births().rows(0..2, |_| row! {on: "2014-02-01"});
    ask("PY8").with(of).with(list).with(born)
}

#[test]
fn py8_finds_too_little_money() {
    let heard = funded(85_849, "2014-01-01").hear();
    assert_eq!(heard.records(), [[300_001]]);
    assert_eq!(real(heard.one(), "residents"), 101.0);
    assert!((real(heard.one(), "yuan_per_head") - 85_849.0 / 10_100.0).abs() < 1e-9);
}

#[test]
fn py8_is_silent_on_enough() {
    assert!(funded(85_850, "2014-01-01").hear().is_silent());
}

#[test]
fn py8_says_that_the_register_starts_later() {
    let heard = funded(85_849, "2014-06-01").hear();
    assert_eq!(records(&[heard.too_few()]), [[300_001]]);
}

#[test]
fn py9_finds_payments_without_an_entitlement() {
    let of = payments()
        .row(row! {on: "2013-02-20", flow: "entitlement", scheme: "family_support", period: "2013", person: 1})
        .row(payment("2014-08-01", "payment"));
    assert_eq!(ask("PY9").with(of).hear().records(), [[300_002]]);
}

#[test]
fn py9_is_silent_on_who_is_listed() {
    let of = payments()
        .row(row! {on: "2014-02-20", flow: "entitlement", scheme: "family_support", period: "2014", person: 1, office: VILLAGE + 1})
        .row(payment("2014-08-01", "payment"));
    assert!(ask("PY9").with(of).hear().is_silent());
}

/// Who is not named by a number is not held against a list of numbers.
#[test]
fn py9_is_silent_on_who_has_no_number() {
    let of = payments()
        .row(row! {on: "2014-08-01", flow: "payment", scheme: "family_support", period: "2014"});
    assert!(ask("PY9").with(of).hear().is_silent());
}
