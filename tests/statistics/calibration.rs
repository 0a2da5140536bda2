//! Where the null is true, at its edge, P(p <= a) is at most a.
//!
//! Discrete tests are calibrated without chance: every outcome is listed and weighed. The others
//! are simulated from fixed seeds. The mid-p may be below a too often for one sample size, but on
//! average over sample sizes by a quarter at most.

use vitaledger::statistics::binomial::{binomial_exposure, binomial_lower, sex_ratio};
use vitaledger::statistics::conditional::{Series, against_others};
use vitaledger::statistics::dispersion::{compare_units, dispersion, sex_ratio_closeness};
use vitaledger::statistics::drift::{Given, drift};
use vitaledger::statistics::heaping::{digit_preference, last_digits};
use vitaledger::statistics::hypergeometric::Table;
use vitaledger::statistics::runs::{repeated_figure, zero_run};
use vitaledger::statistics::{PValue, mass, share_of_ratio};

use crate::chance::Chance;

const LEVELS: [f64; 3] = [0.05, 0.01, 0.001];

/// Weighs the outcomes of samples of several sizes: the exact p must hold at each size, the mid-p
/// on average.
fn hold(sizes: &[u64], outcomes: impl Fn(u64) -> Vec<(f64, PValue)>) {
    for level in LEVELS {
        let mut average = 0.0;
        for size in sizes {
            let outcomes = outcomes(*size);
            let total: f64 = outcomes.iter().map(|(mass, _)| mass).sum();
            assert!((total - 1.0).abs() < 1e-10, "{size}: {total}");
            let below = |of: fn(&PValue) -> f64| -> f64 {
                let below = outcomes.iter().filter(|(_, p)| of(p) <= level);
                below.map(|(mass, _)| mass).sum()
            };
            let exact = below(|p| p.exact);
            assert!(exact <= level * (1.0 + 1e-9), "{size} at {level}: {exact}");
            average += below(|p| p.mid);
        }
        average /= f64::from(u32::try_from(sizes.len()).unwrap());
        assert!(average <= 1.25 * level, "mid-p at {level}: {average}");
    }
}

fn binomial_outcomes(n: u64, p: f64, test: impl Fn(u64) -> PValue) -> Vec<(f64, PValue)> {
    (0..=n)
        .map(|k| (mass::binomial(k, n, p), test(k)))
        .collect()
}

#[test]
fn sex_ratio_at_both_edges() {
    let sizes: Vec<u64> = (100..=400).step_by(7).chain([1_000, 3_000]).collect();
    for ratio in [103.0, 105.0, 107.0] {
        hold(&sizes, |n| {
            binomial_outcomes(n, share_of_ratio(ratio), |k| {
                sex_ratio(k, n - k, 103.0, 107.0)
            })
        });
    }
}

#[test]
fn shares_of_an_exposure() {
    let sizes: Vec<u64> = (50..=500).step_by(9).chain([2_000]).collect();
    for (exposure, edge) in [(24.0 / 365.25, 1.25), (0.25, 1.0), (0.2, 1.1), (0.6, 1.0)] {
        hold(&sizes, |n| {
            binomial_outcomes(n, exposure * edge, |k| {
                binomial_exposure(k, n, exposure, edge)
            })
        });
        // Inside the null the test only gets more careful.
        hold(&sizes, |n| {
            binomial_outcomes(n, exposure * 0.9, |k| {
                binomial_exposure(k, n, exposure, edge)
            })
        });
    }
    hold(&sizes, |n| {
        binomial_outcomes(n, 0.95, |k| binomial_lower(k, n, 0.95))
    });
}

#[test]
fn fisher_given_the_margins() {
    let sizes: Vec<u64> = (20..=200).step_by(6).collect();
    hold(&sizes, |late| {
        let (girls, boys) = (970, 1_030);
        (0..=late)
            .map(|k| {
                let table = Table {
                    with: k,
                    without: girls - k,
                    other_with: late - k,
                    other_without: boys - (late - k),
                };
                let mass = mass::hypergeometric(k, late, girls + boys - late, girls);
                (mass, table.more_frequent())
            })
            .collect()
    });
}

/// Counts how often p falls to each level in so many trials; at most the level plus three
/// standard errors, times `room`.
fn simulate(what: &str, trials: u32, room: f64, mut p: impl FnMut() -> f64) -> [f64; 3] {
    let mut below = [0_u32; 3];
    for _ in 0..trials {
        let p = p();
        for (count, level) in below.iter_mut().zip(LEVELS) {
            *count += u32::from(p <= level);
        }
    }
    let share = below.map(|count| f64::from(count) / f64::from(trials));
    println!("{what}: {share:?}");
    for (share, level) in share.into_iter().zip(LEVELS) {
        let error = (level * (1.0 - level) / f64::from(trials)).sqrt();
        let most = room * level + 3.0 * error;
        assert!(share <= most, "{what}: {share} at {level}, at most {most}");
    }
    share
}

