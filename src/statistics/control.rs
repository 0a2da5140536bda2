//! Limits within which chance alone keeps one count of a series.
//!
//! What comes in: the counts of a series, how much exposure each had, and which one is asked
//! about. What goes out: what the others lead one to expect of it, and the counts that are no
//! surprise beside them. What may fail: nothing; too few others give `None`. What must stay true:
//! the count under test takes no part in its own limits; the limits are exact for Poisson counts
//! of one rate, and know that the rate itself is only estimated.
//!
//! Given the total, a Poisson count among others of the same rate is binomial with its share of
//! the exposure (Przyborowski and Wilenski, Biometrika 31 (1940) 313-323). A count lies within the
//! limits when that test, two-sided by twice the smaller tail, gives a p-value of at least
//! [`LEAST_P`]. For large counts these are the limits of three standard deviations of Shewhart's
//! charts, widened by the uncertainty of the others' mean.

use super::conditional::conditional;
use super::real;

/// Below this p-value a count is outside: 1 in 1,000 months of pure chance, as the audit's rules.
pub const LEAST_P: f64 = 0.001;
/// Others of which a rate can be estimated.
pub const LEAST_OTHERS: usize = 5;

/// What the others of a series say of one count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The sum of the others.
    pub others: u64,
    /// Exposure of the count itself, and of the others together.
    pub exposure: (u64, u64),
    /// The smallest count that is no surprise.
    pub low: u64,
    /// The largest count that is no surprise.
    pub high: u64,
}

impl Limits {
    /// Whether a count lies within them.
    #[must_use]
    pub fn contain(self, count: u64) -> bool {
        (self.low..=self.high).contains(&count)
    }
}

/// The limits of the count at `index`; exposures are days, or anything that counts are
/// proportional to, and positive. `None` with fewer than [`LEAST_OTHERS`] others.
#[must_use]
pub fn limits(counts: &[u64], exposures: &[u64], index: usize) -> Option<Limits> {
    let own = *exposures.get(index).filter(|own| **own > 0)?;
    if counts.len() != exposures.len() || counts.len() <= LEAST_OTHERS {
        return None;
    }
    let others = |values: &[u64]| -> Option<u64> {
        let kept = values.iter().enumerate().filter(|(at, _)| *at != index);
        kept.map(|(_, value)| *value)
            .try_fold(0, |sum: u64, value| sum.checked_add(value))
    };
    let (sum, rest) = (others(counts)?, others(exposures)?);
    if rest == 0 {
        return None;
    }
    let share = real(own) / (real(own) + real(rest));
    let expected = real(sum) * (real(own) / real(rest));
    let is_usual =
        |count: u64| conditional(count, sum + count, share, expected, 1.0).exact >= LEAST_P;
    let middle = middle(sum, own, rest);
    Some(Limits {
        others: sum,
        exposure: (own, rest),
        low: last_usual(middle, |below| middle.checked_sub(below), is_usual),
        high: last_usual(middle, |above| middle.checked_add(above), is_usual),
    })
}

/// The whole number nearest below what is expected; no surprise whatever the limits.
fn middle(sum: u64, own: u64, rest: u64) -> u64 {
    let expected = u128::from(sum) * u128::from(own) / u128::from(rest);
    u64::try_from(expected).unwrap_or(u64::MAX)
}

/// The count farthest from the middle that is usual, by halves: away from the middle p-values only
/// fall.
fn last_usual(middle: u64, at: impl Fn(u64) -> Option<u64>, is_usual: impl Fn(u64) -> bool) -> u64 {
    let usual = |distance| at(distance).is_some_and(&is_usual);
    let mut outside = 1;
    while usual(outside) {
        outside *= 2;
    }
    let mut inside = outside / 2;
    while outside - inside > 1 {
        let between = inside.midpoint(outside);
        if usual(between) {
            inside = between;
        } else {
            outside = between;
        }
    }
    at(inside).unwrap_or(middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::binomial::{binomial_at_least, binomial_at_most};

    const DAYS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

    /// Twice the smaller tail of the binomial test, written out.
    fn p(count: u64, sum: u64, share: f64) -> f64 {
        let n = sum + count;
        let (low, high) = (
            binomial_at_most(count, n, share),
            binomial_at_least(count, n, share),
        );
        (2.0 * low.min(high)).min(1.0)
    }

    #[test]
    fn the_limits_are_the_last_counts_that_the_exact_test_leaves_possible() {
        for mean in [0, 1, 2, 7, 40, 300] {
            let counts = [mean; 12];
            for index in [0, 1, 11] {
                let found = limits(&counts, &DAYS, index).unwrap();
                let (own, rest) = found.exposure;
                assert_eq!(
                    (own, rest, found.others),
                    (DAYS[index], 365 - own, mean * 11)
                );
                let share = real(own) / 365.0;
                for count in 0..mean * 3 + 20 {
                    let usual = p(count, found.others, share) >= LEAST_P;
                    assert_eq!(
                        found.contain(count),
                        usual,
                        "{count} beside {mean}, {found:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_month_does_not_widen_its_own_limits() {
        let mut counts = [10; 12];
        let before = limits(&counts, &DAYS, 3);
        counts[3] = 500;
        assert_eq!(limits(&counts, &DAYS, 3), before);
        assert!(!before.unwrap().contain(500) && before.unwrap().contain(10));
        // The others see it, as they must.
        assert_ne!(limits(&counts, &DAYS, 4), before);
    }

    #[test]
    fn too_few_others_have_no_limits() {
        assert_eq!(limits(&[3; 5], &[30; 5], 0), None);
        assert!(limits(&[3; 6], &[30; 6], 0).is_some());
        assert_eq!(limits(&[3; 6], &[30; 5], 0), None);
        assert_eq!(limits(&[3; 6], &[0; 6], 0), None);
        assert_eq!(limits(&[3; 6], &[30; 6], 6), None);
    }
}
