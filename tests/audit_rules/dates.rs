//! TM1 to TM3: the order of days, and reports that come late or not at all.

use crate::asked::{
    Asked, COUNTY, Closed, HOSPITAL, OTHER_TOWNSHIP, TOWNSHIP, VILLAGE, ask, births, office, real,
    records, registrations, returns, word,
};

#[test]
fn tm1_finds_days_in_a_wrong_order() {
    let of = births()
        .row(row! {on: "2014-03-02", reported: "2014-03-01", recorded: "2014-03-03"})
        .row(row! {on: "2014-03-02", reported: "2014-03-05", recorded: "2014-03-03"});
    let persons = registrations()
        .row(row! {on: "2014-03-02", kind: "death", born: "2014-03-03"})
        .row(row! {on: "2014-03-02", kind: "marriage", age: 30, partner_age: 14});
    let heard = ask("TM1").with(of).with(persons).hear();
    assert_eq!(heard.records(), [[1], [2], [100_001], [100_002]]);
    let told: Vec<_> = heard
        .findings()
        .iter()
        .map(|one| (word(one, "fault"), real(one, "value")))
        .collect();
    assert_eq!(told[0], ("occurred_after_report", -1.0));
    assert_eq!(told[1], ("after_recording", -2.0));
    // How many days would tell the birth date, which is sealed.
    assert!(told[2].0 == "before_birth" && told[2].1.is_nan());
    assert_eq!(told[3], ("married_too_young", 14.0));
}

#[test]
fn tm1_names_the_event_and_the_death_before_it() {
    let persons = registrations()
        .row(row! {on: "2014-03-02", kind: "death", person: 1})
        .row(row! {on: "2014-04-03", kind: "marriage", person: 2, partner: 1});
    let of = births().row(row! {on: "2014-04-03", mother: 1});
    let heard = ask("TM1").with(persons).with(of).hear();
    assert_eq!(heard.records(), [[1, 100_001], [100_001, 100_002]]);
    assert_eq!(real(heard.findings()[0], "value"), -32.0);
}

/// A father may die before, a report may come on the day, a registration of a death late.
#[test]
fn tm1_is_silent_on_what_can_be() {
    let persons = registrations()
        .row(row! {on: "2014-03-02", reported: "2014-06-01", kind: "death", person: 1, born: "2014-03-02"})
        .row(row! {on: "2014-04-02", kind: "departure", person: 1})
        .row(row! {on: "2014-05-02", kind: "resident", person: 1})
        .row(row! {on: "2014-03-02", kind: "marriage", age: 15})
        .row(row! {on: "2014-03-02", kind: "marriage"});
    let of = births().row(row! {on: "2014-09-02", mother: 2, father: 1});
    assert!(ask("TM1").with(persons).with(of).hear().is_silent());
}

#[test]
fn tm2_finds_what_was_reported_a_year_late() {
    let of = births()
        .row(row! {on: "2014-03-02", reported: "2015-03-03"})
        .row(row! {on: "2014-03-02", reported: "2015-03-02"});
    let heard = ask("TM2").with(of).hear();
    assert_eq!(heard.records(), [[1]]);
    assert_eq!(
        (word(heard.one(), "fault"), real(heard.one(), "days")),
        ("reported_late", 366.0)
    );
}

fn prompt(first: &'static str) -> crate::asked::Table {
    births().rows(0..30, move |_| row! {on: first, reported: first})
}

/// On a live ledger the day of the entry counts, too; the report says what it wants.
#[test]
fn tm2_finds_what_was_recorded_a_year_late_on_a_live_ledger() {
    let of = prompt("2013-01-10")
        .row(row! {on: "2014-03-02", reported: "2014-03-05", recorded: "2015-05-01"});
    let heard = ask("TM2").with(of).hear();
    assert_eq!(heard.records(), [[31]]);
    assert_eq!(word(heard.one(), "fault"), "recorded_late");
}

/// Old files that are imported together are no live ledger, and a correction is no first entry.
#[test]
fn tm2_is_silent_on_imports_of_the_past_on_corrections_and_on_what_is_late() {
    let imported = births().rows(
        0..30,
        |_| row! {on: "2012-03-02", reported: "2012-03-05", recorded: "2015-05-01"},
    );
    assert!(ask("TM2").with(imported).hear().is_silent());
    let of = prompt("2013-01-10")
        // Before the ledger was.
        .row(row! {on: "2012-12-02", reported: "2012-12-05", recorded: "2014-05-01"})
        .row(row! {on: "2014-03-02", reported: "2014-03-05", recorded: "2015-05-01", first_position: 3})
        .row(row! {on: "2014-03-02", reported: "2015-01-05"});
    let stock =
        registrations().row(row! {on: "1990-03-02", reported: "2014-03-05", kind: "resident"});
    assert!(ask("TM2").with(of).with(stock).hear().is_silent());
}

fn closed(until: Option<i64>) -> Asked {
    let of = births()
        .row(row! {on: "2014-03-02", record: 50})
        .row(row! {on: "2014-03-02", record: 150})
        // Corrected later, known before.
        .row(row! {on: "2014-03-02", record: 160, first_position: 51})
        .row(row! {on: "2014-07-02", record: 170})
        .row(row! {on: "2014-03-02", record: 180, office: OTHER_TOWNSHIP + 1});
    let closing = Closed {
        office: TOWNSHIP,
        period: "2014-H1",
        from: 100,
        until,
    };
    ask("TM2-closed").with(of).closed(closing)
}

