//! Probabilities of single outcomes, without the cancellation that factorials bring.
//!
//! What comes in: counts and parameters. What goes out: the probability of exactly that count
//! under the binomial, Poisson, negative binomial, hypergeometric and beta-binomial distribution.
//! What may fail: nothing; an outcome that cannot be has probability 0. What must stay true: the
//! relative error stays near 1e-13 up to counts of 10^7. A difference of logarithms of factorials
//! (`statrs`'s `ln_binomial`) cannot: at n = 10^7 it is a difference of numbers near 10^8, which
//! leaves eight digits.
//!
//! The method is Loader's saddle-point expansion ("Fast and accurate computation of binomial
//! probabilities", 2000), as in R's `dbinom`, with two changes: Stirling's error of small numbers
//! comes from its recurrence instead of a table, and the distance between outcome and expectation
//! is rounded once (fused multiply-add), because at 10^7 its second rounding would be the largest
//! error of all.

use std::f64::consts::TAU;

use super::real;

/// From here on Stirling's series of six terms is exact to the last bit.
const SERIES_FROM: f64 = 15.0;
/// Below this relative distance the deviance is summed as a series, as in R 4.
const SERIES_WITHIN: f64 = 0.1;

/// ln Γ(n + 1) less Stirling's approximation (n + 1/2) ln n - n + ln √(2π), for n > 0.
fn stirling_error(n: f64) -> f64 {
    let (mut n, mut sum) = (n, 0.0);
    while n < SERIES_FROM {
        sum += (n + 0.5) * (1.0 / n).ln_1p() - 1.0;
        n += 1.0;
    }
    let square = n * n;
    let series = [1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0]
        .into_iter()
        .fold(-691.0 / 360_360.0, |inner, term| inner / square + term);
    sum + (1.0 / 12.0 + series / square) / n
}

/// x ln(x / m) + m - x for x, m > 0, given `distance` = x - m to full precision.
fn deviance(x: f64, m: f64, distance: f64) -> f64 {
    if distance.abs() >= SERIES_WITHIN * (x + m) {
        return x * (x / m).ln() - distance;
    }
    let ratio = distance / (x + m);
    let mut sum = distance * ratio;
    let mut power = 2.0 * x * ratio;
    // Each term is at most a hundredth of the one before.
    for odd in [3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0, 17.0, 19.0] {
        power *= ratio * ratio;
        sum += power / odd;
    }
    sum
}

/// a b - c d, rounded once or nearly so (Kahan).
pub(super) fn difference_of_products(a: f64, b: f64, c: f64, d: f64) -> f64 {
    let second = c * d;
    let lost = (-c).mul_add(d, second);
    a.mul_add(b, -second) + lost
}

/// Γ(x + y + 1) / (Γ(x + 1) Γ(y + 1)) p^x q^y for real x, y >= 0 and q = 1 - p, given
/// `distance` = x - (x + y) p.
fn saddle(x: f64, y: f64, p: f64, q: f64, distance: f64) -> f64 {
    let whole = x + y;
    if x <= 0.0 && y <= 0.0 {
        return 1.0;
    }
    // The smaller of p and q is the exact one; the other has lost its last digits.
    let power = |times: f64, base: f64, rest: f64| {
        let ln = if rest < 0.5 {
            (-rest).ln_1p()
        } else {
            base.ln()
        };
        (times * ln).exp()
    };
    if x <= 0.0 {
        return power(whole, q, p);
    }
    if y <= 0.0 {
        return power(whole, p, q);
    }
    if p <= 0.0 || q <= 0.0 {
        return 0.0;
    }
    let exponent = stirling_error(whole)
        - stirling_error(x)
        - stirling_error(y)
        - deviance(x, whole * p, distance)
        - deviance(y, whole * q, -distance);
    exponent.exp() * (whole / (TAU * x * y)).sqrt()
}

/// x^a y^b Γ(a + b) / (Γ(a + 1) Γ(b)) for y = 1 - x: the factor before the continued fraction of
/// the incomplete beta function.
pub(super) fn beta_factor(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let distance = difference_of_products(a, y, b, x);
    saddle(a, b, x, y, distance) * (b / (a + b))
}

/// m^x e^-m / Γ(x + 1) for real x >= 0 and m >= 0.
pub(super) fn poisson_real(x: f64, m: f64) -> f64 {
    if m <= 0.0 {
        return if x <= 0.0 { 1.0 } else { 0.0 };
    }
    if x <= 0.0 {
        return (-m).exp();
    }
    (-stirling_error(x) - deviance(x, m, x - m)).exp() / (TAU * x).sqrt()
}

/// Probability of `k` of `n` at the share `p`.
#[must_use]
pub fn binomial(k: u64, n: u64, p: f64) -> f64 {
    if k > n {
        return 0.0;
    }
    let distance = (-p).mul_add(real(n), real(k));
    saddle(real(k), real(n - k), p, 1.0 - p, distance)
}

/// Probability of the count `k` under a Poisson distribution.
#[must_use]
pub fn poisson(k: u64, mean: f64) -> f64 {
    poisson_real(real(k), mean)
}

/// Probability of the count `k` under a negative binomial distribution of the given mean and size
/// (the variance is mean + mean^2 / size). An infinite size is the Poisson distribution, a size
/// of 0 a certain 0.
#[must_use]
pub fn negative_binomial(k: u64, mean: f64, size: f64) -> f64 {
    if mean <= 0.0 || size <= 0.0 {
        return if k == 0 { 1.0 } else { 0.0 };
    }
    if size.is_infinite() {
        return poisson(k, mean);
    }
    let (k, whole) = (real(k), size + mean);
    if k <= 0.0 {
        return (-size * (mean / size).ln_1p()).exp();
    }
    let distance = (mean - k) * (size / whole);
    saddle(size, k, size / whole, mean / whole, distance) * (size / (size + k))
}

/// Probability that `k` of `drawn` are marked, when `marked` and `others` are mixed.
#[must_use]
pub fn hypergeometric(k: u64, marked: u64, others: u64, drawn: u64) -> f64 {
    let Some(all) = marked.checked_add(others) else {
        return 0.0;
    };
    if drawn > all || k > marked || k > drawn || drawn - k > others {
        return 0.0;
    }
    if drawn == 0 || drawn == all {
        return 1.0;
    }
    // Any share gives the same quotient; this one puts each factor at its mode.
    let (p, q) = (real(drawn) / real(all), real(all - drawn) / real(all));
    let of = |k: u64, n: u64| {
        let distance = difference_of_products(real(k), q, real(n - k), p);
        saddle(real(k), real(n - k), p, q, distance)
    };
    of(k, marked) * of(drawn - k, others) / of(drawn, all)
}

/// Probability of `k` of `n` when the share itself varies by a beta distribution: what a count
/// is among `n` together, given negative binomial counts of the sizes `own` and `other`.
#[must_use]
pub fn beta_binomial(k: u64, n: u64, own: f64, other: f64) -> f64 {
    if k > n {
        return 0.0;
    }
    // As above: the quotient does not depend on the mean, so it is taken where all is central.
    let ratio = real(n) / (own + other);
    negative_binomial(k, own * ratio, own) * negative_binomial(n - k, other * ratio, other)
        / negative_binomial(n, real(n), own + other)
}
