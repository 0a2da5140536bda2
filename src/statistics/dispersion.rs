//! Counts that are too even, and units that differ too much.
//!
//! What comes in: counts of one unit over its periods, or of many units with their exposure. What
//! goes out: p-values. What may fail: too few counts, or none counted, give `None`. What must stay
//! true: a unit takes no part in the rate and the scatter that it is held against.
//!
//! Evenness: Fisher's index of dispersion, sum (x - mean)^2 / mean, is about chi-square with n - 1
//! degrees of freedom for Poisson counts. At means of 1 to 10 and 12 to 60 counts its lower tail
//! is on the careful side: at p <= 0.001 between a half and all of the nominal rate.
//!
//! Units: the funnel-plot method of Spiegelhalter (Statistics in Medicine 24 (2005) 1185-1202;
//! Quality and Safety in Health Care 14 (2005) 347-351): z-scores on the square-root scale, the
//! most extreme tenth at either end set to the next one, and the mean of their squares as the
//! factor by which all vary more than Poisson counts; 1 where it would be less. Two additions,
//! both needed for P(p <= a) <= a when units truly differ: the mean square is divided by what
//! winsorising leaves of it for normal z-scores (0.68; without it, p < 0.001 comes two to ten
//! times too often), and the p-value is read on Student's t with the degrees of freedom of the
//! scores that were not cut (Tukey and `McLaughlin`, Sankhya A 25 (1963) 331-352), because the factor
//! of a dozen units is itself uncertain: with those of all units, p < 0.001 comes up to four times
//! too often.

use super::binomial::binomial_doubled;
use super::gamma::{chi_square_lower, chi_square_upper, normal_quantile};
use super::intervals::share_of_ratio;
use super::negative_binomial::student_two_sided;
use super::{PValue, number, real};

/// A sum of squares with its degrees of freedom and both tails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dispersion {
    /// The statistic.
    pub statistic: f64,
    /// Its degrees of freedom, which is about what it is expected to be.
    pub freedom: u64,
    /// Probability of a value as low: too even.
    pub lower: f64,
    /// Probability of a value as high: too uneven.
    pub upper: f64,
}

impl Dispersion {
    fn new(statistic: f64, freedom: usize) -> Self {
        let freedom = freedom as u64;
        Self {
            statistic,
            freedom,
            lower: chi_square_lower(statistic, freedom),
            upper: chi_square_upper(statistic, freedom),
        }
    }
}

/// Index of dispersion of the counts of equal periods. `None` below two counts or where nothing
/// was counted.
#[must_use]
pub fn dispersion(counts: &[u64]) -> Option<Dispersion> {
    let sum: f64 = counts.iter().map(|count| real(*count)).sum();
    if counts.len() < 2 || sum <= 0.0 {
        return None;
    }
    let mean = sum / number(counts.len());
    let squares: f64 = counts.iter().map(|x| (real(*x) - mean).powi(2)).sum();
    Some(Dispersion::new(squares / mean, counts.len() - 1))
}

/// Whether the sex ratios of units lie too close to one value, `ratio` boys to 100 girls: the sum
/// of the squared z-scores of (boys, girls), one degree of freedom each. Units without births are
/// left out; `None` when none is left.
#[must_use]
pub fn sex_ratio_closeness(units: &[(u64, u64)], ratio: f64) -> Option<Dispersion> {
    let share = share_of_ratio(ratio);
    let scores: Vec<f64> = units
        .iter()
        .map(|(boys, girls)| (real(*boys), real(*boys) + real(*girls)))
        .filter(|(_, births)| *births > 0.0)
        .map(|(boys, births)| (boys - births * share).powi(2) / (births * share * (1.0 - share)))
        .collect();
    if scores.is_empty() || !(share > 0.0 && share < 1.0) {
        return None;
    }
    Some(Dispersion::new(scores.iter().sum(), scores.len()))
}

