//! Intervals of shares, ratios and counts.
//!
//! What comes in: counts, and a confidence between 0 and 1. What goes out: the values that the
//! counts leave possible. What may fail: nothing; no trials leave the whole scale. What must stay
//! true: the exact intervals cover with at least the stated confidence. Wilson's covers on average
//! and is for display only.
//!
//! Sources: Clopper and Pearson, Biometrika 26 (1934) 404-413, for a share; Garwood, Biometrika 28
//! (1936) 437-442, for a Poisson count; Wilson, JASA 22 (1927) 209-212.

use super::binomial::{binomial_at_least, binomial_at_most};
use super::gamma::normal_quantile;
use super::poisson::{poisson_at_least, poisson_at_most};
use super::{real, turning_point};

/// Confidence of the intervals that are shown beside an indicator.
const USUAL: f64 = 0.95;

/// Lower and upper limit of an interval.
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

/// One-sided lower Clopper-Pearson limit: the share below which so many successes would have a
/// probability of at most 1 - `confidence`. 0 without successes or trials.
#[must_use]
pub fn share_lower_limit(successes: u64, trials: u64, confidence: f64) -> f64 {
    if successes == 0 || trials == 0 {
        return 0.0;
    }
    let tail = 1.0 - confidence;
    // From the observed share downwards by factors, so that a tiny limit keeps its digits.
    let observed = (real(successes) / real(trials)).min(1.0);
    let share = |ln: f64| observed * ln.exp();
    share(turning_point(LEAST_LN, 0.0, |ln| {
        binomial_at_least(successes, trials, share(ln)) > tail
    }))
}

/// One-sided upper Clopper-Pearson limit. 1 where every trial succeeded or there was none.
#[must_use]
pub fn share_upper_limit(successes: u64, trials: u64, confidence: f64) -> f64 {
    if successes >= trials {
        return 1.0;
    }
    let tail = 1.0 - confidence;
    turning_point(0.0, 1.0, |p| binomial_at_most(successes, trials, p) < tail)
}

/// The logarithm of the smallest factor by which a limit is sought below what was observed.
const LEAST_LN: f64 = -60.0;

/// Two-sided Clopper-Pearson interval of a share: `successes` of `trials`. No trials: 0 to 1.
#[must_use]
pub fn clopper_pearson_at(successes: u64, trials: u64, confidence: f64) -> Interval {
    let each = f64::midpoint(1.0, confidence);
    Interval {
        low: share_lower_limit(successes, trials, each),
        high: share_upper_limit(successes, trials, each),
    }
}

/// The same with 95% confidence.
#[must_use]
pub fn clopper_pearson(successes: u64, trials: u64) -> Interval {
    clopper_pearson_at(successes, trials, USUAL)
}

/// Wilson's score interval of a share. No trials: 0 to 1.
#[must_use]
pub fn wilson(successes: u64, trials: u64, confidence: f64) -> Interval {
    if trials == 0 || successes > trials {
        return Interval {
            low: 0.0,
            high: 1.0,
        };
    }
    let z = normal_quantile((1.0 - confidence) / 2.0);
    let (k, n) = (real(successes), real(trials));
    let square = z * z;
    let middle = k + square / 2.0;
    let half = z * (k * (n - k) / n + square / 4.0).sqrt();
    // The product of the limits is k^2 / (n (n + z^2)): no difference, so no lost digits.
    let high = ((middle + half) / (n + square)).min(1.0);
    let low = if successes == 0 {
        0.0
    } else {
        k * (k / n) / (middle + half)
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

/// Garwood's exact interval of the mean behind a Poisson count.
#[must_use]
pub fn poisson_interval_at(count: u64, confidence: f64) -> Interval {
    let tail = (1.0 - confidence) / 2.0;
    let low = if count == 0 {
        0.0
    } else {
        let mean = |ln: f64| real(count) * ln.exp();
        mean(turning_point(LEAST_LN, 0.0, |ln| {
            poisson_at_least(count, mean(ln)) > tail
        }))
    };
    if tail <= 0.0 {
        return Interval {
            low,
            high: f64::INFINITY,
        };
    }
    // A bracket well beyond the limit, doubled until it is.
    let mut top = real(count) + 10.0 * real(count).sqrt() + 10.0;
    while top.is_finite() && poisson_at_most(count, top) >= tail {
        top *= 2.0;
    }
    let high = turning_point(0.0, top, |mean| poisson_at_most(count, mean) < tail);
    Interval { low, high }
}

/// The same with 95% confidence.
#[must_use]
pub fn poisson_interval(count: u64) -> Interval {
    poisson_interval_at(count, USUAL)
}
