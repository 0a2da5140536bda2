//! The months of a report: by hand, and what they must add up to whatever happened.

use proptest::prelude::*;

use super::fixture::{COMMUNITY, Ledger, TOWNSHIP, day, half_year, office, period};
use crate::indicators::counted::Counted;
use crate::indicators::counts::Counts;
use crate::indicators::targets::Targets;
use crate::model::code::{GestationBand, OfficeLevel, RegistrationKind, Sex, Source};
use crate::model::office::OfficeFields;
use crate::registers::snapshot::LossFacts;
use crate::report::MonthlyReport;

fn monthly(ledger: &Ledger, of: &str, when: &str) -> MonthlyReport {
    MonthlyReport::build(&ledger.0, office(of), period(when)).unwrap()
}

#[test]
fn the_months_of_the_sample() {
    let report = monthly(&half_year(), TOWNSHIP, "2014-H1");
    let of = |counted| {
        let months = report.months.iter();
        months.map(|m| m.figures.get(counted)).collect::<Vec<_>>()
    };
    assert_eq!(of(Counted::Births), [3, 2, 2, 3, 2, 2]);
    assert_eq!(of(Counted::BirthsMale), [1, 1, 1, 1, 1, 1]);
    assert_eq!(of(Counted::Marriages), [1, 1, 1, 1, 0, 0]);
    // 7,509 resident records and the births that had been reported by each month's last day.
    let residents = [7511, 7513, 7516, 7518, 7521, 7523];
    assert_eq!(of(Counted::Residents), residents);
    let returned: Vec<_> = report.months.iter().map(|m| m.returns.births).collect();
    assert_eq!(returned, [2, 1, 2, 2, 2, 2].map(Some));
    let received = report.months.iter().map(|m| m.returns.received);
    assert_eq!(received.collect::<Vec<_>>(), [1; 6]);
    let total = &report.total;
    assert_eq!((total.returns.received, total.returns.expected), (6, 6));
    assert_eq!(total.timeliness.as_deref(), Some("100.0"));
    // Limits as computed with exact fractions from the other five months, by their days.
    let births = report.series_of("births").unwrap();
    let limits: Vec<_> = births
        .points
        .iter()
        .map(|point| (point.expected.as_deref(), point.low, point.high))
        .collect();
    let expected = ["2.3", "2.2", "2.5", "2.2", "2.5", "2.4"].map(Some);
    let high = [10, 10, 11, 10, 11, 10].map(Some);
    for (at, limits) in limits.into_iter().enumerate() {
        assert_eq!(limits, (expected[at], Some(0), high[at]), "month {at}");
    }
    assert!(
        births
            .points
            .iter()
            .all(|point| point.outside == Some(false))
    );
}

#[test]
fn a_month_that_is_not_over_has_no_limits_and_is_in_none() {
    let mut ledger = half_year();
    // The last entry is of 3 July: July has begun, August has not.
    for _ in 0..40 {
        ledger.birth(
            Source::Village,
            COMMUNITY,
            Sex::Male,
            "2014-07-02",
            "2014-07-03",
        );
    }
    let report = monthly(&ledger, TOWNSHIP, "2014");
    let state: Vec<_> = report.months.iter().map(|m| (m.begun, m.over)).collect();
    assert_eq!(state[5..8], [(true, true), (true, false), (false, false)]);
    let births = &report.series_of("births").unwrap().points;
    assert_eq!(
        (births[6].value, births[6].high, births[6].outside),
        (40, None, None)
    );
    assert_eq!(births[0].high, Some(10));
    assert!(report.notes.iter().any(|note| note.id == "before_the_end"));
    let quarter = monthly(&ledger, TOWNSHIP, "2014-Q1");
    assert!(
        quarter
            .series
            .iter()
            .all(|s| s.points.iter().all(|p| p.low.is_none()))
    );
    assert!(
        quarter
            .notes
            .iter()
            .any(|note| note.id == "no_control_limits")
    );
}