#[test]
fn tm2_finds_what_came_into_a_closed_period() {
    let heard = closed(None).hear();
    assert_eq!(heard.records(), [[150]]);
    assert_eq!(heard.one().period.unwrap().to_string(), "2014-H1");
    assert_eq!(
        (office(heard.one()), real(heard.one(), "closed_from")),
        (VILLAGE, 100.0)
    );
}

#[test]
fn tm2_is_silent_on_what_came_after_a_period_was_opened_again() {
    assert!(closed(Some(120)).hear().is_silent());
}

/// Births of the villages of both townships; of `late` of 200 of the first the report came late.
fn late_share(late: i64) -> Asked {
    let mut of = births();
    for (village, births, late) in [(1, 200, late), (2, 200, 10), (3, 200, 10)] {
        for number in 0..births {
            let reported = if number < late {
                "2014-04-15"
            } else {
                "2014-03-15"
            };
            of.push(row! {on: "2014-03-10", reported: reported, office: TOWNSHIP + village});
        }
    }
    ask("TM2-late-share").with(of)
}

#[test]
fn tm2_finds_an_office_that_is_late_more_often() {
    let heard = late_share(60).hear();
    assert_eq!(office(heard.one()), VILLAGE);
    assert_eq!(
        (real(heard.one(), "successes"), real(heard.one(), "k")),
        (60.0, 80.0)
    );
}

#[test]
fn tm2_is_silent_on_an_office_that_is_late_as_others_are() {
    let heard = late_share(15).hear();
    assert!(heard.is_quiet() && heard.quiet().len() == 3 && heard.is_silent());
}

#[test]
fn tm2_says_how_late_an_office_with_few_births_would_have_to_be() {
    let few = births().rows(
        0..49,
        |_| row! {on: "2014-03-10", reported: "2014-04-15", office: OTHER_TOWNSHIP + 1},
    );
    let heard = late_share(15).with(few).hear();
    assert_eq!((heard.findings().len(), heard.quiet().len()), (0, 3));
    let [one] = heard.insufficient()[..] else {
        panic!()
    };
    assert_eq!(office(one), COUNTY);
    let shows = real(one, "shows");
    assert!((2.0..5.0).contains(&shows), "{shows}");
    // An office alone has no others to be held against.
    let alone = births().rows(0..90, |_| row! {on: "2014-03-10", reported: "2014-04-15"});
    assert_eq!(
        office(ask("TM2-late-share").with(alone).hear().too_few()),
        VILLAGE
    );
}

/// Returns of two villages for these months, each sent on a day.
fn sent(lines: &[(i64, &'static str, &'static str)]) -> crate::asked::Table {
    let mut of = returns();
    for (office, period, submitted) in lines.iter().copied() {
        for indicator in ["births", "deaths"] {
            of.push(row! {office: office, period: period, indicator: indicator, value: 1, submitted: submitted});
        }
    }
    of
}

#[test]
fn tm3_finds_what_is_late_or_missing() {
    let of = sent(&[
        (VILLAGE, "2014-01", "2014-02-01"),
        (VILLAGE, "2014-02", "2014-03-04"),
        (VILLAGE, "2014-04", "2014-05-01"),
        (TOWNSHIP, "2014-01", "2014-02-05"),
        (TOWNSHIP, "2014-02", "2014-03-06"),
        (TOWNSHIP, "2014-03", "2014-04-03"),
        (TOWNSHIP, "2014-04", "2014-05-03"),
    ]);
    let heard = ask("TM3").with(of).hear();
    let told: Vec<_> = heard
        .findings()
        .iter()
        .map(|one| {
            (
                office(one),
                one.period.unwrap().to_string(),
                word(one, "fault").to_owned(),
                real(one, "days"),
                real(one, "indicators"),
            )
        })
        .collect();
    let told_of = |office, period: &str, fault: &str, days| {
        (office, period.to_owned(), fault.to_owned(), days, 2.0)
    };
    assert_eq!(
        told,
        [
            told_of(TOWNSHIP, "2014-02", "late", 1.0),
            told_of(VILLAGE, "2014-02", "late", 1.0),
            told_of(VILLAGE, "2014-03", "missing", 0.0),
        ]
    );
}

/// A month that the only office left out is missing, although nobody sent it.
#[test]
fn tm3_finds_a_month_that_nobody_sent() {
    let of = sent(&[
        (VILLAGE, "2013-12", "2014-01-01"),
        (VILLAGE, "2014-02", "2014-03-01"),
    ]);
    let heard = ask("TM3").with(of).hear();
    assert_eq!(heard.one().period.unwrap().to_string(), "2014-01");
}

/// What is not due yet, what came before an office began, and other periods than months.
#[test]
fn tm3_is_silent_before_the_day_and_before_the_first_return() {
    let of = sent(&[
        (VILLAGE, "2014-01", "2014-02-03"),
        (VILLAGE, "2014-02", "2014-03-03"),
        (VILLAGE, "2014-03", "2014-04-01"),
        (VILLAGE + 1, "2014-02", "2014-03-01"),
        (VILLAGE, "2013", "2014-09-01"),
        (HOSPITAL, "2014-01", "2014-09-01"),
    ]);
    assert!(ask("TM3").on("2014-04-03").with(of).hear().is_silent());
}

#[test]
fn tm3_looks_at_returns_that_came_before_their_period_had_ended() {
    let of = sent(&[(VILLAGE, "2014-01", "2014-01-31")]);
    let heard = ask("TM3").with(of).hear();
    assert_eq!((heard.findings().len(), heard.reviews().len()), (0, 1));
    assert_eq!(word(heard.reviews()[0], "fault"), "early");
    assert_eq!(records(&heard.reviews()), [Vec::<u64>::new()]);
}
