//! Everything that is published of a ledger, set against each other.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};

use super::attack::Clerk;
use crate::indicators::Unit;
use crate::indicators::counted::Counted;
use crate::indicators::targets::Targets;
use crate::locale::Language;
use crate::model::code::{OfficeLevel, RegistrationKind, Sex, Source};
use crate::model::id::OfficeCode;
use crate::model::office::OfficeFields;
use crate::model::period::Period;
use crate::report::sheet::Sheet;
use crate::report::suppression::Publication;
use crate::report::tests::fixture::{COMMUNITY, Ledger, TOWNSHIP, day, half_year, office, period};
use crate::report::{Format, HalfYearReport, MonthlyReport, PublicMonths, TargetsReport};

const COUNTY: &str = "990101000000";
const VILLAGES: [&str; 3] = ["990101100001", "990101100003", "990101100004"];
const OFFICES: [&str; 5] = [COUNTY, TOWNSHIP, VILLAGES[0], VILLAGES[1], VILLAGES[2]];
/// What a count of a village and month is one of; both sexes are births.
const PARTS: [&str; 6] = [
    "births_male",
    "births_female",
    "deaths",
    "arrivals",
    "departures",
    "marriages",
];
/// October 2013 to December 2014.
const MONTHS: usize = 15;

fn month(at: usize) -> NaiveDate {
    let from_january = at + 9;
    let year = 2013 + i32::try_from(from_january / 12).unwrap();
    NaiveDate::from_ymd_opt(year, u32::try_from(from_january % 12).unwrap() + 1, 1).unwrap()
}

/// Every period whose months are all there, and the year of which only the last quarter is.
fn periods() -> Vec<Period> {
    let months = (0..MONTHS).map(|at| Period::month_of(month(at)));
    let longer = [
        "2013-Q4", "2014-Q1", "2014-Q2", "2014-Q3", "2014-Q4", "2013-H2", "2014-H1",
    ];
    let longest = ["2014-H2", "2013", "2014", "2014S"];
    let named = longer.into_iter().chain(longest).map(period);
    months.chain(named).collect()
}

/// Three villages of different size; everything was reported on its day.
fn ledger(seed: u64) -> Ledger {
    let mut ledger = Ledger::new();
    for code in VILLAGES {
        ledger.0.offices.insert(OfficeFields {
            code: office(code),
            level: OfficeLevel::Village,
            name_en: None,
            name_zh: None,
            parent: Some(office(TOWNSHIP)),
        });
    }
    let mut state = seed;
    let mut below = |limit: u64| {
        // Knuth's multiplier; the high bits are the good ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    for (village, size) in VILLAGES.into_iter().zip([9, 5, 3]) {
        for _ in 0..150 * size {
            let kind = RegistrationKind::Resident;
            ledger.registration(kind, village, "2013-10-01", "2013-10-01");
        }
        for at in 0..MONTHS {
            for part in PARTS {
                for number in 0..below(size) {
                    let first = month(at);
                    let on = first
                        .with_day(u32::try_from(number).unwrap() + 2)
                        .unwrap()
                        .to_string();
                    let (source, kind) = (Source::Village, registration_kind(part));
                    match part {
                        "births_male" => ledger.birth(source, village, Sex::Male, &on, &on),
                        "births_female" => ledger.birth(source, village, Sex::Female, &on, &on),
                        _ => {
                            ledger.registration(kind, village, &on, &on);
                        }
                    }
                }
            }
        }
    }
    let kind = RegistrationKind::Household;
    ledger.registration(kind, VILLAGES[0], "2015-01-05", "2015-01-05");
    ledger
}

fn registration_kind(part: &str) -> RegistrationKind {
    match part {
        "deaths" => RegistrationKind::Death,
        "arrivals" => RegistrationKind::Arrival,
        "departures" => RegistrationKind::Departure,
        _ => RegistrationKind::Marriage,
    }
}

/// Full reports and what is published, by office and period.
struct Shelf {
    full: BTreeMap<(OfficeCode, Period), Sheet>,
    public: BTreeMap<(OfficeCode, Period), Sheet>,
}

impl Shelf {
    fn of(ledger: &Ledger, smallest_shown: u64) -> Self {
        let publication = Publication::of(&ledger.0, smallest_shown);
        let mut shelf = Self {
            full: BTreeMap::new(),
            public: BTreeMap::new(),
        };
        for code in OFFICES.map(office) {
            for period in periods() {
                let targets = Targets::default();
                let report = HalfYearReport::build(&ledger.0, code, period, &targets).unwrap();
                let key = (code, period);
                shelf
                    .public
                    .insert(key, Sheet::public(&report, &publication));
                shelf.full.insert(key, Sheet::of(&report));
            }
        }
        shelf
    }
}

fn value(sheet: &Sheet, id: &str) -> Option<i128> {
    sheet
        .figures
        .iter()
        .find(|figure| figure.id == id)
        .unwrap()
        .value
}