#[test]
fn a_month_outside_its_limits_is_marked_and_called_a_question() {
    let mut ledger = half_year();
    for _ in 0..20 {
        ledger.birth(
            Source::Village,
            COMMUNITY,
            Sex::Male,
            "2014-02-05",
            "2014-02-06",
        );
    }
    let report = monthly(&ledger, COMMUNITY, "2014-H1");
    let points = &report.series_of("births").unwrap().points;
    let outside: Vec<_> = points.iter().map(|point| point.outside.unwrap()).collect();
    assert_eq!(outside, [false, true, false, false, false, false]);
    assert!(report.notes.iter().any(|note| note.id == "outside_limits"));
}

const SECOND: &str = "990101100003";
const VILLAGES: [&str; 2] = [COMMUNITY, SECOND];

/// Kind, village, day of the year, days until the report, and what else is stated of it.
type Seed = (usize, usize, u64, u64, usize);

fn put(ledger: &mut Ledger, number: usize, seed: Seed) {
    let (kind, village, on, delay, more) = seed;
    let occurred_on = day("2013-10-01") + chrono::Days::new(on);
    let reported_on = occurred_on + chrono::Days::new(delay);
    let (on, reported) = (occurred_on.to_string(), reported_on.to_string());
    let of = VILLAGES[village];
    let kinds = [
        RegistrationKind::Resident,
        RegistrationKind::Death,
        RegistrationKind::Marriage,
        RegistrationKind::Arrival,
        RegistrationKind::Departure,
        RegistrationKind::Household,
    ];
    match kind {
        0 => {
            let sex = [Sex::Male, Sex::Female, Sex::Unreadable][more];
            let source = [Source::Village, Source::Village, Source::Hospital][more];
            ledger.birth(source, of, sex, &on, &reported);
        }
        1 => {
            let facts = LossFacts {
                source: Source::Village,
                office: office(of),
                occurred_on,
                reported_on,
                gestation: GestationBand::ALL[more],
            };
            let id = uuid::Uuid::from_u128(number as u128);
            ledger.0.losses.insert(id, facts);
        }
        other => {
            ledger.registration(kinds[other - 2], of, &on, &reported);
        }
    }
}

fn story(seeds: &[Seed]) -> Ledger {
    let mut ledger = Ledger::new();
    ledger.0.offices.insert(OfficeFields {
        code: office(SECOND),
        level: OfficeLevel::Village,
        name_en: None,
        name_zh: Some("第3社区".to_owned()),
        parent: Some(office(TOWNSHIP)),
    });
    for (number, seed) in seeds.iter().enumerate() {
        put(&mut ledger, number, *seed);
    }
    ledger
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Flows of the months add up to the period's, stocks are those of the last month, villages
    /// add up to the township, and all of it is what a count of the period alone gives.
    #[test]
    fn months_add_up_to_the_period_and_villages_to_the_township(
        seeds in proptest::collection::vec((0_usize..8, 0_usize..2, 0_u64..460, 0_u64..400, 0_usize..3), 1..120),
        when in proptest::sample::select(vec!["2014", "2014S", "2014-H1", "2014-Q2", "2014-02"]),
    ) {
        let ledger = story(&seeds);
        let township = monthly(&ledger, TOWNSHIP, when);
        let villages = VILLAGES.map(|of| monthly(&ledger, of, when));
        let targets = Targets::default();
        let whole = Counts::of(&ledger.0, office(TOWNSHIP), period(when), &targets);
        for counted in Counted::ALL {
            let total = township.total.figures.get(*counted);
            let mut months = township.months.iter().map(|month| month.figures.get(*counted));
            let added = if counted.is_stock() { months.next_back().unwrap() } else { months.sum() };
            prop_assert_eq!(added, total, "{}", counted.id());
            let below: i128 = villages.iter().map(|v| v.total.figures.get(*counted)).sum();
            prop_assert_eq!(below, total, "{}", counted.id());
            prop_assert_eq!(whole.get(*counted), total, "{}", counted.id());
        }
        let registers = whole.months.iter().map(|month| month.register);
        let months = township.months.iter().map(|m| m.figures.count_of(Counted::Births));
        prop_assert!(registers.eq(months));
    }
}
