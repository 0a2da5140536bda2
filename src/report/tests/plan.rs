//! Indicators that small fixtures let one count by hand, the gap to a target, and the report that
//! holds a plan against reality.

use uuid::Uuid;

use super::fixture::{COMMUNITY, Ledger, TOWNSHIP, day, half_year, office, period};
use super::{indicator, reason, report};
use crate::indicators::gap::Direction;
use crate::indicators::plan::PlanSource;
use crate::indicators::targets::{Targets, Verdict};
use crate::locale::Language;
use crate::model::code::{GestationBand, Sex, Source};
use crate::registers::snapshot::LossFacts;
use crate::report::targets::Judged;
use crate::report::{Format, TargetsReport};

fn loss(ledger: &mut Ledger, source: Source, gestation: GestationBand) {
    let facts = LossFacts {
        source,
        office: office(COMMUNITY),
        occurred_on: day("2014-03-03"),
        reported_on: day("2014-03-09"),
        gestation,
    };
    let id = Uuid::from_u128(1_000_000 + ledger.0.losses.len() as u128);
    ledger.0.losses.insert(id, facts);
}

fn plan(ledger: &Ledger, of: &str, targets: &Targets) -> TargetsReport {
    TargetsReport::build(&ledger.0, office(of), period("2014-H1"), targets, None).unwrap()
}

fn judged<'a>(report: &'a TargetsReport, id: &str) -> &'a Judged {
    let mut all = report.targets.iter();
    all.find(|judged| judged.indicator.id == id).unwrap()
}

#[test]
fn stillbirths_are_held_against_live_births_and_stillbirths() {
    let mut ledger = half_year();
    for gestation in [
        GestationBand::From28,
        GestationBand::From28,
        GestationBand::From22To27,
        GestationBand::Under22,
    ] {
        loss(&mut ledger, Source::Village, gestation);
        // The hospital's copies are not added.
        loss(&mut ledger, Source::Hospital, gestation);
    }
    let found = report(&ledger, COMMUNITY, "2014-H1");
    for (id, value, low, high) in [
        // 2 of 14 + 2, and 3 of 14 + 3; Clopper-Pearson as computed with exact fractions.
        ("stillbirth_rate_28_weeks", "125.0", "15.5", "383.5"),
        ("stillbirth_rate_22_weeks", "176.5", "38.0", "434.3"),
    ] {
        let rate = indicator(&found, id);
        assert_eq!(rate.value.as_deref(), Some(value), "{id}");
        let limits = rate.interval.as_ref().unwrap();
        assert_eq!(
            (limits.low.as_str(), limits.high.as_deref()),
            (low, Some(high))
        );
        assert_eq!((limits.method, rate.verdict), ("clopper_pearson", None));
    }
    assert_eq!(found.figure("pregnancy_losses").unwrap().value, 4);
    loss(&mut ledger, Source::Village, GestationBand::NotStated);
    let unknown = report(&ledger, COMMUNITY, "2014-H1");
    for id in ["stillbirth_rate_28_weeks", "stillbirth_rate_22_weeks"] {
        assert_eq!(
            reason(&unknown, id),
            (Some(Verdict::InsufficientData), "gestation_not_known")
        );
        let note = &indicator(&unknown, id).reason.as_ref().unwrap().text;
        assert!(
            note.en.contains("of 5 pregnancy losses, 1 state"),
            "{}",
            note.en
        );
    }
}

#[test]
fn births_are_in_time_up_to_day_30_and_day_365() {
    let mut ledger = half_year();
    for reported in ["2014-03-03", "2014-03-04", "2015-02-01", "2015-02-02"] {
        // 30, 31, 365 and 366 days after the birth.
        let on = "2014-02-01";
        ledger.birth(Source::Village, COMMUNITY, Sex::Female, on, reported);
    }
    let found = report(&ledger, COMMUNITY, "2014-H1");
    for (id, numerator, value, low, high) in [
        ("timeliness", 15, "83.3", "58.6", "96.4"),
        ("timeliness_one_year", 17, "94.4", "72.7", "99.9"),
    ] {
        let share = indicator(&found, id);
        let counted = [share.numerator, share.denominator].map(|n| n.unwrap().numerator());
        assert_eq!(counted, [numerator, 18], "{id}");
        assert_eq!(share.value.as_deref(), Some(value), "{id}");
        let limits = share.interval.as_ref().unwrap();
        assert_eq!(
            (limits.low.as_str(), limits.high.as_deref()),
            (low, Some(high))
        );
    }
}

#[test]
fn ratings_of_associations_are_quoted_and_held_against_nothing() {
    let mut ledger = half_year();
    let class = "association_good_first_class";
    ledger.line(COMMUNITY, "2014-H1", class, "12.5", "2014-07-01");
    let plan = plan(&ledger, COMMUNITY, &Targets::default());
    let quoted = judged(&plan, class);
    assert_eq!(quoted.indicator.quoted.as_deref(), Some("12.5"));
    assert_eq!(quoted.indicator.verdict, Some(Verdict::InsufficientData));
    assert_eq!((quoted.indicator.exact, quoted.gap), (None, None));
    for other in ["association_good_qualified", "association_good_general"] {
        let reason = judged(&plan, other).indicator.reason.as_ref().unwrap();
        assert_eq!(reason.id, "not_reported");
    }
}

