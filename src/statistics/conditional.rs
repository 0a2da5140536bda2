//! One count against the others of its series.
//!
//! What comes in: the counts of a series, how much exposure each had, which are alike by season,
//! and which one is asked about. What goes out: what the others lead one to expect of it, how much
//! they scatter, and p-values given the total. What may fail: fewer than three counts that are
//! alike, or exposures that are no positive numbers, give `None`. What must stay true: the count under test takes no part in its
//! own baseline, neither in the mean nor in the scatter.
//!
//! Given the total, a Poisson count among others of the same rate is binomial with its share of
//! the exposure (Przyborowski and Wilenski, Biometrika 31 (1940) 313-323). When the others scatter
//! more than Poisson counts do, each count is taken as negative binomial with variance
//! proportional to its mean; given the total it is then beta-binomial (negative hypergeometric;
//! Johnson, Kemp and Kotz, Univariate Discrete Distributions, 3rd ed. 2005, 6.2.2). The size comes
//! from the method of moments: the others' Pearson statistic by its degrees of freedom. Moments
//! instead of maximum likelihood, because the likelihood of a dozen counts is flat and often has
//! no maximum, and because moments need no iteration to repeat. A dozen counts do not tell their
//! scatter well, so a p-value that uses it is read on Student's t with their degrees of freedom
//! instead of the normal curve, as quasi-likelihood tests of counts do (`McCullagh` and Nelder,
//! Generalized Linear Models, 2nd ed. 1989, 4.5): without this, 12 counts that truly scatter pass
//! p < 0.001 six times too often. Where a count is held against the same months of other years,
//! all months together say the scatter: that of four Januaries is 1 or less so often by chance that
//! p < 0.001 came up to fifteen times too often.

use super::mass::beta_binomial;
use super::negative_binomial::student_two_sided;
use super::{NEGLIGIBLE, PValue, binomial::binomial_doubled, gamma, number, real};

/// One count beside what the others say of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The count that the others' rate gives for its exposure.
    pub expected: f64,
    /// Variance by mean that was used: 1 where the others scatter no more than Poisson counts.
    pub dispersion: f64,
    /// Two-sided, twice the smaller tail.
    pub p: PValue,
}

/// Sums of the beta-binomial distribution of `k` among `n`, sizes `own` and `other`.
struct Shared {
    n: u64,
    own: f64,
    other: f64,
}

impl Shared {
    /// P(k) / P(k - 1).
    fn ratio(&self, k: u64) -> f64 {
        (real(self.n - k + 1) / real(k))
            * ((self.own + real(k - 1)) / (self.other + real(self.n - k)))
    }

    fn mass(&self, k: u64) -> f64 {
        beta_binomial(k, self.n, self.own, self.other)
    }

    fn below(&self, k: u64) -> f64 {
        let mut term = self.mass(k);
        let mut sum = term;
        for i in (1..=k).rev() {
            term /= self.ratio(i);
            sum += term;
            // With a size below 1 the probabilities rise again towards 0.
            if term <= sum * NEGLIGIBLE && self.own >= 1.0 {
                break;
            }
        }
        sum.min(1.0)
    }

    fn above(&self, k: u64) -> f64 {
        let mut term = self.mass(k);
        let mut sum = term;
        for i in k + 1..=self.n {
            term *= self.ratio(i);
            sum += term;
            if term <= sum * NEGLIGIBLE && self.other >= 1.0 {
                break;
            }
        }
        sum.min(1.0)
    }

    /// Both tails, each with the count itself: at most, at least. Only the shorter is summed.
    fn tails(&self, k: u64) -> (f64, f64) {
        let mass = self.mass(k);
        if real(k) <= real(self.n) * (self.own / (self.own + self.other)) {
            let below = self.below(k);
            (below, (1.0 - below + mass).min(1.0))
        } else {
            let above = self.above(k);
            ((1.0 - above + mass).min(1.0), above)
        }
    }
}

