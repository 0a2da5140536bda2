//! What two sources together miss, and what a sample says of a lot.
//!
//! What comes in: counts of two linked sources, or of a sample that was verified in the field.
//! What goes out: an estimate with its interval, the limits of an error rate, the decision on a
//! lot. What may fail: counts that contradict each other (more matched than listed) give `None`.
//! What must stay true: the estimate is shown, never judged: it holds only where the sources are
//! independent and every link is right.

use super::binomial::binomial_at_most;
use super::gamma::normal_quantile;
use super::intervals::{Interval, share_lower_limit, share_upper_limit};
use super::real;

/// How many there are, by two lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capture {
    /// Chapman's estimate of all.
    pub all: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Its interval at the confidence that was asked.
    pub interval: Interval,
}

/// Chapman's estimate of how many events there are, of which the `first` list has so many, the
/// `second` so many, and `both` the same ones (University of California Publications in Statistics
/// 1 (1951) 131-160); its variance by Seber (Biometrika 57 (1970) 313-318); its interval by
/// Sadinle (Communications in Statistics 38 (2009) 1909-1924), which keeps its confidence with few
/// matches and never falls below what the lists name together. `None` where `both` exceeds a list.
#[must_use]
pub fn chapman(first: u64, second: u64, both: u64, confidence: f64) -> Option<Capture> {
    let only_first = real(first.checked_sub(both)?);
    let only_second = real(second.checked_sub(both)?);
    let (one, two, matched) = (real(first), real(second), real(both));
    let product = (one + 1.0) * (two + 1.0) / (matched + 1.0);
    let variance = product * only_first * only_second / ((matched + 1.0) * (matched + 2.0));
    let (a, b, c) = (matched + 0.5, only_first + 0.5, only_second + 0.5);
    let spread = normal_quantile((1.0 - confidence) / 2.0)
        * (1.0 / a + 1.0 / b + 1.0 / c + a / (b * c)).sqrt();
    let known = one + only_second - 0.5;
    let unknown = b * c / a;
    Some(Capture {
        all: product - 1.0,
        standard_error: variance.sqrt(),
        interval: Interval {
            low: known + unknown * (-spread).exp(),
            high: known + unknown * spread.exp(),
        },
    })
}

/// One-sided limits of the share of records that are right, `wrong` of `verified` being wrong
/// (omitted or invented, both counted): each holds with the given confidence by itself. 0 to 1
/// where nothing was verified; more wrong than verified counts as all wrong.
#[must_use]
pub fn accuracy_limits(wrong: u64, verified: u64, confidence: f64) -> Interval {
    let right = verified.saturating_sub(wrong);
    Interval {
        low: share_lower_limit(right, verified, confidence),
        high: share_upper_limit(right, verified, confidence),
    }
}

/// A plan of lot quality assurance: a lot is accepted when a sample of `sample` records holds at
/// most `most_wrong` wrong ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LotPlan {
    /// Records to verify.
    pub sample: u64,
    /// Most wrong records with which the lot is accepted.
    pub most_wrong: u64,
}

impl LotPlan {
    /// The audit's plan: a lot with 2% wrong is accepted with 91%, one with 10% with 10%.
    pub const AUDIT: Self = Self {
        sample: 52,
        most_wrong: 2,
    };

    /// Whether a sample with so many wrong records lets the lot pass.
    #[must_use]
    pub const fn accepts(self, wrong: u64) -> bool {
        wrong <= self.most_wrong
    }

    /// Probability that a lot of which the share `wrong` is wrong is accepted: the operating
    /// characteristic. For lots much larger than the sample.
    #[must_use]
    pub fn acceptance(self, wrong: f64) -> f64 {
        binomial_at_most(self.most_wrong, self.sample, wrong)
    }
}
