//! XS1 to XS5: one birth in two files, later lists, stillbirths beside neonatal deaths.

use crate::asked::{
    Asked, COUNTY, Cell, HOSPITAL, OTHER_TOWNSHIP, TOWNSHIP, Table, VILLAGE, ask, births, day,
    losses, office, real, registrations, word,
};

type Row = Vec<(&'static str, Cell)>;

/// Births by which both files cover 2014, each with a certificate that both know.
fn files() -> Table {
    let mut of = births();
    for (number, on) in [(1, "2014-01-01"), (2, "2014-12-31")] {
        for (source, at) in [("village", VILLAGE), ("hospital", HOSPITAL)] {
            of.push(row! {on: on, source: source, office: at, place: "facility", facility: HOSPITAL, certificate: number, residence_office: VILLAGE});
        }
    }
    of
}

fn village(more: Row) -> Row {
    let mut row = row! {on: "2014-06-10", place: "facility", facility: HOSPITAL};
    row.extend(more);
    row
}

fn hospital(more: Row) -> Row {
    let mut row = row! {on: "2014-06-10", source: "hospital", office: HOSPITAL, facility: HOSPITAL, residence_office: VILLAGE + 1};
    row.extend(more);
    row
}

#[test]
fn xs1_finds_births_that_one_source_alone_knows() {
    let of = files()
        .row(village(row! {mother: 5}))
        .row(hospital(row! {mother: 6}));
    let heard = ask("XS1").with(of).hear();
    assert_eq!(heard.records(), [[5], [6]]);
    let told: Vec<_> = heard
        .findings()
        .iter()
        .map(|one| (office(one), word(one, "fault")))
        .collect();
    assert_eq!(
        told,
        [
            (VILLAGE, "not_in_hospital"),
            (VILLAGE + 1, "not_in_village")
        ]
    );
}

/// By mother and days, by her birth date and the child's name, many to one; and what neither file
/// can be expected to have.
#[test]
fn xs1_links_and_expects_nothing_beyond_the_files() {
    let of = files()
        .rows(["2014-06-09", "2014-06-13"], |on| {
            village(row! {on: on, mother: 5})
        })
        .row(hospital(row! {mother: 5}))
        .row(village(row! {mother_born_day: 9_000, child_name: 3}))
        .row(hospital(
            row! {on: "2014-06-20", mother_born_day: 9_000, child_name: 3},
        ))
        // At home, in a hospital that sends no file, of a mother from elsewhere.
        .row(village(row! {place: "home", facility: Cell::Null}))
        .row(village(row! {facility: HOSPITAL + 1}))
        .row(hospital(row! {residence_office: Cell::Null}))
        // Outside what the other file covers.
        .row(hospital(row! {on: "2015-03-01"}))
        .row(hospital(row! {on: "2013-12-31"}));
    let heard = ask("XS1").with(of).hear();
    assert!(heard.is_silent(), "{:?}", heard.findings());
}

/// One certificate to a child: of twins, the one without a record of the village is missing.
#[test]
fn xs1_finds_the_twin_that_is_missing() {
    let of = files()
        .row(village(row! {mother: 5, certificate: 11, plurality: 2}))
        .row(hospital(row! {mother: 5, certificate: 11, plurality: 2}))
        .row(hospital(row! {mother: 5, certificate: 12, plurality: 2}));
    assert_eq!(ask("XS1").with(of).hear().records(), [[7]]);
}

/// Births before the first report of the villages came late or not at all.
#[test]
fn xs1_waits_ninety_days_and_begins_with_the_register() {
    let of = || {
        files()
            .row(village(row! {mother: 5}))
            .row(hospital(row! {mother: 6}))
    };
    assert!(ask("XS1").with(of()).on("2014-09-07").hear().is_silent());
    assert_eq!(
        ask("XS1")
            .with(of())
            .on("2014-09-08")
            .hear()
            .findings()
            .len(),
        2
    );
    let begun = births()
        .row(village(
            row! {on: "2013-11-01", reported: "2014-01-05", certificate: 1},
        ))
        .row(village(row! {on: "2014-03-01", certificate: 2}))
        .row(hospital(row! {on: "2013-12-01"}))
        .row(hospital(row! {on: "2014-03-01", certificate: 2}));
    assert!(ask("XS1").with(begun).hear().is_silent());
}

/// So many births of residents in the hospital, of which the village knows some.
fn known(all: i64, some: i64) -> Asked {
    let mut of = births();
    for number in 0..all {
        let on = day("2014-01-01") + number;
        of.push(row! {on: on, source: "hospital", office: HOSPITAL, residence_office: VILLAGE, certificate: number});
        if number < some || number == all - 1 {
            of.push(row! {on: on, certificate: number});
        }
    }
    ask("XS2").with(of)
}

#[test]
fn xs2_finds_a_village_that_knows_too_few() {
    let heard = known(100, 79).hear();
    let one = heard.one();
    assert_eq!(
        (office(one), real(one, "trials"), real(one, "successes")),
        (VILLAGE, 100.0, 80.0)
    );
    // Chapman: 81 x 101 / 81 - 1, where all that the village knows the hospital knows, too.
    assert!((real(one, "all") - 100.0).abs() < 1e-9);
    assert!(real(one, "low") <= 100.0 && real(one, "high") >= 100.0);
}

#[test]
fn xs2_is_silent_on_a_village_that_knows_most() {
    let heard = known(100, 93).hear();
    assert!(heard.is_quiet() && heard.insufficient().is_empty());
}

#[test]
fn xs2_says_what_few_births_would_show() {
    let heard = known(29, 10).hear();
    let one = heard.too_few();
    assert_eq!((office(one), real(one, "trials")), (COUNTY, 29.0));
    // 22 of 29 are the most that speak: P(X <= 22 | 29, 0.95) = 0.0005.
    let shows = real(one, "shows");
    assert!((0.65..0.75).contains(&shows), "{shows}");
}

/// 100 births of 2013 in a register that begins with it, and a list of January 2015.
fn cohort(births_of: i64, listed: i64, list: &'static str) -> Asked {
    let of = births()
        .rows(
            0..births_of,
            |number| row! {on: day("2013-01-01") + number % 365},
        )
        .row(row! {on: "2013-01-01", office: OTHER_TOWNSHIP + 1})
        .row(row! {on: "2014-12-31", office: OTHER_TOWNSHIP + 1});
    let persons = registrations()
        .rows(
            0..listed,
            |number| row! {on: list, kind: "resident", born: day("2013-01-01") + number % 365},
        )
        // Five came, one of them after the list.
        .rows(
            0..4,
            |_| row! {on: "2014-02-01", kind: "arrival", born: "2013-05-05"},
        )
        .row(row! {on: "2016-02-01", kind: "departure", born: "2013-05-05"});
    ask("XS3").with(of).with(persons)
}

#[test]
fn xs3_finds_children_whose_births_were_not_reported() {
    let heard = cohort(100, 150, "2015-01-01").hear();
    let one = heard.one();
    assert_eq!((office(one), real(one, "year")), (TOWNSHIP, 2_013.0));
    assert_eq!(
        (
            real(one, "listed"),
            real(one, "births"),
            real(one, "net"),
            real(one, "expected")
        ),
        (150.0, 100.0, 4.0, 104.0)
    );
}

/// Who left after the list was still on it; a list within the year covers half of it.
#[test]
fn xs3_is_silent_on_a_list_that_agrees_and_on_cohorts_outside_the_register() {
    let heard = cohort(100, 104, "2015-01-01").hear();
    assert!(heard.is_quiet());
    assert!((real(heard.quiet()[0], "expected") - 104.0).abs() < 1e-9);
    assert!(cohort(100, 150, "2013-12-01").hear().is_silent());
    // A birth of 2012 that was reported in 2013 does not make 2012 a year of the register.
    let of = births()
        .rows(
            0..40,
            |number| row! {on: day("2012-01-01") + number, reported: "2013-01-02"},
        )
        .row(row! {on: "2014-12-31"});
    let persons = registrations().rows(
        0..150,
        |_| row! {on: "2015-01-01", kind: "resident", born: "2012-05-05"},
    );
    assert!(ask("XS3").with(of).with(persons).hear().is_silent());
}

#[test]
fn xs3_says_that_a_cohort_is_too_small() {
    let heard = cohort(20, 60, "2015-01-01").hear();
    let one = heard.too_few();
    assert_eq!(real(one, "expected"), 24.0);
    let shows = real(one, "shows");
    assert!((40.0..55.0).contains(&shows), "{shows}");
}

/// Stillbirths and neonatal deaths over three years.
fn perinatal(stillbirths: i64, deaths: i64) -> Asked {
    let on = |number: i64| day("2012-01-01") + 400 * (number % 3);
    let of = losses()
        .rows(
            0..stillbirths,
            |number| row! {occurred_day: on(number), gestation_days: 200},
        )
        // Too early, whatever its weight.
        .row(row! {occurred_day: on(0), gestation_days: 195, weight_g: 1_200});
    let dead = registrations()
        .rows(
            0..deaths,
            |number| row! {on: on(number), kind: "death", born_day: on(number) - 27},
        )
        .row(row! {on: on(0), kind: "death", born_day: on(0) - 28});
    ask("XS4").with(of).with(dead)
}

#[test]
fn xs4_finds_missing_stillbirths() {
    let heard = perinatal(4, 26).hear();
    let one = heard.one();
    assert_eq!(
        (office(one), real(one, "stillbirths"), real(one, "neonatal")),
        (COUNTY, 4.0, 26.0)
    );
}

#[test]
fn xs4_is_silent_on_as_many_stillbirths() {
    assert!(perinatal(14, 16).hear().is_quiet());
    // The weight speaks where days are missing.
    let by_weight = losses().rows(
        0..20,
        |number: i64| row! {occurred_day: day("2012-01-01") + 400 * (number % 3), weight_g: 1_000},
    );
    assert!(perinatal(4, 26).with(by_weight).hear().is_quiet());
}

#[test]
fn xs4_says_that_there_are_too_few_or_too_short_a_time() {
    let heard = perinatal(0, 19).hear();
    let shows = real(heard.too_few(), "shows");
    assert!((0.05..0.12).contains(&shows), "{shows}");
    let dead = registrations().rows(
        0..30,
        |_| row! {on: "2012-01-01", kind: "death", born: "2012-01-01"},
    );
    assert_eq!(real(ask("XS4").with(dead).hear().too_few(), "n"), 30.0);
}

/// A birth with one certificate in both files.
fn linked(ours: Row, theirs: Row) -> Asked {
    let both = |more: Row| {
        [row! {certificate: 9, certificate_ok: true, sex: "F", plurality: 1, mother_born_day: 5_000}, more].concat()
    };
    ask("XS5").with(
        births()
            .row(village(both(ours)))
            .row(hospital(both(theirs))),
    )
}

#[test]
fn xs5_finds_reports_that_disagree() {
    let sex = linked(row! {}, row! {sex: "M"}).hear();
    assert_eq!(sex.records(), [[1, 2]]);
    assert_eq!(
        (word(sex.one(), "village"), word(sex.one(), "hospital")),
        ("F", "M")
    );
    assert_eq!(office(sex.one()), VILLAGE);
    let fault = |heard: crate::asked::Heard| word(heard.one(), "fault").to_owned();
    assert_eq!(
        fault(linked(row! {}, row! {plurality: 2}).hear()),
        "plurality"
    );
    assert_eq!(
        fault(linked(row! {}, row! {on: "2014-06-14"}).hear()),
        "date"
    );
    let mother = linked(row! {}, row! {mother_born_day: 5_001}).hear();
    // Her birth date is sealed.
    assert_eq!(
        (word(mother.one(), "fault"), word(mother.one(), "hospital")),
        ("mother_born_on", "another")
    );
}

#[test]
fn xs5_is_silent_on_three_days_and_on_what_one_does_not_say() {
    assert!(linked(row! {}, row! {on: "2014-06-13"}).hear().is_silent());
    let unknown = row! {sex: Cell::Null, plurality: Cell::Null, mother_born_day: Cell::Null};
    assert!(linked(row! {}, unknown).hear().is_silent());
    // A number without form links nothing.
    assert!(
        linked(
            row! {certificate_ok: false},
            row! {sex: "M", certificate_ok: false}
        )
        .hear()
        .is_silent()
    );
}
