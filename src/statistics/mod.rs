//! Exact statistics of small counts, and the measures by which the audit compares records.
//!
//! What comes in: counts, names, dates, numbers. What goes out: p-values, intervals, distances.
//! What may fail: nothing; counts that allow no statement give `None`, a p-value of 1 or the
//! widest interval. What must stay true: an interval covers with at least the stated confidence,
//! and a p-value of an interval null is the largest over that interval, so that small counts are
//! never over-read. Everything here is a pure function: no data, no clock, no random numbers but
//! those of a given seed.
//!
//! | module | what it answers |
//! |---|---|
//! | [`mass`] | how probable is exactly this count |
//! | [`binomial`], [`poisson`], [`negative_binomial`], [`hypergeometric`] | how probable is a count as low, or as high |
//! | [`gamma`] | tails of the chi-square and the normal distribution |
//! | [`intervals`] | which values does a count leave possible |
//! | [`power`] | which effect would a sample of this size show |
//! | [`conditional`] | one count against the others of its series |
//! | [`control`] | within which limits chance alone keeps it |
//! | [`runs`] | a figure repeated, or missing, too long |
//! | [`dispersion`] | counts too even, or units too different |
//! | [`drift`] | a series that slides, by cumulative sums |
//! | [`heaping`] | round numbers, favoured days and years |
//! | [`capture`] | how many events neither of two sources knows; lots that are accepted |
//! | [`multiplicity`] | which of many p-values are signals |
//! | [`growth`] | weight that is possible at a gestation |
//! | [`similarity`], [`identity`] | names, dates and numbers of persons |
//! | [`rational`] | fractions and their decimals |
//!
//! Discrete tests give two p-values ([`PValue`]): the exact one, which is never too small, and the
//! mid-p, which counts half of the observed outcome and is right on average over many tests
//! (Lancaster, JASA 56 (1961) 223-234).

pub mod binomial;
pub mod capture;
pub mod conditional;
pub mod control;
pub mod dispersion;
pub mod drift;
mod fraction;
pub mod gamma;
pub mod growth;
pub mod heaping;
pub mod hypergeometric;
pub mod identity;
pub mod intervals;
pub mod mass;
pub mod multiplicity;
pub mod negative_binomial;
pub mod poisson;
pub mod power;
pub mod rational;
pub mod runs;
pub mod similarity;

pub use binomial::{
    binomial_at_least, binomial_at_most, binomial_doubled_tail, binomial_interval_null,
    binomial_two_sided,
};
pub use intervals::{
    Interval, clopper_pearson, poisson_interval, ratio_of_share, sex_ratio_interval, share_of_ratio,
};

/// Bisections of a limit: more than the 53 bits of a double can tell apart.
const BISECTIONS: u32 = 80;
/// A term this small beside the sum can no longer change it.
const NEGLIGIBLE: f64 = 1e-18;

/// What a test says, by two conventions.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PValue {
    /// Never too small: under the null it is at most a with a probability of at most a.
    pub exact: f64,
    /// The same with half of the observed outcome's probability, for the multiplicity step.
    pub mid: f64,
}

impl PValue {
    /// Nothing speaks against the null.
    pub const ONE: Self = Self {
        exact: 1.0,
        mid: 1.0,
    };

    /// The p-value of a statistic without jumps, for which both conventions agree.
    #[must_use]
    pub const fn continuous(p: f64) -> Self {
        Self { exact: p, mid: p }
    }

    /// Of a tail that includes the observed outcome, and that outcome's own probability.
    fn of_tail(tail: f64, observed: f64) -> Self {
        Self {
            exact: tail,
            mid: (tail - observed / 2.0).max(0.0),
        }
    }

    /// Twice the smaller of the two tails.
    fn or_doubled(self, other: Self) -> Self {
        Self {
            exact: (2.0 * self.exact.min(other.exact)).min(1.0),
            mid: (2.0 * self.mid.min(other.mid)).min(1.0),
        }
    }

    /// The larger of each: for a claim that two tests must both support.
    #[must_use]
    pub fn larger(self, other: Self) -> Self {
        Self {
            exact: self.exact.max(other.exact),
            mid: self.mid.max(other.mid),
        }
    }
}

/// A count as a floating-point number; exact up to 2^53, beyond which no register grows.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of persons stay below 2^53"
)]
const fn real(count: u64) -> f64 {
    count as f64
}

/// A number of items as a floating-point number.
#[expect(
    clippy::cast_precision_loss,
    reason = "nothing in memory has 2^53 items"
)]
const fn number(items: usize) -> f64 {
    items as f64
}

/// The point between `low` and `high` at which `above` turns true; it must turn only once.
fn turning_point(mut low: f64, mut high: f64, above: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if above(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    f64::midpoint(low, high)
}