/// One unit beside all others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitComparison {
    /// The count that the others' rate gives for its exposure.
    pub expected: f64,
    /// Count by expected count; infinite where nothing was expected but something counted.
    pub ratio: f64,
    /// Its score before the scatter of the others is taken into account.
    pub z: f64,
    /// Variance of the others' scores, at least 1.
    pub dispersion: f64,
    /// The exact conditional binomial against the others: no scatter beyond chance.
    pub exact: PValue,
    /// Two-sided p of z by the root of the dispersion.
    pub scattered: f64,
    /// The larger of both, which is what the audit looks at.
    pub p: PValue,
}

/// The score of a count against what a total gives it, on the scale on which a Poisson count has
/// the same variance everywhere. `share` is its part of the exposure of that total.
fn score(count: f64, total: f64, share: f64) -> f64 {
    2.0 * (count.sqrt() - (total * share).sqrt()) / (1.0 - share).sqrt()
}

/// Mean square that winsorising `fraction` at either end leaves of standard normal scores.
fn left_by_winsorising(fraction: f64) -> f64 {
    let z = normal_quantile(fraction);
    let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    (1.0 - 2.0 * fraction) - 2.0 * z * density + 2.0 * fraction * z * z
}

/// Mean square of the scores with the `fraction` most extreme at either end (at least one) set to
/// the next, corrected for what that takes away, at least 1; and its degrees of freedom.
fn winsorised_dispersion(mut scores: Vec<f64>, fraction: f64) -> (f64, f64) {
    scores.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of the number of scores"
    )]
    let cut = (number(scores.len()) * fraction).ceil() as usize;
    let kept = scores.len().saturating_sub(2 * cut);
    if kept < 2 {
        return (1.0, 1.0);
    }
    let (low, high) = (scores[cut], scores[cut + kept - 1]);
    let squares: f64 = scores.iter().map(|z| z.clamp(low, high).powi(2)).sum();
    // Of few scores more than the fraction is cut, because a score is cut or is not.
    let left = left_by_winsorising(number(cut) / number(scores.len()));
    let found = squares / number(scores.len()) / left;
    (found.max(1.0), number(kept - 1))
}

/// Every unit against all others: events and exposure (residents, or the like) of each, and the
/// `fraction` to winsorise at either end, above 0 and below 0.5. `None` below four units, where
/// exposures are no positive numbers, or where nothing was counted. The work grows with the square
/// of the units.
#[must_use]
pub fn compare_units(
    events: &[u64],
    exposures: &[f64],
    fraction: f64,
) -> Option<Vec<UnitComparison>> {
    let usable = |exposure: &f64| exposure.is_finite() && *exposure > 0.0;
    let total = events
        .iter()
        .try_fold(0, |sum: u64, x| sum.checked_add(*x))?;
    if events.len() < 4
        || events.len() != exposures.len()
        || !exposures.iter().all(usable)
        || !(fraction > 0.0 && fraction < 0.5)
        || total == 0
    {
        return None;
    }
    let one = |index: usize| {
        let kept = || (0..events.len()).filter(move |at| *at != index);
        let own = exposures[index];
        let rest: f64 = kept().map(|at| exposures[at]).sum();
        let others = real(total - events[index]);
        let scores = kept().map(|at| score(real(events[at]), others, exposures[at] / rest));
        let (dispersion, freedom) = winsorised_dispersion(scores.collect(), fraction);
        let share = own / (own + rest);
        let expected = others * (own / rest);
        let z = score(real(events[index]), real(total), share);
        let exact = binomial_doubled(events[index], total, share);
        let scattered = student_two_sided(z / dispersion.sqrt(), freedom);
        UnitComparison {
            expected,
            ratio: real(events[index]) / expected,
            z,
            dispersion,
            exact,
            scattered,
            p: exact.larger(PValue::continuous(scattered)),
        }
    };
    Some((0..events.len()).map(one).collect())
}
