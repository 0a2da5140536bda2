//! Tails behave as tails, for any counts.

use proptest::prelude::*;
use vitaledger::statistics::binomial::{
    binomial_at_least, binomial_at_most, binomial_doubled, binomial_lower, binomial_upper,
};
use vitaledger::statistics::conditional::{against_others, conditional};
use vitaledger::statistics::dispersion::compare_units;
use vitaledger::statistics::drift::{Given, drift};
use vitaledger::statistics::gamma::{
    chi_square_lower, chi_square_upper, normal_lower, normal_quantile, normal_upper,
};
use vitaledger::statistics::hypergeometric::Table;
use vitaledger::statistics::intervals::{
    clopper_pearson_at, poisson_interval_at, share_lower_limit, share_upper_limit, wilson,
};
use vitaledger::statistics::mass;
use vitaledger::statistics::negative_binomial::{
    negative_binomial_at_least, negative_binomial_at_most, student_two_sided,
};
use vitaledger::statistics::poisson::{
    poisson_at_least, poisson_at_most, poisson_lower, poisson_upper,
};
use vitaledger::statistics::power::{
    repeated_figure_shown, share_shown_above, share_shown_below, zero_run_shown,
};
use vitaledger::statistics::runs::{run_of_any, run_of_one, run_of_zeros};

/// Two sums of probabilities are one.
fn same(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-11 * one.abs().max(other.abs()) + 1e-14
}

/// A count, a number of trials at least as large, and a share; small and large ones.
fn trials() -> impl Strategy<Value = (u64, u64, f64)> {
    let n = prop_oneof![1_u64..60, 1_u64..3_000, 1_u64..10_000_000];
    (n, 0.0_f64..=1.0, 0.0_f64..=1.0).prop_map(|(n, part, p)| {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of at most 10^7"
        )]
        let k = (n as f64 * part).round() as u64;
        (k.min(n), n, p)
    })
}

