//! The figures that are known of the half-year sample, and what must not change them.

pub(super) mod fixture;
mod months;
mod pages;
mod plan;
mod workbooks;

use fixture::{COMMUNITY, Ledger, TOWNSHIP, day, half_year, office, period, registration};

use super::{HalfYearReport, ReportError};
use crate::indicators::Indicator;
use crate::indicators::IndicatorError;
use crate::indicators::targets::Targets;
use crate::indicators::targets::Verdict;
use crate::locale::Language;
use crate::model::code::{Flow, GestationBand, RegistrationKind, Sex, Source};
use crate::model::fields::AnyFields;
use crate::model::time::Timestamp;
use crate::registers::snapshot::LossFacts;

fn report(ledger: &Ledger, of: &str, when: &str) -> HalfYearReport {
    HalfYearReport::build(&ledger.0, office(of), period(when), &Targets::default()).unwrap()
}

fn figure(report: &HalfYearReport, id: &str) -> i128 {
    report.figure(id).unwrap().value
}

fn indicator<'a>(report: &'a HalfYearReport, id: &str) -> &'a Indicator {
    report.indicator(id).unwrap()
}

fn reason(report: &HalfYearReport, id: &str) -> (Option<Verdict>, &'static str) {
    let indicator = indicator(report, id);
    let reason = indicator.reason.as_ref().map_or("", |reason| reason.id);
    (indicator.verdict, reason)
}

const INSUFFICIENT: Option<Verdict> = Some(Verdict::InsufficientData);

#[test]
fn the_known_figures() {
    let ledger = half_year();
    // The same for the community, the township above it and the county above that.
    for of in [COMMUNITY, TOWNSHIP, "990101000000"] {
        let report = report(&ledger, of, "2014-H1");
        for (id, value) in [
            ("households", 3_564),
            ("residents", 7_523),
            ("married_women_15_49", 867),
            ("births", 14),
            ("births_male", 6),
            ("births_female", 8),
            ("births_in_returns", 11),
            ("deaths", 0),
            ("marriages", 4),
            ("arrivals", 0),
            ("departures", 0),
            ("pregnancy_losses", 0),
            ("blackboard", 6),
            ("banner", 2),
            ("leaflet", 1_000),
            ("campaign", 3),
            ("couplet", 60),
            ("association_study", 2),
            ("association_event", 4),
            ("relief_visit", 2),
        ] {
            assert_eq!(figure(&report, id), value, "{of} {id}");
        }
        let months: Vec<_> = report.births_by_month.iter().map(|m| m.register).collect();
        assert_eq!(months, [3, 2, 2, 3, 2, 2]);
    }
}

#[test]
fn six_boys_and_eight_girls_are_no_finding() {
    let report = report(&half_year(), COMMUNITY, "2014-H1");
    let ratio = indicator(&report, "sex_ratio_at_birth");
    assert_eq!(ratio.value.as_deref(), Some("75.0"));
    assert_eq!(ratio.test.as_ref().unwrap().p_value, "0.60");
    let interval = ratio.interval.as_ref().unwrap();
    assert_eq!(
        (interval.low.as_str(), interval.high.as_deref()),
        ("21", Some("246"))
    );
    assert_eq!(
        reason(&report, "sex_ratio_at_birth"),
        (INSUFFICIENT, "too_few_births")
    );
    let note = report
        .notes
        .iter()
        .find(|note| note.id == "sex_ratio_few")
        .unwrap();
    assert!(
        note.text
            .en
            .starts_with("14 births are too few to judge the sex ratio at birth.")
    );
    assert!(note.text.zh.starts_with("14 例出生太少"));
}

