//! Numbers that stand in print, and the limits of the scale.

use vitaledger::statistics::binomial::{
    binomial_at_most, binomial_doubled, binomial_doubled_interval, binomial_exposure,
    binomial_lower, binomial_upper, sex_ratio,
};
use vitaledger::statistics::capture::{LotPlan, accuracy_limits, chapman};
use vitaledger::statistics::conditional::{against_others, conditional};
use vitaledger::statistics::dispersion::{compare_units, dispersion, sex_ratio_closeness};
use vitaledger::statistics::drift::{Given, drift};
use vitaledger::statistics::heaping::{Heap, digit_preference, last_digits, whipple, zodiac};
use vitaledger::statistics::hypergeometric::Table;
use vitaledger::statistics::intervals::{poisson_interval_at, wilson};
use vitaledger::statistics::power::{mean_shown_below, sex_ratio_shown, share_shown_above};
use vitaledger::statistics::runs::{repeated_figure, run_of_any, run_of_one, zero_run};
use vitaledger::statistics::{
    Interval, PValue, binomial_doubled_tail, binomial_interval_null, binomial_two_sided,
    clopper_pearson, mass, poisson_interval, sex_ratio_interval, share_of_ratio,
};

fn close(actual: f64, published: f64, tolerance: f64) {
    assert!(
        (actual - published).abs() <= tolerance,
        "{actual} against {published}"
    );
}

/// Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, methods 5 and 3.
#[test]
fn shares_as_published() {
    for (successes, trials, low, high) in [
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ] {
        let interval = clopper_pearson(successes, trials);
        close(interval.low, low, 5e-5);
        close(interval.high, high, 5e-5);
    }
    for (successes, trials, low, high) in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ] {
        let interval = wilson(successes, trials, 0.95);
        close(interval.low, low, 5e-5);
        close(interval.high, high, 5e-5);
    }
}

/// Conover (1971) 97f., the example of R's `binom.test`: 682 of 925 against 3/4.
#[test]
fn binomial_test_as_published() {
    close(binomial_two_sided(682, 925, 0.75), 0.3825, 5e-5);
    let interval = clopper_pearson(682, 925);
    close(interval.low, 0.707_668_3, 5e-8);
    close(interval.high, 0.765_406_6, 5e-8);
}

/// Garwood's table to two decimals, as manuals of vital statistics reprint it.
#[test]
fn poisson_as_published() {
    for (count, low, high) in [
        (0, 0.0, 3.69),
        (1, 0.03, 5.57),
        (5, 1.62, 11.67),
        (10, 4.80, 18.39),
        (14, 7.65, 23.49),
        (100, 81.36, 121.63),
    ] {
        let interval = poisson_interval(count);
        close(interval.low, low, 5e-3);
        close(interval.high, high, 5e-3);
    }
}

/// Fisher's lady tasting tea: three of four right. And R's `fisher.test` on Fisher's twins:
/// 10 of 13 monozygotic against 2 of 17 dizygotic convicts' twins.
#[test]
fn fisher_as_published() {
    let table = |with, without, other_with, other_without| Table {
        with,
        without,
        other_with,
        other_without,
    };
    close(
        table(3, 1, 1, 3).more_frequent().exact,
        0.242_857_142_857,
        1e-12,
    );
    close(table(3, 1, 1, 3).two_sided(), 0.485_714_285_714, 1e-12);
    let twins = table(10, 3, 2, 15);
    close(twins.more_frequent().exact, 0.000_465_2, 5e-8);
    close(twins.two_sided(), 0.000_536_7, 5e-8);
    close(twins.ratio_of_shares().unwrap(), 6.538, 1e-3);
    for empty in [
        table(0, 0, 3, 4),
        table(0, 5, 0, 5),
        table(2, 0, 3, 0),
        table(0, 0, 0, 0),
    ] {
        assert_eq!(empty.more_frequent(), PValue::ONE);
        close(empty.two_sided(), 1.0, 0.0);
    }
}

/// What 100, 300 and 1,000 births show at p < 0.001 with power 0.8, and that 30 show nothing else
/// than nearly boys alone.
#[test]
fn what_a_number_of_births_shows() {
    for (births, ratio) in [(100, 260.0), (300, 174.0), (1_000, 140.0)] {
        close(
            sex_ratio_shown(births, 107.0, 0.001, 0.8).unwrap(),
            ratio,
            1.0,
        );
    }
    assert_eq!(share_shown_above(5, 0.5, 0.001, 0.8), None);
    assert_eq!(share_shown_above(0, 0.5, 0.001, 0.8), None);
    assert_eq!(mean_shown_below(6.0, 0.001, 0.8), None);
}