proptest! {
    /// One period less would not be improbable enough.
    #[test]
    fn runs_that_are_shown_are_the_shortest(periods in 1_usize..60, mean in 0.1_f64..20.0) {
        let level = 0.001;
        let any = |length| run_of_any(periods, length, mean);
        let zeros = |length| run_of_zeros(periods, length, mean);
        match repeated_figure_shown(periods, mean, level) {
            Some(length) => prop_assert!(any(length) < level && any(length - 1) >= level),
            None => prop_assert!(any(periods) >= level),
        }
        match zero_run_shown(periods, mean, level) {
            Some(length) => prop_assert!(zeros(length) < level && zeros(length - 1) >= level),
            None => prop_assert!(zeros(periods) >= level),
        }
    }

    #[test]
    fn binomial_tails_sum_to_one((k, n, p) in trials()) {
        let (low, high) = (binomial_at_most(k, n, p), binomial_at_least(k + 1, n, p));
        prop_assert!(same(low + high, 1.0), "{low} {high}");
        prop_assert!(same(binomial_at_least(k, n, p), mass::binomial(k, n, p) + high));
        prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
        let (lower, upper) = (binomial_lower(k, n, p), binomial_upper(k, n, p));
        prop_assert!(same(lower.mid + upper.mid, 1.0));
        prop_assert!(lower.mid <= lower.exact && upper.mid <= upper.exact);
        let both = binomial_doubled(k, n, p);
        prop_assert!(both.mid <= both.exact && both.exact <= 1.0);
    }

    /// At powers of a half the mirror image is exact.
    #[test]
    fn binomial_tails_have_a_mirror_image((k, n, _) in trials(), power in 1_i32..6) {
        let p = 0.5_f64.powi(power);
        prop_assert!(same(binomial_at_most(k, n, p), binomial_at_least(n - k, n, 1.0 - p)));
        prop_assert!(same(mass::binomial(k, n, p), mass::binomial(n - k, n, 1.0 - p)));
    }

    #[test]
    fn binomial_tails_fall((k, n, p) in trials(), more in 0.0_f64..0.1) {
        let step = 1e-12;
        prop_assert!(binomial_at_least(k, n, p) + step >= binomial_at_least(k + 1, n, p));
        prop_assert!(binomial_at_most(k, n, p) + step >= binomial_at_most(k, n, (p + more).min(1.0)));
    }

    #[test]
    fn poisson_tails_sum_to_one(k in 0_u64..3_000, mean in prop_oneof![0.0_f64..20.0, 0.0_f64..3e3]) {
        let (low, high) = (poisson_at_most(k, mean), poisson_at_least(k + 1, mean));
        prop_assert!(same(low + high, 1.0), "{low} {high}");
        prop_assert!(same(poisson_lower(k, mean).mid + poisson_upper(k, mean).mid, 1.0));
        prop_assert!(low + 1e-13 >= poisson_at_most(k, mean * 1.01));
    }

    /// A chi-square with an even number of degrees of freedom is a Poisson tail.
    #[test]
    fn chi_square_and_poisson_are_one(half in 1_u64..2_000, x in 0.01_f64..4_000.0) {
        let (low, high) = (chi_square_lower(x, 2 * half), chi_square_upper(x, 2 * half));
        prop_assert!(same(low + high, 1.0));
        let poisson = poisson_at_most(half - 1, x / 2.0);
        let near = (high - poisson).abs() <= 2e-11 * poisson + 1e-300;
        prop_assert!(near, "{high:e} {poisson:e}");
        prop_assert!(chi_square_upper(x * 1.001, 2 * half + 1) + 1e-13 >= chi_square_upper(x * 1.001, 2 * half));
    }

    #[test]
    fn normal_tails_are_symmetric(z in -37.0_f64..37.0) {
        prop_assert!(same(normal_lower(z), normal_upper(-z)));
        prop_assert!(same(normal_lower(z) + normal_upper(z), 1.0));
        if z > 0.0 {
            prop_assert!((normal_quantile(normal_upper(z)) - z).abs() < 1e-11 * z.max(1.0));
        }
        // Very many degrees of freedom are a normal curve.
        let student = student_two_sided(z, 1e12);
        prop_assert!((student / 2.0 - normal_upper(z.abs())).abs() < 1e-9);
    }

    #[test]
    fn negative_binomial_tails_sum_to_one(k in 0_u64..2_000, mean in 0.01_f64..500.0, size in 0.05_f64..1e4) {
        let (low, high) = (
            negative_binomial_at_most(k, mean, size),
            negative_binomial_at_least(k + 1, mean, size),
        );
        prop_assert!(same(low + high, 1.0));
        let with = negative_binomial_at_least(k, mean, size);
        prop_assert!(same(with, mass::negative_binomial(k, mean, size) + high));
        // A huge size is the Poisson distribution.
        let poisson = poisson_at_most(k, mean);
        prop_assert!((negative_binomial_at_most(k, mean, 1e13) - poisson).abs() < 1e-8);
    }

    /// Exchanging groups exchanges the tails; exchanging rows and columns changes nothing.
    #[test]
    fn fisher_is_symmetric(with in 0_u64..90, without in 0_u64..90, other_with in 0_u64..90, other_without in 0_u64..90) {
        let table = Table { with, without, other_with, other_without };
        let groups = Table { with: other_with, without: other_without, other_with: with, other_without: without };
        let columns = Table { with, without: other_with, other_with: without, other_without };
        prop_assert!(same(table.more_frequent().exact, groups.less_frequent().exact));
        prop_assert!(same(table.more_frequent().exact, columns.more_frequent().exact));
        let two = table.two_sided();
        prop_assert!(same(two, groups.two_sided()) && same(two, columns.two_sided()));
        prop_assert!(two + 1e-12 >= table.more_frequent().exact.min(table.less_frequent().exact));
        let listed = two_sided_by_listing(table);
        prop_assert!((two - listed).abs() < 1e-10, "{table:?} {two} {listed}");
    }

    /// Of two counts alike, none is improbable; no scatter is the binomial test.
    #[test]
    fn a_count_among_others(k in 0_u64..200, rest in 0_u64..2_000, share in 0.01_f64..0.5, scatter in 1.0_f64..9.0) {
        let n = k + rest;
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let expected = rest as f64 * share / (1.0 - share);
        let plain = conditional(k, n, share, expected, 1.0);
        let wide = conditional(k, n, share, expected, scatter);
        prop_assert_eq!(plain, if n == 0 { plain } else { binomial_doubled(k, n, share) });
        prop_assert!(wide.mid <= wide.exact && wide.exact <= 1.0);
        prop_assert!(wide.exact > 0.0 || plain.exact < 1e-200);
    }

    #[test]
    fn intervals_hold_what_they_say((k, n, _) in trials(), confidence in 0.5_f64..0.9999) {
        let interval = clopper_pearson_at(k, n, confidence);
        let tail = (1.0 - confidence) / 2.0;
        if interval.low > 0.0 {
            prop_assert!((binomial_at_least(k, n, interval.low) / tail - 1.0).abs() < 1e-6);
        }
        if interval.high < 1.0 {
            prop_assert!((binomial_at_most(k, n, interval.high) / tail - 1.0).abs() < 1e-6);
        }
        let score = wilson(k, n, confidence);
        for interval in [interval, score] {
            prop_assert!(0.0 <= interval.low && interval.low <= interval.high && interval.high <= 1.0);
        }
        prop_assert!(share_lower_limit(k, n, confidence) >= interval.low);
        prop_assert!(share_upper_limit(k, n, confidence) <= interval.high);
    }

    #[test]
    fn garwood_holds_what_it_says(count in 0_u64..100_000, confidence in 0.5_f64..0.9999) {
        let interval = poisson_interval_at(count, confidence);
        let tail = (1.0 - confidence) / 2.0;
        prop_assert!((poisson_at_most(count, interval.high) / tail - 1.0).abs() < 1e-6);
        if count > 0 {
            prop_assert!((poisson_at_least(count, interval.low) / tail - 1.0).abs() < 1e-6);
        }
    }

    /// What is shown with power 0.8 is indeed beyond the null, and more trials show less.
    #[test]
    fn more_trials_show_less(n in 20_u64..2_000, null in 0.05_f64..0.9) {
        let above = |n| share_shown_above(n, null, 0.001, 0.8);
        if let (Some(few), Some(many)) = (above(n), above(4 * n)) {
            prop_assert!(few > null && many > null && many < few);
        }
        let below = |n| share_shown_below(n, null, 0.001, 0.8);
        if let (Some(few), Some(many)) = (below(n), below(4 * n)) {
            prop_assert!(few < null && many < null && many > few);
        }
    }

    #[test]
    fn longer_runs_are_rarer(periods in 1_usize..60, length in 1_usize..12, mean in 0.0_f64..30.0) {
        for run in [run_of_zeros, run_of_any] {
            let p = run(periods, length, mean);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!(p >= run(periods, length + 1, mean) - 1e-15);
            prop_assert!(p <= run(periods + 1, length, mean) + 1e-15);
        }
        // A run of some value is at least as probable as one of zeros.
        let zeros = run_of_zeros(periods, length, mean);
        prop_assert!(run_of_any(periods, length, mean) >= zeros * (1.0 - 1e-9) - 1e-15);
    }

    /// Runs of a coin by listing all sequences.
    #[test]
    fn runs_by_listing(periods in 1_usize..11, length in 1_usize..6, p in 0.0_f64..1.0) {
        let mut sum = 0.0;
        for sequence in 0_u32..1 << periods {
            let wins = (0..periods).map(|at| sequence >> at & 1 == 1);
            let (mut run, mut best, mut mass) = (0, 0, 1.0);
            for win in wins {
                run = if win { run + 1 } else { 0 };
                best = best.max(run);
                mass *= if win { p } else { 1.0 - p };
            }
            if best >= length {
                sum += mass;
            }
        }
        prop_assert!((sum - run_of_one(periods, length, p)).abs() < 1e-12);
    }

    #[test]
    fn nothing_panics_on_any_series(counts in prop::collection::vec(0_u64..1_000_000, 0..15), at in 0_usize..15, seed in any::<u64>()) {
        let exposures = vec![30.0; counts.len()];
        if let Some(found) = against_others(&counts, &exposures, at) {
            prop_assert!(found.dispersion >= 1.0 && found.p.mid <= found.p.exact);
            prop_assert!((0.0..=1.0).contains(&found.p.exact));
        }
        for unit in compare_units(&counts, &exposures, 0.1).into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&unit.p.exact) && unit.dispersion >= 1.0);
        }
        for given in [Given::Total, Given::Phases(4)] {
            // Extreme series take all replicates, so only short and small ones are simulated.
            let few: Vec<u64> = counts.iter().take(6).map(|count| count % 7).collect();
            if let Some(found) = drift(&few, given, seed) {
                prop_assert!(found.p > 0.0 && found.p <= 1.0 && found.at < few.len());
            }
        }
    }
}

