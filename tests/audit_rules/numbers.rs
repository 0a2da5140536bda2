//! ID1 to ID3, PL1 to PL3: what one record says of itself, and one number of two persons.

use crate::asked::{
    Cell, HOSPITAL, VILLAGE, ask, births, losses, real, records, registrations, word,
};

#[test]
fn id1_names_the_number_that_does_not_hold() {
    let persons = registrations()
        .row(row! {on: "2014-01-01", kind: "resident", number: "check"})
        .row(row! {on: "2014-01-01", kind: "marriage", number: "ok", partner_number: "birth_differs"});
    let mothers =
        births().row(row! {on: "2014-01-01", mother_number: "sex_differs", father_number: "ok"});
    let heard = ask("ID1").with(persons).with(mothers).hear();
    assert_eq!(heard.records(), [vec![1], vec![100_001], vec![100_002]]);
    let told: Vec<_> = heard
        .findings()
        .iter()
        .map(|one| (word(one, "role"), word(one, "fault")))
        .collect();
    assert_eq!(
        told,
        [
            ("mother", "sex_differs"),
            ("person", "check"),
            ("partner", "birth_differs")
        ]
    );
}

/// An old number of the mother does not hide what is wrong with the father's.
#[test]
fn id1_says_what_is_worse_before_what_is_old() {
    let mothers = births()
        .row(row! {on: "2014-01-01", mother_number: "length", father_number: "first_generation"});
    let heard = ask("ID1").with(mothers).hear();
    let one = heard.one();
    assert_eq!(
        (word(one, "role"), word(one, "fault")),
        ("mother", "length")
    );
}

#[test]
fn id1_is_silent_on_numbers_that_hold_or_are_not_stated() {
    let persons = registrations()
        .row(row! {on: "2014-01-01", kind: "resident", number: "ok"})
        .row(row! {on: "2014-01-01", kind: "resident"});
    assert!(ask("ID1").with(persons).hear().is_silent());
}

#[test]
fn id1_looks_at_numbers_of_the_first_generation() {
    let persons =
        registrations().row(row! {on: "2014-01-01", kind: "resident", number: "first_generation"});
    let heard = ask("ID1").with(persons).hear();
    assert_eq!(
        (heard.records(), records(&heard.reviews())),
        (vec![], vec![vec![100_001]])
    );
}

#[test]
fn id2_names_numbers_without_form_and_numbers_used_twice() {
    let of = births()
        .row(row! {on: "2014-01-01", certificate: 7, certificate_ok: false})
        .row(row! {on: "2014-01-01", certificate: 8, certificate_ok: true})
        .row(row! {on: "2014-05-01", certificate: 8, certificate_ok: true});
    let heard = ask("ID2").with(of).hear();
    assert_eq!(heard.records(), [vec![1], vec![2, 3]]);
    assert_eq!(real(heard.findings()[1], "uses"), 2.0);
}

#[test]
fn id2_knows_the_hospitals_copy_and_who_has_none() {
    let of = births()
        .row(row! {on: "2014-01-01", certificate: 8, certificate_ok: true})
        .row(row! {on: "2014-01-01", certificate: 8, certificate_ok: true, source: "hospital", office: HOSPITAL})
        .row(row! {on: "2014-01-01"})
        .row(row! {on: "2014-01-01"});
    assert!(ask("ID2").with(of).hear().is_silent());
}

#[test]
fn id3_finds_two_names_with_one_number() {
    let of = registrations()
        .row(row! {on: "2014-01-01", kind: "resident", person: 5, name: 1})
        .row(row! {on: "2014-03-01", kind: "arrival", person: 5, name: 2, office: VILLAGE + 1});
    let heard = ask("ID3").with(of).hear();
    assert_eq!(heard.records(), [[100_001, 100_002]]);
    assert_eq!(real(heard.one(), "names"), 2.0);
}

#[test]
fn id3_leaves_one_name_twice_other_kinds_and_unknown_names_alone() {
    let of = registrations()
        .row(row! {on: "2014-01-01", kind: "resident", person: 5, name: 1})
        .row(row! {on: "2014-02-01", kind: "arrival", person: 5, name: 1})
        .row(row! {on: "2014-03-01", kind: "marriage", person: 5, name: 2})
        .row(row! {on: "2014-04-01", kind: "arrival", person: 5})
        .row(row! {on: "2014-01-01", kind: "resident", name: 3})
        .row(row! {on: "2014-01-01", kind: "resident", name: 4});
    assert!(ask("ID3").with(of).hear().is_silent());
}

