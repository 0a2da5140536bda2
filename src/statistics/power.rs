//! The smallest effect that a sample of this size would show.
//!
//! What comes in: a sample's size, the edge of the null, the level below which a tail speaks
//! against it, and the power. What goes out: the nearest true value at which the test speaks with
//! that power. What may fail: a sample too small to speak at all gives `None`. What must stay
//! true: it is worked out from the exact distribution, so that `insufficient` never promises more
//! than the test can hold.
//!
//! A test that doubles its tail (sex ratio, one count against the others) has half of its level on
//! each side.

use super::binomial::{binomial_at_least, binomial_at_most};
use super::gamma::chi_square_lower;
use super::intervals::{ratio_of_share, share_of_ratio};
use super::poisson::{poisson_at_least, poisson_at_most};
use super::runs::{run_of_any, run_of_zeros};
use super::turning_point;

/// The first number from `from` to `to` for which `holds`; it must turn only once.
fn first(from: u64, to: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (from, to);
    if !holds(to) {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

/// The smallest share above `null` that an upper tail below `level` shows with the given power.
#[must_use]
pub fn share_shown_above(trials: u64, null: f64, level: f64, power: f64) -> Option<f64> {
    let least = first(0, trials, |k| binomial_at_least(k, trials, null) < level)?;
    Some(turning_point(null, 1.0, |share| {
        binomial_at_least(least, trials, share) >= power
    }))
}

/// The largest share below `null` that a lower tail below `level` shows with the given power.
#[must_use]
pub fn share_shown_below(trials: u64, null: f64, level: f64, power: f64) -> Option<f64> {
    // The first count too high to speak; the one before it is the last that does.
    let speaks = |k: u64| binomial_at_most(k, trials, null) < level;
    if !speaks(0) {
        return None;
    }
    let most = first(0, trials, |k| !speaks(k))?.checked_sub(1)?;
    Some(turning_point(0.0, null, |share| {
        binomial_at_most(most, trials, share) < power
    }))
}

/// The smallest mean above `null` that an upper Poisson tail below `level` shows.
#[must_use]
pub fn mean_shown_above(null: f64, level: f64, power: f64) -> Option<f64> {
    if !(null.is_finite() && null >= 0.0 && level > 0.0 && power < 1.0) {
        return None;
    }
    let mut bound = 16;
    while poisson_at_least(bound, null) >= level {
        bound = bound.checked_mul(2)?;
    }
    let least = first(0, bound, |k| poisson_at_least(k, null) < level)?;
    let mut top = super::real(bound) * 2.0 + 16.0;
    while poisson_at_least(least, top) < power {
        top *= 2.0;
    }
    Some(turning_point(null, top, |mean| {
        poisson_at_least(least, mean) >= power
    }))
}

/// The largest mean below `null` that a lower Poisson tail below `level` shows; `None` where even
/// a count of 0 is not improbable enough.
#[must_use]
pub fn mean_shown_below(null: f64, level: f64, power: f64) -> Option<f64> {
    let speaks = |k: u64| poisson_at_most(k, null) < level;
    if !(null.is_finite() && level <= 0.5 && speaks(0)) {
        return None;
    }
    let mut bound = 16;
    while speaks(bound) {
        bound = bound.checked_mul(2)?;
    }
    let most = first(0, bound, |k| !speaks(k))?.checked_sub(1)?;
    Some(turning_point(0.0, null, |mean| {
        poisson_at_most(most, mean) < power
    }))
}

/// The smallest ratio of boys to 100 girls above `null` that so many births show when the doubled
/// tail must be below `level`.
#[must_use]
pub fn sex_ratio_shown(births: u64, null: f64, level: f64, power: f64) -> Option<f64> {
    share_shown_above(births, share_of_ratio(null), level / 2.0, power).map(ratio_of_share)
}

/// The largest ratio of variance to mean below 1 at which a sum of squares of so many degrees of
/// freedom falls below the lower `level` point of chi-square with the given power; the sum is taken
/// as that ratio times a chi-square. `None` without a degree of freedom.
#[must_use]
pub fn evenness_shown(freedom: u64, level: f64, power: f64) -> Option<f64> {
    let is_share = |p: f64| p > 0.0 && p < 1.0;
    if freedom == 0 || !is_share(level) || !is_share(power) {
        return None;
    }
    // Far above the median, where the lower tail is 1 to the last digit.
    let top = super::real(freedom) * 2.0 + 200.0;
    let quantile = |p: f64| turning_point(0.0, top, |x| chi_square_lower(x, freedom) >= p);
    Some(quantile(level) / quantile(power))
}

/// The shortest run of one value, whichever, among so many Poisson counts of the given mean whose
/// probability is below `level`; `None` where not even a whole series of one value is so improbable.
#[must_use]
pub fn repeated_figure_shown(periods: usize, mean: f64, level: f64) -> Option<usize> {
    shortest(periods, |length| run_of_any(periods, length, mean) < level)
}

/// The same for a run of zeros.
#[must_use]
pub fn zero_run_shown(periods: usize, mean: f64, level: f64) -> Option<usize> {
    shortest(periods, |length| {
        run_of_zeros(periods, length, mean) < level
    })
}

fn shortest(periods: usize, speaks: impl Fn(usize) -> bool) -> Option<usize> {
    (1..=periods).find(|length| speaks(*length))
}