/// A cell as the sum of the counts of villages and months; after them come the residents with
/// which each village began.
fn cell(code: OfficeCode, id: &str, period: Period) -> Vec<i64> {
    let counts = VILLAGES.len() * MONTHS * PARTS.len();
    let mut cell = vec![0; counts + VILLAGES.len()];
    for (number, village) in VILLAGES.into_iter().enumerate() {
        if code.as_str().ends_with("000") || code == office(village) {
            for at in 0..MONTHS {
                let first = month(at);
                for (part, name) in PARTS.into_iter().enumerate() {
                    let by = match (id, name) {
                        ("residents", "marriages") => 0,
                        ("residents", "deaths" | "departures") => -1,
                        ("residents", _) => 1,
                        ("births", name) => i64::from(name.starts_with("births")),
                        (id, name) => i64::from(id == name),
                    };
                    let counted = if id == "residents" {
                        first <= period.last_day()
                    } else {
                        period.contains(first)
                    };
                    if counted {
                        cell[(number * MONTHS + at) * PARTS.len() + part] = by;
                    }
                }
            }
            cell[counts + number] = i64::from(id == "residents");
        }
    }
    cell
}

const FIGURES: [&str; 8] = [
    "births",
    "births_male",
    "births_female",
    "deaths",
    "arrivals",
    "departures",
    "marriages",
    "residents",
];

/// The small cells that can be computed from the values that `shown` gives.
fn computed(
    shelf: &Shelf,
    shown: impl Fn(OfficeCode, Period, &str) -> Option<i128>,
) -> Vec<(OfficeCode, Period, &'static str)> {
    let mut clerk = Clerk::default();
    let cells: Vec<_> = shelf
        .full
        .keys()
        .flat_map(|(code, period)| FIGURES.map(|id| (*code, *period, id)))
        .collect();
    for (code, period, id) in &cells {
        match shown(*code, *period, id) {
            // Nothing is less than zero, so each count in it is one.
            Some(0) => {
                let all = cell(*code, id, *period);
                for (place, _) in all.iter().enumerate().filter(|(_, by)| **by != 0) {
                    let mut one = vec![0; all.len()];
                    one[place] = 1;
                    clerk.learn(&one);
                }
            }
            Some(_) => clerk.learn(&cell(*code, id, *period)),
            None => {}
        }
    }
    let truth = |code, period, id| value(&shelf.full[&(code, period)], id).unwrap();
    let small = cells.into_iter().filter(|(code, period, id)| {
        (1..10).contains(&truth(*code, *period, id)) && clerk.knows(&cell(*code, id, *period))
    });
    small.collect()
}

#[test]
fn nothing_small_is_computed_from_all_reports_of_a_position() {
    for seed in [1, 2, 3] {
        let shelf = Shelf::of(&ledger(seed), 10);
        let shown = |code, period, id: &str| value(&shelf.public[&(code, period)], id);
        assert_eq!(computed(&shelf, shown), [], "seed {seed}");
        for (key, full) in &shelf.full {
            for id in FIGURES {
                let truth = value(full, id).unwrap();
                let published = value(&shelf.public[key], id);
                assert!(published.is_none_or(|shown| shown == truth && !(1..10).contains(&shown)));
            }
        }
    }
}

#[test]
fn small_counts_alone_are_computed_at_once() {
    let shelf = Shelf::of(&ledger(1), 10);
    let naive = |code, period, id: &str| {
        let value = value(&shelf.full[&(code, period)], id);
        value.filter(|value| !(1..10).contains(value))
    };
    let found = computed(&shelf, naive);
    assert!(found.len() > 50, "{found:?}");
    // Without the residents it is less, and enough.
    let found = computed(&shelf, |code, period, id| {
        naive(code, period, id).filter(|_| id != "residents")
    });
    assert!(found.len() > 5, "{found:?}");
}

#[test]
fn what_readers_want_most_is_still_shown() {
    let shelf = Shelf::of(&ledger(1), 10);
    let shown = |code: &str, when: &str, id: &str| {
        value(&shelf.public[&(office(code), period(when))], id).is_some()
    };
    for when in ["2014-H1", "2014-H2", "2014"] {
        for id in [
            "births",
            "births_male",
            "births_female",
            "deaths",
            "residents",
        ] {
            assert!(shown(TOWNSHIP, when, id), "{when} {id}");
        }
        for village in VILLAGES {
            assert!(shown(village, when, "residents"), "{village} {when}");
        }
    }
    assert!(shown(VILLAGES[0], "2014", "births"));
    let months = &shelf.public[&(office(TOWNSHIP), period("2014"))].births_by_month;
    let of_months = months.iter().filter(|month| month.register.is_some());
    assert!(of_months.count() >= 6, "{months:?}");
}