/// Two tables side by side that are the most probable of all, whose quotient is no double.
#[test]
fn fisher_with_two_modes() {
    let table = Table {
        with: 36,
        without: 11,
        other_with: 32,
        other_without: 11,
    };
    assert!(same(table.two_sided(), 1.0), "{}", table.two_sided());
    assert!(same(two_sided_by_listing(table), 1.0));
}

fn two_sided_by_listing(table: Table) -> f64 {
    let marked = table.with + table.other_with;
    let others = table.without + table.other_without;
    let drawn = table.with + table.without;
    let of = |k| mass::hypergeometric(k, marked, others, drawn);
    let observed = of(table.with) * (1.0 + 1e-7);
    let masses = (0..=drawn.min(marked)).map(of);
    let sum: f64 = masses.filter(|mass| *mass <= observed).sum();
    sum.min(1.0)
}

#[test]
fn a_tail_that_has_lost_its_digits_still_has_a_quantile() {
    let tails = [1e-299, 1e-300, 1e-305, f64::MIN_POSITIVE, 5e-324];
    let quantiles = tails.map(normal_quantile);
    assert!(
        quantiles.iter().all(|z| (36.9..39.0).contains(z)),
        "{quantiles:?}"
    );
    assert!(quantiles.is_sorted(), "{quantiles:?}");
}
