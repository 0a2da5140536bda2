//! Exact statistics of small counts.
//!
//! What comes in: counts. What goes out: p-values and 95% intervals, computed from the binomial
//! and Poisson distributions themselves, never from a normal approximation. What may fail:
//! nothing; counts that allow no statement give `None` or the widest interval. What must stay
//! true: an interval covers with at least the stated confidence, and a p-value of an interval
//! null is the largest over that interval, so that small counts are never over-read.
//!
//! Sources of the formulas: Clopper and Pearson, Biometrika 26 (1934) 404-413, for a share;
//! Garwood, Biometrika 28 (1936) 437-442, for a Poisson count; Sterne's ordering by probability
//! ("method of small p-values", as in R's `binom.test`) for the two-sided test. Tails are summed
//! from the observed count outwards, which stays accurate where continued fractions of the
//! incomplete beta function need too many steps.

pub mod rational;

use statrs::function::factorial::{ln_binomial, ln_factorial};

/// Tail probability left out on each side of a 95% interval.
const TAIL: f64 = 0.025;
/// Bisections of an interval's limit: more than the 53 bits of a double can tell apart.
const BISECTIONS: u32 = 80;
/// Probabilities that differ by less than this share are one value (as in R's `binom.test`).
const TIE: f64 = 1e-7;
/// A term this small beside the sum can no longer change it.
const NEGLIGIBLE: f64 = 1e-18;

/// Lower and upper limit of a 95% interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower limit.
    pub low: f64,
    /// Upper limit; may be infinite.
    pub high: f64,
}

impl Interval {
    /// Both limits multiplied.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            low: self.low * factor,
            high: self.high * factor,
        }
    }

    /// Whether the value lies in it, limits included.
    #[must_use]
    pub fn contains(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// A count as a floating-point number; exact up to 2^53, beyond which no register grows.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of persons stay below 2^53"
)]
const fn real(count: u64) -> f64 {
    count as f64
}

/// Share of boys that a sex ratio of `ratio` boys to 100 girls means.
#[must_use]
pub fn share_of_ratio(ratio: f64) -> f64 {
    ratio / (100.0 + ratio)
}

/// Boys to 100 girls of a share of boys; infinite where all are boys.
#[must_use]
pub fn ratio_of_share(share: f64) -> f64 {
    100.0 * share / (1.0 - share)
}

/// Probability of `k` of `n` at the share `p`.
fn binomial_mass(k: u64, n: u64, p: f64) -> f64 {
    if k > n {
        return 0.0;
    }
    // 0 * ln 0 is 0 here.
    let power = |times: u64, base: f64| {
        if times == 0 {
            0.0
        } else {
            real(times) * base.ln()
        }
    };
    (ln_binomial(n, k) + power(k, p) + power(n - k, 1.0 - p)).exp()
}

/// P(X <= k) of `n` at the share `p`, summed on the side where the terms fall.
fn binomial_at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    if real(k) > real(n) * p {
        return 1.0 - binomial_at_most(n - k - 1, n, 1.0 - p);
    }
    let odds = (1.0 - p) / p;
    let mut term = binomial_mass(k, n, p);
    let mut sum = term;
    for i in (1..=k).rev() {
        term *= real(i) / real(n - i + 1) * odds;
        sum += term;
        if term < sum * NEGLIGIBLE {
            break;
        }
    }
    sum.min(1.0)
}

/// P(X >= k) of `n` at the share `p`.
fn binomial_at_least(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        1.0
    } else if k > n {
        0.0
    } else {
        binomial_at_most(n - k, n, 1.0 - p)
    }
}