/// Two-sided p-values of `k` among `n` together, when its part of the exposure is `share` and
/// the variance of each count is `dispersion` times its mean. A dispersion of at most 1 is the
/// binomial test. The work grows with the total where the scatter is wide.
#[must_use]
pub fn conditional(k: u64, n: u64, share: f64, expected: f64, dispersion: f64) -> PValue {
    if k > n || n == 0 || !(share > 0.0 && share < 1.0) {
        return PValue::ONE;
    }
    let own = expected / (dispersion - 1.0);
    let scatters = dispersion > 1.0 && own > 0.0 && own.is_finite();
    if !scatters {
        return binomial_doubled(k, n, share);
    }
    let shared = Shared {
        n,
        own,
        other: own * ((1.0 - share) / share),
    };
    let mass = shared.mass(k);
    let (at_most, at_least) = shared.tails(k);
    PValue::of_tail(at_most, mass).or_doubled(PValue::of_tail(at_least, mass))
}

/// A series whose counts are compared within phases of a cycle: all Januaries, all Februaries.
struct Phased {
    counts: Vec<f64>,
    exposures: Vec<f64>,
    phases: Vec<u64>,
}

impl Phased {
    /// The members of the phase of a count, that count left out.
    fn alike(&self, phase: u64, without: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.counts.len()).filter(move |at| *at != without && self.phases[*at] == phase)
    }

    fn sum(of: &[f64], members: impl Iterator<Item = usize>) -> f64 {
        members.map(|at| of[at]).sum()
    }

    /// Variance by mean of the counts, the one under test left out: their Pearson statistic by its
    /// degrees of freedom, and these. `None` where none is left.
    fn scatter(&self, index: usize) -> Option<(f64, usize)> {
        let mut phases = self.phases.clone();
        phases.sort_unstable();
        phases.dedup();
        let (mut pearson, mut freedom) = (0.0, 0);
        for phase in phases {
            let members = || self.alike(phase, index);
            let exposure = Self::sum(&self.exposures, members());
            let rate = Self::sum(&self.counts, members()) / exposure;
            // Where nothing was counted, nothing scatters.
            if rate > 0.0 {
                let expected = |at: usize| rate * self.exposures[at];
                let squares =
                    members().map(|at| (self.counts[at] - expected(at)).powi(2) / expected(at));
                pearson += squares.sum::<f64>();
                freedom += members().count() - 1;
            }
        }
        (freedom > 0).then(|| (pearson / number(freedom), freedom))
    }
}

/// Two-sided p-values whose scatter was estimated with so many degrees of freedom: the normal
/// deviate that each stands for, read on Student's t.
fn estimated_scatter(p: PValue, freedom: usize) -> PValue {
    let widened = |p: f64| student_two_sided(gamma::normal_quantile(p / 2.0), number(freedom));
    PValue {
        exact: widened(p.exact),
        mid: widened(p.mid),
    }
}

/// The count at `index` against the others of the series. `exposures` are relative (days of the
/// month, person-years, or all 1).
#[must_use]
pub fn against_others(counts: &[u64], exposures: &[f64], index: usize) -> Option<Comparison> {
    against_phase(counts, exposures, &vec![0; counts.len()], index)
}

/// The count at `index` against the others of its phase (the same month of other years). How much
/// counts scatter, all phases together say: the few years of one month cannot.
#[must_use]
pub fn against_phase(
    counts: &[u64],
    exposures: &[f64],
    phases: &[u64],
    index: usize,
) -> Option<Comparison> {
    let usable = |exposure: &f64| exposure.is_finite() && *exposure > 0.0;
    if counts.len() != exposures.len()
        || counts.len() != phases.len()
        || index >= counts.len()
        || !exposures.iter().all(usable)
    {
        return None;
    }
    let series = Phased {
        counts: counts.iter().map(|count| real(*count)).collect(),
        exposures: exposures.to_vec(),
        phases: phases.to_vec(),
    };
    let alike = || series.alike(phases[index], index);
    if alike().count() < 2 {
        return None;
    }
    let total = alike().try_fold(counts[index], |sum, at| sum.checked_add(counts[at]))?;
    let own = exposures[index];
    let rest = Phased::sum(exposures, alike());
    let expected = Phased::sum(&series.counts, alike()) * (own / rest);
    let (dispersion, freedom) = series.scatter(index).unwrap_or((1.0, 1));
    let dispersion = dispersion.max(1.0);
    let share = own / (own + rest);
    let mut p = conditional(counts[index], total, share, expected, dispersion);
    if dispersion > 1.0 {
        p = estimated_scatter(p, freedom);
    }
    Some(Comparison {
        expected,
        dispersion,
        p,
    })
}
