//! Tails of the chi-square and the normal distribution.
//!
//! What comes in: a statistic and its degrees of freedom, or a z-score. What goes out: the
//! probability of a value as low, or as high. What may fail: nothing; a number that is not one
//! stays one. What must stay true: each tail is computed as itself, never as 1 less the other
//! where it is the smaller, with a relative error near 1e-13 down to 1e-300.
//!
//! Method: the incomplete gamma function by its series below a + 1 and by its continued fraction
//! above (NIST DLMF 8.11.4 and 8.9.2), as many steps as it needs, with
//! Loader's factor in front. `statrs` takes a difference of logarithms for that factor, which
//! costs it five digits at 10^4 degrees of freedom, and stops at an absolute error.

use super::fraction::ContinuedFraction;
use super::mass::poisson_real;
use super::real;

/// More steps than any count below 10^9 needs (they grow with the square root).
const MOST_STEPS: u32 = 10_000_000;

/// Down to here a tail keeps its digits.
const LEAST_TAIL: f64 = 1e-300;
/// From an error of 4.5e-4, each squares it: 2e-7, 4e-14, and one for safety.
const NEWTON_STEPS: u32 = 3;

/// P(a, x): the lower tail by its series, for x < a + 1.
fn series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut next) = (1.0, 1.0, a);
    for _ in 0..MOST_STEPS {
        next += 1.0;
        term *= x / next;
        sum += term;
        if term <= sum * (f64::EPSILON / 4.0) {
            break;
        }
    }
    poisson_real(a, x) * sum
}

/// Q(a, x): the upper tail by its continued fraction, for x >= a + 1.
fn upper(a: f64, x: f64) -> f64 {
    let mut denominator = x + 1.0 - a;
    let mut fraction = ContinuedFraction::new(denominator);
    for step in 1..=MOST_STEPS {
        let step = f64::from(step);
        denominator += 2.0;
        if !fraction.add(step * (a - step), denominator) {
            break;
        }
    }
    poisson_real(a, x) * a / fraction.value()
}

/// Both tails of the gamma distribution with the shape `a` at `x`: lower, upper.
fn tails(a: f64, x: f64) -> (f64, f64) {
    if a.is_nan() || x.is_nan() {
        return (f64::NAN, f64::NAN);
    }
    if x <= 0.0 {
        return if a > 0.0 { (0.0, 1.0) } else { (1.0, 1.0) };
    }
    if a <= 0.0 || x.is_infinite() {
        return (1.0, 0.0);
    }
    if x < a + 1.0 {
        let lower = series(a, x).min(1.0);
        (lower, 1.0 - lower)
    } else {
        let upper = upper(a, x).min(1.0);
        (1.0 - upper, upper)
    }
}

/// P(X <= x) of a chi-square with the given degrees of freedom; with none it is a certain 0.
#[must_use]
pub fn chi_square_lower(x: f64, freedom: u64) -> f64 {
    tails(real(freedom) / 2.0, x / 2.0).0
}

/// P(X >= x) of a chi-square with the given degrees of freedom; with none it is a certain 0.
#[must_use]
pub fn chi_square_upper(x: f64, freedom: u64) -> f64 {
    tails(real(freedom) / 2.0, x / 2.0).1
}

/// P(Z >= z) of a standard normal variable.
#[must_use]
pub fn normal_upper(z: f64) -> f64 {
    // Z^2 is chi-square with one degree of freedom.
    let (lower, upper) = tails(0.5, z * z / 2.0);
    if z < 0.0 {
        0.5 + lower / 2.0
    } else {
        upper / 2.0
    }
}

/// P(Z <= z) of a standard normal variable.
#[must_use]
pub fn normal_lower(z: f64) -> f64 {
    normal_upper(-z)
}

/// The z that a standard normal variable reaches or exceeds with the probability `tail`; 0 and 1
/// give the infinities, what is no probability gives NaN.
///
/// Newton's method on the logarithm of the tail, which is concave and nearly a parabola, from
/// Hastings' approximation (Abramowitz and Stegun 26.2.23), which is right to 4.5e-4: three steps
/// reach the last digits. Where the tail itself has lost digits, the point is halved in on instead:
/// a tail that comes out as 0 has no logarithm.
#[must_use]
pub fn normal_quantile(tail: f64) -> f64 {
    if !(0.0..=1.0).contains(&tail) {
        return f64::NAN;
    }
    if tail > 0.5 {
        return -normal_quantile(1.0 - tail);
    }
    if tail <= 0.0 {
        return f64::INFINITY;
    }
    if tail < LEAST_TAIL {
        // Beyond 39 the tail is smaller than any double.
        return super::turning_point(0.0, 39.0, |z| normal_upper(z) < tail);
    }
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 0.010_328_f64.mul_add(t, 0.802_853).mul_add(t, 2.515_517);
    let below = 0.001_308_f64
        .mul_add(t, 0.189_269)
        .mul_add(t, 1.432_788)
        .mul_add(t, 1.0);
    let mut z = t - above / below;
    for _ in 0..NEWTON_STEPS {
        let upper = normal_upper(z);
        let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
        z += (upper / tail).ln() * upper / density;
    }
    z
}