#[test]
fn one_count_against_poisson_and_scattering_others() {
    let mut chance = Chance::new(1);
    for (mean, periods) in [(2.0, 12), (20.0, 12), (8.0, 36)] {
        simulate("CT1 Poisson", 4_000, 1.0, || {
            let counts: Vec<u64> = (0..periods).map(|_| chance.poisson(mean)).collect();
            let all = vec![1.0; counts.len()];
            against_others(&counts, &all, 0).unwrap().p.exact
        });
    }
    // The same month of five years; each month has a mean of its own.
    for size in [3, 12] {
        simulate("CT1 seasons", 4_000, 1.5, || {
            let draw = |month: u32| chance.negative_binomial(f64::from(6 + month % 12 * 3), size);
            let counts: Vec<u64> = (0..60).map(draw).collect();
            let phases: Vec<u64> = (0..60).map(|month| month % 12).collect();
            let series = Series::of(&counts, &[1.0; 60], &phases);
            let found = series.and_then(|series| series.compare(7));
            found.unwrap().p.exact
        });
    }
    // Scatter is estimated, so a test that uses it holds its level about, not exactly.
    for (mean, size, periods) in [(20.0, 20, 12), (12.0, 4, 24), (12.0, 6, 36)] {
        simulate("CT1 scattering", 4_000, 1.5, || {
            let draw = |_| chance.negative_binomial(mean, size);
            let counts: Vec<u64> = (0..periods).map(draw).collect();
            let all = vec![1.0; counts.len()];
            against_others(&counts, &all, 0).unwrap().p.exact
        });
    }
}

#[test]
fn runs_with_a_mean_from_outside() {
    let mut chance = Chance::new(2);
    for (mean, periods) in [(1.5, 12), (1.5, 36), (4.0, 24), (4.0, 60)] {
        simulate("CT2", 4_000, 1.0, || {
            let counts: Vec<u64> = (0..periods).map(|_| chance.poisson(mean)).collect();
            let found = repeated_figure(&counts).unwrap();
            if found.run.length < 4 { 1.0 } else { found.p }
        });
        simulate("CT3", 4_000, 1.0, || {
            let counts: Vec<u64> = (0..periods).map(|_| chance.poisson(mean)).collect();
            let usable =
                zero_run(&counts).filter(|found| found.run.length >= 2 && found.mean >= 1.5);
            usable.map_or(1.0, |found| found.p)
        });
    }
}

#[test]
fn evenness() {
    let mut chance = Chance::new(3);
    for (mean, periods) in [(1.0, 12), (3.0, 36), (15.0, 24)] {
        simulate("CT4", 4_000, 1.0, || {
            let counts: Vec<u64> = (0..periods).map(|_| chance.poisson(mean)).collect();
            let usable = dispersion(&counts).filter(|_| counts.iter().sum::<u64>() >= periods);
            usable.map_or(1.0, |found| found.lower)
        });
    }
    simulate("SR1 closeness", 2_000, 1.0, || {
        let units: Vec<(u64, u64)> = (0..12)
            .map(|_| {
                let boys = (0..120)
                    .filter(|_| chance.uniform() < share_of_ratio(105.5))
                    .count() as u64;
                (boys, 120 - boys)
            })
            .collect();
        sex_ratio_closeness(&units, 105.5).unwrap().lower
    });
}

#[test]
fn last_digits_of_any_figures() {
    let mut chance = Chance::new(4);
    simulate("HP4", 4_000, 1.1, || {
        let figures = (0..100).map(|_| u64::from(chance.below(1_000)));
        digit_preference(last_digits(figures)).1
    });
}

#[test]
fn units_that_are_alike_and_units_that_differ() {
    let mut chance = Chance::new(5);
    for units in [10, 30] {
        simulate("FN1 alike", 3_000, 1.0, || {
            let events: Vec<u64> = (0..units).map(|_| chance.poisson(20.0)).collect();
            let all = vec![1.0; events.len()];
            compare_units(&events, &all, 0.1).unwrap()[0].p.exact
        });
        // Skew of the true rates is left, which no z-score knows of.
        simulate("FN1 differing", 3_000, 2.0, || {
            let draw = |_| chance.negative_binomial(20.0, 12);
            let events: Vec<u64> = (0..units).map(draw).collect();
            let all = vec![1.0; events.len()];
            compare_units(&events, &all, 0.1).unwrap()[0].p.exact
        });
    }
}

#[test]
fn drift_of_a_steady_series() {
    let mut chance = Chance::new(6);
    let mut seed = 0;
    for given in [Given::Total, Given::Phases(12)] {
        let share = simulate("SQ1", 300, 1.0, || {
            let counts: Vec<u64> = (0..36).map(|_| chance.poisson(2.0)).collect();
            seed += 1;
            drift(&counts, given, seed).unwrap().p
        });
        // It is a p-value of a simulation: uniform but for ties, not merely careful.
        assert!(share[0] > 0.01, "{share:?}");
    }
}
