//! Tails of the negative binomial and of Student's t distribution.
//!
//! What comes in: a count with mean and size (the variance is mean + mean^2 / size), or a t with
//! its degrees of freedom. What goes out: tail probabilities. What may fail: nothing. What must
//! stay true: the smaller tail is computed as itself, with a relative error near 1e-12.
//!
//! Method: the incomplete beta function by the even part of its continued fraction (NIST DLMF
//! 8.17.22; the form of `DiDonato` and Morris, ACM Transactions on Mathematical Software 18 (1992)
//! 360-373), as many steps as it needs. `statrs` stops after 140 steps, which is too few for counts
//! above some ten thousand. A sum would be exact too, but a heavy tail is long.

use super::fraction::ContinuedFraction;
use super::mass::{beta_factor, difference_of_products};
use super::poisson::{poisson_at_least, poisson_at_most};
use super::real;

/// The steps grow with the square root of the parameters; this is enough for 10^9.
const MOST_STEPS: u32 = 1_000_000;

/// `I_x(a, b)` where it is the smaller part, for a, b > 0 and y = 1 - x.
fn smaller_part(a: f64, b: f64, x: f64, y: f64) -> f64 {
    // How far x is below the mean, for which no difference of large numbers may be taken.
    let distance = difference_of_products(a, y, b, x);
    let partial = |step: f64| {
        let at = a + 2.0 * step;
        let beyond = (a + step) * (distance + 1.0 + step * (2.0 - x)) / (at + 1.0);
        step + step * (b - step) * x / (at - 1.0) + beyond
    };
    let mut fraction = ContinuedFraction::new(a * (distance + 1.0) / (a + 1.0));
    for step in 1..=MOST_STEPS {
        let step = f64::from(step);
        let root = x / (a + 2.0 * step - 1.0);
        let numerator = (a + step - 1.0) * (a + b + step - 1.0) * step * (b - step) * root * root;
        if !fraction.add(numerator, partial(step)) {
            break;
        }
    }
    beta_factor(a, b, x, y) * a / fraction.value()
}

/// `I_x(a, b)` for a, b > 0 and y = 1 - x, both given because the smaller one must be exact.
fn incomplete_beta(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    if x < (a + 1.0) / (a + b + 2.0) {
        smaller_part(a, b, x, y).min(1.0)
    } else {
        (1.0 - smaller_part(b, a, y, x)).max(0.0)
    }
}

/// P(X <= k) of a negative binomial count. An infinite size is the Poisson distribution; a mean
/// or size of 0 is a certain 0.
#[must_use]
pub fn negative_binomial_at_most(k: u64, mean: f64, size: f64) -> f64 {
    if mean <= 0.0 || size <= 0.0 {
        return 1.0;
    }
    if size.is_infinite() {
        return poisson_at_most(k, mean);
    }
    let whole = mean + size;
    incomplete_beta(size, real(k) + 1.0, size / whole, mean / whole)
}

/// P(X >= k) of a negative binomial count.
#[must_use]
pub fn negative_binomial_at_least(k: u64, mean: f64, size: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if mean <= 0.0 || size <= 0.0 {
        return 0.0;
    }
    if size.is_infinite() {
        return poisson_at_least(k, mean);
    }
    let whole = mean + size;
    incomplete_beta(real(k), size, mean / whole, size / whole)
}

/// P(|T| >= |t|) of Student's t with the given degrees of freedom; without any, 1.
#[must_use]
pub fn student_two_sided(t: f64, freedom: f64) -> f64 {
    if freedom.is_nan() || freedom <= 0.0 || t.is_nan() {
        return 1.0;
    }
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    let whole = freedom + square;
    incomplete_beta(freedom / 2.0, 0.5, freedom / whole, square / whole)
}
