//! Rules about shares: of sexes, of days, of weights, of late reports.

use vitaledger::model::schema::RecordKind;

use crate::offices::Land;
use crate::{DAY, Rule, Table, births, events, land, registrations, village};

/// 1 January 2011, a year on which every date is known.
const NEW_YEAR: i64 = 14_975;

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap()
}

/// Days of a year, evenly.
fn spread(n: usize) -> Vec<i64> {
    (0..n).map(|i| NEW_YEAR + number(i * 7 % 365)).collect()
}

fn sexes(boys: usize, girls: usize) -> Table {
    let sexes = [vec!["M"; boys], vec!["F"; girls]].concat();
    births(&spread(boys + girls)).text("sex", sexes)
}

#[tokio::test]
async fn sr1_boys_and_girls_are_born() {
    let rule = Rule("SR1");
    rule.signals(vec![sexes(210, 90)]).await;
    rule.signals(vec![sexes(90, 210)]).await;
    rule.silent(vec![sexes(160, 140)]).await;
    rule.insufficient(vec![sexes(45, 15)]).await;
}

#[tokio::test]
async fn sr1_closeness_is_not_exact() {
    let rule = Rule("SR1-closeness");
    let ratios = |land: &Land, boys: &dyn Fn(usize) -> usize| {
        let mut offices = Vec::new();
        let mut sexes = Vec::new();
        for (at, village) in land.villages.iter().enumerate() {
            offices.extend(vec![*village; 205]);
            sexes.extend([vec!["M"; boys(at)], vec!["F"; 205 - boys(at)]].concat());
        }
        let days = spread(offices.len());
        vec![Table::events(RecordKind::Birth, offices, days).text("sex", sexes)]
    };
    let many = Land::of(1, 4, 5);
    let exact = rule.run_in(&many, ratios(&many, &|_| 105)).await;
    assert_eq!(exact.findings.len(), 1, "{:?}", exact.others);
    let scattered = rule
        .run_in(&many, ratios(&many, &|at| 91 + at * 7 % 29))
        .await;
    assert!(scattered.findings.is_empty());
    rule.insufficient(ratios(&land(), &|_| 105)).await;
}

/// So many girls and boys, the first of each reported late.
fn late(girls: (usize, usize), boys: (usize, usize)) -> Vec<Table> {
    let days = spread(girls.0 + boys.0);
    let is_late = [
        vec![1; girls.1],
        vec![0; girls.0 - girls.1],
        vec![1; boys.1],
        vec![0; boys.0 - boys.1],
    ]
    .concat();
    let reported = days
        .iter()
        .zip(is_late)
        .map(|(day, late)| day + 3 + 60 * late);
    let sexes = [vec!["F"; girls.0], vec!["M"; boys.0]].concat();
    let reported = reported.collect();
    vec![births(&days).reported(reported).text("sex", sexes)]
}

#[tokio::test]
async fn sr2_girls_are_reported_as_soon_as_boys() {
    let rule = Rule("SR2");
    rule.signals(late((100, 40), (100, 5))).await;
    rule.silent(late((100, 14), (100, 12))).await;
    // More boys than girls late is another question.
    rule.silent(late((100, 5), (100, 40))).await;
    rule.insufficient(late((100, 10), (100, 2))).await;
}

#[tokio::test]
async fn tm2_late_share_is_that_of_the_others() {
    let rule = Rule("TM2-late-share");
    let with = |own: i64, count: usize| {
        let villages = land().villages;
        let offices: Vec<i64> = villages
            .iter()
            .flat_map(|village| vec![*village; count])
            .collect();
        let days = spread(offices.len());
        let reported = days.iter().enumerate().map(|(at, day)| {
            let of_first = at < count;
            let one_in = if of_first { own } else { 12 };
            day + if number(at) % one_in == 0 { 60 } else { 3 }
        });
        let reported = reported.collect();
        vec![Table::events(RecordKind::Birth, offices, days).reported(reported)]
    };
    rule.signals(with(2, 100)).await;
    rule.silent(with(12, 100)).await;
    rule.insufficient(with(2, 5)).await;
}