#[test]
fn the_sheet_of_the_sample_holds_nothing_small() {
    let ledger = half_year();
    let publication = Publication::of(&ledger.0, 10);
    for code in [COMMUNITY, TOWNSHIP] {
        let (targets, when) = (Targets::default(), period("2014-H1"));
        let report = HalfYearReport::build(&ledger.0, office(code), when, &targets).unwrap();
        let sheet = Sheet::public(&report, &publication);
        let shown = |id: &str| value(&sheet, id);
        assert_eq!(
            (shown("births"), shown("residents")),
            (Some(14), Some(7_523))
        );
        for id in [
            "births_male",
            "births_female",
            "marriages",
            "births_in_returns",
        ] {
            assert_eq!(shown(id), None, "{id}");
        }
        assert_eq!(shown("deaths"), Some(0));
        assert!(sheet.births_by_month.iter().all(|month| month.withheld));
        let activity = |id: &str| {
            sheet
                .activities
                .iter()
                .find(|one| one.id == id)
                .unwrap()
                .value
        };
        assert_eq!(
            (activity("blackboard"), activity("relief_visit")),
            (Some(6), None)
        );
        let indicator = |id: &str| sheet.indicators.iter().find(|one| one.id == id).unwrap();
        let rate = indicator("crude_birth_rate");
        // With two decimals the mean population would be known to within 20.
        assert_eq!((rate.value.as_deref(), rate.exact), (Some("3.7"), None));
        let ratio = indicator("sex_ratio_at_birth");
        assert_eq!(
            (&ratio.value, &ratio.interval, &ratio.test),
            (&None, &None, &None)
        );
        assert_eq!(ratio.reason.as_ref().unwrap().id, "withheld");
        assert_eq!(indicator("preconception_check_coverage").value, None);
        let text = serde_json::to_string(&sheet).unwrap();
        for told in ["0.60", "21 to 246", "7516", "88.9", "6 boys", "returns say"] {
            assert!(!text.contains(told), "{told}");
        }
    }
}

#[test]
fn a_period_that_is_not_over_is_not_published() {
    let ledger = half_year();
    let publication = Publication::of(&ledger.0, 10);
    let code = office(COMMUNITY);
    assert_eq!(ledger.0.recorded_at.date(), day("2014-07-03"));
    assert!(publication.shows(code, "births", period("2014-H1")));
    for when in ["2014-07", "2014", "2014S"] {
        assert!(!publication.is_over(period(when)));
        assert!(!publication.shows(code, "deaths", period(when)), "{when}");
    }
    assert!(!publication.shows(code, "no_such_figure", period("2014-H1")));
    assert!(!publication.shows(code, "births", period("2014-Q1")));
    // Another smallest count changes what is small: there were 7.
    let lower = Publication::of(&ledger.0, 5);
    assert!(lower.shows(code, "births", period("2014-Q1")));
}

#[test]
fn the_parts_are_those_of_the_reports() {
    let ledger = ledger(4);
    let shelf = Shelf::of(&ledger, 10);
    for ((code, period), sheet) in &shelf.full {
        for id in FIGURES {
            let of_villages: i128 = VILLAGES
                .into_iter()
                .filter(|village| code.as_str().ends_with("000") || *code == office(village))
                .map(|village| value(&shelf.full[&(office(village), *period)], id).unwrap())
                .sum();
            assert_eq!(value(sheet, id), Some(of_villages), "{code} {period} {id}");
        }
    }
}

#[test]
fn months_and_plan_for_the_public_hold_nothing_small() {
    let ledger = ledger(1);
    let publication = Publication::of(&ledger.0, 10);
    let small = |value: i128| (1..10).contains(&value);
    let mut withheld = 0;
    for code in OFFICES.map(office) {
        for when in ["2014", "2014-H1", "2014-06"].map(period) {
            let full = MonthlyReport::build(&ledger.0, code, when).unwrap();
            let public = PublicMonths::of(&full, &publication);
            let months = full.months.iter().chain([&full.total]);
            for (month, public) in months.zip(public.months.iter().chain([&public.total])) {
                for (id, value) in &public.figures {
                    let truth = month.figures.get(Counted::of_id(id).unwrap());
                    assert!(
                        value.is_none_or(|value| value == truth && !small(value)),
                        "{id}"
                    );
                    assert_eq!(public.withheld.contains(id), value.is_none());
                    assert_eq!(
                        value.is_some(),
                        publication.shows(code, id, month.period),
                        "{id}"
                    );
                }
                withheld += public.withheld.len();
            }
            let targets = Targets::default();
            let plan = TargetsReport::build(&ledger.0, code, when, &targets, Some(&publication));
            let plan = plan.unwrap();
            for count in plan
                .without_target
                .iter()
                .filter(|one| one.unit == Unit::Count)
            {
                let value = count.value.as_ref().map(|value| value.parse().unwrap());
                assert!(value.is_none_or(|value| !small(value)), "{count:?}");
            }
            assert!(plan.targets.iter().all(|one| one.gap.is_none()));
            let mut cells = plan.offices.iter().flat_map(|row| &row.cells);
            assert!(cells.all(|cell| cell.gap.is_none() && cell.quoted.is_none()));
            for language in Language::ALL {
                assert!(!public.workbook(language).unwrap().is_empty());
                let page = public.render(Format::Html, language).unwrap();
                assert!(!page.contains("note-") && !page.contains("column-"));
                let page = plan.render(Format::Text, language).unwrap();
                assert!(!page.contains("note-") && !page.contains("column-"));
            }
        }
    }
    assert!(withheld > 100, "{withheld}");
}