/// The lot plan of 52 records: 2% wrong is nearly always accepted, 10% rarely.
#[test]
fn lots_are_told_apart() {
    close(LotPlan::AUDIT.acceptance(0.02), 0.914, 5e-4);
    close(LotPlan::AUDIT.acceptance(0.10), 0.0997, 1e-2);
    assert!(LotPlan::AUDIT.accepts(2) && !LotPlan::AUDIT.accepts(3));
    // 1 wrong of 93 does show 95%, 3 of 93 do not.
    assert!(accuracy_limits(0, 59, 0.95).low > 0.95 - 1e-3);
    assert!(accuracy_limits(1, 93, 0.95).low > 0.949);
    assert!(accuracy_limits(3, 93, 0.95).low < 0.95);
    let nothing = accuracy_limits(0, 0, 0.95);
    assert!(nothing.low <= 0.0 && nothing.high >= 1.0);
    // More wrong than verified is all wrong.
    assert!(accuracy_limits(9, 5, 0.95).low <= 0.0);
}

#[test]
fn six_boys_and_eight_girls() {
    let (low, high) = (share_of_ratio(103.0), share_of_ratio(107.0));
    close(binomial_interval_null(6, 14, low, high), 0.60, 0.005);
    // Everywhere in the null, not at one edge only.
    for ratio in [103.0, 105.5, 107.0] {
        close(
            binomial_two_sided(6, 14, share_of_ratio(ratio)),
            0.60,
            0.005,
        );
    }
    close(binomial_doubled_tail(6, 14, low, high), 0.75, 0.005);
    close(sex_ratio(6, 8, 103.0, 107.0).exact, 0.75, 0.005);
    let interval = sex_ratio_interval(6, 8).unwrap();
    close(interval.low, 21.0, 0.5);
    close(interval.high, 246.0, 0.5);
}

/// Every outcome listed and added, against the halving and the outward sums.
#[test]
fn small_p_values_by_listing() {
    for trials in 1..=40_u64 {
        for successes in 0..=trials {
            for share in [0.05, 0.3, 0.5, share_of_ratio(103.0), 0.9] {
                let observed = mass::binomial(successes, trials, share) * (1.0 + 1e-7);
                let listed: f64 = (0..=trials)
                    .map(|k| mass::binomial(k, trials, share))
                    .filter(|mass| *mass <= observed)
                    .sum();
                close(
                    binomial_two_sided(successes, trials, share),
                    listed.min(1.0),
                    1e-12,
                );
            }
        }
    }
}

#[test]
fn an_interval_null_is_the_largest_over_its_points() {
    let (low, high) = (share_of_ratio(103.0), share_of_ratio(107.0));
    for (boys, births) in [(6, 14), (30, 100), (140, 240), (1_700, 3_000), (5, 5)] {
        let largest = binomial_interval_null(boys, births, low, high);
        let doubled = binomial_doubled_interval(boys, births, low, high).exact;
        for step in 0..=2000 {
            let share = low + (high - low) * f64::from(step) / 2000.0;
            assert!(binomial_two_sided(boys, births, share) <= largest + 1e-12);
            assert!(binomial_doubled(boys, births, share).exact <= doubled + 1e-12);
        }
    }
    assert!(binomial_interval_null(51, 100, low, high) >= 1.0);
    assert_eq!(binomial_doubled_interval(51, 100, low, high), PValue::ONE);
}

#[test]
fn the_ends_of_the_scale() {
    let boys_only = sex_ratio_interval(3, 0).unwrap();
    assert!(boys_only.high.is_infinite() && boys_only.low > 0.0);
    let girls_only = sex_ratio_interval(0, 3).unwrap();
    close(girls_only.low, 0.0, 1e-12);
    assert_eq!(sex_ratio_interval(0, 0), None);
    // A province: still finite, still ordered.
    let many = sex_ratio_interval(515_000, 485_000).unwrap();
    assert!(many.low < 106.2 && 106.2 < many.high && many.high - many.low < 1.0);
    let count = poisson_interval(1_000_000);
    close(count.low, 998_041.0, 2.0);
    close(count.high, 1_001_962.0, 2.0);
    assert_eq!(
        clopper_pearson(0, 0),
        Interval {
            low: 0.0,
            high: 1.0
        }
    );
}