#[test]
fn indicators_against_their_targets() {
    let report = report(&half_year(), COMMUNITY, "2014-H1");
    for (id, value, verdict) in [
        // 14 * 2 * 1000 / 7516
        ("crude_birth_rate", Some("3.73"), Some(Verdict::Met)),
        ("natural_increase", Some("3.73"), Some(Verdict::Met)),
        (
            "preconception_check_coverage",
            Some("88.9"),
            Some(Verdict::Met),
        ),
        // 66954.70 / 7510: one birth of January had been reported on the day
        (
            "programme_funding_per_head",
            Some("8.92"),
            Some(Verdict::Met),
        ),
        ("timeliness", Some("100.0"), None),
        ("reward_fulfilment", None, INSUFFICIENT),
        ("statistical_accuracy", None, INSUFFICIENT),
        ("satisfaction", None, INSUFFICIENT),
        ("policy_compliance", None, INSUFFICIENT),
        ("share_outside_policy", None, INSUFFICIENT),
    ] {
        let found = indicator(&report, id);
        assert_eq!(
            (found.value.as_deref(), found.verdict),
            (value, verdict),
            "{id}"
        );
    }
    let rate = indicator(&report, "crude_birth_rate");
    assert_eq!(rate.exact.unwrap().to_string(), "7000/1879");
    let interval = rate.interval.as_ref().unwrap();
    assert_eq!(
        (interval.low.as_str(), interval.high.as_deref()),
        ("2.04", Some("6.25"))
    );
    assert!(!rate.within_chance);
    // 8 of 9 lies above 80%, but so few could as well have come from below it.
    assert!(indicator(&report, "preconception_check_coverage").within_chance);
    let due = indicator(&report, "reward_fulfilment")
        .reason
        .as_ref()
        .unwrap();
    assert_eq!(due.text.en, "not due until 31 August 2014");
    assert_eq!(due.text.zh, "到期日为2014年8月31日，尚未到期");
}

#[test]
fn copies_late_reports_and_other_offices_do_not_count() {
    let mut ledger = half_year();
    let before = report(&ledger, TOWNSHIP, "2014-H1");
    // Another township's village, another source, and what happened before or after.
    ledger.birth(
        Source::Village,
        "990101100002",
        Sex::Male,
        "2014-03-01",
        "2014-03-02",
    );
    ledger.birth(
        Source::Police,
        COMMUNITY,
        Sex::Male,
        "2014-03-01",
        "2014-03-02",
    );
    ledger.birth(
        Source::Village,
        COMMUNITY,
        Sex::Male,
        "2014-07-01",
        "2014-07-02",
    );
    let mut police = registration(
        RegistrationKind::Death,
        COMMUNITY,
        "2014-03-01",
        "2014-03-01",
    );
    police.source = Some(Source::Police);
    ledger.put(AnyFields::Registration(police), day("2014-07-04"));
    let kind = RegistrationKind::Marriage;
    ledger.registration(kind, COMMUNITY, "2013-12-31", "2014-01-02");
    let after = report(&ledger, TOWNSHIP, "2014-H1");
    assert_eq!(before.figures, after.figures);
}

#[test]
fn a_late_report_counts_in_the_period_but_not_among_its_residents() {
    let mut ledger = half_year();
    // A birth of June that is reported in July is a birth of the half-year, but was no resident
    // known on its last day. The death, reported in time, leaves both.
    ledger.birth(
        Source::Village,
        COMMUNITY,
        Sex::Unreadable,
        "2014-06-30",
        "2014-07-05",
    );
    ledger.registration(
        RegistrationKind::Death,
        COMMUNITY,
        "2014-06-01",
        "2014-06-02",
    );
    ledger.registration(
        RegistrationKind::Arrival,
        COMMUNITY,
        "2014-06-01",
        "2014-06-02",
    );
    ledger.registration(
        RegistrationKind::Departure,
        COMMUNITY,
        "2014-06-01",
        "2014-07-02",
    );
    let after = report(&ledger, TOWNSHIP, "2014-H1");
    let ids = [
        "births",
        "births_male",
        "births_female",
        "deaths",
        "departures",
        "residents",
    ];
    let found = ids.map(|id| figure(&after, id));
    assert_eq!(found, [15, 6, 8, 1, 1, 7_523]);
    assert!(after.notes.iter().any(|note| note.id == "sex_not_stated"));
}

