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

use std::collections::BTreeMap;

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

/// A count and its exposure.
type Member = (u64, f64);

/// What the members of a phase (all Januaries, all Februaries) say together.
#[derive(Debug, Clone, Copy)]
struct Phase {
    members: usize,
    total: u64,
    exposure: f64,
    /// Pearson's statistic about the rate of the phase, and its degrees of freedom.
    scatter: (f64, usize),
}

impl Phase {
    fn of(members: impl Iterator<Item = Member> + Clone) -> Self {
        let number_of = members.clone().count();
        let total = members.clone().map(|(count, _)| count).sum();
        let exposure: f64 = members.clone().map(|(_, exposure)| exposure).sum();
        let rate = real(total) / exposure;
        let square = |(count, exposure): Member| {
            let expected = rate * exposure;
            (real(count) - expected).powi(2) / expected
        };
        // Where nothing was counted, nothing scatters.
        let scatter = if total > 0 {
            (members.map(square).sum(), number_of - 1)
        } else {
            (0.0, 0)
        };
        Self {
            members: number_of,
            total,
            exposure,
            scatter,
        }
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

/// A series whose counts are compared with the others of their phase.
#[derive(Debug)]
pub struct Series {
    /// The members of each phase with what they say together.
    cycle: BTreeMap<u64, (Vec<Member>, Phase)>,
    /// Of each count its phase, and where it stands in it.
    places: Vec<(u64, usize)>,
}

impl Series {
    /// Of counts with their exposures (relative: days of the month, person-years, or all 1) and
    /// phases. `None` where the lists differ in length, an exposure is no positive number, or the
    /// total overflows.
    #[must_use]
    pub fn of(counts: &[u64], exposures: &[f64], phases: &[u64]) -> Option<Self> {
        let usable = |exposure: &f64| exposure.is_finite() && *exposure > 0.0;
        if counts.len() != exposures.len()
            || counts.len() != phases.len()
            || !exposures.iter().all(usable)
        {
            return None;
        }
        let mut counted = counts.iter();
        counted.try_fold(0, |sum: u64, count| sum.checked_add(*count))?;
        let mut members: BTreeMap<u64, Vec<Member>> = BTreeMap::new();
        let mut places = Vec::with_capacity(counts.len());
        for ((count, exposure), phase) in counts.iter().zip(exposures).zip(phases) {
            let alike = members.entry(*phase).or_default();
            places.push((*phase, alike.len()));
            alike.push((*count, *exposure));
        }
        let with = |members: Vec<Member>| {
            let together = Phase::of(members.iter().copied());
            (members, together)
        };
        let cycle = members.into_iter();
        Some(Self {
            cycle: cycle.map(|(phase, of)| (phase, with(of))).collect(),
            places,
        })
    }

    /// A count against the others of its phase (the same month of other years). How much counts
    /// scatter, all phases together say: the few years of one month cannot. `None` for a count
    /// with fewer than two others, or one that is not there.
    #[must_use]
    pub fn compare(&self, index: usize) -> Option<Comparison> {
        let (phase, at) = self.places.get(index)?;
        let (members, _) = self.cycle.get(phase)?;
        let (before, from) = members.split_at_checked(*at)?;
        let (member, after) = from.split_first()?;
        let others = Phase::of(before.iter().chain(after).copied());
        if others.members < 2 {
            return None;
        }
        let elsewhere = self.cycle.iter().filter(|(other, _)| *other != phase);
        let scatters = elsewhere.map(|(_, (_, together))| together.scatter);
        let scatter = scatters.fold(others.scatter, |all, one| (all.0 + one.0, all.1 + one.1));
        Some(compare(*member, others, scatter))
    }
}

/// The count at `index` against the others of the series; see [`Series`].
#[must_use]
pub fn against_others(counts: &[u64], exposures: &[f64], index: usize) -> Option<Comparison> {
    Series::of(counts, exposures, &vec![0; counts.len()])?.compare(index)
}

/// A count beside the others of its phase, when Pearson's statistic of all others with its degrees
/// of freedom is `scatter`.
fn compare((count, exposure): Member, others: Phase, scatter: (f64, usize)) -> Comparison {
    let (pearson, freedom) = scatter;
    let dispersion = if freedom > 0 {
        (pearson / number(freedom)).max(1.0)
    } else {
        1.0
    };
    let expected = real(others.total) * (exposure / others.exposure);
    let share = exposure / (exposure + others.exposure);
    let total = others.total + count;
    let mut p = conditional(count, total, share, expected, dispersion);
    if dispersion > 1.0 {
        p = estimated_scatter(p, freedom);
    }
    Comparison {
        expected,
        dispersion,
        p,
    }
}
