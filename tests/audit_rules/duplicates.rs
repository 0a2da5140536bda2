//! DU1: what is certainly reported twice.

use crate::asked::{
    Asked, Cell, HOSPITAL, VILLAGE, ask, births, losses, payments, real, registrations, word,
};

fn du1() -> Asked {
    ask("DU1")
}

#[test]
fn births_of_one_mother_name_sex_and_day() {
    let of = births()
        .row(row! {on: "2014-01-01", mother: 1, child_name: 2, sex: "F", plurality: 1})
        .row(row! {on: "2014-01-01", mother: 1, child_name: 2, sex: "F", plurality: 1, office: VILLAGE + 1})
        .row(row! {on: "2014-01-01", certificate: 3, certificate_ok: true})
        .row(row! {on: "2014-01-09", certificate: 3, certificate_ok: true});
    let heard = du1().with(of).hear();
    assert_eq!(heard.records(), [[1, 2], [3, 4]]);
    assert_eq!(word(heard.findings()[1], "agree"), "certificate");
    assert_eq!(real(heard.findings()[0], "count"), 2.0);
}

/// What agrees in two ways is one finding.
#[test]
fn a_pair_is_one_finding() {
    let of = births().rows([1, 2], |_| row! {on: "2014-01-01", mother: 1, child_name: 2, sex: "F", plurality: 1, certificate: 3, certificate_ok: true});
    assert_eq!(du1().with(of).hear().records(), [[1, 2]]);
}

#[test]
fn losses_of_one_woman_and_day() {
    let of = losses().rows(
        [1, 2],
        |_| row! {occurred_day: 16_000, woman: 1, plurality: 1},
    );
    assert_eq!(du1().with(of).hear().records(), [[200_001, 200_002]]);
}

#[test]
fn du1_nameless_finds_losses_that_agree_in_everything() {
    let of = losses()
        .rows(
            [1, 2],
            |_| row! {occurred_day: 16_000, gestation_days: 100, plurality: 1, case_no: 9},
        )
        // What DU1 itself tells by the woman.
        .rows(
            [1, 2],
            |_| row! {occurred_day: 16_000, gestation_days: 90, woman: 1, plurality: 1},
        );
    let heard = ask("DU1-nameless").with(of).hear();
    assert_eq!(heard.records(), [[200_001, 200_002]]);
    assert_eq!(word(heard.findings()[0], "agree"), "everything");
}

#[test]
fn du1_nameless_is_silent_on_twins_and_on_losses_that_differ() {
    let of = losses()
        .rows(
            [1, 2],
            |case: i64| row! {occurred_day: 16_000, gestation_days: 100, plurality: 1, case_no: case},
        )
        .rows(
            [1, 2],
            |_| row! {occurred_day: 16_000, gestation_days: 120, plurality: 2, case_no: 9},
        );
    assert!(ask("DU1-nameless").with(of).hear().is_silent());
}

#[test]
fn du1_nameless_says_nothing_of_losses_of_unknown_age() {
    let of = losses().rows([1, 2], |_| row! {occurred_day: 16_000, plurality: 1});
    assert!(ask("DU1-nameless").with(of).hear().is_silent());
}

#[test]
fn events_of_one_person_and_day() {
    let mut of = registrations();
    for kind in ["death", "arrival", "departure"] {
        for _ in 0..2 {
            of.push(row! {on: "2014-01-01", kind: kind, person: 1});
        }
    }
    // Each village names its own spouse first.
    of.push(row! {on: "2014-01-01", kind: "marriage", person: 1, partner: 2});
    of.push(row! {on: "2014-01-01", kind: "marriage", person: 2, partner: 1, office: VILLAGE + 1});
    for on in ["2014-01-01", "2014-06-01"] {
        of.push(row! {on: on, kind: "resident", person: 1, name: 1});
    }
    let lists = payments().rows([1, 2], |_| row! {on: "2014-02-20", flow: "entitlement", scheme: "family_support", period: "2014", person: 1});
    let heard = du1().with(of).with(lists).hear();
    let pairs = [100_001, 100_003, 100_005, 100_007, 100_009, 300_001];
    assert_eq!(heard.records(), pairs.map(|first| vec![first, first + 1]));
}

#[test]
fn twins_copies_and_other_days_are_no_duplicates() {
    let of = births()
        .rows([2, 3], |name: i64| row! {on: "2014-01-01", mother: 1, child_name: name, sex: "F", plurality: 2})
        // Twins without names yet.
        .rows([1, 2], |_| row! {on: "2014-01-01", mother: 4, sex: "F", plurality: 2})
        // The hospital's copy.
        .row(row! {on: "2014-01-01", mother: 7, child_name: 2, sex: "F", plurality: 1, certificate: 3, certificate_ok: true})
        .row(row! {on: "2014-01-01", mother: 7, child_name: 2, sex: "F", plurality: 1, certificate: 3, certificate_ok: true, source: "hospital", office: HOSPITAL})
        // A number without form is no proof.
        .rows([8, 9], |mother: i64| row! {on: "2014-01-01", mother: mother, certificate: 5, certificate_ok: false});
    let lost = losses().rows(
        [1, 2],
        |_| row! {occurred_day: 16_000, woman: 1, plurality: 2},
    );
    let persons = registrations()
        .rows(
            ["2014-01-01", "2014-05-01"],
            |on| row! {on: on, kind: "arrival", person: 1},
        )
        .rows(
            [1, 2],
            |name: i64| row! {on: "2014-01-01", kind: "resident", person: 1, name: name},
        )
        .rows(
            [1, 2],
            |_| row! {on: "2014-01-01", kind: "divorce", person: 1},
        )
        .rows(
            [2, 3],
            |partner: i64| row! {on: "2014-01-01", kind: "marriage", person: 1, partner: partner},
        );
    let paid = payments().rows([1, 2], |_| row! {on: "2014-08-20", flow: "payment", scheme: "family_support", period: "2014", person: 1});
    let heard = du1().with(of).with(lost).with(persons).with(paid).hear();
    assert!(heard.is_silent(), "{:?}", heard.records());
}

/// What is not known is the same as nothing.
#[test]
fn what_is_missing_makes_no_duplicate() {
    let of = births().rows([1, 2], |_| row! {on: "2014-01-01", plurality: 1, sex: "F", child_name: 1, certificate_ok: Cell::Null});
    let lost = losses().rows([1, 2], |_| row! {occurred_day: 16_000});
    let persons = registrations()
        .rows([1, 2], |_| row! {on: "2014-01-01", kind: "death"})
        .rows([1, 2], |_| row! {on: "2014-01-01", kind: "marriage"})
        .rows(
            [1, 2],
            |_| row! {on: "2014-01-01", kind: "resident", person: 1},
        );
    let lists = payments().rows(
        [1, 2],
        |_| row! {on: "2014-02-20", flow: "entitlement", scheme: "family_support", period: "2014"},
    );
    assert!(
        du1()
            .with(of)
            .with(lost)
            .with(persons)
            .with(lists)
            .hear()
            .is_silent()
    );
}