#[test]
fn losses_and_women_of_unknown_age() {
    let mut ledger = half_year();
    let some_woman = *ledger
        .0
        .born_on
        .iter()
        .find(|(_, born)| **born == day("1999-06-30"))
        .unwrap()
        .0;
    ledger.0.born_on.remove(&some_woman);
    for (i, (source, of, on)) in [
        (Source::Village, COMMUNITY, "2014-02-02"),
        (Source::Hospital, COMMUNITY, "2014-02-02"),
        (Source::Village, "990101100002", "2014-02-02"),
        (Source::Village, COMMUNITY, "2014-07-02"),
    ]
    .into_iter()
    .enumerate()
    {
        let facts = LossFacts {
            source,
            office: office(of),
            occurred_on: day(on),
            reported_on: day(on),
            gestation: GestationBand::Under22,
        };
        ledger
            .0
            .losses
            .insert(uuid::Uuid::from_u128(i as u128), facts);
    }
    let report = report(&ledger, TOWNSHIP, "2014-H1");
    assert_eq!(figure(&report, "pregnancy_losses"), 1);
    assert_eq!(figure(&report, "married_women_15_49"), 866);
    assert!(report.notes.iter().any(|note| note.id == "age_not_known"));
}

#[test]
fn returns_count_once_each_and_the_last_submitted() {
    let mut ledger = half_year();
    ledger.line(COMMUNITY, "2014-02", "births", "3", "2014-07-02");
    ledger.line(COMMUNITY, "2014-03", "births", "9", "2014-03-31");
    ledger.line(COMMUNITY, "2014-H1", "births", "50", "2014-07-02");
    let report = report(&ledger, TOWNSHIP, "2014-H1");
    assert_eq!(figure(&report, "births_in_returns"), 13);
    assert_eq!(
        (
            report.monthly_returns.received,
            report.monthly_returns.expected
        ),
        (6, 6)
    );
    let february = &report.births_by_month[1];
    assert_eq!((february.register, february.returned), (2, Some(3)));
}

#[test]
fn rewards_are_judged_once_they_are_due() {
    let mut ledger = half_year();
    for _ in 0..404 {
        ledger.money(
            Source::Finance,
            Flow::Payment,
            "family_support",
            96_000,
            "2014-08-20",
        );
    }
    // A copy by the village is not added, a reversal subtracts.
    ledger.money(
        Source::Village,
        Flow::Payment,
        "family_support",
        96_000,
        "2014-08-20",
    );
    ledger.money(
        Source::Finance,
        Flow::Reversal,
        "family_support",
        96_000,
        "2014-08-25",
    );
    let second = report(&ledger, TOWNSHIP, "2014-H2");
    assert_eq!(
        reason(&second, "reward_fulfilment"),
        (INSUFFICIENT, "not_due_until")
    );

    ledger.activity("banner", "2014-09-02", 1, None);
    let second = report(&ledger, TOWNSHIP, "2014-H2");
    assert_eq!(
        reason(&second, "reward_fulfilment"),
        (Some(Verdict::NotMet), "")
    );
    let found = indicator(&second, "reward_fulfilment");
    assert_eq!(found.exact.unwrap().to_string(), "10075/101");
    assert_eq!(found.value.as_deref(), Some("99.8"));
    ledger.money(
        Source::Finance,
        Flow::Payment,
        "family_support",
        192_000,
        "2014-09-02",
    );
    let paid_twice = report(&ledger, TOWNSHIP, "2014-H2");
    assert_eq!(
        reason(&paid_twice, "reward_fulfilment"),
        (INSUFFICIENT, "more_paid_than_due")
    );
    // The first half's report stays what it was: nothing was due in it.
    let first = report(&ledger, TOWNSHIP, "2014-H1");
    assert_eq!(
        reason(&first, "reward_fulfilment"),
        (INSUFFICIENT, "not_due_until")
    );
    let october = report(&ledger, TOWNSHIP, "2014-10");
    assert_eq!(
        reason(&october, "reward_fulfilment"),
        (INSUFFICIENT, "nothing_due")
    );
}