/// P(X <= k) of a Poisson count with the mean `mean`.
fn poisson_at_most(k: u64, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    let mass = |k: u64| (real(k) * mean.ln() - mean - ln_factorial(k)).exp();
    let (mut term, mut sum);
    if real(k) <= mean {
        term = mass(k);
        sum = term;
        for i in (1..=k).rev() {
            term *= real(i) / mean;
            sum += term;
            if term < sum * NEGLIGIBLE {
                break;
            }
        }
        return sum.min(1.0);
    }
    term = mass(k + 1);
    sum = term;
    for i in k + 2.. {
        term *= mean / real(i);
        sum += term;
        if term <= sum * NEGLIGIBLE {
            break;
        }
    }
    (1.0 - sum).max(0.0)
}

/// The point between `low` and `high` at which `above` turns true; it must turn only once.
fn turning_point(mut low: f64, mut high: f64, above: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if above(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Clopper-Pearson 95% interval of a share: `successes` of `trials`. No trials: 0 to 1.
#[must_use]
pub fn clopper_pearson(successes: u64, trials: u64) -> Interval {
    let low = if successes == 0 || trials == 0 {
        0.0
    } else {
        turning_point(0.0, 1.0, |p| binomial_at_least(successes, trials, p) > TAIL)
    };
    let high = if successes >= trials {
        1.0
    } else {
        turning_point(0.0, 1.0, |p| binomial_at_most(successes, trials, p) < TAIL)
    };
    Interval { low, high }
}

/// Clopper-Pearson interval of the share of boys, as boys to 100 girls. `None` without births.
#[must_use]
pub fn sex_ratio_interval(boys: u64, girls: u64) -> Option<Interval> {
    let births = boys.checked_add(girls).filter(|n| *n > 0)?;
    let share = clopper_pearson(boys, births);
    Some(Interval {
        low: ratio_of_share(share.low),
        high: if girls == 0 {
            f64::INFINITY
        } else {
            ratio_of_share(share.high)
        },
    })
}

/// Garwood's exact 95% interval of the mean behind a Poisson count.
#[must_use]
pub fn poisson_interval(count: u64) -> Interval {
    // A bracket well beyond the limits: ten standard deviations and a constant for small counts.
    let top = real(count) + 10.0 * real(count).sqrt() + 10.0;
    let low = if count == 0 {
        0.0
    } else {
        turning_point(0.0, top, |mean| {
            1.0 - poisson_at_most(count - 1, mean) > TAIL
        })
    };
    let high = turning_point(0.0, top, |mean| poisson_at_most(count, mean) < TAIL);
    Interval { low, high }
}

/// Exact two-sided p-value at one share, by the method of small p-values: the probability of
/// every outcome that is no more probable than the observed one.
#[must_use]
pub fn binomial_two_sided(successes: u64, trials: u64, share: f64) -> f64 {
    if successes > trials || trials == 0 {
        return 1.0;
    }
    let expected = real(trials) * share;
    if real(successes) > expected {
        // The mirror image, so that the observed count is on the lower side.
        return lower_two_sided(trials - successes, trials, 1.0 - share);
    }
    lower_two_sided(successes, trials, share)
}

/// The same for a count that is not above what is expected.
fn lower_two_sided(successes: u64, trials: u64, share: f64) -> f64 {
    let observed = binomial_mass(successes, trials, share) * (1.0 + TIE);
    // Beyond the mode the masses fall, so the first that is no more probable is found by halving.
    let (mut below, mut reached) = (successes, trials + 1);
    while reached - below > 1 {
        let middle = below + (reached - below) / 2;
        let past_mode = real(middle) > real(trials + 1) * share - 1.0;
        if past_mode && binomial_mass(middle, trials, share) <= observed {
            reached = middle;
        } else {
            below = middle;
        }
    }
    let tails =
        binomial_at_most(successes, trials, share) + binomial_at_least(reached, trials, share);
    tails.min(1.0)
}

/// Exact two-sided p-value of an interval null: the largest p-value of small p-values over all
/// shares from `low` to `high`.
///
/// Between two shares at which an outcome joins the outcomes that are no more probable than the
/// observed one, the p-value falls and then rises at most once, so that its largest value is at
/// an edge of the interval or at such a share: P(X = k) = P(X = x) there, which is
/// ln odds = (ln C(n, x) - ln C(n, k)) / (k - x).
#[must_use]
pub fn binomial_interval_null(successes: u64, trials: u64, low: f64, high: f64) -> f64 {
    if successes > trials || trials == 0 {
        return 1.0;
    }
    let observed = real(successes) / real(trials);
    if (low..=high).contains(&observed) {
        return 1.0;
    }
    let own = ln_binomial(trials, successes);
    let joins = |k: u64| {
        let odds = ((own - ln_binomial(trials, k)) / (real(k) - real(successes))).exp();
        odds / (1.0 + odds)
    };
    (0..=trials)
        .filter(|k| *k != successes)
        .map(joins)
        .filter(|share| (low..=high).contains(share))
        .chain([low, high])
        .map(|share| binomial_two_sided(successes, trials, share))
        .fold(0.0, f64::max)
}

/// Exact two-sided p-value of an interval null by doubling: twice the tail at the nearer edge.
/// It is what the audit's sex ratio rule gates on; it is never smaller than a one-sided p, and for
/// small counts more careful than the method of small p-values.
#[must_use]
pub fn binomial_doubled_tail(successes: u64, trials: u64, low: f64, high: f64) -> f64 {
    if successes > trials || trials == 0 {
        return 1.0;
    }
    let observed = real(successes) / real(trials);
    let tail = if observed < low {
        binomial_at_most(successes, trials, low)
    } else if observed > high {
        binomial_at_least(successes, trials, high)
    } else {
        1.0
    };
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: f64, published: f64, tolerance: f64) {
        assert!(
            (actual - published).abs() <= tolerance,
            "{actual} against {published}"
        );
    }

    /// Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 5.
    #[test]
    fn clopper_pearson_as_published() {
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
        assert_eq!(
            clopper_pearson(0, 0),
            Interval {
                low: 0.0,
                high: 1.0
            }
        );
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

    /// Half of chi-square quantiles, which is the other form of the same limits.
    #[test]
    fn poisson_by_chi_square() {
        use statrs::distribution::{ChiSquared, ContinuousCDF};
        let below = |half: f64, freedom: f64| ChiSquared::new(freedom).unwrap().cdf(2.0 * half);
        for count in [1_u64, 3, 14, 60, 250] {
            let interval = poisson_interval(count);
            close(below(interval.low, 2.0 * real(count)), 0.025, 1e-9);
            close(below(interval.high, 2.0 * real(count) + 2.0), 0.975, 1e-9);
        }
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
                    let observed = binomial_mass(successes, trials, share) * (1.0 + TIE);
                    let listed: f64 = (0..=trials)
                        .map(|k| binomial_mass(k, trials, share))
                        .filter(|mass| *mass <= observed)
                        .sum();
                    close(
                        binomial_two_sided(successes, trials, share),
                        listed.min(1.0),
                        1e-9,
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
            for step in 0..=2000 {
                let share = low + (high - low) * f64::from(step) / 2000.0;
                assert!(binomial_two_sided(boys, births, share) <= largest + 1e-12);
            }
        }
        assert!(binomial_interval_null(51, 100, low, high) >= 1.0);
    }

    #[test]
    fn the_ends_of_the_scale() {
        let boys_only = sex_ratio_interval(3, 0).unwrap();
        assert!(boys_only.high.is_infinite() && boys_only.low > 0.0);
        let girls_only = sex_ratio_interval(0, 3).unwrap();
        close(girls_only.low, 0.0, 1e-12);
        assert_eq!(sex_ratio_interval(0, 0), None);
        close(binomial_two_sided(0, 0, 0.5), 1.0, 0.0);
        // A province: still finite, still ordered.
        let many = sex_ratio_interval(515_000, 485_000).unwrap();
        assert!(many.low < 106.2 && 106.2 < many.high && many.high - many.low < 1.0);
        let count = poisson_interval(1_000_000);
        close(count.low, 998_041.0, 2.0);
        close(count.high, 1_001_962.0, 2.0);
    }
}
