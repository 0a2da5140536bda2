//! Exact tails of a Poisson count.
//!
//! What comes in: a count and the mean it is held against. What goes out: tail probabilities and
//! p-values. What may fail: nothing; a mean of 0 or less is a certain 0. What must stay true: the
//! tails are sums of the probabilities themselves from the observed count outwards, so the
//! smaller one keeps its digits (relative error near 1e-13).

use super::mass::poisson;
use super::{NEGLIGIBLE, PValue, real};

/// P(X <= k), summed downwards.
fn below(k: u64, mean: f64) -> f64 {
    let mut term = poisson(k, mean);
    let mut sum = term;
    for i in (1..=k).rev() {
        term *= real(i) / mean;
        sum += term;
        if term <= sum * NEGLIGIBLE {
            break;
        }
    }
    sum.min(1.0)
}

/// P(X >= k) for k above the mean, summed upwards.
fn above(k: u64, mean: f64) -> f64 {
    let mut term = poisson(k, mean);
    let mut sum = term;
    let mut next = real(k);
    while term > sum * NEGLIGIBLE {
        next += 1.0;
        term *= mean / next;
        sum += term;
    }
    sum.min(1.0)
}

/// P(X <= k) of a Poisson count with the given mean.
#[must_use]
pub fn poisson_at_most(k: u64, mean: f64) -> f64 {
    if mean <= 0.0 || k == u64::MAX {
        1.0
    } else if real(k) <= mean {
        below(k, mean)
    } else {
        1.0 - above(k + 1, mean)
    }
}

/// P(X >= k) of a Poisson count with the given mean.
#[must_use]
pub fn poisson_at_least(k: u64, mean: f64) -> f64 {
    if k == 0 {
        1.0
    } else if mean <= 0.0 {
        0.0
    } else if real(k) > mean {
        above(k, mean)
    } else {
        1.0 - below(k - 1, mean)
    }
}

/// Is the count too low for the mean?
#[must_use]
pub fn poisson_lower(k: u64, mean: f64) -> PValue {
    PValue::of_tail(poisson_at_most(k, mean), poisson(k, mean))
}

/// Is the count too high for the mean?
#[must_use]
pub fn poisson_upper(k: u64, mean: f64) -> PValue {
    PValue::of_tail(poisson_at_least(k, mean), poisson(k, mean))
}

/// Is the count too far from the mean? Twice the smaller tail.
#[must_use]
pub fn poisson_doubled(k: u64, mean: f64) -> PValue {
    poisson_lower(k, mean).or_doubled(poisson_upper(k, mean))
}