#[test]
fn what_an_office_reports_of_itself_is_quoted_and_never_judged() {
    let mut ledger = half_year();
    ledger.line(
        COMMUNITY,
        "2014-H1",
        "policy_compliance",
        "84.7",
        "2014-07-01",
    );
    ledger.line(TOWNSHIP, "2014-H1", "satisfaction", "96", "2014-07-03");
    let found = report(&ledger, COMMUNITY, "2014-H1");
    let compliance = indicator(&found, "policy_compliance");
    assert_eq!(compliance.quoted.as_deref(), Some("84.7"));
    assert_eq!(
        (compliance.exact, compliance.value.as_deref()),
        (None, None)
    );
    assert_eq!(
        reason(&found, "policy_compliance"),
        (INSUFFICIENT, "reported_only")
    );
    // Another office's figure is not this one's.
    assert_eq!(
        reason(&found, "satisfaction"),
        (INSUFFICIENT, "not_reported")
    );
    assert_eq!(indicator(&found, "satisfaction").quoted, None);
}

#[test]
fn a_hundred_births_are_judged_with_care() {
    let judged = |boys: usize, girls: usize| {
        let mut ledger = half_year();
        for (sex, more) in [(Sex::Male, boys - 6), (Sex::Female, girls - 8)] {
            for _ in 0..more {
                ledger.birth(Source::Village, COMMUNITY, sex, "2014-05-05", "2014-05-06");
            }
        }
        reason(&report(&ledger, COMMUNITY, "2014-H1"), "sex_ratio_at_birth")
    };
    assert_eq!(judged(105, 100), (Some(Verdict::Met), ""));
    assert_eq!(judged(115, 100), (INSUFFICIENT, "sex_ratio_within_chance"));
    assert_eq!(judged(200, 100), (Some(Verdict::NotMet), ""));
}

#[test]
fn an_empty_ledger_divides_by_nothing() {
    let ledger = Ledger::new();
    for when in ["2014-06", "2014-Q2", "2014-H1", "2014", "2014S"] {
        let report = report(&ledger, COMMUNITY, when);
        assert!(
            report
                .indicators
                .iter()
                .all(|i| i.value.is_none() && i.reason.is_some())
        );
        assert!(
            report.indicators.iter().all(|i| i.interval.is_none()),
            "{when}"
        );
        assert_eq!(report.head.position, None);
        for format in super::Format::ALL {
            for language in Language::ALL {
                assert!(report.render(format, language).is_ok());
            }
        }
    }
}

#[test]
fn an_office_that_is_not_registered_and_a_target_that_is_no_number() {
    let ledger = Ledger::new();
    let build = |of: &str, targets: &Targets| {
        HalfYearReport::build(&ledger.0, office(of), period("2014-H1"), targets).unwrap_err()
    };
    let unknown = build("990101100009", &Targets::default());
    assert!(matches!(unknown, ReportError::UnknownOffice(_)));
    let mut targets = Targets::default();
    targets.natural_increase_at_most.0 = "low".to_owned();
    let bad = build(COMMUNITY, &targets);
    assert!(matches!(
        bad,
        ReportError::Indicator(IndicatorError::BadTarget {
            name: "natural_increase_at_most",
            ..
        })
    ));
}

#[test]
fn as_of_the_last_day_the_return_of_june_is_still_to_come() {
    let mut ledger = half_year();
    let until = Timestamp::end_of(day("2014-06-30"));
    for rows in ledger.0.rows.values_mut() {
        rows.retain(|row| row.recorded_at <= until);
    }
    let kept = ledger.0.rows.values().flatten();
    ledger.0.recorded_at = kept.map(|row| row.recorded_at).max().unwrap();
    let report = report(&ledger, COMMUNITY, "2014-H1");
    for (id, value) in [
        ("residents", 7_523),
        ("births", 14),
        ("births_in_returns", 9),
    ] {
        assert_eq!(figure(&report, id), value, "{id}");
    }
    let returns = &report.monthly_returns;
    assert_eq!((returns.received, returns.expected), (5, 6));
    assert_eq!(report.births_by_month[5].returned, None);
    // The last entry is of 25 June; that the period ended later is said.
    let note = report.notes.iter().find(|note| note.id == "before_the_end");
    assert!(note.unwrap().text.en.contains("25 June 2014"));
    assert_eq!(
        reason(&report, "reward_fulfilment"),
        (INSUFFICIENT, "not_due_until")
    );
}
