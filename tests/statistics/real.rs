//! The rules of the audit over real births, which nobody invented and nobody heaped.
//!
//! What comes in: births of the United States, as `tests/interop/births.py` writes them; they are
//! cut at random into offices of all sizes. What must come out: flags as often as a rule's level
//! allows, and no signal of a run. Without the data the test fails and says how to get it.

use std::collections::BTreeMap;
use std::fs;

use vitaledger::audit::catalogue::Catalogue;
use vitaledger::audit::run::Examination;
use vitaledger::model::schema::RecordKind;
use vitaledger::statistics::binomial_at_least;

use crate::chance::Chance;
use crate::foreign::installed;
use crate::nulls::residents;
use crate::offices::{Land, Table};

/// What the exact p of a signal is below.
const LEVEL: f64 = 0.001;
/// The years 1981 to 1984, as days since 1970.
const WINDOW: std::ops::Range<i64> = 4_018..5_479;

fn data(file: &str) -> String {
    fs::read_to_string(installed("births").join("data").join(file)).unwrap()
}

/// Gives every item an office; sizes of offices are 10 to a power between the two.
fn cut(chance: &mut Chance, land: &Land, items: usize, powers: (f64, f64)) -> Vec<i64> {
    let mut weights = Vec::new();
    let mut sum = 0.0;
    for _ in &land.villages {
        sum += 10_f64.powf((powers.1 - powers.0).mul_add(chance.uniform(), powers.0));
        weights.push(sum);
    }
    let office = |_| {
        let drawn = sum * chance.uniform();
        let place = weights.partition_point(|bound| *bound <= drawn);
        land.villages[place.min(land.villages.len() - 1)]
    };
    (0..items).map(office).collect()
}

/// Says how often each rule flags, and stops where that is more often than its level.
async fn keep_level(examination: &Examination, catalogue: &mut Catalogue, rules: &[&str]) {
    for name in rules {
        let rows = examination.rows(&catalogue.rules[*name]).await.unwrap();
        let tests: Vec<_> = rows.iter().filter_map(|row| row.test).collect();
        let below = |level: f64| tests.iter().filter(|test| test.p.exact <= level).count();
        let flags = tests
            .iter()
            .filter(|test| test.passes && test.p.exact < LEVEL)
            .count();
        let (all, at) = (tests.len(), [0.05, 0.01, LEVEL].map(below));
        println!("{name}: {all} tests, at 0.05, 0.01, 0.001: {at:?}, flags {flags}");
        assert!(all > 0, "{name} tested nothing");
        let chance = binomial_at_least(flags as u64, all as u64, LEVEL);
        assert!(chance > 0.001, "{name}: {flags} flags of {all}");
    }
    catalogue
        .rules
        .retain(|name, _| rules.contains(&name.as_str()));
    let run = examination.run(catalogue).await;
    let signals: Vec<&str> = run.findings.iter().map(|one| one.rule.as_str()).collect();
    assert!(signals.len() <= 1, "{signals:?}");
}

#[tokio::test]
async fn sexes_of_half_a_million_births_are_no_signal() {
    let text = data("sexes.txt");
    let sexes: Vec<&str> = text.split_terminator("").skip(1).collect();
    assert!(sexes.len() > 500_000, "{}", sexes.len());
    let (land, mut chance) = (Land::of(40, 10, 10), Chance::new(1));
    let offices = cut(&mut chance, &land, sexes.len(), (1.0, 2.9));
    let days = vec![4_000; sexes.len()];
    let births = Table::events(RecordKind::Birth, offices, days).text("sex", sexes);
    let mut catalogue = Catalogue::built_in();
    let examination = land.examine(vec![births], &catalogue).await.unwrap();
    keep_level(&examination, &mut catalogue, &["SR1", "SR1-closeness"]).await;
}

/// Four years of births by state and day, in which births neither rose nor fell for long; every
/// office has a part of one state's.
#[tokio::test]
async fn days_of_births_are_no_signal() {
    let mut states: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    for line in data("days.csv").lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let (day, births) = (fields[1].parse().unwrap(), fields[2].parse().unwrap());
        if WINDOW.contains(&day) {
            let state = states.entry(fields[0].to_owned()).or_default();
            state.push((day, births));
        }
    }
    let states: Vec<_> = states.into_values().collect();
    assert!(states.len() > 50, "{}", states.len());
    let (land, mut chance) = (Land::of(1, 4, 8), Chance::new(2));
    let (mut offices, mut days) = (Vec::new(), Vec::new());
    for (place, office) in land.villages.iter().enumerate() {
        let state = &states[place % states.len()];
        let all: f64 = state.iter().map(|(_, births)| births).sum();
        // From less than one to 80 a month.
        let part = 10_f64.powf(2.1_f64.mul_add(chance.uniform(), 1.5)) / all;
        for (day, births) in state {
            let here = chance.poisson(births * part);
            offices.extend((0..here).map(|_| *office));
            days.extend((0..here).map(|_| *day));
        }
    }
    println!("{} births", days.len());
    let births = Table::events(RecordKind::Birth, offices, days);
    let mut catalogue = Catalogue::built_in();
    let examination = land.examine(vec![births], &catalogue).await.unwrap();
    let rules = ["HP1", "BN2", "CT1", "CT2", "CT3", "CT4", "SQ1"];
    keep_level(&examination, &mut catalogue, &rules).await;
}

#[tokio::test]
async fn ages_of_runners_are_no_signal() {
    let text = data("ages.txt");
    let ages: Vec<f64> = text
        .lines()
        .map(|age| age.parse::<f64>().unwrap() + 0.5)
        .collect();
    assert!(ages.len() > 8_000, "{}", ages.len());
    let (land, mut chance) = (Land::of(1, 2, 5), Chance::new(3));
    let offices = cut(&mut chance, &land, ages.len(), (2.5, 3.2));
    let mut catalogue = Catalogue::built_in();
    let tables = vec![residents(offices, &ages)];
    let examination = land.examine(tables, &catalogue).await.unwrap();
    keep_level(&examination, &mut catalogue, &["HP3-ages", "HP3-zodiac"]).await;
}