#[test]
fn the_gap_is_told_in_what_is_counted() {
    let ledger = half_year();
    let gap = |targets: &Targets, id: &str| {
        let report = plan(&ledger, COMMUNITY, targets);
        let gap = judged(&report, id).gap;
        gap.map(|gap| (gap.amount, gap.direction, gap.needed))
    };
    let defaults = Targets::default();
    // 15 a year to 1,000 of 7,516 in half a year are 56.37 births; there were 14.
    let births = gap(&defaults, "crude_birth_rate");
    assert_eq!(births, Some((42, Direction::More, false)));
    let increase = gap(&defaults, "natural_increase");
    assert_eq!(increase, Some((16, Direction::More, false)));
    // 80% of 9 are 7.2, so the 8 that were done are just enough.
    let checks = gap(&defaults, "preconception_check_coverage");
    assert_eq!(checks, Some((0, Direction::Fewer, false)));
    // 66,954.70 yuan for 7,510 heads at 8.50.
    let money = gap(&defaults, "programme_funding_per_head");
    assert_eq!(money, Some((311_970, Direction::Fewer, false)));
    assert_eq!(gap(&defaults, "sex_ratio_at_birth"), None);
    assert_eq!(gap(&defaults, "satisfaction"), None);
    let file = br#"{"crude_birth_rate_at_most": "1", "preconception_check_coverage_at_least": "90",
        "programme_funding_per_head_at_least": "8.92"}"#;
    let strict = Targets::of_file(file).unwrap();
    // 3.758 births would be allowed, 8.1 checks and 66,989.20 yuan would be needed.
    let births = gap(&strict, "crude_birth_rate");
    assert_eq!(births, Some((11, Direction::Fewer, true)));
    let checks = gap(&strict, "preconception_check_coverage");
    assert_eq!(checks, Some((1, Direction::More, true)));
    let money = gap(&strict, "programme_funding_per_head");
    assert_eq!(money, Some((3_450, Direction::More, true)));
}

#[test]
fn counts_are_indicators_without_a_denominator() {
    let report = plan(&half_year(), TOWNSHIP, &Targets::default());
    for (id, value) in [
        ("households", "3564"),
        ("residents", "7523"),
        ("married_women_15_49", "867"),
        ("births", "14"),
        ("births_male", "6"),
        ("births_female", "8"),
        ("births_in_returns", "11"),
        ("divorces", "0"),
    ] {
        let mut all = report.without_target.iter();
        let count = all.find(|indicator| indicator.id == id).unwrap();
        assert_eq!(count.value.as_deref(), Some(value), "{id}");
        assert_eq!(count.numerator, count.exact, "{id}");
        assert_eq!((count.denominator, count.verdict), (None, None), "{id}");
        assert!(!count.definition.en.is_empty() && !count.definition.zh.is_empty());
    }
}

#[test]
fn offices_below_stand_in_a_matrix_of_verdicts() {
    let mut ledger = half_year();
    ledger.line(COMMUNITY, "2014-H1", "satisfaction", "91", "2014-07-01");
    let report = plan(&ledger, TOWNSHIP, &Targets::default());
    // The other community belongs to the county itself.
    let offices: Vec<_> = report.offices.iter().map(|row| row.office).collect();
    assert_eq!(offices, [office(COMMUNITY)]);
    let own = plan(&ledger, COMMUNITY, &Targets::default());
    assert!(own.offices.is_empty());
    for (cell, judged) in report.offices[0].cells.iter().zip(&own.targets) {
        assert_eq!(cell.id, judged.indicator.id);
        assert_eq!(cell.verdict, judged.indicator.verdict, "{}", cell.id);
        assert_eq!(
            (&cell.quoted, cell.gap),
            (&judged.indicator.quoted, judged.gap)
        );
    }
    assert_eq!(report.offices[0].cells.len(), own.targets.len());
}

#[test]
fn the_report_says_which_targets_it_holds_reality_against() {
    let ledger = half_year();
    let file = br#"{"crude_birth_rate_at_most": "1"}"#;
    let targets = Targets::of_file(file).unwrap();
    let PlanSource::File { sha256 } = &targets.source else {
        panic!("{:?}", targets.source);
    };
    for format in Format::ALL {
        for language in Language::ALL {
            let page = plan(&ledger, TOWNSHIP, &targets);
            let page = page.render(format, language).unwrap();
            assert!(page.contains(sha256.as_str()), "{format:?} {language}");
            let half_year = super::HalfYearReport::build(
                &ledger.0,
                office(TOWNSHIP),
                period("2014-H1"),
                &targets,
            );
            let page = half_year.unwrap().render(format, language).unwrap();
            assert!(page.contains(sha256.as_str()), "{format:?} {language}");
        }
    }
}