#[test]
fn counts_that_allow_no_statement_make_none() {
    for p in [
        binomial_lower(0, 0, 0.5),
        binomial_upper(0, 0, 0.5),
        binomial_upper(7, 5, 0.5),
        binomial_doubled(0, 0, 0.5),
        binomial_exposure(0, 0, 0.1, 1.25),
        binomial_exposure(9, 9, 0.9, 1.25),
        binomial_exposure(9, 9, f64::NAN, 1.25),
        sex_ratio(0, 0, 103.0, 107.0),
        sex_ratio(u64::MAX, 1, 103.0, 107.0),
        conditional(0, 0, 0.1, 0.0, 1.0),
        conditional(3, 2, 0.1, 0.0, 1.0),
        Heap::default().test(0.2, 1.1),
    ] {
        assert_eq!(p, PValue::ONE);
    }
    close(binomial_two_sided(0, 0, 0.5), 1.0, 0.0);
    assert_eq!(dispersion(&[]), None);
    assert_eq!(dispersion(&[3]), None);
    assert_eq!(dispersion(&[0, 0, 0]), None);
    assert_eq!(sex_ratio_closeness(&[(0, 0)], 105.5), None);
    assert_eq!(against_others(&[1, 2], &[1.0, 1.0], 0), None);
    assert_eq!(against_others(&[1, 2, 3], &[1.0, 0.0, 1.0], 0), None);
    assert_eq!(against_others(&[1, 2, 3], &[1.0; 3], 3), None);
    assert_eq!(
        against_others(&[0, 0, 0], &[1.0; 3], 1).unwrap().p,
        PValue::ONE
    );
    assert_eq!(compare_units(&[1, 2, 3], &[1.0; 3], 0.1), None);
    assert_eq!(compare_units(&[0; 9], &[1.0; 9], 0.1), None);
    assert_eq!(compare_units(&[1; 9], &[f64::NAN; 9], 0.1), None);
    assert_eq!(drift(&[], Given::Total, 1), None);
    assert_eq!(drift(&[5], Given::Total, 1), None);
    assert_eq!(drift(&[0; 24], Given::Total, 1), None);
    assert_eq!(drift(&[5; 12], Given::Phases(12), 1), None);
    assert_eq!(drift(&[5; 12], Given::Phases(0), 1), None);
    assert_eq!(repeated_figure(&[]), None);
    assert_eq!(zero_run(&[]), None);
    assert_eq!(zero_run(&[1, 2, 3]), None);
    assert_eq!(zero_run(&[0, 0, 0]), None);
    assert_eq!(digit_preference([0; 10]), (0.0, 1.0));
    assert_eq!(chapman(3, 5, 4, 0.95), None);
}

#[test]
fn impossible_and_certain_outcomes() {
    close(binomial_at_most(4, 9, 0.0), 1.0, 0.0);
    close(binomial_at_most(4, 9, 1.0), 0.0, 0.0);
    close(mass::binomial(0, 0, 0.3), 1.0, 0.0);
    close(mass::binomial(9, 9, 1.0), 1.0, 0.0);
    close(mass::binomial(0, 9, 0.0), 1.0, 0.0);
    close(mass::binomial(3, 9, 1.0), 0.0, 0.0);
    close(mass::binomial(10, 9, 0.4), 0.0, 0.0);
    close(mass::poisson(0, 0.0), 1.0, 0.0);
    close(mass::poisson(2, 0.0), 0.0, 0.0);
    close(mass::negative_binomial(0, 0.0, 2.0), 1.0, 0.0);
    close(mass::hypergeometric(1, 0, 5, 2), 0.0, 0.0);
    close(mass::hypergeometric(0, 0, 5, 2), 1.0, 1e-12);
    close(mass::hypergeometric(2, 2, 5, 7), 1.0, 0.0);
    close(run_of_one(5, 5, 1.0), 1.0, 0.0);
    close(run_of_one(5, 6, 1.0), 0.0, 0.0);
    close(run_of_one(5, 0, 0.0), 1.0, 0.0);
    close(run_of_one(5, 1, 0.0), 0.0, 0.0);
    close(run_of_any(12, 13, 4.0), 0.0, 0.0);
    close(run_of_any(12, 12, 0.0), 1.0, 0.0);
    close(run_of_any(12, 1, 9.0), 1.0, 0.0);
    let all = poisson_interval_at(3, 1.0);
    assert!(all.low < 1e-20 && all.high > 100.0);
}