/// Births reported on the 31 January, and on other days.
fn reported(bunched: usize, others: usize) -> Vec<Table> {
    let days = spread(bunched + others);
    let told = [
        vec![NEW_YEAR + 30; bunched],
        (0..others)
            .map(|i| NEW_YEAR + number(i * 11 % 28))
            .collect(),
    ]
    .concat();
    vec![births(&days).reported(told)]
}

#[tokio::test]
async fn bn1_reports_come_when_births_do() {
    let rule = Rule("BN1");
    rule.signals(reported(60, 40)).await;
    rule.silent(reported(6, 94)).await;
    rule.insufficient(reported(20, 10)).await;
}

/// Births in the days before a new year and after, and some at both ends of the data.
fn turn(before: usize, after: usize) -> Vec<Table> {
    let near = |n: usize, from: i64| (0..n).map(|i| from + number(i % 5)).collect::<Vec<_>>();
    let ends = vec![NEW_YEAR - 90, NEW_YEAR + 90];
    vec![births(
        &[near(before, NEW_YEAR - 5), near(after, NEW_YEAR), ends].concat(),
    )]
}

#[tokio::test]
async fn bn2_years_end_without_births_of_their_own() {
    let rule = Rule("BN2");
    rule.signals(turn(55, 5)).await;
    rule.signals(turn(5, 55)).await;
    rule.silent(turn(32, 28)).await;
    rule.insufficient(turn(12, 2)).await;
}

#[tokio::test]
async fn hp1_days_are_all_alike() {
    let rule = Rule("HP1");
    let first = |n: usize| vec![NEW_YEAR; n];
    rule.signals(vec![births(&[first(70), spread(80)].concat())])
        .await;
    rule.silent(vec![births(&spread(200))]).await;
    rule.insufficient(vec![births(&first(30))]).await;
    let deaths = [first(70), spread(80)].concat();
    rule.signals(vec![registrations(&["death"; 150], &deaths)])
        .await;
    // When somebody married is chosen.
    rule.silent(vec![registrations(&["marriage"; 150], &deaths)])
        .await;
}

#[tokio::test]
async fn hp2_weight_is_weighed() {
    let rule = Rule("HP2-weight");
    let weights = |round: usize, others: usize| {
        let grams = [
            vec![3_000; round],
            (0..others).map(|i| 2_810 + number(i) * 10).collect(),
        ]
        .concat();
        vec![births(&spread(round + others)).whole("weight_g", grams)]
    };
    rule.signals(weights(60, 40)).await;
    rule.silent(weights(15, 85)).await;
    rule.insufficient(weights(30, 5)).await;
    rule.silent(vec![births(&spread(100))]).await;
}

#[tokio::test]
async fn hp2_gestation_does_not_end_before_28_weeks() {
    let rule = Rule("HP2-gestation");
    let losses = |short: usize, long: usize| {
        let days = [vec![27 * 7; short], vec![30 * 7; long]].concat();
        vec![events(RecordKind::PregnancyLoss, &spread(short + long)).whole("gestation_days", days)]
    };
    rule.signals(losses(48, 2)).await;
    rule.silent(losses(30, 20)).await;
    rule.insufficient(losses(10, 1)).await;
}

/// Residents of the first village who were of these ages on the day of the list.
fn aged(ages: &[i64]) -> Table {
    let born = ages
        .iter()
        .map(|age| DAY - 100 - age * 36_525 / 100)
        .collect();
    registrations(&vec!["resident"; ages.len()], &vec![DAY; ages.len()]).whole("born_day", born)
}