#[test]
fn pl1_finds_mothers_of_an_impossible_age() {
    let of = births().rows(
        [11, 56, 12, 55],
        |age: i64| row! {on: "2014-01-01", mother_age: age},
    );
    let heard = ask("PL1").with(of).hear();
    assert_eq!(heard.records(), [[1], [2]]);
    assert_eq!(real(heard.findings()[0], "age"), 11.0);
}

#[test]
fn pl1_looks_at_ages_that_are_rare() {
    let of = births().rows(
        [12, 14, 50, 55],
        |age: i64| row! {on: "2014-01-01", mother_age: age},
    );
    let heard = ask("PL1").with(of).hear();
    assert_eq!(heard.findings().len(), 0);
    assert_eq!(records(&heard.reviews()), [[1], [2], [3], [4]]);
}

#[test]
fn pl1_is_silent_on_other_ages_and_unknown_ones() {
    let of = births()
        .rows(
            [15, 49],
            |age: i64| row! {on: "2014-01-01", mother_age: age},
        )
        .row(row! {on: "2014-01-01"});
    assert!(ask("PL1").with(of).hear().is_silent());
}

#[test]
fn pl2_finds_births_too_close_together() {
    let of = births().rows(
        ["2014-01-01", "2014-01-05", "2014-07-19"],
        |on| row! {on: on, mother: 3},
    );
    let heard = ask("PL2").with(of).hear();
    assert_eq!(heard.records(), [[1, 2, 3]]);
    assert_eq!(real(heard.one(), "days"), 4.0);
}

/// What both sources report is one finding; a pair to be looked at is none of it.
#[test]
fn pl2_makes_one_finding_of_both_sources() {
    let mut of = births();
    for source in ["village", "hospital"] {
        for on in ["2013-01-01", "2013-09-01", "2014-01-01"] {
            of.push(row! {on: on, mother: 3, source: source});
        }
    }
    let heard = ask("PL2").with(of).hear();
    assert_eq!(heard.records(), [[2, 3, 5, 6]]);
    assert_eq!(records(&heard.reviews()), [[1, 2, 4, 5]]);
}

#[test]
fn pl2_is_silent_on_twins_on_a_year_apart_and_on_the_hospitals_copy() {
    let of = births()
        .rows(
            ["2014-01-01", "2014-01-04", "2014-10-01"],
            |on| row! {on: on, mother: 3},
        )
        .row(row! {on: "2014-01-10", mother: 4})
        .row(row! {on: "2014-01-30", mother: 4, source: "hospital"})
        .rows(["2014-01-01", "2014-01-20"], |on| row! {on: on});
    assert!(ask("PL2").with(of).hear().is_silent());
}

#[test]
fn pl2_looks_at_births_that_are_close() {
    let of = births().rows(["2014-01-01", "2014-07-16"], |on| row! {on: on, mother: 3});
    let heard = ask("PL2").with(of).hear();
    assert_eq!(
        (heard.findings().len(), records(&heard.reviews())),
        (0, vec![vec![1, 2]])
    );
}

#[test]
fn pl3_finds_weights_that_no_child_of_that_age_has() {
    let of = births()
        .row(row! {on: "2014-01-01", weight_g: 330, gestation_days: 273})
        .row(row! {on: "2014-01-01", weight_g: 8_700, gestation_days: 350});
    let lost = losses().row(row! {weight_g: 1_000, gestation_days: 140});
    let heard = ask("PL3").with(of).with(lost).hear();
    assert_eq!(heard.records(), [[1], [2], [200_001]]);
    // Hadlock at 39 weeks: exp(0.578 + 12.948 - 5.384) = 3,435 g.
    assert_eq!(real(heard.findings()[0], "median_g"), 3_435.0);
}

#[test]
fn pl3_is_silent_on_small_and_large_children_and_before_20_weeks() {
    let of = births()
        .row(row! {on: "2014-01-01", weight_g: 1_300, gestation_days: 273})
        .row(row! {on: "2014-01-01", weight_g: 5_800, gestation_days: 287})
        .row(row! {on: "2014-01-01", weight_g: 3_000})
        .row(row! {on: "2014-01-01", gestation_days: 273, weight_g: Cell::Null});
    let lost = losses().row(row! {weight_g: 5, gestation_days: 139});
    assert!(ask("PL3").with(of).with(lost).hear().is_silent());
}