/// Nothing panics and nothing hangs on counts as large as a nation's.
#[test]
fn ten_million_events() {
    let p = sex_ratio(5_200_000, 4_800_000, 103.0, 107.0);
    assert!(p.exact > 0.0 && p.exact < 1e-60 && p.mid < p.exact);
    let months = [833_000, 835_000, 830_000, 834_500, 832_000, 900_000];
    let month = against_others(&months, &[1.0; 6], 5).unwrap();
    assert!(month.p.exact < 1e-3 && month.dispersion > 1.0, "{month:?}");
    let twin = Table {
        with: 2_000_000,
        without: 3_000_000,
        other_with: 1_900_000,
        other_without: 3_100_000,
    };
    assert!(twin.two_sided() < 1e-100);
    assert!(run_of_any(24, 4, 400_000.0) < 1e-8);
    assert!(clopper_pearson(9_999_999, 10_000_000).high < 1.0);
}

#[test]
fn runs_are_found_where_they_are() {
    let repeated = repeated_figure(&[3, 5, 5, 5, 5, 2, 6, 6, 6, 6, 1]).unwrap();
    assert_eq!(
        (repeated.run.start, repeated.run.length, repeated.run.value),
        (1, 4, 5)
    );
    close(repeated.mean, 30.0 / 7.0, 1e-12);
    close(repeated.p, run_of_any(11, 4, 30.0 / 7.0), 0.0);
    let zeros = zero_run(&[0, 4, 3, 0, 0, 0, 2]).unwrap();
    assert_eq!((zeros.run.start, zeros.run.length), (3, 3));
    close(zeros.mean, 9.0 / 4.0, 1e-12);
    // Where every period has one value, that value is the mean.
    let all = repeated_figure(&[7; 12]).unwrap();
    close(all.mean, 7.0, 0.0);
    assert!(all.p < 1e-8);
    close(repeated_figure(&[7]).unwrap().p, 1.0, 0.0);
}

#[test]
fn heaps_are_counted() {
    // Ages 23 to 62 once each: a fifth ends in 0 or 5.
    assert_eq!(
        whipple(0..=90),
        Heap {
            favoured: 8,
            all: 40
        }
    );
    assert_eq!(whipple([22, 63, 65, 20]), Heap::default());
    close(whipple([25, 30, 33, 41]).ratio(0.2).unwrap(), 2.5, 1e-12);
    assert_eq!(Heap::default().ratio(0.2), None);
    assert_eq!(last_digits([10, 20, 35, 7]), [2, 0, 0, 0, 0, 1, 0, 1, 0, 0]);
    // 2000 and 2012 were years of the dragon; 2012 has no neighbour after it here.
    let births = [
        (1999, 10),
        (2000, 30),
        (2001, 11),
        (2010, 9),
        (2011, 12),
        (2012, 40),
    ];
    let dragon = zodiac(&births.into_iter().collect(), 8);
    assert_eq!(
        dragon,
        Heap {
            favoured: 30,
            all: 51
        }
    );
    // A year of the sign without births still counts, by its neighbours.
    let gap = [(1998, 5), (1999, 10), (2001, 11), (2002, 5)];
    assert_eq!(
        zodiac(&gap.into_iter().collect(), 8),
        Heap {
            favoured: 0,
            all: 21
        }
    );
    let edges = [(i32::MIN, 1), (2000, 3), (i32::MAX, 1)];
    assert_eq!(
        zodiac(&edges.into_iter().collect(), 8),
        Heap {
            favoured: 3,
            all: 3
        }
    );
}

#[test]
fn a_drift_is_told_from_a_season() {
    // Three years of one season: January to March low, summer high.
    let season = [20, 22, 25, 30, 40, 55, 60, 58, 45, 30, 25, 20];
    let years: Vec<u64> = season.iter().copied().cycle().take(36).collect();
    let plain = drift(&years, Given::Total, 3).unwrap();
    let seasonal = drift(&years, Given::Phases(12), 3).unwrap();
    assert!(
        plain.p < 0.001 && seasonal.p > 0.5,
        "{plain:?} {seasonal:?}"
    );
    // The last year a third higher than the two before.
    let mut rising = years.clone();
    for month in &mut rising[24..] {
        *month += *month / 3;
    }
    let found = drift(&rising, Given::Phases(12), 3).unwrap();
    assert!(
        found.p < 0.001 && found.at >= 24 && found.rising,
        "{found:?}"
    );
}