#[tokio::test]
async fn hp3_ages_are_not_rounded() {
    let rule = Rule("HP3-ages");
    let round: Vec<i64> = (0..600).map(|i| 25 + 5 * (i % 8)).collect();
    let plain: Vec<i64> = (0..600).map(|i| 23 + i % 40).collect();
    rule.signals(vec![aged(&round)]).await;
    rule.silent(vec![aged(&plain)]).await;
    rule.insufficient(vec![aged(&round[..100])]).await;
    // A birth date that a number confirms is no memory.
    rule.silent(vec![aged(&round).text("number", vec!["ok"; 600])])
        .await;
}

#[tokio::test]
async fn hp3_zodiac_years_are_years() {
    let rule = Rule("HP3-zodiac");
    let dragon: Vec<i64> = (0..900)
        .map(|i| {
            if i % 2 == 0 {
                22 + 12 * (i % 4)
            } else {
                20 + i % 50
            }
        })
        .collect();
    let plain: Vec<i64> = (0..900).map(|i| 20 + i % 50).collect();
    let run = rule.run(vec![aged(&dragon)]).await;
    assert!(!run.findings.is_empty());
    rule.silent(vec![aged(&plain)]).await;
    rule.insufficient(vec![aged(&plain[..150])]).await;
}

#[tokio::test]
async fn ct5_no_one_aims_at_a_target() {
    let rule = Rule("CT5");
    let many = Land::of(1, 4, 5);
    // 15 births of 1,000 are the target of each year.
    let years = |births_of: &dyn Fn(usize) -> u64, villages: usize| {
        let villages = &many.villages[..villages];
        let series: Vec<crate::offices::Series> = villages
            .iter()
            .enumerate()
            .map(|(at, village)| {
                let all = births_of(at);
                let counts = (0..12)
                    .map(|month| all / 12 + u64::from(month < all % 12))
                    .collect();
                crate::offices::Series {
                    office: *village,
                    indicator: "births",
                    counts,
                }
            })
            .collect();
        let people: Vec<i64> = villages
            .iter()
            .flat_map(|village| vec![*village; 4_000])
            .collect();
        let rows = people.len();
        let list = Table::events(RecordKind::Registration, people, vec![DAY; rows]);
        vec![
            Table::returns(&series),
            list.text("kind", vec!["resident"; rows]),
        ]
    };
    let hugging = rule.run_in(&many, years(&|_| 59, 20)).await;
    assert_eq!(hugging.findings.len(), 1, "{:?}", hugging.others);
    let alike = rule
        .run_in(&many, years(&|at| if at % 2 == 0 { 59 } else { 61 }, 20))
        .await;
    assert!(alike.findings.is_empty());
    let few = rule.run_in(&many, years(&|_| 59, 5)).await;
    assert!(
        few.findings.is_empty() && few.rules[0].insufficient > 0,
        "{:?}",
        few.rules
    );
}

#[tokio::test]
async fn fn1_offices_of_one_size_have_events_alike() {
    let rule = Rule("FN1");
    let many = Land::of(1, 3, 5);
    let with = |land: &Land, own: usize| {
        let (mut people, mut born) = (Vec::new(), Vec::new());
        for (at, village) in land.villages.iter().enumerate() {
            people.extend(vec![*village; 1_000]);
            born.extend(vec![*village; if at == 0 { own } else { 28 + at * 3 % 5 }]);
        }
        let days = spread(born.len());
        let rows = people.len();
        let list = Table::events(RecordKind::Registration, people, vec![DAY; rows]);
        vec![
            Table::events(RecordKind::Birth, born, days),
            list.text("kind", vec!["resident"; rows]),
        ]
    };
    let run = rule.run_in(&many, with(&many, 120)).await;
    let offices: Vec<String> = run
        .findings
        .iter()
        .map(|one| one.office.to_string())
        .collect();
    assert_eq!(offices, [village().to_string()], "{:?}", run.others);
    let run = rule.run_in(&many, with(&many, 31)).await;
    assert!(run.findings.is_empty());
    rule.insufficient(with(&land(), 120)).await;
}
