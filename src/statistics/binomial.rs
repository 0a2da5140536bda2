//! Exact tests of a share.
//!
//! What comes in: `successes` of `trials`, and the share or the range of shares they are held
//! against. What goes out: tail probabilities and p-values. What may fail: nothing; no trials, or
//! more successes than trials, allow no statement and give 1. What must stay true: a p-value of
//! an interval null is the largest over that interval.
//!
//! Tails are summed from the observed count outwards, on the side where the terms fall, which
//! stays accurate (relative error near 1e-13) where continued fractions of the incomplete beta
//! function need more steps than `statrs` takes. Two-sided tests: twice the smaller tail, or
//! Sterne's ordering by probability ("method of small p-values", as in R's `binom.test`).

use statrs::function::factorial::ln_binomial;

use super::intervals::share_of_ratio;
use super::mass::binomial;
use super::{NEGLIGIBLE, PValue, real};

/// Probabilities that differ by less than this share are one value (as in R's `binom.test`).
const TIE: f64 = 1e-7;

/// P(X <= k), summed downwards.
fn below(k: u64, n: u64, p: f64) -> f64 {
    let odds = (1.0 - p) / p;
    let mut term = binomial(k, n, p);
    let mut sum = term;
    for i in (1..=k).rev() {
        term *= real(i) / real(n - i + 1) * odds;
        sum += term;
        if term <= sum * NEGLIGIBLE {
            break;
        }
    }
    sum.min(1.0)
}

/// P(X >= k), summed upwards.
fn above(k: u64, n: u64, p: f64) -> f64 {
    let odds = p / (1.0 - p);
    let mut term = binomial(k, n, p);
    let mut sum = term;
    for i in k + 1..=n {
        term *= real(n - i + 1) / real(i) * odds;
        sum += term;
        if term <= sum * NEGLIGIBLE {
            break;
        }
    }
    sum.min(1.0)
}

/// P(X <= k) of `n` trials at the share `p`.
#[must_use]
pub fn binomial_at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        1.0
    } else if p >= 1.0 {
        0.0
    } else if real(k) > real(n) * p {
        1.0 - above(k + 1, n, p)
    } else {
        below(k, n, p)
    }
}

/// P(X >= k) of `n` trials at the share `p`.
#[must_use]
pub fn binomial_at_least(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        1.0
    } else if k > n || p <= 0.0 {
        0.0
    } else if p >= 1.0 {
        1.0
    } else if real(k) < real(n) * p {
        1.0 - below(k - 1, n, p)
    } else {
        above(k, n, p)
    }
}

/// Is the share too low? One-sided, at the share `p`, which is the nearer edge of the null.
#[must_use]
pub fn binomial_lower(successes: u64, trials: u64, p: f64) -> PValue {
    if successes > trials || trials == 0 {
        return PValue::ONE;
    }
    PValue::of_tail(
        binomial_at_most(successes, trials, p),
        binomial(successes, trials, p.clamp(0.0, 1.0)),
    )
}

/// Is the share too high? One-sided, at the share `p`, which is the nearer edge of the null.
#[must_use]
pub fn binomial_upper(successes: u64, trials: u64, p: f64) -> PValue {
    if successes > trials || trials == 0 {
        return PValue::ONE;
    }
    PValue::of_tail(
        binomial_at_least(successes, trials, p),
        binomial(successes, trials, p.clamp(0.0, 1.0)),
    )
}

/// A share against what exposure alone would give, with room up to the factor `edge`: the upper
/// exact tail at `edge * exposure`, the largest p over the null. A null that reaches 1 holds
/// whatever is seen.
#[must_use]
pub fn binomial_exposure(successes: u64, trials: u64, exposure: f64, edge: f64) -> PValue {
    let share = exposure * edge;
    if share.is_nan() || share >= 1.0 {
        return PValue::ONE;
    }
    binomial_upper(successes, trials, share)
}

/// A share against one value: twice the smaller tail.
#[must_use]
pub fn binomial_doubled(successes: u64, trials: u64, p: f64) -> PValue {
    binomial_lower(successes, trials, p).or_doubled(binomial_upper(successes, trials, p))
}

/// A share against a range: twice the tail at the nearer end, 1 inside the range. It is what the
/// audit's sex ratio rule gates on; it is never smaller than a one-sided p, and for small counts
/// more careful than the method of small p-values.
#[must_use]
pub fn binomial_doubled_interval(successes: u64, trials: u64, low: f64, high: f64) -> PValue {
    if successes > trials || trials == 0 {
        return PValue::ONE;
    }
    let observed = real(successes) / real(trials);
    let tail = if observed < low {
        binomial_lower(successes, trials, low)
    } else if observed > high {
        binomial_upper(successes, trials, high)
    } else {
        PValue::ONE
    };
    tail.or_doubled(PValue::ONE)
}

/// The exact p-value of [`binomial_doubled_interval`].
#[must_use]
pub fn binomial_doubled_tail(successes: u64, trials: u64, low: f64, high: f64) -> f64 {
    binomial_doubled_interval(successes, trials, low, high).exact
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
    let observed = binomial(successes, trials, share) * (1.0 + TIE);
    // Beyond the mode the masses fall, so the first that is no more probable is found by halving.
    let (mut below, mut reached) = (successes, trials + 1);
    while reached - below > 1 {
        let middle = below + (reached - below) / 2;
        let past_mode = real(middle) > real(trials + 1) * share - 1.0;
        if past_mode && binomial(middle, trials, share) <= observed {
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
/// ln odds = (ln C(n, x) - ln C(n, k)) / (k - x). The work grows with the square of the trials.
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

/// The sex ratio at birth against a range of ratios, boys to 100 girls: twice the tail at the
/// nearer end.
#[must_use]
pub fn sex_ratio(boys: u64, girls: u64, low: f64, high: f64) -> PValue {
    let Some(births) = boys.checked_add(girls) else {
        return PValue::ONE;
    };
    binomial_doubled_interval(boys, births, share_of_ratio(low), share_of_ratio(high))
}
